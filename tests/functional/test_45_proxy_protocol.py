"""The PROXY protocol: from a balancer, to a server, and with HAProxy and nginx on both sides."""

import os
import socket
import struct

import pytest

from client import connect, run
from fleet import site
from origin import echo
from peer import RESET
from servers import NGINX_STREAM, HAProxy, NginxProxyProtocol, NginxStream
from settings import DEADLINE, ms, until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"


def v2(source="192.0.2.7", port=4711, tlvs=b""):
    body = socket.inet_aton(source) + socket.inet_aton("198.51.100.1") + struct.pack("!HH", port, 443) + tlvs
    return SIGNATURE + b"\x21\x11" + struct.pack("!H", len(body)) + body


def behind(relay, server, version="any", **listener):
    copy = listener.pop("copy", "auto")
    return site(relay, {"a": server}, listener={"accept_proxy": version, "proxy_from": ("127.0.0.0/8",), "copy": copy,
                                                **listener})


@pytest.mark.parametrize("version, header", [("v1", V1), ("v2", v2()), ("any", V1), ("any", v2(tlvs=b"\xee\0\1x"))])
def test_the_client_is_the_announced_one(relay, origin, copy, version, header):
    one = behind(relay, origin(echo), version, copy=copy)
    with connect(one) as client:
        client.send(header + b"hello")
        assert client.read(5) == b"hello"
    record = one.wait_records(1)[0]
    assert record.client == "192.0.2.7:4711"
    assert record.peer == client.name
    assert record.bytes_up == 5   # nothing of the header


@pytest.mark.parametrize("header", [V1, v2()])
def test_in_any_number_of_pieces(relay, origin, header):
    one = behind(relay, origin(echo))
    with connect(one) as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in header:
            client.send(bytes([byte]))
        client.send(b"x")
        assert client.read(1) == b"x"
    assert one.wait_records(1)[0].client == "192.0.2.7:4711"


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n"])
def test_a_connection_of_the_balancer_itself(relay, origin, header):
    one = behind(relay, origin(echo))
    with connect(one) as client:
        assert client.send(header + b"x").read(1) == b"x"
    assert one.record(client).client == client.name


@pytest.mark.parametrize("version, sent, why", [
    ("any", b"GET / HTTP/1.1\r\n\r\n", "other bytes than a PROXY header"),
    ("v2", V1, "accept_proxy = v2"),
    ("v1", v2(), "accept_proxy = v1"),
    ("any", v2(tlvs=b"\x03\0\4zzzz"), "CRC32c of the PROXY header does not match"),
    ("any", b"PROXY TCP4 192.0.2.7\r\n", "no two good addresses"),
])
def test_a_header_that_is_none(relay, origin, version, sent, why):
    one = behind(relay, origin(echo), version, mode="http")
    with connect(one) as client:
        assert client.send(sent).read_end() == (b"", RESET)
    assert one.record(client).end == "CH"
    line = one.wait_log("Listener web refuses a connection from 127.0.0.1:")[0]
    assert line.fields == {"RELAYD_LISTENER": "web", "RELAYD_PEER": client.name}
    assert why in line.text


def test_an_end_instead_of_a_header(relay, origin):
    one = behind(relay, origin(echo))
    with connect(one) as client:
        client.send(V1[:20])
        client.sock.shutdown(socket.SHUT_WR)
        assert client.read_end()[0] == b""
    assert one.record(client).end == "CH"


def test_who_only_looks_whether_somebody_listens_is_not_warned_of(relay, origin):
    one = behind(relay, origin(echo))
    with connect(one) as client:
        client.sock.shutdown(socket.SHUT_WR)
        assert client.read_end()[0] == b""
    assert one.record(client).end == "CH"
    assert "refuses a connection" not in one.log


def test_no_header_in_time(relay, origin):
    one = behind(relay, origin(echo), proxy_timeout=ms(300))
    with connect(one) as client:
        assert client.send(V1[:-1]).read_end() == (b"", RESET)
    assert one.record(client).end == "TH"


def test_who_is_not_a_balancer_is_refused(relay, origin):
    one = site(relay, {"a": origin(echo)}, listener={"accept_proxy": "v1", "proxy_from": ("10.0.0.0/8",)})
    with connect(one) as client:
        assert client.read_end() == (b"", RESET)
    assert one.record(client).end == "LH"


def test_allow_and_limits_are_for_the_announced_client(relay, origin):
    one = behind(relay, origin(echo), deny=("192.0.2.66",), max_connections_per_client=1)
    with connect(one) as client:
        assert client.send(v2("192.0.2.66")).read_end() == (b"", RESET)
    assert one.wait_records(1)[0].end == "LA"
    with connect(one) as first, connect(one) as second, connect(one) as other:
        assert first.send(v2("192.0.2.1") + b"x").read(1) == b"x"
        assert second.send(v2("192.0.2.1") + b"x").read_end() == (b"", RESET)
        assert other.send(v2("192.0.2.2") + b"x").read(1) == b"x"


def test_a_stop_does_not_wait_for_a_header(relay, origin):
    one = behind(relay, origin(echo), proxy_timeout="1h")
    client = connect(one).send(V1[:10])
    one.finish()
    assert client.read_end() == (b"", RESET)


def test_headers_that_hang_do_not_starve_the_others_for_ever(relay, origin):
    one = behind(relay, origin(echo), proxy_timeout=ms(500))
    hanging = [connect(one) for _ in range(16)]   # twice the workers
    with connect(one) as client:
        assert client.send(V1 + b"x").read(1) == b"x"
    for one_client in hanging:
        one_client.close()


def read_v1(peer):
    line = b""
    while not line.endswith(b"\r\n"):
        line += peer.sock.recv(1)
    return line


def read_v2(peer):
    head = peer.read(16)
    return head, peer.read(struct.unpack("!H", head[14:])[0])


def test_send_v1(relay, origin, copy):
    def script(peer):
        line = read_v1(peer)
        echo(peer)
        return line
    server = origin(script)
    one = site(relay, {"a": server}, send_proxy="v1", listener={"copy": copy})
    with connect(one) as client:
        assert client.send(b"x" * 100000).read(100000) == b"x" * 100000
    host, port = client.name.split(":")
    assert server.result() == f"PROXY TCP4 {host} 127.0.0.1 {port} {one.address.split(':')[1]}\r\n".encode()
    assert one.record(client).bytes_up == 100000


def test_send_v2_and_what_was_announced_goes_on(relay, origin):
    def script(peer):
        header = read_v2(peer)
        echo(peer)
        return header
    server = origin(script)
    one = site(relay, {"a": server}, send_proxy="v2", listener={"accept_proxy": "v1", "proxy_from": ("127.0.0.1",)})
    with connect(one) as client:
        assert client.send(V1 + b"x").read(1) == b"x"
    head, body = server.result()
    assert head[:14] == SIGNATURE + b"\x21\x11"
    assert body[:12] == v2()[16:28]
    assert b"\x05\0" in body and body[-7:-4] == b"\x03\0\4"   # a unique id, a CRC32c


@pytest.fixture
def haproxy(server):
    return lambda text: server(HAProxy, text=text)


FROM = "127.0.0.9"   # a client that can be told from others


def ok(peer):
    """Answers one request; whoever only looks whether somebody listens asks nothing."""
    if peer.recv():
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


def seen(one):
    """A record of the client that can be told from others."""
    return lambda: any(record.client.startswith(FROM + ":") for record in one.records())


def ask(address):
    """What curl gets from there, as a client at FROM."""
    return run("curl", "-sS", "-m", DEADLINE, "--interface", FROM, f"http://{address}/").stdout


@pytest.mark.parametrize("option, version", [("send-proxy", "v1"), ("send-proxy-v2", "v2"),
                                             ("send-proxy-v2 proxy-v2-options unique-id,crc32c", "v2")])
def test_haproxy_before_relayd(relay, origin, haproxy, option, version):
    one = behind(relay, origin(ok), version)
    balancer = haproxy(f"frontend f\n    bind PORT\n    unique-id-format %rt\n    default_backend b\n"
                       f"backend b\n    server relay {one.address} {option}\n")
    assert ask(balancer.address) == b"ok"
    until(seen(one), "the announced client in the log")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_haproxy_behind_relayd(relay, origin, haproxy, version):
    def script(peer):
        head = peer.recv()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(head) + head)
    server = origin(script)
    behind_it = haproxy("frontend f\n    mode http\n    bind PORT accept-proxy\n    option forwardfor\n    default_backend b\n"
                        f"backend b\n    mode http\n    server a {server.address}\n")
    one = site(relay, {"a": behind_it}, send_proxy=version,
               check={"interval": ms(50), "fall": 1, "timeout": ms(1000)})
    assert FROM.encode() in ask(one.address)
    assert "is down" not in one.log   # the checks' headers are LOCAL or UNKNOWN


@pytest.mark.skipif(not os.path.exists(NGINX_STREAM), reason="nginx has no stream module here")
def test_nginx_before_relayd(relay, origin, server):
    one = behind(relay, origin(ok), "v1")
    balancer = server(NginxStream, target=one.address)
    assert ask(balancer.address) == b"ok"
    until(seen(one), "the announced client in the log")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_nginx_behind_relayd(relay, server, version):
    behind_it = server(NginxProxyProtocol)
    one = site(relay, {"a": behind_it}, send_proxy=version,
               check={"type": "http", "interval": ms(50), "fall": 1, "timeout": ms(1000)})
    assert ask(one.address) == FROM.encode()
    assert "is down" not in one.log


def test_a_unix_listener_and_server(relay, origin, short_path):
    """Whoever may connect to the unix socket may send a header; an unnamed client is written as such."""
    def script(peer):
        header = read_v2(peer)
        echo(peer)
        return header
    server = origin(script, path=short_path / "s")
    one = relay(text=f'listener web {{ address = "unix:{short_path}/l" upstream = app }}\n'
                     f'upstream app {{ send_proxy = v2 server a {{ address = "unix:{short_path}/s" }} }}\n',
                address=f"unix:{short_path}/l")
    with connect(one) as client:
        assert client.send(b"x").read(1) == b"x"
    head, body = server.result()
    assert head[12:14] == b"\x21\x31"
    assert body[108:].startswith(f"{short_path}/l".encode())
