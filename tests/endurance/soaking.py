"""A soak from its start to its report."""

import argparse
import os
import pathlib
import random
import signal
import subprocess

import account
from keeper import KEEPER
from place import Place
from samples import Samples
from settings import RELAYD, REPO
from weather import STEADY, STORMY, Weather
from world import World

ABOUT = """Runs relayd and a relayd-keeper under mixed traffic, and checks every byte: tcp, TLS, HTTP, WebSocket, uploads, slow readers
and those who vanish. Meanwhile relayd is reloaded, restarted and killed, certificates and names change, and servers fail.
In quiet phases all must be back at its base. RELAYD in the environment names another program than build/relayd.
Exit status 1 if any check failed: each is printed with the seed and the end of the log."""

#: Seconds of a round, after which there is time for quiet phases of more than a minute.
LONG_ROUND = 300


def options():
    parser = argparse.ArgumentParser(prog="tests/soak", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=0, help="how long, besides --minutes")
    parser.add_argument("--minutes", type=float, default=0, help="(10, if neither is said)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32), help="of all that happens by chance")
    parser.add_argument("--out", type=pathlib.Path, default=REPO / "build" / "soak", help="a directory for report.md, pictures, logs")
    parser.add_argument("--load", type=float, default=0.5, help="processors that all of it may use (0.5)")
    parser.add_argument("--round", type=float, default=0, help="minutes between two quiet phases (10, or a quarter of all)")
    parser.add_argument("--pause", type=float, default=3, help="seconds between two events, on the average (3)")
    parser.add_argument("--every", type=float, default=0, help="seconds between two samples (60, or a sixtieth of all)")
    parser.add_argument("--junit", type=pathlib.Path, help="a file in the format of JUnit")
    found = parser.parse_args()
    found.seconds = 3600 * found.hours + 60 * found.minutes or 600
    found.round = 60 * found.round or min(600, found.seconds / 4)
    found.every = found.every or min(60, max(1, found.seconds / 60))
    return found


class Soak:
    def __init__(self, told):
        self.told = told
        self.world = World(told.seed, told.load)
        self.place = Place(self.world, told.out)
        self.samples, self.weather = Samples(self.world, self.place), Weather(self.world, self.place)

    def phase(self, name, work):
        start = self.world.age
        work()
        self.samples.phases.append((name, start, self.world.age))

    def quiet(self, name, deep):
        def work():
            self.place.hush()
            with self.world.checked("quiet"):
                self.weather.calm()
            self.samples.check_quiet(name, deep)
            self.world.open.set()
        self.phase("quiet", work)

    def run(self):
        """In steady rounds relayd lives on, in stormy ones it does not."""
        self.world.keep_pace(self.place.work_of_others)
        self.samples.keep_taking(self.told.every)
        self.world.open.set()
        self.place.start()
        number, end = 0, self.told.seconds
        while self.world.age < end and not self.world.over.is_set():
            name, kinds = ("storm", STORMY) if number % 2 else ("steady", STEADY)
            left = end - self.world.age
            length = left if left < 1.5 * self.told.round else self.told.round
            if number == 0:   # a short one, for a base to compare with
                length = min(length / 2, 120)
            self.phase(name, lambda: self.weather.go_on(length, kinds, self.told.pause))   # pylint: disable=cell-var-from-loop
            self.quiet(f"quiet phase {number}, after a {name} round", self.told.round >= LONG_ROUND or self.world.age >= end)
            number += 1
            done = self.world.counts
            print(f"{self.world.age:.0f} s: round {number} ({name}) done, {done['requests']} requests, {done['connections']} connections, "
                  f"{len(self.world.faults)} faults", flush=True)


def main():
    told = options()
    for program in RELAYD, KEEPER:
        if not os.access(program, os.X_OK):
            print(f"there is no {program}: build it first, or name relayd in $RELAYD")
            return 69
    told.out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    print(f"tests/soak --seed {told.seed}: {told.seconds / 60:g} minutes, at most {told.load} processors; {told.out}/report.md", flush=True)
    soak = Soak(told)
    world = soak.world
    try:
        soak.run()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    finally:
        soak.place.close()
        version = subprocess.run([RELAYD, "--version"], capture_output=True, text=True, check=False).stdout.splitlines()
        words = f"{' '.join(version[:1])}, seed {told.seed}, at most {told.load} processors."
        account.report(told.out, world, soak.samples, soak.weather, words)
        if told.junit:
            kinds = {visitor.kind for visitor in soak.place.visitors} | set(name.replace("_", " ") for name in STORMY) | {
                "quiet", "log", "adopted", "end of relayd", "end of the keeper"}
            account.junit(told.junit, world, kinds)
    print(f"{len(world.faults)} faults in {world.age / 60:.1f} minutes: {told.out}/report.md")
    return 1 if world.faults else 0
