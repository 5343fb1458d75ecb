"""Mode http: crowds of clients that take their time, and one beside them that wants an answer now; and what idle ones cost."""

import resource
import shutil
import socket
import sys
import threading
import time

import pytest
import servers
from client import close_all, connect, connect_many, run, waiting_in_the_backlog
from peer import EOF, RESET
from settings import DEADLINE, LONG, MIB, REPO, SANITIZER, free_port, ms, secs, some, until
from web import answer, ask, get, proxy, read_answer, read_asked_body, text_of, web

sys.path.insert(0, str(REPO / "tests" / "bench"))
MANY = some(1000)
pytestmark = pytest.mark.timeout(20 * DEADLINE if LONG else 6 * DEADLINE)


class Drip(threading.Thread):
    """Each of the peers sends a piece, again and again, until it is told to stop; whoever has been ended is left alone."""

    def __init__(self, peers, piece, pause):
        super().__init__(daemon=True)
        self.peers, self.piece, self.pause = peers, piece, pause
        self.stopping = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join()

    def run(self):
        while not self.stopping.wait(self.pause):
            for peer in self.peers:
                try:
                    peer.sock.send(self.piece, socket.MSG_DONTWAIT)
                except OSError:
                    pass


#: Less than any limit of time in this file, which is what a good client would wait for if the others held it up.
SOON = secs(2.5)


def wait_taken(one):
    """On a busy machine a thousand threads take their time to be made."""
    port = int(one.address.rsplit(":", 1)[1])
    until(lambda: waiting_in_the_backlog(port) == 0, "all are taken")


def served(one, times=20, target="/good"):
    """A good client gets its answers, each soon, over new connections and over one that is there; the slowest, in seconds."""
    slowest = 0
    with connect(one) as client:
        for number in range(times):
            began = time.monotonic()
            assert ask(client, get(target)).status == 200
            with connect(one) as other:
                assert ask(other, get(f"{target}/{number}")).status == 200
            slowest = max(slowest, time.monotonic() - began)
    return slowest


def test_slow_heads(relay, origin):
    """A byte of a head now and then, by a thousand: no server hears of them, all are told why they end, at about the same time."""
    app = web(origin)
    one = proxy(relay, app, head_timeout=ms(3000))
    slow = connect_many(one, MANY)
    began = time.monotonic()
    for peer in slow:
        peer.send(b"POST /slow HTTP/1.1\r\nHost: a\r\n")
    with Drip(slow, b"X: y\r\n", secs(0.3)):
        wait_taken(one)
        assert served(one) < SOON
        for peer in slow:
            assert read_answer(peer).status == 408
            assert peer.ending() in (EOF, RESET)   # it may have sent more meanwhile
    assert secs(2) < time.monotonic() - began < secs(12)
    close_all(slow)
    assert {asked.target.split("/")[1] for asked in app.asked} == {"good"}
    assert {record.end for record in one.records()} <= {"TB", "CE", "SE"}
    assert served(one) < SOON


def test_silent_clients(relay, origin):
    """They connect, and say nothing at all."""
    app = web(origin)
    one = proxy(relay, app, head_timeout=ms(4000))
    slow = connect_many(one, MANY)
    wait_taken(one)
    assert served(one) < SOON
    for peer in slow:
        peer.read_end()
    close_all(slow)
    one.wait_sockets(20)


def test_slow_bodies(relay, origin):
    """They have a server's connection each, so that is what is limited; others come through, also when all is taken."""
    count = some(600)
    room = count // 2

    def answers(asked, peer):
        read_asked_body(peer, asked)
        return answer()
    app = web(origin, answers, bodies=False)
    other = web(origin)
    address = f"127.0.0.1:{free_port()}"
    text = text_of(address, {"app": app, "other": other}, routes={"/good": {"upstream": "other"}}, idle_timeout=secs(4),
                   top=f"queue_timeout = {ms(1000)}")
    one = relay(address=address, text=text.replace("server s0 {", f"server s0 {{ max_connections = {room}"))
    slow = connect_many(one, count)
    for peer in slow:
        peer.send(get("/slow", "Content-Length: 1000000", method="POST"))
    with Drip(slow, b"x", secs(0.1)):
        until(lambda: len(app.asked) >= room, "as many as the server takes")
        assert served(one) < SOON
        refused = until(lambda: len(answered := [peer for peer in slow if not peer.is_silent(0.0001)]) == count - room and answered,
                        "the others are refused")
        assert {read_answer(peer).status for peer in refused} == {503}
        assert served(one) < SOON
    # They stop; the limit of silence ends them.
    for peer in slow:
        assert peer in refused or peer.ending() == RESET
    close_all(slow)
    until(lambda: len(app.ends) == len(app.raw), "the ends of all of the server's connections")
    assert set(app.ends.values()) <= {"cut", RESET} and len(app.raw) == room   # none was taken for whole


def test_slow_readers(relay, server):
    """They ask for much and take a little at a time: min_rate ends them."""
    nginx = server(servers.Nginx)
    nginx.write_big(32 * MIB)
    one = proxy(relay, nginx, min_rate=100_000)
    slow = [connect(one, receive_buffer=4096).send(get("/big")) for _ in range(some(100))]
    for peer in slow:
        assert peer.recv(100).startswith(b"HTTP/1.1 200 ")
    assert served(one, target="/hello?") < secs(1)
    ended = 0
    until(lambda: len([record for record in one.records() if record.end == "LR"]) == len(slow), "all are too slow", secs(20))
    for peer in slow:
        data, how = peer.read_end()
        assert how == RESET
        ended += len(data)
    close_all(slow)
    assert ended < len(slow) * 32 * MIB
    assert served(one, target="/hello?") < secs(1)


def test_a_slow_body_is_ended_by_min_rate(relay, origin):
    """A byte now and then keeps idle_timeout away, but not min_rate."""
    app = web(origin)
    one = proxy(relay, app, min_rate=1000, idle_timeout=0)
    with connect(one) as slow, connect(one) as good:
        for peer in (slow, good):
            peer.send(get("/", "Content-Length: 1000000", method="POST"))
        with Drip([slow], b"x", secs(0.1)), Drip([good], b"x" * 2000, secs(0.1)):
            assert slow.ending() == RESET
            record, = until(lambda: [record for record in one.records() if record.end == "LR"], "it is logged")
            assert record.bytes_up > 0
        assert good.is_silent(0.1)


needs_slowhttptest = pytest.mark.skipif(shutil.which("slowhttptest") is None or not LONG or bool(SANITIZER),
                                        reason="a soak test, with slowhttptest and --long")


@needs_slowhttptest
@pytest.mark.parametrize("way, options", [
    ("heads", ["-H", "-i", "2"]), ("bodies", ["-B", "-i", "2", "-s", "8192", "-t", "POST"]),
    ("readers", ["-X", "-w", "100", "-y", "200", "-n", "2", "-z", "32", "-k", "3"]), ("ranges", ["-R", "-a", "5", "-b", "3000", "-t", "HEAD"])])
def test_slowhttptest(relay, server, tmp_path, way, options):
    """Its own client, which it sends beside the thousand slow ones, is served all the time."""
    nginx = server(servers.Nginx)
    nginx.write_big(8 * MIB)
    one = proxy(relay, nginx, head_timeout="10s", idle_timeout="10s", min_rate=500)
    out = run("slowhttptest", *options, "-c", 900, "-r", 300, "-l", 40, "-p", 3, "-g", "-o", tmp_path / "seen", "-u",
              f"http://{one.address}/big", timeout=90, text=True).stdout
    assert "service available:" in out
    rows = [row.split(",") for row in (tmp_path / "seen.csv").read_text().splitlines()[1:]]
    assert rows and all(int(row[-1]) for row in rows), rows   # the last column: whether it was
    assert served(one, target="/hello?") < 1
    assert way in ("readers", "ranges") or one.requests()


# What idle clients cost


def cost_of_idle(where, count):
    """KiB of the machine's memory, kernel included, for each client that has been answered and stays."""
    import memory   # of tests/bench
    before = memory.settled()["used"]
    clients = []
    for _ in range(count):
        clients.append(connect(where))
        assert ask(clients[-1], get()).status == 200
    cost = (memory.settled()["used"] - before) / count
    close_all(clients)
    return cost


@pytest.mark.skipif(not LONG or bool(SANITIZER), reason="a soak test, and of a relayd as it is")
def test_idle_keep_alive_clients(relay, server, capsys):
    """They cost what those cost that are copied by buffer, as heads are. What clients and server themselves cost is taken off."""
    count = min(10_000, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 1000) // 2)   # relayd has two descriptors for each
    nginx = server(servers.Patient, most=count)
    cost_of_idle(nginx, count)   # what is allocated once
    alone = cost_of_idle(nginx, count)
    costs = {}
    for name, options in {"tcp": {"mode": "tcp", "response_timeout": None}, "http": {"keepalive_timeout": "1h"},
                          "buffer": {"mode": "tcp", "response_timeout": None, "copy": "buffer"}}.items():
        one = proxy(relay, nginx, idle_timeout="1h", **options)
        kept = one.open_files()["socket"]
        cost_of_idle(one, 100)
        one.wait_sockets(kept)
        costs[name] = cost_of_idle(one, count) - alone
        one.wait_sockets(kept)
        one.finish()
    with capsys.disabled():
        print(f"\n{count} idle clients, KiB each: {costs}; {alone:.1f} without relayd")
    assert costs["http"] <= 1.2 * costs["buffer"], costs
