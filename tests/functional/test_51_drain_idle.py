"""drain_idle: a stop does not wait for connections of mode http that nobody uses, and does for all others."""

import re
import threading

from client import close_all, connect, connect_many
from keeper import small_keeper
from origin import echo, http, pattern
from peer import EOF, request, response
from settings import DEADLINE, ms, until

IDLE = ms(300)


def begun(relay, server, **options):
    """Only drain_idle can end its connections before the test does."""
    options = {"mode": "http", "drain_timeout": "1h", "drain_idle": IDLE, "idle_timeout": "1h", **options}
    return relay(server, **options)


def test_idle_browsers(relay, origin):
    """Some have had an answer, others have not asked; long before the stop or just before it."""
    one = begun(relay, origin(http))
    clients = connect_many(one, 6)
    for client in clients[:3]:
        assert client.get().status == 200
    one.term()
    for client in clients:
        assert client.read_end() == (b"", EOF)
    close_all(clients)
    assert one.wait_exit() == 0
    assert [record.end for record in one.records()] == ["OI"] * 6
    one.wait_log(r"Stopped\.")


def test_an_orderly_end_is_no_failure(relay, origin):
    one = begun(relay, origin(http), log_connections="failed")
    with connect(one) as client:
        client.get()
        one.term()
        assert client.ending() == EOF
    assert one.wait_exit() == 0
    assert one.records() == []


def test_who_waits_for_an_answer_gets_it(relay, origin):
    """Even if it has asked at once after the answer before; the log tells what is waited for, and until when."""
    go = threading.Event()

    def script(peer):
        for _ in range(3):
            peer.read_request()
            peer.send(response(b"first"))
        peer.read_request()
        assert go.wait(DEADLINE)
        peer.send(response(pattern(300000)))
        return peer.ending()
    server = origin(script)
    one = begun(relay, server)
    with connect(one) as client, connect(one) as idle:
        for _ in range(3):
            client.get()
        client.send(request())
        until(lambda: server.accepted == 1, "it has a server")
        one.term()
        assert idle.ending() == EOF
        said = one.wait_log("Waiting for 1 connection, until ")[0]
        assert re.fullmatch(r"Waiting for 1 connection, until \d\d:\d\d:\d\d at the latest \(drain_timeout\)\.", said.text)
        one.wait_notified("STATUS=Draining 1 connection, for at most ")
        assert client.is_silent(0.2)
        go.set()
        assert client.read_response().body == pattern(300000)
        assert client.ending() == EOF
    assert one.wait_exit() == 0
    assert sorted(record.end for record in one.records()) == ["OI", "OI"]


def test_what_is_said_at_once(relay, origin):
    one = begun(relay, origin(echo), mode="tcp")
    with connect(one) as client:
        client.send(b"x").read(1)
        one.term()
        one.wait_log(r"Stopping: no new connections; 1 may finish within 1h, until \d\d:\d\d:\d\d\.")
        one.wait_log(r"Waiting for 1 connection, until ")
        assert client.send(b"y").read(1) == b"y", "mode tcp is left alone"
        assert client.shut().read_end() == (b"", EOF)
    assert one.wait_exit() == 0


def test_zero_means_never(relay, origin):
    one = begun(relay, origin(http), drain_idle="0")
    with connect(one) as client:
        client.get()
        one.term()
        one.wait_log("Waiting for 1 connection, until ")
        assert client.get().status == 200
    assert one.wait_exit() == 0
    assert one.only_record().end in ("CE", "CX")


def test_a_restart_ends_only_what_the_keeper_does_not_hold(relay, short_path, origin):
    """What it holds goes on with the next relayd; the rest need not be waited for."""
    with small_keeper(short_path, 5) as (keeper, room):
        one = begun(relay, origin(http), keeper=str(keeper.path), on_term="leave")
        clients = connect_many(one, room + 2)
        for client in clients:
            assert client.get().status == 200
        one.term()
        assert one.wait_exit() == 0
        assert [record.end for record in one.records()] == ["OI"] * 2
        ended = [client for client in clients if not client.is_silent(0.01)]
        assert len(ended) == 2 and [client.ending() for client in ended] == [EOF] * 2
        keeper.wait_held(room)
        close_all(clients)
