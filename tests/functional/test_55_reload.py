"""Reloading: what changes, for whom, and what goes on meanwhile."""

import signal
import threading

from client import asking, asking_many, close_all, connect, connect_many, refused_in_http, refuses
from control import queued, requests
from origin import echo, http, sends, silent
from peer import EOF, RESET, elapsed, request
from relay import quoted, section
from settings import DEADLINE, LONG, free_port, ms, secs, some, until

RELOADS = some(100 if LONG else 20)


def local():
    return f"127.0.0.1:{free_port()}"


def two(first, second, server, **options):
    """Listeners web and other, to one upstream."""
    return (section("listener", "web", address=first, upstream="app", **options)
            + section("listener", "other", address=second, upstream="app", **options)
            + section("upstream", "app", server=server))


class Load:
    """Clients, one after the other on each of several threads: what they got, and every failure."""

    def __init__(self, address, threads=4):
        self.address = address
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.answers, self.refused, self.failed = [], [], []
        self.threads = [threading.Thread(target=self._visit, daemon=True) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def _visit(self):
        while not self.stopping.is_set():
            try:
                with connect(self.address) as client:
                    answer = client.get().body
                with self.lock:
                    self.answers.append(answer)
            except ConnectionRefusedError as error:
                self.refused.append(error)
            except Exception as error:  # whatever it is, a client was not served
                self.failed.append(error)

    def wait_served(self, more):
        """So many more are served."""
        before = len(self.answers)
        until(lambda: len(self.answers) >= before + more or self.failed or self.refused, "clients are served",
              pause=0.001)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(DEADLINE)
        assert (self.refused, self.failed) == ([], [])


def named(name):
    """A script: an HTTP server that answers with its name."""
    def script(peer):
        while peer.read_request() is not None:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(name), name))
    return script


def test_many_reloads_under_load(relay, origin):
    """The upstream moves between two servers, workers come and go, a second listener and a unix socket, too: not one
    connection is refused, not one request fails."""
    servers = [origin(named(b"first")), origin(named(b"second"))]
    one = relay(servers[0])
    kept, extra = one.sockets(), local()
    load = Load(one.address)
    load.wait_served(10)
    for number in range(RELOADS):
        text = (f"workers = {2 + number % 7}\nqueue_size = {64 << number % 5}\n"
                + section("listener", "web" if number % 3 else "www", address=one.address, upstream="app",
                          copy=("auto", "buffer", "splice")[number % 3])
                + section("upstream", "app", server=servers[number % 2]))
        if number % 2:
            text += section("listener", "extra", address=[extra, f"unix:{one.directory}/extra.sock"], upstream="app")
        one.reload(text=text)
        load.wait_served(2)
    load.stop()
    assert set(load.answers) == {b"first", b"second"}
    assert len(load.answers) >= 2 * RELOADS
    assert kept & one.sockets(), "the listening socket is the same"
    until(lambda: len(one.records()) + one.summed_up() == len(load.answers), "each has its line, or is in a sum",
          pause=0.2)
    assert {record.end for record in one.records()} <= {"CE", "SE"}


def test_whose_turn_it_is_stays(relay, origin):
    """A reload before each connection, and every server gets its share of them."""
    servers = "".join(f"server {name} {{ address = {quoted(origin(sends(name.encode())).address)} }}\n" for name in "abc")
    address = local()
    text = f"listener web {{ address = {quoted(address)} upstream = app }}\nupstream app {{\n{servers}}}\n"
    one = relay(text=text, address=address)
    found = []
    for number in range(6):
        with connect(one) as client:
            found.append(client.read_end()[0])
        one.write_conf(text=text + f"# {number}\n")
        assert one.hup() == ""
    assert sorted(found) == [b"a", b"a", b"b", b"b", b"c", b"c"]


def test_a_storm_of_hups(relay, origin):
    one = relay(origin(http), workers=3)
    load = Load(one.address, 2)
    load.wait_served(5)
    for number in range(100):
        one.write_conf(origin(http) if number == 50 else one.server, workers=2 + number % 4)
        one.signal(signal.SIGHUP)
    one.reload(one.server, workers=5)
    load.wait_served(5)
    load.stop()
    until(lambda: len(one.thread_ids("worker-")) == 5, "five workers are left")
    assert len(one.thread_ids("acc:")) == 1


# Live connections


def test_a_live_connection_survives_its_listener(relay, origin, copy):
    server = origin(echo)
    one = relay(text=two(first := local(), second := local(), server, copy=copy), address=[first, second])
    with connect(second) as client:
        client.send(b"a").read(1)
        one.reload(text=section("listener", "web", address=first, upstream="app")
                   + section("upstream", "app", server=server))
        assert refuses(second)
        assert client.send(b"b").read(1) == b"b"
        assert connect(first).send(b"c").read(1) == b"c"
        assert client.shut().read_end() == (b"", EOF)
    assert (one.record(client).end, one.record(client).listener) == ("CE", "other")


def test_a_live_connection_survives_its_upstream(relay, origin):
    before, after = origin(echo), origin(sends(b"new"))
    one = relay(before)
    with connect(one) as client:
        client.send(b"a").read(1)
        one.reload(text=section("listener", "web", address=one.address, upstream="other")
                   + section("upstream", "other", server=after))
        assert connect(one).read_end() == (b"new", EOF)
        assert client.send(b"b").read(1) == b"b"
        assert client.shut().read_end() == (b"", EOF)
    assert one.record(client).upstream == "app"


def test_one_that_is_being_dialled_for_goes_on_as_it_began(relay, origin, full_origin):
    """Its server is gone from the file: it is dialled for as long as the old file says."""
    one = relay(full_origin, mode="http", connect_timeout=ms(800), connect_attempts=1)
    client = asking(one)
    until(lambda: full_origin.dials() == 1, "a worker dials")
    one.reload(origin(http), mode="tcp")
    assert connect(one).get().status == 200
    refused_in_http(client, 504)
    assert one.record(client).end == "TD"


def test_one_that_waits_in_the_queue_goes_where_it_was_going(relay, origin, full_origin):
    alive, dead = origin(sends(b"old")), local()
    text = section("upstream", "dead", server=full_origin, connect_timeout=ms(600), connect_attempts=1)
    one = relay(text="workers = 1\n" + text + section("listener", "web", address=dead, upstream="dead")
                + section("listener", "other", address=(address := local()), upstream="app")
                + section("upstream", "app", server=alive), address=[dead, address])
    stuck = connect(dead)
    until(lambda: full_origin.dials() == 1, "the worker dials")
    waits = connect(address)
    until(lambda: accepted_all(one, address), "it is accepted")
    one.reload(text="workers = 1\n" + section("listener", "new", address=address, upstream="app")
               + section("upstream", "app", server=origin(sends(b"new"))))
    assert waits.read_end() == (b"old", EOF)
    waits.close()
    assert one.record(waits).listener == "other"
    assert connect(address).read_end() == (b"new", EOF)
    stuck.close()


def accepted_all(one, address):
    """Nobody waits to be accepted there."""
    port = int(address.rpartition(":")[2])
    with open(f"/proc/{one.pid}/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" and row[4].endswith(":00000000") for row in rows)


def test_idle_timeout_of_the_old_and_of_the_new(relay, origin):
    one = relay(origin(echo), idle_timeout=ms(600))
    old = connect(one)
    old.send(b"x").read(1)
    one.reload(one.server, idle_timeout="1h")
    new = connect(one)
    new.send(b"x").read(1)
    _, took = elapsed(old.ending)
    assert secs(0.3) < took < secs(3)
    assert one.record(old).end == "TI"
    one.reload(one.server, idle_timeout=ms(300))
    newest = connect(one)
    newest.send(b"x").read(1)
    assert newest.ending() == RESET
    assert one.record(newest).end == "TI"
    assert new.send(b"y").read(1) == b"y", "it lives under idle_timeout = 1h"
    new.close()


def test_mode_and_connect_timeout_of_new_connections(relay, full_origin):
    one = relay(full_origin, connect_timeout=ms(100), connect_attempts=1)
    assert connect(one).ending() == RESET
    one.reload(one.server, mode="http", connect_timeout=ms(100), connect_attempts=2)
    with connect(one) as client:
        refused_in_http(client.send(request()), 504)
    assert one.record(client).end == "TD"


# Global options


def test_workers_grow_and_shrink(relay, origin):
    one = relay(origin(http), workers=8)
    for count in (3, 12, 1, 8):
        one.reload(one.server, workers=count)
        until(lambda: len(one.thread_ids("worker-")) == count, f"{count} workers")
        for client in connect_many(one, 20):
            assert client.get().status == 200
            client.close()
    names = [name for name in one.thread_names() if name.startswith("worker-")]
    assert len(set(names)) == 8, "each has a name of its own"


def test_busy_workers_that_are_told_to_go_and_asked_to_stay(relay, full_origin, origin):
    one = relay(full_origin, workers=4, connect_timeout="60s")
    stuck = connect_many(one, 4)
    until(lambda: full_origin.dials() == 4, "the workers dial")
    server = origin(http)
    one.reload(server, workers=1)
    one.reload(server, workers=4)
    until(lambda: len(one.thread_ids("worker-")) == 4, "there are four workers")   # one that has gone may be ending
    one.reload(server, workers=5)
    assert connect(one).get().status == 200, "the fifth is free"
    one.reload(server, workers=1)
    close_all(stuck)


def test_max_connections_up_lets_waiting_clients_in(relay, origin):
    one = relay(origin(echo), max_connections=1)
    clients = connect_many(one, 3)
    assert clients[0].send(b"a").read(1) == b"a"
    for client in clients[1:]:
        client.send(b"b")
    assert clients[1].is_silent(0.1)
    one.reload(one.server, max_connections=3)
    for client in clients[1:]:
        assert client.read(1) == b"b"
    close_all(clients)


def test_max_connections_down_refuses_only_new_ones(relay, origin):
    one = relay(origin(http), max_connections=4, when_full="reject", mode="http")
    clients = connect_many(one, 3)
    for client in clients:
        assert client.get("/a").status == 200
    one.reload(one.server, max_connections=1, when_full="reject", mode="http")
    refused_in_http(connect(one).send(request()))
    for client in clients:
        assert client.get("/b").body == b"/b\n"
        assert client.shut().ending() == EOF
        client.close()
    one.wait_records(4)
    assert connect(one).get("/c").body == b"/c\n"


def test_when_full_reject_while_clients_wait_for_a_place(relay, origin):
    one = relay(origin(http), max_connections=1, mode="http")
    first = connect(one)
    assert first.get("/a").body == b"/a\n"
    others = connect_many(one, 3)
    assert others[0].is_silent(0.1)
    one.reload(one.server, max_connections=1, mode="http", when_full="reject")
    for other in others:
        refused_in_http(other.send(request()))
        assert one.record(other).end == "LC"
    assert first.get("/b").body == b"/b\n"
    one.reload(one.server, max_connections=1, mode="http", when_full="wait")
    waits = asking(one, "/c")
    assert waits.is_silent(0.1)
    first.close()
    assert waits.read_response().body == b"/c\n"


def at_the_queue(one):
    """The acceptors that wait, and not for a client."""
    found = []
    for tid in one.thread_ids("acc:"):
        with open(f"/proc/{one.pid}/task/{tid}/wchan", encoding="ascii") as wchan:
            if "futex" in wchan.read():
                found.append(tid)
    return found


def hold_queue(relay, full_origin, **options):
    """One worker, busy until it is reset; the queue is full; a client waits to be accepted, and one has been accepted
    and waits with its acceptor."""
    first, second = local(), local()
    options = {"workers": 1, "queue_size": 1, "connect_timeout": "60s", **options}
    one = relay(full_origin, address=[first, second], **options)
    clients = [connect(first)]
    until(lambda: full_origin.dials() == 1, "the worker dials")
    clients.append(connect(first))
    until(lambda: len(at_the_queue(one)) == 1, "it is in the queue, and its acceptor waits for room")
    clients.append(connect(second))
    until(lambda: len(at_the_queue(one)) == 2, "the other acceptor holds it")
    clients.append(connect(first))
    return one, clients, options


def test_when_full_reject_while_the_queue_is_full(relay, full_origin):
    one, clients, options = hold_queue(relay, full_origin)
    one.reload(full_origin, **options, when_full="reject")
    for client in clients[2:]:
        assert client.read_end() == (b"", RESET)
        assert one.record(client).end == "LQ"
    one.wait_records(2)


def test_what_requests_do_that_wait_for_room_in_the_queue(relay, full_origin, at):
    """As the configuration says that they came under; a later one is refused."""
    options = {"workers": 1, "queue_size": 1, "mode": "http", "connect_timeout": "60s", "control": at}
    one = relay(full_origin, **options)
    clients = [asking(one)]
    until(lambda: full_origin.dials() == 1, "the worker dials")
    clients.append(asking(one))
    until(lambda: queued(at) == 1, "it is in the queue")
    clients.append(asking(one))
    until(lambda: len(requests(at)) == 1, "it has asked, and is not in the queue")
    one.reload(full_origin, **options, when_full="reject")
    with asking(one) as late:
        refused_in_http(late)
        assert one.record(late).end == "LQ"
    assert all(client.is_silent(0.05) for client in clients)
    close_all(clients)


def test_a_listener_goes_while_its_client_waits_for_the_queue(relay, full_origin):
    """The daemon does not wait for a worker to end it."""
    one, clients, options = hold_queue(relay, full_origin)
    one.write_conf(full_origin, address=one.addresses[0], **options)
    why, took = elapsed(one.hup)
    assert why == ""
    assert took < secs(2)
    assert clients[2].read_end() == (b"", RESET)
    assert refuses(one.addresses[1])
    close_all(clients)


def test_queue_size(relay, full_origin, at):
    options = {"workers": 1, "when_full": "reject", "mode": "http", "connect_timeout": "60s", "control": at}
    one = relay(full_origin, queue_size=1, **options)
    held = [asking(one)]
    until(lambda: full_origin.dials() == 1, "the worker dials")
    held.append(asking(one))
    until(lambda: queued(at) == 1, "it is in the queue")
    refused_in_http(asking(one))
    one.reload(full_origin, queue_size=4, **options)
    held += asking_many(one, 3)
    until(lambda: queued(at) == 4, "they are in the queue")
    refused_in_http(asking(one))
    one.reload(full_origin, queue_size=2, **options)
    refused_in_http(asking(one))
    assert [record.end for record in one.wait_records(3)] == ["LQ"] * 3
    assert all(client.is_silent(0.05) for client in held), "nobody is sent away"
    close_all(held)


def test_queue_timeout(relay, full_origin, origin, at):
    """Of those that ask under it."""
    options = {"workers": 1, "mode": "http", "connect_timeout": ms(3000), "connect_attempts": 1, "control": at}
    one = relay(full_origin, queue_timeout="1h", **options)
    stuck = asking(one)
    until(lambda: full_origin.dials() == 1, "the worker dials")
    patient = asking(one)
    until(lambda: queued(at) == 1, "it is in the queue")
    one.reload(origin(http), queue_timeout=ms(100), **options)
    hasty = asking(one)
    refused_in_http(hasty)
    close_all([stuck, patient])
    assert one.record(hasty).end == "TQ"
    assert one.record(patient).end == "TD"


def test_log_level_and_log_connections(relay, origin):
    one = relay(origin(sends(b"x")))
    own = one.open_files()["socket"]

    def visit():
        with connect(one) as client:
            assert client.read_end() == (b"x", EOF)
        one.wait_sockets(own)
        return client.name
    logged = [visit()]
    one.wait_records(1)
    one.reload(one.server, log_connections="none")
    unlogged = [visit()]
    one.reload(one.server, log_level="error")
    unlogged.append(visit())
    # The level counts when a connection ends, just after its sockets have closed: it stays for one more.
    one.reload(one.server, log_connections="failed", log_level="error")
    unlogged.append(visit())
    one.reload(one.server)
    logged.append(visit())
    one.wait_records(2)
    one.term()
    assert one.wait_exit() == 0
    assert [record.client for record in one.records()] == logged
    assert not set(unlogged) & {record.client for record in one.records()}


def test_drain_timeout(relay, origin):
    one = relay(origin(silent), drain_timeout="1h")
    with connect(one) as client:
        client.send(b"x")
        until(lambda: one.server.accepted == 1, "it is relayed")
        one.reload(one.server, drain_timeout=ms(300))
        one.term()
        code, took = elapsed(one.wait_exit)
        assert (code, client.ending()) == (0, RESET)
    assert took < secs(3)
