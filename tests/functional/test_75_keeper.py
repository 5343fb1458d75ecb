"""Connections outlive relayd: what goes on in the next process, and what the keeper's copies must not hold up."""

import re
import signal

import pytest

from client import close_all, connect, connect_many
from keeper import WAYS, Meeting, ask, farewell
from origin import http, pattern
from peer import EOF, RESET, elapsed
from relay import section
from settings import DEADLINE, free_port, ms, secs, some, until

AT_ONCE = secs(0.3)

# The end of one relayd and the start of the next


@pytest.mark.parametrize("how", WAYS)
def test_a_connection_outlives_relayd(revived, meeting, how):
    one = revived(meeting)
    client, server = meeting.pair(one)
    for life in range(3):
        one.kill(how)
        client.send(b"said to nobody")
        server.send(b"answered to nobody")
        one.again()
        assert server.read(14) == b"said to nobody"
        assert client.read(18) == b"answered to nobody"
        ask(client, server)
        assert one.wait_adopted(life + 1) == [(1, 0)] * (life + 1)


def test_what_is_said_at_the_start(revived, keeper, meeting):
    one = revived(meeting)
    lines = [line.text for line in one.wait_log(re.escape(f"relayd-keeper at {keeper.path}"))]
    assert len(lines) == 1
    assert re.match(rf"Connections outlive relayd: relayd-keeper at {re.escape(keeper.path)} holds up to \d+ of them\.",
                    lines[0])
    meeting.pairs(one, 3)
    one.kill()
    keeper.wait_log("relayd is gone. Its 3 connections are held for the next one, for 60 s.")
    one.again()
    told = one.wait_log("Adopted ")
    assert len(told) == 1
    assert re.match(r"Adopted 3 connections, which paused for [\d.]+ m?s \(median\) and [\d.]+ m?s at most",
                    told[0].text)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_leaving(revived, meeting, number):
    """It does not wait for its connections and does not touch them."""
    one = revived(meeting, drain_timeout="1h")
    pairs = meeting.pairs(one, 10)
    _, took = elapsed(lambda: one.kill(number))
    assert took < secs(2)
    assert not one.records()
    for client, server in pairs:
        assert client.is_silent(0.01) and server.is_silent(0.01)
    one.again()
    for client, server in pairs:
        ask(client, server)


@pytest.mark.parametrize("on_term", ["drain", "auto"])
def test_draining_with_a_keeper(revived, keeper, meeting, on_term):
    """Who asks for a stop, and no restart, gets one: connections may finish, and relayd itself resets what is left."""
    one = revived(meeting, on_term=on_term, drain_timeout=ms(700))
    (client, server), (left, behind) = meeting.pairs(one, 2)
    one.term()
    one.wait_notified("STOPPING=1")
    ask(client, server)
    farewell(client, server)
    assert one.wait_exit() == 0
    assert left.read_end() == behind.read_end() == (b"", RESET)
    assert {record.end for record in one.records()} == {"CE", "OS"}
    keeper.wait_held(0, listeners=0)


def test_a_dial_is_finished_before_it_leaves(revived, full_origin):
    """A client that was accepted is not lost by a restart, however slow its server is."""
    one = revived(full_origin, connect_timeout="10m", drain_timeout="1h")
    client = connect(one)
    client.send(b"early")
    until(lambda: full_origin.dials() == 1, "the worker dials")
    one.term()
    full_origin.socket.settimeout(DEADLINE)
    full_origin.socket.accept()[0].close()   # room for one
    server, _ = full_origin.socket.accept()
    assert one.wait_exit() == 0
    one.again()
    assert server.recv(5) == b"early"
    server.sendall(b"late")
    assert client.read(4) == b"late"
    server.close()


def test_the_second_term_at_once(revived, keeper, full_origin, meeting):
    """Even while it waits for a dial. What is held stays held."""
    text = (section("listener", "slow", address=f"127.0.0.1:{free_port()}", upstream="slow")
            + section("listener", "web", address=f"127.0.0.1:{free_port()}", upstream="app")
            + section("upstream", "slow", server=full_origin, connect_timeout="10m")
            + section("upstream", "app", server=meeting))
    slow, web = re.findall(r"127.0.0.1:\d+", text)[:2]
    one = revived(text=f'keeper = "{keeper.path}"\non_term = leave\n' + text, address=[web, slow])
    client, server = meeting.pair(one)
    waits = connect(slow)
    until(lambda: full_origin.dials() == 1, "the worker dials")
    one.term()
    one.wait_notified("STOPPING=1")
    one.term()
    code, took = elapsed(one.wait_exit)
    assert (code, took < secs(2)) == (0, True)
    assert waits.ending() == RESET
    one.again()
    ask(client, server)


def test_keeper_off(revived, keeper, meeting):
    one = revived(meeting, keeper="off")
    client, server = meeting.pair(one)
    assert keeper.sockets() == 0
    one.kill()
    assert client.ending() == server.ending() == RESET
    one.again()
    assert not one.adopted()


def test_unix_sockets(revived, short_path):
    meeting = Meeting(path=short_path / "server")
    one = revived(meeting, address=f"unix:{short_path}/web")
    client, server = meeting.pair(one)
    for how in WAYS:
        one.crash(how)
        ask(client, server)
    client.close()
    assert server.read_end() == (b"", EOF)
    meeting.stop()


# The end of a connection is passed on at once, though the keeper holds copies


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("how", ["close", "shut", "reset"])
@pytest.mark.parametrize("who", ["client", "server"])
def test_ends_are_passed_on_at_once(revived, keeper, meeting, who, how, killed):
    one = revived(meeting)
    pair = meeting.pair(one)
    keeper.wait_held(1)
    if killed:
        one.crash()
    ender, other = pair if who == "client" else reversed(pair)
    other.send(b"a word")
    assert ender.read(6) == b"a word"
    getattr(ender.send(b"the last word"), how)()
    (data, end), took = elapsed(other.read_end)
    if how == "reset":
        assert (data in (b"", b"the last word"), end) == (True, RESET)
    else:
        assert (data, end) == (b"the last word", EOF)
    assert took < AT_ONCE
    if how == "shut":
        other.shut()
        end, took = elapsed(ender.ending)
        assert (end, took < AT_ONCE) == (EOF, True)
    else:
        other.close()
    assert one.record(pair[0]).end == ("C" if who == "client" else "S") + ("R" if how == "reset" else "E")
    keeper.wait_held(0)


def test_the_keeper_holds_nothing_for_what_has_ended(revived, keeper, origin):
    """As many connections as it has room for would have come and gone otherwise; pipes may wait for the next connection."""
    one = revived(origin(http))
    for wave in range(3):
        clients = connect_many(one, some(60))
        for client in clients:
            assert client.get("/x").status == 200
        keeper.wait_held(len(clients))
        close_all(clients)
        one.wait_records((wave + 1) * len(clients))
        keeper.wait_held(0)
        assert len(keeper.links()) <= 4 * len(clients) + 20
        if wave == 1:
            one.crash()


@pytest.mark.parametrize("first", ["client", "server"])
def test_half_closed_connections_come_to_their_end(revived, keeper, meeting, first):
    """The end that was passed on before the kill stays passed on, and the other one is, by the next relayd."""
    one = revived(meeting, half_close=True)
    pair = meeting.pair(one)
    ender, other = pair if first == "client" else reversed(pair)
    ender.send(b"q").shut()
    assert other.read_end() == (b"q", EOF)
    one.crash()
    other.send(b"late")
    assert ender.read(4) == b"late"
    one.crash(signal.SIGTERM)
    other.send(b"later").shut()
    (data, end), took = elapsed(ender.read_end)
    assert (data, end, took < AT_ONCE) == (b"later", EOF, True)
    assert one.record(pair[0]).end == ("CE" if first == "client" else "SE")
    keeper.wait_held(0)


@pytest.mark.parametrize("who", ["client", "server"])
def test_an_end_while_relayd_is_away(revived, meeting, who):
    """The next relayd finds data and the end, or a reset, and passes on what it finds."""
    one = revived(meeting)
    data = pattern(100000)
    ended, reset = meeting.pairs(one, 2)
    one.kill()
    ender, other = ended if who == "client" else reversed(ended)
    ender.send(data).close()
    resetter, shaken = reset if who == "client" else reversed(reset)
    resetter.reset()
    one.again()
    assert other.read_end() == (data, EOF)
    assert shaken.read_end() == (b"", RESET)


@pytest.mark.parametrize("away", [False, True])
@pytest.mark.parametrize("who", ["client", "server"])
def test_a_reset_by_a_side_that_does_not_read(revived, meeting, who, away):
    """Buffers and pipes are full: the reset passes by all that waits, at once."""
    one = revived(meeting)
    pair = meeting.pair(one, receive_buffer=1 << 16)
    resetter, other = pair if who == "client" else reversed(pair)
    other.send_until_blocked(quiet=secs(0.1))
    one.kill()
    if away:
        resetter.reset()
        one.again()
    else:
        one.again()
        resetter.reset()
    record, took = elapsed(lambda: one.record(pair[0]))
    assert took < secs(1)
    assert record.end == ("CR" if who == "client" else "SR")
    assert other.ending() == RESET
