"""The watchdog: relayd feeds it while its work moves, and systemd restarts it when that does not."""

import pytest

from origin import FullOrigin, echo
from service import frozen, message_id

SECONDS = 2


@pytest.fixture
def watched(relayd):
    relayd.drop_in(f"WatchdogSec={SECONDS}s", "RestartSec=100ms")
    return relayd


def is_fed(relayd):
    """Feeds of the watchdog go on for longer than it waits for one."""
    began = int(relayd.show("WatchdogTimestampMonotonic"))
    relayd.wait_show("WatchdogTimestampMonotonic", lambda text: int(text) > began + 1.5 * SECONDS * 1000000)
    assert relayd.show("NRestarts") == "0"
    assert relayd.show("SubState") == "running"


def restarted_by_watchdog(relayd, old):
    relayd.wait_restarted(old)
    assert relayd.show("NRestarts") == "1"
    found = relayd.messages("_PID=1")
    assert any("Watchdog timeout" in text for text in found), found
    assert any("status=6/ABRT" in text for text in found), found


def test_the_unit_has_one(relayd):
    relayd.start()
    assert relayd.show("WatchdogUSec") == "30s"


def test_an_idle_daemon_is_left_alone(watched):
    watched.start()
    is_fed(watched)


def test_workers_that_dial_for_long_are_left_alone(watched):
    """Waiting for a server that does not answer is work: relayd itself is well."""
    with watched.box.network():
        full = FullOrigin()
    try:
        watched.start(watched.conf(full, workers=2, connect_timeout="60s", drain_timeout="0"))
        clients = [watched.connect() for _ in range(8)]
        is_fed(watched)
        for peer in clients:
            peer.close()
    finally:
        full.stop()


def test_an_acceptor_that_waits_for_room_is_left_alone(watched):
    watched.start(watched.conf(watched.add_origin(echo), max_connections=1, drain_timeout="0"))
    with watched.connect() as first, watched.connect():
        first.send(b"x").read(1)
        is_fed(watched)


def test_a_frozen_acceptor_is_found(watched):
    watched.start()
    old = watched.pid
    with frozen(watched, "acc:*") as count:
        assert count == 1
        with watched.connect():  # somebody whom it does not take
            restarted_by_watchdog(watched, old)
    assert watched.get().status == 200


def test_a_frozen_acceptor_to_which_nobody_comes_is_left_alone(watched):
    watched.start()
    with frozen(watched, "acc:*"):
        is_fed(watched)
    assert watched.get().status == 200


def test_one_frozen_acceptor_of_two_is_found(watched):
    watched.start(watched.conf(address=["127.0.0.1:8080", "127.0.0.1:8081"]).replace(
        "upstream app {", 'listener more {\n    address = ":8082"\n    upstream = app\n}\nupstream app {', 1))
    old = watched.pid
    with frozen(watched, "acc:more"):
        assert watched.get().status == 200  # the others work
        with watched.connect("127.0.0.1:8082"):
            restarted_by_watchdog(watched, old)
    assert watched.get(address="127.0.0.1:8082").status == 200


def test_frozen_workers_are_found(watched):
    watched.start(watched.conf(workers=4))
    old = watched.pid
    with frozen(watched, "worker-*") as count:
        assert count == 4
        with watched.connect():  # a job that nobody takes
            restarted_by_watchdog(watched, old)
    assert watched.get().status == 200


def test_a_freeze_that_ends_in_time_is_forgiven(watched):
    watched.start()
    with frozen(watched, "acc:*", "worker-*"):
        peer = watched.connect()
    with peer:
        assert peer.get().status == 200
    is_fed(watched)
    assert not watched.messages(message_id("STOPPING"))
