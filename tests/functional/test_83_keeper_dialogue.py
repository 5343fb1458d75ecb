"""What relayd and its keeper say to each other when one of them is of another version, comes late, or says nonsense."""

import os
import resource
import socket
import struct
import subprocess

import pytest

from client import connect
from keeper import KEEPER, Keeper, ask
from keeper_talk import (ATTACH, CONNECTIONS, END, HELLO, HOLD, LISTENERS, PING, PONG, REFUSED, TABLE, YIELD, Intruder,
                         Scripted)
from origin import echo
from relay import environment
from settings import DEADLINE, free_port, ms, secs, until

SLOTS = CONNECTIONS + 100

# Another version


class Older:
    """A keeper of another version that holds a listening socket of the relayd before."""

    def __init__(self, version):
        self.version = version
        self.held = socket.socket()
        self.held.bind(("127.0.0.1", free_port()))
        self.held.listen()
        self.port = self.held.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"

    def refuse(self, peer):
        peer.say(REFUSED, count=1, version=self.version)


class Unchanging(Older):
    """From version 2 on: whatever it does not understand, it understands YIELD."""

    def answer(self, peer):
        _, kind = peer.hear()
        if kind != YIELD:
            return self.refuse(peer)
        self.held.close()
        return peer.say(PONG, count=1, version=self.version)


class First(Older):
    """Of version 1, which has none. One that attaches anew makes it drop all."""

    def answer(self, peer):
        version, kind = peer.hear()
        if version != 1 or kind != ATTACH or peer.heard[-1][2] != 1:
            return self.refuse(peer)
        self.held.close()
        peer.say(HELLO, SLOTS, version=1)
        return peer.say(END, version=1)


@pytest.mark.parametrize("kind,version", [(Unchanging, 77), (First, 1)], ids=["77", "1"])
def test_a_keeper_of_another_version_is_not_in_the_way(revived, origin, short_path, kind, version):
    """The first start succeeds, in its first second; the manual says that relayd then runs without."""
    older = kind(version)
    keeper = Scripted(short_path / "older", older.answer)
    one = revived(origin(echo), keeper=f"{short_path}/older", address=older.address)
    assert connect(one).send(b"x").read(1) == b"x"
    one.wait_log(f"speaks version {version}, and this relayd speaks version")
    assert one.log.count(f"speaks version {version},") == 1   # however often it asks again
    keeper.stop()


def test_what_yield_says(revived, origin, short_path):
    """Its layout never changes: the address, whether IPv4 is wanted as well, and the name."""
    older = Unchanging(77)
    keeper = Scripted(short_path / "older", older.answer)
    one = revived(origin(echo), keeper=f"{short_path}/older", address=older.address)
    _, _, count, rest = next(heard for heard in keeper.heard if heard[1] == YIELD)
    family, port = struct.unpack("=H", rest[:2])[0], struct.unpack("!H", rest[2:4])[0]
    assert (family, port, socket.inet_ntoa(rest[4:8])) == (socket.AF_INET, older.port, "127.0.0.1")
    assert rest[16:] == str(one.file).encode()
    assert count == 1
    keeper.stop()


# The file


@pytest.mark.parametrize("what", ["file", "link", "living"])
def test_what_is_no_stale_socket_stays(short_path, what):
    path = short_path / "own" / "keeper"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as living:
        if what == "living":
            living.bind(str(path))
            living.listen()
        elif what == "link":
            (short_path / "there").write_text("precious")
            path.symlink_to(short_path / "there")
        else:
            path.write_text("precious")
        before = os.lstat(path).st_ino
        done = subprocess.run([KEEPER, "--socket", path], stderr=subprocess.PIPE, text=True, check=False,
                              timeout=DEADLINE, env=environment())
        assert (done.returncode, "Address already in use" in done.stderr) == (69, True)
        assert os.lstat(path).st_ino == before
        assert what == "living" or path.read_text() == "precious"


def test_a_stale_socket_is_replaced(short_path):
    path = short_path / "keeper"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stale:
        stale.bind(str(path))
    Keeper(path).finish()


def test_another_program_is_where_the_keeper_should_be(revived, meeting, short_path):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(f"{short_path}/other")
        other.listen()
        one = revived(meeting, keeper=f"{short_path}/other")
        line, = one.wait_log("no relayd-keeper")
        assert line.text.endswith(f"what listens at {short_path}/other is no relayd-keeper: correct keeper = PATH.")


# Late


def holds_what_comes(one, meeting):
    pair = meeting.pair(one)
    one.crash()
    ask(*pair)


def test_a_keeper_that_comes_after_the_start(revived, meeting, short_path):
    """Connections that were there before it end with relayd, and those that come then outlive it."""
    one = revived(meeting, keeper=f"{short_path}/late")
    one.wait_log("no relayd-keeper listens")
    early = meeting.pair(one)
    late = Keeper(short_path / "late")
    one.wait_log("Connections that come from now on outlive relayd")
    ask(*early)
    pair = meeting.pair(one)
    late.wait_held(1)
    one.crash()
    ask(*pair)
    assert one.wait_adopted(1) == [(1, 0)]
    client, server = early
    assert (client.ending(), server.ending()) == ("reset", "reset")
    late.finish()


def test_a_keeper_that_did_not_answer_at_the_start(revived, meeting, keeper):
    keeper.freeze()
    one = revived(meeting)
    one.wait_log("does not answer")
    keeper.thaw()
    one.wait_log("Connections that come from now on outlive relayd")
    holds_what_comes(one, meeting)


def test_a_timeout_that_the_keeper_could_not_be_told(revived, keeper, meeting):
    """It stood still and took no more messages when a reload changed keeper_timeout: it is told later."""
    one = revived(meeting, keeper_timeout="1h", max_connections=3000)
    keeper.freeze()
    for _ in range(40):
        for client, server in meeting.pairs(one, 100):
            client.reset()
            server.close()
        if one.warned_of_keeper():
            break
    until(one.warned_of_keeper, "relayd says that its keeper takes no more messages", 2 * DEADLINE)
    client, server = meeting.pair(one)
    one.reload(meeting, keeper=keeper.path, on_term="leave", keeper_timeout=ms(1000), max_connections=3000)
    keeper.thaw()
    keeper.wait_held(1)
    one.wait_log("holds all connections again")
    one.kill()
    keeper.wait_log("are held for the next one, for %d s|is held for the next one, for %d s" % (secs(1), secs(1)))
    assert (client.ending(), server.ending()) == ("reset", "reset")
    one.again()


# Nonsense


def answer_pings(peer, most=1 << 30):
    while most > 0 and (heard := peer.hear()) is not None:
        if heard[1] == PING:
            peer.say(PONG)
            most -= 1


@pytest.mark.parametrize("after", [0, 2])
def test_a_keeper_that_says_nonsense_and_lives(revived, meeting, short_path, after):
    """After so many answers. It hears the end of that dialogue, and is free for another one."""
    ends = []

    def script(peer):
        peer.hear()
        peer.say(HELLO, SLOTS)
        peer.say(END)
        if not ends:
            answer_pings(peer, after)
            peer.peer.send(b"nonsense")
            answer_pings(peer)
            ends.append("heard")
        answer_pings(peer)
    keeper = Scripted(short_path / "other", script)
    one = revived(meeting, keeper=f"{short_path}/other")
    one.wait_log("holds all connections again|Connections that come from now on outlive relayd")
    until(lambda: ends == ["heard"], "the end of that dialogue is heard")
    keeper.stop()


def descriptors(one):
    return len(os.listdir(f"/proc/{one.pid}/fd"))


def test_descriptors_that_a_keeper_tells_twice(revived, meeting, short_path):
    """The first ones count, and the others are closed. (A descriptor more for a moment, such as the socket that a status line goes
    to the service manager by, is none of them.)"""
    once_told = None
    for times in (1, 5):
        def script(peer, times=times):
            peer.hear()
            with socket.socket() as listening:
                listening.bind(("127.0.0.1", 0))
                listening.listen()
                memory = os.memfd_create("other")
                peer.say(HELLO, SLOTS)
                for index in (TABLE, LISTENERS, LISTENERS + 3):
                    for _ in range(times):
                        peer.say(HOLD, index, fds=[memory if index == TABLE else listening.fileno()])
                for _ in range(times):
                    peer.say(HOLD, CONNECTIONS, fds=[listening.fileno()] * 6)
                os.close(memory)
            peer.say(END)
            answer_pings(peer)
        keeper = Scripted(short_path / f"twice{times}", script)
        one = revived(meeting, keeper=f"{short_path}/twice{times}")
        if once_told is None:
            once_told = descriptors(one)
        until(lambda one=one, most=once_told: descriptors(one) <= most, "it has no more of them than if each is told once")
        one.kill()
        one.checked = True
        keeper.stop()


# Room


def test_it_takes_memory_for_the_connections_that_may_come(revived, meeting, short_path):
    """And not for all the descriptors that a machine may allow, which can be a thousand million."""
    with open("/proc/sys/fs/nr_open", encoding="ascii") as file:
        most = int(file.read())

    def many():
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if subprocess.run(["prlimit", f"--nofile={most}:{most}", "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("the hard limit of descriptors cannot be raised here")
    keeper = Keeper(short_path / "wide", prepare=many)
    before = resident(keeper.pid)
    one = revived(meeting, keeper=keeper.path, max_connections=20000)
    line, = one.wait_log("holds up to")
    assert "holds up to 20000 of them" in line.text
    assert resident(keeper.pid) - before < 2048
    one.kill()
    one.write_conf(meeting, keeper=keeper.path, on_term="leave", max_connections=30000)
    one.again()
    one.wait_log("holds up to 30000 of them")
    holds_what_comes(one, meeting)
    keeper.finish()


def resident(pid):
    """KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def test_a_restart_makes_room_for_more(revived, meeting, short_path):
    """Connections of the smaller table go on in the larger one."""
    with Keeping(short_path / "some") as keeper:
        one = revived(meeting, keeper=keeper.path)
        pair = meeting.pair(one)
        keeper.wait_held(1)
        one.kill()
        one.write_conf(meeting, keeper=keeper.path, on_term="leave", max_connections=15000)
        one.again()
        ask(*pair)
        one.wait_adopted(1)   # before it is killed: its log is a thread's
        one.crash()
        ask(*pair)
        assert one.wait_adopted(2) == [(1, 0)] * 2


class Keeping(Keeper):
    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


# One that lies


@pytest.mark.parametrize("gone", [-2**63, 2**63 - 1])
def test_a_moment_that_never_was(revived, keeper, meeting, short_path, gone):
    """When the relayd before went: that decides how long connections have been idle."""
    one = revived(meeting)
    pair = meeting.pair(one)
    keeper.wait_held(1)
    one.kill()
    held = Intruder(keeper.path)

    def lie(peer):
        peer.hear()
        peer.say(HELLO, SLOTS, usec=gone)
        for slot, fds in sorted(held.held.items()):
            peer.say(HOLD, slot, fds=fds)
        peer.say(END)
        while heard := peer.hear():
            if heard[1] == PING:
                peer.say(PONG)
    liar = Scripted(short_path / "liar", lie)
    one.write_conf(meeting, keeper=f"{short_path}/liar", on_term="leave", instance=str(one.file))
    one.again()
    ask(*pair)
    assert one.wait_adopted(1) == [(1, 0)]
    assert "-" not in one.wait_log("Adopted 1")[0].text
    one.kill()
    one.checked = True
    liar.stop()
    held.close()
