"""What a file system or a name server keeps waiting: relayd goes on meanwhile, and ends when it is told to."""

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
import time

import pytest

from client import connect
from dns import SWALLOW, ScriptedDns
from origin import http
from relay import config, once, section
from settings import LONG, free_port, secs, short_directory, until

SLOW = "listener.test"


@pytest.fixture
def dns():
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("an /etc/resolv.conf of its own needs a mount namespace, which cannot be had here")
    one = ScriptedDns()
    with open(one.directory / "resolv.conf", "a", encoding="ascii") as conf:
        conf.write("options timeout:1 attempts:5\n")
    one.set(SLOW, A=["127.0.0.1"], AAAA=[])
    yield one
    one.stop()


@contextlib.contextmanager
def dead_file_system():
    """A directory that nobody answers for: whoever looks into it waits."""
    path, libc = short_directory(), ctypes.CDLL(None, use_errno=True)
    try:
        fuse = os.open("/dev/fuse", os.O_RDWR)
    except OSError:
        pytest.skip("there is no /dev/fuse here")
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    if libc.mount(b"dead", str(path).encode(), b"fuse", 0, options) != 0:
        os.close(fuse)
        pytest.skip("nothing can be mounted here")
    try:
        yield path
    finally:
        os.close(fuse)  # then it fails at once
        libc.umount2(str(path).encode(), 2)
        path.rmdir()


def ends_at_once(one):
    began = time.monotonic()
    one.term()
    assert one.wait_exit() == 0
    assert time.monotonic() - began < secs(4), "it waits for nobody"


def reads(one):
    return one.thread_ids("reader")


def served_meanwhile(one):
    """While the reload waits, the watchdog is fed, and clients are relayed."""
    until(lambda: reads(one), "the reload is under way")
    one.wait_notified("WATCHDOG=1", count=one.count_notified("WATCHDOG=1") + 3)
    one.wait_notified("STATUS=Relaying 0 connections for 1 listener. Reloading.")
    assert connect(one).get().status == 200
    assert reads(one) and "refused" not in one.log and "Reloaded" not in one.log


def watched(relay, server, wrap=(), **env):
    return relay(server, wrap=wrap, env={"WATCHDOG_USEC": str(int(secs(1) * 1e6)), **env})


def test_a_name_that_nobody_answers_for(relay, origin, dns):
    dns.set(SLOW, A=SWALLOW, AAAA=SWALLOW)
    one = watched(relay, origin(http), wrap=dns.wrap)
    one.write_conf(one.server, address=[one.address, f"{SLOW}:{free_port()}"])
    one.signal(signal.SIGHUP)
    served_meanwhile(one)
    ends_at_once(one)


def test_a_file_system_that_is_dead(relay, origin):
    with dead_file_system() as dead:
        # (The leak sanitizer stops all threads at the end, and would wait for one that waits for a file.)
        one = watched(relay, origin(http), ASAN_OPTIONS="detect_leaks=0:exitcode=99")
        one.file.unlink()
        one.file.symlink_to(dead / "relayd.conf")
        one.signal(signal.SIGHUP)
        served_meanwhile(one)
        ends_at_once(one)


def test_a_hup_while_the_file_is_read_for_the_first_time(relay, origin):
    """It is done when the start is over; it does not end the process."""
    servers = "".join(f'    server s{number} {{ address = "127.0.0.1:{1 + number}" }}\n' for number in range(10_000))
    one = relay(text=section("listener", "web", address=f"127.0.0.1:{free_port()}", upstream="app")
                + f"upstream app {{\n{servers}}}\n", ready=False)

    def reads():
        """The signal is kept, or it reads: its start alone takes a processor for less than this."""
        with open(f"/proc/{one.pid}/status", encoding="ascii") as status, \
             open(f"/proc/{one.pid}/schedstat", encoding="ascii") as worked:
            blocked = next(int(line.split()[1], 16) for line in status if line.startswith("SigBlk"))
            return blocked & 1 << signal.SIGHUP - 1 or int(worked.read().split()[0]) > secs(0.1) * 1e9
    until(reads, "it reads the file", pause=0.001)
    one.signal(signal.SIGHUP)
    one.wait_notified("READY=1", count=2)
    one.wait_log("Reloaded")


def test_a_start_that_waits_for_a_name(relay, origin, dns):
    dns.set(SLOW, A=SWALLOW, AAAA=SWALLOW)
    one = relay(origin(http), address=f"{SLOW}:{free_port()}", wrap=dns.wrap, ready=False)
    until(lambda: dns.count(SLOW), "it asks for the name")
    ends_at_once(one)
    assert one.count_notified("READY=1") == 0


def test_a_start_goes_on_with_the_answer(relay, origin, dns):
    dns.lose(SLOW, "A", 1)
    port = free_port()
    relay(origin(http), address=f"{SLOW}:{port}", wrap=dns.wrap)
    assert connect(f"127.0.0.1:{port}").get().status == 200


def test_a_reload_goes_on_with_the_answer_and_is_done_once(relay, origin, dns):
    """It takes longer than the second after which a question would be asked again, if nobody had heard it."""
    dns.lose(SLOW, "A", 2)
    one, port = relay(origin(http), wrap=dns.wrap), free_port()
    one.write_conf(one.server, address=[one.address, f"{SLOW}:{port}"])
    done = once("--reload", one.pid)
    assert (done.returncode, done.stderr) == (0, "")
    assert connect(f"127.0.0.1:{port}").get().status == 200
    one.write_conf(one.server, address=[one.address])
    assert once("--reload", one.pid).returncode == 0
    assert len(one.wait_log("Reloaded ", count=2)) == 2, "it was asked twice"


def test_who_asks_during_a_reload_gets_another_one(relay, origin, dns):
    """The file may be another one than that which is being read."""
    dns.lose(SLOW, "A", 1)
    one, slow, quick = relay(origin(http), wrap=dns.wrap), free_port(), free_port()
    codes = []
    one.write_conf(one.server, address=[one.address, f"{SLOW}:{slow}"])
    asker = threading.Thread(target=lambda: codes.append(once("--reload", one.pid).returncode))
    asker.start()
    until(lambda: dns.count(SLOW), "the first is under way")
    one.write_conf(one.server, address=[one.address, f"127.0.0.1:{quick}"])
    for _ in range(3):
        one.signal(signal.SIGHUP)
    assert once("--reload", one.pid).returncode == 0
    asker.join()
    assert codes == [0]
    assert connect(f"127.0.0.1:{quick}").get().status == 200
    one.wait_log(f"takes connections on .*:{quick} ")
    texts = [line.text for line in one.all_lines() if "takes connections" in line.text]
    assert [f":{port} " in text for port, text in zip((one.port, slow, quick), texts)] == [True] * 3


@pytest.mark.skipif(not LONG, reason="takes ten seconds: with --long only")
def test_the_patience_has_an_end(relay, origin, dns):
    dns.set(SLOW, A=SWALLOW, AAAA=SWALLOW)
    (dns.directory / "resolv.conf").write_text(f"nameserver {dns.address}\noptions timeout:20\n")
    one, port = relay(origin(http), wrap=dns.wrap), free_port()
    text = config(one.addresses + [f"{SLOW}:{port}"], one.server.address)
    one.write_conf(text=text)
    done = once("--reload", one.pid)
    assert done.returncode == 78 and f"{SLOW}:{port}" in done.stderr
    one.wait_log(f"The reload was refused, and the configuration in force stays: .*{SLOW}:{port}")
    assert connect(one).get().status == 200
    one.read_notified()
    one.reload(one.server, workers=3)
