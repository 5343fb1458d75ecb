"""The language of relayd and relayd-keeper (src/keeper/message.h), spoken by somebody who means no good."""

import contextlib
import mmap
import os
import re
import socket
import struct
import threading

from settings import DEADLINE, REPO

HEAD = struct.Struct("=IHHIIq")
MAGIC = 0x504b5952
VERSION = int(re.search(r"KEEPER_VERSION +(\d+)", (REPO / "src/keeper/message.h").read_text())[1])
ATTACH, HOLD, RELEASE, PATIENCE, FORGET, PING, HELLO, END, REFUSED, LOST, PONG = range(1, 12)
TABLE, LISTENERS, CONNECTIONS = 0, 1, 256


def place_of(struct_name, member):
    """Where a member lies, as tests/unit/test_table.c has it checked: that follows the layout, and so do these tests."""
    text = (REPO / "tests/unit/test_table.c").read_text()
    return int(re.search(rf"AT\({struct_name}, {member}, (\d+)\)", text)[1])


def size_of(struct_name):
    text = (REPO / "tests/unit/test_table.c").read_text()
    return int(re.search(rf"sizeof\(struct {struct_name}\), (\d+)\)", text)[1])


def to_page(at):
    return -(-at // PAGE) * PAGE


LISTENERS_AT = place_of("table_head", "listeners")   # the first of the listening sockets, which begins with `used`
HEAD_WORDS = 7   # of the table, before what changes: magic, version, sizes of a state, slots, other sizes, sum of names
PAGE = 4096      # each array of it begins with one
AREA_SIZE = 256 * 1024
NOTE_AT = place_of("exchange_area", "note")


class Intruder:
    """Attaches to a keeper whose relayd is gone: `held` has the descriptors of each slot. Leaves by close()."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(path)
        self.held = {}
        self.say(ATTACH, usec=60_000_000)
        while True:
            kind, index, fds = self.hear()
            if kind == END:
                break
            if kind == HOLD:
                self.held[index] = fds

    def say(self, kind, index=0, count=0, usec=0, indexes=(), fds=()):
        packet = HEAD.pack(MAGIC, VERSION, kind, index, count, usec) + struct.pack(f"={len(indexes)}I", *indexes)
        socket.send_fds(self.socket, [packet], list(fds))

    def hear(self):
        packet, fds, _, _ = socket.recv_fds(self.socket, 1024, 8)
        magic, _, kind, index, _, _ = HEAD.unpack(packet[:HEAD.size])
        assert magic == MAGIC
        return kind, index, fds

    @property
    def slots(self):
        """The slots of connections."""
        return sorted(index - CONNECTIONS for index in self.held if index >= CONNECTIONS)

    def forget(self):
        """Has the keeper drop all, and leaves."""
        self.say(FORGET)
        self.close()

    def close(self):
        for fds in self.held.values():
            for fd in fds:
                os.close(fd)
        self.socket.close()


class Table:
    """The memory in which relayd describes its connections."""

    def __init__(self, fd):
        self.fd = fd
        self.memory = mmap.mmap(fd, 0)
        _, _, self.state_size, self.n, self.passages_size, _, _ = struct.unpack(f"={HEAD_WORDS}I",
                                                                                self.memory[:4 * HEAD_WORDS])
        self.states_at = to_page(size_of("table_head"))
        self.passages_at = to_page(self.states_at + self.n * self.state_size)

    def state(self, slot):
        """Where it is: offset and end."""
        at = self.states_at + slot * self.state_size
        return at, at + self.state_size

    def number(self, slot):
        """Of the connection, which grows from one to the next."""
        return struct.unpack_from("=Q", self.memory, self.state(slot)[0] + 8)[0]

    def passages(self, slot):
        """Likewise: of a connection by_steps."""
        at = self.passages_at + slot * self.passages_size
        return at, at + self.passages_size

    def mangle(self, dice, slot, times):
        """Some bytes of its state, or one whole stretch, become others."""
        self._mangle(dice, *self.state(slot), times)

    def mangle_passages(self, dice, slot, times):
        self._mangle(dice, *self.passages(slot), times)

    def mangle_area(self, dice, slot, times):
        """Likewise: what an exchange has in hand; nothing, if it has none."""
        area, = struct.unpack_from("=I", self.memory, self.passages(slot)[0] + place_of("passages", "area"))
        if area:
            at = len(self.memory) - (self.n - area + 1) * AREA_SIZE
            for first, size in ((at, 64), (at + NOTE_AT, size_of("request_record")), (at, AREA_SIZE)):
                self._mangle(dice, first, first + size, times)

    def _mangle(self, dice, first, end, times):
        if dice.random() < 0.3:
            at = dice.randrange(first, end)
            size = min(dice.randrange(1, 200), end - at)
            self.memory[at:at + size] = dice.choice([bytes(size), b"\xff" * size, dice.randbytes(size)])
        for _ in range(times):
            self.memory[dice.randrange(first, end)] = dice.randrange(256)


YIELD = 12
BUSY, FOREIGN = 2, 3


class Scripted:
    """A keeper that the test plays: script(peer) for each relayd that connects, one after the other."""

    def __init__(self, path, script):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(str(path))
        self.socket.listen()
        self.script = script
        self.heard = []   # (version, kind, count, what follows the head)
        self.failed = []
        self.peer = None
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                self.peer, _ = self.socket.accept()
            except OSError:
                return
            with self.peer:
                self.peer.settimeout(DEADLINE)
                try:
                    self.script(self)
                except OSError as error:
                    self.failed.append(error)

    def hear(self):
        """The next message; None at the end."""
        try:
            packet, fds, _, _ = socket.recv_fds(self.peer, 1024, 8)
        except ConnectionResetError:   # something was left unread
            return None
        for fd in fds:
            os.close(fd)
        if not packet:
            return None
        _, version, kind, _, count, _ = HEAD.unpack(packet[:HEAD.size])
        self.heard.append((version, kind, count, packet[HEAD.size:]))
        return version, kind

    def say(self, kind, index=0, count=0, usec=0, fds=(), version=VERSION, more=b""):
        socket.send_fds(self.peer, [HEAD.pack(MAGIC, version, kind, index, count, usec) + more], list(fds))

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        with contextlib.suppress(OSError):
            if self.peer:
                self.peer.shutdown(socket.SHUT_RDWR)
        self.thread.join(DEADLINE)
