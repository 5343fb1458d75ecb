"""Two machines that have one address at the same time: the router spreads connections over them (ECMP), by their routes."""

import collections
import socket
import threading

import pytest
from client import close_all, connect
from fleet import Named
from network import names, through
from origin import Origin
from peer import RESET, request
from routed import SERVICE, Routed
from settings import until

TEXT = f"""
listener web {{
    address = "{SERVICE}:80"
    upstream = app
    idle_timeout = 60s
}}
upstream app {{
    server a {{ address = "10.77.0.1:8000" }}
}}
"""
REQUESTS = 10000
CLIENTS = 6


@pytest.fixture
def routed(stack):
    return Routed(stack)


class Crowd:
    """Clients that come again and again, each time on a new connection, until there have been so many. The server's answer is
    the address of the machine it came through."""

    def __init__(self, machine, count):
        self.machine, self.left = machine, count
        self.lock = threading.Lock()
        self.served, self.failures = collections.Counter(), []
        self.threads = [threading.Thread(target=self._come, daemon=True) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def _come(self):
        with self.machine.inside():
            while True:
                with self.lock:
                    if self.left == 0:
                        return
                    self.left -= 1
                try:
                    found = self._ask()
                except (OSError, ValueError) as error:
                    self.failures.append(repr(error))
                else:
                    with self.lock:
                        self.served[found] += 1

    @staticmethod
    def _ask():
        answer = b""
        with socket.create_connection((SERVICE, 80), 10) as sock:
            sock.sendall(request("/", Connection="close"))
            while piece := sock.recv(4096):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 ") or not body:
            raise ValueError(answer)
        return body.decode()

    @property
    def done(self):
        with self.lock:
            return self.served.total() + len(self.failures)

    def wait_done(self, more):
        wanted = min(REQUESTS, self.done + more)
        until(lambda: self.done >= wanted, f"{wanted} requests", timeout=60)

    def join(self):
        for thread in self.threads:
            thread.join()


def start_http(routed, stack):
    server = Named("$remote_addr", "10.77.0.1:8000", routed.router.name)
    stack.callback(server.stop)
    with routed.router.inside():
        server.wait_ready()
    routed.start(TEXT)


def change_under_load(routed):
    """B goes and comes back, in the midst of it."""
    crowd = Crowd(routed.client, REQUESTS)
    crowd.wait_done(1000)
    routed.b.relayctl("lame-duck")
    routed.wait_routes(routed.a)
    crowd.wait_done(CLIENTS)   # those that were on their way
    served = crowd.served[routed.b.address]
    crowd.wait_done(1000)
    assert crowd.served[routed.b.address] <= served + CLIENTS
    routed.b.relayctl("lame-duck", "off")
    routed.wait_routes(routed.a, routed.b)
    crowd.join()
    return crowd


@pytest.mark.parametrize("pinned", [True, False])
def test_connections_that_go_on_while_the_route_goes(routed, stack, pinned):
    """With pins they stay with their machine, which still serves them. Without, their next packet comes to the other machine,
    which does not know them: reset."""
    with routed.router.inside():
        origin = Origin(names, "10.77.0.1", 8000)
    stack.callback(origin.check)
    stack.callback(origin.stop)
    routed.start(TEXT)
    if pinned:
        routed.pin()
    peers = collections.defaultdict(list)
    with routed.client.inside():
        for _ in range(40):
            peer = connect(f"{SERVICE}:80")
            peers[through(peer)].append(peer)
    on_a, on_b = (peers[machine.address] for machine in (routed.a, routed.b))
    assert len(on_a) > 3 and len(on_b) > 3
    routed.b.relayctl("lame-duck")
    routed.wait_routes(routed.a)
    assert {through(peer) for peer in on_a} == {routed.a.address}
    if pinned:
        assert {through(peer) for peer in on_b} == {routed.b.address}
    else:
        assert {peer.send(b"x\n").ending() for peer in on_b} == {RESET}
    close_all(on_a + on_b)


def test_lame_duck_of_one_of_two_fails_nobody(routed, stack):
    start_http(routed, stack)
    routed.pin()
    crowd = change_under_load(routed)
    assert not crowd.failures
    assert crowd.served.total() == REQUESTS
    assert min(crowd.served[machine.address] for machine in (routed.a, routed.b)) > 500
