"""Sessions of TLS that go on: over a restart, a kill and a reload, on several machines; and where they must not."""

import base64
import os
import signal
import ssl

import pytest
from certificates import Authority, write_secret
from control import asked
from exposition import parse, values
from origin import echo
from settings import free_port
from tls import Site, https

VERSIONS = {"1.3": ssl.TLSVersion.TLSv1_3, "1.2": ssl.TLSVersion.TLSv1_2}


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


class Client:
    """Comes again and again, with the session of the time before."""

    def __init__(self, site, version="1.3", certificate=None):
        self.site, self.session = site, None
        self.context = site.context(least=VERSIONS[version], most=VERSIONS[version])
        if certificate:
            self.context.load_cert_chain(str(certificate))

    def come(self, where, keep=True):
        """Whether its session was resumed."""
        with self.site.connect(where, context=self.context, session=self.session) as peer:
            assert peer.send(b"x").read(1) == b"x"   # by now tickets have come
            if keep:
                self.session = peer.sock.session
            resumed = peer.sock.session_reused
            peer.tell_end()
        return resumed


def new_key(size=80):
    return base64.b64encode(os.urandom(size)).decode() + "\n"


def with_keeper(keeper, site, server):
    return dict(top=f'keeper = "{keeper.path}"\non_term = leave', site=site, server=server)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_with_a_keeper_sessions_outlive_relayd(revived, keeper, origin, site, how, version):
    one = https(revived, **with_keeper(keeper, site, origin(echo)))
    client = Client(site, version)
    assert not client.come(one)
    one.wait_records(1)   # that of the next one might be written first
    assert client.come(one)
    for count in (2, 3):
        one.wait_records(count)
        one.crash(how)
        assert client.come(one)
    assert [record.tls_resumed for record in one.wait_records(4)] == ["no", "yes", "yes", "yes"]


def test_without_a_keeper_or_a_file_they_end_with_it(revived, origin, site):
    one = https(revived, site, origin(echo), top="keeper = off")
    client = Client(site)
    assert not client.come(one)
    one.crash(signal.SIGKILL)
    assert not client.come(one)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kept", ["off", "missing", "held"])
def test_over_a_reload(relay, keeper, origin, site, tmp_path, kept, version):
    name = {"off": "off", "missing": str(tmp_path / "none.sock"), "held": keeper.path}[kept]
    one = https(relay, site, origin(echo), top=f'keeper = "{name}"')
    client = Client(site, version)
    assert not client.come(one)
    one.hup()
    assert client.come(one)


@pytest.mark.parametrize("size", [80, 48])
def test_machines_that_share_a_file(revived, origin, site, tmp_path, size):
    """One adds a key, the other has not yet; each opens what the other has made."""
    keys = [new_key(size) for _ in range(4)]
    files = [tmp_path / "a.keys", tmp_path / "b.keys"]
    server = origin(echo)
    for i, file in enumerate(files):
        file.write_text("".join(keys[:3 + i]))
    one, other = (https(revived, site, server, top="keeper = off", tls={"ticket_keys": str(file)}) for file in files)
    client = Client(site)
    assert not client.come(one)
    for where in (other, one, other):
        assert client.come(where)
    one.crash(signal.SIGKILL)
    assert client.come(one)
    for relayd in (one, other):
        assert not any(key.strip() in relayd.log for key in keys)


def test_a_changed_file_is_read_by_a_reload(relay, origin, site, tmp_path):
    file = tmp_path / "tickets.keys"
    keys = [new_key() for _ in range(5)]
    file.write_text("".join(keys[:3]))
    one = https(relay, site, origin(echo), tls={"ticket_keys": str(file)})
    client = Client(site)
    assert not client.come(one)
    file.write_text("".join(keys[:4]))
    one.hup()
    assert client.come(one)
    file.write_text("".join(keys[2:5]))
    one.hup()
    assert client.come(one)            # it was renewed by the third key
    file.write_text("".join(new_key() for _ in range(3)))
    one.hup()
    assert not client.come(one)


def test_a_damaged_file_changes_nothing(relay, origin, site, tmp_path):
    file = tmp_path / "tickets.keys"
    file.write_text("".join(new_key() for _ in range(3)))
    one = https(relay, site, origin(echo), tls={"ticket_keys": str(file)})
    client = Client(site)
    assert not client.come(one)
    file.write_text(new_key() + "nonsense\n")
    one.signal(signal.SIGHUP)
    one.wait_log(r"ticket_keys: .*tickets.keys: line 2 has 8 characters; it must be a key of 80 bytes in base64")
    assert client.come(one)
    assert "nonsense" not in one.log


# Where a session must not go on


@pytest.mark.parametrize("version", VERSIONS)
def test_not_at_another_listener(relay, origin, site, version):
    a, b = free_port(), free_port()
    listeners = "".join(f'listener {name} {{\n    address = "127.0.0.1:{port}"\n    upstream = app\n{site.section()}}}\n'
                        for name, port in (("a", a), ("b", b)))
    one = relay(address=f"127.0.0.1:{a}", text=f'{listeners}upstream app {{ server a {{ address = "{origin(echo).address}" }} }}\n')
    client = Client(site, version)
    assert not client.come(one)
    assert not client.come(f"127.0.0.1:{b}", keep=False)
    assert client.come(one)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGTERM, signal.SIGKILL])
def test_not_round_a_changed_authority(revived, keeper, origin, site, tmp_path, how, version):
    """The keys are the same, the client's certificate is no longer good."""
    old, new = Authority("Old"), Authority("New")
    ca, person = tmp_path / "clients.pem", tmp_path / "person.pem"
    mine = old.issue("person", client=True)
    write_secret(person, mine.pem + mine.key_pem)
    ca.write_text(old.pem)
    one = https(revived, **with_keeper(keeper, site, origin(echo)), tls={"verify_client": "required", "ca": str(ca)})
    client = Client(site, version, person)
    assert not client.come(one)
    assert client.come(one)
    one.wait_records(2)
    ca.write_text(new.pem)
    if how == signal.SIGHUP:
        one.hup()
    else:
        one.crash(how)
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        client.come(one)
    assert one.wait_records(3)[2].end == "CG"
    ca.write_text(old.pem)
    one.hup()
    assert client.come(one)            # the keys are there all the same


def test_not_for_who_had_no_certificate_before(revived, keeper, origin, site, tmp_path):
    options = with_keeper(keeper, site, origin(echo))
    one = https(revived, **options)
    client = Client(site)
    assert not client.come(one)
    assert client.come(one)
    one.wait_records(2)
    strict = site.section(verify_client="required", ca=str(site.ca))
    one.write_conf(text=one.file.read_text().replace(site.section(), strict))
    one.crash(signal.SIGKILL)
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        client.come(one)
    assert one.wait_records(3)[2].end == "CG"


@pytest.mark.parametrize("version", VERSIONS)
def test_metrics_tell_resumed_handshakes_from_full_ones(relay, origin, at, site, version):
    """Over a reload; one that fails is neither."""
    server = origin(echo)
    one = https(relay, site, server, top=f'control = "{at}"')
    client = Client(site, version)
    for resumed in (False, True, True):
        assert client.come(one) is resumed
    assert one.hup() == ""
    with pytest.raises(ssl.SSLError):
        site.connect(one, context=ssl.create_default_context())
    count = values(parse(asked(at, "/metrics")[2]))
    assert [count[f'relayd_listener_tls_handshakes_total{{listener="web",resumed="{word}"}}'] for word in ("no", "yes")] == [1, 2]
