"""relayd.conf: what is accepted, and every error in one run, each with its file, line and remedy."""

import os
import re
import stat

import pytest

from client import connect
from origin import http
from relay import complaints, config, once
from settings import free_port

TEXT = """workers = 2
listener web {
    address = "127.0.0.1:7001"
    upstream = app
}
upstream app {
    server a { address = "127.0.0.1:7002" }
}
"""


@pytest.fixture
def check(tmp_path):
    """check(text) gives the exit code and the errors, as a list of (line, message), of a file with this text."""
    path = tmp_path / "relayd.conf"

    def run(text):
        path.write_text(text)
        done = once("-t", "-f", path)
        errors = re.findall(rf"^{re.escape(str(path))}:(\d+): (.*)$", "\n".join(complaints(done)), re.M)
        if done.returncode == 0:
            assert not errors
        else:
            assert done.returncode == 78, done.stderr
            assert errors, done.stderr
        return done.returncode, [(int(line), message) for line, message in errors]
    return run


def with_global(line):
    return line + "\n" + TEXT


def with_listener(line):
    return TEXT.replace("    upstream = app\n", f"    upstream = app\n    {line}\n")


def with_upstream(line):
    return TEXT.replace("upstream app {\n", f"upstream app {{\n    {line}\n")


def with_server(words):
    return TEXT.replace('server a { address = "127.0.0.1:7002" }', words)


@pytest.mark.parametrize("text", [
    TEXT,
    "# a remark\n" + TEXT,
    with_global("queue_size = 10"),
    with_global('queue_timeout = "250ms"'),
    with_global("queue_timeout = 250ms"),
    with_global("queue_timeout = 10m"),
    with_global("queue_timeout = 1h"),
    with_global("queue_timeout = 7"),
    with_global("when_full = reject"),
    with_global("log_level = debug"),
    with_global("log_connections = failed"),
    *(with_global(f"log_requests = {which}") for which in ("all", "failed", "none", "slow:250ms", "slow:0", "slow:1h")),
    with_listener("mode = http"),
    with_listener("copy = splice"),
    with_listener("idle_timeout = 0"),
    with_listener("keepalive = 0"),
    with_listener("half_close = true"),
    with_upstream("connect_attempts = 1"),
    TEXT.replace('"127.0.0.1:7001"', "80"),
    TEXT.replace('"127.0.0.1:7001"', ":80"),
    TEXT.replace('"127.0.0.1:7001"', '"[::]:80"'),
    TEXT.replace('"127.0.0.1:7001"', '"localhost:80"'),
    TEXT.replace('"127.0.0.1:7001"', '"unix:/run/relayd/web.sock"'),
    TEXT.replace('"127.0.0.1:7001"', '{"[::]:80", "unix:/run/relayd/web.sock"}'),
    TEXT.replace('"127.0.0.1:7001"', '"systemd"'),
    with_server("server a { address = app.example:8080 }"),
    with_server('server a { address = "unix:/run/app.sock" }'),
    with_server('server a { address = "[2001:db8::1]:80" }'),
    with_listener('accept_proxy = v1 proxy_from = {"10.0.0.0/8", "::1"}'),
    with_listener("proxy_from = {}"),
    with_listener("allow = {}"),
    with_listener("deny = {}"),
    with_listener("max_connections = 1"),
    with_listener("max_connections_per_client = 1"),
    with_listener("max_rate_per_client = 1"),
    with_upstream("balance = round_robin"),
    with_upstream("max_fails = 3"),
    with_upstream("fail_timeout = 10s"),
    with_upstream("send_proxy = off"),
    with_upstream('source_address = ""'),
    with_upstream("health_check { type = tcp }"),
    with_server('server a { address = "127.0.0.1:1" weight = 1 }'),
    with_server('server a { address = "127.0.0.1:1" backup = false }'),
    with_server('server a { address = "127.0.0.1:1" max_connections = 0 }'),
    with_server('server a { address = "127.0.0.1:1" }\n    server b { address = "127.0.0.1:2" }'),
    with_server('server a { address = "srv:_http._tcp.app.example" }'),
])
def test_accepted(check, text):
    assert check(text) == (0, [])


@pytest.mark.parametrize("text, line, meant", [
    (with_global("wrokers = 3"), 1, "workers"),
    (with_global("queue_tiemout = 3s"), 1, "queue_timeout"),
    (with_listener("idle_timout = 3s"), 5, "idle_timeout"),
    (with_listener("linger_timeot = 3s"), 5, "linger_timeout"),
    (with_upstream("conect_timeout = 3s"), 7, "connect_timeout"),
    (with_server('server a {\n adress = "127.0.0.1:1"\n address = "127.0.0.1:2" }'), 8, "address"),
])
def test_unknown_option_with_the_nearest_known(check, text, line, meant):
    code, errors = check(text)
    assert code == 78
    assert len(errors) == 1, errors
    assert errors[0][0] == line
    assert re.search(rf"(?i)did you mean .?{meant}\b", errors[0][1]), errors


def test_an_unknown_option_that_resembles_none(check):
    code, errors = check(with_global("xyzzy = 1"))
    assert code == 78
    assert "xyzzy" in errors[0][1]
    assert "did you mean" not in errors[0][1].lower()



@pytest.mark.parametrize("text, line, words", [
    (with_global("workers = 0"), 1, ["workers"]),
    (with_global("workers = many"), 1, ["workers"]),
    (with_global("workers = -1"), 1, ["workers"]),
    (with_global("workers = 99999999999999999999"), 1, ["workers"]),
    (with_global("queue_size = 0"), 1, ["queue_size"]),
    (with_global("max_connections = 0"), 1, ["max_connections"]),
    (with_global("queue_timeout = soon"), 1, ["queue_timeout", "soon"]),
    (with_global("queue_timeout = -1s"), 1, ["queue_timeout"]),
    (with_global("queue_timeout = 5parsecs"), 1, ["queue_timeout", "5parsecs"]),
    (with_global('queue_timeout = "5 s x"'), 1, ["queue_timeout"]),
    (with_global('queue_timeout = ""'), 1, ["queue_timeout"]),
    (with_global("queue_timeout = 99999999999999999999h"), 1, ["queue_timeout"]),
    (with_global("when_full = maybe"), 1, ["when_full", "maybe", "wait", "reject"]),
    (with_global("log_level = loud"), 1, ["log_level", "loud", "error", "warning", "notice", "info", "debug"]),
    *((with_global(f'log_requests = "{wrong}"'), 1, ["log_requests", "all, failed, none", "slow:500ms"])
      for wrong in ("some", "slow", "slow:", "slow:fast", "slow:-1s", "slow: 1s", "")),
    (with_global("log_connections = some"), 1, ["log_connections", "some", "all", "failed", "none"]),
    (with_listener("mode = udp"), 5, ["mode", "udp", "tcp", "http"]),
    (with_listener("copy = memcpy"), 5, ["copy", "memcpy", "auto", "buffer", "splice"]),
    (with_listener("half_close = perhaps"), 5, ["half_close", "perhaps"]),
    (with_upstream("connect_attempts = 0"), 7, ["connect_attempts"]),
    (TEXT.replace("127.0.0.1:7001", "127.0.0.1:99999"), 3, ["99999"]),
    (TEXT.replace("127.0.0.1:7001", "127.0.0.1"), 3, ["127.0.0.1"]),
    (TEXT.replace("127.0.0.1:7001", "[::1:80"), 3, ["[::1:80"]),
    (TEXT.replace("127.0.0.1:7001", "localhost:"), 3, ["localhost:"]),
    (TEXT.replace("127.0.0.1:7001", "unix:"), 3, ["unix:"]),
    (TEXT.replace("127.0.0.1:7001", "unix:/" + "x" * 200), 3, ["unix:/"]),
    (TEXT.replace("127.0.0.1:7002", "127.0.0.1:0x50"), 7, ["0x50"]),
    (TEXT.replace("127.0.0.1:7002", "app.example"), 7, ["app.example"]),
])
def test_what_was_found_and_what_is_allowed(check, text, line, words):
    code, errors = check(text)
    assert code == 78
    at = [message for number, message in errors if number == line]
    assert at, errors
    for word in words:
        assert any(word in message for message in at), (word, errors)


@pytest.mark.parametrize("text, words", [
    (TEXT.replace("upstream = app", "upstream = ap"), ["ap", "app"]),
    (TEXT.replace("    upstream = app\n", ""), ["web", "upstream"]),
    (TEXT.replace('    address = "127.0.0.1:7001"\n', ""), ["web", "address"]),
    (with_server("server a { }"), ["address"]),
    (with_server(""), ["app", "server"]),
    ("upstream app { server a { address = 127.0.0.1:80 } }\n", ["listener"]),
    ("", ["listener"]),
    (TEXT + 'listener web {\n address = "127.0.0.1:7003"\n upstream = app\n}\n', ["web"]),
])
def test_what_is_missing_or_given_twice(check, text, words):
    code, errors = check(text)
    assert code == 78
    for word in words:
        assert any(word in message for _, message in errors), (word, errors)


@pytest.mark.parametrize("text", [
    TEXT + "listener {",
    TEXT.replace("}\nupstream", "\nupstream"),
    TEXT + "workers\n",
    TEXT + "}\n",
    TEXT + 'workers = "3\n',
])
def test_syntax_errors(check, text):
    assert check(text)[0] == 78


@pytest.mark.parametrize("text, line, words", [
    (with_listener("accept_proxy = v2"), 5, ["accept_proxy", "needs proxy_from"]),
    (with_listener('proxy_from = "10.0.0.0/8"'), 5, ["proxy_from", "no meaning", "accept_proxy"]),
    (with_listener('allow = {"10.0.0.1/8"}'), 5, ["allow", "10.0.0.1/8"]),
    (with_listener('deny = {"10.0.0.0/8", "10.0.0.0/8"}'), 5, ["deny", "10.0.0.0/8", "twice"]),
    (with_upstream('source_address = "::1"'), 8, ["source_address", "server a", "IPv4", "IPv6"]),
    (with_upstream("health_check app { }"), 7, ["health_check", "no title", "app"]),
    (with_upstream("health_check { }\nhealth_check { }"), 8, ["health_check", "twice", "line 7"]),
    (with_upstream("health_check { path = /x }"), 7, ["path", "no meaning", "type = http"]),
    (with_upstream('health_check { type = http expect = "200-99" }'), 7, ["expect", "200-99", "100 to 599"]),
    (with_upstream("health_check { type = http path = live }"), 7, ["path", "live", '"/"']),
    (with_server('server a { address = "127.0.0.1:1" }\nserver b { address = "127.0.0.1:1" }'), 8,
     ["server b", "server a", "line 7"]),
    (with_server('server a { address = "127.0.0.1:1" backup = true }'), 6, ["app", "no server", "backup", "weight"]),
])
def test_options_that_do_not_go_together(check, text, line, words):
    code, errors = check(text)
    assert code == 78
    [(number, message)] = errors
    assert number == line
    for word in words:
        assert word in message, (word, message)


def test_every_error_is_told_in_one_run(check):
    code, errors = check("""wrokers = 3
workers = 0
queue_timeout = soon
when_full = maybe
listener web {
    address = "127.0.0.1:99999"
    upstream = nowhere
    moode = http
    copy = memcpy
}
upstream app {
    connect_timeout = later
    server a { address = "nothing" }
}
""")
    assert code == 78
    assert {1, 2, 3, 4, 6, 8, 9, 12, 13} <= {line for line, _ in errors}, errors
    assert any("nowhere" in message for _, message in errors)


def test_a_bad_file_does_not_start(tmp_path):
    path = tmp_path / "relayd.conf"
    path.write_text(with_global("wrokers = 3"))
    done = once("-f", path)
    assert done.returncode == 78
    assert f"{path}:1: " in done.stderr


def other_files(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "fifo")
    os.mknod(tmp_path / "socket", stat.S_IFSOCK | 0o600)
    return {tmp_path: "directory", tmp_path / "fifo": "FIFO", tmp_path / "link": "FIFO", tmp_path / "socket": "socket",
            "/dev/zero": "device", "/dev/stdin": "device"}


@pytest.mark.parametrize("action", ["-t", "-T", None])
def test_what_is_no_file_is_told_and_not_waited_for(tmp_path, action):
    for path, kind in other_files(tmp_path).items():
        done = once(*[action] if action else [], "-f", path)
        assert done.returncode == 78
        assert f"{path}: this is a {kind}" in done.stderr
        assert "name a regular file with -f FILE" in done.stderr


def test_several_listeners_and_upstreams(relay, origin):
    one, two = origin(http), origin(http)
    first, second = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    text = f"""
listener first {{ address = "{first}" upstream = b }}
listener second {{ address = "{second}" upstream = a }}
upstream a {{ server x {{ address = "{one.address}" }} }}
upstream b {{ server y {{ address = "{two.address}" }} }}
"""
    running = relay(text=text, address=[first, second])
    with connect(first) as client:
        client.get()
        assert (one.accepted, two.accepted) == (0, 1)
    record = running.record(client)
    assert (record.listener, record.upstream, record.server) == ("first", "b", "y")
    with connect(second) as client:
        client.get()
        assert (one.accepted, two.accepted) == (1, 1)
    record = running.record(client)
    assert (record.listener, record.upstream, record.server) == ("second", "a", "x")


def test_the_dump_of_a_running_configuration_runs(relay, origin, tmp_path):
    address = f"127.0.0.1:{free_port()}"
    path = tmp_path / "relayd.conf"
    path.write_text(config(address, origin(http).address, mode="http", workers=2))
    one = relay(text=once("-T", "-f", path).stdout, address=address)
    assert connect(one).get().status == 200
