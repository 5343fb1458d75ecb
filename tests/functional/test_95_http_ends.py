"""Mode http: answers until the end of a connection, HTTP/1.0, and who closes when."""

import pytest
from client import connect
from origin import pattern
from peer import EOF
from settings import some
from web import (CLOSE, answer, answer_chunked, ask, chunked, get, head_of, post, proxy, read_answer, web)


# Answers until the end of the connection


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_until_the_end_becomes_chunks(relay, origin, version):
    """And the client's connection goes on."""
    body = pattern(300_000)
    app = web(origin, lambda asked, peer: (head_of("200 OK", version=version) + body, CLOSE))
    one = proxy(relay, app)
    with connect(one) as client:
        for i in range(5):
            got = ask(client, get(f"/{i}"))
            assert got.body == body and got.chunks and got["Connection"] is None
    assert app.connections == 5 == len(app.asked)


def test_until_the_end_to_a_client_of_1_0(relay, origin):
    body = pattern(300_000)
    app = web(origin, lambda asked, peer: (head_of() + body, CLOSE))
    one = proxy(relay, app)
    for keep in ([], ["Connection: keep-alive"]):
        with connect(one) as client:
            got = ask(client, get("/", *keep, version="1.0"))
            assert got.until_end and got.body == body and got["Connection"] == "close"
        assert one.record(client).end == "SE"


def test_chunks_to_a_client_of_1_0(relay, origin):
    body = pattern(100_000)
    app = web(origin, lambda asked, peer: answer_chunked(body, sizes=(1, 5000, 70000)))
    one = proxy(relay, app)
    with connect(one) as client:
        got = ask(client, get("/", "Connection: keep-alive", version="1.0"))
        assert got.until_end and got.body == body and got["Connection"] == "close"


# HTTP/1.0


def test_a_client_of_1_0_without_keep_alive(relay, origin):
    app = web(origin)
    one = proxy(relay, app)
    with connect(one) as client:
        got = ask(client, get("/a", version="1.0"))
        assert (got.status, got.body, got["Connection"]) == (200, b"GET /a\n", "close")
        assert client.read_end() == (b"", EOF)
    assert app.asked[0].version == "HTTP/1.1"
    assert one.record(client).end == "SE"


def test_a_client_of_1_0_with_keep_alive(relay, origin):
    app = web(origin)
    one = proxy(relay, app)
    with connect(one) as client:
        for i in range(5):
            got = ask(client, post(f"/{i}", b"x" * i, "Connection: Keep-Alive", version="1.0"))
            assert got.body == f"POST /{i}\n".encode() + b"x" * i
            assert got["Connection"].lower() == "keep-alive"
        assert ask(client, get("/z", version="1.0"))["Connection"] == "close"
        assert client.read_end() == (b"", EOF)
    assert app.connections == 1


def test_a_client_of_1_0_without_host(relay, origin):
    app = web(origin)
    one = proxy(relay, app)
    with connect(one) as client:
        assert ask(client, b"GET /a HTTP/1.0\r\n\r\n").body == b"GET /a\n"
    assert app.asked[0].version == "HTTP/1.1" and app.asked[0].all("Host") == ["localhost"]


def test_a_server_of_1_0(relay, origin):
    """It closes after each answer, and says nothing of it."""
    app = web(origin, lambda asked, peer: (answer(asked.target.encode(), version="1.0"), CLOSE))
    one = proxy(relay, app)
    with connect(one) as client:
        for i in range(10):
            got = ask(client, get(f"/{i}"))
            assert got.body == f"/{i}".encode() and got["Connection"] is None
    assert app.connections == 10


def test_a_server_of_1_0_that_keeps_alive(relay, origin):
    app = web(origin, lambda asked, peer: answer(b"x", "200 OK", "Connection: keep-alive", version="1.0"))
    one = proxy(relay, app)
    with connect(one) as client:
        for i in range(10):
            got = ask(client, get(f"/{i}"))
            assert got.body == b"x" and got["Connection"] is None
    assert app.connections == 1


# Closing


def test_the_client_asks_to_close(relay, origin):
    app = web(origin)
    one = proxy(relay, app)
    with connect(one) as client:
        assert ask(client, get("/a"))["Connection"] is None
        assert ask(client, post("/b", b"12", "Connection: close"))["Connection"] == "close"
        assert client.read_end() == (b"", EOF)
    assert [asked["Connection"] for asked in app.asked] == [None, None]


def test_what_comes_behind_a_last_request_is_dropped(relay, origin):
    app = web(origin)
    one = proxy(relay, app)
    with connect(one) as client:
        got = ask(client, get("/a", "Connection: close") + get("/b") + b"x" * 100_000)
        assert got["Connection"] == "close"
        assert client.read_end() == (b"", EOF)
    assert app.targets == ["/a"]


@pytest.mark.parametrize("says", [[], ["Connection: close"]])
def test_a_server_that_closes_after_each_answer(relay, origin, says):
    app = web(origin, lambda asked, peer: (answer(asked.target.encode(), "200 OK", *says), CLOSE))
    one = proxy(relay, app)
    count = some(50)
    with connect(one) as client:
        client.send(b"".join(get(f"/{i}") for i in range(count)))
        for i in range(count):
            got = read_answer(client)
            assert (got.status, got.body, got["Connection"]) == (200, f"/{i}".encode(), None)
    assert app.targets[-1] == f"/{count - 1}"


def test_a_server_that_says_close_and_does_not(relay, origin):
    """What it says counts: nothing is asked over that connection any more."""
    app = web(origin, lambda asked, peer: answer(b"x", "200 OK", "Connection: close"))
    one = proxy(relay, app)
    with connect(one) as client:
        for i in range(5):
            assert ask(client, get(f"/{i}")).body == b"x"
    assert app.connections == 5


def test_an_empty_line_before_a_request(relay, origin):
    app = web(origin)
    one = proxy(relay, app)
    with connect(one) as client:
        for i in range(3):
            assert ask(client, b"\r\n" + get(f"/{i}")).body == f"GET /{i}\n".encode()
    assert app.bytes.startswith(b"GET /0 ")


def test_a_client_that_says_nothing_costs_no_server(relay, origin):
    app = web(origin)
    one = proxy(relay, app)
    with connect(one) as client, connect(one) as other:
        assert client.is_silent(0.1)
        assert ask(other, get()).status == 200
        assert app.connections == 1
        client.shut()
        assert client.read_end() == (b"", EOF)
    assert one.record(client).end == "CE"


def test_the_framing_that_is_not_used_is_not_passed(relay, origin):
    """A GET with a body has it passed on, too."""
    app = web(origin)
    one = proxy(relay, app)
    with connect(one) as client:
        assert ask(client, post("/l", b"12", method="GET")).body == b"GET /l\n12"
        assert ask(client, get("/c", "Transfer-Encoding: chunked") + chunked(b"abc", 1)).body == b"GET /c\nabc"
        assert ask(client, get("/n")).body == b"GET /n\n"
    assert [(asked["Content-Length"], asked["Transfer-Encoding"]) for asked in app.asked] == [
        ("2", None), (None, "chunked"), (None, None)]
