"""The life of the service: start, status, restart, stop, crash."""

import re
import threading

import pytest

from box import Failed
from origin import echo, pattern
from peer import EOF
from service import ADDRESS, UNIT, listening, message_id


def test_start_returns_when_clients_are_served(relayd):
    relayd.start()
    assert relayd.get("/hello").body == b"/hello\n"
    assert relayd.show("ActiveState") == "active"
    assert relayd.show("NotifyAccess") == "main"


def test_start_is_in_the_journal(relayd):
    relayd.start()
    (ready,) = relayd.wait_journal(message_id("READY"))
    assert "web" in ready["MESSAGE"] and ADDRESS in ready["MESSAGE"]
    assert ready["_PID"] == str(relayd.pid)


def test_curl_from_beside_the_box(relayd):
    relayd.start()
    assert relayd.curl(f"http://{ADDRESS}/from/curl").stdout == "/from/curl\n"


def test_status_tells_what_it_does(relayd):
    relayd.start()
    status = relayd.status()
    assert "active (running)" in status
    assert 'Status: "Relaying 0 connections for 1 listener."' in status


def test_status_is_live(relayd):
    relayd.start(relayd.conf(relayd.add_origin(echo), drain_timeout="50s"))
    with relayd.connect() as peer:
        peer.send(b"x").read(1)
        relayd.wait_show("StatusText", "Relaying 1 connection for 1 listener.")
        relayd.systemctl("stop", "--no-block", UNIT)
        relayd.wait_show("StatusText", lambda text: text.startswith("Draining 1 connection, for at most "))
    relayd.wait_show("ActiveState", "inactive")


def test_enabled_it_is_wanted_by_the_boot(relayd):
    relayd.systemctl("enable", UNIT)
    assert "relayd.service" in relayd.show("Wants", "multi-user.target")
    relayd.systemctl("disable", UNIT)


def test_defaults_fit_the_limits_of_the_unit(relayd):
    """The machine's own limits may well be short; so may descriptors be, where the box was not given what it asks."""
    relayd.start()
    wanted = relayd.show("LimitNOFILE")
    granted = re.search(r"Max open files +\d+ +(\d+)", relayd.box.run("cat", f"/proc/{relayd.pid}/limits").stdout)[1]
    for text in relayd.messages(message_id("LIMITS")):
        assert "TasksMax" not in text
        assert "LimitNOFILE" not in text or int(granted) < int(wanted)


def test_restart_is_another_process_that_serves(relayd):
    relayd.start()
    old = relayd.pid
    relayd.systemctl("restart", UNIT)
    assert relayd.pid != old
    assert relayd.get().status == 200


def test_stop_is_orderly(relayd):
    relayd.start()
    relayd.get()
    relayd.systemctl("stop", UNIT)
    assert relayd.refuses()
    assert relayd.show("ActiveState") == "inactive"
    assert relayd.show("Result") == "success"
    assert relayd.show("ExecMainStatus") == "0"
    assert relayd.messages(message_id("STOPPING")) and relayd.messages(message_id("STOPPED"))


def halves(size, go):
    """A script that sends one half at once and the other when told to."""
    def script(peer):
        data = pattern(size)
        peer.send(data[:size // 2])
        assert go.wait(60)
        peer.send(data[size // 2:])
    return script


def test_stop_lets_transfers_finish(relayd):
    go = threading.Event()
    size = 500000
    relayd.start(relayd.conf(relayd.add_origin(halves(size, go))))
    clients = [relayd.connect() for _ in range(20)]
    for peer in clients:
        peer.read(1)
    relayd.systemctl("stop", "--no-block", UNIT)
    relayd.wait_journal(message_id("STOPPING"))
    relayd.box.wait(relayd.refuses, "nobody listens")
    assert relayd.show("SubState") == "stop-sigterm"
    go.set()
    for peer in clients:
        assert peer.read_end() == (pattern(size)[1:], EOF)
        peer.close()
    relayd.wait_show("ActiveState", "inactive")
    assert relayd.show("Result") == "success"


def test_a_drain_may_take_longer_than_the_stop_timeout(relayd):
    """TimeoutStopSec= is not the operator's to keep beside drain_timeout: relayd extends it while it drains."""
    relayd.drop_in("TimeoutStopSec=1s")
    relayd.start(relayd.conf(relayd.add_origin(echo), drain_timeout="60s"))
    with relayd.connect() as peer:
        peer.send(b"x").read(1)
        relayd.systemctl("stop", "--no-block", UNIT)
        relayd.wait_journal(message_id("STOPPING"))
        for _ in range(30):  # three times the stop timeout, in which the connection works
            assert peer.send(b"x").read(1) == b"x"
            assert peer.is_silent(0.1)
    relayd.wait_show("ActiveState", "inactive")
    assert relayd.show("Result") == "success"


def test_a_bad_file_fails_the_start_and_is_not_tried_again(relayd):
    with pytest.raises(Failed):
        relayd.start("listener web {\n    addresses = 80\n}\n")
    assert relayd.show("ActiveState") == "failed"
    assert relayd.show("ExecMainStatus") == "78"
    assert relayd.show("NRestarts") == "0"
    texts = relayd.last_words(message_id("CONFIG_ERROR"))
    assert any("/etc/relayd.conf:2:" in text and "addresses" in text for text in texts), texts


def test_a_port_that_is_taken_is_tried_again(relayd):
    relayd.drop_in("RestartSec=100ms")
    with relayd.box.network():
        other = listening(ADDRESS)
    with other:
        with pytest.raises(Failed):
            relayd.start()
        relayd.wait_show("NRestarts", lambda text: int(text) >= 2)
    relayd.wait_show("SubState", "running")
    assert relayd.get().status == 200
    assert any(ADDRESS in text for text in relayd.last_words(message_id("START_FAILED")))


@pytest.mark.parametrize("signal", ["SEGV", "KILL", "ABRT"])
def test_a_crash_is_followed_by_a_start(relayd, signal):
    relayd.drop_in("RestartSec=100ms")
    relayd.start()
    old = relayd.pid
    relayd.kill(signal)
    relayd.wait_restarted(old)
    assert relayd.show("NRestarts") == "1"
    assert relayd.get().status == 200


def test_it_is_started_for_as_long_as_it_takes(relayd):
    """More crashes in a row than systemd's default limit (5 in 10 s) allows."""
    relayd.drop_in("RestartSec=0")
    relayd.start()
    for _ in range(8):
        old = relayd.pid
        relayd.kill("SEGV")
        relayd.wait_restarted(old)
    assert relayd.get().status == 200
