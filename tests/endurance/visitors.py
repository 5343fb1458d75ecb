"""The clients. Each knows what must come, byte by byte; and when it may be that nothing comes."""

import hashlib
import itertools
import os
import ssl
import threading

import ws
from client import connect
from outlives import stand_back
from peer import EOF
from sides import MOST, broke, content, seed_of
from tls import TlsPeer
from web import get, post, post_chunked, read_answer
from world import PATIENCE, Wrong

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


class Visitor(threading.Thread):
    """One connection after the other. strict: relayd and its servers do all as they should, so once a connection is relayed
    nothing may fail; and before, only if relayd was killed meanwhile. Others may fail, but get no wrong byte."""

    kind, strict, tls = "", True, False
    mean = 0.15   # seconds between two exchanges
    longest = 40  # exchanges of a connection

    def __init__(self, world, number, address, site=None):
        super().__init__(daemon=True, name=f"{self.kind} {number}")
        self.world, self.number, self.address, self.site = world, number, address, site
        self.dice = world.dice(self.kind, number)
        self.idle = threading.Event()
        self.peer, self.began, self.relayed = None, 0.0, False
        self.contexts = [site.context(least=version, most=version) for version in VERSIONS] if self.tls else []

    def run(self):
        stand_back()
        while not self.world.over.is_set():
            if not self.world.open.is_set():
                self.idle.set()
                self.world.open.wait(1)
                continue
            self.idle.clear()
            self.began, self.relayed = self.world.age, False
            try:
                self.visit()
            except Exception as error:   # pylint: disable=broad-except
                self._failed(error)
            finally:
                if self.peer is not None:
                    self.peer.close()
            self.world.rest(self.dice, self.mean)

    def _failed(self, error):
        if self.world.over.is_set():   # somebody has interrupted it all
            return
        if broke(error) and self._excused():
            self.world.count(f"excused {self.kind}" if self.strict else f"failed {self.kind}")
            self.world.rest(self.dice, 0.3)
            return
        gaps = self.world.gaps_since(self.began + self.world.born)
        self.world.fault(self.kind, f"{self.name}, {'relayed' if self.relayed else 'not relayed yet'}, connected for "
                         f"{self.world.age - self.began:.2f} s, {self.doing}, {self.peer.name if self.peer else 'no socket'}: "
                         f"{type(error).__name__}: {str(error)[:600]}; meanwhile relayd ended by: {gaps}",
                         f"{self.peer.name} " if self.peer else "no socket")

    def _excused(self):
        """relayd(8), What survives what."""
        if not self.strict or self.began + self.world.born < self.world.excused_until:
            return True
        gaps = self.world.gaps_since(self.began + self.world.born)
        if self.relayed:
            return False
        return "kill" in gaps or (self.tls and bool(gaps))   # a handshake may be silent for a second, where others have the processors

    # What they are made of

    doing = "connecting"

    def dial(self, **how):
        self.doing = "connecting"
        self.peer = connect(self.address, **how)
        self.peer.sock.settimeout(PATIENCE)
        if self.tls:
            self.doing = "in the handshake"
            context = self.dice.choice(self.contexts)
            self.peer = TlsPeer(self.peer, context, server_hostname="site.test")
        self.world.count("connections")
        return self.peer

    def turns(self):
        """So many exchanges, as long as there is to be traffic."""
        for turn in range(self.dice.randint(1, self.longest)):
            if not self.world.open.is_set():
                return
            yield turn
            self.relayed = True
            self.world.count(f"done {self.kind}")
            self.world.rest(self.dice, self.mean)

    def size(self, most):
        """Mostly small ones."""
        return int(most * self.dice.random() ** 4)

    def get_bytes(self, wanted):
        got = self.peer.read(len(wanted))
        if got != wanted:
            raise Wrong(f"{len(wanted)} bytes that differ from byte {first_difference(got, wanted)} on")
        self.world.count("bytes", len(wanted))

    def end(self):
        """In order, from this side first."""
        self.doing = "ending"
        if self.tls:
            self.peer.tell_end().sock.settimeout(PATIENCE)
        else:
            self.peer.shut()
        left, how = self.peer.read_end()
        if left:
            raise Wrong(f"{len(left)} bytes that nobody asked for")
        if how != EOF:
            raise ConnectionResetError(f"the end was a {how}")


def first_difference(one, other):
    return next((at for at, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))


# Mode tcp


class Talker(Visitor):
    kind = "tcp"

    def visit(self):
        self.dial()
        for _ in self.turns():
            getattr(self, self.dice.choice(("echo", "echo", "echo", "take", "send")))()
        if self.dice.random() < 0.2:
            self.last()
        elif self.dice.random() < 0.2:
            self.vanish()
        else:
            self.end()

    def echo(self):
        size = 1 + self.size(60_000)
        self.doing = f"echo of {size} bytes"
        data = content(self.dice.randrange(1 << 30), size)
        self.peer.send(b"echo %d\n" % size)
        for at in range(0, size, 16384):
            self.peer.send(data[at:at + 16384])
            self.get_bytes(data[at:at + 16384])

    def take(self):
        size = 1 + self.size(MOST)
        self.doing = f"upload of {size} bytes"
        data = content(self.dice.randrange(1 << 30), size)
        self.peer.send(b"take %d\n" % size + data)
        self.world.count("bytes", size)
        self.get_bytes(hashlib.sha256(data).hexdigest().encode())

    def send(self, verb=b"send"):
        seed, size = self.dice.randrange(1 << 30), 1 + self.size(MOST)
        self.doing = f"{verb.decode()} of {size} bytes"
        self.peer.send(b"%s %d %d\n" % (verb, seed, size))
        self.get_bytes(content(seed, size))

    def last(self):
        """The server ends first."""
        self.send(b"last")
        left, how = self.peer.read_end()
        if left or how != EOF:
            raise ConnectionResetError(f"the server's end was a {how}, after {len(left)} bytes")

    def vanish(self):
        """In the middle of something."""
        self.peer.send(b"send 1 500000\n" if self.dice.random() < 0.5 else b"take 500000\nonly some of it")
        self.world.rest(self.dice, 0.02)
        self.peer.reset()
        self.world.count("vanished")


class Sealed(Talker):
    kind, tls = "tls", True


class SlowReader(Talker):
    """Takes seconds for what others read at once."""

    kind, mean, longest = "slow tcp", 0.5, 3

    def visit(self):
        slow(self.dial(receive_buffer=8192), self)
        for _ in self.turns():
            self.send()
        self.end()


class Named(Talker):
    """By a name whose addresses change: whoever is not relayed may find nobody."""

    kind, longest = "named", 30

    def _excused(self):
        return super()._excused() or not self.relayed


def slow(peer, who):
    inner = peer.recv

    def recv(size=65536):
        who.world.over.wait(who.dice.uniform(0, 0.06))
        return inner(min(size, 16384))
    peer.recv = recv


# Mode http


class Asker(Visitor):
    """Numbered requests over one connection: each has its own answer."""

    kind = "http"
    #: method, and how many bytes the body has that is asked for or sent, at most
    ASKS = {"small": ("GET", 200), "length": ("GET", 300_000), "chunks": ("GET", 90_000), "close": ("GET", 60_000),
            "head": ("HEAD", 5000), "post": ("POST", 5000), "put": ("PUT", 300_000), "expect": ("POST", 20_000)}
    KINDS = ("small",) * 8 + ("length", "length", "chunks", "chunks", "head", "post", "post", "put", "expect", "close")

    generations = itertools.count()

    def visit(self):
        self.dial(**self.sockets())
        self.who, self.asked = f"{self.number}.{next(self.generations)}", 0
        try:
            for _ in self.turns():
                if not self.ask(self.dice.choice(self.KINDS)):
                    return
            if self.relayed and self.dice.random() < 0.15:
                self.vanish()
        finally:
            self.seen.forget(self.who)

    def sockets(self):
        return {}

    def ask(self, what):
        """Whether the connection goes on."""
        method, most = self.ASKS[what]
        self.asked += 1
        name, size = f"{self.who}/{self.asked}", self.size(most)
        target = f"/{what}/{name}/{size}"
        self.doing = f"{method} {target}"
        data = content(seed_of(name), size)
        self._send(what, target, method, data)
        if what in ("post", "put", "expect"):
            wanted = hashlib.sha256(data).hexdigest().encode()
            self.world.count("bytes", size)
        else:
            wanted = b"" if what == "head" else data
        found = read_answer(self.peer, method)
        while found.status in (100, 103):
            found = read_answer(self.peer, method)
        self.world.count("requests")
        return self._judge(found, name, wanted)

    def _send(self, what, target, method, data):
        if what == "put" or (what == "post" and self.dice.random() < 0.3):
            self.peer.send(post_chunked(target, data, method=method, sizes=(1, 800, 9000)))
        elif what == "post":
            self.peer.send(post(target, data))
        elif what == "expect":
            self.peer.send(get(target, "Expect: 100-continue", f"Content-Length: {len(data)}", method="POST"))
            self.world.rest(self.dice, self.dice.choice((0, 0.05)))
            self.peer.send(data)
        else:
            self.peer.send(get(target, method=method))

    def _judge(self, found, name, wanted):
        if found["X-Ask"] is None and found.status in (502, 503, 504):
            if self.strict:
                raise Wrong(f"status {found.status} of relayd: {found.body[:200]!r}")
            self.world.count(f"status {found.status}")
            return found["Connection"] != "close" and not found.until_end
        if found.status != 200 or found["X-Ask"] != name:
            raise Wrong(f"the answer to {name} is {found}")
        if found.body != wanted:
            raise Wrong(f"the answer to {name} has {len(found.body)} bytes, not {len(wanted)}; it differs from byte "
                        f"{first_difference(found.body, wanted)} on")
        self.world.count("bytes", len(wanted))
        return found["Connection"] != "close" and not found.until_end

    def vanish(self):
        self.asked += 1
        name = f"{self.who}/{self.asked}"
        if self.dice.random() < 0.5:
            self.peer.send(get(f"/length/{name}/200000"))
        else:
            self.peer.send(get(f"/put/{name}/5000", "Content-Length: 5000", method="PUT") + b"only some of it")
        self.world.rest(self.dice, 0.02)
        self.peer.reset()
        self.world.count("vanished")


class SealedAsker(Asker):
    kind, tls = "https", True


class BothSealedAsker(Asker):
    """Its servers speak TLS, too."""

    kind, tls = "https to https", True


class SlowAsker(Asker):
    kind, mean, longest = "slow https", 0.5, 3
    tls = True
    KINDS = ("length", "chunks", "close")

    def sockets(self):
        return {"receive_buffer": 8192}

    def dial(self, **how):
        peer = super().dial(**how)
        slow(peer, self)
        return peer


class FlakyAsker(Asker):
    """Of servers that fail: an answer may be missing, but if there is one it is whole and its own."""

    kind, strict = "flaky http", False
    mean = 0.3


# WebSocket


class Chatter(Visitor):
    kind = "websocket"

    def visit(self):
        peer = self.dial()
        self.doing = "upgrading"
        ws.upgrade(peer)
        self.relayed = True
        for _ in self.turns():
            data = content(self.dice.randrange(1 << 30), self.size(60_000))
            data += os.urandom(8)
            opcode, back = self.dice.choice(((ws.BINARY, ws.BINARY), (ws.BINARY, ws.BINARY), (ws.PING, ws.PONG)))
            if opcode == ws.PING:
                data = data[-8:]
            self.doing = f"frame of {len(data)} bytes"
            peer.send(ws.frame(opcode, data, True))
            if ws.read_frame(peer) != (back, data):
                raise Wrong(f"a frame of {len(data)} bytes came back as another one")
            self.world.count("frames")
            self.world.count("bytes", len(data))
        self.doing = "closing"
        peer.send(ws.frame(ws.CLOSE, b"", True))
        if ws.read_frame(peer)[0] != ws.CLOSE:
            raise Wrong("a frame in the place of the close")


class SealedChatter(Chatter):
    kind, tls = "websocket, TLS", True
