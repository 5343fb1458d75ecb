"""A certificate that certbot renews from an ACME authority (pebble), as both are in Debian, is in force without a restart."""

import json
import shutil
import ssl

import pytest
from cryptography import x509

from certificates import Authority
from origin import echo
from service import UNIT, message_id
from tls import TlsPeer

pytestmark = pytest.mark.timeout(300)
NAME = "site.test"
LIVE = "/etc/letsencrypt/live"
COPIES = "/etc/relayd/tls"
HOOK = "/usr/local/share/relayd/acme-deploy"   # as `meson install` puts it
#: listener -> its address, and its certificates: certbot's own folders, and what the hook leaves.
LISTENERS = {"direct": ("127.0.0.1:8443", LIVE), "copied": ("127.0.0.1:8444", COPIES)}
ISSUE = ("certonly", "--standalone", "--http-01-port", "5002", "--server", "https://127.0.0.1:14000/dir", "--agree-tos",
         "--register-unsafely-without-email")
#: The files are looked at every minute.
A_LOOK = 75


@pytest.fixture
def authority(box, tmp_path):
    """certbot(words), with an authority of its own in the box's network that takes everybody's word."""
    missing = [word for word in ("certbot", "pebble", "setfacl") if not shutil.which(word)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    own = Authority().issue("127.0.0.1")
    (tmp_path / "pebble.pem").write_text(own.pem + own.key_pem)
    conf = {"listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000", "httpPort": 5002, "tlsPort": 5001,
            "certificate": str(tmp_path / "pebble.pem"), "privateKey": str(tmp_path / "pebble.pem")}
    (tmp_path / "pebble.json").write_text(json.dumps({"pebble": conf}))
    with (tmp_path / "pebble.log").open("w") as log:
        pebble = box.spawn_net("env", "PEBBLE_VA_ALWAYS_VALID=1", "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0",
                               "pebble", "-config", tmp_path / "pebble.json", stdout=log, stderr=log)
    box.wait(lambda: box.net("curl", "-sk", "https://127.0.0.1:14000/dir", check=False).returncode == 0, "pebble answers")
    try:
        yield lambda *words: box.run("certbot", *words, "--no-verify-ssl", "--non-interactive", timeout=120)
    finally:
        pebble.kill()
        pebble.wait()
        box.run("rm", "-rf", "/etc/letsencrypt", COPIES)


def connect(relayd, listener):
    """A client of TLS, and the serial of the certificate that it got."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE   # the authority's root is new at each start
    peer = TlsPeer(relayd.connect(LISTENERS[listener][0]), context, server_hostname=NAME)
    return peer, x509.load_der_x509_certificate(peer.sock.getpeercert(binary_form=True)).serial_number


def let_read(relayd, *options):
    """As relayd.conf(5) has it."""
    relayd.box.run("setfacl", "-R", *options, "-m", "u:relayd:rX", LIVE, "/etc/letsencrypt/archive")


def can_read(relayd, path):
    return relayd.box.run("setpriv", "--reuid=relayd", "--regid=relayd", "--clear-groups", "cat", path, check=False).returncode == 0


def conf(origin):
    listeners = "".join(f'listener {name} {{\n    address = "{address}"\n    upstream = app\n    tls {{ certificate = "{files}" }}\n}}\n'
                        for name, (address, files) in LISTENERS.items())
    return listeners + (f'upstream app {{ server a {{ address = "{origin}" }} }}\n'
                        'upstream shown {\n    server a { address = "127.0.0.1:1" }\n'
                        f'    tls {{ verify = false certificate = "{LIVE}/{NAME}/fullchain.pem" }}\n}}\n')


def serves(relayd, listener):
    """The serial; a client that comes at any moment is served."""
    peer, serial = connect(relayd, listener)
    with peer:
        assert peer.send(b"x").read(1) == b"x"
    return serial


def check_confinement(relayd):
    limits = relayd.box.run("cat", f"/proc/{relayd.pid}/limits").stdout
    assert [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core file size")] == [["0", "0"]]
    done = relayd.box.run("systemd-analyze", "security", "--no-pager", "--threshold=14", UNIT, check=False)
    assert done.returncode == 0, done.stdout


def test_a_renewal_loses_nobody(relayd, authority):
    relayd.be_as_installed()
    authority(*ISSUE, "--domain", NAME, "--deploy-hook", HOOK)
    for defaults in ((), ("-d",)):
        let_read(relayd, *defaults)
    relayd.start(conf(relayd.add_origin(echo).address))
    pid, held, before = relayd.pid, {}, set()
    for listener in LISTENERS:
        held[listener], serial = connect(relayd, listener)
        before.add(serial)
        held[listener].send(b"a").read(1)
    assert len(before) == 1, "both have the first"

    authority("renew", "--force-renewal", "--no-random-sleep-on-renew", "--server", "https://127.0.0.1:14000/dir")

    def all_new():
        for peer in held.values():
            assert peer.send(b"b").read(1) == b"b", "it goes on"
        now = {serves(relayd, listener) for listener in LISTENERS}
        return now.pop() if len(now) == 1 and not now & before else None
    serial = relayd.box.wait(all_new, "both have the second", A_LOOK)
    taken = relayd.wait_journal(message_id("CERTIFICATE_TAKEN"), count=3)
    assert {(one.get("RELAYD_LISTENER"), one.get("RELAYD_UPSTREAM")) for one in taken} == {
        ("direct", None), ("copied", None), (None, "shown")}
    assert all(f"serial {serial:x}," in one["MESSAGE"].replace("serial 0", "serial ") for one in taken)
    assert not [text for text in relayd.messages(message_id("CERTIFICATE_WRONG")) if "cannot be taken" in text]
    for peer in held.values():
        with peer:
            assert peer.send(b"c").read(1) == b"c", "it goes on"
    assert relayd.pid == pid and relayd.show("NRestarts") == "0"
    check_confinement(relayd)


def test_who_may_read_keys(relayd, authority):
    """certbot gives a renewed key the access of the one before, and that of a new certificate to nobody."""
    authority(*ISSUE, "--domain", NAME)
    assert not can_read(relayd, f"{LIVE}/{NAME}/privkey.pem")
    for defaults in ((), ("-d",)):
        let_read(relayd, *defaults)
    authority("renew", "--force-renewal", "--no-random-sleep-on-renew", "--server", "https://127.0.0.1:14000/dir")
    assert relayd.box.run("readlink", f"{LIVE}/{NAME}/privkey.pem").stdout.endswith("privkey2.pem\n")
    assert can_read(relayd, f"{LIVE}/{NAME}/privkey.pem")
    authority(*ISSUE, "--domain", "second.test")
    assert can_read(relayd, f"{LIVE}/second.test/fullchain.pem") and not can_read(relayd, f"{LIVE}/second.test/privkey.pem")
    let_read(relayd)
    assert can_read(relayd, f"{LIVE}/second.test/privkey.pem")
