"""Real servers behind an upstream with tls: OpenSSL's and GnuTLS's own, HAProxy, nginx and hitch."""

import os

import pytest
from client import connect, run
from origin import http
from test_61_tls import CIPHERS
from test_62_tls_servers import behind
from tls import Site
from tls_programs import DOWN, UP, GnutlsServer, HAProxyServer, HitchServer, NginxServer, OpensslServer, swap


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path, "site.test", "localhost")


@pytest.mark.parametrize("version", ["1.3", "1.2"])
@pytest.mark.parametrize("kind", [HAProxyServer, HitchServer])
def test_a_proxy_that_ends_tls_before_a_server(relay, origin, server, site, kind, version):
    plain = origin(swap)
    one = behind(relay, site, server(kind, target=plain.address, site=site, version=version))
    with connect(one) as client:
        assert client.send(UP).read_end()[0] == DOWN
    assert True in (plain.result() for _ in range(3))   # some have looked whether the proxy listens
    record = one.record(client)
    assert (record.end, record.bytes_up, record.bytes_down) == ("SE", len(UP), len(DOWN))


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_nginx(relay, origin, server, site, version):
    one = behind(relay, site, server(NginxServer, target=origin(http).address, site=site, version=version), mode="http")
    body = os.urandom(1_000_000)
    for _ in range(3):
        assert run("curl", "-sS", "--data-binary", "@-", f"http://{one.address}/up", input=body).stdout == b"/up\n" + body


def ask(client, answers, count=20):
    """Lines, many at a time, each with its answer."""
    for _ in range(count):
        lines = [os.urandom(500).hex().encode() for _ in range(10)]
        client.send(b"".join(line + b"\n" for line in lines))
        wanted = b"".join(answers(line) + b"\n" for line in lines)
        assert client.read(len(wanted)) == wanted


@pytest.mark.parametrize("suite", CIPHERS + [suite.replace("ECDSA", "RSA") for suite in CIPHERS if "ECDSA" in suite])
def test_openssl_with_each_suite(relay, server, tmp_path, suite):
    site = Site(tmp_path, "localhost", kind="rsa2048" if "RSA-" in suite else "ecdsa")
    options = ["-tls1_3", "-ciphersuites", suite] if suite.startswith("TLS_") else ["-tls1_2", "-cipher", suite]
    one = behind(relay, site, server(OpensslServer, site=site, options=options))
    with connect(one) as client:
        ask(client, lambda line: line[::-1])
        client.send(b"CLOSE\n")
        client.ending()
    assert one.record(client).end == "SE"


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_gnutls(relay, server, site, version):
    one = behind(relay, site, server(GnutlsServer, site=site, version=version))
    with connect(one) as client:
        ask(client, lambda line: line)
        client.shut()
        client.ending()
    assert one.record(client).end == "CE"
