"""What connections that outlive relayd have stumbled over: pipes that were not empty, silence taken for death, sockets that
somebody still holds, and a keeper that is smaller or gone."""

import contextlib
import os
import resource
import signal
import socket
import subprocess

import pytest

from client import connect
from keeper import Keeper, ask, farewell, room_for
from peer import EOF, RESET
from relay import activated
from settings import free_port, ms, secs, until

# What is left in a pipe


def unread_towards(near, far):
    """How many bytes wait in relayd's TCP socket between these addresses; None once it has come to its end."""
    def place(address):
        return "%02X%02X%02X%02X:%04X" % (*reversed(socket.inet_aton(address[0])), address[1])
    wanted = [place(address) for address in (near, far)]
    with open("/proc/net/tcp", encoding="ascii") as table:   # sl local remote state tx_queue:rx_queue
        rows = [line.split() for line in table.readlines()[1:]]
    return next((int(row[4].split(":")[1], 16) for row in rows if row[1:3] == wanted), None)


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("first", ["client", "server"])
def test_what_a_failed_direction_has_left_reaches_nobody(revived, keeper, meeting, first, killed):
    """It is in the kept pipe of a slot that the next connection gets."""
    one = revived(meeting, linger_timeout="1h")
    pair = meeting.pair(one)
    keeper.wait_held(1)
    goes, stays = pair if first == "client" else reversed(pair)
    gone, there = [(peer.sock.getpeername(), peer.sock.getsockname()) for peer in (goes, stays)]
    goes.close()
    assert stays.read_end() == (b"", EOF)
    stays.send(b"this is answered with a reset")
    until(lambda: unread_towards(*gone) is None, "relayd's socket is dead")
    stays.send(b"SECRET")
    until(lambda: unread_towards(*there) == 0, "it is in the pipe")
    if killed:
        one.crash()
    stays.close()
    one.record(pair[0])
    keeper.wait_held(0)
    for client, server in meeting.pairs(one, 3):   # the first 8 bytes each way are looked at there
        ask(client, server)


# Silence


def test_a_relayd_that_has_nothing_to_say(revived, keeper, meeting):
    """After an adoption, for longer than keeper_timeout: it has not died while it attached. Its listening socket is
    passed, so that it has nothing to say of that either."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        one = activated(revived, meeting, listening, keeper=keeper.path, on_term="leave", keeper_timeout=ms(1500))
        client, server = meeting.pair("127.0.0.1:%d" % listening.getsockname()[1])
        keeper.wait_held(1, listeners=0)
        for _ in range(3):
            one.crash()
            ask(client, server)
            assert client.is_silent(secs(2))
        assert one.adopted() == [(1, 0)] * 3


# Sockets and descriptors at the start


def in_its_own_run(directory):
    """The daemon finds this directory at /run, and so the keeper's socket at the place where it is looked for."""
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("a /run of its own needs a mount namespace, which cannot be had here")
    return ["unshare", "-m", "sh", "-ec", 'mount --bind "$0" /run; exec "$@"', directory]


@pytest.fixture
def usual_keeper(short_path):
    """A keeper, and what makes relayd find it without being told where it is."""
    (short_path / "relayd").mkdir()
    one = Keeper(short_path / "relayd/keeper.sock")
    yield one, in_its_own_run(short_path)
    one.finish()


@pytest.mark.parametrize("instead", ["off", "nobody", "another"])
def test_a_start_without_the_keeper_of_the_one_before(revived, meeting, short_path, usual_keeper, instead):
    """The listening sockets that are held are not in the way; what was held is reset."""
    usual, wrap = usual_keeper
    with contextlib.ExitStack() as stack:
        one = revived(meeting, wrap=wrap, keeper="auto", on_term="leave")
        client, server = meeting.pair(one)
        usual.wait_held(1)
        one.kill()
        if instead == "another":
            stack.callback(Keeper(short_path / "another").finish)
        one.write_conf(meeting, keeper="off" if instead == "off" else f"{short_path}/{instead}", on_term="leave")
        one.again()
        assert (client.ending(), server.ending()) == (RESET, RESET)
        ask(*meeting.pair(one))
        usual.wait_held(0, listeners=0)


def test_another_address_of_the_same_port(revived, keeper, meeting):
    """The held socket overlaps with the new one: it makes way. Connections go on."""
    port = free_port()
    one = revived(meeting, address=f"[::]:{port}")
    pair = meeting.pair(f"127.0.0.1:{port}")
    for address in (f"127.0.0.1:{port}", f"0.0.0.0:{port}", f"[::]:{port}"):
        one.kill(signal.SIGTERM)
        one.write_conf(meeting, address=address, keeper=keeper.path, on_term="leave")
        one.again()
        ask(*pair)
        client, server = meeting.pair(f"127.0.0.1:{port}")
        client.close()
        assert server.read_end() == (b"", EOF)
        server.close()
        keeper.wait_held(1)


def test_more_are_held_than_the_soft_limit_allows(revived, keeper, meeting):
    """relayd raises it before they come."""
    def low():
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    one = revived(meeting, prepare=low)
    pairs = meeting.pairs(one, 60)
    one.crash()
    assert one.wait_adopted(1) == [(len(pairs), 0)]
    for client, server in pairs:
        ask(client, server)


# Another keeper, or none


def test_a_keeper_that_comes_back_smaller(revived, keeper, meeting):
    """It is given what it has room for, once; the rest goes on unheld, which is said."""
    one = revived(meeting)
    pairs = meeting.pairs(one, 30)
    keeper.wait_held(30)
    seen = len(one.all_lines())
    keeper.kill()
    keeper.prepare = room_for(10)
    keeper.again()
    keeper.wait_held(10)
    one.wait_log("relayd-keeper at .* (out of descriptors|can hold)")
    relayd_before, keeper_lines = one.cpu(), len(keeper.lines)
    assert pairs[0][0].is_silent(1)
    assert one.cpu() - relayd_before < 0.3
    assert len(keeper.lines) == keeper_lines
    assert len(one.warned_of_keeper(seen)) <= 3
    for client, server in pairs:
        ask(client, server)
    one.crash()
    assert one.wait_adopted(1) == [(10, 0)]
    alive = 0
    for client, server in pairs:
        try:
            ask(client, server)
            alive += 1
        except ConnectionResetError:
            assert server.ending() == RESET
    assert alive == 10


def test_a_stop_while_the_keeper_is_gone(revived, keeper, meeting):
    """on_term = leave: nobody would hold what is left, and so it drains as ever, and says so."""
    one = revived(meeting, drain_timeout="1h")
    held = meeting.pair(one)
    keeper.wait_held(1)
    keeper.kill()
    until(one.warned_of_keeper, "relayd says that its keeper is gone")
    pairs = [held, meeting.pair(one)]
    one.term()
    one.wait_notified("STOPPING=1")
    one.wait_log(r"Stopping: no new connections; 2 may finish within")
    for client, server in pairs:
        ask(client, server)
        farewell(client, server)
    assert one.wait_exit() == 0
    assert {record.end for record in one.records()} == {"CE"} and len(one.records()) == 2


# Clients that came early


def test_clients_that_waited_in_a_passed_socket(revived, meeting):
    """They were there before relayd, which has prepared its sockets for its death since: they are reset as well."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = "127.0.0.1:%d" % listening.getsockname()[1]
        clients = {b"early%d" % number: connect(address) for number in range(3)}
        one = activated(revived, meeting, listening, keeper="off")
        clients[b"later0"] = connect(address)
        for name, client in clients.items():
            client.send(name)
        pairs = []
        for _ in clients:
            server = meeting.accept()
            pairs.append((clients[server.read(6)], server))
        for client, server in pairs:
            server.send(b"half of a tran")
            assert client.read(14) == b"half of a tran"
        one.kill()
        for client, server in pairs:
            assert (client.ending(), server.ending()) == (RESET, RESET)
        one.again()
