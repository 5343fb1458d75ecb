"""Orders to a running relayd: servers that are drained, taken down, weighed; clients that are ended or blocked; reloads."""

import http.server
import json
import os
import pty
import pwd
import re
import signal
import socketserver
import subprocess
import threading

import pytest

from client import connect, refused_in_http
from control import RELAYCTL, asked, relayctl
from fleet import Load, Named, failures, site
from keeper import ask, farewell
from origin import echo, sends
from origin import http as speaks_http
from peer import RESET, request
from relay import environment
from settings import DEADLINE, free_port, ms, until
from test_43_servers import answers
from test_47_names import dns, places  # noqa: F401 (fixtures)


try:
    WHO = pwd.getpwuid(os.geteuid()).pw_name
except KeyError:
    WHO = f"uid {os.geteuid()}"


def servers(at):
    return {f"{one['upstream']}/{one['server']}": one for one in json.loads(relayctl("-s", at, "--json", "servers"))}


def states(at):
    return {name: one["state"] for name, one in servers(at).items()}


def order(at, *words, status=0):
    """What relayctl says."""
    return relayctl("-s", at, *words, status=status)


def steered(relay, origin, at, names="ab", **options):
    return site(relay, {name: origin(sends(name.encode())) for name in names}, top=f'control = "{at}"\n', **options)


# Servers


def test_a_server_is_drained_and_ready_again(relay, origin, at):
    one = steered(relay, origin, at)
    assert order(at, "drain", "app/a").startswith("app/a is drained.\n")
    assert answers(one, 6) == {"b": 6}
    a = servers(at)["app/a"]
    assert (a["state"], a["weight"], a["deviates"]) == ("draining", 0, True)
    assert (a["ordered"]["state"], a["ordered"]["weight"], a["ordered"]["by_uid"]) == ("drain", None, os.geteuid())
    b = servers(at)["app/b"]
    assert (b["state"], b["weight"], b["deviates"], b["ordered"]) == ("up", 1, False, None)
    line = one.wait_log(r"app/a is drained: by (root \(uid 0, pid|uid \d+ \(pid) \d+\)\.")[0]
    assert line.level == "notice" and line.about[:2] == ("app", "a")
    assert line.fields["RELAYD_BY_UID"] == str(os.geteuid()) and int(line.fields["RELAYD_BY_PID"]) > 0
    order(at, "ready", "app/a")
    assert answers(one, 6) == {"a": 3, "b": 3}
    assert servers(at)["app/a"]["ordered"] is None


def test_the_screen_marks_what_differs(relay, origin, at):
    steered(relay, origin, at)
    order(at, "drain", "app/a")
    order(at, "weight", "app/b", 7)
    for screen in (order(at, "servers"), order(at, "status")):
        assert re.search(rf"\ba .* draining .* 0\* .*\(by {WHO}\)$", screen, re.M), screen
        assert re.search(r" 7\* ", screen)
        assert re.search(r"^\* app/a differs from the configuration \(drain by \S+, \d+ s ago\)$", screen, re.M), screen
        assert re.search(r"^\* app/b differs from the configuration \(weight 7 by \S+, \d+ s ago\)$", screen, re.M), screen


def test_down_is_maintenance_and_on_down_resets(relay, origin, at):
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\n', on_down="reset")
    with connect(one) as client:
        assert client.send(b"x").read(1) == b"x"
        order(at, "drain", "app/a")
        assert client.send(b"y").read(1) == b"y"   # the live ones finish
        order(at, "down", "app/a")
        assert client.read_end() == (b"", RESET)
    assert one.record(client).end == "HR"
    assert states(at) == {"app/a": "maintenance"}
    order(at, "ready", "app/a")
    with connect(one) as client:
        assert client.send(b"x").read(1) == b"x"


def test_down_without_on_down_lets_them_finish(relay, origin, at):
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\n')
    with connect(one) as client:
        assert client.send(b"x").read(1) == b"x"
        order(at, "down", "app/a")
        assert client.send(b"y").read(1) == b"y"


def test_checks_go_on(relay, origin, at):
    checked = origin(echo)
    site(relay, {"a": checked, "b": origin(echo)}, top=f'control = "{at}"\n', check={"interval": ms(20)})
    order(at, "down", "app/a")
    before = checked.accepted
    until(lambda: checked.accepted > before + 2, "it is checked")
    checked.stop()
    until(lambda: servers(at)["app/a"]["reason"].startswith("by an operator; "), "that it fails is shown")
    assert states(at)["app/a"] == "maintenance"


@pytest.mark.parametrize("mode", ["tcp", "http"])
def test_the_last_server(relay, origin, at, mode):
    """In mode tcp, who has a server keeps it. (In mode http, until its next request: test_98_http_waits.py.)"""
    one = site(relay, {"a": origin(speaks_http)}, top=f'control = "{at}"\n', listener={"mode": mode})
    with connect(one) as living:
        assert living.get().status == 200
        assert "that was the last server of app, so its clients are refused" in order(at, "drain", "app/a")
        for _ in range(3):
            with connect(one) as client:
                if mode == "http":
                    refused_in_http(client.send(request()), 503)
                else:
                    assert client.read_end() == (b"", RESET)
            assert one.record(client).end == "OD"
        assert asked(at, "/ready")[0] == 503
        if mode == "tcp":
            assert living.get("/y").body == b"/y\n"
    order(at, "ready", "app/a")
    with connect(one) as client:
        assert client.get().status == 200


def test_a_drained_server_is_no_last_resort(relay, origin, at):
    """b is dead: nobody goes to the drained one all the same."""
    a = origin(sends(b"a"))
    one = site(relay, {"a": a, "b": f"127.0.0.1:{free_port()}"}, top=f'control = "{at}"\n', max_fails=1, fail_timeout="1h")
    order(at, "drain", "app/a")
    for _ in range(4):
        with connect(one) as client:
            assert client.read_end() == (b"", RESET)
        assert one.record(client).end in ("SD", "HD")
    assert a.accepted == 0
    assert states(at) == {"app/a": "draining", "app/b": "left_alone"}


def test_weights_are_measured(relay, origin, at):
    one = steered(relay, origin, at)
    order(at, "weight", "app/a", 1000)
    found = answers(one, 200)
    assert found["a"] >= 199, found
    order(at, "weight", "app/a", 3)
    assert answers(one, 40) == {"a": 30, "b": 10}
    order(at, "weight", "app/a", 0)
    assert answers(one, 4) == {"b": 4}
    order(at, "ready", "app/a")   # which lifts no weight
    assert answers(one, 4) == {"b": 4}
    order(at, "weight", "app/a", "file")
    assert answers(one, 4) == {"a": 2, "b": 2}


def test_a_server_of_weight_0_gets_one(relay, origin, at):
    one = site(relay, {"a": {"address": origin(sends(b"a")).address, "weight": 0}, "b": origin(sends(b"b"))},
               top=f'control = "{at}"\n', listener={"mode": "tcp"})
    assert answers(one, 4) == {"b": 4}
    order(at, "weight", "app/a", 1)
    assert answers(one, 4) == {"a": 2, "b": 2}
    order(at, "servers", "--reset", "app/a")
    assert answers(one, 4) == {"b": 4}


@pytest.mark.parametrize("words", [["drain"], ["drain", "app"], ["drain", "app/none"], ["weight", "app/a"], ["weight", "app/a", "1001"],
                                   ["weight", "--", "app/a", "-1"], ["weight", "app/a", "x"], ["ready", "a"], ["down", "web/a"],
                                   ["servers", "--reset", "app/a"], ["status", "--reset"], ["drain", "app/a", "--timeout", "x"],
                                   ["weight", "app/a", "5", "--wait"], ["servers", "app/a"]])
def test_what_makes_no_sense_is_refused(relay, origin, at, words):
    steered(relay, origin, at)
    done = subprocess.run([RELAYCTL, "-s", at, *words], capture_output=True, text=True, check=False, env=environment())
    assert done.returncode in (1, 64) and done.stderr.startswith("relayctl: "), done
    assert set(states(at).values()) == {"up"}


def test_refusals_are_logged(relay, origin, at):
    one = steered(relay, origin, at)
    assert "there is no server app/none; there are app/a, app/b" in order(at, "drain", "app/none", status=1)
    line = one.wait_log("Refused: there is no server app/none")[0]
    assert line.level == "info" and line.fields["RELAYD_BY_UID"] == str(os.geteuid())


def test_only_post_acts(relay, origin, at):
    steered(relay, origin, at)
    status, head, _ = asked(at, "/drain?server=app/a")
    assert status == 405 and "Allow: POST" in head
    assert states(at)["app/a"] == "up"
    assert asked(at, "/ready")[0] == 200
    assert asked(at, "/drain?server=app/a", method="POST", fields="Content-Length: 0\r\n")[0] == 200
    assert states(at)["app/a"] == "draining"
    assert asked(at, "/ready?server=app/a", method="POST", fields="Content-Length: 0\r\n")[0] == 200
    assert states(at)["app/a"] == "up"


def test_a_reload_keeps_orders(relay, origin, at):
    one = steered(relay, origin, at, "abc")
    order(at, "drain", "app/a")
    assert "no relayd-keeper holds this" in order(at, "weight", "app/b", 5)
    assert one.hup() == ""
    assert answers(one, 12) == {"b": 10, "c": 2}
    text = one.file.read_text()
    one.write_conf(text=text.replace("server a ", "server d "))
    assert one.hup() == ""
    one.wait_log("ordered that app/a is drained, and the configuration has no such server")
    assert answers(one, 14) == {"b": 10, "c": 2, "a": 2}   # (d has a's address)
    a = servers(at)["app/a"]
    assert (a["state"], a["reason"], a["deviates"]) == ("draining", "the configuration has no such server", True)
    one.write_conf(text=text)
    assert one.hup() == ""
    assert states(at)["app/a"] == "draining"
    one.write_conf(text=text.replace("server a ", "server d "))
    assert one.hup() == ""
    order(at, "servers", "--reset", "app/a")
    assert "app/a" not in states(at)
    assert "2 orders were" in (order(at, "drain", "app/c"), order(at, "servers", "--reset"))[1]
    assert answers(one, 3) == {"b": 1, "c": 1, "a": 1}


def test_orders_outlive_the_process(revived, meeting, at):
    one = revived(meeting, control=at)
    said = order(at, "drain", "app/a")
    assert "keeper" not in said, said
    order(at, "weight", "app/a", 9)
    since = servers(at)["app/a"]["ordered"]["since"]
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        one.crash(how)
        a = servers(at)["app/a"]
        assert (a["state"], a["deviates"]) == ("draining", True)
        assert (a["ordered"]["state"], a["ordered"]["weight"]) == ("drain", 9)
        assert abs(a["ordered"]["since"] - since) <= 1
        with connect(one) as client:
            assert client.read_end() == (b"", RESET)
    one.wait_log(r"ordered of 1 server goes on from the previous relayd: app/a is drained and has weight 9\.", 3)
    order(at, "servers", "--reset")
    one.crash()
    client, server = meeting.pair(one)
    ask(client, server)
    assert servers(at)["app/a"]["ordered"] is None


def test_a_name_whose_addresses_change(relay, dns, places, at):  # noqa: F811
    port = places("127.0.1.1", "127.0.1.2", "127.0.1.3")
    dns.hosts("app.test", "127.0.1.1")
    one = site(relay, {"a": f"app.test:{port}", "b": f"127.0.1.3:{port}"}, wrap=dns.wrap, resolve_interval="1h",
               top=f'control = "{at}"\n')
    order(at, "drain", "app/a")
    assert answers(one, 3) == {"127.0.1.3": 3}
    dns.hosts("app.test", "127.0.1.2")
    one.wait_log("The name app.test resolves to 127.0.1.2:")
    assert answers(one, 3) == {"127.0.1.3": 3}
    assert servers(at)["app/a"]["address"] == f"127.0.1.2:{port}" and states(at)["app/a"] == "draining"
    order(at, "ready", "app/a")
    assert answers(one, 4) == {"127.0.1.2": 2, "127.0.1.3": 2}


def test_nobody_waits_for_the_name_of_a_drained_server(relay, at):
    """It is looked up for the first time, and never known: the drain ends the wait."""
    one = site(relay, {"a": {"address": "none.invalid:80"}}, listener={"mode": "http"}, connect_timeout="30s",
               top=f'control = "{at}"\n')
    order(at, "drain", "app/a")
    with connect(one) as client:
        refused_in_http(client.send(request()), 503)
    assert one.record(client).end == "OD"


@pytest.mark.parametrize("balance", ["round_robin", "least_connections", "source_hash", "random_two"])
def test_thousands_of_addresses_follow(relay, origin, at, balance):
    """More than are looked at one by one: sums of groups are taken anew."""
    live = {name: origin(sends(name.encode())) for name in "ab"}
    lots = {f"s{number}": {"address": f"127.0.3.{number % 250 + 1}:{number + 1000}", "weight": 0} for number in range(300)}
    one = site(relay, {**lots, **live}, top=f'control = "{at}"\n', balance=balance)
    if balance != "source_hash":
        assert set(answers(one, 12)) == {"a", "b"}
    order(at, "drain", "app/a")
    assert answers(one, 12) == {"b": 12}
    order(at, "ready", "app/a")
    order(at, "weight", "app/b", 0)
    assert answers(one, 12) == {"a": 12}
    order(at, "weight", "app/b", 1000)
    if balance == "round_robin":
        assert answers(one, 12)["b"] >= 11


def test_no_request_fails_while_servers_are_drained(relay, server, at, tmp_path):
    one = site(relay, {name: server(Named, name=name) for name in "abc"}, top=f'control = "{at}"\n', listener={"mode": "http"})
    load = Load(one.address, tmp_path, seconds=60, connections=16)
    for _ in range(3):
        for name in "abc":
            order(at, "drain", f"app/{name}")
            order(at, "ready", f"app/{name}")
        assert one.hup() == ""
    assert load.runs
    load.stop_when(lambda: True, "it is over")
    assert not failures(load.result())


def test_waiting_for_room_ends_with_ready(relay, origin, at):
    """Those who wait for a place at the only server that is not drained get one at the other once it is ready."""
    one = site(relay, {"a": {"address": origin(echo).address}, "b": {"address": origin(echo).address, "max_connections": 1}},
               top=f'control = "{at}"\nqueue_timeout = 1h\n')
    order(at, "drain", "app/a")
    with connect(one) as first:
        assert first.send(b"x").read(1) == b"x"
        with connect(one) as second:
            second.send(b"y")
            order(at, "ready", "app/a")
            assert second.read(1) == b"y"


# --wait


def test_wait(relay, origin, at):
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\n')
    assert "app/a has no connection." in order(at, "drain", "app/a", "--wait")
    order(at, "ready", "app/a")
    with connect(one) as client:
        assert client.send(b"x").read(1) == b"x"
        said = order(at, "drain", "app/a", "--timeout", "300ms", status=1)
        assert "time is up: app/a still has 1 connection; the order stays in force" in said
        waits = subprocess.Popen([RELAYCTL, "-s", at, "drain", "app/a", "--wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True, env=environment())
        assert waits.stderr.readline() == "app/a: 1 connection left\n"
    assert waits.communicate(timeout=DEADLINE)[0] == ("app/a is drained; that was the last server of app, so its clients are "
                                                      "refused.\nNote: no relayd-keeper holds this: it survives reloads, and "
                                                      "ends with this relayd.\napp/a has no connection.\n")
    assert waits.returncode == 0


def test_wait_goes_on_with_the_next_relayd(revived, meeting, at):
    one = revived(meeting, control=at)
    client, server = meeting.pair(one)
    with subprocess.Popen([RELAYCTL, "-s", at, "drain", "app/a", "--wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, env=environment()) as waits:
        assert waits.stderr.readline() == "app/a: 1 connection left\n"
        for how in (signal.SIGKILL, signal.SIGTERM):
            one.crash(how)
        ask(client, server)
        assert waits.poll() is None
        farewell(client, server)
        out, said = waits.communicate(timeout=DEADLINE)
    assert (waits.returncode, said) == (0, "") and out.endswith("app/a has no connection.\n"), (out, said)


class Stub(http.server.BaseHTTPRequestHandler):
    """A relayd that has just started, and then one that has adopted its connections; it ends as `ends` says."""
    protocol_version = "HTTP/1.0"
    adopting, live, answers = True, 0, 0

    def log_message(self, *_):
        pass

    def address_string(self):
        return ""

    def do_GET(self):
        Stub.answers += 1
        if Stub.answers == 6:
            Stub.adopting, Stub.live = False, 1
        if Stub.answers == 12:
            Stub.live = 0
        self.answer({"adopting": Stub.adopting} if self.path == "/status" else
                    [{"upstream": "app", "server": "a", "live": Stub.live}])

    def do_POST(self):
        self.answer({"done": "app/a is drained"})

    def answer(self, json_value):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(json_value).encode() + b"\n")


def test_wait_counts_once_all_are_adopted(at):
    with socketserver.UnixStreamServer(at, Stub) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        done = subprocess.run([RELAYCTL, "-s", at, "drain", "app/a", "--wait"], capture_output=True, text=True, check=False,
                              env=environment(), timeout=DEADLINE)
        server.shutdown()
    assert done.stderr == "app/a: 1 connection left\n" and done.returncode == 0
    assert Stub.answers >= 12


def test_an_interrupted_wait_leaves_the_order(relay, origin, at):
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\n')
    with connect(one) as client:
        assert client.send(b"x").read(1) == b"x"
        waits = subprocess.Popen([RELAYCTL, "-s", at, "down", "app/a", "--wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True, env=environment())
        assert waits.stderr.readline() == "app/a: 1 connection left\n"
        waits.send_signal(signal.SIGINT)
        out = waits.communicate(timeout=DEADLINE)
        assert waits.returncode == 1 and "interrupted: app/a still has 1 connection; the order stays in force" in out[1]
        assert states(at) == {"app/a": "maintenance"}


def test_progress_is_one_line_on_a_terminal(relay, origin, at):
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\n')
    with connect(one) as client:
        assert client.send(b"x").read(1) == b"x"
        master, slave = pty.openpty()
        waits = subprocess.Popen([RELAYCTL, "-s", at, "drain", "app/a", "--wait"], stdout=subprocess.PIPE, stderr=slave,
                                 env=environment())
        os.close(slave)
        seen = b""
        while seen.count(b"\r") < 2:
            seen += os.read(master, 100)
    waits.communicate(timeout=DEADLINE)
    os.close(master)
    assert waits.returncode == 0 and b"\n" not in seen and b"app/a: 1 connection left" in seen


# All at once


def test_many_orders_while_relayd_reloads(relay, origin, at):
    one = steered(relay, origin, at, "abcd")
    errors = []

    def steer(name):
        try:
            for _ in range(5):
                order(at, "drain", f"app/{name}")
                order(at, "weight", f"app/{name}", 5)
                order(at, "servers")
                order(at, "ready", f"app/{name}")
                order(at, "weight", f"app/{name}", "file")
        except AssertionError as error:
            errors.append(error)
    threads = [threading.Thread(target=steer, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert one.hup() == ""
        assert set(answers(one, 4)) <= set("abcd")
    assert not errors, errors[0]
    assert all(server["ordered"] is None for server in servers(at).values())
    assert answers(one, 8) == {name: 2 for name in "abcd"}
