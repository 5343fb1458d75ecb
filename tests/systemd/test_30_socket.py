"""Socket activation: address = "systemd" and relayd.socket."""

import threading

import pytest

from origin import echo, sends
from service import ADDRESS, UNIT, message_id, sections

SOCKET = "relayd.socket"
OTHER = "127.0.0.1:8090"
PATH = "/run/relayd/web.sock"


@pytest.fixture
def passed(relayd):
    """relayd.conf has one listener, web, on the sockets that systemd passes; relayd.socket listens."""
    relayd.write_conf(relayd.conf(address="systemd"))
    relayd.systemctl("start", SOCKET)
    return relayd


def socket_unit(name, address):
    return f"[Socket]\nListenStream={address}\nFileDescriptorName={name}\nService=relayd.service\n"


def test_the_first_client_starts_it(passed):
    assert passed.show("ActiveState") == "inactive"
    assert passed.get().status == 200
    assert passed.show("ActiveState") == "active"


def test_ready_names_the_passed_socket(passed):
    passed.get()
    (ready,) = passed.wait_journal(message_id("READY"))
    assert ADDRESS in ready["MESSAGE"]


def test_sockets_find_their_listeners_by_name(relayd):
    """Two sockets under two names and a third, a unix socket, under the first: each client meets its own server."""
    one, two = relayd.add_origin(sends(b"one")), relayd.add_origin(sends(b"two"))
    relayd.write_conf(sections({"web": ("systemd", "one"), "db": ("systemd", "two")},
                               {"one": one.address, "two": two.address}))
    relayd.write_unit("relayd-db.socket", socket_unit("db", OTHER))
    relayd.write_unit("relayd-more.socket", socket_unit("web", PATH))
    relayd.systemctl("start", "relayd-db.socket", "relayd-more.socket", SOCKET)
    for address, wanted in ((OTHER, b"two"), (ADDRESS, b"one"), (f"unix:{PATH}", b"one")):
        with relayd.connect(address) as peer:
            assert peer.read_end()[0] == wanted


def test_a_socket_of_no_listener_is_told(passed):
    passed.write_unit("relayd-stray.socket", socket_unit("stray", OTHER))
    passed.systemctl("start", "relayd-stray.socket")
    assert passed.get().status == 200
    assert any("stray" in text for text in passed.messages(message_id("TROUBLE")))


def test_a_listener_without_its_socket_is_told(relayd):
    relayd.write_conf(relayd.conf(address="systemd"))
    relayd.systemctl("start", UNIT, check=False)
    assert (relayd.show("ActiveState"), relayd.show("ExecMainStatus")) == ("failed", "78")
    assert any("FileDescriptorName=" in text for text in relayd.last_words(message_id("START_FAILED")))


class Clients:
    """Clients that connect one after the other on some threads, until told to stop: all must be served."""

    def __init__(self, relayd, threads=4):
        self.relayd, self.served, self.errors = relayd, 0, []
        self.stopping, self.changed = threading.Event(), threading.Condition()
        self.threads = [threading.Thread(target=self._go, daemon=True) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def _go(self):
        while not self.stopping.is_set() and not self.errors:
            try:
                assert self.relayd.get("/bytes/3000").status == 200
            except (OSError, AssertionError) as error:
                self.errors.append(error)
            with self.changed:
                self.served += 1
                self.changed.notify_all()

    def wait_more(self, count):
        """Waits until so many more have been served."""
        with self.changed:
            wanted = self.served + count
            assert self.changed.wait_for(lambda: self.served >= wanted or self.errors, 20)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)
        assert not self.errors, self.errors


def test_no_client_is_refused_while_it_restarts(passed):
    clients = Clients(passed)
    clients.wait_more(50)
    for _ in range(5):
        passed.systemctl("restart", UNIT)
        clients.wait_more(50)
    clients.stop()


def test_clients_wait_while_it_is_stopped_and_started(passed):
    """These connect when nobody but systemd listens: it starts relayd for them."""
    clients = Clients(passed)
    clients.wait_more(20)
    for _ in range(3):
        passed.systemctl("stop", UNIT)
        clients.wait_more(20)
    clients.stop()


def test_clients_wait_after_a_crash(passed):
    passed.drop_in("RestartSec=500ms")
    passed.get()
    old = passed.pid
    passed.kill("SEGV")
    passed.wait_show("SubState", "auto-restart")
    with passed.connect() as peer:  # not refused, although there is no relayd
        assert peer.get().status == 200
    assert passed.pid != old


def test_a_unix_socket_stays_through_restart_and_stop(relayd):
    """It lies in RuntimeDirectory=, which systemd would empty when the service stops."""
    relayd.write_conf(relayd.conf(address="systemd"))
    relayd.write_unit("relayd-path.socket", socket_unit("web", PATH))
    relayd.systemctl("start", "relayd-path.socket")
    assert relayd.get(address=f"unix:{PATH}").status == 200
    relayd.systemctl("restart", UNIT)
    assert relayd.get(address=f"unix:{PATH}").status == 200
    relayd.systemctl("stop", UNIT)
    assert relayd.get(address=f"unix:{PATH}").status == 200


def test_a_connection_drains_while_the_next_waits(passed):
    """Without a keeper, a restart lets the old process finish; who connects meanwhile is served by the new one."""
    passed.write_conf(passed.conf(passed.add_origin(echo), address="systemd", keeper="off"))
    with passed.connect() as old:
        old.send(b"a").read(1)
        first = passed.pid
        passed.systemctl("restart", "--no-block", UNIT)
        passed.wait_journal(message_id("STOPPING"))
        with passed.connect() as new:
            new.send(b"b")
            assert old.send(b"c").read(1) == b"c"
            old.shut()
            old.read_end()
            assert new.read(1) == b"b"
    assert passed.pid != first


def test_a_bad_file_does_not_start_it_for_ever(relayd):
    """A client waits and relayd.conf has an error: systemd gives up after some starts, and refuses the client."""
    relayd.write_conf("workers = none\n")
    relayd.systemctl("start", SOCKET)
    with relayd.connect():
        relayd.wait_show("ActiveState", "failed", unit=SOCKET)
    assert relayd.show("Result", unit=SOCKET) == "trigger-limit-hit"
    starts = [text for text in relayd.messages("_PID=1") if text.startswith("Starting relayd.service")]
    assert 1 < len(starts) <= 20
    assert relayd.refuses()
