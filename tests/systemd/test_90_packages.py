"""The packages, and `meson install`: what is in them, and what they do to a running system."""
import contextlib
import hashlib
import os
import pathlib
import platform
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import types

import pytest

from load import CONNECTIONS, Download, Load, Site, adopted, secured
from service import BUILD, Service, listening
from settings import LONG

ROOT = pathlib.Path(__file__).resolve().parents[2]
VERSION = re.search(r"^  version: '(.*)'", (ROOT / "meson.build").read_text(), re.M)[1]
URL = "http://127.0.0.1:8080/"

# Debian's rpm wants to be told that it is meant, until 4.20, which knows no such option.
_forced = ("rpm", "--force-debian")
RPM = _forced if shutil.which("rpm") and subprocess.run([*_forced, "--version"], capture_output=True,
                                                        check=False).returncode == 0 else ("rpm",)

BUILD_SECONDS = 2400 if LONG else 600       # (--long: on one processor, and optimized)
pytestmark = pytest.mark.timeout(BUILD_SECONDS + 300)       # the first test waits for the build
TWICE = pytest.mark.skipif(not LONG, reason="builds it once more: with --long only")

MACHINES = ROOT / "packaging" / "examples"

# What every way of installation brings, compressed or not.
COMMON = {
    "/usr/bin/relayctl",
    "/usr/sbin/relayd",
    "/usr/sbin/relayd-keeper",
    "/usr/lib/systemd/system/relayd.service",
    "/usr/lib/systemd/system/relayd.socket",
    "/usr/lib/systemd/system/relayd-keeper.service",
    "/usr/lib/systemd/system/relayd-keeper.socket",
    "/usr/lib/systemd/catalog/relayd.catalog",
    "/usr/lib/sysusers.d/relayd.conf",
    "/usr/lib/sysctl.d/50-relayd.conf",
    "/usr/share/relayd/acme-deploy",
    "/usr/share/man/man8/relayctl.8",
    "/usr/share/man/man8/relayd.8",
    "/usr/share/man/man8/relayd-keeper.8",
    "/usr/share/man/man5/relayd.conf.5",
    "/usr/share/man/man7/relayd-operations.7",
    "/usr/share/bash-completion/completions/relayctl",
    "/usr/share/bash-completion/completions/relayd",
    "/usr/share/bash-completion/completions/relayd-keeper",
    "/usr/share/zsh/site-functions/_relayctl",
    "/usr/share/fish/vendor_completions.d/relayctl.fish",
    "/usr/share/doc/relayd/relayd.conf",
    "/usr/share/doc/relayd/grafana/relayd.json",
    "/usr/share/doc/relayd/prometheus/relayd.rules.yml",
    *(f"/usr/share/doc/relayd/examples/{path.name}" for path in (ROOT / "conf" / "examples").iterdir()),
    *(f"/usr/share/doc/relayd/machines/{path.relative_to(MACHINES)}" for path in MACHINES.rglob("*") if path.is_file()),
}
UNITS = [os.path.basename(name) for name in sorted(COMMON) if name.startswith("/usr/lib/systemd/system/")]
DOCUMENTS = {"/usr/share/doc/relayd/README.md", "/usr/share/doc/relayd/NEWS.md"}


def run(*command, **options):
    """A program of the host, which must succeed; what it said."""
    done = subprocess.run([str(word) for word in command], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=120, check=False, **options)
    assert done.returncode == 0, f"{command} exited {done.returncode}:\n{done.stdout[-4000:]}"
    return done.stdout


def plain(names):
    """Names of files without the two ways to write them: /lib is /usr/lib, and manuals may be compressed."""
    return {re.sub(r"^/lib/", "/usr/lib/", re.sub(r"\.gz$", "", name)) for name in names}


def digests(paths):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


# Building

def copy_of_the_tree(path):
    """The source tree in another place, without git."""
    shutil.copytree(ROOT, path, ignore=lambda folder, names: [
        name for name in names
        if name in (".git", "__pycache__") or (pathlib.Path(folder) == ROOT and re.match(r"build(-|$)", name))])
    return path


# What is asked of a package is where its files are and what its scripts do: its program is compiled in less time than operators'
# is, but for --long, with which they are compared.
FLAGS = {} if LONG else {"deb": {"DEB_CFLAGS_APPEND": "-O1 -g1"}, "rpm": {"CFLAGS": "-O1"}}


def start_build(tree, *arguments, umask=0o022, within=(), **environment):
    return subprocess.Popen([*within, tree / "packaging" / "build", *arguments], cwd="/", text=True, umask=umask,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={**os.environ, **environment})


def built(process):
    """The packages that a build has made, the one for debugging apart."""
    out, log = process.communicate(timeout=BUILD_SECONDS)
    assert process.returncode == 0, log[-4000:]
    paths = [pathlib.Path(line) for line in out.splitlines()]
    assert paths and all(path.is_file() for path in paths)
    return paths


@pytest.fixture(scope="module")
def out():
    """A folder in the source tree, which the box sees."""
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="packages-") as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


#: What a build finds otherwise on another machine, besides the time, as reprotest(1) has it: the names of host and kernel,
#: addresses that are not random, one processor, another user.
MACHINE = ("unshare", "--uts", "sh", "-c", 'hostname another.test && exec "$@"', "sh",
           "setarch", platform.machine(), "--uname-2.6", "--addr-no-randomize",
           "taskset", "-c", str(min(os.sched_getaffinity(0))),
           "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--")


@pytest.fixture(scope="module")
def elsewhere():
    """The same tree in another place, and somebody else's."""
    with tempfile.TemporaryDirectory(prefix="elsewhere-") as folder:
        os.chmod(folder, 0o755)
        tree = copy_of_the_tree(pathlib.Path(folder) / "tree")
        (tree.parent / "a-longer-name").mkdir()     # where it is built
        run("localedef", "-i", "tr_TR", "-f", "UTF-8", pathlib.Path(folder) / "tr_TR.UTF-8")
        run("chown", "-R", "nobody:nogroup", folder)
        yield tree


def build(kind, out):
    return built(start_build(ROOT, kind, out / kind, TZ="UTC", LC_ALL="C", **FLAGS.get(kind, {})))


def build_again(kind, tree):
    """There, for a user with other habits: his letters have another order and other capitals."""
    return built(start_build(tree, kind, tree.parent / kind, umask=0o077, within=MACHINE, TZ="Asia/Tokyo",
                             TMPDIR=str(tree.parent / "a-longer-name"), HOME="/nonexistent/home", USER="nobody",
                             LC_ALL="tr_TR.UTF-8", LANG="tr_TR.UTF-8", LOCPATH=str(tree.parent),
                             PATH=os.environ["PATH"] + ":/nonexistent/bin", ANOTHER="variable"))


def next_version(deb, out):
    """The same package with a higher version and another relayd.conf, as a list of its path."""
    folder, path = out / "next", out / deb.name.replace(f"{VERSION}-1", f"{VERSION}-2")
    run("dpkg-deb", "-R", deb, folder)
    control = folder / "DEBIAN" / "control"
    control.write_text(re.sub(rf"^Version: {VERSION}-1$", f"Version: {VERSION}-2", control.read_text(), flags=re.M))
    with open(folder / "etc" / "relayd.conf", "a", encoding="utf-8") as file:
        file.write("# The next version.\n")
    run("dpkg-deb", "--root-owner-group", "-b", folder, path)
    return [path]


@pytest.fixture(scope="module")
def debs(out):
    """first; next: a higher version with another relayd.conf. Lists of paths."""
    first = build("deb", out)
    return types.SimpleNamespace(first=first, next=next_version(the_deb(first), out))


def the_deb(paths):
    [deb] = [path for path in paths if path.name.startswith("relayd_")]
    return deb


# What is in them

def test_deb_has_every_file(debs):
    deb = the_deb(debs.first)
    assert deb.name.startswith(f"relayd_{VERSION}-1_")
    listing = run("dpkg-deb", "-c", deb)
    names = {line.split()[5][1:] for line in listing.splitlines() if line[0] != "d"}
    assert plain(names) == COMMON | DOCUMENTS | {
        "/etc/relayd.conf", "/etc/logrotate.d/relayd", "/usr/share/doc/relayd/copyright", "/usr/share/doc/relayd/README.Debian",
        "/usr/share/doc/relayd/changelog.Debian", "/usr/share/lintian/overrides/relayd"}
    assert all(line.split()[1] == "root/root" for line in listing.splitlines())
    assert run("dpkg-deb", "-I", deb, "conffiles").split() == ["/etc/logrotate.d/relayd", "/etc/relayd.conf"]
    depends = run("dpkg-deb", "-f", deb, "Depends")
    assert "libconfuse" in depends and "libsystemd0" in depends


@TWICE
def test_two_debs_are_the_same_bytes(debs, elsewhere):
    assert digests(debs.first) == digests(build_again("deb", elsewhere))


def test_lintian_finds_nothing(debs):
    said = run("lintian", "--allow-root", "--fail-on", "error,warning", *debs.first)
    assert not re.findall(r"^[EW]: .*", said, re.M), said


@pytest.fixture(scope="module")
def rpms(out):
    return build("rpm", out)


def test_rpm_has_every_file(rpms):
    [rpm] = rpms
    assert rpm.name.startswith(f"relayd-{VERSION}-1")
    listing = run("rpm", "-qp", "--qf", "[%{FILEMODES:perms} %{FILENAMES}\n]", rpm)
    names = {line.split()[1] for line in listing.splitlines() if line[0] != "d"}
    assert plain(names) == COMMON | DOCUMENTS | {"/etc/relayd.conf", "/etc/logrotate.d/relayd", "/usr/share/licenses/relayd/LICENSE"}
    assert run("rpm", "-qpc", rpm).split() == ["/etc/logrotate.d/relayd", "/etc/relayd.conf"]
    assert "%" not in run("rpm", "-qp", "--scripts", rpm)       # a macro that is known nowhere stays as it is
    assert "libconfuse" in run("rpm", "-qpR", rpm)


@TWICE
def test_two_rpms_are_the_same_bytes(rpms, elsewhere):
    assert digests(rpms) == digests(build_again("rpm", elsewhere))


# What they do

@pytest.fixture
def machine(box):
    """The box, from which the test's relayd is purged afterwards."""
    box.run("rm", "-f", "/var/lib/man-db/auto-update")      # an index of all manuals takes its time
    yield box
    box.run("systemctl", "stop", "origin.service", check=False)
    box.run("dpkg", "--purge", "relayd", check=False)
    box.run("userdel", "relayd", check=False)


def install(box, deb, *options):
    """As unattended upgrades do it: nobody answers questions."""
    return box.run("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", *options, "-i", str(deb), input="")


def show(box, unit, name):
    return box.run("systemctl", "show", "-P", name, unit).stdout.strip()


def ask(box, url=URL):
    """The status of an answer, as text; 000 without one."""
    return box.run("curl", "-s", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code}", url,
                   check=False).stdout


def start_origin(box):
    box.run("systemd-run", "--unit=origin", "--collect", "python3", "-m", "http.server", "--directory", "/etc/default",
            "--bind", "127.0.0.1", "8000")
    box.wait(lambda: ask(box, "http://127.0.0.1:8000/") == "200", "the origin answers")


def test_install_starts_a_relay_for_this_machine_alone(machine, debs):
    install(machine, the_deb(debs.first))
    assert show(machine, "relayd.service", "ActiveState") == "active"
    assert show(machine, "relayd.service", "UnitFileState") == "enabled"
    assert show(machine, "relayd.socket", "UnitFileState") == "disabled"
    assert show(machine, "relayd.socket", "ActiveState") == "inactive"
    assert show(machine, "relayd-keeper.socket", "UnitFileState") == "enabled"
    assert show(machine, "relayd-keeper.socket", "ActiveState") == "active"
    assert show(machine, "relayd-keeper.service", "ActiveState") == "active"
    pid = show(machine, "relayd.service", "MainPID")
    assert machine.run("ps", "-o", "user=", "-p", pid).stdout.strip() == "relayd"
    sockets = machine.run("ss", "-Hltnp").stdout
    assert re.findall(rf"(\S+:\d+) +\S+ +users:.*pid={pid},", sockets) == ["127.0.0.1:8080"]
    assert ask(machine) == "502"
    start_origin(machine)
    assert ask(machine) == "200"
    assert "relayd" in machine.run("journalctl", "--list-catalog").stdout      # the trigger has taken it in


def test_upgrade_restarts_and_keeps_an_edited_file(machine, debs):
    install(machine, the_deb(debs.first))
    mine = machine.run("cat", "/etc/relayd.conf").stdout.replace(":8080", ":8088") + "# mine\n"
    machine.write("/etc/relayd.conf", mine)
    machine.run("systemctl", "restart", "relayd")
    before = show(machine, "relayd.service", "MainPID")
    install(machine, the_deb(debs.next), "--force-confdef", "--force-confold")
    assert machine.run("dpkg-query", "-W", "-f", "${Version}", "relayd").stdout == f"{VERSION}-2"
    assert show(machine, "relayd.service", "ActiveState") == "active"
    assert show(machine, "relayd.service", "MainPID") != before
    assert machine.run("cat", "/etc/relayd.conf").stdout == mine
    assert ask(machine, "http://127.0.0.1:8088/") == "502"


def test_upgrade_brings_the_new_file_where_nobody_edited_it(machine, debs):
    install(machine, the_deb(debs.first))
    install(machine, the_deb(debs.next))
    assert machine.run("cat", "/etc/relayd.conf").stdout.endswith("# The next version.\n")


def test_upgrade_leaves_a_stopped_service_stopped(machine, debs):
    install(machine, the_deb(debs.first))
    machine.run("systemctl", "disable", "--now", "relayd.service")
    install(machine, the_deb(debs.next))
    assert show(machine, "relayd.service", "ActiveState") == "inactive"
    assert show(machine, "relayd.service", "UnitFileState") == "disabled"


@contextlib.contextmanager
def connection(box):
    """One through relayd: the client's and the server's end."""
    with box.network():
        server = listening("127.0.0.1:8000")
        client = socket.create_connection(("127.0.0.1", 8080), 10)
    with server, client:
        server.settimeout(10)
        end, _ = server.accept()
        with end:
            end.settimeout(10)
            exchange(client, end)
            yield client, end


def exchange(client, server):
    """One byte each way."""
    for one, other in ((client, server), (server, client)):
        one.sendall(b"x")
        assert other.recv(2) == b"x"


def relay_bytes(machine):
    """As it is installed relayd looks into HTTP; in mode tcp a connection outlives it in the middle of anything."""
    conf = machine.run("cat", "/etc/relayd.conf").stdout
    machine.write("/etc/relayd.conf", conf.replace("mode = http ", "mode = tcp "))
    machine.run("systemctl", "restart", "relayd.service")


def test_upgrade_keeps_connections_and_the_keeper(machine, debs):
    install(machine, the_deb(debs.first))
    relay_bytes(machine)
    keeper = show(machine, "relayd-keeper.service", "MainPID")
    before = show(machine, "relayd.service", "MainPID")
    assert keeper != "0"
    with connection(machine) as ends:
        install(machine, the_deb(debs.next), "--force-confold")
        exchange(*ends)
    assert show(machine, "relayd-keeper.service", "MainPID") == keeper
    assert show(machine, "relayd.service", "MainPID") != before
    assert show(machine, "relayd-keeper.socket", "UnitFileState") == "enabled"


def notices_no_upgrade(machine, service, debs, scheme):
    """Neither a running download does nor a request."""
    with service.stack:
        site = Site(service)
        download, load, other = Download(service, site, scheme), Load(service, scheme=scheme), Load(service, True, scheme)
        install(machine, the_deb(debs), "--force-confold")
        assert download.is_running
        assert load.finish() > CONNECTIONS and other.finish() > CONNECTIONS
        download.finish()
        [(count, _, _, lost)] = adopted(service)
        assert count > CONNECTIONS and lost == 0


def test_upgrade_under_load(machine, debs):
    install(machine, the_deb(debs.first))
    relay_bytes(machine)
    notices_no_upgrade(machine, Service(machine), debs.next, "http")


def test_upgrade_under_load_over_https(machine, debs):
    """The same of requests that relayd looks into."""
    install(machine, the_deb(debs.first))
    service = Service(machine)
    service.write_conf(secured(service, machine.run("cat", "/etc/relayd.conf").stdout))
    machine.run("systemctl", "reload", "relayd.service")
    notices_no_upgrade(machine, service, debs.next, "https")


def claim_another_protocol(box):
    """The keeper that runs only says that it speaks another one: the number is in its file."""
    program = box.host_path("/usr/sbin/relayd-keeper")
    ours = re.search(rb"relayd-keeper [^ ]*, protocol \d", program.read_bytes())[0]
    other = program.read_bytes().replace(ours, ours[:-1] + b"0")
    program.unlink()
    program.write_bytes(other)
    program.chmod(0o755)
    box.run("systemctl", "restart", "relayd-keeper.service")


def test_upgrade_restarts_a_keeper_of_another_protocol(machine, debs):
    install(machine, the_deb(debs.first))
    claim_another_protocol(machine)
    keeper = show(machine, "relayd-keeper.service", "MainPID")
    install(machine, the_deb(debs.next))
    assert show(machine, "relayd-keeper.service", "ActiveState") == "active"
    assert show(machine, "relayd-keeper.service", "MainPID") != keeper
    assert ask(machine) == "502"


def use_the_socket(box):
    """As relayd.socket says how: with the service that comes to run, systemd listens where relayd did."""
    box.run("systemctl", "stop", "relayd.service")
    conf = box.run("cat", "/etc/relayd.conf").stdout
    box.write("/etc/relayd.conf", conf.replace('address = "127.0.0.1:8080"', 'address = "systemd"'))
    box.run("systemctl", "enable", "--now", "relayd.socket")


class Client(threading.Thread):
    """Asks again and again, until it is told to stop."""

    def __init__(self, box):
        super().__init__(daemon=True)
        self.box, self.answers, self.going = box, [], True
        self.start()

    def run(self):
        while self.going:
            self.answers.append(ask(self.box))

    def stop(self):
        self.going = False
        self.join()
        return self.answers


def test_upgrade_keeps_the_socket_and_its_clients(machine, debs):
    install(machine, the_deb(debs.first))
    start_origin(machine)
    use_the_socket(machine)
    assert ask(machine) == "200"
    identity = show(machine, "relayd.socket", "InvocationID")
    before = show(machine, "relayd.service", "MainPID")
    client = Client(machine)
    try:
        install(machine, the_deb(debs.next), "--force-confdef", "--force-confold")
    finally:
        answers = client.stop()
    assert show(machine, "relayd.service", "MainPID") != before
    assert show(machine, "relayd.socket", "ActiveState") == "active"
    assert show(machine, "relayd.socket", "InvocationID") == identity
    assert show(machine, "relayd.socket", "UnitFileState") == "enabled"
    assert set(answers) == {"200"} and ask(machine) == "200"


def test_remove_stops_and_keeps_the_file(machine, debs):
    install(machine, the_deb(debs.first))
    use_the_socket(machine)
    client = Client(machine)        # who would start the service again, if the socket were there for longer
    machine.wait(lambda: "502" in client.answers, "the client is answered")
    machine.run("dpkg", "--remove", "relayd")
    client.stop()
    for unit in UNITS:
        assert show(machine, unit, "ActiveState") == "inactive"
        assert show(machine, unit, "LoadState") == "not-found"
    assert machine.run("pgrep", "-x", "relayd(-keeper)?", check=False).returncode == 1
    assert ask(machine) == "000"
    assert '"systemd"' in machine.run("cat", "/etc/relayd.conf").stdout
    install(machine, the_deb(debs.first), "--force-confold")
    assert ask(machine) == "502"


# Not relayd's: what the package manager and the system keep about themselves.
KEPT = ["/var/lib/dpkg", "/var/log", "/var/cache/man", "/var/cache/ldconfig", "/var/lib/systemd/catalog"]


def everything(box):
    """The paths of the machine where programs come and go, and who its users are."""
    prune = " -o ".join(f"-path {path}" for path in KEPT)
    names = box.run("sh", "-c", rf"find /etc /usr /var -xdev \( {prune} -o -path '/etc/*-' \) -prune -o -print").stdout
    users = box.run("cat", "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow").stdout
    running = box.run("find", "/run/relayd", "/run/systemd/system", "/run/systemd/generator", check=False).stdout
    return set(names.splitlines()), users.splitlines(), set(running.splitlines())


def test_purge_leaves_nothing(machine, debs):
    before = everything(machine)
    install(machine, the_deb(debs.first))
    machine.write("/etc/relayd.conf", machine.run("cat", "/etc/relayd.conf").stdout + "# mine\n")
    install(machine, the_deb(debs.next), "--force-confdef", "--force-confold")
    machine.run("systemctl", "enable", "relayd.socket")
    machine.run("dpkg", "--purge", "relayd")
    after = everything(machine)
    assert after[0] - before[0] == set()
    assert after[1:] == before[1:]
    assert "relayd" not in machine.run("journalctl", "--list-catalog").stdout


def test_rpm_upgrade_keeps_connections_and_the_keeper(machine, rpms):
    """The same version over itself, in whose scripts it is an upgrade."""
    machine.run(*RPM, "--nodeps", "-i", *rpms)
    try:
        relay_bytes(machine)
        keeper = show(machine, "relayd-keeper.service", "MainPID")
        before = show(machine, "relayd.service", "MainPID")
        with connection(machine) as ends:
            machine.run(*RPM, "--nodeps", "-U", "--replacepkgs", *rpms)
            assert show(machine, "relayd.service", "MainPID") != before
            exchange(*ends)
        assert show(machine, "relayd-keeper.service", "MainPID") == keeper != "0"
        claim_another_protocol(machine)
        keeper = show(machine, "relayd-keeper.service", "MainPID")
        machine.run(*RPM, "--nodeps", "-U", "--replacepkgs", *rpms)
        assert show(machine, "relayd-keeper.service", "ActiveState") == "active"
        assert show(machine, "relayd-keeper.service", "MainPID") != keeper
    finally:
        machine.run(*RPM, "-e", "relayd")


def test_rpm_works_where_rpm_is_a_stranger(machine, rpms):
    """Debian's rpm and a database of its own; the scripts and systemd are what they are elsewhere."""
    machine.run(*RPM, "--nodeps", "-i", *rpms)
    machine.run("systemctl", "start", "relayd.service")
    assert ask(machine) == "502"
    assert show(machine, "relayd-keeper.service", "ActiveState") == "active"
    assert "relayd" in machine.run("journalctl", "--list-catalog").stdout
    use_the_socket(machine)
    assert ask(machine) == "502"
    machine.run(*RPM, "-e", "relayd")
    assert machine.run("pgrep", "-x", "relayd(-keeper)?", check=False).returncode == 1
    for unit in UNITS:
        assert show(machine, unit, "ActiveState") == "inactive"
        assert show(machine, unit, "LoadState") == "not-found"
    assert "relayd" not in machine.run("journalctl", "--list-catalog").stdout
    assert machine.run("find", "/etc", "-name", "relayd*").stdout == "/etc/relayd.conf.rpmsave\n"


# Without a package

def test_meson_install_works_without_a_package(machine):
    """As README.md has it, but for the prefix: /usr/local."""
    machine.run("meson", "install", "-C", BUILD, "--no-rebuild")
    machine.run("cp", ROOT / "packaging" / "relayd.conf", "/etc/relayd.conf")
    try:
        machine.run("systemctl", "start", "relayd")
        assert ask(machine) == "502"
        assert show(machine, "relayd.service", "FragmentPath").startswith("/usr/local/lib/systemd/system/")
        assert "relayd" in machine.run("journalctl", "--list-catalog").stdout
    finally:
        machine.run("systemctl", "stop", "relayd", "relayd-keeper.socket", check=False)
        machine.run("ninja", "-C", BUILD, "uninstall")


def test_meson_install_obeys_destdir(tmp_path):
    """Nothing but what is in the list comes to be, and all of it under DESTDIR and the prefix."""
    run("meson", "install", "-C", BUILD, "--no-rebuild", env={**os.environ, "DESTDIR": str(tmp_path)})
    names = {"/" + str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {re.sub("^/usr/", "/usr/local/", name) for name in COMMON}
    unit = (tmp_path / "usr/local/lib/systemd/system/relayd.service").read_text()
    assert re.search("^ExecStart=/usr/local/sbin/relayd$", unit, re.M)


def test_meson_install_goes_where_systemd_looks(tmp_path):
    """With the prefix of the distribution, the places are those that systemd's own pkg-config file names."""
    run("meson", "setup", tmp_path / "build", ROOT, "--prefix=/usr", "-Dtests=disabled")
    names = re.findall(r'": "(/[^"]*)"', run("meson", "introspect", "--installed", tmp_path / "build"))
    folders = plain(os.path.dirname(name) + "/" for name in names)
    for variable in ("systemd_system_unit_dir", "catalog_dir", "sysusers_dir", "sysctl_dir"):
        place = run("pkg-config", "--variable", variable, "systemd").strip()
        assert plain([place.rstrip("/") + "/"]) <= folders, variable
