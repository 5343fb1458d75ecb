"""Mode http: many clients at once; none gets a byte of another's, and hostile ones harm nobody."""

import random
import threading

import pytest
import servers
from client import connect, curl
from fleet import Load, failures
from origin import pattern
from servers import Server
from settings import DEADLINE, MIB, SANITIZER, secs, some
from test_96_http_refused import CHUNKS, HEADS
from tls import Site, https
from web import CLOSE, answer, answer_chunked, ask, get, head_of, post, post_chunked, proxy, read_answer, web


class Crowd:
    """Threads; the first failure of each is kept."""

    def __init__(self):
        self.wrong = []
        self.threads = []

    def add(self, work, *arguments):
        def guarded():
            try:
                work(*arguments)
            except Exception as error:  # told by wait()
                self.wrong.append((arguments, error))
        self.threads.append(threading.Thread(target=guarded, daemon=True))

    def wait(self, seconds=4 * DEADLINE):
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join(seconds)
            assert not thread.is_alive(), "a thread hangs"
        assert not self.wrong, self.wrong[:3]


def own(asked):
    """What belongs to one request and no other."""
    return f"{asked['X-Number']} {asked.method} {asked.target} ".encode() + asked.body


def in_some_way(asked, peer):
    """An answer in one of the ways that there are, by the request's number."""
    body = own(asked) + pattern(int(asked["X-Number"]) % 7 * 5000)
    kind = int(asked["X-Number"]) % 11
    if kind == 0:
        return head_of() + body, CLOSE
    if kind == 1:
        return answer(body, "200 OK", "Connection: close"), CLOSE
    if kind == 2:
        return answer_chunked(body, "Connection: close", sizes=(1, 100, 3000)), CLOSE
    if kind in (3, 4):
        return answer_chunked(body, sizes=[max(1, len(body) // 5)] * 5)
    if kind == 5:
        return head_of("103 Early Hints", "Link: <x>") + answer(body)
    return answer(body)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_each_request_gets_its_own_answer(relay, origin, tmp_path, secure):
    """1,000 of them, numbered, over 50 connections at once, in all framings, some in pipelines."""
    app = web(origin, in_some_way)
    site = Site(tmp_path)
    one = https(relay, site, app, mode="http") if secure else proxy(relay, app)
    each = some(20)

    def ask_all(number):
        dice = random.Random(number)
        with site.connect(one) if secure else connect(one) as client:
            left = [number * 1000 + i for i in range(each)]
            while left:
                size = dice.choice((1, 1, 1, 3, 5))
                now, left = left[:size], left[size:]
                wanted, data = [], b""
                for i in now:
                    body = pattern(dice.choice((0, 1, 100, 20_000)))
                    kind = dice.choice((get, post, post_chunked))
                    field = f"X-Number: {i}"
                    data += get(f"/{i}", field) if kind is get else kind(f"/{i}", body, field)
                    wanted.append((i, f"{i} {'GET' if kind is get else 'POST'} /{i} ".encode() + (b"" if kind is get else body)
                                   + pattern(i % 7 * 5000)))
                client.send(data)
                for i, body in wanted:
                    got = read_answer(client)
                    while got.status == 103:
                        got = read_answer(client)
                    assert (got.status, got.body == body) == (200, True), (i, got)
    crowd = Crowd()
    for number in range(50):
        crowd.add(ask_all, number)
    crowd.wait()
    assert sorted(int(asked["X-Number"]) for asked in app.asked) == sorted(n * 1000 + i for n in range(50) for i in range(each))


def test_hostile_clients_beside_good_ones(relay, origin):
    """Whatever they send, the good ones get their own answers; and no server sees a request that is none."""
    app = web(origin, lambda asked, peer: answer(own(asked)) if asked["X-Number"] else answer(b"hostile"))
    one = proxy(relay, app)
    over = threading.Event()

    def good(number):
        with connect(one) as client:
            for i in range(some(100)):
                key = number * 1000 + i
                body = pattern(key % 500)
                assert ask(client, post(f"/{key}", body, f"X-Number: {key}")).body == f"{key} POST /{key} ".encode() + body
        over.set()

    def hostile(seed):
        dice = random.Random(seed)
        vectors = [data for _, data in HEADS.values()] + list(CHUNKS.values())
        while not over.is_set():
            with connect(one) as client:
                client.sock.settimeout(secs(0.5))
                data = dice.choice(vectors)
                if dice.random() < 0.5:   # one byte of it is another
                    at = dice.randrange(len(data))
                    data = data[:at] + bytes([dice.choice(b"\r\n\0 :;,0a\xff")]) + data[at + 1:]
                try:
                    client.send(get("/first") * dice.randrange(3) + data + get("/behind") * 2)
                    if dice.random() < 0.5:
                        client.shut()
                    told = client.read_end()[0]
                    assert b"X-Number" not in told and b" POST /" not in told
                except (TimeoutError, ConnectionResetError, BrokenPipeError):
                    pass
    crowd = Crowd()
    for number in range(4):
        crowd.add(good, number)
        crowd.add(hostile, number)
    crowd.wait()
    for asked in app.asked:
        if asked["X-Number"] is None:
            assert asked.method.isascii() and asked.version == "HTTP/1.1" and len(asked.all("Host")) == 1


def test_servers_that_break_under_a_crowd(relay, origin):
    """One answer in five breaks off in some way. A client gets a whole answer that is its own, an error, or a reset."""
    def sometimes(asked, peer):
        dice = random.Random(int(asked["X-Number"]))
        data = answer(own(asked) + pattern(1000)) if dice.random() < 0.5 else answer_chunked(own(asked) + pattern(1000), sizes=(500,))
        if dice.random() < 0.8:
            return data
        return data[:dice.randrange(len(data))], dice.choice((CLOSE, "reset"))
    app = web(origin, sometimes)
    one = proxy(relay, app)
    counts = {"whole": 0, "broken": 0}

    def ask_all(number):
        client = None
        for i in range(some(40)):
            key = number * 1000 + i
            client = client or connect(one)
            try:
                got = ask(client, get(f"/{key}", f"X-Number: {key}"))
                assert got.status in (200, 502)
                if got.status == 200:
                    assert got.body == f"{key} GET /{key} ".encode() + pattern(1000)
                    counts["whole"] += 1
                    continue
            except (ConnectionResetError, AssertionError) as error:
                if isinstance(error, AssertionError) and not str(error).startswith("ended after"):
                    raise
                if isinstance(error, AssertionError):
                    assert client.ending() == "reset", "a clean end in the middle"
            counts["broken"] += 1
            client.close()
            client = None
    crowd = Crowd()
    for number in range(10):
        crowd.add(ask_all, number)
    crowd.wait()
    assert counts["whole"] > counts["broken"] > 0


# Real ones


class Python(Server):
    """python3 -m http.server: HTTP/1.0, a connection for each request."""

    def __init__(self):
        super().__init__()
        (self.directory / "page.bin").write_bytes(pattern(300_000))
        self.spawn("/usr/bin/python3", "-m", "http.server", self.port, "--bind", "127.0.0.1")


def test_python(relay, server):
    one = proxy(relay, server(Python))
    with connect(one) as client:
        for _ in range(5):
            assert ask(client, get("/page.bin")).body == pattern(300_000)
            assert ask(client, get("/page.bin", method="HEAD"), "HEAD")["Content-Length"] == "300000"
            assert ask(client, get("/none")).status == 404
            assert ask(client, post("/none", b"12")).status == 501


def test_nginx(relay, server):
    nginx = server(servers.Nginx)
    nginx.write_big(50 * MIB)
    big = (nginx.root / "big").read_bytes()
    one = proxy(relay, nginx)
    url = f"http://{one.address}"
    assert curl(f"{url}/") == b"It works.\n"
    assert curl(f"{url}/big") == big
    assert curl(f"{url}/big", "-r", "1000000-2999999") == big[1_000_000:3_000_000]
    assert curl(f"{url}/page.bin", f"{url}/hello", f"{url}/hello", "-0") == b"hello\n" * 2 + (nginx.root / "page.bin").read_bytes()
    assert curl(f"{url}/hello", "-I").startswith(b"HTTP/1.1 200 OK\r\n")
    assert curl(f"{url}/", "-T", nginx.root / "big", "-w", "%{http_code}", "-o", "/dev/null") in (b"413", b"405")
    with connect(one) as client:
        tag = ask(client, get("/page.bin"))["ETag"]
        assert ask(client, get("/page.bin", f"If-None-Match: {tag}")).status == 304
        assert ask(client, get("/page.bin", method="HEAD"), "HEAD")["Content-Length"] == "300000"
        assert ask(client, get("/hello")).body == b"hello\n"


@pytest.mark.parametrize("keep", [True, False])
def test_nginx_under_load(relay, server, tmp_path, keep):
    one = proxy(relay, server(servers.Nginx))
    result = Load(one.address, tmp_path, connections=32, seconds=2, keep=keep, path="/hello").result()
    assert not failures(result) and result["requests"] > (20 if SANITIZER else 200)
