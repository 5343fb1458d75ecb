"""A client that has shown a certificate reaches the hosts of the certificate that it was shown, and no others (421)."""

import ssl

import pytest
from certificates import write_secret
from peer import EOF
from test_67_tls_identity import Client
from tls import Site, https
from web import ask, get, post, read_answer, web

NAMES = ("one.test", "*.one.test", "127.0.0.1", "::1")


class Sites:
    """Two certificates of one listener that asks clients for theirs."""

    def __init__(self, relay, origin, folder, verify="required", names=NAMES, **options):
        self.site = Site(folder, *names)
        two = self.site.authority.issue("two.test")
        write_secret(folder / "two.pem", two.pem + two.key_pem)
        self.alice = Client(folder, self.site.authority)
        self.app = web(origin)
        self.one = https(relay, self.site, self.app, mode="http", tls={
            "certificate": [str(self.site.file), str(folder / "two.pem")], "verify_client": verify, "ca": str(self.site.ca)}, **options)

    def connect(self, name, known=True, **how):
        context = self.alice.context(self.site, **how) if known else self.site.context(**how)
        context.check_hostname = False
        return self.site.connect(self.one, name=name, context=context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])
def test_another_sites_host(relay, origin, tmp_path, version):
    sites = Sites(relay, origin, tmp_path)
    with sites.connect("one.test", least=version, most=version) as client:
        for host in ("one.test", "ONE.test:8443", "one.test.", "a.one.test", "127.0.0.1:443", "[::1]:80", "[0:0::1]"):
            assert ask(client, get(host=host)).status == 200
        refused = ask(client, get("/secret", host="two.test"))
        assert (refused.status, refused.reason, refused["Connection"]) == (421, "Misdirected Request", "close")
        assert client.read_end() == (b"", EOF)
    assert "/secret" not in sites.app.targets
    record = sites.one.wait_records(1)[0]
    assert (record.end, record.tls_sni) == ("CB", "one.test")
    with sites.connect("two.test", least=version, most=version) as client:
        assert ask(client, get(host="two.test")).status == 200
        assert ask(client, get(host="one.test")).status == 421


@pytest.mark.parametrize("host", ["test", "b.a.one.test", "one.test.evil.test", "xone.test", "127.0.0.2", "[::2]"])
@pytest.mark.parametrize("name", ["one.test", "a.one.test", "nobody.test", None])
def test_hosts_of_no_certificate(relay, origin, tmp_path, name, host):
    """Whoever asks for none, or for an unknown one, was shown the first."""
    sites = Sites(relay, origin, tmp_path)
    with sites.connect(name) as client:
        assert ask(client, get(host="a.one.test")).status == 200
        assert ask(client, post("/", b"body", host=host)).status == 421
    assert len(sites.app.asked) == 1


def test_a_target_counts_as_a_host(relay, origin, tmp_path):
    sites = Sites(relay, origin, tmp_path)
    with sites.connect("one.test") as client:
        assert ask(client, get("https://a.one.test/x", host="a.one.test")).status == 200
        assert ask(client, get("https://two.test/x", host="two.test")).status == 421
    with sites.connect("one.test") as client:   # of 1.0, without a host
        assert ask(client, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").status == 200
        assert ask(client, b"GET http://two.test/ HTTP/1.0\r\n\r\n").status == 421


def test_clients_without_a_certificate_are_not_asked(relay, origin, tmp_path):
    sites = Sites(relay, origin, tmp_path, verify="optional")
    with sites.connect("one.test", known=False) as client:
        assert ask(client, get(host="two.test")).status == 200
    with sites.connect("one.test") as client:
        assert ask(client, get(host="two.test")).status == 421


def test_a_page_of_ones_own(relay, origin, tmp_path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "421.txt").write_text("elsewhere\n")
    sites = Sites(relay, origin, tmp_path, error_pages=str(tmp_path / "pages"))
    with sites.connect("one.test") as client:
        client.send(get(host="one.test") + get(host="two.test") + get(host="one.test"))
        assert read_answer(client).status == 200
        assert (read_answer(client).body, client.read_end()) == (b"elsewhere\n", (b"", EOF))
