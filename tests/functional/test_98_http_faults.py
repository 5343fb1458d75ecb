"""Running out of descriptors and threads where requests are looked into: one client is refused, the daemon lives."""

import resource
import time

import pytest

from client import close_all, connect, connect_many
from origin import http, pattern
from peer import request
from settings import SANITIZER, until
from test_80_faults import limit_descriptors


def warmed_up(relay, origin, copy):
    """A relay whose first connection is over, its sockets closed."""
    one = relay(origin(http), copy=copy, mode="http")
    sockets = one.open_files()["socket"]
    with connect(one) as client:
        assert client.get().status == 200
    one.record(client)
    one.wait_sockets(sockets)
    return one


def test_descriptors_exhausted_and_back(relay, origin, copy):
    one = relay(origin(http), copy=copy, mode="http", workers=2)
    first = connect(one)
    assert first.get("/a").body == b"/a\n"
    limit_descriptors(one, 12)
    clients = connect_many(one, 30)
    one.wait_log("LimitNOFILE")
    assert first.get("/b").body == b"/b\n"
    before = one.cpu()
    time.sleep(1)
    assert one.cpu() - before < 0.2 * (5 if SANITIZER else 1), "it spins"
    close_all(clients)

    def served():
        with connect(one) as client:
            client.sock.settimeout(2)
            try:
                return client.get("/c").body == b"/c\n"
            except (OSError, AssertionError):   # it ended before it was answered
                return False
    until(served, "clients are served again")
    assert first.get("/d").body == b"/d\n"


@pytest.mark.parametrize("free", [1, 2])
def test_no_descriptor_for_the_server(relay, origin, copy, free):
    """The client was accepted, but there is nothing left to dial with: this one client is refused, with a record. Before its
    request there is a socket in the server's place."""
    one = warmed_up(relay, origin, copy)

    def refused():
        """Threads kept from before may give their pipes back meanwhile, and the client is served after all."""
        soft, hard = limit_descriptors(one, free)
        with connect(one) as client:
            answer = client.send(request()).read_to(b"\r\n")
        record = one.record(client)
        resource.prlimit(one.pid, resource.RLIMIT_NOFILE, (soft, hard))
        return record.end in ("MD", "MP") and record.error == "EMFILE" and answer.startswith(b"HTTP/1.1 503 ")
    until(refused, "a client is refused for want of a descriptor")
    assert connect(one).get("/b").body == b"/b\n"


@pytest.mark.parametrize("free", [2, 3, 4, 5])
def test_few_descriptors_for_a_request(relay, origin, copy, free):
    """However few are left: the client is answered, by the server or by relayd, and the daemon goes on."""
    one = warmed_up(relay, origin, copy)
    soft, hard = limit_descriptors(one, free)
    data = pattern(1000000)
    with connect(one) as client:
        answer = client.send(request("/up", data)).read_response()
        assert (answer.status == 200 and answer.body == b"/up\n" + data) or answer.status in (502, 503)
    one.record(client)
    resource.prlimit(one.pid, resource.RLIMIT_NOFILE, (soft, hard))
    assert connect(one).get("/b").body == b"/b\n"


@pytest.mark.skipif(bool(SANITIZER), reason="a sanitizer's shadow memory is address space without end")
def test_no_room_for_threads(relay, origin, copy):
    """No address space for more stacks: the clients that come then are refused, the others live, and so does it."""
    one = relay(origin(http), copy=copy, mode="http")
    first = connect(one)
    assert first.get("/a").body == b"/a\n"
    with open(f"/proc/{one.pid}/statm", encoding="ascii") as statm:
        size = int(statm.read().split()[0]) * resource.getpagesize()
    resource.prlimit(one.pid, resource.RLIMIT_AS, (size + (1 << 20), -1))
    clients = connect_many(one, 60)
    answers = []
    for client in clients:
        client.send(request())
        answers.append(client.read_to(b"\r\n"))
    assert any(answer.startswith(b"HTTP/1.1 503") for answer in answers), answers
    assert {record.end for record in one.wait_records(1)} <= {"MP", "MD"}
    assert first.get("/b").body == b"/b\n"
    resource.prlimit(one.pid, resource.RLIMIT_AS, (-1, -1))
    close_all(clients)
    with connect(one) as client:
        assert client.get("/c").body == b"/c\n"
