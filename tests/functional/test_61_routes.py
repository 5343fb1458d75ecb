"""TLS that passes through, by the name or protocol that a client asks for; nothing of it is decrypted."""

import contextlib
import json
import ssl
import subprocess
import time

import pytest

from client import connect
from control import relayctl
from hellos import ALERT, UNEXPECTED_MESSAGE, Certificate, context, hello, in_records
from keeper import ask, farewell
from origin import echo
from peer import EOF, RESET
from relay import section
from settings import SANITIZER, free_port, until
from test_48_openings import silent

PROXY = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"


def says(word):
    """A server that reads what comes, and answers each piece with its own name and that."""
    def script(peer):
        while data := peer.recv():
            peer.send(word + b":" + data)
        peer.shut()
    return script


def listener(address, routes, **options):
    inner = "".join(f'    route "{pattern}" {{ upstream = {upstream} }}\n' for pattern, upstream in routes.items())
    return section("listener", "web", address=address, **options).removesuffix("}\n") + inner + "}\n"


def upstreams(**servers):
    return "".join(section("upstream", name, server=server) for name, server in servers.items())


ROUTES = {"sni:*.example.com": "wild", "sni:www.example.com": "exact", "alpn:acme-tls/1": "solver"}


@pytest.fixture
def site(relay, origin):
    """site(upstream="rest", option=value) starts a relay with ROUTES whose servers say which upstream they are of."""
    def start(start_relay=relay, top="", address=None, **options):
        address = address or f"127.0.0.1:{free_port()}"
        servers = {name: origin(says(name.encode())) for name in ("wild", "exact", "solver", "rest")}
        return start_relay(text=top + listener(address, ROUTES, **options) + upstreams(**servers), address=address)
    return start


def answer(client, first):
    """What the server says after these bytes, which it gets whole and unchanged: its upstream's name."""
    client.send(first)
    got = client.read_to(b":")
    had = b""
    while len(had) < len(first):
        had += client.recv()
        had = had.replace(got, b"")   # it may have come in pieces
    assert had == first
    return got[:-1].decode()


@pytest.mark.parametrize("name, protocols, upstream", [
    ("www.example.com", (), "exact"), ("WWW.Example.COM", (), "exact"), ("shop.example.com", (), "wild"),
    ("a.shop.example.com", (), "rest"), ("example.com", (), "rest"), (None, (), "rest"), ("127.0.0.1", (), "rest"),
    ("www.example.com", ("h2", "acme-tls/1"), "solver"), (None, ("acme-tls/1",), "solver"),
    ("www.example.com", ("h2", "http/1.1"), "exact")])
def test_where_a_client_goes(site, name, protocols, upstream):
    one = site(upstream="rest")
    with connect(one) as client:
        assert answer(client, hello(name, *protocols)) == upstream
    record = one.record(client)
    assert (record.end, record.upstream) == ("CE", upstream)
    shown = name.lower() if name and name[0].isalpha() else None
    assert record.line.fields.get("RELAYD_TLS_SNI") == shown
    first = "acme-tls/1" if upstream == "solver" else protocols[0] if protocols else None
    assert record.line.fields.get("RELAYD_TLS_ALPN") == first
    assert (f" for {shown} at " if shown else " to web at ") in record.line.text


@pytest.mark.parametrize("first", [b"GET / HTTP/1.0\r\n\r\n", b"\x16\x02what is this", b"\0", b"\x80\x01\x02 no SSL 2"])
def test_who_speaks_no_tls_goes_to_the_listeners_upstream(site, first):
    one = site(upstream="rest")
    with connect(one) as client:
        assert answer(client, first) == "rest"


def test_two_sites_and_their_certificates(relay, origin, tmp_path):
    """TLS is between the client and the server that has the name; it ends as they end it."""
    sites = {name: Certificate(tmp_path, name) for name in ("a.example", "b.example")}

    def served(certificate):
        def script(peer):
            with contextlib.suppress(ssl.SSLError), certificate.serve(peer, "h2") as tls:
                while data := tls.recv(65536):
                    tls.sendall(data)
                with contextlib.suppress(OSError):
                    tls.unwrap()
        return script
    address = f"127.0.0.1:{free_port()}"
    one = relay(text=listener(address, {"sni:a.example": "a", "sni:b.example": "b"}) +
                upstreams(a=origin(served(sites["a.example"])), b=origin(served(sites["b.example"]))), address=address)
    for name in ("a.example", "b.example") * 2:
        with connect(one) as client:
            tls = context("h2").wrap_socket(client.sock, server_hostname=name)
            assert tls.getpeercert(True) == sites[name].der and tls.selected_alpn_protocol() == "h2"
            tls.sendall(b"x" * 100000)
            got = b""
            while len(got) < 100000:
                got += tls.recv(65536)
            tls.unwrap().close()
        assert one.record(client).end in ("CE", "SE")
    done = subprocess.run(["openssl", "s_client", "-connect", one.address, "-servername", "c.example"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    assert "SSL alert number 112" in done.stderr


def test_a_name_that_nobody_serves(site):
    one = site()
    with pytest.raises(ssl.SSLError) as told, connect(one) as client:
        context().wrap_socket(client.sock, server_hostname="www.example.org")
    assert "unrecognized name" in str(told.value)
    with connect(one) as client:
        assert client.send(hello("www.example.org")).read_end() == (ALERT, EOF)   # and no reset that overtakes it
    record = one.record(client)
    assert record.end == "LG" and "to web for www.example.org was refused: nobody serves the name" in record.line.text
    assert record.line.fields["RELAYD_TLS_SNI"] == "www.example.org" and "RELAYD_UPSTREAM" not in record.line.fields
    with connect(one) as client:
        assert client.send(hello()).read_end() == (ALERT, EOF)
    with connect(one) as client:
        assert client.send(b"GET / HTTP/1.0\r\n\r\n").read_end() == (UNEXPECTED_MESSAGE, EOF)
    record = one.record(client)
    assert record.end == "CG" and "was refused: its TLS handshake failed: it speaks plain HTTP, not TLS." in record.line.text


NAMED = b"\x0fwww.example.com"


@pytest.mark.parametrize("change, why", [
    (lambda first: b"\x16\x03\x01\x00\x01\x02", "the first message is another than a ClientHello"),
    (lambda first: b"\x80\x2e\x01\x03\x01", "it is of SSL 2"),
    (lambda first: b"\x16\x03\x01\x00\x04\x01\x00\x40\x00", "it is longer than 16384 bytes"),
    (lambda first: in_records(first, 16), "it is cut into more than 8 records"),
    (lambda first: first.replace(NAMED, b"\x0fwww.exa\0ple.com"), "its server name has a NUL in it"),
    (lambda first: first.replace(NAMED, b"\x0fwww.exa\nple.com"), "its server name is no name of a host")],
    ids=["message", "ssl2", "long", "records", "nul", "newline"])
def test_a_bad_hello(site, change, why):
    one = site(upstream="rest")
    with connect(one) as client:
        assert client.send(change(hello("www.example.com"))).read_end() == (b"", RESET)
    record = one.record(client)
    assert record.end == "CG" and f"was refused: its TLS handshake failed: {why}." in record.line.text


def test_one_that_ends_within(site):
    one = site(upstream="rest")
    with connect(one) as client:
        assert client.send(hello("www.example.com")[:-1]).shut().read_end() == (b"", RESET)
    record = one.record(client)
    assert record.end == "CG" and "the connection ended before it was whole" in record.line.text
    with connect(one) as client:
        client.shut()
        assert client.ending() == RESET
    assert one.record(client).end == "CG"


def test_what_a_protocol_says_forges_nothing(site):
    one = site(upstream="rest")
    first = hello("www.example.com", "a" * 9).replace(b"\x09" + b"a" * 9, b"\x09\n= \x1b\\\xffRE=")
    with connect(one) as client:
        assert answer(client, first) == "exact"
    assert one.record(client).line.fields["RELAYD_TLS_ALPN"] == r"\x0a=\x20\x1b\x5c\xffRE="[:31]


@pytest.fixture(params=["tcp", "unix"])
def place(request, short_path):
    return f"unix:{short_path}/web.sock" if request.param == "unix" else None


def test_hello_in_two_pieces_cut_anywhere(site, place):
    one = site(upstream="rest", address=place, top="log_connections = failed\n")
    first = hello("www.example.com", "h2")
    for cut in range(1, len(first)):
        with connect(one) as client:
            client.send(first[:cut])
            assert answer_of_rest(client, first, cut) == "exact"


def answer_of_rest(client, first, cut):
    client.send(first[cut:])
    got = client.read_to(b":")[:-1].decode()
    return got


@pytest.mark.parametrize("how", ["bytes", "records"])
def test_hello_byte_by_byte(site, place, how):
    """On a unix socket a few at a time: while nobody takes them, it has room for some 70 pieces of any size (unix_writable())."""
    one = site(upstream="rest", address=place)
    first = hello("www.example.com", "h2")
    sent = in_records(first, (len(first) + 2) // 8) if how == "records" else first
    step = len(sent) // 60 + 1 if place else 1
    with connect(one) as client:
        for at in range(0, len(sent), step):
            client.send(sent[at:at + step])
        assert client.read_to(b":") == b"exact:"


def test_half_a_hello_costs_no_processor_time(site, place):
    """Who is waited for is waited for in the kernel, and told in the log when it is too late."""
    one = site(upstream="rest", address=place, opening_timeout="2s")
    before = one.cpu()
    with connect(one) as client, connect(one) as other, connect(one) as third:
        client.send(hello("www.example.com")[:-1])
        other.send(b"\x16")
        third.send(hello("www.example.com")[:5])
        for one_client in (client, other, third):
            assert one_client.read_end()[1] in ((RESET, EOF) if place else (RESET,))
    assert one.cpu() - before < 0.5
    one.wait_records(3)
    assert {record.end for record in one.records()} == {"TG"}


def test_a_thousand_silent_clients(site):
    one = site(upstream="rest", top="log_connections = none\n")
    with silent(one.address, 1000):
        began = time.monotonic()
        with connect(one) as client:
            assert answer(client, hello("www.example.com")) == "exact"
        assert time.monotonic() - began < 1.5 or SANITIZER


def test_behind_a_balancer_and_before_servers_that_want_to_know(relay, origin):
    """The PROXY header comes before it, and another one goes to the server, before the same bytes."""
    def script(peer):
        line = peer.read_to(b"\r\n")
        peer.send(line + peer.recv())
    address, first = f"127.0.0.1:{free_port()}", hello("www.example.com")
    one = relay(text=listener(address, {"sni:www.example.com": "app"}, accept_proxy="v1", proxy_from=("127.0.0.0/8",)) +
                section("upstream", "app", server=origin(script), send_proxy="v1"), address=address)
    for pieces in ((PROXY + first,), (PROXY, first), (PROXY[:9], PROXY[9:] + first[:9], first[9:])):
        with connect(one) as client:
            for piece in pieces:
                client.send(piece)
            got = client.read_end()[0]
            assert got == PROXY + first
    assert {record.client for record in one.wait_records(3)} == {"192.0.2.7:4711"}


def test_a_client_that_the_header_names_is_judged_before_it_speaks(relay, origin):
    address = f"127.0.0.1:{free_port()}"
    one = relay(text=listener(address, {"sni:a": "app"}, accept_proxy="v1", proxy_from=("127.0.0.0/8",), deny=("192.0.2.7",)) +
                upstreams(app=origin(echo)), address=address)
    with connect(one) as client:
        assert client.send(PROXY).read_end() == (b"", RESET)
    assert one.only_record().end == "LA"


def test_half_close(relay, meeting):
    address = f"127.0.0.1:{free_port()}"
    one = relay(text=listener(address, {"sni:www.example.com": "app"}, half_close=True) + upstreams(app=meeting), address=address)
    first = hello("www.example.com")
    with connect(one) as client:
        client.send(first).shut()
        server = meeting.accept()
        assert server.read_end() == (first, EOF)
        assert server.send(b"late").shut() and client.read_end() == (b"late", EOF)
    assert one.record(client).end == "CE"


def test_a_reload_while_a_client_is_heard(relay, origin):
    """It goes where the newest file says."""
    servers = upstreams(a=origin(says(b"a")), b=origin(says(b"b")))
    address, first = f"127.0.0.1:{free_port()}", hello("www.example.com")
    one = relay(text=listener(address, {"sni:www.example.com": "a"}) + servers, address=address)
    with connect(one) as client, connect(one) as other:
        client.send(first[:20])
        other.send(first[:20])
        until(lambda: len(one.thread_ids("opener")) >= 2, "openers")
        one.reload(text=listener(address, {"sni:www.example.com": "b"}) + servers)
        client.send(first[20:])
        assert client.read_to(b":") == b"b:"
        one.reload(text=listener(address, {"sni:www.example.org": "b"}) + servers)
        assert other.send(first[20:]).read_end() == (ALERT, EOF)
        with connect(one) as third:
            assert third.send(first).read_end() == (ALERT, EOF)
    assert one.record(other).end == "LG"


def test_a_reload_while_a_client_waits_for_a_full_server(relay, origin, at):
    """Its name has another server now; a name that has none keeps to the one that it came for."""
    a, b = origin(says(b"a")), origin(says(b"b"))
    address = f"127.0.0.1:{free_port()}"
    top = f'control = "{at}"\nqueue_timeout = 1h\n'
    servers = f'upstream a {{ server a {{ address = "{a.address}" max_connections = 1 }} }}\n' + upstreams(b=b)
    one = relay(text=top + listener(address, {"sni:one.example": "a", "sni:two.example": "a"}) + servers, address=address)

    def waits(count):
        until(lambda: relayctl("-s", at, "connections").count("queue") == count, f"{count} in the queue")
    with connect(one) as holder, connect(one) as follows, connect(one) as stays:
        assert answer(holder, hello("one.example")) == "a"
        follows.send(hello("one.example"))
        waits(1)
        stays.send(hello("two.example"))
        waits(2)
        one.reload(text=top + listener(address, {"sni:one.example": "b"}) + servers)
        assert follows.read_to(b":") == b"b:"
        waits(1)
        holder.close()
        assert stays.read_to(b":") == b"a:"
    assert (one.record(follows).upstream, one.record(stays).upstream) == ("b", "a")


def test_it_outlives_a_kill(revived, keeper, meeting):
    """And the next relayd still knows which name it asked for."""
    address, first = f"127.0.0.1:{free_port()}", hello("www.example.com", "h2")
    one = revived(text=f'keeper = "{keeper.path}"\non_term = leave\n' + listener(address, {"sni:www.example.com": "app"}) +
                  upstreams(app=meeting), address=address)
    with connect(one) as client:
        client.send(first)
        with meeting.accept() as server:
            assert server.read(len(first)) == first
            ask(client, server)
            one.crash()
            assert one.wait_adopted(1) == [(1, 0)]
            ask(client, server)
            farewell(client, server)
    record = one.record(client)
    assert record.upstream == "app" and record.line.fields["RELAYD_TLS_SNI"] == "www.example.com"
    assert record.line.fields["RELAYD_TLS_ALPN"] == "h2" and record.bytes_up >= len(first)


def test_what_operators_see(site, at):
    one = site(upstream="rest", top=f'control = "{at}"\n')

    def shown(*words):
        return json.loads(relayctl("-s", at, "--json", *words))
    assert shown("status")["listeners"][0]["routes"] == [
        {"route": pattern, "upstream": upstream} for pattern, upstream in ROUTES.items()]
    with connect(one) as client:
        assert answer(client, hello("www.example.com", "h2")) == "exact"
        [live] = shown("connections")
        assert live["upstream"] == "exact"
        detail = shown("connection", str(live["id"]))
        assert (detail["sni"], detail["alpn"], detail["upstream"]) == ("www.example.com", "h2", "exact")
        assert "www.example.com" in relayctl("-s", at, "connection", str(live["id"]))
    [found] = shown("explain", "192.0.2.1", "name=Shop.example.com")
    assert (found["route"], found["upstream"], found["admitted"]) == ("sni:*.example.com", "wild", True)
    [found] = shown("explain", "192.0.2.1", "listener=web")
    assert (found["route"], found["upstream"]) == (None, "rest")
    assert "sni:www.example.com: It goes to the server of exact" in relayctl("-s", at, "explain", "192.0.2.1",
                                                                             "name=www.example.com")
    assert "name=NAME is what a client asks for" in relayctl("-s", at, "explain", "192.0.2.1", "name=a..b", status=1)


def test_an_operator_sees_who_would_be_refused(site, at):
    site(top=f'control = "{at}"\n')
    [found] = json.loads(relayctl("-s", at, "--json", "explain", "192.0.2.1", "name=www.example.org"))
    assert (found["admitted"], found["end"], found["upstream"]) == (False, "LG", "")
    assert "refused (LG): no route is for its name" in relayctl("-s", at, "explain", "192.0.2.1", "name=www.example.org")


def test_explain_of_a_name_whose_tls_passes_through(site, at):
    """Whoever asks for it."""
    site(top=f'control = "{at}"\n')
    assert relayctl("-s", at, "explain", "Shop.example.com") == (
        "web: a client that asks for Shop.example.com goes to wild, by the route sni:*.example.com; TLS passes through.\n")
    assert json.loads(relayctl("-s", at, "--json", "explain", "www.example.org")) == [
        {"listener": "web", "route": None, "upstream": "", "end": "LG", "redirect": None, "paths": None, "certificates": None, "covered": None}]
    assert "is refused (LG): no route is for the name" in relayctl("-s", at, "explain", "www.example.org")
    assert "name=NAME is what a client asks for" in relayctl("-s", at, "explain", "a..b", status=1)
    assert "there is no listener other that looks at the name" in relayctl("-s", at, "explain", "a.b", "listener=other", status=1)
    assert "explain takes an address, or a name" in relayctl("-s", at, "explain", "a.b", "name=c.d", status=64)
