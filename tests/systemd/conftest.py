"""Fixtures: boxes, relayd as a service in them; the evidence of what failed."""

import functools
import re
import subprocess

import pytest

from box import ROOT, Box, Failed, remove_stale, why_no_boxes
from service import BUILD, Service

LOGS = ROOT / "build" / "test-logs"


def pytest_configure(config):
    if hasattr(config, "workerinput"):  # a worker of xdist: the controller has done this
        return
    if not (BUILD / "relayd").exists():
        raise pytest.UsageError(f"there is no {BUILD}/relayd: build it first, or name its directory in $RELAYD_BUILD")
    if why_no_boxes():
        return
    for old in LOGS.glob("box-*.journal"):
        old.unlink()
    remove_stale()


def pytest_collection_modifyitems(items):
    # One worker has a whole file: that which compiles begins, so that nobody is left alone with it.
    items.sort(key=lambda item: item.path.name != "test_90_packages.py")
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(120))


@functools.cache
def no_boxes():
    """Why there can be none, or "": one has been booted to see."""
    why = why_no_boxes()
    if why:
        return why
    trial = Box()
    try:
        trial.up()
    except (Failed, subprocess.TimeoutExpired) as failed:
        return f"a box does not boot on this machine: {failed}"
    finally:
        trial.down()
    return ""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A test that failed in a box leaves the box's journal behind, whole in a file, its end in the report."""
    outcome = yield
    report = outcome.get_result()
    box = item.funcargs.get("box") if hasattr(item, "funcargs") else None
    if not report.failed or box is None or box.pid is None:
        return
    path = LOGS / f"box-{re.sub(r'[^A-Za-z0-9_.-]+', '-', item.name)}.journal"
    try:
        box.save_journal(path)
        tail = box.run("journalctl", "--no-pager", "--lines=60", "--output=short-precise", check=False).stdout
    except Exception as error:  # the report of the test's own failure must not be lost
        tail = f"{error!r}\n"
    report.sections.append((f"the box's journal, whole in {path}", tail))


@pytest.fixture(scope="module")
def box():
    """A fresh box without relayd."""
    why = no_boxes()
    if why:
        pytest.skip(why)
    one = Box()
    try:
        yield one.up()
    finally:
        one.down()


@pytest.fixture(scope="module")
def installed(box):
    service = Service(box)
    service.install()
    return service


@pytest.fixture
def relayd(installed):
    """relayd installed in the box, stopped; an HTTP origin in the box's network; helpers."""
    installed.begin()
    yield installed
    installed.end()
