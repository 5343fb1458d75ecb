"""Reloading: listeners that come, go, stay and move; names; and what can only change by a restart."""

import os
import socket

import pytest

from client import connect, refused_in_http, refuses
from control import asked
from keeper import ask
from origin import echo, http, sends
from peer import EOF, request
from relay import activated, section
from settings import free_port, secs, until


def works(address):
    with connect(address) as client:
        return client.get().status == 200


def listener_of(address, one):
    """Under which name a connection to this address is relayed."""
    with connect(address) as client:
        assert client.get().status == 200
    return one.record(client).listener


def test_renamed(relay, origin):
    one = relay(origin(http))
    before = one.sockets()
    until(lambda: one.thread_ids("acc:web"), "the acceptor runs under its name")
    one.reload(text=section("listener", "shop", address=one.address, upstream="app")
               + section("upstream", "app", server=one.server))
    assert listener_of(one.address, one) == "shop"
    assert before & one.sockets(), "the socket is the same"
    assert one.thread_names().count("acc:shop") == 1
    assert "acc:web" not in one.thread_names()


def test_two_listeners_change_places(relay, origin):
    first, second = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    servers = [section("upstream", name, server=origin(sends(name.encode()))) for name in ("one", "two")]

    def text(one, two):
        return (section("listener", "one", address=one, upstream="one")
                + section("listener", "two", address=two, upstream="two") + "".join(servers))
    one = relay(text=text(first, second), address=[first, second])
    before = one.sockets()
    one.reload(text=text(second, first))
    assert connect(first).read_end() == (b"two", EOF)
    assert connect(second).read_end() == (b"one", EOF)
    assert len(before & one.sockets()) >= 2


def test_moved_to_another_address(relay, origin):
    one = relay(origin(http))
    moved = f"127.0.0.1:{free_port()}"
    one.reload(one.server, address=moved)
    assert works(moved)
    assert refuses(one.address)
    assert one.thread_names().count("acc:web") == 1
    one.reload(one.server)
    assert works(one.address)
    assert refuses(moved)


def test_a_second_address_is_added_and_removed(relay, origin):
    one = relay(origin(http))
    before, second = one.sockets(), f"127.0.0.1:{free_port()}"
    for _ in range(3):
        one.reload(one.server, address=[one.address, second])
        assert works(second) and works(one.address)
        one.reload(one.server, address=[second, one.address])
        assert works(second) and works(one.address)
        one.reload(one.server)
        assert refuses(second) and works(one.address)
    assert before & one.sockets(), "the first one has been open all along"


@pytest.mark.parametrize("before, after", [
    ("[::1]:{port}", ["[::1]:{port}", "127.0.0.1:{port}"]),
    ("127.0.0.1:{port}", ["127.0.0.1:{port}", "127.0.0.2:{port}", "[::1]:{port}"]),
    (["127.0.0.1:{port}", "[::1]:{port}"], ["localhost:{port}"]),
    ("localhost:{port}", ["127.0.0.1:{port}", "[::1]:{port}"]),
])
def test_the_same_port_of_other_addresses(relay, origin, hosts, before, after):
    """Addresses that do not overlap come and go, in whatever way they are written."""
    hosts.set("127.0.0.1 localhost", "::1 localhost")
    port = free_port()
    addresses = [[text.format(port=port) for text in ([side] if isinstance(side, str) else side)]
                 for side in (before, after)]
    one = relay(origin(http), address=addresses[0], wrap=hosts.wrap)
    sockets = one.sockets()
    one.reload(one.server, address=addresses[1])
    for address in addresses[1]:
        assert works(address)
    assert sockets & one.sockets()
    one.reload(one.server, address=addresses[0])
    for address in addresses[0]:
        assert works(address)


def test_a_port_of_another_process_beside_our_own(relay, origin):
    """It is the other process that is in the way, not relayd with the same port of another address."""
    one = relay(origin(http))
    with socket.create_server(("127.0.0.2", one.port)):
        one.write_conf(one.server, address=[one.address, f"127.0.0.2:{one.port}"])
        why = one.hup()
        assert "another process" in why and "restart" not in why
    assert one.hup() == ""
    assert works(f"127.0.0.2:{one.port}")


# Unix sockets


def test_a_unix_socket_is_added_kept_and_removed(relay, origin, short_path):
    one = relay(origin(http))
    path = short_path / "web.sock"
    unix = f"unix:{path}"
    one.reload(one.server, address=[one.address, unix])
    assert works(unix)
    made = os.stat(path).st_ino
    one.reload(one.server, address=[unix, one.address], workers=2)
    assert works(unix)
    assert os.stat(path).st_ino == made, "it is the same file"
    one.reload(one.server)
    assert refuses(unix)
    assert not path.exists()
    assert works(one.address)


def test_unix_only_and_tcp_only(relay, origin, short_path):
    unix = f"unix:{short_path}/web.sock"
    one = relay(origin(http), address=unix)
    tcp = f"127.0.0.1:{free_port()}"
    one.reload(one.server, address=tcp)
    assert works(tcp)
    assert os.listdir(short_path) == []
    one.reload(one.server, address=unix)
    assert works(unix)
    assert refuses(tcp)


def test_a_unix_socket_of_another_process_is_left_alone(relay, origin, short_path):
    one, path = relay(origin(http)), short_path / "other.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        one.write_conf(one.server, address=[f"unix:{short_path}/new.sock", f"unix:{path}"])
        assert "another process" in one.hup()
        assert connect(f"unix:{path}")
    assert os.listdir(short_path) == ["other.sock"], "the new one was not left behind"
    assert works(one.address)
    assert one.hup() == ""
    assert works(f"unix:{path}")


def test_a_file_that_was_removed_is_there_again(relay, origin, short_path):
    path = short_path / "web.sock"
    one = relay(origin(http), address=f"unix:{path}")
    assert path.stat().st_mode & 0o777 == 0o666
    path.unlink()
    one.reload(one.server)
    assert works(one.address)
    assert path.stat().st_mode & 0o777 == 0o666


def test_a_stop_leaves_the_file_of_a_stranger(relay, origin, short_path):
    path = short_path / "web.sock"
    one = relay(origin(http), address=f"unix:{path}")
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        one.term()
        assert one.wait_exit() == 0
        assert path.exists()


@pytest.mark.parametrize("living", [True, False])
def test_the_file_of_a_stranger_is_not_taken_for_the_one_that_was_held(revived, meeting, short_path, living):
    """Nobody would reach the socket that the keeper has. What is not the stranger's is adopted all the same."""
    path = short_path / "web.sock"
    one = revived(meeting, address=f"unix:{path}")
    pair = meeting.pair(one)
    one.kill()
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        stranger = path.stat().st_ino
        if living:
            other.listen()
            one.spawn_again()
            assert one.wait_exit() == 69
            assert path.stat().st_ino == stranger
    one.again()
    ask(*pair)
    ask(*meeting.pair(one))


@pytest.mark.parametrize("starts", [True, False])
def test_two_paths_to_one_file(relay, origin, short_path, starts):
    """The second would put its file in the place of the first, which nobody could reach then."""
    (short_path / "real").mkdir()
    (short_path / "link").symlink_to(short_path / "real")
    both = [f"unix:{short_path}/{name}/web.sock" for name in ("real", "link")]
    one = relay(origin(http), **({"address": both, "ready": False} if starts else {}))
    if starts:
        one.expected_exit = 78
        assert one.wait_exit() == 78
        one.wait_log("relayd itself listens there, by another path to the same file")
    else:
        one.write_conf(one.server, address=both)
        assert "by another path" in one.hup()
        assert works(one.address)
    assert os.listdir(short_path / "real") == []


def test_options_of_a_socket_that_stays(relay, origin):
    one = relay(origin(http), backlog=16)
    one.reload(one.server, backlog=333)
    with open("/proc/net/tcp", encoding="ascii") as table:
        assert any(f":{one.port:04X} " in line for line in table)
    shown = os.popen(f"ss -Hltn 'sport = :{one.port}'").read().split()
    assert shown[2] == "333"


def test_mode_of_new_connections(relay):
    dead = f"127.0.0.1:{free_port()}"
    one = relay(dead, mode="tcp")
    assert connect(one).ending() == "reset"
    one.reload(dead, mode="http")
    with connect(one) as client:
        refused_in_http(client.send(request()), 502)


# Sockets from the service manager


def test_passed_sockets_are_kept(relay, origin):
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        addresses = ["127.0.0.1:%d" % sock.getsockname()[1] for sock in (first, second)]
        one = activated(relay, origin(http), first, second, names="web:web")
        before, server, extra = one.sockets(), origin(sends(b"new")), f"127.0.0.1:{free_port()}"
        one.reload(server, address=["systemd", extra])
        for address in addresses + [extra]:
            assert connect(address).read_end() == (b"new", EOF)
        assert len(before & one.sockets()) >= 2
        one.reload(origin(http))
        assert works(addresses[0]) and works(addresses[1])
        assert refuses(extra)


@pytest.mark.parametrize("name, address", [("web", "systemd"), ("shop", "systemd")])
def test_passed_sockets_that_cannot_be_had(relay, origin, name, address):
    """None was passed; or it was, under another name."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        one = relay(origin(http)) if name == "web" else activated(relay, origin(http), sock)
        where = one.address if name == "web" else "127.0.0.1:%d" % sock.getsockname()[1]
        one.write_conf(text=section("listener", name, address=address, upstream="app")
                       + section("upstream", "app", server=one.server))
        why = one.hup()
        assert "restart" in why and "systemd" in why and name in why
        assert works(where)


def test_a_passed_socket_that_was_given_up_is_gone_but_lives(relay, origin):
    """Whoever passed it still has it."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        one = activated(relay, origin(http), sock)
        tcp = f"127.0.0.1:{free_port()}"
        one.reload(one.server, address=tcp)
        assert works(tcp)
        one.write_conf(one.server, address="systemd")
        assert "restart" in one.hup()
        assert works(tcp)
        with connect("127.0.0.1:%d" % sock.getsockname()[1]):
            sock.settimeout(secs(5))
            sock.accept()[0].close()


# Names


def test_a_name_keeps_its_addresses_when_the_lookup_fails(relay, origin, hosts):
    hosts.set("127.0.0.1 app.test")
    server = origin(http)
    one = relay(f"app.test:{server.port}", wrap=hosts.wrap, mode="http")
    assert works(one.address)
    hosts.set("127.0.0.1 other.test")
    for count in (1, 2):
        one.reload(f"app.test:{server.port}", mode="http", connect_timeout="1s")
        one.wait_log("app.test cannot be looked up: .* The last good addresses stay in use", count)
        assert works(one.address)


def test_a_name_that_is_new_is_looked_up(relay, origin, hosts):
    hosts.set("127.0.0.1 old.test", "127.0.0.1 new.test")
    before, after = origin(sends(b"old")), origin(sends(b"new"))
    one = relay(f"old.test:{before.port}", wrap=hosts.wrap)
    assert connect(one).read_end() == (b"old", EOF)
    one.reload(f"new.test:{after.port}")
    assert connect(one).read_end() == (b"new", EOF)
    until(lambda: len(one.thread_ids("resolver")) == 1, "the former resolver is gone")


def test_a_name_to_listen_on_that_is_not_known(relay, origin, hosts):
    one = relay(origin(http), wrap=hosts.wrap)
    one.write_conf(one.server, address=f"nowhere.test:{one.port}")
    assert "nowhere.test" in one.hup()
    assert works(one.address)


def test_a_reload_swaps_an_address_between_status_and_a_listener(relay, origin, short_path):
    server, at = origin(echo), str(short_path / "control.sock")
    first, second, third = (f"127.0.0.1:{free_port()}" for _ in range(3))

    def text(status, *listeners):
        return (f'control = "{at}"\n' + section("status", "", address=status) + section("upstream", "app", server=server)
                + "".join(section("listener", f"l{i}", address=address, upstream="app") for i, address in enumerate(listeners)))

    one = relay(text=text(first, second))
    one.write_conf(text=text(third, second, first))
    assert f"cannot listen on {first}: the status section in force has it until a reload is done; move that in a" in one.hup()
    one.reload(text=text(third, second))
    one.reload(text=text(third, second, first))
    with connect(first) as client:
        assert client.send(b"x").read(1) == b"x"
    one.reload(text=text(first, second))          # the other way round: at once
    there = ("127.0.0.1", int(first.split(":")[1]))
    until(lambda: socket.socket().connect_ex(there) == 0, "the status section, which moves after the listeners, is there")
    assert asked(there, "/ready", host=first)[0] == 200
