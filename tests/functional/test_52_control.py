"""The control socket and relayctl: what operators see, and who may ask."""

import json
import os
import re
import socket
import stat
import subprocess
import threading

import pytest

from fleet import site
from client import close_all, connect, connect_many, curl
from control import asked, relayctl
from exposition import parse, values
from origin import echo, http, silent
from settings import DEADLINE, free_port, until


def test_status(relay, origin, at):
    one = relay(origin(http), control=at)
    status = json.loads(relayctl("-s", at, "--json"))
    assert set(status) == {"version", "pid", "since", "live", "max", "rate", "up_rate", "down_rate", "keeper", "fingerprint", "near", "troubles",
                           "failures", "lame", "stopping", "adopting", "listeners", "upstreams"}
    assert 0 < status["max"] <= 10000 and status["live"] == 0
    assert status["keeper"] in ("off", "absent", "holds all")
    assert [listener["name"] for listener in status["listeners"]] == ["web"]
    assert status["upstreams"] == [{"name": "app", "balance": "round_robin", "tls": None, "servers": 1, "up": 1, "drained": False}]
    screen = relayctl("-s", at)
    assert screen == relayctl("-s", at, "status") or screen.startswith("relayd ")
    assert f"0 of {status['max']} connections" in screen and one.server.address in screen and "1 of 1 up" in screen


def test_live_connections_are_counted(relay, origin, at):
    one = relay(origin(silent), control=at)
    with connect(one.address):
        until(lambda: json.loads(relayctl("-s", at, "--json", "status"))["live"] == 1, "the control socket to show it")
        until(lambda: json.loads(relayctl("-s", at, "--json", "servers"))[0]["live"] == 1, "the control socket to show it")
    until(lambda: json.loads(relayctl("-s", at, "--json", "status"))["live"] == 0, "the control socket to show it")


def test_servers_and_ready(relay, at):
    dead = f"127.0.0.1:{free_port()}"
    one = relay(dead, control=at, max_fails=1, fail_timeout="1h")
    (server,) = json.loads(relayctl("-s", at, "--json", "servers"))
    assert set(server) == {"upstream", "server", "address", "state", "reason", "since", "weight", "live", "rate",
                           "connect_p50_us", "connect_p99_us", "failed", "failed_min", "deviates", "ordered"}
    assert (server["upstream"], server["server"], server["address"], server["state"]) == ("app", "a", dead, "up")
    assert relayctl("-s", at, "ready") == "ready\n"
    with connect(one.address) as client:
        assert client.read_end() == (b"", "reset")
    until(lambda: json.loads(relayctl("-s", at, "--json", "servers"))[0]["state"] == "left_alone", "the control socket to show it")
    assert "no server of upstream app is up" in relayctl("-s", at, "ready", status=1)
    assert asked(at, "/ready")[0] == 503
    (line,) = relayctl("-s", at, "servers").splitlines()[1:]
    assert " left alone " in line and line.endswith("(1 failed connect in a row: Connection refused)")


def test_fingerprint_is_the_configurations(relay, origin, at):
    one = relay(origin(http), control=at)
    before = json.loads(relayctl("-s", at, "--json"))["fingerprint"]
    one.reload(one.server, control=at, workers=9)
    until(lambda: json.loads(relayctl("-s", at, "--json"))["fingerprint"] != before, "the control socket to show it")
    one.reload(one.server, control=at)
    until(lambda: json.loads(relayctl("-s", at, "--json"))["fingerprint"] == before, "the control socket to show it")


def test_socket_is_for_the_group_and_goes_at_the_stop(relay, origin, at):
    one = relay(origin(http), control=at)
    assert stat.S_IMODE(os.stat(at).st_mode) == 0o660
    one.finish()
    assert not os.path.exists(at)
    assert "no relayd answers" in relayctl("-s", at, status=69)


def test_a_drain_is_seen_and_is_not_ready(relay, origin, at):
    one = relay(origin(silent), control=at)
    with connect(one.address):
        until(lambda: len(json.loads(relayctl("-s", at, "--json", "connections"))) == 1, "it is relayed")
        one.term()
        until(lambda: asked(at, "/ready")[0] == 503, "it is not ready")
        assert "relayd stops" in relayctl("-s", at, "ready", status=1)
        assert json.loads(relayctl("-s", at, "--json"))["live"] == 1
    assert one.wait_exit() == 0
    assert not os.path.exists(at)


def test_a_path_that_was_asked_for_is_needed_at_the_start(relay, origin, short_path):
    one = relay(origin(http), control=str(short_path / "none" / "control.sock"), ready=False)
    one.expected_exit = 69
    assert one.wait_exit() == 69
    assert "There is no control socket at" in one.log and "No such file or directory" in one.log


def test_age_is_the_daemons(relay, origin, at):
    one = relay(origin(http), control=at)
    since = json.loads(relayctl("-s", at, "--json"))["since"]
    one.reload(one.server, control="off")
    one.reload(one.server, control=at)
    assert json.loads(relayctl("-s", at, "--json"))["since"] == since


def test_stale_socket_is_replaced_and_a_file_is_not(relay, origin, at):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(at)
    one = relay(origin(http), control=at)
    relayctl("-s", at)
    one.reload(one.server, control="off")
    until(lambda: not os.path.exists(at), "the control socket to show it")
    with open(at, "w", encoding="utf-8") as file:
        file.write("mine")
    one.reload(one.server, control=at)
    one.wait_log("There is no control socket at")
    with open(at, encoding="utf-8") as file:
        assert file.read() == "mine"


@pytest.mark.skipif(os.geteuid() != 0, reason="changes the user")
def test_others_are_refused(relay, origin, at):
    relay(origin(http), control=at)
    os.chmod(at, 0o666)
    os.chmod(os.path.dirname(at), 0o755)
    done = subprocess.run(["curl", "-sS", "--unix-socket", at, "http://x/status"], capture_output=True, text=True,
                          check=False, user=65534, group=65534, extra_groups=[], timeout=DEADLINE)
    assert "may ask" in done.stdout, done.stderr
    done = subprocess.run(["curl", "-sS", "--unix-socket", at, "http://x/status"], capture_output=True, text=True,
                          check=False, user=65534, group=65534, extra_groups=[os.getegid()], timeout=DEADLINE)
    assert '"listeners"' in done.stdout, done.stderr


def test_nonsense_costs_nothing_but_itself(relay, origin, at):
    one = relay(origin(http), control=at)
    stalled = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for client in stalled:
        client.connect(at)
        client.sendall(b"GET /sta")
    assert asked(at, "/nothing")[0] == 404
    status, head, _ = asked(at, "/status", "POST")
    assert status == 405 and "Allow: GET, HEAD" in head
    for fields in ("Content-Length: 1000000000000\r\n", "Transfer-Encoding: chunked\r\n"):
        assert asked(at, "/status", fields=fields)[0] == 413
    assert asked(at, "/" + "x" * 30000)[0] in (413, 414, 431)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(at)
        client.sendall(os.urandom(4000) + b"\r\n\r\n")
    relayctl("-s", at)
    for client in stalled:
        client.close()
    assert curl(f"http://{one.address}/").strip()


def test_connections_and_their_filters(relay, origin, at):
    one = relay(origin(echo), control=at)
    with connect(one.address) as first, connect(one.address):
        assert first.send(b"hello").read(5) == b"hello"

        def found(*words):
            return json.loads(relayctl("-s", at, "--json", "connections", *words))

        until(lambda: len(found()) == 2, "both are relayed")
        talks = next(conn for conn in found() if conn["up"])
        assert set(talks) == {"id", "client", "listener", "upstream", "server", "address", "age_us", "idle_us", "up",
                              "down", "phase", "tls", "request"}
        assert (talks["up"], talks["down"], talks["phase"]) == (5, 5, "relay")
        assert (talks["listener"], talks["upstream"], talks["server"]) == ("web", "app", "a")
        assert talks["address"] == one.server.address and talks["client"].startswith("127.0.0.1:")
        assert 0 <= talks["idle_us"] <= talks["age_us"]
        for filters, count in (("listener=web",), 2), (("listener=x",), 0), (("server=a", "client=127.0.0.0/8"), 2), \
                (("server=app/a",), 2), (("server=app/b",), 0), (("client=192.0.2.1",), 0), (("client=::/0",), 0):
            assert len(found(*filters)) == count, filters
        assert talks["client"] in relayctl("-s", at, "connections")
        assert "must be an address or a prefix" in relayctl("-s", at, "connections", "client=10.0.0/8", status=1)
        assert "has no argument colour; it has listener=" in relayctl("-s", at, "connections", "colour=red", status=1)
        assert "a filter is listener=NAME" in relayctl("-s", at, "connections", "red", status=64)
    until(lambda: found() == [], "all have ended")


def test_metrics(relay, origin, at):
    one = relay(origin(echo), control=at)
    with connect(one.address) as client:
        assert client.send(b"x").read(1) == b"x"
        status, head, body = asked(at, "/metrics")
        assert status == 200 and "text/plain; version=0.0.4" in head
        found = values(parse(body))
        assert found["relayd_accepted_total"] == found["relayd_connections"] == 1
        assert found['relayd_listener_connections{listener="web"}'] == 1
        labels = f'{{upstream="app",server="a",address="{one.server.address}"}}'
        assert found["relayd_server_connections" + labels] == found["relayd_server_up" + labels] == 1
        assert found['relayd_upstream_servers_up{upstream="app"}'] == 1
    assert values(parse(relayctl("-s", at, "metrics"))).keys() == found.keys()


def test_many_connections_are_listed_whole(relay, origin, at):
    one = relay(origin(silent), control=at)
    peers = connect_many(one.address, 200)
    until(lambda: len(json.loads(relayctl("-s", at, "--json", "connections"))) == 200, "each is listed")
    numbers = [conn["id"] for conn in json.loads(relayctl("-s", at, "--json", "connections"))]
    assert len(set(numbers)) == 200
    close_all(peers)


def test_answers_go_on_through_reloads_and_connections(relay, origin, at):
    """Each answer is whole, whatever changes meanwhile."""
    one = relay(origin(echo), control=at)
    stop, answers, wrong = threading.Event(), [], []

    def ask():
        while not stop.is_set():
            for page in ("/status", "/servers", "/connections", "/metrics", "/ready"):
                status, _, body = asked(at, page)
                answers.append(page)
                if status != 200 or not body.endswith("\n") or page != "/metrics" and not isinstance(json.loads(body), (dict, list)):
                    wrong.append((page, status, body))

    asker = threading.Thread(target=ask)
    asker.start()
    for number in range(8):
        one.reload(one.server, control=at, workers=1 + number)
        for _ in range(10):
            with connect(one.address) as client:
                assert client.send(b"x").read(1) == b"x"
    until(lambda: len(answers) > 50, "it was asked")
    stop.set()
    asker.join(DEADLINE)
    assert wrong == []


def test_a_server_that_is_down_says_why(relay, at):
    site(relay, {"a": f"127.0.0.1:{free_port()}"}, top=f"control = {at}\n", check={"interval": "100ms", "fall": 1})
    until(lambda: json.loads(relayctl("-s", at, "--json", "servers"))[0]["state"] == "down", "the check to fail")
    assert "Connection refused" in json.loads(relayctl("-s", at, "--json", "servers"))[0]["reason"]


def test_why_a_server_is_down_is_what_its_last_check_said(relay, origin, at):
    """It was down for one reason, and now stays so for another: nobody is sent after the first."""
    port = free_port()
    one = site(relay, {"a": f"127.0.0.1:{port}"}, top=f"control = {at}\n", check={"type": "redis", "interval": "100ms", "fall": 1})
    one.wait_log("app/a .* is down: connect: Connection refused")
    origin(lambda peer: peer.send(b"-LOADING x\r\n") and peer.read_end(), port=port)
    until(lambda: json.loads(relayctl("-s", at, "--json", "servers"))[0]["reason"] == "the answer is error LOADING", "the reason is that of now")
    assert "the answer is error LOADING" in relayctl("-s", at, "explain", "192.0.2.1")


def test_a_server_is_shown_whatever_it_said(relay, origin, at):
    """What its check heard is cut to fit, which may be amid a character."""
    servers = {f"s{n}": origin(lambda peer, n=n: peer.send(b"x" * n + b"\x01" * 20 + "ж".encode() * 40) and peer.read_end())
               for n in range(2)}
    check = {"type": "talk", "expect": "+PONG", "timeout": "200ms", "interval": "100ms", "fall": 1}
    one = site(relay, servers, top=f"control = {at}\n", check=check)
    one.wait_log("app/s1 .* is down")

    def rows():
        status, _, body = asked(at, "/servers")
        assert status == 200
        return {row["server"]: row for row in json.loads(body)}
    until(lambda: {row["state"] for row in rows().values()} == {"down"}, "all to be down")
    assert set(rows()) == set(servers)
    assert all("\\x01ж" in row["reason"] for row in rows().values())
    assert asked(at, "/drain?server=app/s1", method="POST")[0] == 200
    assert rows()["s1"]["reason"].startswith("by an operator; no expected answer") and set(rows()) == set(servers)


@pytest.mark.parametrize("method, page, shown", [
    ("GET", "/status?%ff=1", "\\xff"),
    ("POST", "/drain?server=app/%ff%fe", "\\xff\\xfe"),
    ("GET", "/status?" + "%d0%b6" * 40, "no argument " + "ж" * 31),
    ("POST", "/block?prefix=%c3%28", "\\xc3("),
], ids=["status", "drain", "long", "block"])
def test_nonsense_in_a_request_is_answered(relay, origin, at, method, page, shown):
    relay(origin(http), control=at)
    status, _, body = asked(at, page, method=method)
    assert status == 400 and shown in json.loads(body)["error"]


def test_a_server_without_an_address_is_shown(relay, at):
    relay("localhost.invalid:80", control=at)
    (server,) = json.loads(relayctl("-s", at, "--json", "servers"))
    assert (server["address"], server["state"], server["reason"]) == (
        "localhost.invalid:80", "down", "its name has no address")


def test_explain_asks_nobody():
    assert relayctl("explain", "lc").startswith("LC: a connection was refused: max_connections was reached.\nRaise ")
    assert json.loads(relayctl("--json", "explain", "CE"))["failed"] is False
    assert "no such end code" in relayctl("explain", "ZZ", status=64)
    assert "takes one end code" in relayctl("explain", status=64)


def test_wrong_commands(at):
    assert "no such command: xyzzyq" in relayctl("xyzzyq", status=64)
    assert "no command drian; did you mean drain?" in relayctl("drian", status=64)
    assert "takes no argument: x" in relayctl("status", "x", status=64)
    assert "wrong arguments" in relayctl("--nonsense", status=64)
    assert "no relayd answers" in relayctl("-s", at, status=69)


def test_an_upstream_without_servers_to_count(relay, origin, at):
    relay(text=f"""control = "{at}"
        listener web {{ address = "127.0.0.1:{free_port()}" upstream = app }}
        upstream app {{ server a {{ address = "127.0.0.1:1" }} }}
        upstream gone {{ server a {{ address = "localhost.invalid:80" }} }}""")
    relayctl("-s", at, "drain", "app/a")
    until(lambda: not any(one["servers"] for one in json.loads(relayctl("-s", at, "--json", "status"))["upstreams"]), "no server counts")
    shown, page = relayctl("-s", at, "status"), asked(at, "/")[2]
    assert re.search(r"^app  round_robin +all drained$", shown, re.M) and re.search(r"^gone  round_robin +no address$", shown, re.M), shown
    assert "all drained" in page and "no address" in page and " of 0 up" not in shown + page
    assert [one["drained"] for one in json.loads(relayctl("-s", at, "--json", "status"))["upstreams"]] == [True, False]
