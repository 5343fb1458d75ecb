"""Each compiler that this release of Debian has (known_compilers in packaging/packages.sh; tests/run installs them) builds all
of relayd with warnings as errors, as operators have it, and the unit tests pass in what it has built."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
OLDEST = {"gcc": 12, "clang": 14}       # what README.md promises
SECONDS = 1500
PROCESSES = "2"


def compilers():
    """Those that are installed, by their names, as gcc-13."""
    found = {path.name for path in pathlib.Path("/usr/bin").iterdir()}
    names = [match for match in map(re.compile(r"(gcc|clang)-(\d+)").fullmatch, sorted(found)) if match]
    return [name[0] for name in names if int(name[2]) >= OLDEST[name[1]]]


def run(log, *command, **environment):
    """What it says goes to the log; if it fails, its end is shown."""
    with open(log, "ab") as out:
        done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False,
                              timeout=SECONDS, env={**os.environ, **environment})
    said = log.read_text(encoding="utf-8", errors="replace")
    complaints = "".join(re.findall(r"^.*\b(?:error|warning): .*\n", said, re.M))
    assert done.returncode == 0, f"{' '.join(command)}\n{complaints[:4000]}\n{said[-2000:]}"


def test_there_are_compilers():
    assert compilers(), "tests/run installs them, as root"


@pytest.mark.parametrize("compiler", compilers())
def test_builds_and_passes_unit_tests(compiler):
    build = ROOT / "build-compilers" / compiler
    build.mkdir(parents=True, exist_ok=True)
    log = build / "log"
    log.write_bytes(b"")
    if not (build / "build.ninja").exists():
        run(log, "meson", "setup", str(build), "-Dtests=enabled", "-Dwerror=true", CC=compiler)
    run(log, "ninja", "-k", "0", "-C", str(build))
    run(log, "meson", "test", "-C", str(build), "--no-rebuild", "--print-errorlogs", "--num-processes", PROCESSES,
        "--suite", "unit")


@pytest.mark.parametrize("missing", [("tls",), ("control",), ("relayctl",), ("tls", "control", "relayctl")], ids="-".join)
def test_builds_without_what_only_some_need(missing):
    """The features of meson_options.txt; the unit tests of what is there pass."""
    build = ROOT / "build-compilers" / ("without-" + "-".join(missing))
    build.mkdir(parents=True, exist_ok=True)
    log = build / "log"
    log.write_bytes(b"")
    if not (build / "build.ninja").exists():
        run(log, "meson", "setup", str(build), "-Dtests=enabled", "-Dwerror=true", *(f"-D{name}=disabled" for name in missing))
    run(log, "ninja", "-k", "0", "-C", str(build))
    run(log, "meson", "test", "-C", str(build), "--no-rebuild", "--print-errorlogs", "--num-processes", PROCESSES, "--suite", "unit")
