"""Names: a real DNS server, addresses that come and go, services (SRV), and families that lead nowhere."""

import socket
import subprocess

import pytest

from client import connect, refused_in_http
from fleet import Load, Named, failures, site
from origin import FullOrigin, Origin, echo, sends
from peer import EOF, elapsed, request
from servers import Dnsmasq
from settings import SANITIZER, free_port, ms, secs, until
from test_43_servers import answers


@pytest.fixture
def dns(server, tmp_path):
    """A DNS server of the test's own, and relayd with an /etc/resolv.conf that names it."""
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("an /etc/resolv.conf of its own needs a mount namespace, which cannot be had here")
    return server(Dnsmasq)


def at(address, port, name):
    """An origin at another loopback address that says its name."""
    return Origin(sends(name.encode()), host=address, port=port)


@pytest.fixture
def places():
    """places("127.0.1.1", ...): origins on one port at these addresses, each of which says its address."""
    started = []

    def start(*addresses):
        port = free_port()
        started.extend(at(address, port, address) for address in addresses)
        return port
    yield start
    for one in started:
        one.stop()


def test_each_address_of_a_name_is_a_server_of_its_own(relay, dns, places):
    port = places("127.0.1.1", "127.0.1.2", "127.0.1.3")
    dns.hosts("app.test", "127.0.1.1", "127.0.1.2", "127.0.1.3")
    one = site(relay, {"a": f"app.test:{port}"}, wrap=dns.wrap)
    assert answers(one, 30) == {"127.0.1.1": 10, "127.0.1.2": 10, "127.0.1.3": 10}


def test_addresses_come_and_go_with_their_ttl(relay, dns, places):
    """dnsmasq gives a TTL of one second: the name is looked up again then, long before resolve_interval."""
    port = places("127.0.1.1", "127.0.1.2")
    dns.hosts("app.test", "127.0.1.1")
    one = site(relay, {"a": f"app.test:{port}"}, wrap=dns.wrap, resolve_interval="1h")
    assert answers(one, 4) == {"127.0.1.1": 4}
    dns.hosts("app.test", "127.0.1.2")
    line = one.wait_log("The name app.test resolves to 127.0.1.2:")[0]
    assert line.about == ("app", "a", None, None)
    assert answers(one, 4) == {"127.0.1.2": 4}


def test_live_connections_are_left_alone(relay, dns, origin):
    port = free_port()
    origin(echo, host="127.0.1.1", port=port)
    origin(sends(b"new"), host="127.0.1.2", port=port)
    dns.hosts("app.test", "127.0.1.1")
    one = site(relay, {"a": f"app.test:{port}"}, wrap=dns.wrap)
    with connect(one) as old:
        assert old.send(b"x").read(1) == b"x"
        dns.hosts("app.test", "127.0.1.2")
        one.wait_log("The name app.test resolves to 127.0.1.2:")
        with connect(one) as new:
            assert new.read_end() == (b"new", EOF)
        assert old.send(b"y").read(1) == b"y"


def test_the_last_good_addresses_stay_while_dns_is_away(relay, dns, places):
    port = places("127.0.1.1")
    dns.hosts("app.test", "127.0.1.1")
    one = site(relay, {"a": f"app.test:{port}"}, wrap=dns.wrap)
    assert answers(one, 2) == {"127.0.1.1": 2}
    dns.process.kill()
    dns.process.wait()
    one.wait_log("The name app.test cannot be looked up: .* The last good addresses stay in use", timeout=60)
    assert answers(one, 2) == {"127.0.1.1": 2}


def test_a_name_that_does_not_exist(relay, dns):
    one = site(relay, {"a": "nowhere.test:80"}, wrap=dns.wrap, listener={"mode": "http"})
    with connect(one) as client:
        refused_in_http(client.send(request()), 502)
    assert one.record(client).end == "ND"
    line = one.wait_log("The name nowhere.test cannot be looked up: Domain name not found")[0]
    assert line.about == ("app", "a", None, None)


def test_a_service(relay, dns, places):
    port, other = places("127.0.1.1", "127.0.1.2"), places("127.0.1.3")
    dns.hosts("one.test", "127.0.1.1")
    dns.hosts("two.test", "127.0.1.2")
    dns.hosts("three.test", "127.0.1.3")
    dns.services("_http._tcp.app.test", ("one.test", port, 10, 3), ("two.test", port, 10, 1), ("three.test", other, 20, 1))
    one = site(relay, {"a": "srv:_http._tcp.app.test"}, wrap=dns.wrap)
    assert answers(one, 40) == {"127.0.1.1": 30, "127.0.1.2": 10}   # the third has a later priority


def test_a_later_priority_is_used_when_the_first_is_gone(relay, dns, places):
    port = places("127.0.1.2")
    dns.hosts("one.test", "127.0.1.1")
    dns.hosts("two.test", "127.0.1.2")
    dns.services("_http._tcp.app.test", ("one.test", port, 1, 1), ("two.test", port, 2, 1))
    one = site(relay, {"a": "srv:_http._tcp.app.test"}, wrap=dns.wrap)
    assert answers(one, 5) == {"127.0.1.2": 5}


def test_a_service_that_is_not_available(relay, dns):
    dns.services("_http._tcp.app.test")
    one = site(relay, {"a": "srv:_http._tcp.none.test"}, wrap=dns.wrap)
    one.wait_log("The name _http._tcp.none.test cannot be looked up")


def test_a_name_that_hangs_delays_no_other(relay, dns, places):
    """Nobody answers for slow.test."""
    port = places("127.0.1.1")
    dns.hosts("app.test", "127.0.1.1")
    dns.swallow("slow.test")
    one = site(relay, {"s": f"slow.test:{port}", "a": f"app.test:{port}"}, wrap=dns.wrap)
    _, took = elapsed(lambda: answers(one, 5))
    assert took < secs(2)


def test_a_stop_and_a_reload_do_not_wait_for_a_name_that_hangs(relay, dns):
    dns.swallow("slow.test")
    one = site(relay, {"s": "slow.test:80"}, wrap=dns.wrap)
    _, took = elapsed(lambda: one.hup())
    assert took < secs(1.5)
    until(lambda: len(one.thread_ids("resolver")) == 1, "the former resolver is gone")
    _, took = elapsed(one.finish)
    assert took < secs(2)


def test_a_family_that_leads_nowhere_costs_a_quarter_second(relay, hosts, origin):
    """A name with IPv6 and IPv4, of which IPv6 swallows packets: RFC 8305 in spirit."""
    class Full6(FullOrigin):
        def __init__(self):
            self.socket = socket.socket(socket.AF_INET6)
            self.socket.bind(("::1", free_port()))
            self.socket.listen(0)
            self.port = self.socket.getsockname()[1]
            self.address = f"[::1]:{self.port}"
            self.filler = socket.create_connection(("::1", self.port))
    full = Full6()
    origin(sends(b"v4"), port=full.port)
    hosts.set("::1 both.test", "127.0.0.1 both.test")
    one = site(relay, {"a": f"both.test:{full.port}"}, wrap=hosts.wrap, fail_timeout="1h")
    times = [elapsed(lambda: answers(one, 1)) for _ in range(12)]
    assert all(found == {"v4": 1} for found, _ in times)
    slow = [took for _, took in times if took > 0.2]
    assert len(slow) == 3 and max(slow) < secs(0.6), times   # until max_fails of its dials were not answered
    full.stop()


def test_addresses_are_swapped_under_load(relay, dns, server, tmp_path):
    port = free_port()
    for last in (1, 2, 3, 4):
        server(Named, name=str(last), address=f"127.0.1.{last}:{port}")
    dns.hosts("app.test", "127.0.1.1", "127.0.1.2")
    one = site(relay, {"a": f"app.test:{port}"}, wrap=dns.wrap, top="log_connections = failed\n")
    with connect(one) as client:   # the first pair is known, so the next one is a change
        assert client.get("/").body in (b"1", b"2")
    load = Load(one.address, tmp_path, seconds=6)
    for count, pair in enumerate((("127.0.1.3", "127.0.1.4"), ("127.0.1.2", "127.0.1.3")), 1):
        dns.hosts("app.test", *pair)
        one.wait_log("The name app.test resolves to", count)
    assert load.runs
    result = load.result()
    assert failures(result) == {}, result
    # At its end wrk leaves what is under way: those, and nobody else, end before they were served.
    assert all(record.end.startswith("C") for record in one.records()), one.records()[:5]


@pytest.fixture
def island():
    """A network namespace with ten addresses, of which one swallows packets: answers from there are thrown away."""
    name = f"relayd-{free_port()}"
    if subprocess.run(["ip", "netns", "add", name], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("a network namespace cannot be had here")

    def ip(*words, inside=True):
        subprocess.run(["ip", *(["-n", name] if inside else []), *words], check=True)
    try:
        ip("link", "set", "lo", "up")
        for last in range(1, 11):
            ip("address", "add", f"127.9.0.{last}/32", "dev", "lo")
        ip("route", "add", "blackhole", "default", "table", "77")
        ip("rule", "del", "pref", "0")
        ip("rule", "add", "pref", "1", "from", "127.9.0.10", "sport", "8000", "lookup", "77")
        ip("rule", "add", "pref", "2", "lookup", "local")
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


def test_one_of_ten_servers_swallows_packets(relay, server, island, tmp_path):
    """Beyond the first second the p99 of new connections stays under a tenth of connect_timeout."""
    inside = ["ip", "netns", "exec", island]
    servers = {f"s{last}": f"127.9.0.{last}:8000" for last in range(1, 11)}
    server(NamedInside, name="x", address="8000", netns=island)
    one = site(relay, servers, wrap=inside, top="log_connections = failed\n")
    first = LoadInside(one.address, tmp_path, seconds=1, inside=inside).result()
    assert failures(first) == {}, first
    one.wait_log(r"app/s10 .* is taken out for 10s: 3 attempts in a row were not answered")
    result = LoadInside(one.address, tmp_path, seconds=4 if SANITIZER else 6, inside=inside).result()
    print(result)
    assert failures(result) == {}, result
    assert result["p99"] < 500000
    assert result["max"] < secs(1) * 1e6   # the one connection that looks whether it is back


class NamedInside(Named):
    def is_ready(self):
        return subprocess.run([*self.prefix, "nc", "-z", "127.9.0.1", "8000"], check=False).returncode == 0


class LoadInside(Load):
    def __init__(self, where, directory, *, inside, **options):
        self.inside = inside
        super().__init__(where, directory, connections=16, nice=0, **options)   # its own waits are not to be measured

    def command(self, words):
        return [*self.inside, *words]


def test_the_wait_for_a_first_answer_is_bounded(relay, dns):
    dns.swallow("slow.test")
    one = site(relay, {"s": "slow.test:80"}, wrap=dns.wrap, connect_timeout=ms(300), listener={"mode": "http"})
    with connect(one) as client:
        _, took = elapsed(lambda: refused_in_http(client.send(request()), 502))
    assert took < secs(2)
    assert one.record(client).end == "ND"
