"""Two machines and one address, which keepalived moves by VRRP (RFC 5798)."""

import signal
import socket
import time

import pytest
from network import ADDRESS, answered, names, through
from peer import RESET
from settings import until
from vrrp import share_address

TEXT = f"""
listener web {{
    address = "{ADDRESS}:80"
    upstream = app
    ip_freebind = true
}}
upstream app {{
    server a {{ address = "10.77.0.1:8000" }}
}}
"""


@pytest.fixture
def service(pair):
    pair.origin(names, 8000)
    pair.start(TEXT)
    return pair


def try_once(pair):
    """Through which machine a new connection goes, if it comes to be soon."""
    with pair.client.inside():
        sock = socket.socket()
    with sock:
        sock.settimeout(0.1)
        try:
            sock.connect((ADDRESS, 80))
            sock.sendall(b"x\n")
            return sock.recv(100).decode().split(" ")[0]
        except OSError:
            return None


def wait_served_by(pair, machine):
    """Seconds until new connections go to this machine."""
    began = time.monotonic()
    until(lambda: try_once(pair) == machine.address, f"new connections go to {machine.word}", pause=0.02)
    return time.monotonic() - began


def note(record_property, name, seconds):
    """For who reads the log: pytest -s shows it, junit has it."""
    record_property(name, round(seconds, 2))
    print(f"{name}: {seconds:.2f} s")


def test_a_killed_relayd_moves_nothing(service):
    """Its keeper has its connections. keepalived has asked while it was away, and been told nothing once."""
    keepalived, other = share_address(service)
    peer = service.connect(ADDRESS)
    assert through(peer) == service.a.address
    service.a.keeper.wait_held(1)
    service.a.relayd.kill(signal.SIGKILL)
    keepalived.wait_said("Script `ready` now returning")
    peer.send(b"sent while nobody was there\n")
    service.a.relayd.again()
    assert answered(peer, b"sent while nobody was there") == service.a.address
    assert service.a.relayd.wait_adopted(1) == [(1, 0)]
    assert through(peer) == service.a.address
    assert try_once(service) == service.a.address
    assert keepalived.masterships() == 1 and other.masterships() == 0
    peer.close()


def test_a_machine_that_vanishes(service, record_property):
    """Its cable is cut, and all that it runs is gone. Its connections are, too: TCP has them in one kernel. New ones work."""
    share_address(service)
    peer = service.connect(ADDRESS)
    assert through(peer) == service.a.address
    began = time.monotonic()
    service.a.vanish()
    wait_served_by(service, service.b)
    took = time.monotonic() - began
    note(record_property, "address_moved", took)
    assert took < 4
    assert service.b.has(ADDRESS)
    peer.send(b"x\n")
    assert peer.ending() == RESET   # by B, which does not know it
    peer.close()


def test_lame_duck_moves_the_address(service, record_property):
    """New connections go to B. Those of A end all the same, at their next packet, for that goes to B, too: where that must not
    be, wait until they are over, or have a router before the machines that knows where each is (test_20_ecmp.py)."""
    share_address(service)
    peer = service.connect(ADDRESS)
    assert through(peer) == service.a.address
    service.a.relayctl("lame-duck")
    note(record_property, "lame_duck_moved", wait_served_by(service, service.b))
    until(lambda: not service.a.has(ADDRESS), "A has the address no more")
    assert try_once(service) == service.b.address
    peer.send(b"x\n")
    assert peer.ending() == RESET
    peer.close()
    service.a.relayctl("lame-duck", "off")
    note(record_property, "came_back", wait_served_by(service, service.a))
