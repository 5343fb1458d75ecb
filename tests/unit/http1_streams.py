"""Streams of requests as strangers send them: good ones, and what a few changes make of them. Always the same ones."""
import random

LINES = [b"GET / HTTP/1.1", b"POST /a?b=c HTTP/1.1", b"HEAD /x HTTP/1.0", b"PUT http://a/b HTTP/1.1", b"OPTIONS * HTTP/1.1",
         b"DELETE /%2e%2e/x HTTP/1.1", b"PATCH //a//b HTTP/1.1", b"TRACE /\\ HTTP/1.1", b"POST /e HTTP/1.0", b"GET http://a HTTP/1.1",
         b"GET /|{}<>^`\" HTTP/1.1", b"GET /a;b=c/..;/d HTTP/1.1", b"GET /?a?b#c HTTP/1.1", b"M-SEARCH * HTTP/1.1", b"get / HTTP/1.1"]
FIELDS = [b"Host: a", b"Host: a", b"Host: a", b"hOST:a", b"Host: a:80", b"Host: [::1]", b"Accept: */*", b"Content-Length: 5", b"Content-Length: 0",
          b"content-length:5", b"Content-Length: 05", b"Content-Length: +5", b"Content-Length: 5, 5", b"Content-Length : 5", b"Content_Length: 5",
          b"Transfer-Encoding: chunked", b"transfer-encoding:\tChunked ", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity",
          b"Transfer-Encoding : chunked", b"Transfer_Encoding: chunked", b"X: Transfer-Encoding: chunked", b"TE: trailers",
          b"Connection: keep-alive", b"Connection: close", b"Connection: X-Y, keep-alive", b"Connection: upgrade", b"Upgrade: websocket",
          b"Expect: 100-continue", b"Cookie: a=b; c=d", b"X: \xff\xfe", b"X:", b"X: a\tb", b"X-Long: " + b"x" * 300, b"Y: \"a\\\"b\"",
          b"X-Forwarded-For: 1.2.3.4", b"Trailer: X", b"Keep-Alive: 5", b"Proxy-Connection: close"]
BODIES = [b"", b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n", b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n", b"A\r\n0123456789\r\n00\r\n\r\n",
          b"3\r\nabc\r\n2\r\nde\r\n0;x=\"y\"\r\n\r\n", b"0\r\nHost: b\r\nX:\r\n\r\n"]
BYTES = [b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b"\0", b"\x0b", b"\x7f", b"\xa0", b",", b":", b";", b"0", b"1", b"5", b"x", b"-", b"_", b"#",
         b"%", b"/", b"\\", b"\"", b"\r\n ", b"0x", b"\x85", b"\xff"]
NEXT = b"GET /next HTTP/1.1\r\nHost: n\r\n\r\n"


def request(chance):
    line = chance.choice(LINES)
    fields = [chance.choice(FIELDS) for _ in range(chance.randrange(5))]
    if chance.random() < 0.8 and b"host" not in b"".join(fields).lower():
        fields.insert(0, b"Host: a")
    body = chance.choice(BODIES)
    if chance.random() < 0.7:   # framing that fits
        fields = [field for field in fields if not field.lower().startswith((b"content", b"transfer"))]
        if body and b"\r\n" in body:
            fields.append(b"Transfer-Encoding: chunked")
        elif body:
            fields.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([line, *fields]) + b"\r\n\r\n" + body


def change(chance, stream):
    at = chance.randrange(len(stream) + 1)
    what = chance.randrange(4)
    if what == 0:
        return stream[:at] + chance.choice(BYTES) + stream[at:]
    if what == 1:
        return stream[:at] + stream[at + 1:]
    if what == 2:
        return stream[:at] + chance.choice(BYTES) + stream[at + 1:]
    end = min(len(stream), at + chance.randrange(1, 30))
    return stream[:at] + stream[at:end] + stream[at:]


def streams(n, seed=1):
    """Each: one or two requests, perhaps changed, and a good one behind them, which must stay by itself."""
    chance = random.Random(seed)
    for _ in range(n):
        stream = b"".join(request(chance) for _ in range(chance.randrange(1, 3)))
        for _ in range(chance.choice((0, 0, 0, 1, 1, 2))):
            stream = change(chance, stream)
        yield stream + NEXT
