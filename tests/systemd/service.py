"""relayd as a service in a box: its unit, its clients, what systemd and the journal say of it."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from box import DEADLINE, ROOT, Failed

import client
from origin import Origin, http
from relay import config

BUILD = Path(os.environ.get("RELAYD_BUILD", ROOT / "build"))
UNIT = "relayd.service"
#: What relayd.service brings with it, and does not take with it when it stops.
KEEPER = "relayd-keeper.service"
KEEPER_SOCKET = "relayd-keeper.socket"
ADDRESS = "127.0.0.1:8080"
FREEZER = Path(__file__).with_name("ptrace.py")
DROP_IN = f"/run/systemd/system/{UNIT}.d/test.conf"
#: In every test, a system call that the units do not allow ends the process, where it fails for the units as they are: so
#: each test shows that it takes no other. But for one that both try and can do without, base/thread.c.
STRICT_DROP_INS = [f"/run/systemd/system/{unit}.d/strict.conf" for unit in (UNIT, KEEPER)]
STRICT = "[Service]\nSystemCallErrorNumber=\nSystemCallFilter=sched_setscheduler\n"


def sections(listeners, upstreams, **options):
    """The text of a relayd.conf: {listener: (address, upstream)}, {upstream: server's address}, global options."""
    text = "".join(f"{name} = {value}\n" for name, value in options.items())
    for name, (address, upstream) in listeners.items():
        text += f'listener {name} {{\n    address = "{address}"\n    upstream = {upstream}\n}}\n'
    for name, server in upstreams.items():
        text += f'upstream {name} {{\n    server a {{ address = "{server}" }}\n}}\n'
    return text


class Service:
    """One box has one; a test finds it stopped, with an empty history. `origin` serves HTTP in the box's network."""

    def __init__(self, box):
        self.box = box
        self.stack = contextlib.ExitStack()
        self.origins = []
        self.since = f"--since=@{time.time():.6f}"  # as an argument of journalctl: what was logged in this test
        self.origin = None

    # Around a test

    def install(self):
        """As a user does who builds it."""
        self.box.run("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet")
        self.box.run("systemctl", "daemon-reload")

    def stop_all(self):
        """Connections of one test are not adopted in the next."""
        self.systemctl("stop", "relayd.socket", UNIT, KEEPER_SOCKET, KEEPER, check=False)

    def begin(self):
        self.stop_all()
        self.box.run("rm", "-rf", os.path.dirname(DROP_IN), "/etc/relayd.conf")
        for path in STRICT_DROP_INS:
            self.box.write(path, STRICT)
        self.systemctl("daemon-reload")
        self.systemctl("reset-failed", check=False)
        self.forget()
        self.origin = self.add_origin(http)

    def forget(self):
        """What has been logged until now is of no test."""
        self.since = f"--since=@{time.time():.6f}"

    def end(self):
        self.kill("KILL", check=False)  # a failed test's clients may still be there: no drain
        self.stop_all()
        self.stack.close()
        for one in self.origins:
            one.stop()
        killed = self.forbidden_calls()
        assert not killed, killed
        for one in self.origins:
            one.check()

    def forbidden_calls(self):
        """What systemd says of processes that made a system call which their unit does not allow."""
        told = self.box.journal(self.since, "_PID=1")
        return [one["MESSAGE"] for one in told if "status=31/SYS" in one["MESSAGE"]]

    def add_origin(self, script, **options):
        """A scripted origin in the box's network."""
        with self.box.network():
            self.origins.append(Origin(script, **options))
        return self.origins[-1]

    # Its configuration

    def conf(self, origin=None, address=ADDRESS, **options):
        """The text of a relayd.conf with one listener, web, and one server."""
        return config(address, (origin or self.origin).address, **options)

    def write_conf(self, text):
        self.box.write("/etc/relayd.conf", text)

    def drop_in(self, *lines):
        """Settings for [Service] beside the unit's own, until the end of the test."""
        self.box.write(DROP_IN, "[Service]\n" + "".join(f"{line}\n" for line in lines))
        self.systemctl("daemon-reload")

    def write_unit(self, name, text):
        """A unit of the test's own, until its end."""
        self.box.write(f"/run/systemd/system/{name}", text)
        self.systemctl("daemon-reload")
        self.stack.callback(self._remove_unit, name)

    def _remove_unit(self, name):
        self.systemctl("stop", name, check=False)
        self.box.run("rm", "-rf", f"/run/systemd/system/{name}", f"/run/systemd/system/{name}.d")
        self.systemctl("daemon-reload")

    def be_as_installed(self):
        """The units without what tests add to them."""
        self.box.run("rm", *STRICT_DROP_INS)
        self.systemctl("daemon-reload")

    # Its life

    def systemctl(self, *words, check=True, timeout=60):
        return self.box.run("systemctl", "--no-pager", *words, check=check, timeout=timeout)

    def start(self, text=None):
        """Writes relayd.conf and starts the service, which has ended its start when this returns."""
        self.write_conf(self.conf() if text is None else text)
        try:
            self.systemctl("start", UNIT)
        except Failed as failed:
            raise Failed(f"{failed}\n{self.status()}") from None

    def status(self):
        return self.systemctl("status", "--lines=30", UNIT, check=False).stdout

    def show(self, name, unit=UNIT):
        """One property of a unit, as text."""
        return self.systemctl("show", "--value", "--property", name, unit).stdout.strip()

    @property
    def program(self):
        """Where relayd is installed."""
        return re.search(r"path=(\S+)", self.show("ExecStart"))[1]

    @property
    def pid(self):
        """Of the daemon, in the box."""
        return int(self.show("MainPID"))

    @property
    def keeper_pid(self):
        """Of the keeper, in the box; 0 if there is none."""
        return int(self.show("MainPID", KEEPER))

    def held(self):
        """How many connections the keeper holds, by its sockets: two for each, one for each listener. (Pipes it keeps for
        the next.)"""
        proc = self.box.host_path(f"/proc/{self.keeper_pid}")
        tables = (proc / "net/unix", self.box.host_path("/proc/1/net/unix"))   # its own network, and that of who made some
        unix = {f"socket:[{line.split()[6]}]" for table in tables for line in table.read_text("utf-8").splitlines()[1:]}
        links = [os.readlink(path) for path in (proc / "fd").iterdir()]
        return sum(link.startswith("socket:") and link not in unix for link in links) // 2

    def wait_held(self, count):
        self.box.wait(lambda: self.held() == count, f"the keeper holds {count} connections")

    def wait_show(self, name, wanted, unit=UNIT, timeout=DEADLINE):
        """Waits until the property has the value, or until wanted(value)."""
        test = wanted if callable(wanted) else lambda value: value == wanted
        return self.box.wait(lambda: test(self.show(name, unit)), f"{unit}: {name} is {wanted}", timeout)

    def wait_restarted(self, old_pid, timeout=DEADLINE):
        """Waits until another process has become ready; returns its pid."""
        def other():
            state = self.systemctl("show", "-p", "MainPID", "-p", "SubState", UNIT).stdout
            pid = int(re.search(r"MainPID=(\d+)", state)[1])
            return pid if pid not in (0, old_pid) and "SubState=running" in state else None
        return self.box.wait(other, "another process is running", timeout)

    def kill(self, signal, check=True):
        self.systemctl("kill", "--kill-whom=main", f"--signal={signal}", UNIT, check=check)

    # Its clients

    def connect(self, address=ADDRESS):
        """A client in the box's network (a Peer), of an address as relayd.conf spells it."""
        if address.startswith("unix:"):
            return client.connect(f"unix:{self.box.host_path(address[5:])}")
        with self.box.network():
            return client.connect(address)

    def get(self, path="/", address=ADDRESS):
        """One request on a connection of its own: the response."""
        with self.connect(address) as peer:
            return peer.get(path)

    def refuses(self, address=ADDRESS):
        """Nobody listens there."""
        try:
            self.connect(address).close()
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        return False

    def curl(self, url=f"http://{ADDRESS}/", *options, check=True):
        return self.box.net("curl", "-sS", "-m", DEADLINE, *options, url, check=check)

    # What the journal has of this test

    def journal(self, *matches):
        """What journalctl -u relayd finds of it."""
        return self.box.journal(self.since, "--unit=relayd", *matches)

    def wait_journal(self, *matches, count=1, timeout=DEADLINE):
        """The records, once there are so many."""
        def find():
            found = self.journal(*matches)
            return found if len(found) >= count else None
        return self.box.wait(find, f"{count} records of {' '.join(matches)}", timeout)

    def messages(self, *matches):
        return [record["MESSAGE"] for record in self.journal(*matches)]

    def last_words(self, *matches):
        """Messages of a process that ends with them. journald looks up the unit of a process when it reads what the
        process wrote: it may be gone by then."""
        found = self.box.journal(self.since, "SYSLOG_IDENTIFIER=relayd", *matches)
        return [record["MESSAGE"] for record in found]


def message_id(name):
    """The MESSAGE_ID of a row of src/base/messages.def, as a match of journalctl."""
    table = (ROOT / "src" / "base" / "messages.def").read_text(encoding="utf-8")
    return "MESSAGE_ID=" + re.search(rf'^MESSAGE\({name}, \w+, "([0-9a-f]{{32}})"', table, re.M)[1]


def message_kinds():
    """name -> (id, subject) of every row of src/base/messages.def."""
    table = (ROOT / "src" / "base" / "messages.def").read_text(encoding="utf-8")
    rows = re.findall(r'^MESSAGE\((\w+), \w+, "([0-9a-f]{32})",\s*"([^"]*)"', table, re.M)
    return {name: (identity, subject) for name, identity, subject in rows}


def listening(address):
    """A socket that listens there: in this thread's network."""
    host, port = address.rsplit(":", 1)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, int(port)))
    sock.listen(16)
    return sock


def program(name):
    """The path of a program, without symbolic links."""
    return os.path.realpath(shutil.which(name))


@contextlib.contextmanager
def frozen(relayd, *names):
    """In the block the daemon's threads of these names stand still, at least one."""
    freezer = relayd.box.spawn("/usr/bin/python3", "-c", FREEZER.read_text(encoding="utf-8"), relayd.pid, *names,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        word, count = freezer.stdout.readline().split()
        assert word == "frozen" and int(count) > 0
        yield int(count)
    finally:
        freezer.stdin.close()
        freezer.stdout.close()
        assert freezer.wait(20) == 0
