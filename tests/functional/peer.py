"""One end of a connection, a client's or an origin's, with the verbs that tests need."""

import errno
import socket
import struct
import threading
import time

from settings import DEADLINE

EOF, RESET = "eof", "reset"


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return f"<{self.status} {self.headers} {len(self.body)} bytes>"


class Peer:
    """A connected socket. Every wait has a deadline; what was read too far is kept for the next read."""

    def __init__(self, sock, was_reset=False, remote=None):
        self.sock = sock
        self.was_reset = was_reset
        self.pending = b""
        sock.settimeout(DEADLINE)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.name = self._written(sock.getsockname())
        self.remote = remote and self._written(remote)  # what accept said: a socket that was closed cannot be asked

    def _written(self, address):
        """As relayd writes it."""
        if self.sock.family == socket.AF_INET:
            return "%s:%d" % address[:2]
        if self.sock.family == socket.AF_INET6:
            return "[%s]:%d" % address[:2]
        return "unix"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Writing

    def send(self, data):
        try:
            self.sock.sendall(data)
        except ConnectionResetError:
            self.was_reset = True   # the kernel tells of a reset once
            raise
        return self

    def shut(self):
        """The end of our data; reading goes on."""
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def close(self):
        self.sock.close()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def send_until_blocked(self, chunk=b"\xa5" * 65536, quiet=0.3):
        """Sends until nobody takes any more for `quiet` seconds; returns how many bytes the kernel took."""
        total = 0
        self.sock.settimeout(quiet)
        try:
            while True:
                total += self.sock.send(chunk)
        except TimeoutError:
            return total
        finally:
            self.sock.settimeout(DEADLINE)

    # Reading

    def recv(self, size=65536):
        """What comes next, b"" for the end."""
        if self.pending:
            data, self.pending = self.pending[:size], self.pending[size:]
            return data
        try:
            data = self.sock.recv(size)
        except OSError:
            if not self.was_reset:
                raise
            data = b""
        if not data and self.was_reset:
            raise ConnectionResetError("reset, as connect or send was told")
        return data

    def read(self, size):
        """Exactly so many bytes."""
        parts, have = [], 0
        while have < size:
            data = self.recv(min(size - have, MAX_READ))
            if not data:
                raise AssertionError(f"ended after {have} of {size} bytes")
            parts.append(data)
            have += len(data)
        return b"".join(parts)

    def read_to(self, mark):
        """Up to and including the mark."""
        data = b""
        while mark not in data:
            more = self.recv()
            if not more:
                raise AssertionError(f"ended before {mark!r}, after {data!r}")
            data += more
        end = data.index(mark) + len(mark)
        self.pending = data[end:] + self.pending
        return data[:end]

    def read_end(self):
        """All that is still to come, and how it ended: EOF or RESET."""
        parts = []
        while True:
            try:
                data = self.recv(MAX_READ)
            except ConnectionResetError:
                return b"".join(parts), RESET
            if not data:
                return b"".join(parts), EOF
            parts.append(data)

    def ending(self):
        """How it ends; what still comes is dropped."""
        return self.read_end()[1]

    def is_silent(self, seconds):
        """Nothing comes, and it does not end either, for so long."""
        if self.pending:
            return False
        self.sock.settimeout(seconds)
        try:
            self.sock.recv(1, socket.MSG_PEEK)
            return False
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(DEADLINE)

    # HTTP

    def read_head(self):
        lines = self.read_to(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            if line:
                name, value = line.split(":", 1)
                headers[name.strip().lower()] = value.strip()
        return lines[0], headers

    def read_response(self):
        first, headers = self.read_head()
        assert first.startswith("HTTP/1.1 "), first
        if "content-length" in headers:
            body = self.read(int(headers["content-length"]))
        else:
            body, how = self.read_end()
            assert how == EOF
        return Response(int(first.split()[1]), headers, body)

    def get(self, path="/"):
        return self.send(request(path)).read_response()

    def read_request(self):
        """The next request's method, path, headers and body; None at the end."""
        if not self.pending:
            self.pending = self.sock.recv(65536)
            if not self.pending:
                return None
        first, headers = self.read_head()
        method, path, _ = first.split()
        body = self.read(int(headers.get("content-length", 0)))
        return method, path, headers, body


MAX_READ = 1 << 20


class Uploader(threading.Thread):
    """Sends on one thread while the test reads on another: a chunk again and again until told to stop or stopped."""

    def __init__(self, peer, chunk=b"u" * 16384, pause=0.0):
        super().__init__(daemon=True)
        self.peer, self.chunk, self.pause = peer, chunk, pause
        self.stopping = threading.Event()
        self.error = None
        self.sent = 0
        self.start()

    def run(self):
        try:
            while not self.stopping.is_set():
                self.sent += self.peer.sock.send(self.chunk)
                if self.pause:
                    self.stopping.wait(self.pause)
        except OSError as error:
            self.error = error

    def stop(self):
        self.stopping.set()
        self.join()

    @property
    def saw_reset(self):
        """The kernel tells of a reset once; EPIPE would mean that an end came first."""
        return self.error is not None and self.error.errno == errno.ECONNRESET


def ending_while_uploading(peer, **how):
    """Uploads without end and reads to the end; what was read, and how the connection ended as its user can know it."""
    uploader = Uploader(peer, **how)
    data, end = peer.read_end()
    if end == EOF:
        # The reset may have been told to the uploader instead.
        uploader.join(0.5)
        if uploader.saw_reset:
            end = RESET
    uploader.stop()
    return data, end


def request(path="/", body=b"", method=None, **headers):
    lines = [f"{method or ('POST' if body else 'GET')} {path} HTTP/1.1", "Host: relay.test"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def response(body=b"", status="200 OK", **headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def elapsed(action):
    """What the action returned, and the seconds that it took."""
    began = time.monotonic()
    value = action()
    return value, time.monotonic() - began
