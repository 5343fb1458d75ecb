"""Whatever can happen, all of it at once: relayd and its keeper are killed (never both at the same moment), reloads come in
storms, DNS flaps, servers come and go, and clients of every kind are at work. Nothing that was established is lost, nobody
gets a byte that is not his, and no count is off at the end."""

import os
import signal
import socket
import threading
import time

import pytest

from client import close_all, connect
from keeper import WAYS, seeded
from origin import echo
from relay import section
from servers import Dnsmasq
from settings import DEADLINE, LONG, SCALE, free_port, some, until
from streams import SLOW, Streams, totals

SECONDS = 600 if LONG else 6 * SCALE
MOST = 8   # connections of the server with a name

pytestmark = pytest.mark.timeout(SECONDS + 12 * DEADLINE)


def conf(one, keeper, meeting, port, *, workers=8, tick="1h", **upstream):
    """The same listeners and servers each time; the rest differs from reload to reload."""
    return (f'keeper = "{keeper.path}"\non_term = leave\nworkers = {workers}\nqueue_size = {16 * workers}\n'
            + section("listener", "web", address=one[0], upstream="app", idle_timeout=tick)
            + section("listener", "short", address=one[1], upstream="named", max_connections_per_client=100)
            + section("upstream", "app", server=meeting, **upstream)
            + "upstream named {\n    resolve_interval = 1s\n    connect_timeout = 1s\n    fail_timeout = 1s\n"
            + f'    server a {{ address = "app.test:{port}" max_connections = {MOST} }}\n'
            + "    health_check { type = tcp  interval = 200ms }\n}\n")


class Clients(threading.Thread):
    """Short exchanges with the server that has a name. They may be refused or cut off; they never get a wrong byte."""

    def __init__(self, address, number):
        super().__init__(daemon=True)
        host, port = address.split(":")
        self.where, self.word = (host, int(port)), b"client %d " % number
        self.served = self.failed = 0
        self.wrong = None
        self.stopping = False
        self.may_go = threading.Event()
        self.idle = threading.Event()
        self.may_go.set()
        self.start()

    def exchange(self):
        word = self.word + b"%d" % (self.served + self.failed)
        with socket.create_connection(self.where, 2 * SCALE) as sock:
            sock.sendall(word)
            got = b""
            while len(got) < len(word):
                data = sock.recv(100)
                if not data:
                    break
                got += data
            if not word.startswith(got):
                self.wrong = (word, got)
            return got == word

    def run(self):
        while not self.stopping:
            if not self.may_go.is_set():
                self.idle.set()
                self.may_go.wait()
                self.idle.clear()
            try:
                done = self.exchange()
            except OSError:
                done = False
            self.served += done
            self.failed += not done
            time.sleep(0.002 if done else 0.02)


class Chaos:
    def __init__(self, one, keeper, dns, dice, write, clients, streams):
        self.one, self.keeper, self.dns, self.dice = one, keeper, dns, dice
        self.write, self.clients, self.streams = write, clients, streams
        self.named = True

    def kill(self):
        self.one.crash(self.dice.choice(WAYS))

    def reload(self):
        for _ in range(self.dice.randrange(1, 6)):
            self.write(workers=self.dice.randrange(1, 12), tick=self.dice.choice(["1h", "30m", "0"]),
                       balance=self.dice.choice(["round_robin", "least_connections", "random_two", "source_hash"]))
            os.kill(self.one.pid, signal.SIGHUP)
            time.sleep(self.dice.uniform(0, 0.02))

    def flap(self):
        self.named = not self.named
        if self.named:
            self.dns.hosts("app.test", *self.dice.choice([("127.0.1.1",), ("127.0.1.1", "127.0.1.2")]))
        else:
            self.dns.hosts("app.test")

    def kill_keeper(self):
        """relayd has to give it all to the next one before it may be killed itself."""
        for client in self.clients:
            client.may_go.clear()
        for client in self.clients:
            assert client.idle.wait(DEADLINE)
        self.keeper.kill()
        self.keeper.again()
        self.keeper.wait_held(len(self.streams.clients), listeners=2)
        for client in self.clients:
            client.may_go.set()

    def go_on(self, seconds):
        until_then = time.monotonic() + seconds
        steps = [self.kill] * 6 + [self.reload] * 6 + [self.flap] * 3 + [self.kill_keeper]
        done = dict.fromkeys(steps, 0)
        while time.monotonic() < until_then or not all(done.values()):
            step = self.dice.choice(steps)
            step()
            self.one.read_notified()   # a manager that does not listen is another test's
            done[step] += 1
            time.sleep(self.dice.uniform(0, 0.1))
        return {step.__name__: count for step, count in done.items()}


def test_chaos(revived, keeper, meeting, origin, server):
    dns = server(Dnsmasq)
    port = free_port()
    for address in ("127.0.1.1", "127.0.1.2"):
        origin(echo, host=address, port=port)
    dns.hosts("app.test", "127.0.1.1")
    addresses = [f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"]

    def text(**options):
        return conf(addresses, keeper, meeting, port, **options)
    one = revived(text=text(), address=addresses, wrap=dns.wrap)
    pairs = meeting.pairs(one, some(40))
    streams = Streams(pairs[::2] + pairs[1::2], pace=(SLOW, SLOW) if LONG else ("fast", SLOW))
    clients = [Clients(addresses[1], number) for number in range(6)]
    with seeded() as dice:
        chaos = Chaos(one, keeper, dns, dice, lambda **options: one.write_conf(text=text(**options)), clients, streams)
        chaos.go_on(SECONDS)
    dns.hosts("app.test", "127.0.1.1")
    one.write_conf(text=text())
    assert one.hup() == ""
    served = [client.served for client in clients]
    until(lambda: all(client.served > before for client, before in zip(clients, served)), "all clients are served again")
    for client in clients:
        client.stopping = True
    for client in clients:
        client.join()
        assert client.wrong is None

    # The long ones are all there, whole, with true totals.
    assert {lost for _, lost in one.adopted()} <= {0}
    streams.wait_flowing()
    streams.finish()
    wanted = totals(streams)

    def totals_told():
        return {record.client: (record.bytes_up, record.bytes_down) for record in one.records() if record.listener == "web"}
    until(lambda: len(totals_told()) == len(wanted), "each has its record")
    assert totals_told() == wanted
    keeper.wait_held(0, listeners=2)

    # Nothing is still counted: the server with a limit has room for as many as it says, and for no more.
    full = [connect(addresses[1]) for _ in range(MOST)]
    for peer in full:
        assert peer.send(b"x").read(1) == b"x"
    close_all(full)
    numbers = [record.conn for record in one.records()]
    assert len(numbers) == len(set(numbers))
