"""Every call on the road fails once at every place where it stands: one connection at most is lost, with a word of it in the log;
the others go on, and nothing is left behind."""

import collections
import os

import pytest

from call_scenes import Place, Wrong
from calls import LIBRARY, NOT_MET, Faults, sites
from keeper import seeded
from settings import LONG, SANITIZER

pytestmark = [pytest.mark.skipif(bool(SANITIZER) or not LIBRARY.exists(), reason="a sanitizer stands before libc, too"),
              pytest.mark.timeout(3000 if LONG else 100)]

#: Visits of a scene while a fault is due.
VISITS = 3

Fault = collections.namedtuple("Fault", "scene site error before")


class Report:
    """What came of the faults. With $RELAYD_FAULTS_REPORT each is a line of that file, and no wrong one ends the test."""

    def __init__(self):
        self.fired = self.missed = self.lost = 0
        self.wrong = []
        self.path = os.environ.get("RELAYD_FAULTS_REPORT")

    def note(self, fault, said):
        if self.path:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(f"{fault.scene}: {fault.site}, {fault.error}, {fault.before} before: {said}\n")

    def add(self, fault, fired, lost):
        self.fired += fired
        self.missed += not fired
        self.lost += len(lost)
        self.note(fault, (f"lost {lost[0][1]}" if lost else "went on") if fired else "not met")

    def add_wrong(self, fault, error):
        self.wrong.append((fault, error))
        self.note(fault, f"WRONG {error}")

    @property
    def is_full(self):
        return len(self.wrong) >= 5 and not self.path

    def check(self, known, faults):
        print(f"{len(known)} sites, {len({fault.site.address for fault in faults})} of them come to, {self.fired} faults, "
              f"{self.lost} lost, {self.missed} not met")
        assert not self.wrong, self.wrong


@pytest.fixture(scope="session")
def known():
    return sites() or pytest.skip("this relayd has no lines for debuggers")


@pytest.fixture
def places(relay, origin, tmp_path, short_path, request):
    """places(kind) starts a relayd with its servers: alone, or with the keeper."""
    made = []

    def start(kind):
        keeper = request.getfixturevalue("keeper") if kind == "keeper" else None
        if made and keeper:   # it may have what the one before had
            keeper.kill()
            keeper.again()
        number = len(made)
        made.append(Place(relay, origin, tmp_path, short_path / str(number), Faults(tmp_path / f"faults{number}"),
                          f'keeper = "{keeper.path if keeper else "off"}"'))
        made[-1].start()
        return made[-1]
    return start


def walk(place, known, scenes=None):
    """Each scene, or these: {scene: {address: calls}}."""
    found = {}
    for scene in scenes or place.scenes:
        before = place.faults.seen()
        for _ in range(VISITS):
            lost = place.visit(scene)
            assert not lost, (scene, lost)
        place.settled()
        found[scene] = {address: calls for address, calls in (place.faults.seen() - before).items() if address in known}
    return found


def faults_of(found, known):
    """Those that the calls of a scene may meet: the first call, and one in the middle."""
    for scene, calls in found.items():
        for address, count in calls.items():
            for error in known[address].errors():
                for before in {0, count // 2}:
                    yield Fault(scene, known[address], error, before)


def one_each(faults, dice):
    """Of each site and errno one for the first call, and one for the middle, in a scene that chance chooses."""
    groups = collections.defaultdict(list)
    for fault in faults:
        groups[fault.site.address, fault.error, fault.before > 0].append(fault)
    chosen = [dice.choice(group) for group in groups.values()]
    dice.shuffle(chosen)
    return chosen


def is_at_the_end(fault):
    """The other side is found to be gone as it is given its end, behind all its bytes."""
    return fault.error == "ENOTCONN" or fault.site.within == "copy_tls_end"


def suffer(place, fault):
    """The scene with this fault: whether it came, what was lost, and what is used afterwards."""
    since = len(place.one.all_lines())
    place.faults.arm(fault.site, fault.error, fault.before)
    lost = [lost for lost in (place.visit(fault.scene) for _ in range(VISITS)) if lost]
    place.faults.disarm()
    fired = place.faults.fired
    after = place.settled()
    assert place.one.process.poll() is None
    if place.wrongs:
        raise Wrong(place.wrongs.pop())
    if len(lost) > (1 if fired else 0):
        raise Wrong(f"lost are {lost}")
    for who, why in lost:
        if not is_at_the_end(fault) and not place.told(who, since):
            raise Wrong(f"no word of {who}, {why}: {place.one.all_lines()[since:]}")
    return fired, lost, after


def grown(before, after):
    return {kind: after[kind] - before.get(kind, 0) for kind in after if after[kind] > before.get(kind, 0)}


def try_fault(place, fault, before, report):
    """What is used afterwards. What is left behind by this fault is so each time that it comes."""
    fired, lost, after = suffer(place, fault)
    leaks = grown(before, after)
    for _ in range(3):
        if not leaks:
            break
        *_, then = suffer(place, fault)
        leaks = {kind: n for kind, n in grown(after, then).items() if kind in leaks}
        after = then
    if leaks:
        raise Wrong(f"left behind are {leaks}")
    report.add(fault, fired, lost)
    return after


def put_away(place):
    """Whatever has become of it."""
    place.one.process.kill()
    place.one.expected_exit = place.one.process.wait()


def try_all(places, kind, place, faults, report):
    """All these faults, in one relayd as long as it bears them."""
    use = place.settled()
    for fault in faults:
        try:
            use = try_fault(place, fault, use, report)
        except (AssertionError, OSError) as error:
            report.add_wrong(fault, error)
            put_away(place)
            if report.is_full:
                break
            place = places(kind)
            walk(place, {})
            use = place.settled()


@pytest.mark.parametrize("kind", ["alone", "keeper"])
def test_each_call_fails_once(places, known, kind):
    report = Report()
    place = places(kind)
    with seeded() as dice:
        scenes = list(place.scenes) if LONG else dice.sample(list(place.scenes), 10)
        walk(place, known, scenes)
        faults = one_each(faults_of(walk(place, known, scenes), known), dice)
        try_all(places, kind, place, faults if LONG else faults[:25], report)
        report.check(known, faults)


@pytest.mark.parametrize("kind", ["alone", "keeper"])
def test_a_call_that_is_made_once(places, known, kind):
    """Of a new process: what is kept for later connections is made by the first ones."""
    report = Report()
    place = places(kind)
    with seeded() as dice:
        scenes = list(place.scenes) if LONG else dice.sample(list(place.scenes), 5)
        first, later = walk(place, known, scenes), walk(place, known, scenes)
        kept = {address for calls in later.values() for address in calls}
        faults = one_each((fault for fault in faults_of(first, known) if fault.site.address not in kept), dice)
        for fault in faults if LONG else faults[:2]:
            place.one.finish()
            place = places(kind)
            try:
                fired, lost, _ = suffer(place, fault)
                walk(place, known, scenes)
                report.add(fault, fired, lost)
            except (AssertionError, OSError) as error:
                report.add_wrong(fault, error)
                put_away(place)
        report.check(known, faults)


@pytest.mark.skipif(not LONG, reason="moments decide what some scenes come to: with --long only")
def test_each_place_is_come_to(places, known):
    """But for those in a list, which only shrinks."""
    seen = set()
    for kind in ("alone", "keeper"):
        place = places(kind)
        walk(place, known)
        walk(place, known)
        seen |= set(place.faults.seen())
    met = {site.name for site in known.values() if site.address in seen}
    missed = {site.name for site in known.values()} - met
    listed = {name: reason for reason, names in NOT_MET.items() for name in names}
    assert sorted(missed - set(listed)) == []
    surely = {name for name, reason in listed.items() if reason != "now and then"}
    assert sorted(surely & met) == [], "take these off the list"
    assert sorted(set(listed) - met - missed) == [], "these are no more"


#: What relayd once did not bear: scene, function, call, errno.
BORNE = [
    ("mine browses", "stream_send_plain", "sendmsg", "ENOBUFS", "alone"),   # the server waited for its request
    ("tls gives", "send_wire", "send", "ENOBUFS", "alone"),   # the client was blamed
    ("tls gives", "take_peeked", "recv", "ENOMEM", "alone"),
    ("tls gives", "drop_some", "syscall", "ENOMEM", "keeper"),   # bytes came twice
]


@pytest.mark.parametrize("scene, function, call, error, kind", BORNE)
def test_what_was_not_borne(places, known, scene, function, call, error, kind):
    place, report = places(kind), Report()
    walk(place, known, [scene])
    calls = walk(place, known, [scene])[scene]
    for address, count in calls.items():
        site = known[address]
        if (site.function, site.call) == (function, call):
            for before in {0, count // 3, count // 2, count - 1}:
                fault, since = Fault(scene, site, error, before), len(place.one.all_lines())
                fired, lost, _ = suffer(place, fault)
                report.add(fault, fired, lost)
                for who, _ in lost:
                    assert "it left" not in str(place.told(who, since))
    assert report.fired
