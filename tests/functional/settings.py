"""What the tests scale with: which build is tested, how slow it is, and who else runs beside them."""

import os
import random
import select
import socket
import subprocess
import tempfile
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
RELAYD = os.environ.get("RELAYD", str(REPO / "build" / "relayd"))
SANITIZER = os.environ.get("RELAYD_SANITIZER", "")

#: Soak tests, with `tests/run --long`.
LONG = bool(os.environ.get("RELAYD_LONG"))

#: Waits and timeouts are multiplied by this; sizes and counts are divided where a test says so.
SCALE = 3 if SANITIZER else 1
#: How long a test waits for something that must happen.
DEADLINE = 15 * SCALE
#: The "gigabyte" of the big transfers, which it is with `tests/run --long`.
BIG = (64 << 20) if SANITIZER else (1 << 30) if LONG else (256 << 20)

#: The ways to copy. A sanitizer sees one: the address sanitizer that which has the bytes in memory (with a keeper it sees the
#: other one), the thread sanitizer the one that changes between them; all of them with `tests/run --long`.
COPY = {"address": ("buffer",), "thread": ("auto",)}.get("" if LONG else SANITIZER, ("buffer", "splice", "auto"))
MIB = 1 << 20


def some(count):
    """A count of repetitions, a fifth of it under a sanitizer."""
    return max(1, count // 5) if SANITIZER else count


def secs(seconds):
    """A time within a test, longer under a sanitizer."""
    return seconds * SCALE


def ms(milliseconds):
    """The same time as a duration for relayd.conf."""
    return f"{int(milliseconds * SCALE)}ms"


def until(condition, what, timeout=None, pause=0.01):
    """Waits for a state that has no event of its own; returns what the condition returned."""
    deadline = time.monotonic() + (timeout or DEADLINE)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain: {what} (last value: {value!r})")
        time.sleep(pause)


def readable_of(ends, seconds):
    """Those of these that have something to be read, or have ended, within so many seconds. (select() knows no number over
    1023.)"""
    poll = select.poll()
    numbers = {end if isinstance(end, int) else end.fileno(): end for end in ends}
    for number in numbers:
        poll.register(number, select.POLLIN)
    return [numbers[number] for number, _ in poll.poll(1000 * seconds)]


def wait_end(process, timeout=None):
    """The exit code of a Popen, as its wait() has it, which looks at growing intervals: here the kernel tells."""
    if process.poll() is None:
        pidfd = os.pidfd_open(process.pid)
        try:
            if not readable_of([pidfd], timeout or DEADLINE):
                raise subprocess.TimeoutExpired(process.args, timeout or DEADLINE)
        finally:
            os.close(pidfd)
    return process.wait()


def short_directory():
    """A temporary directory whose path is short enough for the name of a unix socket."""
    return Path(tempfile.mkdtemp(prefix="rly", dir="/tmp"))


def _ports():
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    suite = ("", "address", "thread").index(SANITIZER)
    span = 750
    base = 10000 + (suite * 10 + worker % 10) * span
    offset = random.SystemRandom().randrange(span)
    while True:
        offset = (offset + 1) % span
        yield base + offset


_next_port = _ports()


def free_port():
    """A port to listen on, outside the range that the kernel gives to clients, and another for each worker of xdist
    and for each suite, since suites run side by side."""
    for port in _next_port:
        with socket.socket(socket.AF_INET6) as probe:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("::", port))
                probe.listen(1)
            except OSError:
                continue
        return port
    raise AssertionError("unreachable")
