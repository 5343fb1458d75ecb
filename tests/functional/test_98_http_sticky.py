"""balance = cookie: a client comes back to its server by a cookie. balance_each = request: each request is balanced anew."""

import collections
import json
import os
import re
import signal
import threading

import pytest

from client import connect
from control import relayctl
from fleet import conf, site
from keeper import Revived
from relay import complaints, once
from settings import free_port, some, until
from test_53_steer import order
from tls import Site, written
from web import CLOSE, RESET, answer, ask, get, head_of, post, read_answer, web

KEY = "0123456789abcdef0123456789abcdef"
COOKIE = re.compile(r"relayd=([A-Za-z0-9_-]{22}); Path=/; HttpOnly; SameSite=Lax")
HTTP = {"mode": "http"}
STICKY = {"listener": HTTP, "balance": "cookie", "cookie_key": KEY}


def named(origin, name, *lines):
    """A server that answers with its name."""
    return web(origin, lambda asked, peer: answer(name.encode(), "200 OK", *lines))


@pytest.fixture
def servers(origin):
    return {name: named(origin, name) for name in "abc"}


def places(servers):
    return {name: getattr(server, "address", server) for name, server in servers.items()}


def with_cookie(value, *lines):
    return get("/", f"Cookie: relayd={value}", *lines)


def given(got):
    """The value that an answer sets; None: it sets none."""
    found = [value for value in got.all("Set-Cookie") if value.startswith("relayd=")]
    assert len(found) <= 1, got
    assert bool(found) == ("private" in got.all("Cache-Control")), got
    return COOKIE.fullmatch(found[0])[1] if found else None


def whom(client, value=None, *lines):
    """Who answers, and the cookie that comes with it."""
    got = ask(client, get("/", *lines) if value is None else with_cookie(value, *lines))
    assert got.status == 200, got
    return got.body.decode(), given(got)


def once_asked(where, value=None, *lines):
    with connect(where) as client:
        return whom(client, value, *lines)


def all_cookies(where, names="abc"):
    """{name: the value that leads there}"""
    found = {}

    def all_there():
        name, value = once_asked(where)
        assert found.setdefault(name, value) == value
        return set(found) == set(names)
    until(all_there, f"each of {names} has answered")
    return found


def sticks(where, cookies):
    for name, value in cookies.items():
        assert once_asked(where, value) == (name, None)


# Cookies


def test_clients_come_back(relay, servers):
    one = site(relay, servers, **STICKY)
    cookies = all_cookies(one)
    assert len(set(cookies.values())) == 3
    for _ in range(some(20)):
        sticks(one, cookies)
    for name, value in cookies.items():
        with connect(one) as client:   # over one connection, too, and none is dialled between
            before = servers[name].connections
            assert {whom(client, value) for _ in range(20)} == {(name, None)}
            assert servers[name].connections == before + 1


def test_clients_of_one_connection(relay, servers):
    """As behind a CDN: each request goes to the server of its own cookie, and each new client gets one of its own."""
    one = site(relay, servers, **STICKY)
    cookies = all_cookies(one)
    with connect(one) as client:
        for name in "abcabcaacbbca":
            assert whom(client, cookies[name]) == (name, None)
        fresh = collections.Counter()
        for _ in range(9):
            name, value = whom(client)
            assert value == cookies[name]
            fresh[name] += 1
            assert whom(client, cookies["a"]) == ("a", None)
        assert fresh == {"a": 3, "b": 3, "c": 3}


def test_pipelined_requests_with_other_cookies(relay, servers):
    one = site(relay, servers, **STICKY)
    cookies = all_cookies(one)
    names = "abccba" * 5
    with connect(one) as client:
        client.send(b"".join(with_cookie(cookies[name]) for name in names))
        assert "".join(read_answer(client).body.decode() for _ in names) == names


BAD = {
    "nothing": "", "short": "A" * 21, "long": "A" * 23, "large": "A" * 8000, "zero": "A" * 22, "no digits": "!" * 22,
    "quoted": '"' + "A" * 22 + '"', "bits to spare": "A" * 21 + "B", "address": "127.0.0.1:80", "non-ascii": "\xe9" * 22,
}


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_cookie_of_ours(relay, servers, bad):
    one = site(relay, servers, **STICKY)
    cookies = all_cookies(one)
    with connect(one) as client:
        got = ask(client, "".join(["GET / HTTP/1.1\r\nHost: a\r\nCookie: x=1; relayd=", BAD[bad], "; y=2\r\n\r\n"]).encode("latin-1"))
    assert given(got) == cookies[got.body.decode()]
    assert servers[got.body.decode()].asked[-1]["Cookie"] == "x=1; y=2"


def test_forged(relay, servers):
    """Any change makes it nobody's; what is cut, too; and one of another upstream or key."""
    one = site(relay, servers, **STICKY)
    cookies = all_cookies(one)
    a = cookies["a"]
    for i in range(22):
        other = "Q" if a[i] != "Q" else "g"   # both have no bits to spare at the end
        name, value = once_asked(one, a[:i] + other + a[i + 1:])
        assert value == cookies[name]
    for wrong in (a[:-1], a[1:], a + "A", a + " x", a.swapcase(), a + "=", "," + a):
        name, value = once_asked(one, wrong)
        assert value == cookies[name]
    one.reload(text=conf(one.address, places(servers), **{**STICKY, "cookie_key": KEY[::-1]}))
    renewed = all_cookies(one)
    assert not set(renewed.values()) & set(cookies.values())
    name, value = once_asked(one, a)
    assert value == renewed[name]


def test_more_than_one(relay, servers):
    one = site(relay, servers, **STICKY)
    cookies = all_cookies(one)
    a, b = cookies["a"], cookies["b"]
    assert once_asked(one, f"{a}; relayd={a}") == ("a", None)
    assert once_asked(one, a, "Cookie: z=1", f"Cookie: y=2; relayd={a}") == ("a", None)
    assert servers["a"].asked[-1].all("Cookie") == ["z=1", "y=2"]
    for cookie in (f"{a}; relayd={b}", f"{a}; relayd=x", f"x; relayd={a}", f"{a};relayd={a}"):
        name, value = once_asked(one, cookie)
        assert value == cookies[name], cookie
    name, value = once_asked(one, a, f"Cookie: relayd={b}")
    assert value == cookies[name]


def test_others_are_passed_byte_for_byte(relay, servers):
    one = site(relay, servers, **STICKY)
    a = all_cookies(one)["a"]
    for cookie, passed in [
        (f"relayd={a}; x=1", "x=1"), (f"x=1; relayd={a}", "x=1"), (f"x=1; relayd={a}; y=2", "x=1; y=2"),
        (f"x=1;  y=2,3; relayd={a};z=\"4;5\" ;; w", "x=1;  y=2,3;z=\"4;5\" ;; w"),
        (f"relayed=1; Relayd=2; xrelayd=3; relayd={a}; relayd2=4; x=relayd={a}",
         f"relayed=1; Relayd=2; xrelayd=3; relayd2=4; x=relayd={a}"),
        (f"relayd={a}; {{\"x\": \"1, 2\"}}", "{\"x\": \"1, 2\"}"),
    ]:
        with connect(one) as client:
            assert ask(client, get("/", f"Cookie: {cookie}")).body == b"a"
        assert servers["a"].asked[-1]["Cookie"] == passed
    with connect(one) as client:
        assert ask(client, with_cookie(a)).body == b"a"
    assert servers["a"].asked[-1]["Cookie"] is None


def test_the_server_may_not_set_it(relay, origin):
    app = named(origin, "a", "Set-Cookie: relayd=mine; Path=/", "Set-Cookie: session=1", "Cache-Control: no-store")
    one = site(relay, {"a": app}, **STICKY)
    with connect(one) as client:
        got = ask(client, get())
        assert [value.split(";")[0].split("=")[0] for value in got.all("Set-Cookie")] == ["session", "relayd"]
        value = given(got)
        again = ask(client, with_cookie(value))
        assert again.all("Set-Cookie") == ["session=1"] and again.all("Cache-Control") == ["no-store"]


def test_its_name(relay, servers):
    one = site(relay, servers, **STICKY, cookie="__Host-app")
    with connect(one) as client:
        got = ask(client, get())
        name, value = got["Set-Cookie"].split(";")[0].split("=")
        assert name == "__Host-app"
        for _ in range(5):
            again = ask(client, get("/", f"Cookie: __Host-app={value}; relayd={value}"))
            assert again.body == got.body and again["Set-Cookie"] is None
        assert servers[got.body.decode()].asked[-1]["Cookie"] == f"relayd={value}"


def test_methods_and_versions(relay, servers):
    one = site(relay, servers, **STICKY)
    cookies = all_cookies(one)
    for name, value in cookies.items():
        with connect(one) as client:
            assert ask(client, post("/", b"body", f"Cookie: relayd={value}")).body == name.encode()
            assert ask(client, get("/", f"Cookie: relayd={value}", version="1.0")).body == name.encode()
        assert servers[name].asked[-2].body == b"body"


def test_interim_answers_have_none(relay, origin):
    app = web(origin, lambda asked, peer: head_of("103 Early Hints", "Link: </x>") + answer(b"a"))
    one = site(relay, {"a": app}, **STICKY)
    with connect(one) as client:
        early = ask(client, get())
        assert early.status == 103 and early["Set-Cookie"] is None
        assert given(read_answer(client)) is not None


def test_by_tls_it_is_secure(relay, origin, tmp_path):
    tls, app = Site(tmp_path), named(origin, "a")
    ports = [free_port(), free_port()]
    text = (f'listener web {{ address = "127.0.0.1:{ports[0]}" mode = http upstream = app\n{tls.section()} }}\n'
            f'listener plain {{ address = "127.0.0.1:{ports[1]}" mode = http upstream = app }}\n'
            f'upstream app {{ balance = cookie cookie_key = {written(KEY)} server a {{ address = "{app.address}" }} }}\n')
    one = relay(text=text, address=f"127.0.0.1:{ports[0]}")
    with tls.connect(one) as client:
        secure = ask(client, get())["Set-Cookie"]
        assert secure.endswith("; Path=/; HttpOnly; Secure; SameSite=Lax")
        assert whom(client, secure.split(";")[0].split("=")[1]) == ("a", None)
    assert once_asked(f"127.0.0.1:{ports[1]}")[1] == secure.split(";")[0].split("=")[1]


# Servers that cannot be had


def test_a_server_that_is_gone(relay, servers):
    one = site(relay, servers, **STICKY)
    cookies = all_cookies(one)
    servers["a"].origin.stop()
    name, value = once_asked(one, cookies["a"])
    assert name in "bc" and value == cookies[name]


@pytest.mark.parametrize("word", ["drain", "down"])
def test_a_server_that_is_taken_out(relay, servers, at, word):
    one = site(relay, servers, top=f'control = "{at}"\n', **STICKY)
    cookies = all_cookies(one)
    with connect(one) as client:
        assert whom(client, cookies["a"]) == ("a", None)
        order(at, word, "app/a")
        for where in (client, None):
            name, value = whom(client, cookies["a"]) if where else once_asked(one, cookies["a"])
            assert name in "bc" and value == cookies[name]
        order(at, "ready", "app/a")
        assert whom(client, cookies["a"]) == ("a", None)


def test_a_server_that_checks_find_down(relay, servers):
    one = site(relay, servers, **STICKY, check={"interval": "50ms", "fall": 1})
    cookies = all_cookies(one)
    servers["a"].origin.stop()
    one.wait_log(r"Server app/a .* is down")
    name, value = once_asked(one, cookies["a"])
    assert name in "bc" and value == cookies[name]


def test_a_full_server(relay, servers):
    one = site(relay, {name: {"address": server.address, "max_connections": 1} for name, server in servers.items()}, **STICKY)
    with connect(one) as client:
        name, value = whom(client)
        other, another = once_asked(one, value)
        assert other != name and another not in (None, value)
        assert whom(client, value) == (name, None)   # it is full of this connection


def test_a_backup_is_left_again(relay, origin, at):
    """As for a page of maintenance: nobody stays there."""
    a, sorry = named(origin, "a"), named(origin, "sorry")
    one = site(relay, {"a": a, "sorry": {"address": sorry.address, "backup": True}}, top=f'control = "{at}"\n', **STICKY)
    order(at, "drain", "app/a")
    name, value = once_asked(one)
    assert name == "sorry" and once_asked(one, value) == ("sorry", None)
    order(at, "ready", "app/a")
    name, fresh = once_asked(one, value)
    assert name == "a" and fresh not in (None, value)


def test_asked_again_elsewhere(relay, origin):
    """A server that ends without an answer: another is asked, and the client is told of that one."""
    mute = web(origin, lambda asked, peer: (b"", CLOSE))
    b = named(origin, "b")
    one = site(relay, {"b": b}, **STICKY)
    wrong = once_asked(one)[1]
    one.reload(text=conf(one.address, {"a": mute.address}, **STICKY))
    with connect(one) as client:
        assert ask(client, get()).status == 502
    one.reload(text=conf(one.address, {"a": mute.address, "b": {"address": b.address, "weight": 1}}, **STICKY))
    for _ in range(6):
        assert once_asked(one) == ("b", wrong)
    assert once_asked(one, wrong) == ("b", None)


def test_a_connection_that_went_stale(relay, origin):
    """Its server ends it with the next request on its way: the same server is dialled anew."""
    def once_each(name):
        return web(origin, lambda asked, peer: answer(name.encode()) if asked.number == 0 else (b"", RESET))
    servers = {name: once_each(name) for name in "abc"}
    one = site(relay, servers, **STICKY)
    cookies = all_cookies(one)
    for name, value in cookies.items():
        with connect(one) as client:
            assert [whom(client, value) for _ in range(3)] == [(name, None)] * 3


# Configurations, processes and machines


def test_a_reload_that_adds_servers(relay, servers):
    one = site(relay, {name: servers[name] for name in "ab"}, **STICKY)
    cookies = all_cookies(one, "ab")
    with connect(one) as client:
        assert whom(client, cookies["b"]) == ("b", None)
        one.reload(text=conf(one.address, dict(sorted(places(servers).items(), reverse=True)), **STICKY))
        assert [whom(client, cookies[name]) for name in "abba"] == [(name, None) for name in "abba"]
    assert {**all_cookies(one), **cookies} == all_cookies(one)
    sticks(one, cookies)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_restart(servers, how):
    address = f"127.0.0.1:{free_port()}"
    one = Revived(text=conf(address, places(servers), **STICKY), address=address, ready=False)
    try:
        one.wait_notified("READY=1")
        cookies = all_cookies(address)
        one.crash(how)
        sticks(address, cookies)
    finally:
        one.finish()


def test_two_machines(relay, servers):
    two = [site(relay, servers, **STICKY) for _ in range(2)]
    cookies = all_cookies(two[0])
    assert cookies == all_cookies(two[1])
    sticks(two[1], cookies)


def test_the_machines_own_key(relay, servers):
    if not os.path.exists("/etc/machine-id"):
        pytest.skip("this machine has no /etc/machine-id")
    own = {name: value for name, value in STICKY.items() if name != "cookie_key"}
    two = [site(relay, servers, **own) for _ in range(2)]
    cookies = all_cookies(two[0])
    assert cookies == all_cookies(two[1]) != all_cookies(site(relay, servers, **STICKY))


def test_connections_that_outlive_relayd(revived, servers, at):
    address = f"127.0.0.1:{free_port()}"
    one = revived(text=conf(address, places(servers), top=f'control = "{at}"\n', **STICKY), address=address)
    cookies = all_cookies(address)
    with connect(address) as client:
        assert whom(client, cookies["b"]) == ("b", None)
    one.crash()
    sticks(address, cookies)


# Whom the others get


def test_by_weight_and_load(relay, servers):
    one = site(relay, {"a": {"address": servers["a"].address, "weight": 3}, "b": servers["b"].address}, **STICKY)
    clients = [connect(one) for _ in range(8)]
    got = collections.Counter(whom(client)[0] for client in clients)
    assert got == {"a": 6, "b": 2}
    for client in clients:
        client.close()


def test_many_at_once(relay, servers):
    """Private still: each answer is that of the request's own server, whoever asks beside it."""
    one = site(relay, servers, **STICKY)
    cookies = all_cookies(one)
    wrong = []

    def go(number):
        with connect(one) as client:
            for i in range(some(60)):
                name = "abc"[(number * 7 + i * i) % 3]
                if whom(client, cookies[name]) != (name, None):
                    wrong.append(name)
    threads = [threading.Thread(target=go, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_operators_see_it(relay, servers, at):
    one = site(relay, servers, top=f'control = "{at}"\n', **STICKY)
    once_asked(one)
    status = json.loads(relayctl("-s", at, "--json", "status"))
    assert status["upstreams"][0]["balance"] == "cookie"
    assert re.search(r"cookie", relayctl("-s", at, "explain", "127.0.0.1"))


# balance_each = request


EACH = {"listener": HTTP, "balance_each": "request"}


def test_each_request_by_turns_and_weight(relay, servers):
    one = site(relay, {"a": {"address": servers["a"].address, "weight": 3}, "b": servers["b"].address}, **EACH)
    with connect(one) as client:
        got = "".join(ask(client, get()).body.decode() for _ in range(40))
    assert collections.Counter(got) == {"a": 30, "b": 10}
    assert all(got[i:i + 4].count("b") == 1 for i in range(0, 40, 4))
    # No dial where the server stays the same.
    assert servers["a"].connections + servers["b"].connections == 1 + sum(x != y for x, y in zip(got, got[1:]))


def test_each_request_of_many_clients(relay, servers):
    one = site(relay, servers, **EACH)
    clients = [connect(one) for _ in range(3)]
    got = collections.Counter(ask(client, get()).body.decode() for _ in range(4) for client in clients)
    assert got == {"a": 4, "b": 4, "c": 4}
    for client in clients:
        client.close()


@pytest.mark.parametrize("balance,seen", [("least_connections", 3), ("random_two", 3), ("source_hash", 1)])
def test_each_request_by_other_balances(relay, servers, balance, seen):
    one = site(relay, servers, **EACH, balance=balance)
    with connect(one) as client:
        assert len({ask(client, get()).body for _ in range(60)}) == seen


def test_each_request_goes_to_the_less_busy(relay, servers):
    """The connection that the client has is no load: it would end."""
    one = site(relay, {name: servers[name] for name in "ab"}, **EACH, balance="least_connections")
    with connect(one) as other, connect(one) as client:
        busy = ask(other, get()).body
        assert {ask(client, get()).body for _ in range(10)} == {b"a", b"b"} - {busy}


def test_each_request_when_a_server_goes(relay, servers):
    one = site(relay, servers, **EACH)
    with connect(one) as client:
        assert {ask(client, get()).body for _ in range(6)} == {b"a", b"b", b"c"}
        servers["a"].origin.stop()
        assert {ask(client, get()).body for _ in range(12)} == {b"b", b"c"}


def test_each_request_with_bodies(relay, servers):
    one = site(relay, servers, **EACH)
    with connect(one) as client:
        for i in range(12):
            assert ask(client, post(f"/{i}", b"x" * 5000 * i)).status == 200
    assert sorted(len(asked.body) for server in servers.values() for asked in server.asked) == [5000 * i for i in range(12)]


def test_without_it_a_client_stays(relay, servers):
    one = site(relay, servers, listener=HTTP, balance_each="connection")
    with connect(one) as client:
        assert len({ask(client, get()).body for _ in range(6)}) == 1


# The configuration


TCP_ALONE = "has no meaning without a listener of mode http that leads here"


@pytest.mark.parametrize("listener,options,complaint", [
    ("mode = tcp", "balance_each = request", f":3: upstream app: balance_each = request {TCP_ALONE}: others see no requests"),
    ("mode = tcp", f"balance = cookie cookie_key = {KEY}", f":3: upstream app: balance = cookie {TCP_ALONE}: others see no cookies"),
    ("mode = http", "cookie = x", ":3: upstream app: cookie has no meaning without balance = cookie"),
    ("mode = http", f"cookie_key = {KEY}", ":3: upstream app: cookie_key has no meaning without balance = cookie"),
    ("mode = http", "balance = cookie cookie_key = short", ":3: upstream app: cookie_key = short: must have at least 32 characters, "
     "as openssl rand -hex 32 makes it, or be credential:NAME"),
    ("mode = http", f'balance = cookie cookie = "a b" cookie_key = {KEY}', ":3: upstream app: cookie = a b: must be 1 to 64 letters, "
     "digits and signs that a cookie's name may have, such as \"-\" and \"_\""),
    ("mode = http", "balance_each = requests", ":3: upstream app: balance_each = requests: must be connection or request"),
])
def test_what_is_refused(tmp_path, listener, options, complaint):
    file = tmp_path / "relayd.conf"
    file.write_text(f"listener web {{ address = \":80\" upstream = app {listener} }}\nupstream app {{\n    {options}\n"
                    "    server a { address = \"127.0.0.1:81\" }\n}\n")
    done = once("-t", "-f", file)
    assert done.returncode == 78
    assert complaints(done)[0] == f"{file}{complaint}"


def test_one_listener_of_mode_http_is_enough(relay, servers):
    ports = [free_port(), free_port()]
    text = "".join(f'listener {mode} {{ address = "127.0.0.1:{port}" mode = {mode} upstream = app }}\n'
                   for mode, port in zip(("http", "tcp"), ports))
    text += "upstream app {\nbalance_each = request\n" + "".join(
        f'server {name} {{ address = "{server.address}" }}\n' for name, server in servers.items()) + "}\n"
    relay(text=text, address=f"127.0.0.1:{ports[0]}")
    for port, seen in zip(ports, (3, 1)):
        with connect(f"127.0.0.1:{port}") as client:
            assert len({ask(client, get()).body for _ in range(6)}) == seen
