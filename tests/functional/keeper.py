"""relayd-keeper, a relayd that can be killed and started again, and connections of which the test has both ends."""

import contextlib
import os
import random
import re
import resource
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from client import connect
from peer import EOF, Peer
from relay import SANITIZER_OPTIONS, Relay, environment, no_report
from settings import DEADLINE, LONG, RELAYD, SANITIZER, some, until, wait_end

KEEPER = str(Path(RELAYD).with_name("relayd-keeper"))
#: How often relayd is killed in one test.
KILLS = some(1000 if LONG else 20)
#: What ends a process in the way that a test wants it to, and not in the sanitizer's.
NO_HANDLERS = {name: f"{options}:handle_segv=0:handle_abort=0" for name, options in SANITIZER_OPTIONS.items()}
WAYS = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM)


def no_core():
    """Neither a file nor a program that takes it (core(5): only 1 keeps from both)."""
    resource.setrlimit(resource.RLIMIT_CORE, (1, resource.getrlimit(resource.RLIMIT_CORE)[1]))


class Keeper:
    """A running relayd-keeper. All lines of all its lives are in `lines`."""

    def __init__(self, path, prepare=None, wrap=()):
        self.path = str(path)
        self.prepare, self.wrap = prepare, list(wrap)
        self.lines = []
        self.changed = threading.Condition()
        self.spawn()

    def spawn(self):
        before = len(self.lines)
        prefix = ["setarch", "-R"] if SANITIZER else []
        self.process = subprocess.Popen(self.wrap + prefix + [KEEPER, "--socket", self.path], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(),
                                        preexec_fn=self.prepare)
        self.pid = self.process.pid
        self.reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self.reader.start()
        self.wait_log("Ready to hold", since=before)

    def _read(self, stream):
        for raw in stream:
            with self.changed:
                self.lines.append(raw.decode("utf-8", "replace").rstrip("\n"))
                self.changed.notify_all()

    def wait_log(self, pattern, timeout=None, since=0):
        deadline = time.monotonic() + (timeout or DEADLINE)
        with self.changed:
            while True:
                found = [line for line in self.lines[since:] if re.search(pattern, line)]
                if found:
                    return found[0]
                if not self.changed.wait(deadline - time.monotonic()):
                    raise AssertionError(f"the keeper did not say /{pattern}/ but:\n" + "\n".join(self.lines[-20:]))

    def kill(self):
        self.process.kill()
        wait_end(self.process)
        self.reader.join(DEADLINE)

    def again(self):
        """Another one in the place of the one that is gone."""
        self.spawn()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)
        until(lambda: self._state() == "T", "the keeper is stopped")

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def _state(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(") ", 1)[1][0]

    def links(self):
        if not SANITIZER and os.geteuid() != 0:   # prctl(2), PR_SET_DUMPABLE
            pytest.skip("only root sees what the keeper has open")
        found = []
        for number in os.listdir(f"/proc/{self.pid}/fd"):
            with contextlib.suppress(OSError):   # closed meanwhile
                found.append(os.readlink(f"/proc/{self.pid}/fd/{number}"))
        return found

    def sockets(self):
        """How many TCP sockets it holds, dead ones too."""
        # Num RefCount Protocol Flags Type St Inode Path
        with open(f"/proc/{self.pid}/net/unix", encoding="ascii", errors="replace") as table:
            lines = [line.split() for line in table.readlines()[1:]]   # one of them may be read in its making
        unix = {f"socket:[{line[6]}]" for line in lines if len(line) > 6}
        return sum(link.startswith("socket:") and link not in unix for link in self.links())

    def wait_held(self, connections, listeners=1, each=2):
        """Waits until it holds the sockets of just so many; each: how many a connection has."""
        wanted = listeners + each * connections

        def held():
            nonlocal count
            count = self.sockets()
            return count == wanted
        count = 0
        try:
            until(held, "")
        except AssertionError:
            raise AssertionError(f"the keeper holds {count} TCP sockets, not {wanted}; "
                                 f"it said: {self.lines[-20:]}") from None

    def finish(self):
        with contextlib.suppress(ProcessLookupError):
            self.thaw()
        self.process.send_signal(signal.SIGUSR1)   # at TERM it would wait for the next relayd
        try:
            code = wait_end(self.process)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        self.reader.join(DEADLINE)
        no_report("\n".join(self.lines))
        assert code in (0, -signal.SIGUSR1, -signal.SIGKILL), (code, self.lines[-20:])


def room_for(connections):
    """What prepares a keeper that has descriptors for so many, beside its own and those of listening sockets."""
    def prepare():
        resource.setrlimit(resource.RLIMIT_NOFILE, (32 + 256 + 6 * connections,) * 2)
    return prepare


@contextlib.contextmanager
def small_keeper(directory, connections):
    """One of its own for a test, and for how many connections it says that it has room."""
    keeper = Keeper(directory / "small", prepare=room_for(connections))
    try:
        yield keeper, int(re.search(r"hold (\d+)", keeper.wait_log("Ready"))[1])
    finally:
        keeper.finish()


class Revived(Relay):
    """A relayd that is killed and started again. Its log, its records and what it told are those of all its lives."""

    def __init__(self, server=None, **options):
        no_core()
        options["env"] = {**NO_HANDLERS, **options.get("env", {})}
        self.starts = []
        super().__init__(server, **options)

    def _spawn(self):
        self.born = time.monotonic()
        super()._spawn()

    def kill(self, how=signal.SIGKILL, *, at_start=False):
        """Ends it and waits for its end. With on_term = leave, TERM must do so without an error."""
        self.signal(how)
        code = self.wait_exit()
        wanted = {0, -how} if at_start else {0} if how in (signal.SIGTERM, signal.SIGINT) else {-how}
        if SANITIZER == "thread" and how == signal.SIGABRT:
            wanted.add(-signal.SIGSEGV)   # its library, where the signal comes to a thread that is just being made
        assert code in wanted, f"relayd exited {code} on {how!r}:\n{self.log[-4000:]}"

    def spawn_again(self):
        """Starts the next one; nobody waits for it."""
        self.read_notified()
        self._spawn()

    def again(self):
        """Starts the next one and waits until it is ready; returns how many seconds that took."""
        before = self._ready_so_far()
        self._spawn()
        self.wait_notified("READY=1", count=before + 1)
        return time.monotonic() - self.born

    def _ready_so_far(self):
        self.read_notified()
        return self.count_notified("READY=1")

    def crash(self, how=signal.SIGKILL):
        """Killed, and there again."""
        self.kill(how)
        return self.again()

    def wait_adopted(self, starts):
        self.wait_log("Adopted ", starts)
        return self.adopted()

    def adopted(self):
        """What each start has said of it: (adopted, lost)."""
        found = []
        for line in self.all_lines():
            match = re.match(r"Adopted (\d+) connections?", line.text)
            if match:
                lost = re.search(r"(\d+) could not be adopted", line.text)
                found.append((int(match[1]), int(lost[1]) if lost else 0))
        return found

    def warned_of_keeper(self, since=0):
        """Lines from this one on that complain of the keeper."""
        return [line for line in self.all_lines()[since:] if line.level == "warning" and "keeper" in line.text.lower()]


@contextlib.contextmanager
def seeded():
    """Chances that can be had again: $RELAYD_SEED."""
    seed = int(os.environ.get("RELAYD_SEED") or random.SystemRandom().randrange(1 << 32))
    try:
        yield random.Random(seed)
    except BaseException:
        print(f"RELAYD_SEED={seed}")
        raise


#: Deaths within a minute of which each can be laid to the connection that was just being adopted: a third one, and it is given up
#: (CONN_CRASHES in src).
BLAMELESS = 2


def storm(one, dice, kills=None, ways=WAYS, going=None, each=None, longest=0.1):
    """Kills relayd at random moments, now and then before it was ready; it is ready in the end. Goes on as long as `going`
    says, if told, and for so many kills at least. Runs each(number) before each kill."""
    kills = KILLS if kills is None else kills
    done, at_start = 0, []
    while done < kills or (going and going()):
        if each:
            each(done)
        time.sleep(dice.uniform(0, longest))
        one.kill(dice.choice(ways))
        done += 1
        while dice.random() < 0.2 and sum(when > time.monotonic() - 65 for when in at_start) < BLAMELESS:
            at_start.append(time.monotonic())
            one.spawn_again()
            time.sleep(dice.uniform(0, 0.03))
            one.kill(dice.choice(ways), at_start=True)
            done += 1
        one.again()
    return done


def main_scheduled(one):
    """For how many seconds main had a processor, and for how many it waited for one that others had."""
    with open(f"/proc/{one.pid}/task/{one.pid}/schedstat", encoding="ascii") as found:
        worked, waited, _ = found.read().split()
    return int(worked) / 1e9, int(waited) / 1e9


#: Bytes that have gone each way on a connection of a Meeting before anybody else sees it.
GREETING = 8


class Meeting:
    """A server that the test itself plays: it gets both ends of each connection."""

    def __init__(self, receive_buffer=None, path=None):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))   # two descriptors for each connection
        self.socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.bind(str(path) if path else ("127.0.0.1", 0))
        self.address = f"unix:{path}" if path else "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.socket.listen(1024)
        self.socket.settimeout(DEADLINE)
        self.count = 0
        self.opened = []

    def accept(self):
        peer = Peer(self.socket.accept()[0])
        self.opened.append(peer)
        return peer

    def pairs(self, where, count, **options):
        """So many connections: (client, server). 8 bytes have gone up and 8 down, so that each is known to be relayed."""
        clients = {}
        for _ in range(count):
            client = connect(where, **options)
            self.opened.append(client)
            self.count += 1
            name = b"%08d" % self.count
            clients[name] = client.send(name)
        found = []
        for _ in range(count):
            server = self.accept()
            name = server.read(8)
            server.send(name)
            found.append((clients[name], server))
            assert clients[name].read(8) == name
        return found

    def pair(self, where, **options):
        return self.pairs(where, 1, **options)[0]

    def stop(self):
        self.socket.close()
        for peer in self.opened:
            peer.close()


def ask(client, server, word=b"ping"):
    """Both directions work."""
    client.send(word)
    assert server.read(len(word)) == word
    server.send(word[::-1])
    assert client.read(len(word)) == word[::-1]


def farewell(client, server):
    """The client ends, then the server."""
    client.shut()
    assert server.read_end() == (b"", EOF)
    server.shut()
    assert client.read_end() == (b"", EOF)
