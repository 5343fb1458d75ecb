"""Mode http: what the tests of other proxies expect of a proxy, where ours did not say it yet."""

import pytest
from client import connect
from control import queued
from origin import pattern
from peer import EOF
from settings import free_port, some, until
from web import CLOSE, answer, answer_chunked, ask, chunked, get, head_of, post_chunked, proxy, read_answer, text_of, told, web

ME = "127.0.0.1"


# What a client says


@pytest.mark.parametrize("method", ["M-SEARCH", "PROPFIND", "get", "X", "!#$%&'*+-.^_`|~"])
def test_methods_of_all_kinds(relay, origin, method):
    app = web(origin)
    with connect(proxy(relay, app)) as client:
        assert ask(client, get("/x", method=method)).body == f"{method} /x\n".encode()


@pytest.mark.parametrize("target", ["/x?a=b|c\"<>{}^`\\&%zz", "/;a=b/c;d", "/%7Euser/%c3%a9", "/?", "/a//b/../c", "/x?http://b/#".rstrip("#")])
def test_targets_are_passed_as_they_are(relay, origin, target):
    """Where no route has a path."""
    app = web(origin)
    with connect(proxy(relay, app)) as client:
        assert ask(client, get(target)).status == 200
    assert app.targets == [target]


def test_values_of_all_kinds(relay, origin):
    """Blanks around them go, what is in them stays: empty ones, bytes over 0x7f, several of one name, in their order."""
    app = web(origin, lambda asked, peer: answer(b"x", "200 OK", "Set-Cookie: a=1", "X:", "Set-Cookie: b=2", "Y: \t\u00e4 \u00ff\t "))
    with connect(proxy(relay, app)) as client:
        client.send(b"GET / HTTP/1.1\r\nHost:\t a \t\r\nCookie: a=1\r\nX: \t b\tc \t\r\nEmpty:\r\nCookie: b=2\r\nHigh: \xe4 \xff\r\n\r\n")
        got = read_answer(client)
    asked = app.asked[0]
    assert (asked["Host"], asked["X"], asked["Empty"], asked["High"]) == ("a", "b\tc", "", "\u00e4 \u00ff")
    assert asked.all("Cookie") == ["a=1", "b=2"]
    assert got.all("Set-Cookie") == ["a=1", "b=2"] and got["X"] == ""
    assert got["Y"].encode("latin-1").decode() == "\u00e4 \u00ff"


@pytest.mark.parametrize("said", ["keep-alive, close", "close, keep-alive", "CLOSE", "x, , close"])
def test_close_among_others(relay, origin, said):
    with connect(proxy(relay, web(origin))) as client:
        assert ask(client, get("/", f"Connection: {said}"))["Connection"] == "close"
        assert client.read_end() == (b"", EOF)


def test_a_coding_in_capitals_and_trailers(relay, origin):
    app = web(origin)
    with connect(proxy(relay, app)) as client:
        data = get("/", "Transfer-Encoding:  Chunked ", "Trailer: X-T", "TE: trailers", "Connection: TE", method="POST")
        assert ask(client, data + b"3;a=b\r\nabc\r\n000\r\nX-T: 1\r\nHost: evil\r\n\r\n").body == b"POST /\nabc"
        assert ask(client, get("/next")).status == 200
    assert app.asked[0]["Trailer"] is None and app.asked[0]["TE"] is None and app.asked[0]["Host"] == "relay.test"


@pytest.mark.parametrize("how", ["ipv6", "unix"])
def test_clients_that_have_no_ipv4_address(relay, origin, short_path, how):
    app = web(origin)
    address = f"[::1]:{free_port()}" if how == "ipv6" else f"unix:{short_path}/web.sock"
    relay(address=address, text=text_of(address, {"app": app}, forwarded=True))
    with connect(address) as client:
        assert ask(client, get("/", "X-Forwarded-For: 192.0.2.1", "X-Real-IP: 192.0.2.1")).status == 200
    asked = app.asked[0]
    address = "::1" if how == "ipv6" else None
    assert (asked["X-Forwarded-For"], asked["X-Real-IP"]) == (address, address)
    assert "192.0.2.1" not in str(asked.fields) and asked["Forwarded"].startswith('for="[::1]"' if how == "ipv6" else "for=unknown")


# What a server says


@pytest.mark.parametrize("status", ["205 Reset Content", "226 IM Used", "299 Odd", "401 Unauthorized", "418 I'm a teapot", "599 Odd",
                                    "600 Odd", "999 Request denied"])
def test_statuses_of_all_kinds(relay, origin, status):
    app = web(origin, lambda asked, peer: answer(b"x", status, 'WWW-Authenticate: Basic realm="a"'))
    with connect(proxy(relay, app)) as client:
        for _ in range(2):
            got = ask(client, get())
            assert (f"{got.status} {got.reason}", got.body) == (status, b"x") and got["WWW-Authenticate"] == 'Basic realm="a"'
    assert app.connections == 1


WRONG = {
    "chunks of a server of 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a length twice": head_of("200 OK", "Content-Length: 1", "Content-Length: 1") + b"x",
    "a list of lengths": head_of("200 OK", "Content-Length: 1, 1") + b"x",
    "identity": head_of("200 OK", "Transfer-Encoding: identity", "Content-Length: 1") + b"x",
    "chunked twice": head_of("200 OK", "Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n",
    "a status below 100": head_of("099 OK", "Content-Length: 1") + b"x",
    "an empty line before it": b"\r\n" + answer(b"x"),
    "HTTP/1.2": answer(b"x", version="1.2"),
    "ICY": b"ICY 200 OK\r\n\r\nx",
    "no name": head_of("200 OK", ": x", "Content-Length: 1") + b"x",
}


@pytest.mark.parametrize("name", WRONG)
def test_answers_that_could_be_read_in_two_ways(relay, origin, name):
    app = web(origin, lambda asked, peer: WRONG[name] if asked.target == "/wrong" else told(asked))
    one = proxy(relay, app)
    with connect(one) as client:
        assert ask(client, get("/good")).status == 200
        client.send(get("/wrong") + get("/smuggled"))
        assert read_answer(client).status == 502
        assert client.read_end() == (b"", EOF)
    assert one.record(client).end == "SB" and app.targets == ["/good", "/wrong"]


@pytest.mark.parametrize("final, method", [(answer(b"x"), "GET"), (answer_chunked(b"x"), "GET"), (head_of("204 No Content"), "GET"),
                                           (head_of("304 Not Modified", "Content-Length: 7"), "GET"),
                                           (head_of("200 OK", "Content-Length: 7"), "HEAD")])
def test_hints_before_answers_of_all_kinds(relay, origin, final, method):
    """They have no body, whatever they announce, and what is of the server's connection alone is not in them."""
    hint = head_of("103 Early Hints", "Link: </a>", "Connection: X-H", "X-H: 1", "Keep-Alive: timeout=5", "Content-Length: 5", "Link: </b>")
    app = web(origin, lambda asked, peer: hint + hint + final)
    with connect(proxy(relay, app)) as client:
        for _ in range(3):
            client.send(get(method=method))
            for _ in range(2):
                got = read_answer(client)
                assert (got.status, got.fields) == (103, [("Link", "</a>"), ("Link", "</b>")])
            assert read_answer(client, method).status in (200, 204, 304)
        assert client.is_silent(0.05)
    assert app.connections == 1


def test_trailers_of_answers(relay, origin):
    """They are dropped, like the field that announces them; the next answer is what comes behind them."""
    data = head_of("200 OK", "Trailer: X-T", "Transfer-Encoding: CHUNKED") + b"1;a=b\r\nx\r\n00\r\nX-T: y\r\nContent-Length: 9\r\n\r\n"
    app = web(origin, lambda asked, peer: data)
    with connect(proxy(relay, app)) as client:
        for _ in range(3):
            got = ask(client, get())
            assert got.body == b"x" and got["Trailer"] is None
    assert app.connections == 1


@pytest.mark.parametrize("direction", ["up", "down"])
def test_chunks_of_a_byte(relay, origin, direction):
    """Ten thousands of them."""
    body = pattern(some(50_000))
    data = chunked(body, *[1] * len(body))
    app = web(origin, lambda asked, peer: told(asked) if direction == "up" else head_of("200 OK", "Transfer-Encoding: chunked") + data)
    with connect(proxy(relay, app)) as client:
        for _ in range(2):
            asks = get("/", "Transfer-Encoding: chunked", method="POST") + data if direction == "up" else get()
            assert ask(client, asks).body == (b"POST /\n" if direction == "up" else b"") + body


def test_an_upgrade_in_pieces(relay, origin):
    """The answer comes byte by byte, or with the first message behind it; its own fields are passed."""
    fields = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "Sec-WebSocket-Protocol: chat")
    data = head_of("101 Switching Protocols", *fields) + b"\x81\x05hello"

    def answers(asked, peer):
        for at in range(0, len(data), 1 if asked.target == "/slow" else len(data)):
            peer.send(data[at:at + (1 if asked.target == "/slow" else len(data))])
        peer.send(peer.read(4)[::-1])
        return b"", peer.ending() and CLOSE
    app = web(origin, answers)
    one = proxy(relay, app)
    for target in "/fast", "/slow":
        with connect(one) as client:
            client.send(get(target, "Connection: keep-alive, Upgrade", "Upgrade: WebSocket", "Sec-WebSocket-Protocol: chat, x",
                            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="))
            got = read_answer(client)
            assert got.status == 101 and got["Upgrade"].lower() == "websocket" and got["Connection"].lower() == "upgrade"
            assert got["Sec-WebSocket-Protocol"] == "chat" and got["Sec-WebSocket-Accept"].endswith("xOo=")
            assert client.read(7) == b"\x81\x05hello"
            assert client.send(b"abcd").read(4) == b"dcba"
    assert app.asked[0]["Sec-WebSocket-Protocol"] == "chat, x"


# Clients that leave before a server has them


def test_a_client_that_resets_in_the_queue(relay, origin, at):
    """The server never hears of its request."""
    app = web(origin, lambda asked, peer: (answer(b"x"), CLOSE) if asked.target != "/long" else (b"", peer.ending() and CLOSE))
    address = f"{ME}:{free_port()}"
    one = relay(address=address, text=text_of(address, {"app": app}, top=f'queue_timeout = 1h\ncontrol = "{at}"').replace(
        "server s0 {", "server s0 { max_connections = 1"))
    first = connect(one).send(get("/long"))
    app.wait_asked(1)
    gone = [connect(one).send(get("/gone")) for _ in range(5)]
    until(lambda: queued(at) == len(gone), "they wait")
    for client in gone:
        client.reset()
    second = connect(one).send(get("/second"))
    first.reset()
    assert read_answer(second).body == b"x"
    second.close()
    assert {one.record(client).end for client in gone} == {"CR"}
    assert app.targets == ["/long", "/second"]


def test_a_client_that_leaves_while_its_server_is_dialled(relay, full_origin):
    one = proxy(relay, full_origin)
    client = connect(one).send(post_chunked("/", b"x"))
    until(lambda: full_origin.dials() > 0, "it is dialled")
    client.reset()
    assert one.record(client).end in ("CR", "CX", "CU", "TD")
    one.wait_sockets(20)
