"""Servers with weight 0: one after the other, and a whole upstream."""

import pytest

from client import connect, refused_in_http
from fleet import site
from origin import http, sends
from peer import RESET, request
from relay import once
from settings import free_port, ms, until
from test_43_servers import answers

CHECKED = {"interval": ms(20), "timeout": "5s", "rise": 1, "fall": 1}


def drain(one, weight=1):
    """Another weight for server a, and what becomes of it: nothing is refused."""
    text = one.file.read_text()
    old = "weight = 0" if weight else "weight = 1"
    assert old in text
    one.write_conf(text=text.replace(old, f"weight = {weight}"))
    assert one.hup() == ""


@pytest.mark.parametrize("mode", ["tcp", "http"])
def test_a_whole_upstream_is_drained_and_comes_back(relay, origin, mode):
    """In mode tcp, who has a server keeps it. (In mode http, until its next request: test_98_http_waits.py.)"""
    server = origin(http)
    one = site(relay, {"a": {"address": server.address, "weight": 1}}, check=CHECKED, listener={"mode": mode},
               on_down="reset")
    with connect(one) as living:
        assert living.get("/x").body == b"/x\n"
        drain(one, 0)
        line = one.wait_log("upstream app is drained: all its servers have weight 0, so its clients are refused")[0]
        assert line.level == "warning" and line.raw.count("warning") == 1
        until(lambda: server.active == 1, "the last check has ended")
        before = server.accepted
        for _ in range(3):
            with connect(one) as client:
                if mode == "http":
                    refused_in_http(client.send(request()), 503)
                else:
                    assert client.read_end() == (b"", RESET)
            assert one.record(client).end == "OD"
        if mode == "tcp":
            assert living.get("/y").body == b"/y\n"
        assert server.accepted == before   # neither clients nor checks
        drain(one)
        with connect(one) as client:
            assert client.get("/z").body == b"/z\n"
        until(lambda: server.accepted > before + 1, "it is checked again")
        assert living.get("/y").body == b"/y\n"
    assert "can be reached" not in one.log
    assert "is down" not in one.log


def test_backups_serve_while_the_others_are_drained(relay, origin):
    one = site(relay, {"a": {"address": origin(sends(b"a")).address, "weight": 1},
                       "b": {"address": origin(sends(b"b")).address, "backup": True}})
    assert answers(one, 3) == {"a": 3}
    drain(one, 0)
    assert answers(one, 3) == {"b": 3}
    drain(one)
    assert answers(one, 3) == {"a": 3}
    assert "drained" not in one.log


def test_a_name_that_has_no_address_does_not_matter_then(relay):
    """Nobody waits for DNS to be told that the upstream is drained."""
    one = site(relay, {"a": {"address": "none.invalid:80", "weight": 0}}, listener={"mode": "http"}, connect_timeout="30s")
    with connect(one) as client:
        refused_in_http(client.send(request()), 503)
    assert one.record(client).end == "OD"


@pytest.mark.parametrize("mode", ["tcp", "http"])
def test_backups_that_fail_are_no_drained_upstream(relay, mode):
    """The last server that is no backup is drained, and the backup is dead: that is what clients and the log are told."""
    one = site(relay, {"a": {"address": "none.invalid:80", "weight": 0},
                       "b": {"address": f"127.0.0.1:{free_port()}", "backup": True}},
               listener={"mode": mode}, connect_timeout="30s", max_fails=1)
    with connect(one) as client:
        if mode == "http":
            refused_in_http(client.send(request()), 502)
        else:
            assert client.read_end() == (b"", RESET)
    assert one.record(client).end == "SD"
    one.wait_log("No server of upstream app can be reached")


def test_to_drain_to_backups_is_no_warning(tmp_path):
    path = tmp_path / "relayd.conf"
    path.write_text('listener web { address = "127.0.0.1:1234" upstream = app }\n'
                    "upstream app {\n server a { address = 10.0.0.1:1 weight = 0 }\n server b { address = 10.0.0.2:1 backup = true }\n}\n")
    done = once("-t", "-f", path)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_check_of_a_file_warns(tmp_path):
    path = tmp_path / "relayd.conf"
    path.write_text('listener web { address = "127.0.0.1:1234" upstream = app }\n'
                    "upstream app {\n server a { address = 10.0.0.1:1 weight = 0 }\n}\n")
    done = once("-t", "-f", path)
    assert done.returncode == 0
    assert done.stderr == (f"{path}:2: warning: upstream app is drained: all its servers have weight 0, so its clients are "
                           "refused.\n")
