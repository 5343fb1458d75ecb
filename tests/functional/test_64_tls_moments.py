"""TLS at the moments between its parts: a handshake that stops within a record, data that comes with Finished, messages that
come behind the handshake at once, and data that came before it."""

import subprocess
import threading

import pytest
from by_hand import BOTH, ByHand, Sealer
from client import connect
from peer import EOF, RESET, elapsed
from settings import DEADLINE, free_port, ms, secs, until
from test_62_tls_servers import behind
from tls import Site, https


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path, "site.test", "localhost")


def reads_all(peer):
    return peer.read_end()


def is_in_time(took, limit):
    return limit * 0.9 <= took <= limit + secs(1)


class Dripper(threading.Thread):
    """Sends a byte every 20 ms, and not one more once the other side has had enough."""

    def __init__(self, peer, data):
        super().__init__(daemon=True)
        self.peer, self.data, self.enough = peer, data, threading.Event()
        self.start()

    def run(self):
        try:
            for byte in self.data:
                self.peer.send(bytes([byte]))
                if self.enough.wait(0.02):
                    return
        except OSError:
            pass


# A handshake that does not come to its end


@pytest.mark.parametrize("where", ["in the hello", "in finished", "between", "by drops"])
def test_a_client_whose_handshake_stops_is_ended_in_time(relay, origin, site, where):
    server = origin(reads_all)
    one = https(relay, site, server, opening_timeout=ms(300))
    with connect(one) as plain:
        client = ByHand(plain, site.context(), name="site.test")
        client.step()
        hello = client.in_hand()
        if where == "by drops":
            dripper = Dripper(plain, hello)
            took = elapsed(plain.ending)[1]
            dripper.enough.set()
            dripper.join()
        else:
            plain.send(hello[:100] if where == "in the hello" else hello)
            while where != "in the hello" and not client.step() and not client.going.pending:
                client.hear()
            plain.send(client.in_hand()[:30] if where == "in finished" else b"")
            took = elapsed(plain.ending)[1]
    record = one.record(plain)
    assert record.end == "TG" and is_in_time(record.duration_usec / 1e6, secs(0.3)) and took <= secs(1.3)
    assert "opening_timeout" in record.line.text
    assert server.accepted == 0


@pytest.mark.parametrize("where", ["in its hello", "by drops"])
def test_a_server_whose_handshake_stops_is_ended_in_time(relay, origin, site, where):
    context, ended = site.server_context(), []

    def script(peer):
        server = ByHand(peer, context, server_side=True)
        while not server.step() and not server.going.pending:
            server.hear()
        flight = server.in_hand()
        if where == "by drops":
            dripper = Dripper(peer, flight)
            ended.append(peer.ending())
            dripper.enough.set()
            dripper.join()
        else:
            peer.send(flight[:150])
            ended.append(peer.ending())
    one = behind(relay, site, origin(script), upstream=f"    connect_attempts = 1\n    connect_timeout = {ms(300)}\n")
    with connect(one) as client:
        assert client.ending() == RESET
    record = one.record(client)
    assert record.end == "TD" and is_in_time(record.duration_usec / 1e6, secs(0.3))
    until(lambda: ended, "the server's end")


# Data that comes with Finished, or before


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("ends", [False, True])
def test_data_and_the_end_come_in_one_segment_with_finished(relay, origin, site, version, ends):
    server = origin(reads_all)
    one = https(relay, site, server)
    context = site.context(least=BOTH[version], most=BOTH[version])
    data = b"first" * 9000   # three records
    with connect(one) as plain:
        if version == "1.3":
            client = ByHand(plain, context, name="site.test").shake(flush=False)
        else:   # a client of TLS 1.2 must hear the server's Finished first, unless it resumes
            site.connect(one, context=context).close()
            server.result()
            client = ByHand(plain, context, name="site.test").shake()
        plain.send(client.in_hand() + client.seal(data, end=ends)).shut()
        got, how = server.result()
        assert how == (EOF if ends else RESET)
        assert got == data if ends else data.startswith(got)
        plain.ending()


def test_a_resumed_client_of_tls_1_2_sends_data_with_finished(relay, origin, site):
    """There the server's Finished comes first, and what relayd counts from is another place."""
    server = origin(reads_all)
    one = https(relay, site, server)
    context = site.context(most=BOTH["1.2"])
    with site.connect(one, context=context) as client:
        session = client.sock.session
        client.tell_end().ending()
    assert server.result() == (b"", EOF)
    with connect(one) as plain:
        client = ByHand(plain, context, name="site.test", session=session).shake(flush=False)
        assert client.tls.session_reused
        plain.send(client.in_hand() + client.seal(b"first", b"second", end=True)).shut()
        assert server.result() == (b"firstsecond", EOF)
        assert client.read_end() == (b"", EOF)
    assert (one.record(plain).end, one.record(plain).tls_resumed) == ("CE", "yes")


def early_session(site, folder):
    """A session of another server, which takes early data."""
    port, ticket = free_port(), folder / "ticket"
    with subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", site.file, "-early_data", "-quiet",
                           "-naccept", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        def begun():
            return subprocess.run(["ss", "-Htln", f"sport = :{port}"], capture_output=True, check=True).stdout
        until(begun, "s_server")
        with subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "site.test", "-quiet",
                               "-sess_out", ticket, "-no_ign_eof"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
            server.stdin.write(b"hello\n")
            server.stdin.flush()
            client.stdin.write(b"hello\n")
            client.stdin.flush()
            assert server.stdout.readline() == b"hello\n"
            until(lambda: ticket.exists() and ticket.stat().st_size, "a ticket")
            client.stdin.close()
            client.wait(DEADLINE)
        server.stdin.close()
        server.wait(DEADLINE)
    return ticket


@pytest.mark.parametrize("size", [100, 16000])
def test_early_data_is_refused_and_not_lost_or_doubled(relay, origin, site, tmp_path, size):
    """openssl s_client sends it in its first flight; the server must see the second one alone."""
    def script(peer):
        got = peer.read_to(b"\n")
        peer.send(b"answer\n")
        return got, peer.read_end()
    server = origin(script)
    one = https(relay, site, server)
    early, ticket = tmp_path / "early", early_session(site, tmp_path)
    early.write_bytes(b"e" * size)
    with subprocess.Popen(["openssl", "s_client", "-connect", one.address, "-CAfile", site.ca, "-servername", "site.test",
                           "-sess_in", ticket, "-early_data", early], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as client:
        client.stdin.write(b"late " + b"l" * size + b"\n")
        client.stdin.flush()
        said = b""
        while not said.endswith(b"answer\n"):
            said += client.stdout.readline()
        client.stdin.write(b"Q\n")
        client.stdin.flush()
    assert b"Early data was rejected" in said
    assert server.result() == (b"late " + b"l" * size + b"\n", (b"", EOF))
    assert one.only_record().end == "CE"


# Messages behind the handshake, by hand


def to_server(relay, origin, site, tmp_path):
    """A client of TLS 1.3 after its handshake, what seals for it, and its origin."""
    server = origin(reads_all)
    one = https(relay, site, server)
    context, keys = site.context(least=BOTH["1.3"]), tmp_path / "keys"
    context.keylog_filename = str(keys)
    plain = connect(one)
    client = ByHand(plain, context, name="site.test").shake()
    return one, plain, Sealer(client, keys), server


def test_a_client_that_changes_its_key_at_once_and_again(relay, origin, site, tmp_path):
    one, plain, seals, server = to_server(relay, origin, site, tmp_path)
    with plain:
        plain.send(seals.update() + seals.data(b"a") + seals.update(asked=True) + seals.update() + seals.data(b"b", padding=300)
                   + b"".join(seals.update(asked=True) for _ in range(32)) + seals.data(b"c") + seals.alert(1, 0)).shut()
        assert server.result() == (b"abc", EOF)
        plain.ending()
    assert one.record(plain).end == "CE"


@pytest.mark.parametrize("what", ["33 updates", "ticket", "two in a record", "within data", "half a message", "empty handshake",
                                  "no content", "unknown alert", "renegotiation", "change cipher", "too long", "replayed", "old key",
                                  "plain alert", "plain data"])
def test_what_breaks_the_rules_is_cut(relay, origin, site, tmp_path, what):
    """The server got what came before it and nothing else, and no end in order."""
    one, plain, seals, server = to_server(relay, origin, site, tmp_path)

    def bad():
        if what == "33 updates":
            return b"".join(seals.update() for _ in range(33))
        if what == "ticket":
            return seals.message(seals.TICKET)
        if what == "two in a record":
            return seals.message(seals.UPDATE + seals.UPDATE)
        if what == "within data":
            return seals.message(seals.UPDATE[:2]) + seals.data(b"BAD")
        if what == "half a message":
            return seals.message(seals.UPDATE[:2]) + seals.alert(1, 0)
        if what == "empty handshake":
            return seals.message(b"")
        if what == "no content":
            return seals.seal(b"", 0, padding=20)
        if what == "unknown alert":
            return seals.alert(1, 200)
        if what == "renegotiation":
            return seals.message(b"\x01\x00\x00\x02xx")
        if what == "change cipher":
            return seals.seal(b"\x01", 20)
        if what == "too long":
            return seals.data(b"B" * 16385)
        if what == "replayed":
            seals.number -= 1
            return seals.data(b"BAD")
        if what == "old key":
            secret, number = seals.secret, seals.number
            update = seals.update()
            seals.secret = secret
            seals.use()
            seals.number = number + 1
            return update + seals.data(b"BAD")
        return b"\x15\x03\x03\x00\x02\x01\x00" if what == "plain alert" else b"\x17\x03\x03\x00\x03BAD"
    with plain:
        plain.send(seals.data(b"good") + bad() + seals.data(b"BAD") + seals.alert(1, 0))
        got, how = server.result()
        assert how == RESET and b"good".startswith(got)
        plain.ending()
    assert one.record(plain).end == "CT"


def answering(site, tmp_path, *after, updates=None):
    """A script of a server of TLS 1.3 that sends messages of its own behind its handshake, before any data. updates: gets a
    True for each KeyUpdate that comes."""
    context, keys = site.server_context(minimum_version=BOTH["1.3"], num_tickets=0), tmp_path / "keys"
    context.keylog_filename = str(keys)
    if updates is not None:
        context._msg_callback = lambda conn, way, version, content, kind, data: way == "read" and kind == 24 and updates.append(True)

    def script(peer):
        server = ByHand(peer, context, server_side=True).shake()
        seals = Sealer(server, keys)
        for make in after:
            peer.send(make(seals))
        peer.send(seals.data(b"hello"))
        asked = server.read(1)
        peer.send(seals.data(b"<" + asked + b">") + seals.alert(1, 0))
        return server.read_end()
    return script


AT_ONCE = {
    "stale ticket": [lambda seals: seals.message(seals.TICKET)],
    "update asked": [lambda seals: seals.update(asked=True)],
    "both and more": [lambda seals: seals.message(seals.TICKET), lambda seals: seals.update(asked=True), lambda seals: seals.update(),
                      lambda seals: seals.message(seals.TICKET), lambda seals: seals.update(asked=True)],
    "cut and joined": [lambda seals: seals.message(seals.TICKET + seals.TICKET[:7]) + seals.message(seals.TICKET[7:]),
                       lambda seals: seals.message(seals.TICKET + seals.UPDATE_ASKED[:1]) + seals.message(seals.UPDATE_ASKED[1:]),
                       lambda seals: seals.next_key()],
}


@pytest.mark.parametrize("what", AT_ONCE)
def test_a_server_that_sends_messages_at_once(relay, origin, site, tmp_path, what):
    """A ticket is dropped, a key is changed, and the one that is asked for in return comes before the next data."""
    updates = []
    server = origin(answering(site, tmp_path, *AT_ONCE[what], updates=updates))
    one = behind(relay, site, server)
    with connect(one) as client:
        assert client.read(5) == b"hello"
        assert client.send(b"?").read_end() == (b"<?>", EOF)
    assert server.result() == (b"", EOF)
    assert len(updates) == (what != "stale ticket")   # RFC 8446, 4.6.3: several that ask may have one in return
    assert one.record(client).end == "SE"


@pytest.mark.parametrize("what, seal", [
    ("certificate request", lambda seals: seals.message(b"\x0d\x00\x00\x03\x00\x00\x00")),
    ("hello request", lambda seals: seals.message(bytes(4))),
    ("33 tickets", lambda seals: b"".join(seals.message(seals.TICKET) for _ in range(33))),
])
def test_a_server_that_breaks_the_rules_is_cut(relay, origin, site, tmp_path, what, seal):
    one = behind(relay, site, origin(answering(site, tmp_path, seal)))
    with connect(one) as client:
        assert client.read_end() == (b"", RESET), what   # no hello
    assert one.record(client).end == "ST"
