"""Mode http: what relayd itself breaks off does not look whole, and ends, whenever that happens."""

import threading

import pytest
from client import connect
from control import relayctl
from peer import RESET
from settings import DEADLINE, some, until
from test_96_http_refused import refused
from tls import Site, TlsPeer
from web import RESET as CRASH
from web import get, head_of, proxy, web

EARLY = {
    "until the end": head_of() + b"begun",
    "by length": head_of("200 OK", "Content-Length: 100") + b"begun",
    "in chunks": head_of("200 OK", "Transfer-Encoding: chunked") + b"64\r\nbegun",
}
BAD = {"chunks": (b"zzz\r\n", "CB"), "size": (b"20\r\n" + b"x" * 32 + b"\r\n", "LU")}


def uploading(client):
    """The head, and one chunk of five bytes."""
    return client.send(get("/", "Transfer-Encoding: chunked", method="POST") + b"5\r\n12345\r\n")


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", EARLY)
def test_an_early_answer_to_a_body_that_turns_bad(relay, origin, name, bad):
    """The server is left, so that its answer ends there: not in order. It is the client's fault."""
    def early(asked, peer):
        peer.send(EARLY[name])
        peer.ending()
    app = web(origin, early, bodies=False)
    one = proxy(relay, app, max_body="16")
    data, end = BAD[bad]
    with connect(one) as client:
        uploading(client).read_to(b"begun")
        assert client.send(data).read_end()[1] == RESET
    assert one.record(client).end == end
    assert one.wait_requests(1)[0].end == end


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nX:"], ids=["silent", "head"])
def test_the_client_is_told_what_is_wrong_with_its_body(relay, origin, begun):
    """Even where the server had begun to answer."""
    got = threading.Event()

    def slow(asked, peer):
        peer.send(begun)
        got.set()
        peer.ending()
    app = web(origin, slow, bodies=False)
    one = proxy(relay, app)
    with connect(one) as client:
        uploading(client)
        assert got.wait(DEADLINE)
        client.send(b"zzz\r\n")
        refused(client, 400)
    assert one.record(client).end == "CB"


@pytest.mark.parametrize("kept", [False, True], ids=["alone", "keeper"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_server_that_resets_in_an_upload(relay, revived, keeper, origin, framing, kept):
    """Who writes to it may be told of the reset, which the kernel tells once: an early answer is not whole by that."""
    go = threading.Event()

    def early(asked, peer):
        peer.send(EARLY["until the end"])
        assert go.wait(DEADLINE)
        return b"", CRASH
    app = web(origin, early, bodies=False)
    one = proxy(revived if kept else relay, app, top=f'keeper = "{keeper.path}"' if kept else "")
    head, piece = {"length": ("Content-Length: 1000000000", b"u" * 65536), "chunks": ("Transfer-Encoding: chunked", b"10000\r\n" + b"u" * 65536 + b"\r\n")}[framing]
    for _ in range(some(50)):
        go.clear()
        with connect(one) as client:
            client.send(get("/", head, method="POST")).read_to(b"begun")
            client.send_until_blocked(piece, quiet=0.02)
            go.set()
            assert client.ending() == RESET


def test_a_client_that_is_gone_when_its_request_could_be_sent_again(relay, origin, at, tmp_path):
    """The first server has ended without an answer, and the next one takes its time to be dialled. Nobody waits for what that
    would answer, nor is it asked."""
    site = Site(tmp_path, "localhost")
    dialled, gone, over = threading.Event(), threading.Event(), threading.Event()

    def serve(peer):
        second = dialled.is_set()
        if second:
            assert gone.wait(DEADLINE)
        server = TlsPeer(peer, site.server_context(), server_side=True)
        if second:
            over.data = server.read_end()[0]
            over.set()
        else:
            server.read_request()
            dialled.set()
    app = origin(serve)
    one = proxy(relay, f"localhost:{app.port}", top=f'control = "{at}"', response_timeout="1h",
                of_upstreams=f'tls {{ ca = "{site.ca}" }}')
    with connect(one) as client:
        client.send(get())
        until(lambda: app.accepted == 2, "it is dialled again")
        relayctl("-s", at, "kill", "all=yes")
        assert client.read_end() == (b"", RESET)
        gone.set()
        assert over.wait(DEADLINE) and over.data == b""
        assert one.record(client).end == "OR"
