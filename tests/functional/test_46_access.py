"""allow, deny, and the limits of a listener and of each client."""

import contextlib
import socket

import pytest

from client import connect, refused_in_http
from fleet import conf, site
from origin import Origin, echo, http, sends
from peer import EOF, RESET, Peer, request
from settings import DEADLINE, free_port, some, until


def connect_from(one, source):
    sock = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
    sock.settimeout(DEADLINE)
    sock.bind((source, 0))
    host, port = one.address.rsplit(":", 1)
    try:
        sock.connect((host.strip("[]"), int(port)))
    except ConnectionResetError:
        return Peer(sock, was_reset=True)
    return Peer(sock)


def admitted(one, source):
    with connect_from(one, source) as client:
        return client.read_end() == (b"in", EOF)


@pytest.mark.parametrize("allow, deny, inside, outside", [
    (("127.0.0.2",), (), ["127.0.0.2"], ["127.0.0.3"]),
    ((), ("127.0.0.2",), ["127.0.0.3"], ["127.0.0.2"]),
    (("127.0.0.0/8",), ("127.0.1.0/24",), ["127.0.0.1", "127.0.2.1"], ["127.0.1.1"]),
    (("127.0.1.7", "127.0.0.0/16"), ("127.0.1.0/24",), ["127.0.1.7", "127.0.2.1"], ["127.0.1.8", "127.1.0.1"]),
    (("127.0.0.5",), ("127.0.0.5",), [], ["127.0.0.5"]),
])
def test_the_longest_prefix_decides(relay, origin, allow, deny, inside, outside):
    one = site(relay, {"a": origin(sends(b"in"))}, listener={"allow": allow, "deny": deny})
    for source in inside:
        assert admitted(one, source), source
    for source in outside:
        assert not admitted(one, source), source
    assert {record.end for record in one.wait_records(len(inside) + len(outside))} <= {"SE", "LA"}


@pytest.fixture
def inside(netns):
    """inside(script): a server in the namespace."""
    servers = []

    def start(script):
        with netns.inside():
            servers.append(Origin(script))
        return servers[-1]
    yield start
    for server in servers:
        server.stop()


#: The IPv4 host 192.0.2.33 as IPv6: by NAT64, NAT64 of one network, 6to4, SIIT, Teredo, and as it was meant once.
EMBEDDED = ["64:ff9b::c000:221", "64:ff9b:1::c000:221", "2002:c000:221::7", "::ffff:0:c000:221",
            "2001:0:4136:e378:8000:63bf:3fff:fdde", "::c000:221"]


@pytest.mark.parametrize("options, denied", [
    ({"deny": ("192.0.2.32/28",)}, True),
    ({"deny": ("192.0.2.32/28",), "allow": ("::/0",)}, True),
    ({"deny": ("192.0.2.32/28",), "allow": ("192.0.2.33", "::/0")}, False),
    ({"deny": ("192.0.2.64/28",)}, False),
    ({"deny": ("::/0",)}, True),
    ({"deny": EMBEDDED}, True),
    ({"allow": ("192.0.2.0/24",)}, True),       # an allow of IPv4 is for IPv4
    ({"allow": ("::/0",)}, False),
])
@pytest.mark.parametrize("through", ["socket", "proxy"])
def test_an_ipv4_host_that_comes_as_ipv6(relay, netns, inside, options, denied, through):
    server = inside(sends(b"in"))
    netns.add_ipv6(*EMBEDDED)
    more = {"accept_proxy": "v1", "proxy_from": ("::1",)} if through == "proxy" else {}
    where = f"[::1]:{free_port()}"
    one = relay(text=conf(where, {"a": server.address}, listener={**options, **more}), address=where, wrap=netns.wrap)
    for source in EMBEDDED:
        with netns.inside(), connect_from(one, "::1" if through == "proxy" else source) as client:
            if through == "proxy":
                client.send(f"PROXY TCP6 {source} ::1 4711 80\r\n".encode())
            assert client.read_end()[1] == (RESET if denied else EOF), source
    ends = {record.end for record in one.wait_records(len(EMBEDDED))}
    assert ends == {"LA"} if denied else ends <= {"SE"}


def test_a_denied_client_is_told_in_http(relay, origin):
    one = site(relay, {"a": origin(echo)}, listener={"mode": "http", "deny": ("127.0.0.0/8",)})
    with connect(one) as client:
        refused_in_http(client.send(request()), 403)
    assert one.record(client).end == "LA"


def test_a_reload_changes_who_is_admitted(relay, origin):
    one = site(relay, {"a": origin(sends(b"in"))})
    assert admitted(one, "127.0.0.2")
    text = one.file.read_text()
    one.write_conf(text=text.replace("upstream = app }", 'upstream = app deny = "127.0.0.2" }'))
    one.write_conf(text=text.replace("upstream = app\n", 'upstream = app\ndeny = "127.0.0.2"\n'))
    assert one.hup() == ""
    assert not admitted(one, "127.0.0.2")
    assert admitted(one, "127.0.0.3")


def test_connections_of_one_client(relay, origin):
    one = site(relay, {"a": origin(http)}, listener={"max_connections_per_client": 2, "mode": "http"})
    clients = [connect_from(one, source) for source in ("127.0.0.2", "127.0.0.2", "127.0.0.3")]
    for client in clients:
        assert client.get().status == 200
    with connect_from(one, "127.0.0.2") as client:
        refused_in_http(client.send(request()), 429)
    assert one.record(client).end == "LN"
    clients[0].close()
    one.record(clients[0])
    with connect_from(one, "127.0.0.2") as client:
        assert client.get().status == 200
    for client in clients[1:]:
        client.close()


def test_one_that_asks_for_too_many_takes_nothing_from_others(relay, origin):
    """A client that ends before it comes back finds its place, however often another one is refused."""
    one = site(relay, {"a": origin(echo)}, listener={"max_connections_per_client": 1})
    with connect_from(one, "127.0.0.2") as greedy:
        assert greedy.send(b"x").read(1) == b"x"
        for number in range(some(150)):
            if number % 10 == 0:
                assert connect_from(one, "127.0.0.2").ending() == RESET
            with connect_from(one, "127.0.0.3") as client:
                assert client.send(b"?").read(1) == b"?"


@pytest.mark.parametrize("before, between, after", [
    ({}, None, {"max_connections_per_client": 2}),   # a limit that a reload puts in force
    ({"max_connections_per_client": 2}, {}, {"max_connections_per_client": 2}),   # off, and on again
    ({}, None, {"max_connections": 2}),
    ({"max_connections": 2}, {}, {"max_connections": 2}),
])
@pytest.mark.parametrize("name", ["web", "renamed"])
def test_a_limit_of_a_reload_counts_who_is_there(relay, origin, before, between, after, name):
    one = site(relay, {"a": origin(http)}, top="when_full = reject\n", listener={"mode": "http", **before})
    text = one.file.read_text()
    there = [connect_from(one, "127.0.0.2") for _ in range(2)]
    for client in there:
        assert client.get().status == 200
    for options in [after] if between is None else [between, after]:
        listener = "".join(f"{option} = {value}\n" for option, value in {"mode": "http", **options}.items())
        one.write_conf(text=f"when_full = reject\nlistener {name} {{\naddress = \"{one.address}\" upstream = app\n{listener}}}\n"
                       + text[text.index("upstream app {"):])
        assert one.hup() == ""
    with connect_from(one, "127.0.0.2") as client:
        refused_in_http(client.send(request()), 429 if "max_connections_per_client" in after else 503)
    there.pop().close()
    def admitted_again():
        with connect_from(one, "127.0.0.2") as client:
            return client.get().status == 200
    until(admitted_again, "there is room for one")
    there.pop().close()


def test_a_reload_with_another_prefix_counts_who_is_there(relay, netns, inside):
    netns.add_ipv6("2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:2::1")
    where = f"[::1]:{free_port()}"
    text = conf(where, {"a": inside(echo).address}, listener={"max_connections_per_client": 1, "client_prefix_v6": 64})
    one = relay(text=text, address=where, wrap=netns.wrap)

    def enters(source):
        with netns.inside():
            client = connect_from(one, source)
        with contextlib.suppress(OSError):
            if client.send(b"x").read(1) == b"x":
                return client
        client.close()
        return None

    first, second = enters("2001:db8:1:1::1"), enters("2001:db8:1:2::1")
    assert first and second and not enters("2001:db8:1:1::1")
    one.write_conf(text=text.replace("client_prefix_v6 = 64", "client_prefix_v6 = 48"))
    assert one.hup() == ""
    first.close()
    one.record(first)
    assert not enters("2001:db8:1:1::1"), "the second connection is of the same /48"
    with enters("2001:db8:2::1"):
        pass
    one.write_conf(text=text)
    assert one.hup() == ""
    assert not enters("2001:db8:1:2::1")
    with enters("2001:db8:1:1::1"):
        pass
    second.close()


def test_a_listener_that_comes_back_counts_who_is_there(relay, origin):
    """It was away for one reload, while its connections lived on."""
    one = site(relay, {"a": origin(http)}, top="when_full = reject\n", listener={"mode": "http", "max_connections": 1})
    text = one.file.read_text()
    with connect(one) as client:
        assert client.get().status == 200
        one.write_conf(text=text.replace(one.address, f"127.0.0.1:{free_port()}").replace("listener web", "listener other"))
        assert one.hup() == ""
        one.write_conf(text=text)
        assert one.hup() == ""
        with connect(one) as second:
            refused_in_http(second.send(request()), 503)


def test_the_rate_of_one_client(relay, origin):
    one = site(relay, {"a": origin(sends(b"in"))}, listener={"max_rate_per_client": 1})
    assert [admitted(one, "127.0.0.2") for _ in range(3)] == [True, True, False]   # a burst of twice the rate
    assert admitted(one, "127.0.0.3")
    assert "LV" in {record.end for record in one.wait_records(4)}
    until(lambda: admitted(one, "127.0.0.2"), "a second later there is room for one")


def test_connections_of_a_listener_that_rejects(relay, origin):
    one = site(relay, {"a": origin(http)}, top="when_full = reject\n", listener={"max_connections": 2, "mode": "http"})
    clients = [connect(one) for _ in range(2)]
    for client in clients:
        assert client.get().status == 200
    with connect(one) as client:
        refused_in_http(client.send(request()), 503)
    assert one.record(client).end == "LF"
    for client in clients:
        client.close()
        one.record(client)
    with connect(one) as client:
        assert client.get().status == 200


def test_connections_of_a_listener_that_waits(relay, origin):
    one = site(relay, {"a": origin(echo)}, listener={"max_connections": 1})
    first, second = connect(one), None
    assert first.send(b"x").read(1) == b"x"
    second = connect(one).send(b"y")
    assert second.is_silent(0.2)   # it waits in the kernel's backlog, or in the acceptor's hands
    first.close()
    assert second.read(1) == b"y"
    second.close()
    assert {record.end for record in one.wait_records(2)} == {"CE"}


def test_a_reload_frees_an_acceptor_that_waits(relay, origin):
    one = site(relay, {"a": origin(echo)}, listener={"max_connections": 1})
    first = connect(one)
    assert first.send(b"x").read(1) == b"x"
    second = connect(one).send(b"y")
    one.write_conf(text=one.file.read_text().replace("max_connections = 1", "max_connections = 5"))
    assert one.hup() == ""
    assert second.read(1) == b"y"
    first.close()
    second.close()


def test_a_stop_while_an_acceptor_waits(relay, origin):
    one = site(relay, {"a": origin(echo)}, listener={"max_connections": 1})
    first = connect(one)
    assert first.send(b"x").read(1) == b"x"
    second = connect(one).send(b"y")
    one.finish()
    assert first.read_end()[1] == RESET
    second.close()


def test_a_flood_of_refused_clients_is_summed_up(relay, origin):
    one = site(relay, {"a": origin(sends(b"in"))}, listener={"deny": ("127.0.0.0/8",)})
    for _ in range(300):
        assert not admitted(one, "127.0.0.2")
    one.wait_log("more connections within a second: each was refused: allow and deny do not let the client in")
    assert len(one.records()) < 300


def test_a_stop_while_an_acceptor_waits_at_a_listener_that_was_renamed(relay, origin):
    """It waits at the limit of the listener that it had; the new name has a limit of its own."""
    one = site(relay, {"a": origin(echo)}, listener={"max_connections": 1})
    first = connect(one)
    assert first.send(b"x").read(1) == b"x"
    second = connect(one).send(b"y")
    for name in ("other", "third"):
        text = one.file.read_text()
        one.write_conf(text=text.replace(text[text.index("listener "):text.index(" {")], f"listener {name}"))
        assert one.hup() == ""
    one.finish()
    assert first.read_end()[1] == RESET
    second.close()
