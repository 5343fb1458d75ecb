"""Connections with TLS outlive relayd where a record is not whole, or cannot be; where they must be small; where a peer is at a
unix socket; and where one says nothing any more."""

import ctypes
import itertools
import json
import os
import signal
import socket

import pytest

import libssl
from control import relayctl
from keeper import KILLS, seeded, storm
from outlives import BULK, DOWN, MIXED, SUITES, UP, Lives, kinds, needs_kill_points, version_of
from peer import RESET
from settings import DEADLINE, LONG, SCALE, secs, some, until
from tls import CUT, Site

pytestmark = pytest.mark.timeout(12 * DEADLINE + 4 * SCALE * KILLS)

MODERN = tuple(suite for suite in SUITES if version_of(suite) == "1.3")
STORM = some(500 if LONG else 12)
LASTING = {"options": "keeper_timeout = 10m"}


@pytest.fixture
def lives(tmp_path, short_path):
    started = []

    def start(wanted, **how):
        started.append(Lives(Site(tmp_path), short_path, wanted, **how))
        return started[-1]
    yield start
    for one in started:
        one.close()


def connections(at):
    return json.loads(relayctl("-s", at, "--json", "connections"))


def secret_ends(stream):
    return [end for end in stream.ends if end.line.tls is not None]


def open_quiet(one):
    """Of each kind one, on which nothing moves."""
    streams = [one.open(kind) for kind in one.kinds]
    one.wait_held()
    for stream in streams:
        stream.start(up=False, down=False)
    return streams


# Records that are not whole


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_half_a_record(lives, how):
    """It is there when relayd dies, or comes while nobody is there; the rest comes to the next one, or to the one after that."""
    one = lives(kinds())
    streams = open_quiet(one)
    with seeded() as dice:
        for size in (1, 300, 9000, 16384):
            torn = [end for stream in streams for end in secret_ends(stream)]
            for end in torn:
                end.early = dice.random() < 0.5
                if end.early:
                    end.send_but(size, dice.randint(1, size + 16))
            one.end_life(how)
            for end in torn:
                if not end.early:
                    end.send_but(size, dice.randint(1, size + 16))
            one.live()
            if dice.random() < 0.5:
                one.end_life(how)
                one.live()
            for end in torn:
                end.send_rest()
                end.other.wait_received()
        one.finish()
        assert {adopted for adopted, _ in one.one.adopted()} == {len(streams)}


@pytest.mark.parametrize("away", [False, True], ids=["there", "away"])
def test_half_a_record_is_a_cut(lives, away):
    """The end of the socket within a record, before relayd dies or after that: the other side is reset."""
    one = lives(kinds())
    streams = open_quiet(one)
    for stream in streams:
        for end in secret_ends(stream)[:1]:
            end.send_but(1000, 500)
    if away:
        one.end_life()
    for stream in streams:
        secret_ends(stream)[0].cut()
    if away:
        one.live()
    for stream in streams:
        end = secret_ends(stream)[0]
        end.other.wait_end()
        assert end.other.how == (CUT if end.other.line.tls and end.other.how == CUT else RESET), str(stream)
        assert end.other.into.received == 0
    one.check_adopted()


@needs_kill_points()
def test_nothing_goes_on_behind_an_alert(lives):
    """Its nonce is used: whoever dies behind it leaves a connection that is reset, whatever the other side has to say."""
    one = lives(kinds())
    for stream in open_quiet(one):
        end = secret_ends(stream)[0]
        one.end_life()
        one.begin_life(f"alerted-{UP if end is stream.client else DOWN}:1")
        end.line.peer.send(b"\x17\x03\x03\x00\x40" + bytes(64))
        one.wait_death("an alert")
        end.other.line.send(bytes(3000))
        one.live()
        for each in stream.ends:
            each.wait_end()
            each.told = "reset"
        one.nonces.check()


def test_who_stops_within_a_record_is_idle(lives):
    """The bytes of it are looked at again and again, and none of them counts as news."""
    one = lives(kinds(suites=MODERN[:1]), listener="half_close = true\n    idle_timeout = 3s")
    streams = open_quiet(one)
    for stream in streams:
        secret_ends(stream)[0].send_but(1000, 500)
    for stream in streams:
        stream.client.reader.join(secs(3) + DEADLINE)
        assert stream.client.how in (RESET, CUT), str(stream)


def test_who_is_silent_after_a_kill_is_not_reset(lives, at):
    """Reads of a busy direction are timed; the next relayd does not take the end of that time for a failure."""
    one = lives(kinds(suites=MODERN[:1]), options=f'control = "{at}"')
    streams = one.open_all(pace=((1, 100), 0))
    one.move()
    one.end_life()
    for stream in streams:
        for end in stream.ends:
            end.stopping.set()
    one.live()
    for stream in streams:
        for end in stream.ends:
            end.rest()
    until(lambda: all(row["idle_us"] > 2_000_000 for row in connections(at)), "all are silent for two seconds")
    one.finish()


# Sockets that cannot hold a record


class Descriptors:
    """relayd's own sockets, in this process."""

    PIDFD_GETFD = 438

    def __init__(self, pid):
        self.libc = ctypes.CDLL(None)
        pidfd = os.pidfd_open(pid)
        self.found = []
        for name in os.listdir(f"/proc/{pid}/fd"):
            fd = self.libc.syscall(self.PIDFD_GETFD, pidfd, int(name), 0)
            if fd < 0:
                continue
            try:
                self.found.append(socket.socket(fileno=fd))
            except OSError:
                os.close(fd)
        os.close(pidfd)

    def to(self, peer):
        """The one that is connected with it."""
        for sock in self.found:
            try:
                if sock.getpeername() == peer.sock.getsockname():
                    return sock
            except OSError:
                pass
        raise AssertionError("no such socket")

    def close(self):
        for sock in self.found:
            sock.close()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may have other processes' sockets")


def open_narrow(one):
    """Half a record fits the buffers of relayd's sockets."""
    streams = [one.open(kind) for kind in one.kinds]
    one.wait_held()
    descriptors = Descriptors(one.one.pid)
    for stream in streams:
        for end in secret_ends(stream):
            descriptors.to(end.line.peer).setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    descriptors.close()
    for stream in streams:
        stream.start(((10000, 16384), 0.02), most=200_000)
    return streams


@needs_root
@needs_kill_points()
def test_killed_as_it_stashes(lives):
    """The first bytes of a record, again and again until they are all of it."""
    one = lives(kinds())
    streams = open_narrow(one)
    with seeded() as dice:
        one.end_life()
        for point, direction in itertools.product(["stashed", "peeked", "noted", "committed", "discarded"] * 2, [UP, DOWN]):
            one.die_at(f"{point}-{direction}:{dice.randint(1, 8)}", short=dice.choice([5000, None]))
        one.live()
        one.finish()
    assert {adopted for adopted, _ in one.one.adopted()} == {len(streams)}


@needs_root
def test_receive_buffers_that_no_record_fits(lives):
    one = lives(kinds(), **LASTING)
    streams = open_narrow(one)
    with seeded() as dice:
        storm(one.one, dice, STORM, longest=0.3)
        one.move()
        one.finish()
    assert {adopted for adopted, _ in one.one.adopted()} == {len(streams)}


# Others


@pytest.mark.parametrize("size", [512, 4096])
def test_small_records(lives, size):
    """That the client has asked for: more of them come in one step, and go on as larger ones."""
    one = lives(kinds(sides=("client", "both")), **LASTING)
    for kind in one.kinds:
        libssl.bound_records(one.client_context(kind), size)
    streams = one.open_all(pace=BULK, most=None if LONG else 4_000_000)
    with seeded() as dice:
        storm(one.one, dice, STORM)
        one.finish()
    assert {adopted for adopted, _ in one.one.adopted()} == {len(streams)}


def test_urgent_bytes(lives):
    """They are bytes like others, on either side, and no record of TLS stops at one."""
    one = lives(kinds(suites=SUITES[::2]), **LASTING)
    streams = [one.open(kind) for kind in one.kinds]
    one.wait_held()
    for stream in streams:
        for end in stream.ends:
            end.urgent = True
        stream.start(MIXED)
    with seeded() as dice:
        storm(one.one, dice, STORM)
        one.move()
        one.finish()


def test_killed_by_an_operator(lives, at):
    """In the middle of a step, before relayd dies and after that: both ends are reset."""
    one = lives(kinds(suites=MODERN[:1]), options=f'control = "{at}"')
    streams = [one.open(kind, receive_buffer=1 << 16) for kind in one.kinds]
    one.wait_held()
    for stream in streams:
        stream.start(BULK)
        for end in stream.ends:
            end.reads.clear()
    for number, stream in enumerate(streams):
        until(lambda s=stream: s.client.out.sent > 1 << 20, "nothing more fits")
        if number > 0:
            one.end_life()
            one.live()
        row, = (row for row in connections(at) if row["client"] == stream.client.line.name)
        relayctl("-s", at, "kill", f"id={row['id']}")
        for end in stream.ends:
            end.wait_end()
            assert end.how == RESET, str(stream)
            assert end.failure is None
        stream.client.told = stream.server.told = "reset"


# Unix sockets


@pytest.mark.parametrize("ways", [(signal.SIGTERM,), (signal.SIGKILL,)], ids=["restarts", "kills"])
def test_servers_at_unix_sockets(lives, ways):
    """A restart is as without TLS, whatever is under way. The kernel has no counts of them: a kill in the middle of a step may
    end a connection, and never gives anybody other bytes."""
    one = lives(kinds(suites=MODERN), unix=True, **LASTING)
    streams = one.open_all(pace=BULK)
    with seeded() as dice:
        for number in range(STORM):
            for stream in streams:
                dice.choice(stream.ends).reads.clear()
            storm(one.one, dice, 1, ways)
            for stream in streams:
                for end in stream.ends:
                    end.reads.set()
            if number == 0:
                one.one.wait_adopted(1)
        if ways == (signal.SIGTERM,):
            one.move()
            one.finish()
            assert {adopted for adopted, _ in one.one.adopted()} == {len(streams)}
        for stream in streams:
            for end in stream.ends:
                assert end.failure is None, str(stream)
