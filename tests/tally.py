"""Counts the tests of one suite: prints "PASSED FAILED SKIPPED".

usage: tally.py junit FILE      pytest's --junit-xml
       tally.py meson FILE      meson's meson-logs/testlog.json: cmocka's tests where a program says them in
                                TAP, else the program as one test
Names what failed on stderr.
"""
import json
import re
import sys
import xml.etree.ElementTree as ElementTree

TAP_LINE = re.compile(r"^\s*(not )?ok\b *\d* *-? *([^#\n]*)(#\s*SKIP)?", re.M | re.I)


def junit(path):
    """Yields (name, outcome)."""
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            yield name, "failed"
        elif case.find("skipped") is not None:
            yield name, "skipped"
        else:
            yield name, "passed"


def meson(path):
    """Yields (name, outcome)."""
    with open(path, encoding="utf-8") as log:
        programs = [json.loads(line) for line in log]
    for program in programs:
        lines = TAP_LINE.findall(program.get("stdout") or "")
        failed = any(no and not skip for no, _, skip in lines)
        for no, name, skip in lines:
            outcome = "skipped" if skip else "failed" if no else "passed"   # cmocka: "not ok 2 # SKIP"
            yield f"{program['name']}: {name.strip()}", outcome
        # A program that says nothing, or ends badly after its last test (a sanitizer's report).
        good = program["result"] in ("OK", "EXPECTEDFAIL")
        if program["result"] == "SKIP":
            yield program["name"], "skipped"
        elif not lines or (not good and not failed):
            yield f"{program['name']} ({program['result']})", "passed" if good else "failed"


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for name, outcome in {"junit": junit, "meson": meson}[sys.argv[1]](sys.argv[2]):
        counts[outcome] += 1
        if outcome == "failed":
            print(f"    failed: {name}", file=sys.stderr)
    print(counts["passed"], counts["failed"], counts["skipped"])


if __name__ == "__main__":
    main()
