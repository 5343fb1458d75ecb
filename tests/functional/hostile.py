"""Streams of requests whose framing says two things, and a server that takes what a relay passes on at its word, strictly.

As a program it is one side of a crowd: `hostile.py serve`, or `hostile.py attack ADDRESS SEED SECONDS COUNT`."""

import collections
import contextlib
import itertools
import json
import random
import re
import socket
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from http1_streams import NEXT, change, request, streams  # noqa: E402

INNER = b"GET /inner HTTP/1.1\r\nHost: i\r\nX-Token: inner\r\n\r\n"
GOOD = b"GET /before HTTP/1.1\r\nHost: n\r\n\r\n"

#: What stands at N is the length of the body.
LENGTHS = [b"Content-Length: N", b"Content-Length: N", b"content-length:N", b"Content-Length:\tN\t", b"Content-Length : N", b"Content-Length\t: N",
           b" Content-Length: N", b"Content-Length: +N", b"Content-Length: -N", b"Content-Length: 0xN", b"Content-Length: 0N", b"Content-Length: N, N",
           b"Content-Length: N,", b"Content-Length: N 0", b"Content-Length: N\r\nContent-Length: N", b"Content-Length: 0\r\nContent-Length: N",
           b"Content-Length: N\r\n 0", b"Content-Length:\r\n N", b"Content-Length: N\rX: y", b"Content-Length: N\nX: y", b"Content-Length: N\0",
           b"Content-Length: \x0bN", b"Content-Length: N\x0c", b"Content-Length: \xa0N", b"Content_Length: N", b"Content-Length\0: N",
           b"X: y\nContent-Length: N", b"X: y\rContent-Length: N", b"Content-Length", b"Content-Length:", b": N", b"Content-Length: 1e1",
           b"Content-Length: 18446744073709551616", b"Content-Length: 4294967296", b"Connection: Content-Length\r\nContent-Length: N"]
CODINGS = [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", b"transfer-encoding:\tCHUNKED ", b"Transfer-Encoding : chunked",
           b"Transfer-Encoding\t: chunked", b" Transfer-Encoding: chunked", b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunked, identity",
           b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: gzip, chunked",
           b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
           b"Transfer-Encoding: \"chunked\"", b"Transfer-Encoding: chunked;q=1", b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding: chun\r\n ked",
           b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: chunked\x0c", b"Transfer-Encoding: chunked\0", b"Transfer_Encoding: chunked",
           b"X: y\nTransfer-Encoding: chunked", b"X: y\rTransfer-Encoding: chunked", b"Transfer-Encoding:", b"Transfer-Encoding: ,chunked",
           b"Transfer-Encoding", b"Content-Encoding: chunked", b"TE: chunked", b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked",
           b"Trans\x80fer-Encoding: chunked", b"Transfer-Encoding: chunke\xe4d"]
HOSTS = [b"Host: a", b"Host: a", b"Host: a", b"host:a", b"Host: a:80", b"Host: a\r\nHost: a", b"Host: a\r\nHost: b", b"Host : a", b"Host: a b", b"Host: a, b",
         b"Host: u@a", b"Host: a/b", b"Host:", b"Host: a:", b"Host: a\r\n b", b"Host: [::1]", b"Host: a.", b"X: y", b"Host: \xe4", b"hOsT: A"]
FIRST = [b"POST / HTTP/1.1", b"POST /p?q HTTP/1.1", b"GET /g HTTP/1.1", b"PUT /u HTTP/1.1", b"POST http://a/abs HTTP/1.1", b"POST http://b/abs HTTP/1.1",
         b"POST / HTTP/1.0", b"GET / HTTP/1.0", b"HEAD /h HTTP/1.1", b"OPTIONS * HTTP/1.1", b"DELETE /d HTTP/1.1", b"POST  / HTTP/1.1", b"POST / HTTP/1.1 ",
         b"POST /\tHTTP/1.1", b"POST / HTTP/1.2", b"POST /\x80 HTTP/1.1", b"POST / HTTP/1.1\r", b"POST /a b HTTP/1.1", b"POST /", b"CONNECT a:80 HTTP/1.1",
         b"POST /\0 HTTP/1.1", b"POST a HTTP/1.1", b"TRACE /t HTTP/1.1", b"PRI * HTTP/2.0", b"POST https://a HTTP/1.1", b"POST //a/b HTTP/1.1"]
MORE = [b"Connection: close", b"Connection: keep-alive", b"Expect: 100-continue", b"Upgrade: websocket\r\nConnection: upgrade", b"X: \xff\tb", b"X:", b"X y",
        b"X: a\r\n b", b"X: a\nb: c", b"X: a\rb: c", b"Upgrade: h2c\r\nConnection: upgrade, http2-settings\r\nHTTP2-Settings: AA", b"Trailer: X",
        b"X-Request-ID: forged", b"X_Request_ID: forged", b"Connection: X-Request-ID", b"Connection: host", b"X-Token: forged"]
#: %s: the data, %x: its size.
CHUNKS = [b"%x\r\n%s\r\n", b"%x\r\n%s\r\n", b"%X\r\n%s\r\n", b"000%x\r\n%s\r\n", b"%x;a=b\r\n%s\r\n", b"%x;a=\"b\r\n%s\r\n", b"%x ;a\r\n%s\r\n", b"%x \r\n%s\r\n",
          b" %x\r\n%s\r\n", b"0x%x\r\n%s\r\n", b"+%x\r\n%s\r\n", b"-%x\r\n%s\r\n", b"%x\n%s\r\n", b"%x\r%s\r\n", b"%x\r\n%s\n", b"%x\r\n%s", b"%x\r\n%s\r", b"%x;\n%s\r\n",
          b"%x;a\nb\r\n%s\r\n", b"%x;a\rb\r\n%s\r\n", b"%x\r\r\n%s\r\n", b"%x\t\r\n%s\r\n", b"%x_0\r\n%s\r\n", b"%x,%x\r\n%s\r\n", b"10000000000000000%x\r\n%s\r\n",
          b"%x\r\n%s\r\n\r\n", b"%x;\0\r\n%s\r\n", b"\r\n%x\r\n%s\r\n", b"%x;" + b"e" * 300 + b"\r\n%s\r\n", b"fffffffffffffff%x\r\n%s\r\n"]
LAST = [b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\n\r\n", b"00\r\n\r\n", b"0;a\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"0\r\nContent-Length: 50\r\n\r\n", b"0\r\nX y\r\n\r\n", b"0\n\n", b"0\r\n\n",
        b"0\r\n", b"0\r\r\n", b"0\r\n\r", b"0\r\nX: y\n\r\n", b"0\r\nX: y\r\n z\r\n\r\n", b"0\r\nTransfer-Encoding: chunked\r\n\r\n", b"\r\n\r\n", b"0x\r\n\r\n", b"-0\r\n\r\n"]


def chunks_of(chance, data):
    form = chance.choice(CHUNKS)
    return form.replace(b"%x", b"%x" % len(data)).replace(b"%X", b"%X" % len(data)).replace(b"%s", data) + chance.choice(LAST)


def hostile(chance):
    """One request whose framing may say two things; what it carries looks like a request, too."""
    data = chance.choice((INNER, INNER, b"hello", b"0\r\n\r\n" + INNER, b"\r\n" + INNER, b"GET /", b"0"))
    how = chance.random()
    fields, body = [chance.choice(HOSTS)], data
    if how > 0.4:
        fields.append(chance.choice(CODINGS))
        body = chunks_of(chance, data)
    if how < 0.4 or how > 0.85:
        size = chance.choice((len(body), len(body), len(body), 0, 5, len(body) + 1, len(body) - 1))
        fields.append(chance.choice(LENGTHS).replace(b"N", b"%d" % size))
    fields += [chance.choice(MORE) for _ in range(chance.choice((0, 0, 0, 1, 2)))]
    chance.shuffle(fields)
    return b"\r\n".join([chance.choice(FIRST) if chance.random() < 0.4 else FIRST[0], *fields]) + b"\r\n\r\n" + body


def hostile_streams(n, seed=1):
    """Such requests between good ones, some of them changed by a byte or two."""
    chance = random.Random(seed)
    for _ in range(n):
        stream = b"".join(hostile(chance) if chance.random() < 0.8 else request(chance) for _ in range(chance.choice((1, 1, 2))))
        if chance.random() < 0.3:
            stream = change(chance, stream)
        yield GOOD * chance.choice((0, 1, 1)) + stream + NEXT


def all_streams(n, seed=1):
    """Of both kinds."""
    kinds = itertools.cycle((hostile_streams(n, seed), hostile_streams(n, seed + 1), streams(n, seed)))
    return (next(next(kinds)) for _ in range(n))


# The server

HEAD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([\x21\x22\x24-\x7e]{1,8192}) HTTP/1\.1\r\n"
                  rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n)+)\r\n")
SIZE = re.compile(rb"[1-9a-f][0-9a-f]{0,15}|0")
LENGTH = re.compile(rb"[0-9]{1,19}")


class Malformed(Exception):
    """What no server may get from a relay."""


class Asked:
    def __init__(self, name, method, target, token):
        self.name, self.method, self.target, self.token, self.whole = name, method, target, token, False

    def __repr__(self):
        return f"{self.name} {self.method} {self.target} {self.token} {'whole' if self.whole else 'cut'}"


class Taken:
    """One connection: its bytes, and the requests in them."""

    def __init__(self, sock):
        self.sock, self.raw, self.at, self.asked = sock, bytearray(), 0, []

    def more(self):
        data = self.sock.recv(65536)
        self.raw += data
        return bool(data)

    def to(self, mark):
        """What comes up to the mark, with it; None: the connection ends before."""
        seen = self.at
        while True:
            found = self.raw.find(mark, max(self.at, seen - len(mark)))
            if found >= 0:
                self.at, data = found + len(mark), bytes(self.raw[self.at:found + len(mark)])
                return data
            seen = len(self.raw)
            if not self.more():
                return None

    def pass_over(self, n):
        while len(self.raw) < self.at + n:
            if not self.more():
                return False
        self.at += n
        return True

    def chunks(self):
        while True:
            line = self.to(b"\r\n")
            if line is None:
                return False
            if not SIZE.fullmatch(line[:-2]):
                raise Malformed(f"a chunk of size {line!r}")
            size = int(line[:-2], 16)
            if not self.pass_over(size + 2):
                return False
            if self.raw[self.at - 2:self.at] != b"\r\n":
                raise Malformed(f"a chunk that ends with {bytes(self.raw[self.at - 2:self.at])!r}")
            if size == 0:
                return True

    def next(self):
        """The next request, or None; as far as it has come."""
        head = self.to(b"\r\n\r\n")
        if head is None:
            if len(self.raw) > self.at:
                raise Malformed(f"half a head: {bytes(self.raw[self.at:])!r}")
            return None
        match = HEAD.fullmatch(head)
        if not match:
            raise Malformed(f"a head: {head!r}")
        fields = collections.defaultdict(list)
        for line in match[3].split(b"\r\n")[:-1]:
            name, _, value = line.partition(b":")
            fields[name.lower()].append(value.strip(b" \t"))
        length, coding = fields[b"content-length"], fields[b"transfer-encoding"]
        if (len(fields[b"host"]) > 1 or len(fields[b"x-request-id"]) != 1 or len(length) + len(coding) > 1 or
                coding not in ([], [b"chunked"]) or not all(LENGTH.fullmatch(one) for one in length)):
            raise Malformed(f"fields: {head!r}")
        asked = Asked(fields[b"x-request-id"][0].decode(), match[1].decode(), match[2].decode(), b",".join(fields[b"x-token"]).decode("latin-1"))
        self.asked.append(asked)
        if fields[b"expect"]:
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        asked.whole = self.pass_over(int(length[0])) if length else not coding or self.chunks()
        return asked


def answer_to(asked):
    """With its token, and its name and target as content."""
    body = f"{asked.name} {asked.target}\n".encode()
    return (b"HTTP/1.1 200 OK\r\nX-Token: %s\r\nContent-Length: %d\r\n\r\n" % (asked.token.encode("latin-1"), len(body))
            + (b"" if asked.method == "HEAD" else body))


class Strict:
    """The server. taken: its connections, unless `forgets`; wrong: what was malformed, or one client's among another's."""

    def __init__(self, forgets=False):
        self.forgets, self.taken, self.wrong = forgets, [], []
        self.count, self.by_good, self.active = 0, 0, 0
        self.changed = threading.Condition()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.socket.accept()
            except OSError:
                return
            with self.changed:
                self.active += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        taken = Taken(sock)
        if not self.forgets:
            with self.changed:
                self.taken.append(taken)
        count = 0
        try:
            while asked := taken.next():
                if not asked.whole:
                    break
                count += 1
                sock.sendall(answer_to(asked))
                if self.forgets:
                    del taken.raw[:taken.at]
                    taken.at = 0
        except Malformed as error:
            self.wrong.append(str(error))
        except OSError:
            pass   # the relay breaks off what its client does not finish
        finally:
            sock.close()
            owners = {asked.token.split("/")[0] for asked in taken.asked}
            if len(owners) > 1 and any(owner.startswith("good") for owner in owners):
                self.wrong.append(f"requests of several clients over one connection: {taken.asked}")
            with self.changed:
                self.count += count
                self.by_good += sum(asked.token.startswith("good") for asked in taken.asked)
                self.active -= 1
                self.changed.notify_all()

    def wait_idle(self, seconds):
        with self.changed:
            assert self.changed.wait_for(lambda: self.active == 0, seconds), f"{self.active} connections do not end"

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def throw(address, stream, is_enough=lambda got: True):
    """Sends it, reads until that is enough, sends our end, and reads until the server's: what came."""
    host, port = address.rsplit(":", 1)
    got = bytearray()
    with socket.create_connection((host, int(port)), 30) as sock, contextlib.suppress(ConnectionResetError, BrokenPipeError):
        sock.sendall(stream)
        while not is_enough(got):
            data = sock.recv(65536)
            if not data:
                return bytes(got)
            got += data
        with contextlib.suppress(OSError):   # it has been reset
            sock.shutdown(socket.SHUT_WR)
        while data := sock.recv(65536):
            got += data
    return bytes(got)


# Programs

def serve():
    strict = Strict(forgets=True)
    print(strict.address, flush=True)
    sys.stdin.read()
    strict.wait_idle(60)
    print(json.dumps({"count": strict.count, "by_good": strict.by_good, "wrong": strict.wrong[:20]}))


def attack(address, seed, seconds, count):
    """Hostile streams, one connection each, from four threads; until so many requests are sent, or the time is over."""
    until, asked, connections, lock = time.monotonic() + float(seconds), 0, 0, threading.Lock()
    source = all_streams(1 << 40, int(seed))

    def work():
        nonlocal asked, connections
        while True:
            with lock:
                if asked >= int(count) or time.monotonic() > until:
                    return
                stream = next(source)
                asked += stream.count(b"HTTP/1.")
                connections += 1
            throw(address, stream)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"asked": asked, "connections": connections}))


if __name__ == "__main__":
    {"serve": serve, "attack": attack}[sys.argv[1]](*sys.argv[2:])
