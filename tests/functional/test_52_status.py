"""The status section: what whoever can connect sees, and that nobody there holds up anybody else."""

import contextlib
import json
import os
import re
import socket
import time

import pytest

from client import close_all, connect
from control import asked, dialled, relayctl
from origin import echo, silent
from relay import section
from settings import DEADLINE, free_port, secs, until


def text_of(one, *addresses, server, control="off", **options):
    """A configuration with this status section."""
    return (f'control = "{control}"\n' + section("status", "", address=list(addresses), **options)
            + section("listener", "web", address=one, upstream="app") + section("upstream", "app", server=server))


@pytest.fixture
def shown(relay, origin, at):
    """shown(address...) starts a relayd with a status section; its listener is .address, the control socket at."""
    def start(*addresses, script=echo, **options):
        address = f"127.0.0.1:{free_port()}"
        server = origin(script)
        one = relay(text=text_of(address, *addresses, server=server, control=at, **options), address=address)
        one.server = server
        return one
    return start


def change(one, at, *addresses, **options):
    one.file.write_text(text_of(one.address, *addresses, server=one.server, control=at, **options))
    one.hup()


def local():
    return "127.0.0.1", free_port()


def written(place):
    return f"{place[0]}:{place[1]}"


def test_metrics_and_ready_alone_by_get_alone(shown):
    place = local()
    shown(written(place))
    host = {"host": written(place)}
    assert json.loads(asked(place, "/ready", **host)[2])["ready"] is True
    status, head, body = asked(place, "/metrics", **host)
    assert status == 200 and "relayd_accepted_total" in body
    assert "nosniff" in head and "no-store" in head and "Content-Security-Policy: default-src 'none'" in head
    for page in ("/connections", "/tail", "/events", "/servers", "/status", "/drain", "/kill", "/../etc/passwd"):
        assert asked(place, page, **host)[0] == 404, page
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "BREW"):
        assert asked(place, "/ready", method, **host)[0] in (404, 405), method


def test_names_that_others_made_up_are_refused(shown):
    place = local()
    shown(f"localhost:{place[1]}")
    for host in ("localhost", f"localhost:{place[1]}", written(place), "192.0.2.1", "[::1]:80", socket.gethostname()):
        assert asked(place, "/ready", host=host)[0] == 200, host
    for host in ("evil.example", f"evil.example:{place[1]}", "localhost.evil.example", "127.0.0.1.evil.example", ""):
        status, _, body = asked(place, "/ready", host=host)
        assert status in (400, 421), host
        assert status == 400 or "this relayd is not called so" in body


def test_a_name_of_the_address_is_answered(hosts, relay, origin):
    hosts.set("127.0.0.1 localhost relay.example")
    place = local()
    address = f"127.0.0.1:{free_port()}"
    relay(text=text_of(address, f"relay.example:{place[1]}", server=origin(echo)), address=address, wrap=hosts.wrap)
    assert asked(place, "/ready", host="relay.example")[0] == 200
    assert asked(place, "/ready", host="other.example")[0] == 421


def test_unix_socket_and_ipv6(shown, short_path):
    path, port = str(short_path / "status.sock"), free_port()
    one = shown(f"unix:{path}", f":{port}")
    for host in ("localhost", "relayd", "other.example", ""):   # no browser comes this way, so a name deceives nobody
        assert asked(path, "/ready", host=host)[0] == 200, host
    assert asked(("127.0.0.1", port), "/ready")[0] == 421
    assert asked(("127.0.0.1", port), "/ready", host="localhost")[0] == 200
    if socket.has_ipv6 and os.path.exists("/proc/net/if_inet6"):
        assert asked(("::1", port), "/ready", host="[::1]")[0] == 200
    one.finish()
    assert not os.path.exists(path)


def test_no_section_no_socket(relay, origin):
    one = relay(origin(echo), control="off")
    assert one.thread_ids("status") == []


def test_it_survives_reloads_and_moves(shown, at):
    first, second = local(), local()
    one = shown(written(first))
    with dialled(first) as kept:
        kept.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert kept.recv(4096).startswith(b"HTTP/1.1 200")
        change(one, at, written(first), clients=True)
        one.wait_log("Reloaded", 1)
        kept.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert kept.recv(4096).startswith(b"HTTP/1.1 200"), "the same address: its clients stay"
    change(one, at, written(first), written(second))
    one.wait_log("Reloaded", 2)
    until(lambda: listens(second), "the second is there")
    assert asked(first, "/ready", host="localhost")[0] == 200
    change(one, at, written(second))
    until(lambda: not listens(first), "the first has gone")
    assert asked(second, "/ready", host="localhost")[0] == 200
    one.file.write_text(re.sub(r"^status .*?^\}\n", "", one.file.read_text(), flags=re.S | re.M))
    one.hup()
    until(lambda: not listens(second), "it is off")
    until(lambda: one.thread_ids("status") == [], "its thread has ended")


def listens(place):
    try:
        dialled(place).close()
        return True
    except OSError:
        return False


def test_all_or_nothing(shown, at):
    first, second = local(), local()
    one = shown(written(first))
    with socket.create_server(("127.0.0.1", 0)) as other:
        change(one, at, written(first), written(second), written(other.getsockname()))
        one.wait_log(f"The status section cannot listen on {written(other.getsockname())}: Address already in use; another process")
    assert asked(first, "/ready", host="localhost")[0] == 200
    assert not listens(second)
    change(one, at, written(first), written(second))
    until(lambda: listens(second), "now it can be had")


def test_port_in_use_at_the_start(relay, origin):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{free_port()}"
        one = relay(text=text_of(address, written(other.getsockname()), server=origin(echo)), address=address, ready=False)
        one.expected_exit = 69
        assert one.wait_exit() == 69
        assert "The status section cannot listen on" in one.log and "another process listens there" in one.log


def test_one_address_for_both_is_an_error(relay, origin):
    address = f"127.0.0.1:{free_port()}"
    one = relay(text=text_of(address, address, server=origin(echo)), address=address, ready=False)
    one.expected_exit = 78
    assert one.wait_exit() == 78
    assert f"address {address} is listened on twice" in one.log


def test_who_stalls_or_floods_starves_nobody(shown, at):
    place = local()
    one = shown(written(place))
    stalled = []
    for _ in range(100):
        try:
            stalled.append(dialled(place))
            stalled[-1].sendall(b"GET /rea")
        except OSError:
            pass    # more than one address may have
    began = time.monotonic()
    for _ in range(5):
        relayctl("-s", at)
        with connect(one.address) as client:
            assert client.send(b"x").read(1) == b"x"
    assert time.monotonic() - began < secs(5)
    close_all(stalled)
    until(lambda: listens(place) and answers(place), "others are answered")


def answers(place):
    try:
        return asked(place, "/ready", host="localhost")[0] == 200
    except (OSError, IndexError):
        return False


def test_nonsense_costs_nothing_but_itself(shown):
    place = local()
    one = shown(written(place), script=silent)
    nonsense = (b"\0" * 5000, os.urandom(4000) + b"\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /ready HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                b"GET /ready?" + b"a=b&" * 5000 + b" HTTP/1.1\r\n\r\n", b"\r\n" * 3000)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(dialled(place)) for _ in nonsense]
        for client, bytes_ in zip(clients, nonsense):
            with contextlib.suppress(OSError):
                client.sendall(bytes_)
                client.shutdown(socket.SHUT_WR)
        for client in clients:   # of some it hopes for more, for ten seconds: for all of them at the same time
            with contextlib.suppress(OSError):
                while client.recv(65536):
                    pass
    assert asked(place, "/ready", host="localhost", fields="Content-Length: 99999999999\r\n")[0] == 413
    assert answers(place)
    assert one.process.poll() is None


@pytest.mark.parametrize("address", ["systemd", "1.2.3.4", "", "srv:_http._tcp.app.example"])
def test_wrong_addresses(relay, origin, address):
    one = relay(text=text_of(f"127.0.0.1:{free_port()}", address, server=origin(echo)), address="127.0.0.1:1", ready=False)
    one.expected_exit = 78
    assert one.wait_exit(DEADLINE) == 78
    assert "status: address = " in one.log


def test_an_ipv6_host_is_one_client_at_all_its_addresses(relay, origin, netns):
    """It has a /64 to choose from, and would else take all places."""
    port = free_port()
    netns.add_ipv6("fd00::1", "fd01::1", *[f"fd00::2:{number:x}" for number in range(1, 41)])
    inner = f"127.0.0.1:{free_port()}"
    relay(text=text_of(inner, f"[fd00::1]:{port}", server=origin(echo)), address=inner, wrap=netns.wrap)

    def served(source):
        with contextlib.suppress(OSError):
            client = socket.create_connection(("fd00::1", port), source_address=(source, 0), timeout=DEADLINE)
            held.append(client)
            client.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return client.recv(1) == b"H"
        return False
    held = []
    with netns.inside():
        assert sum(served(f"fd00::2:{number:x}") for number in range(1, 41)) == 16
        assert served("fd01::1")   # another
    close_all(held)
