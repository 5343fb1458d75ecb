"""Keep-alive connections of mode http outlive relayd: no answer is lost, doubled or another's, and a POST reaches its server
once. What does not outlive it yet is reset, and never looks whole (REQUESTS_OUTLIVE in outlives.py)."""

import signal
import threading

import pytest

from client import connect
from control import phases
from keeper import KILLS, seeded, storm
from outlives import REQUESTS_OUTLIVE, SUITES, Line, kill_points, needs_kill_points
from outlives_http import HttpLives, Reader, content
from settings import DEADLINE, LONG, SCALE, some, until
from tls import Site

pytestmark = pytest.mark.timeout(12 * DEADLINE + 4 * SCALE * KILLS)

#: http, https, http to a server that speaks https, and https on both sides.
KINDS = [("plain", SUITES[0]), ("client", SUITES[1]), ("server", SUITES[3]), ("both", SUITES[2])]
RANDOM_KILLS = some(2000 if LONG else 40)
#: A visitor whose connection is reset comes again at once.
LASTING = "keeper_timeout = 10m\ndrain_timeout = 30s\n"


@pytest.fixture
def lives(tmp_path, short_path):
    """lives(kinds, ...) starts a relayd of mode http with a keeper, and origins."""
    started = []

    def start(wanted, **how):
        started.append(HttpLives(Site(tmp_path), short_path, wanted, **how))
        return started[-1]
    yield start
    for one in started:
        one.close()


def some_answers(one, least):
    """There were so many, and resets only where they may be."""
    assert sum(len(visitor.answered) for visitor in one.visitors) > least
    for visitor in one.visitors:
        assert visitor.resets == 0 or not REQUESTS_OUTLIVE, visitor.kind


# Killed from outside


@pytest.mark.parametrize("asks", ["mixed", "small", "downloads", "uploads"])
def test_visitors_under_a_storm(lives, asks):
    which = {"mixed": {}, "small": {"asks": ("small", "post")}, "downloads": {"asks": ("length", "chunks", "hints")},
             "uploads": {"asks": ("put", "post")}}[asks]
    one = lives(KINDS, options=LASTING)
    visitors = one.visit_all(each=some(4), **which)
    for visitor in visitors:
        visitor.start()
    with seeded() as dice:
        storm(one.one, dice, RANDOM_KILLS // (1 if asks == "mixed" else 4))
        one.wait_answers()
        one.finish()
        some_answers(one, RANDOM_KILLS // 4)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_between_two_requests(lives, how, at):
    """Nobody is reset, whatever the process dies of."""
    one = lives(KINDS, options=f'control = "{at}"\n')
    visitors = one.visit_all(each=3)
    for _ in range(3):
        until(lambda: phases(at).count("idle") == len(visitors), "all are between two requests")
        one.end_life(how)
        one.live()
        for visitor in visitors:
            visitor.ask()
    for visitor in visitors:
        assert visitor.resets == 0
        visitor.start()
    one.finish()


def test_a_restart_loses_no_request(lives):
    """By TERM a request under way is waited for: no answer is cut, of a connection without TLS."""
    one = lives(KINDS[:1], options=LASTING)
    visitors = one.visit_all(each=some(8), asks=("small", "post", "chunks"))
    for visitor in visitors:
        visitor.may_reset = False
        visitor.start()
    for _ in range(some(10)):
        one.wait_answers()
        one.end_life(signal.SIGTERM)
        one.live()
    one.wait_answers()
    one.finish()


# Upgraded connections


class Upgraded(threading.Thread):
    """Numbered messages that come back, over a connection that was upgraded."""

    def __init__(self, one, kind, number):
        super().__init__(daemon=True)
        self.line = Line(connect(one.addresses[kind]), one.client_context(kind), name="site.test")
        self.kind, self.number = kind, number
        self.reader = Reader(self.line)
        self.line.send(f"GET /upgrade/{number}/0 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        first, _ = self.reader.head()
        assert first.startswith("HTTP/1.1 101"), first
        self.over = threading.Event()
        self.count, self.error = 0, None
        self.start()

    def run(self):
        try:
            while not self.over.is_set():
                data = content(self.number + 1000 * self.count, 1 + self.count * 997 % 30000)
                self.line.send(data)
                assert self.reader.take(len(data)) == data, "another echo"
                self.count += 1
                self.over.wait(0.005)
        except Exception as error:   # pylint: disable=broad-except
            self.error = error

    def stop(self):
        self.over.set()
        self.join(2 * DEADLINE)
        assert not self.is_alive(), f"{self.kind}: an echo is lost"
        self.line.close()


def test_upgraded_connections_under_a_storm(lives):
    one = lives(KINDS, options=LASTING)
    upgraded = [Upgraded(one, kind, number) for number, kind in enumerate(KINDS * 3)]
    with seeded() as dice:
        until(lambda: all(each.count > 1 for each in upgraded), "echoes")
        storm(one.one, dice, RANDOM_KILLS // 2, ways=(signal.SIGKILL,))
        before = [each.count for each in upgraded]
        until(lambda: all(each.error or each.count > count for each, count in zip(upgraded, before)), "echoes go on")
        for each in upgraded:
            each.stop()
            if REQUESTS_OUTLIVE:
                assert each.error is None, (each.kind, each.error)
            else:
                assert isinstance(each.error, (ConnectionResetError, BrokenPipeError)), (each.kind, each.error)


# Killed at each point


#: What makes each point come: what is asked; others come with any request.
STIRS = {"spliced-up": "put", "spliced-down": "length", "interim-sent": "hints", "body-step-up": "put", "last-step-up": "put", "body-step-down": "length", "last-step-down": "chunks"}


def http_points():
    """Those of requests, in the order of the table."""
    rows = kill_points()
    words = list(rows)
    for word in words[words.index("head-read"):]:
        yield from ([f"{word}-up", f"{word}-down"] if rows[word] else [word])


@needs_kill_points()
@pytest.mark.skipif(not REQUESTS_OUTLIVE, reason="requests under way do not outlive relayd yet")
@pytest.mark.parametrize("point", [point for point in http_points() if not point.startswith(("again", "own", "upgraded"))])
def test_killed_at_each_point_of_a_request(lives, point):
    """For visitors of each kind, at the first time and at a later one."""
    one = lives(KINDS)
    asks = (STIRS[point],) if point in STIRS else ("small", "post", "length", "chunks", "put")
    visitors = one.visit_all(asks=asks)
    with seeded() as dice:
        one.end_life()
        for visitor in visitors:
            visitor.start()
        for count in (1, dice.randint(2, 4 if point == "dialled" else 12)):   # each dials once in a life
            one.die_at(f"{point}:{count}", short=dice.choice([100, 20000, None]))
        one.live()
        one.wait_answers()
        one.finish()
        some_answers(one, len(visitors))
