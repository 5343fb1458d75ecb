"""Bytes: everything sent arrives, in order, whatever the protocol does. Each test runs with every way of copying."""

import random
import socket
import threading
import time
import zlib

import pytest

from client import close_all, connect, connect_many, run
from origin import echo, http, pattern, silent
from peer import EOF, RESET, Uploader, elapsed, request, response
from relay import activated
from settings import BIG, MIB, SANITIZER, free_port, ms, secs, some, until


def test_a_request_and_its_answer(relay, origin, copy):
    one = relay(origin(http), copy=copy)
    with connect(one) as client:
        answer = client.get("/hello")
    assert (answer.status, answer.body) == (200, b"/hello\n")


def test_the_record_has_exact_counts(relay, origin, copy):
    one = relay(origin(http), copy=copy)
    asked, answered = request("/bytes/100000"), response(pattern(100000))
    with connect(one) as client:
        client.send(asked)
        assert client.read(len(answered)) == answered
    record = one.record(client)
    assert record.bytes_up == len(asked)
    assert record.bytes_down == len(answered)
    assert record.end == "CE"
    assert (record.listener, record.upstream, record.server) == ("web", "app", "a")
    assert record.conn >= 1
    assert 0 <= record.queue_usec <= record.duration_usec
    assert 0 <= record.dial_usec <= record.duration_usec
    assert record.line.level == "info"
    assert str(record.conn) in record.line.text


def test_three_pipelined_requests(relay, origin, copy):
    one = relay(origin(http), copy=copy)
    with connect(one) as client:
        client.send(request("/a") + request("/b", b"body") + request("/c"))
        assert [client.read_response().body for _ in range(3)] == [b"/a\n", b"/b\nbody", b"/c\n"]


def test_a_thousand_requests_on_one_connection(relay, origin, copy):
    server = origin(http)
    one = relay(server, copy=copy)
    count = some(1000)
    with connect(one) as client:
        for number in range(count):
            assert client.get(f"/{number}").body == b"/%d\n" % number
    assert server.result() == count
    assert server.accepted == 1
    assert one.record(client).end == "CE"


def test_the_server_speaks_first(relay, origin, copy):
    def greets(peer):
        peer.send(b"220 ready\r\n")
        assert peer.read_to(b"\r\n") == b"HELO\r\n"
        peer.send(b"250 welcome\r\n")
        return peer.ending()
    one = relay(origin(greets), copy=copy)
    with connect(one) as client:
        assert client.read_to(b"\r\n") == b"220 ready\r\n"
        assert client.send(b"HELO\r\n").read_to(b"\r\n") == b"250 welcome\r\n"


def test_the_client_waits_for_an_informational_answer(relay, origin, copy):
    def continues(peer):
        head = peer.read_to(b"\r\n\r\n")
        assert b"100-continue" in head
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = peer.read(5)
        peer.send(response(body.upper()))
    one = relay(origin(continues), copy=copy)
    with connect(one) as client:
        client.send(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert client.read_to(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        assert client.send(b"hello").read_response().body == b"HELLO"


def test_every_byte_value(relay, origin, copy):
    one = relay(origin(echo), copy=copy)
    data = bytes(range(256)) * 64
    with connect(one) as client:
        assert client.send(data).read(len(data)) == data


def test_small_messages_are_not_held_back(relay, origin, copy):
    """One byte there and back, many times: were the bytes held back for company, each would take 40 ms."""
    one = relay(origin(echo), copy=copy)
    with connect(one) as client:
        def rounds():
            for number in range(200):
                # Two small writes in a row are what delays of the kernel need.
                client.send(b"a")
                client.send(bytes([number]))
                assert client.read(2) == b"a" + bytes([number])
        _, took = elapsed(rounds)
    assert took < secs(4)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_pieces_both_ways(relay, origin, copy, seed):
    """Pieces of random sizes with random pauses, in both directions at once, arrive as the same bytes."""
    total = some(5) * MIB // 2 + seed
    up, down = random.Random(seed).randbytes(total), random.Random(-seed).randbytes(total)

    def send_in_pieces(peer, data, dice):
        at = 0
        while at < len(data):
            size = int(2 ** dice.uniform(0, 18))
            peer.send(data[at:at + size])
            at += size
            if dice.random() < 0.1:
                time.sleep(dice.random() / 200)
        peer.shut()

    def both(peer, mine, theirs, dice):
        sender = threading.Thread(target=send_in_pieces, args=(peer, mine, dice), daemon=True)
        sender.start()
        parts = bytearray()
        while True:
            data = peer.recv(int(2 ** random.Random(len(parts)).uniform(0, 18)))
            if not data:
                break
            parts += data
        sender.join()
        return bytes(parts) == theirs

    server = origin(lambda peer: both(peer, down, up, random.Random(seed + 10)))
    one = relay(server, copy=copy, half_close=True)
    with connect(one) as client:
        assert both(client, up, down, random.Random(seed + 20))
        assert server.result()
    record = one.record(client)
    assert (record.bytes_up, record.bytes_down) == (total, total)


def test_an_upload_while_the_answer_runs(relay, origin, copy):
    """The server answers each line at once, long before the upload ends."""
    one = relay(origin(echo), copy=copy)
    with connect(one) as client:
        client.send(b"first\n")
        for number in range(100):
            client.send(b"line %d\n" % number)
            assert client.read_to(b"\n") == (b"first\n" if number == 0 else b"line %d\n" % (number - 1))
        client.shut()
        assert client.read_end() == (b"line 99\n", EOF)


def feed(sock, total):
    """Sends so many bytes and returns their checksum."""
    block = memoryview(random.Random(total).randbytes(MIB + 4093))
    check, left = 0, total
    while left:
        part = block[:left]
        sock.sendall(part)
        check = zlib.crc32(part, check)
        left -= len(part)
    return check


def digest(sock):
    """Reads to the end and returns count and checksum."""
    buffer = memoryview(bytearray(MIB))
    check = total = 0
    while size := sock.recv_into(buffer):
        check = zlib.crc32(buffer[:size], check)
        total += size
    return total, check


def exchange(peer, total):
    """Sends and reads at once; returns the checksum of what was sent, and count and checksum of what was read."""
    sent = []

    def send():
        sent.append(feed(peer.sock, total))
        peer.shut()
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    got = digest(peer.sock)
    sender.join()
    return sent[0], got


def test_a_gigabyte_each_way_at_once(relay, origin, copy):
    server = origin(lambda peer: exchange(peer, BIG))
    one = relay(server, copy=copy, half_close=True)
    with connect(one) as client:
        sent, got = exchange(client, BIG)
        server_sent, server_got = server.result()
    assert got == (BIG, server_sent)
    assert server_got == (BIG, sent)
    record = one.record(client)
    assert (record.bytes_up, record.bytes_down) == (BIG, BIG)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_gigabyte_one_way(relay, origin, copy, direction):
    size = BIG // 4

    def script(peer):
        if direction == "down":
            return feed(peer.sock, size)
        result = digest(peer.sock)
        peer.send(b"thanks")
        return result
    server = origin(script)
    one = relay(server, copy=copy)
    with connect(one) as client:
        if direction == "down":
            assert digest(client.sock) == (size, server.result())
        else:
            sent = feed(client.sock, size)
            assert client.shut().read_end() == (b"thanks", EOF)
            assert server.result() == (size, sent)


def test_a_slow_reader_gets_every_byte(relay, origin, copy):
    data = pattern(3 * MIB)

    def script(peer):
        peer.send(data)
        return "all sent"
    server = origin(script)
    one = relay(server, copy=copy)
    with connect(one, receive_buffer=32768) as client:
        got = b""
        while len(got) < MIB:
            got += client.read(65536)
            time.sleep(0.01)
        rest, how = client.read_end()
    assert (got + rest == data, how) == (True, EOF)


def test_a_slow_server_gets_every_byte(relay, origin, copy):
    data = pattern(3 * MIB)

    def script(peer):
        got = b""
        while len(got) < MIB:
            got += peer.read(65536)
            time.sleep(0.01)
        return got + peer.read_end()[0] == data
    server = origin(script, receive_buffer=32768)
    one = relay(server, copy=copy)
    with connect(one) as client:
        client.send(data).shut()
        assert server.result()


def test_fifty_clients_at_once(relay, origin, copy):
    one = relay(origin(echo), copy=copy)
    clients = connect_many(one, some(50))
    for number, client in enumerate(clients):
        client.send(pattern(20000 + number))
    for number, client in enumerate(clients):
        assert client.read(20000 + number) == pattern(20000 + number)
    close_all(clients)
    assert all(record.bytes_up == record.bytes_down for record in one.wait_records(len(clients)))


# Where it listens and where it dials


def works(address, path="/yes"):
    with connect(address) as client:
        return client.get(path).body == path.encode() + b"\n"


def test_listen_on_a_unix_socket(relay, origin, copy, short_path):
    one = relay(origin(http), copy=copy, address=f"unix:{short_path}/web.sock")
    assert works(one)
    assert one.only_record().client


def test_dial_a_unix_socket(relay, origin, copy, short_path):
    one = relay(origin(http, path=short_path / "app.sock"), copy=copy)
    assert works(one)


def test_a_unix_server_that_answers_and_closes_at_once(relay, origin, copy, short_path):
    """Its end is true, also while the pump that brought the question is on its way back from the write."""
    one = relay(origin(lambda peer: peer.read(1) and peer.send(b"answer"), path=short_path / "app.sock"), copy=copy)
    for _ in range(200):
        with connect(one) as client:
            assert client.send(b"?").read_end() == (b"answer", EOF)
    assert {record.end for record in one.wait_records(200)} <= {"SE", "CE"}


def test_unix_socket_to_unix_socket(relay, origin, copy, short_path):
    one = relay(origin(echo, path=short_path / "app.sock"), copy=copy, address=f"unix:{short_path}/web.sock")
    data = pattern(4 * MIB)
    with connect(one) as client:
        uploader = threading.Thread(target=lambda: client.send(data).shut(), daemon=True)
        uploader.start()
        got, how = client.read_end()
        assert (got == data, how) == (True, EOF)


@pytest.mark.parametrize("spelling", [":{}", "{}", "[::]:{}"])
@pytest.mark.parametrize("host", ["127.0.0.1:{}", "[::1]:{}"])
def test_every_address_is_ipv4_and_ipv6(relay, origin, spelling, host):
    port = free_port()
    relay(origin(http), address=spelling.format(port))
    assert works(host.format(port))


@pytest.mark.parametrize("spelling", ["0.0.0.0:{}", "127.0.0.1:{}", "localhost:{}"])
def test_listen_on_ipv4(relay, origin, spelling):
    port = free_port()
    relay(origin(http), address=spelling.format(port))
    assert works(f"127.0.0.1:{port}")


def test_one_address_only(relay, origin):
    port = free_port()
    relay(origin(http), address=f"[::1]:{port}")
    assert works(f"[::1]:{port}")
    with pytest.raises(ConnectionRefusedError):
        connect(f"127.0.0.1:{port}")


def test_dial_ipv6(relay, origin):
    one = relay(origin(http, host="::1"))
    assert works(one)


def test_several_addresses_of_a_listener(relay, origin, short_path):
    first, second = f"127.0.0.1:{free_port()}", f"[::1]:{free_port()}"
    one = relay(origin(http), address=[first, second, f"unix:{short_path}/web.sock"])
    assert all(works(address) for address in one.addresses)


def test_the_client_is_named_with_its_port(relay, origin):
    port = free_port()
    one = relay(origin(http), address=f":{port}")
    with connect(f"127.0.0.1:{port}") as client:
        client.get()
    assert one.record(client).client == client.name
    with connect(f"[::1]:{port}") as client:
        client.get()
    assert one.record(client).client == client.name


# Sockets from the service manager

def test_a_passed_socket(relay, origin, copy):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        activated(relay, origin(http), sock, copy=copy)
        assert works("127.0.0.1:%d" % sock.getsockname()[1])


def test_several_passed_sockets(relay, origin):
    """All of this listener's name, none of another."""
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as other, \
            socket.create_server(("127.0.0.1", 0)) as second:
        activated(relay, origin(http), first, other, second, names="web:other:web")
        assert works("127.0.0.1:%d" % first.getsockname()[1])
        assert works("127.0.0.1:%d" % second.getsockname()[1])
        with connect("127.0.0.1:%d" % other.getsockname()[1]) as client:
            client.send(request())
            assert client.is_silent(0.2)


def test_a_passed_socket_outlives_the_daemon(relay, origin):
    """systemd and a successor hold the same socket: it must not be shut down."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        one = activated(relay, origin(http), sock)
        address = "127.0.0.1:%d" % sock.getsockname()[1]
        assert works(address)
        one.term()
        assert one.wait_exit() == 0
        assert one.records()[0].listen_address == address
        with connect(address) as client:
            sock.settimeout(5)
            accepted, _ = sock.accept()
            accepted.close()
            client.close()
        sock.settimeout(None)  # the next daemon gets a blocking socket, as systemd gives it
        activated(relay, origin(http), sock)
        assert works(address)


@pytest.mark.parametrize("names", ["other", ""])
def test_no_socket_under_this_name(relay, origin, names):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        one = activated(relay, origin(http), sock, names=names, ready=False)
        one.expected_exit = one.wait_exit()
        assert one.expected_exit in (69, 71, 78)
        assert "web" in one.log


# Options of the sockets


def sockets(port):
    return run("ss", "-Htno", "state", "established", f"( sport = :{port} or dport = :{port} )",
               text=True).stdout.splitlines()


@pytest.mark.parametrize("keepalive, wanted", [("60s", True), ("0", False)])
def test_keepalive_on_both_sockets(relay, origin, keepalive, wanted):
    server = origin(echo)
    one = relay(server, keepalive=keepalive)
    with connect(one) as client:
        client.send(b"x").read(1)

        def timers():
            # Of each connection, only relayd's end may have the timer: the tests set none.
            client_side = [line for line in sockets(one.port) if "timer:(keepalive" in line]
            server_side = [line for line in sockets(server.port) if "timer:(keepalive" in line]
            return len(client_side), len(server_side)
        if wanted:
            # The timer shows once nothing is waiting for an acknowledgement.
            until(lambda: timers() == (1, 1), f"keep-alive timers: {timers()}")
        else:
            assert timers() == (0, 0)


def test_reading_does_not_wait_for_writing(relay, origin, copy):
    """A client that only sends does not stop what the server has to say, and the other way round."""
    started = threading.Event()

    def script(peer):
        peer.send(b"hello")
        started.wait(20)
        return len(peer.read_end()[0])
    server = origin(script)
    one = relay(server, copy=copy)
    client = connect(one)
    sent = client.send_until_blocked(quiet=secs(0.3))
    assert sent > 100000
    assert client.read(5) == b"hello"
    started.set()
    uploader = Uploader(client)
    until(lambda: uploader.sent > MIB, "the upload goes on")
    uploader.stop()
    client.shut()
    assert server.result() == sent + uploader.sent
    client.close()


def test_idle_in_between_costs_nothing(relay, origin, copy):
    one = relay(origin(echo), copy=copy, idle_timeout=ms(1000))
    with connect(one) as client:
        client.send(b"x").read(1)
        before = one.cpu()
        assert client.read_end() == (b"", RESET)
        assert one.cpu() - before <= (0.2 if SANITIZER else 0.02)


def test_silent_server_keeps_what_it_got(relay, origin, copy):
    server = origin(silent)
    one = relay(server, copy=copy)
    with connect(one) as client:
        client.send(b"to nobody")
    assert server.result() == (b"to nobody", EOF)
    assert one.record(client).bytes_up == 9


def test_urgent_data_is_data(relay, origin, copy):
    """TCP's urgent byte neither ends a connection nor gets lost, in its place among the others."""
    one = relay(origin(echo), copy=copy)
    with connect(one) as client:
        client.send(b"before").sock.send(b"!", socket.MSG_OOB)
        client.send(b"after")
        assert client.read(12) == b"before!after"
