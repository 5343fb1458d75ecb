"""Crowds at a listener that ends TLS: of those who say nothing, and of those who come while its certificate is changed."""

import threading

import pytest
from certificates import write_secret
from client import close_all, connect
from origin import echo
from peer import elapsed
from settings import LONG, secs, some, until
from tls import Site, https


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path, "site.test", "127.0.0.1")


def test_a_thousand_silent_clients_keep_nobody_waiting(relay, origin, site):
    """At the default of max_openings, or its share of a sanitizer's crowd. Half of them have begun to speak."""
    one = https(relay, site, origin(echo), top=f"max_openings = {some(256)}")
    silent = []
    for number in range(some(1000)):
        silent.append(connect(one))
        if number % 2:
            silent[-1].send(b"\x16\x03\x01\x02\x00\x01")

    def ask():
        with site.connect(one) as client:
            return client.send(b"x").read(1)
    for _ in range(3):
        answer, took = elapsed(ask)
        assert answer == b"x" and took < secs(1.5), took   # a second, and what a busy machine adds
    close_all(silent)
    assert one.wait_log("RELAYD_END=LO")


def test_the_longest_silence_is_put_out_not_who_is_at_work(relay, origin, site):
    """Who is within a handshake that has begun whole is let finish it."""
    one = https(relay, site, origin(echo), top="max_openings = 8")
    with site.connect(one) as client:
        crowd = [connect(one) for _ in range(some(100))]
        for _ in range(5):
            with site.connect(one) as other:
                assert other.send(b"x").read(1) == b"x"
        assert client.send(b"y").read(1) == b"y"
        close_all(crowd)


class Crowd(threading.Thread):
    """Opens one connection after the other, some with a session of before; notes each serial, and what failed."""

    def __init__(self, one, site, context):
        super().__init__(daemon=True)
        self.one, self.site, self.context = one, site, context
        self.serials, self.failures, self.stopping = [], [], threading.Event()
        self.start()

    def run(self):
        session = None
        while not self.stopping.is_set():
            try:
                with self.site.connect(self.one, context=self.context, session=session) as client:
                    assert client.send(b"x").read(1) == b"x"
                    session = client.sock.session if len(self.serials) % 2 else None
                    self.serials.append(client.sock.getpeercert()["serialNumber"].lower().lstrip("0"))
                    client.tell_end()
            except (OSError, AssertionError) as error:
                self.failures.append(error)


def renewed(site):
    return site.authority.issue(*site.names)


def put(site, text):
    """Beside, then by rename."""
    beside = site.file.with_suffix(".new")
    beside.write_text(text)
    beside.rename(site.file)


def half_written(site, fresh):
    """What a tool that writes in place leaves for a moment: less and less of the old, more and more of the new."""
    old = site.certificate
    for text in (fresh.pem[:200], fresh.pem, fresh.pem + fresh.key_pem[:100], fresh.pem + old.key_pem, old.pem + fresh.key_pem, ""):
        site.file.write_text(text)
        yield text


def test_a_certificate_is_changed_under_load(relay, origin, site):
    """No handshake fails, none gets an old one after the reload, and who is connected stays."""
    one = https(relay, site, origin(echo))
    context = site.context()
    crowd = [Crowd(one, site, context) for _ in range(2)]
    with site.connect(one) as old:
        for _ in range(some(5)):
            fresh = renewed(site)
            for _ in half_written(site, fresh):
                assert one.hup() != ""       # refused, and what was in force stays
            put(site, fresh.pem + fresh.key_pem)
            assert one.hup() == ""
            site.certificate = fresh
            with site.connect(one) as client:
                assert client.sock.getpeercert()["serialNumber"].lower().lstrip("0") == fresh.serial.lstrip("0")
            before = [len(each.serials) for each in crowd]
            until(lambda: all(len(each.serials) > count + 1 for each, count in zip(crowd, before)), "both go on")
            assert {each.serials[-1] for each in crowd} == {fresh.serial.lstrip("0")}
        assert old.send(b"y").read(1) == b"y"
    for each in crowd:
        each.stopping.set()
        each.join()
        assert each.failures == [] and len(each.serials) > 5


@pytest.mark.skipif(not LONG, reason="takes a minute; with --long")
@pytest.mark.timeout(240)
def test_a_certificate_is_looked_at_each_minute(relay, origin, site):
    """Nobody tells relayd. A half that waits for its other half harms nobody."""
    one = https(relay, site, origin(echo))
    crowd, fresh = Crowd(one, site, site.context()), renewed(site)
    list(half_written(site, fresh))
    write_secret(site.file, fresh.pem + site.certificate.key_pem)
    one.wait_log("what is in force stays, since a file has changed and cannot be taken", timeout=secs(150))
    put(site, fresh.pem + fresh.key_pem)
    _, took = elapsed(lambda: one.wait_log("a new certificate of site.test, 127.0.0.1 is in force: serial", timeout=secs(75)))
    assert took < secs(62)
    count = len(crowd.serials)
    until(lambda: len(crowd.serials) > count + 1, "it goes on")
    assert crowd.serials[-1] == fresh.serial.lstrip("0")
    crowd.stopping.set()
    crowd.join()
    assert crowd.failures == []
