"""How connections end: an end stays an end, a reset a reset, and no tail is lost. With every way of copying."""

import errno
import socket
import threading
import time

import pytest

from client import connect, run
from origin import echo, flood, http, pattern, sends, silent
from peer import EOF, RESET, Uploader, elapsed, ending_while_uploading, request, response
from settings import DEADLINE, MIB, ms, secs, some, until

# The orderly end


def answers_after_the_end(peer):
    """Reads to the end, then answers."""
    data, how = peer.read_end()
    assert how == EOF
    peer.send(data.upper())
    return data


def test_a_half_closed_client_gets_its_answer(relay, origin, copy):
    one = relay(origin(answers_after_the_end), copy=copy)
    with connect(one) as client:
        assert client.send(b"hello").shut().read_end() == (b"HELLO", EOF)
    record = one.record(client)
    assert (record.end, record.bytes_up, record.bytes_down) == ("CE", 5, 5)


def test_a_half_closed_client_gets_a_long_answer(relay, origin, copy):
    data = pattern(8 * MIB)

    def script(peer):
        assert peer.read_end() == (b"?", EOF)
        peer.send(data)
    one = relay(origin(script), copy=copy)
    with connect(one, receive_buffer=65536) as client:
        got, how = client.send(b"?").shut().read_end()
    assert (got == data, how) == (True, EOF)


def test_netcat_half_closes_and_gets_its_answer(relay, origin, copy):
    one = relay(origin(answers_after_the_end), copy=copy)
    assert run("nc", "-N", "127.0.0.1", one.port, input=b"hello\n").stdout == b"HELLO\n"


def test_a_half_closed_server_gets_the_rest(relay, origin, copy):
    def script(peer):
        peer.send(b"done").shut()
        return peer.read_end()
    server = origin(script)
    one = relay(server, copy=copy)
    with connect(one) as client:
        assert client.read_end() == (b"done", EOF)
        client.send(b"the rest").shut()
        assert server.result() == (b"the rest", EOF)
    record = one.record(client)
    assert (record.end, record.bytes_up, record.bytes_down) == ("SE", 8, 4)


@pytest.mark.parametrize("who", ["client", "server"])
def test_who_ended_it(relay, origin, copy, who):
    one = relay(origin(sends(b"x") if who == "server" else echo), copy=copy)
    with connect(one) as client:
        if who == "server":
            assert client.read_end() == (b"x", EOF)
        else:
            client.send(b"x").read(1)
    record = one.record(client)
    assert record.end == {"client": "CE", "server": "SE"}[who]
    assert who in record.line.text


def test_an_end_without_a_byte(relay, origin, copy):
    server = origin(silent)
    one = relay(server, copy=copy)
    with connect(one) as client:
        client.shut()
        assert server.result() == (b"", EOF)
        assert client.read_end() == (b"", EOF)
    record = one.record(client)
    assert (record.end, record.bytes_up, record.bytes_down) == ("CE", 0, 0)


# The tail


def test_the_tail_of_a_server_that_closes_at_once(relay, origin, copy):
    data = pattern(6 * MIB)
    one = relay(origin(sends(data)), copy=copy)
    with connect(one, receive_buffer=32768) as client:
        time.sleep(0.1)  # the server is long gone when reading begins
        got, how = client.read_end()
    assert (got == data, how) == (True, EOF)
    assert one.record(client).bytes_down == len(data)


def test_the_tail_of_a_client_that_closes_at_once(relay, origin, copy):
    data = pattern(6 * MIB)

    def script(peer):
        time.sleep(0.1)
        got, how = peer.read_end()
        return got == data, how
    server = origin(script, receive_buffer=32768)
    one = relay(server, copy=copy)
    with connect(one) as client:
        client.send(data)
    assert server.result() == (True, EOF)
    assert one.record(client).bytes_up == len(data)


@pytest.mark.parametrize("slow", ["client", "server"])
def test_the_tail_outlives_the_linger_timeout(relay, origin, copy, slow):
    """What is already with the kernel is delivered, even when the reader takes longer than linger_timeout."""
    data = pattern(2 * MIB)

    def reads_slowly(peer):
        got = b""
        while len(got) < MIB:
            got += peer.read(32768)
            time.sleep(secs(0.03))
        rest, how = peer.read_end()
        return got + rest == data, how
    if slow == "client":
        one = relay(origin(sends(data)), copy=copy, linger_timeout=ms(200))
        with connect(one, receive_buffer=65536) as client:
            assert reads_slowly(client) == (True, EOF)
    else:
        server = origin(reads_slowly, receive_buffer=65536)
        one = relay(server, copy=copy, linger_timeout=ms(200))
        with connect(one) as client:
            client.send(data)
        assert server.result() == (True, EOF)


# Linger and half_close


def test_linger_after_the_client(relay, origin, copy):
    """The client ended, the server says nothing more: the client is reset, for its answer may not be whole."""
    stay = threading.Event()

    def script(peer):
        assert peer.read_end() == (b"x", EOF)
        peer.send(b"half an ans")
        stay.wait(secs(20))
    one = relay(origin(script), copy=copy, linger_timeout=ms(300), log_connections="failed")
    with connect(one) as client:
        client.send(b"x").shut()
        end, took = elapsed(client.read_end)
    assert end == (b"half an ans", RESET)
    assert secs(0.25) <= took < secs(2)
    assert one.record(client).end == "CL"
    stay.set()


def test_linger_after_the_server(relay, origin, copy):
    """The server ended, the client says nothing more: the server is reset, for the upload may not be whole."""
    def script(peer):
        peer.send(b"bye").shut()
        return elapsed(peer.read_end)
    server = origin(script)
    one = relay(server, copy=copy, linger_timeout=ms(300))
    with connect(one) as client:
        assert client.read_end() == (b"bye", EOF)
        client.send(b"half an upl")
        end, took = server.result()
        assert end == (b"half an upl", RESET)
        assert secs(0.25) <= took < secs(2)
        assert one.record(client).end == "SL"


@pytest.mark.parametrize("first", ["client", "server"])
def test_linger_lasts_as_long_as_bytes_keep_coming(relay, origin, copy, first):
    def trickles(peer):
        for number in range(12):
            time.sleep(secs(0.1))
            peer.send(b"%d," % number)
        return "all sent"

    def script(peer):
        if first == "client":
            assert peer.read_end() == (b"", EOF)
            return trickles(peer)
        peer.shut()
        return peer.read_end()
    server = origin(script)
    one = relay(server, copy=copy, linger_timeout=ms(600))
    expected = (b"".join(b"%d," % number for number in range(12)), EOF)
    with connect(one) as client:
        if first == "client":
            assert client.shut().read_end() == expected
        else:
            assert client.read_end() == (b"", EOF)
            trickles(client)
            client.shut()
            assert server.result() == expected
    assert one.record(client).end == ("CE" if first == "client" else "SE")


@pytest.mark.parametrize("first", ["client", "server"])
def test_half_close_lives_on(relay, origin, copy, first):
    """With half_close = true linger_timeout does not count."""
    def script(peer):
        if first == "client":
            assert peer.read_end() == (b"q", EOF)
            time.sleep(secs(0.8))
            peer.send(b"late")
            return None
        peer.send(b"q").shut()
        return peer.read_end()
    server = origin(script)
    one = relay(server, copy=copy, half_close=True, linger_timeout=ms(100))
    with connect(one) as client:
        if first == "client":
            assert client.send(b"q").shut().read_end() == (b"late", EOF)
        else:
            assert client.read_end() == (b"q", EOF)
            time.sleep(secs(0.8))
            client.send(b"late").shut()
            assert server.result() == (b"late", EOF)
    assert one.record(client).end == ("CE" if first == "client" else "SE")


def test_half_close_ends_when_idle(relay, origin, copy):
    done = threading.Event()

    def script(peer):
        assert peer.read_end() == (b"q", EOF)
        done.wait(secs(20))
    one = relay(origin(script), copy=copy, half_close=True, linger_timeout=ms(50), idle_timeout=ms(500))
    with connect(one) as client:
        how, took = elapsed(client.send(b"q").shut().ending)
        done.set()
    assert how == RESET
    assert secs(0.45) <= took < secs(2)
    assert one.record(client).end == "TI"


# Resets


def breaks_off(peer):
    """A reset in the middle of an answer."""
    peer.read(1)
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
    peer.reset()


def test_a_server_that_resets_never_looks_like_an_end(relay, origin, copy):
    one = relay(origin(breaks_off), copy=copy)
    for _ in range(some(40)):
        with connect(one) as client:
            assert client.send(b"?").ending() == RESET
    assert {record.end for record in one.wait_records(some(40))} == {"SR"}


def test_a_reset_while_uploading_never_looks_like_an_end(relay, origin, copy):
    """The writing direction is told of the reset first; the reading one then reads what looks like an end."""
    one = relay(origin(breaks_off), copy=copy)
    for _ in range(some(40)):
        with connect(one) as client:
            assert ending_while_uploading(client)[1] == RESET
    assert {record.end for record in one.wait_records(some(40))} == {"SR"}


def test_a_reset_while_both_ways_are_busy(relay, origin, copy):
    def script(peer):
        uploader = Uploader(peer, chunk=b"d" * 65536)
        peer.read(3 * MIB)
        uploader.stopping.set()
        peer.reset()
    one = relay(origin(script), copy=copy)
    for _ in range(some(10)):
        with connect(one) as client:
            assert ending_while_uploading(client, chunk=b"u" * 65536)[1] == RESET


def test_both_peers_go_while_both_ways_are_blocked(relay, origin, copy):
    """Each pump meets the reset in its write, and then reads what looks like an end of the other side: it is none."""
    gone = threading.Barrier(2)

    def script(peer):
        peer.send_until_blocked()
        gone.wait(DEADLINE)
        peer.reset()
    one = relay(origin(script), copy=copy)
    for _ in range(3):
        client = connect(one)
        client.send_until_blocked()
        gone.wait(DEADLINE)
        client.reset()
        record = one.record(client)
        assert record.end in ("CR", "SR") and "Connection reset by peer" in record.line.text, record


def test_unread_data_at_a_servers_close_is_a_reset(relay, origin, copy):
    """The kernel resets a connection that is closed with unread data; nobody may take that for an end of data."""
    def script(peer):
        peer.read(1)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        peer.sock.recv(1, socket.MSG_PEEK)  # there is more, and it stays unread
    one = relay(origin(script), copy=copy)
    for _ in range(some(20)):
        with connect(one) as client:
            client.send(b"a" * 100000)
            data, how = client.read_end()
            assert how == RESET, len(data)


def test_a_reset_before_a_byte(relay, origin, copy):
    one = relay(origin(lambda peer: peer.reset()), copy=copy)
    for _ in range(some(20)):
        with connect(one) as client:
            assert client.read_end() == (b"", RESET)
    assert {record.end for record in one.wait_records(some(20))} <= {"SR", "SD"}


def test_a_client_that_resets(relay, origin, copy):
    server = origin(silent)
    one = relay(server, copy=copy)
    for _ in range(some(20)):
        client = connect(one)
        client.send(b"half a request")
        client.reset()
        assert server.result()[1] == RESET
    assert {record.end for record in one.wait_records(some(20))} == {"CR"}


def test_a_client_that_resets_while_the_server_sends(relay, origin, copy):
    server = origin(lambda peer: ending_while_uploading(peer, chunk=b"d" * 65536)[1])
    one = relay(server, copy=copy)
    for _ in range(some(20)):
        client = connect(one)
        client.read(200000)
        client.reset()
        assert server.result() == RESET
    assert {record.end for record in one.wait_records(some(20))} == {"CR"}


def test_a_client_that_resets_a_blocked_server(relay, origin, copy):
    """Nothing moves: the server waits in a write, the client does not read; the client's reset frees it."""
    blocked = threading.Event()

    def script(peer):
        peer.send_until_blocked(quiet=secs(0.3))
        blocked.set()
        return flood(peer)
    server = origin(script)
    one = relay(server, copy=copy)
    client = connect(one)
    assert blocked.wait(secs(20))
    client.reset()
    assert server.result() == errno.ECONNRESET
    assert one.record(client).end == "CR"


def test_a_client_that_closes_while_the_server_sends(relay, origin, copy):
    """A browser that leaves the page: the kernel resets on its behalf, and the server stops."""
    server = origin(flood)
    one = relay(server, copy=copy)
    client = connect(one)
    client.read(200000)
    client.close()
    assert server.result() in (errno.ECONNRESET, errno.EPIPE)
    assert one.record(client).end in ("CR", "CE")


def test_a_server_with_its_end_is_not_reset(relay, origin, copy):
    """The client half closes, then breaks: what the server still sends is dropped, and it is not disturbed."""
    broken = threading.Event()

    def script(peer):
        assert peer.read_end() == (b"q", EOF)
        peer.send(b"a" * 100000)
        assert broken.wait(secs(20))
        for _ in range(20):
            peer.send(b"b" * 10000)
            time.sleep(0.01)
        peer.shut()
        return peer.ending()
    server = origin(script)
    one = relay(server, copy=copy, linger_timeout=ms(2000))
    client = connect(one)
    client.send(b"q").shut().read(1000)
    client.reset()
    broken.set()
    assert server.result() == EOF
    assert one.record(client).end in ("CE", "CX")


def test_a_client_with_its_end_is_not_reset(relay, origin, copy):
    """The server answers, ends, and breaks while the client still uploads: the client reads a whole answer."""
    answer = response(b"enough" * 1000)

    given = threading.Event()

    def script(peer):
        peer.read(100000)
        peer.send(answer).shut()
        assert given.wait(secs(20))
        peer.reset()
    one = relay(origin(script), copy=copy, linger_timeout=ms(3000))
    for _ in range(some(5)):
        given.clear()
        with connect(one) as client:
            uploader = Uploader(client, chunk=b"u" * 10000)
            assert client.read_end() == (answer, EOF)
            given.set()
            sent = uploader.sent
            until(lambda: uploader.error or uploader.sent > sent + 4 * MIB, "the upload is taken and dropped")
            uploader.stop()
            assert uploader.error is None, uploader.error


def test_dropping_for_a_broken_server_ends(relay, origin, copy):
    """Reading and dropping lasts linger_timeout at most, even if the client never stops."""
    given = threading.Event()

    def script(peer):
        peer.read(1000)
        peer.send(b"enough").shut()
        assert given.wait(secs(20))
        peer.reset()
    one = relay(origin(script), copy=copy, linger_timeout=ms(500))
    with connect(one) as client:
        uploader = Uploader(client, pause=0.01)
        assert client.read_end() == (b"enough", EOF)
        given.set()
        uploader.join(secs(5))
        assert uploader.error is not None, "the upload is still taken"
        uploader.stop()
    assert one.record(client).duration_usec < secs(3) * 1e6


# An early answer to an upload

TOO_LARGE = response(b"too large\n", "413 Content Too Large", Connection="close")


def lingers(peer):
    """As servers should: ends its side, reads on for a while."""
    peer.read_to(b"\r\n\r\n")
    peer.send(TOO_LARGE).shut()
    enough = time.monotonic() + 0.2
    while time.monotonic() < enough and peer.recv():
        pass


def closes(peer):
    """As servers should not: closes with unread data, so that the kernel resets the connection."""
    peer.read_to(b"\r\n\r\n")
    peer.send(TOO_LARGE)


def ends_then_closes(peer):
    """Ends its side and closes soon after, with unread data."""
    peer.read_to(b"\r\n\r\n")
    peer.send(TOO_LARGE).shut()
    peer.read(MIB)


@pytest.mark.parametrize("script", [lingers, closes, ends_then_closes])
def test_an_upload_answered_early(relay, origin, copy, script):
    one = relay(origin(script), copy=copy)
    for _ in range(some(10) if script is closes else 2):
        with connect(one) as client:
            client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
            data, how = ending_while_uploading(client, chunk=b"u" * 65536)
            assert data == TOO_LARGE
            if script is lingers:
                assert how == EOF


@pytest.mark.parametrize("script", [lingers, closes])
def test_an_upload_answered_early_read_late(relay, origin, copy, script):
    """The client sends all it can before it looks for an answer."""
    one = relay(origin(script), copy=copy, linger_timeout=ms(500))
    with connect(one) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        try:
            client.send_until_blocked(quiet=secs(0.2))
        except OSError:
            pass
        # The kernel tells of a reset before it gives out what came before it, but then it does give it out.
        assert client.read_response().status == 413


# Idle


@pytest.mark.parametrize("idle_end, how", [("reset", RESET), ("close", EOF)])
def test_idle(relay, origin, copy, idle_end, how):
    """No byte in either direction: both ends are reset, or given an orderly end."""
    server = origin(lambda peer: (peer.read(1), peer.send(b"y"), peer.read_end())[2])
    one = relay(server, copy=copy, idle_timeout=ms(500), idle_end=idle_end, log_connections="failed")
    with connect(one) as client:
        client.send(b"x").read(1)
        end, took = elapsed(client.read_end)
        assert end == (b"", how)
        assert secs(0.45) <= took < secs(2)
        assert server.result() == (b"", how)
        record = one.record(client)
    assert (record.end, record.bytes_up, record.bytes_down) == ("TI", 1, 1)
    assert record.duration_usec >= secs(0.45) * 1e6


def test_never_a_byte_is_idle(relay, origin, copy):
    """(In mode http such a client is told 408: test_98_http_waits.py.)"""
    one = relay(origin(silent), copy=copy, idle_timeout=ms(300))
    with connect(one) as client:
        assert client.read_end() == (b"", RESET)
    assert one.record(client).end == "TI"


def test_idle_in_the_middle_of_an_answer(relay, origin, copy):
    """Half an answer never looks like a whole one. (In mode http: test_98_http_waits.py.)"""
    half = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf of"
    one = relay(origin(lambda peer: (peer.read_to(b"\r\n\r\n"), peer.send(half), peer.ending())), copy=copy,
                idle_timeout=ms(300))
    with connect(one) as client:
        assert client.send(request()).read_end() == (half, RESET)
    assert one.record(client).end == "TI"


@pytest.mark.parametrize("direction", ["up", "down"])
def test_one_way_traffic_is_not_idle(relay, origin, copy, direction):
    def trickles(peer):
        for _ in range(20):
            time.sleep(secs(0.1))
            peer.send(b".")
        peer.shut()

    def script(peer):
        if direction == "down":
            trickles(peer)
            return None
        return peer.read_end()
    server = origin(script)
    one = relay(server, copy=copy, idle_timeout=ms(700))
    with connect(one) as client:
        if direction == "down":
            assert client.read_end() == (b"." * 20, EOF)
        else:
            trickles(client)
            assert server.result() == (b"." * 20, EOF)
    assert one.record(client).end == ("SE" if direction == "down" else "CE")


@pytest.mark.parametrize("slow", ["client", "server"])
def test_a_slow_reader_is_not_idle(relay, origin, copy, slow):
    """It takes little at a time, but it takes it."""
    data = pattern(8 * MIB)

    def reads_slowly(peer):
        got = b""
        for _ in range(20):
            got += peer.read(32768)
            time.sleep(secs(0.1))
        rest, how = peer.read_end()
        return got + rest == data, how
    if slow == "client":
        one = relay(origin(sends(data)), copy=copy, idle_timeout=ms(700))
        with connect(one, receive_buffer=65536) as client:
            assert reads_slowly(client) == (True, EOF)
    else:
        server = origin(reads_slowly, receive_buffer=65536)
        one = relay(server, copy=copy, idle_timeout=ms(700))
        with connect(one) as client:
            client.send(data).shut()
            assert server.result() == (True, EOF)


@pytest.mark.parametrize("stalled", ["client", "server"])
def test_a_stalled_reader_is_reset(relay, origin, copy, stalled):
    """Bytes on their way that a side does not take for idle_timeout: both sides are reset, nobody sees an end."""
    stay = threading.Event()

    def reads_nothing(peer):
        stay.wait(secs(20))
        return peer.ending()
    server = origin(reads_nothing if stalled == "server" else flood)
    one = relay(server, copy=copy, idle_timeout=ms(700))
    with connect(one) as client:
        if stalled == "server":
            assert flood(client) == errno.ECONNRESET
            record = one.record(client)
            stay.set()
            assert server.result() == RESET
        else:
            assert server.result() == errno.ECONNRESET
            record = one.record(client)
            assert client.ending() == RESET
    assert record.end == "TR"
    assert record.duration_usec < secs(6) * 1e6


def test_a_reader_below_min_rate_is_reset(relay, origin):
    """A byte now and then keeps idle_timeout away, but not min_rate; who is silent, or has a slow source, stays."""
    done = threading.Event()

    def serve(peer):
        word = peer.recv(1)
        if word == b"d":
            return flood(peer)
        while word == b"s" and not done.wait(0.3):
            peer.send(b".")
        while word == b"u" and not done.wait(0.2):
            peer.recv(1)
        return done.wait(secs(20))
    one = relay(origin(serve), min_rate=1000, idle_timeout=0)
    with connect(one) as down, connect(one) as up, connect(one) as silent_one, connect(one) as slow_source:
        slow_source.send(b"s")
        silent_one.send(b"q")
        down.send(b"d")
        up.send(b"u")
        taker = threading.Thread(target=flood, args=(up,))
        taker.start()
        until(lambda: down.recv(1) and one.records(), "they are too slow", pause=0.2)
        assert one.record(down).end == "LR"
        assert one.record(up).end == "LR"
        taker.join()
        assert len(one.records()) == 2 and slow_source.recv()
        done.set()


def test_never_idle(relay, origin, copy):
    one = relay(origin(echo), copy=copy, idle_timeout=0)
    with connect(one) as client:
        client.send(b"x").read(1)
        assert client.is_silent(1)
        assert client.send(b"y").read(1) == b"y"


def test_each_connection_has_its_own_number(relay, origin):
    one = relay(origin(http))
    for _ in range(3):
        with connect(one) as client:
            client.send(request()).read_response()
        one.record(client)
    assert len({record.conn for record in one.records()}) == 3
