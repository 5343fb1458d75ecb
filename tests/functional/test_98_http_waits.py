"""A request that waits for a server: the queue, dials that fail, servers that are full or drained, a stop. Each request is told
why there is none, and its record says it."""

import socket
import threading

import pytest

from client import asking, asking_many, connect, refused_in_http
from control import queued
from fleet import site
from origin import http, silent
from peer import EOF, RESET, elapsed, request, response
from relay import section
from settings import DEADLINE, free_port, ms, secs, until

LISTENER = {"mode": "http"}


def busy(relay, full_origin, **options):
    """A relay whose only worker dials a server that does not answer, and the client it does that for."""
    one = relay(full_origin, **{"workers": 1, "connect_timeout": ms(1200), "connect_attempts": 1, **LISTENER, **options})
    first = asking(one)
    until(lambda: full_origin.dials() == 1, "the worker dials")
    return one, first


def full_site(relay, server, **options):
    return site(relay, {"a": {"address": server.address, "max_connections": 1}}, **{"listener": LISTENER, **options})


def test_nothing_is_dialled_before_a_request(relay, origin, copy):
    """As browsers open them in advance: that is no exchange that could be cut."""
    server = origin(silent)
    one = relay(server, copy=copy, idle_timeout=ms(100), head_timeout=ms(300), **LISTENER)
    with connect(one) as client:
        _, took = elapsed(lambda: refused_in_http(client, 408))
    assert secs(0.25) <= took < secs(2)
    record = one.record(client)
    assert (record.end, record.bytes_up, record.bytes_down) == ("TB", 0, 0)
    assert server.accepted == 0


@pytest.mark.parametrize("idle_end", ["reset", "close"])
@pytest.mark.parametrize("framing, half", [("Connection: close", b"7\r\nhalf of\r\n"), ("Content-Length: 100", b"half of"),
                                           ("Transfer-Encoding: chunked", b"7\r\nhalf of\r\n")])
def test_idle_in_the_middle_of_an_answer(relay, origin, copy, framing, half, idle_end):
    """However its end would be told, half an answer never looks like a whole one, and nobody blames the server."""
    answer = f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode() + (half if "chunked" in framing else b"half of")
    one = relay(origin(lambda peer: (peer.read_to(b"\r\n\r\n"), peer.send(answer), peer.ending())), copy=copy,
                idle_timeout=ms(300), idle_end=idle_end, **LISTENER)
    with connect(one) as client:
        first, headers = client.send(request()).read_head()
        assert first == "HTTP/1.1 200 OK"
        assert ("content-length" if "Length" in framing else "transfer-encoding") in headers
        assert client.read_end() == (half, RESET)
    assert one.record(client).end == "TI"


def test_idle_within_a_body(relay, origin, copy):
    """The client is told whom its request has waited for; it is not reset as one that ends there."""
    one = relay(origin(lambda peer: peer.ending()), copy=copy, idle_timeout=ms(300), idle_end="close", **LISTENER)
    with connect(one) as client:
        refused_in_http(client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf of"), 408)
    assert one.record(client).end == "TI"


# The queue


def test_queue_full_reject(relay, full_origin, at):
    one, first = busy(relay, full_origin, queue_size=1, when_full="reject", control=at)
    second = asking(one)
    until(lambda: queued(at) == 1, "the second is in the queue")
    third = asking(one)
    _, took = elapsed(lambda: refused_in_http(third))
    assert took < secs(0.9), "it must be refused at once"
    record = one.record(third)
    assert (record.end, record.bytes_up, record.bytes_down) == ("LQ", 0, 0)
    refused_in_http(first, 504)
    refused_in_http(second, 504)


def test_queue_full_wait(relay, full_origin):
    """Surplus requests wait for room, and are served in their turn."""
    one = relay(full_origin, workers=1, queue_size=1, connect_timeout=ms(300), connect_attempts=1, **LISTENER)
    for client in asking_many(one, 5):
        refused_in_http(client, 504)
    assert [record.end for record in one.wait_records(5)] == ["TD"] * 5


def test_queue_timeout(relay, full_origin):
    one, first = busy(relay, full_origin, queue_timeout=ms(200), connect_timeout=ms(1000))
    second = asking(one)
    refused_in_http(second)
    record = one.record(second)
    assert record.end == "TQ" and record.queue_usec >= secs(0.2) * 1e6
    refused_in_http(first, 504)


def test_the_time_in_the_queue_is_logged(relay, full_origin):
    """It is no time of the head's, nor one without a byte."""
    one, first = busy(relay, full_origin, head_timeout=ms(300), idle_timeout=ms(200))
    second = asking(one)
    refused_in_http(first, 504)
    refused_in_http(second, 504)
    assert one.record(first).queue_usec < one.record(second).queue_usec
    assert one.record(second).queue_usec >= secs(0.2) * 1e6
    assert one.record(second).dial_usec >= secs(1.1) * 1e6


@pytest.mark.parametrize("when", ["before it is told", "after"])
def test_a_refused_client_that_does_not_read_why(relay, full_origin, when):
    """It is logged and counted as what it was refused for, though it resets."""
    one = relay(full_origin, connect_timeout=ms(500), connect_attempts=1, **LISTENER)
    client = asking(one)
    until(lambda: full_origin.dials() == 1, "the worker dials")
    if when == "after":
        assert client.sock.recv(4, socket.MSG_PEEK) == b"HTTP"
    client.reset()
    record = one.only_record()
    assert (record.end, record.error, record.bytes_up, record.bytes_down) == ("TD", "ETIMEDOUT", 0, 0)


def test_a_dead_upstream_does_not_fill_the_queue(relay, origin, full_origin, at):
    """It may have all of it, but the others have their share then, too."""
    alive, dead = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    one = relay(address=[alive, dead], text=f'control = "{at}"\nworkers = 1\nqueue_size = 4\nwhen_full = reject\n'
                + section("listener", "alive", address=alive, upstream="alive", **LISTENER)
                + section("listener", "dead", address=dead, upstream="dead", **LISTENER)
                + section("upstream", "alive", server=origin(http))
                + section("upstream", "dead", server=full_origin, max_fails=0, connect_attempts=1, connect_timeout="60s"))
    clients = [asking(dead)]
    until(lambda: full_origin.dials() == 1, "one is dialled for")
    clients += asking_many(dead, 4)
    until(lambda: queued(at, "dead") == 4, "the others wait")
    last = asking(dead)
    refused_in_http(last)
    assert one.record(last).end == "LQ"
    with connect(alive) as client:
        assert client.get("/x").body == b"/x\n"
    for client in clients:
        client.close()


# Servers


def test_what_a_dial_has_failed_of(relay):
    one = relay(f"127.0.0.1:{free_port()}", **LISTENER)
    client = asking(one)
    refused_in_http(client, 502)
    record = one.record(client)
    assert (record.end, record.error) == ("SD", "ECONNREFUSED") and "Connection refused" in record.line.text


def test_full_servers_after_queue_timeout(relay, origin):
    one = full_site(relay, origin(http), top=f"queue_timeout = {ms(400)}\n")
    first = connect(one)
    assert first.get("/a").body == b"/a\n"
    for client in asking_many(one, 2):
        _, took = elapsed(lambda client=client: refused_in_http(client))
        assert took < secs(2)
        record = one.record(client)
        assert (record.end, record.bytes_up) == ("LD", 0)
        assert record.queue_usec >= secs(0.4) * 1e6 and record.dial_usec == 0
    assert first.get("/b").body == b"/b\n"


def test_full_servers_with_reject(relay, origin):
    one = full_site(relay, origin(http), top="when_full = reject\n")
    first = connect(one)
    assert first.get("/a").body == b"/a\n"
    for _ in range(5):
        with asking(one) as client:
            _, took = elapsed(lambda client=client: refused_in_http(client))
            assert took < secs(0.9)
            assert one.record(client).end == "LD"
    assert first.get("/b").body == b"/b\n"


HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf"


def answers_half(peer):
    """As long as its client stays, an answer is under way."""
    assert peer.read_request()
    peer.send(HALF)
    return peer.ending()


def test_a_stop_lets_them_finish_and_a_second_one_does_not(relay, origin):
    """drain_idle is neither for who waits for a server nor for an answer that pauses."""
    one = full_site(relay, origin(answers_half), top=f"queue_timeout = 10m\ndrain_idle = {ms(300)}\n")
    first = asking(one)
    assert first.read_to(b"half") == HALF
    second = asking(one)
    assert second.is_silent(0.1)
    third = asking(one)
    assert third.is_silent(0.1)
    one.term()
    one.wait_log("Stopping")
    assert second.is_silent(secs(1)) and first.is_silent(0.01)
    first.reset()
    assert second.read_to(b"half").startswith(b"HTTP/1.1 200 OK\r\n")
    one.term()
    assert second.ending() == RESET
    third.close()
    assert one.wait_exit() == 0
    assert one.record(third).end == "OS"


def test_an_upstream_that_is_drained(relay, origin):
    """What is under way finishes; the next request is refused, also that of a client that had a server."""
    asked, go = threading.Event(), threading.Event()

    def serve(peer):
        while (found := peer.read_request()) is not None:
            if found[1] == "/held":
                asked.set()
                assert go.wait(DEADLINE)
            peer.send(response(found[1].encode()))
    server = origin(serve)
    one = site(relay, {"a": {"address": server.address, "weight": 1}}, listener=LISTENER, on_down="reset")
    text = one.file.read_text()
    with connect(one) as living, connect(one) as idle:
        for client in (living, idle):
            assert client.get("/x").body == b"/x"
        living.send(request("/held"))
        assert asked.wait(DEADLINE)
        one.reload(text=text.replace("weight = 1", "weight = 0"))
        before = server.accepted
        with asking(one) as client:
            refused_in_http(client)
        assert one.record(client).end == "OD"
        go.set()
        assert living.read_response().body == b"/held"
        refused_in_http(idle.send(request("/y")))
        assert one.record(idle).end == "OD"
        assert server.accepted == before
        one.reload(text=text)
        assert living.get("/y").body == b"/y"


def test_a_client_that_ends_does_not_reset_its_server(relay, origin):
    """Whoever notes first that all is over: up, which reads its end, or down, which has passed on its answer. The server keeps
    its side open until relayd has closed."""
    def serve(peer):
        peer.read_request()
        peer.send(response(b"x"))
        how = peer.ending()
        assert closed.wait(DEADLINE)
        return how, peer.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    server = origin(serve)
    one = relay(server, **LISTENER)
    for _ in range(100):
        closed = threading.Event()
        with connect(one) as client:
            assert client.get().body == b"x"
            client.shut()
            assert client.read_end() == (b"", EOF)
        one.record(client)   # it is written once both sockets are closed
        closed.set()
        assert server.result() == (EOF, 0)
    assert {record.end for record in one.records()} == {"CE"}


def test_a_loop_is_refused(relay, hosts):
    hosts.set("127.0.0.1 app.test")
    port = free_port()
    one = relay(f"app.test:{port}", address=f"127.0.0.1:{port}", max_connections=100, wrap=hosts.wrap, **LISTENER)
    for _ in range(3):
        with connect(one) as client:
            assert client.send(request()).read_response().status == 502
    one.wait_log("error Server app/a .* is this relayd itself")
    until(lambda: "LP" in {record.end for record in one.records()}, "the record of a loop")
    assert len(one.records()) <= 3 * 4
