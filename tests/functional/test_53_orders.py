"""What orders bring about at once: dials under way, blocks that end, checks; and who may give them."""

import json
import os
import re
import socket
import subprocess

import pytest

from client import connect
from control import asked, relayctl
from fleet import conf, site
from origin import echo, sends
from peer import RESET
from settings import DEADLINE, free_port, ms, until
from test_46_access import admitted

POSTED = ("/drain?server=app/a", "/down?server=app/a", "/ready?server=app/a", "/weight?server=app/a&weight=5", "/reset",
          "/kill?all=yes", "/drain-client?all=yes", "/block?prefix=127.0.0.1", "/unblock?prefix=127.0.0.1", "/lame-duck", "/reload",
          "/check")
NO_BODY = "Content-Length: 0\r\n"


def told(at, *words, status=0):
    return relayctl("-s", at, *words, status=status)


def servers(at):
    return {f"{one['upstream']}/{one['server']}": one for one in json.loads(told(at, "--json", "servers"))}


def metric(at, name):
    return int(re.search(rf"^relayd_{name} (\d+)$", told(at, "metrics"), re.M).group(1))


# Dials under way


class Late:
    """A server that accepts when it is told to: until then its backlog is full, and a connect to it waits."""

    def __init__(self, path):
        self.address = f"unix:{path}"
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen(0)
        self.fillers = []
        try:
            while True:
                filler = socket.socket(socket.AF_UNIX)
                filler.setblocking(False)
                filler.connect(path)
                self.fillers.append(filler)
        except BlockingIOError:
            filler.close()
        self.accepted = []

    def accept(self, n):
        for _ in range(n + len(self.fillers)):
            self.accepted.append(self.socket.accept()[0])

    def close(self):
        for each in (self.socket, *self.fillers, *self.accepted):
            each.close()


@pytest.fixture
def late(short_path):
    server = Late(str(short_path / "late.sock"))
    yield server
    server.close()


def test_down_ends_what_is_being_dialled(relay, late, at):
    one = site(relay, {"a": late}, top=f'control = "{at}"\n', on_down="reset", connect_timeout="10m")
    with connect(one) as client:
        until(lambda: servers(at)["app/a"]["live"] == 1, "it is dialled")
        told(at, "down", "app/a")
        late.accept(1)
        assert client.read_end() == (b"", RESET)
    assert one.record(client).end == "HR"
    until(lambda: servers(at)["app/a"]["live"] == 0, "it is gone")


@pytest.mark.parametrize("orders", [["drain"], ["down", "ready"]])
def test_what_is_being_dialled_lives_on(relay, late, at, orders):
    one = site(relay, {"a": late}, top=f'control = "{at}"\n', on_down="reset", connect_timeout="10m")
    with connect(one) as client:
        until(lambda: servers(at)["app/a"]["live"] == 1, "it is dialled")
        for order in orders:
            told(at, order, "app/a")
        late.accept(1)
        late.accepted[-1].sendall(b"x")
        assert client.read(1) == b"x"


def test_a_check_ends_what_is_being_dialled(relay, late, at):
    """The check comes with a reload: the dial is of the configuration before."""
    top = f'control = "{at}"\n'
    one = site(relay, {"a": late}, top=top, on_down="reset", connect_timeout="10m")
    with connect(one) as client:
        until(lambda: servers(at)["app/a"]["live"] == 1, "it is dialled")
        one.write_conf(text=conf(one.address, {"a": late.address}, top=top, on_down="reset", connect_timeout="10m",
                                 check={"interval": "1h", "timeout": ms(50), "fall": 1}))
        assert one.hup() == ""
        one.wait_log("app/a .* is down")
        late.accept(1)
        assert client.read_end() == (b"", RESET)
    assert one.record(client).end == "HR"


# Blocks


def test_the_end_of_a_block_is_logged_once(relay, origin, at):
    one = site(relay, {"a": origin(sends(b"in"))}, top=f'control = "{at}"\n')
    told(at, "block", "127.0.4.0/24", "--for", "1h")
    assert metric(at, "blocked_prefixes") == 1
    told(at, "block", "127.0.3.0/24", "--for", ms(300))
    line = one.wait_log(r"127.0.3.0/24 is not blocked any more: that was for \S+, by (root, )?uid \d+\.")[0]
    assert line.level == "notice"
    assert admitted(one, "127.0.3.1")
    assert metric(at, "blocked_prefixes") == 1
    told(at, "unblock", "127.0.4.0/24")
    assert metric(at, "blocked_prefixes") == 0
    assert len([line for line in one.all_lines() if "127.0.3.0/24 is not blocked any more" in line.text]) == 1


def test_the_screen_names_users(relay, origin, at):
    site(relay, {"a": origin(sends(b"in"))}, top=f'control = "{at}"\n')
    told(at, "block", "127.0.4.0/24")
    done = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True)
    assert re.search(rf"^127.0.4.0/24 .* {done.stdout.strip()}$", told(at, "blocks"), re.M)


# Servers


def test_a_weight_brings_checks_at_once(relay, origin, at):
    server = origin(echo)
    one = site(relay, {"a": {"address": server.address, "weight": 0}, "b": origin(echo),
                       "c": {"address": f"127.0.0.1:{free_port()}", "weight": 0}},
               top=f'control = "{at}"\n', check={"interval": "1h", "timeout": "20s", "fall": 1})
    told(at, "weight", "app/c", 3)
    one.wait_log("app/c .* is down: connect: Connection refused")
    assert server.accepted == 0
    told(at, "weight", "app/a", 1)
    until(lambda: server.accepted == 1, "it is checked")
    assert servers(at)["app/a"]["state"] == "up"


def test_orders_are_counted(relay, origin, at):
    one = site(relay, {"a": origin(echo), "b": origin(echo)}, top=f'control = "{at}"\n')
    assert metric(at, "ordered_servers") == 0
    assert told(at, "servers", "--reset") == "Nothing was ordered of any server.\n"
    told(at, "drain", "app/a")
    told(at, "weight", "app/a", 3)
    assert metric(at, "ordered_servers") == 1
    assert "1 order was lifted" in told(at, "servers", "--reset")
    assert metric(at, "ordered_servers") == 0
    assert not [line for line in one.all_lines() if "Nothing was ordered" in line.text]


def test_many_refusals_are_logged_as_one(relay, origin, at):
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\n')
    for _ in range(30):
        assert asked(at, "/drain?server=app/none", "POST", NO_BODY)[0] == 400
    one.finish()
    refused = [line for line in one.all_lines() if "Refused: there is no server app/none" in line.text]
    assert len(refused) == 10 and {line.level for line in refused} == {"info"}
    assert [line for line in one.all_lines() if line.text.startswith("20 more orders were refused within a minute")]


# Who may


@pytest.mark.skipif(os.geteuid() != 0, reason="changes the user")
@pytest.mark.parametrize("page", POSTED)
def test_others_order_nothing(relay, origin, at, page):
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\n')
    os.chmod(at, 0o666)
    os.chmod(os.path.dirname(at), 0o755)

    def post(groups):
        done = subprocess.run(["curl", "-sS", "-o", "-", "-w", "%{http_code}", "-X", "POST", "--unix-socket", at, f"http://x{page}"],
                              capture_output=True, text=True, check=False, user=65534, group=65534, extra_groups=groups,
                              timeout=DEADLINE)
        return done.stdout
    with connect(one) as client:
        assert client.send(b"x").read(1) == b"x"
        said = post([])
        assert said.endswith("403") and "may ask" in said
        assert client.send(b"y").read(1) == b"y"
    one_state = servers(at)["app/a"]
    assert (one_state["state"], one_state["weight"], one_state["ordered"]) == ("up", 1, None)
    assert json.loads(asked(at, "/blocks")[2]) == [] and asked(at, "/ready")[0] == 200
    assert not post([os.getegid()]).endswith("403")


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_the_open_place_takes_no_orders(relay, origin, at, short_path, kind):
    place = ("127.0.0.1", free_port()) if kind == "tcp" else str(short_path / "status.sock")
    written = f"127.0.0.1:{place[1]}" if kind == "tcp" else f"unix:{place}"
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\nstatus {{ address = {{"{written}"}} clients = true }}\n')
    with connect(one) as client:
        assert client.send(b"x").read(1) == b"x"
        for page in POSTED:
            expected = (404, 405) if page.startswith("/ready") else (404,)   # which is there to be looked at
            assert asked(place, page, "POST", NO_BODY, host="localhost")[0] in expected, page
            assert asked(place, page, host="localhost")[0] == (400 if page.startswith("/ready") else 404), page
        assert client.send(b"y").read(1) == b"y"
    assert servers(at)["app/a"]["ordered"] is None
    assert json.loads(asked(at, "/blocks")[2]) == []
