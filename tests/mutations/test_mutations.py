"""Faults that are put into src, one at a time: the tests that belong to the place must find each (faults.txt).

A fault that no test finds is one that somebody may make without noticing: write the test. Builds in build-mutations."""
import os
import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PLACE = pathlib.Path(os.environ.get("RELAYD_MUTATIONS", ROOT / "build-mutations"))
SECONDS = 600    # for the tests of one fault; who needs longer has found it


class Fault:
    """A block of faults.txt: the file, lines that are there (-), lines instead of them (+), tests."""

    def __init__(self, block):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        self.path = lines[0]
        self.old = "".join(line[1:] + "\n" for line in lines[1:] if line.startswith("-"))
        self.new = "".join(line[1:] + "\n" for line in lines[1:] if line.startswith("+"))
        self.unit = re.findall(r"^unit: (.*)", block, re.M)
        self.functional = re.findall(r"^functional: (.*)", block, re.M)

    @property
    def name(self):
        first = next((line for line in (self.new or self.old).splitlines() if line.strip()), "")
        return f"{self.path.removeprefix('src/')}: {first.strip()}"


def faults():
    return [Fault(block) for block in re.split(r"\n\n+", (HERE / "faults.txt").read_text(encoding="utf-8").strip())
            if not all(line.startswith("#") for line in block.splitlines())]


def copy_tree(to):
    """What has changed since, so that little is built anew."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                            stdout=subprocess.PIPE).stdout.decode()
    for name in filter(None, listed.split("\0")):
        source, copy = ROOT / name, to / name
        if source.is_file() and not (copy.is_file() and copy.read_bytes() == source.read_bytes()):
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
            copy.chmod(source.stat().st_mode)


@pytest.fixture(scope="session")
def tree():
    tree, build = PLACE / "tree", PLACE / "build"
    copy_tree(tree)
    if not (build / "build.ninja").exists():
        subprocess.run(["meson", "setup", build, tree, "-Dtests=enabled", "-Doptimization=1"], env={**os.environ, "CC": "gcc"}, check=True)
    make("all")
    return tree


def make(*targets):
    done = subprocess.run(["ninja", "-j2", "-C", PLACE / "build", *targets], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def run(*command):
    """Whether it found something, and what it said."""
    try:
        done = subprocess.run(command, cwd=PLACE / "tree", text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS,
                              env={**os.environ, "RELAYD": str(PLACE / "build" / "relayd")}, check=False)
    except subprocess.TimeoutExpired:
        return True, "Timeout: 1; 1 failed"
    return done.returncode != 0, done.stdout


def is_found(fault):
    for name in fault.unit:
        found, said = run("meson", "test", "-C", str(PLACE / "build"), "--no-rebuild", "--suite", "unit", *name.split())
        if found:
            assert re.search(r"^(Fail|Timeout): +[1-9]", said, re.M), said
            print("found by:", *re.findall(r"^ *\d+/\d+ (\S+) +(?:FAIL|TIMEOUT)", said, re.M))
            return True
    for arguments in fault.functional:
        path, *others = arguments.split(maxsplit=2)
        found, said = run("/usr/bin/python3", "-m", "pytest", "-x", "-q", "-n", "2", "-p", "no:cacheprovider", "--timeout", "120",
                          f"tests/functional/{path}", *others)
        if found:
            assert re.search(r"\b\d+ (failed|errors?)\b", said), said
            print("found by:", *re.findall(r"^(?:FAILED|ERROR) (\S+)", said, re.M))
            return True
    return False


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: fault.name)
def test_fault_is_found(tree, fault):
    path = tree / fault.path
    right = path.read_text(encoding="utf-8")
    assert right.count(fault.old) == 1, "what is there is no longer there"
    path.write_text(right.replace(fault.old, fault.new), encoding="utf-8")
    try:
        make("relayd", "relayd-keeper", "relayctl", *(f"tests/unit/test_{name}" for names in fault.unit for name in names.split()))
        assert is_found(fault), "no test found it"
    finally:
        path.write_text(right, encoding="utf-8")
