"""HTTP/1.1 read strictly on either side of a relay in mode http: a server that the test scripts and that keeps all it got,
and a client's view of answers."""

import re
import threading

from relay import quoted
from settings import free_port, until

CLOSE, RESET = "close", "reset"


class Asked:
    """One request as a server got it."""

    def __init__(self, first, fields, connection, number):
        self.method, self.target, self.version = first.split(" ")
        self.fields = fields
        self.connection, self.number = connection, number   # both count from 0; the number is that on its connection
        self.body, self.chunks = b"", None                  # chunks: the sizes of its chunks, or None
        self.whole = False                                  # its body has come

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def __getitem__(self, name):
        """The value of the only field of that name, or None."""
        found = self.all(name)
        assert len(found) <= 1, (name, self.fields)
        return found[0] if found else None

    def __repr__(self):
        return f"<{self.method} {self.target} {self.fields} {len(self.body)} bytes>"


def unescaped(value):
    """What a field has, without the escapes that the log to stderr has."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), value)


class Answer:
    """One answer as a client got it."""

    def __init__(self, first, fields):
        self.version, self.status = first.split(" ", 2)[0], int(first.split(" ", 2)[1])
        self.reason = first.split(" ", 2)[2]
        self.fields = fields
        self.body, self.chunks, self.until_end = b"", None, False

    all, __getitem__ = Asked.all, Asked.__getitem__

    def __repr__(self):
        return f"<{self.status} {self.fields} {self.body[:100]!r}>"


def read_head(peer):
    """First line and fields; not a byte of it may be a bare CR or LF."""
    text = peer.read_to(b"\r\n\r\n")[:-4].decode("latin-1")
    lines = text.split("\r\n")
    assert not set("\r\n\0") & set("".join(lines)), text
    fields = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        assert colon and name and name == name.strip(), line
        fields.append((name, value.strip()))
    return lines[0], fields


def read_chunks(peer):
    """A body in chunks and the size of each of them; no extensions, no trailers."""
    body, sizes = [], []
    while True:
        line = peer.read_to(b"\r\n")[:-2]
        size = int(line, 16)
        assert line and b"%x" % size == line, line   # nothing else is there
        if size:
            body.append(peer.read(size))
            sizes.append(size)
        assert peer.read(2) == b"\r\n"
        if not size:
            return b"".join(body), sizes


def length_of(message):
    """By its one Content-Length, or None; never beside chunks."""
    length, coding = message["Content-Length"], message["Transfer-Encoding"]
    assert coding in (None, "chunked") and (length is None or coding is None), message
    return None if length is None else int(length)


def read_asked(peer, connection, number, body=True):
    """The next request; None at the end between two."""
    if not peer.pending:
        peer.pending = peer.recv()
        if not peer.pending:
            return None
    asked = Asked(*read_head(peer), connection, number)
    return read_asked_body(peer, asked) if body else asked


def read_asked_body(peer, asked):
    length = length_of(asked)
    if length is not None:
        asked.body = peer.read(length)
    elif asked["Transfer-Encoding"]:
        asked.body, asked.chunks = read_chunks(peer)
    asked.whole = True
    return asked


def read_answer(peer, method="GET"):
    """The next answer, 1xx included. One until the end of the connection: the end must be in order."""
    answer = Answer(*read_head(peer))
    assert answer.version == "HTTP/1.1", answer
    length = length_of(answer)
    if method == "HEAD" or answer.status in (204, 304) or answer.status < 200:
        return answer
    if length is not None:
        answer.body = peer.read(length)
    elif answer["Transfer-Encoding"]:
        answer.body, answer.chunks = read_chunks(peer)
    else:
        answer.body, how = peer.read_end()
        assert how == "eof", how
        answer.until_end = True
    return answer


def ask(peer, data, method="GET"):
    return read_answer(peer.send(data), method)


def get(target="/", *lines, host="relay.test", method="GET", version="1.1"):
    """A request without a body; lines: more fields."""
    return "".join(f"{line}\r\n" for line in (f"{method} {target} HTTP/{version}", f"Host: {host}", *lines, "")).encode()


def post(target="/", body=b"", *lines, method="POST", **how):
    return get(target, f"Content-Length: {len(body)}", *lines, method=method, **how) + body


def chunked(body, *sizes):
    """The body in chunks of these sizes; the last one takes the rest."""
    parts, at = [], 0
    for size in (*sizes, len(body)):
        part = body[at:at + size]
        at += size
        if part:
            parts.append(b"%x\r\n%s\r\n" % (len(part), part))
    return b"".join(parts) + b"0\r\n\r\n"


def post_chunked(target="/", body=b"", *lines, sizes=(), method="POST", **how):
    return get(target, "Transfer-Encoding: chunked", *lines, method=method, **how) + chunked(body, *sizes)


def answer(body=b"", status="200 OK", *lines, version="1.1"):
    """An answer of a known length."""
    head = [f"HTTP/{version} {status}", *lines, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode() + body


def answer_chunked(body, *lines, sizes=(), status="200 OK"):
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "Transfer-Encoding: chunked", "", ""]).encode() + chunked(body, *sizes)


def head_of(status="200 OK", *lines, version="1.1"):
    """The head of an answer alone."""
    return "\r\n".join([f"HTTP/{version} {status}", *lines, "", ""]).encode()


def told(asked):
    """An answer with what was asked: the method, the target, and the body."""
    return answer(f"{asked.method} {asked.target}\n".encode() + asked.body)


class Web:
    """A server. answers(asked, peer) says what it does with each request: returns bytes to send, or (bytes, CLOSE or RESET),
    or None where it has done all itself; an end that it gives, too, is a tuple: (b"", CLOSE). With bodies=False it is called
    once the head is there, and reads the body by read_body(peer, asked) if it likes.

    What came: asked, all requests in their order; raw, the bytes of each connection; ends, how each of them ended."""

    def __init__(self, origin, answers=lambda asked, peer: told(asked), bodies=True, wrap=lambda script: script, **how):
        self.answers, self.bodies = answers, bodies
        self.asked, self.raw, self.ends = [], [], {}
        self.changed = threading.Condition()
        self.origin = origin(wrap(self._serve), **how)
        self.address = self.origin.address

    @property
    def port(self):
        return self.origin.port

    @property
    def targets(self):
        return [asked.target for asked in self.asked]

    @property
    def bytes(self):
        """All that came over all connections."""
        return b"".join(self.raw)

    @property
    def connections(self):
        return len(self.raw)

    def _tap(self, peer, raw):
        inner = peer.recv

        def recv(size=65536):
            fresh = not peer.pending
            data = inner(size)
            if fresh:
                raw.extend(data)
            return data
        peer.recv = recv

    def _serve(self, peer):
        with self.changed:
            connection = len(self.raw)
            self.raw.append(bytearray())
        self._tap(peer, self.raw[connection])
        number, how = 0, "eof"
        try:
            while self._serve_one(peer, connection, number):
                number += 1
        except (ConnectionResetError, BrokenPipeError):
            how = RESET
        except AssertionError as error:
            if not str(error).startswith("ended "):
                raise
            how = "cut"   # within a request
        finally:
            peer.close()
            with self.changed:
                self.ends[connection] = how
                self.changed.notify_all()
        return number

    def _serve_one(self, peer, connection, number):
        asked = read_asked(peer, connection, number, self.bodies)
        if asked is None:
            return False
        with self.changed:
            self.asked.append(asked)
            self.changed.notify_all()
        done = self.answers(asked, peer)
        data, then = done if isinstance(done, tuple) else (done, None)
        if data:
            peer.send(data)
        if then == RESET:
            peer.reset()
        return then is None

    read_body = staticmethod(read_asked_body)

    # Waiting

    def wait_asked(self, count):
        """The first so many requests."""
        until(lambda: len(self.asked) >= count, f"{count} requests")
        return self.asked

    def wait_end(self, connection=0):
        """How this connection ended: "eof" between requests, "cut" in one, or RESET."""
        until(lambda: connection in self.ends, f"the end of connection {connection}")
        return self.ends[connection]


def web(origin, *answers, **how):
    return Web(origin, *answers, **how)


def text_of(address, upstreams, routes=(), tls="", top="", of_upstreams="", **listener):
    """The text of a relayd.conf. upstreams: {name: server, or servers}; the first is the listener's own, unless it has an
    option upstream, or a redirect. routes: {pattern: options}. of_upstreams: more lines of each."""
    listener = {"mode": "http", **({} if "redirect" in listener else {"upstream": next(iter(upstreams))}), **listener}
    lines = [top, "listener web {", f"    address = {quoted(address)}"]
    lines += [f"    {name} = {quoted(value)}" for name, value in listener.items() if value is not None]
    for pattern, options in dict(routes).items():
        lines.append(f'    route "{pattern}" {{ ' + " ".join(f"{name} = {quoted(value)}" for name, value in options.items()) + " }")
    lines += [tls, "}"]
    for name, servers in upstreams.items():
        servers = servers if isinstance(servers, (list, tuple)) else [servers]
        lines.append(f"upstream {name} {{ {of_upstreams}")
        lines += [f"    server s{number} {{ address = \"{getattr(server, 'address', server)}\" }}"
                  for number, server in enumerate(servers)]
        lines.append("}")
    return "\n".join(lines) + "\n"


def proxy(relay, upstreams, **options):
    """A relay in mode http. upstreams: as of text_of, or one server."""
    address = f"127.0.0.1:{free_port()}"
    if not isinstance(upstreams, dict):
        upstreams = {"app": upstreams}
    return relay(address=address, text=text_of(address, upstreams, **options))
