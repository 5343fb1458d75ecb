"""Protocols that are not plain request and answer."""

import servers
from client import connect, curl, run
from origin import http, pattern
from peer import EOF
from settings import some
from ws import BINARY, CLOSE, PING, PONG, frame, read_frame, upgrade, websocket


def test_websocket_echo(relay, origin, copy):
    server = origin(websocket)
    one = relay(server, copy=copy, mode="http")
    with connect(one) as client:
        upgrade(client)
        sizes = [0, 1, 125, 126, 65535, 65536, 1000000] + list(range(2, 60))
        for size in sizes:
            client.send(frame(BINARY, pattern(size), True))
            assert read_frame(client) == (BINARY, pattern(size))
        client.send(frame(PING, b"still there?", True))
        assert read_frame(client) == (PONG, b"still there?")
        client.send(frame(CLOSE, b"\x03\xe8", True))
        assert read_frame(client) == (CLOSE, b"\x03\xe8")
        assert client.read_end() == (b"", EOF)
    assert server.result() == len(sizes) + 2


def test_a_chat_with_the_server_first(relay, origin, copy):
    """As in SMTP: a banner, orders and answers, a long text, a farewell."""
    def mail(peer):
        peer.send(b"220 hi\r\n")
        while True:
            line = peer.read_to(b"\r\n")
            if line == b"DATA\r\n":
                peer.send(b"354 go ahead\r\n")
                text = peer.read_to(b"\r\n.\r\n")
                peer.send(b"250 %d bytes\r\n" % len(text))
            elif line == b"QUIT\r\n":
                peer.send(b"221 bye\r\n")
                return
            else:
                peer.send(b"250 ok\r\n")
    one = relay(origin(mail), copy=copy)
    text = b"lorem ipsum\r\n" * 20000 + b".\r\n"
    with connect(one) as client:
        assert client.read_to(b"\r\n") == b"220 hi\r\n"
        for order in (b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<c@d>\r\n"):
            assert client.send(order).read_to(b"\r\n") == b"250 ok\r\n"
        assert client.send(b"DATA\r\n").read_to(b"\r\n").startswith(b"354")
        assert client.send(text).read_to(b"\r\n") == b"250 %d bytes\r\n" % len(text)
        assert client.send(b"QUIT\r\n").read_end() == (b"221 bye\r\n", EOF)
    assert one.record(client).end == "SE"


def test_http2_file(relay, server, copy):
    nghttpd = server(servers.Nghttpd)
    one = relay(nghttpd, copy=copy)
    got = curl(f"http://{one.address}/page.bin", "--http2-prior-knowledge")
    assert got == (nghttpd.root / "page.bin").read_bytes()


def test_http2_nghttp(relay, server, copy):
    nghttpd = server(servers.Nghttpd)
    one = relay(nghttpd, copy=copy)
    done = run("nghttp", "--stat", "-n", "-m", 10, f"http://{one.address}/page.bin", f"http://{one.address}/index.html")
    assert b" 200 " in done.stdout


def test_http2_load(relay, server, copy):
    nghttpd = server(servers.Nghttpd)
    one = relay(nghttpd, copy=copy)
    count = some(2000)
    done = run("h2load", "-n", count, "-c", 10, "-m", 20, f"http://{one.address}/index.html", text=True)
    assert f"{count} succeeded, 0 failed, 0 errored, 0 timeout" in done.stdout
    assert f"status codes: {count} 2xx" in done.stdout
    assert {record.end for record in one.wait_records(10)} <= {"CE", "SE", "CR"}


def test_chunked_answers(relay, origin, copy):
    def chunked(peer):
        while peer.read_request():
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for size in (1, 10, 5000, 70000):
                peer.send(b"%x\r\n" % size + pattern(size) + b"\r\n")
            peer.send(b"0\r\n\r\n")
    one = relay(origin(chunked), copy=copy)
    whole = b"".join(pattern(size) for size in (1, 10, 5000, 70000))
    assert curl(f"http://{one.address}/a") == whole
    both = curl(f"http://{one.address}/a", f"http://{one.address}/b")
    assert both == whole * 2


def test_http10_until_the_end(relay, origin, copy):
    def old(peer):
        peer.read_to(b"\r\n\r\n")
        peer.send(b"HTTP/1.0 200 OK\r\n\r\n" + pattern(300000))
    one = relay(origin(old), copy=copy)
    assert curl(f"http://{one.address}/", "-0") == pattern(300000)


def test_curl_uploads(relay, origin, copy, tmp_path):
    path = tmp_path / "body"
    path.write_bytes(pattern(2000000))
    one = relay(origin(http), copy=copy)
    assert curl(f"http://{one.address}/put", "-T", path) == b"/put\n" + pattern(2000000)
