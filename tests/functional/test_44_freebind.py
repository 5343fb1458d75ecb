"""ip_freebind: a listener is there before its address is, as on the second of two machines that share one."""

import pytest

from client import connect
from fleet import conf
from origin import Origin, echo
from relay import once
from settings import free_port, until

ADDRESSES = ["192.0.2.7", "[2001:db8::7]"]


@pytest.fixture
def server(netns):
    with netns.inside():
        one = Origin(echo)
    yield one
    one.stop()


def text(address, server, line):
    return conf(address, {"a": server.address}).replace(f'address = "{address}"', f'address = "{address}"\n{line}', 1)


@pytest.mark.parametrize("host", ADDRESSES)
def test_it_serves_an_address_from_the_moment_it_is_there(relay, netns, server, host):
    address = f"{host}:{free_port()}"
    one = relay(text=text(address, server, "ip_freebind = true"), address=address, wrap=netns.wrap)
    one.wait_log(f"takes connections on {host.replace('[', '.').replace(']', '.')}")
    for _ in range(2):
        if ":" in host:
            netns.add_ipv6(host.strip("[]"))
        else:
            netns.ip("address", "add", f"{host}/32", "dev", "lo")
        with netns.inside(), connect(one) as client:
            assert client.send(b"x").read(1) == b"x"
        netns.ip("address", "del", f"{host.strip('[]')}/{128 if ':' in host else 32}", "dev", "lo")
    # A reload opens another one, the same way.
    other = f"{host}:{free_port()}"
    one.write_conf(text=text(other, server, "ip_freebind = true"))
    one.hup()
    until(lambda: f"takes connections on {other}" in one.log, "it listens there")


@pytest.mark.parametrize("host", ADDRESSES)
def test_without_it_an_address_that_is_missing_is_an_error(tmp_path, netns, server, host):
    address = f"{host}:{free_port()}"
    (tmp_path / "relayd.conf").write_text(text(address, server, "ip_freebind = false"))
    done = once("-f", tmp_path / "relayd.conf", wrap=netns.wrap)
    assert done.returncode == 69
    assert f"Listener web cannot listen on {address}: Cannot assign requested address; this machine has no such address; " \
           "if it comes later, set ip_freebind = true." in done.stderr
