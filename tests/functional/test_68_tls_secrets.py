"""What must not be told: private keys, and the secrets of connections. Not in the log, not in what is dumped, printed or asked."""

import base64
import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys

import pytest
from by_hand import BOTH, ByHand, Sealer
from certificates import write_secret
from client import connect
from control import asked, relayctl
from keeper import KEEPER, Keeper, Revived
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
    write_secret(folder / "own.pem", own.pem + own.key_pem)
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
@pytest.mark.parametrize("which", ["with keys", "without keys", "keeper"])
def test_there_is_no_core_of_it(tmp_path, short_path, which):
    """Whatever the limit; without keys there is one, if this machine makes any."""
    address, site, conf = f"127.0.0.1:{free_port()}", Site(tmp_path), tmp_path / "relayd.conf"
    keys = which != "without keys"
    conf.write_text(f'listener web {{ address = "{address}" upstream = app {site.section() if keys else ""} }}\n'
                    f'upstream app {{ server a {{ address = "127.0.0.1:{free_port()}" }} }}\n')
    limit = resource.getrlimit(resource.RLIMIT_CORE)[1]
    words = [KEEPER, "--socket", str(short_path / "keeper")] if which == "keeper" else [RELAYD, "-f", str(conf)]
    one = subprocess.Popen(["prlimit", f"--core={limit}", *words], cwd=tmp_path, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    with one:
        ready = "Ready to hold" if which == "keeper" else "takes connections"
        until(lambda: ready in one.stderr.readline(), "it is there")
        if which == "keeper":
            with open(f"/proc/{one.pid}/limits", encoding="ascii") as limits:
                assert re.search(r"^Max core file size +0 +0 ", limits.read(), re.M)
        os.kill(one.pid, signal.SIGABRT)
        _, status = os.waitpid(one.pid, 0)
        one.returncode = -signal.SIGABRT
    assert os.WTERMSIG(status) == signal.SIGABRT
    if keys:
        assert not os.WCOREDUMP(status)
    elif not os.WCOREDUMP(status):
        pytest.skip("this machine makes no core files")


# Another process of the same user

NOBODY = 65534
#: The same as those who are looked at; root, who may look at all, becomes another one for it.
AS_USER = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all",
           "--bounding-set=-all"] if os.geteuid() == 0 else []
#: relayd of that user, with the folder of its file and of the socket at which it says that it is ready.
RELAYD_AS_USER = ["sh", "-c", f'chown -R {NOBODY} "${{NOTIFY_SOCKET%/*}}" && exec {" ".join(AS_USER)} "$@"', "sh"] if AS_USER else []

PEEK = """
import ctypes, json, os, sys

pid, libc = int(sys.argv[1]), ctypes.CDLL(None, use_errno=True)

def shared():   # the table is such memory
    for number in os.listdir(f"/proc/{pid}/fd"):
        if os.readlink(f"/proc/{pid}/fd/{number}").startswith("/memfd:"):
            open(f"/proc/{pid}/fd/{number}", "rb").read()

def called(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "")

ways = {
    "shared": shared,
    "maps": lambda: open(f"/proc/{pid}/maps").read(),
    "memory": lambda: open(f"/proc/{pid}/mem", "rb").close(),
    "copy": lambda: called(libc.syscall(438, os.pidfd_open(pid), 0, 0)),   # pidfd_getfd(2)
    "trace": lambda: called(libc.ptrace(0x4206, pid, None, None)),         # PTRACE_SEIZE
}
let_in = []
for name, way in ways.items():
    try:
        way()
        let_in.append(name)
    except PermissionError:
        pass
print(json.dumps(let_in))
"""

SHARES = """
import os, sys
os.write(os.memfd_create("test"), b"x")
print("ready", flush=True)
sys.stdin.read()
"""


def become_user():
    if AS_USER:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def peek(pid):
    """By which ways another process of its user gets at it."""
    done = subprocess.run([*AS_USER, sys.executable, "-c", PEEK, str(pid)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def everywhere_open():
    """The ways that lead into a process that keeps nothing to itself, on this machine."""
    with subprocess.Popen([*AS_USER, sys.executable, "-c", SHARES], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as plain:
        assert plain.stdout.readline() == b"ready\n"
        found = peek(plain.pid)
        plain.stdin.close()
    return found


@pytest.fixture
def of_user(short_path):
    """start(text, ...): a keeper and a relayd of that user, which has the folder."""
    with contextlib.ExitStack() as stack:
        def start(text, address):
            for file in [short_path, *short_path.iterdir()]:
                if AS_USER:
                    os.chown(file, NOBODY, NOBODY)
            keeper = Keeper(short_path / "keeper", prepare=become_user)
            stack.callback(keeper.finish)
            one = Revived(text=text, address=address, wrap=RELAYD_AS_USER)
            stack.callback(one.finish)
            return keeper, one
        yield start


def kept(short_path, address, server, tls):
    return (f'keeper = "{short_path}/keeper"\non_term = leave\nlistener web {{ address = "{address}" upstream = app\n{tls}}}\n'
            f'upstream app {{ server a {{ address = "{server.address}" }} }}\n')


@pytest.mark.skipif(bool(SANITIZER), reason="a sanitizer reads the memory of its own process")
def test_another_process_of_its_user_gets_nothing(of_user, origin, short_path):
    """Not from relayd, not from the keeper, and not from the next relayd, which has keys of tickets and no tls section."""
    ways = everywhere_open()
    assert {"shared", "maps"} <= set(ways), "else this shows nothing"
    site, server, address = Site(short_path, "site.test"), origin(echo), f"127.0.0.1:{free_port()}"
    keeper, one = of_user(kept(short_path, address, server, site.section()), address)
    with site.connect(one) as client:
        assert client.send(b"x").read(1) == b"x"   # by now there is a ticket
        client.tell_end().ending()
    assert (peek(one.pid), peek(keeper.pid)) == ([], [])
    one.kill()
    one.file.write_text(kept(short_path, address, server, ""))
    one.again()
    with connect(one) as client:
        assert client.send(b"x").read(1) == b"x"
    assert (peek(one.pid), peek(keeper.pid)) == ([], [])
    one.kill()
    assert peek(keeper.pid) == []
    one.again()


@pytest.mark.skipif(bool(SANITIZER), reason="a sanitizer reads the memory of its own process")
def test_the_keeper_is_closed_whatever_it_holds(of_user, origin, short_path):
    """A relayd that never had a key is open to its user; its keeper does not know what will come."""
    server, address = origin(echo), f"127.0.0.1:{free_port()}"
    keeper, one = of_user(kept(short_path, address, server, ""), address)
    assert peek(one.pid) == everywhere_open()
    assert peek(keeper.pid) == []


def test_the_table_is_in_no_core(revived, meeting):
    """MADV_DONTDUMP of madvise(2): for a relayd that makes cores."""
    one = revived(meeting)
    with open(f"/proc/{one.pid}/smaps", encoding="ascii") as smaps:
        flags = re.findall(r"/memfd:relayd .*?^VmFlags:([^\n]*)", smaps.read(), re.M | re.S)
    assert flags and all("dd" in line.split() for line in flags)
