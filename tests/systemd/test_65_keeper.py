"""relayd-keeper as a service: what its sandbox lets it do, and what does not stop it. That connections outlive relayd
in every way it can end is told elsewhere; here it is shown once, for the sandbox."""

import json
import os
from pathlib import Path

import pytest

from origin import echo, pattern
from service import KEEPER, UNIT, message_id
from service import KEEPER_SOCKET as SOCKET

PATH = "/run/relayd/keeper.sock"
PROBE = "/usr/local/share/relayd-probe.py"


@pytest.fixture
def kept(relayd):
    """relayd, running, and its keeper."""
    relayd.start(relayd.conf(relayd.add_origin(echo)))
    return relayd


def test_relayd_brings_its_keeper(kept):
    assert kept.show("ActiveState", SOCKET) == "active"
    assert kept.show("ActiveState", KEEPER) == "active"
    assert kept.box.run("stat", "-c", "%U:%G %a %F", PATH).stdout == "relayd:relayd 600 socket\n"
    assert kept.box.run("stat", "-c", "%U:%G %a", os.path.dirname(PATH)).stdout == "relayd:relayd 755\n"
    assert kept.box.run("ps", "-o", "user=", "-p", kept.keeper_pid).stdout.strip() == "relayd"


def test_nobody_else_may_connect(kept):
    connect = f"import socket; socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect('{PATH}')"
    done = kept.box.run("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "/usr/bin/python3", "-c",
                        connect, check=False)
    assert "PermissionError" in done.stderr


def test_connections_outlive_a_kill(kept):
    """The keeper has a network of its own, and hands on sockets of the other one."""
    networks = {kept.box.run("readlink", f"/proc/{pid}/ns/net").stdout for pid in (kept.pid, kept.keeper_pid)}
    assert len(networks) == 2
    data, pid = pattern(1000000), kept.pid
    with kept.connect() as peer:
        assert peer.send(b"before").read(6) == b"before"
        kept.kill("KILL")
        kept.wait_restarted(pid)
        assert peer.send(b"after").read(5) == b"after"
        for start in range(0, len(data), 50000):
            part = data[start:start + 50000]
            assert peer.send(part).read(len(part)) == part


def test_connections_outlive_a_restart_and_a_stop_leaves_the_keeper(kept):
    keeper, pid = kept.keeper_pid, kept.pid
    with kept.connect() as peer:
        assert peer.send(b"before").read(6) == b"before"
        kept.systemctl("restart", UNIT)
        assert kept.pid != pid and kept.keeper_pid == keeper
        assert peer.send(b"after").read(5) == b"after"
    kept.systemctl("stop", UNIT)
    assert kept.keeper_pid == keeper
    assert kept.show("ActiveState", SOCKET) == "active"
    kept.start(kept.conf(kept.origins[-1]))
    assert kept.keeper_pid == keeper


def test_a_dead_keeper_comes_back(kept):
    keeper, pid = kept.keeper_pid, kept.pid
    with kept.connect() as peer:
        assert peer.send(b"before").read(6) == b"before"
        kept.systemctl("kill", "--signal=KILL", KEEPER)
        kept.wait_show("MainPID", lambda text: int(text) not in (0, keeper), KEEPER)
        assert peer.send(b"after").read(5) == b"after"
    assert kept.pid == pid


def test_a_stopped_socket_stops_the_keeper(kept):
    """Who does not want it stops one unit; relayd goes on."""
    pid = kept.pid
    kept.systemctl("stop", SOCKET)
    assert kept.show("ActiveState", KEEPER) == "inactive"
    assert kept.box.run("test", "-e", PATH, check=False).returncode == 1
    with kept.connect() as peer:
        assert peer.send(b"x").read(1) == b"x"
    assert kept.pid == pid


def test_the_keeper_has_no_rights(kept):
    kept.box.write(PROBE, Path(__file__).with_name("probe.py").read_text(encoding="utf-8"))
    status = json.loads(kept.box.run("/usr/bin/python3", PROBE, kept.keeper_pid).stdout)["status"]
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name][0], 16) == 0, name
    assert (status["NoNewPrivs"], status["Seccomp"]) == (["1"], ["2"])
    assert kept.box.run("ps", "-L", "-o", "cls=", "-p", kept.keeper_pid).stdout.split() == ["B"]


def test_it_has_room_for_all_connections(kept):
    """Where the machine grants what the unit asks for."""
    limits = kept.box.run("cat", f"/proc/{kept.keeper_pid}/limits").stdout
    wanted = kept.show("LimitNOFILE", KEEPER)
    [line] = [line for line in limits.splitlines() if line.startswith("Max open files")]
    if line.split()[4] != wanted:
        pytest.skip("the machine grants fewer descriptors")
    [ready] = kept.box.journal(kept.since, f"--unit={KEEPER}", message_id("KEEPER_READY"))
    assert int(ready["MESSAGE"].split()[3]) >= 10000
