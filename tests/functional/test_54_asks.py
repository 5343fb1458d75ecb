"""Who asks for a reload and how that is answered: relayd --reload, a plain HUP, and namespaces between them."""

import ctypes
import os
import signal
import socket
import subprocess

import pytest

from client import connect
from origin import http
from relay import command, environment, once
from settings import DEADLINE, secs, until

MAGIC = 0x72656C64


class Value(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("pointer", ctypes.c_void_p)]


class Asker:
    """Says by itself what relayd --reload says."""

    def __init__(self, number):
        self.token = number << 32 | MAGIC
        self.ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.ear.bind(f"\0relayd-reload-{self.token:x}")
        self.ear.settimeout(DEADLINE)

    def ask(self, pid):
        libc = ctypes.CDLL(None)
        libc.sigqueue.argtypes = [ctypes.c_int, ctypes.c_int, Value]
        assert libc.sigqueue(pid, signal.SIGHUP, Value(pointer=self.token)) == 0

    def hears(self):
        return self.ear.recv(2000)


@pytest.fixture
def askers():
    made = [Asker(0x12345), Asker(0x6789A)]
    yield made
    for asker in made:
        asker.ear.close()


def test_a_question_that_is_asked_again_is_done_once(relay, origin, askers):
    one = relay(origin(http))
    for asker in askers:
        asker.ask(one.pid)
        assert (asker.hears(), asker.hears()) == (b"h", b"y")
        asker.ask(one.pid)   # as if it had not heard in time
        assert asker.hears() == b"h"
    askers[0].ask(one.pid)
    assert askers[0].hears() == b"h"
    one.write_conf(one.server, workers=0)
    again = Asker(0xBCDEF)
    again.ask(one.pid)
    assert again.hears() == b"h"
    assert again.hears().startswith(b"n" + str(one.file).encode())
    again.ear.close()
    assert len(one.wait_log("Reloaded ", count=2)) == 2


def test_a_plain_hup_is_another_one_each_time(relay, origin):
    one = relay(origin(http))
    libc = ctypes.CDLL(None)
    libc.sigqueue.argtypes = [ctypes.c_int, ctypes.c_int, Value]
    for count, value in enumerate((None, 0, 1, 1, MAGIC, MAGIC), 1):
        if value is None:
            one.signal(signal.SIGHUP)
        else:
            libc.sigqueue(one.pid, signal.SIGHUP, Value(pointer=value))
        one.wait_log("Reloaded ", count)
    assert connect(one).get().status == 200


def test_nobody_need_hear_the_answer(relay, origin):
    asker = Asker(0x54321)
    asker.ear.close()
    one = relay(origin(http))
    asker.ask(one.pid)
    one.wait_log("Reloaded ")
    assert connect(one).get().status == 200


def say_as_nobody(name, word):
    child = os.fork()
    if child == 0:
        try:
            os.setresuid(65534, 65534, 65534)
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(word, "\0" + name)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_an_answer_from_another_user_is_not_believed(relay, origin):
    """The names of abstract sockets can be read by everybody."""
    def names():
        with open("/proc/net/unix", encoding="ascii", errors="replace") as lines:
            return {line.split()[-1][1:] for line in lines if "@relayd-reload-" in line}
    one = relay(origin(http))
    one.write_conf(one.server, workers=0)
    before = names()
    one.signal(signal.SIGSTOP)
    with subprocess.Popen(command("--reload", one.pid), stderr=subprocess.DEVNULL, env=environment()) as asker:
        for name in until(lambda: names() - before, "it listens"):
            say_as_nobody(name, b"y")
        one.signal(signal.SIGCONT)
        assert asker.wait(DEADLINE) == 78


@pytest.mark.parametrize("space", ["pid", "net"])
def test_a_namespace_in_between(relay, origin, space):
    """From outside of its PID namespace a HUP comes from process 0: that is nobody to be signalled. In another network
    namespace nothing can be answered, but to root, who goes there; others are told so at once."""
    wrap = ["unshare", f"--{space}", "--fork"]
    if subprocess.run([*wrap, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("namespaces cannot be had here")
    if space == "net":
        one = relay(origin(http))
        done = once("--reload", one.pid, wrap=["unshare", "--net"])
        assert (done.returncode, done.stderr) == (0, "")
        done = once("--reload", one.pid, wrap=["unshare", "--user", "--map-root-user", "--net"])
        assert done.returncode == 69
        assert "is in another network namespace and cannot answer" in done.stderr
    else:
        one = relay(origin(http), wrap=[*wrap, "--kill-child"])
        with open(f"/proc/{one.pid}/task/{one.pid}/children", encoding="ascii") as children:
            one.pid = int(children.read())
        done = once("--reload", one.pid)
        assert (done.returncode, done.stderr) == (0, "")
        one.write_conf(one.server, workers=0)
        assert once("--reload", one.pid).returncode == 78
        one.write_conf(one.server)
        assert once("--reload", one.pid).returncode == 0
    one.wait_log("Reloaded ", 2, secs(10))
    assert connect(one).get().status == 200
    assert one.log.count("Reloaded ") == 2
