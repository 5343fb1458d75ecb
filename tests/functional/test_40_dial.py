"""Reaching the server: refused, timed out, without a name; and names that move."""

import pytest

from client import connect, curl, refused_in_http
from origin import echo, http
from peer import EOF, RESET, elapsed, request
from settings import free_port, ms, secs, some, until


def nowhere():
    """The address of a port that nobody listens on."""
    return f"127.0.0.1:{free_port()}"


def test_refused_in_http(relay):
    one = relay(nowhere(), mode="http")
    with connect(one) as client:
        refused_in_http(client.send(request()), 502)
    record = one.record(client)
    assert (record.end, record.bytes_up, record.bytes_down) == ("SD", 0, 0)
    assert (record.listener, record.upstream) == ("web", "app")


def test_refused_in_tcp(relay):
    one = relay(nowhere())
    with connect(one) as client:
        assert client.read_end() == (b"", RESET)
    assert one.record(client).end == "SD"


def test_refused_as_curl_sees_it(relay):
    one = relay(nowhere(), mode="http")
    assert curl(f"http://{one.address}/", "-o", "/dev/null", "-w", "%{http_code} %{content_type}").startswith(b"502 text/")


def test_a_refused_upload_reads_the_502(relay):
    one = relay(nowhere(), mode="http")
    for _ in range(some(20)):
        with connect(one) as client:
            refused_in_http(client.send(request("/up", b"u" * 300000)), 502)


def test_no_unix_socket_there(relay, short_path):
    one = relay(f"unix:{short_path}/none.sock", mode="http")
    with connect(one) as client:
        refused_in_http(client.send(request()), 502)
    assert one.record(client).end == "SD"


def test_timed_out_in_http(relay, full_origin):
    one = relay(full_origin, mode="http", connect_timeout=ms(500), connect_attempts=1)
    with connect(one) as client:
        _, took = elapsed(lambda: refused_in_http(client.send(request()), 504))
    assert secs(0.45) <= took < secs(2)
    record = one.record(client)
    assert record.end == "TD"
    assert record.dial_usec >= secs(0.45) * 1e6


def test_timed_out_in_tcp(relay, full_origin):
    one = relay(full_origin, connect_timeout=ms(300), connect_attempts=1)
    with connect(one) as client:
        assert client.read_end() == (b"", RESET)
    assert one.record(client).end == "TD"


def test_a_worker_is_held_no_longer_than_the_attempts_add_up_to(relay, full_origin):
    one = relay(full_origin, mode="http", connect_timeout=ms(300), connect_attempts=3)
    with connect(one) as client:
        _, took = elapsed(lambda: refused_in_http(client.send(request()), 504))
    assert secs(0.25) <= took < secs(0.9) + secs(1)


def test_an_unknown_name_in_http(relay, hosts):
    one = relay("does-not-exist.invalid:80", mode="http", wrap=hosts.wrap)
    one.wait_log("(?s) warning .*does-not-exist.invalid")
    with connect(one) as client:
        refused_in_http(client.send(request()), 502)
    assert one.record(client).end == "ND"


def test_an_unknown_name_in_tcp(relay, hosts):
    one = relay("does-not-exist.invalid:80", wrap=hosts.wrap)
    with connect(one) as client:
        assert client.read_end() == (b"", RESET)
    assert one.record(client).end == "ND"


def test_a_server_that_comes_back(relay, origin):
    port = free_port()
    one = relay(f"127.0.0.1:{port}", mode="http")
    with connect(one) as client:
        assert client.get().status == 502
    origin(http, port=port)
    with connect(one) as client:
        assert client.get().status == 200


def test_a_client_that_leaves_while_its_server_is_dialled(relay, full_origin):
    one = relay(full_origin, connect_timeout=ms(500), connect_attempts=1)
    client = connect(one)
    until(lambda: full_origin.dials() == 1, "the worker dials")
    client.reset()
    record = one.record(client)
    assert record.end in ("TD", "CR")


def test_what_the_client_sends_during_the_dial_arrives(relay, origin, copy):
    """A server that starts late: the bytes wait."""
    server = origin(echo)
    one = relay(server, copy=copy)
    with connect(one) as client:
        data = b"early" * 1000
        assert client.send(data).shut().read_end() == (data, EOF)


# Names


def test_localhost(relay, origin):
    server = origin(http)
    one = relay(f"localhost:{server.port}")
    assert connect(one).get().status == 200


@pytest.mark.parametrize("listening", ["127.0.0.1", "::1"])
def test_a_name_of_both_families(relay, origin, hosts, listening):
    hosts.set("::1 app.test", "127.0.0.1 app.test")
    server = origin(http, host=listening)
    one = relay(f"app.test:{server.port}", wrap=hosts.wrap, mode="http")
    for _ in range(3):
        assert connect(one).get().status == 200


@pytest.mark.parametrize("alive", [2, 3, 4])
def test_every_address_of_a_name_is_tried(relay, origin, hosts, alive):
    hosts.set(*(f"127.0.0.{number} app.test" for number in (2, 3, 4)))
    server = origin(http, host=f"127.0.0.{alive}")
    one = relay(f"app.test:{server.port}", wrap=hosts.wrap, mode="http", connect_attempts=3)
    for _ in range(4):
        assert connect(one).get().status == 200


def test_a_dead_address_costs_one_timeout(relay, origin, hosts, full_origin):
    """One address of the name does not answer, another serves."""
    hosts.set("127.0.0.1 app.test", "127.0.0.2 app.test")
    origin(http, host="127.0.0.2", port=full_origin.port)
    one = relay(f"app.test:{full_origin.port}", wrap=hosts.wrap, mode="http", connect_timeout=ms(400))
    answer, took = elapsed(lambda: connect(one).get())
    assert answer.status == 200
    assert took < secs(2)


def test_attempts_are_limited(relay, origin, hosts):
    hosts.set("::1 app.test", "127.0.0.1 app.test")
    server = origin(http)
    one = relay(f"app.test:{server.port}", wrap=hosts.wrap, mode="http", connect_attempts=1)
    with connect(one) as client:
        assert client.get().status == 502  # ::1 comes first and refuses
    assert one.record(client).end == "SD"


def test_a_name_that_moves(relay, origin, hosts):
    hosts.set("127.0.0.2 app.test")
    before = origin(lambda peer: peer.send(b"before"), host="127.0.0.2")
    origin(lambda peer: peer.send(b"after"), host="127.0.0.3", port=before.port)
    one = relay(f"app.test:{before.port}", wrap=hosts.wrap, resolve_interval=ms(200))
    assert connect(one).read_end()[0] == b"before"
    hosts.set("127.0.0.3 app.test")
    until(lambda: connect(one).read_end()[0] == b"after", "the new address is used", pause=0.05)


def test_a_name_that_vanishes_keeps_its_address(relay, origin, hosts):
    hosts.set("127.0.0.1 app.test")
    server = origin(http)
    one = relay(f"app.test:{server.port}", wrap=hosts.wrap, resolve_interval=ms(100), mode="http")
    assert connect(one).get().status == 200
    hosts.set("127.0.0.1 other.test")
    one.wait_log("app.test")  # the failed lookup is said
    for _ in range(3):
        assert connect(one).get().status == 200


def test_a_name_that_appears(relay, origin, hosts):
    server = origin(http)
    one = relay(f"app.test:{server.port}", wrap=hosts.wrap, resolve_interval=ms(200), mode="http",
                connect_timeout=ms(500))
    one.wait_log(" warning .*app.test")
    assert connect(one).get().status == 502
    hosts.set("127.0.0.1 app.test")
    until(lambda: connect(one).get().status == 200, "the name is found", pause=0.05)


def test_a_failing_name_is_not_told_again_and_again(relay, origin, hosts):
    one = relay("app.test:80", wrap=hosts.wrap, resolve_interval="100ms", mode="http", connect_timeout=ms(200))
    one.wait_log("app.test")
    for _ in range(10):
        assert connect(one).get().status == 502
    records = len([line for line in one.lines if "RELAYD_END" in line.fields])
    assert len(one.lines) - records < 12


def test_the_first_answer_is_waited_for(relay, origin, hosts):
    """The very first client comes before the resolver may have answered; it is served all the same."""
    hosts.set("127.0.0.1 app.test")
    server = origin(http)
    for _ in range(5):
        one = relay(f"app.test:{server.port}", wrap=hosts.wrap, mode="http")
        assert connect(one).get().status == 200


def test_a_worker_does_not_wait_for_one_server_only(relay, full_origin, origin):
    """With one worker busy dialling a dead server, the other serves."""
    alive, dead = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    one = relay(text=f"""workers = 2
listener alive {{ address = "{alive}" upstream = alive }}
listener dead {{ address = "{dead}" upstream = dead }}
upstream alive {{ server a {{ address = "{origin(http).address}" }} }}
upstream dead {{ connect_timeout = 20s server b {{ address = "{full_origin.address}" }} }}
""", address=[alive, dead])
    stuck = connect(one.addresses[1])
    until(lambda: full_origin.dials() == 1, "a worker dials")
    _, took = elapsed(lambda: connect(alive).get())
    assert took < secs(2)
    stuck.close()


def test_an_origin_that_stops_listening_in_between(relay, origin):
    server = origin(http)
    one = relay(server, mode="http")
    with connect(one) as client:
        assert client.get().status == 200
    server.stop()
    with connect(one) as client:
        assert client.get().status == 502
