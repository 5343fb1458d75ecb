"""Where requests are looked into: who is answered by relayd itself, in which words, and what a stop or an order changes."""

import os
import threading

import pytest

from client import close_all, connect, connect_many, refused_in_http
from control import asked, relayctl
from fleet import site
from keeper import small_keeper
from origin import http, pattern
from peer import EOF, RESET, request, response
from settings import DEADLINE, free_port, ms
from tls import Site, https

HTTP = {"mode": "http"}


def told(one, end, status):
    """What a client is told, once that is this status."""
    with connect(one) as client:
        answer = client.send(request()).read_response()
    assert one.record(client).end == end
    assert answer.status == status, answer
    return answer


def test_no_server_is_dialled_before_a_request(relay, origin):
    server = origin(http)
    one = relay(server, **HTTP)
    with connect(one) as client:
        client.send(request()[:-1])
        assert client.is_silent(0.3)
        assert server.accepted == 0
        assert client.send(request()[-1:]).read_response().status == 200
    assert server.accepted == 1


@pytest.mark.parametrize("begun", [b"", request()[:-1]])
def test_whoever_does_not_ask_in_time_is_told(relay, origin, begun):
    one = relay(origin(http), **HTTP, head_timeout="300ms")
    with connect(one) as client:
        refused_in_http(client.send(begun), 408)
    record = one.record(client)
    assert record.end == "TB" and record.bytes_up == record.bytes_down == 0


def test_the_words_fit_what_became_of_it(relay, origin):
    one = site(relay, {"a": f"127.0.0.1:{free_port()}"}, listener=HTTP, check={"interval": ms(20), "fall": 1})
    one.wait_log("app/a .* is down")
    assert told(one, "HD", 503).body == b"The service is down at the moment.\n"
    one = site(relay, {"a": {"address": f"127.0.0.1:{free_port()}", "weight": 0}}, listener=HTTP)
    assert told(one, "OD", 503).body == b"The service is out of use at the moment.\n"
    one = site(relay, {"a": origin(http)}, listener={**HTTP, "max_rate_per_client": 1})
    for _ in range(2):
        connect(one).close()
    answer = told(one, "LV", 429)
    assert answer.body == b"Your address opens connections too fast.\n" and answer.headers["retry-after"] == "1"


@pytest.fixture
def pages(tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "5xx.html").write_text("old")
    return folder


def test_whoever_waits_for_an_answer_gets_that_of_its_time(relay, origin, pages):
    """A reload frees the old pages only after the last request that may need one."""
    asks, ends = threading.Event(), threading.Event()

    def breaks_off(peer):
        peer.read_request()
        asks.set()
        assert ends.wait(DEADLINE)

    one = site(relay, {"a": origin(breaks_off)}, listener={**HTTP, "error_pages": str(pages)})
    with connect(one) as client:
        client.send(request(method="PATCH"))   # which is not sent twice
        assert asks.wait(DEADLINE)
        (pages / "5xx.html").write_text("new")
        assert one.hup() == ""
        ends.set()
        answer = client.read_response()
        assert (answer.status, answer.body) == (502, b"old")
    assert told(one, "SW", 502).body == b"new"


# A stop


def test_who_waits_for_an_answer_gets_it_in_a_drain(relay, origin):
    """Even if it has asked at once after the answer before; it is told that this was the last."""
    asks, go = threading.Event(), threading.Event()

    def script(peer):
        for _ in range(3):
            if peer.read_request() is None:
                return
            peer.send(response(b"first"))
        peer.read_request()
        asks.set()
        assert go.wait(DEADLINE)
        peer.send(response(pattern(300000)))
        peer.ending()

    one = relay(origin(script), **HTTP, drain_timeout="1h", drain_idle=ms(300), idle_timeout="1h")
    with connect(one) as client, connect(one) as idle:
        for _ in range(3):
            client.get()
        client.send(request())
        idle.get()
        assert asks.wait(DEADLINE)
        one.term()
        assert idle.ending() == EOF
        one.wait_log("Waiting for 1 connection, until ")
        assert client.is_silent(0.2)
        go.set()
        answer = client.read_response()
        assert answer.body == pattern(300000) and answer.headers["connection"] == "close"
        assert client.ending() == EOF
    assert one.wait_exit() == 0
    assert [record.end for record in one.records()] == ["OI", "OI"]


def test_a_restart_ends_only_what_the_keeper_does_not_hold(relay, short_path, origin):
    with small_keeper(short_path, 5) as (keeper, room):
        one = relay(origin(http), **HTTP, keeper=str(keeper.path), on_term="leave", drain_timeout="1h", drain_idle=ms(300))
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


# Orders


def test_the_last_server(relay, origin, at):
    """Who waits for its answer gets it; the next request is refused, whoever asks."""
    asks, go = threading.Event(), threading.Event()

    def script(peer):
        while peer.read_request() is not None:
            asks.set()
            assert go.wait(DEADLINE)
            peer.send(response(b"a"))

    one = site(relay, {"a": origin(script)}, top=f'control = "{at}"\n', listener=HTTP)
    with connect(one) as living:
        living.send(request())
        assert asks.wait(DEADLINE)
        relayctl("-s", at, "drain", "app/a")
        for _ in range(3):
            told(one, "OD", 503)
        assert asked(at, "/ready")[0] == 503
        go.set()
        assert living.read_response().body == b"a"
        refused_in_http(living.send(request()), 503)
    relayctl("-s", at, "ready", "app/a")
    with connect(one) as client:
        assert client.get().body == b"a"


# TLS


@pytest.mark.parametrize("sent, end", [(b"", "CE"), (request()[:-2], "CT"), (None, "CT")])
def test_a_browser_that_leaves_between_requests_is_no_failure(relay, origin, tmp_path, sent, end):
    """Without close_notify. None: part of a record. The server is told of no request that is not whole."""
    def script(peer):
        peer.read_request()
        peer.send(response())
        return peer.read_end()
    server = origin(script)
    tls = Site(tmp_path)
    one = https(relay, tls, server, **HTTP)
    with tls.connect(one) as client:
        assert client.get().status == 200
        if sent is None:
            os.write(client.sock.fileno(), b"\x17\x03\x03\x00\x40")
        elif sent:
            client.send(sent)
        client.cut()
        assert server.result() == (b"", EOF if end == "CE" else RESET)
    assert one.record(client).end == end
