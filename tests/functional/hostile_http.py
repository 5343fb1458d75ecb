"""Servers of HTTP that answer by chance: well, badly, too much, too little or not at all. Each answer names its request (X-Tag),
is made of that name, and says how long its body is to be (X-Size): so a strict client knows what is another's, and what looks
whole and is not."""

import contextlib
import random
import re
import threading

from tls import TlsPeer
from web import answer, chunked, head_of, read_asked, read_asked_body

#: Around the sizes of relayd's buffers.
SIZES = (0, 1, 5, 100, 1000, 5000, 16384, 24000, 24576, 40000, 70000, 200_000)
BAD_CHUNKS = (b"zz\r\n", b"-5\r\n", b"5 \r\n", b"\r\n", b"5\n", b"ffffffffffffffffff\r\n", b"7fffffffffffffff\r\nx", b"5;" + b"e" * 300 + b"\r\n",
              b"5\r\n123456", b"5\r\n12345\n", b"0\r\nno colon\r\n\r\n", b"0\r\n\n", b"0\r\nX: " + b"y" * 9000 + b"\r\n\r\n")
#: What no server may say of its body.
CONFLICTS = (["Content-Length: 5", "Transfer-Encoding: chunked"], ["Content-Length: 5", "Content-Length: 5"], ["Content-Length: 5, 5"],
             ["Content-Length: -1"], ["Content-Length: 99999999999999999999"], ["Content-Length: x"], ["Transfer-Encoding: gzip"],
             ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], ["Transfer-Encoding: gzip, chunked"], ["X : y"], ["X: a\0b"],
             ["X: y", " folded"], ["no colon"], ["Connection: X-Real-IP, Content-Length"], ["X: " + "y" * 17000],
             [f"X-{number}: y" for number in range(110)])
NO_ANSWERS = (b"220 mail.test ESMTP\r\n", b"SSH-2.0-x\r\n", b"\x15\x03\x01\x00\x02\x02\x46", b"HTTP/2.0 200 OK\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n",
              b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/1.1 099 OK\r\n\r\n", b"HTTP/1.1 200 OK\nX: y\n\n", b"HTTP/1.1  200 OK\r\n\r\n", b"\r\nHTTP/1.1 200 OK\r\n\r\n",
              b"ICY 200 OK\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nmore", b"x" * 30000,
              b"HTTP/1.1 200 " + b"y" * 20000, b"HTTP/1.1 200 O\rK\r\n\r\n", b"\0")
GOES_ON, CLOSES, RESETS, SILENT, CUTS = "goes on", "closes", "resets", "silent", "cuts"
NEVER, REFUSED, UNSURE = "never", "refused", "unsure"   # instead of a size: never whole; not a byte of it; whatever it is


def content(tag, size):
    name = f"<{tag}>".encode()
    return (name * (size // len(name) + 1))[:size]


def cut_up(dice, data, most=6):
    """In one piece or many."""
    at = sorted(dice.randrange(len(data) + 1) for _ in range(dice.choice((0, 0, 1, 2, most)))) if data else []
    return [data[begin:end] for begin, end in zip([0, *at], [*at, len(data)])]


# Servers


def end_of(dice):
    return dice.choice((CLOSES, CLOSES, RESETS, CUTS, SILENT if dice.random() < 0.1 else CLOSES))


class Plan:
    """What a server says to one request: data, with it what nobody has asked for, and how it goes on."""

    def __init__(self, dice, asked, tag, secure):
        self.dice, self.asked, self.tag = dice, asked, tag
        self.size, self.then, self.unasked = dice.choice(SIZES), GOES_ON, b""
        self.version = dice.choice(("1.1",) * 6 + ("1.0",))
        self.lines = [line for line in ("Connection: close", "Connection: keep-alive", "Set-Cookie: a=b; Path=/", "Keep-Alive: timeout=5",
                                        "Upgrade: websocket", "Trailer: X-Z") if dice.random() < 0.08]
        self.status = dice.choice((200,) * 12 + (201, 204, 304, 404, 500, 502, 999, 401))
        self.bare = asked.method == "HEAD" or self.status in (204, 304)
        ways = [self.by_length, self.by_length, self.in_chunks, self.in_chunks, self.until_end, self.too_short, self.bad_chunks,
                self.cut_chunks, self.conflict]
        way = dice.choice(ways)
        wire = way()
        if self.then == RESETS or (self.then == CUTS and secure):
            self.told = NEVER if self.told == self.size and self.ends else self.told
        self.data = self.interim() + self.head() + (b"" if self.bare else wire)
        if dice.random() < 0.15 and (self.bare or way in (self.by_length, self.in_chunks)):   # else they are of its body
            self.unasked = dice.choice((b"x", wire[:1000], *(answer(b"u" * size, "200 OK", "X-Tag: unasked") for size in (7, 30000))))
        if self.then == GOES_ON and dice.random() < 0.2:
            self.then = end_of(dice)
        if dice.random() < 0.06:
            self.data, self.then = dice.choice(NO_ANSWERS) + dice.choice((b"", self.data)), end_of(dice)
        elif dice.random() < 0.08:
            self.spoil()
        elif dice.random() < 0.05 and not self.ends:
            self.data, self.unasked, self.then = self.data[:dice.randrange(len(self.data))], b"", end_of(dice)

    ends = False   # its body goes until the end of the connection

    def head(self):
        return head_of(f"{self.status} Said", f"X-Tag: {self.tag}", f"X-Size: {self.told}", *self.lines, version=self.version)

    def interim(self):
        if self.dice.random() < 0.75:
            return b""
        statuses = [self.dice.choice((100, 102, 103, 199)) for _ in range(self.dice.choice((1, 2, 3, 12)))]
        return b"".join(head_of(f"{status} Wait", f"X-Tag: {self.tag}") for status in statuses)

    def by_length(self):
        self.told = self.size
        self.lines.append(f"Content-Length: {self.size}")
        return content(self.tag, self.size)

    def too_short(self):
        self.told, self.then = self.size, end_of(self.dice)
        self.lines.append(f"Content-Length: {self.size}")
        return content(self.tag, self.size)[:self.dice.randrange(self.size + 1)]

    def sizes(self):
        return [self.dice.choice((1, 3, 500, 6000, 30000)) for _ in range(self.dice.randrange(8))]

    def in_chunks(self):
        self.told, self.version = self.size, "1.1"
        self.lines.append(self.dice.choice(("Transfer-Encoding: chunked", "transfer-encoding: Chunked")))
        wire = chunked(content(self.tag, self.size), *self.sizes())
        return wire[:-2] + b"X-Trailer: y\r\n\r\n" if self.dice.random() < 0.2 else wire

    def bad_chunks(self):
        """It turns bad at some chunk: what came before may be passed on, but is not whole."""
        self.in_chunks()
        self.told, self.then = NEVER, self.dice.choice((GOES_ON, end_of(self.dice)))
        before = chunked(content(self.tag, self.size), *self.sizes())[:-5]
        return self.dice.choice((b"", before)) + self.dice.choice(BAD_CHUNKS) + self.dice.choice((b"", b"0\r\n\r\n"))

    def cut_chunks(self):
        self.then = end_of(self.dice)
        wire = self.in_chunks()
        return wire[:self.dice.randrange(len(wire))]

    def until_end(self):
        self.told, self.ends, self.then = self.size, not self.bare, end_of(self.dice)
        return content(self.tag, self.size)

    def conflict(self):
        self.told = REFUSED
        self.lines += self.dice.choice(CONFLICTS)
        return content(self.tag, 5)

    def spoil(self):
        """A byte is another one, but not in what names it."""
        at, end = self.dice.randrange(len(self.data)), self.data.find(b"X-Tag")
        named = self.data.find(b"\r\n", self.data.find(b"X-Size"))
        if not end <= at < named:
            self.data = self.data[:at] + bytes([self.dice.choice(b"\0\r\n :0f,\xff")]) + self.data[at + 1:]
        self.data = re.sub(rb"X-Size: \w+", b"X-Size: unsure", self.data, 1)


@contextlib.contextmanager
def whole_requests():
    """Reading ends with one that breaks off; the others are as strict as those of web.py."""
    try:
        yield
    except AssertionError as error:
        if not str(error).startswith("ended "):
            raise


class HostileServer:
    """Answers /evil/TAG by a plan made of its seed and the tag: what is asked for once more is answered in another way."""

    def __init__(self, origin, seed, context=None):
        self.seed, self.context, self.counts, self.lock = seed, context, {}, threading.Lock()
        self.origin = origin(self.serve)
        self.port = self.origin.port

    def serve(self, peer):
        with contextlib.suppress(OSError):
            if self.context:
                peer = TlsPeer(peer, self.context, server_side=True)
            with contextlib.closing(peer), whole_requests():
                while (asked := read_asked(peer, 0, 0, body=False)) is not None and self.answer(peer, asked):
                    pass

    def answer(self, peer, asked):
        tag = asked.target.split("/")[2]
        with self.lock:
            self.counts[tag] = count = self.counts.get(tag, 0) + 1
        dice = random.Random(f"{self.seed} {tag} {count}")
        upgrades = asked["Upgrade"] is not None and dice.random() < 0.6
        plan = Switch(dice, tag) if upgrades else Plan(dice, asked, tag, self.context)
        if asked["Expect"] and dice.random() < 0.7:
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        early = (asked["Content-Length"] or asked["Transfer-Encoding"]) and dice.random() < 0.3
        if not early:
            read_asked_body(peer, asked)
        last = dice.randrange(1, 1000)   # what nobody has asked for comes with it, so that it is never an answer
        for piece in cut_up(dice, plan.data[:-last]):
            peer.send(piece)
            if dice.random() < 0.1:
                threading.Event().wait(dice.uniform(0, 0.003))
        peer.send(plan.data[-last:] + plan.unasked)
        if early and plan.then == GOES_ON:
            read_asked_body(peer, asked)
        return self.go_on(peer, plan.then)

    @staticmethod
    def go_on(peer, then):
        if then == SILENT:
            peer.ending()
        elif then == RESETS:
            peer.reset()
        elif then == CLOSES and isinstance(peer, TlsPeer):
            peer.tell_end()
        return then == GOES_ON


class Switch:
    """101, and bytes."""

    unasked = b""

    def __init__(self, dice, tag):
        size, self.then = dice.choice(SIZES), dice.choice((CLOSES, CLOSES, RESETS, RESETS, SILENT))
        told = size if self.then == CLOSES else UNSURE
        lines = ["Upgrade: websocket", "Connection: Upgrade", f"X-Tag: {tag}", f"X-Size: {told}"]
        self.data = head_of("101 Switching", *lines) + content(tag, size)


def good_server(peer):
    with contextlib.suppress(OSError), whole_requests():
        while (asked := read_asked(peer, 0, 0)) is not None:
            tag = asked.target.split("/")[2]
            data = content(tag, SIZES[sum(tag.encode()) % len(SIZES)])
            peer.send(answer(b"" if asked.method == "HEAD" else data, "200 OK", f"X-Tag: {tag}", f"X-Size: {len(data)}"))
