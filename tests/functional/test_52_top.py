"""relayctl top: a live screen at a terminal, and without."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

import pytest

from client import connect
from control import RELAYCTL, relayctl
from origin import echo, silent
from relay import environment
from settings import DEADLINE, until

pyte = pytest.importorskip("pyte")


def tell_size(fd, columns, lines):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


class Terminal:
    """relayctl top at a terminal of this size."""

    def __init__(self, at, *words, columns=100, lines=24, **env):
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            tell_size(0, columns, lines)   # before it starts: it cannot miss it
            os.execve(RELAYCTL, ["relayctl", "-s", at, "top", *words],
                      environment(**{"TERM": "linux", "LC_ALL": "C.UTF-8", **env}))

    def resize(self, columns, lines):
        self.screen.resize(lines, columns)
        tell_size(self.fd, columns, lines)

    def text(self):
        while select.select([self.fd], [], [], 0)[0]:
            try:
                self.stream.feed(os.read(self.fd, 65536))
            except OSError:
                break
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait(self, pattern):
        return until(lambda: re.search(pattern, self.text()), f"/{pattern}/ on the screen:\n{self.text()}")

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def end(self):
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            self.text()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        raise AssertionError("it does not end")


@pytest.fixture
def terminal():
    started = []

    def start(*arguments, **options):
        started.append(Terminal(*arguments, **options))
        return started[-1]
    yield start
    for one in started:
        try:
            os.kill(one.pid, 9)
            os.waitpid(one.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


def test_printed(relay, origin, at):
    one = relay(origin(echo), control=at)
    with connect(one.address) as client:
        assert client.send(b"hello").read(5) == b"hello"
        text = relayctl("-s", at, "top", "-b", "connections")
        assert "1 of " in text and "127.0.0.1:" in text and "app/a" in text and "relay" in text
        assert relayctl("-s", at, "top", "-b", "-n", "2", "servers").count("UPSTREAM/SERVER") == 2
        assert re.search(r"127\.0\.0\.1 +1 ", relayctl("-s", at, "top", "-b", "clients"))
        assert "takes connections" in relayctl("-s", at, "top", "-b", "events")
    assert "top begins with" in relayctl("-s", at, "top", "nonsense", status=64)
    assert "needs a terminal" in relayctl("-s", at, "top", status=64)
    assert "no relayd answers" in relayctl("-s", at + "x", "top", "-b", status=69)


def test_tabs_help_details_and_quit(relay, origin, at, terminal):
    one = relay(origin(silent), control=at)
    with connect(one.address):
        top = terminal(at)
        top.wait(r"app/a .* up ")
        top.press("2")
        top.wait(r"app/a +relay")
        top.press("\r")
        top.wait(r"client's socket +127\.0\.0\.1:\d+ -> ")
        top.wait(r"round trip")
        top.press("\r")
        top.wait("PHASE")
        top.press("?")
        top.wait("kill the tagged connections")
        top.press("4")
        top.wait("takes connections")
        top.press("\\takes\r")
        top.wait("only: takes")
        top.press("\\\x1b")
        top.wait("takes connections")
        top.press("\\zzz\r")
        top.wait('No row has "zzz"')
        top.press("q")
        assert top.end() == 0


def test_details_are_live(relay, origin, at, terminal):
    one = relay(origin(echo), control=at)
    with connect(one.address) as client:
        top = terminal(at, "connections", columns=80)
        top.wait("app/a")
        top.press("\r")
        top.wait("carried +0 bytes up")
        assert client.send(b"hello").read(5) == b"hello"
        top.wait("carried +5 bytes up, 5 bytes down")
        top.wait(r"end +not decided")
    top.wait("It has ended")
    top.press("q")
    top.wait("no connection at the moment")
    top.press("q")
    assert top.end() == 0


def test_drain_and_block(relay, origin, at, terminal):
    one = relay(origin(silent), control=at)
    top = terminal(at, columns=80)
    top.wait("app/a")
    top.press("b")
    top.wait("b blocks the client of the row")
    top.press("D")
    top.wait("Drain app/a")
    top.press("n")
    top.wait("Nothing was done")
    with connect(one.address):
        top.press("3")
        top.wait(r"127\.0\.0\.1 +1 ")
        top.press("D")
        top.wait("D drains the server of the row")
        top.press("b")
        top.wait(r"Block 127\.0\.0\.1 for how long\? 1h")
        top.press("\x1b")
        top.wait("Nothing was done")
        top.press("b")
        top.wait("for how long")
        top.press("\r")
        top.wait(r"127\.0\.0\.1.*(is|are) (blocked|refused)")
        assert "127.0.0.1" in relayctl("-s", at, "blocks")
    with connect(one.address) as refused:
        refused.read_end()
    top.wait(r"(?m)^ *127\.0\.0\.1 .* 1$")                # REFUSED
    top.press("1D")
    top.wait("Drain app/a")
    top.press("y")
    top.wait(r"(?m)^app/a.*drain|draining")
    assert " draining " in relayctl("-s", at, "servers")
    top.press("q")
    assert top.end() == 0


def test_wide_screens_show_retransmits_and_the_keeper(relay, origin, at, terminal):
    one = relay(origin(silent), control=at)
    with connect(one.address):
        top = terminal(at, "connections", columns=160)
        top.wait("RETRANS HELD")
        top.wait(r"app/a .* 0 bytes +0 -")
        top.press("q")
        assert top.end() == 0


def test_tags_search_sort_and_interval(relay, origin, at, terminal):
    """Two of three are searched, tagged and killed; who is not goes on. A search is for what was typed last alone."""
    one = relay(origin(silent), control=at)
    with connect(one.address) as first, connect(one.address) as second, connect(one.address) as third:
        top = terminal(at, "connections")
        for client in (first, second, third):
            top.wait(re.escape(client.name))
        for client in (first, third):
            top.press(f"/{client.name}\r")
            top.press(" ")
        top.press("/nobody\r")
        top.wait("No row has this")
        for keys in ("<", ">", "I", "d0.2\r"):
            top.press(keys)
        top.press("k")
        top.wait("Reset 2 connections")
        top.press("y")
        assert {first.read_end()[1], third.read_end()[1]} == {"reset"}
        top.wait("2 connections are killed")
        assert second.is_silent(0.2)
        top.press(" ")
        top.press(" ")
        top.press("q")
        assert top.end() == 0


def test_kill_asks(relay, origin, at, terminal):
    one = relay(origin(silent), control=at)
    with connect(one.address) as client:
        top = terminal(at, "connections")
        top.wait("app/a")
        top.press("k")
        top.wait("Reset 1 connection")
        top.press("n")
        top.wait("Nothing was done")
        assert client.is_silent(0.2)
        top.press("k")
        top.wait("Reset 1 connection")
        top.press("y")
        assert client.read_end()[1] == "reset"
        top.wait("1 connection is killed")
        top.wait("no connection at the moment")
        top.press("k")
        top.wait("kills the selected connection")
        top.press("\x03")
        assert top.end() == 0


@pytest.mark.parametrize("size", [(80, 24), (40, 8), (10, 3), (1, 1)])
@pytest.mark.parametrize("env", [{}, {"TERM": "vt100", "NO_COLOR": "1", "LC_ALL": "C"}])
def test_any_size_and_terminal(relay, origin, at, terminal, size, env):
    relay(origin(echo), control=at)
    top = terminal(at, columns=size[0], lines=size[1], **env)
    until(lambda: not termios.tcgetattr(top.fd)[3] & termios.ECHO, "it hears of sizes: ncurses has the terminal")
    until(lambda: "r" in top.text() or size == (1, 1), "something")
    if size[0] == 80:
        assert all(len(line) <= 80 for line in top.text().splitlines())
        top.wait(r"app/a .* up ")
        assert not env or top.text().isascii()
    for columns, lines in ((120, 40), (5, 5), (80, 24)):
        top.resize(columns, lines)
    top.wait("app/a")
    top.press("q")
    assert top.end() == 0


def test_relayd_goes_and_comes_back(relay, origin, at, terminal):
    server = origin(echo)
    one = relay(server, control=at)
    top = terminal(at)
    top.wait("app/a")
    one.finish()
    top.wait("relayd does not answer")
    relay(server, control=at)
    top.wait("relayd [0-9.]+  up")
    top.press("q")
    assert top.end() == 0
