"""A box: a throw-away machine with a real systemd and journald, made by the script `box` beside this file."""

import contextlib
import ctypes
import glob
import itertools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(1, str(ROOT / "tests" / "functional"))
from settings import until  # noqa: E402

SCRIPT = Path(__file__).with_name("box")
#: How long a test waits for something that must happen.
DEADLINE = 20
CLONE_NEWNET = 0x40000000
#: The cgroup of what tests run in a box.
GROUP = "/sys/fs/cgroup/box.exec"

# What a program finds in its environment there, as the script's `enter` has it.
ENVIRONMENT = {"container": "relayd-box", "HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash", "LANG": "C.UTF-8",
               "TERM": "dumb", "SYSTEMD_PAGER": "", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}

_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)


def _enter_network(path):
    """Moves this thread to the network namespace at this path."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(fd, CLONE_NEWNET) < 0:
            raise OSError(ctypes.get_errno(), f"setns to {path}")
    finally:
        os.close(fd)


def why_no_boxes():
    """What keeps this machine from making boxes, in words; empty if nothing does."""
    done = subprocess.run([SCRIPT, "check"], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    return "" if done.returncode == 0 else done.stderr.strip()


def remove_stale():
    """Boxes whose maker was killed before it could put them away."""
    for directory in glob.glob("/run/relayd-box/relayd-*"):
        maker = directory.split("-")[-2]
        if not os.path.exists(f"/proc/{maker}"):
            Box(os.path.basename(directory)).down()


class Failed(AssertionError):
    """A command in a box that should have succeeded."""


class Box:
    """Commands run inside as root unless said otherwise. Sockets for it can be made in this process: see network()."""

    def __init__(self, name=None):
        self.name = name or f"relayd-{os.getpid()}-{next(_numbers)}"
        # The box has the host's root file system, with an empty /tmp and /run. The tree may lie elsewhere.
        self.environment = {**os.environ, "BOX_NAME": self.name, "BOX_BIND": str(ROOT)}
        self.pid = None

    def _script(self, verb, timeout=60):
        done = subprocess.run([SCRIPT, verb], capture_output=True, text=True, errors="replace", cwd="/", timeout=timeout,
                              env=self.environment, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise Failed(f"box {verb}: exit status {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        return done.stdout

    def _inside(self, command):
        """What the script's `exec` does, for tests that do it a thousand times: without bash."""
        return (["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self.host_path(f"{GROUP}/cgroup.procs")),
                 "nsenter", "-t", str(self.pid), "-a", "--wdns=/", *map(str, command)], ENVIRONMENT)

    def _in_network(self, command):
        """And its `net`."""
        return ["nsenter", "-t", str(self.pid), "-n", *map(str, command)], self.environment

    @staticmethod
    def _run(words, environment, check=True, input=None, timeout=60):
        given = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", cwd="/", timeout=timeout,
                              env=environment, check=False, **given)
        if check and done.returncode != 0:
            raise Failed(f"{' '.join(words)}: exit status {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        return done

    @staticmethod
    def _start(words, environment, **options):
        return subprocess.Popen(words, cwd="/", env=environment, **{"stdin": subprocess.DEVNULL, **options})

    # Its life

    def up(self):
        self._script("up", timeout=180)
        self.pid = int(self._script("status"))
        self.host_path(GROUP).mkdir(exist_ok=True)
        return self

    def down(self):
        self._script("down")
        self.pid = None

    # What happens in it

    def run(self, *command, **options):
        """Runs a command to its end (options: check, input, timeout); returns its CompletedProcess, of text."""
        return self._run(*self._inside(command), **options)

    def net(self, *command, **options):
        """The same with the host's files, in the box's network."""
        return self._run(*self._in_network(command), **options)

    def spawn(self, *command, **options):
        """Starts a command; returns its Popen. What it starts ends with the box at the latest."""
        return self._start(*self._inside(command), **options)

    def spawn_net(self, *command, **options):
        """The same with the host's files, in the box's network. The Popen is the command's own: signals reach it."""
        return self._start(*self._in_network(command), **options)

    @contextlib.contextmanager
    def network(self):
        """In the block this thread is in the box's network: a socket made here stays there for its life, as does a
        thread. Threads are otherwise this process's own, so scripts of clients and servers can be here."""
        own = f"/proc/self/task/{threading.get_native_id()}/ns/net"
        back = os.open(own, os.O_RDONLY | os.O_CLOEXEC)
        _enter_network(f"/proc/{self.pid}/ns/net")
        try:
            yield
        finally:
            _enter_network(f"/proc/self/fd/{back}")
            os.close(back)

    def host_path(self, path):
        """Where a file of the box is from outside."""
        return Path(f"/proc/{self.pid}/root{path}")

    def write(self, path, text):
        file = self.host_path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    # Its journal

    def journal(self, *arguments):
        """The records that journalctl finds with these arguments, as dicts of strings."""
        self.run("journalctl", "--sync")
        listing = self.run("journalctl", "--quiet", "--no-pager", "--output=json", "--all", *arguments).stdout
        return [json.loads(line) for line in listing.splitlines()]

    def save_journal(self, path):
        """Keeps the whole journal, with all fields, as text for journalctl's import, which grep reads as well."""
        self.run("journalctl", "--sync", check=False)
        done = self.run("journalctl", "--no-pager", "--output=export", check=False)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(done.stdout, encoding="utf-8")

    # Waiting

    def wait(self, condition, what, timeout=DEADLINE):
        """Waits for a state that has no event of its own; returns what the condition returned."""
        return until(condition, what, timeout, pause=0.1)
