"""Real clients of a listener that ends TLS, by OpenSSL, GnuTLS, NSS and BoringSSL, and proxies that speak it."""

import os
import re
import shutil
import subprocess

import pycurl
import pytest
from client import connect, curl, run
from origin import echo, http
from peer import response
from settings import DEADLINE, SANITIZER
from tls import Site, https
from tls_programs import (DOWN, UP, HAProxyClient, NginxClient, Stunnel, gnutls_client, nss_client, openssl_client, swap, swap_by,
                          trusting)

CHROMIUM = shutil.which("chromium")
NEWEST_FIRST = ["1.3", "1.2"]
needs_nss = pytest.mark.skipif(shutil.which("tstclnt") is None, reason="this Debian's libnss3-tools has no tstclnt")


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path, "site.test", "localhost", "127.0.0.1")


@pytest.fixture(params=NEWEST_FIRST)
def version(request):
    return request.param


# Bytes, both ways


@pytest.mark.parametrize("program, options", [pytest.param(gnutls_client, ["--logfile=/dev/null"], id="gnutls"),
                                              pytest.param(nss_client, [], id="nss", marks=needs_nss),
                                              pytest.param(openssl_client, ["-quiet"], id="openssl")])
def test_a_client_sends_and_receives(relay, origin, site, version, program, options, tmp_path):
    """It may tell its end before it has the answer."""
    server = origin(swap)
    one = https(relay, site, server, half_close=True)
    assert swap_by(program(one.address.rsplit(":", 1)[1], site, version, *options), tmp_path) == DOWN
    assert server.result() is True
    record = one.only_record()
    assert (record.bytes_up, record.bytes_down, record.tls_version) == (len(UP), len(DOWN), f"TLSv{version}")


@pytest.mark.parametrize("proxy", [HAProxyClient, Stunnel])
def test_a_proxy_sends_and_receives(relay, origin, server, site, version, proxy):
    behind = origin(swap)
    one = https(relay, site, behind)
    front = server(proxy, port=one.address.rsplit(":", 1)[1], site=site, version=version)
    with connect(front.address) as client:
        assert client.send(UP).read(len(DOWN)) == DOWN
    assert True in (behind.result() for _ in range(3))   # some have looked whether the proxy listens
    assert f"RELAYD_TLS_VERSION=TLSv{version}" in one.wait_log(f"RELAYD_BYTES_DOWN={len(DOWN)} ")[0].raw


def test_nginx_passes_requests_on(relay, origin, server, site, version):
    one = https(relay, site, origin(http), mode="http")
    front = server(NginxClient, port=one.address.rsplit(":", 1)[1], site=site, version=version)
    body = os.urandom(1_000_000)
    for _ in range(3):
        got = run("curl", "-sS", "--data-binary", "@-", f"http://{front.address}/up", input=body).stdout
        assert got == b"/up\n" + body
    assert {record.tls_version for record in one.wait_records(3)} == {f"TLSv{version}"}


def test_curl_with_openssl(relay, origin, site, version):
    one = https(relay, site, origin(http), mode="http", tls={"alpn": ["http/1.1"]})
    body = os.urandom(1_000_000)
    url = f"https://{one.address}/up"
    got = run("curl", "-sS", "--cacert", site.ca, f"--tlsv{version}", "--tls-max", version, "--data-binary", "@-", "-H", "Expect:", url,
              url, input=body).stdout
    assert got.startswith(b"/up\n" + body)
    assert (one.only_record().tls_version, one.only_record().tls_alpn) == (f"TLSv{version}", "http/1.1")


def test_curl_with_gnutls(relay, origin, site, version):
    """By Python's pycurl, which Debian links to it. One connection for all."""
    assert "GnuTLS" in pycurl.version
    one = https(relay, site, origin(http), mode="http")
    handle, body = pycurl.Curl(), os.urandom(1_000_000)
    limits = {"1.3": (pycurl.SSLVERSION_TLSv1_3, pycurl.SSLVERSION_MAX_TLSv1_3),
              "1.2": (pycurl.SSLVERSION_TLSv1_2, pycurl.SSLVERSION_MAX_TLSv1_2)}[version]
    for option, value in {pycurl.URL: f"https://{one.address}/up", pycurl.CAINFO: str(site.ca), pycurl.SSLVERSION: limits[0] | limits[1],
                          pycurl.HTTPHEADER: ["Expect:"], pycurl.POSTFIELDS: body, pycurl.TIMEOUT: DEADLINE}.items():
        handle.setopt(option, value)
    for _ in range(3):
        assert handle.perform_rb() == b"/up\n" + body
    handle.close()
    assert one.only_record().tls_version == f"TLSv{version}"


@pytest.mark.skipif(CHROMIUM is None or bool(SANITIZER), reason="needs chromium, and a relayd that is quick")
def test_a_browser(relay, origin, site, tmp_path):
    """It trusts the authority, and nothing else was told to be trusted."""
    one = https(relay, site, origin(http), mode="http")
    trusting(tmp_path, site.ca, "home/.pki/nssdb")
    done = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile", "--dump-dom",
                           f"https://localhost:{one.address.rsplit(':', 1)[1]}/page"], capture_output=True, text=True, check=False,
                          timeout=4 * DEADLINE, env={**os.environ, "HOME": str(tmp_path / "home")})
    assert "/page\n" in done.stdout, done.stderr
    assert one.wait_log("RELAYD_TLS_VERSION=TLSv1.3")


# Sessions and keys


def test_openssl_comes_back(relay, origin, site, version, tmp_path):
    """With its session, five times; the data is another's each time."""
    one = https(relay, site, origin(echo), mode="tcp")
    port = one.address.rsplit(":", 1)[1]
    for turn in range(6):
        words = ["-sess_in", tmp_path / "session"] if turn else []
        with subprocess.Popen([str(word) for word in openssl_client(port, site, version, "-sess_out", tmp_path / "session", *words)], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
            client.stdin.write(f"turn {turn}\n")
            client.stdin.flush()
            said = list(iter(client.stdout.readline, f"turn {turn}\n"))  # to the echo: else it may read Q as data
            assert any(line.startswith("Reused" if turn else "New") for line in said)
            client.stdin.write("Q\n")
            client.stdin.flush()
    assert [record.tls_resumed for record in one.wait_records(6)] == ["no"] + ["yes"] * 5


def test_openssl_reconnects_at_once(relay, origin, site):
    """-reconnect drops each connection behind its handshake."""
    one = https(relay, site, origin(echo))
    said = run(*openssl_client(one.address.rsplit(":", 1)[1], site, "1.2", "-reconnect"), input=b"").stdout.decode()
    assert re.findall(r"^(New|Reused), TLSv1.2", said, re.M) == ["New"] + ["Reused"] * 5
    assert len(one.wait_records(6)) == 6


@pytest.mark.parametrize("how, version", [("-reuse", "1.3"), ("-new", "1.2")])
def test_openssl_opens_many_for_a_second(relay, origin, site, how, version):
    def once(peer):
        peer.read_to(b"\r\n\r\n")
        peer.send(response(b"once"))
    one = https(relay, site, origin(once))
    said = run("openssl", "s_time", "-connect", one.address, "-CAfile", site.ca, "-www", "/x", how, "-time", 1,
               f"-tls1_{version[2:]}").stdout.decode()
    count, size = re.search(r"^(\d+) connections in \d+ real seconds, (\d+) bytes", said, re.M).groups()
    assert int(count) > 5 and int(size) == len(response(b"once")), said
    assert ("RELAYD_TLS_RESUMED=yes" in one.log) == (how == "-reuse")


def test_gnutls_changes_keys_and_resumes(relay, origin, site):
    """^rekey^ asks for a change of both keys, ^rekey1^ of its own; ^resume^ comes back on another connection."""
    one = https(relay, site, origin(echo))
    with subprocess.Popen([str(word) for word in gnutls_client(one.address.rsplit(":", 1)[1], site, "1.3", "--inline-commands",
                                                               f"--logfile={site.ca.parent}/log")],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        for line in ("one", "^rekey^", "two", "^rekey1^", "three", "^rekey^", "four", "^resume^", "five", "^rekey^", "six"):
            client.stdin.write(line + "\n")
            client.stdin.flush()
            while not line.startswith("^") and client.stdout.readline() != line + "\n":
                pass
        client.stdin.close()
        client.wait(DEADLINE)
    log = (site.ca.parent / "log").read_text()
    assert log.count("Rekey was completed") == 4 and "This is a resumed session" in log
    assert [record.tls_resumed for record in one.wait_records(2)] == ["no", "yes"]


def test_gnutls_resumes(relay, origin, site, version):
    one = https(relay, site, origin(echo))
    with subprocess.Popen([str(word) for word in gnutls_client(one.address.rsplit(":", 1)[1], site, version, "-r", "--waitresumption",
                                                               f"--logfile={site.ca.parent}/log")],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        client.stdin.write(b"hello\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"hello\n"
        client.stdin.close()
        client.wait(DEADLINE)
    assert "This is a resumed session" in (site.ca.parent / "log").read_text()
    assert [record.tls_resumed for record in one.wait_records(2)] == ["no", "yes"]


# What a client asks for


def test_openssl_asks_for_a_name_and_a_protocol(relay, origin, tmp_path):
    (tmp_path / "b").mkdir()
    first, other = Site(tmp_path, "a.test"), Site(tmp_path / "b", "b.test", "*.c.test")
    one = https(relay, first, origin(echo), tls={"certificate": [str(first.file), str(other.file)], "alpn": ["h2", "http/1.1"]})
    for name, subject in {"a.test": "a.test", "b.test": "b.test", "x.c.test": "b.test", "y.x.c.test": "a.test", "B.TEST": "b.test"}.items():
        said = run("openssl", "s_client", "-connect", one.address, "-servername", name, "-alpn", "http/1.1,h2", input=b"Q\n").stdout.decode()
        assert f"subject=CN = {subject}\n" in said or f"subject=CN={subject}\n" in said, name
        assert "ALPN protocol: h2" in said
    done = run("openssl", "s_client", "-connect", one.address, "-servername", "a.test", "-alpn", "spdy/1", input=b"Q\n", expect=1)
    assert b"alert no application protocol" in done.stderr
    one.wait_log("it offers no protocol .ALPN. that is allowed")
