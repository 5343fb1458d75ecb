"""Several servers: who gets a connection, and what happens when one fails."""

import collections
import re

import pytest

from client import asking, connect, refused_in_http
from fleet import Load, Named, failures, site
from origin import echo, http, sends
from peer import EOF, RESET, elapsed, request
from settings import SANITIZER, free_port, ms, secs, some, until


def answers(one, count):
    """Who answered so many connections."""
    found = collections.Counter()
    for _ in range(count):
        with connect(one) as client:
            found[client.read_end()[0].decode()] += 1
    return found


@pytest.fixture
def named(origin):
    """named("a", "b"): origins that say their name and close."""
    return lambda *names: {name: origin(sends(name.encode())) for name in names}


def test_by_turns(relay, named):
    one = site(relay, named("a", "b", "c"))
    assert answers(one, 30) == {"a": 10, "b": 10, "c": 10}
    assert {record.server for record in one.wait_records(30)} == {"a", "b", "c"}


def test_by_weight(relay, named):
    servers = named("a", "b", "c")
    one = site(relay, {"a": {"address": servers["a"].address, "weight": 5}, "b": servers["b"],
                       "c": {"address": servers["c"].address, "weight": 0}})
    assert answers(one, 60) == {"a": 50, "b": 10}


@pytest.mark.parametrize("balance", ["least_connections", "random_two"])
def test_by_load(relay, origin, balance):
    servers = {name: origin(echo) for name in "abc"}
    one = site(relay, servers, balance=balance)
    clients = []
    for _ in range(30):
        clients.append(connect(one))
        assert clients[-1].send(b"x").read(1) == b"x"
    for client in clients:
        client.close()
    count = collections.Counter(record.server for record in one.wait_records(30))
    if balance == "least_connections":
        assert count == {"a": 10, "b": 10, "c": 10}
    else:
        assert max(count.values()) <= 16, count


def test_one_client_stays_with_one_server(relay, named):
    one = site(relay, named(*"abcde"), balance="source_hash")
    assert len(answers(one, 20)) == 1


def test_a_backup_is_used_only_if_nothing_else_is_left(relay, named):
    servers = named("a", "b")
    one = site(relay, {"a": servers["a"], "b": {"address": servers["b"].address, "backup": True}}, fail_timeout=ms(300))
    assert answers(one, 10) == {"a": 10}
    servers["a"].stop()
    assert answers(one, 10) == {"b": 10}


def test_a_server_that_is_full_gets_no_more(relay, origin):
    servers = {name: origin(http) for name in "ab"}
    limit = {name: {"address": server.address, "max_connections": 2} for name, server in servers.items()}
    one = site(relay, limit, listener={"mode": "http"}, top=f"queue_timeout = {ms(300)}\n")
    clients = [connect(one) for _ in range(4)]
    for client in clients:
        assert client.get().status == 200
    with connect(one) as client:
        refused_in_http(client.send(request()), 503)
    assert one.record(client).end == "LD"
    clients[0].close()
    one.record(clients[0])
    with connect(one) as client:
        assert client.get("/y").body == b"/y\n"
    for client in clients[1:]:
        client.close()


def test_the_next_server_is_tried_at_once(relay, named):
    dead = f"127.0.0.1:{free_port()}"
    one = site(relay, {"x": dead, **named("a")}, fail_timeout="1h")
    assert answers(one, 10) == {"a": 10}
    line = one.wait_log("Server app/x .* is taken out for 1h: 3 attempts in a row failed, the last one: Connection refused. 1 of 2 addresses")[0]
    assert line.level == "warning" and line.about == ("app", "x", dead, "left_alone")
    attempts = [record.dial_usec for record in one.wait_records(10)]
    assert len(attempts) == 10


def test_attempts_are_bounded(relay, named):
    dead = {f"x{i}": f"127.0.0.1:{free_port()}" for i in range(5)}
    one = site(relay, dead, connect_attempts=2, listener={"mode": "http"})
    with connect(one) as client:
        refused_in_http(client.send(request()), 502)
    assert one.record(client).end == "SD"


def test_all_down_is_said_once_and_the_recovery_too(relay, origin):
    port = free_port()
    one = site(relay, {"a": f"127.0.0.1:{port}"}, max_fails=1, fail_timeout=ms(200))
    for _ in range(5):
        with connect(one) as client:
            assert client.read_end() == (b"", RESET)
    one.wait_log("error No server of upstream app can be reached")
    back = origin(sends(b"back"), port=port)
    assert back.port == port
    with connect(one) as client:   # left alone or not: there is no other
        assert client.read_end() == (b"back", EOF)
    one.wait_log("notice Upstream app can be reached again")
    one.wait_log("notice Server app/a .* takes connections again")
    assert len(one.wait_log("No server of upstream app")) == 1


def test_a_server_that_comes_back_is_found_by_one_connection(relay, origin, named):
    port = free_port()
    one = site(relay, {"x": f"127.0.0.1:{port}", **named("a")}, max_fails=1, fail_timeout=ms(500))
    assert answers(one, 4) == {"a": 4}
    one.wait_log("app/x .* is taken out")
    origin(sends(b"x"), port=port)
    until(lambda: "x" in answers(one, 2), "it is used again")
    one.wait_log("app/x .* takes connections again")
    assert answers(one, 10) == {"x": 5, "a": 5}


def test_a_server_that_swallows_packets_costs_a_quarter_second(relay, named, full_origin):
    """While there is another to try, a dial is not waited for longer."""
    one = site(relay, {"x": full_origin, **named("a")}, max_fails=2, fail_timeout="1h")
    times = []
    for _ in range(10):
        _, took = elapsed(lambda: answers(one, 1))
        times.append(took)
    assert sum(took > 0.2 for took in times) == 2, times
    assert max(times) < secs(1)
    one.wait_log("app/x .* is taken out for 1h: 2 attempts in a row were not answered")


def test_the_only_server_gets_all_the_time_it_may_take(relay, full_origin):
    one = site(relay, {"x": full_origin}, connect_timeout=ms(600), listener={"mode": "http"})
    with connect(one) as client:
        _, took = elapsed(lambda: refused_in_http(client.send(request()), 504))
    assert secs(0.55) <= took < secs(3)


@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize("balance", ["round_robin", "least_connections", "source_hash", "random_two"])
def test_dead_servers_cost_nobody_the_connection(relay, origin, full_origin, balance, attempts):
    """Tests of the dead are no attempts: one server that is known to be good is enough, be it a backup."""
    dead = {f"x{i}": f"127.0.0.1:{free_port()}" for i in range(4)}
    good = {"address": origin(http).address, "backup": True}
    one = site(relay, {**dead, "z": full_origin, "a": good}, balance=balance, connect_attempts=attempts,
               fail_timeout=ms(50), listener={"mode": "http"})

    def served(client):
        return client.get().status == 200
    clients = []
    for _ in range(20):   # until the good one has been found
        clients.append(connect(one))
        if served(clients[-1]):
            break
    for _ in range(some(60)):
        clients.append(connect(one))
        _, took = elapsed(lambda: served(clients[-1]) or pytest.fail("refused"))
        assert took < secs(1)   # a quarter of a second each time that the mute one is tested
    for client in clients:
        client.close()


def test_if_all_are_dead_one_connection_at_a_time_finds_out(relay, origin, full_origin):
    """The others are refused at once: dead servers do not take every worker."""
    one = site(relay, {"x": full_origin}, connect_timeout=ms(1000), connect_attempts=1, max_fails=1, fail_timeout="1h",
               top="workers = 2\n", listener={"mode": "http"})
    with connect(one) as client:
        refused_in_http(client.send(request()), 504)
    with asking(one) as prober:
        until(lambda: full_origin.dials() == 1, "it probes")

        def all_refused():
            for _ in range(10):
                with connect(one) as client:
                    refused_in_http(client.send(request()), 503)   # no server is up
        _, took = elapsed(all_refused)
        assert took < secs(0.7)
        assert full_origin.dials() <= 1
        refused_in_http(prober, 504)
    ends = collections.Counter(record.end for record in one.wait_records(12))
    assert ends["HD"] >= 9 and ends["TD"] >= 2, ends
    port = full_origin.port
    full_origin.stop()
    origin(http, port=port)
    with connect(one) as client:   # long before fail_timeout is over
        assert client.get("/back").body == b"/back\n"


def test_from_another_address(relay, origin):
    def who(peer):
        peer.send(peer.sock.getpeername()[0].encode())
        peer.close()
    one = site(relay, {"a": origin(who)}, source_address="127.0.0.77")
    with connect(one) as client:
        assert client.read_end() == (b"127.0.0.77", EOF)


def test_a_unix_server_among_others(relay, origin, named, short_path):
    one = site(relay, {"u": origin(sends(b"u"), path=short_path / "u.sock"), **named("a")},
               source_address="127.0.0.1")
    assert answers(one, 10) == {"u": 5, "a": 5}


def test_a_reload_goes_on_counting(relay, origin):
    """Connections that were made under the old file count against max_connections of the new one."""
    servers = {"a": {"address": origin(http).address, "max_connections": 1}}
    one = site(relay, servers, listener={"mode": "http"}, top=f"queue_timeout = {ms(300)}\n")
    with connect(one) as first:
        assert first.get().status == 200
        one.write_conf(text=one.file.read_text() + "# changed\n")
        assert one.hup() == ""
        with connect(one) as client:
            refused_in_http(client.send(request()), 503)
    one.record(first)
    with connect(one) as client:
        assert client.get().status == 200


def test_a_reload_keeps_what_is_known_of_servers(relay, named):
    dead = f"127.0.0.1:{free_port()}"
    one = site(relay, {"x": dead, **named("a")}, max_fails=1, fail_timeout="1h")
    answers(one, 4)
    one.wait_log("app/x .* is taken out")
    one.write_conf(text=one.file.read_text() + "# changed\n")
    assert one.hup() == ""
    before = len(one.wait_log("taken out"))
    answers(one, 6)
    assert len(one.wait_log("taken out")) == before


@pytest.fixture
def fleet(server):
    return lambda *names: {name: server(Named, name=name) for name in names}


def turns(one, name):
    """What the log has told of a server: True where it came back, False where it went, as dials or as checks found it."""
    found = []
    for line in one.all_lines():
        match = re.match(rf"Server {name} .* (is taken out|is down|takes connections again|is up)\b", line.text)
        if match:
            found.append(match[1] in ("takes connections again", "is up"))
    return found


def load_seconds(seconds):
    return int(seconds * (2 if SANITIZER else 1))


def test_a_server_is_killed_and_comes_back_ten_times_under_load(relay, fleet, tmp_path):
    """No request fails but those that were under way on the killed server."""
    servers = fleet("a", "b", "c")
    one = site(relay, servers, fail_timeout=ms(100), check={"interval": ms(100), "timeout": ms(500)})
    rounds = some(10)
    load = Load(one.address, tmp_path, seconds=load_seconds(60))
    for _ in range(rounds):
        before = len(turns(one, "app/b"))
        servers["b"].kill()
        until(lambda: len(turns(one, "app/b")) > before, "it is missed")  # noqa: B023
        servers["b"].again()
        until(lambda: turns(one, "app/b")[-1], "it is used again")
        assert load.runs, "the load must outlast the rounds"
    # (A connection for each request: 64 may be under way, and wrk has not counted those.)
    load.stop_when(lambda: len(one.records()) > some(2000) + 64, "there were requests enough")
    result = load.result()
    one.term()
    one.wait_exit()
    # (At its end wrk leaves what is under way: those are ended by the client.)
    unanswered = [record for record in one.records() if record.bytes_down == 0 and not record.end.startswith("C")]
    # (Beyond a number a second, ends are in sums; at each kill 64 may have been under way.)
    in_sums = one.summed_up()
    most = len(unanswered) + min(in_sums, 64 * rounds)
    print(f"{rounds} kills, {result}, {len(unanswered)} connections were under way on the killed server")
    assert result["requests"] > some(2000)
    assert {record.server for record in unanswered} <= {"b"}, unanswered[:5]
    assert sum(failures(result).values()) <= most, (failures(result), len(unanswered), in_sums)


def test_a_server_hangs_and_goes_on_under_load(relay, fleet, tmp_path):
    """SIGSTOP: the kernel still takes connections for it. Checks of type http find out; those under way wait, and are
    answered when it goes on."""
    servers = fleet("a", "b", "c")
    one = site(relay, servers, top="log_connections = failed\n",
               check={"type": "http", "interval": ms(100), "timeout": ms(200), "fall": 2})
    load = Load(one.address, tmp_path, seconds=load_seconds(5), connections=32)
    servers["b"].freeze()
    one.wait_log("app/b .* is down: no answer in")
    servers["b"].thaw()
    one.wait_log("app/b .* is up: 2 checks in a row succeeded")
    result = load.result()
    assert failures(result) == {}, result
