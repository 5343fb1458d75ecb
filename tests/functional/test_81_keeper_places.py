"""relayd is to be quick when it leaves its connections to the next one, its listeners change their places meanwhile, and its
keeper dies in turn with it."""

import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from client import connect, refuses
from keeper import KILLS, ask, seeded
from peer import EOF, RESET, elapsed
from relay import section
from settings import DEADLINE, LONG, MIB, SANITIZER, free_port, ms, secs, some, until
from streams import Streams

# A stop that has to be quick


@pytest.fixture
def bulk():
    """bulk(pairs): programs that send down each connection, and take what comes, as fast as they can."""
    programs = []

    def start(pairs):
        for client, server in pairs:
            client.sock.setblocking(True)
            server.sock.setblocking(True)
            programs.append(subprocess.Popen(["cat", "/dev/zero"], stdout=server.sock, stderr=subprocess.DEVNULL))
            programs.append(subprocess.Popen(["cat"], stdin=client.sock, stdout=subprocess.DEVNULL))
            client.close()
            server.close()
        return programs
    yield start
    for program in programs:
        program.kill()
        program.wait()


def taken(programs):
    """How many bytes they have read."""
    count = 0
    for program in programs:
        with open(f"/proc/{program.pid}/io", encoding="ascii") as io:
            count += int(re.search(r"rchar: (\d+)", io.read())[1])
    return count


def wait_moving(programs):
    before = taken(programs)
    until(lambda: taken(programs) > before + 64 * MIB, "bulk moves")


@pytest.mark.skipif(bool(SANITIZER), reason="measures time")
def test_leaving_bulk_streams_is_quick(revived, meeting, bulk):
    """Pumps that never wait for anything come to a halt, too."""
    one = revived(meeting)
    programs = bulk(meeting.pairs(one, 4))
    times = []
    for _ in range(7):
        wait_moving(programs)
        _, took = elapsed(lambda: one.kill(signal.SIGTERM))
        times.append(took)
        one.again()
    times.sort()
    print("TERM to exit:", [f"{took:.3f}" for took in times])
    assert times[len(times) // 2] < 0.3
    wait_moving(programs)
    assert not [program for program in programs if program.poll() is not None]
    assert one.wait_adopted(7) == [(4, 0)] * 7


class Echo:
    """A connection on which a byte goes there and back again and again: `worst` is the longest that one took."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.worst = 0
        self.count = 0
        self.stopping = False
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self._answer, self._ask)]
        for thread in self.threads:
            thread.start()

    def _answer(self):
        while data := self.server.recv():
            self.server.send(data)

    def _ask(self):
        while not self.stopping:
            _, took = elapsed(lambda: self.client.send(b"p").read(1))
            self.worst = max(self.worst, took)
            self.count += 1
            time.sleep(0.001)
        self.client.shut()

    def moves_on(self):
        before = self.count
        until(lambda: self.count >= before + 10, "echoes come")

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(DEADLINE)


@pytest.mark.skipif(bool(SANITIZER), reason="measures time")
def test_what_an_echo_beside_bulk_notices(revived, meeting, bulk):
    """It stands still until all that was parked is adopted, which is brief, and just what is told afterwards."""
    one = revived(meeting)
    programs = bulk(meeting.pairs(one, 2))
    echoes = Echo(*meeting.pair(one))
    found = []
    for life in range(5):
        wait_moving(programs)
        echoes.moves_on()
        echoes.worst = 0
        one.crash(signal.SIGTERM)
        echoes.moves_on()
        line = one.wait_log("Adopted 3 ", life + 1)[-1].text
        told, unit = re.search(r"and ([\d.]+) (m?s) at most", line).groups()
        found.append((echoes.worst, float(told) / (1000 if unit == "ms" else 1)))
    echoes.stop()
    print("stood still, told:", found)
    worst, told = zip(*found)
    assert sorted(worst)[2] < 0.5, found
    assert all(stood < said + 0.1 for stood, said in found), found


def test_a_bus_that_says_nothing(revived, meeting, short_path):
    """on_term = auto asks systemd whether this is a restart, and does not wait long for an answer."""
    with socket.socket(socket.AF_UNIX) as bus:
        bus.bind(f"{short_path}/bus")
        bus.listen()
        one = revived(meeting, on_term="auto", drain_timeout=ms(100),
                      env={"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={short_path}/bus"})
        client, server = meeting.pair(one)
        one.term()
        ask(client, server)   # meanwhile
        code, took = elapsed(one.wait_exit)
        assert (code, took < secs(5)) == (0, True), took
        assert (client.ending(), server.ending()) == (RESET, RESET)


# Listening sockets that change


class Listeners:
    """Listeners, each with an origin that answers with its name, in relayd.conf in any order."""

    def __init__(self, origin, keeper, names):
        self.head = f'keeper = "{keeper.path}"\non_term = leave\n'
        self.addresses = {name: f"127.0.0.1:{free_port()}" for name in names}
        self.origins = {name: origin(lambda peer, name=name: peer.send(name.encode())) for name in names}

    def text(self, names):
        return self.head + "".join(
            section("listener", name, address=self.addresses[name], upstream=name)
            + section("upstream", name, server=self.origins[name]) for name in names)

    def answer(self, names):
        """Each at its own address."""
        for name in names:
            with connect(self.addresses[name]) as client:
                assert client.read_end() == (name.encode(), EOF)


def test_a_reload_changes_listeners_and_then_relayd_is_killed(revived, keeper, origin):
    """What is adopted is the new set; what was closed stays closed."""
    all_of_them = Listeners(origin, keeper, "abcd")
    one = revived(text=all_of_them.text("abc"), address=all_of_them.addresses["a"])
    for names, gone in (("bd", "ac"), ("dcb", "a"), ("a", "bcd"), ("cab", "d")):
        one.reload(text=all_of_them.text(names))
        keeper.wait_held(0, listeners=len(names))
        one.kill()
        with connect(all_of_them.addresses[names[-1]]) as waits:   # nobody is refused meanwhile
            one.again()
            assert waits.read_end() == (names[-1].encode(), EOF)
        all_of_them.answer(names)
        for name in gone:
            assert refuses(all_of_them.addresses[name])
        keeper.wait_held(0, listeners=len(names))


def test_another_order_in_the_file_after_a_kill(revived, keeper, origin):
    """Even if that relayd is killed while it takes them over. Each address stays open, so that who waits there is served,
    and by its own listener."""
    names = [f"{number:02}" for number in range(some(40))]
    all_of_them = Listeners(origin, keeper, names)
    one = revived(text=all_of_them.text(names), address=all_of_them.addresses["00"])
    with seeded() as dice:
        took = 0.02
        for _ in range(some(40 if LONG else 10)):
            one.kill()
            for _ in range(4):
                dice.shuffle(names)
                one.write_conf(text=all_of_them.text(names))
                one.spawn_again()
                time.sleep(dice.uniform(0.5, 1.1) * took)
                one.kill(at_start=True)
            waiting = {name: connect(all_of_them.addresses[name]) for name in names}
            took = one.again()
            for name, client in waiting.items():
                assert client.read_end() == (name.encode(), EOF)
                client.close()
        keeper.wait_held(0, listeners=len(names))


# relayd and its keeper in turn


@pytest.mark.timeout(8 * DEADLINE + 2 * KILLS)
def test_either_of_both_is_killed(revived, keeper, meeting):
    """In any order, the next one as soon as all is held again: all streams survive, and what comes and goes beside them."""
    one = revived(meeting)
    count = some(24)
    streams = Streams(meeting.pairs(one, count))
    other = meeting.pair(one)
    with seeded() as dice:
        for _ in range(KILLS):
            keeper.wait_held(count + 1)
            time.sleep(dice.uniform(0, 0.05))
            if dice.random() < 0.5:
                keeper.kill()
                keeper.again()
            else:
                one.crash(dice.choice((signal.SIGKILL, signal.SIGTERM)))
            ask(*other)
            if dice.random() < 0.5:
                other[0].close()
                assert other[1].read_end() == (b"", EOF)
                other[1].close()
                other = meeting.pair(one)
        keeper.wait_held(count + 1)
        streams.wait_flowing()
        streams.finish()
    assert set(one.adopted()) <= {(count + 1, 0)}
