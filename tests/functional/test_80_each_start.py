"""Every call of an adoption, and of a reload, fails once: one held connection at most is lost, with a word of it in the log; or the
whole start or reload is given up, in one sentence, and nobody waits in vain."""

import contextlib
import os
import time
from collections import defaultdict, namedtuple

import pytest

from call_scenes import Wrong
from calls import ERRORS, LIBRARY, MORE_ERRORS, Faults, sites
from held import Held, Reset
from keeper import seeded
from relay import section
from settings import LONG, SANITIZER, free_port, until

pytestmark = [pytest.mark.skipif(bool(SANITIZER) or not LIBRARY.exists(), reason="a sanitizer stands before libc, too"),
              pytest.mark.timeout(3000 if LONG else 100)]

ROOMS = ("relay/", "handover/", "conn/", "daemon/", "keeper/message.c", "listen/", "base/", "tls/", "upstream/", "road/", "health/", "record/",
         "http/", "config/", "control/", "names/")
#: What is there only for these moments.
OWN = ("relay/", "handover/", "conn/adopt", "daemon/", "keeper/", "listen/")

Fault = namedtuple("Fault", "site error before")


@pytest.fixture(scope="module")
def known():
    found = sites(ROOMS, {**ERRORS, **MORE_ERRORS})
    return found or pytest.skip("this relayd has no lines for debuggers")


#: Of a unix socket, to a keeper that is there.
LOCAL = ("ENOBUFS", "ENOMEM", "EMFILE", "ENFILE")


def is_impossible(site, error):
    """Messages are whole, or not sent; main has its signals blocked."""
    if site.file in ("keeper/message.c", "daemon/notify.c"):
        return error not in ("ENOMEM", "ENOBUFS")
    if (site.call, error) == ("getrandom", "EINTR"):
        return True
    return site.file == "handover/attach.c" and error not in LOCAL


def faults_of(calls, known, dice):
    """The first call of each site, and one in the middle, with each errno; by chance fewer."""
    found = [Fault(known[address], error, before) for address, count in calls.items() if address in known
             for error in known[address].errors() if not is_impossible(known[address], error) for before in sorted({0, count // 2})]
    dice.shuffle(found)
    if LONG:
        return found
    first = defaultdict(list)   # one of each site, those of these moments before the others
    for fault in found:
        first[fault.site.address].append(fault)
    return sorted((faults[0] for faults in first.values()), key=lambda fault: not fault.site.file.startswith(OWN))


class Report:
    def __init__(self):
        self.fired, self.wrong = 0, []
        self.path = os.environ.get("RELAYD_FAULTS_REPORT")

    def note(self, fault, said):
        if self.path:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(f"{fault.site}, {fault.error}, {fault.before} before: {said}\n")

    def add_wrong(self, fault, error):
        self.wrong.append((fault, error))
        self.note(fault, f"WRONG {error}")
        if len(self.wrong) >= 5 and not self.path:
            self.check()

    def check(self):
        print(f"{self.fired} faults")
        assert not self.wrong, self.wrong


@pytest.fixture
def held(known, revived, keeper, origin, tmp_path):
    faults = Faults(tmp_path / "faults")
    place = Held(origin, tmp_path, f'keeper = "{keeper.path}"\non_term = leave\nmax_connections = 500')
    place.faults = faults
    place.moment = next(site for site in known.values() if site.name == "handover/attach.c link_dial socket")
    place.one = revived(text=place.text(), address=place.addresses["plain"], env=faults.env)
    place.open_all()
    yield place
    faults.disarm()
    place.close()


def use(place):
    return {**place.one.open_files(), "threads": place.one.threads()}


# Adoption


def word_of(place, conn, since):
    """What the log says of it."""
    for line in place.one.all_lines()[since:]:
        if conn.name in (line.fields.get("RELAYD_CLIENT"), line.fields.get("RELAYD_PEER")):
            return line
        if line.level == "warning" and "adopted" in line.text:
            return line
    return None


GIVEN_UP = "connections that were held are reset.", "connections of the previous relayd are reset."
SERVES = "Connections that come from now on outlive relayd"


def start(place, fault):
    """Killed, and started with a fault. Whether it met that, and if the start was refused: then there is another one."""
    one = place.one
    since = len(one.all_lines())
    one.read_notified()
    ready = one.count_notified("READY=1")
    one.kill()
    place.tease()
    place.faults.arm(fault.site, fault.error, fault.before)
    place.faults.begin_at(place.moment)
    one.spawn_again()
    one.wait_notified("READY=1", or_exit=True, count=ready + 1)
    if one.process.poll() is None:
        return False
    place.faults.disarm()
    said = one.all_lines()[since:]
    if one.process.returncode < 0 or not any(line.level == "error" for line in said):
        raise Wrong(f"it ended with {one.process.returncode} and said {said}")
    one.again()
    return True


def suffer_start(place, fault):
    since = len(place.one.all_lines())
    refused = start(place, fault)
    lost = place.check()
    fired = place.faults.fired
    place.faults.disarm()
    said = place.one.all_lines()[since:]
    if place.one.process.poll() is not None:
        raise Wrong(f"it ended: {said}")
    given_up = len(lost) > (fired and not refused)
    if given_up and not told_soon(lambda: any(line.level == "warning" and line.text.endswith(GIVEN_UP)
                                              for line in place.one.all_lines()[since:])):
        raise Wrong(f"lost are {[why for _, why in lost]}: {place.one.all_lines()[since:]}")
    for conn, why in lost:
        if not given_up and not told_soon(lambda c=conn: word_of(place, c, since)):
            raise Wrong(f"no word of {why}: {place.one.all_lines()[since:]}")
    if any("end with relayd until" in line.text for line in said):   # the keeper is found again a moment later
        until(lambda: any(SERVES in line.text for line in place.one.all_lines()[since:]), SERVES)
    place.mend(lost)
    visit(place, since)
    return fired, f"{'refused, ' if refused else ''}lost {len(lost)}"


def visit(place, since):
    try:
        place.visit()
    except Reset as error:
        raise Wrong(f"{error}: {place.one.all_lines()[since:]}") from error


def told_soon(look):
    with contextlib.suppress(AssertionError):
        return until(look, "a word", 5)
    return None


def recover(place):
    """Whatever has become of it."""
    place.faults.disarm()
    if place.one.process.poll() is None:
        place.one.process.kill()
    place.one.process.wait()
    place.one.again()
    place.close()
    place.open_all()


def calls_of(place, known, act):
    """{address: calls} of what is done, the second time."""
    for _ in range(2):
        before = place.faults.seen()
        act()
        assert not place.check()
    return {address: calls for address, calls in (place.faults.seen() - before).items() if address in known}


def try_all(place, faults, suffer):
    report = Report()
    for fault in faults:
        try:
            fired, said = suffer(place, fault)
            report.fired += fired
            report.note(fault, said if fired else "not met")
        except (AssertionError, OSError) as error:
            report.add_wrong(fault, error)
            recover(place)
    report.check()


def test_each_call_of_an_adoption_fails_once(held, known):
    def adopt():
        held.one.kill()
        held.tease()
        held.faults.begin_at(held.moment)
        held.one.again()

    with seeded() as dice:
        faults = faults_of(calls_of(held, known, adopt), known, dice)
        try_all(held, faults if LONG else faults[:30], suffer_start)


#: What an adoption once did not bear: function, call, errno.
BORNE = [
    ("make_table", "calloc", "ENOMEM"),   # all were reset, and nobody said so
    ("link_dial", "socket", "EMFILE"),
    ("grow_list", "reallocarray", "ENOMEM"),
    ("health_new", "calloc", "ENOMEM"),   # it crashed
]


def test_what_was_not_borne(held, known):
    faults = [Fault(site, error, 0) for function, call, error in BORNE for site in known.values()
              if (site.function, site.call) == (function, call)]
    assert len(faults) >= len(BORNE)
    try_all(held, faults, suffer_start)


# Reload


def more(place):
    """What a file has more than the one before."""
    return (section("listener", "more", address=place.spare, upstream="more", mode="http").removesuffix("}\n") + place.site.section() + "}\n"
            + f'upstream more {{\n    server a {{ address = "{place.servers["http"]}" }}\n    health_check {{ type = tcp }}\n}}\n')


def reload_twice(place):
    for text in (place.text(more(place)), place.text()):
        place.one.reload(text=text)


def hup(place, text=""):
    place.one.write_conf(text=place.text(text))
    return place.one.hup()


def suffer_reload(place, fault):
    one = place.one
    since = len(one.all_lines())
    before = settled(place)
    leaks = {}
    for _ in range(4):   # what is left behind by this fault is so each time that it comes
        place.faults.arm(fault.site, fault.error, fault.before)
        whys = [hup(place, more(place)), hup(place)]
        place.tease()
        lost = place.check()
        fired = place.faults.fired
        place.faults.disarm()
        if one.process.poll() is not None or len(lost) > fired:
            raise Wrong(f"lost are {[why for _, why in lost]}: {one.all_lines()[since:]}")
        place.mend(lost)
        if whys[1]:
            one.reload(text=place.text())
        visit(place, since)
        after = settled(place)
        now = {kind: after[kind] - before.get(kind, 0) for kind in after if after[kind] > before.get(kind, 0)}
        leaks = {kind: n for kind, n in now.items() if kind in leaks} if leaks else now
        before = after
        if not leaks:
            return fired, f"refused: {whys}" if any(whys) else "in force"
    raise Wrong(f"left behind are {leaks}")


def settled(place):
    """What it has once nothing comes or goes."""
    def same():
        now = use(place)
        time.sleep(0.05)
        return now if now == use(place) else None
    return until(same, "nothing comes or goes")


def test_each_call_of_a_reload_fails_once(held, known):
    held.spare = f"127.0.0.1:{free_port()}"
    with seeded() as dice:
        faults = faults_of(calls_of(held, known, lambda: reload_twice(held)), known, dice)
        try_all(held, faults if LONG else faults[:30], suffer_reload)


#: Where a reload once gave a wrong reason: function, call, errno, and a part of the right one.
REASONS = [
    ("variables_expand", "strdup", "ENOMEM", "out of memory"),   # a syntax error
    ("tree_add_section", "strdup", "ENOMEM", "out of memory"),
    ("open_at", "socket", "ENFILE", "fs.file-max"),   # a wrong address
    ("listen_socket_listen", "listen", "EADDRINUSE", "another process"),   # relayd itself
]


def test_reasons(held, known):
    held.spare = f"127.0.0.1:{free_port()}"
    for function, call, error, part in REASONS:
        site = next(site for site in known.values() if (site.function, site.call) == (function, call))
        fired, said = suffer_reload(held, Fault(site, error, 0))
        assert fired and part in said, (site, said)
