"""What must not be told: private keys, and the secrets of connections. Not in the log, not in what is dumped, printed or asked."""

import base64
import json
import os
import re
import resource
import signal
import subprocess

import pytest
from by_hand import BOTH, ByHand, Sealer
from client import connect
from control import asked, relayctl
from origin import echo
from relay import once
from settings import RELAYD, SANITIZER, free_port, until
from tls import Site, over_tls

PAGES = ["/", "/metrics", "/status", "/status.json", "/servers.json", "/connections.json", "/certificates.json", "/gauges.json"]


def spellings(secret):
    """The bytes, in hex, and in base64 wherever they begin in it."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex(":").encode()
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + secret)
        yield whole[4:len(whole) // 4 * 4 - 4] if shift else whole[:-4]


def needles(*secrets):
    """As they would stand in a text, big letters and small ones."""
    found = set()
    for secret in secrets:
        for one in spellings(secret):
            found |= {one, one.upper() if re.fullmatch(rb"[0-9a-f:]+", one) else one}
    return found


def of_key(certificate):
    """A private key: its numbers, and the lines of its PEM."""
    numbers = certificate.key.private_numbers()
    secrets = [numbers.private_value] if hasattr(numbers, "private_value") else [numbers.d, numbers.p, numbers.q]
    lines = [line.encode() for line in certificate.key_pem.splitlines()[1:-1] if len(line) == 64]
    return needles(*[one.to_bytes((one.bit_length() + 7) // 8, "big") for one in secrets]) | set(lines)


def of_log(path):
    """All that a key log has."""
    with open(path, encoding="ascii") as lines:
        return needles(*[bytes.fromhex(line.split()[2]) for line in lines if not line.startswith("#")])


def search(texts, secrets):
    for name, text in texts.items():
        data = text if isinstance(text, bytes) else text.encode()
        for secret in secrets:
            assert secret not in data, f"{name} has a secret"


@pytest.fixture(params=["ecdsa", "rsa2048"])
def site(tmp_path, request):
    return Site(tmp_path, "site.test", "localhost", kind=request.param)


def configured(folder, site, server, at):
    """A listener and an upstream with TLS, each with a key; and their address."""
    own = site.authority.issue("relayd", client=True, kind="ecdsa")
    (folder / "own.pem").write_text(own.pem + own.key_pem)
    port = free_port()
    return own, f"127.0.0.1:{port}", f"""
control = "{at}"
log_level = debug
listener web {{
    address = "127.0.0.1:{port}"
    upstream = app
{site.section()}}}
upstream app {{
    tls {{ ca = "{site.ca}" certificate = "{folder}/own.pem" }}
    server a {{ address = "localhost:{server.port}" }}
}}
"""


def said(one, at, number):
    """All that it says to those who ask."""
    texts = {"log": one.log, "notified": "\n".join(one.notified), "dump": once("-T", "-f", one.file).stdout,
             "check": once("-t", "-f", one.file).stderr}
    for words in (["status"], ["servers"], ["connections"], ["connection", str(number)], ["certificates"]):
        texts[" ".join(words)] = relayctl("-s", at, *words)
        texts[" ".join(words) + " --json"] = relayctl("-s", at, "--json", *words)
    for page in PAGES:
        texts[page] = asked(at, page)[2]
    return texts


def test_keys_and_secrets_are_told_to_nobody(relay, origin, site, tmp_path, at):
    keys = tmp_path / "keylog"
    context = site.server_context()
    context.verify_mode, context.keylog_filename = 2, str(keys)
    context.load_verify_locations(str(site.ca))
    own, address, text = configured(tmp_path, site, server := origin(over_tls(context, echo)), at)
    one = relay(address=address, text=text)
    for version in BOTH.values():
        mine = site.context(least=version, most=version)
        mine.keylog_filename = str(keys)
        with site.connect(one, context=mine) as client:
            assert client.send(b"x").read(1) == b"x"
            (row,) = json.loads(relayctl("-s", at, "--json", "connections"))
            texts = said(one, at, row["id"])
            secrets = of_key(site.certificate) | of_key(own) | of_log(keys)
            search(texts, secrets)
            for proof in (site.file, tmp_path / "own.pem", keys):
                with pytest.raises(AssertionError, match="has a secret"):
                    search({proof.name: proof.read_bytes()}, secrets)
            client.tell_end().ending()
        until(lambda: not json.loads(relayctl("-s", at, "--json", "connections")), "its end")
    one.term()
    one.wait_exit()
    search({"log": one.log}, secrets)
    assert server.accepted == 2


def test_a_file_that_cannot_be_taken_is_not_told(relay, origin, site, tmp_path, at):
    """At -t, at a reload, and by the look at renewed files: what is wrong with a key is said, and nothing of it."""
    server = origin(echo)
    _, address, text = configured(tmp_path, site, server, at)
    one = relay(address=address, text=text)
    key, pem = site.certificate.key_pem, site.certificate.pem
    lines = key.splitlines()
    secrets = of_key(site.certificate)
    for wrong in (key, pem + "\n".join(lines[:-2]), pem + "\n".join(lines[1:]), pem + key.replace("A", "B"), pem + key.replace("PRIVATE", "PUBLIC"),
                  pem + "".join(line + " \x01\n" for line in lines), "".join(lines), pem + key.replace("-----BEGIN", "-----BEGIN ENCRYPTED")):
        site.file.write_text(wrong)
        checked = once("-t", "-f", one.file)
        search({"check": checked.stderr, "dump": once("-T", "-f", one.file).stdout, "why": one.hup(), "log": one.log}, secrets)
        for line in lines[1:-1]:
            assert line[:40] not in checked.stderr + one.log
    with open(one.file, "a", encoding="ascii") as conf:   # somebody pastes it into the wrong file
        conf.write(key)
    checked = once("-t", "-f", one.file)
    assert checked.returncode != 0
    search({"why": one.hup(), "log": one.log, "check": checked.stderr}, {line[:40].encode() for line in lines[2:-1]})


def memory(pid):
    """What the process has in memory that it can write to."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in maps:
            where, rights, _, _, _, *name = line.split()
            if not rights.startswith("rw") or name[:1] == ["[vvar]"]:
                continue
            begin, end = (int(word, 16) for word in where.split("-"))
            if end - begin > 1 << 28:   # a sanitizer's shadow
                continue
            try:
                mem.seek(begin)
                yield mem.read(end - begin)
            except OSError:
                pass   # a guard, or gone meanwhile


def test_what_a_connection_had_is_erased_with_it(relay, origin, tmp_path, at):
    """The keys of its records, and the lines that libssl tells them by."""
    site, keys = Site(tmp_path, "site.test", "localhost"), tmp_path / "keylog"
    server = origin(over_tls(site.server_context(), echo))
    _, address, text = configured(tmp_path, site, server, at)
    one = relay(address=address, text=text)
    context = site.context(least=BOTH["1.3"])
    context.keylog_filename = str(keys)
    with connect(one) as plain:
        client = ByHand(plain, context, name="site.test").shake()
        plain.send(client.seal(b"x"))
        assert client.read(1) == b"x"
        logged = [line.split()[2] for line in keys.read_text().splitlines() if "TRAFFIC_SECRET_0" in line]
        in_use = [Sealer(client, keys, secret=bytes.fromhex(secret)) for secret in logged]
        secrets = {one.expand(b"key", one.key_size) for one in in_use}
        assert len(left(one.pid, secrets)) >= 2   # else nothing is searched for
        plain.send(client.seal(end=True))
        plain.ending()
    one.record(plain)
    secrets |= {secret.encode() for secret in logged}
    until(lambda: not left(one.pid, secrets), "they are erased")
    assert left(one.pid, {b"site.test"})


def left(pid, secrets):
    """Those that are in its memory, each time."""
    return [secret for data in memory(pid) for secret in secrets if secret in data]


@pytest.mark.skipif(bool(SANITIZER), reason="a sanitizer reads the memory of its own process, and keeps the core away itself")
@pytest.mark.parametrize("keys", [True, False])
def test_there_is_no_core_of_it(tmp_path, keys):
    """Whatever the limit; without keys there is one, if this machine makes any."""
    address, site, conf = f"127.0.0.1:{free_port()}", Site(tmp_path), tmp_path / "relayd.conf"
    conf.write_text(f'listener web {{ address = "{address}" upstream = app {site.section() if keys else ""} }}\n'
                    f'upstream app {{ server a {{ address = "127.0.0.1:{free_port()}" }} }}\n')
    limit = resource.getrlimit(resource.RLIMIT_CORE)[1]
    one = subprocess.Popen(["prlimit", f"--core={limit}", RELAYD, "-f", str(conf)], cwd=tmp_path, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    with one:
        until(lambda: "takes connections" in one.stderr.readline(), "it listens")
        os.kill(one.pid, signal.SIGABRT)
        _, status = os.waitpid(one.pid, 0)
        one.returncode = -signal.SIGABRT
    assert os.WTERMSIG(status) == signal.SIGABRT
    if keys:
        assert not os.WCOREDUMP(status)
    elif not os.WCOREDUMP(status):
        pytest.skip("this machine makes no core files")
