"""Names while DNS misbehaves: half an answer, none, another order, too many, an address that is away for a moment; and
reloads meanwhile."""

import socket
import subprocess

import pytest

from client import asking, connect, connect_many
from dns import NXDOMAIN, REFUSED, SERVFAIL, SWALLOW, ScriptedDns
from fleet import conf, site
from origin import Origin, echo, http, sends
from peer import RESET, elapsed
from settings import free_port, ms, secs, until
from test_43_servers import answers
from web import ask, get, text_of


@pytest.fixture
def dns():
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("an /etc/resolv.conf of its own needs a mount namespace, which cannot be had here")
    one = ScriptedDns()
    yield one
    one.stop()


@pytest.fixture
def everywhere(origin):
    """The port of origins at 127.0.1.1 to 127.0.1.4 that say their last number, and at ::1, which says "six"."""
    port = free_port()
    for last in range(1, 5):
        origin(sends(str(last).encode()), host=f"127.0.1.{last}", port=port)
    origin(sends(b"six"), host="::1", port=port)
    return port


@pytest.mark.parametrize("how", [SERVFAIL, REFUSED, SWALLOW], ids=["servfail", "refused", "swallowed"])
@pytest.mark.parametrize("kind", ["A", "AAAA"])
def test_half_an_answer_is_not_the_whole(relay, dns, everywhere, kind, how):
    """The family that cannot be looked up keeps its addresses; the other goes on to follow DNS."""
    dns.set("app.test", A=["127.0.1.1"], AAAA=["::1"])
    one = site(relay, {"a": f"app.test:{everywhere}"}, wrap=dns.wrap, resolve_interval="1s")
    until(lambda: answers(one, 2) == {"1": 1, "six": 1}, "both families are known")
    dns.set("app.test", **{kind: how})
    one.wait_log(f"The {'IPv4' if kind == 'A' else 'IPv6'} addresses of app.test cannot be looked up: .*"
                 "The last good ones stay in use", timeout=30)
    assert answers(one, 4) == {"1": 2, "six": 2}
    if kind == "AAAA":
        dns.set("app.test", A=["127.0.1.2"])
        one.wait_log(f"The name app.test resolves to .*127.0.1.2:{everywhere}")
        assert answers(one, 4) == {"2": 2, "six": 2}
    dns.set("app.test", A=["127.0.1.3"], AAAA=["::1"])
    one.wait_log(fr"The name app.test resolves to \[::1\]:{everywhere}, 127.0.1.3:{everywhere}", timeout=30)


@pytest.mark.parametrize("gone,left", [("A", "six"), ("AAAA", "1")])
def test_a_family_that_is_not_there_any_more_is_left(relay, dns, everywhere, gone, left):
    dns.set("app.test", A=["127.0.1.1"], AAAA=["::1"])
    one = site(relay, {"a": f"app.test:{everywhere}"}, wrap=dns.wrap, resolve_interval="1s")
    until(lambda: answers(one, 2) == {"1": 1, "six": 1}, "both families are known")
    dns.set("app.test", **{gone: []})
    one.wait_log("The name app.test resolves to ")
    assert answers(one, 4) == {left: 4}
    dns.forget("app.test")   # and now it is not there at all
    one.wait_log("The name app.test cannot be looked up: Domain name not found. The last good addresses stay in use")
    assert answers(one, 2) == {left: 2}


@pytest.mark.parametrize("dead", ["family", "target", "literal", "backup"])
def test_what_is_still_looked_up_is_waited_for(relay, dns, everywhere, dead):
    """All that is known is dead, and the answer that leads on has been lost: the first client waits for it."""
    nobody = f"127.0.1.9:{everywhere}"
    dns.set("late.test", A=["127.0.1.1"], AAAA=["::1"])
    dns.lose("late.test", "A", 1)
    dns.lose("late.test", "AAAA", 1)
    servers = {"a": nobody, "late": f"late.test:{everywhere}"}
    if dead == "family":
        dns.set("app.test", A=["127.0.1.9"], AAAA=["::1"])
        dns.lose("app.test", "AAAA", 1)
        servers = {"a": f"app.test:{everywhere}"}
    elif dead == "target":
        dns.set("dead.test", A=["127.0.1.9"])
        dns.set("_http._tcp.app.test", SRV=[("dead.test", everywhere, 1, 1), ("late.test", everywhere, 2, 1)])
        servers = {"a": "srv:_http._tcp.app.test"}
    elif dead == "backup":
        servers = {"late": f"late.test:{everywhere}", "a": {"address": nobody, "backup": True}}
    one = site(relay, servers, wrap=dns.wrap)
    assert {client.read_end()[0] for client in connect_many(one, 4)} <= {b"1", b"six"}


def test_a_name_that_never_comes_is_waited_for_within_the_time_of_a_dial(relay, dns, everywhere):
    dns.set("slow.test", A=SWALLOW, AAAA=SWALLOW)
    one = site(relay, {"a": f"127.0.1.9:{everywhere}", "s": f"slow.test:{everywhere}"}, wrap=dns.wrap, connect_timeout=ms(800))
    clients = connect_many(one, 3)
    outcomes, took = elapsed(lambda: [client.ending() for client in clients])
    assert outcomes == [RESET] * 3
    assert secs(0.5) < took < secs(2.2), "they wait beside each other"


@pytest.mark.parametrize("kind,first", [("A", "six"), ("AAAA", "1")])
def test_the_first_family_is_enough_to_begin(relay, dns, everywhere, kind, first):
    dns.set("app.test", **{"A": ["127.0.1.1"], "AAAA": ["::1"], kind: SWALLOW})
    one = site(relay, {"a": f"app.test:{everywhere}"}, wrap=dns.wrap)
    found, took = elapsed(lambda: answers(one, 1))
    assert found == {first: 1} and took < secs(1)
    dns.set("app.test", A=["127.0.1.1"], AAAA=["::1"])
    until(lambda: len(answers(one, 2)) == 2, "the other is there, too", timeout=30)


def test_a_lost_query_is_asked_again_soon(relay, dns, everywhere):
    dns.set("app.test", A=["127.0.1.1"])
    dns.lose("app.test", "A", 1)
    dns.lose("app.test", "AAAA", 1)
    one = site(relay, {"a": f"app.test:{everywhere}"}, wrap=dns.wrap)
    found, took = elapsed(lambda: answers(one, 1))
    assert found == {"1": 1} and took < secs(1.5)   # connect_timeout is 5 s


def test_a_target_that_fails_freezes_nothing_else(relay, dns, everywhere):
    service = "_x._tcp.app.test"
    dns.set(service, SRV=[("one.test", everywhere, 10, 1), ("two.test", everywhere, 10, 1)])
    dns.set("one.test", A=["127.0.1.1"])
    dns.set("two.test", A=["127.0.1.2"])
    one = site(relay, {"a": f"srv:{service}"}, wrap=dns.wrap, resolve_interval="1s")
    until(lambda: answers(one, 2) == {"1": 1, "2": 1}, "both targets are known")
    dns.set("two.test", A=SERVFAIL, AAAA=SERVFAIL)
    one.wait_log("The name two.test cannot be looked up: .*The last good addresses stay in use")
    dns.set("one.test", A=["127.0.1.3"])
    one.wait_log(f"The name {service} resolves to 127.0.1.2:{everywhere}, 127.0.1.3:")
    dns.set(service, SRV=SERVFAIL)
    one.wait_log(f"The name {service} cannot be looked up: .*Its last good targets stay in use")
    dns.set("one.test", A=["127.0.1.4"])
    one.wait_log(f"The name {service} resolves to 127.0.1.2:{everywhere}, 127.0.1.4:")
    assert answers(one, 4) == {"2": 2, "4": 2}
    dns.set(service, SRV=[("three.test", everywhere, 10, 1)])
    dns.set("three.test", A=["127.0.1.1"])
    one.wait_log(f"The name {service} resolves to 127.0.1.1:")
    assert answers(one, 2) == {"1": 2}


def test_an_alias_without_its_target_is_followed(relay, dns, everywhere):
    """Some servers send the CNAME alone."""
    dns.set("app.test", CNAME=["other.test"])
    dns.set("other.test", CNAME=["real.test"])
    dns.set("real.test", A=["127.0.1.1"], AAAA=["::1"])
    dns.set("loop.test", CNAME=["pool.test"])
    dns.set("pool.test", CNAME=["loop.test"])
    one = site(relay, {"a": f"app.test:{everywhere}", "b": f"loop.test:{everywhere}"}, wrap=dns.wrap)
    until(lambda: answers(one, 2) == {"1": 1, "six": 1}, "the end of the aliases is known")
    one.wait_log(r"The name loop.test cannot be looked up: its aliases \(CNAME\) lead to no end")


def test_an_alias_is_good_for_its_own_time(relay, dns, everywhere):
    """However long what it leads to is."""
    dns.set("app.test", CNAME=["old.test"])
    dns.set("old.test", ttl=3600, A=["127.0.1.1"], AAAA=[])
    dns.set("new.test", ttl=3600, A=["127.0.1.2"], AAAA=[])
    one = site(relay, {"a": f"app.test:{everywhere}"}, wrap=dns.wrap, resolve_interval="1h")
    until(lambda: answers(one, 2) == {"1": 2}, "the end of the alias is known")
    dns.set("app.test", CNAME=["new.test"])
    one.wait_log(f"The name app.test resolves to 127.0.1.2:{everywhere}")


def test_the_order_of_a_large_answer_makes_no_difference(relay, dns, origin):
    """300 addresses, far more than a UDP answer holds, rotated each time: nothing changes."""
    port = free_port()
    origin(lambda peer: peer.send(peer.sock.getsockname()[0].encode()), host="0.0.0.0", port=port)
    found = [f"127.1.{number // 100}.{number % 100 + 1}" for number in range(300)]
    dns.set("app.test", A=found)
    one = site(relay, {"a": f"app.test:{port}"}, wrap=dns.wrap)
    used = set()
    for shift in (0, 100, 250):
        dns.set("app.test", A=found[shift:] + found[:shift])
        dns.wait_asked("app.test", "A", 2)
        used |= set(answers(one, 100))
    assert used == set(found)
    assert "resolves to" not in one.log


def test_too_many_addresses_are_told(relay, dns, origin):
    port = free_port()
    origin(sends(b"x"), host="0.0.0.0", port=port)
    found = [f"127.1.{number // 200}.{number % 200 + 1}" for number in range(1100)]
    dns.set("app.test", A=found)
    one = site(relay, {"a": f"app.test:{port}"}, wrap=dns.wrap)
    assert answers(one, 1) == {"x": 1}
    dns.set("app.test", A=found[500:] + found[:500])
    dns.wait_asked("app.test", "A", 2)
    assert "resolves to 127" not in one.log
    assert len(one.wait_log("The name app.test resolves to 1100 addresses, of which 1024 are used")) == 1


def test_an_address_that_is_back_is_as_busy_as_before(relay, dns, origin):
    """Away for a TTL or two: its connections count, and so does what was found out about it."""
    port = free_port()
    for last in (1, 2):
        origin(echo, host=f"127.0.1.{last}", port=port)
    dns.set("app.test", A=["127.0.1.1", "127.0.1.2"])
    one = site(relay, {"a": {"address": f"app.test:{port}", "max_connections": 1}}, wrap=dns.wrap,
               top='queue_timeout = "500ms"\n')
    clients = [connect(one).send(b"x") for _ in range(2)]
    assert [client.read(1) for client in clients] == [b"x", b"x"]
    dns.set("app.test", A=["127.0.1.2"])
    one.wait_log(f"resolves to 127.0.1.2:{port}")
    dns.set("app.test", A=["127.0.1.1", "127.0.1.2"])
    one.wait_log(f"resolves to 127.0.1.1:{port}, 127.0.1.2:{port}")
    with connect(one) as third:
        assert third.send(b"x").ending() == RESET
    clients[0].close()
    clients[1].close()


def test_on_down_reset_reaches_connections_from_before_it_was_away(relay, dns, origin):
    port = free_port()
    origin(echo, host="127.0.1.2", port=port)
    server = Origin(echo, host="127.0.1.1", port=port)
    dns.set("app.test", A=["127.0.1.1"])
    one = site(relay, {"a": f"app.test:{port}"}, wrap=dns.wrap, on_down="reset",
               check={"interval": "100ms", "timeout": "1s", "fall": 2})
    old = connect(one)
    assert old.send(b"x").read(1) == b"x"
    dns.set("app.test", A=["127.0.1.2"])
    one.wait_log(f"resolves to 127.0.1.2:{port}")
    dns.set("app.test", A=["127.0.1.1"])
    one.wait_log(f"resolves to 127.0.1.1:{port}")
    server.socket.shutdown(socket.SHUT_RDWR)   # it takes no more connections, checks included
    server.socket.close()
    one.wait_log(r"127\.0\.1\.1.* is down")
    assert old.ending() == RESET
    server.stop()


SECTIONS = {"port": ("app", "a", 1), "server": ("app", "renamed", 0), "upstream": ("renamed", "a", 0)}


@pytest.mark.parametrize("what", SECTIONS)
@pytest.mark.parametrize("how", [SERVFAIL, SWALLOW, NXDOMAIN], ids=["servfail", "swallowed", "gone"])
def test_addresses_belong_to_the_name(relay, dns, everywhere, origin, what, how):
    """A reload changes all but the name, while DNS is away."""
    upstream, server, other = SECTIONS[what]
    dns.set("app.test", A=["127.0.1.1"], AAAA=["::1"])
    one = site(relay, {"a": f"app.test:{everywhere}"}, wrap=dns.wrap)
    port = everywhere
    if other:
        port = free_port()
        origin(sends(b"1"), host="127.0.1.1", port=port)
        origin(sends(b"six"), host="::1", port=port)
    until(lambda: answers(one, 2) == {"1": 1, "six": 1}, "both families are known")
    dns.set("app.test", A=how, AAAA=how)
    text = conf(one.address, {server: f"app.test:{port}"})
    one.reload(text=text.replace("upstream app", f"upstream {upstream}").replace("upstream = app", f"upstream = {upstream}"))
    assert answers(one, 4) == {"1": 2, "six": 2}


def test_who_waits_for_a_first_answer_is_not_refused_by_a_reload(relay, dns, origin):
    dns.set("app.test", A=SWALLOW, AAAA=SWALLOW)
    port = origin(http, host="127.0.1.1").port
    one = site(relay, {"a": f"app.test:{port}"}, wrap=dns.wrap, listener={"mode": "http"}, connect_timeout="30s")
    with asking(one) as client:
        dns.wait_asked("app.test", "A", 1)
        for server in ("a", "b"):
            one.reload(text=conf(one.address, {server: f"app.test:{port}"}, listener={"mode": "http"}, connect_timeout="30s"))
        assert client.is_silent(0.3)
        dns.set("app.test", A=["127.0.1.1"], AAAA=[])
        assert client.read_response().status == 200


def test_a_name_of_many_servers_is_asked_for_once(relay, dns, everywhere):
    dns.set("app.test", ttl=3600, A=["127.0.1.1"])
    servers = {f"s{number}": f"app.test:{everywhere + number}" for number in range(20)}
    one = site(relay, servers, wrap=dns.wrap, connect_attempts=20, fail_timeout="1h")
    assert answers(one, 1) == {"1": 1}
    assert dns.count("app.test") == 2


def test_names_that_nobody_answers_hold_up_no_other(relay, dns, everywhere):
    """However many there are, and wherever they stand."""
    servers = {f"s{number}": f"n{number}.test:{everywhere}" for number in range(100)}
    for number in range(100):
        dns.set(f"n{number}.test", A=SWALLOW, AAAA=SWALLOW)
    dns.set("app.test", A=["127.0.1.1"])
    one = site(relay, {**servers, "a": f"app.test:{everywhere}"}, wrap=dns.wrap)
    assert answers(one, 1) == {"1": 1}
    asked = [query[:2] for query in dns.queries]
    assert asked[:asked.index(("app.test", "A"))].count(("n0.test", "A")) <= 2   # its tries are not over


@pytest.mark.parametrize("how, why", [
    (SERVFAIL, "no DNS server could be reached, or they answered SERVFAIL or REFUSED"), (NXDOMAIN, "Domain name not found"),
], ids=["servfail", "nxdomain"])
def test_the_log_says_which_name_has_no_address(relay, dns, how, why):
    """And before, why: a server that answers SERVFAIL was contacted."""
    dns.set("app.test", A=how, AAAA=how)
    address = f"127.0.0.1:{free_port()}"
    one = relay(address=address, text=text_of(address, {"app": ["app.test:80", "other.test:81"]}), wrap=dns.wrap)
    one.wait_log(f"The name app.test cannot be looked up: {why}\\. Connections to it fail until it can")
    with connect(one) as client:
        assert ask(client, get("/")).status == 502
    request, = one.wait_requests(1)
    which = ": the server's name has no address: app.test:80, other.test:81. "
    assert which in request.line.text and which in one.record(client).line.text


def told(one, name):
    return [line.text.split(f"The name {name} cannot be looked up: ")[1] for line in one.all_lines() if f"The name {name} cannot be looked up: " in line.text]


@pytest.mark.parametrize("service", [False, True], ids=["host", "service"])
def test_a_failure_that_becomes_an_answer_is_told_anew(relay, dns, everywhere, service):
    """A DNS server in trouble is one thing, a name that is not there another: each change is told, and nothing twice."""
    name, kinds = ("_http._tcp.app.test", ["SRV"]) if service else ("app.test", ["A", "AAAA"])
    dns.set(name, **{kind: SERVFAIL for kind in kinds})
    one = site(relay, {"a": f"srv:{name}" if service else f"{name}:{everywhere}"}, wrap=dns.wrap, resolve_interval="1s")
    one.wait_log(f"The name {name} cannot be looked up: .*Connections to it fail until it can")
    for count, answer in enumerate((NXDOMAIN, SERVFAIL), 2):
        dns.set(name, **{kind: answer for kind in kinds})
        one.wait_log(f"The name {name} cannot be looked up: ", count, timeout=60)
        dns.wait_asked(name, kinds[-1])
    said = told(one, name)
    assert len(said) == 3 and said[0] == said[2]
    assert said[1].startswith("Domain name not found. ")


def test_a_service_that_still_fails_is_told_after_a_reload(relay, dns):
    """As a host is."""
    name = "_http._tcp.app.test"
    one = site(relay, {"a": f"srv:{name}"}, wrap=dns.wrap, resolve_interval="1s")
    one.wait_log(f"The name {name} cannot be looked up: ")
    one.hup()
    one.wait_log(f"The name {name} cannot be looked up: ", 2)
    dns.wait_asked(name, "SRV")
    assert len(told(one, name)) == 2
