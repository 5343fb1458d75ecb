"""packaging/Containerfile: its image is built, and relayd runs in it as process 1."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading

import pytest

import client
from box import ROOT
from container import Builder, Refused, inside, instructions
from origin import Origin, http
from settings import LONG, free_port, until

pytestmark = [pytest.mark.timeout(900),   # the first test waits for the build
              pytest.mark.skipif(not LONG, reason="fetches a Debian and builds in it: with --long only")]
CONFIGURATION = """
log_format = json
drain_timeout = 5s
listener web {{ address = "127.0.0.1:{port}" upstream = app mode = http }}
upstream app {{ server a {{ address = "{server}" }} }}
"""


@pytest.fixture(scope="module")
def image():
    if os.geteuid() != 0:
        pytest.skip("only root can make a root of its own")
    if not shutil.which("debootstrap"):
        pytest.skip("needs debootstrap")
    try:
        return Builder(ROOT / "packaging/Containerfile", ROOT).build()
    except OSError as error:
        pytest.skip(f"Debian's archive cannot be reached: {error}")


class Container:
    """The image's entrypoint as process 1 of a PID namespace, with the host's network and a file mounted at /etc/relayd.conf."""

    def __init__(self, image, folder, text, wrap=()):
        self.image = image
        self.lines = []
        (folder / "upper/etc").mkdir(parents=True)
        (folder / "upper/etc/relayd.conf").write_text(text)
        (folder / "upper/etc/relayd.conf").chmod(0o644)
        command, environment = inside(image.layers, folder, image.command(), image.environment, user=image.user)
        self.process = subprocess.Popen([*wrap, *command], env=environment, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stderr))
        self.reader.start()

    @property
    def pid(self):
        """Of process 1, as the host sees it."""
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return int(until(lambda: open(path, encoding="ascii").read(), "process 1 runs").split()[0])

    def enter(self, *command):
        """As `docker exec` does."""
        return subprocess.run(["nsenter", "-t", str(self.pid), "-m", "-p", "--wdns=/", "setpriv", "--reuid", self.image.user.split(":")[0],
                               "--regid", self.image.user.split(":")[1], "--clear-groups", *command], env=self.image.environment,
                              text=True, capture_output=True, timeout=30, check=False)

    def healthy(self):
        return self.enter(*self.image.healthcheck).returncode == 0

    def end(self):
        self.process.kill()   # and, by --kill-child, process 1
        self.wait()
        self.process.stderr.close()

    def wait(self):
        status = self.process.wait(30)
        self.reader.join()
        return status


@pytest.fixture
def site(image, tmp_path):
    """A container, its port, and the server behind it."""
    with contextlib.ExitStack() as stack:
        origin = Origin(http)
        stack.callback(origin.stop)
        port = free_port()
        one = Container(image, tmp_path, CONFIGURATION.format(port=port, server=origin.address))
        stack.callback(one.end)
        until(one.healthy, "the container is healthy")
        yield one, f"127.0.0.1:{port}", origin


def test_it_runs_without_rights_as_process_1(site):
    one, _, _ = site
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{one.pid}/status", encoding="ascii").read().splitlines())
    assert (status["Name"], status["NSpid"].split()[-1]) == ("relayd", "1")
    assert status["Uid"].split() == ["10001"] * 4
    assert int(status["CapEff"], 16) == 0


def test_it_relays_and_logs_objects_to_stderr(site):
    one, address, _ = site
    with client.connect(address) as peer:
        assert peer.get("/page").body == b"/page\n"
    until(lambda: any('"end":"' in line for line in one.lines), "the connection is logged")
    for line in one.lines:
        json.loads(line)
    assert one.enter("relayctl").stdout.startswith("relayd ")


def test_term_drains_and_ends_with_0_and_leaves_no_zombie(site):
    one, address, _ = site
    pid = one.pid
    with client.connect(address) as peer:
        assert peer.get("/first").body == b"/first\n"
        peer.send(b"GET /second HTTP/1.1\r\nHost: x\r\n")   # a request that is under way when TERM comes
        os.kill(pid, getattr(signal, one.image.stop_signal))
        until(lambda: any("Stopping" in line for line in one.lines), "it stops")
        peer.send(b"Connection: close\r\n\r\n")
        assert peer.read_response().body == b"/second\n"
    assert children(pid) == []
    assert one.wait() == 0
    assert stopped(one.lines[-1])


def test_a_term_while_it_reads_its_file_is_not_lost(image, tmp_path):
    """The kernel drops a signal that process 1 neither handles nor blocks."""
    slow = ["strace", "-fqq", "-o", "/dev/null", "-P", "/etc/relayd.conf", "-e", "inject=openat:delay_enter=500000"]
    one = Container(image, tmp_path, CONFIGURATION.format(port=free_port(), server="127.0.0.1:1"), wrap=slow)
    try:
        pid = until(lambda: next(filter(is_reading, processes_below(one.process.pid)), None), "process 1 reads its file")
        os.kill(pid, signal.SIGTERM)
        assert one.wait() == 0
        assert not one.lines   # it has not begun
    finally:
        one.end()


def stopped(line):
    return "f5ec52ed0108447592e1bc7656670b14" in line   # the message "relayd has stopped"


def processes_below(pid):
    """Its children and theirs."""
    for child in children(pid):
        yield int(child)
        yield from processes_below(child)


def is_reading(pid):
    """Whether it is relayd that has blocked HUP, as it does before it reads its file, and does not listen yet."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        status = dict(line.split(":\t", 1) for line in file.read().splitlines())
    return status["Name"] == "relayd" and int(status["SigBlk"], 16) & 1 and status["Threads"] == "1"


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return file.read().split()


def test_who_runs_something_in_it_leaves_no_zombie(site):
    """An orphan of `docker exec` becomes process 1's."""
    one, _, _ = site
    one.enter("sh", "-c", "sleep 0.01 & exit 0")
    until(lambda: not children(one.pid), "the orphan is gone")


def test_hup_reloads(site):
    one, _, _ = site
    os.kill(one.pid, signal.SIGHUP)
    until(lambda: any("2cb8ab52e78a4928908b217b53a7dfa2" in line for line in one.lines), "the reload is logged")


def test_a_dead_server_is_unhealthy(site):
    one, address, origin = site
    origin.stop()
    for _ in range(5):
        client.curl(f"http://{address}/")
    until(lambda: not one.healthy(), "the container is not healthy")


# What it says

def test_build_packages_are_those_of_the_project():
    text = (ROOT / "packaging/packages.sh").read_text()
    listed = re.search(r"^build_packages=\((.*?)^\)", text, re.M | re.S)[1]
    wanted = set(re.sub(r"#.*", "", listed).split())
    run = next(rest for keyword, rest in instructions((ROOT / "packaging/Containerfile").read_text()) if keyword == "RUN")
    assert set(run.split("--no-install-recommends")[1].split()) == wanted


def test_an_instruction_that_is_not_known_is_refused(tmp_path):
    (tmp_path / "Containerfile").write_text("VOLUME /x\n")
    with pytest.raises(Refused):
        Builder(tmp_path / "Containerfile", tmp_path).build()
