"""The journal: fields, identifiers, explanations; and a journal that hangs."""

import re
import socket
import threading

import pytest

import client
from service import ADDRESS, UNIT, listening, message_id, message_kinds, sections

FIELDS = {"CONN", "LISTENER", "CLIENT", "UPSTREAM", "SERVER", "END", "BYTES_UP", "BYTES_DOWN", "QUEUE_USEC",
          "DIAL_USEC", "DURATION_USEC", "CLIENT_ADDRESS", "CLIENT_PORT", "LISTEN_ADDRESS", "SERVER_ADDRESS", "ATTEMPTS"}
DEAD = "127.0.0.1:8081"  # the listener whose server is not there


def two_listeners(relayd, **options):
    return sections({"web": (ADDRESS, "app"), "dead": (DEAD, "none")},
                    {"app": relayd.origin.address, "none": "127.0.0.1:9"}, **options)


def ended(relayd, address=ADDRESS):
    """The name of a client whose connection has ended."""
    with relayd.connect(address) as peer:
        if address == ADDRESS:
            assert peer.get().status == 200
            peer.shut()
        peer.read_end()
        return peer.name


def test_a_connection_has_all_fields(relayd):
    relayd.start()
    with relayd.connect() as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: relay.test\r\n\r\n").read_response()
        peer.shut().read_end()
    (record,) = relayd.wait_journal(f"RELAYD_CLIENT={peer.name}")
    fields = {name.removeprefix("RELAYD_"): value for name, value in record.items() if name.startswith("RELAYD_")}
    assert set(fields) == FIELDS
    assert (fields["CONN"], fields["LISTENER"], fields["UPSTREAM"], fields["SERVER"]) == ("1", "web", "app", "a")
    assert (fields["CLIENT"], fields["END"], fields["BYTES_UP"]) == (peer.name, "CE", "36")
    assert int(fields["BYTES_DOWN"]) > 40
    assert 0 <= int(fields["QUEUE_USEC"]) + int(fields["DIAL_USEC"]) <= int(fields["DURATION_USEC"]) < 60000000


def test_a_record_is_native(relayd):
    """Written by relayd itself, with level and identifier, and a sentence for people."""
    relayd.start()
    name = ended(relayd)
    (record,) = relayd.wait_journal(f"RELAYD_CLIENT={name}")
    assert record["_TRANSPORT"] == "journal"
    assert record["SYSLOG_IDENTIFIER"] == "relayd"
    assert record["_SYSTEMD_UNIT"] == UNIT
    assert (record["PRIORITY"], "MESSAGE_ID=" + record["MESSAGE_ID"]) == ("6", message_id("CONNECTION"))
    assert record["MESSAGE"].startswith(f"Connection 1 from {name} to web at app/a (")
    assert "was ended by the client" in record["MESSAGE"]


def test_every_message_has_an_id_of_the_catalog(relayd):
    relayd.start(two_listeners(relayd))
    ended(relayd)
    ended(relayd, DEAD)
    relayd.systemctl("stop", UNIT)
    records = relayd.journal("_TRANSPORT=journal", "SYSLOG_IDENTIFIER=relayd")
    known = {identity for identity, _ in message_kinds().values()}
    assert len(records) >= 6
    assert all(record.get("MESSAGE_ID") in known for record in records)


def test_connections_are_found_by_client(relayd):
    relayd.start()
    names = [ended(relayd) for _ in range(3)]
    relayd.wait_journal(message_id("CONNECTION"), count=3)
    (record,) = relayd.journal(f"RELAYD_CLIENT={names[1]}")
    assert record["RELAYD_CONN"] == "2"


def test_connections_are_found_by_end(relayd):
    relayd.start(two_listeners(relayd))
    good, bad = ended(relayd), ended(relayd, DEAD)
    relayd.wait_journal(message_id("CONNECTION"))
    relayd.wait_journal(message_id("CONNECTION_FAILED"))
    assert [record["RELAYD_CLIENT"] for record in relayd.journal("RELAYD_END=CE")] == [good]
    assert [record["RELAYD_CLIENT"] for record in relayd.journal("RELAYD_END=SD")] == [bad]
    assert [record["RELAYD_LISTENER"] for record in relayd.journal("RELAYD_END=SD")] == ["dead"]


@pytest.mark.parametrize("kind", message_kinds())
def test_each_kind_is_in_the_installed_catalog(relayd, kind):
    identity, subject = message_kinds()[kind]
    entry = relayd.box.run("journalctl", "--no-pager", "--dump-catalog", identity).stdout
    assert f"Subject: {subject}\n" in entry
    assert "Defined-By: relayd\n" in entry
    assert len(entry.split("\n\n", 1)[1].strip()) > 40


def test_journalctl_x_explains(relayd):
    relayd.start(two_listeners(relayd))
    ended(relayd)
    ended(relayd, DEAD)
    relayd.systemctl("stop", UNIT)
    text = relayd.box.run("journalctl", "--no-pager", "-x", "-u", "relayd", relayd.since).stdout
    for kind in ("READY", "CONNECTION", "CONNECTION_FAILED", "STOPPING", "STOPPED"):
        _, subject = message_kinds()[kind]
        assert f"Subject: {subject}\n" in text
    assert "Documentation: man:relayd(8)\n" in text


class Closer:
    """An origin that ends each connection at once: the shortest that relayd relays, and records."""

    def __init__(self, relayd):
        with relayd.box.network():
            self.socket = listening("127.0.0.1:0")
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        try:
            while True:
                self.socket.accept()[0].close()
        except OSError:
            pass

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def closer(relayd):
    one = Closer(relayd)
    yield one
    one.stop()


def many(relayd, count):
    with relayd.box.network():
        for _ in range(count):
            with client.connect(ADDRESS) as peer:
                assert peer.recv() == b""


def rates(relayd, burst):
    """Tells journald how many lines in half a minute are too many of one service (it takes up to six times that)."""
    relayd.box.write("/run/systemd/journald.conf.d/rates.conf", f"[Journal]\nRateLimitBurst={burst}\n")
    relayd.systemctl("restart", "systemd-journald.service")


@pytest.mark.parametrize("unit_as_it_is", [True, False])
def test_journald_does_not_suppress_records(relayd, closer, unit_as_it_is):
    """It would without the unit's settings."""
    total = 1000
    if not unit_as_it_is:
        relayd.drop_in("LogRateLimitBurst=0")
    rates(relayd, 50)
    try:
        relayd.start(relayd.conf(closer))
        many(relayd, total)
        relayd.systemctl("stop", UNIT)
        count = len(relayd.journal("RELAYD_END=SE"))
        assert (count == total) == unit_as_it_is, count
    finally:
        rates(relayd, 10000)


def journald(relayd):
    return relayd.show("MainPID", unit="systemd-journald.service")


@pytest.fixture
def stopped_journald(relayd, closer):
    """relayd runs, and journald hangs until it is told to go on."""
    relayd.start(relayd.conf(closer))
    pid = journald(relayd)
    relayd.box.run("kill", "-STOP", pid)

    def go_on():
        relayd.box.run("kill", "-CONT", pid)
    yield go_on
    go_on()


def test_traffic_goes_on_without_the_journal(relayd, stopped_journald):
    """More messages than the log queues: clients are served all the same, and afterwards the journal says how many
    messages it lacks. Not one is missing from both."""
    total = 6000
    many(relayd, total)
    stopped_journald()
    dropped = relayd.wait_journal(message_id("LOG_DROPPED"))
    counts = [int(re.match(r"(\d+) messages were not logged", record["MESSAGE"])[1]) for record in dropped]
    relayd.systemctl("stop", UNIT)
    assert counts[0] > 0
    told = sum(int(record.get("RELAYD_COUNT", 1)) for record in relayd.journal("RELAYD_END=SE"))   # by itself or in a sum
    assert told + sum(counts) == total


def test_a_stop_does_not_wait_for_the_journal(relayd, stopped_journald):
    many(relayd, 1500)
    relayd.systemctl("stop", UNIT, timeout=20)
    assert relayd.show("Result") == "success"


def test_a_restart_of_journald_loses_no_record(relayd):
    relayd.start()
    before = ended(relayd)
    relayd.systemctl("restart", "systemd-journald.service")
    after = ended(relayd)
    relayd.wait_journal(f"RELAYD_CLIENT={before}")
    relayd.wait_journal(f"RELAYD_CLIENT={after}")
