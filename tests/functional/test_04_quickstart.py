"""packaging/quickstart: what a newcomer runs first."""

import os
import re
import signal
import socket
import subprocess

import pytest

from client import curl
from origin import http
from settings import DEADLINE, RELAYD, REPO, free_port

QUICKSTART = REPO / "packaging" / "quickstart"


@pytest.mark.parametrize("argument, status, said", [
    ("app", 64, "app is not HOST:PORT, as in app.example:80"),
    ("::1:80", 64, "::1:80 is not HOST:PORT"),
    ("http://x.example/shop", 64, "give HOST:PORT, as in x.example:80"),
    ("https://x.example", 64, "as in x.example:443"),
    ("http://x.example:8000/", 64, "as in x.example:8000"),
    ("127.0.0.1:99999", 64, "a port is a number from 1 to 65535"),
    ("nohost.invalid:80", 68, "The host nohost.invalid cannot be looked up"),
])
def test_the_argument_is_looked_at_before_the_build(argument, status, said):
    done = subprocess.run([QUICKSTART, argument], capture_output=True, text=True, timeout=DEADLINE)
    assert (done.returncode, said in done.stderr, done.stdout) == (status, True, ""), done


class Quickstart:
    def __init__(self, *arguments, **env):
        self.out = []
        self.process = subprocess.Popen([QUICKSTART, *arguments], env={**os.environ, "RELAYD": RELAYD, **env}, text=True, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, start_new_session=True)

    def read_to(self, pattern):
        for line in self.process.stdout:
            self.out.append(line)
            found = re.search(pattern, line)
            if found:
                return found
        raise AssertionError("".join(self.out))

    def interrupt(self):
        """As a terminal's Ctrl-C does: the whole group is told."""
        os.killpg(self.process.pid, signal.SIGINT)
        rest, _ = self.process.communicate(timeout=DEADLINE)
        return rest


@pytest.fixture
def quickstart():
    made = []

    def start(*arguments, **env):
        made.append(Quickstart(*arguments, **env))
        return made[-1]
    yield start
    for one in made:
        if one.process.poll() is None:
            one.interrupt()


def test_it_relays_and_says_what_is_next(quickstart, origin):
    """One test, since each run writes the same file."""
    relays_to_its_demo_origin(quickstart)
    relays_to_a_server_and_tells_of_one_that_is_not_there(quickstart, origin(http))
    strangers_reach_it_only_if_it_was_asked_to(quickstart, origin(http))


def relays_to_its_demo_origin(quickstart):
    one = quickstart()
    url = one.read_to(r"curl -i (http://localhost:\d+/)")[1]
    assert not re.search("keeper|max_connections|LimitNOFILE", "".join(one.out))
    assert b"It works" in curl(url)
    one.read_to(r"\[[CS]E\]")
    rest = one.interrupt()
    assert "0 may finish within 1s" in rest or "Stopping: no new connections" in rest
    assert "relayd has stopped. What to try next:" in rest
    assert one.process.returncode == 0


def relays_to_a_server_and_tells_of_one_that_is_not_there(quickstart, server):
    one = quickstart(server.address)
    url = one.read_to(r"curl -i (http://localhost:\d+/)")[1]
    assert "Nothing takes connections" not in "".join(one.out)
    curl(url)
    one.interrupt()
    one = quickstart(f"127.0.0.1:{free_port()}")
    url = one.read_to(r"curl -i (http://localhost:\d+/)")[1]
    assert re.search(r"Nothing takes connections at 127.0.0.1:\d+ now \(Connection refused\)", "".join(one.out))
    assert b"502" in curl(url, "-i")


def strangers_reach_it_only_if_it_was_asked_to(quickstart, server):
    for env, stranger in (({}, False), ({"LISTEN": "0.0.0.0"}, True), ({"LISTEN": ""}, True)):
        one = quickstart(server.address, **env)
        port = int(one.read_to(r"curl -i http://localhost:(\d+)/")[1])
        for host in ("127.0.0.1", "127.0.0.2"):   # another address of this machine
            with socket.socket() as client:
                assert (client.connect_ex((host, port)) == 0) == (stranger or host == "127.0.0.1"), (env, host)
        one.interrupt()
