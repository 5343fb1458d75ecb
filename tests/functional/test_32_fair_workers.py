"""Upstreams do not wait for each other's servers: the workers, and the room in the queue, are shared fairly."""

import pytest

import servers
from client import asking, asking_many, close_all, connect, connect_many, refused_in_http
from origin import sends
from peer import EOF, RESET, elapsed
from relay import section
from settings import free_port, ms, secs, some, until


def local():
    return f"127.0.0.1:{free_port()}"


def dead_and_alive(relay, dead, alive, count=1, top="", wrap=(), mode="http", **options):
    """A relay with one upstream that works, and so many whose server does not answer; its address is the first's, and
    the others' are its `dead`, of this mode. With max_fails = 0 none of them is ever left alone."""
    options = {"max_fails": 0, "connect_attempts": 1, "connect_timeout": "60s", **options}
    addresses = [local() for _ in range(count + 1)]
    text = "log_connections = failed\n" + top
    text += section("listener", "alive", address=addresses[0], upstream="alive") + section("upstream", "alive", server=alive)
    for number, address in enumerate(addresses[1:]):
        text += section("listener", f"dead{number}", address=address, upstream=f"dead{number}", mode=mode)
        text += section("upstream", f"dead{number}", server=dead, **options)
    one = relay(text=text, address=addresses, wrap=wrap)
    one.dead = addresses[1:]
    return one


def served(one):
    with connect(one) as client:
        assert client.read_end() == (b"x", EOF)


def times(one, count):
    """How long clients of the upstream that works take, from the shortest."""
    return sorted(elapsed(lambda: served(one))[1] for _ in range(count))


@pytest.mark.parametrize("mode, visit", [("http", asking_many), ("tcp", connect_many)])
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_dead_upstreams_hold_nobody_up(relay, origin, full_origin, workers, mode, visit):
    """Twelve black holes, each with more clients than it may have dials: all others notice nothing."""
    one = dead_and_alive(relay, full_origin, origin(sends(b"x")), 12, f"workers = {workers}\n", mode=mode)
    times(one, 10)
    alone = times(one, some(100))
    clients = [client for address in one.dead for client in visit(address, 2 * workers)]
    beside = times(one, some(100))
    until(lambda: full_origin.dials() == 12 * workers, "each has as many dials as there are workers, and no more")
    beside += times(one, some(100))
    beside.sort()
    nine_of_ten = int(len(alone) * 0.9)
    assert beside[2 * nine_of_ten] < 2 * alone[nine_of_ten] + secs(0.1), (alone, beside)
    # Who is held waits for connect_timeout; on a loaded machine, who comes right behind all those clients waits until they are taken in.
    assert beside[-1] < alone[-1] + secs(3), (alone, beside)
    close_all(clients)
    _, took = elapsed(lambda: stopped_at_once(one))
    assert took < secs(3)


def stopped_at_once(one):
    one.term()
    one.wait_log("Stopping")
    one.term()
    assert one.wait_exit() == 0


def test_a_dead_upstream_does_not_fill_the_queue(relay, origin, full_origin):
    """It may have all of it, but the others have their share then, too. (With requests: test_98_http_waits.py.)"""
    one = dead_and_alive(relay, full_origin, origin(sends(b"x")), 1, "workers = 1\nqueue_size = 4\nwhen_full = reject\n",
                         mode="tcp")
    clients = [connect(one.dead[0])]
    until(lambda: full_origin.dials() == 1, "one is dialled for")
    clients += connect_many(one.dead[0], 4)
    last = connect(one.dead[0])
    assert last.read_end() == (b"", RESET)
    served(one)
    assert one.record(last).end == "LQ"
    close_all(clients)


@pytest.mark.parametrize("mode, visit", [("http", asking_many), ("tcp", connect_many)])
def test_clients_of_a_dead_upstream_wait_outside(relay, origin, full_origin, mode, visit):
    """With when_full = wait its listener stops accepting, or its requests wait for room, and no others."""
    one = dead_and_alive(relay, full_origin, origin(sends(b"x")), 1, "workers = 1\nqueue_size = 1\n", mode=mode)
    clients = visit(one.dead[0], 5)
    until(lambda: full_origin.dials() == 1, "one is dialled for")
    for _ in range(3):
        served(one)
    close_all(clients)


def test_queue_timeout_is_told_in_time(relay, origin, full_origin):
    """Also while all workers dial."""
    one = dead_and_alive(relay, full_origin, origin(sends(b"x")), 1, f"workers = 1\nqueue_timeout = {ms(300)}\n")
    first = asking(one.dead[0])
    until(lambda: full_origin.dials() == 1, "the worker dials")
    second = asking(one.dead[0])
    _, took = elapsed(lambda: refused_in_http(second))
    assert secs(0.1) < took < secs(2)
    record = one.record(second)
    assert record.end == "TQ" and record.queue_usec >= secs(0.3) * 1e6
    first.close()


def test_a_name_without_an_answer_holds_nobody_up(relay, origin, server):
    dns = server(servers.Dnsmasq)
    dns.swallow("slow.test")
    one = dead_and_alive(relay, "slow.test:80", origin(sends(b"x")), 3, "workers = 1\n", dns.wrap)
    clients = [client for address in one.dead for client in asking_many(address, 3)]
    _, took = elapsed(lambda: times(one, 5))
    assert took < secs(1)
    close_all(clients)


def test_dials_that_last_have_spare_threads(relay, origin, full_origin):
    one = dead_and_alive(relay, full_origin, origin(sends(b"x")), 3, "workers = 2\n", connect_timeout=ms(1500))
    clients = [client for address in one.dead for client in asking_many(address, 2)]
    until(lambda: len(one.thread_ids("spare-")) == 6, "each dial has one")
    for client in clients:
        refused_in_http(client, 504)
    assert len(one.thread_ids("worker-")) == 2
    served(one)


def test_more_workers_while_dials_last(relay, full_origin):
    """A line that has all the dials that it may is served further as soon as it may have more."""
    one = relay(full_origin, mode="http", workers=1, connect_timeout="60s", connect_attempts=1, max_connections=100)
    clients = asking_many(one, 4)
    for workers in (1, 3, 2, 4):
        one.reload(full_origin, mode="http", workers=workers, connect_timeout="60s", connect_attempts=1)
        until(lambda: full_origin.dials() >= workers, f"{workers} are dialled for")
    close_all(clients)
