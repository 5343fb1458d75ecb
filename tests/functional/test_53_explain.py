"""What relayctl explain says of a client is what then happens to one of that address."""

import json
import os
import re
import socket

import pytest

from client import connect
from control import asked, relayctl
from fleet import site
from origin import echo, sends
from peer import RESET
from settings import free_port, until
from test_46_access import connect_from


def explained(at, client, *words):
    found = json.loads(relayctl("-s", at, "--json", "explain", client, *words))
    assert len(found) == 1
    return found[0]


def listed(at):
    return json.loads(relayctl("-s", at, "--json", "servers"))


def said(at, client, *words):
    return relayctl("-s", at, "explain", client, *words)



ACCESS = {"allow": ["127.0.1.0/24", "127.0.2.0/25", "127.0.9.1"], "deny": ["127.0.1.128/25", "127.0.2.0/24"]}


@pytest.mark.parametrize("client, admitted, why", [
    ("127.0.1.7", True, "allow has 127.0.1.0/24"), ("127.0.1.200", False, "deny has 127.0.1.128/25"),
    ("127.0.2.7", True, "allow has 127.0.2.0/25"), ("127.0.2.200", False, "deny has 127.0.2.0/24"),
    ("127.0.3.1", False, "no prefix of allow covers it"), ("127.0.9.1", True, "allow has 127.0.9.1")])
def test_allow_and_deny(relay, origin, at, client, admitted, why):
    one = site(relay, {"a": origin(sends(b"a"))}, top=f'control = "{at}"\n', listener=ACCESS)
    found = explained(at, client)
    assert (found["admitted"], found["why"], found["end"]) == (admitted, why, None if admitted else "LA")
    assert why in said(at, client)
    with connect_from(one, client) as peer:
        if admitted:
            assert peer.read(1) == b"a"
        else:
            assert peer.read_end() == (b"", RESET)
    assert one.record(peer).end == ("LA" if not admitted else one.record(peer).end)


def test_who_is_in_no_list_is_let_in(relay, origin, at):
    site(relay, {"a": origin(sends(b"a"))}, top=f'control = "{at}"\n')
    found = explained(at, "198.51.100.7")
    assert found["admitted"] and found["why"] == "no prefix of allow or deny covers it"
    assert found["upstream"] == "app" and [server["server"] for server in found["servers"]] == ["a"]
    assert explained(at, "64:ff9b::c633:6407")["admitted"]


def test_an_address_in_an_address(relay, origin, at):
    site(relay, {"a": origin(sends(b"a"))}, top=f'control = "{at}"\n', listener={"deny": ["198.51.100.0/24"]})
    found = explained(at, "64:ff9b::c633:6407")
    assert not found["admitted"] and found["why"] == "deny covers the IPv4 address in it"


def test_a_block(relay, origin, at):
    one = site(relay, {"a": origin(sends(b"a"))}, top=f'control = "{at}"\n')
    relayctl("-s", at, "block", "127.0.3.0/24", "--for", "1h")
    relayctl("-s", at, "block", "127.0.0.0/8", "--yes")
    found = explained(at, "127.0.3.9")
    assert (found["admitted"], found["end"], found["block"]["prefix"]) == (False, "OA", "127.0.3.0/24")
    assert re.search(r"^web: 127.0.3.9 is refused \(OA\): an operator blocks it, as 127.0.3.0/24, by \S+, for 1 h more\.$",
                     said(at, "127.0.3.9"), re.M)
    assert "as 127.0.0.0/8, by " in said(at, "127.0.7.1") and "until it is lifted." in said(at, "127.0.7.1")
    with connect_from(one, "127.0.3.9") as peer:
        assert peer.read_end() == (b"", RESET)
    assert one.record(peer).end == "OA"


def test_connections_of_a_client(relay, origin, at):
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\n', listener={"max_connections_per_client": 2})
    peers = []
    for n in range(2):
        found = explained(at, "127.0.0.5")
        assert (found["admitted"], found["connections"], found["max_connections"]) == (True, n, 2)
        peers.append(connect_from(one, "127.0.0.5"))
        assert peers[-1].send(b"x").read(1) == b"x"
    found = explained(at, "127.0.0.5")
    assert (found["admitted"], found["connections"], found["end"]) == (False, 2, "LN")
    assert "It has 2 of 2 connections." in said(at, "127.0.0.5")
    with connect_from(one, "127.0.0.5") as peer:
        assert peer.read_end() == (b"", RESET)
    assert one.record(peer).end == "LN"
    assert explained(at, "127.0.0.6")["admitted"]
    for peer in peers:
        peer.close()
    until(lambda: explained(at, "127.0.0.5")["connections"] == 0, "they are gone")


def test_the_rate_of_a_client(relay, origin, at):
    one = site(relay, {"a": origin(sends(b"a"))}, top=f'control = "{at}"\n', listener={"max_rate_per_client": 1})
    assert explained(at, "127.0.0.5")["burst"] == 2
    for _ in range(2):
        with connect_from(one, "127.0.0.5") as peer:
            assert peer.read(1) == b"a"
    found = explained(at, "127.0.0.5")
    assert found["burst"] < 2 and found["admitted"] == (found["burst"] > 0)
    assert explained(at, "127.0.0.6")["burst"] == 2   # to ask counts nothing
    assert ", and may open 2 more at once, 1 a second." in said(at, "127.0.0.6")


def test_source_hash_names_the_very_server(relay, origin, at):
    names = "abcdefgh"
    one = site(relay, {name: origin(sends(name.encode())) for name in names}, top=f'control = "{at}"\n', balance="source_hash")
    chosen = {}
    for number in range(1, 25):
        client = f"127.0.5.{number}"
        found = explained(at, client)
        assert len(found["servers"]) == 1
        chosen[client] = found["servers"][0]["server"]
        with connect_from(one, client) as peer:
            assert peer.read(1).decode() == chosen[client], client
    assert len(set(chosen.values())) > 1
    client, server = next(iter(chosen.items()))
    relayctl("-s", at, "drain", f"app/{server}")
    other = explained(at, client)["servers"][0]["server"]
    assert other != server
    with connect_from(one, client) as peer:
        assert peer.read(1).decode() == other


def test_source_hash_of_hundreds(relay, origin, at):
    """Which are chosen by groups."""
    port = origin(sends(b"x"), host="0.0.0.0").port
    one = site(relay, {f"s{n}": f"127.1.{n // 200}.{n % 200 + 1}:{port}" for n in range(300)}, top=f'control = "{at}"\n',
               balance="source_hash")
    for number in range(1, 9):
        found = explained(at, f"127.0.6.{number}")
        with connect_from(one, f"127.0.6.{number}") as peer:
            assert peer.read(1) == b"x"
        assert one.record(peer).server == found["servers"][0]["server"]


def test_others_take_one_of_those_that_are_up(relay, origin, at):
    one = site(relay, {"a": origin(sends(b"a")), "b": origin(sends(b"b")), "c": origin(sends(b"c"))}, top=f'control = "{at}"\n')
    relayctl("-s", at, "drain", "app/c")
    for _ in range(3):
        assert [server["server"] for server in explained(at, "127.0.0.1")["servers"]] == ["a", "b"]
    assert "It goes to one of the servers of app, by round_robin: a (127." in said(at, "127.0.0.1")
    turns = []
    for _ in range(4):
        explained(at, "127.0.0.1")   # which takes nobody's turn
        with connect(one) as client:
            turns.append(client.read(1).decode())
    assert turns in (list("abab"), list("baba"))


@pytest.mark.parametrize("reason", ["drained", "dead", "full"])
def test_nowhere_to_go(relay, origin, at, reason):
    server = f"127.0.0.1:{free_port()}" if reason == "dead" else {"address": origin(echo).address, "max_connections": 1}
    one = site(relay, {"a": server}, top=f'control = "{at}"\n', max_fails=1, fail_timeout="1h")
    if reason == "drained":
        relayctl("-s", at, "drain", "app/a")
    with connect(one) as client:
        if reason == "full":
            assert client.send(b"x").read(1) == b"x"
        else:
            assert client.read_end() == (b"", RESET)
        words = {"drained": "all its servers have weight 0", "dead": "all its servers are down, or left alone",
                 "full": "all its servers that are up have max_connections"}[reason]
        assert f"app would have no server for it: {words}" in said(at, "127.0.0.1")


def test_what_cannot_be_explained(relay, origin, at):
    site(relay, {"a": origin(echo)}, top=f'control = "{at}"\n')
    assert "there is no listener none" in relayctl("-s", at, "explain", "127.0.0.1", "listener=none", status=1)
    assert said(at, "127.0.0.1", "listener=web").startswith("web: ")
    assert "client=1.2.3: " in relayctl("-s", at, "explain", "1.2.3", status=1)
    relayctl("-s", at, "explain", "1.2.3.4", "server=a", status=64)
    for page in ("/explain", "/explain?client=", "/explain?client=unix:/x", "/explain?client=1.2.3.4:80"):
        assert asked(at, page)[0] == 400, page
    assert "LC: a connection " in relayctl("explain", "LC")


WITHOUT_POWER = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]


@pytest.mark.parametrize("how, words", [("not there", "No such file or directory"), ("forbidden", "Permission denied"),
                                        ("refused", "Connection refused")])
def test_how_the_last_connect_failed(relay, at, short_path, how, words):
    """A server that is there for nobody says why, wherever an operator looks: its list, a client's way, and the log."""
    path = short_path / "app.sock"
    if how != "not there":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
    if how == "forbidden":
        os.chown(path, 65534, 65534)
        path.chmod(0o600)
    one = site(relay, {"a": f"unix:{path}"}, top=f'control = "{at}"\n', max_fails=2, fail_timeout="1h", connect_attempts=1,
               wrap=WITHOUT_POWER if os.geteuid() == 0 else ())
    for times in ("1 failed connect", "2 failed connects"):
        with connect(one) as client:
            assert client.read_end() == (b"", RESET)
        until(lambda: listed(at)[0]["reason"] == f"{times} in a row: {words}", f"the list says {words}")   # noqa: B023
        way = "whose last connect failed: " if times[0] == "1" else "2 attempts in a row failed, the last one: "
        assert f"{way}{words}" in said(at, "127.0.0.1")
    one.wait_log(f"Server app/a .* is taken out for 1h: 2 attempts in a row failed, the last one: {words}")


WEB = """
control = "{at}"
listener plain {{ address = "127.0.0.1:{ports[0]}" mode = http redirect = https }}
listener web {{ address = "127.0.0.1:{ports[1]}" mode = http upstream = app
    route "a.test" {{ upstream = host }}
    route "*.b.test/x/" {{ upstream = path }}
    route "c.test/old/" {{ redirect = "https://d.test/new/" }}
    route "/any/" {{ upstream = path }}
}}
listener routes {{ address = "127.0.0.1:{ports[2]}" mode = http
    route "a.test" {{ upstream = host }}
}}
"""
GONE = "gets 404: no route takes its requests, and there is no upstream for the rest.\n"
BY_ANY = "  Below /any/ it goes to path, by the route /any/.\n"


def test_requests_go_by_host_and_path(relay, origin, at):
    """A name is one that requests ask for, in mode http, where nobody is refused for want of a route."""
    ports = [free_port() for _ in range(3)]
    servers = "".join(f'upstream {name} {{ server a {{ address = "{origin(echo).address}" }} }}\n' for name in ("app", "host", "path"))
    relay(text=WEB.format(at=at, ports=ports) + servers, address=f"127.0.0.1:{ports[0]}")
    for name, web, routes in (
            ("A.test", "goes to host, by the route a.test.\n", "goes to host, by the route a.test.\n"),
            ("s.t.b.test", "goes to app.\n  Below /x/ it goes to path, by the route *.b.test/x/.\n" + BY_ANY, GONE),
            ("c.test", "goes to app.\n  Below /old/ it is redirected to https://d.test/new/, by the route c.test/old/.\n" + BY_ANY, GONE),
            ("b.test", "goes to app.\n" + BY_ANY, GONE)):
        asks = f"a client that asks for {name} "
        assert said(at, name) == f"web: {asks}{web}routes: {asks}{routes}"
    assert json.loads(relayctl("-s", at, "--json", "explain", "c.test", "listener=web")) == [
        {"listener": "web", "route": None, "upstream": "app", "end": None, "redirect": None, "certificates": None, "covered": None,
         "paths": [{"path": "/old/", "route": "c.test/old/", "upstream": "", "redirect": "https://d.test/new/"},
                   {"path": "/any/", "route": "/any/", "upstream": "path", "redirect": None}]}]
    for words, way in ((["listener=plain"], "It is redirected to https.\n"), (["listener=routes"], "It " + GONE),
                       (["listener=routes", "name=a.test"], "a.test: It goes to the server of host, by round_robin: "),
                       (["listener=web", "name=b.test"], BY_ANY.strip())):
        assert f"\n  {way}" in said(at, "192.0.2.1", *words)
        assert explained(at, "192.0.2.1", *words)["admitted"]
