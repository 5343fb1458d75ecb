"""Reloading what cannot be: everything goes on as before, the log says why, and nothing is left behind."""

import os
import resource
import signal
import socket
import subprocess
import threading

import pytest

from client import connect, connect_many, refuses
from origin import echo, http
from peer import EOF
from relay import config, once, section
from settings import DEADLINE, SANITIZER, free_port, ms, secs, until

GOOD = config("{address}", "{server}")


def filled(text, one):
    return text.replace("{address}", one.address).replace("{server}", one.server.address)


def works(where):
    with connect(where) as client:
        return client.get().status == 200


#: What is wrong with the file: the text, where, and a word of the reason.
BAD = {
    "syntax": (GOOD + "listener {{{\n", 8, "syntax error|title"),
    "open": (GOOD[:-2], 6, "is missing"),
    "unknown option": ("workers = 4\nwrokers = 5\n" + GOOD, 2, "wrokers"),
    "unknown section": ("backend x { }\n" + GOOD, 1, "backend"),
    "no such upstream": (GOOD.replace('upstream = "app"', 'upstream = "ap"'), 3, '"ap"'),
    "no server": (GOOD.replace("server a", "# server a"), 5, "server"),
    "bad value": ("workers = many\n" + GOOD, 1, "workers"),
    "out of range": ("workers = 0\n" + GOOD, 1, "workers"),
    "bad duration": ("drain_timeout = 5 parsecs\n" + GOOD, 1, "drain_timeout|parsecs"),
    "bad address": (GOOD.replace("{address}", "127.0.0.1:99999"), 2, "99999"),
    "twice": (GOOD + "upstream app { server a { address = \"127.0.0.1:1\" } }\n", 8, "twice"),
    "empty": ("", 1, "listener"),
    "only a comment": ("# nothing\n", 1, "listener"),
    "nothing to listen on": (GOOD.replace('"{address}"', "{}"), 2, "address"),
    "binary": (bytes(range(256)) * 40, 1, ""),
    "text of another kind": ("<VirtualHost *:80>\n</VirtualHost>\n", 1, ""),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file(relay, origin, kind):
    one = relay(origin(http))
    text, line, word = BAD[kind]
    one.write_conf(text=text if isinstance(text, bytes) else filled(text, one))
    with connect(one) as client:
        assert client.get().status == 200
        why = one.hup()
        assert client.get().status == 200, "a live connection goes on"
    assert why.startswith(f"{one.file}:{line}: "), why
    one.wait_log(f" error .*relayd.conf:{line}: .*({word})")
    one.wait_log(" error The reload was refused, and the configuration in force stays: ")
    assert works(one)
    assert one.status.endswith(f"The last reload was refused: {why}")
    one.reload(one.server)
    assert "refused" not in one.status
    one.wait_log(" notice Reloaded ")
    assert works(one)


def test_every_error_is_logged(relay, origin):
    one = relay(origin(http))
    one.write_conf(text="wrokers = 4\nqueue_size = x\n" + filled(GOOD, one) + "upstream b { }\n")
    first = one.hup()
    for line, word in ((1, "wrokers"), (2, "queue_size"), (10, "server")):
        one.wait_log(f" error .*relayd.conf:{line}: .*{word}")
    assert ":1: " in first and "wrokers" in first, "the status line has the first"


def missing(path):
    path.unlink()


def directory(path):
    path.unlink()
    path.mkdir()


def dangling(path):
    path.unlink()
    path.symlink_to("nowhere")


def huge(path):
    os.truncate(path, 1 << 30)


def fifo(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("spoil, word", [(missing, "no such file"), (directory, "directory"), (fifo, "this is a FIFO"),
                                         (dangling, "no such file"), (huge, "larger than")])
def test_a_file_that_cannot_be_read(relay, origin, spoil, word):
    one = relay(origin(http))
    own = one.open_files()["socket"]
    spoil(one.file)
    why = one.hup()
    assert word in why and str(one.file) in why
    assert works(one)
    one.wait_log(f" error .*{word}")
    if one.file.is_dir():
        one.file.rmdir()
    elif one.file.is_fifo():
        one.file.unlink()
    one.reload(one.server)
    assert works(one)
    one.wait_records(2)
    one.wait_sockets(own)


def test_without_a_file(relay, origin):
    one = relay(origin(http), arguments=["--listen", (address := f"127.0.0.1:{free_port()}"), "--proxy",
                                         origin(http).address], address=address)
    assert "--proxy" in one.hup()
    assert works(one)


def without_pipes(one):
    """Its open files; of pipes it keeps as many as were ever used at a time."""
    return {kind: count for kind, count in one.open_files().items() if kind != "pipe"}


def test_a_port_that_is_taken_leaves_nothing_behind(relay, origin, short_path):
    """The last of several listeners cannot be had: the others, and the workers, are taken back."""
    one = relay(origin(http), workers=3)
    own = one.open_files()["socket"]
    assert works(one)
    one.wait_sockets(own)
    until(lambda: len(one.thread_ids("worker-")) == 3, "its threads run")
    new, files = f"127.0.0.1:{free_port()}", without_pipes(one)
    threads, sockets = one.threads(), one.sockets()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        addresses = [new, f"unix:{short_path}/web.sock", one.address, f"127.0.0.1:{port}"]
        for _ in range(10):
            one.write_conf(one.server, address=addresses, workers=20, max_connections=77)
            why = one.hup()
            assert f"127.0.0.1:{port}" in why and "another process" in why
        assert works(one)
        one.wait_sockets(own)
        assert one.sockets() == sockets
        until(lambda: without_pipes(one) == files, "nothing is left open")
        until(lambda: one.threads() == threads, "no thread is left")
        assert os.listdir(short_path) == []
        assert refuses(new)
    one.reload(one.server, address=addresses, workers=20)
    assert all(works(address) for address in addresses)


@pytest.mark.skipif(bool(SANITIZER), reason="sanitizers take terabytes of addresses")
def test_no_room_for_threads_leaves_nothing_behind(relay, origin):
    one = relay(origin(http), workers=3)
    own = one.open_files()["socket"]
    assert works(one)
    one.wait_sockets(own)
    until(lambda: len(one.thread_ids("worker-")) == 3, "its threads run")
    threads, sockets, new = one.threads(), one.sockets(), f"127.0.0.1:{free_port()}"
    with open(f"/proc/{one.pid}/statm", encoding="ascii") as statm:
        size = int(statm.read().split()[0]) * resource.getpagesize()
    resource.prlimit(one.pid, resource.RLIMIT_AS, (size + (100 << 20), resource.RLIM_INFINITY))
    one.write_conf(one.server, address=[one.address, new], workers=500)
    assert "threads" in one.hup()
    assert works(one)
    until(lambda: len(one.thread_ids("worker-")) == 3, "the workers are taken back")
    until(lambda: one.threads() == threads and one.sockets() == sockets, "nothing is left")
    assert refuses(new)
    resource.prlimit(one.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    one.reload(one.server, address=[one.address, new], workers=50)
    assert works(new)


def test_a_bad_reload_changes_no_option(relay, origin):
    """max_connections, log_connections, drain_timeout and the rest are those of the file before."""
    one = relay(origin(echo), max_connections=2, drain_timeout=ms(300))
    clients = connect_many(one, 2)
    for client in clients:
        client.send(b"a").read(1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        one.write_conf(one.server, address=[one.address, "127.0.0.1:%d" % taken.getsockname()[1]],
                       max_connections=10, drain_timeout="1h", log_connections="none", when_full="reject")
        assert one.hup()
    third = connect(one)
    third.send(b"b")
    assert third.is_silent(0.1)
    clients[0].close()
    assert third.read(1) == b"b"
    assert one.record(clients[0]).end in ("CE", "CX")
    one.term()
    assert one.wait_exit() == 0


def test_bad_reloads_under_load(relay, origin):
    """One good, one bad, and so on: no client notices."""
    one = relay(origin(http))
    stop, failed, served = threading.Event(), [], []

    def visit():
        while not stop.is_set():
            try:
                served.append(works(one))
            except Exception as error:
                failed.append(error)
    threads = [threading.Thread(target=visit, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(20):
        if number % 2:
            one.reload(one.server, workers=2 + number)
        else:
            one.write_conf(text="workers = none\n" + filled(GOOD, one))
            assert "workers" in one.hup()
        before = len(served)
        until(lambda: len(served) >= before + 2 or failed, "clients are served")
    stop.set()
    for thread in threads:
        thread.join(DEADLINE)
    assert (failed, set(served)) == ([], {True})


# relayd --reload PID


def test_reload_and_its_exit_status(relay, origin):
    one = relay(origin(http))
    assert once("--reload", one.pid).returncode == 0
    one.write_conf(text="workers = none\n" + filled(GOOD, one))
    done = once("--reload", one.pid)
    assert done.returncode == 78
    assert "refused" in done.stderr and "--check" in done.stderr
    assert works(one)
    one.write_conf(one.server)
    done = once("--reload", one.pid)
    assert (done.returncode, done.stderr) == (0, "")


def test_several_who_ask_at_once_are_all_answered(relay, origin):
    one = relay(origin(http))
    codes = []
    askers = [threading.Thread(target=lambda: codes.append(once("--reload", one.pid).returncode)) for _ in range(3)]
    one.signal(signal.SIGSTOP)  # their questions come together
    for asker in askers:
        asker.start()
    one.signal(signal.SIGHUP)
    one.signal(signal.SIGCONT)
    until(lambda: one.read_notified() is None and len(codes) == 3, "all are answered")
    for asker in askers:
        asker.join(DEADLINE)
    assert codes == [0] * 3


def test_reload_of_no_process():
    gone = subprocess.Popen(["true"])
    gone.wait()
    done = once("--reload", gone.pid)
    assert done.returncode == 69
    assert str(gone.pid) in done.stderr


def test_reload_of_a_process_that_is_not_relayd():
    """It is told at once, and the other process is left in peace."""
    with subprocess.Popen(["sleep", "60"]) as other:
        done = once("--reload", other.pid)
        alive = other.poll() is None
        other.kill()
    assert done.returncode == 69
    assert str(other.pid) in done.stderr and "relayd" in done.stderr
    assert alive


def test_reload_of_one_that_ends_meanwhile(relay, origin):
    one = relay(origin(http))
    answer = []
    one.signal(signal.SIGSTOP)
    asker = threading.Thread(target=lambda: answer.append(once("--reload", one.pid)))
    asker.start()
    until(lambda: pending(one.pid, signal.SIGHUP), "it is asked")
    one.expected_exit = -signal.SIGKILL
    one.signal(signal.SIGKILL)
    assert one.wait_exit() == -signal.SIGKILL
    asker.join(secs(10))
    assert answer and answer[0].returncode == 69


def pending(pid, number):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(("ShdPnd:", "SigPnd:")) and int(line.split()[1], 16) >> (number - 1) & 1:
                return True
    return False


# While it stops


def test_hup_while_draining_does_nothing(relay, origin):
    one = relay(origin(echo), drain_timeout="1h")
    with connect(one) as client:
        client.send(b"a").read(1)
        one.term()
        one.wait_notified("STOPPING=1")
        ready = one.count_notified("READY=1")
        one.write_conf(origin(http), drain_timeout="0")
        for _ in range(5):
            one.signal(signal.SIGHUP)
        assert once("--reload", one.pid).returncode == 78
        assert client.send(b"b").read(1) == b"b"
        assert refuses(one)
        assert client.shut().read_end() == (b"", EOF)
    assert one.wait_exit() == 0
    assert one.count_notified("READY=1") == ready
    assert one.count_notified("RELOADING=1") == 0
    assert "Reloaded" not in one.log


def test_a_hup_and_a_term_at_once(relay, origin):
    one = relay(origin(http), drain_timeout="1h")
    one.write_conf(text=section("listener", "web", address=one.address, upstream="app")
                   + section("upstream", "app", server=one.server))
    one.signal(signal.SIGSTOP)
    one.signal(signal.SIGHUP)
    one.term()
    one.signal(signal.SIGCONT)
    assert one.wait_exit() == 0
