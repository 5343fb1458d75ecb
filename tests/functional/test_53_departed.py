"""Orders reach connections at addresses that their server does not have any more."""

import json

import pytest

from control import relayctl
from fleet import conf
from keeper import Meeting, ask
from peer import RESET
from settings import free_port, until


def rows(at):
    return {one["address"]: one for one in json.loads(relayctl("-s", at, "--json", "servers"))}


def moved(relay, meeting, at, **upstream):
    """A connection, and then its server has another address."""
    address, other = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    top = f'control = "{at}"\n'
    one = relay(text=conf(address, {"a": meeting.address}, top=top, **upstream), address=address)
    pair = meeting.pair(one)
    one.reload(text=conf(address, {"a": other}, top=top, **upstream))
    until(lambda: set(rows(at)) == {meeting.address, other}, "both addresses to be listed")
    return one, pair, other


def test_they_are_listed_and_waited_for(relay, meeting, at):
    _, (client, server), other = moved(relay, meeting, at)
    row, now = rows(at)[meeting.address], rows(at)[other]
    assert (row["upstream"], row["server"], row["state"], row["live"], row["weight"]) == ("app", "a", "draining", 1, 0)
    assert row["reason"] == "the server does not have this address now"
    assert (now["state"], now["live"]) == ("up", 0)
    assert "the server does not have this address now" in relayctl("-s", at, "servers")
    assert json.loads(relayctl("-s", at, "--json", "drain", "app/a"))["live"] == 1
    relayctl("-s", at, "drain", "app/a", "--wait", "--timeout", "1ms", status=1)
    ask(client, server)
    client.close()
    server.close()
    assert "app/a has no connection." in relayctl("-s", at, "drain", "app/a", "--wait")
    assert set(rows(at)) == {other}


def test_down_resets_them(relay, meeting, at):
    one, (client, server), _ = moved(relay, meeting, at, on_down="reset")
    relayctl("-s", at, "down", "app/a", "--wait")
    assert client.read_end() == (b"", RESET)
    assert server.read_end() == (b"", RESET)
    assert one.record(client).end == "HR"


def test_down_keeps_them(relay, meeting, at):
    _, pair, _ = moved(relay, meeting, at)
    relayctl("-s", at, "down", "app/a")
    assert rows(at)[meeting.address]["state"] == "maintenance"
    ask(*pair)


def test_of_a_server_that_is_gone(relay, meeting, at):
    one, pair, other = moved(relay, meeting, at)
    one.reload(text=conf(one.address, {"b": other}, top=f'control = "{at}"\n'))
    until(lambda: set(rows(at)) == {meeting.address, other}, "both addresses to be listed")
    assert rows(at)[meeting.address]["reason"] == "the configuration has no such server"
    ask(*pair)


@pytest.fixture
def second():
    server = Meeting()
    yield server
    server.stop()


def test_what_was_adopted_obeys_orders(revived, meeting, second, keeper, at):
    """The previous relayd died before it had done as ordered: here, because on_down said otherwise in its time."""
    address = f"127.0.0.1:{free_port()}"
    top = f'control = "{at}"\nkeeper = "{keeper.path}"\non_term = leave\n'
    servers = {"a": meeting.address, "b": second.address}
    one = revived(text=conf(address, servers, top=top), address=address)
    client, server = meeting.pair(one)
    relayctl("-s", at, "down", "app/a")
    kept = second.pair(one)
    ask(client, server)
    one.write_conf(text=conf(address, servers, top=top, on_down="reset"))
    one.crash()
    assert client.read_end() == (b"", RESET)
    assert server.read_end() == (b"", RESET)
    assert one.record(client).end == "HR"
    ask(*kept)
    assert relayctl("-s", at, "kill", "server=app/b") == "1 connection is killed.\n"
    assert kept[0].read_end() == (b"", RESET)
