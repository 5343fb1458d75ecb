"""Mode http: servers that go, within an answer, before it, or between two; and clients that do."""

import threading

import pytest
from client import connect
from fleet import Named
from origin import pattern
from peer import EOF, RESET
from settings import MIB, free_port, secs, until
from web import (CLOSE, Web, answer, answer_chunked, ask, get, head_of, post, post_chunked, proxy, read_answer, told, web)


def refused(client, status=502):
    got = read_answer(client)
    assert (got.status, got["Connection"]) == (status, "close"), got
    assert client.read_end() == (b"", EOF)


# Between two requests


def once_told(end):
    """Answers, and ends once the event is set, in the way that the request says."""
    def answers(asked, peer):
        peer.send(told(asked))
        if asked.target == "/stay":
            return None
        assert end.wait(secs(5))
        end.clear()
        return b"", asked.target[1:]
    return answers


def test_a_server_that_ends_while_nothing_is_asked(relay, origin):
    """The client does not notice: its next request goes over a new connection, even one that may not be sent twice."""
    end = threading.Event()
    app = web(origin, once_told(end))
    one = proxy(relay, app)
    with connect(one) as client:
        for how in (CLOSE, RESET, CLOSE, RESET):
            assert ask(client, get("/" + how)).status == 200
            end.set()
            until(lambda: app_sockets(one, app) == 0, "relayd has noticed", pause=0.1)
            assert client.is_silent(0.02)
            assert ask(client, post("/stay", b"12")).body == b"POST /stay\n12"
    assert app.connections == 5


def app_sockets(one, app):
    """Connections of relayd to this server that live on both sides."""
    with open(f"/proc/{one.pid}/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file][1:]
    return sum(row[2].endswith(f":{app.port:04X}") and row[3] in ("01", "08") for row in rows)


class Stale:
    """A server whose connections answer once, and end when the next request comes, before a byte of an answer."""

    def __init__(self, origin, how, fails=1, **more):
        self.how, self.fails = how, fails
        self.app = Web(origin, self.answers, **more)

    def answers(self, asked, peer):
        if asked.target == "/first":
            return answer(b"first")
        if self.fails:
            self.fails -= 1
            return b"", self.how
        return told(asked)


@pytest.mark.parametrize("how", [CLOSE, RESET])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_a_request_that_may_be_sent_again(relay, origin, how, method):
    stale = Stale(origin, how)
    one = proxy(relay, stale.app)
    with connect(one) as client:
        assert ask(client, get("/first")).body == b"first"
        assert ask(client, get("/again", method=method), method).status == 200
        assert ask(client, get("/first")).body == b"first"
    assert stale.app.targets == ["/first", "/again", "/again", "/first"]
    assert stale.app.asked[1].fields == stale.app.asked[2].fields


@pytest.mark.parametrize("how", [CLOSE, RESET])
@pytest.mark.parametrize("data", [
    post("/again", b"12"), post("/again"), get("/again", method="PATCH"), get("/again", method="REPORT"),
    post("/again", b"12", method="PUT"), post_chunked("/again", b"12", method="PUT"), post("/again", b"1", method="GET")])
def test_a_request_that_may_not(relay, origin, how, data):
    """It has, perhaps, been done; or its body has gone."""
    stale = Stale(origin, how)
    one = proxy(relay, stale.app)
    with connect(one) as client:
        assert ask(client, get("/first")).body == b"first"
        client.send(data)
        refused(client)
    assert stale.app.targets == ["/first", "/again"]


def test_not_again_and_again(relay, origin):
    stale = Stale(origin, CLOSE, fails=1000)
    one = proxy(relay, stale.app)
    with connect(one) as client:
        client.send(get("/again"))
        refused(client)
    assert 2 <= len(stale.app.asked) <= 3


def test_the_next_request_is_there_when_the_server_ends(relay, origin):
    """Again and again, at any moment: no request is lost, and none is answered twice."""
    app = web(origin, lambda asked, peer: (told(asked), CLOSE if asked.number == int(asked.target[1:]) % 3 else None))
    one = proxy(relay, app)
    with connect(one) as client:
        for i in range(100):
            assert ask(client, get(f"/{i}")).body == f"GET /{i}\n".encode()


# Before an answer


@pytest.mark.parametrize("how", [CLOSE, RESET])
@pytest.mark.parametrize("piece", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"])
def test_within_the_head_of_an_answer(relay, origin, how, piece):
    app = web(origin, lambda asked, peer: (piece, how))
    one = proxy(relay, app)
    with connect(one) as client:
        client.send(get())
        refused(client)
    assert len(app.asked) == 1


def test_a_server_that_is_not_there(relay):
    one = proxy(relay, f"127.0.0.1:{free_port()}")
    with connect(one) as client:
        client.send(get())
        refused(client)
    assert one.record(client).end == "SD"


# Within an answer: the client must not take it for a whole one.


def cuts(body=pattern(1000)):
    chunks = answer_chunked(body, sizes=(10, 500))
    return {"length": answer(body)[:-1], "length, the head alone": answer(body)[:-1000],
            "chunks, within data": chunks[:-100], "chunks, behind the head": head_of("200 OK", "Transfer-Encoding: chunked"),
            "chunks, behind one": chunks[:chunks.index(b"\r\n1f4\r\n") + 2], "chunks, before the last": chunks[:-5],
            "chunks, within the last": chunks[:-2], "chunks, within a size": chunks[:chunks.index(b"f4\r\n")]}


@pytest.mark.parametrize("how", [CLOSE, RESET])
@pytest.mark.parametrize("name", cuts())
def test_within_an_answer(relay, origin, how, name):
    def cut(asked, peer):
        peer.send(cuts()[name])
        started.wait(secs(5))   # a reset takes with it what was not read
        return b"", how
    started = threading.Event()
    one = proxy(relay, web(origin, cut))
    with connect(one) as client:
        client.send(get())
        client.read_to(b"\r\n\r\n")
        started.set()
        assert client.ending() == RESET
    assert one.record(client).end in ("SR", "SU")


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_reset_is_no_end_of_an_answer(relay, origin, version):
    """Of one until the end of the connection."""
    def cut(asked, peer):
        peer.send(head_of() + pattern(1000))
        started.wait(secs(5))
        return b"", RESET
    started = threading.Event()
    one = proxy(relay, web(origin, cut))
    with connect(one) as client:
        client.send(get(version=version))
        client.read_to(b"\r\n\r\n")
        client.read(1000)
        started.set()
        assert client.ending() == RESET
    assert one.record(client).end == "SR"


def test_chunks_to_a_client_of_1_0_that_break_off(relay, origin):
    """It knows no chunks: only the reset tells it."""
    one = proxy(relay, web(origin, lambda asked, peer: (answer_chunked(pattern(1000), sizes=(10, 500))[:-5], CLOSE)))
    with connect(one) as client:
        assert client.send(get(version="1.0")).ending() == RESET


def test_a_bad_chunk_in_an_answer(relay, origin):
    one = proxy(relay, web(origin, lambda asked, peer: answer_chunked(b"12345") .replace(b"5\r\n12345", b"5\r\n123456")))
    with connect(one) as client:
        client.send(get())
        assert client.ending() == RESET


def test_a_cut_in_bulk(relay, origin):
    one = proxy(relay, web(origin, lambda asked, peer: (answer(pattern(20 * MIB))[:-1], CLOSE)))
    with connect(one) as client:
        data, how = client.send(get()).read_end()
        assert how == RESET and len(data) < 20 * MIB + 1000


BAD = {
    "two lengths": head_of("200 OK", "Content-Length: 1", "Content-Length: 2") + b"12",
    "length and chunks": head_of("200 OK", "Content-Length: 1", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "another coding": head_of("200 OK", "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "a signed length": head_of("200 OK", "Content-Length: +1") + b"1",
    "a status of two digits": head_of("20 OK", "Content-Length: 0"),
    "a status of four digits": head_of("2000 OK", "Content-Length: 0"),
    "another version": head_of("200 OK", "Content-Length: 0", version="2.0"),
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "folding": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "NUL": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a blank before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    "no HTTP": b"220 mail.example ESMTP\r\n\r\n",
    "too long": head_of("200 OK", *[f"X-{i}: {'x' * 900}" for i in range(20)]),
}


@pytest.mark.parametrize("name", BAD)
def test_an_answer_that_is_none(relay, origin, name):
    app = web(origin, lambda asked, peer: BAD[name])
    one = proxy(relay, app)
    with connect(one) as client:
        client.send(get())
        refused(client)
    assert len(app.asked) == 1
    assert one.record(client).end == "SB"


@pytest.mark.parametrize("data", [b"<html>", b"\x15\x03\x01\0\x02\x02\x50", b"J\0\0\0\x0a8.0.1-MariaDB", b"HTTP/2.0"])
def test_a_server_of_another_protocol(relay, origin, data):
    """It is known by its first bytes: nobody waits for response_timeout."""
    def answers(asked, peer):
        peer.send(data).ending()
        return b"", CLOSE
    app = web(origin, answers)
    one = proxy(relay, app, response_timeout="1h")
    with connect(one) as client:
        got = ask(client, get())
        assert (got.status, got.body) == (502, b"The server's answer could not be understood.\n")
    assert one.record(client).end == "SB"


# Clients


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_client_that_leaves_in_its_body(relay, origin, leave):
    """The server must not take what it has got for all of it."""
    app = web(origin)
    for data in (post("/up", pattern(100_000))[:-1], post_chunked("/up", pattern(100_000))[:-5],
                 post_chunked("/up", pattern(100_000), sizes=(50_000,))[:60_000]):
        one = proxy(relay, app)
        before = app.connections
        client = connect(one)
        client.send(data)
        until(lambda: app.connections > before, "the server is asked")
        getattr(client, leave)()
        assert app.wait_end(before) in ("cut", RESET)
        assert one.record(client).end in ("CU", "CR")
    assert not any(asked.whole for asked in app.asked)


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_client_that_leaves_in_its_answer(relay, origin, leave):
    def flood(asked, peer):
        peer.send(head_of("200 OK", f"Content-Length: {1 << 40}"))
        try:
            while True:
                peer.send(pattern(65536))
        except OSError as error:
            return ended.append(type(error)) or (b"", CLOSE)
    ended = []
    one = proxy(relay, web(origin, flood))
    client = connect(one)
    client.send(get()).read(100_000)
    getattr(client, leave)()
    until(lambda: ended, "the server notices")
    assert one.record(client).end in ("CX", "CR")


def test_a_client_that_resets_while_it_waits(relay, origin):
    """The server notices at once, without having said a word."""
    ended = []
    app = web(origin, lambda asked, peer: (b"", ended.append(peer.ending()) or CLOSE))
    one = proxy(relay, app)
    client = connect(one)
    client.send(get())
    app.wait_asked(1)
    client.reset()
    until(lambda: ended, "the server notices")
    assert one.record(client).end == "CR"


@pytest.mark.parametrize("data", [get("/a"), post("/a", pattern(100_000)), post_chunked("/a", b"12")], ids=["get", "post", "chunks"])
def test_a_client_that_has_sent_all_gets_its_answer(relay, origin, data):
    def slow(asked, peer):
        assert peer.is_silent(0.2)   # and its end does not reach the server as a reset
        return answer(pattern(300_000))
    app = web(origin, slow)
    one = proxy(relay, app)
    with connect(one) as client:
        client.send(data).shut()
        assert read_answer(client).body == pattern(300_000)
        assert client.read_end() == (b"", EOF)
    assert one.record(client).end == "CE"


def test_a_pipeline_that_ends(relay, origin):
    """All of it is answered."""
    app = web(origin)
    one = proxy(relay, app)
    with connect(one) as client:
        client.send(b"".join(get(f"/{i}") for i in range(20))).shut()
        for i in range(20):
            assert read_answer(client).body == f"GET /{i}\n".encode()
        assert client.read_end() == (b"", EOF)


@pytest.mark.parametrize("piece", [b"GET", get()[:-1]])
def test_a_head_that_ends_in_the_middle(relay, origin, piece):
    app = web(origin)
    one = proxy(relay, app)
    with connect(one) as client:
        client.send(piece).shut()
        client.ending()
    assert one.record(client).end == "CU"
    assert app.connections == 0


# One of two servers


def test_one_of_two_servers_is_dead(relay, origin):
    app = web(origin)
    one = proxy(relay, {"app": [f"127.0.0.1:{free_port()}", app]})
    for _ in range(10):
        with connect(one) as client:
            for i in range(3):
                assert ask(client, post(f"/{i}", b"12")).status == 200


def test_a_server_that_is_killed_between_two_requests(relay, server):
    servers = [server(Named, name=name) for name in "ab"]
    one = proxy(relay, {"app": servers})
    clients = [connect(one) for _ in range(6)]
    assert {ask(client, get()).body for client in clients} == {b"a", b"b"}
    servers[0].kill()
    for _ in range(3):
        assert {ask(client, get()).body for client in clients} == {b"b"}
    servers[0].again()
    for client in clients:
        client.close()
