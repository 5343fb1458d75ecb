"""Sockets that are given up: by a stop, by a reload, by a restart. Who had come to them is served."""

import itertools
import os
import signal
import socket
import threading
import time

import pytest

from client import close_all, connect, connect_many, refuses
from origin import http, sends
from peer import EOF, request
from relay import activated
from settings import free_port, secs, some, until
from wire import OURS, RST, SYN


def works(address):
    with connect(address) as client:
        return client.get().status == 200


def states(one):
    """Of its threads."""
    found = set()
    for task in os.listdir(f"/proc/{one.pid}/task"):
        with open(f"/proc/{one.pid}/task/{task}/stat", encoding="utf-8") as stat:
            found.add(stat.read().rpartition(")")[2].split()[0])
    return found


def stopped(one):
    """From now on nobody accepts."""
    one.signal(signal.SIGSTOP)
    until(lambda: states(one) == {"T"}, "all its threads stand")


def address_of(kind, folder):
    return f"unix:{folder}/web.sock" if kind == "unix" else f"127.0.0.1:{free_port()}"


# The backlog


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_who_waits_at_a_stop_is_served(relay, origin, short_path, kind):
    one = relay(origin(http), address=address_of(kind, short_path))
    stopped(one)
    clients = connect_many(one, some(200))
    one.term()
    one.signal(signal.SIGCONT)
    for client in clients:
        assert client.get().status == 200
    close_all(clients)
    assert one.wait_exit() == 0
    assert len(one.records()) == some(200)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize("queue_size", [1, 1000])
def test_who_waits_at_a_listener_that_is_removed_is_served(relay, origin, short_path, kind, queue_size):
    one = relay(origin(http), address=address_of(kind, short_path), max_connections=1)
    with connect(one) as first:
        assert first.get().status == 200
        clients = connect_many(one, 20)
        moved = f"127.0.0.1:{free_port()}"
        one.reload(one.server, address=moved, queue_size=queue_size)
        assert refuses(one.address)
        for client in clients:
            assert client.get().status == 200
        close_all(clients)
    assert works(moved)


def test_one_that_finds_no_room_is_refused_and_does_not_hold_up_the_reload(relay, origin):
    """The place that it would need is taken for longer than a reload takes."""
    one = relay(origin(http), max_connections=1, mode="http")
    with connect(one) as first:
        assert first.get().status == 200
        with connect(one) as second:
            one.reload(one.server, address=f"127.0.0.1:{free_port()}", max_connections=1, mode="http")
            assert second.send(request()).read_response().status == 503
        assert first.get().status == 200


def test_a_stop_does_not_wait_for_those_that_find_no_room(relay, origin):
    one = relay(origin(http), max_connections=1, mode="http", drain_timeout="2s")
    with connect(one) as first, connect(one) as second:
        assert first.get().status == 200
        second.send(request())
        one.term()
        assert second.read_response().status == 503
        assert one.wait_exit() == 0


# Addresses that overlap

OVERLAPS = [("127.0.0.1:{port}", ":{port}"), ("127.0.0.1:{port}", "0.0.0.0:{port}"), ("0.0.0.0:{port}", ":{port}"),
            ("127.0.0.1:{port}", "[::]:{port}"), (":{port}", ["[::]:{port}", "0.0.0.0:{port}"]),
            (["127.0.0.1:{port}", "[::1]:{port}"], ":{port}"), ("[::1]:{port}", ":{port}")]
OVERLAPS += [(after, before) for before, after in OVERLAPS]


def at(port, addresses):
    return [text.format(port=port) for text in ([addresses] if isinstance(addresses, str) else addresses)]


def reachable(addresses):
    """Where clients of these addresses may connect to."""
    found = []
    for text in addresses:
        host, _, port = text.rpartition(":")
        found += {"": [f"127.0.0.1:{port}", f"127.0.0.2:{port}", f"[::1]:{port}"],
                  "[::]": [f"127.0.0.1:{port}", f"127.0.0.2:{port}", f"[::1]:{port}"],
                  "0.0.0.0": [f"127.0.0.1:{port}", f"127.0.0.2:{port}"]}.get(host, [text])
    return found


@pytest.mark.parametrize("before, after", OVERLAPS)
def test_an_address_that_overlaps(relay, origin, before, after):
    """Nobody is refused on the way: neither who has come, nor who waits, nor who comes meanwhile."""
    port = free_port()
    before, after = at(port, before), at(port, after)
    one = relay(origin(http), address=before, max_connections=1)
    first = connect(reachable(before)[0])
    assert first.get().status == 200
    waiting = [connect(where) for where in reachable(before) for _ in range(3)]
    one.reload(one.server, address=after)
    for client in waiting + [first]:
        assert client.get().status == 200
    close_all(waiting + [first])
    for where in reachable(after):
        assert works(where)
    for where in set(reachable(before)) - set(reachable(after)):
        assert refuses(where)
    with pytest.raises(OSError), socket.socket(socket.AF_INET6) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("::", port))
        other.listen()
    until(lambda: len(one.sockets()) < 20, "no socket is left behind")


def test_nobody_is_refused_while_addresses_change(relay, origin):
    port = free_port()
    forms = [at(port, text) for text in ("127.0.0.1:{port}", ":{port}", "0.0.0.0:{port}")]
    one = relay(origin(sends(b"served")), address=forms[0], log_level="warning", log_connections="none")
    ends, going = [], threading.Event()

    def visit():
        while not going.is_set():
            try:
                with connect(f"127.0.0.1:{port}") as client:
                    ends.append(client.read_end())
            except OSError as error:
                ends.append(error)
    visitors = [threading.Thread(target=visit) for _ in range(3)]
    for visitor in visitors:
        visitor.start()
    for i in range(12):
        one.reload(one.server, address=forms[(i + 1) % 3], log_level="warning", log_connections="none")
    going.set()
    for visitor in visitors:
        visitor.join()
    assert len(ends) > 50
    assert {str(end) for end in ends} == {str((b"served", EOF))}


def test_a_reload_that_fails_leaves_the_former_address(relay, origin):
    """The address that overlaps can be had, another one cannot."""
    one = relay(origin(http))
    with socket.create_server(("127.0.0.1", 0)) as taken, connect(one) as client:
        one.write_conf(one.server, address=[f":{one.port}", "127.0.0.1:%d" % taken.getsockname()[1]])
        assert "another process" in one.hup()
        assert works(one.address) and refuses(f"127.0.0.2:{one.port}")
        assert client.get().status == 200
    one.reload(one.server, address=f":{one.port}")
    assert works(one.address) and works(f"127.0.0.2:{one.port}")


@pytest.mark.parametrize("after", [["{own}", "0.0.0.0:{port}"], ["127.0.0.2:{port}", "0.0.0.0:{port}"]])
def test_two_addresses_of_one_file_that_overlap_are_refused_as_at_a_start(relay, origin, after):
    one = relay(origin(http), address=f"127.0.0.1:{free_port()}")
    port = one.address.rpartition(":")[2]
    one.write_conf(one.server, address=[text.format(port=port, own=one.address) for text in after])
    assert "overlaps" in one.hup()
    assert works(one.address)


def test_an_address_that_overlaps_with_a_passed_one(relay, origin):
    """Whoever has passed it still has it: a restart is needed, and more."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        one = activated(relay, origin(http), sock)
        one.write_conf(one.server, address=f":{port}")
        why = one.hup()
        assert "systemd" in why and "restart" in why and "socket unit" in why
        assert works(f"127.0.0.1:{port}")


# With a keeper


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_to_another_place(revived, origin, keeper, short_path, how):
    """Who waits in the sockets that are no longer wanted is served as the listener of that name says now."""
    addresses = [f"127.0.0.1:{free_port()}", f"unix:{short_path}/web.sock"]
    one = revived(origin(http), address=addresses)
    stopped(one)
    waiting = [connect(address) for address in addresses for _ in range(3)]
    moved = f"127.0.0.1:{free_port()}"
    one.write_conf(one.server, address=moved, keeper=keeper.path, on_term="leave")
    one.signal(how)
    one.signal(signal.SIGCONT)
    one.wait_exit()
    one.again()
    for client in waiting:
        assert client.get().status == 200
    close_all(waiting)
    assert works(moved) and refuses(addresses[0])
    keeper.wait_held(0, 1)
    assert os.listdir(short_path) == ["keeper"]


def test_a_start_that_finds_an_address_in_use(revived, origin):
    """It gives up nothing that is held: who waits is served by the start that succeeds."""
    one = revived(origin(http))
    stopped(one)
    with connect(one) as client, socket.create_server(("127.0.0.1", 0)) as taken:
        before = one.file.read_text()
        for moved, status in (("%d" % taken.getsockname()[1], 69), (f"{free_port()}", None)):
            one.write_conf(text=before.replace(one.address, f"127.0.0.1:{moved}"))
            if status:
                one.kill()
                one.spawn_again()
                assert one.wait_exit() == status
            else:
                one.again()
        assert client.get().status == 200


def test_an_address_that_overlaps_with_several_of_the_former_ones(revived, origin):
    """One socket makes way for more than one."""
    port = free_port()
    one = revived(origin(http), address=f":{port}")
    one.write_conf(text=one.file.read_text().replace(f'":{port}"', f'{{"127.0.0.1:{port}", "127.0.0.2:{port}", "[::1]:{port}"}}'))
    one.crash()
    assert all(works(where) for where in (f"127.0.0.1:{port}", f"127.0.0.2:{port}", f"[::1]:{port}"))


def test_an_address_is_free_once_the_reload_is_over(revived, origin, keeper):
    """For others, too: the keeper has let go of its copy by then. It is not waited for for long."""
    one = revived(origin(http))
    moved = f"127.0.0.1:{free_port()}"
    keeper.freeze()
    threading.Timer(0.1, keeper.thaw).start()
    one.reload(one.server, address=moved, keeper=keeper.path, on_term="leave")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", one.port))
        other.listen()
    keeper.freeze()
    one.reload(one.server, keeper=keeper.path, on_term="leave")
    assert works(one.address)
    keeper.thaw()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_to_an_address_that_overlaps(revived, origin, keeper, how):
    port = free_port()
    one = revived(origin(http), address=f"127.0.0.1:{port}")
    keeper.wait_held(0, 1)
    live = connect(one)
    assert live.get().status == 200
    keeper.wait_held(1, 1)
    stopped(one)
    waiting = connect_many(one, 20)
    one.write_conf(one.server, address=f":{port}", keeper=keeper.path, on_term="leave")
    one.signal(how)
    one.signal(signal.SIGCONT)
    assert one.wait_exit() == (0 if how == signal.SIGTERM else -how)
    waiting += connect_many(one, 20)
    one.again()
    for client in waiting + [live]:
        assert client.get().status == 200
    close_all(waiting + [live])
    assert works(f"127.0.0.2:{port}") and works(one.address)
    keeper.wait_held(0, 1)


def test_a_reload_to_an_address_that_overlaps_and_then_a_kill(revived, origin, keeper):
    port = free_port()
    one = revived(origin(http), address=f"127.0.0.1:{port}")
    one.reload(one.server, address=f":{port}", keeper=keeper.path, on_term="leave")
    one.crash()
    assert works(one.address) and works(f"127.0.0.2:{port}")


# Handshakes that are under way


def listens(one, address):
    """Whether it does, as the kernel of its own network writes that."""
    with open(f"/proc/{one.pid}/net/tcp", encoding="ascii") as table:
        return any(line.split()[1:4:2] == [address, "0A"] for line in table)


def ends_at_once(late):
    late.put(SYN)
    return bool(late.get()[0] & RST)


@pytest.mark.parametrize("before", [f"{OURS}:8080", ":8080"])
@pytest.mark.parametrize("what", ["stop", "remove", "widen"])
def test_a_handshake_that_is_under_way_is_served(relay, origin, wire, short_path, before, what):
    server = origin(http, path=short_path / "app")
    one = relay(server, address=before, wrap=wire.wrap)
    client = wire.client(8080, 5000)
    client.begin()
    if what == "stop":
        one.term()
        one.wait_log("Stopping: ")
    else:
        after, known = (f"{OURS}:8081", "010012C6:1F91") if what == "remove" else ("0.0.0.0:8080", "00000000:1F90")
        one.write_conf(server, address=after)
        one.signal(signal.SIGHUP)
        until(lambda: listens(one, known), "the new socket listens")
    client.finish()
    assert client.ask(request()).startswith(b"HTTP/1.1 200 ")
    ports = itertools.count(5001)
    until(lambda: ends_at_once(wire.client(8080, next(ports))) == (what != "widen"), "who comes late is told so")


def test_a_handshake_that_never_ends_does_not_hold_up_a_stop(relay, origin, wire, short_path):
    one = relay(origin(http, path=short_path / "app"), address=":8080", wrap=wire.wrap)
    wire.client(8080, 5000).begin()
    started = time.monotonic()
    one.term()
    assert one.wait_exit() == 0
    assert time.monotonic() - started < secs(5)
