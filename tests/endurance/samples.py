"""What relayd and its keeper use, from time to time; and whether it comes back to where it was."""

import collections
import contextlib
import json
import os
import re
import threading

from control import relayctl
from settings import DEADLINE, until
from weather import metrics

#: How much more than at the first quiet phase there may be at later ones. (A socket: a sample asks just then.) Pipes stay with the
#: slots of the table that had them, up to the most connections that there were. Memory that was freed stays with the allocator; and
#: the log's ring (base/log.c: 4,096 places, 7 MiB) is touched place by place, so that relayd grows for its first lines of that many.
MORE_THREADS, MORE_SOCKETS, MORE_FILES = 0, 2, 2
MORE_KIB, MORE_SHARE = 16384, 0.25
#: Threads that are kept for the next connections: pumps for a minute, spare ones for ten seconds, openers for good.
KEPT = re.compile("pump-|opener|spare-")
MOST_OPENERS = 64
PUMPS_GO = 100   # seconds until the last one has gone, and more


def kib_of(pid):
    """(RSS, Pss)"""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        found = dict(re.findall(r"^(\w+): +(\d+) kB", rollup.read(), re.M))
    return int(found["Rss"]), int(found["Pss"])


def files_of(pid):
    kinds = collections.Counter()
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            kinds[re.split(r"[:/]", os.readlink(f"/proc/{pid}/fd/{number}") or "?")[0] or "file"] += 1
    return kinds


def threads_of(pid):
    """How many of each name."""
    names = collections.Counter()
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/comm", encoding="utf-8") as comm:
            names[re.sub(r"[0-9]*\n$", "", comm.read())] += 1
    return names


def process(pid, name):
    """What there is of it; nothing if it is just not there."""
    try:
        rss, pss = kib_of(pid)
        kinds = files_of(pid)
        threads = threads_of(pid)
    except (FileNotFoundError, ProcessLookupError, PermissionError, KeyError):
        return {}
    return {f"{name} RSS": rss, f"{name} Pss": pss, f"{name} threads": sum(threads.values()), f"{name} descriptors": sum(kinds.values()),
            f"{name} sockets": kinds["socket"], f"{name} pipes": kinds["pipe"],
            f"{name} files": sum(kinds.values()) - kinds["socket"] - kinds["pipe"],
            f"{name} pumps": threads["pump-up"] + threads["pump-down"], f"{name} openers": threads["opener"],
            f"{name} own threads": sum(count for thread, count in threads.items() if not KEPT.match(thread))}


class Samples:
    def __init__(self, world, place):
        self.world, self.place = world, place
        self.rows = []           # {"at": seconds, name: number}
        self.quiets = []         # those of quiet phases
        self.phases = []         # (name, from, to)

    def take(self):
        row = {"at": self.world.age, **process(self.place.one.pid, "relayd"), **process(self.place.keeper.pid, "keeper")}
        with contextlib.suppress(OSError, AssertionError, KeyError, ValueError, IndexError):   # there is no relayd just now
            found = metrics(self.place.at)
            row.update({"connections": found["relayd_connections"], "held": found["relayd_held_connections"],
                        "unheld": found["relayd_unheld_connections"]})
            row["live"] = json.loads(relayctl("-s", self.place.at, "--json", "status"))["live"]
        with self.world.lock:
            row.update({name: self.world.counts[name] for name in ("requests", "bytes", "connections", "frames")
                        if name != "connections"}, opened=self.world.counts["connections"])
        row.update(busy=self.world.busy, pause=self.world.pause)
        self.rows.append(row)
        return row

    def keep_taking(self, every):
        def work():
            while not self.world.over.wait(every):
                with self.world.checked("samples"):
                    self.take()
        threading.Thread(target=work, daemon=True).start()

    # Quiet phases

    def check_quiet(self, name, deep):
        """Nothing is left of the traffic, and it uses no more than at the first one. deep: no thread is kept any more, either."""
        row = {}

        def empty():
            found = metrics(self.place.at)
            return all(found[f"relayd_{kind}"] == 0 for kind in ("connections", "held_connections", "unheld_connections"))

        def at_base():
            row.clear()
            row.update(self.take())
            return not self._beyond(row, deep)
        with self.world.checked("quiet"):
            until(empty, "no connection is live or held", 4 * DEADLINE, pause=0.2)
        if not self.quiets:
            self._settle()
        try:
            until(at_base, "", PUMPS_GO if deep else 2 * DEADLINE, pause=1)
        except AssertionError:
            self.world.fault("quiet", f"in {name} there is more than at first: {', '.join(self._beyond(row, deep))}")
        self.quiets.append({**row, "name": name + (" (deep)" if deep else "")})

    def _settle(self):
        """What all is compared with: once what the last reload has left is gone."""
        def steady():
            self.world.over.wait(3)
            last.append({name: value for name, value in self.take().items() if name.endswith(("own threads", "files", "sockets"))})
            return last[-1] == last[-2]
        last = [{}]
        with self.world.checked("quiet"):
            until(steady, "threads and files stay as they are", 4 * DEADLINE)

    def _beyond(self, row, deep):
        """What is more than it may be."""
        base, found = (self.quiets or [row])[0], []
        slots = len(self.place.visitors) + max(sample.get(name, 0) for sample in self.rows for name in ("live", "held"))
        for who in ("relayd", "keeper"):
            may = {f"{who} own threads": base.get(f"{who} own threads", 0) + MORE_THREADS,
                   f"{who} openers": MOST_OPENERS, f"{who} pumps": 0 if deep else 2 * slots,
                   f"{who} sockets": base.get(f"{who} sockets", 0) + MORE_SOCKETS,
                   f"{who} files": base.get(f"{who} files", 0) + MORE_FILES, f"{who} pipes": 4 * slots,
                   f"{who} Pss": base.get(f"{who} Pss", 0) * (1 + MORE_SHARE) + MORE_KIB}
            found += [f"{name} {row.get(name)} and not at most {most:.0f}" for name, most in may.items()
                      if name not in row or row[name] > most]
        return found
