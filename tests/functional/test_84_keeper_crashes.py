"""A connection that crashes relayd does not crash it again and again: it is given up, and if none is to blame, all are."""

import ctypes
import os
import signal
import struct
import time

import pytest

from keeper import ask
from keeper_talk import TABLE, Intruder, Table, place_of
from peer import RESET
from settings import SANITIZER, until

CRASHES_AT, ALL_CRASHES_AT = place_of("conn_state", "crashes"), place_of("table_head", "crashes")
PTRACE_POKEUSER, PTRACE_CONT, PTRACE_SEIZE, PTRACE_INTERRUPT = 6, 7, 0x4206, 0x4207
RIP, WALL = 16 * 8, 0x40000000   # sys/user.h, of x86-64; __WALL
MINUTE = 60_000_000


def note(table, at, *ago):
    """Crashes so many microseconds ago."""
    now = int(time.monotonic() * 1e6)
    struct.pack_into("=3q", table.memory, at, *(now - each if each is not None else 0 for each in ago))


def left_with(revived, keeper, meeting, mark):
    """A relayd that was killed with three connections, after mark(table, the slots in their order)."""
    one = revived(meeting)
    pairs = [meeting.pair(one) for _ in range(3)]
    keeper.wait_held(3)
    one.kill()
    intruder = Intruder(keeper.path)
    table = Table(intruder.held[TABLE][0])
    mark(table, sorted(intruder.slots, key=table.number))
    intruder.close()
    one.again()
    return one, pairs


def test_a_connection_that_crashed_relayd_three_times(revived, keeper, meeting):
    def mark(table, slots):
        note(table, table.state(slots[0])[0] + CRASHES_AT, 3, 2, 1)
        note(table, table.state(slots[1])[0] + CRASHES_AT, 3, 2, None)
        note(table, table.state(slots[2])[0] + CRASHES_AT, 3, 2, MINUTE + 1)
        note(table, ALL_CRASHES_AT, 3, 2, 1)
    one, pairs = left_with(revived, keeper, meeting, mark)
    assert [peer.ending() for peer in pairs[0]] == [RESET, RESET]
    for pair in pairs[1:]:
        ask(*pair)
    assert one.wait_adopted(1) == [(2, 1)]
    one.wait_log("could not be adopted: relayd crashed three times within a minute while it worked for it")


@pytest.mark.parametrize("third", [1, MINUTE + 1])
def test_crashes_for_which_no_connection_is_to_blame(revived, keeper, meeting, third):
    one, pairs = left_with(revived, keeper, meeting, lambda table, _: note(table, ALL_CRASHES_AT, 3, 2, third))
    if third > MINUTE:
        assert one.wait_adopted(1) == [(3, 0)]
        return
    assert [peer.ending() for pair in pairs for peer in pair] == [RESET] * 6
    one.wait_log("relayd crashed three times within a minute and adopts nothing this time: the 3 connections")
    pair = meeting.pair(one)
    one.crash()
    ask(*pair)


def crash_in_a_pump(pid):
    """The thread that waits for this process's only client goes on at address 0."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long

    def busy():
        for tid in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as comm:
                if comm.read().strip() == "pump-up":
                    return int(tid)
        return None
    tid = until(busy, "there is a pump")

    def trace(request, data=None, at=None):
        if libc.ptrace(request, tid, at, data) < 0:
            raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")
    try:
        trace(PTRACE_SEIZE)
    except OSError:
        pytest.skip("ptrace is not allowed here")
    trace(PTRACE_INTERRUPT)
    os.waitpid(tid, WALL)
    trace(PTRACE_POKEUSER, at=RIP)
    trace(PTRACE_CONT)
    while True:
        _, status = os.waitpid(tid, WALL)
        if not os.WIFSTOPPED(status):
            return
        trace(PTRACE_CONT, data=os.WSTOPSIG(status))


@pytest.mark.skipif(os.uname().machine != "x86_64" or bool(SANITIZER), reason="a register of x86-64, and no sanitizer")
def test_a_connection_that_crashes_relayd(revived, keeper, meeting):
    """It does so three times; then it is reset, and the others go on."""
    one = revived(meeting)
    client, server = meeting.pair(one)
    keeper.wait_held(1)
    for number in range(3):
        ask(client, server)
        crash_in_a_pump(one.pid)
        assert one.wait_exit() == -signal.SIGSEGV
        one.again()
        if number < 2:
            assert one.wait_adopted(number + 1)[-1] == (1, 0)
    assert (client.ending(), server.ending()) == (RESET, RESET)
    one.wait_log("relayd crashed three times within a minute while it worked for it")
    ask(*meeting.pair(one))
