"""What relayd says of itself at the control socket: rates, times, failures, limits that are near."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import time

import pytest

import control
from client import close_all, connect, connect_many
from control import RELAYCTL, relayctl
from origin import echo, silent
from relay import environment, section
from settings import DEADLINE, free_port, until


def asked(at, page):
    return json.loads(control.asked(at, page)[2])


def screen(at, *arguments, **more):
    return subprocess.run([RELAYCTL, "-s", at, *arguments], capture_output=True, text=True, check=True,
                          env={**environment(), **more}, timeout=DEADLINE).stdout


def listener_of(at):
    (listener,) = asked(at, "/status")["listeners"]
    return listener


def test_rates_and_connect_times(relay, origin, at):
    one = relay(origin(echo), control=at)
    (before,) = asked(at, "/servers")
    assert before["rate"] == before["failed_min"] == 0 and before["connect_p50_us"] is None
    assert abs(before["since"] - time.time()) < DEADLINE
    for _ in range(5):
        with connect(one.address) as client:
            assert client.send(b"x").read(1) == b"x"
    (server,) = asked(at, "/servers")
    assert 0 < server["rate"] <= 0.5
    assert 0 < server["connect_p50_us"] <= server["connect_p99_us"] < DEADLINE * 1e6
    status = asked(at, "/status")
    assert 0 < status["rate"] <= 0.5 and status["listeners"][0]["rate"] == status["rate"]
    assert (status["listeners"][0]["refused_min"], status["listeners"][0]["refused_why"], status["failures"]) == (0, "", [])


def test_failed_connects_and_since(relay, at):
    one = relay(f"127.0.0.1:{free_port()}", control=at, max_fails=1, fail_timeout="1h")
    (before,) = asked(at, "/servers")
    until(lambda: time.time() >= before["since"] + 1.5, "the next second of the clock")
    with connect(one.address) as client:
        assert client.read_end() == (b"", "reset")
    server = until(lambda: next(server for server in asked(at, "/servers") if server["state"] == "left_alone"), "it is left alone")
    assert server["failed_min"] >= 1 and server["rate"] == 0 and server["connect_p50_us"] is None
    assert before["since"] < server["since"] <= time.time()
    assert asked(at, "/status")["failures"] == [{"code": "SD", "why": "server unreachable", "last_5_min": 1}]
    listener = listener_of(at)
    assert (listener["refused_min"], listener["refused_why"]) == (1, "server unreachable")


def test_since_of_a_server_that_is_drained(relay, origin, at):
    server, address = origin(echo), f"127.0.0.1:{free_port()}"

    def text(weight):
        upstream = f'upstream app {{ server a {{ address = "{server.address}" weight = {weight} }} }}\n'
        return f'control = "{at}"\n' + section("listener", "web", address=address, upstream="app") + upstream

    one = relay(text=text(1))
    (before,) = asked(at, "/servers")
    until(lambda: time.time() >= before["since"] + 2, "the next second of the clock")
    one.reload(text=text(1))
    assert asked(at, "/servers")[0]["since"] <= before["since"] + 1
    one.reload(text=text(0))
    (after,) = asked(at, "/servers")
    assert after["state"] == "draining" and after["since"] > before["since"]


def test_refused_clients_are_counted_by_why(relay, origin, at):
    one = relay(origin(echo), control=at, deny=["127.0.0.0/8"])
    for _ in range(3):
        with connect(one.address) as client:
            assert client.read_end() == (b"", "reset")
    until(lambda: listener_of(at)["refused_min"] == 3, "all are counted")
    assert listener_of(at)["refused_why"] == "denied"
    assert asked(at, "/status")["failures"] == [{"code": "LA", "why": "denied", "last_5_min": 3}]


def test_limits_that_are_near(relay, origin, at):
    address, server = f"127.0.0.1:{free_port()}", origin(silent)
    relay(text=f'control = "{at}"\nmax_connections = 5\n'
          + section("listener", "web", address=address, upstream="app", max_connections=5)
          + section("upstream", "app", server=server))
    assert asked(at, "/status")["near"] == []
    peers = connect_many(address, 3)
    until(lambda: asked(at, "/status")["live"] == 3, "all are there")
    assert asked(at, "/status")["near"] == []
    peers += connect_many(address, 1)
    until(lambda: asked(at, "/status")["live"] == 4, "all are there")
    assert asked(at, "/status")["near"] == ["4 of 5 connections are taken (max_connections).",
                                            "4 of 5 connections of listener web are taken (its max_connections)."]
    close_all(peers)


def test_bytes_a_second_of_connections_that_live(relay, origin, at):
    one = relay(origin(echo), control=at)
    with connect(one.address) as client:
        until(lambda: asked(at, "/status")["up_rate"] is not None, "two samples")
        assert client.send(b"x" * 100000).read(100000) == b"x" * 100000
        until(lambda: asked(at, "/status")["up_rate"] > 0 and asked(at, "/status")["down_rate"] > 0, "it is seen")


def test_status_shows_what_is_measured(relay, origin, at):
    one = relay(origin(echo), control=at, max_connections_per_client=1)
    with connect(one.address) as client:
        assert client.send(b"x").read(1) == b"x"
        with connect(one.address) as second:
            assert second.read_end() == (b"", "reset")
        until(lambda: listener_of(at)["refused_min"] == 1, "it is counted")
        lines = screen(at).splitlines()
    assert lines[0].startswith("relayd ") and "   keeper: " in lines[0]
    assert "1 of " in lines[1] and "/s" in lines[1]
    assert "failed in 5 min: 1 LN (client full)" in lines
    web = next(line for line in lines if line.startswith("web "))
    assert web.split()[3:] == ["1", "0.2", "1", "(client", "full)"]
    head = next(line for line in lines if line.startswith("UPSTREAM/SERVER"))
    assert head.split("  ")[0] == "UPSTREAM/SERVER" and head.endswith("FAILED/min  SINCE")
    server = next(line for line in lines if line.startswith("  a  "))
    assert " up " in server and re.search(r" \d+\.\d/\d+\.\d ", server) and server.endswith(" s")


def at_a_terminal(at, *words, columns=0, **more):
    control, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(control, "rb", buffering=0) as shown:
        done = subprocess.run([RELAYCTL, "-s", at, *(words or ["servers"])], stdout=terminal, check=True, env={**environment(), **more},
                              timeout=DEADLINE)
        text = shown.read(65536).decode()
        os.close(terminal)
    assert done.returncode == 0
    return text


def test_a_terminal_has_colours_unless_it_is_told_not_to(relay, origin, at):
    relay(origin(echo), control=at)
    assert "\033[32mup\033[0m" in at_a_terminal(at, NO_COLOR="")
    assert "\033" not in at_a_terminal(at, NO_COLOR="1") and " up " in at_a_terminal(at, NO_COLOR="1")
    assert "\033" not in screen(at, "servers")


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("names", [("app", "a"), ("production-frontends", "app-server-17.rack-3.example")], ids=["short", "long"])
def test_a_terminal_is_not_too_narrow(relay, at, columns, names):
    """What does not fit goes on in another line; nothing is cut, and a pipe gets each row whole."""
    upstream, server = names
    dead = f"127.0.0.1:{free_port()}"
    one = relay(text=f"""control = "{at}"
        listener web {{ address = "127.0.0.1:{free_port()}" upstream = "{upstream}" }}
        upstream "{upstream}" {{ max_fails = 1 fail_timeout = 1h
            server "{server}" {{ address = "{dead}" }}
            server "{server}2" {{ address = "{dead}1" }}
            health_check {{ type = tcp fall = 1 interval = 100ms }} }}""".replace(f"{dead}1", f"127.0.0.2:{dead.split(':')[1]}"))
    one.wait_log("No server of upstream")
    relayctl("-s", at, "down", f"{upstream}/{server}")
    for words in (["servers"], ["status"], ["events", "follow=no"]):
        whole = screen(at, *words).splitlines()
        lines = at_a_terminal(at, *words, columns=columns, NO_COLOR="1").replace("\r", "").splitlines()
        if words != ["status"]:   # its head is as long as a version
            assert max(map(len, lines)) <= columns, "\n".join(lines)
        shown = re.sub(r"\d+ s\b", "AGE", " ".join(" ".join(lines).split()))
        for row in whole:
            assert all(cell in shown for cell in re.split(" {2,}", re.sub(r"\d+ s\b", "AGE", row.strip()))), (row, shown)
    assert any("(by " in line and line.endswith("Connection refused)") for line in screen(at, "servers").splitlines())


def phases(at, *filters):
    return {conn["phase"]: conn for conn in asked(at, "/connections" + ("?" + "&".join(filters) if filters else ""))}


def test_connections_that_are_not_yet_established(relay, full_origin, at):
    """One worker connects to a server that does not answer; who comes next waits for it."""
    one = relay(full_origin, control=at, workers=1, connect_timeout="60s", connect_attempts=1)
    with connect(one.address) as first, connect(one.address) as second:
        until(lambda: set(phases(at)) == {"connect", "queue"}, "both are seen")
        found = phases(at)
        assert found["connect"]["id"] < found["queue"]["id"]
        assert {conn["client"] for conn in found.values()} == {f"127.0.0.1:{peer.sock.getsockname()[1]}" for peer in (first, second)}
        for conn in found.values():
            assert (conn["server"], conn["address"], conn["listener"], conn["upstream"]) == ("", "", "web", "app")
            assert conn["age_us"] == conn["idle_us"] > 0 and conn["up"] == conn["down"] == 0
        assert set(phases(at, "listener=web", "client=127.0.0.1")) == {"connect", "queue"}
        assert phases(at, "listener=other") == phases(at, "server=a") == phases(at, "client=::1") == {}
        assert " connect " in screen(at, "connections")


def test_openings_are_listed(relay, origin, at):
    one = relay(origin(echo), control=at, accept_proxy="v1", proxy_from=["127.0.0.0/8"])
    with connect(one.address) as silent_one, connect(one.address) as other:
        until(lambda: [conn["phase"] for conn in asked(at, "/connections")] == ["opening", "opening"], "both are openings")
        other.send(b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\nx")
        until(lambda: set(phases(at)) == {"opening", "relay"}, "one goes on")
        assert phases(at)["relay"]["client"] == "192.0.2.1:1234"
        assert phases(at)["opening"]["client"] == f"127.0.0.1:{silent_one.sock.getsockname()[1]}"
