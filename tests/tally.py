"""Counts the tests of one suite: prints "PASSED FAILED SKIPPED".

usage: tally.py junit FILE      pytest's --junit-xml
       tally.py meson FILE      meson's meson-logs/testlog.json: cmocka's tests where a program says them in
                                TAP, else the program as one test
Names what failed on stderr, a line each, with the beginning of why.
"""
import json
import re
import sys
import xml.etree.ElementTree as ElementTree

TAP_LINE = re.compile(r"^\s*(not )?ok\b *\d* *-? *([^#\n]*)(#\s*SKIP)?", re.M | re.I)

WHY_MAX = 300   # characters


def junit(path):
    """Yields (name, outcome, why)."""
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        faults = [fault for kind in ("failure", "error") for fault in case.findall(kind)]
        if faults:
            yield name, "failed", faults[0].get("message", "")
        else:
            yield name, "passed" if case.find("skipped") is None else "skipped", ""


def meson(path):
    """Yields (name, outcome, why)."""
    with open(path, encoding="utf-8") as log:
        programs = [json.loads(line) for line in log]
    for program in programs:
        lines = TAP_LINE.findall(program.get("stdout") or "")
        failed = any(no and not skip for no, _, skip in lines)
        for no, name, skip in lines:
            outcome = "skipped" if skip else "failed" if no else "passed"   # cmocka: "not ok 2 # SKIP"
            yield f"{program['name']}: {name.strip()}", outcome, ""
        # A program that says nothing, or ends badly after its last test (a sanitizer's report).
        good = program["result"] in ("OK", "EXPECTEDFAIL")
        if program["result"] == "SKIP":
            yield program["name"], "skipped", ""
        elif not lines or (not good and not failed):
            yield program["name"], "passed" if good else "failed", program["result"]


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for name, outcome, why in {"junit": junit, "meson": meson}[sys.argv[1]](sys.argv[2]):
        counts[outcome] += 1
        if outcome == "failed":
            print(f"{name}: {' '.join(why.split())[:WHY_MAX]}", file=sys.stderr)
    print(counts["passed"], counts["failed"], counts["skipped"])


if __name__ == "__main__":
    main()
