"""Clients of HTTP that ask well or badly by chance, of such servers as those of hostile_http.py, and that are strict."""

import contextlib
import random
import re
import ssl
import threading

from client import connect
from hostile_http import BAD_CHUNKS, NEVER, REFUSED, UNSURE, content, cut_up
from test_96_http_refused import CHUNKS, HEADS
from tls import TlsPeer
from web import Answer, chunked, get, length_of, post, post_chunked, read_chunks, read_head


class Ended(Exception):
    """Nothing more comes, and it ended where it may: between two answers, or by a cut."""


CUT_OFF = (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)


class Visitor:
    """Asks over one connection after the other, until it is told that it is over. counts: what became of its requests."""

    def __init__(self, number, seed, opens, may_reset=False):
        self.number, self.opens, self.may_reset = number, opens, may_reset
        self.dice = random.Random(f"{seed} visitor {number}")
        self.count, self.counts = 0, {}
        self.over = threading.Event()

    def work(self):
        while not self.over.is_set():
            with contextlib.suppress(*(CUT_OFF if self.may_reset else ())):   # who was just accepted by one that is killed
                self.visit_once()

    def visit_once(self):
        with self.opens(self.dice) as peer, contextlib.suppress(Ended):
            self.visit(peer)

    def note(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def visit(self, peer):
        dice = self.dice
        for _ in range(dice.choice((1, 1, 3, 8))):
            batch = [self.request() for _ in range(dice.choice((1, 1, 1, 2, 4)))]
            if dice.random() < 0.1:
                batch.append(self.upgrade())
            data = b"".join(one[2] for one in batch)
            bad = self.misbehave() if dice.random() < 0.25 else None
            self.send(peer, data + (bad or b""))
            how = bad is not None and dice.choice(("reset", "stay", *(() if isinstance(peer, TlsPeer) else ("shut",) * 3)))
            if how == "shut":
                with contextlib.suppress(OSError):
                    peer.shut()
            if how == "reset":
                peer.reset()
                raise Ended
            for method, tag, _ in batch:
                self.read(peer, method, tag)
            if bad is not None:
                self.read_rest(peer)

    def send(self, peer, data):
        """If that fails, what was answered before tells why; a reset is told once, so that a reader sees a plain end then."""
        peer.was_cut = False
        try:
            for piece in cut_up(self.dice, data):
                peer.send(piece)
        except CUT_OFF:
            peer.was_cut = True

    def tag(self):
        self.count += 1
        return f"{self.number}-{self.count}"

    def request(self):
        """(method, tag, bytes)"""
        dice, tag = self.dice, self.tag()
        path = f"/{dice.choice(('evil', 'evil', 'evil', 'evil', 'good'))}/{tag}"
        body = content(tag, dice.choice((0, 5, 3000, 60000)))
        more = [line for line in ("Connection: close", "Cookie: a=b", "Authorization: Basic eDp5") if dice.random() < 0.05]
        expects = ["Expect: 100-continue"] if dice.random() < 0.1 else []
        return dice.choice((lambda: ("GET", tag, get(path, *more)), lambda: ("GET", tag, get(path, *more)),
                            lambda: ("GET", tag, get(path, *more, version="1.0")),
                            lambda: ("HEAD", tag, get(path, *more, method="HEAD")),
                            lambda: ("POST", tag, post(path, body, *more, *expects)),
                            lambda: ("PUT", tag, post(path, body, *more, method="PUT")),
                            lambda: ("POST", tag, post_chunked(path, body, *more, *expects, sizes=(1, 1000, 30000)))))()

    def upgrade(self):
        tag = self.tag()
        return "UPGRADE", tag, get(f"/evil/{tag}", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")

    def misbehave(self):
        """What comes behind good requests: one that is refused, that turns bad, or that breaks off."""
        dice, (_, tag, good) = self.dice, self.request()
        post_to = get(f"/evil/{tag}", "Transfer-Encoding: chunked", *dice.choice(([], ["Expect: 100-continue"])), method="POST")
        return dice.choice((lambda: dice.choice(list(HEADS.values()))[1],
                            lambda: dice.choice(list(CHUNKS.values())).replace(b"/wrong", f"/evil/{tag}".encode()),
                            lambda: post_to + chunked(content(tag, 5000), 1, 400)[:-5] + dice.choice(BAD_CHUNKS),
                            lambda: good[:dice.randrange(len(good))], lambda: self.upgrade()[2] + b"early bytes",
                            lambda: good + b"\r\n\r\n" + good))()

    def read(self, peer, method, tag):
        """One answer, whole; or the connection ends as it may."""
        try:
            self.note(self.read_answer(peer, method, tag))
        except CUT_OFF:
            self.note("cut")
            raise Ended from None
        except (AssertionError, TimeoutError) as error:
            if peer.was_cut and str(error).startswith("ended "):
                self.note("cut")
                raise Ended from None
            raise AssertionError(f"{method} {tag} of {peer.name}: {error!r}") from error

    def read_answer(self, peer, method, tag):
        interim = -1
        while interim < 0 or (got.status < 200 and got.status != 101):
            interim += 1
            assert interim <= 10 or self.may_reset, (tag, got)   # each life of relayd counts from 0
            if not peer.pending:
                peer.pending = peer.recv()
            if not peer.pending:
                self.note("ended")
                raise Ended
            got = Answer(*read_head(peer))
            assert got["X-Tag"] in (tag, None), (tag, got)
        if got["X-Tag"] is None and (method, got.status) == ("UPGRADE", 101):   # of NO_ANSWERS
            raise Ended
        if got["X-Tag"] is None:
            self.read_own(peer, got, method, tag)
        told = got["X-Size"]
        assert told != REFUSED, (tag, got)
        if got.status == 101:
            self.read_switched(peer, method, tag, told)
        data, ends = self.read_body(peer, got, method)
        if method != "HEAD" and got.status not in (204, 304) and told != UNSURE:
            assert told != NEVER and data == content(tag, int(told)), (tag, got, len(data))
        if ends or got["Connection"] == "close":
            assert ends or self.end(peer) == b"", (tag, got)
            self.note("whole")
            raise Ended
        return "whole"

    @staticmethod
    def read_body(peer, got, method):
        """(body, whether it went until the end)"""
        length = length_of(got)
        if method == "HEAD" or got.status in (204, 304):
            return b"", False
        if length is not None:
            return peer.read(length), False
        if got["Transfer-Encoding"]:
            return read_chunks(peer)[0], False
        data, how = peer.read_end()
        if how != "eof" or peer.was_cut:
            raise ConnectionResetError(how)
        return data, True

    def end(self, peer):
        """What still comes; a cut is as good as an end here."""
        with contextlib.suppress(*CUT_OFF):
            return peer.read_end()[0]
        return b""

    def read_own(self, peer, got, method, tag):
        """relayd's own answer is the last one."""
        assert got["Connection"] == "close" and got.status in (400, 408, 413, 502, 503, 504), (tag, got)
        self.read_body(peer, got, method)
        assert self.end(peer) == b"", (tag, got)
        self.note(got.status)
        raise Ended

    def read_switched(self, peer, method, tag, told):
        assert method == "UPGRADE", tag
        with contextlib.suppress(OSError):
            peer.send(b"bytes")
        data, how = peer.read_end()
        assert content(tag, len(data)) == data, (tag, data[:100])
        assert how != "eof" or told == UNSURE or len(data) == int(told), (tag, told, len(data))
        self.note("switched")
        raise Ended

    def read_rest(self, peer):
        """Behind what was bad: nothing that names another's request."""
        try:
            data = self.end(peer)
        except TimeoutError as error:
            raise AssertionError(f"behind {self.count} of {peer.name} it does not end") from error
        names = set(re.findall(rb"X-Tag: (\S+)", data))
        assert all(name.startswith(f"{self.number}-".encode()) for name in names), (self.number, names)
        self.note("misbehaved")
        raise Ended


class GoodVisitor(Visitor):
    """Asks the good server alone, over connections that last: each answer is right."""

    def visit(self, peer):
        for number in range(self.dice.randrange(1, 30)):
            try:
                self.ask(peer)
            except CUT_OFF as error:
                raise (error if number == 0 else AssertionError(f"{peer.name}: {error!r} behind {number} answers")) from error

    def ask(self, peer):
        tag = self.tag()
        path = f"/good/{tag}"
        method, data = self.dice.choice((("GET", get(path)), ("HEAD", get(path, method="HEAD")), ("POST", post(path, b"b" * 5000)),
                                         ("POST", post_chunked(path, b"b" * 500, sizes=(1, 7)))))
        for piece in cut_up(self.dice, data, 2):
            peer.send(piece)
        got = Answer(*read_head(peer))
        assert (got.status, got["X-Tag"]) == (200, tag), (tag, got)
        assert self.read_body(peer, got, method)[0] == (b"" if method == "HEAD" else content(tag, int(got["X-Size"]))), tag
        self.note("good")
        self.over.wait(0.003)


def opener(site, addresses, secure):
    """Connects to one of these, by chance; by TLS where that says so."""
    def opens(dice):
        which = dice.randrange(len(addresses))
        return site.connect(addresses[which]) if secure[which] else connect(addresses[which])
    return opens
