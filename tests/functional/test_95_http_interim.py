"""Mode http: answers 1xx, bodies that wait for 100, and answers that come before the body has."""

import time

import pytest
from client import connect
from origin import pattern
from peer import EOF, Uploader
from settings import MIB, SANITIZER, secs
from web import CLOSE, RESET, answer, ask, chunked, get, head_of, post, proxy, read_answer, web

EARLY = "103 Early Hints"
EXPECT = "Expect: 100-continue"


@pytest.mark.parametrize("count", [1, 10])
def test_interim_answers_are_passed(relay, origin, count):
    def hints(asked, peer):
        for i in range(count):
            peer.send(head_of(EARLY, f"Link: </{i}>"))
        return answer(b"done")
    app = web(origin, hints)
    one = proxy(relay, app, set_response=["X-Mine: 1"])
    with connect(one) as client:
        for _ in range(2):
            client.send(get())
            for i in range(count):
                got = read_answer(client)
                assert (got.status, got["Link"], got["X-Mine"]) == (103, f"</{i}>", None)
            got = read_answer(client)
            assert (got.body, got["X-Mine"]) == (b"done", "1")
    assert app.connections == 1


def test_at_once_before_the_answer(relay, origin):
    """A hint is worth something only before the answer."""
    def slow(asked, peer):
        peer.send(head_of(EARLY, "Link: </a>"))
        assert peer.recv(1) == b"", "the client has left meanwhile"
        return b"", CLOSE
    one = proxy(relay, web(origin, slow))
    with connect(one) as client:
        assert ask(client, get()).status == 103


def test_more_than_ten_are_too_many(relay, origin):
    one = proxy(relay, web(origin, lambda asked, peer: head_of(EARLY) * 11 + answer(b"x")))
    with connect(one) as client:
        client.send(get())
        statuses = []
        while not statuses or statuses[-1] < 200:
            statuses.append(read_answer(client).status)
        assert statuses == [103] * 10 + [502]
        assert client.read_end() == (b"", EOF)


def test_a_client_of_1_0_gets_none(relay, origin):
    one = proxy(relay, web(origin, lambda asked, peer: head_of(EARLY) + answer(b"x")))
    with connect(one) as client:
        assert ask(client, get(version="1.0")).body == b"x"


def test_a_hint_in_two_pieces(relay, origin):
    data = head_of(EARLY, "Link: </a>") + answer(b"x")

    def split(asked, peer):
        for at in range(len(data)):
            peer.send(data[at:at + 1])
    one = proxy(relay, web(origin, split))
    with connect(one) as client:
        for _ in range(2):
            assert ask(client, get()).status == 103
            assert read_answer(client).body == b"x"


def test_101_without_being_asked_for(relay, origin):
    one = proxy(relay, web(origin, lambda asked, peer: head_of("101 Switching Protocols", "Upgrade: x", "Connection: upgrade")))
    with connect(one) as client:
        assert ask(client, get()).status == 502
        assert client.read_end() == (b"", EOF)


# 100


@pytest.mark.parametrize("body, framing", [(b"12345", ["Content-Length: 5"]), (chunked(b"12345", 2), ["Transfer-Encoding: chunked"])])
def test_100_lets_the_body_go(relay, origin, body, framing):
    def wait(asked, peer):
        assert asked["Expect"] == "100-continue"
        assert not peer.pending and peer.is_silent(0.05)   # nothing of the body before
        peer.send(head_of("100 Continue"))
        app.read_body(peer, asked)
        return answer(asked.body)
    app = web(origin, wait, bodies=False)
    one = proxy(relay, app)
    with connect(one) as client:
        for _ in range(3):
            client.send(get("/", EXPECT, *framing, method="POST"))
            got = read_answer(client)
            assert got.status == 100
            assert ask(client, body).body == b"12345"
    assert app.connections == 1


def test_a_body_that_does_not_wait_for_it(relay, origin):
    """The client sends head and body at once; the server still gets the body only after its 100."""
    def wait(asked, peer):
        assert not peer.pending and peer.is_silent(0.05)
        peer.send(head_of("100 Continue"))
        app.read_body(peer, asked)
        return answer(asked.body)
    app = web(origin, wait, bodies=False)
    one = proxy(relay, app)
    with connect(one) as client:
        client.send(2 * post("/", b"12345", EXPECT) + get("/next", method="HEAD"))
        for _ in range(2):   # the 100 of one is none of the next
            assert read_answer(client).status == 100
            assert read_answer(client).body == b"12345"


def test_a_100_that_does_not_come(relay, origin):
    """After a second the body goes all the same."""
    def never(asked, peer):
        began = time.monotonic()
        app.read_body(peer, asked)
        waited.append(time.monotonic() - began)
        return answer(asked.body)
    waited = []
    app = web(origin, never, bodies=False)
    one = proxy(relay, app)
    with connect(one) as client:
        assert ask(client, post("/", b"12345", EXPECT)).body == b"12345"
        assert ask(client, get("/", method="HEAD"), "HEAD").status == 200
    assert 0.7 < waited[0] < secs(5)


def test_a_100_that_comes_late(relay, origin):
    """Behind the body that has gone without it: it is passed on, and disturbs nothing."""
    def late(asked, peer):
        app.read_body(peer, asked)
        return head_of("100 Continue") + answer(asked.body)
    app = web(origin, late, bodies=False)
    one = proxy(relay, app)
    with connect(one) as client:
        for _ in range(2):
            assert ask(client, post("/", b"12345", EXPECT)).status == 100
            assert read_answer(client).body == b"12345"


@pytest.mark.parametrize("status", ["417 Expectation Failed", "413 Content Too Large", "401 Unauthorized"])
@pytest.mark.parametrize("how", [None, CLOSE])
def test_a_body_that_is_refused(relay, origin, status, how):
    """The body does not go on."""
    app = web(origin, lambda asked, peer: (answer(b"no", status), how), bodies=False)
    one = proxy(relay, app)
    with connect(one) as client:
        got = ask(client, get("/", EXPECT, "Content-Length: 1000", method="PUT"))
        assert (got.status, got.body, got["Connection"]) == (int(status[:3]), b"no", "close")
        assert client.read_end() == (b"", EOF)
    assert app.wait_end() in ("eof", RESET)
    assert app.bytes.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("data", [get("/", EXPECT), get("/", EXPECT, "Content-Length: 0", method="POST")])
def test_without_a_body_there_is_nothing_to_wait_for(relay, origin, data):
    app = web(origin)
    one = proxy(relay, app)
    with connect(one) as client:
        assert ask(client, data).status == 200
        assert ask(client, data).status == 200
    assert app.asked[0]["Expect"] is None


def test_a_client_of_1_0_expects_nothing(relay, origin):
    app = web(origin)
    one = proxy(relay, app)
    with connect(one) as client:
        assert ask(client, post("/", b"12", EXPECT, version="1.0")).body == b"POST /\n12"
    assert app.asked[0]["Expect"] is None


# Early answers


def upload(client, framing):
    """An upload without an end."""
    if framing == "length":
        client.send(get("/up", "Content-Length: 1000000000", method="POST"))
        return Uploader(client, pause=0.001)
    client.send(get("/up", "Transfer-Encoding: chunked", method="POST"))
    return Uploader(client, b"4000\r\n" + b"u" * 16384 + b"\r\n", pause=0.001)


@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("how", [None, CLOSE])
def test_an_answer_before_the_end_of_the_body(relay, origin, framing, how):
    """It is passed on whole, then the client gets its end, whether the server reads on, or closes."""
    def early(asked, peer):
        peer.recv(MIB)
        return answer(pattern(100_000), "413 Content Too Large"), how
    app = web(origin, early, bodies=False)
    one = proxy(relay, app, linger_timeout="500ms")
    with connect(one) as client:
        uploader = upload(client, framing)
        got = read_answer(client)
        assert got.status == 413 and got.body == pattern(100_000) and got["Connection"] == "close"
        client.ending()
        uploader.stop()
    assert one.record(client).end in ("SE", "SX", "SL", "SR")


def test_an_answer_to_the_head_alone(relay, origin):
    """The client has not sent a byte of its body yet."""
    app = web(origin, lambda asked, peer: answer(b"no", "401 Unauthorized"), bodies=False)
    one = proxy(relay, app)
    with connect(one) as client:
        got = ask(client, get("/", "Content-Length: 5", method="POST"))
        assert (got.status, got["Connection"]) == (401, "close")
        client.send(b"12345" + get("/never"))
        assert client.read_end() == (b"", EOF)
    assert "/never" not in app.targets
    assert b"never" not in app.bytes


@pytest.mark.parametrize("size", [1, 5000, 200_000])
def test_an_answer_right_behind_the_body_does_not_close(relay, origin, size):
    """However fast the server is."""
    app = web(origin, lambda asked, peer: answer(b"x"))
    one = proxy(relay, app)
    count = 20 if SANITIZER else 200
    with connect(one) as client:
        for i in range(count):
            got = ask(client, post(f"/{i}", b"b" * size))
            assert (got.body, got["Connection"]) == (b"x", None), i
    assert app.connections == 1
