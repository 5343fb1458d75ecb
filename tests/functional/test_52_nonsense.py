"""Malformed requests by the thousand, at the control socket and at the status section: each costs nothing but itself."""

import random

import pytest

from client import connect
from control import asked, dialled
from origin import echo
from relay import section
from settings import free_port, some, until

GOOD = b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
PIECES = (b"GET", b"POST", b"BREW", b" ", b"/", b"/status.json", b"/tail?client=", b"?end=", b"=", b"&", b"%", b"%zz", b"%00", b"\0", b"\r\n",
          b"\n", b"\r", b":", b"HTTP/1.1", b"HTTP/9", b"Host: ", b"Content-Length: ", b"-1", b"99999999999999999999", b"Transfer-Encoding: chunked",
          b"Expect: 100-continue", b"Upgrade: x", b"\xff\xfe", b"\t", b"A" * 300, b"../" * 20, b"[::1", b"<script>")


def malformed(source):
    """A good request with some of it changed, or nonsense."""
    if source.random() < 0.3:
        return b"".join(source.choice(PIECES) for _ in range(source.randrange(1, 30)))
    request = bytearray(GOOD)
    for _ in range(source.randrange(1, 6)):
        at, piece = source.randrange(len(request) + 1), source.choice(PIECES)
        request[at:at + source.choice((0, 1, len(piece)))] = piece
    return bytes(request[:source.randrange(len(request) + 1)] if source.random() < 0.2 else request)


def is_answered(where):
    try:
        return asked(where, "/ready", host="localhost")[0] == 200
    except (OSError, IndexError):
        return False


@pytest.mark.timeout(600)
def test_malformed_requests(relay, origin, short_path):
    at, place = str(short_path / "control.sock"), ("127.0.0.1", free_port())
    address = f"127.0.0.1:{free_port()}"
    one = relay(text=f'control = "{at}"\n' + section("status", "", address=f"127.0.0.1:{place[1]}")
                + section("listener", "web", address=address, upstream="app") + section("upstream", "app", server=origin(echo)),
                address=address)
    source = random.Random(52)
    for _ in range(some(10000)):
        for where in at, place:
            try:
                with dialled(where) as client:
                    client.sendall(malformed(source))
            except OSError:
                pass    # it does not read all of it, or had to make room
    for where in at, place:
        until(lambda where=where: is_answered(where), "it answers, once those before have gone")
    with connect(address) as client:
        assert client.send(b"x").read(1) == b"x"
    assert one.process.poll() is None
