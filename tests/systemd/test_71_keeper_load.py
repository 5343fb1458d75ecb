"""relayd is restarted and killed under load, on a real systemd, and no request fails; the manual's own demonstration."""

import re

import pytest

from box import ROOT
from load import CONNECTIONS, Download, Load, Site, adopted, say_standstill, secured
from service import UNIT, frozen, message_id, message_kinds
from settings import LONG

RESTARTS = 100 if LONG else 15
SOCKET = "relayd.socket"
WATCHDOG = 2

pytestmark = pytest.mark.timeout(60 + 3 * RESTARTS)


@pytest.fixture
def site(relayd):
    """relayd before nginx, running."""
    site = Site(relayd)
    relayd.start(relayd.conf(site, log_connections="failed"))
    return site


def restart(relayd):
    relayd.systemctl("restart", UNIT)


def kill(relayd, signal="KILL"):
    pid = relayd.pid
    relayd.kill(signal)
    relayd.wait_restarted(pid)


def hang(relayd):
    """Main stands still, until the watchdog bites."""
    pid = relayd.pid
    with frozen(relayd, "relayd"):
        relayd.wait_restarted(pid)


def under_load(relayd, act, times, what, close=False):
    """wrk, and nothing that it notices, while relayd is ended and started so often."""
    load = Load(relayd, close)
    for _ in range(times):
        act(relayd)
    requests = load.finish()
    told = adopted(relayd)
    say_standstill(what, told)
    assert len(told) <= times and not any(one[3] for one in told), told   # a start that has adopted none says nothing
    assert close or [one[0] for one in told] == times * [CONNECTIONS], told
    assert requests > CONNECTIONS * times


def test_restarts_under_keep_alive(relayd, site):
    under_load(relayd, restart, RESTARTS, "Restarts, keep-alive")
    assert len(relayd.messages(message_id("LEFT"))) == RESTARTS
    assert not relayd.messages(message_id("STOPPING"))


def test_restarts_under_one_connection_per_request(relayd, site):
    under_load(relayd, restart, RESTARTS, "Restarts, a connection for each request", close=True)


def test_kills_under_keep_alive(relayd, site):
    """After RestartSec=. (With one connection for each request some are cut off, as the manual says: those that were
    accepted and not yet relayed.)"""
    under_load(relayd, kill, RESTARTS // 3, "Kills, keep-alive")


@pytest.mark.parametrize("close", [False, True])
def test_restarts_with_sockets_of_systemd(relayd, site, close):
    relayd.systemctl("stop", UNIT)
    relayd.write_conf(relayd.conf(site, address="systemd", log_connections="failed"))
    relayd.systemctl("start", SOCKET)
    under_load(relayd, restart, RESTARTS // 3, f"Restarts with relayd.socket, {'close' if close else 'keep-alive'}", close)


def test_kills_with_sockets_of_systemd(relayd, site):
    relayd.systemctl("stop", UNIT)
    relayd.write_conf(relayd.conf(site, address="systemd", log_connections="failed"))
    relayd.systemctl("start", SOCKET)
    under_load(relayd, kill, RESTARTS // 3, "Kills with relayd.socket, keep-alive")


@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_https_outlives_each_way_to_end(relayd, mode):
    """Neither requests nor a download notice any of them."""
    site = Site(relayd)
    relayd.drop_in(f"WatchdogSec={WATCHDOG}s")
    relayd.start(secured(relayd, relayd.conf(site, mode=mode, log_connections="failed")))
    load, download = Load(relayd, scheme="https"), Download(relayd, site, "https")
    relayd.wait_held(CONNECTIONS + 1)
    for end in (*3 * [restart], lambda one: kill(one, "SEGV"), lambda one: kill(one, "ABRT"), hang):
        end(relayd)
        load.wait_flowing()
    assert download.is_running
    assert load.finish() > CONNECTIONS
    download.finish()
    assert any("Watchdog timeout" in text for text in relayd.messages("_PID=1"))
    told = adopted(relayd)
    say_standstill(f"https in mode {mode}, six ends", told)
    assert [(one[0], one[3]) for one in told] == 6 * [(CONNECTIONS + 1, 0)], told


def test_a_restart_is_one_line_of_the_journal(relayd, site):
    load = Load(relayd)
    restart(relayd)
    load.finish()
    [record] = relayd.journal(message_id("ADOPTED"))
    assert re.fullmatch(rf"Adopted {CONNECTIONS} connections, which paused for \d+\.\d m?s \(median\) and \d+\.\d m?s "
                        r"at most\.", record["MESSAGE"])
    assert record["PRIORITY"] == "5"
    text = relayd.box.run("journalctl", "--no-pager", "-x", "-u", "relayd", relayd.since).stdout
    for kind in ("KEEPER", "LEFT", "ADOPTED"):
        assert f"Subject: {message_kinds()[kind][1]}\n" in text, kind


def demonstration():
    """The commands of relayd(8), as they stand there."""
    manual = (ROOT / "man" / "relayd.8").read_text("utf-8")
    return re.search(r"^\.Ss See it work in one minute\n.*?^\.Bd [^\n]*\n(.*?)^\.Ed", manual, re.M | re.S)[1]


def test_it_works_in_one_minute(relayd, site):
    told = relayd.box.run("bash", "-c", demonstration()).stdout
    sums = re.findall(r"^(\w{64})  -$", told, re.M)
    assert sums == 2 * [site.digest], told
    assert "Adopted 1 connection, which paused for " in told, told
    assert [one[0] for one in adopted(relayd)] == [1]
