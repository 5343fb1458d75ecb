"""The servers behind relayd: good ones, of which nothing may fail, and moody ones."""

import hashlib
import threading
import zlib

import ws
from origin import Origin
from settings import free_port
from streams import BLOCK, LENGTH
from web import answer, answer_chunked, head_of, read_asked, read_asked_body
from world import Wrong

MOST = 900_000   # bytes of a body


def content(seed, size):
    """Bytes that differ from place to place, and from seed to seed."""
    at = seed * 104729 % (LENGTH - MOST)
    return BLOCK[at:at + size]


def seed_of(name):
    return zlib.crc32(name.encode())


def broke(error):
    """Whether it says that the connection has ended, and not that something was wrong."""
    return isinstance(error, (OSError, EOFError)) or (
        isinstance(error, AssertionError) and (str(error).startswith("ended ") or str(error) in ("reset", "cut")))


class Server(Origin):
    """An origin that keeps nothing of connections that are over; its faults are the world's."""

    def __init__(self, world, name, script, **how):
        self.world, self.name = world, name
        super().__init__(script, **how)

    def _serve(self, peer):
        peer.sock.settimeout(None)
        try:
            self.script(peer)
        except Exception as error:   # pylint: disable=broad-except
            if not broke(error):
                self.world.fault(f"server {self.name}", repr(error)[:1000])
        finally:
            peer.close()
            with self.lock:
                self.active -= 1
                self.peers.remove(peer)


# Mode tcp


def talk(peer):
    """A line says what is wanted: "echo SIZE", "send SEED SIZE", "last SEED SIZE" (the end follows), "take SIZE"."""
    while True:
        if not peer.pending:
            peer.pending = peer.recv()
            if not peer.pending:
                return
        verb, *numbers = peer.read_to(b"\n").split()
        seed, size = int(numbers[0]), int(numbers[-1])
        if verb == b"echo":
            for _ in range(0, size, 16384):
                piece = min(size, 16384)
                peer.send(peer.read(piece))
                size -= piece
        elif verb == b"take":
            peer.send(hashlib.sha256(peer.read(size)).hexdigest().encode())
        elif verb in (b"send", b"last"):
            peer.send(content(seed, size))
            if verb == b"last":
                return
        else:
            raise Wrong(f"somebody said {verb!r}")


# Mode http


class Seen:
    """Which request came last of each client's connection: they come in order, and none twice but for GET and HEAD."""

    def __init__(self):
        self.lock = threading.Lock()
        self.last = {}

    def came(self, asked, who, number):
        with self.lock:
            last = self.last.get(who, 0)
            self.last[who] = max(last, number)
        if number < last or (number == last and asked.method not in ("GET", "HEAD")):
            raise Wrong(f"{asked.method} {asked.target} came after number {last}")

    def forget(self, who):
        with self.lock:
            self.last.pop(who, None)


class Site:
    """Answers requests for /WHAT/WHO/NUMBER/SIZE; `mood` says how a moody one does."""

    def __init__(self, seen):
        self.seen, self.mood = seen, "good"

    def __call__(self, peer):
        number = 0
        while True:
            asked = read_asked(peer, 0, number, body=False)
            if asked is None or not self._serve(peer, asked):
                return
            number += 1

    def _serve(self, peer, asked):
        _, what, *rest = asked.target.split("/")
        if what == "health":
            peer.send(answer(b"ok", "200 OK" if self.mood in ("good", "slow") else "503 Service Unavailable"))
            return True
        who, number, size = rest[0], int(rest[1]), int(rest[2])
        if self.mood == "reset":
            peer.reset()
            return False
        if asked["Expect"]:
            peer.send(head_of("100 Continue"))
        read_asked_body(peer, asked)
        self.seen.came(asked, who, number)
        return self._answer(peer, asked, what, f"{who}/{number}", size)

    def _answer(self, peer, asked, what, name, size):
        tell = f"X-Ask: {name}"
        data = content(seed_of(name), size)
        if self.mood == "hang":
            peer.read_end()
            return False
        if self.mood == "busy":
            peer.send(answer(b"busy", "503 Service Unavailable"))
            return True
        if what in ("post", "put", "expect"):
            data = hashlib.sha256(asked.body).hexdigest().encode()
        head = head_of("200 OK", tell, "Connection: close") if what == "close" else head_of(
            "200 OK", tell, f"Content-Length: {len(data)}")
        if self.mood == "cut":   # never what could be taken for the whole
            peer.send(head + data[:len(data) // 2])
            peer.reset()
            return False
        if what == "head":
            data = b""
        if what == "chunks":
            peer.send(answer_chunked(data, tell, sizes=(1, 700, 20000)))
        elif self.mood == "slow":
            for at in range(0, len(data), 1 + len(data) // 5):
                peer.send(head + data[at:at + 1 + len(data) // 5])
                head = b""
                threading.Event().wait(0.1)
            peer.send(head)
        else:
            peer.send(head + data)
        if what == "close" and hasattr(peer, "tell_end"):   # over TLS an end must be told
            peer.tell_end()
        return what != "close"


class Moody:
    """A server of mode http that fails, hangs, refuses, and comes back at the same port."""

    MOODS = ("good", "good", "reset", "hang", "busy", "cut", "slow", "gone")

    def __init__(self, world, name, seen):
        self.world, self.name, self.site = world, name, Site(seen)
        self.port = free_port()   # nobody has it meanwhile
        self.server = Server(world, name, self.site, port=self.port)
        self.address = self.server.address

    def be(self, mood):
        gone = self.server is None
        if mood == "gone":
            if not gone:
                self.server.stop()   # with all its connections
                self.server = None
            return
        self.site.mood = mood
        if gone:
            self.server = Server(self.world, self.name, self.site, port=self.port)

    @property
    def active(self):
        return self.server.active if self.server else 0

    def stop(self):
        if self.server:
            self.server.stop()


def chat(peer):
    """WebSocket."""
    ws.websocket(peer)
