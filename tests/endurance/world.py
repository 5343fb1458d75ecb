"""What all parts of a soak share: chances, faults, counts, the pace, and the moments at which relayd was not there."""

import collections
import contextlib
import os
import random
import resource
import threading
import time

from settings import SANITIZER

#: So many faults are printed with the end of the log, without the records of others that went well; of more a line.
PRINTED = 20
LOG_LINES = 20


class Wrong(Exception):
    """Bytes that are not the asker's: never excused."""


class World:
    def __init__(self, seed, load):
        self.seed, self.load = seed, load
        self.born = time.monotonic()
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        self.faults = []
        self.fault_counts = collections.Counter()
        self.gaps = collections.deque(maxlen=1000)   # [how relayd ended, when, when the next one was ready]
        self.open = threading.Event()                # there is traffic
        self.over = threading.Event()
        self.pause = 1.0                             # what all pauses of the traffic are multiplied by
        self.busy = 0.0                              # processors in use
        self.excused_until = 0.0                     # connections that began before need not outlive relayd
        self.tail = lambda count: []                 # the last lines of the log

    def dice(self, *names):
        """Chances of somebody's own, the same for each run with this seed."""
        return random.Random(f"{self.seed} {names}")

    @property
    def age(self):
        return time.monotonic() - self.born

    # Counts and faults

    def count(self, name, more=1):
        with self.lock:
            self.counts[name] += more

    def fault(self, kind, what, about="no client's name"):
        """about: somebody of whom the log tells more."""
        with self.lock:
            self.fault_counts[kind] += 1
            if len(self.faults) < 1000:
                self.faults.append((self.age, kind, what))
            number = sum(self.fault_counts.values())
            lines = [f"FAULT {number} after {self.age:.1f} s, --seed {self.seed}: {kind}: {what}"]
            if number <= PRINTED:
                told = [line for line in self.tail(10 * LOG_LINES) if " info " not in line or about in line]
                lines += [f"    {line[:250]}" for line in told[-LOG_LINES:]]
            print("\n".join(lines), flush=True)

    @contextlib.contextmanager
    def checked(self, kind):
        """What fails within is a fault, and the soak goes on."""
        try:
            yield
        except Exception as error:   # pylint: disable=broad-except
            self.fault(kind, f"{type(error).__name__}: {str(error)[:1500]}")

    # Moments without relayd

    @contextlib.contextmanager
    def gap(self, how):
        """It ends within, and the next one is ready at the end."""
        one = [how, time.monotonic(), None]
        with self.lock:
            self.gaps.append(one)
        try:
            yield
        finally:
            one[2] = time.monotonic()

    def gaps_since(self, moment):
        """How relayd has ended since then; or was just ending."""
        with self.lock:
            return [how for how, _, end in self.gaps if end is None or end >= moment]

    # The pace

    def rest(self, dice, seconds):
        """A pause of about so long, longer where the processors have enough to do."""
        self.over.wait(dice.uniform(0, 2 * seconds) * self.pause)

    def keep_pace(self, others):
        """A thread that sees to the load. others(): seconds of processors that relayd and its keeper have had in these lives."""
        def work():
            before, used = time.monotonic(), self._worked() + others()
            while not self.over.wait(2):
                now, more = time.monotonic(), self._worked() + others()
                self.busy = max(0.0, more - used) / (now - before)
                before, used = now, more
                if self.busy > self.load:
                    self.pause = min(200.0, self.pause * min(2.0, self.busy / self.load))
                elif self.busy < 0.85 * self.load and self.open.is_set():
                    self.pause = max(0.02, self.pause * max(0.8, self.busy / self.load))
        threading.Thread(target=work, daemon=True).start()

    @staticmethod
    def _worked():
        return sum(usage.ru_utime + usage.ru_stime
                   for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def cpu_of(pid):
    """Seconds of processors that it has had; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            words = stat.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


#: Seconds that somebody waits for bytes, who must come.
PATIENCE = 60 * (3 if SANITIZER else 1)
