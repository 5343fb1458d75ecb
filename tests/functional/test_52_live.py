"""What an operator sees live: ends and events as they come, and who may hold up whom at the control socket."""

import contextlib
import json
import re
import socket
import threading
import time

import pytest

from client import close_all, connect, connect_many
from control import Following, asked, dialled, relayctl
from origin import echo, http, silent
from relay import section
from settings import DEADLINE, free_port, secs, until
from test_90_road import Trace, strace_works


@pytest.fixture
def following():
    """following(at, word...) starts relayctl with a command that goes on."""
    started = []

    def start(*words):
        started.append(Following(*words))
        return started[-1]
    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


def listens(at, page="/tail"):
    """A client at /tail or /events, once it listens: its head has come."""
    client = dialled(at)
    client.sendall(f"GET {page} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = client.recv(1)
        assert piece, head
        head += piece
    assert head.startswith(b"HTTP/1.1 200 "), head
    return client


def one_exchange(one):
    with connect(one.address) as client:
        assert client.send(b"x").read(1) == b"x"


@pytest.mark.parametrize("quiet", [{"log_connections": "none"}, {"log_connections": "failed"}, {"log_level": "error"}, {}])
def test_tail_shows_each_end_whatever_is_logged(relay, origin, at, quiet):
    one = relay(origin(echo), control=at, **quiet)
    with listens(at) as tail, tail.makefile("rb") as lines:
        for _ in range(3):
            one_exchange(one)
        found = []
        while len(found) < 3:
            line = lines.readline()
            if line.startswith(b"{"):
                found.append(json.loads(line))
    assert [(end["listener"], end["upstream"], end["server"], end["bytes_up"], end["end"]) for end in found] == [
        ("web", "app", "a", 1, "CE")] * 3
    assert len({end["conn"] for end in found}) == 3
    assert bool(one.records()) == (not quiet)


def test_tail_in_words(relay, origin, at, following):
    one = relay(origin(echo), control=at)
    tail = following(at, "tail")

    def shown():
        one_exchange(one)
        return not tail.lines.empty()

    until(shown, "a line of tail")
    line = tail.line()
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} 127\.0\.0\.1:\d+ -> web -> app/a  was ended by the client \[CE\]  "
                        r"1 bytes? up, 1 bytes? down  [\d.]+ m?s", line), line
    assert tail.interrupt() == (0, "")


def test_tail_ends_with_relayd(relay, origin, at, following):
    one = relay(origin(echo), control=at)
    events = following(at, "--json", "events")
    assert "takes connections" in events.record()["message"] or events.record()
    one.term()
    assert events.end() == (69, f"relayctl: relayd at {at} has ended.\n")


def test_tail_goes_on_with_the_next(relay, origin, at, following):
    server = origin(echo)
    one = relay(server, control=at)
    events = following(at, "--reconnect", "events")
    until(lambda: "takes connections" in events.line(), "its listener")
    one.finish()
    relay(server, control=at)
    until(lambda: "takes connections" in events.line(), "the listener of the next")
    assert events.interrupt()[0] == 0


def test_tail_waits_for_one_that_is_not_ready(at, following):
    """The next one answers before it can show anything, and the one before it as long as it ends."""
    stream = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n" + '{{"level":"notice","message":"This is {}."}}\n'
    busy = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 31\r\n\r\n{"error":"relayd is starting"}\r\n'
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(at)
        server.listen()
        server.settimeout(DEADLINE)
        events = following(at, "--reconnect", "events")
        for answer in stream.format("one"), busy, busy, stream.format("another"):
            with server.accept()[0] as peer:
                assert peer.recv(65536).startswith(b"GET /events "), answer
                peer.sendall(answer.encode())
        assert [events.line()[9:] for _ in range(2)] == ["This is one.", "This is another."]
        code, said = events.interrupt()
    assert code == 0 and "starting" not in said, said


def test_filters_of_tail(relay, origin, at):
    dead = f"127.0.0.1:{free_port()}"
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    server = origin(echo)
    relay(text=f'control = "{at}"\nlog_connections = none\n' + section("listener", "web", address=addresses[0], upstream="app")
          + section("listener", "gone", address=addresses[1], upstream="away") + section("upstream", "app", server=server)
          + section("upstream", "away", server=dead, connect_attempts=1), address=addresses)
    wanted = {"": {"CE", "SD"}, "?listener=web": {"CE"}, "?server=away/a": {"SD"}, "?end=sd": {"SD"}, "?failed=yes": {"SD"},
              "?client=127.0.0.0/8": {"CE", "SD"}, "?client=192.0.2.1": set(), "?failed=yes&listener=web": set()}
    tails = {filters: listens(at, "/tail" + filters) for filters in wanted}
    with connect(addresses[0]) as client:
        assert client.send(b"x").read(1) == b"x"
    with connect(addresses[1]) as client:
        assert client.read_end() == (b"", "reset")
    found = {filters: b"" for filters in wanted}

    def have_all():
        for filters, tail in tails.items():
            tail.settimeout(0.01)
            try:
                found[filters] += tail.recv(65536)
            except TimeoutError:
                pass
        return {filters: set(re.findall(r'"end":"(\w+)"', text.decode())) for filters, text in found.items()} == wanted

    until(have_all, "each to have what it asked for")
    close_all(tails.values())
    for wrong, said in (("end=ZZ", "no such end code"), ("failed=perhaps", "must be yes or no"), ("client=1.2", "must be an address"),
                        ("colour=red", "has no argument colour")):
        assert said in relayctl("-s", at, "tail", wrong, status=1), wrong
    assert "a filter is NAME=VALUE" in relayctl("-s", at, "tail", "red", status=64)


def test_events_begin_with_the_last_ones(relay, origin, at):
    one = relay(origin(echo), control=at)
    for workers in range(2, 5):
        one.reload(one.server, control=at, workers=workers)
    one_exchange(one)
    one.wait_records(1)
    status, head, body = asked(at, "/events?follow=no")
    events = [json.loads(line) for line in body.splitlines()]
    assert status == 200 and "application/x-ndjson" in head
    assert sum("Reloaded" in event["message"] for event in events) == 3
    assert {"time", "level", "message", "message_id"} <= set(events[0])
    assert not any("conn" in event for event in events), "ends are not among them"
    assert sorted(event["time"] for event in events) == [event["time"] for event in events]
    assert relayctl("-s", at, "--json", "events", "follow=no") == body
    assert "follow must be" in asked(at, "/events?follow=maybe")[2]


def test_events_are_bounded(relay, origin, at):
    one = relay(origin(echo), control=at)
    for _ in range(110):
        one.hup()
    one.wait_log("Reloaded", 30)
    assert 30 <= len(asked(at, "/events?follow=no")[2].splitlines()) <= 100


def test_who_does_not_read_is_told_what_was_lost(relay, origin, at):
    one = relay(origin(http), control=at, log_connections="none", mode="http")
    with listens(at) as tail:
        count = 1500    # more than its ring and its socket have room for
        for _ in range(count):
            with connect(one.address) as client:
                client.get()
        text = b""

        def all_is_told():
            nonlocal text
            tail.settimeout(0.05)
            try:
                text += tail.recv(1 << 20)
            except TimeoutError:
                pass
            lines = re.sub(rb"\r\n[0-9A-Fa-f]+\r\n", b"", text)    # a chunk can end within a line
            lost = sum(int(number) for number in re.findall(rb'\{"lost":(\d+)\}', lines))
            return lost > 0 and lines.count(b'"conn":') + lost == count

        until(all_is_told, "all are shown or counted")


def test_a_stream_has_no_head(relay, origin, at):
    relay(origin(http), control=at)
    for page in ("/tail", "/events"):
        status, head, _ = asked(at, page, method="HEAD")
        assert status == 405 and "Allow: GET\r\n" in f"{head}\r\n"


def test_a_stop_and_a_move_while_they_come(relay, origin, at, short_path):
    """Whoever asks for a stream, or for what takes a while, just then is answered or cut; relayd goes on, and ends well."""
    server = origin(http)
    one = relay(server, control=at)
    places = [at, f"{short_path}/other.sock"]
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            for place in places:
                for method, page in (("GET", "/events"), ("GET", "/tail"), ("POST", "/check")):
                    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
                        client.connect(place)
                        client.sendall(f"{method} {page} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
                        client.settimeout(0.001)
                        client.recv(1)
    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    for turn in range(12):
        one.reload(server, control=places[(turn + 1) % 2])
    one.finish()
    stop.set()
    for asker in askers:
        asker.join()


@strace_works
def test_who_listens_costs_the_road_no_call(relay, origin, at, tmp_path):
    one = relay(origin(echo), control=at, log_connections="none")

    def calls_of(count):
        for _ in range(5):
            one_exchange(one)   # the threads are there
        trace = Trace(one, tmp_path, "all")
        for _ in range(count):
            one_exchange(one)
        until(lambda: json.loads(asked(at, "/status")[2])["live"] == 0, "all have ended")
        calls = trace.calls()
        idle = {str(tid) for tid in one.thread_ids("relayd-log") + one.thread_ids("control") + [one.pid]}
        return sum(line.split()[0] not in idle and "resumed" not in line for line in calls)

    without = calls_of(40)
    with listens(at):
        listened = calls_of(40)
    assert listened <= without * 1.1 + 10, (without, listened)


def test_a_stalled_client_keeps_nobody_out(relay, origin, at):
    """So many that the socket is full: whoever has been silent for longest makes room."""
    relay(origin(silent), control=at)
    stalled = [dialled(at) for _ in range(80)]
    for number, client in enumerate(stalled):
        with contextlib.suppress(BrokenPipeError):
            client.sendall(b"GET /stat" if number % 2 else b"")
    began = time.monotonic()
    assert asked(at, "/status")[0] == 200
    assert time.monotonic() - began < secs(5)
    assert stalled[0].recv(1) == b"", "the first has made room"
    close_all(stalled)


def test_who_listens_is_not_put_out_by_others(relay, origin, at):
    one = relay(origin(echo), control=at)
    with listens(at) as tail, tail.makefile("rb") as lines:
        stalled = [dialled(at) for _ in range(80)]
        assert asked(at, "/status")[0] == 200
        one_exchange(one)
        while not lines.readline().startswith(b"{"):
            pass
        close_all(stalled)


def test_so_many_may_listen(relay, origin, at):
    relay(origin(silent), control=at)
    tails = [listens(at) for _ in range(8)]
    assert "8 others listen already" in relayctl("-s", at, "tail", status=1)
    tails.pop().close()
    until(lambda: asked_and_left(at) == 200, "another may")
    close_all(tails)


def asked_and_left(at):
    with dialled(at) as client:
        client.sendall(b"GET /tail HTTP/1.1\r\nHost: x\r\n\r\n")
        return int(client.recv(12).split()[1])


def test_silence_ends_after_ten_seconds(relay, origin, at):
    relay(origin(silent), control=at)
    with dialled(at) as client:
        client.settimeout(10 + DEADLINE)
        client.sendall(b"GET /sta")
        began = time.monotonic()
        answer = client.recv(4096)
        assert answer == b"" or b" 408 " in answer.splitlines()[0]
        assert time.monotonic() - began > 8


def test_they_end_with_relayd(relay, origin, at):
    one = relay(origin(silent), control=at)
    with listens(at) as tail, listens(at, "/events") as events:
        one.finish()
        for client in (tail, events):
            text = b""
            while piece := client.recv(65536):
                text += piece
            assert text.endswith(b"0\r\n\r\n"), "the end is in order"


def test_a_reload_ends_nobody(relay, origin, at):
    one = relay(origin(echo), control=at)
    with listens(at) as tail, tail.makefile("rb") as lines:
        one.reload(one.server, control=at, workers=3)
        connect_many(one.address, 1)[0].close()
        while not lines.readline().startswith(b"{"):
            pass
