"""The log: nobody forges it or drowns it, and what could not be written is counted."""

import re
import resource
import socket
import struct
import time

import pytest

from client import connect
from origin import echo
from peer import EOF
from relay import Line, section
from settings import DEADLINE, free_port, until

FORGED = "x\n2026-01-01T00:00:00.000000Z error forged  RELAYD_END=SE"
V2 = b"\r\n\r\n\0\r\nQUIT\n"


def only_true_lines(one):
    for line in one.all_lines():
        assert line.level is not None, line
        assert "error forged" not in line.raw, line
    (record,) = one.wait_records(1)
    assert record.end == "CE" and r"x\x0a2026-01-01T00:00:00.000000Z\x20error\x20forged" in record.client


def passes(one):
    with connect(one) as peer:
        return peer.shut().read_end() == (b"", EOF)


@pytest.mark.parametrize("name", ["\0" + FORGED, FORGED], ids=["abstract", "path"])
def test_the_name_of_a_unix_client_forges_nothing(relay, origin, short_path, name):
    one = relay(origin(echo), address=f"unix:{short_path}/web.sock")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(name if name[0] == "\0" else f"{short_path}/{name}")
        sock.settimeout(DEADLINE)
        sock.connect(f"{short_path}/web.sock")
        sock.sendall(b"a")
        assert sock.recv(1) == b"a"
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
    only_true_lines(one)


def test_a_name_in_a_proxy_header_forges_nothing(relay, origin):
    server = origin(echo)
    one = relay(text=section("listener", "web", address=(address := f"127.0.0.1:{free_port()}"), upstream="app",
                             accept_proxy="v2", proxy_from=["127.0.0.0/8"])
                + section("upstream", "app", server=server), address=address)
    addresses = FORGED.encode().ljust(108, b"\0") + b"/there".ljust(108, b"\0")
    with connect(one) as peer:
        peer.send(V2 + bytes([0x21, 0x31]) + struct.pack(">H", len(addresses)) + addresses + b"a")
        assert peer.read(1) == b"a"
        peer.shut().read_end()
    only_true_lines(one)


def test_a_record_names_all_addresses_in_parts(relay, origin):
    server = origin(echo)
    one = relay(server)
    with connect(one) as peer:
        peer.shut().read_end()
    record = one.only_record()
    host, _, port = peer.name.rpartition(":")
    assert (record.client, record.client_address, record.client_port) == (peer.name, host, int(port))
    assert (record.listen_address, record.server_address, record.attempts) == (one.address, server.address, 1)
    assert not {"RELAYD_ERROR", "RELAYD_PEER"} & set(record.line.fields), "what has no value is left out"


def test_a_record_of_a_failure_tells_attempts_and_error(relay):
    one = relay(text=section("listener", "web", address=(address := f"[::1]:{free_port()}"), upstream="app")
                + "upstream app {\n" + "".join(f'server {name} {{ address = "127.0.0.1:{free_port()}" }}\n' for name in "ab")
                + "}\n", address=address)
    with connect(one) as peer:
        peer.read_end()
    record = one.only_record()
    assert (record.end, record.error, record.attempts) == ("SD", "ECONNREFUSED", 2)
    assert (record.client_address, record.listen_address) == ("::1", address)


def test_a_record_of_a_refused_client_has_no_server(relay, origin, short_path):
    one = relay(origin(echo), address=[f"unix:{short_path}/web.sock", address := f"127.0.0.1:{free_port()}"],
                deny=["127.0.0.0/8"])
    with connect(address) as peer:
        peer.read_end()
    record = one.only_record()
    assert (record.end, record.attempts, record.listen_address) == ("LA", 0, address)
    assert not {"RELAYD_SERVER", "RELAYD_SERVER_ADDRESS"} & set(record.line.fields)
    with connect(one) as peer:
        peer.shut().read_end()
    record = one.wait_records(2)[1]
    assert (record.client_address, record.listen_address) == ("unix:", f"unix:{short_path}/web.sock")
    assert "RELAYD_CLIENT_PORT" not in record.line.fields


def test_an_upstream_that_cannot_be_reached_is_named(relay, origin):
    """Until it can."""
    one = relay(f"127.0.0.1:{(port := free_port())}", max_fails=1, fail_timeout="100ms")
    with connect(one) as peer:
        peer.read_end()
    (line,) = one.wait_log("error No server of upstream app can be reached")
    assert line.about == ("app", None, None, "down")
    origin(echo, port=port)
    until(lambda: passes(one), "the server is tried again")
    (line,) = one.wait_log("notice Upstream app can be reached again")
    assert line.about == ("app", None, None, "up")


@pytest.mark.parametrize("end", ["CR", "CE"])
def test_a_flood_of_ends_is_summed_up(relay, origin, end):
    """However they end: a line each up to a number a second, and one line for the rest; each is accounted for."""
    one = relay(origin(echo))
    count, most = (700, 500) if end == "CR" else (300, 1000)
    peers = []
    for _ in range(count):
        peer = connect(one)
        if end == "CR":
            peer.send(b"a").read(1)
        peers.append(peer)
    began = time.monotonic()
    for peer in peers:
        if end == "CR":
            peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
    until(lambda: len(one.records()) + one.summed_up() == count, "every end is in the log, by itself or in a sum")
    seconds = time.monotonic() - began
    assert len(one.records()) <= most * (seconds + 2)
    if end == "CE":
        assert one.summed_up() == 0


def test_what_a_full_disk_did_not_take_is_counted(relay, origin, tmp_path):
    """The disk has room for a part of a line only, and then for all: no line is torn, and the gap is told."""
    disk = tmp_path / "disk"
    disk.mkdir()
    one = relay(origin(echo), wrap=["unshare", "-m", "sh", "-ec",
                                    'mount -t tmpfs -o size=64k none "$0"; exec "$@" 2>>"$0"/log', disk])
    inside = f"/proc/{one.pid}/root{disk}"

    def pass_by(count):
        for _ in range(count):
            with connect(one) as peer:
                peer.shut().read_end()

    def log():
        with open(f"{inside}/log", encoding="utf-8") as file:
            return file.read()

    def fill():
        with open(f"{inside}/filling", "ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
    until(lambda: "takes connections on" in log(), "the lines of the start are written")   # or they would be counted, too
    fill()
    pass_by(60)   # each some 600 bytes: the page that the log has already is soon full
    with open(f"{inside}/filling", "rb+") as file:
        file.truncate(0)
    until(lambda: "messages were not logged: No space left on device." in log(), "the gap is told")
    pass_by(1)
    until(lambda: log().count("RELAYD_CONN=61 ") == 1, "the log goes on")
    lines = [Line(raw) for raw in log().splitlines()]
    assert all(line.level is not None for line in lines), lines
    gaps = [line for line in lines if "were not logged" in line.text]
    records = [line for line in lines if "RELAYD_CONN" in line.fields]
    assert len(records) + sum(int(line.fields["RELAYD_COUNT"]) for line in gaps) == 61


def test_nothing_is_said_at_zero(relay, origin):
    one = relay(origin(echo))
    passes(one)
    one.wait_records(1)
    one.term()
    assert one.wait_exit() == 0
    said = [line.text for line in one.all_lines() if not line.fields]
    assert said[-2:] == ["Stopping: no new connections.", "Stopped."]
    assert not [text for text in said if re.search(r"\b0 (connection|may)", text)]


def test_limits_are_told_again_only_if_they_have_changed(relay, origin):
    def few_descriptors():
        resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))

    def told(reloads):
        one.wait_log("Reloaded" if reloads else "takes connections on", max(reloads, 1))
        return [line.text for line in one.all_lines() if "does not fit this system" in line.text]
    one = relay(origin(echo), max_connections=5000, prepare=few_descriptors)
    assert len(told(0)) == 1
    one.reload(one.server, max_connections=5000, workers=8, drain_idle="1s")
    assert len(told(1)) == 1, "the same"
    one.reload(one.server, max_connections=6000)
    assert "max_connections = 6000" in told(2)[1], "another one"
    one.reload(one.server, max_connections=10)
    one.reload(one.server, max_connections=6000)
    assert len(told(4)) == 3, "it had been mended"


def test_a_start_without_a_file_tells_what_it_does_first(relay, origin):
    """Nobody has asked for the limits or for a keeper."""
    def few_descriptors():
        resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))
    one = relay(arguments=["--listen", (address := f"127.0.0.1:{free_port()}"), "--proxy", origin(echo).address],
                address=address, prepare=few_descriptors)
    one.wait_log("takes connections on")
    assert one.all_lines()[0].text == f"Listener web takes connections on {address} and relays them to app."


class Journal:
    """The journal's socket, as a relayd sees it that was started with this wrap; its stderr is the journal's, it believes."""

    def __init__(self, directory):
        self.path = directory / "socket"
        self.socket = None
        self.wrap = ["unshare", "-m", "sh", "-ec",
                     'mount -t tmpfs none /run; mkdir -p /run/systemd/journal; mount --bind "$0" /run/systemd/journal;'
                     'export JOURNAL_STREAM="$(stat -L -c %d:%i /dev/stderr)"; exec "$@"', directory]
        self.come()

    def come(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(DEADLINE)

    def go(self, leave_file):
        self.socket.close()
        if not leave_file:
            self.path.unlink()

    def next(self):
        """The fields of the next message."""
        lines = self.socket.recv(65536).decode().split("\n")
        return dict(line.partition("=")[::2] for line in lines)

    def read_to(self, number):
        """How many connections were told of by themselves, and how many in sums, up to the one of this number."""
        alone = summed = 0
        while True:
            fields = self.next()
            alone += "RELAYD_CONN" in fields
            summed += int(fields.get("RELAYD_COUNT", 0))
            if fields.get("RELAYD_CONN") == str(number):
                return alone, summed


@pytest.mark.parametrize("leave_file", [False, True], ids=["no file", "nobody reads"])
def test_what_a_vanished_journal_did_not_take_is_counted(relay, origin, short_path, leave_file):
    """It is told as soon as the journal is there again, also if nothing else is said."""
    journal = Journal(short_path)
    server = origin(echo)
    one = relay(server, wrap=journal.wrap)

    def pass_by():
        with connect(one) as peer:
            peer.shut().read_end()
    pass_by()
    assert journal.read_to(1) == (1, 0)
    journal.go(leave_file)
    for _ in range(20):
        pass_by()
    if leave_file:
        journal.path.unlink()
    journal.come()
    told = journal.next()
    count = int(told["RELAYD_COUNT"])
    assert 0 < count <= 20 and told["PRIORITY"] == "4" and "not logged" in told["MESSAGE"], told
    pass_by()
    while count < 21:   # each is accounted for, in whatever order the connections came to their ends
        fields = journal.next()
        count += int(fields.get("RELAYD_COUNT", 0)) + ("RELAYD_CONN" in fields)
    assert count == 21
    assert "RELAYD_CONN" not in one.log, "what stderr gets, the journal has, too"
    journal.socket.close()
