"""reuse = proven against those who mean harm: nothing that one client does, or its server, is ever seen by another; and TLS
to servers, whose connections go on, too."""

import os
import signal
import threading

import pytest

from client import connect
from control import relayctl
from test_98_http_reuse import ONE, prove, shares, visit
from settings import free_port, secs, until
from tls import Site, over_tls
from web import CLOSE, answer, ask, get, head_of, post, post_chunked, proxy, read_answer, text_of, told, web

# Requests that a server understands in another way


def test_a_body_that_the_server_does_not_read(relay, origin):
    """It takes that for the beginning of the next request, which must not be another client's."""
    app = web(origin, lambda asked, peer: told(asked), bodies=False)
    one = shares(relay, app)
    visit(one, ONE, ONE, post("/deaf", b"GET /smuggled HTTP/1.1\r\nX: "))
    before = len(app.asked)
    with connect(one) as client:
        assert ask(client, get("/victim", "Cookie: secret")).body == b"GET /victim\n"
    assert [asked.target for asked in app.asked[before:]] == ["/victim"]
    assert app.connections == 2


@pytest.mark.parametrize("request_", [post("/", b"x"), post_chunked("/", b"x"), get("/", method="PATCH"),
                                      get("/", "Connection: upgrade", "Upgrade: websocket")],
                         ids=["post", "chunked", "patch", "upgrade"])
def test_a_request_that_could_not_go_over_a_shared_one_binds_it(relay, origin, request_):
    app = web(origin)
    one = shares(relay, app)
    visit(one, ONE, request_, ONE, ONE)
    visit(one, ONE)
    assert app.connections == 2


def test_a_login_that_is_sent_again_binds_the_other_one_too(relay, origin):
    """Its connection is ended as the request comes: the new one has been logged in."""
    def ends(asked, peer):
        return (b"", CLOSE) if asked.connection == 0 and asked["Authorization"] else told(asked)
    app = web(origin, ends)
    one = shares(relay, app)
    visit(one, ONE, get("/mine", "Authorization: Negotiate YII="), ONE, ONE)
    assert [asked.connection for asked in app.asked] == [0, 0, 1, 1, 1]
    visit(one, get("/theirs"))
    assert app.asked[-1].connection == 2


# Servers that are taken out


@pytest.mark.parametrize("on_down", ["keep", "reset"])
def test_an_operator_takes_the_server_out(relay, origin, at, on_down):
    """What was idle then does not come back with the server."""
    app, other = web(origin), web(origin)
    one = proxy(relay, {"app": [app, other]}, reuse="proven", of_upstreams=f"on_down = {on_down}", top=f'control = "{at}"')
    for _ in range(2):
        visit(one, ONE, ONE)
    until(lambda: app.connections == other.connections == 1, "each has one")
    for order in "down", "ready":
        relayctl("-s", at, order, "app/s0")
    for _ in range(2):
        visit(one, ONE)
    assert app.wait_end() == "eof" and app.connections == 2


# TLS to servers


def secure(relay, origin, folder, *answers, **options):
    site = Site(folder, "localhost")
    context = site.server_context()
    app = web(origin, *answers, wrap=lambda script: over_tls(context, script))
    return app, proxy(relay, {"app": f"localhost:{app.port}"}, of_upstreams=f'tls {{ ca = "{site.ca}" }}', reuse="proven",
                      **options)


def test_over_tls_it_goes_on_too(relay, origin, tmp_path):
    app, one = secure(relay, origin, tmp_path)
    prove(one, app)
    for _ in range(5):
        visit(one, ONE)
        visit(one, get("/", "Connection: close"), leave=False)
    assert app.connections == 1


def test_a_busy_one_goes_on_without_its_haste(relay, origin, tmp_path):
    """Reads of a busy connection over TLS end by themselves; those of the next client wait for a server that takes its time."""
    def slow(asked, peer):
        if asked.target == "/slow":
            peer.send(head_of("200 OK", "Content-Length: 4") + b"sl")
            threading.Event().wait(1.5)
            return b"ow"
        return told(asked)
    app, one = secure(relay, origin, tmp_path, slow)
    visit(one, *[ONE] * 40, methods=["GET"] * 40)
    with connect(one) as client:
        assert ask(client, get("/slow")).body == b"slow"
    assert app.connections == 1


def test_what_comes_late_over_tls_is_nobodys_answer(relay, origin, tmp_path):
    late, sent = threading.Event(), threading.Event()

    def evil(asked, peer):
        if asked.connection == 0 and asked.number == 1:
            peer.send(answer(b"2"))
            late.wait(secs(20))
            peer.send(answer(b"poison"))
            sent.set()
            return b""
        return told(asked)
    app, one = secure(relay, origin, tmp_path, evil)
    visit(one, ONE, ONE)
    late.set()
    assert sent.wait(secs(20))
    for _ in range(3):
        with connect(one) as client:
            assert ask(client, get("/good")).body == b"GET /good\n"


def test_part_of_a_record_stays_with_who_has_read_it(revived, keeper, origin, tmp_path):
    """With a keeper it may be off the socket, which is silent then. Whoever had the rest would take it for a record."""
    def torn(asked, peer):
        if asked.number > 0 and asked.target == "/one":
            peer.send(told(asked))
            os.write(peer.sock.fileno(), b"\x17\x03\x03")
            return b""
        return told(asked)
    app, one = secure(revived, origin, tmp_path, torn, top=f'keeper = "{keeper.path}"')
    visit(one, ONE, ONE)
    for _ in range(3):
        before = app.connections
        visit(one, get("/mine"), ONE)
        assert app.targets[-2:] == ["/mine", "/one"] and app.connections == before + 1
    assert app.targets.count("/mine") == 3


# Bodies of responses


@pytest.mark.parametrize("size", [0, 1, 32767, 32768, 1_000_003])
def test_not_a_byte_of_one_is_left_for_the_next(relay, origin, size):
    app = web(origin, lambda asked, peer: answer(asked.target[-1:].encode() * size))
    one = shares(relay, app)
    for number in range(10):
        with connect(one) as client:
            for _ in range(2):
                assert ask(client, get(f"/{number}")).body == b"%d" % number * size
            client.shut()
            client.read_end()
    assert app.connections == 1


def test_clients_that_go_within_a_body(relay, origin):
    """What was for them is read by nobody."""
    app = web(origin, lambda asked, peer: answer(asked.target.encode() * 100_000))
    one = shares(relay, app)
    prove(one, app)
    for number in range(10):
        client = connect(one).send(get(f"/gone/{number}"))
        assert client.read(100)
        client.reset()
        with connect(one) as client:
            target = f"/mine/{number}"
            assert ask(client, get(target)).body == target.encode() * 100_000


def test_a_late_100_is_nobodys(relay, origin):
    late, sent = threading.Event(), threading.Event()

    def evil(asked, peer):
        if asked.connection == 0 and asked.number == 1:
            peer.send(answer(b"2"))
            late.wait(secs(20))
            peer.send(head_of("103 Early Hints", "Link: </theirs>"))
            sent.set()
            return b""
        return told(asked)
    app = web(origin, evil)
    one = shares(relay, app)
    visit(one, ONE, ONE)
    late.set()
    assert sent.wait(secs(20))
    with connect(one) as client:
        client.send(get("/mine"))
        assert read_answer(client).status == 200


# Restarts


def test_a_restart_while_one_over_tls_is_between_requests(revived, keeper, origin, tmp_path):
    """Its reader waits for records: it parks as others do."""
    site = Site(tmp_path, "localhost")
    context = site.server_context()
    app = web(origin, wrap=lambda script: over_tls(context, script))
    address = f"127.0.0.1:{free_port()}"
    one = revived(address=address, text=text_of(address, {"app": f"localhost:{app.port}"}, reuse="proven",
                                                top=f'keeper = "{keeper.path}"\non_term = leave',
                                                of_upstreams=f'tls {{ ca = "{site.ca}" }}'))
    with connect(one) as client:
        for life in range(3):
            assert [ask(client, ONE).status for _ in range(3)] == [200] * 3
            one.crash(signal.SIGTERM)
            assert one.wait_adopted(life + 1)[-1] == (1, 0)
        client.shut()
        client.read_end()
