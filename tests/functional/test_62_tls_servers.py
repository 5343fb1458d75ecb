"""TLS to servers: verified, named, checked, and cut."""

import ssl

import pytest
from client import connect
from origin import echo, http, sends
from peer import EOF, RESET, request
from settings import free_port, until
from tls import Site, TlsPeer, between, over_tls, written

UNKNOWN = b"PROXY UNKNOWN\r\n"   # the header of a check


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path, "site.test", "localhost")


def behind(relay, site, server, tls=None, upstream="", **listener):
    """A relay whose server speaks TLS, and is asked for by name."""
    port = free_port()
    host, at = server.address.rsplit(":", 1)
    words = " ".join(f"{name} = {written(value)}" for name, value in {"ca": str(site.ca), **(tls or {})}.items())
    options = "".join(f"    {name} = {written(value)}\n" for name, value in listener.items())
    return relay(address=f"127.0.0.1:{port}", text=f"""
listener web {{
    address = "127.0.0.1:{port}"
    upstream = app
{options}}}
upstream app {{
    tls {{ {words} }}
{upstream}    server a {{ address = "localhost:{at}" }}
}}
""")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_bytes_go_both_ways(relay, origin, site, version):
    context = site.server_context(maximum_version=version)
    one = behind(relay, site, origin(over_tls(context, echo)))
    with connect(one) as client:
        for size in (1, 16384, 16385, 1_000_000):
            assert client.send(b"x" * size).read(size) == b"x" * size
        client.shut()
        client.ending()
    assert one.record(client).end == "CE"


def test_the_end_of_a_server_is_its_close_notify(relay, origin, site):
    def script(peer):
        peer.send(b"all of it").tell_end()
        peer.read_end()
    one = behind(relay, site, origin(over_tls(site.server_context(), script)))
    with connect(one) as client:
        assert client.read_end() == (b"all of it", EOF)
    assert one.record(client).end == "SE"


def test_a_server_that_just_closes_was_cut(relay, origin, site):
    """Half an answer never looks whole."""
    def script(peer):
        peer.read(1)
        peer.send(b"half of i").cut()
        peer.read_end()
    one = behind(relay, site, origin(over_tls(site.server_context(), script)))
    with connect(one) as client:
        client.send(b"?")
        got, how = client.read_end()
        assert how == RESET and b"half of i".startswith(got)
    assert one.record(client).end == "ST"


def test_a_client_that_has_ended_is_no_failure_of_a_server_that_just_closes(relay, origin, site):
    """As many servers do."""
    def script(peer):
        peer.send(b"x")
        peer.read_end()
        peer.cut()
    one = behind(relay, site, origin(over_tls(site.server_context(), script)))
    with connect(one) as client:
        client.read(1)
        client.shut()
        client.ending()
    assert one.record(client).end == "CE"


@pytest.mark.parametrize("tls, words", [
    ({"name": "other.test"}, "its certificate is for site.test, localhost, not for other.test"),
    ({"ca": ""}, "the server send its whole chain"),
])
def test_a_server_that_is_not_who_it_should_be(relay, origin, site, tls, words):
    one = behind(relay, site, origin(over_tls(site.server_context(), echo)), tls=tls, mode="http",
                 upstream="    connect_attempts = 1\n")
    with connect(one) as client:
        client.send(request())
        assert client.read_response().status == 502
    record = one.record(client)
    assert record.end == "SG" and words in record.line.text


def test_it_may_be_trusted_blindly(relay, origin, site):
    one = behind(relay, site, origin(over_tls(site.server_context(), echo)), tls={"ca": "", "verify": False})
    with connect(one) as client:
        assert client.send(b"x").read(1) == b"x"
    assert "not verified" in one.log


def test_a_server_without_tls(relay, origin, site):
    one = behind(relay, site, origin(sends(b"220 hello\r\n")), mode="http", upstream="    connect_attempts = 1\n")
    with connect(one) as client:
        client.send(request())
        assert client.read_response().status == 502
    assert one.record(client).end == "SG"


def test_a_server_that_says_nothing_times_out(relay, origin, site):
    one = behind(relay, site, origin(lambda peer: peer.read_end()), mode="http",
                 upstream="    connect_attempts = 1\n    connect_timeout = 200ms\n")
    with connect(one) as client:
        client.send(request())
        assert client.read_response().status == 504
    assert one.record(client).end == "TD"


def test_from_one_tls_to_the_other(relay, origin, site):
    one = between(relay, site, origin(over_tls(site.server_context(), echo)))
    with site.connect(one) as client:
        for size in (1, 16384, 16385, 300_000):
            client.send(b"y" * size)
            assert client.read(size) == b"y" * size
        client.tell_end()
        client.ending()
    assert one.record(client).end == "CE"


@pytest.mark.parametrize("kind", ["tcp", "http"])
def test_checks_go_over_tls(relay, origin, site, kind):
    context = site.server_context()
    seen = []

    def script(peer):
        seen.append(1)
        return http(peer)
    one = behind(relay, site, origin(over_tls(context, script)),
                 upstream=f"    health_check {{ type = {kind} interval = 50ms rise = 1 fall = 1 }}\n")
    until(lambda: len(seen) >= 3, "three checks")
    assert "is down" not in one.log


@pytest.mark.parametrize("alpn, seen", [(["h2", "http/1.1"], "http/1.1"), (["h2"], "http/1.1"), ([], None)])
def test_a_check_by_http_asks_for_http_1_1(relay, origin, site, alpn, seen):
    """Clients' connections may carry HTTP/2; a check does not speak it, and a server that agrees on it understands nothing else."""
    context = site.server_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    asked = []

    def script(peer):
        protocol = peer.sock.selected_alpn_protocol()
        if protocol == "h2":
            return peer.send(b"\0\0\0\4\0\0\0\0\0").read_end()   # SETTINGS, and nothing that a check understands
        asked.append(protocol)
        return http(peer)
    one = behind(relay, site, origin(over_tls(context, script)), tls={"alpn": alpn},
                 upstream="    health_check { type = http interval = 50ms rise = 1 fall = 1 }\n")
    until(lambda: len(asked) >= 3, "three checks")
    assert "is down" not in one.log and set(asked) == {seen}
    with connect(one) as client:
        assert client.read(9)[3] == 4 if alpn else client.get("/").status == 200


CHECKS = "    health_check {{ type = http interval = 50ms rise = 1 fall = 1 }}\n    send_proxy = {}\n"


@pytest.mark.parametrize("version", ["off", "v1"])
def test_a_check_says_why_the_certificate_is_not_good(relay, origin, site, version):
    """And nothing of PROXY headers: the server has understood what came."""
    def script(peer):
        if version == "v1":
            assert peer.read(len(UNKNOWN)) == UNKNOWN
        http(TlsPeer(peer, site.server_context(), server_side=True))
    one = behind(relay, site, origin(script), tls={"name": "other.test"}, upstream=CHECKS.format(version))
    line = one.wait_log("Server app/a .* is down: TLS handshake: its certificate is for site.test, localhost, not for other.test")[0]
    assert "PROXY" not in line.raw


def test_a_check_that_is_understood_hints_at_no_proxy_header(relay, origin, site):
    def script(peer):
        assert peer.read(len(UNKNOWN)) == UNKNOWN
        peer = TlsPeer(peer, site.server_context(), server_side=True)
        peer.read_head()
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n").tell_end()
    one = behind(relay, site, origin(script), upstream=CHECKS.format("v1"))
    assert "PROXY" not in one.wait_log("Server app/a .* is down: status 400, expected 200-399")[0].raw


@pytest.mark.parametrize("version, answer, words", [
    ("off", b"", r"the connection was closed; perhaps it wants a PROXY header \(send_proxy\)\."),
    ("off", b"HTTP/1.1 400 Bad Request\r\n\r\n", r"it does not speak TLS\."),
    ("v1", b"", r"the connection was closed; perhaps it does not take the PROXY header \(send_proxy = v1\)\."),
    ("v1", b"HTTP/1.1 400 Bad Request\r\n\r\n", r"it does not speak TLS; perhaps it does not take the PROXY header \(send_proxy = v1\)\."),
])
def test_what_a_failed_handshake_of_a_check_may_be(relay, origin, site, version, answer, words):
    """Who wants a header gets none, says nothing and goes; who takes none and gets one calls it nonsense."""
    def script(peer):
        peer.read(1)
        peer.send(answer).shut()
        peer.read_end()
    one = behind(relay, site, origin(script), upstream=CHECKS.format(version))
    one.wait_log(f"Server app/a .* is down: TLS handshake: {words}")
