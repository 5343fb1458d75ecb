"""What a server is told of a client's TLS and certificate: fields of version 2 of the PROXY protocol."""

import ipaddress
import json
import ssl
import struct

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from certificates import Authority, Certificate, DAY, new_key, write_secret
from client import connect
from control import Following, asked, relayctl
from origin import echo
from servers import HAProxy, NginxProxyProtocol
from settings import free_port, until
from test_45_proxy_protocol import read_v2
from tls import Site, TlsPeer, https
from web import ask, get

NAMES = [x509.DNSName("alice.example"), x509.UniformResourceIdentifier("spiffe://example/alice"),
         x509.RFC822Name("alice@example.com"), x509.IPAddress(ipaddress.ip_address("192.0.2.9"))]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


class Client:
    """One with a certificate of its own, in a file."""

    def __init__(self, folder, authority, name="alice", names=NAMES, key="ecdsa", end=DAY):
        key = new_key(key)
        usage = [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)]
        names = [(x509.SubjectAlternativeName(names), False)] if names else []
        self.certificate = Certificate(Authority.sign(authority, name, key, usage + names, -DAY, end), key)
        self.file = folder / f"{name}.pem"
        write_secret(self.file, self.certificate.pem + self.certificate.key_pem)

    def context(self, site, **how):
        context = site.context(**how)
        context.load_cert_chain(str(self.file))
        return context

    @property
    def fingerprint(self):
        return self.certificate.certificate.fingerprint(hashes.SHA256())


def fields(data):
    """[(type, value)] of fields one after the other."""
    found = []
    while data:
        kind, size = struct.unpack("!BH", data[:3])
        found.append((kind, data[3:3 + size]))
        data = data[3 + size:]
    return found


def told(peer):
    """What a server is told: its fields, and of the one about TLS (client, verify, its parts)."""
    head, body = read_v2(peer)
    size = {0x11: 12, 0x21: 36, 0x31: 216}[head[13]]
    all_of_them = fields(body[size:])
    of_tls = dict(all_of_them).get(0x20)
    peer.send(peer.read(1))
    return all_of_them, of_tls and (*struct.unpack("!BI", of_tls[:5]), dict(fields(of_tls[5:]))), 16 + len(body)


def exchange(client):
    assert client.send(b"x").read(1) == b"x"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])
def test_a_certificate_is_told(relay, origin, site, tmp_path, version):
    server, alice = origin(told), Client(tmp_path, site.authority)
    one = https(relay, site, server, tls={"verify_client": "required", "ca": str(site.ca), "alpn": ["http/1.1"]},
                upstream="    send_proxy = v2\n")
    with site.connect(one, context=alice.context(site, least=version, most=version, alpn=["http/1.1"])) as client:
        exchange(client)
        said = client.sock.version().encode()
    told_fields, (bits, verify, parts), _ = server.result()
    assert (bits, verify) == (7, 0)   # TLS, a certificate, in this connection
    assert parts[0x21] == said and parts[0x22] == b"alice"
    assert (parts[0x24], parts[0x25]) == (b"ecdsa-with-SHA256", b"EC256") and b"AES" in parts[0x23]
    one_each = dict(told_fields)
    assert one_each[0xe0] == alice.fingerprint and one_each[0xe1] == b"CN=alice"
    assert [value for kind, value in told_fields if kind == 0xe2] == [
        b"DNS:alice.example", b"URI:spiffe://example/alice", b"email:alice@example.com", b"IP:192.0.2.9"]
    assert (one_each[0x01], one_each[0x02]) == (b"http/1.1", b"site.test")


def test_a_resumed_session_tells_its_certificate(relay, origin, site, tmp_path):
    server, alice = origin(told), Client(tmp_path, site.authority)
    one = https(relay, site, server, tls={"verify_client": "required", "ca": str(site.ca)}, upstream="    send_proxy = v2\n")
    context = alice.context(site)
    with site.connect(one, context=context) as client:
        exchange(client)
        session = client.sock.session
    server.result()
    with site.connect(one, context=context, session=session) as client:
        exchange(client)
        assert client.sock.session_reused
    found, (bits, verify, parts), _ = server.result()
    assert (bits, verify, parts[0x22], dict(found)[0xe0]) == (5, 0, b"alice", alice.fingerprint)


def test_without_a_certificate_it_is_told_that_there_is_none(relay, origin, site):
    server = origin(told)
    one = https(relay, site, server, tls={"verify_client": "optional", "ca": str(site.ca)}, upstream="    send_proxy = v2\n")
    with site.connect(one) as client:
        exchange(client)
    found, (bits, verify, parts), size = server.result()
    assert (bits, verify, parts[0x21]) == (1, 1, b"TLSv1.3") and 0x22 not in parts and size <= 107
    assert not {kind for kind, _ in found} & {0xe0, 0xe1, 0xe2}


def test_names_that_do_not_fit_are_all_left_out(relay, origin, site, tmp_path):
    server = origin(told)
    many = Client(tmp_path, site.authority, "bob", [x509.DNSName(f"host{i}.example.com") for i in range(60)], key="rsa2048")
    one = https(relay, site, server, tls={"verify_client": "required", "ca": str(site.ca)}, upstream="    send_proxy = v2\n")
    with site.connect(one, context=many.context(site)) as client:
        exchange(client)
    found, (_, verify, parts), size = server.result()
    assert verify == 0 and parts[0x25] == b"RSA2048" and size <= 1000
    assert dict(found)[0xe0] == many.fingerprint and 0xe2 not in dict(found)


def test_a_plain_client_and_one_that_passes_through(relay, origin, site):
    """Of TLS that does not end here nothing is told as if it had."""
    server = origin(told)
    one = relay(server, send_proxy="v2")
    with connect(one.address) as client:
        exchange(client)
    found, of_tls, _ = server.result()
    assert of_tls is None and {kind for kind, _ in found} == {0x05, 0x03}


def test_nginx_reads_an_address_before_it_all(relay, server, site, tmp_path):
    """That of Debian 12 takes 1024 bytes, and what it does not know."""
    bob = Client(tmp_path, site.authority, "bob", [x509.DNSName(f"host{i}.example.com") for i in range(20)])
    one = https(relay, site, server(NginxProxyProtocol), tls={"verify_client": "required", "ca": str(site.ca)},
                upstream="    send_proxy = v2\n")
    with site.connect(one, context=bob.context(site)) as client:
        answer = client.get()
    assert (answer.status, answer.body) == (200, b"127.0.0.1")


def test_haproxy_reads_the_name(relay, server, site):
    behind = server(HAProxy, text="frontend f\n    mode http\n    bind PORT accept-proxy\n"
                                  "    http-request return status 200 content-type text/plain lf-string %[fc_pp_authority]\n")
    one = https(relay, site, behind, upstream="    send_proxy = v2\n")
    with site.connect(one) as client:
        assert client.get().body == b"site.test"


# What operators are told


def established(at):
    """All rows, once none is still shown as one that connects."""
    def shown():
        rows = json.loads(asked(at, "/connections")[2])
        return all(row["phase"] == "relay" for row in rows) and rows
    return until(shown, "all are established")


def mutual(relay, site, server, at, **how):
    return https(relay, site, server, top=f'control = "{at}"', tls={"verify_client": "optional", "ca": str(site.ca)}, **how)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])
def test_operators_see_whose_connection_it_is(relay, origin, site, tmp_path, at, version):
    """While it lives and as it ends; of one without a certificate, nothing more than before."""
    alice = Client(tmp_path, site.authority)
    one = mutual(relay, site, origin(echo), at)
    known, unknown = (site.connect(one, context=context) for context in (
        alice.context(site, least=version, most=version), site.context(least=version, most=version)))
    with known, unknown:
        for client in known, unknown:
            exchange(client)
        rows = {row["client"]: row for row in established(at)}
        assert rows[known.name]["tls_client"] == "CN=alice"
        assert rows[known.name]["tls_client_fingerprint"] == alice.fingerprint.hex()
        assert "tls_client" not in rows[unknown.name]
        numbers = [rows[client.name]["id"] for client in (known, unknown)]
        table = relayctl("-s", at, "connections").splitlines()
        assert table[0].endswith("TLS CLIENT") and {line.split()[-1] for line in table[1:]} == {"CN=alice", "-"}
        assert "TLS CLIENT" not in relayctl("-s", at, "connections", f"id={numbers[1]}")
        detail = relayctl("-s", at, "connection", numbers[0])
        assert f"TLS client      CN=alice\n  fingerprint   {alice.fingerprint.hex()}\n" in detail
        assert "TLS client" not in relayctl("-s", at, "connection", numbers[1])
        known.tell_end()
        unknown.tell_end()
    first, second = (one.record(client) for client in (known, unknown))
    assert (first.tls_client, first.tls_client_fingerprint) == ("CN=alice", alice.fingerprint.hex())
    assert f"from {known.name} (CN=alice) to web" in first.line.text
    assert not hasattr(second, "tls_client") and f"from {unknown.name} to web" in second.line.text


def test_filters_by_certificate(relay, origin, site, tmp_path, at):
    alice, bob = (Client(tmp_path, site.authority, name) for name in ("alice", "bob"))
    one = mutual(relay, site, origin(echo), at)
    with site.connect(one, context=alice.context(site)) as first, site.connect(one, context=bob.context(site)) as second:
        for client in first, second:
            exchange(client)
        established(at)
        for word in ("CN=alice", alice.fingerprint.hex(), alice.fingerprint.hex(":").upper()):
            assert [row["client"] for row in json.loads(relayctl("-s", at, "--json", "connections", f"tls_client={word}"))] == [first.name]
        assert json.loads(relayctl("-s", at, "--json", "connections", "tls_client=CN=ali")) == []
        assert relayctl("-s", at, "kill", "tls_client=CN=alice") == "1 connection is killed.\n"
        one.wait_log("1 connection is killed tls_client=CN=alice")
        exchange(second)


def test_tail_by_certificate(relay, origin, site, tmp_path, at):
    alice, bob = (Client(tmp_path, site.authority, name).context(site) for name in ("alice", "bob"))
    one = mutual(relay, site, origin(echo), at)
    tail = Following(at, "tail", "tls_client=CN=bob")

    def shown():
        for context in (alice, bob):
            with site.connect(one, context=context) as client:
                exchange(client)
                client.tell_end()
        return not tail.lines.empty()
    try:
        until(shown, "a line of tail")
        assert " (CN=bob) -> web -> app/a " in tail.line()
        assert tail.interrupt() == (0, "")
    finally:
        tail.process.kill()
        tail.process.wait()


@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_who_is_refused_behind_the_handshake(relay, site, tmp_path, at, mode):
    """In mode http the client is answered, and logged once it has left."""
    alice = Client(tmp_path, site.authority)
    one = mutual(relay, site, f"127.0.0.1:{free_port()}", at, mode=mode)
    with site.connect(one, context=alice.context(site)) as client:
        if mode == "http":
            assert ask(client, get(host="site.test")).status == 502
        client.ending()
    record = one.wait_records(1)[0]
    assert (record.end, record.tls_client) == ("SD", "CN=alice")


def test_a_subject_that_is_hostile(relay, origin, site, tmp_path, at):
    """Controls, quotation marks, what turns the writing, and a comma: JSON stays JSON, a line a line, and a part a part."""
    eve = Client(tmp_path, site.authority, 'e"\x1b[31m,O=root\u202e\u00e9', names=None)
    one = mutual(relay, site, origin(echo), at)
    with site.connect(one, context=eve.context(site)) as client:
        exchange(client)
        (row,) = established(at)
        assert row["tls_client"] == r'CN=e\"\1B[31m\,O=root\xe2\x80\xae' + "\u00e9"
        assert [again["tls_client"] for again in json.loads(relayctl("-s", at, "--json", "connections"))] == [row["tls_client"]]
        assert json.loads(asked(at, f"/connection?id={row['id']}")[2])["tls"]["client"] == row["tls_client"]
        assert row["tls_client"] in relayctl("-s", at, "connections")
        assert relayctl("-s", at, "kill", "tls_client=O=root") == "0 connections are killed.\n"
        client.tell_end()
    assert one.record(client).tls_client_fingerprint == row["tls_client_fingerprint"]
