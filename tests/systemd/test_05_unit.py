"""The unit files by themselves: no box is needed."""

import os
import re
import shutil
import subprocess

import pytest

from box import ROOT
from service import BUILD

UNIT = BUILD / "systemd" / "relayd.service"
KEEPER = BUILD / "systemd" / "relayd-keeper.service"


def settings(text):
    """Name -> last value of every setting in a unit's text."""
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.M))


def seconds(text):
    """A time span as these unit files have them."""
    return int(re.fullmatch(r"(\d+)s", text)[1])


def default(option):
    """A global option's number in the sample, which holds every option at its default."""
    sample = (ROOT / "conf" / "relayd.conf").read_text(encoding="utf-8")
    return int(re.search(rf"^{option} = (\d+)s?\b", sample, re.M)[1])


# Of the 1.4, 0.2 are for the right to listen on ports below 1024, which PrivateUsers=yes would make void.
@pytest.mark.parametrize("unit, most", [(UNIT, 1.4), (KEEPER, 0.4)], ids=lambda value: getattr(value, "stem", ""))
def test_exposure(unit, most):
    done = subprocess.run(["systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={most * 10:.0f}",
                           unit], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert float(re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)[1]) <= most


def test_what_cannot_succeed_is_not_tried_again():
    assert settings(UNIT.read_text())["RestartPreventExitStatus"].split() == ["64", "77", "78"]


def configured(tmp_path, version):
    """The settings of the unit that a build against this version of libsystemd makes."""
    folder = subprocess.run(["pkg-config", "--variable=pcfiledir", "libsystemd"], capture_output=True, text=True,
                            check=True).stdout.strip()
    with open(f"{folder}/libsystemd.pc", encoding="utf-8") as original:
        changed = re.sub(r"^Version:.*$", f"Version: {version}", original.read(), flags=re.M)
    (tmp_path / "libsystemd.pc").write_text(changed)
    subprocess.run([shutil.which("meson"), "setup", "-Dtests=disabled", "--prefix=/usr", tmp_path / "build", ROOT],
                   check=True, capture_output=True, env={**os.environ, "PKG_CONFIG_PATH": str(tmp_path)})
    return settings((tmp_path / "build" / "systemd" / "relayd.service").read_text())


def test_before_253_a_command_reloads(tmp_path):
    unit = configured(tmp_path, "252")
    assert unit["Type"] == "notify"
    assert unit["ExecReload"] == "/usr/sbin/relayd --reload $MAINPID"


def test_from_253_systemd_reloads(tmp_path):
    unit = configured(tmp_path, "253")
    assert unit["Type"] == "notify-reload"
    assert unit["ExecReload"] == "/usr/sbin/relayd --check"  # beside HUP: it tells of an error by failing


def test_limits_fit_the_defaults():
    """As src/daemon/limits.c counts, for the dearest way of copying; and the comment says how to raise them."""
    unit = settings(UNIT.read_text())
    connections, workers = default("max_connections"), default("workers")
    assert int(unit["LimitNOFILE"]) >= 6 * connections + 512
    assert int(unit["TasksMax"]) >= 2 * connections + 2 * 256 + workers + 64
    for name in ("LimitNOFILE", "TasksMax"):
        assert re.search(rf"^#.*`systemctl edit relayd`[^=]*^#(.*\n#)*? +{name}=\d+$", UNIT.read_text(), re.M), name


def machine_calls():
    """The names of this architecture's system calls."""
    done = subprocess.run(["gcc", "-E", "-dM", "-include", "sys/syscall.h", "-x", "c", "/dev/null"], capture_output=True,
                          text=True, check=True)
    return set(re.findall(r"^#define SYS_(\w+) ", done.stdout, re.M))


def allowed_calls(unit):
    """Those of them that a unit allows; systemd adds @default to every list (systemd.exec(5))."""
    lines = re.findall(r"^SystemCallFilter=(.*)$", unit.read_text(), re.M)
    named = {word for line in lines for word in line.split()}
    assert all(re.fullmatch("[a-z][a-z0-9_]*", word) for word in named), "no groups, and nothing is taken away again"
    done = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", "@default"], capture_output=True, text=True,
                          check=True)
    return (named | set(re.findall(r"^    (\w+)$", done.stdout, re.M))) & machine_calls()


@pytest.mark.parametrize("unit, most", [(UNIT, 135), (KEEPER, 105)], ids=lambda value: getattr(value, "stem", ""))
def test_few_calls_are_allowed(unit, most):
    """Of some 360. About 45 are systemd's own; of the rest libc uses two thirds here, and the others elsewhere. That these
    are enough is shown by every test in a box (service.STRICT)."""
    assert len(allowed_calls(unit)) <= most


@pytest.mark.parametrize("unit", [UNIT, KEEPER], ids=lambda unit: unit.stem)
def test_calls_that_are_not_used_are_not_allowed(unit):
    unused = {"io_uring_setup", "keyctl", "mlock", "fsync", "timer_create", "shmget", "mq_open", "chown", "fchownat",
              "ptrace", "process_vm_readv", "execveat", "fork", "vfork", "unshare", "setns", "mount", "bpf", "userfaultfd",
              "rename", "mkdir", "symlink", "link", "truncate", "setuid", "capset", "sched_setscheduler", "inotify_init1",
              "pidfd_open"}
    assert not unused & allowed_calls(unit)
    assert "socket" in allowed_calls(unit)


@pytest.mark.parametrize("unit", [UNIT, KEEPER], ids=lambda unit: unit.stem)
def test_a_call_that_is_not_allowed_fails_and_does_not_kill(unit):
    assert settings(unit.read_text())["SystemCallErrorNumber"] == "EPERM"


def test_memory_is_bounded_before_the_machine_runs_out():
    """A share of it, so that the same unit fits every machine."""
    assert re.fullmatch(r"[5-8]\d%", settings(UNIT.read_text())["MemoryHigh"])


@pytest.mark.parametrize("unit", [UNIT, KEEPER], ids=lambda unit: unit.stem)
def test_no_core_dump_holds_what_connections_carry(unit):
    assert settings(unit.read_text())["LimitCORE"] == "0"


def test_limits_of_the_keeper_fit_the_defaults():
    """As src/keeper counts: a table, listening sockets, and what it has for itself."""
    message = (ROOT / "src" / "keeper" / "message.h").read_text(encoding="utf-8")
    each = int(re.search(r"define KEEPER_FDS +(\d+)", message)[1])
    listeners = int(re.search(r"define KEEPER_LISTENERS_MAX +(\d+)", message)[1])
    unit = settings(KEEPER.read_text())
    assert int(unit["LimitNOFILE"]) >= each * default("max_connections") + 1 + listeners + 32
    assert int(unit["TasksMax"]) < 10


def test_a_keeper_is_there_before_relayd_and_does_not_go_with_it():
    relayd, keeper = UNIT.read_text(), KEEPER.read_text()
    assert re.search(r"^Wants=.*\brelayd-keeper\.socket\b", relayd, re.M)
    assert re.search(r"^After=.*\brelayd-keeper\.socket\b", relayd, re.M)
    assert not re.search(r"^(PartOf|BindsTo|Requires|StopPropagatedFrom)=.*\brelayd\.service\b", keeper, re.M)


def test_after_a_failure_connections_do_not_stand_still_for_long():
    for unit in (UNIT, KEEPER):
        assert settings(unit.read_text())["RestartSec"] == "100ms"


def test_pipes_of_the_default_connections_stay_whole():
    text = (ROOT / "systemd" / "relayd.sysctl").read_text(encoding="utf-8")
    pages = int(re.search(r"^fs\.pipe-user-pages-soft = (\d+)$", text, re.M)[1])
    assert pages >= 2 * 16 * default("max_connections")


def test_stop_leaves_room_for_drain_timeout():
    unit = settings(UNIT.read_text())
    assert unit["KillMode"] == "mixed"
    assert seconds(unit["TimeoutStopSec"]) > default("drain_timeout")


def test_the_journal_may_not_drop_lines():
    assert settings(UNIT.read_text())["LogRateLimitIntervalSec"] == "0"
