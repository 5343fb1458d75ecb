"""Link-local addresses, whose interface is not there yet, goes, and is made anew under another number."""

import socket

import pytest

from client import connect
from fleet import conf, site
from origin import Origin, echo, sends
from relay import once
from settings import DEADLINE, free_port, until
from tls import Site, over_tls
from test_80_keeper_traps import usual_keeper  # noqa: F401 (a fixture)

HERE, FAR = "fe80::7", "fe80::8"


@pytest.fixture
def link(netns):
    """link(True) makes the interface d0, with two addresses; link(False) deletes it."""
    def make(there):
        if not there:
            netns.ip("link", "del", "d0")
            return
        netns.ip("link", "add", "d0", "type", "veth", "peer", "name", "peer0")
        netns.ip("link", "set", "peer0", "up")
        netns.ip("link", "set", "d0", "up")
        for address in (HERE, FAR):
            netns.ip("address", "add", f"{address}/64", "dev", "d0", "nodad")
    return make


@pytest.fixture
def server(netns):
    """A server at every address."""
    with netns.inside():
        one = Origin(echo, host="::")
    yield one
    one.stop()


def answers(netns, one, word=b"x"):
    with netns.inside(), connect(one) as client:
        try:
            return client.send(word).read(1) == word
        except (OSError, AssertionError):
            return False


@pytest.mark.parametrize("check", [None, {"interval": "100ms", "rise": 1}])
def test_a_server_whose_interface_comes_and_goes(relay, netns, link, server, check):
    one = site(relay, {"a": f"[{FAR}%d0]:{server.port}"}, wrap=netns.wrap, check=check)
    for turn in range(2):
        assert not answers(netns, one)
        said = one.wait_log(rf"There is no IPv6 on this machine that leads to \[{FAR}%d0\]:{server.port} \(No such device\)", turn + 1)
        assert len(said) == turn + 1, "it is said once"
        link(True)
        until(lambda: answers(netns, one), "the server is used again")
        one.wait_log(rf"IPv6 on this machine leads to \[{FAR}%d0\]:{server.port} again", turn + 1)
        # The end, too, takes the way that goes next.
        one.wait_log(rf"at app/a \(\[{FAR}%d0\]:{server.port}\) was ended by the client", turn + 1)
        link(False)
        until(lambda: not answers(netns, one), "the interface is gone")


def test_a_server_that_speaks_tls_at_a_link_local_address(relay, netns, link, tmp_path):
    """Its certificate cannot have the zone, which is a name of this machine's. Checks go the same way."""
    link(True)
    certified = Site(tmp_path, FAR)
    with netns.inside():
        server = Origin(over_tls(certified.server_context(), echo), host="::")
    text = conf(address := f"127.0.0.1:{free_port()}", {"a": f"[{FAR}%d0]:{server.port}"},
                check={"interval": "100ms", "fall": 1, "rise": 1})
    text = text.replace("upstream app {", f'upstream app {{ tls {{ ca = "{certified.ca}" }}')
    one = relay(address=address, wrap=netns.wrap, text=text)
    until(lambda: server.accepted > 3, "checks have come and gone")
    assert answers(netns, one)
    assert " is down" not in one.log
    server.stop()


def test_a_source_address_whose_interface_comes_and_goes(relay, netns, link, server):
    one = site(relay, {"a": f"[{FAR}%d0]:{server.port}"}, wrap=netns.wrap, source_address=f"{HERE}%d0")
    assert not answers(netns, one)
    for _ in range(2):
        link(True)
        until(lambda: answers(netns, one), "the server is used again")
        assert server.peers[-1].remote.startswith(f"[{HERE}")
        link(False)
        until(lambda: not answers(netns, one), "the interface is gone")


def test_no_connection_is_lost_over_another_server(relay, netns, link, server):
    link(True)
    one = site(relay, {"a": f"[{FAR}%d0]:{server.port}", "b": f"127.0.0.1:{server.port}"}, wrap=netns.wrap)
    for there in (True, False, True, True):
        if not there:
            link(False)
        assert all(answers(netns, one) for _ in range(8))
        if not there:
            link(True)
            one.wait_log("leads to .* are not used until there is|is not used until there is")
    until(lambda: answers(netns, one) and "again: 1 address of app is used again" in one.log, "it is used again", pause=0.1)


def listening(netns, relay, server, address, **options):
    return relay(text=conf(address, {"a": server.address}), address=address, wrap=netns.wrap, **options)


def test_a_listener_follows_its_interface(relay, netns, link, origin, tmp_path):
    with netns.inside():
        server = Origin(echo)
    link(True)
    address = f"[{HERE}%d0]:{free_port()}"
    one = listening(netns, relay, server, address)
    assert answers(netns, one)
    with netns.inside(), connect(one) as client:
        assert client.send(b"x").read(1) == b"x"
        assert len(one.wait_log("Listener web takes connections on")) == 1
    link(False)
    one.wait_log(rf"Interface d0 is gone: nobody reaches listener web on \[{HERE}%d0\]")
    assert one.hup() == "", "a reload goes on without it"
    link(True)
    one.wait_log(rf"Interface d0 was made anew: listener web takes connections on \[{HERE}%d0\]")
    assert answers(netns, one)
    link(False)
    link(True)
    assert one.hup() == ""
    assert answers(netns, one), "a reload looks, too"
    server.stop()


def test_a_listener_that_a_keeper_holds_makes_way(revived, netns, link, usual_keeper):  # noqa: F811
    """For another relayd, that has no keeper: the two know the interface by another number each."""
    _, run = usual_keeper
    link(True)
    with netns.inside():
        server = Origin(echo)
    address, wrap = f"[{HERE}%d0]:{free_port()}", netns.wrap + run

    def text(keeper, name):
        return conf(address, {"a": server.address}, top=f'keeper = {keeper}\ninstance = {name}\non_term = leave\n')
    one = revived(text=text("auto", "one"), address=address, wrap=wrap)
    one.kill()
    one.write_conf(text=text("off", "other"))
    one.again()
    assert answers(netns, one)
    server.stop()


def test_a_start_before_its_interface(tmp_path, netns, link):
    address = f"[{HERE}%d0]:{free_port()}"
    (tmp_path / "relayd.conf").write_text(conf(address, {"a": "[fe80::9%d1]:80"}))
    done = once("-f", tmp_path / "relayd.conf", wrap=netns.wrap)
    assert done.returncode == 69, "which systemd tries again"
    assert f"cannot listen on {address}: No such device; there is no network interface of this name now" in done.stderr
    done = once("-t", "-f", tmp_path / "relayd.conf", wrap=netns.wrap)
    assert done.returncode == 0
    assert f"warning: address {address}: there is no network interface d0 now; relayd does not start before" in done.stderr
    assert "warning: address [fe80::9%d1]:80: there is no network interface d1 now; the server is not used" in done.stderr
    link(True)
    assert "interface d0" not in once("-t", "-f", tmp_path / "relayd.conf", wrap=netns.wrap).stderr


def test_it_comes_through_a_restart(revived, netns, link, keeper, server):
    """Names of interfaces are numbered by each process for itself; what is held is found again."""
    link(True)
    address = f"[{HERE}%d0]:{free_port()}"
    servers = {"b": f"[fe80::9%d9]:{server.port}", "a": {"address": f"[{FAR}%d0]:{server.port}", "max_connections": 1}}
    top = f'keeper = "{keeper.path}"\non_term = leave\nwhen_full = reject\n'
    one = revived(text=conf(address, servers, top=top), address=address, wrap=netns.wrap)
    with netns.inside():
        client = connect(one)
    with client:
        assert client.send(b"x").read(1) == b"x"
        keeper.wait_held(1, listeners=2)   # (its link is a socket of the namespace and counts, too)
        one.write_conf(text=conf(address, dict(reversed(servers.items())), top=top))
        one.crash()
        one.wait_adopted(1)
        assert client.send(b"y").read(1) == b"y"
        assert not answers(netns, one), "it is counted at its server"
    until(lambda: answers(netns, one), "there is room again")
