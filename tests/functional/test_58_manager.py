"""What the service manager is told: reloading, the status line, the time that a stop takes, and the watchdog."""

import contextlib
import os
import re
import resource
import signal
import subprocess
import sys
import time

import pytest

from client import close_all, connect, connect_many
from origin import echo, http
from settings import SANITIZER, free_port, ms, readable_of, secs, until

#: Holds threads of another process until its standard input ends.
HOLD = """
import ctypes, sys
SEIZE, INTERRUPT = 0x4206, 0x4207
libc = ctypes.CDLL(None, use_errno=True)
for tid in map(int, sys.argv[1:]):
    for request in (SEIZE, INTERRUPT):
        if libc.ptrace(request, tid, None, None) < 0:
            print("error", ctypes.get_errno(), flush=True)
            sys.exit()
    libc.waitpid(tid, None, 0x40000000)
print("held", flush=True)
sys.stdin.read()
"""

WATCHDOG_USEC = int(secs(1) * 1e6)


@contextlib.contextmanager
def held(*tids):
    with subprocess.Popen([sys.executable, "-ISc", HOLD, *map(str, tids)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as holder:
        if not holder.stdout.readline().startswith("held"):
            pytest.skip("threads of another process cannot be held here")
        yield
        holder.stdin.close()


def told_within(one, word, seconds):
    """Whether a line that begins so comes within this time, from now on."""
    one.read_notified()
    before, deadline = one.count_notified(word), time.monotonic() + seconds
    while one.count_notified(word) == before:
        if not readable_of([one.notify], max(0, deadline - time.monotonic())):
            return False
        one.notified += one.notify.recv(4096).decode().splitlines()
    return True


def test_a_manager_that_does_not_read_stops_nothing(relay, origin):
    """What it is told does not fit its socket any more: reloads go on, and it hears of the last one when it reads again."""
    one = relay(origin(echo))
    for count in range(1, 9):
        one.signal(signal.SIGHUP)
        one.wait_log("Reloaded ", count)
    with connect(one) as peer:
        assert peer.send(b"x").read(1) == b"x"

    def heard():
        one.read_notified()
        return [line for line in one.notified if line in ("RELOADING=1", "READY=1")]
    before = len(heard())   # (the last READY may come while this reads)
    until(lambda: len(heard()) >= before and heard()[-1] == "READY=1", "it hears that the last reload is over")


# Reloading


@pytest.mark.parametrize("good", [True, False])
def test_reloading_and_ready(relay, origin, good):
    one = relay(origin(http))
    told = len(one.notified)
    before = time.monotonic_ns() // 1000
    one.write_conf(one.server, **({} if good else {"workers": 0}))
    assert (one.hup() == "") == good
    lines = one.notified[told:]
    assert [line.partition("=")[0] for line in lines] == ["RELOADING", "MONOTONIC_USEC", "STATUS", "READY", "STATUS"]
    assert before <= int(lines[1].partition("=")[2]) <= time.monotonic_ns() // 1000
    assert lines[3] == "READY=1"
    assert lines[4].startswith("STATUS=Relaying 0 connections for 1 listener.")


def test_the_status_line_follows_the_connections(relay, origin):
    one = relay(origin(echo))
    clients = connect_many(one, 2)
    for client in clients:
        client.send(b"x").read(1)
    one.wait_notified("STATUS=Relaying 2 connections for 1 listener.", timeout=secs(5))
    one.write_conf(one.server, workers=0)
    assert "workers" in one.hup()
    close_all(clients)
    one.wait_records(2)
    one.wait_notified("STATUS=Relaying 0 connections for 1 listener. The last reload was refused: ", timeout=secs(5))
    one.reload(one.server, address=[one.address, f"127.0.0.1:{free_port()}"])
    assert one.status == "Relaying 0 connections for 1 listener."


def test_the_reason_stays_in_the_status_line(relay, origin):
    one = relay(origin(echo))
    one.write_conf(one.server, workers="\N{SNOWMAN}" * 300)
    assert one.hup()
    one.write_conf(one.server, workers=0)
    why = one.hup()
    assert why.startswith(f"{one.file}:1: ") and "\N{SNOWMAN}" not in why
    with connect(one) as client:
        assert client.send(b"x").read(1) == b"x"
        one.wait_notified(f"STATUS=Relaying 1 connection for 1 listener. The last reload was refused: {why}",
                          timeout=secs(5))


def test_nobody_listens_to_the_manager(relay, origin):
    """Its socket is gone: that is no reason not to reload."""
    one = relay(origin(http))
    (one.directory / "notify").unlink()
    one.write_conf(one.server, workers=3)
    one.signal(signal.SIGHUP)
    one.wait_log("Reloaded ")
    assert connect(one).get().status == 200
    one.term()
    assert one.wait_exit() == 0


# Stopping


def test_a_drain_asks_for_its_time(relay, origin):
    one = relay(origin(echo), drain_timeout="40s")
    with connect(one) as client:
        client.send(b"x").read(1)
        one.reload(one.server, drain_timeout="100s")
        one.term()
        one.wait_notified("EXTEND_TIMEOUT_USEC=")
        asked = int([line for line in one.notified if line.startswith("EXTEND_TIMEOUT_USEC=")][0].partition("=")[2])
        assert 95e6 < asked <= 120e6
        assert re.fullmatch(r"Draining 1 connection, for at most (100s|1m40s|1m 40s)\.", one.status), one.status
    assert one.wait_exit() == 0


def test_the_status_line_of_a_drain(relay, origin):
    one = relay(origin(echo), drain_timeout="1h")
    clients = connect_many(one, 3)
    for client in clients:
        client.send(b"x").read(1)
    one.term()
    one.wait_notified("STATUS=Draining 3 connections, for at most ")
    clients[0].close()
    one.wait_notified("STATUS=Draining 2 connections, for at most ", timeout=secs(5))
    assert re.search(r": until \d\d:\d\d:\d\d \(drain_timeout\)\.$", one.status), one.status
    close_all(clients)
    assert one.wait_exit() == 0


# The watchdog


def watched(relay, server, **options):
    return relay(server, env={"WATCHDOG_USEC": str(WATCHDOG_USEC)}, **options)


def test_the_watchdog_is_fed(relay, origin):
    one = watched(relay, origin(http))
    began = time.monotonic()
    one.wait_notified("WATCHDOG=1", count=4)
    assert time.monotonic() - began < 4 * WATCHDOG_USEC / 1e6
    one.reload(one.server, address=[one.address, f"127.0.0.1:{free_port()}"])
    one.wait_notified("WATCHDOG=1", count=one.count_notified("WATCHDOG=1") + 3)
    assert connect(one).get().status == 200
    assert "Work does not move" not in one.log


def test_without_a_watchdog_nothing_is_fed(relay, origin):
    one = relay(origin(http))
    assert not told_within(one, "WATCHDOG=1", 0.3)


@pytest.mark.parametrize("when_full", ["wait", "reject"])
def test_the_watchdog_is_fed_while_all_is_full(relay, full_origin, when_full):
    """Workers dial a server that does not answer, the queue and the places are taken, clients wait: that is no fault
    of relayd's."""
    first, second = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    one = watched(relay, full_origin, address=[first, second], workers=1, queue_size=1, max_connections=3,
                  connect_timeout="60s", when_full=when_full)
    clients = [connect(first)]
    until(lambda: full_origin.dials() == 1, "the worker dials")
    clients += connect_many(first, 3) + connect_many(second, 3)
    one.wait_notified("WATCHDOG=1", count=one.count_notified("WATCHDOG=1") + 4)
    assert "Work does not move" not in one.log
    close_all(clients)


def stuck_lines(one):
    return len([line for line in one.all_lines() if "Work does not move" in line.text])


def starves(one, tids, what, work=None):
    """While these threads are held the watchdog is not fed, and the log says what is stuck; then it is fed again."""
    with held(*tids):
        before = stuck_lines(one)  # a machine under load may have put a thread off for as long before
        clients = work() if work else []
        one.wait_log(f" error Work does not move: .*{what}", count=before + 1)
        assert not told_within(one, "WATCHDOG=1", 2 * WATCHDOG_USEC / 1e6)
    assert told_within(one, "WATCHDOG=1", secs(5))
    assert stuck_lines(one) == before + 1, "it is said once"
    for client in clients:
        assert client.get().status == 200
        client.close()
    assert connect(one).get().status == 200


@pytest.fixture(params=["tcp", "unix"])
def two_addresses(request, tmp_path):
    second = {"tcp": f"127.0.0.1:{free_port()}", "unix": f"unix:{tmp_path}/s"}[request.param]
    return [f"127.0.0.1:{free_port()}", second]


def test_an_acceptor_that_is_stuck(relay, origin, two_addresses):
    one = watched(relay, origin(http), address=two_addresses)
    one.wait_notified("WATCHDOG=1", count=2)
    starves(one, one.thread_ids("acc:")[1:], f"the acceptor on {two_addresses[1]} is stuck",
            work=lambda: [connect(two_addresses[1])])


def test_acceptors_that_are_held_while_nobody_comes(relay, origin, two_addresses):
    """Nor can one to which nobody comes, on a machine that is too busy to let it run or in a debugger."""
    one = watched(relay, origin(http), address=two_addresses)
    with held(*one.thread_ids("acc:")):
        one.wait_notified("WATCHDOG=1", count=one.count_notified("WATCHDOG=1") + 5)
    assert "Work does not move" not in one.log
    for address in two_addresses:
        assert connect(address).get().status == 200


def test_workers_that_are_stuck(relay, origin):
    one = watched(relay, origin(http), workers=2)
    one.wait_notified("WATCHDOG=1", count=2)
    tids = until(lambda: len(one.thread_ids("worker-")) == 2 and one.thread_ids("worker-"), "both workers run")
    starves(one, tids, "worker-[12] does not take its job", work=lambda: connect_many(one, 2))


def test_workers_that_are_held_and_have_nothing_to_do(relay, origin):
    """A thread that has no work cannot be stuck."""
    one = watched(relay, origin(http), workers=2)
    tids = until(lambda: len(one.thread_ids("worker-")) == 2 and one.thread_ids("worker-"), "both workers run")
    with held(*tids):
        one.wait_notified("WATCHDOG=1", count=one.count_notified("WATCHDOG=1") + 3)
    assert "Work does not move" not in one.log
    assert connect(one).get().status == 200


def test_the_watchdog_is_fed_without_a_descriptor(relay, origin):
    """Out of descriptors, connections that live are no reason to be ended."""
    one = watched(relay, origin(echo))
    with connect(one) as client:
        client.send(b"x").read(1)
        hard = resource.prlimit(one.pid, resource.RLIMIT_NOFILE)[1]
        most = max(int(number) for number in os.listdir(f"/proc/{one.pid}/fd")) + 1
        resource.prlimit(one.pid, resource.RLIMIT_NOFILE, (most, hard))
        late = connect(one)
        one.wait_notified("WATCHDOG=1", count=one.count_notified("WATCHDOG=1") + 4)
        assert client.send(b"y").read(1) == b"y"
        resource.prlimit(one.pid, resource.RLIMIT_NOFILE, (hard, hard))
        late.close()
