"""Mode http: what people run behind a proxy, and the programs by which they look at it."""

import asyncio
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import time

import apps
import pytest
import servers
from client import connect, curl, run
from settings import DEADLINE, LONG, MIB, SANITIZER, free_port, some
from tls import Site
from web import ask, get, post, proxy, text_of

BIG = (1 << 30) if LONG and not SANITIZER else 64 * MIB
PASSWORD = "caf\u00e9 & more"


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program}")


needs_shop = pytest.mark.skipif(not os.path.exists("/usr/lib/python3/dist-packages/flask") or not shutil.which("gunicorn"),
                                reason="needs gunicorn and python3-flask")


@pytest.fixture(scope="module")
def shop():
    """One for all: it takes long to start."""
    one = apps.Shop()
    one.wait_ready()
    yield one
    one.stop()


@pytest.fixture
def https(relay, tmp_path):
    """https(server, option=value) relays https://shop.test:PORT; its .curl knows how to ask there."""
    site = Site(tmp_path, "shop.test")

    def start(server, **options):
        port = free_port()
        one = relay(address=f"127.0.0.1:{port}", text=text_of(f"127.0.0.1:{port}", {"app": server}, tls=site.section(), **options))
        one.url = f"https://shop.test:{port}"
        one.curl = lambda path, *more, **how: curl(one.url + path, "--cacert", site.ca, "--resolve", f"shop.test:{port}:127.0.0.1",
                                                   *more, **how)
        return one
    return start


def big_file(folder, size=BIG):
    """Its bytes differ from place to place; the file, and its SHA-256."""
    block, digest = os.urandom(MIB + 4093), hashlib.sha256()
    with open(folder / "big", "wb") as file:
        left = size
        while left:
            part = block[:left]
            digest.update(part)
            left -= file.write(part)
    return folder / "big", digest.hexdigest()


# An application


@needs_shop
def test_a_session_over_https(https, shop, tmp_path):
    """A form, a cookie for TLS alone, and a redirect to where the client really came; none of it the application's own address."""
    one = https(shop)
    jar = ["-b", tmp_path / "jar", "-c", tmp_path / "jar"]
    assert one.curl("/", *jar) == f"nobody 127.0.0.1 {one.url}/ 0\n".encode()
    for visits in 1, 2:
        said = one.curl("/login", *jar, "-L", "-d", "name=Zo\u00eb", "--data-urlencode", f"password={PASSWORD}", "-w", "%{num_redirects}")
        assert said == f"Zo\u00eb 127.0.0.1 {one.url}/ {visits}\n1".encode()
    assert one.curl("/old", *jar, "-L") == f"Zo\u00eb 127.0.0.1 {one.url}/ 2\n".encode()
    assert one.curl("/login", *jar, "-d", "name=x", "-d", "password=y", "-w", "%{http_code}") == b"no\n401"


@needs_shop
def test_a_client_cannot_say_who_it_is(https, shop):
    lies = ["-H", "X-Forwarded-For: 192.0.2.1", "-H", "X_Forwarded_For: 192.0.2.2", "-H", "X-Forwarded-Host: evil.test",
            "-H", "X-Forwarded-Proto: http", "-H", "Forwarded: for=192.0.2.3", "-H", "X-Real-IP: 192.0.2.4"]
    one = https(shop)
    assert one.curl("/", *lies) == f"nobody 127.0.0.1 {one.url}/ 0\n".encode()


@needs_shop
def test_an_application_below_a_path(relay, shop):
    """It is told where it is, since its links must say it."""
    one = proxy(relay, {"app": shop}, routes={"/shop/": {"strip_prefix": True, "set_request": ["X-Forwarded-Prefix: /shop"]}})
    url = f"http://{one.address}/shop"
    assert curl(f"{url}/old", "-L") == f"nobody 127.0.0.1 {url}/ 0\n".encode()


@needs_shop
@pytest.mark.parametrize("expect", ["100-continue", ""], ids=["expect", "at-once"])
def test_uploads(https, shop, tmp_path, expect):
    """A form with a file in it, a file alone, and a file of a length that curl does not tell."""
    one = https(shop)
    big, digest = big_file(tmp_path, min(BIG, 64 * MIB))
    size = big.stat().st_size
    head = ["-H", f"Expect: {expect}" if expect else "Expect:"]
    said = one.curl("/upload", *head, "-F", f"file=@{big}", "-F", "note=a \u00fc").decode()
    assert said == f"big {size} {digest} a \u00fc\n"
    assert one.curl("/raw", *head, "-T", big).decode() == f"{size} {digest}\n"
    with open(big, "rb") as file:
        assert one.curl("/raw", *head, "-T", "-", stdin=file).decode() == f"{size} {digest}\n"


@needs_shop
def test_conditions_ranges_and_methods(relay, shop):
    import shop as code   # not above: it needs python3-flask
    one = proxy(relay, shop)
    with connect(one) as client:
        whole = ask(client, get("/page"))
        assert whole.status == 200 and whole.body == code.PAGE
        for line in f"If-None-Match: {whole['ETag']}", f"If-Modified-Since: {whole['Last-Modified']}":
            answer = ask(client, get("/page", line))
            assert (answer.status, answer["ETag"]) == (304, whole["ETag"])
        head = ask(client, get("/page", method="HEAD"), "HEAD")
        assert (head.status, head["Content-Length"], head["ETag"]) == (200, str(len(code.PAGE)), whole["ETag"])
        part = ask(client, get("/page", "Range: bytes=100000-399999"))
        assert (part.status, part["Content-Range"]) == (206, f"bytes 100000-399999/{len(code.PAGE)}")
        assert part.body == code.PAGE[100_000:400_000]
        assert ask(client, get("/page", "Range: bytes=-7")).body == code.PAGE[-7:]
        assert ask(client, get("/page", f"Range: bytes={len(code.PAGE)}-")).status == 416
        assert ask(client, get("/page", "Range: bytes=0-9", 'If-Range: "other"')).body == code.PAGE
        options = ask(client, get("/page", method="OPTIONS"))
        assert options.status == 200 and set(options["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
        assert ask(client, post("/page", b"x", method="DELETE")).status == 405
    packed = curl(f"http://{one.address}/packed")
    assert packed == gzip.compress(code.PAGE, mtime=0)
    assert curl(f"http://{one.address}/packed", "--compressed") == code.PAGE


@needs_shop
def test_http_1_0(relay, shop):
    import shop as code
    one = proxy(relay, shop)
    url = f"http://{one.address}/page"
    assert curl(url, "--http1.0") == code.PAGE
    assert curl(url, url, "--http1.0", "-H", "Connection: keep-alive", "-o", "/dev/null", "-o", "/dev/null",
                "-w", "%{http_code} %{num_connects} ") == b"200 1 200 0 "
    assert curl(f"http://{one.address}/events/3/0.01", "--http1.0").count(b"data:") == 3


# Events


def read_event(body):
    """The lines of the next one."""
    lines = []
    while (line := body.readline().strip()) or not lines:
        lines.append(line)
    return lines


@needs_shop
@pytest.mark.parametrize("over", ["http", "https"])
def test_each_event_comes_at_once(relay, shop, https, tmp_path, over):
    """The server waits with the next one until the client has the last."""
    one = https(shop) if over == "https" else proxy(relay, shop)
    url = one.url if over == "https" else f"http://{one.address}"
    trust = ["--cacert", tmp_path / "ca.pem", "--resolve", f"shop.test:{one.address.rsplit(':', 1)[1]}:127.0.0.1"]
    count = some(50)
    with subprocess.Popen(["curl", "-sSN", "-m", str(2 * DEADLINE), *trust, f"{url}/steps/{count}"], stdout=subprocess.PIPE) as client, \
            connect(shop) as teller:
        for number in range(count):
            assert read_event(client.stdout) == [b"data: %d" % number]
            assert ask(teller, post("/seen")).status == 204
        assert client.stdout.read() == b""
    assert client.returncode == 0


@needs_shop
@pytest.mark.timeout(400)
def test_events_with_pauses(relay, shop):
    """Longer than any timeout but idle_timeout; with --long for some minutes."""
    count, pause = (12, 20.0) if LONG else (4, 1.2)
    one = proxy(relay, shop, response_timeout="1s", keepalive_timeout="1s", head_timeout="1s", linger_timeout="1s", min_rate=500)
    out = run("curl", "-sSN", f"http://{one.address}/events/{count}/{pause}", timeout=390).stdout
    assert re.findall(rb"id: (\d+)", out) == [b"%d" % number for number in range(count)]


# git


@needs("gunicorn")
@needs("git")
def test_git(relay, server, tmp_path):
    """A pack in chunks, and one behind Expect; a clone, a fetch, and a branch that is deleted."""
    one = proxy(relay, server(apps.Git), max_body=100 * MIB)
    url = f"http://{one.address}/one.git"
    names = [f"GIT_{who}_{what}={value}" for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "x"), ("EMAIL", "x@x.test"))]
    alone = ["env", *names, f"HOME={tmp_path}", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0"]

    def git(where, *words):
        return run(*alone, "git", "-C", where, "-c", "http.postBuffer=65536", *words, text=True).stdout.strip()

    git(tmp_path, "clone", "-q", url, "mine")
    mine = tmp_path / "mine"
    git(mine, "checkout", "-q", "-b", "main")
    for number in range(3):
        (mine / f"file{number}").write_bytes(os.urandom(7 * MIB >> 2 * number))   # 7 MiB do not fit in the buffer: chunks
        git(mine, "add", "-A")
        git(mine, "commit", "-q", "-m", f"number {number}")
        git(mine, "push", "-q", "-u", "origin", "main")
        if not number:
            git(tmp_path, "clone", "-q", url, "theirs")
    theirs = tmp_path / "theirs"
    git(theirs, "pull", "-q")
    assert git(theirs, "rev-parse", "HEAD") == git(mine, "rev-parse", "HEAD")
    git(theirs, "fsck", "--full", "--strict")
    git(mine, "push", "-q", "origin", "main:side")
    git(mine, "push", "-q", "origin", "--delete", "side")
    assert git(mine, "ls-remote", "origin", "refs/heads/*").split("\t")[1:] == ["refs/heads/main"]
    assert {record.status for record in one.requests()} == {200}


# WebSocket


@pytest.mark.skipif(not os.path.exists("/usr/lib/python3/dist-packages/websockets"), reason="needs python3-websockets")
@pytest.mark.timeout(400)
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_chat(relay, compression):
    """Everybody hears all that anybody says, in the order of each speaker, some of it big, or in pieces; no limit of HTTP ends it."""
    import websockets   # not above: it may not be there
    port, clients, rounds = free_port(), 12, 60 if LONG else some(20)
    limit = 4   # seconds: one thread is all twelve clients and their server, and so may be late with a handshake
    one = proxy(relay, f"127.0.0.1:{port}", **dict.fromkeys(("response_timeout", "keepalive_timeout", "head_timeout"), f"{limit}s"))
    members = set()

    async def serve(peer, *_):
        members.add(peer)
        async for message in peer:
            for member in list(members):
                await member.send(message)
        members.discard(peer)

    def said(speaker, number):
        return f"{speaker} {number} ".encode() + bytes([speaker + 65]) * (1, 125, 126, 70_000, 400_000)[(speaker + number) % 5]

    async def pieces(message):
        for at in range(0, len(message), 1 + len(message) // 5):
            yield message[at:at + 1 + len(message) // 5]

    async def talk(speaker, ready):
        async with websockets.connect(f"ws://{one.address}/chat", max_size=None, compression=compression, ping_interval=0.2, ping_timeout=None) as peer:
            async def hear():
                counts = [0] * clients
                for _ in range(clients * rounds):
                    message = await peer.recv()
                    who = int(message.split(b" ", 1)[0])
                    assert message == said(who, counts[who])
                    counts[who] += 1
            ready.append(peer)
            while len(ready) < clients:
                await asyncio.sleep(0.01)
            begin = time.monotonic()
            hearing = asyncio.create_task(hear())
            for number in range(rounds):
                message = said(speaker, number)
                await peer.send(pieces(message) if number % 2 else message)
            await hearing
            await asyncio.sleep(begin + limit + 0.5 - time.monotonic())
            await (await peer.ping())

    async def chat():
        async with websockets.serve(serve, "127.0.0.1", port, max_size=None, compression=compression, ping_timeout=None):
            ready = []
            await asyncio.wait_for(asyncio.gather(*(talk(speaker, ready) for speaker in range(clients))), 390 if LONG else 4 * DEADLINE)
    asyncio.run(chat())
    assert [record.status for record in one.wait_requests(clients)] == [101] * clients
    assert {record.end for record in one.wait_records(clients)} <= {"CE", "SE"}


# Uploads that are refused


@pytest.mark.parametrize("by, path, wanted", [("relayd", "/raw", (b"413", )), ("nginx", "/raw", (b"413", b"405")), ("shop", "/private", (b"401", ))])
@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("over", ["http", "https"])
@needs_shop
def test_an_upload_that_is_refused(relay, https, server, shop, tmp_path, by, path, wanted, framing, over):
    """The client reads why, however much it has sent by then, with and without Expect."""
    behind = server(servers.Nginx) if by == "nginx" else shop
    limit = MIB if by == "relayd" else 0
    one = https(behind, max_body=limit) if over == "https" else proxy(relay, behind, max_body=limit)
    ask_it = one.curl if over == "https" else lambda where, *words, **how: curl(f"http://{one.address}{where}", *words, **how)
    big, _ = big_file(tmp_path)
    for expect in ("Expect: 100-continue", "Expect:"):
        with open(big, "rb") as file:
            out = ask_it(path, "-T", big if framing == "length" else "-", "-H", expect, "-o", "/dev/null", "-w", "%{http_code}", stdin=file)
        assert out in wanted, (expect, out)


# Programs that ask


def load(relay, server, *command):
    one = proxy(relay, server(servers.Nginx))
    return run(*command, f"http://{one.address}/hello", text=True).stdout


def test_wrk(relay, server):
    out = load(relay, server, "wrk", "-t", 2, "-c", 32, "-d", "1s", "--timeout", "10s")
    assert "Socket errors" not in out and "Non-2xx" not in out, out
    assert int(re.search(r"(\d+) requests in", out)[1]) > (20 if SANITIZER else 200), out


@needs("h2load")
@pytest.mark.parametrize("pipelined", [1, 16])
def test_h2load(relay, server, pipelined):
    count = some(4000)
    out = load(relay, server, "h2load", "--h1", "-n", count, "-c", 20, "-t", 2, "-m", pipelined)
    assert f"{count} succeeded, 0 failed, 0 errored, 0 timeout" in out, out


@needs("ab")
@pytest.mark.parametrize("keep", [True, False])
def test_ab(relay, server, keep):
    """It speaks HTTP/1.0."""
    count = some(1000)
    out = load(relay, server, "ab", "-q", "-n", count, "-c", 20, *(["-k"] if keep else []))
    found = dict(re.findall(r"^([A-Z][\w -]+): +(\d+)", out, re.M))
    assert (found["Complete requests"], found["Failed requests"]) == (str(count), "0"), out
    assert "Non-2xx responses" not in found, out
    assert int(found.get("Keep-Alive requests", 0)) == (count if keep else 0), out
