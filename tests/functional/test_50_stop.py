"""Stopping: listeners first, connections within drain_timeout, then the rest; and at once, when asked twice."""

import re
import signal
import socket
import threading

import pytest

from client import close_all, connect, connect_many
from origin import echo, flood, http, pattern
from peer import EOF, RESET, elapsed, request
from settings import ms, secs, some, until

TRANSFERS = some(100)


def halves(size, go):
    """A script that sends one half at once and the other when told to."""
    data = pattern(size)

    def script(peer):
        peer.send(data[:size // 2])
        assert go.wait(secs(30))
        peer.send(data[size // 2:])
    return script


def test_idle(relay, origin):
    one = relay(origin(echo), drain_timeout="60s")
    one.term()
    code, took = elapsed(one.wait_exit)
    assert code == 0
    assert took < secs(2)


def test_after_traffic(relay, origin):
    one = relay(origin(http), drain_timeout="60s")
    for _ in range(20):
        with connect(one) as client:
            client.get()
    one.term()
    code, took = elapsed(one.wait_exit)
    assert code == 0
    assert took < secs(2)


def test_the_listener_is_closed_and_the_connection_lives(relay, origin, copy):
    one = relay(origin(echo), copy=copy)
    with connect(one) as client:
        client.send(b"a").read(1)
        one.term()
        one.wait_notified("STOPPING=1")

        def refuses():
            try:
                connect(one).close()
                return False
            except OSError:
                return True
        until(refuses, "the listener is closed")
        assert client.send(b"b").read(1) == b"b"
        client.shut()
        assert client.read_end() == (b"", EOF)
    assert one.wait_exit() == 0
    assert one.record(client).end == "CE"


def test_transfers_finish_within_the_drain_timeout(relay, origin, copy):
    go = threading.Event()
    size = 200000
    one = relay(origin(halves(size, go)), copy=copy, drain_timeout="60s")
    clients = connect_many(one, TRANSFERS)
    for client in clients:
        client.read(1)
    one.term()
    one.wait_notified("STOPPING=1")
    go.set()
    whole = pattern(size)[1:]
    for client in clients:
        got, how = client.read_end()
        assert (got == whole, how) == (True, EOF)
    close_all(clients)
    code, took = elapsed(one.wait_exit)
    assert code == 0
    assert took < secs(3)
    assert len(one.records()) == TRANSFERS
    assert {record.end for record in one.records()} == {"SE"}


def test_transfers_beyond_the_drain_timeout_are_reset(relay, origin, copy):
    go = threading.Event()
    one = relay(origin(halves(200000, go)), copy=copy, drain_timeout=ms(500))
    clients = connect_many(one, TRANSFERS)
    for client in clients:
        client.read(100000)
    one.term()
    code, took = elapsed(one.wait_exit)
    assert code == 0
    assert secs(0.45) <= took < secs(5)
    for client in clients:
        assert client.read_end() == (b"", RESET)
    records = one.records()
    assert [record.end for record in records] == ["OS"] * TRANSFERS
    others = [line for line in one.lines if "RELAYD_END" not in line.fields]
    assert any(re.search(rf"\b{TRANSFERS}\b.*\breset", line.text) or re.search(rf"reset.*\b{TRANSFERS}\b", line.text)
               for line in others), others
    go.set()


def test_some_finish_and_the_rest_is_reset(relay, origin):
    one = relay(origin(echo), drain_timeout=ms(800))
    clients = connect_many(one, 10)
    for client in clients:
        client.send(b"x").read(1)
    one.term()
    one.wait_notified("STOPPING=1")
    for client in clients[:4]:
        assert client.shut().read_end() == (b"", EOF)
    assert one.wait_exit() == 0
    for client in clients[4:]:
        assert client.read_end() == (b"", RESET)
    ends = [record.end for record in one.records()]
    assert (ends.count("CE"), ends.count("OS")) == (4, 6)


def test_servers_are_reset_too(relay, origin):
    server = origin(lambda peer: (peer.send(b"x"), peer.ending())[1])
    one = relay(server, drain_timeout=ms(300))
    client = connect(one)
    client.read(1)
    one.term()
    assert one.wait_exit() == 0
    assert server.result() == RESET
    assert client.ending() == RESET


@pytest.mark.parametrize("first, second", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT),
                                           (signal.SIGTERM, signal.SIGINT)])
def test_the_second_time_at_once(relay, origin, first, second):
    one = relay(origin(echo), drain_timeout="1h")
    clients = connect_many(one, 10)
    for client in clients:
        client.send(b"x").read(1)
    one.signal(first)
    one.wait_notified("STOPPING=1")
    one.signal(second)
    code, took = elapsed(one.wait_exit)
    assert code == 0
    assert took < secs(3)
    for client in clients:
        assert client.read_end() == (b"", RESET)
    assert [record.end for record in one.records()] == ["OS"] * 10
    assert "Asked again: stopping at once, and 10 connections are reset." in one.log
    assert one.all_lines()[-1].text == "Stopped; 10 connections were reset."


def test_blocked_writers_do_not_hold_it_up(relay, origin, copy):
    """Both pumps wait in a write that never ends, of each of ten connections."""
    server = origin(lambda peer: (peer.send_until_blocked(quiet=secs(0.3)), flood(peer))[1])
    one = relay(server, copy=copy, drain_timeout=ms(300))
    clients = connect_many(one, 10)
    for client in clients:
        client.send_until_blocked(quiet=secs(0.1))
    one.term()
    code, took = elapsed(one.wait_exit)
    assert code == 0
    assert took < secs(4)
    assert all(client.ending() == RESET for client in clients)


@pytest.mark.parametrize("workers", [1, 4])
def test_dialling_does_not_hold_it_up(relay, full_origin, workers):
    """Some are being dialled for, some wait in the queue: they are ended too."""
    one = relay(full_origin, workers=workers, connect_timeout="60s", drain_timeout=ms(500))
    clients = connect_many(one, 6)
    until(lambda: full_origin.dials() == min(workers, 6), "the workers dial")
    one.term()
    code, took = elapsed(one.wait_exit)
    assert code == 0
    assert took < secs(5)
    assert all(client.ending() == RESET for client in clients)


def test_twice_while_dialling(relay, full_origin):
    one = relay(full_origin, workers=2, connect_timeout="60s", drain_timeout="1h")
    clients = connect_many(one, 4)
    until(lambda: full_origin.dials() == 2, "the workers dial")
    one.term()
    one.wait_notified("STOPPING=1")
    one.term()
    code, took = elapsed(one.wait_exit)
    assert code == 0
    assert took < secs(4)
    close_all(clients)


def test_an_acceptor_that_waits_for_room_stops(relay, origin):
    one = relay(origin(echo), max_connections=1, drain_timeout=ms(500))
    first = connect(one)
    first.send(b"x").read(1)
    others = connect_many(one, 3)
    one.term()
    assert one.wait_exit() == 0
    assert first.ending() == RESET
    for other in others:
        assert other.ending() == RESET


def test_refused_clients_that_linger_do_not_hold_it_up(relay, origin):
    one = relay(origin(http), max_connections=1, when_full="reject", mode="http", linger_timeout="60s",
                drain_timeout=ms(500))
    first = connect(one)
    assert first.get().status == 200
    stuck = connect_many(one, 3)
    for client in stuck:
        assert client.get().status == 503
    one.term()
    code, took = elapsed(one.wait_exit)
    assert code == 0
    assert took < secs(4)


def test_lingering_connections_do_not_hold_it_up(relay, origin, copy):
    stay = threading.Event()

    def script(peer):
        peer.ending()
        stay.wait(secs(20))
    one = relay(origin(script), copy=copy, linger_timeout="60s", drain_timeout=ms(500))
    clients = connect_many(one, 3)
    for client in clients:
        client.send(b"x").shut()
    one.term()
    code, took = elapsed(one.wait_exit)
    stay.set()
    assert code == 0
    assert took < secs(4)


def test_it_starts_again_on_the_same_port(relay, origin):
    """Connections in TIME_WAIT do not keep the port."""
    server = origin(http)
    one = relay(server)
    for _ in range(5):
        with connect(one) as client:
            client.send(request("/", Connection="close")).read_response()
            client.ending()
    one.term()
    assert one.wait_exit() == 0
    again = relay(server, address=one.address)
    assert connect(again).get().status == 200


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_it_starts_again_on_the_same_unix_socket(relay, origin, short_path, how):
    server = origin(http)
    address = f"unix:{short_path}/web.sock"
    one = relay(server, address=address)
    one.signal(how)
    code = one.wait_exit()
    if how == signal.SIGKILL:
        assert code == -how
        one.expected_exit = -how
    again = relay(server, address=address)
    assert connect(again).get().status == 200


def test_a_live_unix_socket_is_not_taken_over(relay, origin, short_path):
    server = origin(http)
    address = f"unix:{short_path}/web.sock"
    one = relay(server, address=address)
    second = relay(server, address=address, ready=False)
    second.expected_exit = second.wait_exit()
    assert second.expected_exit in (69, 71)
    assert connect(one).get().status == 200


def test_stop_during_a_storm_of_clients(relay, origin):
    one = relay(origin(http), drain_timeout=ms(300))
    stop = threading.Event()

    def storm():
        while not stop.is_set():
            try:
                with connect(one) as client:
                    client.get("/bytes/5000")
            except (OSError, AssertionError):
                pass
    threads = [threading.Thread(target=storm, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    one.wait_records(some(50))
    one.term()
    code, took = elapsed(one.wait_exit)
    stop.set()
    for thread in threads:
        thread.join()
    assert code == 0
    assert took < secs(4)


def test_stop_at_once_after_the_start(relay, origin):
    server = origin(http)
    for _ in range(some(10)):
        one = relay(server)
        one.term()
        assert one.wait_exit() == 0


def test_connections_in_the_backlog_are_not_left_hanging(relay, origin):
    one = relay(origin(echo), max_connections=1, drain_timeout=ms(300))
    first = connect(one)
    first.send(b"x").read(1)
    waiting = connect(one)
    one.term()
    assert one.wait_exit() == 0
    assert waiting.ending() in (EOF, RESET)
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", one.port), 1):
        pass
