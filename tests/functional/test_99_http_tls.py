"""Mode http where TLS ends here, where it begins here, and both: the same promises; above all about ends."""

import threading

import pytest
import ws
from client import connect, curl
from origin import pattern
from peer import EOF, RESET
from settings import MIB, SANITIZER, ms, secs, some, until
from test_96_http_gone import cuts
from test_95_http_upgrade import SWITCH, WANTS
from tls import CUT, Site, TlsPeer, over_tls
from web import (CLOSE, answer, answer_chunked, ask, get, head_of, post, post_chunked, proxy, read_answer, told, web)

SIDES = ["client", "server", "both"]


class Secure:
    """A relay whose sides speak TLS, or not."""

    def __init__(self, relay, origin, folder, side, *answers, bodies=True, **options):
        self.site = Site(folder, "site.test", "localhost", "127.0.0.1")
        self.to_client, to_server = side in ("client", "both"), side in ("server", "both")
        context = self.site.server_context()
        self.app = web(origin, *answers, bodies=bodies,
                       wrap=(lambda script: over_tls(context, script)) if to_server else lambda script: script)
        self.one = proxy(relay, {"app": f"localhost:{self.app.port}" if to_server else self.app},
                         tls=self.site.section() if self.to_client else "",
                         of_upstreams=f'tls {{ ca = "{self.site.ca}" }}' if to_server else "", **options)

    def connect(self, **how):
        return self.site.connect(self.one, **how) if self.to_client else connect(self.one)


def broken(how, client):
    """No end of TLS, nor a mere end where there is none: it cannot be taken for a whole answer."""
    return how == RESET or (isinstance(client, TlsPeer) and how == CUT)


@pytest.mark.parametrize("side", SIDES)
def test_requests(relay, origin, tmp_path, side):
    secure = Secure(relay, origin, tmp_path, side)
    with secure.connect() as client:
        for i in range(some(30)):
            assert ask(client, get(f"/{i}")).body == f"GET /{i}\n".encode()
            assert ask(client, post(f"/{i}", pattern(i * 999))).body == f"POST /{i}\n".encode() + pattern(i * 999)
            assert ask(client, post_chunked("/", pattern(i * 999), sizes=(1, 500))).body == b"POST /\n" + pattern(i * 999)
        client.send(b"".join(get(f"/{i}") for i in range(50)))
        for i in range(50):
            assert read_answer(client).body == f"GET /{i}\n".encode()
    assert secure.app.connections == 1


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("framing", ["length", "chunks", "end"])
def test_big_bodies(relay, origin, tmp_path, side, framing):
    body = pattern((2 if SANITIZER else 20) * MIB)

    def swapped(asked, peer):
        assert asked.body == body
        if framing == "end":
            peer.send(head_of() + body)
            if isinstance(peer, TlsPeer):
                peer.tell_end()
            return b"", CLOSE
        return answer(body) if framing == "length" else answer_chunked(body, sizes=[70_001] * (len(body) // 70_001))
    secure = Secure(relay, origin, tmp_path, side, swapped)
    with secure.connect() as client:
        for _ in range(2):
            client.send(post_chunked("/", body, sizes=[50_000] * 400) if framing == "chunks" else post("/", body))
            assert read_answer(client).body == body


@pytest.mark.parametrize("side", SIDES)
def test_a_pipeline_with_bodies_in_bulk(relay, origin, tmp_path, side):
    """The end of one and the beginning of the next share records."""
    sizes = [16384, 32767, 16385, 65536, 100_003, 1, 70_000, 0, 40_000]
    secure = Secure(relay, origin, tmp_path, side, lambda asked, peer: answer(asked.body + pattern(70_000)))
    with secure.connect() as client:
        client.send(b"".join(post(f"/{size}", pattern(size)) for size in sizes))
        for size in sizes:
            assert read_answer(client).body == pattern(size) + pattern(70_000)
    assert secure.app.connections == 1 and secure.app.targets == [f"/{size}" for size in sizes]


@pytest.mark.parametrize("side", SIDES)
def test_requests_byte_by_byte(relay, origin, tmp_path, side):
    """A record for each byte."""
    secure = Secure(relay, origin, tmp_path, side)
    with secure.connect() as client:
        for data in (get("/a"), post("/b", b"body"), post_chunked("/c", b"0123456789", sizes=(3, 1))):
            for at in range(len(data)):
                client.send(data[at:at + 1])
            assert read_answer(client).status == 200
    assert [asked.body for asked in secure.app.asked] == [b"", b"body", b"0123456789"]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("how", [CLOSE, "reset", "tell"])
@pytest.mark.parametrize("name", cuts())
def test_within_an_answer(relay, origin, tmp_path, side, how, name):
    """Even a close_notify of the server's does not make it whole."""
    def cut(asked, peer):
        peer.send(cuts()[name])
        started.wait(secs(5))
        if how == "tell" and isinstance(peer, TlsPeer):
            peer.tell_end()
        return b"", CLOSE if how == "tell" else how
    started = threading.Event()
    secure = Secure(relay, origin, tmp_path, side, cut)
    with secure.connect() as client:
        client.send(get())
        client.read_to(b"\r\n\r\n")
        started.set()
        assert broken(client.read_end()[1], client)


@pytest.mark.parametrize("side", ["server", "both"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_end_that_tls_does_not_tell(relay, origin, tmp_path, side, version):
    """Of an answer until the end of the connection: anybody on the way could have cut it."""
    secure = Secure(relay, origin, tmp_path, side, lambda asked, peer: (head_of() + pattern(1000), CLOSE))
    with secure.connect() as client:
        client.send(get(version=version))
        data, how = client.read_end()
        assert broken(how, client) and not data.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("side", SIDES)
def test_the_client_asks_to_close(relay, origin, tmp_path, side):
    secure = Secure(relay, origin, tmp_path, side)
    with secure.connect() as client:
        assert ask(client, get("/", "Connection: close"))["Connection"] == "close"
        assert client.read_end() == (b"", EOF)
    secure.app.wait_end()
    assert secure.one.record(client).end == "SE"


@pytest.mark.parametrize("side", ["client", "both"])
@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\nHost: a\n\n", get("/", "Content-Length: 1", "Content-Length: 1"),
                                  get("/", *["X: y"] * 101), get("/" + "x" * 9000)])
def test_refusals(relay, origin, tmp_path, side, data):
    """Told whole, and ended in order, also behind a good one."""
    secure = Secure(relay, origin, tmp_path, side)
    for before in (b"", get("/good")):
        with secure.connect() as client:
            client.send(before + data + get("/smuggled"))
            if before:
                assert read_answer(client).body == b"GET /good\n"
            assert read_answer(client).status in (400, 414, 431)
            assert client.read_end() == (b"", EOF)
    assert secure.app.targets == ["/good"]


@pytest.mark.parametrize("side", ["client", "both"])
def test_a_client_that_leaves_as_browsers_do(relay, origin, tmp_path, side):
    """Between two requests, with close_notify and without: no failure."""
    secure = Secure(relay, origin, tmp_path, side)
    for leave in ("tell_end", "cut", "close"):
        client = secure.connect()
        assert ask(client, get()).status == 200
        getattr(client, leave)()
        assert secure.one.record(client).end == "CE", leave
        client.close()


@pytest.mark.parametrize("side", ["client", "both"])
@pytest.mark.parametrize("leave", ["tell_end", "cut", "reset"])
@pytest.mark.parametrize("data", [post("/up", pattern(50_000))[:-1], post_chunked("/up", pattern(50_000))[:-5]], ids=["length", "chunks"])
def test_a_client_that_leaves_in_its_body(relay, origin, tmp_path, side, leave, data):
    secure = Secure(relay, origin, tmp_path, side)
    client = secure.connect()
    client.send(data)
    until(lambda: secure.app.connections, "the server is asked")
    getattr(client, leave)()
    until(lambda: secure.app.origin.active == 0, "the server notices")
    assert not any(asked.whole for asked in secure.app.asked)
    secure.one.record(client)
    client.close()


@pytest.mark.parametrize("side", SIDES)
def test_a_server_that_ends_between_requests(relay, origin, tmp_path, side):
    def once(asked, peer):
        peer.send(told(asked))
        if asked.target == "/stay":
            return None
        assert end.wait(secs(5))
        end.clear()
        if asked.target == "/tell" and isinstance(peer, TlsPeer):
            peer.tell_end()
        return b"", "reset" if asked.target == "/reset" else CLOSE
    end = threading.Event()
    secure = Secure(relay, origin, tmp_path, side, once)
    with secure.connect() as client:
        for number, target in enumerate(("/close", "/tell", "/reset", "/close")):
            assert ask(client, get(target)).status == 200
            end.set()
            secure.app.wait_end(number)
            assert client.is_silent(0.05)
            assert ask(client, get("/stay")).status == 200
            assert secure.app.connections == number + 2   # over which the next one goes


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("how", [CLOSE, "reset"])
def test_stale_connections(relay, origin, tmp_path, side, how):
    """A GET is sent again, a POST is not."""
    fails = []

    def stale(asked, peer):
        if asked.target == "/first" or fails:
            return told(asked)
        fails.append(asked)
        return b"", how
    secure = Secure(relay, origin, tmp_path, side, stale)
    with secure.connect() as client:
        assert ask(client, get("/first")).status == 200
        assert ask(client, get("/again")).body == b"GET /again\n"
        fails.clear()
        assert ask(client, post("/not-again", b"12")).status == 502
        assert client.read_end() == (b"", EOF)
    assert secure.app.targets == ["/first", "/again", "/again", "/not-again"]


@pytest.mark.parametrize("side", SIDES)
def test_an_upgrade_whose_time_is_up_ends_in_order(relay, origin, tmp_path, side):
    """With idle_end = close. That no close_notify has come is relayd's own doing."""
    ends = []

    def script(asked, peer):
        peer.send(SWITCH)
        ends.append(peer.read_end())
        return b"", CLOSE
    secure = Secure(relay, origin, tmp_path, side, script, idle_timeout="500ms", idle_end="close")
    with secure.connect() as client:
        assert ask(client, get("/ws", *WANTS)).status == 101
        assert client.read_end() == (b"", EOF)
    secure.app.wait_end()
    assert ends == [(b"", EOF)]
    assert secure.one.only_record().end == "TI"


@pytest.mark.parametrize("side", SIDES)
def test_upgrades(relay, origin, tmp_path, side):
    def switch(asked, peer):
        if asked["Upgrade"] is None:
            return told(asked)
        peer.send(SWITCH + ws.frame(ws.TEXT, b"welcome", False))
        while True:
            opcode, data = ws.read_frame(peer)
            peer.send(ws.frame(opcode, data, False))
            if opcode == ws.CLOSE:
                if isinstance(peer, TlsPeer):
                    peer.tell_end()
                return b"", CLOSE
    secure = Secure(relay, origin, tmp_path, side, switch, keepalive_timeout="200ms", head_timeout=ms(5000))
    with secure.connect() as client:
        assert ask(client, get("/before")).status == 200
        client.send(get("/ws", *WANTS))
        assert read_answer(client).status == 101
        assert ws.read_frame(client) == (ws.TEXT, b"welcome")
        for size in (0, 1, 125, 70_000, MIB):
            client.send(ws.frame(ws.BINARY, pattern(size), True))
            assert ws.read_frame(client) == (ws.BINARY, pattern(size))
        client.send(ws.frame(ws.CLOSE, b"", True))
        assert ws.read_frame(client)[0] == ws.CLOSE
        assert client.read_end() == (b"", EOF)
    assert secure.one.record(client).end == "SE"


@pytest.mark.parametrize("side", SIDES)
def test_timeouts(relay, origin, tmp_path, side):
    """Told in order, over TLS too."""
    def slow(asked, peer):
        if asked.target == "/slow":
            return b"", peer.read_end() and CLOSE
        return told(asked)
    secure = Secure(relay, origin, tmp_path, side, slow, keepalive_timeout="300ms", head_timeout="300ms", response_timeout="300ms")
    with secure.connect() as client:
        assert ask(client, get("/")).status == 200
        assert client.read_end() == (b"", EOF)
    for data, status in ((b"GET / HT", 408), (get("/slow"), 504)):
        with secure.connect() as client:
            assert ask(client, data).status == status
            assert client.read_end() == (b"", EOF)


def test_hosts_of_one_connection(relay, origin, tmp_path):
    """The name that the client asked for by TLS does not bind its requests; each is routed by its Host."""
    site = Site(tmp_path, "a.test", "b.test")
    apps = {name: web(origin, lambda asked, peer, name=name: answer(name.encode())) for name in "ab"}
    one = proxy(relay, apps, tls=site.section(), routes={"b.test": {"upstream": "b"}})
    with site.connect(one, name="a.test") as client:
        assert [ask(client, get(host=f"{name}.test")).body for name in "abba"] == [b"a", b"b", b"b", b"a"]
    speaks = [[record.line.fields[f"RELAYD_TLS_{what}"] for what in ("VERSION", "CIPHER")] for record in one.wait_requests(4)]
    assert speaks == [[one.only_record().line.fields[f"RELAYD_TLS_{what}"] for what in ("VERSION", "CIPHER")]] * 4


def test_curl(relay, origin, tmp_path):
    site = Site(tmp_path)
    app = web(origin)
    one = proxy(relay, app, tls=site.section())
    port = one.address.partition(":")[2]
    out = curl(f"https://site.test:{port}/[1-20]", "--cacert", site.ca, "--resolve", f"site.test:{port}:127.0.0.1")
    assert out.count(b"GET /") == 20 and app.connections == 1
