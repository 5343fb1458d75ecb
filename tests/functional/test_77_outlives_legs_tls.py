"""Requests that outlive relayd over legs with TLS, of which one record may hold more than one thing, and over plain ones behind them."""

import contextlib
import os
import threading

import pytest

import libssl
from client import connect
from origin import http, pattern
from outlives import needs_kill_points
from outlives_http import die_at, post, wait_death
from peer import EOF, request, response
from settings import DEADLINE, free_port, secs, until
from tls import Site, over_tls

pytestmark = pytest.mark.timeout(8 * DEADLINE)


def over_two(revived, keeper, secret, plain, site):
    """Requests for /secret go to a server by TLS, others to a plain one."""
    port = free_port()
    return revived(address=f"127.0.0.1:{port}", text=f"""
keeper = "{keeper.path}"
listener web {{
    address = "127.0.0.1:{port}"
    upstream = plain
    mode = http
    route "/secret" {{ upstream = secret }}
}}
upstream plain {{ server a {{ address = "127.0.0.1:{plain.port}" }} }}
upstream secret {{
    tls {{ ca = "{site.ca}" }}
    server a {{ address = "localhost:{secret.port}" }}
}}
""")


def test_a_plain_leg_after_one_with_tls(revived, keeper, origin, tmp_path):
    """The next process knows which of them it has."""
    go, asked = threading.Event(), threading.Event()

    def script(peer):
        while (request_ := peer.read_request()) is not None:
            asked.set()
            assert go.wait(DEADLINE)
            peer.send(response(request_[1].encode()))
    site = Site(tmp_path, "localhost")
    one = over_two(revived, keeper, origin(over_tls(site.server_context(), http)), origin(script), site)
    with connect(one) as client:
        assert client.get("/secret").body == b"/secret\n"
        client.send(request("/plain"))
        assert asked.wait(DEADLINE)
        one.crash()
        go.set()
        assert client.read_response().body == b"/plain"
        assert client.get("/secret").body == b"/secret\n"


def over_legs_of_tls(revived, keeper, server, site, listener=""):
    port = free_port()
    return revived(address=f"127.0.0.1:{port}", text=f"""
keeper = "{keeper.path}"
listener web {{
    address = "127.0.0.1:{port}"
    upstream = app
    mode = http
{listener}}}
upstream app {{
    tls {{ ca = "{site.ca}" }}
    server a {{ address = "localhost:{server.port}" }}
}}
""")


@needs_kill_points()
def test_bytes_behind_101_in_its_record(revived, keeper, origin, tmp_path):
    """The record stays in its socket until they went on, too, and what went on before is not in them."""
    def script(peer):
        assert peer.read_head()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nfirst words")
        assert peer.read(4) == b"over"
        peer.tell_end()
    site = Site(tmp_path, "localhost")
    one = over_legs_of_tls(revived, keeper, origin(over_tls(site.server_context(), script)), site)
    one.kill()
    die_at(one, "upgraded:1")
    one.wait_notified("READY=1", count=2)
    with connect(one) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        wait_death(one)
        one.again()
        first, _ = client.read_head()
        assert first.startswith("HTTP/1.1 101")
        assert client.read(11) == b"first words"
        client.send(b"over")
        assert client.read_end() == (b"", EOF)


@needs_kill_points()
def test_a_body_that_comes_with_its_head_and_waits_for_100(revived, keeper, origin, tmp_path):
    """Of the record that both are in, only the body is still to go on."""
    heads, go = [], threading.Event()
    body = pattern(400_000)

    def script(peer):
        _, fields = peer.read_head()
        heads.append(fields)
        assert go.wait(DEADLINE)
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        same = peer.read(int(fields["content-length"])) == body
        peer.send(response(b"same" if same else b"another"))
    site = Site(tmp_path, "site.test", "localhost")
    one = over_legs_of_tls(revived, keeper, origin(over_tls(site.server_context(), script)), site, site.section())
    one.kill()
    die_at(one, "request-sent:1")
    one.wait_notified("READY=1", count=2)
    with site.connect(one) as client:
        sends = threading.Thread(target=client.send, daemon=True,
                                 args=(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body) + body,))
        sends.start()
        wait_death(one)
        one.again()
        until(lambda: heads, "the head is there")
        go.set()
        first, _ = client.read_head()
        assert first == "HTTP/1.1 100 Continue"
        assert client.read_response().body == b"same"
        sends.join(DEADLINE)


def contents(pid):
    """What is there of the memory that outlives its process."""
    found = b""
    for name in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{name}"
        if "memfd:relayd" not in os.readlink(path):
            continue
        with open(path, "rb", buffering=0) as file:
            at = 0
            with contextlib.suppress(OSError):   # ENXIO: nothing is behind it
                while True:
                    begin = os.lseek(file.fileno(), at, os.SEEK_DATA)
                    at = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
                    found += os.pread(file.fileno(), at - begin, begin)
    assert found
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look at the keeper's memory")
@pytest.mark.parametrize("outlive", [True, False])
def test_keys_of_a_leg_that_is_not_to_outlive(outlive, revived, keeper, origin, tmp_path):
    """They are nowhere where another process would find them, also while a long answer and a long body go over it."""
    site = Site(tmp_path, "localhost")
    context = site.server_context()
    context.keylog_filename = str(tmp_path / "keys")
    asked, over = threading.Event(), threading.Event()

    def script(peer):
        peer.read_request()
        peer.send(response(pattern(1 << 20)))
        peer.read_request()
        asked.set()
        assert over.wait(DEADLINE)
    server, port = origin(over_tls(context, script)), free_port()
    one = revived(address=f"127.0.0.1:{port}", text=f"""
keeper = "{keeper.path}"
listener web {{ address = "127.0.0.1:{port}" upstream = app mode = http }}
upstream app {{
    tls {{ ca = "{site.ca}" outlive = {str(outlive).lower()} }}
    server a {{ address = "localhost:{server.port}" }}
}}
""")
    with connect(one) as client:
        assert client.get().body == pattern(1 << 20)
        client.send(post(b"/", 1 << 20) + bytes(1 << 20))
        assert asked.wait(DEADLINE)
        lines = (tmp_path / "keys").read_text().splitlines()
        secrets = [bytes.fromhex(line.split()[2]) for line in lines if "TRAFFIC_SECRET_0" in line]
        assert len(secrets) == 2
        held = contents(keeper.pid)
        over.set()
        assert [secret in held for secret in secrets] == [outlive] * 2


@needs_kill_points()
def test_a_refused_upgrade_after_a_step_of_an_idle_leg(revived, keeper, origin, tmp_path):
    """Relayd dies as it takes a message of TLS from a leg over which nothing is under way. That makes no upgrade of the next
    request: what the client sends behind it is a request, and waits for its turn."""
    go, found = threading.Event(), []

    def script(peer):
        while (asked := peer.read_request()) is not None:
            if asked[1] == "/upgrade":
                found.append(peer.is_silent(secs(0.3)))
            peer.send(response(asked[1].encode()))
            if asked[1] == "/1":
                assert go.wait(DEADLINE)
                libssl.update_key_now(peer.sock)
    site = Site(tmp_path, "localhost")
    context = site.server_context()
    context.num_tickets = 0
    one = over_legs_of_tls(revived, keeper, origin(over_tls(context, script)), site)
    one.kill()
    die_at(one, "committed-down:2")
    one.wait_notified("READY=1", count=2)
    with connect(one) as client:
        assert client.get("/1").body == b"/1"
        go.set()
        wait_death(one)
        one.again()
        client.send(b"GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n" + request("/next"))
        assert client.read_response().body == b"/upgrade"
        assert client.read_response().body == b"/next"
        assert found == [True]
