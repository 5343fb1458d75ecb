"""Addresses that this machine cannot dial, which is no fault of their servers: no IPv6, no route, no port."""

import socket

import pytest

from client import connect, refused_in_http
from fleet import site
from origin import Origin, echo, http, sends
from peer import EOF, request
from settings import DEADLINE, free_port, ms, until
from test_43_servers import answers

BALANCES = ["round_robin", "least_connections", "source_hash", "random_two"]
SIX = {"x": "[2001:db8::1]:9000", "y": "[2001:db8::2]:9000", "z": "[2001:db8::3]:9000"}


@pytest.fixture
def origins(netns):
    """origins("127.0.1.1", ...): inside, on port 9000, each says its address."""
    started = []

    def start(*addresses, script=None):
        with netns.inside():
            started.extend(Origin(script or sends(address.encode()), host=address, port=9000) for address in addresses)
    yield start
    for one in started:
        one.stop()


def with_no_ipv6(netns, kind):
    if kind == "disabled":   # EADDRNOTAVAIL, as in a container
        netns.has_ipv6(False)
    # Else there is an address of the loopback alone: ENETUNREACH.


@pytest.mark.parametrize("kind", ["disabled", "unrouted"])
@pytest.mark.parametrize("balance", BALANCES)
def test_a_family_that_is_missing_is_left_alone(relay, netns, origins, balance, kind):
    with_no_ipv6(netns, kind)
    origins("127.0.1.1")
    one = site(relay, {**SIX, "a": "127.0.1.1:9000"}, wrap=netns.wrap, balance=balance, connect_attempts=1)
    with netns.inside():
        assert answers(one, 20) == {"127.0.1.1": 20}
    said = one.wait_log("There is no IPv6 on this machine that leads to")
    assert len(said) == 1 and said[0].level == "warning"
    assert "3 addresses of app are not used until there is. 1 of 4 addresses of app are usable." in said[0].text
    for words in ("is taken out for", "port_range", "is down"):
        assert words not in one.log
    assert {(record.end, record.server) for record in one.wait_records(20)} == {("SE", "a")}
    until(lambda: (one.read_notified() or True) and "1 of 4 addresses of app are usable (app/" in one.status, "the status line")


def test_it_comes_back_by_itself(relay, netns, origins):
    netns.has_ipv6(False)
    origins("127.0.1.1")
    one = site(relay, {"x": SIX["x"], "y": SIX["y"], "a": "127.0.1.1:9000"}, wrap=netns.wrap)
    with netns.inside():
        assert answers(one, 3) == {"127.0.1.1": 3}
    upstream, server, address, state = one.wait_log("There is no IPv6 on this machine")[0].about
    assert (upstream, state) == ("app", "down") and SIX[server] == address
    netns.has_ipv6(True)
    netns.add_ipv6("2001:db8::1", "2001:db8::2")
    origins("2001:db8::1", "2001:db8::2")
    with netns.inside():
        until(lambda: set(answers(one, 6)) == {"127.0.1.1", "2001:db8::1", "2001:db8::2"}, "IPv6 is used", pause=0.05)
    line = one.wait_log(r"IPv6 on this machine leads to .* again: 2 addresses of app are used again. 3 of 3")[0]
    upstream, server, address, state = line.about
    assert (line.level, upstream, state) == ("notice", "app", "up") and SIX[server] == address


def test_if_there_is_no_other_it_is_said_why_and_found_at_once(relay, netns, origins):
    netns.has_ipv6(False)
    one = site(relay, {"x": SIX["x"]}, wrap=netns.wrap, listener={"mode": "http"})
    with netns.inside():
        for _ in range(2):
            with connect(one) as client:
                refused_in_http(client.send(request()), 502)
        record = one.record(client)
        assert record.end == "MN" and "Cannot assign requested address" in record.line.text
        one.wait_log("error No server of upstream app can be reached")
        netns.has_ipv6(True)
        netns.add_ipv6("2001:db8::1")
        origins("2001:db8::1", script=http)
        with connect(one) as client:   # the very next one
            assert client.get().body == b"/\n"
    assert one.record(client).server_address == "[2001:db8::1]:9000"
    one.wait_log("Upstream app can be reached again")


@pytest.mark.parametrize("route", ["unreachable", "prohibit", "blackhole"])
def test_one_route_that_is_missing(relay, netns, origins, route):
    netns.ip("route", "add", route, "10.9.0.0/24")
    origins("127.0.1.1", "127.0.1.2")
    one = site(relay, {"x": "10.9.0.1:9000", "a": "127.0.1.1:9000", "b": "127.0.1.2:9000"}, wrap=netns.wrap, connect_attempts=1)
    with netns.inside():
        assert answers(one, 10) == {"127.0.1.1": 5, "127.0.1.2": 5}
    one.wait_log(r"There is no IPv4 on this machine that leads to 10.9.0.1:9000 .*: 1 address of app is not used")


@pytest.mark.parametrize("kind", ["disabled", "unrouted"])
def test_checks_say_it_too(relay, netns, origins, kind):
    with_no_ipv6(netns, kind)
    origins("127.0.1.1", script=echo)
    one = site(relay, {**SIX, "a": "127.0.1.1:9000"}, wrap=netns.wrap, check={"interval": ms(50), "timeout": ms(300)})
    one.wait_log("There is no IPv6 on this machine that leads to .* 3 addresses of app are not used")   # before any client
    netns.has_ipv6(True)
    netns.add_ipv6("2001:db8::1", "2001:db8::2")
    # Now it is the server's fault. (A SYN that went between IPv6 and its addresses went nowhere.)
    one.wait_log("app/x .* is down: (connect: Connection refused|no answer in 300ms)")
    one.wait_log("IPv6 on this machine leads to .* again")
    assert "app/z" not in "".join(line.text for line in one.all_lines() if "is down" in line.text)


def test_no_port_is_another_matter(relay, netns, origins):
    netns.sysctl(net__ipv4__ip_local_port_range="40000 40001")
    origins("127.0.1.1", script=http)
    one = site(relay, {"a": "127.0.1.1:9000"}, wrap=netns.wrap, listener={"mode": "http"}, connect_attempts=1)
    clients = []
    ports = iter(range(50000, 50010))   # nobody else's: relayd listens at one of free_port
    with netns.inside():
        for _ in range(2):
            clients.append(connect(one, source_port=next(ports)))
            assert clients[-1].get().status == 200
        with connect(one, source_port=next(ports)) as client:
            refused_in_http(client.send(request()), 503)
        record = one.record(client)
    assert record.end == "MD"
    line = one.wait_log("could not connect to a server: no local port is left .EADDRNOTAVAIL.")[0]
    assert "tcp_tw_reuse" in line.text and "source_address" in line.text
    assert "There is no" not in one.log and "not used" not in one.log and "taken out" not in one.log
    for client in clients:
        client.close()


# Servers that are this relayd itself


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_name_that_stands_for_relayd_itself(relay, origin, hosts, address):
    """One client does not become as many connections as there may be, and others are served."""
    hosts.set(f"{address} app.test")
    loop, other = free_port(), free_port()
    one = relay(text=f"""max_connections = 100
listener loop {{ address = ":{loop}" upstream = loop mode = http }}
listener other {{ address = "127.0.0.1:{other}" upstream = other }}
upstream loop {{ server a {{ address = "app.test:{loop}" }} }}
upstream other {{ server b {{ address = "{origin(sends(b"b")).address}" }} }}
""", address=[f"127.0.0.1:{loop}", f"127.0.0.1:{other}"], wrap=hosts.wrap)
    for _ in range(3):
        with connect(one) as client:   # the last hop is refused, and each before passes that answer on
            assert client.get().status == 502
    (line,) = one.wait_log("error Server loop/a .* is this relayd itself")
    assert line.about == ("loop", "a", f"{address}:{loop}", "up")
    until(lambda: "LP" in {record.end for record in one.records()}, "the record of a loop")   # once its client has gone
    line = next(record.line for record in one.records() if record.end == "LP")
    assert "the server is this relayd itself. " in line.text and line.fields["RELAYD_ERROR"] == "ELOOP"
    assert len(one.records()) <= 3 * 4
    with connect(one.addresses[1]) as client:
        assert client.read_end() == (b"b", EOF)


def test_a_ring_of_two_listeners(relay, hosts):
    hosts.set("127.0.0.1 app.test")
    first, second = free_port(), free_port()
    one = relay(text=f"""max_connections = 100
listener a {{ address = "127.0.0.1:{first}" upstream = a mode = http }}
listener b {{ address = "127.0.0.1:{second}" upstream = b mode = http }}
upstream a {{ server x {{ address = "app.test:{second}" }} }}
upstream b {{ server y {{ address = "app.test:{first}" }} }}
""", address=[f"127.0.0.1:{first}", f"127.0.0.1:{second}"], wrap=hosts.wrap)
    with connect(one) as client:
        client.send(request())
        assert client.read_response().status == 502
    until(lambda: any(record.end == "LP" for record in one.records()), "it is refused")
    assert len(one.records()) <= 6


@pytest.mark.parametrize("way", ["link", "spelling"])
@pytest.mark.parametrize("to", ["itself", "ring", "ring by TCP"])
def test_unix_sockets_that_lead_back(relay, hosts, short_path, way, to):
    """By a path that is spelled in another way, to the same listener, by another one, or by one on TCP."""
    (short_path / "link").symlink_to(short_path / "a")
    back = f"unix:{short_path}/link" if way == "link" else f"unix:{short_path}/../{short_path.name}/a"
    port = free_port()
    between = {"itself": "", "ring": f"unix:{short_path}/b", "ring by TCP": f"127.0.0.1:{port}"}[to]
    hosts.set("127.0.0.1 app.test")
    text = f"""max_connections = 100
listener a {{ address = "unix:{short_path}/a" upstream = a mode = http }}
upstream a {{ server x {{ address = "{between.replace("127.0.0.1", "app.test") or back}" }} }}
"""
    if between:
        text += f"""listener b {{ address = "{between}" upstream = b mode = http }}
upstream b {{ server y {{ address = "{back}" }} }}
"""
    one = relay(text=text, address=f"unix:{short_path}/a", wrap=hosts.wrap)
    with connect(one) as client:
        assert client.send(request()).read_response().status == 502
    until(lambda: any(record.end == "LP" for record in one.records()), "it is refused")
    assert len(one.records()) <= 6


def test_a_ring_through_another_relayd(relay):
    """Neither can see it: the limit of clients ends it, since all that comes back is of one client."""
    ports = free_port(), free_port()
    both = [relay(text=f"""keeper = off
listener web {{ address = "127.0.0.1:{here}" upstream = app mode = http max_connections_per_client = 10 }}
upstream app {{ server other {{ address = "127.0.0.1:{there}" }} }}
""", address=f"127.0.0.1:{here}") for here, there in (ports, ports[::-1])]
    with connect(both[0]) as client:
        assert client.send(request()).read_response().status == 429
    until(lambda: any(record.end == "LN" for one in both for record in one.records()), "the limit has ended it")
    until(lambda: sum(len(one.records()) for one in both) > 19, "all of it has ended")
    assert sum(len(one.records()) for one in both) <= 22


@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_a_listener_behind_another_is_no_loop(relay, origin, short_path, family):
    first, second = (f"unix:{short_path}/{name}" if family == "unix" else f"127.0.0.1:{free_port()}" for name in "ab")
    one = relay(text=f"""listener a {{ address = "{first}" upstream = a }}
listener b {{ address = "{second}" upstream = b }}
upstream a {{ server x {{ address = "{second}" }} }}
upstream b {{ server y {{ address = "{origin(sends(b"y")).address}" }} }}
""", address=[first, second])
    for _ in range(5):
        with connect(one) as client:
            assert client.read_end() == (b"y", EOF)


def test_a_path_that_goes_round_is_no_loop(relay, short_path):
    """Links that lead to each other: ELOOP is connect(2)'s word for that, too."""
    (short_path / "a").symlink_to("b")
    (short_path / "b").symlink_to("a")
    one = relay(f"unix:{short_path}/a")
    with connect(one) as client:
        client.read_end()
    assert one.only_record().end == "SD"


def test_a_client_whose_port_was_used_by_a_hop_is_no_loop(relay, origin):
    """Ports are used again: behind another listener, the port of one dial is that of the next client."""
    first, second = free_port(), free_port()
    one = relay(text=f"""keeper = off
listener a {{ address = "127.0.0.1:{first}" upstream = a }}
listener b {{ address = "127.0.0.1:{second}" upstream = b }}
upstream a {{ server x {{ address = "127.0.0.1:{second}" }} }}
upstream b {{ server y {{ address = "{origin(sends(b"y")).address}" }} }}
""", address=f"127.0.0.1:{first}")
    port = 0
    for number in range(6):
        with socket.socket() as client:
            client.bind(("127.0.0.2", port))
            client.settimeout(DEADLINE)
            client.connect(("127.0.0.1", first))
            assert client.recv(2) == b"y"
            assert client.recv(1) == b""
        records = one.wait_records(2 * number + 2)
        port = int(next(record for record in records[::-1] if record.listener == "b").client.rpartition(":")[2])
    assert {record.end for record in one.wait_records(12)} == {"SE"}
