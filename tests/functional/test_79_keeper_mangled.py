"""What the keeper holds makes no sense: whatever it is, relayd starts, what is whole goes on, and the rest is reset."""

import contextlib
import os
import struct

import pytest

from client import refuses
from keeper import ask, seeded
from keeper_talk import CONNECTIONS, HEAD_WORDS, HOLD, LISTENERS_AT, RELEASE, TABLE, Intruder, Table
from outlives import SUITES, Lives
from outlives_http import HttpLives
from peer import EOF, RESET
from settings import DEADLINE, LONG, free_port, secs, some, until
from tls import Site

ROUNDS = some(200 if LONG else 8)


def left_by(revived, keeper, meeting, count):
    """A relayd that was killed with so many connections, and the pairs."""
    one = revived(meeting, linger_timeout="500ms", idle_timeout="2s")
    pairs = [meeting.pair(one) for _ in range(count)]   # one after the other: the slots are taken in this order
    keeper.wait_held(count)
    one.kill()
    return one, pairs


def goes_on_or_ends(client, server):
    """Either it works, or it is over; or nobody hears anything any more, since its timeouts may have become any number, and
    "never" is one."""
    for peer in (client, server):
        peer.sock.settimeout(secs(3))   # longer than the timeouts that it had
    try:
        ask(client, server)
    except (ConnectionResetError, BrokenPipeError, TimeoutError):
        pass
    except AssertionError:   # an end, or nothing of what was sent came before one
        with contextlib.suppress(TimeoutError):
            assert client.read_end()[1] in (RESET, EOF)


@pytest.mark.timeout(6 * DEADLINE + secs(6) * ROUNDS)
def test_mangled_states(revived, keeper, meeting):
    """Random bytes in the descriptions of some connections do nothing to the others, nor to relayd."""
    one = revived(meeting, linger_timeout="500ms", idle_timeout="2s")
    with seeded() as dice:
        for _ in range(ROUNDS):
            pairs = [meeting.pair(one) for _ in range(12)]
            one.kill()
            intruder = Intruder(keeper.path)
            table = Table(intruder.held[TABLE][0])
            slots = sorted(intruder.slots, key=table.number)
            assert len(slots) == 12
            mangled = dice.sample(range(12), 6)
            for which in mangled:
                table.mangle(dice, slots[which], dice.randrange(1, 4))
            intruder.close()
            one.again()
            for which in set(range(12)) - set(mangled):
                ask(*pairs[which])
            for which in mangled:
                goes_on_or_ends(*pairs[which])
            ask(*meeting.pair(one))
            for peer in meeting.opened:
                peer.close()
            keeper.wait_held(0)


@pytest.fixture
def secret_lives(tmp_path, short_path):
    """A relayd with TLS on either side, or both."""
    one = Lives(Site(tmp_path), short_path, [("client", SUITES[0]), ("server", SUITES[1]), ("both", SUITES[2]), ("both", SUITES[3])],
                listener="half_close = true\n    idle_timeout = 2s\n    linger_timeout = 500ms")
    yield one
    one.close()


@pytest.mark.timeout(6 * DEADLINE + secs(6) * ROUNDS)
def test_mangled_passages(secret_lives):
    """Where TLS stands, in the middle of steps: a connection of which anything was changed goes on as if nothing was, or is
    reset, and nobody ever gets other bytes, or two records under one nonce."""
    one = secret_lives
    with seeded() as dice:
        for _ in range(ROUNDS):
            streams = one.open_all(each=3)
            one.move()
            one.end_life()
            intruder = Intruder(one.keeper.path)
            table = Table(intruder.held[TABLE][0])
            slots = sorted(intruder.slots, key=table.number)
            mangled = dice.sample(streams, 6)
            for stream in mangled:
                change = dice.choice([table.mangle_passages, table.mangle_passages, table.mangle])
                change(dice, slots[streams.index(stream)], dice.randrange(1, 4))
            intruder.close()
            one.live()
            for stream in set(streams) - set(mangled):
                stream.finish()
            for stream in mangled:
                for end in stream.ends:
                    end.stopping.set()
                    end.line.close()
                for end in stream.ends:
                    end.reader.join(DEADLINE)
                    assert not end.reader.is_alive() and end.failure is None, str(stream)
            one.streams.clear()
            one.wait_held()


@pytest.fixture
def http_lives(tmp_path, short_path):
    one = HttpLives(Site(tmp_path), short_path, [("plain", SUITES[0]), ("client", SUITES[0])],
                    listener="mode = http\n    idle_timeout = 2s\n    linger_timeout = 500ms")
    yield one
    one.close()


@pytest.mark.timeout(6 * DEADLINE + secs(6) * ROUNDS)
def test_mangled_requests(http_lives):
    """Requests under way of which something is wrong: their own state, or what they have in hand. The others notice nothing,
    and relayd does not die of it."""
    one = http_lives
    with seeded() as dice:
        for _ in range(ROUNDS):
            for visitor in one.visit_all(each=4):
                visitor.start()
            one.wait_answers()
            one.end_life()
            intruder = Intruder(one.keeper.path)
            table = Table(intruder.held[TABLE][0])
            slots = sorted(intruder.slots, key=table.number)
            assert len(slots) == len(one.visitors)
            mangled = dice.sample(one.visitors, 4)
            for visitor in mangled:
                change = dice.choice([table.mangle_area, table.mangle_area, table.mangle_passages, table.mangle])
                change(dice, slots[one.visitors.index(visitor)], dice.randrange(1, 4))
            intruder.close()
            one.live()
            for visitor in mangled:
                visitor.over.set()
                visitor.line.close()
                visitor.join(DEADLINE)
                visitor.line.close()   # perhaps another one: it came again
                assert not visitor.is_alive()
                one.visitors.remove(visitor)
            one.wait_answers()
            for visitor in one.visitors:
                visitor.stop()
                visitor.check(one.origins[visitor.kind])
                visitor.line.close()
            one.visitors.clear()
            one.wait_held()


@pytest.mark.parametrize("word", range(HEAD_WORDS - 1), ids=["magic", "version", "size", "slots", "passages", "shown"])
def test_a_table_of_another_version(revived, keeper, meeting, word):
    """Nothing of it can be read: all that was held is reset, which is said once, and relayd begins anew."""
    one, pairs = left_by(revived, keeper, meeting, 5)
    intruder = Intruder(keeper.path)
    memory = Table(intruder.held[TABLE][0]).memory
    value, = struct.unpack_from("=I", memory, 4 * word)
    struct.pack_into("=I", memory, 4 * word, value + 1)
    intruder.close()
    one.again()
    for client, server in pairs:
        assert (client.ending(), server.ending()) == (RESET, RESET)
    one.wait_log("cannot be read .*: the 5 connections that were held are reset")
    pair = meeting.pair(one)
    keeper.wait_held(1)
    one.crash()
    ask(*pair)


def test_a_table_that_can_be_cut_short(revived, keeper, meeting):
    """relayd's own cannot; and one with the same contents that can, or was, is not mapped."""
    one, pairs = left_by(revived, keeper, meeting, 2)
    intruder = Intruder(keeper.path)
    table = intruder.held[TABLE][0]
    with pytest.raises(PermissionError):
        os.ftruncate(table, 4096)
    other = os.memfd_create("other", os.MFD_CLOEXEC)
    os.write(other, os.pread(table, os.fstat(table).st_size, 0))
    intruder.say(HOLD, TABLE, fds=[other])
    intruder.close()
    os.close(other)
    one.again()
    assert [client.ending() for client, _ in pairs] == [RESET, RESET]
    ask(*meeting.pair(one))


def other_descriptors(fds):
    """Six that are no connection: each list is wrong in another way."""
    client, server, up_read, up_write, down_read, down_write = fds
    return {
        "no socket": [up_read, server, up_read, up_write, down_read, down_write],
        "no pipe": [client, server, client, up_write, down_read, down_write],
        "one pipe twice": [client, server, up_read, up_write, up_read, up_write],
        "ends of two pipes": [client, server, up_read, down_write, down_read, up_write],
    }


def test_descriptors_that_are_not_what_they_should_be(revived, keeper, meeting):
    """That connection alone is reset, with a message."""
    one, pairs = left_by(revived, keeper, meeting, 5)
    intruder = Intruder(keeper.path)
    wrong = list(other_descriptors(range(6)))
    for slot, what in enumerate(wrong):
        fds = intruder.held[CONNECTIONS + slot]
        intruder.say(HOLD, CONNECTIONS + slot, fds=other_descriptors(fds)[what])
    intruder.close()
    one.again()
    assert one.wait_adopted(1)[-1] == (1, len(wrong))
    for client, server in pairs[1:len(wrong)]:
        assert (client.ending(), server.ending()) == (RESET, RESET)
    ask(*pairs[-1])
    one.wait_log("could not be adopted: its descriptors are not what they should be", len(wrong))
    keeper.wait_held(1)


def test_a_listening_socket_that_is_none(revived, keeper, meeting):
    """relayd opens another one."""
    one, pairs = left_by(revived, keeper, meeting, 1)
    intruder = Intruder(keeper.path)
    intruder.say(HOLD, 1, fds=[intruder.held[CONNECTIONS][0]])
    intruder.close()
    one.again()
    ask(*pairs[0])
    ask(*meeting.pair(one))


@pytest.mark.parametrize("byte", [0, 7])
@pytest.mark.parametrize("wanted", [True, False])
def test_a_listening_socket_of_which_nothing_is_noted(revived, keeper, meeting, wanted, byte):
    """It is held, and the table says that it is not, or says nonsense: it is in nobody's way, and does not stay for ever."""
    one, pairs = left_by(revived, keeper, meeting, 1)
    intruder = Intruder(keeper.path)
    Table(intruder.held[TABLE][0]).memory[LISTENERS_AT] = byte
    intruder.close()
    before = one.address
    if not wanted:
        one.write_conf(meeting, address=f"127.0.0.1:{free_port()}", keeper=keeper.path, on_term="leave")
    one.again()
    ask(*pairs[0])
    if wanted:
        ask(*meeting.pair(one))
    else:
        until(lambda: refuses(before), "the old address is closed")
    keeper.wait_held(2 if wanted else 1)


def test_slots_that_are_held_without_a_state(revived, keeper, meeting):
    one, pairs = left_by(revived, keeper, meeting, 1)
    intruder = Intruder(keeper.path)
    fds = intruder.held[CONNECTIONS]
    for slot in (7, 2000):
        intruder.say(HOLD, CONNECTIONS + slot, fds=fds)
    intruder.say(RELEASE, indexes=[CONNECTIONS + 2000])
    intruder.close()
    one.again()
    ask(*pairs[0])
    keeper.wait_held(1)
