"""Clients of servers that have all the connections that they may: they wait in a line, and who ends makes room at once."""

import signal

import pytest

from client import close_all, connect, connect_many
from fleet import conf, site
from origin import echo, sends
from peer import EOF, RESET, elapsed
from relay import section
from settings import free_port, ms, secs, some


def full_site(relay, server, most=1, **options):
    return site(relay, {"a": {"address": server.address, "max_connections": most}}, **options)


def greets(peer):
    """Says which connection it is, and then what an echo does."""
    peer.send(b"hello\n")
    return echo(peer)


def test_those_who_wait_are_served_in_their_order(relay, origin):
    one = full_site(relay, origin(greets), 2)
    inside = connect_many(one, 2)
    for client in inside:
        assert client.read(6) == b"hello\n"
    waiting = []
    for _ in range(some(20)):
        waiting.append(connect(one))
        assert waiting[-1].is_silent(0.02), "it waits before the next one comes"
    while waiting:
        inside.pop(0).close()
        inside.append(waiting.pop(0))
        assert inside[-1].read(6) == b"hello\n"
        assert all(client.is_silent(0.001) for client in waiting)
    close_all(inside)
    records = one.wait_records(some(20) + 2)
    assert {record.end for record in records} == {"CE"}


def test_the_next_one_is_served_at_once(relay, origin):
    """Not at somebody's next look: through a server with one place, clients follow each other quickly."""
    one = full_site(relay, origin(sends(b"x")))
    _, took = elapsed(lambda: [client.read_end() for client in connect_many(one, some(100))])
    assert took < secs(2)
    assert len(one.wait_records(some(100))) == some(100)


def test_they_keep_no_worker(relay, origin):
    full, free = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    one = relay(address=[full, free], text="workers = 1\n" + section("listener", "full", address=full, upstream="full")
                + section("listener", "free", address=free, upstream="free")
                + section("upstream", "free", server=origin(sends(b"x")))
                + f'upstream full {{ server a {{ address = "{origin(echo).address}" max_connections = 1 }} }}\n')
    first = connect(full)
    first.send(b"a").read(1)
    waiting = connect_many(full, 20)
    for _ in range(5):
        assert connect(free).read_end() == (b"x", EOF)
    close_all([first, *waiting])


def test_they_are_refused_after_queue_timeout(relay, origin):
    """(Requests: test_98_http_waits.py.)"""
    one = full_site(relay, origin(echo), top=f"queue_timeout = {ms(400)}\n")
    first = connect(one)
    first.send(b"a").read(1)
    second, third = connect_many(one, 2)
    for client in (second, third):
        end, took = elapsed(client.read_end)
        assert end == (b"", RESET)
        assert took < secs(2)
        record = one.record(client)
        assert (record.end, record.bytes_up) == ("LD", 0)
        assert record.queue_usec >= secs(0.4) * 1e6 and record.dial_usec == 0
    assert first.send(b"b").read(1) == b"b"


def test_with_reject_they_are_refused_at_once(relay, origin):
    one = full_site(relay, origin(echo), top="when_full = reject\n")
    first = connect(one)
    first.send(b"a").read(1)
    for _ in range(5):
        with connect(one) as client:
            end, took = elapsed(client.read_end)
            assert end == (b"", RESET)
            assert took < secs(0.9)
            assert one.record(client).end == "LD"
    assert first.send(b"b").read(1) == b"b"


def in_turn(one, count):
    """The first is served, and each of the others waits before the next one comes."""
    clients = [connect(one)]
    assert clients[0].send(b"a").read(1) == b"a"
    while len(clients) < count:
        clients.append(connect(one).send(b"b"))
        assert clients[-1].is_silent(0.1)
    return clients


def test_more_room_by_a_reload_is_for_those_who_wait(relay, origin):
    server = origin(echo)
    one = full_site(relay, server)
    clients = in_turn(one, 4)
    one.reload(text=conf(one.address, {"a": {"address": server.address, "max_connections": 3}}))
    for client in clients[1:3]:
        assert client.read(1) == b"b"
    assert clients[3].is_silent(0.3)
    one.reload(text=conf(one.address, {"a": {"address": server.address}}))
    assert clients[3].read(1) == b"b"
    close_all(clients)


@pytest.mark.parametrize("after", ["one more", "another one", "another upstream"])
def test_servers_that_a_reload_brings_are_for_all(relay, origin, after):
    """For those who wait for the servers before, and for those who come behind them."""
    full, other = origin(greets), origin(echo)
    one = full_site(relay, full)
    with connect(one) as first:
        assert first.read(6) == b"hello\n"
        waiting = connect_many(one, 3)
        assert all(client.is_silent(0.05) for client in waiting)
        servers = {"a": {"address": full.address, "max_connections": 1}} if after == "one more" else {}
        text = conf(one.address, {**servers, "b": other.address})
        one.reload(text=text.replace("upstream = app", "upstream = new").replace("upstream app", "upstream new")
                   if after == "another upstream" else text)
        for client in [*waiting, connect(one)]:
            assert client.send(b"x").read(1) == b"x", "long before queue_timeout"
            client.close()
    upstream = "new" if after == "another upstream" else "app"
    assert {record.upstream for record in one.wait_records(5) if record.server == "b"} == {upstream}


def test_a_stop_lets_them_finish_and_a_second_one_does_not(relay, origin):
    one = full_site(relay, origin(echo), top="queue_timeout = 10m\n")
    first, second, third = in_turn(one, 3)
    one.term()
    one.wait_log("Stopping")
    first.close()
    assert second.read(1) == b"b"
    one.term()
    assert second.ending() == RESET
    third.close()
    assert one.wait_exit() == 0
    assert one.record(third).end == "OS"


def test_a_restart_does_not_wait_for_them(revived, origin, keeper):
    """Who has the place keeps it in the next process; new clients are not kept waiting meanwhile."""
    address = f"127.0.0.1:{free_port()}"
    one = revived(text=conf(address, {"a": {"address": origin(greets).address, "max_connections": 1}},
                            top=f'keeper = "{keeper.path}"\non_term = leave\nqueue_timeout = 1h\n'), address=address)
    with connect(one) as first:
        assert first.read(6) == b"hello\n"
        waiting = connect_many(one, 3)
        assert all(client.is_silent(0.05) for client in waiting)
        one.kill(signal.SIGTERM)
        assert [client.ending() for client in waiting] == [RESET] * 3
        one.again()
        assert first.send(b"x").read(1) == b"x"
    assert connect(one).read(6) == b"hello\n"


@pytest.mark.parametrize("first", ["server", "client"])
@pytest.mark.parametrize("when_full", ["wait", "reject"])
def test_who_ends_before_it_comes_back_finds_its_place(relay, origin, when_full, first):
    """Four clients that have one connection at a time, at a server that has room for four."""
    def serve(peer):
        peer.read(1)
        peer.send(b"x")
        if first == "client":
            peer.ending()
    one = full_site(relay, origin(serve), 4, top=f"when_full = {when_full}\n")
    clients = {}
    for number in range(some(400)):
        client = clients.get(number % 4)
        if client:
            if first == "server":
                assert client.ending() == EOF
            client.close()
        clients[number % 4] = connect(one)
        clients[number % 4].send(b"?")
        assert clients[number % 4].read(1) == b"x"
    close_all(clients.values())
    assert {record.end for record in one.wait_records(some(400))} <= {"CE", "SE"}


@pytest.mark.parametrize("header", [b"", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"])
@pytest.mark.parametrize("limit", ["listener", "client", "all"])
def test_who_comes_back_finds_the_place_of_a_limit(relay, origin, limit, header):
    """One client that ends before it comes back, under a limit of one, with refusals at once."""
    listener = {"listener": {"max_connections": 1}, "client": {"max_connections_per_client": 1}}.get(limit, {})
    if header:
        listener = {**listener, "accept_proxy": "v1", "proxy_from": ("127.0.0.0/8",)}
    top = "when_full = reject\n" + ("max_connections = 1\n" if limit == "all" else "")
    one = site(relay, {"a": origin(echo)}, listener=listener, top=top)
    for _ in range(some(200)):
        with connect(one) as client:
            assert client.send(header + b"?").read(1) == b"?"
    with connect(one) as first:
        assert first.send(header + b"a").read(1) == b"a"
        if header:
            return
        _, took = elapsed(lambda: [client.ending() for client in connect_many(one, 20)])
        assert took < secs(0.9), "who finds somebody there is not kept waiting, nor those behind"
        assert first.send(b"b").read(1) == b"b"


def test_least_connections_does_not_count_what_has_ended(relay, origin):
    """Clients that keep their side open for a while after the server's end weigh nothing."""
    one = site(relay, {"a": origin(sends(b"a")), "b": origin(greets)}, balance="least_connections",
               listener={"linger_timeout": "60s"})
    clients, said = [], []
    for _ in range(20):
        clients.append(connect(one))
        said.append(clients[-1].read(1))
        if said[-1] == b"a":
            assert clients[-1].ending() == EOF
    assert said.count(b"h") <= 2, said
    close_all(clients)


def test_the_status_line_tells_of_those_who_wait(relay, origin):
    one = full_site(relay, origin(echo))
    clients = [connect(one)]
    assert clients[0].send(b"a").read(1) == b"a"
    clients += connect_many(one, 2)
    one.wait_notified("STATUS=Relaying 3 connections for 1 listener. 2 connections wait for room at the servers of app.")
    close_all(clients)
