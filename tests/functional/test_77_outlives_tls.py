"""Connections with TLS outlive relayd, whatever it was at when it died: no byte is lost, doubled or another's, an end is an end
and a cut a cut, and no nonce seals two records."""

import functools
import random
import signal
import threading

import pytest

from keeper import KILLS, seeded, storm
from outlives import BULK, DOWN, MESSAGES, MIXED, SIDES, SUITES, UP, Lives, kinds, needs_kill_points, version_of
from peer import EOF, RESET
from settings import DEADLINE, LONG, SCALE, some, until
from tls import Site

pytestmark = pytest.mark.timeout(12 * DEADLINE + 4 * SCALE * KILLS)

#: What a pump passes again and again, while bytes go its way.
STEPS = ["peeked", "opened", "sealed", "noted", "committed", "sent-part", "sent", "discarded-part", "discarded"]
#: Those that are not passed where all of a step is sent, or taken off its source, at once.
PARTS = ["sent-part", "discarded-part"]
#: Many small sends for each step; some; all at once.
SHORT = [90, 20000, None]
#: Kills at random moments in one test.
RANDOM_KILLS = some(2000 if LONG else 40)
#: Of a relayd that is killed often: nobody is given up for it.
LASTING = {"options": "keeper_timeout = 10m"}
MODERN = tuple(suite for suite in SUITES if version_of(suite) == "1.3")


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


@pytest.fixture
def lives(site, short_path):
    """lives(kinds, ...) starts a relayd with a keeper."""
    started = []

    def start(wanted, **how):
        started.append(Lives(site, short_path, wanted, **how))
        return started[-1]
    yield start
    for one in started:
        one.close()


def passes(kind, point, direction):
    """Whether a pump of such a connection comes there."""
    from_tls = kind[0] in ("both", "client" if direction == UP else "server")
    to_tls = kind[0] in ("both", "server" if direction == UP else "client")
    return {"opened": from_tls, "sealed": to_tls}.get(point, True)


# Killed at each point


def die_at_each(one, points, dice, counts=(1, 9)):
    for point, direction in points:
        short = SHORT[0] if point in PARTS else dice.choice(SHORT)
        one.die_at(f"{point}-{direction}:{dice.randint(*counts)}", short=short)


@needs_kill_points()
@pytest.mark.parametrize("pace", [MIXED, MESSAGES, BULK], ids=["mixed", "messages", "bulk"])
def test_killed_at_each_step(lives, pace):
    """One of each kind, and whichever comes to the point first; 18 lives and more."""
    one = lives(kinds())
    one.open_all(pace=pace)
    with seeded() as dice:
        points = [(point, direction) for point in STEPS for direction in (UP, DOWN)]
        dice.shuffle(points)
        one.end_life()
        die_at_each(one, points, dice)
        one.live()
        one.move()
        one.finish()


@needs_kill_points()
@pytest.mark.skipif(not LONG, reason="with --long")
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("side", SIDES)
def test_each_kind_is_killed_at_each_step(lives, side, suite):
    """A connection of its own, at its first steps and at later ones."""
    kind = side, suite
    one = lives([kind])
    one.open_all()
    with seeded() as dice:
        points = [(point, direction) for point in STEPS for direction in (UP, DOWN) if passes(kind, point, direction)]
        one.end_life()
        for counts in ((1, 1), (2, 2), (3, 40)):
            die_at_each(one, points, dice, counts)
        one.live()
        one.move()
        one.finish()


@needs_kill_points()
def test_killed_at_any_step(lives):
    """Wherever it is after so many steps of anybody: at the first ones of each life, above all."""
    one = lives(kinds(suites=random.sample(SUITES, 2)))
    one.open_all()
    with seeded() as dice:
        one.end_life()
        for count in [*range(1, 12), *(dice.randint(12, 400) for _ in range(some(20) * (50 if LONG else 1)))]:
            one.die_at(f"any:{count}", short=dice.choice(SHORT))
        one.live()
        one.move()
        one.finish()


# Ends


def die_while(one, at, act, short=None):
    """A life that dies where an end is told, or a key changed; act: what makes it come there."""
    one.begin_life(at, short)
    act()
    one.wait_death(at)


@needs_kill_points()
@pytest.mark.parametrize("point", ["end-committed", "end-sent"])
def test_killed_while_it_tells_an_end(lives, point):
    """The other side sees all, and then the end, once; and the other direction goes on, in TLS 1.3."""
    one = lives(kinds())
    with seeded() as dice:
        for stream in one.open_all():
            directions = [direction for direction in (UP, DOWN) if stream.speaks(direction)]
            ends = stream.end(dice.choice(directions))
            direction = UP if ends is stream.client else DOWN
            if version_of(stream.kind[1]) == "1.2":
                ends.other.rest()
            ends.rest()
            one.end_life()
            die_while(one, f"{point}-{direction}:1", ends.shut, dice.choice([10, None]))
            one.live()
            ends.other.wait_end()
            if version_of(stream.kind[1]) == "1.3":
                stream.wait_moved()
            ends.other.shut()
            ends.wait_end()
            one.check([stream])
    one.finish()


@needs_kill_points()
def test_an_end_that_no_life_can_tell(lives):
    """Killed at the same point, again and again: it is told by the life that lives, once."""
    one = lives(kinds(suites=MODERN[:1]))
    streams = one.open_all()
    for stream in streams:
        direction = UP if stream.speaks(UP) else DOWN
        at = f"end-committed-{direction}:1"
        stream.end(direction).rest()
        one.end_life()
        die_while(one, at, stream.end(direction).shut)
        one.die_at(at, at, at)
        one.live()
        stream.end(direction).other.wait_end()
        assert stream.end(direction).other.how == EOF
        stream.end(direction).other.shut()
        stream.end(direction).wait_end()
        one.check([stream])
    one.finish()


@pytest.mark.parametrize("dies", [False, True], ids=["lives", "dies"])
def test_what_is_on_its_way_after_an_end(lives, dies):
    """One end has told its own, and reads slowly what the other one sends before its own: all of it arrives."""
    one = lives(kinds(suites=MODERN[:1]), receive_buffer=1 << 16)
    for direction in (UP, DOWN):
        for kind in one.kinds:
            stream = one.open(kind, receive_buffer=1 << 16)
            stream.start(BULK, up=direction == DOWN, down=direction == UP)
            ended, sends = stream.end(direction), stream.end(direction).other
            ended.reads.clear()
            ended.shut()
            sends.wait_end()
            until(lambda e=sends: e.out.sent > 1 << 20 or e.how != EOF, "a lot is sent")
            ended.reads.set()
            sends.shut()
            if dies:
                one.end_life()
                one.live()
            ended.wait_end()
            one.check([stream])


def soon(dice, act):
    timer = threading.Timer(dice.uniform(0, 0.05), act)
    timer.daemon = True
    timer.start()
    return timer


def test_a_cut_stays_a_cut(lives):
    """A FIN without close_notify, while relayd is away or just dies: the other side is reset, and shown no end."""
    one = lives(kinds())
    streams = one.open_all(each=2 if LONG else 1)
    with seeded() as dice:
        for number, stream in enumerate(streams):
            end = stream.client if stream.kind[0] != "server" else stream.server
            if number % 2 == 0:
                end.stop()
                one.end_life()
                end.cut()
            else:
                timer = soon(dice, end.cut)
                one.end_life(dice.choice([signal.SIGKILL, signal.SIGTERM]))
                timer.join()
            one.live()
            for each in stream.ends:
                each.wait_end()
            assert end.other.how == RESET, str(stream)
            one.check([stream])
        one.check_adopted()


def test_ends_under_way(lives):
    """Streams that end one after the other while relayd is killed: by close_notify, by a cut, by a reset."""
    one = lives(kinds())
    waiting = one.open_all(each=2 if LONG else 1)
    with seeded() as dice:
        dice.shuffle(waiting)

        def end_one(stream):
            end = dice.choice(stream.ends)
            acts = [end.shut, end.shut, end.reset] + ([end.cut] if end.line.tls else [])
            act = dice.choice(acts)
            act()
            if act == end.shut and end.other.told is None:
                end.other.wait_end()
                end.other.shut()
            for each in stream.ends:
                if each.told != "reset":
                    each.wait_end()

        def each_life(_):
            timers.extend(soon(dice, functools.partial(end_one, waiting.pop())) for _ in range(min(2, len(waiting))))
        timers = []
        storm(one.one, dice, len(waiting) // 2, each=each_life, going=lambda: waiting)
        for timer in timers:
            timer.join(4 * DEADLINE)
            assert not timer.is_alive(), "an end that nobody sees"
        one.check(one.streams)
        one.check_adopted()


# New keys


class Updates:
    """KeyUpdates that come to whoever has this context."""

    def __init__(self, context):
        self.count = 0
        context._msg_callback = self._note   # pylint: disable=protected-access

    def _note(self, _conn, way, _version, _content, kind, _data):
        self.count += way == "read" and kind == KEY_UPDATE


KEY_UPDATE = 24


@needs_kill_points()
@pytest.mark.parametrize("point", ["update-committed", "update-sent"])
def test_killed_while_it_changes_a_key(lives, point):
    """A peer asks for a new key, and relayd dies as it tells of it: a KeyUpdate comes, and what has the next key can be read."""
    one = lives(kinds(suites=MODERN))
    clients = Updates(one.client_context(("client", MODERN[0])))
    servers = [Updates(one.server_context(kind)) for kind in one.kinds if one.server_context(kind)]
    streams = one.open_all(pace=MESSAGES)   # little is before it on its way
    with seeded() as dice:
        one.end_life()
        for stream in streams:
            for asks, direction in ((stream.client, DOWN), (stream.server, UP)):
                if asks.line.tls is not None:
                    die_while(one, f"{point}-{direction}:1", functools.partial(asks.update_key, True), dice.choice([10, None]))
        one.live()
        until(lambda: clients.count >= 2 * len(MODERN) and all(updates.count >= 1 for updates in servers), "KeyUpdates of relayd", 2 * DEADLINE)
        one.move()
        one.finish()


@needs_kill_points()
def test_keys_of_peers_change_at_each_step(lives):
    """Records under several keys in one step, and none of them opened with the wrong one by the next life."""
    one = lives(kinds(suites=MODERN))
    streams = one.open_all(pace=MESSAGES)

    def change():
        for stream in streams:
            for end in stream.ends:
                if end.line.tls is not None:
                    end.owes[:] = [dice.random() < 0.3 for _ in range(dice.randint(1, 3))]
    with seeded() as dice:
        one.end_life()
        for point in STEPS:
            for direction in (UP, DOWN):
                at = f"{point}-{direction}:{dice.randint(1, 20)}"
                die_while(one, at, change, SHORT[0] if point in PARTS else dice.choice(SHORT))
        one.live()
        one.move()
        one.finish()


# Killed from outside


def test_downloads_and_uploads(lives):
    """16 of each, as fast as they go, killed at random moments in all ways."""
    one = lives(kinds(), **LASTING)
    with seeded() as dice:
        opened = [one.open(dice.choice(one.kinds)) for _ in range(some(32))]
        one.wait_held()
        for number, stream in enumerate(opened):
            stream.start(BULK, up=number % 2 == 0, down=number % 2 == 1)
        storm(one.one, dice, RANDOM_KILLS)
        one.move()
        one.finish()
    assert {adopted for adopted, _ in one.one.adopted()} == {len(opened)}


def test_slow_readers(lives):
    """All that lies between the ends is full, whenever relayd is killed."""
    one = lives(kinds(), receive_buffer=1 << 16, **LASTING)
    opened = [one.open(kind, receive_buffer=1 << 16) for kind in one.kinds]
    one.wait_held()
    with seeded() as dice:
        for stream in opened:
            stream.start(BULK, up=dice.random() < 0.5)
            dice.choice(stream.ends).reads.clear()

        def look(_):
            """Somebody reads a while, and then no more."""
            for end in dice.choice(opened).ends:
                end.reads.set() if dice.random() < 0.5 else end.reads.clear()   # pylint: disable=expression-not-assigned
        storm(one.one, dice, max(1, RANDOM_KILLS // 2), each=look)
        for stream in opened:
            for end in stream.ends:
                end.reads.set()
        one.finish()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_each_way_to_die(lives, how):
    """In the middle of traffic, and while nothing moves."""
    one = lives(kinds())
    quiet = [one.open(kind) for kind in one.kinds]
    for stream in quiet:
        stream.start(up=False, down=False)
    one.open_all()
    for _ in range(3 if LONG else 2):
        one.move()
        one.end_life(how)
        one.live()
    for stream in quiet:
        for end in stream.ends:
            end.out.sent += 4
            end.line.send(end.out.content(0, 4))
            until(lambda e=end: e.out.received == 4, "four bytes")
    one.move()
    one.finish()
    assert {adopted for adopted, _ in one.one.adopted()} == {len(one.streams)}


def test_many_restarts_of_one_connection(lives):
    """With a new key now and then; its number of bytes is right in the end."""
    one = lives([("both", MODERN[1])])
    stream, = one.open_all()
    for number in range(some(500 if LONG else 25)):
        stream.client.update_key(number % 3 == 0)
        one.end_life(signal.SIGTERM)
        one.live()
    one.move()
    one.finish()
