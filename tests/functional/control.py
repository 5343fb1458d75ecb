"""Asks at the control socket: by relayctl, and by hand."""

import contextlib
import json
import os
import queue
import re
import signal
import socket
import subprocess
import threading

from relay import environment
from settings import DEADLINE, RELAYD

RELAYCTL = os.path.join(os.path.dirname(RELAYD), "relayctl")


def relayctl(*arguments, status=0):
    """What it prints; with its complaints, if it is to fail."""
    done = subprocess.run([RELAYCTL, *map(str, arguments)], capture_output=True, text=True, check=False,
                          env=environment(), timeout=DEADLINE)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 else done.stdout + done.stderr


def dialled(at):
    """A socket that is connected to a unix socket's path, or to (host, port)."""
    client = socket.socket(socket.AF_UNIX if isinstance(at, str) else socket.AF_INET6 if ":" in at[0] else socket.AF_INET)
    client.settimeout(DEADLINE)
    client.connect(at)
    return client


def asked(at, page, method="GET", fields="", host="relayd"):
    """(status, headers, body) of the answer, by hand."""
    with dialled(at) as client:
        answer = b""
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):   # it does not read all of a request that is too long
            client.sendall(f"{method} {page} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n".encode())
        with contextlib.suppress(ConnectionResetError):
            while piece := client.recv(65536):
                answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode(), body.decode()


def queued(at, upstream="app"):
    """How many connections to an upstream wait for a worker."""
    _, _, page = asked(at, "/metrics")
    return int(re.search(rf'^relayd_upstream_queued_connections{{upstream="{upstream}"}} ([0-9]+)$', page, re.M)[1])


def phases(at):
    """Of the connections of mode http, where each stands."""
    return [row["phase"] for row in json.loads(relayctl("-s", at, "--json", "connections"))]


def requests(at):
    """Those that are under way, but for those in the queue or being dialled for."""
    return [row["request"] for row in json.loads(relayctl("-s", at, "--json", "connections")) if row["request"]]


class Following:
    """relayctl tail or events, which goes on; its lines as they come."""

    def __init__(self, at, *words):
        self.process = subprocess.Popen([RELAYCTL, "-s", at, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env=environment())
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def line(self):
        return self.lines.get(timeout=DEADLINE)

    def record(self):
        return json.loads(self.line())

    def interrupt(self):
        """At Ctrl-C: its exit status, and what it said on stderr."""
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def end(self):
        _, said = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, said
