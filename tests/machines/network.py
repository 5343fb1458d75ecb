"""Several machines on this one: network namespaces with cables between them, each with a /run of its own and its daemons."""

import contextlib
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "functional"))
from control import asked, relayctl  # noqa: E402
from keeper import Keeper, Revived  # noqa: E402
from netns import Netns  # noqa: E402
from origin import Origin  # noqa: E402
from peer import Peer  # noqa: E402
from relay import environment  # noqa: E402
from settings import DEADLINE, short_directory, wait_end  # noqa: E402

PREFIX = "relayd-machine"
#: What all machines have at the same place in a /run of their own, so that they can have the same files.
CONTROL, KEEPER = "/run/relayd/control.sock", "/run/relayd/keeper.sock"
TOP = f'control = "{CONTROL}"\nkeeper = "{KEEPER}"\non_term = leave\n'
ADDRESS = "10.77.0.100"   # of the service, on whichever machine has it
_numbers = itertools.count(1)


def why_no_machines():
    """What keeps this machine from being several, in words; empty if nothing does."""
    if os.geteuid() != 0:
        return "only root can make machines"
    with contextlib.ExitStack() as stack:
        try:
            one, other = (stack.enter_context(contextlib.closing(Machine(word))) for word in ("a", "b"))
            cable(one, "eth0", other, "eth0")
        except (OSError, subprocess.CalledProcessError) as error:
            return f"network namespaces and veth cannot be had here: {error}"
    return ""


def remove_stale():
    """Machines whose maker was killed before it could put them away."""
    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else ():
        found = re.fullmatch(PREFIX + r"-(\d+)-\d+-\w+", name)
        if found and not os.path.exists(f"/proc/{found[1]}"):
            end_all_in(name)


def end_all_in(name):
    """A namespace, with all that runs in it, at once."""
    inside = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False).stdout.split()
    for pid in inside:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "netns", "del", name], check=True)


class Daemon:
    """Another's daemon in the foreground, and what it says."""

    def __init__(self, machine, *words):
        self.machine, self.words = machine, words
        self.lines, self.changed = [], threading.Condition()
        self.process = subprocess.Popen([*machine.wrap, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, errors="replace", env=environment())
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()

    def said(self, pattern):
        with self.changed:
            return [line for line in self.lines if re.search(pattern, line)]

    def wait_said(self, pattern, count=1):
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.said(pattern)) >= count, DEADLINE):
                raise AssertionError(f"not said {count} times: /{pattern}/, but:\n" + "\n".join(self.lines[-40:]))

    def close(self):
        """Without farewells, which take a second; what it has started ends with its machine."""
        self.process.kill()
        self.process.wait()
        print(f"{self.words[0]} of {self.machine.word}:", *self.lines, sep="\n    ")   # pytest shows it of a test that failed


class Machine(Netns):
    """A namespace, and a folder that is /run to what is started in it."""

    def __init__(self, word):
        self.word = word
        self.name = f"{PREFIX}-{os.getpid()}-{next(_numbers)}-{word}"
        self.run_folder = short_directory()
        for folder in ("relayd", "bird"):
            (self.run_folder / folder).mkdir()
        subprocess.run(["ip", "netns", "add", self.name], check=True, stderr=subprocess.DEVNULL)
        self.wrap = ["ip", "netns", "exec", self.name, "sh", "-ec", 'mount --bind "$0" /run; exec "$@"', str(self.run_folder)]
        self.daemons = contextlib.ExitStack()
        self.relayd = self.keeper = None
        self.ip("link", "set", "lo", "up")
        # IPv6 would first look for doubles of its addresses; packets may come by another way than answers go
        self.sysctl(net__ipv6__conf__all__disable_ipv6=1, net__ipv6__conf__default__disable_ipv6=1,
                    net__ipv4__conf__all__rp_filter=0, net__ipv4__conf__default__rp_filter=0)

    @property
    def control(self):
        return str(self.run_folder / "relayd/control.sock")

    def has(self, address):
        """Whether it has this address now."""
        done = subprocess.run(["ip", "-n", self.name, "-4", "-br", "address"], capture_output=True, text=True, check=False)
        return f" {address}/" in done.stdout

    def start_relayd(self, text):
        """And its keeper."""
        self.keeper = Keeper(KEEPER, wrap=self.wrap)
        self.daemons.callback(self.keeper.finish)
        self.relayd = Revived(address="", text=TOP + text, wrap=self.wrap, ready=False)
        self.daemons.callback(self.relayd.finish)
        self.relayd.wait_notified("READY=1")

    def reload(self, text):
        self.relayd.write_conf(text=TOP + text)
        assert self.relayd.hup() == ""

    def start(self, kind, *words):
        one = kind(self, *words)
        self.daemons.callback(one.close)
        return one

    def relayctl(self, *words):
        return relayctl("-s", self.control, *words)

    def page(self, path):
        """The answer at its control socket: (status, body)."""
        status, _, body = asked(self.control, path)
        return status, body

    def vanish(self):
        """All of it at once: nothing that it runs can say farewell, for its cable is cut first."""
        self.ip("link", "set", "eth0", "down")
        end_all_in(self.name)
        self.daemons.pop_all()   # nobody asks how they have ended
        wait_end(self.relayd.process)
        self.relayd.expected_exit = self.relayd.process.returncode
        self.daemons.callback(self.relayd.finish)

    def close(self):
        try:
            self.daemons.close()
        finally:
            if os.path.exists(f"/run/netns/{self.name}"):
                end_all_in(self.name)
            shutil.rmtree(self.run_folder, ignore_errors=True)


def cable(one, interface, other, other_interface):
    """Between two machines; both ends are up."""
    subprocess.run(["ip", "link", "add", interface, "netns", one.name, "type", "veth",
                    "peer", "name", other_interface, "netns", other.name], check=True, stderr=subprocess.DEVNULL)
    one.ip("link", "set", "dev", interface, "up")
    other.ip("link", "set", "dev", other_interface, "up")


def names(machine):
    """A script of origins: each line of a client is answered by the address of the machine that it came through."""
    while line := machine.recv():
        machine.send(machine.remote.split(":")[0].encode() + b" " + line)


def through(peer, line=b"x"):
    """The address of the machine that this connection goes through."""
    peer.send(line + b"\n")
    return answered(peer, line)


def answered(peer, line):
    address, _, rest = peer.read_to(b"\n").partition(b" ")
    assert rest == line + b"\n"
    return address.decode()


class Pair:
    """Two machines with relayd in one network, with a client and the servers' machine, which has the switch."""

    def __init__(self, stack):
        self.switch, self.client, self.a, self.b = (stack.enter_context(contextlib.closing(Machine(word)))
                                                    for word in ("switch", "client", "a", "b"))
        self.switch.ip("link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        self.switch.ip("address", "add", "10.77.0.1/16", "dev", "br0")
        self.switch.ip("link", "set", "br0", "up")
        for number, machine in ((11, self.a), (12, self.b), (50, self.client)):
            cable(machine, "eth0", self.switch, machine.word)
            self.switch.ip("link", "set", "dev", machine.word, "master", "br0")
            machine.address = f"10.77.0.{number}"
            machine.ip("address", "add", f"{machine.address}/16", "dev", "eth0")
        self.origins = []
        stack.callback(self._end_origins)

    def origin(self, script, port):
        with self.switch.inside():
            self.origins.append(Origin(script, "10.77.0.1", port))
        return self.origins[-1]

    def _end_origins(self):
        for one in self.origins:
            one.stop()
        for one in self.origins:
            one.check()

    def start(self, text):
        """relayd on both, with the same file."""
        for machine in (self.a, self.b):
            machine.start_relayd(text)

    def connect(self, address, port=80, source=""):
        """A client's connection, from its machine."""
        with self.client.inside():
            return Peer(socket.create_connection((address, port), DEADLINE, (source, 0)))
