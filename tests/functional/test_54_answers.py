"""relayctl, when what answers at the socket is no relayd, or one that lies: it says so, it ends, and nothing that was answered
reaches the terminal as it is."""

import contextlib
import itertools
import json
import socket
import threading

import pytest

from control import relayctl

STATUS = {"version": "x", "since": 1, "live": 0, "max": 1, "rate": 1.0, "up_rate": 1, "down_rate": 1, "keeper": "off", "near": [], "failures": [],
          "listeners": [], "upstreams": [], "adopting": False}
SECRET = "\x1b]52;c;eA==\x07"   # a terminal would take this for an order
LARGE = 2 ** 63 - 1


class Liar:
    """Answers each page of `pages` with its bytes, or what a function returns; others with 404. None: nothing, ever."""

    def __init__(self, path):
        self.path, self.pages, self.asked = path, {}, []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def set(self, page, value):
        self.pages[page] = value if value is None or callable(value) or isinstance(value, bytes) else json.dumps(value).encode()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.server.accept()
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client):
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(65536)
            target = head.split()[1].decode()
            self.asked.append(target)
            answer = self.pages.get(target.partition("?")[0], b"")
            if answer is None:
                while client.recv(1):
                    pass
                return
            if callable(answer):
                answer = answer()
            client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            for piece in answer if not isinstance(answer, bytes) else [answer]:
                client.sendall(piece)

    def stop(self):
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()


@pytest.fixture
def liar(short_path):
    one = Liar(str(short_path / "liar.sock"))
    yield one
    one.stop()


def test_an_empty_answer(liar):
    assert "the answer is empty" in relayctl("-s", liar.path, "blocks", status=69)


def test_a_line_that_does_not_end(liar):
    def lines():
        yield b'{"message": "first"}\n'
        while True:
            yield b"x" * 65536
    for page in "/tail", "/events":
        liar.set(page, lines)
        said = relayctl("-s", liar.path, page[1:], status=1)
        assert "answers with a line that does not end" in said and "first" in said


def test_silence(liar):
    """Where a stream should begin."""
    liar.set("/events", None)
    assert "it does not answer in 10 s" in relayctl("-s", liar.path, "events", status=69)


def test_a_long_filter_is_not_cut(liar):
    """A shorter one would mean other connections."""
    liar.set("/kill", {"done": "1 connection was ended"})
    name = "CN=" + "\N{LATIN SMALL LETTER E WITH ACUTE}" * 400
    relayctl("-s", liar.path, "kill", f"tls_client={name}", "client=192.0.2.45", "--yes")
    assert len(liar.asked[0]) > 2400 and liar.asked[0].endswith("&client=192.0.2.45")


def test_nothing_is_an_order_to_the_terminal(liar):
    liar.set("/status", {**STATUS, "keeper": SECRET, "near": [SECRET], "listeners": [{"name": SECRET, "addresses": [SECRET]}],
                         "upstreams": [{"name": SECRET, "balance": SECRET}]})
    liar.set("/servers", [{"upstream": SECRET, "server": SECRET, "address": SECRET, "state": SECRET, "reason": SECRET}])
    liar.set("/connections", [{"client": SECRET, "phase": SECRET, "tls_client": SECRET}])
    liar.set("/blocks", {"error": SECRET})
    liar.set("/reload", {"good": True, "lines": [SECRET]})
    liar.set("/tail", json.dumps({"client": SECRET, "message": SECRET}).encode() + b"\n" + SECRET.encode() + b"\n")
    liar.set("/events", json.dumps({"level": "warning", "message": SECRET}).encode() + b"\n" + SECRET.encode() + b"\n")
    for command, status in (("status", 0), ("servers", 0), ("connections", 0), ("blocks", 1), ("reload", 0), ("tail", 69), ("events", 69), ("top -b", 0)):
        said = relayctl("-s", liar.path, *command.split(), status=status)
        assert "\x1b" not in said and "\x07" not in said and r"\x1b]52" in said, (command, said)


def test_what_is_no_text(liar):
    liar.set("/ready", {"ready": False, "reasons": [None, 1, {}]})
    assert "(null)" not in relayctl("-s", liar.path, "ready", status=1)


def test_numbers_that_cannot_be(liar):
    rates = itertools.cycle([1, -1e308, 1e308])
    liar.set("/status", lambda: json.dumps({**STATUS, "since": -LARGE, "rate": next(rates), "up_rate": 1e308, "down_rate": 1e308}).encode())
    liar.set("/servers", [{"upstream": "app", "server": "a", "live": LARGE, "since": -LARGE, "connect_p50_us": -LARGE, "ordered": {"since": -LARGE}}] * 2)
    liar.set("/connections", [{"id": LARGE, "age_us": -LARGE, "up": -LARGE, "down": LARGE}] * 2)
    liar.set("/drain", {"done": "app/a is drained"})
    assert "app/a" in relayctl("-s", liar.path, "top", "-b", "-n", 3)
    assert "9007199254740992" in relayctl("-s", liar.path, "servers")
    assert "app/a still has" in relayctl("-s", liar.path, "drain", "app/a", "--wait", "--timeout", "1s", status=1)


def test_more_than_the_list(liar):
    for answer in b"[{}]x", b"[]" + b"\x1b[2J", b"[", b"[{}":
        liar.set("/connections", answer)
        assert "so it is no relayd" in relayctl("-s", liar.path, "--json", "connections", status=69)


def test_another_kind_of_answer(liar):
    for page in "/connections", "/blocks", "/explain", "/servers", "/certificates.json", "/status":
        liar.set(page, {"a": 1})
    for command in "connections", "--json connections", "blocks", "explain 192.0.2.1", "servers", "certificates", "status":
        assert "the answer is not what this relayctl knows" in relayctl("-s", liar.path, *command.split(), status=1)
