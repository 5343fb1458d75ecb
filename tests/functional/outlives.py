"""Connections that outlive relayd, whatever it is at when it dies: it is killed where the test says (base/kill_points.def) or from
outside, and started again, any number of times. Both ends are the test's own, plain or with TLS, and check every byte."""

import contextlib
import functools
import mmap
import os
import random
import re
import signal
import socket
import ssl
import struct
import threading

import pytest

import libssl
from client import connect
from keeper import GREETING, Keeper, Meeting, Revived
from peer import EOF, RESET
from relay import once
from settings import DEADLINE, LONG, REPO, free_port, secs, until
from streams import Flow
from tls import CUT

SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
          "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305")
#: Who speaks TLS.
SIDES = ("client", "server", "both")
UP, DOWN = "up", "down"

#: A request that is under way when relayd dies does not outlive it yet: it is reset, and its client asks anew.
REQUESTS_OUTLIVE = True


VERSIONS = {"1.3": ssl.TLSVersion.TLSv1_3, "1.2": ssl.TLSVersion.TLSv1_2}


def version_of(suite):
    return "1.3" if suite.startswith("TLS_") else "1.2"


# Kill points


@functools.cache
def has_kill_points():
    return "kill points" in once("--version").stdout


def needs_kill_points():
    """At the head of a file, or of a test: skipped with a relayd that was built without."""
    return pytest.mark.skipif(not has_kill_points(), reason="needs a relayd built with -Dkill_points=true, as those of the sanitizers")


def kill_points():
    """The rows of the table: {word: whether each direction has it}."""
    rows = re.findall(r'^KILL\(\w+, "([a-z-]+)", (BOTH|ONE), ', (REPO / "src/base/kill_points.def").read_text(), re.M)
    return {word: ways == "BOTH" for word, ways in rows}


# Nonces


class Nonces:
    """The file in which all lives of relayd note what they have sealed and sent (base/nonce_watch.h)."""

    MAGIC, HEAD, SLOT = 0x45434E4F4E594C52, 64, 16

    def __init__(self, folder, slots=1 << (22 if LONG else 18)):
        self.path = folder / "nonces"
        with open(self.path, "wb") as file:
            file.write(struct.pack("=QI", self.MAGIC, slots))
            file.truncate(self.HEAD + slots * self.SLOT)

    def read(self):
        """(how many records have left, how many of these once more the same, how many nonces twice, how many were not watched)"""
        with open(self.path, "rb") as file, mmap.mmap(file.fileno(), self.HEAD, prot=mmap.PROT_READ) as head:
            doubled, full, _, left, again = struct.unpack_from("=IIIQQ", head, 12)
        return left, again, doubled, full

    def check(self):
        left, _, doubled, full = self.read()
        assert (doubled, full) == (0, 0), f"{doubled} nonces sealed two plaintexts, {full} records had no room in the file"
        return left


# Both ends of a connection


def until_moved(done, count, what):
    """As until; however long it takes, as long as more has come."""
    while not done():
        before = count()
        until(lambda: done() or count() != before, what, 2 * DEADLINE)

CLOSED = 7   # tcpi_state, TCP_CLOSE


class Line:
    """One end, plain or with TLS. One thread may read while another one sends: libssl is never at work for both, and nobody
    holds its lock while the socket blocks."""

    def __init__(self, peer, context=None, *, server_side=False, name=None):
        self.peer, self.tls = peer, None
        self.ended = False   # the socket, by this end
        self.lock, self.sends = threading.Lock(), threading.Lock()
        self.updates = 0
        if context:
            self.coming, self.going = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.tls = context.wrap_bio(self.coming, self.going, server_side=server_side, server_hostname=name)
            self._shake()
        peer.sock.settimeout(None)

    @property
    def name(self):
        return self.peer.name

    def _shake(self):
        while True:
            try:
                self.tls.do_handshake()
                return self.peer.send(self.going.read())
            except ssl.SSLWantReadError:
                self.peer.send(self.going.read())
                self._hear()

    def _recv(self, size):
        """A socket reports its reset once: another thread that sends may have been told of it."""
        data = self.peer.recv(size)
        if not data and not self.ended and self.peer.sock.family != socket.AF_UNIX and \
                self.peer.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == CLOSED:
            raise ConnectionResetError("it was reset, and a sender knows it")
        return data

    def _hear(self):
        sealed = self._recv(1 << 16)
        if not sealed:
            raise EOFError(CUT)
        with self.lock:
            self.coming.write(sealed)

    def recv(self, size=1 << 16):
        """b"" is an end in order; EOFError one without close_notify."""
        if self.tls is None:
            return self._recv(size)
        while True:
            with self.lock, contextlib.suppress(ssl.SSLWantReadError):
                try:
                    return self.tls.read(size)
                except ssl.SSLZeroReturnError:
                    return b""
            self._hear()

    def _send_by(self, work):
        """What libssl makes of it goes out in its order."""
        with self.sends:
            with self.lock:
                work()
                sealed = self.going.read()
            self.peer.send(sealed)

    def send(self, data):
        if self.tls is None:
            self.peer.send(data)
        else:
            self._send_by(lambda: self.tls.write(data))

    def send_but(self, data, rest):
        """With TLS: all but the last bytes of the last record, which are returned."""
        with self.sends:
            with self.lock:
                self.tls.write(data)
                sealed = self.going.read()
            self.peer.send(sealed[:-rest])
        return sealed[-rest:]

    def send_urgently(self, data):
        """The last byte is TCP's urgent data."""
        def send(sealed):
            self.peer.send(sealed[:-1])
            self.peer.sock.send(sealed[-1:], socket.MSG_OOB)
        if self.tls is None:
            send(data)
        else:
            with self.sends:
                with self.lock:
                    self.tls.write(data)
                    sealed = self.going.read()
                send(sealed)

    def update_key(self, data, asked=False):
        """A KeyUpdate, and data that has the next key."""
        def work():
            libssl.update_key(self.tls, asked)
            self.tls.write(data)
        self._send_by(work)

    def shut(self, fin=True):
        """The end of our data, in order; fin: of the socket, too."""
        if self.tls is not None:
            self._send_by(lambda: libssl.end(self.tls))
        if fin or self.tls is None:
            self._end()

    def _end(self):
        self.ended = True
        self.peer.shut()

    def cut(self):
        """With TLS: the end of the socket, and nothing said."""
        assert self.tls is not None
        self._end()

    def close(self):
        """Whoever is blocked on it wakes."""
        with contextlib.suppress(OSError):
            self.peer.sock.shutdown(socket.SHUT_RDWR)
        self.peer.close()


#: How many bytes are sent at a time, at most, and how long nothing is sent then, in seconds.
MESSAGES, BULK, MIXED = ((1, 300), 0.003), ((30000, 65536), 0.03), ((1, 40000), 0.005)


def stand_back():
    """This thread has what others leave of the processors: there are other tests, and a relayd that is to start."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


class End:
    """A client or a server: one thread sends what its flow says, another one reads and checks. `how` it was ended by the
    other is EOF, RESET or CUT."""

    def __init__(self, line, out, into):
        self.line, self.out, self.into = line, out, into
        self.other = self.how = self.failure = self.send_error = None
        self.told = None   # how it has ended itself: "shut", "cut" or "reset"
        self.dice = random.Random(out.start)
        self.stopping = threading.Event()
        self.resting = None   # at what count it stops sending by itself
        self.owes = []        # KeyUpdates, to be sent before the next data
        self.urgent = False   # sends some bytes as TCP's urgent data
        self.reads = threading.Event()
        self.reads.set()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.sender = None

    def start(self, pace=MIXED, sends=True, most=None):
        """most: so many bytes, then nothing."""
        self.pace, self.resting = pace, most
        self.reader.start()
        if sends:
            self.sender = threading.Thread(target=self._send, daemon=True)
            self.sender.start()

    def _read(self):
        stand_back()
        try:
            while True:
                data = self.line.recv()
                if not self.reads.is_set():
                    self.reads.wait()
                if not data:
                    break
                self.failure = self.failure or self.into.wrong(data)
                self.into.received += len(data)
            self.how = EOF
        except ConnectionResetError:
            self.how = RESET
        except EOFError:
            self.how = CUT
        except Exception as error:   # pylint: disable=broad-except
            self.how = repr(error)

    def _send(self):
        stand_back()
        (least, most), pause = self.pace
        try:
            while not self.stopping.is_set():
                size = self.dice.randint(least, most)
                if self.resting is not None:
                    size = min(size, self.resting - self.out.sent)
                    if size == 0:
                        return
                data = self.out.content(self.out.sent, size)
                self.out.sent += len(data)   # before: nobody may have got what was not sent
                if self.owes:
                    self.line.update_key(data, self.owes.pop())
                elif self.urgent and self.dice.random() < 0.3:
                    self.line.send_urgently(data)
                else:
                    self.line.send(data)
                if pause:
                    self.stopping.wait(self.dice.uniform(0, 2 * pause))
        except OSError as error:
            self.send_error = repr(error)

    def send_but(self, size, rest):
        """Nobody else sends: a record, but for its last bytes, which send_rest sends."""
        self.torn = self.line.send_but(self.out.content(self.out.sent, size), rest)
        self.torn_size = size

    def send_rest(self):
        self.out.sent += self.torn_size
        self.line.peer.send(self.torn)

    def wait_received(self):
        until_moved(lambda: self.into.received >= self.into.sent or self.how, lambda: self.into.received, f"all bytes arrive: {self}")

    def stop(self):
        """Sends no more; what it was just sending is sent."""
        self.stopping.set()
        if self.sender is not None:
            until_moved(lambda: not self.sender.is_alive(), lambda: self.out.received, f"the rest of its data is sent: {self}")

    def rest(self):
        """Likewise, and it has arrived: nothing of it is in anybody's way."""
        self.stop()
        self.other.wait_received()

    def update_key(self, asked=False):
        """Soon."""
        self.owes.append(asked)

    def shut(self, fin=True):
        self.stop()
        self.told = self.told or "shut"
        with contextlib.suppress(OSError):   # the other end may have reset
            self.line.shut(fin)

    def cut(self):
        self.stop()
        self.told = "cut"
        with contextlib.suppress(OSError):
            self.line.cut()

    def reset(self):
        self.told = "reset"
        self.stopping.set()
        self.line.peer.reset()

    def wait_end(self):
        self.reads.set()
        self.reader.join(2 * DEADLINE)
        assert self.how is not None, f"{self} waits for an end in vain"

    def check(self):
        """It saw what the other end did: all of it, or the part that a reset has left."""
        if self.told == "reset":
            return
        assert self.failure is None, f"{self}: {self.failure}"
        whole = self.how == EOF and self.into.received == self.into.sent
        if self.other.told == "shut":
            assert whole, str(self)
        else:
            assert self.how == RESET or (whole and self.other.told == "reset"), str(self)

    def __str__(self):
        return (f"{self.line.name}: ended with {self.how} after {self.into.received} of {self.into.sent} bytes; has sent "
                f"{self.out.sent}, {self.send_error}; the ends did: {self.told}, {self.other.told}")


class Stream:
    """A connection, and which of its sides speak TLS with which suite."""

    def __init__(self, number, kind, client, server):
        self.kind = kind
        ways = Flow(2 * number), Flow(2 * number + 1)
        self.client, self.server = End(client, *ways), End(server, *reversed(ways))
        self.client.other, self.server.other = self.server, self.client
        self.ends = self.client, self.server

    def __str__(self):
        return f"TLS {'-'.join(self.kind)}; {self.client}; {self.server}"

    def start(self, pace=MIXED, up=True, down=True, most=None):
        """Both ends read; up and down say who sends."""
        self.client.start(pace, up, most)
        self.server.start(pace, down, most)

    def end(self, side):
        return self.client if side == UP else self.server

    def speaks(self, direction):
        """Whether the sink of this direction speaks TLS."""
        return self.kind[0] in ("both", "server" if direction == UP else "client")

    def wait_moved(self):
        """In both directions, so far as somebody sends."""
        for end in self.ends:
            if end.sender is not None and end.sender.is_alive():
                before = end.out.received
                until(lambda e=end, n=before: e.out.received > n or e.other.how, f"{self} moves", 2 * DEADLINE)

    def finish(self):
        """Both send no more, everything arrives, and then the client ends, and the server."""
        for end in self.ends:
            end.reads.set()
        for end in self.ends:
            end.rest()
        self.client.shut()
        self.server.wait_end()
        self.server.shut()
        self.client.wait_end()
        self.check()

    def check(self):
        for end in self.ends:
            try:
                end.check()
            except AssertionError as error:
                raise AssertionError(f"TLS {'-'.join(self.kind)}: {error}") from None

    def totals(self):
        """What the record says: (bytes up, bytes down)."""
        return GREETING + self.client.out.sent, GREETING + self.server.out.sent


def kinds(sides=SIDES, suites=SUITES):
    return [(side, suite) for side in sides for suite in suites]


# relayd


class Lives:
    """A relayd with a keeper, with a listener and an upstream for each kind of connection: ("client" | "server" | "both" |
    "plain", suite). Its connections, over all its lives."""

    def __init__(self, site, folder, wanted, options="", listener="half_close = true", unix=False, **how):
        self.site, self.kinds, self.unix = site, list(wanted), unix
        self.keeper = Keeper(folder / "keeper")
        self.nonces = Nonces(folder) if has_kill_points() else None
        self.doors = {kind: Meeting(path=folder / f"app{number}" if unix else None, **how) for number, kind in enumerate(self.kinds)}
        self.addresses = {kind: f"127.0.0.1:{free_port()}" for kind in self.kinds}
        self.streams, self.died = [], []
        self.contexts = {}
        text = f'keeper = "{self.keeper.path}"\non_term = leave\n{options}\n'
        for number, (sides, suite) in enumerate(self.kinds):
            kind = (sides, suite)
            here = site.section(ciphers=suite) if sides in ("client", "both") else ""
            there = f'    tls {{ ca = "{site.ca}" name = "127.0.0.1" }}\n' if sides in ("server", "both") else ""
            text += (f'listener web{number} {{\n    address = "{self.addresses[kind]}"\n    upstream = app{number}\n'
                     f'    {listener}\n{here}}}\nupstream app{number} {{\n{there}    server a {{ address = "{self.doors[kind].address}" }}\n}}\n')
        environment = {"RELAYD_NONCES": str(self.nonces.path)} if self.nonces else {}
        self.one = Revived(text=text, address=next(iter(self.addresses.values())), env=environment)

    def client_context(self, kind):
        """One for each version; relayd's listener has one suite of that."""
        sides, suite = kind
        if sides not in ("client", "both"):
            return None
        version = VERSIONS[version_of(suite)]
        if version not in self.contexts:
            self.contexts[version] = self.site.context(least=version, most=version)
        return self.contexts[version]

    def server_context(self, kind):
        """One that takes just this suite; None: it is plain."""
        sides, suite = kind
        if sides not in ("server", "both"):
            return None
        if kind not in self.contexts:
            version = VERSIONS[version_of(suite)]
            context = self.site.server_context(minimum_version=version, maximum_version=version)
            if version_of(suite) == "1.3":
                libssl.set_suites(context, suite)
            else:
                context.set_ciphers(suite)
            self.contexts[kind] = context
        return self.contexts[kind]

    def open(self, kind, receive_buffer=None, server_context=None):
        """A connection over which 8 bytes have gone each way."""
        accepted = []

        def accept():
            accepted.append(Line(self.doors[kind].accept(), server_context or self.server_context(kind), server_side=True))
        waits = threading.Thread(target=accept, daemon=True)
        waits.start()
        client = Line(connect(self.addresses[kind], receive_buffer=receive_buffer), self.client_context(kind), name="site.test")
        name = b"%08d" % len(self.streams)
        client.send(name)
        waits.join(2 * DEADLINE)
        server, = accepted
        got = b""
        while len(got) < GREETING:
            got += server.recv(GREETING - len(got))
        server.send(got)
        back = b""
        while len(back) < GREETING:
            back += client.recv(GREETING - len(back))
        assert got == back == name
        for line in (client, server):
            if line.tls is not None:
                assert line.tls.cipher()[0] == kind[1], (kind, line.tls.cipher())
        stream = Stream(len(self.streams), kind, client, server)
        self.streams.append(stream)
        return stream

    def open_all(self, each=1, pace=MIXED, **how):
        """Of each kind so many, at work."""
        opened = [self.open(kind) for kind in self.kinds for _ in range(each)]
        self.wait_held()
        for stream in opened:
            stream.start(pace, **how)
        return opened

    def wait_held(self):
        self.keeper.wait_held(len(self.streams), listeners=len(self.kinds), each=1 if self.unix else 2)

    # Its lives

    def arm(self, at=None, short=None):
        """What the next life dies at, and how many bytes of a step it sends at a time."""
        for name, value in (("RELAYD_KILL_AT", at), ("RELAYD_SHORT_SENDS", short)):
            self.one.env.pop(name, None)
            if value:
                self.one.env[name] = str(value)

    def end_life(self, how=signal.SIGKILL):
        """Of a life that does not end by itself."""
        self.one.kill(how)

    def begin_life(self, at=None, short=None):
        """Nobody waits until it is ready: it may die before."""
        self.arm(at, short)
        self.one.spawn_again()

    def wait_death(self, at):
        """Of itself, where it was told to."""
        try:
            code = self.one.wait_exit(secs(20))
        except AssertionError:
            log = "".join(line for line in self.one.log.splitlines(True) if " notice Listener " not in line)
            raise AssertionError(f"relayd does not come to {at}; {self.streams[-1]}; its log:\n{self.complaints(self.streams[-1])}\n"
                                 f"{log[-4000:]}") from None
        assert code == -signal.SIGKILL, f"relayd exited {code} on its way to {at}:\n{self.one.log[-4000:]}"
        self.died.append(at)

    def die_at(self, *points, short=None):
        """A life for each, one after the other; then none."""
        for at in points:
            self.begin_life(at, short)
            self.wait_death(at)

    def live(self):
        """The next one, which dies at nothing."""
        self.arm()
        return self.one.again()

    def move(self):
        for stream in self.streams:
            stream.wait_moved()

    def finish(self):
        """In a life that dies at nothing: all ends in order, all bytes have come, and relayd knows how many."""
        for stream in self.streams:
            if all(end.told is None for end in stream.ends):
                with self.explained(stream):
                    stream.finish()
        self.check_records()
        self.check_adopted()

    def check(self, streams):
        """Those that have ended."""
        for stream in streams:
            if any(end.told for end in stream.ends):
                with self.explained(stream):
                    stream.check()

    @contextlib.contextmanager
    def explained(self, stream):
        try:
            yield
        except AssertionError as error:
            raise AssertionError(f"{error}; died at {self.died}; its log:\n{self.complaints(stream)}") from None

    def complaints(self, stream):
        """What relayd has said of a connection that did not go on, or of it."""
        lines = [line.text for line in self.one.all_lines()]
        return "\n".join(text for text in lines if "not be adopted" in text or stream.client.line.name in text)

    def check_records(self):
        """Those that ended in this life, at least; the lines of others may be lost."""
        def name(stream):   # two clients of two listeners may have one port
            return f"web{self.kinds.index(stream.kind)}", stream.client.line.name

        def records():
            return [((record.listener, record.client), (record.bytes_up, record.bytes_down)) for record in self.one.records()]

        wanted = {name(stream): stream.totals() for stream in self.streams if all(end.told == "shut" for end in stream.ends)}
        if not self.died:
            until(lambda: len(records()) == len(self.streams), "a record of each")
        until(lambda: wanted.keys() <= dict(records()).keys() or self.died, "the records")
        found = records()   # one look: more of them may come
        for who, totals in found:
            assert totals == wanted.get(who, totals), f"{who}: {totals} in the record, not {wanted[who]}; died at {self.died}"
        assert len(found) == len(dict(found)), f"two records of one: {sorted(found)}"

    def check_adopted(self):
        assert {lost for _, lost in self.one.adopted()} <= {0}, self.one.adopted()

    def close(self):
        """After the test."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.keeper.finish)
            for door in self.doors.values():
                stack.callback(door.stop)
            if self.nonces:
                stack.callback(self.nonces.check)
            stack.callback(self.one.finish)
            self.arm()
            for stream in self.streams:
                for end in stream.ends:
                    end.stopping.set()
                    end.reads.set()
                    stack.callback(end.line.close)
