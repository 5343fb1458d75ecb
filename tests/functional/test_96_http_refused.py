"""Mode http: requests that are refused, each alone, and behind a good one: that is answered, and of the wrong one no server
gets a byte."""

from client import connect
from peer import EOF
from web import get, proxy, read_answer, web

def lines(*fields, first="GET /wrong HTTP/1.1"):
    return "\r\n".join([first, *fields, "", ""]).encode("latin-1")


def body(size_line, data=b"12345", rest=b"\r\n0\r\n\r\n"):
    """A chunked request whose first size line is this."""
    return lines("Host: a", "Transfer-Encoding: chunked", first="POST /wrong HTTP/1.1") + size_line + data + rest


HEADS = {
    # 1: line ends
    "bare LF behind the request line": (400, b"GET /wrong HTTP/1.1\nHost: a\r\n\r\n"),
    "bare LF behind a field": (400, b"GET /wrong HTTP/1.1\r\nHost: a\n\r\n"),
    "bare LF at the end": (400, b"GET /wrong HTTP/1.1\r\nHost: a\r\n\n"),
    "all bare LF": (400, b"GET /wrong HTTP/1.1\nHost: a\n\n"),
    "bare CR in the request line": (400, b"GET /wrong\r HTTP/1.1\r\nHost: a\r\n\r\n"),
    "bare CR in a value": (400, b"GET /wrong HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"),
    "bare CR before CRLF": (400, b"GET /wrong HTTP/1.1\r\nHost: a\r\nX: a\r\r\n\r\n"),
    "bare CR instead of a line end": (400, b"GET /wrong HTTP/1.1\rHost: a\r\r"),
    "two empty lines before it": (400, b"\r\n\r\nGET /wrong HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a bare LF before it": (400, b"\nGET /wrong HTTP/1.1\r\nHost: a\r\n\r\n"),
    # 2: the request line
    "two blanks behind the method": (400, lines("Host: a", first="GET  /wrong HTTP/1.1")),
    "two blanks before the version": (400, lines("Host: a", first="GET /wrong  HTTP/1.1")),
    "a blank at the end of it": (400, lines("Host: a", first="GET /wrong HTTP/1.1 ")),
    "a blank before it": (400, lines("Host: a", first=" GET /wrong HTTP/1.1")),
    "a tab": (400, lines("Host: a", first="GET\t/wrong HTTP/1.1")),
    "a blank in the target": (400, lines("Host: a", first="GET /wrong /x HTTP/1.1")),
    "a method that is no token": (400, lines("Host: a", first="G(T /wrong HTTP/1.1")),
    "no method": (400, lines("Host: a", first="/wrong HTTP/1.1")),
    "a method that is too long": (501, lines("Host: a", first="X" * 40 + " /wrong HTTP/1.1")),
    "HTTP/0.9": (400, lines(first="GET /wrong")),
    "HTTP/1.2": (505, lines("Host: a", first="GET /wrong HTTP/1.2")),
    "HTTP/2.0": (505, lines("Host: a", first="GET /wrong HTTP/2.0")),
    "the preface of HTTP/2": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/01.1": (400, lines("Host: a", first="GET /wrong HTTP/01.1")),
    "HTTP/1.10": (400, lines("Host: a", first="GET /wrong HTTP/1.10")),
    "HTTP/1,1": (400, lines("Host: a", first="GET /wrong HTTP/1,1")),
    "http/1.1": (400, lines("Host: a", first="GET /wrong http/1.1")),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"r" * 32),
    # 3: the target
    "a fragment": (400, lines("Host: a", first="GET /wrong#x HTTP/1.1")),
    "a byte over 0x7e": (400, lines("Host: a", first="GET /wrong\xe4 HTTP/1.1")),
    "DEL": (400, lines("Host: a", first="GET /wrong\x7f HTTP/1.1")),
    "NUL in the target": (400, lines("Host: a", first="GET /wrong\0 HTTP/1.1")),
    "neither path nor address": (400, lines("Host: a", first="GET wrong HTTP/1.1")),
    "an absolute form of another host": (400, lines("Host: a", first="GET http://b/wrong HTTP/1.1")),
    "an absolute form of another port": (400, lines("Host: a", first="GET http://a:81/wrong HTTP/1.1")),
    "an absolute form with a user": (400, lines("Host: a", first="GET http://u@a/wrong HTTP/1.1")),
    "another scheme": (400, lines("Host: a", first="GET ftp://a/wrong HTTP/1.1")),
    "* with GET": (400, lines("Host: a", "X: wrong", first="GET * HTTP/1.1")),
    # 4: Host
    "no Host": (400, lines()),
    "two Hosts": (400, lines("Host: a", "Host: a")),
    "a Host with a path": (400, lines("Host: a/b")),
    "a Host with a user": (400, lines("Host: u@a")),
    "a Host with a blank": (400, lines("Host: a b")),
    "a list of Hosts": (400, lines("Host: a, b")),
    "a Host with a wrong port": (400, lines("Host: a:b")),
    "an empty Host": (400, lines("Host:")),
    # 5: fields
    "a field without a name": (400, lines("Host: a", ": wrong")),
    "a blank before the colon": (400, lines("Host: a", "X : wrong")),
    "a tab before the colon": (400, lines("Host: a", "X\t: wrong")),
    "a blank before the first field": (400, lines(" Host: a")),
    "folding": (400, lines("Host: a", "X: a", " wrong")),
    "folding by a tab": (400, lines("Host: a", "X: a", "\tbad")),
    "no colon": (400, lines("Host: a", "wrong")),
    "NUL in a value": (400, lines("Host: a", "X: a\0bad")),
    "a control character": (400, lines("Host: a", "X: a\x01bad")),
    "DEL in a value": (400, lines("Host: a", "X: a\x7f")),
    "NUL in a name": (400, lines("Host: a", "X\0: wrong")),
    "a name with a bracket": (400, lines("Host: a", "X(: wrong")),
    "a byte over 0x7f in a name": (400, lines("Host: a", "X\xe4: wrong")),
    # 6: Content-Length
    "two Content-Lengths": (400, lines("Host: a", "Content-Length: 1", "Content-Length: 2") + b"12"),
    "the same one twice": (400, lines("Host: a", "Content-Length: 1", "Content-Length: 1") + b"1"),
    "a list": (400, lines("Host: a", "Content-Length: 1, 1") + b"1"),
    "a sign": (400, lines("Host: a", "Content-Length: +1") + b"1"),
    "a minus": (400, lines("Host: a", "Content-Length: -1") + b"1"),
    "hexadecimal": (400, lines("Host: a", "Content-Length: 0x1") + b"1"),
    "a blank within": (400, lines("Host: a", "Content-Length: 1 0") + b"1234567890"),
    "nothing": (400, lines("Host: a", "Content-Length:")),
    "20 digits": (400, lines("Host: a", "Content-Length: " + "0" * 19 + "1") + b"1"),
    "more than 63 bits": (400, lines("Host: a", "Content-Length: 9999999999999999999") + b"1"),
    # 7: Transfer-Encoding
    "gzip": (501, lines("Host: a", "Transfer-Encoding: gzip") + b"0\r\n\r\n"),
    "gzip, chunked": (501, lines("Host: a", "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n"),
    "chunked, identity": (501, lines("Host: a", "Transfer-Encoding: chunked, identity") + b"0\r\n\r\n"),
    "chunked twice": (501, lines("Host: a", "Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n"),
    "xchunked": (501, lines("Host: a", "Transfer-Encoding: xchunked") + b"0\r\n\r\n"),
    "chunked in quotes": (501, lines("Host: a", 'Transfer-Encoding: "chunked"') + b"0\r\n\r\n"),
    "chunked;q=1": (501, lines("Host: a", "Transfer-Encoding: chunked;q=1") + b"0\r\n\r\n"),
    "identity": (501, lines("Host: a", "Transfer-Encoding: identity")),
    "no coding": (501, lines("Host: a", "Transfer-Encoding:")),
    "two fields": (400, lines("Host: a", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    "a vertical tab": (400, lines("Host: a", "Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n"),
    "beside Content-Length": (400, lines("Host: a", "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    "before Content-Length": (400, lines("Host: a", "Transfer-Encoding: chunked", "Content-Length: 5") + b"0\r\n\r\n"),
    "in 1.0": (400, lines("Host: a", "Transfer-Encoding: chunked", first="POST /wrong HTTP/1.0") + b"0\r\n\r\n"),
    # 8: methods
    "CONNECT": (405, lines("Host: a:1", first="CONNECT a:1 HTTP/1.1")),
    "CONNECT with a path": (405, lines("Host: a", first="CONNECT /wrong HTTP/1.1")),
    "TRACE with a body": (400, lines("Host: a", "Content-Length: 1", first="TRACE /wrong HTTP/1.1") + b"1"),
    "TRACE in chunks": (400, lines("Host: a", "Transfer-Encoding: chunked", first="TRACE /wrong HTTP/1.1") + b"0\r\n\r\n"),
    "GET of 1.0 with a body": (400, lines("Content-Length: 1", first="GET /wrong HTTP/1.0") + b"1"),
    "DELETE of 1.0 with a body": (400, lines("Content-Length: 1", first="DELETE /wrong HTTP/1.0") + b"1"),
    # 10: Connection
    **{f"Connection names {name}": (400, lines("Host: a", f"Connection: close, {name}", f"{name}: x" if name != "Host" else "X: y"))
       for name in ("Host", "Cookie", "Authorization", "X-Forwarded-For", "x-forwarded-proto", "X-Forwarded-Anything", "X-Real-IP",
                    "X-Request-ID", "Forwarded")},
    "Connection names Content-Length": (400, lines("Host: a", "Connection: content-length", "Content-Length: 1") + b"1"),
    "Connection names Transfer-Encoding": (
        400, lines("Host: a", "Connection: transfer-encoding", "Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    "Connection is no list of tokens": (400, lines("Host: a", "Connection: a b")),
    # Expectations
    "another expectation": (417, lines("Host: a", "Expect: 200-maybe", "Content-Length: 1") + b"1"),
    "two expectations": (417, lines("Host: a", "Expect: 100-continue", "Expect: 100-continue", "Content-Length: 1") + b"1"),
    # Sizes
    "101 fields": (431, lines("Host: a", *[f"X-{i}: wrong" for i in range(100)])),
    "a head over 16 KiB": (431, lines("Host: a", *[f"X-{i}: " + "b" * 900 for i in range(20)])),
    "one field over 16 KiB": (431, lines("Host: a", "X: " + "b" * 17000)),
    "a target over 8 KiB": (414, lines("Host: a", first="GET /wrong" + "x" * 8200 + " HTTP/1.1")),
    "no end at all": (414, b"GET /" + b"x" * 20000),
}

CHUNKS = {
    "0x": body(b"0x5\r\n"), "a sign": body(b"+5\r\n"), "a minus": body(b"-5\r\n"), "a blank before": body(b" 5\r\n"),
    "a blank behind": body(b"5 \r\n"), "a tab behind": body(b"5\t\r\n"), "no digits": body(b"\r\n"), "only an extension": body(b";x\r\n"),
    "17 digits": body(b"0" * 16 + b"5\r\n"), "overflow": body(b"ffffffffffffffff\r\n"), "a letter": body(b"5g\r\n"),
    "bare LF behind the size": body(b"5\n"), "bare CR behind the size": body(b"5\r12345"), "bare LF in an extension": body(b"5;a\nb\r\n"),
    "bare CR in an extension": body(b"5;a\rb\r\n"), "a long extension": body(b"5;" + b"e" * 300 + b"\r\n"),
    "NUL in an extension": body(b"5;a\0\r\n"), "data too long": body(b"5\r\n", b"123456"), "data too short": body(b"5\r\n", b"1234"),
    "bare LF behind data": body(b"5\r\n", rest=b"\n0\r\n\r\n"), "bare CR behind data": body(b"5\r\n", rest=b"\r0\r\n\r\n"),
    "bare LF behind the last": body(b"5\r\n", rest=b"\r\n0\n\r\n"), "bare LF at the end": body(b"5\r\n", rest=b"\r\n0\r\n\n"),
    "a wrong trailer": body(b"5\r\n", rest=b"\r\n0\r\nno colon\r\n\r\n"), "a trailer with a blank": body(b"5\r\n", rest=b"\r\n0\r\nX : y\r\n\r\n"),
    "a folded trailer": body(b"5\r\n", rest=b"\r\n0\r\nX: y\r\n z\r\n\r\n"), "bare LF in a trailer": body(b"5\r\n", rest=b"\r\n0\r\nX: y\n\r\n"),
    "long trailers": body(b"5\r\n", rest=b"\r\n0\r\n" + b"X: " + b"y" * 9000 + b"\r\n\r\n"),
}


def refused(client, status):
    """It is told so, and then it is over."""
    got = read_answer(client)
    assert (got.status, got["Connection"]) == (status, "close"), got
    assert got.body and got["Content-Type"]
    assert client.read_end() == (b"", EOF)


def each(cases, check):
    """All that fail, at once."""
    wrong = {}
    for name, case in cases.items():
        try:
            check(case)
        except (AssertionError, OSError) as error:
            wrong[name] = error
    assert not wrong, "\n".join(f"{name}: {error!r}" for name, error in wrong.items())


def test_heads_alone(relay, origin):
    app = web(origin)
    one = proxy(relay, app)

    def check(case):
        status, data = case
        with connect(one) as client:
            client.send(data + get("/smuggled"))
            refused(client, status)
        assert one.record(client).end == ("CV" if status == 505 else "CB")
    each(HEADS, check)
    assert app.connections == 0
    line = one.wait_log("RELAYD_END=CV")[0]
    assert "another version of HTTP than 1.0 and 1.1, such as HTTP/2, which needs a listener with mode = tcp" in line.text


def test_another_protocol_is_told_at_once(relay, origin):
    """By its first bytes, without a line's end; nobody waits for head_timeout. So https to a port of http, and SMB."""
    app = web(origin)
    one = proxy(relay, app, head_timeout="1h")
    for data in HEADS["TLS"][1], b"\x80", b"\0\0\0\x85\xffSMB", b"GET /\x7f":
        for before in b"", get("/good"):
            with connect(one) as client:
                client.send(before + data)
                assert not before or read_answer(client).status == 200
                refused(client, 400)


def test_heads_behind_a_good_one(relay, origin):
    app = web(origin)
    one = proxy(relay, app)

    def check(case):
        status, data = case
        with connect(one) as client:
            client.send(get("/good") + data + get("/smuggled"))
            assert read_answer(client).body == b"GET /good\n"
            refused(client, status)
        assert one.record(client).end == ("CV" if status == 505 else "CB")
    each(HEADS, check)
    for number in range(app.connections):
        assert app.wait_end(number) == "eof"
    assert set(app.targets) == {"/good"} and app.connections == len(HEADS) == len(app.asked)
    assert b"wrong" not in app.bytes and b"smuggled" not in app.bytes


def test_chunks(relay, origin):
    """What came before may be on its way by then: the server's connection breaks off, and never has a whole request."""
    app = web(origin)
    one = proxy(relay, app)

    def check(data):
        before = app.connections
        with connect(one) as client:
            client.send(get("/good") + data + get("/smuggled"))
            assert read_answer(client).body == b"GET /good\n"
            refused(client, 400)
        assert one.record(client).end == "CB"
        assert app.connections == before + 1
        assert app.wait_end(before) != "eof" or b"wrong" not in app.raw[before]
    each(CHUNKS, check)
    assert not any(asked.whole for asked in app.asked if asked.target != "/good")
    assert b"smuggled" not in app.bytes
