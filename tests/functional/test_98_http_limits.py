"""Mode http: how long, how much, how many; what clients are told; and how it stops."""

import threading
import time

import pytest
from client import connect, refuses
from origin import pattern
from peer import EOF, RESET, Uploader
from settings import MIB, free_port, ms, secs, until
from web import CLOSE, answer, ask, get, head_of, post, post_chunked, proxy, read_answer, web


def refused(client, status, body=None):
    got = read_answer(client)
    assert (got.status, got["Connection"]) == (status, "close"), got
    assert got["Content-Type"] and got.body and body in (None, got.body)
    assert client.read_end() == (b"", EOF)


# Bodies


def test_max_body_by_length(relay, origin):
    app = web(origin)
    one = proxy(relay, app, max_body=1000)
    with connect(one) as client:
        assert ask(client, post("/", b"x" * 1000)).status == 200
        client.send(post("/big", b"x" * 1001) + get("/smuggled"))
        refused(client, 413)
    assert app.targets == ["/"]


def test_max_body_is_known_before_the_body_comes(relay, origin):
    app = web(origin)
    one = proxy(relay, app, max_body=1000)
    with connect(one) as client:
        client.send(get("/", "Content-Length: 1001", "Expect: 100-continue", method="PUT"))
        refused(client, 413)
    assert app.connections == 0


@pytest.mark.parametrize("sizes", [(), (1,) * 1000, (1000,)])
def test_max_body_in_chunks(relay, origin, sizes):
    app = web(origin)
    one = proxy(relay, app, max_body=1000)
    with connect(one) as client:
        assert ask(client, post_chunked("/", b"x" * 1000, sizes=sizes)).status == 200
        client.send(post_chunked("/big", b"x" * 1001, sizes=sizes) + get("/smuggled"))
        refused(client, 413)
    assert not any(asked.whole for asked in app.asked[1:])
    assert b"smuggled" not in app.bytes


def test_max_body_of_an_upload_without_an_end(relay, origin):
    app = web(origin)
    one = proxy(relay, app, max_body=100_000, linger_timeout=ms(500))
    with connect(one) as client:
        client.send(get("/", "Transfer-Encoding: chunked", method="POST"))
        uploader = Uploader(client, b"400\r\n" + b"u" * 1024 + b"\r\n", pause=0.0005)
        got = read_answer(client)
        assert got.status == 413
        client.ending()
        uploader.stop()
    assert app.wait_end() in ("cut", RESET)


def test_max_body_of_a_route(relay, origin):
    app = web(origin)
    one = proxy(relay, app, max_body=10, routes={"/big/": {"upstream": "app", "max_body": 0}})
    with connect(one) as client:
        assert ask(client, post("/big/", b"x" * 1000)).status == 200
        assert ask(client, post("/", b"x" * 11)).status == 413


# Times


def took(action):
    began = time.monotonic()
    action()
    return time.monotonic() - began


@pytest.mark.parametrize("piece", [b"G", get()[:-1]])
def test_head_timeout(relay, origin, piece):
    """From the head's beginning; alone, and behind another request."""
    app = web(origin)
    one = proxy(relay, app, head_timeout="300ms")
    with connect(one) as client:
        client.send(piece)
        assert took(lambda: refused(client, 408)) > 0.2
    assert one.record(client).end == "TB"
    with connect(one) as client:
        assert ask(client, get("/a")).status == 200
        client.send(piece)
        refused(client, 408)
    assert app.targets == ["/a"]


def test_a_head_that_drips_has_no_more_time(relay, origin):
    one = proxy(relay, web(origin), head_timeout="500ms")
    with connect(one) as client:
        client.send(b"GET / HTTP/1.1\r\n")
        uploader = Uploader(client, b"X: y\r\n", pause=0.02)
        assert took(lambda: read_answer(client)) < secs(5)
        uploader.stop()
    assert one.record(client).end == "TB"


def test_a_client_that_says_nothing_at_all(relay, origin):
    one = proxy(relay, web(origin), head_timeout="300ms")
    with connect(one) as client:
        data, how = client.read_end()
        assert how == EOF and (data == b"" or data.startswith(b"HTTP/1.1 408 "))


def test_keepalive_timeout(relay, origin):
    """A clean end, without a word."""
    app = web(origin)
    one = proxy(relay, app, keepalive_timeout="300ms")
    with connect(one) as client:
        for _ in range(3):
            assert ask(client, get()).status == 200
            time.sleep(0.1)   # it begins again
        assert client.read_end() == (b"", EOF)
    app.wait_end()
    assert one.record(client).end[0] == "T"


def test_keepalive_timeout_is_not_for_those_who_wait(relay, origin):
    def slow(asked, peer):
        assert peer.is_silent(1)
        return answer(b"x")
    one = proxy(relay, web(origin, slow), keepalive_timeout="200ms", head_timeout="200ms")
    with connect(one) as client:
        for _ in range(2):
            assert ask(client, get()).body == b"x"


def test_response_timeout(relay, origin):
    app = web(origin, lambda asked, peer: (b"", peer.ending() and CLOSE))
    one = proxy(relay, app, response_timeout="300ms")
    with connect(one) as client:
        client.send(get() + get("/smuggled"))
        assert took(lambda: refused(client, 504)) > 0.2
    app.wait_end()
    assert len(app.asked) == 1
    assert one.record(client).end == "TW"


def test_response_timeout_within_a_head(relay, origin):
    def half(asked, peer):
        peer.send(b"HTTP/1.1 200 OK\r\nX: ")
        return b"", peer.ending() and CLOSE
    one = proxy(relay, web(origin, half), response_timeout="300ms")
    with connect(one) as client:
        client.send(get())
        refused(client, 504)


def test_response_timeout_begins_behind_the_body(relay, origin):
    one = proxy(relay, web(origin), response_timeout="500ms")
    with connect(one) as client:
        client.send(get("/", "Content-Length: 20", method="POST"))
        for _ in range(20):
            client.send(b"x")
            time.sleep(0.06)
        assert read_answer(client).body == b"POST /\n" + b"x" * 20


def test_response_timeout_of_a_route(relay, origin):
    def slow(asked, peer):
        peer.is_silent(1)
        return answer(b"x")
    one = proxy(relay, web(origin, slow), response_timeout="200ms", routes={"/slow/": {"upstream": "app", "response_timeout": "0s"}})
    with connect(one) as client:
        assert ask(client, get("/slow/")).status == 200
        assert ask(client, get("/")).status == 504


def test_an_answer_may_take_longer_than_response_timeout(relay, origin):
    def drip(asked, peer):
        peer.send(head_of("200 OK", "Content-Length: 10"))
        for _ in range(10):
            peer.send(b"x")
            time.sleep(0.1)
    one = proxy(relay, web(origin, drip), response_timeout="300ms", keepalive_timeout="300ms")
    with connect(one) as client:
        assert ask(client, get()).body == b"x" * 10


def test_idle_in_a_body(relay, origin):
    app = web(origin)
    one = proxy(relay, app, idle_timeout="300ms")
    with connect(one) as client:
        client.send(get("/", "Content-Length: 20", method="POST") + b"x")
        data, how = client.read_end()
        assert not data.startswith(b"HTTP/1.1 2")
    assert app.wait_end() in ("cut", RESET)
    assert one.record(client).end[0] == "T"


def test_idle_in_an_answer(relay, origin):
    def half(asked, peer):
        peer.send(head_of("200 OK", "Content-Length: 10") + b"x")
        return b"", peer.ending() and CLOSE
    app = web(origin, half)
    one = proxy(relay, app, idle_timeout="300ms")
    with connect(one) as client:
        client.send(get())
        assert client.ending() == RESET
    app.wait_end()
    assert one.record(client).end[0] == "T"


def test_idle_in_chunks(relay, origin):
    def half(asked, peer):
        peer.send(head_of("200 OK", "Transfer-Encoding: chunked") + b"1\r\nx\r\n")
        return b"", peer.ending() and CLOSE
    one = proxy(relay, web(origin, half), idle_timeout="300ms")
    with connect(one) as client:
        assert client.send(get()).ending() == RESET


def test_a_client_that_does_not_read(relay, origin):
    app = web(origin, lambda asked, peer: answer(pattern(50 * MIB)))
    one = proxy(relay, app, idle_timeout="500ms")
    with connect(one, receive_buffer=4096) as client:
        client.send(get())
        assert app.wait_end() == RESET
        assert client.ending() == RESET


# Pages


def test_error_pages(relay, origin, tmp_path):
    for folder in ("pages", "route"):
        (tmp_path / folder).mkdir()
    for status in (400, 404, 408, 413, 431, 502, 504):
        (tmp_path / "pages" / f"{status}.html").write_text(f"<p>{status}")
    (tmp_path / "route" / "4xx.json").write_text("{}")
    one = proxy(relay, {"app": web(origin, lambda asked, peer: (b"", CLOSE)), "dead": f"127.0.0.1:{free_port()}"},
                error_pages=str(tmp_path / "pages"), max_body=10, head_timeout="300ms",
                routes={"/dead/": {"upstream": "dead"},
                        "/r/": {"upstream": "app", "error_pages": str(tmp_path / "route"), "max_body": 10}})
    for status, data in [(400, b"x\r\n\r\n"), (408, b"GET"), (413, post("/", b"x" * 11)), (502, get()), (502, get("/dead/")),
                         (400, get("/a%2fb")), (413, post_chunked("/", b"x" * 11)),
                         (431, get("/", *["X: y"] * 101))]:
        with connect(one) as client:
            client.send(data)
            got = read_answer(client)
            assert (got.status, got.body, got["Content-Type"]) == (status, f"<p>{status}".encode(), "text/html; charset=utf-8")
    with connect(one) as client:
        got = ask(client, post("/r/", b"x" * 11))
        assert (got.status, got.body, got["Content-Type"]) == (413, b"{}", "application/json")


def test_pages_of_the_servers_own_stay(relay, origin, tmp_path):
    (tmp_path / "5xx.html").write_text("<p>relayd")
    one = proxy(relay, web(origin, lambda asked, peer: answer(b"theirs", "503 Busy")), error_pages=str(tmp_path))
    with connect(one) as client:
        assert ask(client, get()).body == b"theirs"
        assert ask(client, get()).status == 503


# Counts


def test_connections_are_counted_not_requests(relay, origin):
    app = web(origin)
    one = proxy(relay, app, max_connections_per_client=2)
    with connect(one) as first, connect(one) as second:
        for _ in range(20):
            assert ask(first, get()).status == ask(second, get()).status == 200
        with connect(one) as third:
            got = ask(third, get())
            assert got.status == 429
        second.close()
        until(lambda: one.records() and len(one.records()) >= 2, "it has gone")
        with connect(one) as third:
            assert ask(third, get()).status == 200


def test_max_connections_of_a_server_count_those_that_are_open(relay, origin):
    """A client that is between two requests has a server's connection, and gives it back when it leaves."""
    app = web(origin)
    one = relay(app, mode="http", balance="least_connections")
    for _ in range(5):
        clients = [connect(one) for _ in range(5)]
        for client in clients:
            assert ask(client, get()).status == 200
        for client in clients:
            client.close()
    until(lambda: len(app.ends) == 25, "all connections to the server end")


def test_nothing_is_left_over(relay, origin):
    """Neither descriptors nor memory of requests."""
    app = web(origin, lambda asked, peer: answer(b"x", "200 OK", *["Connection: close"] * (asked.number % 2)))
    one = proxy(relay, app)

    def round_of():
        for i in range(20):
            with connect(one) as client:
                for data in (get(f"/{i}"), post(f"/{i}", b"12"), post_chunked("/", b"12")):
                    assert ask(client, data).status == 200
                if i % 4 == 0:
                    client.send(b"bad\r\n\r\n")
                if i % 4 == 1:
                    client.send(get()[:-1])
                if i % 4 == 2:
                    client.reset()
    round_of()
    one.wait_records(20)
    until(lambda: app.origin.active == 0, "all are over")
    sockets = one.open_files()["socket"]
    for _ in range(3):
        round_of()
    one.wait_records(80)
    one.wait_sockets(sockets)


# Stopping


def test_a_drain(relay, origin):
    """The answers under way say close, and who waits for nothing is ended."""
    def slow(asked, peer):
        if asked.target == "/slow":
            assert drains.wait(secs(10))
        return answer(b"x")
    drains = threading.Event()
    app = web(origin, slow)
    one = proxy(relay, app)
    idle, busy, piped = connect(one), connect(one), connect(one)
    assert ask(idle, get()).status == 200
    assert ask(busy, get()).status == 200
    busy.send(get("/slow"))
    piped.send(get("/slow") + get("/next"))
    app.wait_asked(4)
    one.term()
    one.wait_notified("STOPPING=1")
    until(lambda: refuses(one), "it listens no more")
    assert idle.read_end() == (b"", EOF)
    drains.set()
    for client in (busy, piped):
        got = read_answer(client)
        assert (got.status, got["Connection"]) == (200, "close")
        assert client.read_end() == (b"", EOF)
        client.close()
    idle.close()
    assert one.wait_exit() == 0
    assert "/next" not in app.targets


def test_a_drain_while_bodies_come(relay, origin):
    app = web(origin)
    one = proxy(relay, app)
    body = pattern(100_000)
    with connect(one) as client, connect(one) as idle:
        assert ask(idle, get()).status == 200
        data = post("/up", body)
        client.send(data[:50_000])
        until(lambda: app.connections == 2, "it is asked")
        one.term()
        one.wait_notified("STOPPING=1")
        assert idle.read_end() == (b"", EOF)   # so it drains
        client.send(data[50_000:])
        got = read_answer(client)
        assert (got.body, got["Connection"]) == (b"POST /up\n" + body, "close")
        assert client.read_end() == (b"", EOF)
    assert one.wait_exit() == 0
