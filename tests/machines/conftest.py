"""Fixtures: machines, which only root can make."""

import contextlib
import functools
import os

import pytest

from network import Machine, Pair, remove_stale, why_no_machines
from settings import RELAYD


def pytest_configure(config):
    if hasattr(config, "workerinput"):  # a worker of xdist: the controller has done this
        return
    if not os.access(RELAYD, os.X_OK):
        raise pytest.UsageError(f"there is no {RELAYD}: build it first, or name it in $RELAYD")
    if os.geteuid() == 0:
        remove_stale()


@functools.cache
def no_machines():
    return why_no_machines()


@pytest.fixture
def stack():
    """What is put away after the test, the last thing first."""
    if no_machines():
        pytest.skip(no_machines())
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def machine(stack):
    """machine(word) makes one."""
    return lambda word: stack.enter_context(contextlib.closing(Machine(word)))


@pytest.fixture
def pair(stack):
    return Pair(stack)
