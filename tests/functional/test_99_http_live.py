"""What operators see of requests: relayctl tail by request, and metrics."""

import contextlib
import json
import re

import pytest
from client import connect
from control import Following, asked, relayctl
from exposition import parse, values
from settings import until
from test_52_live import listens
from web import CLOSE, RESET, answer, ask, get, head_of, post, proxy, read_answer, web


def take(stream, count):
    """The next lines of a stream: each is a chunk of its own, or some are one."""
    found, line = [], b""
    while len(found) < count:
        line += stream.recv(1)
        if line.endswith(b"\n"):
            if line.startswith(b"{"):
                found.append(json.loads(line))
            line = b""
    return found


def by_path(asked_, peer):
    """/404/... is answered by 404."""
    return answer(b"", {"404": "404 No", "503": "503 No", "304": "304 Not Modified"}.get(asked_.target.split("/")[1], "200 OK"))


def site(relay, origin, at, requests="none", **options):
    return proxy(relay, {"app": web(origin, by_path), "rest": web(origin, by_path)}, top=f'control = "{at}"\nlog_requests = {requests}',
                 routes={"relay.test/x/": {"upstream": "rest"}}, **options)


ASKED = [("GET", "relay.test", "/x/1"), ("POST", "relay.test", "/404/2"), ("GET", "other.test", "/503/3"), ("GET", "relay.test", "/4?x/")]


def ask_all(client):
    for method, host, path in ASKED:
        ask(client, get(path, "Content-Length: 0", host=host, method=method) if method == "POST" else get(path, host=host))


@pytest.mark.parametrize("words, wanted", [
    ("of=requests", [0, 1, 2, 3]), ("status=404", [1]), ("status=5xx", [2]), ("status=4XX", [1]), ("status=1xx", []), ("path=/x", [0]),
    ("path=/", [0, 1, 2, 3]), ("path=/4%3Fx", [3]), ("path=x/", []), ("host=OTHER.test", [2]), ("host=other", []), ("method=post", [1]),
    ("route=relay.test/x/", [0]), ("route=relay.test", []), ("failed=yes&of=requests", [2]), ("status=2xx&method=GET&path=/4", [3]),
    ("server=rest/s0&of=requests", [0]), ("listener=none&of=requests", []), ("client=127.0.0.1&of=requests", [0, 1, 2, 3])])
@pytest.mark.parametrize("requests", ["none", "all"])
def test_tail_by_request(relay, origin, at, words, wanted, requests):
    """Those that match, whatever the journal gets; each once, and no other before one that matches all of them, too."""
    one = site(relay, origin, at, requests)
    with listens(at, f"/tail?{words}") as tail, listens(at, "/tail?path=/last") as end, connect(one) as client:
        ask_all(client)
        ask(client, get("/last"))
        assert [line["path"] for line in take(end, 1)] == ["/last"]   # so the others were there before
        found = [line["path"] for line in take(tail, len(wanted))]
        assert found == [ASKED[i][2] for i in wanted]
        tail.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            rest = tail.recv(65536)
            assert rest.count(b"{") == rest.count(b'"path":"/last"'), rest


def test_tail_is_of_connections_unless_it_is_asked(relay, origin, at):
    one = site(relay, origin, at)
    with listens(at) as plain, listens(at, "/tail?of=all") as both, listens(at, "/events") as events:
        with connect(one) as client:
            ask(client, get("/1"))
        assert "request" not in take(plain, 1)[0]
        seen = take(both, 2)
        assert sorted("request" in line for line in seen) == [False, True]
        one.hup()
        while "Reloaded" not in (line := take(events, 1)[0])["message"]:
            assert "request" not in line


@pytest.mark.parametrize("words, said", [
    ("status=600x", "must be a status, as 404, or a class of them, as 5xx"), ("status=xx", "must be a status"), ("status=", "must be a status"),
    ("status=5x", "must be a status"), ("of=request", "must be connections, requests or all"),
    ("of=connections&status=404", "are of requests"), ("path=" + "/" * 300, "must not be longer than 255 bytes")])
def test_filters_that_are_none(relay, origin, at, words, said):
    site(relay, origin, at)
    status, _, body = asked(at, f"/tail?{words}")
    assert status == 400 and said in body


def test_connections_are_not_killed_by_a_request(relay, origin, at):
    """A filter that says nothing of connections would leave all of them."""
    one = site(relay, origin, at)
    with connect(one) as client:
        ask(client, get("/1"))
        assert asked(at, "/kill?client=127.0.0.1&status=5xx", method="POST", fields="Content-Length: 0\r\n")[0] == 400
        ask(client, get("/2"))


def test_tail_for_people(relay, origin, at):
    one = site(relay, origin, at)
    tail = Following(at, "tail", "of=requests")
    try:
        with connect(one) as client:
            until(lambda: ask(client, get("/x/1")).status == 200 and not tail.lines.empty(), "a line: it listens")
            first = tail.line()
            ask(client, get("/404/last"))
            while "/404/last" not in (last := tail.line()):
                pass
        assert re.fullmatch(rf"[0-9:.]+ {client.name} -> web -> rest/s0  GET relay.test/x/1  200  0 bytes up, 0 bytes down  .+", first), first
        assert "app/s0  GET relay.test/404/last  404  " in last
    finally:
        tail.interrupt()


# Metrics


def found_in(at):
    return values(parse(relayctl("-s", at, "metrics")))


def test_metrics_by_route_and_server(relay, origin, at):
    """By the status; the names of routes and servers alone; they go on over a reload that moves a route."""
    app, rest = web(origin, by_path), web(origin, by_path)
    routes = {"relay.test/x/": {"upstream": "rest"}, "old.test": {"redirect": "https://new.test"}}
    one = proxy(relay, {"app": app, "rest": rest}, top=f'control = "{at}"', routes=routes)
    with connect(one) as client:
        for path, host in (("/x/1", "relay.test"), ("/x/2", "relay.test"), ("/404/", "relay.test"), ("/503/", "other.test"), ("/", "old.test")):
            ask(client, get(path, host=host))

        def shown(name):
            return {key: count for key, count in found_in(at).items() if key.startswith(f"relayd_{name}_total") and count > 0}
        of_routes = {'relayd_route_requests_total{listener="web",route="relay.test/x/",code="2xx"}': 2,
                     'relayd_route_requests_total{listener="web",route="old.test",code="3xx"}': 1}
        of_servers = {f'relayd_server_requests_total{{upstream="{up}",server="s0",address="{server.address}",code="{code}"}}': count
                      for up, server, code, count in (("rest", rest, "2xx", 2), ("app", app, "4xx", 1), ("app", app, "5xx", 1))}
        assert shown("route_requests") == of_routes
        assert shown("server_requests") == of_servers
        text = one.file.read_text()
        route = next(line for line in text.splitlines() if "relay.test/x/" in line)
        new = '    route "first.test" { upstream = app }'
        one.reload(text=text.replace(route + "\n", new + "\n").replace("}\nupstream", route + "\n}\nupstream", 1))
        assert shown("route_requests") == of_routes and shown("server_requests") == of_servers
        ask(client, get("/x/3"))
        ask(client, get("/", host="first.test"))
        of_routes['relayd_route_requests_total{listener="web",route="relay.test/x/",code="2xx"}'] += 1
        of_routes['relayd_route_requests_total{listener="web",route="first.test",code="2xx"}'] = 1
        assert shown("route_requests") == of_routes


def test_times_of_requests(relay, origin, at):
    """Each request is in the histogram of its listener once, also one that was refused, cut or upgraded; first bytes are of those
    that a server has answered, by listener and upstream. They lie in the bucket that is theirs, and add up."""
    def acts(asked_, peer):
        if asked_.target == "/slow":
            peer.is_silent(0.3)
        return {"/cut": (head_of("200 OK", "Content-Length: 10"), RESET), "/none": (b"", CLOSE),
                "/ws": head_of("101 Switching Protocols", "Connection: upgrade", "Upgrade: websocket")}.get(asked_.target, answer(b"x"))
    one = proxy(relay, {"app": web(origin, acts), "rest": web(origin, acts)}, top=f'control = "{at}"\nlog_requests = none', max_body=5,
                routes={"rest.test": {"upstream": "rest"}})
    with connect(one) as client:
        for _ in range(10):
            ask(client, get("/"))
        ask(client, get("/slow", host="rest.test"))
    for data in (get("/cut"), post("/none"), post("/large", b"123456"), b"GET\r\n\r\n"):
        with connect(one) as client:
            client.send(data)
            client.read_end()
    with connect(one) as client:
        client.send(get("/ws", "Connection: upgrade", "Upgrade: websocket"))
        assert read_answer(client).status == 101
        one.wait_records(5)
        found = found_in(at)

    def count(name, label, most="+Inf"):
        return found[f'relayd_{name}_seconds_bucket{{{label},le="{most}"}}']
    assert count("listener_request", 'listener="web"') == found['relayd_listener_request_seconds_count{listener="web"}'] == 16
    assert count("listener_request", 'listener="web"', "0.2") == 15
    assert count("listener_first_byte", 'listener="web"') == 13
    assert count("upstream_first_byte", 'upstream="app"') == 12
    assert (count("upstream_first_byte", 'upstream="rest"'), count("upstream_first_byte", 'upstream="rest"', "0.2")) == (1, 0)
    assert 0.3 <= found['relayd_upstream_first_byte_seconds_sum{upstream="rest"}'] <= found['relayd_listener_request_seconds_sum{listener="web"}']


def test_relays_of_bytes_have_no_metrics_of_requests(relay, origin, at):
    """No names without a meaning."""
    relay(web(origin), control=at)
    found = found_in(at)
    assert not [key for key in found if re.match("relayd_(route_|server_|listener_)(request|first_byte)", key)]


def test_openmetrics(relay, origin, at):
    one = site(relay, origin, at)
    with connect(one) as client:
        ask_all(client)
    _, _, body = asked(at, "/metrics", fields="Accept: application/openmetrics-text\r\n")
    found = values(parse(body, openly=True))
    assert found['relayd_route_requests_total{listener="web",route="relay.test/x/",code="2xx"}'] == 1
