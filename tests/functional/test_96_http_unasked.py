"""Mode http: bytes of a server that nobody has asked for end its connection, and the client's in order; they are no answer."""

import random
import threading
import time

import pytest
from client import connect
from peer import EOF
from settings import COPY, secs, some
from web import answer, answer_chunked, ask, get, proxy, read_answer, web


def answered(one, data, reuse):
    """To pipelined requests: the one answer and the end; or all of them, where legs are shared."""
    got = []
    with connect(one) as client:
        client.send(data)
        for _ in range(1 if reuse == "private" else 10):
            got.append(read_answer(client))
        if reuse == "private":
            assert client.read_end() == (b"", EOF)
    assert one.record(client).end == ("SE" if reuse == "private" else "CE")
    return got


@pytest.mark.parametrize("reuse", ["private", "proven"])
@pytest.mark.parametrize("copy", COPY)
@pytest.mark.parametrize("size", [4, 30000, 300000])
@pytest.mark.parametrize("more", [b"x", answer(b"not asked for")])
def test_more_than_was_asked_for(relay, origin, more, size, copy, reuse):
    """It never becomes the answer to the next request, and the client has all of its own, wherever that was copied."""
    app = web(origin, lambda asked, peer: answer(b"m" * size) + more)
    one = proxy(relay, app, copy=copy, reuse=reuse)
    got = answered(one, b"".join(get(f"/{i}") for i in range(10)), reuse)
    assert {one_.body for one_ in got} == {b"m" * size}
    assert app.connections == len(app.asked) == len(got)


@pytest.mark.parametrize("status, method", [("204 No Content", "GET"), ("304 Not Modified", "GET"), ("200 OK", "HEAD")])
def test_a_body_where_none_can_be(relay, origin, status, method):
    """As servers send that know no better: it is not taken for the next answer either, and clients go on."""
    app = web(origin, lambda asked, peer: answer(answer(b"evil"), status))
    one = proxy(relay, app)
    with connect(one) as client:
        client.send(get(method=method) * 10)
        for _ in range(10):
            assert read_answer(client, method).status == int(status[:3])
    assert app.connections == 10


@pytest.mark.parametrize("size", [4, 300000])
def test_more_comes_as_the_next_request_does(relay, origin, size):
    """Who is first is chance. The first answer is whole in any case."""
    def say(asked, peer):
        peer.send(answer(b"m" * size))
        time.sleep(random.uniform(0, 0.002))
        return answer(b"", "302 Unasked", "Connection: close")
    app = web(origin, say)
    one = proxy(relay, app)
    for _ in range(some(60)):
        with connect(one) as client:
            assert ask(client, get() * 3).body == b"m" * size
            client.shut()
            rest, how = client.read_end()
            assert how == EOF and (not rest or rest.startswith(b"HTTP/1.1 ")), (rest, how)


def test_a_server_that_speaks_first(relay, origin):
    """As those of SMTP and SSH do."""
    def greet(peer):
        peer.send(b"220 mail.test ESMTP\r\n")
        return peer.read_end()
    server = origin(greet)
    one = proxy(relay, server)
    for _ in range(some(20)):
        with connect(one) as client:
            assert ask(client, get()).status == 502
            assert client.read_end() == (b"", EOF)
        assert one.record(client).end == "SB"


@pytest.mark.parametrize("reuse", ["private", "proven"])
def test_an_answer_that_nobody_has_asked_for(relay, origin, reuse):
    """As servers do that say 408 to who is silent: it is dropped with its connection, and the client is told nothing. It is
    given its end, but not where the bytes may have been for another client."""
    def say(asked, peer):
        peer.send(answer(b"mine"))
        if asked.connection > 0:
            return b""
        said.wait(secs(5))
        return answer(b"not asked for", "408 Request Timeout")
    said = threading.Event()
    app = web(origin, say)
    one = proxy(relay, app, reuse=reuse)
    with connect(one) as client:
        assert ask(client, get()).body == b"mine"
        said.set()
        app.wait_end()
        if reuse == "proven":
            assert ask(client, get()).body == b"mine"
        else:
            assert client.read_end() == (b"", EOF)
    assert app.connections == (2 if reuse == "proven" else 1)
    assert one.record(client).end == ("CE" if reuse == "proven" else "SE")


#: What relayd reads of a server at a time (PUMP_BUFFER_SIZE in src).
BUFFER = 24576


@pytest.mark.parametrize("reuse", ["private", "proven"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("kept", [False, True], ids=["alone", "keeper"])
def test_more_comes_behind_a_full_buffer(relay, revived, keeper, origin, kept, framing, reuse):
    """What was asked for fills it to the last byte, so that nothing of the rest is in hand."""
    def full(body):
        return answer(body) if framing == "length" else answer_chunked(body)
    size = BUFFER - len(full(b"m" * 20000)) + 20000
    assert len(full(b"m" * size)) == BUFFER
    app = web(origin, lambda asked, peer: full(b"m" * size) + answer(b"not asked for"))
    one = proxy(revived if kept else relay, app, reuse=reuse, top=f'keeper = "{keeper.path}"' if kept else "")
    for _ in range(some(20)):
        got = answered(one, b"".join(get(f"/{i}") for i in range(10)), reuse)
        assert {one_.body for one_ in got} == {b"m" * size}
