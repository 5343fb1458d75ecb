"""TLS that ends at relayd: bytes, ends, cuts, and handshakes that fail."""

import json
import os
import signal
import socket
import ssl
import subprocess

import pytest
from client import connect, curl
from control import Following, relayctl
from hellos import DECODE_ERROR, UNEXPECTED_MESSAGE, hello, in_records
from origin import echo, http, sends
from peer import EOF, RESET, request
from settings import DEADLINE, free_port, until
from tls import CUT, Site, TlsPeer, https

BOTH = {"1.3": ssl.TLSVersion.TLSv1_3, "1.2": ssl.TLSVersion.TLSv1_2}
CIPHERS = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
           "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def reads_all(peer):
    """An origin that reads to the end and tells what came, and how it ended."""
    return peer.read_end()


# Bytes


@pytest.mark.parametrize("version", BOTH)
def test_requests_and_answers(relay, origin, site, version):
    one = https(relay, site, origin(http), mode="http")
    with site.connect(one, least=BOTH[version], most=BOTH[version]) as client:
        for path in ("/a", "/b", "/c"):
            assert client.get(path).status == 200
        client.tell_end()
        assert client.ending() == EOF
    record = one.record(client)
    assert (record.end, record.tls_version, record.tls_resumed) == ("CE", f"TLSv{version}", "no")
    assert record.tls_cipher.startswith("TLS_")


@pytest.mark.parametrize("cipher", CIPHERS)
def test_each_cipher_carries_much_both_ways(relay, origin, site, cipher):
    """Bytes of the application are counted, not those of records."""
    data = os.urandom(3_000_001)
    one = https(relay, site, origin(echo), half_close=True)
    modern = cipher.startswith("TLS_")
    command = ["openssl", "s_client", "-quiet", "-connect", one.address, "-CAfile", site.ca, "-verify_return_error",
               "-ciphersuites" if modern else "-cipher", cipher, "-tls1_3" if modern else "-tls1_2"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
        got = bytearray()
        os.set_blocking(client.stdin.fileno(), True)
        writer = os.fork()
        if writer == 0:
            client.stdin.write(data)
            client.stdin.flush()
            os._exit(0)
        while len(got) < len(data):
            got += os.read(client.stdout.fileno(), 1 << 16)
        os.waitpid(writer, 0)
        client.kill()
    assert bytes(got) == data
    record = one.only_record()
    assert (record.bytes_up, record.bytes_down) == (len(data), len(data))


@pytest.mark.parametrize("version", ["-tls1_3", "-tls1_2"])
def test_a_client_with_little_room_gets_small_records(relay, origin, site, version):
    """RFC 6066, 4. libssl, at the other end, takes no larger ones."""
    data = os.urandom(100_000)
    one = https(relay, site, origin(sends(data)))
    command = ["openssl", "s_client", "-quiet", "-connect", one.address, "-maxfraglen", "512", version]
    client = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=DEADLINE, check=False)
    assert client.stdout == data, client.stderr


def test_rsa_and_curl_of_both_kinds(relay, origin, tmp_path):
    site = Site(tmp_path, kind="rsa2048")
    one = https(relay, site, origin(http), mode="http")
    url = f"https://{one.address}/x"
    assert b"200" in curl(url, "-i", "--cacert", site.ca)
    assert b"200" in curl(url, "-i", "--cacert", site.ca, "--tls-max", "1.2")


def test_a_certificate_is_as_good_as_its_name(relay, origin, site):
    one = https(relay, site, origin(http), mode="http")
    with pytest.raises(ssl.SSLCertVerificationError):
        site.connect(one, name="other.test")
    assert one.wait_records(1)[0].end == "CG"
    one.wait_log("for other.test .* its TLS handshake failed: it (refuses the certificate|left in the handshake|does not).*; "
                 "no certificate is for the name that it asked for")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])
def test_a_name_without_a_certificate_is_logged(relay, origin, site, version):
    """Of a client that takes another's; of many within a second, the first and how many more."""
    one = https(relay, site, origin(echo))
    context = site.context(least=version, most=version)
    context.check_hostname = False
    for name in ["other.test"] * 25 + ["site.test", None]:
        with site.connect(one, name=name, context=context) as client:
            client.send(b"x").read(1)
    line = one.wait_log("Listener web has no certificate for other.test, which 127.0.0.1:[0-9]+ asked for: it got the first one. "
                        "There are those for 127.0.0.1, site.test.")[0]
    assert line.level == "info" and line.fields["RELAYD_TLS_SNI"] == "other.test" and line.fields["RELAYD_LISTENER"] == "web"

    def told():
        more = [int(line.fields["RELAYD_COUNT"]) for line in one.lines if "names that no certificate is for" in line.text]
        return sum("has no certificate for" in line.text for line in one.lines) + sum(more) == 25
    until(told, "all are told, or counted")


# Ends


@pytest.mark.parametrize("version", BOTH)
def test_close_notify_is_an_end_in_both_directions(relay, origin, site, version):
    server = origin(reads_all)
    one = https(relay, site, server)
    with site.connect(one, least=BOTH[version], most=BOTH[version]) as client:
        client.send(b"hello").tell_end()
        assert client.ending() == EOF
    assert server.result() == (b"hello", EOF)
    assert one.record(client).end == "CE"


@pytest.mark.parametrize("version", BOTH)
def test_the_end_of_a_server_is_a_close_notify(relay, origin, site, version):
    one = https(relay, site, origin(sends(b"x" * 100_000)))
    with site.connect(one, least=BOTH[version], most=BOTH[version]) as client:
        assert client.read_end() == (b"x" * 100_000, EOF)
        client.tell_end()
    assert one.record(client).end == "SE"


def test_an_end_without_close_notify_is_a_cut(relay, origin, site):
    """The server is reset: what it got may not be whole."""
    server = origin(reads_all)
    one = https(relay, site, server)
    with site.connect(one) as client:
        client.send(b"half of it").cut()
        client.ending()
    record = one.record(client)
    assert record.end == "CT"
    assert server.result()[1] == RESET


@pytest.mark.parametrize("sent, end, how", [(b"", "CE", EOF), (b"GET / HTTP/1.1\r\nHost: x\r\n", "CT", RESET), (None, "CT", RESET)])
def test_a_browser_that_leaves_between_requests_is_no_failure(relay, origin, site, sent, end, how):
    """Without close_notify: the server's connection ends in order, since all that it got was whole. In a head, of which it got
    nothing, it is reset. None: part of a record."""
    def script(peer):
        peer.read_to(b"\r\n\r\n")
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        return peer.read_end()
    server = origin(script)
    one = https(relay, site, server, mode="http")
    with site.connect(one) as client:
        assert client.get().status == 200
        if sent is None:
            os.write(client.sock.fileno(), b"\x17\x03\x03\x00\x40")
        elif sent:
            client.send(sent)
        client.cut()
        assert server.result() == (b"", how)
    assert one.record(client).end == end


def test_a_reset_of_the_server_is_no_end(relay, origin, site):
    def script(peer):
        peer.send(b"some").read(1)
        peer.reset()
    one = https(relay, site, origin(script))
    with site.connect(one) as client:
        assert client.read(4) == b"some"
        client.send(b"x")
        assert client.ending() in (RESET, CUT)
    assert one.record(client).end == "SR"


def test_bytes_behind_a_good_record_that_are_none(relay, origin, site):
    """An alert, then a reset of both sides."""
    server = origin(reads_all)
    one = https(relay, site, server)
    client = site.connect(one)
    client.send(b"good")
    raw = socket.socket(fileno=os.dup(client.sock.fileno()))
    raw.sendall(b"\x17\x03\x03\x00\x20" + b"n" * 32)
    with pytest.raises((ssl.SSLError, ConnectionResetError)) as failed:
        client.read(1)
    assert "BAD_RECORD_MAC" in str(failed.value).upper().replace(" ", "_") or isinstance(failed.value, ConnectionResetError)
    record = one.record(client)
    assert (record.end, record.error) == ("CT", "EPROTO")
    assert server.result()[1] == RESET
    raw.close()
    client.close()


def test_a_client_may_go_on_reading_after_its_end(relay, origin, site):
    def script(peer):
        assert peer.read_end() == (b"question", EOF)
        peer.send(b"answer")
    one = https(relay, site, origin(script), half_close=True)
    with site.connect(one, least=BOTH["1.3"]) as client:
        client.send(b"question").tell_end()
        assert client.read(6) == b"answer"
        assert client.ending() == EOF


def test_a_drain_ends_in_order(relay, origin, site):
    one = https(relay, site, origin(http), mode="http", top='drain_idle = 100ms')
    with site.connect(one) as client:
        assert client.get("/").status == 200
        os.kill(one.pid, signal.SIGTERM)
        assert client.ending() == EOF
    one.record(client)


# Before there is a server


def test_the_name_and_the_protocol_are_told(relay, origin, site):
    one = https(relay, site, origin(http), tls={"alpn": ["http/1.1"]}, mode="http")
    with site.connect(one, alpn=["h2", "http/1.1"]) as client:
        assert client.sock.selected_alpn_protocol() == "http/1.1"
        assert client.get("/").status == 200
        client.tell_end()
    record = one.record(client)
    assert (record.tls_sni, record.tls_alpn) == ("site.test", "http/1.1")


def test_a_route_is_taken_by_name(relay, origin, tmp_path):
    site = Site(tmp_path, "a.test", "b.test")
    port, a, b = free_port(), origin(sends(b"a")), origin(sends(b"b"))
    one = relay(address=f"127.0.0.1:{port}", text=f"""
listener web {{
    address = "127.0.0.1:{port}"
    upstream = a
{site.section()}    route "sni:b.test" {{ upstream = b }}
}}
upstream a {{ server a {{ address = "{a.address}" }} }}
upstream b {{ server b {{ address = "{b.address}" }} }}
""")
    for name in ("a", "b"):
        with site.connect(one, name=f"{name}.test") as client:
            assert client.read(1) == name.encode()


def certificate_of(client):
    return client.sock.getpeercert(True)


def test_a_dot_at_the_end_of_a_name(relay, origin, tmp_path):
    """The certificate goes by the same name as the route."""
    first = Site(tmp_path, "first.test")
    (tmp_path / "second").mkdir()
    second = Site(tmp_path / "second", "site.test", "*.wild.test")
    one = https(relay, first, origin(echo), tls={"certificate": [str(first.file), str(second.file)]})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name in ("site.test", "site.test.", "SITE.Test.", "a.wild.test.", "first.test."):
        with first.connect(one, name=name, context=context) as client:
            assert client.send(b"x").read(1) == b"x"
            wanted = first if name == "first.test." else second
            assert certificate_of(client) == ssl.PEM_cert_to_DER_cert(wanted.certificate.pem), name
    assert "has no certificate for" not in one.log


@pytest.mark.parametrize("alpn, offer, agreed, goes_to", [
    (("h2", "http/1.1"), ("http/1.1", "h2"), "h2", "b"),
    (("h2", "http/1.1"), ("http/1.1",), "http/1.1", "c"),
    (("http/1.1", "h2"), ("h2", "http/1.1"), "http/1.1", "c"),
    (("http/1.1", "h2"), ("h2",), "h2", "b"),
    (("x", "http/1.1"), ("h2", "http/1.1", "x"), "x", "a"),
    (("h2",), (), None, "a"),
    ((), ("h2", "http/1.1"), None, "b")])
def test_a_route_is_taken_by_the_protocol_that_is_spoken(relay, origin, tmp_path, alpn, offer, agreed, goes_to):
    """Browsers offer several; what they then speak must come to a server that speaks it."""
    site = Site(tmp_path, "a.test")
    port = free_port()
    servers = {name: origin(sends(name.encode())) for name in "abc"}
    one = relay(address=f"127.0.0.1:{port}", text=f"""
listener web {{
    address = "127.0.0.1:{port}"
    upstream = a
{site.section(alpn=list(alpn))}    route "alpn:h2" {{ upstream = b }}
    route "alpn:http/1.1" {{ upstream = c }}
}}
""" + "".join(f'upstream {name} {{ server a {{ address = "{server.address}" }} }}\n' for name, server in servers.items()))
    with site.connect(one, name="a.test", alpn=offer) as client:
        assert client.sock.selected_alpn_protocol() == agreed
        assert client.read(1) == goes_to.encode()
        record = one.record(client)
    assert (record.upstream, record.line.fields.get("RELAYD_TLS_ALPN")) == (goes_to, agreed)


def test_the_silent_make_room_for_who_speaks(relay, origin, site):
    one = https(relay, site, origin(http), mode="http", top="max_openings = 4")
    silent = [connect(one) for _ in range(20)]
    with site.connect(one) as client:
        assert client.get("/").status == 200
    assert one.wait_log("RELAYD_END=LO")
    for client in silent:
        client.close()


# Refused


def test_who_cannot_be_relayed_is_answered_over_tls(relay, site):
    one = https(relay, site, f"127.0.0.1:{free_port()}", mode="http")
    with site.connect(one) as client:
        answer = client.get("/")
        assert answer.status == 502
        assert client.ending() == EOF
    assert one.record(client).end == "SD"


@pytest.mark.parametrize("first, why", [
    (request(), "it speaks plain HTTP, not TLS"), (request() + b"x" * 20000, "it speaks plain HTTP, not TLS"),
    (b"SSH-2.0-x\r\n", "it speaks no TLS"), (b"\0", "it speaks no TLS"), (b"\x15\x03\x01\0\x02\x02\x28", "it speaks no TLS")])
@pytest.mark.parametrize("proxy", [b"", b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"])
def test_in_mode_tcp_who_speaks_no_tls_gets_an_alert(relay, origin, site, proxy, first, why):
    more = {"accept_proxy": "v1", "proxy_from": ["127.0.0.1"]} if proxy else {}
    one = https(relay, site, origin(http), **more)
    with connect(one) as client:
        assert client.send(proxy + first).read_end() == (UNEXPECTED_MESSAGE, EOF)
    record = one.wait_records(1)[0]
    assert record.end == "CG" and why in record.line.text


@pytest.mark.parametrize("mode", ["tcp", "http"])
def test_a_hello_that_cannot_be_read_gets_an_alert(relay, origin, site, mode):
    one = https(relay, site, origin(http), mode=mode)
    for first in (in_records(hello("site.test"), 16), b"\x16\x03\x01\x00\x01\x02", hello("site.test").replace(b"site.test", b"site\0test")):
        with connect(one) as client:
            assert client.send(first).read_end() == (DECODE_ERROR, EOF)
        assert one.record(client).end == "CG"


def test_in_mode_http_plain_http_is_answered(relay, origin, site):
    one = https(relay, site, origin(http), mode="http", max_connections_per_client=1)
    with connect(one) as client:
        answer = client.get()
        assert answer.status == 400 and answer.body == b"This port is for https: ask again by https.\n"
        assert client.ending() == EOF
        assert one.record(client).end == "CG" and "it speaks plain HTTP, not TLS" in one.record(client).line.text
    with site.connect(one) as client:
        assert client.get().status == 200
        with connect(one) as second:   # refused before it has said anything: it may be about to speak TLS
            assert second.read_end()[0] == b""


def test_relayctl_tells_of_what_a_handshake_failed(relay, origin, site, at):
    one = https(relay, site, origin(http), top=f'control = "{at}"')
    tail = Following(at, "tail")

    def shown():
        with connect(one) as client:
            client.send(b"SSH-2.0-x\r\n")
            client.ending()
        return not tail.lines.empty()
    until(shown, "a line of tail")
    line = tail.line()
    assert "was refused: its TLS handshake failed: it speaks no TLS [CG]" in line, line
    assert tail.interrupt() == (0, "")
    assert "speaks" in one.wait_records(1)[0].line.fields["RELAYD_WHY"]


def test_an_old_version_is_refused_with_an_alert(relay, origin, site):
    one = https(relay, site, origin(http))
    done = subprocess.run(["openssl", "s_client", "-connect", one.address, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE)
    assert "alert protocol version" in done.stderr
    one.wait_log("handshake failed: it offers no version of TLS that is allowed")


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02"])
def test_who_is_silent_is_refused_in_time(relay, origin, site, sent):
    one = https(relay, site, origin(http), opening_timeout="200ms")
    with connect(one) as client:
        client.send(sent)
        client.ending()
    assert one.record(client).end == "TG"


def test_who_leaves_in_the_handshake_is_no_error_of_ours(relay, origin, site):
    one = https(relay, site, origin(http))
    for sent in (b"", b"\x16\x03\x01\x02"):
        with connect(one) as client:
            client.send(sent)
        assert one.record(client).end == "CG"


def test_before_the_handshake_nobody_is_answered_in_plain(relay, origin, site):
    one = https(relay, site, origin(http), mode="http", max_connections_per_client=1)
    with site.connect(one) as first, connect(one) as second:
        assert first.get("/").status == 200
        got, _ = second.read_end()
        assert got == b""
        assert one.record(second).end == "LN"
        first.tell_end()


def test_a_reload_takes_the_section_away_from_who_has_not_spoken(relay, origin, site):
    """And gives it to those of another listener."""
    server, ports = origin(echo), [free_port(), free_port()]

    def text(*sections):
        return "".join(f'listener l{port} {{ address = "127.0.0.1:{port}" upstream = app\n{section} }}\n'
                       for port, section in zip(ports, sections)) + f'upstream app {{ server a {{ address = "{server.address}" }} }}\n'
    route = '    route "sni:site.test" { upstream = app }\n'
    one = relay(address=f"127.0.0.1:{ports[0]}", text=text(site.section(), route))
    before = one.sockets()
    ended, passed = (connect(f"127.0.0.1:{port}") for port in ports)
    until(lambda: len(one.sockets() - before) >= 2, "both to be accepted")
    one.reload(text=text("", site.section() + route))
    with ended.send(b"\x16\x03\x01\x00\x05hello"):
        ended.ending()
    with TlsPeer(passed, site.context(), server_hostname="site.test") as client:
        assert client.send(b"x").read(1) == b"x"


# Beside the rest


def test_behind_a_balancer_and_before_a_server_that_ask_for_the_client(relay, origin, site):
    """The PROXY header comes before the handshake, and goes before what was sent over TLS."""
    def script(peer):
        return peer.read_to(b"\r\n"), peer.read_to(b"\r\n")
    server = origin(script)
    one = https(relay, site, server, accept_proxy="v1", proxy_from=["127.0.0.1"], upstream="    send_proxy = v1\n")
    plain = connect(one).send(b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 443\r\n")
    with TlsPeer(plain, site.context(), server_hostname="site.test") as client:
        client.send(b"hello\r\n")
        header, line = server.result()
    assert header.startswith(b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 443") and line == b"hello\r\n"


def test_keys_that_are_changed_on_the_way(relay, origin, site):
    """openssl s_client: K asks for a change of both keys, k of its own."""
    one = https(relay, site, origin(echo))
    with subprocess.Popen(["openssl", "s_client", "-connect", one.address, "-CAfile", site.ca, "-tls1_3"], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        for line in ("one", "K", "two", "k", "three", "K", "four"):
            client.stdin.write(line + "\n")
            client.stdin.flush()
            answer = "KEYUPDATE" if line in "Kk" else line
            while client.stdout.readline() != answer + "\n":
                pass
        client.kill()


def test_many_at_once(relay, origin, site):
    one = https(relay, site, origin(http), mode="http")
    clients = [site.connect(one) for _ in range(50)]
    for _ in range(3):
        for client in clients:
            client.send(request("/x"))
        for client in clients:
            assert client.read_response().status == 200
    for client in clients:
        client.tell_end().close()
    assert {record.end for record in one.wait_records(50)} == {"CE"}


# Beside relayd-keeper


def keyed(keeper, site, server):
    """Two listeners, one that ends TLS and one that does not."""
    port, plain = free_port(), free_port()
    return f"127.0.0.1:{port}", f"127.0.0.1:{plain}", f"""
keeper = "{keeper.path}"
on_term = leave
drain_timeout = 20s
listener web {{
    address = "127.0.0.1:{port}"
    upstream = app
{site.section()}}}
listener plain {{ address = "127.0.0.1:{plain}" upstream = app }}
upstream app {{ server a {{ address = "{server.address}" }} }}
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_keeps_them_and_so_does_a_kill(revived, keeper, origin, site, how):
    address, plain, text = keyed(keeper, site, origin(echo))
    one = revived(address=address, text=text)
    peers = connect(plain), site.connect(one)
    for peer in peers:
        assert peer.send(b"a").read(1) == b"a"
    one.crash(how)
    for peer in peers:
        assert peer.send(b"b").read(1) == b"b"
    peers[1].tell_end()
    assert peers[1].ending() == EOF
    assert one.record(peers[1]).bytes_up == 2
    peers[0].close()


# relayctl


def test_a_file_of_any_name_is_shown(relay, origin, site, at):
    folder = site.file.parent / "certificates"
    folder.mkdir()
    os.rename(site.file, os.fsencode(folder) + b"/odd\xff.pem")
    site.file = folder
    https(relay, site, origin(http), top=f'control = "{at}"')
    shown = json.loads(relayctl("-s", at, "--json", "certificates"))
    assert [one["file"] for one in shown] == [f"{folder}/odd\\xff.pem"]


def test_it_is_shown(relay, origin, site, short_path):
    at = short_path / "control.sock"
    one = https(relay, site, origin(echo), top=f'control = "{at}"')
    with site.connect(one, least=BOTH["1.3"]) as client:
        assert client.send(b"x").read(1) == b"x"
        (row,) = json.loads(relayctl("-s", at, "--json", "connections"))
        assert row["tls"] == "TLSv1.3"
        whole = json.loads(relayctl("-s", at, "--json", "connection", str(row["id"])))
        assert (whole["tls"]["version"], whole["tls"]["resumed"], whole["sni"]) == ("TLSv1.3", False, "site.test")
        assert "TLSv1.3 TLS_" in relayctl("-s", at, "connection", str(row["id"]))
