"""The queue, its limits, and what is logged. Requests that wait in it are test_98_http_waits.py's."""

import re
import threading
import time

import pytest

from client import close_all, connect, connect_many, refused_in_http
from origin import echo, http, sends
from peer import EOF, RESET, elapsed, request
from settings import free_port, ms, secs, some, until


def busy(relay, full_origin, **options):
    """A relay whose only worker dials a server that does not answer, and the client it does that for."""
    options = {"workers": 1, "connect_timeout": ms(1200), "connect_attempts": 1, **options}
    one = relay(full_origin, **options)
    first = connect(one)
    until(lambda: full_origin.dials() == 1, "the worker dials")
    return one, first


def test_queue_full_reject(relay, full_origin):
    one, first = busy(relay, full_origin, queue_size=1, when_full="reject")
    second, third = connect(one), connect(one)
    end, took = elapsed(third.read_end)
    assert end == (b"", RESET)
    assert took < secs(0.9), "it must be refused at once"
    record = one.record(third)
    assert (record.end, record.bytes_up, record.bytes_down) == ("LQ", 0, 0)
    assert first.ending() == second.ending() == RESET
    assert one.record(first).end == one.record(second).end == "TD"


def test_queue_full_wait(relay, full_origin):
    """Surplus clients wait in the kernel's backlog and are served in their turn."""
    one = relay(full_origin, workers=1, queue_size=1, connect_timeout=ms(300), connect_attempts=1)
    for client in connect_many(one, 5):
        assert client.ending() == RESET
    assert [record.end for record in one.wait_records(5)] == ["TD"] * 5


def test_queue_timeout(relay, full_origin):
    one, first = busy(relay, full_origin, queue_timeout=ms(200), connect_timeout=ms(1000))
    second = connect(one)
    assert second.read_end() == (b"", RESET)
    record = one.record(second)
    assert record.end == "TQ"
    assert record.queue_usec >= secs(0.2) * 1e6
    assert first.ending() == RESET
    assert one.record(first).end == "TD"


def test_the_time_in_the_queue_is_logged(relay, full_origin):
    one, first = busy(relay, full_origin)
    second = connect(one)
    assert first.ending() == second.ending() == RESET
    assert one.record(first).queue_usec < one.record(second).queue_usec
    assert one.record(second).queue_usec >= secs(0.2) * 1e6
    assert one.record(second).dial_usec >= secs(1.1) * 1e6


def test_more_clients_than_max_connections_wait(relay, origin, copy):
    server = origin(echo)
    one = relay(server, copy=copy, max_connections=2)
    first, second = connect_many(one, 2)
    for client in (first, second):
        client.send(b"a").read(1)
    third = connect(one)
    third.send(b"b")
    assert third.is_silent(0.3)
    assert server.accepted == 2
    first.close()
    assert third.read(1) == b"b"


@pytest.mark.parametrize("whose", ["relayd", "listener"])
def test_that_clients_wait_is_told(relay, origin, whose):
    """Nobody is refused, so no other line would say it. As long as nobody waits, a limit that is reached is no fault."""
    limit, address = "max_connections = 2", f"127.0.0.1:{free_port()}"
    text = (f'{limit if whose == "relayd" else ""}\n'
            f'listener web {{ address = "{address}" upstream = app {limit if whose == "listener" else ""} }}\n'
            f'upstream app {{ server a {{ address = "{origin(echo).address}" }} }}\n')
    one = relay(address=address, text=text)
    with connect(one) as first, connect(one) as second:
        for client in (first, second):
            assert client.send(b"x").read(1) == b"x"
        assert second.is_silent(1.5)   # longer than it takes until it would be told
        assert "wait to be accepted" not in one.log
        with connect(one) as third:
            line, = one.wait_log("wait to be accepted")
            who = "Clients of listener web" if whose == "listener" else "Clients"
            assert line.level == "warning" and re.match(f"{who} wait to be accepted: .* is reached, with 2\\. ", line.text)
            assert line.fields.get("RELAYD_LISTENER") == ("web" if whose == "listener" else None)
            first.close()
            assert third.send(b"y").read(1) == b"y"
    assert one.log.count("wait to be accepted") == 1


def test_more_clients_than_max_connections_reject(relay, origin, copy):
    one = relay(origin(http), copy=copy, max_connections=2, when_full="reject", mode="http")
    clients = connect_many(one, 2)
    for client in clients:
        assert client.get("/a").body == b"/a\n"
    third = connect(one)
    refused_in_http(third.send(request()))
    assert one.record(third).end == "LC"
    clients[0].close()

    def admitted():
        with connect(one) as client:
            return client.get("/b").status == 200
    until(admitted, "there is room again")
    assert clients[1].get("/c").body == b"/c\n"


def test_more_clients_than_max_connections_reject_in_tcp(relay, origin):
    one = relay(origin(echo), max_connections=1, when_full="reject")
    first = connect(one)
    first.send(b"a").read(1)
    second = connect(one)
    assert second.read_end() == (b"", RESET)
    assert one.record(second).end == "LC"
    assert first.send(b"b").read(1) == b"b"


def test_max_connections_is_never_exceeded(relay, origin):
    server = origin(http)
    one = relay(server, max_connections=5)
    failures = []

    def visit():
        try:
            with connect(one) as client:
                assert client.get("/x").body == b"/x\n"
        except Exception as error:
            failures.append(error)
    threads = [threading.Thread(target=visit, daemon=True) for _ in range(some(60))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert server.accepted == some(60)
    assert server.most_active <= 5
    assert len(one.wait_records(some(60))) == some(60)


def test_a_refused_upload_reads_the_refusal(relay, origin):
    """What a refused client still sends is read and dropped, so that the answer is not destroyed on its way."""
    one = relay(origin(http), max_connections=1, when_full="reject", mode="http")
    first = connect(one)
    assert first.get("/a").status == 200
    for _ in range(some(10)):
        with connect(one) as client:
            client.send(request("/up", b"u" * 300000))
            refused_in_http(client)


def test_a_refused_client_is_not_kept(relay, origin):
    """One that neither reads nor closes is closed after linger_timeout."""
    one = relay(origin(http), max_connections=1, when_full="reject", mode="http", linger_timeout=ms(300))
    first = connect(one)
    assert first.get("/a").status == 200
    before = one.open_files()["socket"]
    stuck = connect_many(one, 5)
    for client in stuck:
        assert one.record(client).end == "LC"
    one.wait_sockets(before)
    close_all(stuck)


def test_refusing_does_not_hold_up_the_acceptor(relay, origin):
    """Refused clients that linger do not keep others from being refused at once."""
    one = relay(origin(http), max_connections=1, when_full="reject", mode="http", linger_timeout="60s")
    first = connect(one)
    assert first.get("/a").status == 200
    stuck = connect_many(one, 20)
    answers, took = elapsed(lambda: [client.read_response().status for client in stuck])
    assert answers == [503] * 20
    assert took < secs(3)
    close_all(stuck)


# The log


@pytest.mark.parametrize("which, wanted", [("all", ["CE", "SR", "CE"]), ("failed", ["SR"]), ("none", [])])
def test_which_connections_are_logged(relay, origin, which, wanted):
    def script(peer):
        if peer.read(1) == b"!":
            peer.reset()
        else:
            peer.send(b".").ending()
    one = relay(origin(script), log_connections=which)
    for word in (b"x", b"!", b"x"):
        with connect(one) as client:
            if word == b"x":
                client.send(word).read(1)
            else:
                client.send(word).ending()
    one.term()
    assert one.wait_exit() == 0
    assert sorted(record.end for record in one.records()) == sorted(wanted)


def test_orderly_ends_are_not_told_at_log_level_error(relay, origin):
    one = relay(origin(sends(b"x")), log_level="error")
    with connect(one) as client:
        assert client.read_end() == (b"x", EOF)
    one.term()
    assert one.wait_exit() == 0
    assert one.lines == []


def test_a_record_is_one_line_with_every_field(relay, origin):
    one = relay(origin(http))
    with connect(one) as client:
        client.get()
    fields = one.record(client).line.fields
    for name in ("CONN", "LISTENER", "CLIENT", "UPSTREAM", "SERVER", "END", "BYTES_UP", "BYTES_DOWN", "QUEUE_USEC",
                 "DIAL_USEC", "DURATION_USEC", "CLIENT_ADDRESS", "CLIENT_PORT", "LISTEN_ADDRESS", "SERVER_ADDRESS",
                 "ATTEMPTS"):
        assert f"RELAYD_{name}" in fields
    assert one.record(client).line.text.startswith("Connection ")


def test_a_record_comes_for_each_connection(relay, origin):
    one = relay(origin(http), queue_size=2000)
    for client in connect_many(one, some(100)):
        client.get()
        client.close()
    assert len(one.wait_records(some(100))) == some(100)
    assert len({record.conn for record in one.records()}) == some(100)


def test_the_duration_is_logged(relay, origin):
    one = relay(origin(echo))
    with connect(one) as client:
        client.send(b"x").read(1)
        time.sleep(0.2)
    assert one.record(client).duration_usec >= 200000


def test_no_listener_starves_when_room_comes(relay, origin):
    """Two acceptors wait for the one place: whichever hears of it first, the one with a client gets it."""
    addresses = [f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"]
    one = relay(origin(echo), address=addresses, max_connections=1)
    for _ in range(some(10)):
        first = connect(addresses[0])
        assert first.send(b"a").read(1) == b"a"
        second = connect(addresses[1])
        first.close()
        assert second.send(b"b").read(1) == b"b"
        second.close()
    assert {record.listener for record in one.wait_records(2 * some(10))} == {"web"}


def test_waiting_for_a_place_is_not_waiting_for_a_worker(relay, origin):
    """queue_timeout is about the queue: a client that was accepted and held for max_connections is served."""
    addresses = [f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"]
    one = relay(origin(echo), address=addresses, max_connections=1, queue_timeout=ms(50))
    first = connect(addresses[0])
    assert first.send(b"a").read(1) == b"a"
    second = connect(addresses[1])
    began = time.monotonic()
    until(lambda: time.monotonic() > began + secs(0.2), "longer than queue_timeout")
    first.close()
    assert second.send(b"b").read(1) == b"b"
    second.close()
    assert [record.end for record in one.wait_records(2)] == ["CE"] * 2


def test_a_flood_of_refused_clients_is_summed_up(relay):
    """Of each second, a hundred are told one by one; the rest is one line with their number. None is forgotten."""
    one = relay(f"127.0.0.1:{free_port()}", max_fails=0)  # nobody is there
    count = some(1000)

    def told():
        summed = [int(line.fields["RELAYD_COUNT"]) for line in one.all_lines() if "RELAYD_COUNT" in line.fields]
        return len(one.records()) + sum(summed) == count
    for _ in range(count // 50):
        close_all(connect_many(one, 50))
    until(told, "every client is in the log, by itself or in a sum")
    assert len(one.records()) >= 100
    for line in one.all_lines():
        if "RELAYD_COUNT" in line.fields:
            assert line.fields["RELAYD_END"] == "SD" and "each failed: the server could not be reached" in line.text
