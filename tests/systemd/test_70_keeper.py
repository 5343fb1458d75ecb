"""Connections outlive relayd, on a real systemd: which TERM leaves them to the next relayd and which one lets them finish,
and every way to die, relayd's and its keeper's. (test_71 restarts it under load.)"""

import contextlib
import errno

import pytest

from box import Failed
from load import Download, Site, adopted, say_standstill
from origin import echo, flood, pattern
from peer import EOF, RESET
from service import KEEPER, UNIT, frozen, message_id

LEFT, STOPPING = message_id("LEFT"), message_id("STOPPING")
WATCHDOG = 2


@pytest.fixture
def kept(relayd):
    """relayd before an echoing server, running, and its keeper."""
    relayd.echo = relayd.add_origin(echo)
    start(relayd)
    return relayd


def start(relayd, **options):
    relayd.start(relayd.conf(relayd.echo, **options))


@contextlib.contextmanager
def talking(relayd):
    """A client in the middle of a conversation, of which the keeper knows."""
    with relayd.connect() as peer:
        assert peer.send(b"before").read(6) == b"before"
        relayd.wait_held(1)
        yield peer


def goes_on(peer):
    data = pattern(300000)
    for begin in range(0, len(data), 50000):
        part = data[begin:begin + 50000]
        assert peer.send(part).read(len(part)) == part


def ends(peer):
    """In order, when the client has ended its data."""
    goes_on(peer)
    assert peer.shut().read_end() == (b"", EOF)


def drains(relayd, peer):
    """relayd takes no more clients, this one may finish, and then relayd is gone, and held is nothing."""
    relayd.wait_journal(STOPPING)
    relayd.box.wait(relayd.refuses, "nobody listens")
    ends(peer)
    relayd.wait_show("ActiveState", "inactive")
    assert relayd.show("Result") == "success"
    assert not relayd.messages(LEFT)
    relayd.wait_held(0)


# Which TERM it is


@pytest.mark.parametrize("verb", ["restart", "try-restart"])
def test_a_restart_leaves(kept, verb):
    """Asked over D-Bus, out of the sandbox."""
    pid = kept.pid
    with talking(kept) as peer:
        kept.systemctl(verb, UNIT)
        assert kept.pid not in (0, pid)
        goes_on(peer)
        [left] = kept.messages(LEFT)
        assert left.startswith("Left 1 connection to the next relayd"), left
        assert not kept.messages(STOPPING)
        assert [one[0] for one in adopted(kept)] == [1]
        ends(peer)
    kept.wait_held(0)


def test_a_restart_of_what_it_is_part_of_leaves(kept):
    """Its own job is a restart then, too."""
    kept.write_unit("whole.target", "[Unit]\n")
    kept.box.write(f"/run/systemd/system/{UNIT}.d/test.conf", "[Unit]\nPartOf=whole.target\nAfter=whole.target\n")
    kept.systemctl("daemon-reload")
    kept.systemctl("start", "whole.target")
    pid = kept.pid
    with talking(kept) as peer:
        kept.systemctl("restart", "whole.target")
        kept.wait_restarted(pid)
        goes_on(peer)
        assert kept.messages(LEFT) and not kept.messages(STOPPING)


def test_a_stop_drains(kept):
    with talking(kept) as peer:
        kept.systemctl("stop", "--no-block", UNIT)
        drains(kept, peer)
    assert kept.keeper_pid


def test_a_plain_term_drains_and_stays_stopped(kept):
    """There is no job: nobody says that another relayd will come. It ends with 0, after which Restart=on-failure starts
    none."""
    with talking(kept) as peer:
        kept.kill("TERM")
        drains(kept, peer)
    assert kept.show("SubState") == "dead"
    assert kept.show("NRestarts") == "0"


def test_a_plain_term_where_it_is_always_restarted(kept):
    """Restart=always does not make a job before the process has ended, either."""
    kept.drop_in("Restart=always")
    pid = kept.pid
    with talking(kept) as peer:
        kept.kill("TERM")
        kept.wait_journal(STOPPING)
        ends(peer)
    kept.wait_restarted(pid)
    assert not kept.messages(LEFT)


def test_a_plain_term_that_shall_leave(kept):
    """on_term = leave where it is always restarted."""
    kept.drop_in("Restart=always")
    start(kept, on_term="leave")
    kept.systemctl("restart", UNIT)
    pid = kept.pid
    with talking(kept) as peer:
        kept.kill("TERM")
        kept.wait_restarted(pid)
        ends(peer)
    assert not kept.messages(STOPPING)


def test_a_restart_that_shall_drain(kept):
    kept.systemctl("stop", UNIT)
    start(kept, on_term="drain")
    with talking(kept) as peer:
        kept.systemctl("restart", "--no-block", UNIT)
        kept.wait_journal(STOPPING)
        ends(peer)
    kept.wait_show("SubState", "running")
    assert not kept.messages(LEFT)


@pytest.fixture
def no_bus(kept):
    kept.systemctl("stop", "dbus.socket", "dbus.service")
    yield kept
    kept.systemctl("start", "dbus.socket", "dbus.service")


def test_without_dbus_a_restart_drains(no_bus):
    pid = no_bus.pid
    with talking(no_bus) as peer:
        no_bus.systemctl("restart", "--no-block", UNIT)
        no_bus.wait_journal(STOPPING)
        ends(peer)
    no_bus.wait_restarted(pid)
    assert not no_bus.messages(LEFT)


def test_without_dbus_it_can_be_told_to_leave(no_bus):
    no_bus.systemctl("stop", UNIT)
    start(no_bus, on_term="leave")
    with talking(no_bus) as peer:
        no_bus.systemctl("restart", UNIT)
        ends(peer)
    assert no_bus.messages(LEFT)


def test_a_bus_that_hangs_is_not_waited_for(kept):
    """A restart drains after a moment, as if there were none."""
    with talking(kept) as peer:
        kept.systemctl("kill", "--signal=STOP", "dbus.service")
        kept.stack.callback(kept.systemctl, "kill", "--signal=CONT", "dbus.service")
        kept.systemctl("restart", "--no-block", UNIT)
        kept.wait_journal(STOPPING)
        ends(peer)
    kept.wait_show("SubState", "running")


def test_a_file_with_an_error_costs_no_connection(kept):
    """What was left is held until the next one can start."""
    with talking(kept) as peer:
        kept.write_conf("workers = none\n")
        with pytest.raises(Failed):
            kept.systemctl("restart", UNIT)
        assert kept.show("ActiveState") == "failed"
        peer.send(b"between")
        assert kept.held() == 1
        start(kept)
        assert peer.read(7) == b"between"
        ends(peer)


# Its death


def test_a_download_outlives_kills(relayd):
    site = Site(relayd)
    relayd.start(relayd.conf(site))
    download = Download(relayd, site)
    ways = ("KILL", "SEGV", "ABRT", "KILL", "SEGV")
    for signal in ways:
        pid = relayd.pid
        relayd.kill(signal)
        relayd.wait_restarted(pid)
    assert download.is_running
    download.finish()
    told = adopted(relayd)
    assert [(one[0], one[3]) for one in told] == len(ways) * [(1, 0)]
    say_standstill("Killed", told)


def test_a_download_outlives_the_watchdog(relayd):
    """The acceptor hangs, pumps do not: the download goes on before and after SIGABRT. Who waits to be accepted is."""
    site = Site(relayd)
    relayd.drop_in(f"WatchdogSec={WATCHDOG}s")
    relayd.start(relayd.conf(site))
    pid = relayd.pid
    download = Download(relayd, site)
    with frozen(relayd, "acc:*"), relayd.connect() as waiting:
        relayd.wait_restarted(pid)
        assert waiting.get("/hello").status == 200
    assert any("status=6/ABRT" in text for text in relayd.messages("_PID=1"))
    assert download.is_running
    download.finish()
    assert [one[0] for one in adopted(relayd)] == [1]


def test_nobody_is_refused_while_it_is_dead(kept):
    """The keeper has the listening socket as well: who connects now waits for the next relayd."""
    kept.drop_in("RestartSec=3s")
    with talking(kept) as peer:
        kept.kill("KILL")
        kept.wait_show("SubState", "auto-restart")
        with kept.connect() as new:
            new.send(b"new")
            peer.send(b"old")
            assert (new.read(3), peer.read(3)) == (b"new", b"old")
    [(count, _, longest, lost)] = adopted(kept)
    assert (count, lost) == (1, 0) and longest >= 400


# Its keeper's death


def kill_keeper(relayd):
    """Another one comes, which is given everything again."""
    pid = relayd.keeper_pid
    relayd.systemctl("kill", "--signal=KILL", KEEPER)
    relayd.wait_show("MainPID", lambda text: int(text) not in (0, pid), KEEPER)


def test_a_new_keeper_holds_what_the_dead_one_held(kept):
    with talking(kept) as peer:
        for number in range(3):
            kill_keeper(kept)
            goes_on(peer)
            kept.wait_journal(message_id("KEEPER_BACK"), count=number + 1)
            kept.wait_held(1)
            pid = kept.pid
            kept.kill("KILL")
            kept.wait_restarted(pid)
            goes_on(peer)
        ends(peer)
    assert [(one[0], one[3]) for one in adopted(kept)] == 3 * [(1, 0)]
    assert len(kept.messages(message_id("KEEPER_TROUBLE"))) == 3


def test_a_keeper_that_is_restarted_costs_nothing(kept):
    with talking(kept) as peer:
        kept.systemctl("restart", KEEPER)
        kept.wait_journal(message_id("KEEPER_BACK"))
        kept.systemctl("restart", UNIT)
        ends(peer)


def test_both_restarted_at_once(kept):
    """With its keeper on the way out, relayd leaves nothing to it; or, if it has done so already when that is told to stop,
    the keeper waits for the next relayd. Which of both it is, systemctl decides: it says two sentences."""
    def begun():
        return len(kept.messages(STOPPING)) + len(kept.messages(LEFT))
    for _ in range(5):
        before = begun()
        with talking(kept) as peer:
            kept.systemctl("restart", "--no-block", UNIT, KEEPER)
            kept.box.wait(lambda: begun() > before, "it drains or leaves")  # noqa: B023
            ends(peer)
        kept.wait_show("Job", "")
        kept.wait_held(0)


def test_both_stopped_at_once(kept):
    """The keeper goes soon, which is no trouble, and relayd, whose connections may finish, starts no other one."""
    before = len(kept.messages(message_id("KEEPER_TROUBLE")))
    with talking(kept) as peer:
        kept.systemctl("stop", "--no-block", UNIT, KEEPER)
        kept.wait_journal(STOPPING)
        kept.wait_show("ActiveState", "inactive", KEEPER)
        ends(peer)
        kept.wait_show("ActiveState", "inactive")
    assert kept.show("ActiveState", KEEPER) == "inactive"
    assert len(kept.messages(message_id("KEEPER_TROUBLE"))) == before


def test_a_keeper_that_hangs_is_started_anew(kept):
    """It would keep the next relayd from its listening sockets: its watchdog bites."""
    old = kept.keeper_pid
    with talking(kept) as peer:
        kept.systemctl("kill", "--kill-whom=main", "--signal=STOP", KEEPER)
        kept.wait_journal(message_id("KEEPER_BACK"), timeout=40)
        assert kept.keeper_pid != old
        kept.wait_held(1)
        kept.systemctl("restart", UNIT)
        ends(peer)


def kill_both(relayd):
    relayd.box.run("kill", "-KILL", relayd.pid, relayd.keeper_pid)


def test_both_killed_at_once_is_a_reset(relayd):
    """Never an end of a transfer that was cut off; for the server neither."""
    server = relayd.add_origin(flood)
    relayd.start(relayd.conf(server))
    with relayd.connect() as peer:
        peer.read(1000)
        relayd.wait_held(1)
        pid = relayd.pid
        kill_both(relayd)
        assert peer.ending() == RESET
    assert server.result() == errno.ECONNRESET
    relayd.wait_restarted(pid)
    relayd.wait_held(0)


def test_both_killed_at_once_is_a_reset_where_nothing_moves(kept):
    with talking(kept) as peer:
        kill_both(kept)
        assert peer.ending() == RESET
    with pytest.raises(ConnectionResetError):
        kept.echo.result()
