"""Who may connect to a unix socket: the mode, the user and the group of its file, at the start, after a reload and after a
restart that a keeper has outlived."""

import grp
import os
import stat

import pytest

from client import connect
from origin import http
from relay import config, once
from settings import free_port

ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="only root gives files to others")
MEMBER = ["setpriv", "--reuid=65534", "--regid=65534", "--groups=100", "--inh-caps=-all", "--bounding-set=-all"]


def is_so(path, mode, uid=None, gid=None):
    now = path.lstat()
    assert stat.S_ISSOCK(now.st_mode)
    assert (oct(stat.S_IMODE(now.st_mode)), now.st_uid, now.st_gid) == (
        oct(mode), os.geteuid() if uid is None else uid, os.getegid() if gid is None else gid)


def works(path):
    with connect(f"unix:{path}") as client:
        return client.get().status == 200


@pytest.fixture
def path(short_path):
    return short_path / "web.sock"


def test_the_mode_at_the_start_and_after_reloads(relay, origin, path):
    one = relay(origin(http), address=f"unix:{path}", socket_mode="0600")
    is_so(path, 0o600)
    assert works(path)
    number = path.stat().st_ino
    for mode in ("0660", "777", "0600"):
        one.reload(one.server, socket_mode=mode)
        is_so(path, int(mode, 8))
        assert works(path)
    one.reload(one.server)
    is_so(path, 0o666)
    assert path.stat().st_ino == number, "it is the same file"


def test_what_an_operator_has_done_to_the_file_stays(relay, origin, path):
    """As by ExecStartPost=: nobody asks relayd for anything else."""
    one = relay(origin(http), address=f"unix:{path}")
    path.chmod(0o640)
    one.reload(one.server, workers=2)
    is_so(path, 0o640)


@needs_root
def test_the_owner_at_the_start_and_after_reloads(relay, origin, path):
    group = grp.getgrgid(100)
    one = relay(origin(http), address=f"unix:{path}", socket_mode="0660", socket_user="nobody", socket_group=group.gr_name)
    is_so(path, 0o660, 65534, 100)
    assert works(path)
    one.reload(one.server, socket_mode="0660", socket_group="4711")
    is_so(path, 0o660, None, 4711)
    one.reload(one.server)
    is_so(path, 0o666)


@needs_root
def test_a_reload_that_fails_changes_no_file(relay, origin, path, short_path):
    other = short_path / "other.sock"
    addresses = [f"unix:{path}", f"unix:{other}"]
    one = relay(origin(http), address=addresses, socket_mode="0600")
    one.write_conf(one.server, address=[*addresses, "192.0.2.1:1"], socket_mode="0660", socket_group="4711")
    assert "192.0.2.1" in one.hup()
    is_so(path, 0o600)
    is_so(other, 0o600)


def test_another_file_at_the_path_is_left_alone(relay, origin, path, short_path):
    """The file went, a reload makes it anew, and what lies in its place is a stranger's."""
    one = relay(origin(http), address=f"unix:{path}", socket_mode="0600")
    path.unlink()
    victim = short_path / "victim"
    victim.write_text("")
    victim.chmod(0o640)
    path.symlink_to(victim)
    one.write_conf(one.server, socket_mode="0666")
    assert f"cannot listen on unix:{path}" in one.hup()
    assert stat.S_IMODE(victim.stat().st_mode) == 0o640


def test_a_restart_with_a_keeper(revived, origin, keeper, path):
    """The socket lives on: what the next file says is put in force on it."""
    server = origin(http)
    one = revived(server, address=[f"unix:{path}", f"127.0.0.1:{free_port()}"], socket_mode="0600")
    number = path.stat().st_ino
    for mode in (0o660, 0o666):
        keeper.wait_held(0)
        one.write_conf(server, keeper=keeper.path, on_term="leave", **({} if mode == 0o666 else {"socket_mode": f"{mode:04o}"}))
        one.crash()
        is_so(path, mode)
        assert path.stat().st_ino == number
        assert works(path)


def as_member(short_path, text, *words):
    short_path.chmod(0o777)
    file = short_path / "relayd.conf"
    file.write_text(text)
    file.chmod(0o644)
    return once(*words, "-f", file, wrap=MEMBER)


@needs_root
@pytest.mark.parametrize("options, words", [
    ({"socket_user": "root"}, ["root", "only root may give", "leave socket_user empty"]),
    ({"socket_group": "4711"}, ["4711", "member of", "SupplementaryGroups=4711"]),
])
def test_what_this_user_may_not_give(short_path, path, options, words):
    text = config(f"unix:{path}", "127.0.0.1:1", keeper="off", **options)
    line = next(n for n, line in enumerate(text.splitlines(), 1) if "socket_" in line)
    done = as_member(short_path, text)
    assert done.returncode == 77, done.stderr
    assert f"{short_path}/relayd.conf:{line}: listener " in done.stderr
    for word in words:
        assert word in done.stderr
    assert not path.exists(), "nothing is left behind"
    done = as_member(short_path, text, "-t")
    assert done.returncode == 0
    assert f"{short_path}/relayd.conf:{line}: warning: address unix:{path}: this user may not give it to" in done.stderr


@needs_root
def test_a_member_gives_its_group(short_path, path):
    text = config(f"unix:{path}", "127.0.0.1:1", keeper="off", socket_group="100")
    done = as_member(short_path, text, "-t")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("options, words", [
    ({"socket_mode": "0888"}, ["socket_mode", "0888", "octal", "0660"]),
    ({"socket_mode": "4755"}, ["socket_mode", "4755", "0777"]),
    ({"socket_mode": "rw-rw----"}, ["socket_mode", "octal"]),
    ({"socket_mode": ""}, ["socket_mode", "octal"]),
    ({"socket_user": "no-such-user"}, ["socket_user", "no-such-user", "none of this name"]),
    ({"socket_group": "no-such-group"}, ["socket_group", "no-such-group", "none of this name"]),
    ({"socket_group": "4294967295"}, ["socket_group", "4294967295"]),
])
def test_values_that_are_not_allowed(tmp_path, options, words):
    (tmp_path / "relayd.conf").write_text(config("unix:/run/web.sock", "127.0.0.1:1", **options))
    done = once("-t", "-f", tmp_path / "relayd.conf")
    assert done.returncode == 78
    assert f"{tmp_path}/relayd.conf:" in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("address, word", [("127.0.0.1:80", "unix:/path"), ("systemd", "SocketMode=")])
def test_without_a_file_of_its_own(tmp_path, address, word):
    (tmp_path / "relayd.conf").write_text(config(address, "127.0.0.1:1", socket_mode="0600"))
    done = once("-t", "-f", tmp_path / "relayd.conf")
    assert done.returncode == 78
    assert "socket_mode has no meaning" in done.stderr and word in done.stderr
