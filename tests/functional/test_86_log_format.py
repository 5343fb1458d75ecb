"""What lines on stderr look like: text, JSON, and sentences for somebody at a terminal."""

import datetime
import json
import os
import pty
import re
import socket
import threading

import pytest

from client import connect
from origin import echo
from peer import EOF
from relay import once
from settings import DEADLINE, free_port, until


def passes(one):
    with connect(one) as peer:
        assert peer.send(b"abc").read(3) == b"abc"
        assert peer.shut().read_end() == (b"", EOF)
        return peer.name


def objects(one):
    return [json.loads(line.raw) for line in one.all_lines()]


def test_each_line_is_an_object(relay, origin):
    server = origin(echo)
    one = relay(server, log_format="json")
    name = passes(one)
    until(lambda: any("conn" in entry for entry in objects(one)), "the record")
    (record,) = [entry for entry in objects(one) if "conn" in entry]
    host, _, port = name.rpartition(":")
    assert record["level"] == "info" and record["message"].startswith("Connection 1 from ")
    assert re.fullmatch("[0-9a-f]{32}", record["message_id"])
    assert datetime.datetime.fromisoformat(record["time"].replace("Z", "+00:00")).tzinfo == datetime.timezone.utc
    assert (record["client"], record["client_address"], record["client_port"]) == (name, host, int(port))
    assert (record["listener"], record["upstream"], record["server"]) == ("web", "app", "a")
    assert (record["server_address"], record["end"], record["attempts"]) == (server.address, "CE", 1)
    assert (record["conn"], record["bytes_up"], record["bytes_down"]) == (1, 3, 3)
    assert all(isinstance(record[f"{name}_usec"], int) for name in ("queue", "dial", "duration"))
    assert "error" not in record and "peer" not in record
    one.term()
    assert one.wait_exit() == 0
    assert {"time", "level", "message", "message_id"} <= set.intersection(*map(set, objects(one)))


@pytest.mark.parametrize("name", [b'\0"}\n{"level":"error', b"\0\xff\\\x01"])
def test_no_name_breaks_an_object(relay, origin, short_path, name):
    one = relay(origin(echo), address=f"unix:{short_path}/web.sock", log_format="json")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(name)
        sock.settimeout(DEADLINE)
        sock.connect(f"{short_path}/web.sock")
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
    until(lambda: any("conn" in entry for entry in objects(one)), "the record")
    (record,) = [entry for entry in objects(one) if "conn" in entry]
    assert record["level"] == "info" and record["client"].startswith("unix:@")


def test_a_reload_changes_it_at_once(relay, origin):
    one = relay(origin(echo))
    one.wait_log(r"Z notice .*")
    one.reload(one.server, log_format="json")
    at = len(one.all_lines())
    passes(one)
    one.wait_log('"conn":1,')
    assert all(line.raw.startswith("{") for line in one.all_lines()[at:])
    one.reload(one.server)
    passes(one)
    assert one.wait_records(1)[0].conn == 2


def test_errors_of_the_file_are_text(tmp_path):
    file = tmp_path / "relayd.conf"
    file.write_text("log_format = json\nlisteners = 1\n")
    done = once("-f", file)
    assert done.returncode == 78
    assert " error " in done.stderr and not done.stderr.startswith("{")


class Terminal:
    def __init__(self):
        self.master, self.slave = pty.openpty()
        self.wrap = ["sh", "-ec", 'exec "$@" 2>"$0"', os.ttyname(self.slave)]
        self.text = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            self.text += os.read(self.master, 4096).decode()

    def line(self, words):
        until(lambda: words in self.text, f"/{words}/ on the terminal")
        return next(line for line in self.text.splitlines() if words in line)


@pytest.mark.parametrize("env, colours", [
    ({"TERM": "xterm", "NO_COLOR": ""}, True),
    ({"TERM": "xterm", "NO_COLOR": "1"}, False),
    ({"TERM": "dumb", "NO_COLOR": ""}, False),
])
def test_a_terminal_gets_sentences(relay, env, colours):
    terminal = Terminal()
    one = relay(f"127.0.0.1:{free_port()}", wrap=terminal.wrap, env=env, max_fails=1)
    with connect(one) as peer:
        peer.read_end()
    ready = terminal.line("takes connections on")
    down = terminal.line("No server of upstream app can be reached")
    record = terminal.line("Connection 1 from")
    if colours:
        assert "\033[36m" in ready and "\033[1;31merror: No server" in down and down.endswith("\033[0m")
    else:
        assert "\033" not in terminal.text
        assert re.fullmatch(r"\d\d:\d\d:\d\d error: No server of .*", down)
    assert record.endswith("[SD]\033[0m" if colours else "[SD]") and "RELAYD_" not in terminal.text


def test_a_terminal_gets_json_if_that_is_asked_for(relay):
    terminal = Terminal()
    relay(f"127.0.0.1:{free_port()}", wrap=terminal.wrap, log_format="json")
    assert json.loads(terminal.line("takes connections on"))["level"] == "notice"
