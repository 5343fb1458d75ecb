"""Completion of relayctl's words in zsh and fish, with the names of a running relayd."""

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from control import RELAYCTL, relayctl
from origin import echo
from relay import environment
from settings import DEADLINE, until

FILES = Path(__file__).parents[2] / "packaging" / "completion"
PATH = os.path.dirname(RELAYCTL) + ":" + os.environ["PATH"]


@pytest.fixture
def at(relay, origin, short_path):
    relay(origin(echo), control=str(short_path / "control.sock"))
    return str(short_path / "control.sock")


def commands():
    return set(re.findall(r"^  ([a-z][a-z-]*)", relayctl("--help"), re.M))


def options():
    return set(re.findall(r"^ +(?:-\w, |)(--[a-z]+)", relayctl("--help"), re.M)) | set(re.findall(r", (--[a-z]+)", relayctl("--help")))


def fish(line):
    """What it offers for this line: words, without their descriptions."""
    done = subprocess.run(["fish", "--no-config", "-c", f"source {FILES}/relayctl.fish; complete -C'{line}'"], capture_output=True,
                          text=True, check=True, timeout=DEADLINE, env=environment(PATH=PATH, LC_ALL="C.UTF-8"))
    assert done.stderr == ""
    return {offer.split("\t")[0] for offer in done.stdout.splitlines()}


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish")
def test_fish(at):
    assert fish("relayctl ") == commands()
    assert fish("relayctl --json drai") == {"drain", "drain-client"}
    assert fish(f"relayctl -s {at} drain ") == fish(f"relayctl --socket {at} weight ") == {"app/a"}
    assert {"client=", "listener=web", "server=app/a", "age="} <= fish(f"relayctl -s {at} kill ")
    assert {"failed=yes", "end="} <= fish(f"relayctl -s {at} tail ")
    assert fish("relayctl top c") == {"connections", "clients"}
    assert {word for word in fish("relayctl --") if word.startswith("--")} == options()


class Zsh:
    """At a terminal: completion works nowhere else."""

    def __init__(self, directory):
        pyte = pytest.importorskip("pyte")
        self.screen = pyte.Screen(200, 30)
        self.stream = pyte.ByteStream(self.screen)
        self.pid, self.fd = pty.fork()
        fcntl.ioctl(self.fd if self.pid else 0, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 200, 0, 0))
        if self.pid == 0:
            os.execvpe("zsh", ["zsh", "-f", "-i"], environment(PATH=PATH, TERM="linux", LC_ALL="C.UTF-8"))
        self.type(f"PS1='> '; LISTMAX=1000; fpath=({FILES} $fpath); autoload -Uz compinit; compinit -u -d {directory}/dump; "
                  "PS1='ready> '; clear\n")
        self.wait("^ready>$")

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def wait(self, pattern):
        def found():
            while select.select([self.fd], [], [], 0)[0]:
                self.stream.feed(os.read(self.fd, 65536))
            return re.search(pattern, "\n".join(line.rstrip() for line in self.screen.display), re.M)
        return until(found, f"/{pattern}/ at the terminal:\n" + "\n".join(self.screen.display))

    def complete(self, line, *patterns):
        self.type(line + "\t")
        for pattern in patterns:
            self.wait(pattern)
        self.type("\x15\x0c")       # an empty line, at the top of an empty screen
        self.wait(r"\Aready>$\s*\Z")


@pytest.fixture
def zsh(short_path):
    one = Zsh(short_path)
    yield one
    os.kill(one.pid, 9)
    os.waitpid(one.pid, 0)
    os.close(one.fd)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh")
def test_zsh(at, zsh):
    zsh.complete("relayctl ", *(rf"(^| ){command}( |$)" for command in commands()))
    zsh.complete("relayctl drain-", "relayctl drain-client$")
    zsh.complete(f"relayctl -s {at} drain ", "drain app/a$")
    zsh.complete(f"relayctl --json --socket {at} weight a", "weight app/a$")
    zsh.complete(f"relayctl -s {at} kill ", "listener=web", "server=app/a", "client=", "age=")
    zsh.complete(f"relayctl -s {at} tail e", "tail end=$")
    zsh.complete("relayctl top con", "top connections$")
    zsh.complete("relayctl --", *(rf"(^| ){option}( |$)" for option in options()))
