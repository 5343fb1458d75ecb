"""Whose the keeper is, and whose the connections that it holds: nobody else gets a descriptor, and nobody else's start costs
one."""

import contextlib
import os
import signal
import socket
import subprocess
import sys

import pytest

from client import connect
from keeper import KEEPER, Keeper, Revived, ask, farewell
from keeper_talk import Intruder, Scripted
from origin import echo
from peer import RESET
from relay import config, environment
from settings import DEADLINE, free_port, until
from test_80_keeper_traps import usual_keeper  # noqa: F401 (a fixture)

NOBODY = 65534

# Who is trusted


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")

LISTEN_AS = """
import os, socket, sys
one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
one.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
os.seteuid(int(sys.argv[2]))
one.listen()
print("listens", flush=True)
while True:
    peer, _ = one.accept()
    print("heard", len(peer.recv(4096)), flush=True)
    peer.close()
"""


def complaint(one, *words):
    """What it says of its keeper, in one line, once."""
    def find():
        return [line.text for line in one.all_lines() if "keeper" in line.text.lower()
                and all(word in line.text for word in words)]
    found = until(find, f"it is said why there is no keeper: {words}")
    assert len(found) == 1, found
    return found[0]


@needs_root
def test_a_keeper_that_is_another_users(revived, origin, short_path):
    """The kernel says who listens there, and it is told nothing."""
    path = f"{short_path}/other"
    with subprocess.Popen([sys.executable, "-c", LISTEN_AS, path, str(NOBODY)], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"listens\n"
        one = revived(origin(echo), keeper=path)
        assert f"user {NOBODY}'s" in complaint(one, path, "not trusted")
        assert connect(one).send(b"x").read(1) == b"x"
        assert other.stdout.readline() == b"heard 0\n"
        other.kill()


def open_to(directory, mode, owner=None):
    os.mkdir(directory)
    os.chmod(directory, mode)
    if owner is not None:
        os.chown(directory, owner, -1)
    return f"{directory}/keeper"


@pytest.mark.parametrize("mode,owner", [(0o777, None), (0o1777, None), (0o775, None), (0o755, NOBODY)],
                         ids=["all", "sticky", "group", "owner"])
def test_a_directory_in_which_others_may_write(revived, origin, short_path, mode, owner):
    """Neither relayd nor its keeper uses it, and both say why."""
    if owner is not None and os.geteuid() != 0:
        pytest.skip("another user's directory needs root")
    path = open_to(short_path / "open", mode, owner)
    done = subprocess.run([KEEPER, "--socket", path], stderr=subprocess.PIPE, text=True, check=False,
                          timeout=DEADLINE, env=environment())
    assert done.returncode == 69
    assert str(short_path / "open") in done.stderr
    assert not os.path.exists(path)
    heard = Scripted(path, lambda peer: peer.hear())
    one = revived(origin(echo), keeper=path)
    complaint(one, "not trusted", str(short_path / "open"))
    assert connect(one).send(b"x").read(1) == b"x"
    assert not heard.heard
    heard.stop()


def test_a_directory_above_it_in_which_others_may_write(short_path):
    """Who may rename the directory may put another one in its place; not so in a sticky one, as /tmp is."""
    for mode, code in ((0o777, 69), (0o1777, None)):
        above = short_path / f"above{mode}"
        os.mkdir(above)
        path = open_to(above / "own", 0o700)
        os.chmod(above, mode)
        if code is None:
            Keeper(path).finish()
        else:
            assert subprocess.run([KEEPER, "--socket", path], stderr=subprocess.DEVNULL, check=False,
                                  timeout=DEADLINE, env=environment()).returncode == code


@needs_root
def test_another_user_who_comes_to_the_keeper(keeper, revived, meeting):
    """Even where the file's mode lets everybody in."""
    one = revived(meeting)
    pair = meeting.pair(one)
    one.kill()
    os.chmod(keeper.path, 0o666)
    os.chmod(os.path.dirname(keeper.path), 0o755)
    talk = ("import socket, sys; one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); one.connect(sys.argv[1]);"
            "print(one.recv(100))")
    for _ in range(3):
        done = subprocess.run(["setpriv", f"--reuid={NOBODY}", "--clear-groups", sys.executable, "-c", talk, keeper.path],
                              stdout=subprocess.PIPE, check=True)
        assert done.stdout == b"b''\n"
    keeper.wait_log(f"may not use the keeper.*user {NOBODY}'s")
    assert sum("may not use" in line for line in keeper.lines) == 1   # it cannot fill the log
    one.again()
    ask(*pair)


# Whose connections it holds


def test_a_stray_relayd_in_the_moment_of_a_restart(revived, keeper, meeting, origin):
    """It is given nothing, and takes nothing from the one that is away; its turn comes when that has gone for good."""
    first = revived(meeting)
    client, server = meeting.pair(first)
    keeper.wait_held(1)
    first.kill()
    stray = revived(origin(echo))
    complaint(stray, "holds those of another relayd", str(first.file))
    until(lambda: sum("are held; it has no keeper" in line for line in keeper.lines) == 1, "the keeper says so")
    assert connect(stray).send(b"x").read(1) == b"x"
    first.again()
    ask(client, server)
    assert first.wait_adopted(1) == [(1, 0)]
    complaint(stray, "another relayd", "uses", str(first.file))
    client.close()
    server.close()
    keeper.wait_held(0)
    first.term()
    assert first.wait_exit() == 0   # it leaves its listening socket, for which the keeper waits
    Intruder(keeper.path).forget()
    stray.wait_log("Connections that come from now on outlive relayd")
    held = connect(stray)
    assert held.send(b"x").read(1) == b"x"
    stray.crash()
    assert held.send(b"y").read(1) == b"y"
    assert not [line for line in stray.warned_of_keeper() if "gone" in line.text]


def test_a_start_that_finds_its_port_in_use(revived, meeting, usual_keeper):  # noqa: F811
    """The keeper of another relayd has nothing to do with it, and keeps what it holds."""
    usual, wrap = usual_keeper
    first = revived(meeting, wrap=wrap, keeper="auto", on_term="leave")
    pair = meeting.pair(first)
    usual.wait_held(1)
    first.kill()
    with socket.socket() as taken, contextlib.ExitStack() as stack:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        second = Revived(meeting, wrap=wrap, keeper="off", ready=False,
                         address="127.0.0.1:%d" % taken.getsockname()[1])
        second.expected_exit = 69
        stack.callback(second.finish)
        assert second.wait_exit() == 69
    usual.wait_held(1)
    first.again()
    ask(*pair)
    assert first.wait_adopted(1) == [(1, 0)]


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_one_listening_socket_makes_way_for_another_relayd(revived, meeting, usual_keeper, short_path, kind):  # noqa: F811
    """That one alone: the other listening socket and the connections stay."""
    usual, wrap = usual_keeper
    wanted = f"127.0.0.1:{free_port()}" if kind == "tcp" else f"unix:{short_path}/web"
    other = f"127.0.0.1:{free_port()}"
    first = revived(meeting, wrap=wrap, keeper="auto", on_term="leave", address=[wanted, other])
    pair = meeting.pair(wanted)
    usual.wait_held(1, listeners=2) if kind == "tcp" else None
    first.kill()
    second = revived(meeting, wrap=wrap, keeper="off", address=wanted)
    mine = meeting.pair(wanted)
    ask(*mine)
    usual.wait_log(f"A listening socket of {first.file} made way for {second.file}")
    farewell(*mine)
    second.term()
    second.wait_exit()
    waits = connect(other)
    first.again()
    ask(*pair)
    assert first.wait_adopted(1) == [(1, 0)]
    server = meeting.accept()
    ask(waits, server)


def test_two_files_of_one_name(revived, keeper, meeting):
    """`instance` says that it is the same one."""
    first = revived(meeting, instance="web")
    pair = meeting.pair(first)
    first.kill()
    second = revived(meeting, instance="web", address=first.address)
    ask(*pair)
    assert second.wait_adopted(1) == [(1, 0)]
    first.checked = True


def test_one_file_of_two_names(revived, keeper, meeting):
    first = revived(meeting, instance="web")
    client, server = meeting.pair(first)
    first.kill()
    text = config(f"127.0.0.1:{free_port()}", meeting.address, keeper=keeper.path, on_term="leave", instance="mail")
    second = revived(text=text, arguments=None)
    complaint(second, "holds those of another relayd (web)")
    first.again()
    ask(client, server)


def test_a_reload_that_changes_the_name(revived, keeper, meeting):
    """The keeper knows the new one from then on."""
    one = revived(meeting)
    pair = meeting.pair(one)
    one.reload(meeting, keeper=keeper.path, on_term="leave", instance="new")
    one.crash()
    ask(*pair)
    assert one.wait_adopted(1) == [(1, 0)]


def test_the_same_file_by_another_path(keeper, meeting):
    """From another directory, and with more dots than it needs."""
    with contextlib.ExitStack() as stack:
        one = Revived(meeting, keeper=keeper.path, on_term="leave")
        stack.callback(one.finish)
        pair = meeting.pair(one)
        for way in (os.path.relpath(one.file), f"{one.directory}//./x/../relayd.conf"):
            (one.directory / "x").mkdir(exist_ok=True)
            one.kill()
            one.arguments = ["-f", way]
            one.again()
            ask(*pair)


def test_keeper_off_for_the_same_file(revived, meeting, usual_keeper):  # noqa: F811
    """Nobody will come for what is held: it does not stand still until keeper_timeout."""
    usual, wrap = usual_keeper
    one = revived(meeting, wrap=wrap, keeper="auto", on_term="leave")
    client, server = meeting.pair(one)
    one.kill(signal.SIGKILL)
    one.write_conf(meeting, keeper="off", on_term="leave")
    one.again()
    assert (client.ending(), server.ending()) == (RESET, RESET)
    usual.wait_log(f"All that was held of {one.file} made way")
