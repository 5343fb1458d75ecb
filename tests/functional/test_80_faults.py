"""Running out of things, and clients that vanish: one connection may end, the daemon lives. Where relayd looks into requests:
test_98_http_faults.py."""

import re
import resource
import time

import pytest

from client import close_all, connect, connect_many
from origin import echo, http, pattern
from peer import RESET, Uploader, request
from settings import SANITIZER, free_port, ms, secs, some, until

# Clients that vanish


def closes(client):
    client.close()


def resets(client):
    client.reset()


def asks_and_closes(client):
    client.send(request("/bytes/500000"))
    client.close()


def asks_and_resets(client):
    client.send(request("/bytes/500000"))
    client.reset()


@pytest.mark.parametrize("vanish", [closes, resets, asks_and_closes, asks_and_resets])
def test_two_hundred_clients_that_vanish(relay, origin, copy, vanish):
    one = relay(origin(http), copy=copy, linger_timeout=ms(500), queue_size=2000)
    sockets, threads = one.open_files()["socket"], one.threads()
    for wave in (1, 2):
        for client in connect_many(one, some(200)):
            vanish(client)
        one.wait_records(wave * some(200))
        one.wait_sockets(sockets)
        # Half a wave's pairs may still be on their way back when the next begins: a socket closes before its pair is idle.
        assert one.threads() <= threads + 3 * some(200), "threads of finished pairs are used again"
        assert one.open_files()["pipe"] <= 4 * some(200)
    with connect(one) as client:
        assert client.get().status == 200


def test_threads_of_finished_pairs_are_reused(relay, origin, copy):
    one = relay(origin(http), copy=copy)
    for _ in range(20):
        with connect(one) as client:
            client.get()
        one.record(client)
    before = one.threads()
    for _ in range(some(200)):
        with connect(one) as client:
            client.get()
        one.record(client)
    assert one.threads() <= before + 4


def test_no_descriptor_leaks(relay, origin, copy):
    """Every kind of end leaves as many descriptors as there were."""
    def script(peer):
        word = peer.read(1)
        if word == b"r":
            peer.reset()
        elif word == b"s":
            peer.send(b"bye")
        else:
            peer.ending()
    one = relay(origin(script), copy=copy, idle_timeout=ms(300))
    before = one.open_files()["socket"]
    for _ in range(5):
        for word in (b"r", b"s"):
            with connect(one) as client:
                client.send(word).read_end()
        with connect(one) as client:
            client.send(b"c")
        client = connect(one)
        client.send(b"c").reset()
    with connect(one) as client:
        client.send(b"i").read_end()
    one.wait_records(21)
    one.wait_sockets(before)
    # Of the pipes there are no more than the most connections at a time have needed.
    assert one.open_files()["pipe"] <= 4 * 21


# Descriptors


def warmed_up(relay, origin, copy):
    """A relay whose first connection is over, its sockets closed."""
    one = relay(origin(echo), copy=copy)
    sockets = one.open_files()["socket"]
    with connect(one) as client:
        client.send(b"a").read(1)
    one.record(client)
    one.wait_sockets(sockets)
    return one


def settled(one):
    before = one.descriptors()
    time.sleep(0.05)
    return before if one.descriptors() == before else None


def limit_descriptors(one, free):
    """Lowers the limit of the running daemon so that so many descriptors are left, once those before are closed."""
    used = set(until(lambda: settled(one), "no descriptor comes or goes"))
    limit = 0
    while free:
        if limit not in used:
            free -= 1
        limit += 1
    soft, hard = resource.prlimit(one.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(one.pid, resource.RLIMIT_NOFILE, (limit, hard))
    return soft, hard


def test_descriptors_exhausted_and_back(relay, origin, copy):
    one = relay(origin(echo), copy=copy, workers=2)
    first = connect(one)
    first.send(b"a").read(1)
    limit_descriptors(one, 12)
    clients = connect_many(one, 30)
    one.wait_log("LimitNOFILE")
    # Those who got through are served, the exhaustion costs no processor time and few lines.
    assert first.send(b"b").read(1) == b"b"
    before, lines = one.cpu(), len([line for line in one.lines if "RELAYD_END" not in line.fields])
    time.sleep(1)
    assert one.cpu() - before < 0.2 * (5 if SANITIZER else 1), "it spins"
    assert len([line for line in one.lines if "RELAYD_END" not in line.fields]) - lines <= 5
    close_all(clients)

    def served():
        with connect(one) as client:
            client.sock.settimeout(2)
            try:
                return client.send(b"c").recv(1) == b"c"
            except OSError:
                return False
    until(served, "clients are served again")
    assert first.send(b"d").read(1) == b"d"


def test_no_descriptor_for_the_server(relay, origin, copy):
    """The client was accepted, but there is nothing left to dial with: this one client is reset, with a record."""
    one = warmed_up(relay, origin, copy)

    def refused():
        """Threads kept from before may give their pipes back meanwhile, and the client is served after all."""
        soft, hard = limit_descriptors(one, 1)
        with connect(one) as client:
            try:
                client.send(b"x").shut()
            except OSError:
                pass   # it was told so already
            got, how = client.read_end()
        record = one.record(client)
        resource.prlimit(one.pid, resource.RLIMIT_NOFILE, (soft, hard))
        return record.end in ("MD", "MP") and record.error == "EMFILE" and (got, how) == (b"", RESET)
    until(refused, "a client is refused for want of a descriptor")
    assert connect(one).send(b"b").read(1) == b"b"


@pytest.mark.parametrize("free", [2, 3, 4, 5])
def test_no_descriptors_for_the_pipes(relay, origin, copy, free):
    """However few are left: the client is served or refused, and the daemon goes on."""
    one = warmed_up(relay, origin, copy)
    soft, hard = limit_descriptors(one, free)
    data = pattern(1000000)
    client = connect(one)
    uploader = Uploader(client, chunk=data)
    try:
        got = client.recv(1)
    except ConnectionResetError:
        got = b""    # as when that was told to the uploader
    assert got in (data[:1], b"")
    if got:
        client.shut()    # wakes the uploader: while it waits for room, a close does not close
    uploader.stop()
    client.close()
    one.record(client)
    resource.prlimit(one.pid, resource.RLIMIT_NOFILE, (soft, hard))
    assert connect(one).send(b"b").read(1) == b"b"


def with_hard_limit(limit):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def is_served(client, mode):
    if mode == "http":
        status = client.get().status
        assert status in (200, 503)
        return status == 200
    try:
        return client.send(b"x").recv(1) == b"x"
    except (ConnectionResetError, BrokenPipeError):
        return False


@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_a_low_descriptor_limit_is_said_at_the_start(relay, origin, mode):
    """One clear warning with the number that does and the setting to raise; the smaller number is then used."""
    script = http if mode == "http" else echo
    one = relay(origin(script), prepare=with_hard_limit(256), mode=mode, when_full="reject", copy="splice", queue_size=64)
    warnings = [line for line in one.wait_log("LimitNOFILE") if line.level == "warning"]
    assert len(warnings) == 1
    numbers = {int(number) for number in re.findall(r"\d+", warnings[0].text)}
    assert 10000 in numbers
    clients = []
    for _ in range(150):
        client = connect(one)
        if is_served(client, mode):
            clients.append(client)
        else:
            client.ending()
            client.close()
    served = len(clients)
    assert served in numbers, warnings
    assert served >= 10
    assert not [line for line in one.lines if line.level in ("error",)], one.log
    close_all(clients)


def test_those_who_ask_need_descriptors(relay, origin, short_path):
    """The control socket: 48 clients, a socket with what wakes it, 4 checks of a server; the status section: 80 clients, and its
    socket twice."""
    server, at = origin(echo), f"127.0.0.1:{free_port()}"

    def needed(top, name="127.0.0.1"):
        one = relay(text=f"max_connections = 1000000\n{top}\nlistener web {{ address = \"{at}\" upstream = app }}\n"
                    f"upstream app {{ server a {{ address = \"{name}:{server.port}\" }} }}\n", address=at, prepare=with_hard_limit(1000))
        said = " ".join(line.text for line in one.wait_log("LimitNOFILE"))
        one.finish()
        return int(re.search("There are 1000 descriptors and ([0-9]+) are needed", said)[1])
    control, status = f'control = "{short_path}/control.sock"', f'status {{ address = "127.0.0.1:{free_port()}" }}'
    none = needed("control = off")
    # Some clients that are refused count as well, an eighth of those that fit.
    assert 40 <= needed(control) - none <= 55
    assert 200 <= needed(control, "localhost") - none <= 307, "4 checks of 64 addresses"
    assert 65 <= needed(f"control = off\n{status}") - none <= 84


def test_enough_descriptors_are_no_warning(relay, origin):
    one = relay(origin(echo), max_connections=100)
    with connect(one) as client:
        client.send(b"x").read(1)
    one.record(client)
    assert not [line for line in one.lines if line.level in ("warning", "error")], one.log


def test_the_soft_limit_is_raised(relay, origin):
    def prepare():
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, 4000))
    one = relay(origin(echo), prepare=prepare, max_connections=500)
    assert resource.prlimit(one.pid, resource.RLIMIT_NOFILE) == (4000, 4000)
    clients = connect_many(one, 200)
    for client in clients:
        client.send(b"x").read(1)
    close_all(clients)


# Threads and memory


@pytest.mark.skipif(bool(SANITIZER), reason="a sanitizer's shadow memory is address space without end")
def test_no_room_for_threads(relay, origin, copy):
    """No address space for more stacks: the clients that come then are reset, the others live, and so does it."""
    one = relay(origin(echo), copy=copy)
    first = connect(one)
    first.send(b"a").read(1)
    with open(f"/proc/{one.pid}/statm", encoding="ascii") as statm:
        size = int(statm.read().split()[0]) * resource.getpagesize()
    resource.prlimit(one.pid, resource.RLIMIT_AS, (size + (1 << 20), -1))
    clients = connect_many(one, 60)
    assert not all([is_served(client, "tcp") for client in clients])
    assert {record.end for record in one.wait_records(1)} <= {"MP", "MD"}
    assert first.send(b"b").read(1) == b"b"
    resource.prlimit(one.pid, resource.RLIMIT_AS, (-1, -1))
    close_all(clients)
    with connect(one) as client:
        assert client.send(b"c").read(1) == b"c"


# Processor time


def test_idle_connections_cost_no_processor_time(relay, origin, copy):
    """Many idle connections, for as long as one of another listener takes to become idle."""
    one = relay(origin(echo), copy=copy, idle_timeout="1h")
    clock = relay(origin(echo), idle_timeout="1500ms")
    clients = connect_many(one, some(100))
    for client in clients:
        client.send(b"x").read(1)
    waiting = connect(clock)
    before = one.cpu()
    waiting.ending()
    assert one.cpu() - before <= (0.2 if SANITIZER else 0.02)
    close_all(clients)


def test_a_stalled_connection_costs_no_processor_time(relay, origin, copy):
    one = relay(origin(lambda peer: peer.send_until_blocked(quiet=20)), copy=copy, idle_timeout="1h")
    clock = relay(origin(echo), idle_timeout="1500ms")
    client = connect(one)
    client.send_until_blocked(quiet=secs(0.3))
    waiting = connect(clock)
    before = one.cpu()
    waiting.ending()
    assert one.cpu() - before <= (0.2 if SANITIZER else 0.02)
    client.reset()
