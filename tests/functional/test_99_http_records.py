"""log_requests: one record a request, whoever has answered it."""

import json
import re
import threading

import pytest
from client import connect
from control import relayctl
from exposition import parse, values
from settings import DEADLINE, MIB, free_port, ms, until
from web import CLOSE, RESET, answer, answer_chunked, ask, get, head_of, post, post_chunked, proxy, read_answer, unescaped, web

REQUEST_ID = re.compile(r"[0-9a-f]{32}")


def fields_of(request):
    return {name.removeprefix("RELAYD_"): value for name, value in request.line.fields.items()}


def only(one):
    return one.wait_requests(1)[0]


def test_what_is_known_of_a_request(relay, origin):
    """Also how long it took, in an order that makes sense, and what servers know it as."""
    app = web(origin, lambda asked, peer: answer_chunked(b"0123456789", sizes=(3,)))
    one = proxy(relay, app)
    with connect(one) as client:
        assert ask(client, post_chunked("/a/b?c=d&e", b"1234567", sizes=(2,))).status == 200
        record = only(one)
    fields = fields_of(record)
    times = [int(fields.pop(f"{name}_USEC")) for name in ("HEAD", "FIRST_BYTE", "DURATION", "QUEUE", "DIAL")]
    assert times[0] + times[1] <= times[2] < 60_000_000
    assert 0 < times[4] and times[3] + times[4] <= times[1]
    dialled = one.record(client)
    assert times[3:] == [int(dialled.line.fields[f"RELAYD_{name}_USEC"]) for name in ("QUEUE", "DIAL")]
    name = fields.pop("REQUEST")
    assert REQUEST_ID.fullmatch(name) and app.asked[0]["X-Request-ID"] == name
    host, port = client.name.rsplit(":", 1)
    assert fields == {
        "CONN": "1", "LISTENER": "web", "CLIENT": client.name, "CLIENT_ADDRESS": host, "CLIENT_PORT": port,
        "METHOD": "POST", "HOST": "relay.test", "PATH": "/a/b?c=d&e", "STATUS": "200", "UPSTREAM": "app", "SERVER": "s0",
        "SERVER_ADDRESS": app.address, "REUSED": "no", "RETRIES": "0", "BYTES_UP": "7", "BYTES_DOWN": "10"}
    assert record.line.level == "info"
    assert record.line.text.startswith(f"Request POST relay.test/a/b?c=d&e from {client.name} to web at app/s0 ({app.address}) "
                                       "got 200. 7 bytes up, 10 bytes down; ")


@pytest.mark.parametrize("size", [0, 10, 100_000, 3 * MIB])
def test_bytes_of_bodies(relay, origin, size):
    """Of every framing and size, in pieces and in bulk; no heads, no chunk lines."""
    one = proxy(relay, web(origin, lambda asked, peer: answer(b"y" * size)))
    with connect(one) as client:
        for ask_with in (post, post_chunked):
            assert len(ask(client, ask_with("/", b"x" * size)).body) == size
        assert ask(client, get("/", method="HEAD"), "HEAD").status == 200
        records = one.wait_requests(3)
    assert [(record.bytes_up, record.bytes_down) for record in records] == [(size, size)] * 2 + [(0, 0)]


def test_each_request_of_a_connection_has_its_own(relay, origin):
    """Each with another name, in their order; whether their connection to the server was there before; the host as it is compared."""
    one = proxy(relay, web(origin))
    with connect(one) as client:
        client.send(b"".join(get(f"/{i}", host="Relay.TEST:80") for i in range(5)))
        for _ in range(5):
            assert read_answer(client).status == 200
        records = one.wait_requests(5)
    assert [record.path for record in records] == [f"/{i}" for i in range(5)]
    assert [record.reused for record in records] == ["no"] + ["yes"] * 4
    assert [fields_of(record)["DIAL_USEC"] != "0" for record in records] == [True] + [False] * 4
    assert [fields_of(record)["QUEUE_USEC"] for record in records[1:]] == ["0"] * 4
    assert len({record.request for record in records}) == 5
    assert {record.conn for record in records} == {1}
    assert {record.host.lower() for record in records} == {"relay.test"}


def test_routes_and_answers_of_relayd_itself(relay, origin):
    one = proxy(relay, {"app": web(origin), "rest": web(origin)}, upstream=None,
                routes={"relay.test/x/": {"upstream": "rest"}, "old.test": {"redirect": "https://new.test"}})
    with connect(one) as client:
        assert ask(client, get("/x/1")).status == 200
        assert ask(client, get("/1")).status == 404
        assert ask(client, get("/1", host="old.test")).status == 308
        records = one.wait_requests(3)
    seen = [(record.status, getattr(record, "route", ""), getattr(record, "upstream", "")) for record in records]
    assert seen == [(200, "relay.test/x/", "rest"), (404, "", ""), (308, "old.test", "")]
    assert not any(hasattr(record, "end") or hasattr(record, "server") for record in records[1:])
    assert "got 404 from relayd: no route has " in records[1].line.text


def test_requests_that_are_refused(relay, origin):
    """As far as they were understood."""
    one = proxy(relay, web(origin), max_body=5, head_timeout=ms(300))
    with connect(one) as client:
        assert ask(client, post("/large", b"123456")).status == 413
    with connect(one) as client:
        assert ask(client, b"GET /bad HTTP/1.1\r\nHost : relay.test\r\n\r\n").status == 400
    with connect(one) as client:
        assert ask(client, b"GET /slow HTTP/1.1\r\nHost:").status == 408
    records = one.wait_requests(3)
    records.sort(key=lambda record: -record.status)
    assert [(record.status, record.end, getattr(record, "path", None)) for record in records] == [
        (413, "LU", "/large"), (408, "TB", None), (400, "CB", "/bad")]
    assert all(record.line.level == "notice" and REQUEST_ID.fullmatch(record.request) for record in records)
    assert records[1].line.text.startswith("Request that was not understood from ")
    assert records[2].line.text.startswith("Request GET /bad from ")
    assert records[0].line.text.endswith("[LU]")


@pytest.mark.parametrize("sent, status, asked, why", [
    (b"\x01\x02\x03", 400, (None, None, None), "it does not begin with a method and a blank"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400, (None, None, None),
     "it begins as TLS does: its client speaks https where http is expected"),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\n\r\n", 400, ("PROXY", None, "TCP4"),
     "it begins with a PROXY header that is not expected (accept_proxy)"),
    (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 400, (None, None, None),
     "it begins with two empty lines, as a PROXY header of version 2 does (accept_proxy)"),
    (b"GET / HTTP/1.1\r\n\r\n", 400, ("GET", None, "/"), "it has no Host"),
    (b"GET /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400, ("GET", "a", "/a?b"),
     "it has more than one Content-Length"),
    (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 405, ("CONNECT", None, "a:1"), "its method is CONNECT"),
    (b"GET /%s HTTP/1.1\r\n" % (b"x" * 9000), 414, ("GET", None, None), "its target is longer than 8192 bytes"),
    (b"GET /much HTTP/1.1\r\nHost: a\r\nA: %s" % (b"x" * 20000), 431, ("GET", "a", "/much"), "its head is longer than 16384 bytes"),
    (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, ("GET", None, "/"), "its version is neither HTTP/1.0 nor HTTP/1.1"),
    (b"GET /x/..;/y HTTP/1.1\r\nHost: a\r\n\r\n", 400, ("GET", "a", "/x/..;/y"), "its path could be read in two ways, and goes by routes"),
    (b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n", 400, ("POST", "a", "/c"),
     "the chunks of its body are malformed"),
], ids=["garbage", "tls", "proxy 1", "proxy 2", "no host", "two lengths", "connect", "target", "head", "version", "path", "chunks"])
def test_why_a_request_is_refused(relay, origin, sent, status, asked, why):
    """The log says in words what is wrong, and of the request what was understood."""
    one = proxy(relay, {"app": web(origin), "b": web(origin)}, routes={"b.test/x/": {"upstream": "b"}})
    with connect(one) as client:
        client.send(sent)
        got = read_answer(client)
    assert got.status == status
    assert bool(got.all("allow")) == (status == 405)
    record = only(one)
    assert tuple(getattr(record, name, None) for name in ("method", "host", "path")) == asked
    assert unescaped(record.why) == why and f": {why}. " in record.line.text


@pytest.mark.parametrize("sent, why", [
    (b"HTTP/1.1 200 OK\r\nno colon: x\r\n\r\n", "a field of it has a blank before the colon"),
    (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", "it switches protocols, which nobody has asked for"),
    (b"HTTP/1.1 100 Continue\r\n\r\n" * 30, "it sends more 1xx than any server should"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n", "the chunks of its body are malformed"),
    (b"HTTP/1.1 200 OK\r\nA: %s" % (b"x" * 40000), "its head is longer than 16384 bytes"),
    (b"\x15\x03\x01\x00\x02\x02\x46",
     "it begins as TLS does: if the server speaks https at this port, its upstream needs a tls section"),
    (b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0d", "it begins as HTTP/2 does, which needs a listener with mode = tcp"),
    (b"HTTP/1.1 2", "it ended within the head of its answer"),
    (RESET, "Connection reset by peer"),
    (None, "Connection refused"),
], ids=["fields", "101", "100", "chunks", "head", "tls", "http2", "cut head", "reset", "refused"])
def test_why_a_server_fails(relay, origin, sent, why):
    end = (b"", RESET) if sent is RESET else (sent, CLOSE)
    app = f"127.0.0.1:{free_port()}" if sent is None else web(origin, lambda asked, peer: end)
    one = proxy(relay, app)
    with connect(one) as client:
        client.send(get("/a"))
        while (got := read_answer(client)).status == 100:
            pass
        assert got.status == 502
    record = only(one)
    assert unescaped(record.why) == why and f": {why}. " in record.line.text


def test_why_nothing_is_there(relay, origin):
    """Of a 404 of relayd's own, by which nothing ends."""
    one = proxy(relay, {"app": web(origin)}, upstream=None, routes={"b.test": {"upstream": "app"}})
    with connect(one) as client:
        assert ask(client, get("/x", host="a.test")).status == 404
        assert ask(client, get("/y", host="b.test")).status == 200
        lost, found = one.wait_requests(2)
    why = "no route has its host and path, and there is no upstream for the rest"
    assert unescaped(lost.why) == why and f"got 404 from relayd: {why}. " in lost.line.text
    assert getattr(found, "why", None) is None and " got 200. " in found.line.text


def test_what_is_not_a_request_has_no_record(relay, origin):
    one = proxy(relay, web(origin), keepalive_timeout=ms(200))
    with connect(one) as client:
        client.send(b"GET /cut HTTP/1.1\r\n")
    one.record(client)
    with connect(one) as client:
        assert ask(client, get("/")).status == 200
        client.read_end()
    one.record(client)
    assert [record.path for record in one.requests()] == ["/"]


def test_servers_that_fail(relay, origin):
    """No connection, no answer, late, cut in its body, or an error of their own."""
    def acts(asked, peer):
        return {"/none": (b"", CLOSE), "/own": answer(b"oops", "500 Oops"), "/late": None,
                "/cut": (head_of("200 OK", "Content-Length: 10") + b"12345", RESET)}[asked.target]
    app = web(origin, acts)
    one = proxy(relay, {"app": app, "gone": f"127.0.0.1:{free_port()}"}, routes={"gone.test": {"upstream": "gone"}},
                response_timeout=ms(500))
    wanted = {"/own": (500, None, 4), "/none": (502, "SW", 0), "/late": (504, "TW", 0), "/cut": (200, "SR", 5),
              "/refused": (502, "SD", 0)}
    for path, (status, end, size) in wanted.items():
        with connect(one) as client:
            client.send(get(path, host="gone.test") if path == "/refused" else post(path))
            if path == "/cut":
                client.read_end()
            else:
                assert read_answer(client).status == status
    records = one.wait_requests(len(wanted))
    assert {record.path: (record.status, getattr(record, "end", None), record.bytes_down) for record in records} == wanted
    assert {record.line.level for record in records} == {"notice"}
    assert [record.upstream for record in records if record.path == "/refused"] == ["gone"]


def test_a_client_that_leaves(relay, origin):
    app = web(origin, lambda asked, peer: None)
    one = proxy(relay, app)
    with connect(one) as client:
        client.send(get("/left"))
        app.wait_asked(1)
        client.reset()
    record = only(one)
    assert (record.path, record.end, hasattr(record, "status")) == ("/left", one.record(client).end, False)
    assert "got no answer" in record.line.text


def test_a_request_that_was_sent_again(relay, origin):
    def acts(asked, peer):
        return (b"", CLOSE) if asked.target == "/2" and len(app.asked) == 2 else answer(b"")
    app = web(origin, acts)
    one = proxy(relay, app)
    with connect(one) as client:
        assert ask(client, get("/1")).status == 200
        assert ask(client, get("/2")).status == 200
        records = one.wait_requests(2)
    assert [(record.path, record.retries, record.reused) for record in records] == [("/1", 0, "no"), ("/2", 1, "no")]


def test_an_early_answer(relay, origin):
    """What of the body had gone on until then is in its record."""
    one = proxy(relay, web(origin, lambda asked, peer: (answer(b"", "413 Large"), CLOSE), bodies=False))
    with connect(one) as client:
        client.send(get("/", "Content-Length: 1000", method="POST") + b"x" * 10)
        assert read_answer(client).status == 413
    record = only(one)
    assert (record.status, record.bytes_up) == (413, 10)


def test_an_upgrade_is_logged_when_it_is_made(relay, origin):
    one = proxy(relay, web(origin, lambda asked, peer: head_of(
        "101 Switching Protocols", "Connection: upgrade", "Upgrade: websocket")))
    with connect(one) as client:
        client.send(get("/ws", "Connection: upgrade", "Upgrade: websocket"))
        assert read_answer(client).status == 101
        assert only(one).status == 101


def test_long_paths_and_foreign_bytes(relay, origin):
    """2 KiB of a path are kept; nothing in it can forge a field."""
    one = proxy(relay, web(origin))
    path = "/" + "p" * 3000
    with connect(one) as client:
        assert ask(client, get(path)).status == 200
        assert ask(client, get("/?a\\x20b='RELAYD_END=XX'")).status == 200
        records = one.wait_requests(2)
    assert records[0].path == path[:2048]
    assert f"relay.test{path[:160]}... from" in records[0].line.text
    assert records[1].path == "/?a\\x20b='RELAYD_END=XX'" and not hasattr(records[1], "end")


def test_many_long_paths_at_once(relay, origin):
    """They take two places of the log's ring each."""
    one = proxy(relay, web(origin))
    count = 60
    with connect(one) as client:
        client.send(b"".join(get("/" + str(i) + "p" * (1900 if i % 3 else 1)) for i in range(count)))
        for _ in range(count):
            assert read_answer(client).status == 200
        records = one.wait_requests(count)
    assert [int(re.match(r"/(\d+)p", record.path)[1]) for record in records] == list(range(count))


@pytest.mark.parametrize("which, wanted", [
    ("all", ["/slow", "/fast", "/fail"]), ("failed", ["/fail"]), ("slow:300ms", ["/slow", "/fail"]), ("none", [])])
def test_which_are_logged(relay, origin, which, wanted):
    def acts(asked, peer):
        if asked.target == "/slow":
            peer.is_silent(0.4)
        return answer(b"", "503 No" if asked.target == "/fail" else "200 OK")
    one = proxy(relay, web(origin, acts), top=f'log_requests = "{which}"')
    with connect(one) as client:
        for path in ("/slow", "/fast", "/fail"):
            ask(client, get(path))
    one.record(client)
    assert [record.path for record in one.requests()] == wanted


def test_a_reload_changes_what_is_logged(relay, origin):
    app = web(origin)
    one = proxy(relay, app, top="log_requests = none")
    with connect(one) as client:
        with connect(one) as other:
            assert ask(other, get("/1")).status == 200
        one.record(other)   # it is over, and so is its request
        one.reload(text=one.file.read_text().replace("log_requests = none", "log_requests = all"))
        assert ask(client, get("/2")).status == 200
        assert [record.path for record in one.wait_requests(1)] == ["/2"]


@pytest.mark.parametrize("which, level", [("/ok", "info"), ("/no", "notice")])
def test_what_is_more_than_the_log_takes_is_counted(relay, origin, which, level):
    one = proxy(relay, web(origin, lambda asked, peer: answer(b"", "200 OK" if asked.target == "/ok" else "500 No")))
    count, batch = 4000, 200
    with connect(one) as client:
        for _ in range(count // batch):
            client.send(get(which) * batch)
            for _ in range(batch):
                read_answer(client)
    one.record(client)
    one.term()
    one.wait_exit()
    more = [line for line in one.all_lines() if "more requests" in line.text]
    assert len(one.requests()) + sum(int(line.fields["RELAYD_COUNT"]) for line in more) == count
    assert {line.level for line in more} <= {level}
    assert all("to web." in line.text and ("that failed" in line.text) == (level == "notice") for line in more)


def test_metrics_of_requests(relay, origin, short_path):
    """By the status that the client got and by who gave it; each once, also one that was cut off, and one that was sent again."""
    at = str(short_path / "control.sock")

    def acts(asked, peer):
        if asked.target == "/cut":
            return head_of("200 OK", "Content-Length: 10"), RESET
        if asked.target == "/again" and len(app.asked) == 4:
            return b"", CLOSE
        return answer(b"", {"/304": "304 Not Modified", "/500": "500 No"}.get(asked.target, "200 OK"))
    app = web(origin, acts)
    one = proxy(relay, app, top=f'control = "{at}"\nlog_requests = none', max_body=5)
    with connect(one) as client:
        for path, status in (("/1", 200), ("/304", 304), ("/500", 500), ("/again", 200)):
            assert ask(client, get(path)).status == status
        client.send(get("/cut")).read_end()
    with connect(one) as client:
        assert ask(client, post("/large", b"123456")).status == 413
    with connect(one) as client:
        assert ask(client, b"GET\r\n\r\n").status == 400
    one.wait_records(3)
    found = values(parse(relayctl("-s", at, "metrics")))
    assert {labels: count for labels, count in found.items() if labels.startswith("relayd_listener_requests")} == {
        f'relayd_listener_requests_total{{listener="web",code="{code}xx",by="{by}"}}':
        {(2, "server"): 3, (3, "server"): 1, (5, "server"): 1, (4, "relayd"): 2}.get((code, by), 0)
        for code in range(1, 6) for by in ("server", "relayd")}
    assert found["relayd_requests_again_total"] == 1


@pytest.mark.parametrize("which", ["all", "none"])
def test_the_request_under_way_is_shown_to_operators(relay, origin, short_path, which):
    """Without its query; nothing between two requests, nor in mode tcp."""
    at, go = str(short_path / "control.sock"), threading.Event()

    def waits(asked, peer):
        assert go.wait(DEADLINE)
        return answer(b"")
    app = web(origin, waits)
    one = proxy(relay, app, top=f'control = "{at}"\nlog_requests = {which}')

    def shown():
        return [found["request"] for found in json.loads(relayctl("-s", at, "--json", "connections"))]
    with connect(one) as client:
        for path in ("/a/b?token=x", "/" + "p" * 2000):
            go.clear()
            client.send(get(path, method="DELETE"))
            until(lambda: app.targets[-1:] == [path], "the request")
            assert shown() == [f"DELETE relay.test{path.partition('?')[0]}"[:511]]
            go.set()
            assert read_answer(client).status == 200
            until(lambda: shown() == [None], "nothing under way")
