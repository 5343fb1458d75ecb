"""The tls section of a listener at relayd -t: files that are read, and each that is wrong, with its remedy."""
import base64
import datetime
import json
import os
import re

import pytest
from cryptography.hazmat.primitives import hashes

from certificates import DAY, Authority, write_secret
from control import asked, relayctl
from origin import echo
from relay import once, section
from settings import free_port

SITE = "www.example"


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def check(tmp_path):
    """check(option = value, ...) runs relayd -t with these in a tls section; %s is the folder of files."""
    def run(**options):
        lines = "".join(f"        {name} = {value}\n" for name, value in options.items()).replace("%s", str(tmp_path))
        conf = tmp_path / "relayd.conf"
        conf.write_text('listener web {\n    address = "127.0.0.1:1"\n    upstream = app\n    tls {\n' + lines
                        + '    }\n}\nupstream app { server a { address = "127.0.0.1:2" } }\n')
        done = once("-t", "-f", conf)
        said = re.sub(rf"^{re.escape(str(conf))}:(\d+): ", r"\1: ", done.stderr, flags=re.M).replace(str(tmp_path) + "/", "")
        return done.returncode, said
    return run


def write(folder, **texts):
    for name, text in texts.items():
        path = folder / name.replace("__", "/").replace("_", ".", 1)
        path.parent.mkdir(exist_ok=True)
        write_secret(path, text)


def test_a_certificate_with_its_key_where_each_tool_has_it(check, tmp_path, authority):
    one = authority.issue(SITE)
    whole = one.pem + authority.pem
    write(tmp_path, whole_pem=whole + one.key_pem, site_crt=whole, site_key=one.key_pem,
          live__fullchain_pem=whole, live__privkey_pem=one.key_pem)
    (tmp_path / "proxy.pem").write_text(whole)
    write_secret(tmp_path / "proxy.pem.key", one.key_pem)
    for name in ("whole.pem", "site.crt", "live/fullchain.pem", "proxy.pem"):
        assert check(certificate=f'"%s/{name}"') == (0, ""), name
    assert check(certificate='"%s/live/fullchain.pem"', key='"%s/site.key"') == (0, "")
    assert check(certificate='{"%s/site.crt", "%s/whole.pem"}') == (0, "")


@pytest.mark.parametrize("kind", ["rsa", "ecdsa384", "ed25519"])
def test_keys_of_each_kind(check, tmp_path, authority, kind):
    one = authority.issue(SITE, kind=kind)
    write(tmp_path, site_pem=one.pem + authority.pem + one.key_pem)
    assert check(certificate='"%s/site.pem"') == (0, "")


def test_all_options(check, tmp_path, authority):
    one = authority.issue(SITE)
    write(tmp_path, site_pem=one.pem + authority.pem + one.key_pem, ca_pem=authority.pem, crl_pem=authority.revoked())
    assert check(certificate='"%s/site.pem"', min_version="1.3", ciphers='"TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256"',
                 groups='"X25519:P-256"', alpn='{"h2", "http/1.1"}', verify_client="required", ca='"%s/ca.pem"', crl='"%s/crl.pem"',
                 tickets="false") == (0, "")


def test_whether_connections_outlive_relayd(check, tmp_path, authority):
    """By default they do, on either side; a section that says otherwise is taken, and dumped so that it is read again."""
    one = authority.issue(SITE)
    write(tmp_path, site_pem=one.pem + authority.pem + one.key_pem)
    conf = tmp_path / "relayd.conf"
    for here, ahead in (("", ""), ("outlive = true", "outlive = false"), ("outlive = false", "outlive = true")):
        conf.write_text(f'listener web {{ address = "127.0.0.1:1" upstream = app tls {{ certificate = "{tmp_path}/site.pem" {here} }} }}\n'
                        f'upstream app {{ server a {{ address = "127.0.0.1:2" }} tls {{ {ahead} }} }}\n')
        dumped = once("-T", "-f", conf)
        wanted = [f"        {said or 'outlive = true'}" for said in (here, ahead)]
        assert [line for line in dumped.stdout.splitlines() if "outlive" in line] == wanted
        conf.write_text(dumped.stdout)
        assert once("-T", "-f", conf).stdout == dumped.stdout
    for value in ("maybe", '""', "{true}"):
        code, said = check(certificate='"%s/site.pem"', outlive=value)
        assert code == 78 and said.startswith("6: ") and "outlive" in said, said
    assert check(outlive="false") == check()[:1] + (
        '4: listener web: tls: certificate must be given, as in certificate = "/etc/relayd/tls/site.pem"\n',)
    for text, said in {
        "outlive = false": '1: option "outlive" belongs in section tls\n',
        'listener web { address = "127.0.0.1:1" upstream = app outlive = false }': '1: listener web: option "outlive" belongs in section tls\n',
    }.items():
        conf.write_text(f'{text}\n' + ("" if "listener" in text else 'listener web { address = "127.0.0.1:1" upstream = app }\n')
                        + 'upstream app { server a { address = "127.0.0.1:2" } }\n')
        done = once("-t", "-f", conf)
        assert (done.returncode, done.stderr.replace(f"{conf}:", "")) == (78, said)


def test_what_is_wrong_with_files(check, tmp_path, authority):
    """Each is told with the line of its option, and what to do."""
    middle = Authority("Middle", authority)
    one, other, weak, small = authority.issue(SITE), middle.issue(SITE), authority.issue(SITE, kind="rsa1024"), authority.issue(SITE, kind="ecdsa192")
    write(tmp_path, alone_crt=one.pem, locked_pem=one.pem + one.locked("x"), wrong_pem=one.pem + other.key_pem,
          order_pem=authority.pem + one.pem + one.key_pem, gap_pem=other.pem + authority.pem + other.key_pem, weak_pem=weak.pem + weak.key_pem,
          small_pem=small.pem + small.key_pem, only_key=one.key_pem, text_pem="hello\n", cut_pem=one.pem[:200], bad_pem=one.pem.replace("M", "N", 3),
          none_pem="")
    for name, expected in {
        "missing.pem": "missing.pem: there is no such file",
        "alone.crt": "alone.crt: its key is missing: there is none in the file, and none in alone.key beside it; name it with key",
        "locked.pem": "locked.pem: the key is encrypted, and nobody can type its password here; openssl pkey",
        "wrong.pem": "wrong.pem: the key in wrong.pem does not fit this certificate; take both from the same issue",
        "order.pem": "order.pem: the certificates stand in the wrong order: the site's own must be the first",
        "gap.pem": 'gap.pem: the chain is in the wrong order or has a gap: certificate 2 must be that of "Middle", '
                   'which signed the one before it, and is that of "Test CA"',
        "weak.pem": "weak.pem: the key is too weak: it has 1024 bits, and clients want at least 2048",
        "small.pem": "small.pem: the key is too weak: it has 192 bits, and clients want at least 224",
        "only.key": "only.key: there is no certificate in it",
        "text.pem": 'text.pem: no "-----BEGIN" stands in it, so it is not in PEM',
        "none.pem": 'none.pem: no "-----BEGIN" stands in it, so it is not in PEM',
        "cut.pem": "cut.pem: block 1 is damaged, or its end is missing",
        "bad.pem": "bad.pem: block 1",
    }.items():
        code, said = check(min_version="1.2", certificate=f'"%s/{name}"')
        assert code == 78 and said.count("\n") == 1, said
        assert said.startswith(f"6: listener web: tls: certificate: {expected}"), said


def test_a_key_of_its_own_option(check, tmp_path, authority):
    one, other = authority.issue(SITE), authority.issue(SITE)
    write(tmp_path, site_pem=one.pem, other_key=other.key_pem, site_key=one.key_pem)
    assert "the key in other.key does not fit" in check(certificate='"%s/site.pem"', key='"%s/other.key"')[1]
    assert "there is no private key in it" in check(certificate='"%s/site.pem"', key='"%s/site.pem"')[1]
    code, said = check(certificate='{"%s/site.pem", "%s/site.pem"}', key='"%s/site.key"')
    assert code == 78 and said.startswith("6: listener web: tls: key goes with one certificate")


def test_what_is_doubtful_is_a_warning(check, tmp_path, authority):
    middle = Authority("Middle", authority)
    alone = middle.issue(SITE)
    late, early = authority.issue(SITE, begin=-9 * DAY, end=-2 * DAY), authority.issue(SITE, begin=3 * DAY)
    staple, nameless = authority.issue(SITE, staple=True), authority.issue()
    for name, one in {"alone": alone, "late": late, "early": early, "staple": staple, "nameless": nameless}.items():
        chain = "" if one is alone else authority.pem
        write_secret(tmp_path / f"{name}.pem", one.pem + chain + one.key_pem)
    for name, expected in {
        "alone": 'the chain may be incomplete: the certificate of "Middle" comes next, and is neither in the file nor trusted',
        "late": "the certificate has expired 2 days ago, so nobody accepts it; renew it",
        "early": "the certificate is not yet valid, for ",
        "staple": "the certificate wants OCSP stapling (must-staple)",
        "nameless": "the certificate names no host (subjectAltName)",
    }.items():
        code, said = check(certificate=f'"%s/{name}.pem"')
        assert code == 0 and said.startswith(f"5: warning: listener web: tls: certificate: {name}.pem: {expected}"), said


@pytest.mark.parametrize("place, at_start", [(None, 0), ("http://ca.example/middle.der", 2)])
def test_a_chain_that_may_be_incomplete(relay, tmp_path, authority, place, at_start):
    """Of private authorities that is as it should be more often than not: only a check tells of it, and not where their certificate
    is among those that clients, or the server, are verified by."""
    middle = Authority("Middle", authority)
    one = middle.issue(SITE, place=place)
    write(tmp_path, site_pem=one.pem + one.key_pem, ca_pem=middle.pem)
    address = f"127.0.0.1:{free_port()}"

    def config(inside="", ahead=""):
        return (f'listener web {{ address = "{address}" upstream = app tls {{ certificate = "{tmp_path}/site.pem" {inside} }} }}\n'
                f'upstream app {{ server a {{ address = "127.0.0.1:1" }} tls {{ certificate = "{tmp_path}/site.pem" {ahead} }} }}\n')

    def check(**how):
        conf = tmp_path / "check.conf"
        conf.write_text(config(**how))
        return once("-t", "-f", conf).stderr
    whole = 'the chain may be incomplete: the certificate of "Middle" comes next, and is neither in the file nor trusted by this machine'
    assert check().count(whole) == 2
    assert check(inside=f'verify_client = optional ca = "{tmp_path}/ca.pem"', ahead=f'ca = "{tmp_path}/ca.pem"') == ""
    running = relay(text=config())
    running.hup()
    told = len([line for line in running.all_lines() if whole in line.text])
    assert at_start <= told <= 2 * at_start   # the reload's may come later


def test_names_that_no_certificate_covers(tmp_path, authority):
    """Each with its line, in the order of the file, and what the certificates are for."""
    one, other = authority.issue("www.example", "a.example"), authority.issue("*.b.example", "a.example", kind="rsa")
    write_secret(tmp_path / "one.pem", one.pem + authority.pem + one.key_pem)
    write_secret(tmp_path / "other.pem", other.pem + authority.pem + other.key_pem)
    conf = tmp_path / "relayd.conf"

    def run(*patterns, tls=True, more=""):
        conf.write_text('listener web {\n address = "127.0.0.1:1"\n mode = tcp\n upstream = app\n'
                        + "".join(f' route "{pattern}" {{ upstream = app }}\n' for pattern in patterns)
                        + (f' tls {{ certificate = {{"{tmp_path}/one.pem", "{tmp_path}/other.pem"}} groups = "X25519:P-9999" {more} }}\n' if tls else "")
                        + '}\nupstream app { server a { address = "127.0.0.1:2" } }\n')
        done = once("-t", "-f", conf)
        assert done.returncode == 0, done.stderr
        lines = done.stderr.replace(f"{conf}:", "").splitlines()
        assert not tls or "P-9999" in lines.pop()
        return lines

    assert run("sni:www.example", "sni:A.example.", "sni:x.b.example", "sni:*.b.example", "sni:*.example", "alpn:h2") == []
    names = "*.b.example, a.example, www.example"
    assert run("sni:www.example", "sni:other.example", "sni:*.c.example", "sni:x.y.b.example", "sni:b.example") == [
        f'{line}: warning: listener web: route "sni:{name}": name not covered: the listener\'s certificates are for {names}, so clients that '
        f"ask for {one_of}{name} refuse what they get; add a certificate for it."
        for line, name, one_of in [(6, "other.example", ""), (7, "*.c.example", "one of "), (8, "x.y.b.example", ""), (9, "b.example", "")]]
    assert run("sni:other.example", tls=False) == []
    assert run("alpn:h2", "alpn:x", more='alpn = {"h2"}') == [
        '6: warning: listener web: route "alpn:x": no client takes it, since TLS ends here and agrees on other protocols alone; '
        "add x to alpn in the listener's tls."]


def test_suites_groups_and_protocols(check, tmp_path, authority):
    one = authority.issue(SITE)
    write(tmp_path, site_pem=one.pem + authority.pem + one.key_pem)
    code, said = check(certificate='"%s/site.pem"', ciphers='"ECDHE-RSA-AES128-SHA:TLS_AES_128_GCM_SHA256"')
    assert code == 78 and '6: listener web: tls: ciphers: "ECDHE-RSA-AES128-SHA" is none of the suites' in said
    assert "TLS_AES_128_GCM_SHA256, " in said and "ECDHE-RSA-CHACHA20-POLY1305" in said
    code, said = check(certificate='"%s/site.pem"', groups='"X25519:P-9999"')
    assert (code, said) == (0, "6: warning: listener web: tls: groups: P-9999 is unknown to this machine's libssl, and left out.\n")
    code, said = check(certificate='"%s/site.pem"', groups='"P-9999"')
    assert code == 78 and "knows none of these groups" in said
    code, said = check(certificate='"%s/site.pem"', alpn=f'{{"http/1.1",\n"{"x" * 256}"}}')
    assert code == 78 and said.startswith("7: listener web: tls: alpn: must be the name of a protocol")
    for written in ('"h2,http/1.1"', '{"h2 http/1.1"}'):
        code, said = check(certificate='"%s/site.pem"', alpn=written)
        assert code == 78 and said.startswith('6: listener web: tls: alpn: several protocols are a list, as in {"h2", "http/1.1"}')


def test_clients_with_certificates(check, tmp_path, authority):
    one = authority.issue(SITE)
    write(tmp_path, site_pem=one.pem + authority.pem + one.key_pem, ca_pem=authority.pem, old_crl=authority.revoked(end=-2 * DAY / 2),
          none_pem=one.key_pem)
    for options, expected in [
        ({"verify_client": "required"}, "verify_client needs ca"),
        ({"ca": '"%s/ca.pem"'}, "ca has no meaning without verify_client"),
        ({"crl": '"%s/old.crl"'}, "crl has no meaning without verify_client"),
        ({"verify_client": "optional", "ca": '"%s/none.pem"'}, "ca: none.pem: there is no certificate in it"),
        ({"verify_client": "optional", "ca": '"%s/ca.pem"', "crl": '"%s/ca.pem"'}, "crl: ca.pem: there is no list of revoked"),
        ({"verify_client": "optional", "ca": '"%s/ca.pem"', "crl": '"%s/old.crl"'}, "crl: old.crl: the list of revoked certificates has expired"),
    ]:
        code, said = check(certificate='"%s/site.pem"', **options)
        assert code == 78 and expected in said, said


def test_keys_of_tickets(check, tmp_path, authority):
    one = authority.issue(SITE)
    line = base64.b64encode(bytes(80)).decode() + "\n"
    write(tmp_path, site_pem=one.pem + authority.pem + one.key_pem, good_keys=3 * line, few_keys=2 * line, cut_keys=3 * line + "secret")
    assert check(certificate='"%s/site.pem"', ticket_keys='"%s/good.keys"') == (0, "")
    for options, expected in [
        ({"tickets": "false", "ticket_keys": '"%s/good.keys"'}, "7: listener web: tls: ticket_keys has no meaning with tickets = false"),
        ({"ticket_keys": '"good.keys"'}, "6: listener web: tls: ticket_keys = good.keys: must be the path of a file"),
        ({"ticket_keys": '"%s/none.keys"'}, "6: listener web: tls: ticket_keys: none.keys: there is no such file"),
        ({"ticket_keys": '"%s"'}, "this is a directory; it must be a regular file"),
        ({"ticket_keys": '"%s/few.keys"'}, "6: listener web: tls: ticket_keys: few.keys: there are 2 keys in it; it must have at least 3"),
        ({"ticket_keys": '"%s/cut.keys"'}, "6: listener web: tls: ticket_keys: cut.keys: line 4 has 6 characters; it must be a key of 80 bytes"),
    ]:
        code, said = check(certificate='"%s/site.pem"', **options)
        assert code == 78 and expected in said, said
        assert "secret" not in said


READ, CHANGE = "everybody on this machine may read {} in it (mode {:04o}): {}", "{} may change {} in it (mode {:04o}): chmod go-w"


@pytest.mark.parametrize("mode, group, expected", [
    (0o600, 0, None), (0o640, 0, None), (0o440, 4, None),
    (0o644, 0, (READ, "chgrp relayd {} && chmod 0640")), (0o666, 0, (READ, "chgrp relayd {} && chmod 0640")),
    (0o644, 4, (READ, "chmod go-w,o=")), (0o660, 4, (CHANGE, "its group")), (0o602, 4, (CHANGE, "everybody")),
])
def test_secrets_that_others_may_read_or_change(check, relay, tmp_path, authority, mode, group, expected):
    """With path, mode and remedy: at a check, as it starts, and with each reload; of certificates' keys, tickets' and upstreams'."""
    if os.geteuid() != 0:
        pytest.skip("files of other groups are root's to make")
    one = authority.issue(SITE)
    whole = one.pem + authority.pem
    write(tmp_path, site_pem=whole, site_key=one.key_pem, own_pem=whole + one.key_pem, ticket_keys=3 * (base64.b64encode(bytes(80)).decode() + "\n"))
    for name in ("site.key", "own.pem", "ticket.keys"):
        os.chown(tmp_path / name, 0, group)
        (tmp_path / name).chmod(mode)

    def said(where, option, name, what):
        if expected is None:
            return []
        form, words = expected
        sentence = form.format(what, mode, words.format(tmp_path / name)) if form is READ else form.format(words, what, mode)
        return [f"{where}: tls: {option}: {tmp_path}/{name}: {sentence} {tmp_path}/{name}."]

    address = f"127.0.0.1:{free_port()}"
    text = (f'listener web {{ address = "{address}" upstream = app\n tls {{ certificate = "{tmp_path}/site.pem"\n ticket_keys = '
            f'"{tmp_path}/ticket.keys" }} }}\nupstream app {{\n tls {{ certificate = "{tmp_path}/own.pem" }}\n server a {{ address = "127.0.0.1:1" }} }}\n')
    conf = tmp_path / "check.conf"
    conf.write_text(text)
    all_of_it = sorted(said("listener web", "certificate", "site.key", "the private key")
                       + said("listener web", "ticket_keys", "ticket.keys", "the keys of tickets")
                       + said("upstream app", "certificate", "own.pem", "the private key"))
    done = once("-t", "-f", conf)
    assert sorted(re.sub(r"^\S+: warning: ", "", line) for line in done.stderr.splitlines()) == all_of_it
    running = relay(text=text)
    running.hup()
    lines = running.wait_log(r" may (read|change) ", count=6) if expected else []
    logged = [re.sub(r"^\S+: ", "", line.text) for line in lines]
    assert sorted(logged) == sorted(2 * all_of_it)


def test_what_must_be_given(check):
    assert check() == (78, '4: listener web: tls: certificate must be given, as in certificate = "/etc/relayd/tls/site.pem"\n')
    assert check(certificate="{}") == (78, "5: listener web: tls: certificate = {}: must have at least one file\n")
    assert check(certificate="site.pem") == (
        78, "5: listener web: tls: certificate = site.pem: must be the path of a file from / on, or credential:NAME\n")
    code, said = check(certificate='"credential:site.pem"')
    assert code == 78 and "$CREDENTIALS_DIRECTORY is not set" in said


def test_a_credential_is_a_file(check, tmp_path, authority, monkeypatch):
    one = authority.issue(SITE)
    write(tmp_path, site_pem=one.pem + authority.pem, site_key=one.key_pem)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert check(certificate='"credential:site.pem"', key='"credential:site.key"') == (0, "")
    assert check(certificate='"credential:site.pem"') == (0, "")
    dump = once("-T", "-f", tmp_path / "relayd.conf").stdout
    assert 'certificate = {"credential:site.pem"}' in dump and "BEGIN" not in dump


def test_folders_as_tools_leave_them(check, tmp_path, authority):
    one, other, third = authority.issue("a.example"), authority.issue("b.example"), authority.issue("c.example")
    for folder in ("flat", "lego", "live/c.example", "live/empty", "live/c.example", "bare"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    write_secret(tmp_path / "flat" / "a.pem", one.pem + authority.pem + one.key_pem)
    (tmp_path / "flat" / ".a.pem.tmp").write_text("half")
    (tmp_path / "flat" / "README").write_text("for people")
    (tmp_path / "lego" / "b.crt").write_text(other.pem + authority.pem)
    write_secret(tmp_path / "lego" / "b.key", other.key_pem)
    (tmp_path / "lego" / "b.issuer.crt").write_text(authority.pem)
    (tmp_path / "lego" / "b.json").write_text("{}")
    (tmp_path / "live" / "README").write_text("for people")
    for name, text in {"fullchain": third.pem + authority.pem, "cert": third.pem, "chain": authority.pem, "privkey": third.key_pem}.items():
        write_secret(tmp_path / "live" / "c.example" / f"{name}.pem", text)
    for folder in ("flat", "lego", "live", "live/c.example"):
        assert check(certificate=f'"%s/{folder}"') == (0, ""), folder
    assert check(certificate='{"%s/flat/", "%s/lego", "%s/live"}') == (0, "")
    code, said = check(certificate='"%s/bare"')
    assert code == 78 and said.startswith("5: listener web: tls: certificate: bare: there is no certificate in this folder; it must have"), said
    (tmp_path / "lego" / "b.key").unlink()
    code, said = check(certificate='"%s/lego"')
    assert code == 78 and "lego/b.crt: its key is missing" in said


def test_an_unreadable_file(check, tmp_path, authority):
    one = authority.issue(SITE)
    path = tmp_path / "site.pem"
    write_secret(path, one.pem + authority.pem + one.key_pem)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root reads all")
    code, said = check(certificate='"%s/site.pem"')
    assert code == 78 and "permission denied: relayd runs as user" in said and "setfacl or LoadCredential=" in said


# Upstreams

def test_an_upstream(tmp_path, authority):
    one = authority.issue("relayd", client=True)
    write(tmp_path, ca_pem=authority.pem, own_pem=one.pem + authority.pem + one.key_pem, none_pem=one.key_pem)
    conf = tmp_path / "relayd.conf"

    def run(options, server="localhost:443"):
        conf.write_text('listener web { address = "127.0.0.1:1" upstream = app }\nupstream app {\n'
                        + f'    server a {{ address = "{server}" }}\n    tls {{\n{options}\n    }}\n}}\n'.replace("%s", str(tmp_path)))
        done = once("-t", "-f", conf)
        return done.returncode, done.stderr.replace(str(tmp_path) + "/", "")

    assert run("") == (0, "")
    assert run('ca = "%s/ca.pem" name = x.example alpn = {"http/1.1"} certificate = "%s/own.pem" key = "%s/own.pem"') == (0, "")
    assert run('name = "2001:db8::1"', "unix:/run/app.sock") == (0, "")
    code, said = run("verify = false")
    assert code == 0 and said.startswith("relayd.conf:5: warning: upstream app: tls: verify: the certificates of servers are not verified"), said
    for options, expected in {
        'ca = "%s/none.pem"': "ca: none.pem: there is no certificate in it",
        'ca = "%s/ca.pem" verify = false': "ca has no meaning with verify = false",
        'key = "%s/own.pem"': "key has no meaning without certificate",
        'certificate = "%s/ca.pem"': "certificate: ca.pem: its key is missing",
        'name = "x.example:443"': "must be a host's name or an IP address, without a port",
        "alpn = {\"\"}": "alpn: must be the name of a protocol",
    }.items():
        code, said = run(options)
        assert code == 78 and f"relayd.conf:5: upstream app: tls: {expected}" in said or expected in said, said
    code, said = run("", "unix:/run/app.sock")
    assert code == 78 and "name must be given, since a unix socket has no host" in said
    assert once("-T", "-f", conf).returncode == 78
    run("verify = false")
    assert "    tls {\n        verify = false\n        ca = \"\"\n" in once("-T", "-f", conf).stdout


def understood(config, tmp_path):
    conf = tmp_path / "understood.conf"
    conf.write_text(config)
    done = once("-t", "-f", conf)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_was_understood(tmp_path, authority):
    one, other = authority.issue("www.example", "a.example", "b.example", "c.example", "d.example"), authority.issue(SITE, end=30 * DAY)
    write(tmp_path, site_pem=one.pem + authority.pem + one.key_pem, other_pem=other.pem + other.key_pem, ca_pem=authority.pem)
    day = one.certificate.not_valid_after.strftime("%Y-%m-%d"), other.certificate.not_valid_after.strftime("%Y-%m-%d")

    def config(inside, ahead):
        return (f'listener web {{ address = "127.0.0.1:1" upstream = app tls {{ certificate = {{"{tmp_path}/site.pem", "{tmp_path}/other.pem"}} '
                f'{inside} }} }}\nupstream app {{ server a {{ address = "127.0.0.1:2" }} tls {{ {ahead} }} }}\n')
    lines = understood(config("", ""), tmp_path)
    assert lines[1:6] == [
        "    tls: from version 1.2; verify_client off",
        f"    certificate www.example, a.example, b.example and 2 more: until {day[0]}; {tmp_path}/site.pem",
        f"    certificate {SITE}: until {day[1]}; {tmp_path}/other.pem",
        "upstream app: round_robin; 1 server; no health checks",
        "    tls: verified by this machine's authorities; name of each server's address"]
    lines = understood(config(f'min_version = 1.3 verify_client = required ca = "{tmp_path}/ca.pem"',
                              f'ca = "{tmp_path}/ca.pem" name = "app.test" certificate = "{tmp_path}/other.pem"'), tmp_path)
    assert lines[1] == f"    tls: from version 1.3; verify_client required by {tmp_path}/ca.pem"
    assert lines[5:7] == [f"    tls: verified by {tmp_path}/ca.pem; name app.test", f"    certificate {SITE}: until {day[1]}; {tmp_path}/other.pem"]
    assert understood(config("", "verify = false"), tmp_path)[5] == "    tls: not verified; name of each server's address"
    lines = understood(config("outlive = false", "outlive = false"), tmp_path)
    assert [line for line in lines if "outlive" in line] == [
        "    tls: from version 1.2; verify_client off; does not outlive relayd",
        "    tls: verified by this machine's authorities; name of each server's address; does not outlive relayd"]
    assert understood(config("", "verify = false outlive = false"), tmp_path)[5].endswith("of each server's address; does not outlive relayd")
    (tmp_path / "many").mkdir()
    for nth in range(23):
        write_secret(tmp_path / "many" / f"{nth:02}.pem", other.pem + other.key_pem)
    lines = understood(f'listener web {{ address = "127.0.0.1:1" upstream = app tls {{ certificate = "{tmp_path}/many" }} }}\n'
                       'upstream app { server a { address = "127.0.0.1:2" } }\n', tmp_path)
    assert [line[:15] for line in lines[2:22]] == ["    certificate"] * 20 and lines[22] == "    and 3 certificates more"


# While it runs

def test_status_shows_tls(relay, tmp_path, at, authority):
    one, other = authority.issue("www.example", "example"), authority.issue(SITE, "a.example", end=30.5 * DAY)
    write(tmp_path, site_pem=one.pem + one.key_pem, other_pem=other.pem + other.key_pem, ca_pem=authority.pem)
    relay(text=f'control = "{at}"\nlistener web {{ address = "127.0.0.1:{free_port()}" upstream = app\n    tls {{ certificate = '
          f'{{"{tmp_path}/site.pem", "{tmp_path}/other.pem"}} verify_client = optional ca = "{tmp_path}/ca.pem" }} }}\n'
          f'listener plain {{ address = "127.0.0.1:{free_port()}" upstream = bare }}\n'
          f'upstream app {{ server a {{ address = "127.0.0.1:1" }} tls {{ name = "app.test" certificate = "{tmp_path}/site.pem" }} }}\n'
          'upstream open { server a { address = "127.0.0.1:1" } tls { verify = false } }\nupstream bare { server a { address = "127.0.0.1:1" } }\n')
    status = json.loads(relayctl("-s", at, "--json", "status"))
    soon = {"names": [SITE, "a.example"], "subject": SITE, "not_after": int(other.certificate.not_valid_after.replace(
        tzinfo=datetime.timezone.utc).timestamp()), "days_left": 30}
    assert [one["tls"] for one in status["listeners"]] == [
        {"min_version": "1.2", "verify_client": "optional", "certificates": 2, "ends_first": soon}, None]
    ahead, unverified, plain = [one["tls"] for one in status["upstreams"]]
    assert (ahead["verify"], ahead["name"], ahead["certificates"], ahead["ends_first"]["names"]) == (True, "app.test", 1, ["www.example", "example"])
    assert (unverified, plain) == ({"verify": False, "name": "", "certificates": 0, "ends_first": None}, None)
    text = relayctl("-s", at, "status")
    day = [one.certificate.not_valid_after.strftime("%Y-%m-%d") for one in (one, other)]
    assert f"TLS, clients' certificates optional, 2 certificates, the first to end, {SITE} +1 until {day[1]} (30 days)\n" in text
    assert re.search(rf"TLS, verified as app.test, shows www.example \+1 until {day[0]} \((89|90) days\)\n", text)
    assert text.count("TLS, ") == 3 and "TLS, not verified\n" in text

def test_certificates_of_a_running_relayd(relay, tmp_path, at, authority):
    """relayctl, the page and the metric list them; a reload takes new ones, all or none."""
    first, second = authority.issue("www.example", "example", end=89.5 * DAY), authority.issue("www.example", end=30 * DAY)
    write_secret(tmp_path / "site.pem", first.pem + authority.pem + first.key_pem)
    address = f"127.0.0.1:{free_port()}"
    one = relay(text=f'control = "{at}"\nlistener web {{ address = "{address}" upstream = app\n'
                f'    tls {{ certificate = "{tmp_path}/site.pem" }}\n}}\n' + section("upstream", "app", server="127.0.0.1:1"))
    listed = json.loads(relayctl("-s", at, "--json", "certificates"))
    assert [(row["listener"], row["names"], row["issuer"], row["serial"], row["key"], row["file"]) for row in listed] == [
        ("web", ["www.example", "example"], "Test CA", first.serial, "ecdsa 256", f"{tmp_path}/site.pem")]
    assert listed[0]["days_left"] == 89
    assert listed[0]["fingerprint"] == first.certificate.fingerprint(hashes.SHA256()).hex()
    assert json.loads(asked(at, "/certificates.json")[2]) == listed
    text = relayctl("-s", at, "certificates").splitlines()
    assert text[0].split() == ["SECTION", "NAMES", "ENDS", "DAYS", "KEY", "ISSUER", "FILE"]
    assert text[1].split()[:4] == ["listener", "web", "www.example", "+1"]
    metric = f'relayd_certificate_not_after_seconds{{listener="web",name="www.example",serial="{first.serial}"}} {listed[0]["not_after"]}'
    assert metric in asked(at, "/metrics")[2]
    write_secret(tmp_path / "site.pem", second.pem + first.key_pem)
    assert "the key in" in one.hup()
    assert json.loads(relayctl("-s", at, "--json", "certificates"))[0]["serial"] == first.serial
    write_secret(tmp_path / "site.pem", second.pem + authority.pem + second.key_pem)
    one.hup()
    assert json.loads(relayctl("-s", at, "--json", "certificates"))[0]["serial"] == second.serial


def test_the_certificate_of_an_upstream(relay, tmp_path, at, authority):
    """It is listed and measured as one of a listener is, and its end is warned of; a reload takes the next."""
    first, second = authority.issue("relayd", client=True, begin=-20 * DAY, end=5 * DAY), authority.issue(SITE, client=True)
    write_secret(tmp_path / "own.pem", first.pem + authority.pem + first.key_pem)
    one = relay(text=f'control = "{at}"\nlistener web {{ address = "127.0.0.1:{free_port()}" upstream = app }}\n'
                f'upstream app {{ server a {{ address = "127.0.0.1:1" }} tls {{ certificate = "{tmp_path}/own.pem" }} }}\n'
                'upstream plain { server a { address = "127.0.0.1:1" } }\nupstream bare { server a { address = "127.0.0.1:1" } tls { } }\n')
    listed = json.loads(relayctl("-s", at, "--json", "certificates"))
    assert [(row["listener"], row["upstream"], row["names"], row["subject"], row["serial"], row["file"]) for row in listed] == [
        (None, "app", [], "relayd", first.serial, f"{tmp_path}/own.pem")]
    assert relayctl("-s", at, "certificates").splitlines()[1].split()[:3] == ["upstream", "app", "relayd"]
    metric = f'relayd_certificate_not_after_seconds{{upstream="app",name="relayd",serial="{first.serial}"}} {listed[0]["not_after"]}'
    assert metric in asked(at, "/metrics")[2]
    one.wait_log(r"Upstream app: the certificate of relayd \(.*/own.pem\) ends in [45] days, on .*, and nobody has renewed it")
    write_secret(tmp_path / "own.pem", second.pem + authority.pem + second.key_pem)
    one.hup()
    row = json.loads(relayctl("-s", at, "--json", "certificates"))[0]
    assert (row["serial"], row["subject"], row["upstream"]) == (second.serial, SITE, "app")


def test_explain_of_a_name(relay, origin, at, tmp_path):
    """Which certificate a client gets that asks for it: of RSA and ECDSA; by a wildcard; none; and which listeners look at no name."""
    authority = Authority()
    files = {}
    for name, names, kind in (("first", ["first.example"], "ecdsa"), ("ecdsa", ["www.example", "*.www.example"], "ecdsa"),
                              ("rsa", ["www.example"], "rsa2048")):
        one = authority.issue(*names, kind=kind)
        files[name] = tmp_path / f"{name}.pem"
        files[name].write_text(one.pem + one.key_pem)
    listed = ", ".join(f'"{path}"' for path in files.values())
    tls, plain = free_port(), free_port()
    relay(address=f"127.0.0.1:{tls}", text=f'control = "{at}"\n'
          f'listener web {{ address = "127.0.0.1:{tls}" upstream = app tls {{ certificate = {{{listed}}} }} }}\n'
          + section("listener", "plain", address=f"127.0.0.1:{plain}", upstream="app") + section("upstream", "app", server=origin(echo)))

    def shown(*words):
        return json.loads(relayctl("-s", at, "--json", "explain", *words))
    (found,) = shown("WWW.example")
    assert (found["listener"], found["upstream"], found["covered"]) == ("web", "app", True)
    assert {(one["file"], one["key"]) for one in found["certificates"]} == {
        (str(files["ecdsa"]), "ecdsa 256"), (str(files["rsa"]), "rsa 2048")}
    (found,) = shown("name=a.www.example", "listener=web")
    assert ([one["names"] for one in found["certificates"]], found["covered"]) == ([["www.example", "*.www.example"]], True)
    (found,) = shown("localhost.example")
    assert ([one["file"] for one in found["certificates"]], found["covered"]) == ([str(files["first"])], False)
    said = relayctl("-s", at, "explain", "www.example")
    assert "web: a client that asks for www.example goes to app.\n  It gets the certificate of www.example (" in said
    assert f"or of www.example +1 ({files['ecdsa']}, ecdsa 256, until 20" in said
    assert "No certificate is for this name. It gets the first one, and most clients leave: that of first.example (" in relayctl(
        "-s", at, "explain", "name=localhost")
    by_client = {one["listener"]: one for one in shown("192.0.2.7", "name=a.www.example")}
    assert by_client["web"]["covered"] and by_client["plain"]["certificates"] is None
    assert "It gets the certificate of www.example +1 (" in relayctl("-s", at, "explain", "192.0.2.7", "name=a.www.example")
    assert "there is no listener plain that looks at the name" in relayctl("-s", at, "explain", "www.example", "listener=plain", status=1)


def test_explain_says_that_a_certificate_has_expired(relay, origin, at, authority, tmp_path):
    one = authority.issue("www.example", begin=-9 * DAY, end=-2 * DAY)
    write_secret(tmp_path / "late.pem", one.pem + one.key_pem)
    address = f"127.0.0.1:{free_port()}"
    relay(address=address, text=f'control = "{at}"\nlistener web {{ address = "{address}" upstream = app '
          f'tls {{ certificate = "{tmp_path}/late.pem" }} }}\n' + section("upstream", "app", server=origin(echo)))
    said = relayctl("-s", at, "explain", "www.example")
    assert f"It gets the certificate of www.example ({tmp_path}/late.pem, ecdsa 256, until 20" in said and ": it has expired)." in said
