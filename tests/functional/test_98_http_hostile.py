"""Mode http: good clients among hostile ones: none gets a byte of another's, and no server sees one in their connections."""

import contextlib
import json
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from client import connect
from hostile import Strict, throw
from settings import DEADLINE, LONG, SANITIZER, some
from test_98_http_crowds import Crowd
from web import get, post, post_chunked, proxy, read_answer

PROGRAM = Path(__file__).with_name("hostile.py")
REQUESTS = 1_000_000 if LONG else some(12000)
SECONDS = 600 if LONG else 10
GOOD, ATTACKERS = 4, 1 if SANITIZER else 2


class Program:
    """Python in a process of its own. Its last line is JSON."""

    def __init__(self, *words):
        self.process = subprocess.Popen([sys.executable, PROGRAM, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def line(self):
        return self.process.stdout.readline().decode().strip()

    def result(self):
        out, _ = self.process.communicate(timeout=SECONDS + 4 * DEADLINE)
        assert self.process.returncode == 0
        return json.loads(out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()


class Clients:
    """Good ones, each with a connection for a few requests, and another then; until the hostile ones are done."""

    def __init__(self, one):
        self.one, self.over, self.counts = one, threading.Event(), [0] * GOOD

    def work(self, which):
        dice = random.Random(which)
        while not self.over.is_set():
            with connect(self.one) as client:
                for _ in range(dice.randrange(1, 40)):
                    self.ask_some(client, which, dice)

    def ask_some(self, client, which, dice):
        """One, or a pipeline of them; each answer has the token and the target of its request, and nothing else comes."""
        names = [f"good{which}/{self.counts[which] + i}" for i in range(dice.choice((1, 1, 1, 3)))]
        client.send(b"".join(self.request(name, dice) for name in names))
        for name in names:
            got = read_answer(client)
            assert got.status == 200 and got["X-Token"] == name, (name, got)
            assert got.body.split(b" ", 1)[1] == f"/{name}\n".encode(), (name, got.body)
        assert not client.pending, client.pending
        self.counts[which] += len(names)

    def request(self, name, dice):
        body = b"b" * dice.choice((0, 5, 5000))
        line = f"X-Token: {name}"
        return dice.choice((lambda: get(f"/{name}", line), lambda: post(f"/{name}", body, line),
                            lambda: post_chunked(f"/{name}", body, line, sizes=(1, 7))))()


@pytest.mark.timeout(SECONDS + 8 * DEADLINE)
def test_hostile_clients_reach_nobody_else(relay):
    with Program("serve") as strict, contextlib.ExitStack() as stack:
        one = proxy(relay, strict.line(), top="log_requests = none")
        clients, crowd = Clients(one), Crowd()
        for which in range(GOOD):
            crowd.add(clients.work, which)
        attackers = [stack.enter_context(Program("attack", one.address, 100 * (which + 1), SECONDS, REQUESTS // ATTACKERS))
                     for which in range(ATTACKERS)]
        waiter = threading.Thread(target=lambda: [attacker.process.wait() for attacker in attackers] and clients.over.set())
        waiter.start()
        crowd.wait(SECONDS + 4 * DEADLINE)
        waiter.join()
        done = [attacker.result() for attacker in attackers]
        one.finish()
        found = strict.result()
    print(f"{sum(one['asked'] for one in done)} hostile requests over {sum(one['connections'] for one in done)} connections, "
          f"{found['count']} got through; {sum(clients.counts)} good ones among them")
    assert not found["wrong"], found["wrong"]
    assert found["by_good"] == sum(clients.counts) > 100
    # A machine that is busy does less in its seconds.
    assert min(one["asked"] for one in done) >= REQUESTS // ATTACKERS // 4 or LONG or SANITIZER, done


@pytest.mark.parametrize("stream, why", [
    (b"GET /a HTTP/1.1\nHost: a\r\nX-Request-ID: 1\r\n\r\n", "a head"),
    (b"GET /a HTTP/1.1\r\nHost: a\r\nX-Request-ID: 1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "fields"),
    (b"POST /a HTTP/1.1\r\nHost: a\r\nX-Request-ID: 1\r\nTransfer-Encoding: chunked\r\n\r\n5;a\r\nhello\r\n0\r\n\r\n", "a chunk"),
    (b"0\r\n\r\nGET /good0/1 HTTP/1.1\r\nHost: a\r\nX-Request-ID: 1\r\nX-Token: good0/1\r\n\r\n", "a head"),
    (b"GET /x HTTP/1.1\r\nHost: a\r\nX-Request-ID: 1\r\n\r\nGET /good0/1 HTTP/1.1\r\nHost: a\r\nX-Request-ID: 1\r\nX-Token: good0/1\r\n\r\n",
     "requests of several clients"),
])
def test_the_server_would_notice(stream, why):
    strict = Strict()
    throw(strict.address, stream)
    strict.wait_idle(DEADLINE)
    strict.stop()
    assert len(strict.wrong) == 1 and strict.wrong[0].startswith(why), strict.wrong
