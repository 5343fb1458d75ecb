"""What memory the whole system has in use, kernel included."""
import os
import pathlib
import re
import time

import process

PARTS = ("AnonPages", "Slab", "KernelStack", "PageTables", "Percpu")
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
STACK_KIB = 16   # of a thread, in the kernel
STEADY_KIB = 1024


def _of_others():
    """KiB of processes that this program did not start, as far as one can see: their doings shall not count."""
    ours, total = set(process.family(os.getpid())), 0
    for path in pathlib.Path("/proc").glob("[0-9]*/status"):
        if int(path.parent.name) in ours:
            continue
        try:
            lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        if "RssAnon" in lines:
            total += int(lines["RssAnon"].split()[0]) + int(lines["VmPTE"].split()[0])
            total += int(lines["Threads"]) * STACK_KIB
    return total


def _free_at_hand():
    """KiB of free pages that each processor keeps for itself: MemFree is without them."""
    text = pathlib.Path("/proc/zoneinfo").read_text()
    return sum(map(int, re.findall(r"cpu: \d+\s+count:\s+(\d+)", text))) * PAGE_KIB


def in_use():
    """KiB in use without the page cache and other programs, and the parts that the kernel counts by name
    (with other programs)."""
    table = {}
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        key, value = line.split(":")
        table[key] = int(value.split()[0])
    parts = {part: table.get(part, 0) for part in PARTS}
    total = table["MemTotal"] - table["MemFree"] - _free_at_hand() - table["Buffers"] - table["Cached"]
    parts["other"] = total - sum(parts.values())
    parts["used"] = total - _of_others()
    return parts


def settled(seconds=4):
    """in_use(), once it has stayed the same for 0.4 s, or in the end as it is."""
    deadline, last, steady = time.monotonic() + seconds, in_use(), 0
    while time.monotonic() < deadline and steady < 4:
        time.sleep(0.1)
        current = in_use()
        steady = steady + 1 if abs(current["used"] - last["used"]) < STEADY_KIB else 0
        last = current
    return last
