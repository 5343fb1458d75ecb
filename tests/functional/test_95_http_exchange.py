"""Mode http: requests and answers, one after the other, in every framing there is."""

import hashlib
import threading

import pytest
from client import connect
from origin import pattern
from peer import EOF
from settings import MIB, SANITIZER, some
from web import answer, answer_chunked, ask, get, head_of, post, post_chunked, proxy, read_answer, told, web


def test_many_requests_over_one_connection(relay, origin):
    app = web(origin)
    one = proxy(relay, app)
    with connect(one) as client:
        for i in range(some(200)):
            got = ask(client, get(f"/{i}?q={i}"))
            assert (got.status, got.body) == (200, f"GET /{i}?q={i}\n".encode())
            body = pattern(i * 37)
            assert ask(client, post(f"/{i}", body)).body == f"POST /{i}\n".encode() + body
            assert got["Connection"] is None
        client.shut()
        assert client.read_end() == (b"", EOF)
    assert one.record(client).end == "CE"
    assert app.connections == 1
    assert app.wait_end() == "eof"


def test_answers_to_a_pipeline_come_in_order(relay, origin):
    """And the server is asked one thing at a time."""
    busy = []

    def one_at_a_time(asked, peer):
        assert not busy and not peer.pending
        busy.append(asked)
        peer.send(head_of("200 OK", "Content-Length: 5"))
        assert peer.is_silent(0.01)
        assert not peer.pending
        busy.pop()
        return asked.target.rjust(5, "-").encode()
    app = web(origin, one_at_a_time)
    one = proxy(relay, app)
    count = some(50)
    with connect(one) as client:
        client.send(b"".join(get(f"/{i}") for i in range(count)))
        for i in range(count):
            assert read_answer(client).body == f"/{i}".rjust(5, "-").encode()
    assert app.targets == [f"/{i}" for i in range(count)]


def test_a_pipeline_with_bodies_in_one_piece(relay, origin):
    app = web(origin)
    one = proxy(relay, app)
    wanted, data = [], b""
    for i in range(some(30)):
        body = pattern(i * 997)
        for head in (post, post_chunked):
            data += head(f"/{i}", body)
            wanted.append(f"POST /{i}\n".encode() + body)
        data += get(f"/{i}", method="DELETE")
        wanted.append(f"DELETE /{i}\n".encode())
    with connect(one) as client:
        client.send(data)
        for body in wanted:
            assert read_answer(client).body == body
    assert [told(asked).partition(b"\r\n\r\n")[2] for asked in app.asked] == wanted


@pytest.mark.parametrize("copy", ["auto", "buffer"])
def test_a_pipeline_with_bodies_in_bulk(relay, origin, copy):
    """What stands behind a body that the kernel carries is the next request, to the byte; and so with answers."""
    sizes = [32767, 32768, 65536, 100_003, 16384, MIB, 1, 70_000, 0, 40_000]
    app = web(origin, lambda asked, peer: answer(asked.body + pattern(70_000)))
    one = proxy(relay, app, copy=copy)
    crowd = b"".join(post(f"/{size}", pattern(size)) for size in sizes * 3)
    with connect(one) as client:
        sender = threading.Thread(target=client.send, args=(crowd,))
        sender.start()
        for size in sizes * 3:
            assert read_answer(client).body == pattern(size) + pattern(70_000)
        sender.join()
    assert app.connections == 1 and app.targets == [f"/{size}" for size in sizes * 3]


def test_a_pipeline_longer_than_any_buffer(relay, origin):
    """None of it is lost while it waits, and the client is held up."""
    app = web(origin)
    one = proxy(relay, app)
    count = some(2000)
    padding = "X-Padding: " + "p" * 500
    with connect(one) as client:
        client.send(b"".join(get(f"/{i}", padding) for i in range(count)))
        for i in range(count):
            assert read_answer(client).body == f"GET /{i}\n".encode()
    assert app.connections == 1


def test_requests_byte_by_byte(relay, origin):
    app = web(origin)
    one = proxy(relay, app)
    with connect(one) as client:
        for data in (get("/a", "X-One: 1"), post("/b", b"body"), post_chunked("/c", b"0123456789", sizes=(3, 1))):
            for at in range(len(data)):
                client.send(data[at:at + 1])
            assert read_answer(client).status == 200
    assert [asked.body for asked in app.asked] == [b"", b"body", b"0123456789"]


def test_every_split_of_a_request_in_two(relay, origin):
    app = web(origin)
    one = proxy(relay, app)
    data = post_chunked("/x", b"abcdefgh", sizes=(3,)) + get("/y")
    splits = range(1, len(data), 5 if SANITIZER else 1)
    with connect(one) as client:
        for at in splits:
            client.send(data[:at])
            assert client.is_silent(0.001) or at >= len(data) - len(get("/y"))
            client.send(data[at:])
            assert read_answer(client).body == b"POST /x\nabcdefgh"
            assert read_answer(client).body == b"GET /y\n"
    assert len(app.asked) == 2 * len(splits)


def test_chunks_are_written_anew_to_servers(relay, origin):
    """Extensions, leading noughts, capitals and trailers of the client's framing do not reach it; web.py reads strictly."""
    app = web(origin)
    one = proxy(relay, app)
    body = (b"00000A;ext=1\r\n0123456789\r\n" b'B;a="q;\\" d"\r\nabcdefghijk\r\n' b"0000;last\r\nX-Trailer: t\r\n\r\n")
    with connect(one) as client:
        assert ask(client, get("/", "Transfer-Encoding: chunked", "Trailer: X-Trailer", method="PUT") + body).status == 200
        assert ask(client, get("/next")).status == 200
    asked = app.asked[0]
    assert asked.body == b"0123456789abcdefghijk" and asked["Trailer"] is None
    assert b"railer" not in app.bytes and b"ext" not in app.bytes[:app.bytes.index(b"/next")]


def test_chunks_are_written_anew_to_clients(relay, origin):
    app = web(origin, lambda asked, peer: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nTrailer: X-T\r\n\r\n"
        b"00000A;ext=1\r\n0123456789\r\n" b'B;a="q;\\" d"\r\nabcdefghijk\r\n' b"0000;last\r\nX-T: t\r\n\r\n"))
    one = proxy(relay, app)
    with connect(one) as client:
        for _ in range(3):
            got = ask(client, get())
            assert got.body == b"0123456789abcdefghijk" and got.chunks and got["Trailer"] is None
    assert app.connections == 1


@pytest.mark.parametrize("step", [1, 2, 7, 100])
def test_chunked_answers_in_any_split(relay, origin, step):
    body = pattern(300)
    data = answer_chunked(body, "X-A: b", sizes=(1, 10, 100, 15, 16, 17))

    def split(asked, peer):
        for at in range(0, len(data), step):
            peer.send(data[at:at + step])
    one = proxy(relay, web(origin, split))
    with connect(one) as client:
        for _ in range(3):
            got = ask(client, get())
            assert (got.body, got["X-A"]) == (body, "b")


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_bodies_of_50_megabytes(relay, origin, framing):
    size = (5 if SANITIZER else 50) * MIB
    body = pattern(size)

    def swapped(asked, peer):
        assert asked.body == body
        return answer(asked.body) if framing == "length" else answer_chunked(asked.body, sizes=[70_001] * (size // 70_001))
    app = web(origin, swapped)
    one = proxy(relay, app)
    with connect(one) as client:
        if framing == "length":
            client.send(post("/", body))
        else:
            client.send(post_chunked("/", body, sizes=[99_991] * (size // 99_991)))
        got = read_answer(client)
        assert hashlib.sha256(got.body).digest() == hashlib.sha256(body).digest()
        assert (got.chunks is None) == (framing == "length")
        assert ask(client, post("/", body)).status == 200   # and it goes on
    assert app.connections == 1


def test_both_directions_at_once(relay, origin):
    """A server that answers while the body still comes, and a client that reads only then: neither waits for the other."""
    size = 4 * MIB

    def echo(asked, peer):
        peer.send(head_of("200 OK", f"Content-Length: {size}"))
        left = size
        while left:
            data = peer.recv(min(left, 65536))
            left -= len(data)
            peer.send(data)
    app = web(origin, echo, bodies=False)
    one = proxy(relay, app)
    with connect(one) as client:
        client.send(get("/", f"Content-Length: {size}", method="POST"))
        body = pattern(size)
        got = b""
        head = client.read_to(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        for at in range(0, size, MIB):
            client.send(body[at:at + MIB])
            got += client.read(MIB)
        assert got == body


# Answers without a body


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_statuses_without_a_body(relay, origin, status):
    app = web(origin, lambda asked, peer: head_of(status, 'ETag: "x"') if asked.target == "/none" else told(asked))
    one = proxy(relay, app)
    with connect(one) as client:
        for _ in range(3):
            got = ask(client, get("/none"))
            assert got.status == int(status[:3]) and got["ETag"] == '"x"'
            assert ask(client, get("/more")).body == b"GET /more\n"
    assert app.connections == 1


@pytest.mark.parametrize("fields, kept", [(["Content-Length: 12345"], "12345"), (["Transfer-Encoding: chunked"], None),
                                          ([], None), (["Content-Length: 0"], "0")])
@pytest.mark.parametrize("status", ["200 OK", "304 Not Modified"])
def test_what_a_head_announces_does_not_come(relay, origin, fields, kept, status):
    app = web(origin, lambda asked, peer: head_of(status, *fields) if asked.method == "HEAD" else told(asked))
    one = proxy(relay, app)
    with connect(one) as client:
        for _ in range(2):
            got = ask(client, get("/", method="HEAD"), "HEAD")
            assert got.status == int(status[:3]) and got["Content-Length"] == kept
            assert ask(client, get("/b")).body == b"GET /b\n"
    assert app.connections == 1


def test_a_304_announces_a_length(relay, origin):
    app = web(origin, lambda asked, peer: head_of("304 Not Modified", "Content-Length: 99"))
    one = proxy(relay, app)
    with connect(one) as client:
        for _ in range(2):
            got = ask(client, get())
            assert (got.status, got["Content-Length"]) == (304, "99")


def test_empty_bodies(relay, origin):
    app = web(origin, lambda asked, peer: {"/l": answer(), "/c": answer_chunked(b"")}[asked.target])
    one = proxy(relay, app)
    with connect(one) as client:
        for data in (get("/l"), get("/c"), post("/c"), post_chunked("/l"), post("/l", b"")):
            assert ask(client, data).body == b""
    assert app.connections == 1
    assert [asked["Content-Length"] for asked in app.asked] == [None, None, "0", None, "0"]
