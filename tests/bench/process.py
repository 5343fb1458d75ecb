"""Programs that are started, watched and, whatever happens, stopped again."""
import atexit
import ctypes
import os
import pathlib
import random
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

PR_SET_PDEATHSIG = 1
PREFIX = "relayd-bench-"
TICKS = os.sysconf("SC_CLK_TCK")
_libc = ctypes.CDLL(None, use_errno=True)
_running = []
_folders = []


class Failed(Exception):
    """Something did not start, did not answer or did not end in time."""


def descriptors():
    """Raises the soft limit of descriptors for all that is started. Returns the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 100000 if hard == resource.RLIM_INFINITY else min(hard, 100000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def folder(parent):
    """A temporary directory that is gone at exit. Those of runs that were killed go now."""
    for old in pathlib.Path(parent).glob(f"{PREFIX}*-*"):
        if not os.path.exists(f"/proc/{old.name[len(PREFIX):].split('-')[0]}"):
            shutil.rmtree(old, ignore_errors=True)
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=parent))
    os.chmod(path, 0o755)   # nginx's worker may be another user
    _folders.append(path)
    return path


def start(arguments, log, stop=signal.SIGKILL, **options):
    """Starts a program that gets the signal stop when it is to end, also if this one dies."""
    def in_child():
        _libc.prctl(PR_SET_PDEATHSIG, int(stop))
    with open(log, "ab") as output:
        options = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output, **options}
        try:
            child = subprocess.Popen([str(a) for a in arguments], preexec_fn=in_child, **options)
        except OSError as error:
            raise Failed(f"{arguments[0]}: {error.strerror}") from error
    child.stop_signal = stop
    _running.append(child)
    return child


def stop(child):
    if child in _running:
        _running.remove(child)
    if child.poll() is None:
        child.send_signal(child.stop_signal)
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(5)
    for stream in (child.stdin, child.stdout):
        if stream:
            stream.close()


def result(child, seconds):
    """The output of a program that ends by itself in that time."""
    try:
        output, _ = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{os.path.basename(child.args[0])} did not end in {seconds:.0f} s") from error
    finally:
        stop(child)
    return output


def stop_all():
    while _running:
        stop(_running[-1])
    while _folders:
        shutil.rmtree(_folders.pop(), ignore_errors=True)


def stop_all_at_exit():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(number, _):
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)   # stopping takes a bounded time
        sys.exit(128 + number)

    atexit.register(stop_all)
    for number in numbers:
        signal.signal(number, end)


def ports(count):
    """Free ports below those that the kernel gives to outgoing connections."""
    found, first = [], random.randrange(12000, 30000)
    for port in range(first, first + 2000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise Failed("no free ports")


def over(tls, sock):
    """TLS with whoever it is, or the socket as it is."""
    if not tls:
        return sock
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(sock)


def wait_for_answer(port, child, name, tls=None, seconds=10):
    """Until one request has been answered on that port."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise Failed(f"{name} ended with status {child.returncode}")
        try:
            with over(tls, socket.create_connection(("127.0.0.1", port), 2)) as sock:
                sock.settimeout(5)
                sock.sendall(b"GET /128 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                if sock.recv(4096).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            pass
        time.sleep(0.01)
    raise Failed(f"{name} does not answer on port {port}")


def wait_for_file(path, child, seconds=10):
    """Until the program has made it."""
    deadline = time.monotonic() + seconds
    while not path.exists():
        if child.poll() is not None or time.monotonic() > deadline:
            raise Failed(f"{path} was not made")
        time.sleep(0.01)


def family(pid):
    """The process and its descendants."""
    parents = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        parents[int(path.parent.name)] = int(text[text.rindex(")") + 2:].split()[1])
    members = [pid]
    for member in members:
        members += [child for child, parent in parents.items() if parent == member]
    return members


def cpu_seconds(pids):
    """What the processes, their ended threads and their ended children have used."""
    ticks = 0
    for pid in pids:
        try:
            text = pathlib.Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        ticks += sum(map(int, text[text.rindex(")") + 2:].split()[11:15]))
    return ticks / TICKS
