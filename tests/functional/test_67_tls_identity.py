"""What a server is told of a client's TLS and certificate: fields of version 2 of the PROXY protocol."""

import ipaddress
import ssl
import struct

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from certificates import DAY, Authority, Certificate, new_key
from client import connect
from servers import HAProxy, NginxProxyProtocol
from test_45_proxy_protocol import read_v2
from tls import Site, TlsPeer, https

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
        self.file.write_text(self.certificate.pem + self.certificate.key_pem)

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
