"""What scanners say of a listener that ends TLS."""

import json
import xml.etree.ElementTree

import pytest
from client import run
from origin import http
from settings import LONG, SANITIZER
from tls import Site, https


@pytest.fixture
def one(relay, origin, tmp_path):
    site = Site(tmp_path, "site.test", "127.0.0.1")
    started = https(relay, site, origin(http), mode="http", tls={"alpn": ["http/1.1"]})
    started.ca = site.ca
    return started


def test_sslscan(one):
    seen = xml.etree.ElementTree.fromstring(run("sslscan", "--xml=-", one.address).stdout).find("ssltest")
    enabled = {(each.get("type"), each.get("version")) for each in seen.findall("protocol") if each.get("enabled") == "1"}
    assert enabled == {("tls", "1.2"), ("tls", "1.3")}
    assert seen.find("renegotiation").get("supported") == "0"
    assert all(each.get("supported") == "0" for each in seen.findall("compression"))
    assert all(each.get("vulnerable") == "0" for each in seen.findall("heartbleed"))
    suites = {each.get("cipher"): each for each in seen.findall("cipher")}
    assert len(suites) == 6 and all("GCM" in name or "CHACHA20" in name for name in suites), list(suites)
    assert {each.get("strength") for each in suites.values()} <= {"strong", "acceptable"}
    assert all(int(each.get("bits")) >= 112 for each in seen.findall("group"))


#: Not relayd's: the test's certificate names nobody to ask whether it is revoked, and its origin sends no such headers. The order of
#: suites is the client's, since all of them are good, as Mozilla has it (relayd.conf(5), ciphers).
NOT_OURS = ("cert_revocation", "security_headers", "cipher_order")


@pytest.mark.skipif(not LONG or bool(SANITIZER), reason="takes minutes; with --long")
@pytest.mark.timeout(1800)
def test_testssl(one, tmp_path):
    """Nothing above LOW."""
    report = tmp_path / "report.json"
    run("testssl", "--quiet", "--color", 0, "--warnings", "off", "--openssl-timeout", 5, "--nodns", "none", "--add-ca", one.ca,
        "--jsonfile", report, one.address, timeout=1700, expect=0)
    found = json.loads(report.read_text())
    grave = [each for each in found if each["severity"] in ("MEDIUM", "HIGH", "CRITICAL", "FATAL") and each["id"] not in NOT_OURS]
    assert grave == [] and len(found) > 100
