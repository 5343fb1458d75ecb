"""Whoever cuts a TLS stream, wherever: what the other side got never looks whole."""

import random
import re
import subprocess

import pytest
from by_hand import BOTH, ByHand
from client import connect
from origin import echo
from peer import EOF, RESET
from settings import DEADLINE, SANITIZER, some
from test_62_tls_servers import behind
from tls import Site, between, https, over_tls

#: Small records, so that the first 300 bytes of the stream have several, and their ends.
PIECES = [b"GET /a", b"x", b"y" * 90, b"of some length", b"z" * 37]
SENT = b"".join(PIECES)


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path, "site.test", "localhost")


def cuts(size):
    """Behind each of the first 300 bytes, then here and there; and all, which is no cut."""
    first = list(range(min(300, size)))
    return first[::7 if SANITIZER else 1] + random.sample(range(size), some(10)) + [size]


def reads_all(peer):
    return peer.read_end()


def look(cut, size, got, how):
    assert how == (EOF if cut == size else RESET), (cut, size, got, how)
    assert SENT.startswith(got) and (how == RESET or got == SENT), (cut, size, got)


# The client


@pytest.mark.parametrize("version", BOTH)
def test_a_client_that_is_cut_after_each_byte(relay, origin, site, version):
    """To the last byte of close_notify; that one makes an end."""
    server = origin(reads_all)
    one = https(relay, site, server)
    context = site.context(least=BOTH[version], most=BOTH[version])
    size = len(ByHand(connect(one), context, name="site.test").shake().seal(*PIECES, end=True))
    server.result()
    one.wait_records(1)
    for done, cut in enumerate(cuts(size), 1):   # a client's port may come again
        with connect(one) as plain:
            plain.send(ByHand(plain, context, name="site.test").shake().seal(*PIECES, end=True)[:cut]).shut()
            look(cut, size, *server.result())
            plain.ending()
        assert one.wait_records(done + 1)[done].end == ("CE" if cut == size else "CT"), cut


@pytest.mark.parametrize("version", BOTH)
def test_a_big_upload_that_is_cut_at_random(relay, origin, site, version):
    server = origin(reads_all)
    one = https(relay, site, server)
    context = site.context(least=BOTH[version], most=BOTH[version])
    data = random.randbytes(300_000)
    for _ in range(some(20)):
        with connect(one) as plain:
            stream = ByHand(plain, context, name="site.test").shake().seal(data, end=True)
            plain.send(stream[:random.randrange(len(stream))]).shut()
            got, how = server.result()
            assert how == RESET and data.startswith(got)


@pytest.mark.parametrize("version", BOTH)
def test_a_handshake_that_is_cut_after_each_byte(relay, origin, site, version):
    """No server hears of it, until the last byte of Finished has come."""
    server = origin(reads_all)
    one = https(relay, site, server)
    context = site.context(least=BOTH[version], most=BOTH[version])

    def flights():
        """What a client has sent before it hears anything, and what then."""
        plain = connect(one)
        client = ByHand(plain, context, name="site.test")
        client.step()
        first = client.in_hand()
        plain.send(first)
        while not client.step() and not client.going.pending:
            client.hear()
        return plain, first, client.in_hand()
    plain, first, second = flights()
    plain.close()
    for cut in cuts(len(first) - 1)[:-1]:
        with connect(one) as plain:
            plain.send(first[:cut]).shut()
            plain.ending()
    for cut in cuts(len(second) - 1)[:-1]:
        plain, _, second = flights()
        with plain:
            plain.send(second[:cut]).shut()
            plain.ending()
    assert server.accepted == 0
    assert {record.end for record in one.records()} == {"CG"}
    plain, _, second = flights()
    with plain:
        plain.send(second).shut()
        assert server.result() == (b"", RESET)


# The server


def cutter(site, version, size=None):
    """A script of an origin that speaks TLS and sends so many bytes of its stream, as the list says; and the list."""
    context = site.server_context(minimum_version=BOTH[version], maximum_version=BOTH[version])
    wanted = []

    def script(peer):
        server = ByHand(peer, context, server_side=True).shake()
        assert server.read(1) == b"?"
        peer.send(server.seal(*PIECES, end=True)[:wanted[0]]).shut()
        peer.read_end()
    return script, wanted


def stream_size(version):
    """Of PIECES and close_notify, each in a record: header, explicit nonce or inner type, tag."""
    return sum(len(piece) + (22 if version == "1.3" else 29) for piece in PIECES + [b"!!"])


@pytest.mark.parametrize("version", BOTH)
def test_a_server_that_is_cut_after_each_byte(relay, origin, site, version):
    script, wanted = cutter(site, version)
    one = behind(relay, site, origin(script))
    size = stream_size(version)
    for done, cut in enumerate(cuts(size)):   # a client's port may come again
        wanted[:] = [cut]
        with connect(one) as client:
            look(cut, size, *client.send(b"?").read_end())
        assert one.wait_records(done + 1)[done].end == ("SE" if cut == size else "ST"), cut


def test_a_server_that_is_cut_is_a_reset_for_clients_that_speak_tls(relay, origin, site):
    script, wanted = cutter(site, "1.3")
    one = between(relay, site, origin(script))
    size = stream_size("1.3")
    for cut in cuts(size)[::3] + [size]:
        wanted[:] = [cut]
        with connect(one) as plain:
            client = ByHand(plain, site.context(), name="site.test").shake()
            plain.send(client.seal(b"?"))
            look(cut, size, *client.read_end())


def test_a_server_that_is_cut_in_the_handshake_gets_nothing(relay, origin, site):
    """Neither side takes a byte for data; the client hears of it as of one that cannot be reached."""
    context, wanted = site.server_context(), []

    def script(peer):
        server = ByHand(peer, context, server_side=True)
        while not server.step() and not server.going.pending:
            server.hear()
        flight = server.in_hand()
        peer.send(flight[:wanted[0] % len(flight)]).shut()
        server.coming.write(peer.read_end()[0])
        try:
            return server.tls.read(1)
        except OSError:
            return b""
    server = origin(script)
    one = behind(relay, site, server, upstream="    connect_attempts = 1\n    max_fails = 0\n")
    for cut in list(range(0, 900, 29 if SANITIZER else 7)):
        wanted[:] = [cut]
        with connect(one) as client:
            assert client.read_end() == (b"", RESET)
        assert server.result() == b""
    assert {record.end for record in one.records()} == {"SG"}


# An operator of the machine


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_socket_that_is_destroyed_ends_as_without_tls(relay, origin, site, side):
    """ss -K leaves it the error that an alert has in the log, ECONNABORTED: that is no alert."""
    ends = []
    for kind in ("plain", "tls to clients", "tls to servers"):
        server = origin(over_tls(site.server_context(), echo) if kind == "tls to servers" else echo)
        one = relay(server) if kind == "plain" else https(relay, site, server) if kind == "tls to clients" else behind(relay, site, server)
        with site.connect(one) if kind == "tls to clients" else connect(one) as client:
            assert client.send(b"x").read(1) == b"x"
            here, there = (one.port, client.sock.getsockname()[1]) if side == "client" else (0, server.port)
            done = subprocess.run(["ss", "-HKtn", "dport", "=", f":{there}"] + (["and", "sport", "=", f":{here}"] if here else []),
                                  capture_output=True, text=True, timeout=DEADLINE)
            if not done.stdout:
                pytest.skip(f"sockets cannot be destroyed here: {done.stderr}")
            record = one.record(client)
        ends.append((record.end, record.error, re.search(r" was ([^.]*)\.", record.line.text)[1]))
    assert ends[0][0] == ("CR" if side == "client" else "SR") and len(set(ends)) == 1, ends
