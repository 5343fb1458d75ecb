"""Peers that are gone when nobody reads from them, or with bytes on their way to them: the other side is told, soon."""

import fcntl
import select
import socket
import struct
import termios
import threading
import time

import pytest

from client import connect
from peer import EOF, RESET, elapsed
from settings import secs, until
from wire import ACK, FIN

KEEPALIVE = 1   # second
SOON = secs(5)  # about twice, and some


def queued_to(peer):
    """Bytes that the other end's kernel has not taken yet."""
    return struct.unpack("i", fcntl.ioctl(peer.sock, termios.TIOCOUTQ, bytes(4)))[0]


def is_told(peer):
    """It has been reset, or both directions have ended; also if it had been given its end before."""
    poll = select.poll()
    poll.register(peer.sock, 0)
    return bool(poll.poll(0))


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_side_that_dies_after_its_end(relay, origin, who):
    """Nobody reads from it any more, and the other side is silent."""
    met, over = threading.Event(), threading.Event()
    seen = []

    def script(peer):
        seen.append(peer)
        met.set()
        over.wait(secs(30))
    one = relay(origin(script), half_close=True, idle_timeout=0, keepalive=KEEPALIVE)
    client = connect(one)
    assert met.wait(secs(20))
    ender, other = (client, seen[0]) if who == "client" else (seen[0], client)
    ender.send(b"job").shut()
    assert other.read_end() == (b"job", EOF)
    assert not is_told(other)
    ender.reset()
    _, took = elapsed(lambda: until(lambda: is_told(other), "the other side is told"))
    assert took < SOON
    over.set()
    assert one.only_record().end == ("CR" if who == "client" else "SR")


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_side_that_dies_while_the_other_takes_nothing(relay, origin, who):
    """Its reader is in a write that takes for ever."""
    met, over = threading.Event(), threading.Event()
    seen = []

    def script(peer):
        seen.append(peer)
        met.set()
        over.wait(secs(30))
    one = relay(origin(script), idle_timeout=0, keepalive=KEEPALIVE)
    client = connect(one)
    assert met.wait(secs(20))
    sender, other = (client, seen[0]) if who == "client" else (seen[0], client)
    sender.send_until_blocked(quiet=secs(0.3))
    sender.reset()
    _, took = elapsed(lambda: one.only_record())
    assert took < SOON
    assert other.ending() == RESET
    over.set()
    assert one.only_record().end == ("CR" if who == "client" else "SR")


@pytest.mark.parametrize("copy", ["buffer", "splice", "auto"])
def test_a_server_that_said_all_and_is_gone(relay, origin, copy):
    """What it has said is whole: who is slow to read it gets all of it, though the server resets what comes too late."""
    size, closed = [], threading.Event()

    def script(peer):
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        size.append(peer.send_until_blocked(quiet=secs(0.3)))
        until(lambda: queued_to(peer) == 0, "all has arrived at relayd")
        peer.close()
        closed.set()
    one = relay(origin(script), copy=copy, half_close=True, idle_timeout=0, keepalive=KEEPALIVE)
    with connect(one, receive_buffer=4096) as client:
        until(lambda: size, "the server waits")
        first = b""
        while not closed.wait(0.1):  # relayd is left with as much as it has room for
            first += client.read(16384)
        client.send(b"too late")   # is reset
        time.sleep(2 * KEEPALIVE)  # relayd looks at both
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        rest, how = client.read_end()
        assert (len(first) + len(rest), how) == (size[0], EOF)
    assert one.only_record().end in ("SE", "SL")


@pytest.mark.parametrize("when", ["after its end", "with an answer in flight", "in a stream"])
def test_a_client_that_vanishes(relay, origin, wire, short_path, when):
    """No packet comes from it any more: within about twice keepalive its server knows."""
    def script(peer):
        peer.send(peer.read(3))
        if when == "after its end":
            assert peer.ending() == EOF
            until(lambda: is_told(peer), "the server is told")
        elif when == "in a stream":
            with pytest.raises(OSError):
                while True:
                    peer.send(b"tick")
                    time.sleep(0.05)
        else:
            peer.send(b"more")
            peer.ending()
    server = origin(script, path=short_path / "app")
    one = relay(server, address=":8080", wrap=wire.wrap, half_close=True, idle_timeout=0, keepalive=KEEPALIVE)
    client = wire.client(8080, 5000)
    client.begin()
    client.finish()
    assert client.ask(b"job")[:3] == b"job"
    if when == "after its end":
        client.put(ACK | FIN)
    _, took = elapsed(server.result)
    assert KEEPALIVE < took < SOON
    assert one.only_record().end == "CR"


def test_a_slow_client_does_not_vanish(relay, origin):
    """Its window is closed for longer than keepalive allows, and it answers: it is left alone."""
    data = b"x" * (16 << 20)
    one = relay(origin(lambda peer: peer.send(data)), idle_timeout=0, keepalive=KEEPALIVE)
    with connect(one, receive_buffer=4096) as client:
        time.sleep(4 * KEEPALIVE)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        assert client.read_end() == (data, EOF)
