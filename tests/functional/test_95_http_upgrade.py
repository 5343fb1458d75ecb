"""Mode http: requests that change over to WebSocket, and those that must not."""

import os
import time

import pytest
import ws
from client import connect
from origin import pattern
from peer import EOF, RESET
from settings import MIB, secs
from web import CLOSE, answer, ask, get, head_of, post, proxy, read_answer, web

WANTS = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA"]
SWITCH = head_of("101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade")


def test_a_conversation(relay, origin):
    app = origin(ws.websocket)
    one = proxy(relay, app)
    with connect(one) as client:
        ws.upgrade(client)
        for size in (0, 1, 125, 126, 65535, 65536, MIB):
            data = os.urandom(size)
            client.send(ws.frame(ws.BINARY, data, True))
            assert ws.read_frame(client) == (ws.BINARY, data)
        client.send(ws.frame(ws.PING, b"p", True))
        assert ws.read_frame(client) == (ws.PONG, b"p")
        client.send(ws.frame(ws.CLOSE, b"", True))
        assert ws.read_frame(client)[0] == ws.CLOSE
        assert client.read_end() == (b"", EOF)
    assert app.result() == 9
    assert one.record(client).end == "SE"


def test_behind_other_requests_over_the_same_connection(relay, origin):
    def both(asked, peer):
        if asked["Upgrade"] is None:
            return answer(asked.target.encode())
        peer.send(SWITCH + b"hello")
        peer.send(peer.read(5)[::-1])
        return b"", CLOSE
    app = web(origin, both)
    one = proxy(relay, app)
    with connect(one) as client:
        for i in range(3):
            assert ask(client, get(f"/{i}")).body == f"/{i}".encode()
        assert ask(client, get("/ws", *WANTS)).status == 101
        assert client.read(5) == b"hello"
        assert client.send(b"12345").read_end() == (b"54321", EOF)
    assert app.connections == 1


def test_what_the_server_is_asked(relay, origin):
    app = web(origin, lambda asked, peer: (SWITCH, CLOSE))
    one = proxy(relay, app)
    with connect(one) as client:
        got = ask(client, get("/ws", *WANTS))
        assert (got.status, got["Upgrade"], got["Connection"].lower()) == (101, "websocket", "upgrade")
        assert got["Transfer-Encoding"] is None and got["Content-Length"] is None
    asked = app.asked[0]
    assert (asked["Upgrade"], asked["Connection"].lower()) == ("websocket", "upgrade")
    assert asked["Sec-WebSocket-Key"] == "AAAA"
    assert asked["X-Forwarded-For"] == "127.0.0.1"


def test_nothing_goes_on_before_the_101(relay, origin):
    """Bytes that a client sends too early (RFC 9931) wait; a server that refuses never sees them."""
    def careful(asked, peer):
        assert not peer.pending and peer.is_silent(0.2)
        peer.send(SWITCH)
        return peer.read(5), CLOSE
    app = web(origin, careful)
    one = proxy(relay, app)
    with connect(one) as client:
        client.send(get("/ws", *WANTS) + b"early")
        assert read_answer(client).status == 101
        assert client.read_end() == (b"early", EOF)


def test_an_upgrade_that_is_refused(relay, origin):
    """What comes behind it is a request like any other, and read as one."""
    app = web(origin)
    one = proxy(relay, app)
    with connect(one) as client:
        client.send(get("/ws", *WANTS) + get("/next"))
        assert read_answer(client).body == b"GET /ws\n"
        assert read_answer(client).body == b"GET /next\n"
        assert ask(client, get("/more")).body == b"GET /more\n"
    assert app.connections == 1
    assert [asked["Upgrade"] for asked in app.asked] == ["websocket", None, None]


def test_bytes_behind_a_refused_upgrade_are_no_request(relay, origin):
    app = web(origin, lambda asked, peer: answer(b"no", "403 Forbidden"))
    one = proxy(relay, app)
    with connect(one) as client:
        client.send(get("/ws", *WANTS) + b"\x81\x85mask12345\r\n\r\n")
        assert read_answer(client).status == 403
        assert read_answer(client).status == 400
        assert client.read_end() == (b"", EOF)
    assert app.bytes.endswith(b"\r\n\r\n") and b"mask" not in app.bytes


@pytest.mark.parametrize("data", [
    post("/", b"123", *WANTS), post("/", b"123", *WANTS, method="GET"), post("/", b"", *WANTS),
    get("/", *WANTS, version="1.0"), get("/", "Upgrade: websocket"), get("/", "Connection: upgrade"),
    get("/", "Upgrade: h2c", "Connection: upgrade, http2-settings", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
    get("/", "Upgrade: websocket, h2c", "Connection: upgrade"), get("/", "Upgrade: tls/1.0", "Connection: upgrade"),
])
def test_other_upgrades_are_taken_off(relay, origin, data):
    app = web(origin, lambda asked, peer: answer(b"x"))
    one = proxy(relay, app)
    with connect(one) as client:
        assert ask(client, data).body == b"x"
    asked = app.asked[0]
    assert asked["Upgrade"] is None and asked["Connection"] is None and asked["HTTP2-Settings"] is None


@pytest.mark.parametrize("data", [
    post("/", b"123", *WANTS), get("/", *WANTS, version="1.0"), get("/", "Upgrade: h2c", "Connection: upgrade"), get()])
def test_a_101_to_one_who_did_not_ask(relay, origin, data):
    app = web(origin, lambda asked, peer: SWITCH + b"mine now")
    one = proxy(relay, app)
    with connect(one) as client:
        assert ask(client, data).status == 502
        assert client.read_end() == (b"", EOF)


@pytest.mark.parametrize("fields", [["Connection: upgrade"], [], ["Upgrade:", "Connection: upgrade"]])
def test_a_101_that_does_not_say_to_what(relay, origin, fields):
    """It must (RFC 9110, 15.2.2), and relayd does not make up an Upgrade field for it."""
    app = web(origin, lambda asked, peer: (head_of("101 Switching Protocols", *fields), CLOSE))
    one = proxy(relay, app)
    with connect(one) as client:
        assert ask(client, get("/ws", *WANTS)).status == 502
        assert client.read_end() == (b"", EOF)


def test_websocket_can_be_forbidden(relay, origin):
    app = web(origin)
    one = proxy(relay, app, websocket=False)
    with connect(one) as client:
        assert ask(client, get("/ws", *WANTS)).body == b"GET /ws\n"
    assert app.asked[0]["Upgrade"] is None


# Ends


def upgraded(peer):
    """A script: the server's side once it has changed over."""
    def switch(asked, server):
        server.send(SWITCH)
        return peer(server)
    return switch


def test_the_client_ends_first(relay, origin):
    """And still gets what the server says then."""
    app = web(origin, upgraded(lambda server: (server.read_end()[0] + b"-bye", CLOSE)))
    one = proxy(relay, app)
    with connect(one) as client:
        assert ask(client, get("/ws", *WANTS)).status == 101
        assert client.send(pattern(300_000)).shut().read_end() == (pattern(300_000) + b"-bye", EOF)
    assert one.record(client).end == "CE"


def test_the_client_resets(relay, origin):
    ends = []
    app = web(origin, upgraded(lambda server: (b"", ends.append(server.ending()) or CLOSE)))
    one = proxy(relay, app)
    client = connect(one)
    assert ask(client, get("/ws", *WANTS)).status == 101
    client.send(b"x").reset()
    app.wait_end()
    assert ends == [RESET]
    assert one.record(client).end == "CR"


def test_the_client_resets_while_the_server_takes_nothing(relay, origin):
    """What the server goes on saying is dropped, for linger_timeout: it is told then, though it does not fall silent."""
    told = []

    def talk(server):
        try:
            while True:
                server.send(b"tick")
                time.sleep(0.02)
        except OSError as error:
            told.append(error.errno)
        return b"", CLOSE
    app = web(origin, upgraded(talk))
    one = proxy(relay, app, linger_timeout="500ms")
    client = connect(one)
    assert ask(client, get("/ws", *WANTS)).status == 101
    client.send_until_blocked()
    client.reset()
    assert one.record(client).end == "CX"
    app.wait_end()
    assert told


def test_the_server_resets(relay, origin):
    app = web(origin, upgraded(lambda server: server.read(1) and (b"", RESET)))
    one = proxy(relay, app)
    with connect(one) as client:
        assert ask(client, get("/ws", *WANTS)).status == 101
        assert client.send(b"x").ending() == RESET
    assert one.record(client).end == "SR"


def test_one_that_is_idle_ends_by_idle_timeout_alone(relay, origin):
    """Neither the timeouts of requests, nor those of answers, are for it."""
    app = web(origin, upgraded(lambda server: (server.read(1), CLOSE)))
    one = proxy(relay, app, head_timeout="100ms", keepalive_timeout="100ms", response_timeout="100ms")
    with connect(one) as client:
        assert ask(client, get("/ws", *WANTS)).status == 101
        assert client.is_silent(secs(1))
        assert client.send(b"x").read_end() == (b"x", EOF)


def test_idle_timeout(relay, origin):
    app = web(origin, upgraded(lambda server: (b"", server.ending() and CLOSE)))
    one = proxy(relay, app, idle_timeout="300ms")
    with connect(one) as client:
        assert ask(client, get("/ws", *WANTS)).status == 101
        client.ending()
    assert one.record(client).end == "TI"
