"""Health checks: who is up, why not, and what becomes of connections."""

import socket
import time

import pytest

from client import connect, refused_in_http
from fleet import Named, site
from origin import echo, sends
from peer import EOF, RESET, elapsed, request, response
from settings import free_port, ms, secs, until
from test_43_servers import answers

QUICK = {"interval": ms(50), "timeout": ms(300), "rise": 2, "fall": 2}


def test_a_dead_server_is_found_before_a_client_is(relay, origin):
    dead = f"127.0.0.1:{free_port()}"
    one = site(relay, {"x": dead, "a": origin(sends(b"a"))}, check={"interval": "1h"})
    line = one.wait_log("Server app/x .* is down")[0]
    assert line.level == "warning" and line.about == ("app", "x", dead, "down")
    assert "connect: Connection refused. 1 of 2 addresses of app are usable" in line.text
    assert answers(one, 5) == {"a": 5}
    assert all(record.dial_usec < secs(1) * 1e6 for record in one.wait_records(5))


def test_down_and_up_again(relay, server, origin):
    named = server(Named, name="b")
    one = site(relay, {"b": named, "a": origin(sends(b"a"))}, check=QUICK)
    named.kill()
    _, took = elapsed(lambda: one.wait_log("app/b .* is down: connect: Connection refused"))
    assert took < secs(2)
    assert answers(one, 4) == {"a": 4}
    named.again()
    line = one.wait_log("app/b .* is up: 2 checks in a row succeeded. 2 of 2 addresses")[0]
    assert line.level == "notice" and line.about == ("app", "b", named.address, "up")


@pytest.mark.parametrize("path, reason", [
    ("/down", "status 503, expected 200-399"),
])
def test_a_status_that_is_not_expected(relay, server, path, reason):
    named = server(Named, name="b")
    one = site(relay, {"b": named}, check={**QUICK, "type": "http", "path": path}, listener={"mode": "http"})
    one.wait_log(f"app/b .* is down: {reason}")
    one.wait_log("error No server of upstream app can be reached")
    with connect(one) as client:
        refused_in_http(client.send(request()), 503)
    assert one.record(client).end == "HD"


def test_what_is_expected_can_be_said(relay, server):
    named = server(Named, name="b")
    one = site(relay, {"b": named}, check={**QUICK, "type": "http", "path": "/down", "expect": "503"})
    with connect(one) as client:
        assert client.get("/").body == b"b"
    assert "is down" not in one.log


def sends_to_requests(data, ends=True):
    """A server that answers so."""
    def script(peer):
        peer.read_head()
        peer.send(data)
        if ends:
            peer.shut()
        return peer.ending()
    return script


@pytest.mark.parametrize("script, reason", [
    (lambda peer: peer.send(b"220 mail ESMTP\r\n"), "the answer is not HTTP"),
    (lambda peer: peer.send(b"H" * 100000), "the answer is not HTTP"),
    (lambda peer: peer.read_head(), "the connection was closed before an answer"),
    (lambda peer: peer.read_end(), "no answer in"),
    (lambda peer: peer.send(b"HTTP/1.1 2") and peer.read_end(), "no answer in"),
    (lambda peer: peer.reset(), "(receive|send|connect): Connection reset by peer|connection was closed"),
])
def test_answers_that_are_none(relay, origin, script, reason):
    one = site(relay, {"b": origin(script)}, check={**QUICK, "type": "http", "timeout": ms(100)})
    one.wait_log(f"app/b .* is down: ({reason})")


def test_a_server_that_knows_no_proxy_header(relay, server):
    """nginx calls it a bad request."""
    one = site(relay, {"b": server(Named, name="b")}, check={**QUICK, "type": "http"}, send_proxy="v1")
    one.wait_log(r"app/b .* is down: status 400, expected 200-399; perhaps it does not take the PROXY header \(send_proxy = v1\)")


def test_a_server_that_wants_a_proxy_header(relay, origin):
    behind = relay(text=f'''listener web {{ address = "127.0.0.1:{(port := free_port())}" upstream = app
accept_proxy = any proxy_from = "127.0.0.1" }}
upstream app {{ server a {{ address = "{origin(sends(response(b"a"))).address}" }} }}
''', address=f"127.0.0.1:{port}", ready=False)
    behind.wait_log("Listener web takes connections")
    one = site(relay, {"b": f"127.0.0.1:{port}"}, check={**QUICK, "type": "http"})
    one.wait_log(r"app/b .* is down: .*; perhaps it wants a PROXY header \(send_proxy\), or TLS \(a tls section\)")


PAGE = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


@pytest.mark.parametrize("pieces", [
    [PAGE + b"Content-Length: 200000\r\n\r\n"] + [b"x" * 20000] * 10,
    [PAGE + b"\r\n"] + [b"x" * 2000] * 20,
    [PAGE + b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\nok\r\n", b"0\r\n\r\n"],
    [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", PAGE + b"Content-Length: 2\r\n\r\n", b"ok"],
    [b"HTTP/1.1 100 Continue\r\n\r\n" * 3, b"HTTP/1.1 102 x\r\n\r\n" + PAGE + b"\r\n"],
    [PAGE + b"X: " + b"x" * 65000 + b"\r\n\r\n"],
], ids=["long", "until the end", "chunked", "early hints", "interim", "a long head"])
def test_a_good_answer_is_read_to_its_end(relay, origin, pieces):
    """And the server sees an end, not a reset."""
    def script(peer):
        peer.read_head()
        for piece in pieces:
            peer.send(piece)
            time.sleep(0.002)
        peer.shut()
        return peer.ending()
    asked = origin(script)
    one = site(relay, {"b": asked}, check={**QUICK, "interval": ms(500), "type": "http", "timeout": ms(5000)})
    assert [asked.result() for _ in range(3)] == [EOF] * 3
    assert "is down" not in one.log


def test_a_connection_alone_ends_in_order(relay, origin):
    """Of a server that greets whoever comes."""
    def script(peer):
        for _ in range(3):
            peer.send(b"220 mail.example ESMTP\r\n")
            time.sleep(0.002)
        return peer.ending()
    asked = origin(script)
    one = site(relay, {"b": asked}, check=QUICK)
    assert [asked.result() for _ in range(3)] == [EOF] * 3
    assert "is down" not in one.log


@pytest.mark.parametrize("head, reason", [
    (b"HTTP/1.1 103 x\r\n\r\n" * 8000, "the answer has more than 10 interim ones before it"),
    (b"HTTP/1.1 200 OK\r\n", "the connection was closed in the middle of the answer"),
    (PAGE, "the connection was closed in the middle of the answer"),
    (b"HTTP/1.1 103 x\r\n\r\nHTTP/1.1 500 x\r\n\r\n", "status 500"),
    (b"HTTP/1.1 101 x\r\n\r\n", "status 101"),
], ids=["many heads", "cut", "cut in its fields", "interim, then 500", "101"])
def test_heads_that_are_none(relay, origin, head, reason):
    one = site(relay, {"b": origin(lambda peer: peer.read_head() and peer.send(head))},
               check={**QUICK, "type": "http", "timeout": "5s"})
    one.wait_log(f"app/b .* is down: {reason}")


#: Answers that a client of mode http never sees: it gets 502. Why the check fails, and its status.
MALFORMED = {
    "a long field": (PAGE + b"X: " + b"x" * 140000 + b"\r\n\r\n", "its head is longer than 16384 bytes"),
    "many fields": (PAGE + b"X: y\r\n" * 25000, "it has more than 100 fields"),
    "bare LF": (PAGE.replace(b"\r\n", b"\n") + b"\n", "a line of it ends with a bare LF"),
    "a blank before a colon": (PAGE + b"X : y\r\n\r\n", "a field of it has a blank before the colon"),
    "folding": (PAGE + b"X: y\r\n z\r\n\r\n", "a line of it begins with a blank .folding."),
    "a length twice": (PAGE + b"Content-Length: 0\r\n" * 2 + b"\r\n", "it has more than one Content-Length"),
    "a length and chunks": (PAGE + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "it has both"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_mode_http_refuses_fails_there(relay, origin, name):
    """Who asks is told why. (A client would get 502.) Where bytes are relayed, clients see the answer as it is: its status counts."""
    head, reason = MALFORMED[name]
    script = sends_to_requests(head)
    check = {**QUICK, "type": "http", "timeout": "5s"}
    one = site(relay, {"b": origin(script)}, check=check, listener={"mode": "http"})
    one.wait_log(f"app/b .* is down: the answer is malformed: {reason}")
    with connect(one) as client:
        refused_in_http(client.send(request()), 503)
    asked = origin(script)
    one = site(relay, {"b": asked}, check=check)
    until(lambda: asked.accepted > 3, "checks have come")
    assert "is down" not in one.log


def test_the_status_still_counts_where_bytes_are_relayed(relay, origin):
    one = site(relay, {"b": origin(sends_to_requests(b"HTTP/1.1 503 no\n\n"))}, check={**QUICK, "type": "http"})
    one.wait_log("app/b .* is down: status 503, expected 200-399")


def test_a_reload_to_mode_http_judges_anew(relay, origin):
    """The same checks, the same server, and a listener in mode http from now on: by a route, too."""
    asked = origin(sends_to_requests(MALFORMED["bare LF"][0]))
    one = site(relay, {"b": asked}, check={**QUICK, "type": "http"})
    until(lambda: asked.accepted > 3, "checks have come")
    assert "is down" not in one.log
    text = one.file.read_text()
    one.write_conf(text=text.replace("upstream = app\n", 'mode = http route "a.test" { upstream = app }\n', 1))
    assert one.hup() == ""
    one.wait_log("app/b .* is down: the answer is malformed: a line of it ends with a bare LF")


def test_a_check_ends_with_the_last_chunk(relay, origin):
    """A server that keeps its connection open has the next check on time, and an end in order."""
    asked = origin(sends_to_requests(PAGE + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", ends=False))
    one = site(relay, {"b": asked}, check={**QUICK, "type": "http", "timeout": "20s"})
    assert [asked.result() for _ in range(3)] == [EOF] * 3
    assert "is down" not in one.log


def test_the_request(relay, origin):
    asked = []

    def script(peer):
        asked.append(peer.read_head())
        peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    site(relay, {"b": origin(script)}, check={**QUICK, "type": "http", "path": "/live?a=1", "host": "app.example"})
    until(lambda: asked, "a check has come")
    head = asked[0] if isinstance(asked[0], bytes) else str(asked[0]).encode()
    assert b"/live?a=1" in head and b"app.example" in head


def test_a_slow_server_delays_no_other_check(relay, origin, full_origin):
    good = origin(lambda peer: peer.read_end())
    one = site(relay, {"x": full_origin, "a": good}, check={"interval": ms(50), "timeout": "20s"})
    until(lambda: good.accepted >= 10, "the good one is checked all the time")
    assert "is down" not in one.log


def test_live_connections_stay_or_are_reset(relay, origin):
    for on_down, ending in (("keep", EOF), ("reset", RESET)):
        port = free_port()
        first = origin(echo, port=port)
        one = site(relay, {"b": f"127.0.0.1:{port}"}, check=QUICK, on_down=on_down)
        client = connect(one)
        assert client.send(b"x").read(1) == b"x"
        first.socket.close()   # it takes no more; the connection lives
        with socket.socket() as nobody:   # and nobody else takes the port
            nobody.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.wait_log("app/b .* is down")
            if ending == RESET:
                assert client.read_end() == (b"", RESET)
                assert one.record(client).end == "HR"
            else:
                assert client.send(b"y").read(1) == b"y"
        client.close()
        one.finish()


def test_the_status_line_says_who_is_down(relay, origin):
    dead = f"127.0.0.1:{free_port()}"
    one = site(relay, {"x": dead, "a": origin(sends(b"a"))}, check={"interval": "1h"})
    one.wait_log("app/x .* is down")
    until(lambda: (one.read_notified() or True) and "1 of 2 addresses of app are usable (app/x" in one.status,
          "the status line")
    assert "connect: Connection refused" in one.status


def test_a_flapping_server_is_held_down(relay, server, origin):
    named = server(Named, name="b")
    one = site(relay, {"b": named, "a": origin(sends(b"a"))},
               check={"interval": ms(20), "timeout": ms(500), "rise": 1, "fall": 1})
    for number in range(1, 4):
        named.kill()
        one.wait_log("app/b .* is down", number)
        named.again()
        if number < 3:
            one.wait_log("app/b .* is up", number)
    one.wait_log("app/b .* goes up and down again and again: it stays down until 2 checks in a row succeed")
    one.wait_log("app/b .* is up: 2 checks in a row succeeded")


def test_a_slow_start(relay, server, origin):
    """Right after its return a server gets about a tenth of its share."""
    named = server(Named, name="b")
    one = site(relay, {"b": named, "a": origin(lambda peer: peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"))},
               check=QUICK, slow_start="1h")
    named.kill()
    one.wait_log("app/b .* is down")
    named.again()
    one.wait_log("app/b .* is up")
    found = []
    for _ in range(44):
        with connect(one) as client:
            found.append(client.get("/").body)
    assert found.count(b"b") == 4


def test_a_reload_keeps_a_server_down_and_can_end_checks(relay, origin):
    dead = f"127.0.0.1:{free_port()}"
    servers = {"x": dead, "a": origin(sends(b"a"))}
    one = site(relay, servers, check={"interval": "1h"})
    one.wait_log("app/x .* is down")
    one.write_conf(text=one.file.read_text() + "# changed\n")
    assert one.hup() == ""
    assert answers(one, 4) == {"a": 4}
    assert len(one.wait_log("is down")) == 1   # said once
    text = one.file.read_text()
    one.write_conf(text=text[:text.index("health_check")] + "}\n")
    assert one.hup() == ""
    answers(one, 6)
    one.wait_log("app/x .* is taken out")   # dialled again


def reload(one):
    one.write_conf(text=one.file.read_text() + "# changed\n")
    assert one.hup() == ""


class Asked:
    """An HTTP server that answers checks with the next status of what is due, then with 200; others with its name."""

    def __init__(self, origin):
        self.checks = 0
        self.due = []
        self.fails = False
        self.origin = origin(self.script)
        self.address = self.origin.address

    def script(self, peer):
        check = peer.read_head()[1].get("user-agent") == "relayd"
        status = (self.due.pop(0) if self.due else 500 if self.fails else 200) if check else 200
        self.checks += check
        peer.send(b"HTTP/1.1 %d x\r\nContent-Length: 1\r\nConnection: close\r\n\r\na" % status)

    def wait_checks(self, more):
        before = self.checks
        until(lambda: self.checks >= before + more, "checks have come", pause=0.001)


def test_checks_in_a_row_are_counted_over_reloads(relay, origin):
    """Two bad checks of fall = 3 and a reload after each; the third, then; and the same for rise."""
    asked = Asked(origin)
    one = site(relay, {"a": asked}, check={"type": "http", "interval": ms(100), "timeout": "5s", "rise": 2, "fall": 3})
    asked.wait_checks(2)
    for _ in range(3):
        asked.due = [500]
        reload(one)
        asked.wait_checks(3)   # the bad one and two good ones
    assert "is down" not in one.log
    asked.fails = True
    before = asked.checks
    for _ in range(2):
        asked.wait_checks(1)
        reload(one)
    one.wait_log("app/a .* is down: status 500")
    assert asked.checks - before <= 6   # not three after each reload
    asked.fails = False
    reload(one)
    one.wait_log("app/a .* is up: 2 checks in a row succeeded")


def test_a_server_that_flaps_is_held_down_over_reloads(relay, origin):
    asked = Asked(origin)
    one = site(relay, {"a": asked}, check={"type": "http", "interval": ms(20), "timeout": "5s", "rise": 1, "fall": 1})
    for number in range(1, 5):
        asked.fails = True
        one.wait_log("app/a .* is down", number)
        if number < 4:
            asked.fails = False
            one.wait_log("app/a .* is up", number)
    reload(one)
    asked.fails = False
    one.wait_log("app/a .* is up: 4 checks in a row succeeded")


def test_recovery_after_a_reload_is_told(relay, origin):
    """Found by checks, and by a dial."""
    for check in (QUICK, None):
        port = free_port()
        one = site(relay, {"a": f"127.0.0.1:{port}"}, check=check, listener={"mode": "http"},
                   max_fails=1, fail_timeout=ms(100))
        if check is None:
            with connect(one) as client:
                refused_in_http(client.send(request()), 502)
        one.wait_log("No server of upstream app can be reached")
        reload(one)
        server = origin(sends(response(b"a")), port=port)
        if check is None:
            def served():
                with connect(one) as client:
                    return client.get("/").status == 200
            until(served, "a dial finds it")
        one.wait_log("Upstream app can be reached again")
        assert len(one.wait_log("No server of upstream app can be reached")) == 1
        one.finish()
        server.stop()


def test_a_refused_reload_does_not_touch_servers(relay, server):
    """Its checks are not begun: what they would find says nothing of the configuration in force."""
    named = server(Named, name="b")
    one = site(relay, {"b": named}, check={**QUICK, "type": "http", "path": "/"})
    with connect(one) as client:
        assert client.get("/").body == b"b"
    text = one.file.read_text()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for _ in range(10):
            one.write_conf(text=text.replace('path = "/"', 'path = "/down"')
                           + f"listener more {{ address = 127.0.0.1:{taken.getsockname()[1]} upstream = app }}\n")
            assert one.hup() != ""
            with connect(one) as client:
                assert client.get("/").body == b"b"
    assert "is down" not in one.log


def test_max_fails_may_be_raised_while_a_server_is_left_alone(relay, origin):
    port = free_port()
    one = site(relay, {"x": f"127.0.0.1:{port}", "a": origin(sends(b"a"))}, max_fails=1, fail_timeout=ms(100))
    answers(one, 2)
    one.wait_log("app/x .* is taken out")
    one.write_conf(text=one.file.read_text().replace("max_fails = 1", "max_fails = 0"))
    assert one.hup() == ""
    until(lambda: answers(one, 4)["a"] == 4 and True, "it is tried, and fails")
    origin(sends(b"x"), port=port)
    until(lambda: answers(one, 2) == {"x": 1, "a": 1}, "it is used again")
