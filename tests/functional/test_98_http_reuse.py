"""reuse = proven: a connection to a server goes from one client to the next, if it has proved itself, and never to two."""

import concurrent.futures
import threading

import pytest

from client import connect
from settings import secs, until
from web import CLOSE, RESET, answer, answer_chunked, ask, get, head_of, post, post_chunked, proxy, read_answer, text_of, told, web

ONE = get("/one")


def shares(relay, app, **options):
    return proxy(relay, app, **{"reuse": "proven", **options})


def visit(one, *requests, leave=True, methods=("GET",) * 9):
    """A client with these requests, one after the other, that leaves then, or whose last one says close, and is seen off. The
    statuses."""
    with connect(one) as client:
        statuses = [ask(client, request, method).status for request, method in zip(requests, methods)]
        if leave:
            client.shut()
        client.read_end()
    return statuses


def prove(one, app):
    """A client that asks twice and leaves: its connection is the others' from now on. Its number."""
    visit(one, get("/prove"), get("/prove"))
    return app.asked[-1].connection


# What goes on


def test_a_proven_one_goes_on_to_other_clients(relay, origin):
    app = web(origin)
    one = shares(relay, app)
    first = prove(one, app)
    for _ in range(5):
        assert visit(one, ONE) == [200]
        assert app.asked[-1].connection == first
    assert app.connections == 1


def test_so_it_does_where_the_client_says_close(relay, origin):
    """Such a client never waits: its connection is free once it has its answer."""
    app = web(origin)
    one = shares(relay, app)
    visit(one, ONE, get("/last", "Connection: close"), leave=False)
    for _ in range(5):
        assert visit(one, get("/", "Connection: close"), leave=False) == [200]
    assert app.connections == 1
    assert "close" not in [asked["Connection"] for asked in app.asked]


def test_private_is_the_default(relay, origin):
    app = web(origin)
    one = proxy(relay, app)
    prove(one, app)
    visit(one, ONE)
    assert app.connections == 2


def test_one_exchange_proves_nothing(relay, origin):
    app = web(origin)
    one = shares(relay, app)
    visit(one, ONE)
    visit(one, ONE)
    assert app.connections == 2


def test_two_at_once_never_have_the_same(relay, origin):
    gate = threading.Event()

    def slow(asked, peer):
        if asked.target == "/slow":
            gate.wait(secs(20))
        return told(asked)
    app = web(origin, slow)
    one = shares(relay, app)
    first = prove(one, app)
    with connect(one) as client:
        client.send(get("/slow"))
        until(lambda: app.targets[-1] == "/slow", "it is asked")
        assert app.asked[-1].connection == first
        visit(one, ONE)
        assert app.asked[-1].connection != first
        gate.set()
        assert read_answer(client).status == 200


@pytest.mark.parametrize("request_", [post("/", b"x"), post_chunked("/", b"x"), post("/", b""), get("/", method="PATCH"),
                                      post("/", b"x", method="PUT")], ids=["post", "chunked", "empty", "patch", "put"])
def test_only_for_what_may_be_sent_again(relay, origin, request_):
    """Idempotent and without a body; afterwards it is this client's, for whatever it asks."""
    app = web(origin)
    one = shares(relay, app)
    first = prove(one, app)
    visit(one, request_)
    assert app.asked[-1].connection != first
    visit(one, ONE, request_)
    assert [asked.connection for asked in app.asked[-2:]] == [first, first]


def test_another_route_with_the_same_upstream_has_it_another_listener_has_not(relay, origin):
    app = web(origin)
    one = proxy(relay, {"app": app}, reuse="proven", routes={"a.test": {"upstream": "app"}, "b.test": {"upstream": "app"}})
    visit(one, get("/", host="a.test"), get("/", host="a.test"))
    visit(one, get("/", host="b.test"))
    assert app.connections == 1


def test_other_upstreams_have_their_own(relay, origin):
    a, b = web(origin), web(origin)
    one = proxy(relay, {"a": a, "b": b}, reuse="proven", routes={"b.test": {"upstream": "b"}})
    visit(one, *(get("/", host=host) for host in ("a.test", "a.test", "b.test", "b.test")))
    visit(one, get("/", host="a.test"), get("/", host="b.test"))
    assert (a.connections, b.connections) == (1, 1)


def test_the_request_is_logged_as_reused(relay, origin):
    app = web(origin)
    one = shares(relay, app, log_requests=None)
    prove(one, app)
    visit(one, ONE)
    until(lambda: one.log.count("GET relay.test/one") == 1, "it is logged")
    line, = [line for line in one.wait_log("GET relay.test/one") if "/one" in line.text]
    assert line.fields["RELAYD_REUSED"] == "yes"


# What stays with its client


def scripted(*answers):
    """The answers by number of the request on its connection; the last one goes on."""
    def answers_of(asked, peer):
        what = answers[min(asked.number, len(answers) - 1)]
        return what(asked, peer) if callable(what) else what
    return answers_of


@pytest.mark.parametrize("what", [
    answer(b"x", "401 Unauthorized", "WWW-Authenticate: NTLM"),
    answer(b"x", "401 Unauthorized", "www-authenticate: Basic realm=x, negotiate abc="),
    answer(b"x", "200 OK", "Proxy-Support: Session-Based-Authentication"),
    answer(b"x", "200 OK", "Connection: close"),
    answer(b"x", version="1.0"),
    answer(b"", "200 OK", "Connection: keep-alive", version="1.0"),
    answer(b"x") + b"HTTP/1.1 200 OK\r\n",
    (head_of("200 OK", "Connection: close") + b"x", CLOSE),
], ids=["ntlm", "negotiate", "proxy-support", "close", "1.0", "1.0-keep-alive", "more", "until-end"])
def test_an_answer_that_binds_it(relay, origin, what):
    app = web(origin, scripted(answer(b"1"), what, answer(b"3")))
    one = shares(relay, app)
    with connect(one) as client:
        for _ in range(2):
            ask(client, ONE)
        client.shut()
        client.read_end()
    first = app.asked[-1].connection
    visit(one, ONE)
    assert app.asked[-1].connection != first


@pytest.mark.parametrize("line", ["Authorization: NTLM TlRMTVNTUAABAAAA", "Authorization: Negotiate YII=",
                                  "authorization: ntlm x"])
def test_a_request_that_binds_it(relay, origin, line):
    app = web(origin)
    one = shares(relay, app)
    visit(one, ONE, get("/", line), ONE, ONE)
    visit(one, ONE)
    assert app.connections == 2


@pytest.mark.parametrize("line", ["Content-Length: 5", "Transfer-Encoding: chunked"], ids=["length", "chunks"])
def test_a_head_that_announces_a_body(relay, origin, line):
    """If its server sends it all the same, it must not be another client's answer."""
    app = web(origin, lambda asked, peer: head_of("200 OK", line))
    one = shares(relay, app)
    head = get("/", method="HEAD")
    visit(one, head, head, head, methods=("HEAD",) * 3)
    visit(one, head, methods=("HEAD",))
    assert app.connections == 2


def test_an_early_answer_binds_it(relay, origin):
    def early(asked, peer):
        return answer(b"no", "413 Too Large") if asked.method == "POST" else told(asked)
    app = web(origin, early, bodies=False)
    one = shares(relay, app)
    with connect(one) as client:
        ask(client, ONE)
        ask(client, ONE)
        client.send(get("/", "Content-Length: 1000000", method="POST"))
        assert read_answer(client).status == 413
    visit(one, ONE)
    assert app.connections == 2


def test_what_the_server_sends_late_is_nobodys_answer(relay, origin):
    """Bytes that come while it is idle: it is closed, and the next client is answered over another."""
    late, sent = threading.Event(), threading.Event()

    def evil(asked, peer):
        if asked.connection == 0 and asked.number == 1:
            peer.send(answer(b"2"))
            late.wait(secs(20))
            peer.send(answer(b"poison"))
            sent.set()
            return b""
        return told(asked)
    app = web(origin, evil)
    one = shares(relay, app)
    visit(one, ONE, ONE)
    late.set()
    assert sent.wait(secs(20))
    for _ in range(3):
        with connect(one) as client:
            assert ask(client, get("/good")).body == b"GET /good\n"


@pytest.mark.parametrize("how", [CLOSE, RESET])
def test_one_that_has_ended_costs_nobody_an_error(relay, origin, how):
    """The server ends it as it gets idle, or as the next request comes."""
    def ends(asked, peer):
        if how == CLOSE and asked.number == 1:
            return told(asked), CLOSE
        return (b"", RESET) if how == RESET and asked.number == 2 else told(asked)
    app = web(origin, ends)
    one = shares(relay, app)
    for _ in range(5):
        assert visit(one, ONE, ONE) == [200, 200]
        assert visit(one, ONE) == [200]


def test_a_server_that_is_told_the_client_is_told_each(relay, origin):
    app = web(origin, wrap=lambda script: lambda peer: (peer.read_to(b"\r\n"), script(peer)))
    one = shares(relay, app, of_upstreams="send_proxy = v1")
    visit(one, ONE, ONE)
    visit(one, ONE)
    assert app.connections == 2


def test_a_reload_closes_them(relay, origin):
    app = web(origin)
    one = shares(relay, app)
    first = prove(one, app)
    one.reload(text=text_of(one.address, {"app": app}, reuse="proven"))
    assert app.wait_end(first) == "eof"
    visit(one, ONE)
    assert app.connections == 2


def test_an_idle_one_is_closed_after_a_while(relay, origin):
    app = web(origin)
    one = shares(relay, app)
    first = prove(one, app)
    assert app.wait_end(first) == "eof"


def test_a_stop_closes_them(relay, origin):
    app = web(origin)
    one = shares(relay, app)
    first = prove(one, app)
    one.term()
    assert app.wait_end(first) == "eof"


# Balancing, crowds


def test_each_server_has_its_share(relay, origin):
    servers = [web(origin) for _ in range(3)]
    one = proxy(relay, {"app": servers}, reuse="proven")
    for _ in range(6):
        visit(one, ONE, ONE)
    before = [len(server.asked) for server in servers]
    for _ in range(30):
        visit(one, get("/", "Connection: close"), leave=False)
    assert [len(server.asked) - n for server, n in zip(servers, before)] == [10, 10, 10]


def test_a_crowd_gets_each_its_own(relay, origin):
    """Each answer names its request: no client ever gets another's, however they come and go."""
    app = web(origin, lambda asked, peer: answer(asked.target.encode()) if asked.connection % 3 else
              answer_chunked(asked.target.encode(), sizes=(3,)))
    one = shares(relay, app)

    def come_and_go(who):
        for turn in range(25):
            with connect(one) as client:
                for number in range(turn % 4 + 1):
                    target = f"/{who}/{turn}/{number}"
                    assert ask(client, get(target)).body == target.encode()
                if turn % 5 == 0:
                    client.reset()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        list(pool.map(come_and_go, range(12)))
    assert app.connections < len(app.asked) / 3
