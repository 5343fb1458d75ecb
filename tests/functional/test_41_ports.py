"""Local ports: each address of source_address has its own for each server, and those that rest are no use to anybody."""

import pytest

from client import connect, refused_in_http
from fleet import conf, site
from origin import Origin, http
from peer import EOF, request
from settings import ms, until
from test_43_servers import answers

PORTS = 6
V4 = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
V6 = ["2001:db8::2", "2001:db8::3", "2001:db8::4"]


def says_who(peer):
    peer.send(peer.sock.getpeername()[0].encode())
    peer.close()


@pytest.fixture
def origins(netns):
    """origins(script): one of each family, on port 9000; returns their addresses. There are PORTS local ports."""
    netns.sysctl(net__ipv4__ip_local_port_range=f"40000 {40000 + PORTS - 1}", net__ipv4__tcp_tw_reuse=0)
    netns.add_ipv6("2001:db8::1", *V6)
    started = []

    def start(script):
        with netns.inside():
            started.extend([Origin(script, host="127.0.1.1", port=9000), Origin(script, host="2001:db8::1", port=9000)])
        return "127.0.1.1:9000", "[2001:db8::1]:9000"
    yield start
    for one in started:
        one.stop()


@pytest.fixture
def ask():
    """ask(one): a client that ends first, as most do; whether it was served. Its own port is none of the few."""
    ports = iter(range(45000, 60000))

    def once(one, served=True):
        with connect(one, source_port=next(ports)) as client:
            if served:
                assert client.get().status == 200
                assert client.shut().read_end() == (b"", EOF)
            else:
                refused_in_http(client.send(request()), 503)
        return one.record(client)
    return once


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_ports_that_rest_and_another_address(relay, netns, origins, ask, family):
    """With one address they are used up, a reload gives as many again, and none of these clients notices the rest."""
    server = origins(http)[family == "IPv6"]
    first, second, third = V6 if family == "IPv6" else V4
    options = {"listener": {"mode": "http"}, "connect_attempts": 1}
    one = site(relay, {"a": server}, wrap=netns.wrap, source_address=first, **options)
    with netns.inside():
        for _ in range(PORTS):
            ask(one)
        record = ask(one, served=False)
        assert (record.end, record.error, record.attempts) == ("MD", "EADDRNOTAVAIL", 1)
        said = one.wait_log("could not connect to a server: no local port is left .EADDRNOTAVAIL.")
        assert len(said) == 1 and "source_address" in said[0].text and "There is no" not in one.log
        one.write_conf(text=conf(one.addresses[0], {"a": server}, source_address=[first, second, third], **options))
        assert one.hup() == ""
        assert {ask(one).end for _ in range(2 * PORTS)} == {"CE"}
        assert ask(one, served=False).end == "MD"
    assert "names" not in one.log


def test_in_turn_and_each_server_by_its_family(relay, netns, origins):
    four, six = origins(says_who)
    one = site(relay, {"four": four}, wrap=netns.wrap, source_address=V4 + V6)
    other = site(relay, {"six": six}, wrap=netns.wrap, source_address=V4 + V6)
    third = site(relay, {"six": six}, wrap=netns.wrap, source_address=[*V6[:2]])
    netns.sysctl(net__ipv4__ip_local_port_range="32768 60999")
    with netns.inside():
        assert answers(one, 6) == {address: 2 for address in V4}
        assert answers(other, 6) == {address: 2 for address in V6}
        assert answers(third, 6) == {address: 3 for address in V6[:2]}


def test_one_that_this_machine_does_not_have(relay, netns, origins):
    """It is named, is no lack of ports, and costs nobody an attempt; it is used once it is there."""
    four, _ = origins(says_who)
    one = site(relay, {"a": four}, wrap=netns.wrap, source_address=["192.0.2.7", V4[0]], connect_attempts=1)
    netns.sysctl(net__ipv4__ip_local_port_range="32768 60999")
    with netns.inside():
        assert answers(one, 4) == {V4[0]: 4}
        said = one.wait_log("warning source_address of upstream app names 192.0.2.7, which is no address of this machine")
        netns.ip("address", "add", "192.0.2.7/32", "dev", "lo")
        assert answers(one, 4) == {V4[0]: 2, "192.0.2.7": 2}
    assert len(said) == 1 and said[0].about == ("app", None, None, None)
    assert "local port" not in one.log and "not used" not in one.log and "taken out" not in one.log


@pytest.mark.parametrize("checked", [False, True], ids=["dials", "checks"])
def test_none_that_this_machine_has(relay, netns, origins, checked):
    four, six = origins(says_who)
    one = site(relay, {"a": four, "b": six}, wrap=netns.wrap, source_address=["192.0.2.7", "192.0.2.8", V6[0]], connect_attempts=1,
               check={"interval": ms(50), "timeout": ms(500)} if checked else None)
    netns.sysctl(net__ipv4__ip_local_port_range="32768 60999")
    with netns.inside():
        if not checked:
            assert answers(one, 4) == {V6[0]: 4}
        said = one.wait_log(r"source_address of upstream app names no address of this machine .192.0.2.7, 192.0.2.8.: 1 address "
                            "of app is not used until there is. 1 of 2 addresses of app are usable.")
        netns.ip("address", "add", "192.0.2.8/32", "dev", "lo")
        until(lambda: "192.0.2.8" in answers(one, 2), "it is used", pause=0.05)
    assert len(said) == 1 and "local port" not in one.log and "is down" not in one.log
