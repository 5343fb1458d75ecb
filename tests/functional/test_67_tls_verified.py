"""Who is refused for a certificate, on either side: with the reason in words, and not one byte passed on."""

import contextlib
import re
import socket
import ssl

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from by_hand import BOTH
from certificates import Authority, Certificate, DAY, write_secret
from client import connect
from origin import echo, http
from peer import EOF, RESET
from test_62_tls_servers import behind
from tls import CUT, Site, TlsPeer, https, over_tls


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path, "site.test", "localhost")


# Servers


class Impostor:
    """A server's certificate that is not as it should be."""

    def __init__(self, folder, certificate, *chain):
        path = folder / "impostor.pem"
        write_secret(path, certificate.pem + "".join(one.pem for one in chain) + certificate.key_pem)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(str(path))


def self_signed(name):
    one = Authority(name)
    return Certificate(Authority.sign(one, name, one.key, [(x509.SubjectAlternativeName([x509.DNSName(name)]), False)], -DAY, DAY), one.key)


SERVERS = {
    "expired": lambda site: (site.authority.issue("localhost", begin=-9 * DAY, end=-2 * DAY),),
    "early": lambda site: (site.authority.issue("localhost", begin=2 * DAY),),
    "other name": lambda site: (site.authority.issue("other.test"),),
    "no name": lambda site: (site.authority.issue(),),
    "unknown": lambda site: (Authority("Nobody").issue("localhost"),),
    "namesake": lambda site: (Authority().issue("localhost"),),   # an authority of the same name, with another key
    "self-signed": lambda site: (self_signed("localhost"),),
    "no chain": lambda site: (Authority("Middle", site.authority).issue("localhost"),),
    "a client's": lambda site: (site.authority.issue("localhost", client=True),),
}
REASONS = {
    "expired": "its certificate has expired on ",
    "early": "its certificate is valid from ",
    "other name": "its certificate is for other.test, not for localhost",
    "no name": "its certificate is for no name, not for localhost",
    "unknown": "the server send its whole chain",
    "namesake": "certificate",
    "self-signed": "its certificate is signed by itself",
    "no chain": "the server send its whole chain",
    "a client's": "its certificate was refused: unsuitable certificate purpose",
}


@pytest.mark.parametrize("what", SERVERS)
def test_a_server_is_refused_with_the_reason(relay, origin, site, tmp_path, what):
    """Before it has got a byte; in each version."""
    impostor = Impostor(tmp_path, *SERVERS[what](site))
    got = []

    def script(peer):
        got.append(peer.read_end())
    for version in BOTH.values():
        impostor.context.minimum_version, impostor.context.maximum_version = BOTH["1.2"], version
        server = origin(over_tls(impostor.context, script))
        one = behind(relay, site, server, upstream="    connect_attempts = 1\n")
        with connect(one) as client:
            with contextlib.suppress(OSError):
                client.send(b"secret")
            client.ending()
        record = one.record(client)
        assert (record.end, record.error, record.bytes_up) == ("SG", "EPROTO", 0)
        assert REASONS[what] in record.line.text, record.line.text
        with pytest.raises(ssl.SSLError, match="(?i)alert"):   # the server is told, too
            server.result()
    assert got == []


def test_a_server_that_is_refused_again_is_taken_out(relay, origin, site, tmp_path):
    """As one that cannot be reached."""
    impostor = Impostor(tmp_path, *SERVERS["expired"](site))
    one = behind(relay, site, origin(over_tls(impostor.context, echo)), upstream="    max_fails = 2\n    connect_attempts = 1\n", mode="http")
    for _ in range(2):
        with connect(one) as client:
            assert client.get("/").status == 502
    one.wait_log("Server app/a .* is taken out for 10s: 2 attempts in a row failed, the last one: The TLS handshake failed .the log says of what.")


# relayd itself, by servers


def own(authority, folder):
    """relayd's own certificate, in a file."""
    one = authority.issue("relayd", client=True)
    (folder / "own.pem").write_text(one.pem + one.key_pem)
    return {"certificate": str(folder / "own.pem")}


REFUSED = {
    "none": (lambda site, folder: {},
             "it asks for a certificate of relayd's, and there is none [(]alert (certificate_required|handshake_failure)[)]; name one as "
             "certificate = in the upstream's tls section"),
    "unknown": (lambda site, folder: own(Authority("Nobody"), folder),
                "it does not know who has signed the certificate [(]alert unknown_ca[)]; that is relayd's own, certificate = "),
}


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("what", REFUSED)
def test_a_server_that_refuses_relayd_is_said_to(relay, origin, site, tmp_path, at, what, version):
    """In TLS 1.3 after the handshake, as far as relayd sees it."""
    make, reason = REFUSED[what]
    context = site.server_context(verify_mode=ssl.CERT_REQUIRED, minimum_version=BOTH["1.2"], maximum_version=BOTH[version])
    context.load_verify_locations(str(site.ca))

    def script(peer):
        try:
            return TlsPeer(peer, context, server_side=True)
        except ssl.SSLError:
            return peer.sock.shutdown(socket.SHUT_WR)
    one = behind(relay, site, origin(script), tls=make(site, tmp_path), upstream="    connect_attempts = 1\n")
    with connect(one) as client:
        assert client.read_end() == (b"", RESET)
    record = one.record(client)
    assert record.end == ("ST" if version == "1.3" else "SG")
    assert re.search(reason, record.line.text) and re.search(reason, record.why.replace("\\x20", " ")), record.line.text


@pytest.mark.parametrize("version", BOTH)
def test_a_check_says_that_a_server_asks_for_a_certificate(relay, origin, site, version):
    context = site.server_context(verify_mode=ssl.CERT_REQUIRED, minimum_version=BOTH["1.2"], maximum_version=BOTH[version])
    context.load_verify_locations(str(site.ca))
    one = behind(relay, site, origin(over_tls(context, http)),
                 upstream="    health_check { type = http interval = 50ms rise = 1 fall = 1 }\n")
    one.wait_log(f"Server app/a .* is down: .*{REFUSED['none'][1]}")


def test_a_server_that_leaves_without_an_alert_had_asked(relay, origin, site):
    """Then relayd can but guess; of one that has sent something, it does not."""
    def alone(word):
        def script(peer):
            peer.sock.recv(16384)
            if word:
                peer.send(word)
            return peer.cut()
        context = site.server_context(verify_mode=ssl.CERT_OPTIONAL)
        context.load_verify_locations(str(site.ca))
        return origin(over_tls(context, script))
    for word, guess in ((b"", True), (b"y", False)):
        one = behind(relay, site, alone(word))
        with connect(one) as client:
            client.send(b"x")
            assert client.read_end() == (word, RESET)
        record = one.record(client)
        assert (record.end, "it had asked for a certificate of relayd's" in record.line.text) == ("ST", guess)
    one = behind(relay, site, alone(b""), upstream="    health_check { type = http interval = 50ms rise = 1 fall = 1 }\n")
    one.wait_log("Server app/a .* is down: TLS: it had asked for a certificate of relayd's, and there is none; ")


# Clients


def asking(relay, site, server, folder, mode, revoked=()):
    """A listener that asks for certificates of an authority of clients; and that authority."""
    authority = Authority("Clients")
    (folder / "clients.pem").write_text(authority.pem)
    (folder / "clients.crl").write_text(authority.revoked(*revoked))
    one = https(relay, site, server, tls={"verify_client": mode, "ca": str(folder / "clients.pem"), "crl": str(folder / "clients.crl")})
    return one, authority


def known_as(site, folder, certificate, version, chain=()):
    """A client's context that has this certificate; None: it has none."""
    context = site.context(least=BOTH[version], most=BOTH[version])
    if certificate:
        write_secret(folder / "client.pem", certificate.pem + "".join(one.pem for one in chain) + certificate.key_pem)
        context.load_cert_chain(str(folder / "client.pem"))
    return context


def refused(one, site, context, session=None):
    """The client's connection ends without a byte passed on; its record."""
    plain = None
    try:
        with site.connect(one, context=context, session=session) as client:
            plain = client.name
            with contextlib.suppress(OSError):
                client.send(b"secret")
            try:
                assert client.read_end() in ((b"", RESET), (b"", CUT))
            except ssl.SSLError as error:
                assert "ALERT" in error.reason
    except (ssl.SSLError, ConnectionResetError, BrokenPipeError):
        pass   # in the handshake, as TLS 1.2 has it
    return one.wait_records(1)[-1], plain


AUTHORITIES, LIST = " [(]ca .*/clients.pem[)]", " [(]crl .*/clients.crl[)]"
CLIENTS = {
    "revoked": (lambda authority: authority.issue("client", client=True), 'of "client", issued by "Clients", is revoked' + LIST),
    "none": (lambda authority: None, "it has sent no certificate"),
    "expired": (lambda authority: authority.issue("client", client=True, begin=-9 * DAY, end=-2 * DAY),
                '"client", issued by "Clients", has expired on 20..-..-..' + AUTHORITIES),
    "early": (lambda authority: authority.issue("client", client=True, begin=2 * DAY), "is valid from 20..-..-.. on" + AUTHORITIES),
    "unknown": (lambda authority: Authority("Nobody").issue("client", client=True),
                '"client", issued by "Nobody", leads to no authority that is trusted' + AUTHORITIES),
    "namesake": (lambda authority: Authority("Clients").issue("client", client=True),
                 'issued by "Clients", (is not signed by the authority of that name|leads to no authority that is trusted)' + AUTHORITIES),
    "self-signed": (lambda authority: self_signed("client"), "is signed by itself, and is not trusted" + AUTHORITIES),
    "a server's": (lambda authority: authority.issue("client"), "is not for clients [(]extendedKeyUsage[)]" + AUTHORITIES),
}


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("what", CLIENTS)
def test_a_client_is_refused_with_the_reason(relay, origin, site, tmp_path, what, version):
    server = origin(echo)
    make, reason = CLIENTS[what]
    authority = Authority("Clients")
    certificate = make(authority)
    (tmp_path / "clients.pem").write_text(authority.pem)
    (tmp_path / "clients.crl").write_text(authority.revoked(*([certificate] if what == "revoked" else [])))
    one = https(relay, site, server, tls={"verify_client": "required", "ca": str(tmp_path / "clients.pem"),
                                          "crl": str(tmp_path / "clients.crl")})
    record, _ = refused(one, site, known_as(site, tmp_path, certificate, version))
    assert record.end == "CG"
    one.wait_log(f"its TLS handshake failed: .*{reason}")
    assert server.accepted == 0
    with site.connect(one, context=known_as(site, tmp_path, authority.issue("good", client=True), version)) as client:
        assert client.send(b"x").read(1) == b"x"


@pytest.mark.parametrize("version", BOTH)
def test_optional_is_for_those_who_have_none(relay, origin, site, tmp_path, version):
    server = origin(echo)
    one, authority = asking(relay, site, server, tmp_path, "optional")
    for certificate in (None, authority.issue("good", client=True)):
        with site.connect(one, context=known_as(site, tmp_path, certificate, version)) as client:
            assert client.send(b"x").read(1) == b"x"
            client.tell_end().ending()
    one.wait_records(2)
    expired = authority.issue("client", client=True, begin=-9 * DAY, end=-2 * DAY)
    refused(one, site, known_as(site, tmp_path, expired, version))
    one.wait_log("its TLS handshake failed: the certificate of .client., issued by .Clients., has expired on ")
    assert server.accepted == 2


@pytest.mark.parametrize("version", BOTH)
def test_a_session_ends_with_the_certificate_that_is_revoked(relay, origin, site, tmp_path, version):
    """A ticket of before the reload is worth nothing; the connection that is there goes on."""
    server = origin(echo)
    one, authority = asking(relay, site, server, tmp_path, "required")
    certificate = authority.issue("client", client=True)
    context = known_as(site, tmp_path, certificate, version)
    with site.connect(one, context=context) as old:
        assert old.send(b"x").read(1) == b"x"
        session = old.sock.session
        with site.connect(one, context=context, session=session) as again:
            assert again.send(b"x").read(1) == b"x" and again.sock.session_reused
            again.tell_end()
            assert again.ending() == EOF
        one.wait_records(1)
        (tmp_path / "clients.crl").write_text(authority.revoked(certificate))
        assert one.hup() == ""
        refused(one, site, context, session)
        one.wait_log("its TLS handshake failed: the certificate of .client., issued by .Clients., is revoked ")
        assert old.send(b"y").read(1) == b"y"
    assert server.accepted == 2


def middle(authority, **how):
    """One between an authority and its clients."""
    one = Authority("Middle", authority)
    one.certificate = one.sign(authority, "Middle", one.key, [(x509.BasicConstraints(ca=True, path_length=None), True)],
                               how.get("begin", -DAY), how.get("end", DAY))
    return one


CHAINS = {
    "another's end": (lambda authority: middle(authority, begin=-9 * DAY, end=-2 * DAY),
                      'of "nobody", issued by "Middle", is refused: that of "Middle" has expired on 20..-..-.. [(]ca '),
    "no list": (middle, 'of "nobody", issued by "Middle", has an issuer of whom there is no list [(]crl .*/clients.crl[)]'),
}


@pytest.mark.parametrize("what", CHAINS)
def test_a_chain_is_refused_with_the_reason(relay, origin, site, tmp_path, what):
    """Whose certificate it is, and which of the chain is wrong."""
    one, authority = asking(relay, site, origin(echo), tmp_path, "required")
    make, reason = CHAINS[what]
    between = make(authority)
    if what != "no list":
        (tmp_path / "clients.crl").write_text(authority.revoked() + between.revoked())
        assert one.hup() == ""
    certificate = between.issue(client=True)
    refused(one, site, known_as(site, tmp_path, certificate, "1.3", chain=[between]))
    one.wait_log(f"its TLS handshake failed: the certificate {reason}")


HOSTILE = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, '"eve\x1b[31m\nRELAYD_END=CE \u202e' + "\u00e9" * 20)])


def test_a_name_in_the_reason_is_printable(relay, origin, site, tmp_path, monkeypatch):
    """And is cut between characters."""
    one, _ = asking(relay, site, origin(echo), tmp_path, "required")
    monkeypatch.setattr("certificates.subject", lambda name: HOSTILE)
    eve = Authority("Nobody").issue("eve", client=True)
    monkeypatch.undo()
    refused(one, site, known_as(site, tmp_path, eve, "1.3"))
    record = one.wait_records(1)[-1]
    assert r'\x1b[31m\x0aRELAYD_END=CE \xe2\x80\xae' in record.line.text and "\u202e" not in record.line.text
    assert "clients.pem)" in record.line.text and record.end == "CG"
