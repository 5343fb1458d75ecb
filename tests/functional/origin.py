"""A scripted origin: each connection is given to a function that does what servers do, well or badly."""

import queue
import socket
import subprocess
import threading

from peer import Peer, response
from settings import DEADLINE


class Origin:
    """Listens at once; runs script(peer) on a thread of its own for each connection and keeps what it returned."""

    def __init__(self, script, host="127.0.0.1", port=0, path=None, receive_buffer=None):
        self.script = script
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(str(path))
            self.address = f"unix:{path}"
        else:
            self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if receive_buffer:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.socket.bind((host, port))
            self.port = self.socket.getsockname()[1]
            self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.socket.listen(1024)
        self.results = queue.Queue()
        self.failures = []
        self.lock = threading.Lock()
        self.accepted = self.active = self.most_active = 0
        self.peers = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, remote = self.socket.accept()
            except OSError:
                return
            peer = Peer(sock, remote=remote)
            with self.lock:
                self.accepted += 1
                self.active += 1
                self.most_active = max(self.most_active, self.active)
                self.peers.append(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        try:
            outcome = self.script(peer)
        except OSError as error:
            outcome = error
        except Exception as error:  # an assertion in a script fails the test, see check()
            self.failures.append(error)
            outcome = error
        with self.lock:
            self.active -= 1
        peer.close()
        self.results.put(outcome)

    def result(self, timeout=None):
        """What the next script to end has returned; its error is raised here."""
        outcome = self.results.get(timeout=timeout or DEADLINE)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def stop(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
        for peer in list(self.peers):
            try:
                peer.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def check(self):
        for failure in self.failures:
            raise AssertionError(f"the origin's script failed: {failure!r}") from failure


class FullOrigin:
    """A server that does not answer: it listens, but its backlog is full, so that the kernel drops every SYN."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(0)
        self.port = self.socket.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.filler = socket.create_connection(("127.0.0.1", self.port))
        # Whether it is really full is tried, not assumed.
        with socket.socket() as probe:
            probe.settimeout(0.05)
            assert probe.connect_ex(("127.0.0.1", self.port)) != 0

    def dials(self):
        """How many connections are being dialled to it now (state SYN_SENT)."""
        found = subprocess.run(["ss", "-Htn", "state", "syn-sent", f"( dport = :{self.port} )"], check=True,
                               capture_output=True)
        return len(found.stdout.splitlines())

    def stop(self):
        self.filler.close()
        self.socket.close()


# Scripts

def echo(peer):
    """Sends back what it gets, ends when the client ends; returns how many bytes."""
    total = 0
    while True:
        data = peer.recv()
        if not data:
            return total
        total += len(data)
        peer.send(data)


def http(peer):
    """A keep-alive HTTP server: /bytes/N answers with N bytes, anything else with the request's path and body."""
    count = 0
    while True:
        asked = peer.read_request()
        if asked is None:
            return count
        method, path, headers, body = asked
        if path.startswith("/bytes/"):
            peer.send(response(pattern(int(path[7:]))))
        else:
            peer.send(response(path.encode() + b"\n" + body, Content_Type="text/plain"))
        count += 1
        if headers.get("connection") == "close":
            return count


def silent(peer):
    """Reads and never answers; returns what it read and how the connection ended."""
    return peer.read_end()


def flood(peer):
    """Sends until it fails; returns the error's number."""
    try:
        while True:
            peer.sock.sendall(b"f" * 65536)
    except OSError as error:
        return error.errno


def sends(data):
    """A script that sends the data and closes at once."""
    def script(peer):
        peer.send(data)
    return script


_PATTERN = bytes((i * 131 + (i >> 8) * 17 + (i >> 16) * 29) & 0xff for i in range(1 << 18))


def pattern(size):
    """So many bytes that differ from place to place."""
    return (_PATTERN * (size // len(_PATTERN) + 1))[:size]
