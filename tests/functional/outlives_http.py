"""Requests that outlive relayd: clients and an origin, both the test's own, that know of each request what is to come of it."""

import collections
import contextlib
import hashlib
import itertools
import random
import signal
import threading

from client import connect
from outlives import REQUESTS_OUTLIVE, Line, Lives, stand_back
from peer import EOF
from settings import DEADLINE, until
from streams import BLOCK, CHUNK, LENGTH

#: The methods that a proxy may send again (RFC 9110, 9.2.2), if they have no body.
AGAIN = ("GET",)


def content(seed, size):
    """Bytes that differ from place to place, and from seed to seed."""
    at = seed * 104729 % (LENGTH - CHUNK)
    return (BLOCK[at:] + BLOCK * (size // LENGTH + 1))[:size]


class Broken(Exception):
    """The connection ended where it must not: in order, or cut; `how`."""


class Reader:
    """Reads heads and bodies from a Line."""

    def __init__(self, line):
        self.line, self.bytes = line, b""

    def more(self):
        data = self.line.recv()
        if not data:
            raise Broken(EOF)
        self.bytes += data

    def take(self, size):
        while len(self.bytes) < size:
            self.more()
        data, self.bytes = self.bytes[:size], self.bytes[size:]
        return data

    def take_to(self, mark):
        while mark not in self.bytes:
            self.more()
        data, _, self.bytes = self.bytes.partition(mark)
        return data

    def head(self):
        """(first line, fields); None at an end between two heads."""
        if not self.bytes:
            try:
                self.more()
            except Broken:
                return None
        first, *rest = self.take_to(b"\r\n\r\n").decode("latin-1").split("\r\n")
        return first, {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in rest)}

    def body(self, fields):
        if fields.get("transfer-encoding") == "chunked":
            data = b""
            while size := int(self.take_to(b"\r\n"), 16):
                data += self.take(size)
                assert self.take(2) == b"\r\n"
            assert self.take(2) == b"\r\n"
            return data
        return self.take(int(fields.get("content-length", 0)))


def chunked(data, dice):
    """In chunks of all sizes."""
    pieces = []
    while data:
        size = dice.choice([1, 100, 5000, 30000])
        pieces.append(b"%x\r\n%s\r\n" % (len(data[:size]), data[:size]))
        data = data[size:]
    return pieces + [b"0\r\n\r\n"]


def send_slowly(line, pieces, dice, pause=0.002):
    for piece in pieces:
        line.send(piece)
        if dice.random() < 0.3:
            threading.Event().wait(dice.uniform(0, 2 * pause))


def in_pieces(data, dice):
    while data:
        size = dice.randint(1, 40000)
        yield data[:size]
        data = data[size:]


# The origin


class HttpOrigin:
    """Serves all that comes to a door. `got`: how often each request came, whole."""

    def __init__(self, door, context):
        self.door, self.context = door, context
        self.got, self.failures, self.lines = collections.Counter(), [], []
        self.lock = threading.Lock()
        self.closing = False
        door.socket.settimeout(None)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                peer = self.door.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        stand_back()
        try:
            line = Line(peer, self.context, server_side=True)
            self.lines.append(line)
            reader = Reader(line)
            while (head := reader.head()) is not None:
                self._answer(line, reader, *head)
            line.shut()
        except (OSError, EOFError, Broken):
            pass   # it was reset, or cut: who asked knows more
        except Exception as error:   # pylint: disable=broad-except
            self.failures.append(error)
        finally:
            peer.close()

    def _answer(self, line, reader, first, fields):
        method, path, _ = first.split()
        _, what, name, size = path.split("/")
        size = int(size)
        dice = random.Random(path)
        if fields.get("expect"):
            line.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = reader.body(fields)
        with self.lock:
            self.got[method, path] += 1
        tell = f"X-Name: {name}\r\nX-Count: {self.got[method, path]}\r\n".encode()
        data = content(int(name), size)
        if what == "upgrade":
            line.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + tell + b"\r\n")
            self._echo(line, reader)
        if what in ("post", "put"):
            data = hashlib.sha256(body).hexdigest().encode()
        if what == "hints":
            line.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        if what == "chunks":
            line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + tell + b"\r\n")
            send_slowly(line, chunked(data, dice), dice)
        else:
            line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(data) + tell + b"\r\n")
            send_slowly(line, in_pieces(data, dice), dice)

    @staticmethod
    def _echo(line, reader):
        line.send(reader.bytes)
        while data := line.recv():
            line.send(data)
        line.shut()
        raise Broken(EOF)   # nothing more is read

    def close(self):
        for line in self.lines:
            line.close()


# Clients


class Visitor(threading.Thread):
    """Asks one thing after the other over one connection, and knows what must come. If the connection is reset, and may be, it
    goes on over another one."""

    #: (path, method, how many bytes the body has that is asked for or sent)
    ASKS = {"small": ("GET", 100), "hints": ("GET", 2000), "length": ("GET", 200_000), "chunks": ("GET", 60_000),
            "post": ("POST", 3000), "put": ("PUT", 150_000)}

    def __init__(self, address, number, context, asks=tuple(ASKS), may_reset=False):
        super().__init__(daemon=True)
        self.address, self.number, self.context, self.asks, self.may_reset = address, number, context, asks, may_reset
        self.dice = random.Random(number)
        self.count = self.resets = 0
        self.line = self.reader = None
        self.answered, self.lost, self.failures = [], [], []
        self.over = threading.Event()
        self.pause = 0.004
        self.open()

    def open(self):
        self.line = Line(connect(self.address), self.context, name="site.test")
        self.reader = Reader(self.line)

    def next_ask(self):
        """(method, path, what to send, the body that must come)"""
        self.count += 1
        what = self.dice.choice(self.asks)
        method, most = self.ASKS[what]
        size, name = self.dice.randint(0, most), self.number * 100_000 + self.count
        path = f"/{what}/{name}/{size}"
        head = f"{method} {path} HTTP/1.1\r\nHost: relay.test\r\n"
        data = content(name, size)
        if method == "GET":
            return method, path, [head.encode() + b"\r\n"], data
        digest = hashlib.sha256(data).hexdigest().encode()
        if self.dice.random() < 0.5:
            return method, path, [(head + f"Content-Length: {size}\r\n\r\n").encode(), *in_pieces(data, self.dice)], digest
        return method, path, [(head + "Transfer-Encoding: chunked\r\n\r\n").encode(), *chunked(data, self.dice)], digest

    def ask(self):
        method, path, pieces, wanted = self.next_ask()
        key = method, path
        begun = False
        try:
            send_slowly(self.line, pieces, self.dice)
            while True:
                head = self.reader.head()
                if head is None:
                    raise Broken(EOF)
                begun = True
                first, fields = head
                if not first.startswith("HTTP/1.1 1"):
                    break
            body = self.reader.body(fields)
            if not first.startswith("HTTP/1.1 200") or body != wanted or fields.get("x-name") != path.split("/")[2]:
                self.failures.append((key, first, fields, len(body), len(wanted), body == wanted))
            self.answered.append(key)
        except (OSError, EOFError, Broken) as error:
            self.lost.append(key)
            # before its answer an end may come, of a client that was just accepted, or that was between two requests
            if not self.may_reset or (begun and not isinstance(error, (ConnectionResetError, BrokenPipeError))):
                self.failures.append((key, repr(error), "in the answer" if begun else "before the answer"))
            self.resets += 1
            self.line.close()
            self._open_again()

    def _open_again(self):
        """Whoever is accepted by a process that dies then is reset: that may be once more."""
        for _ in range(50):
            try:
                return self.open()
            except (OSError, EOFError):
                self.over.wait(0.02)
        raise AssertionError("no connection to relayd")

    def run(self):
        stand_back()
        try:
            while not self.over.is_set():
                self.ask()
                self.over.wait(self.dice.uniform(0, 2 * self.pause))
        except Exception as error:   # pylint: disable=broad-except
            self.failures.append(("it ends", repr(error)))

    def stop(self):
        self.over.set()
        self.join(3 * DEADLINE)
        assert not self.is_alive(), f"visitor {self.number} waits in vain; {self.count} asked, {len(self.answered)} answered"

    def check(self, origin):
        assert not self.failures, self.failures[:3]
        for key in self.answered:
            came = origin.got[key]
            assert came == 1 or (came > 1 and key[0] in AGAIN), (key, came)
        for key in self.lost:
            assert origin.got[key] <= 1 or key[0] in AGAIN, (key, origin.got[key])


class HttpLives(Lives):
    """Lives of a relayd of mode http, an origin at each door."""

    def __init__(self, site, folder, wanted, options="", listener="mode = http"):
        super().__init__(site, folder, wanted, options, listener)
        self.origins = {kind: HttpOrigin(self.doors[kind], self.server_context(kind)) for kind in self.kinds}
        self.visitors = []
        self.numbers = itertools.count()   # no two visitors ask for the same

    def visit(self, kind, **how):
        """A visitor that has had an answer, so that it is known to be relayed."""
        one = Visitor(self.addresses[kind], next(self.numbers), self.client_context(kind), may_reset=not REQUESTS_OUTLIVE, **how)
        one.kind = kind
        one.ask()
        self.visitors.append(one)
        return one

    def visit_all(self, each=1, **how):
        return [self.visit(kind, **how) for kind in self.kinds for _ in range(each)]

    def wait_answers(self):
        """Each visitor has had one more, since now."""
        before = {one: len(one.answered) for one in self.visitors}
        until(lambda: all(len(one.answered) > count or not one.is_alive() for one, count in before.items()), "answers to all", 3 * DEADLINE)

    def finish(self):
        """In a life that dies at nothing."""
        for one in self.visitors:
            one.stop()
        for one in self.visitors:
            one.check(self.origins[one.kind])
        for origin in self.origins.values():
            assert not origin.failures, origin.failures[:3]

    def close(self):
        for one in self.visitors:
            one.over.set()
            with contextlib.suppress(OSError):
                one.line.close()
        for origin in self.origins.values():
            origin.close()
        super().close()


# One life after the other


def die_at(one, point):
    """A life that ends there; the next one is not begun."""
    one.env["RELAYD_KILL_AT"] = point
    one.spawn_again()


def wait_death(one):
    assert one.wait_exit() == -signal.SIGKILL
    del one.env["RELAYD_KILL_AT"]


def post(path, size):
    return b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (path, size)
