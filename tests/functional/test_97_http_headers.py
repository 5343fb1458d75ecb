"""Mode http: fields that are passed, set, added and taken off, on the way to servers and back."""

import pytest
from client import connect
from peer import EOF
from tls import Site, https
from web import answer, ask, get, head_of, post, proxy, read_answer, web


def seen(relay, origin, *fields, data=None, **options):
    """A request as the server gets it."""
    app = web(origin, lambda asked, peer: answer(b"x"))
    one = proxy(relay, app, **options)
    with connect(one) as client:
        assert ask(client, data or get("/", *fields)).status == 200
        assert ask(client, get("/next")).status == 200
    return app.asked[0]


def test_what_is_not_relayds_is_passed_as_it_is(relay, origin):
    fields = [("Accept", "*/*"), ("X-Empty", ""), ("X-Odd", "a\tb  c"), ("X-Latin", "\xe4\xff"), ("Cookie", "a=b"), ("cookie", "c=d"),
              ("traceparent", "00-x"), ("AUTHORIZATION", "Basic eA=="), ("X-Two", "1"), ("X-Two", "2"), ("Accept-Encoding", "gzip"),
              ("If-None-Match", '"x"'), ("Range", "bytes=0-1"), ("X_Under_score", "y")]
    app = web(origin, lambda asked, peer: answer(b"x"))
    one = proxy(relay, app)
    with connect(one) as client:
        head = "GET / HTTP/1.1\r\nHost: Relay.Test\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
        assert ask(client, head.encode("latin-1")).status == 200
    assert app.asked[0].fields[:len(fields) + 1] == [("Host", "Relay.Test"), *fields]


def test_what_servers_are_told_of_the_client(relay, origin):
    asked = seen(relay, origin, "X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.test",
                 "X-Real-IP: 6.6.6.6", "X-Request-ID: mine", "Forwarded: for=6.6.6.6", "x-forwarded-for: 7.7.7.7")
    assert (asked["X-Forwarded-For"], asked["X-Forwarded-Proto"], asked["X-Forwarded-Host"], asked["X-Real-IP"]) == (
        "127.0.0.1", "http", "relay.test", "127.0.0.1")
    assert asked["Forwarded"] is None
    assert len(asked["X-Request-ID"]) >= 16 and asked["X-Request-ID"] != "mine"


@pytest.mark.parametrize("name", ["X_Forwarded_For", "X-Forwarded_For", "X_Real_IP", "x_request-id", "Content_Length",
                                  "Transfer_Encoding", "X_Forwarded_Proto", "X-Forwarded_Host"])
def test_names_that_servers_may_take_for_ours(relay, origin, name):
    """CGI makes both HTTP_X_FORWARDED_FOR."""
    asked = seen(relay, origin, f"{name}: 6")
    assert not asked.all(name)


def test_a_trusted_proxy_is_believed(relay, origin):
    asked = seen(relay, origin, "X-Forwarded-For: 6.6.6.6, 10.0.0.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: front.test",
                 "X-Request-ID: theirs", trusted_proxies=["127.0.0.0/8", "10.0.0.0/8"])
    assert asked["X-Forwarded-For"] == "6.6.6.6, 10.0.0.1, 127.0.0.1"
    assert (asked["X-Forwarded-Proto"], asked["X-Forwarded-Host"], asked["X-Real-IP"], asked["X-Request-ID"]) == (
        "https", "front.test", "6.6.6.6", "theirs")


def test_a_trusted_proxy_that_says_nothing(relay, origin):
    asked = seen(relay, origin, trusted_proxies=["127.0.0.0/8"])
    assert (asked["X-Forwarded-For"], asked["X-Forwarded-Proto"], asked["X-Forwarded-Host"], asked["X-Real-IP"]) == (
        "127.0.0.1", "http", "relay.test", "127.0.0.1")
    assert asked["X-Request-ID"]


def test_forwarded_and_via(relay, origin):
    asked = seen(relay, origin, "Via: 1.0 fred", forwarded=True, via=True, request_id=False)
    assert asked["Forwarded"] == 'for=127.0.0.1;proto=http;host="relay.test"'
    assert asked.all("Via") == ["1.0 fred", "1.1 relayd"]
    assert asked["X-Request-ID"] is None


def test_each_request_has_an_id_of_its_own(relay, origin):
    app = web(origin)
    one = proxy(relay, app)
    for _ in range(5):
        with connect(one) as client:
            for _ in range(20):
                ask(client, get())
    assert len({asked["X-Request-ID"] for asked in app.asked}) == 100


def test_fields_of_the_connection_are_taken_off(relay, origin):
    asked = seen(relay, origin, "Connection: close, X-Mine, x-other", "X-Mine: 1", "X-Other: 2", "X-Kept: 3",
                 data=get("/", "Connection: X-Mine, x-other", "X-Mine: 1", "X-OTHER: 2", "X-Kept: 3", "Keep-Alive: timeout=5",
                          "Proxy-Connection: keep-alive", "TE: trailers", "Trailer: X", "Upgrade: foo"))
    for name in ("X-Mine", "X-Other", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade", "Connection"):
        assert not asked.all(name), name
    assert asked["X-Kept"] == "3"


def test_fields_of_the_servers_connection_are_taken_off(relay, origin):
    app = web(origin, lambda asked, peer: answer(b"x", "200 OK", "Connection: keep-alive, X-Mine", "X-Mine: 1", "Keep-Alive: timeout=5",
                                                 "Proxy-Connection: keep-alive", "X-Kept: 3", "Set-Cookie: a", "Set-Cookie: b"))
    one = proxy(relay, app)
    with connect(one) as client:
        got = ask(client, get())
        for name in ("Connection", "X-Mine", "Keep-Alive", "Proxy-Connection"):
            assert not got.all(name), name
        assert got["X-Kept"] == "3" and got.all("Set-Cookie") == ["a", "b"]


def test_edits_of_requests(relay, origin):
    app = web(origin, lambda asked, peer: answer(b"x"))
    one = proxy(relay, app, set_request=["X-Set: new", "Host: inside.test"], add_request=["X-Add: more"], remove_request=["X-Gone"],
                routes={"/r/": {"upstream": "app", "set_request": ["X-Set: route"], "remove_request": ["X-Forwarded-For"]}})
    with connect(one) as client:
        for target in ("/", "/r/"):
            assert ask(client, get(target, "x-set: old", "X-Set: older", "X-Add: some", "X-GONE: 1")).status == 200
    first, second = app.asked
    assert (first.all("X-Set"), first.all("X-Add"), first.all("X-Gone"), first.all("Host")) == (
        ["new"], ["some", "more"], [], ["inside.test"])
    assert first["X-Forwarded-Host"] == "relay.test"
    assert second.all("X-Set") == ["route"] and second["X-Forwarded-For"] is None


def test_edits_of_answers(relay, origin):
    def answers(asked, peer):
        return answer(b"x", "200 OK", "Server: old", "X-Powered-By: y", "Vary: a")
    one = proxy(relay, web(origin, answers), set_response=["Server: new"], add_response=["Vary: b"], remove_response=["X-Powered-By"])
    with connect(one) as client:
        for _ in range(2):
            got = ask(client, get())
            assert (got.all("Server"), got.all("Vary"), got.all("X-Powered-By")) == (["new"], ["a", "b"], [])


def test_hsts_over_tls_alone(relay, origin, tmp_path):
    app = web(origin, lambda asked, peer: answer(b"x", "200 OK", "Strict-Transport-Security: max-age=1"))
    plain = proxy(relay, app, hsts="1h")
    with connect(plain) as client:
        assert ask(client, get()).all("Strict-Transport-Security") == ["max-age=1"]
    site = Site(tmp_path)
    one = https(relay, site, app, mode="http", hsts="1h")
    with site.connect(one) as client:
        assert ask(client, get()).all("Strict-Transport-Security") == ["max-age=3600"]
    assert [asked["X-Forwarded-Proto"] for asked in app.asked] == ["http", "https"]


def test_the_reason_is_passed(relay, origin):
    lines = ["200 Fine", "299 ", "404 Not Found Here", "599 \xe4"]
    app = web(origin, lambda asked, peer: head_of(lines[int(asked.target[1:])], "Content-Length: 0").decode().encode("latin-1"))
    one = proxy(relay, app)
    with connect(one) as client:
        for number, line in enumerate(lines):
            got = ask(client, get(f"/{number}"))
            assert f"{got.status} {got.reason}" == line


def test_a_status_line_without_a_reason(relay, origin):
    one = proxy(relay, web(origin, lambda asked, peer: b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx"))
    with connect(one) as client:
        client.send(get())
        assert client.read_to(b"\r\n") in (b"HTTP/1.1 200 \r\n", b"HTTP/1.1 502 Bad Gateway\r\n")


def test_99_fields_and_100(relay, origin):
    """As many as may be, both ways."""
    fields = [f"X-{i}: {i}" for i in range(99)]
    app = web(origin, lambda asked, peer: answer(b"x", "200 OK", *fields))
    one = proxy(relay, app)
    with connect(one) as client:
        for _ in range(2):
            got = ask(client, get("/", *fields))
            assert got["X-98"] == "98"
    assert app.asked[0]["X-98"] == "98" and app.asked[0]["X-Forwarded-For"]


def test_a_head_of_16_kib(relay, origin):
    """Just, and one byte more, in one piece and behind another."""
    app = web(origin, lambda asked, peer: answer(b"x"))
    one = proxy(relay, app)

    def head(size):
        data = get("/", "X: ")
        fields = ["X: " + "x" * 1000] * 15
        data = get("/", *fields, "Y: ")
        return data[:-4] + b"y" * (size - len(data)) + data[-4:]
    with connect(one) as client:
        for _ in range(3):
            assert ask(client, head(16384)).status == 200
        client.send(head(16384) + head(16384) + head(16385))
        assert read_answer(client).status == read_answer(client).status == 200
        assert read_answer(client).status == 431
        assert client.read_end() == (b"", EOF)
    assert len(app.asked) == 5


def test_options_for_all(relay, origin):
    app = web(origin, lambda asked, peer: answer(asked.target.encode()))
    one = proxy(relay, app, routes={"/a/": {"upstream": "app"}})
    with connect(one) as client:
        assert ask(client, get("*", method="OPTIONS")).body == b"*"
        assert ask(client, post("/a/", b"1", method="OPTIONS")).body == b"/a/"


@pytest.mark.parametrize("target, host, seen_as", [
    ("http://a.test/x?y", "a.test", "/x?y"), ("HTTP://A.test/x", "a.test", "/x"), ("http://a.test", "a.test", "/"),
    ("http://a.test?q", "a.test", "/?q"), ("https://a.test:444/x", "a.test:444", "/x")])
def test_absolute_targets(relay, origin, target, host, seen_as):
    app = web(origin)
    one = proxy(relay, app)
    with connect(one) as client:
        assert ask(client, get(target, host=host)).status == 200
    assert app.targets == [seen_as] and app.asked[0]["Host"] == host
