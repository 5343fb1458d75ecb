"""Mode http: servers, and clients, that say anything at all: relayd lives, nothing that is cut looks whole, nobody gets what is
another's, and a good server's clients notice nothing."""

import collections
import itertools
import time

import pytest
from control import phases, relayctl
from hostile_http import HostileServer, good_server
from hostile_visitors import GoodVisitor, Visitor, opener
from keeper import seeded, storm
from settings import DEADLINE, LONG, SCALE, free_port, ms, until
from test_98_http_crowds import Crowd
from tls import Site

SECONDS = 300 if LONG else 3 * SCALE
pytestmark = pytest.mark.timeout(SECONDS + 8 * DEADLINE)
WAYS = list(itertools.product((False, True), (False, True), ("private", "proven")))   # TLS with clients, with servers; reuse


def text_of(addresses, site, servers, good, top):
    lines = [top, "log_requests = none", 'control = "%s"' % site.control]
    for number, (address, (client_tls, server_tls, reuse)) in enumerate(zip(addresses, WAYS)):
        lines.append(f"""listener l{number} {{
    address = "{address}"
    upstream = evil{int(server_tls)}
    mode = http
    reuse = {reuse}
    max_body = 100000
    response_timeout = {ms(400)}
    idle_timeout = {ms(1500)}
    head_timeout = {ms(1000)}
    keepalive_timeout = {ms(2000)}
    route "/good/" {{ upstream = good response_timeout = 1m }}
{site.section() if client_tls else ""}}}""")
    lines.append(f'upstream evil0 {{ server a {{ address = "127.0.0.1:{servers[0].port}" }} }}')
    lines.append(f'upstream evil1 {{ tls {{ ca = "{site.ca}" }} server a {{ address = "localhost:{servers[1].port}" }} }}')
    lines.append(f'upstream good {{ server a {{ address = "{good.address}" }} }}')
    return "\n".join(lines) + "\n"


def run(dice, start, origin, site, top="", going=None, may_reset=False):
    """Until the time is over, and all connections are. going(one, over): what is done meanwhile; its end ends it, too."""
    seed = dice.randrange(1 << 32)
    addresses = [f"127.0.0.1:{free_port()}" for _ in WAYS]
    servers = [HostileServer(origin, seed, context) for context in (None, site.server_context())]
    one = start(address=addresses[0], text=text_of(addresses, site, servers, origin(good_server), top))
    secure = [way[0] for way in WAYS]
    here = [opener(site, [address], [tls]) for address, tls in zip(addresses, secure)]
    opens = [(Visitor, where) for where in here * 2]
    opens += [(kind, opener(site, addresses, secure)) for kind in (Visitor, GoodVisitor, GoodVisitor)]
    visitors = [kind(number, seed, where, may_reset) for number, (kind, where) in enumerate(opens)]
    crowd = Crowd()
    for visitor in visitors:
        crowd.add(visitor.work)

    def end_all():
        end = time.monotonic() + SECONDS

        def goes():
            return time.monotonic() < end and not crowd.wrong
        try:
            if going:
                going(one, goes)
            until(lambda: not goes(), "the end", SECONDS + DEADLINE)
        finally:
            for visitor in visitors:
                visitor.over.set()
    crowd.add(end_all)
    crowd.wait(SECONDS + 4 * DEADLINE)
    until(lambda: not phases(site.control), "all connections end")
    counts = collections.Counter()
    for visitor in visitors:
        counts.update(visitor.counts)
    print(dict(counts))
    one.finish()
    assert min(counts[what] for what in ("whole", "good", "cut", 502)) > 0, counts


@pytest.fixture
def site(tmp_path, at):
    made = Site(tmp_path, "localhost", "site.test")
    made.control = at
    return made


def disturb(dice, at):
    """Reloads, and a hostile server that is taken out and comes back."""
    def going(one, goes):
        while goes():
            one.hup()
            word = dice.choice(("down", "drain"))
            server = dice.choice(("evil0/a", "evil1/a"))
            for order in (word, "ready"):
                relayctl("-s", at, order, server)
                time.sleep(dice.uniform(0, 0.2))
    return going


def test_servers_that_say_anything(relay, origin, site):
    with seeded() as dice:
        run(dice, relay, origin, site)


def test_servers_that_say_anything_while_they_are_ordered_about(relay, origin, site):
    with seeded() as dice:
        run(dice, relay, origin, site, going=disturb(dice, site.control))


def test_servers_that_say_anything_to_one_with_a_keeper(revived, keeper, origin, site):
    with seeded() as dice:
        run(dice, revived, origin, site, f'keeper = "{keeper.path}"')


def test_servers_that_say_anything_while_relayd_dies(revived, keeper, origin, site):
    with seeded() as dice:
        run(dice, revived, origin, site, f'keeper = "{keeper.path}"\non_term = leave\nkeeper_timeout = 10m\ndrain_timeout = 30s',
            lambda one, goes: storm(one, dice, 1, going=goes, longest=0.3), may_reset=True)
