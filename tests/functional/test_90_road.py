"""The road: one blocking system call per thread, and no loop over events. Seen from outside, with strace."""

import re
import shutil
import subprocess
import threading

import pytest

from client import connect, connect_many, close_all, curl
from origin import echo, http, pattern
from peer import EOF, RESET
from settings import DEADLINE, MIB, SANITIZER, free_port, ms, until

CALLS = ("select,pselect6,poll,ppoll,epoll_create,epoll_create1,epoll_ctl,epoll_wait,epoll_pwait,epoll_pwait2,"
         "io_uring_setup,io_uring_enter,io_uring_register,fcntl,ioctl,accept,accept4,socket,socketpair,pipe,pipe2,splice")
FORBIDDEN = re.compile(r"^\d+ +(?:(?:select|pselect6|poll|ppoll|epoll_\w+|io_uring_\w+)\(|.*(?:NONBLOCK|FIONBIO|FIOASYNC))")
#: The flag of splice means the pipe alone, and that a call returns; sockets under it block all the same.
ALLOWED = re.compile(r"^\d+ +splice\(")

strace_works = pytest.mark.skipif(
    bool(SANITIZER) or shutil.which("strace") is None,
    reason="a sanitizer's own calls would be seen among those of the road; the normal build shows the road itself")


class Trace:
    """strace, attached to a running relay; the calls are complete once it has been told to detach."""

    def __init__(self, one, directory, calls=CALLS):
        self.path = directory / "trace"
        self.process = subprocess.Popen(
            ["strace", "-f", "-o", self.path, "-e", f"trace={calls}", "-e", "signal=none", "-p", str(one.pid)],
            stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        if "attached" not in line:
            self.process.wait(DEADLINE)
            pytest.skip(f"strace may not attach to a process here: {line}")

    def calls(self):
        self.process.terminate()
        self.process.wait(DEADLINE)
        self.process.stderr.close()
        return self.path.read_text().splitlines()


@strace_works
def test_no_event_loop_on_the_road(relay, origin, copy, tmp_path):
    """Requests, a big answer, a half close, resets, refusals, an idle connection and a stop under strace."""
    def script(peer):
        word = peer.read(1)
        if word == b"r":
            peer.reset()
        elif word == b"b":
            peer.send(pattern(4 * MIB))
        elif word == b"h":
            data, how = peer.read_end()
            assert how == EOF
            peer.send(data)
        else:
            echo(peer)
    good, dead = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    one = relay(text=f"""drain_timeout = {ms(300)}
max_connections = 40
listener web {{ address = "{good}" upstream = app copy = {copy} idle_timeout = {ms(1000)} }}
listener dead {{ address = "{dead}" upstream = dead mode = http }}
upstream app {{ server a {{ address = "{origin(script).address}" }} }}
upstream dead {{ server b {{ address = "127.0.0.1:{free_port()}" }} }}
""", address=[good, dead])
    trace = Trace(one, tmp_path)
    for _ in range(10):
        with connect(good) as client:
            client.send(b"eXYZ").read(3)
    with connect(good) as client:
        assert client.send(b"b").read_end() == (pattern(4 * MIB), EOF)
    with connect(good) as client:
        assert client.send(b"hXYZ").shut().read_end() == (b"XYZ", EOF)
    with connect(good) as client:
        client.send(b"r").ending()
    client = connect(good)
    client.send(b"eX").read(1)
    client.reset()
    with connect(dead) as client:
        client.get()
    with connect(good) as client:
        assert client.send(b"eX").read_end() == (b"X", RESET)  # idle
    one.wait_records(16)
    with connect(good) as client:
        client.send(b"eX").read(1)
        one.term()
        client.ending()
        assert one.wait_exit() == 0
    calls = trace.calls()
    assert sum("accept" in call for call in calls) >= 16, "strace has seen too little"
    bad = [call for call in calls if FORBIDDEN.search(call) and not ALLOWED.search(call)]
    assert not bad, bad[:10]


def spliced(calls):
    return sum(1 for call in calls if re.match(r"\d+ +splice\(", call))


@strace_works
@pytest.mark.parametrize("transfer, wanted", [
    ("small", {"buffer": False, "splice": True, "auto": True}),
    ("big", {"buffer": False, "splice": True, "auto": True}),
])
def test_what_copies(relay, origin, copy, tmp_path, transfer, wanted):
    """auto begins with borrowed pipes, and keeps one while reads come large."""
    one = relay(origin(http), copy=copy)
    trace = Trace(one, tmp_path, "splice,accept4")
    with connect(one) as client:
        for _ in range(3):
            assert client.get("/bytes/100" if transfer == "small" else f"/bytes/{16 * MIB}").status == 200
    one.record(client)
    assert (spliced(trace.calls()) > 0) == wanted[copy]


@strace_works
def test_auto_takes_the_buffer_for_a_busy_connection(relay, origin, tmp_path):
    one = relay(origin(http), copy="auto")
    trace = Trace(one, tmp_path, "splice,accept4")
    with connect(one) as client:
        for _ in range(100):
            assert client.get("/bytes/100").status == 200
    one.record(client)
    assert 0 < spliced(trace.calls()) < 200, "of the 200 messages, only the first few were spliced, twice each"


def test_two_threads_for_each_connection(relay, origin, copy):
    one = relay(origin(echo), copy=copy, workers=3)
    counted = one.threads()
    clients = connect_many(one, 10)
    for client in clients:
        client.send(b"x").read(1)
    assert one.threads() >= 20
    assert one.threads() - counted <= 20 + 4
    close_all(clients)
    one.wait_records(10)
    again = connect_many(one, 10)
    for client in again:
        client.send(b"x").read(1)
    assert one.threads() - counted <= 20 + 4, "threads of finished pairs are used again"
    close_all(again)


@pytest.mark.parametrize("workers", [1, 5])
def test_as_many_workers_as_told(relay, origin, workers):
    few = relay(origin(echo), workers=workers)
    many = relay(origin(echo), workers=workers + 4)
    until(lambda: many.threads() - few.threads() == 4, "four more workers are four more threads")


def test_one_acceptor_for_each_socket(relay, origin):
    server = origin(echo)
    one = relay(server, address=[f"127.0.0.1:{free_port()}"])
    three = relay(server, address=[f"127.0.0.1:{free_port()}" for _ in range(3)])
    until(lambda: three.threads() - one.threads() == 2, "two more sockets are two more threads")


def test_a_stalled_client_stops_nobody(relay, origin, copy):
    """Some do not read, some do not write: the others are served as if they were not there."""
    one = relay(origin(http), copy=copy, workers=2)
    lazy = connect_many(one, 10)
    for client in lazy:
        client.send(b"GET /bytes/20000000 HTTP/1.1\r\nHost: x\r\n\r\n")
    mute = connect_many(one, 10)
    results = []

    def visit():
        results.append(curl(f"http://{one.address}/quick"))
    threads = [threading.Thread(target=visit, daemon=True) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert results == [b"/quick\n"] * 5
    for client in lazy + mute:
        client.reset()
