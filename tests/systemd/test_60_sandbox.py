"""The sandbox of the unit: relayd works in it, and it bites.

An intruder in the daemon has the daemon's rights, in which nothing else can be started. So the probe (probe.py) runs in
its place: in a copy of the installed unit with another ExecStart=, and with Python added to what may be executed. That
the copy's rights are the daemon's is a test of its own. (Python starts programs by system calls that relayd has no use for.)
"""

import json
import re
import socket
import threading
from pathlib import Path

import pytest

from origin import http, pattern
from service import ADDRESS, UNIT, message_id, program

PROBE = "/usr/local/share/relayd-probe.py"
PYTHON = program("/usr/bin/python3")
#: In the copy: not a daemon, and Python.
CHANGED = {"Type": "oneshot", "ExecStart": f"{PYTHON} {PROBE}"}
DROPPED = ("ExecReload", "Restart", "RestartSec", "RestartPreventExitStatus", "WatchdogSec", "TimeoutStopSec")

BITES = {
    "write /etc": "EROFS",
    "write /usr": "EROFS",
    "write /usr/lib": "EACCES",
    "write /var": "EROFS",
    "write /run": "EROFS",
    "read /home": "EACCES",
    "read /root": "EACCES",
    "read /tmp of others": "ENOENT",
    "see other processes": "ENOENT",
    "signal other processes": "EPERM",
    "raw socket": "EPERM",
    "packet socket": "EAFNOSUPPORT",
    "exec a shell": "EACCES",
    "exec a shell by the loader": "exit 127",
    "exec a program of its own in /tmp": "EACCES",
    "exec a program of its own in /run/relayd": "EACCES",
    "exec a program of its own in /var/log/relayd": "EACCES",
    "exec a program of its own in /dev/shm": "EACCES",
    "map memory to write and execute": "EPERM",
    "change an owner": "EPERM",
    "become a realtime thread": "EPERM",
}


def copy_of(unit):
    """The probe's unit: the installed one, but for what is named above."""
    for name, value in CHANGED.items():
        unit = re.sub(rf"^{name}=.*$", f"{name}={value}", unit, flags=re.M)
    unit = re.sub(rf"^({'|'.join(DROPPED)})=.*\n", "", unit, flags=re.M)
    return re.sub(r"^(ExecPaths=.*)$", rf"\1 {PYTHON}\nSystemCallFilter=vfork wait4", unit, flags=re.M)


@pytest.fixture(scope="module")
def prepared(installed):
    """What the probe looks for is there, and readable for everyone by its own mode."""
    box = installed.box
    for path in ("/home/somebody/secret", "/root/secret", "/tmp/of-others"):
        box.write(path, "secret\n")
        box.run("chmod", "0755", str(Path(path).parent) if "tmp" not in path else path)
        box.run("chmod", "0644", path)
    box.write(PROBE, Path(__file__).with_name("probe.py").read_text(encoding="utf-8"))
    return installed


def run_probe(relayd, name, text):
    """What the probe has to say when it is run by this unit."""
    relayd.write_unit(name, text)
    relayd.systemctl("start", name)
    records = relayd.box.journal(relayd.since, f"--unit={name}", "_TRANSPORT=stdout")
    return json.loads(records[-1]["MESSAGE"])


@pytest.fixture
def confined(prepared, relayd):
    unit = relayd.box.run("cat", relayd.show("FragmentPath")).stdout
    return run_probe(relayd, "relayd-probe.service", copy_of(unit))


@pytest.fixture
def free(prepared, relayd):
    """The same as root without a sandbox."""
    return run_probe(relayd, "relayd-free.service", f"[Service]\nType=oneshot\nRuntimeDirectory=relayd\nLogsDirectory=relayd\n"
                                                    f"ExecStart={PYTHON} {PROBE}\n")


def test_it_bites(confined):
    """Memory to write and execute is forbidden by a filter, or, since 254, by PR_SET_MDWE, which has another error."""
    attempts = confined["attempts"]
    if attempts["map memory to write and execute"] == "EACCES":
        attempts["map memory to write and execute"] = "EPERM"
    assert {name: attempts[name] for name in BITES} == BITES


def test_what_it_forbids_would_work_without(free):
    assert {name: free["attempts"][name] for name in BITES} == dict.fromkeys(BITES, "ok")


def test_the_daemon_has_the_rights_of_the_probe(prepared, relayd, confined):
    """The kernel's own words for both; apart from Python's place among the mounts, and the units' names in them (since 254
    systemd binds the cgroup's memory.pressure)."""
    relayd.start()
    daemon = json.loads(relayd.box.run("/usr/bin/python3", PROBE, relayd.pid).stdout)
    assert daemon["status"] == confined["status"]
    assert daemon["mounts"] == sorted(mount.replace("/relayd-probe.service/", f"/{UNIT}/") for mount in confined["mounts"]
                                      if not mount.startswith(PYTHON))


def test_the_daemon_has_one_right(prepared, relayd):
    relayd.start()
    status = json.loads(relayd.box.run("/usr/bin/python3", PROBE, relayd.pid).stdout)["status"]
    port_below_1024 = f"{1 << 10:016x}"  # CAP_NET_BIND_SERVICE, capabilities(7)
    for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert status[name] == [port_below_1024], name
    assert (status["NoNewPrivs"], status["Seccomp"]) == (["1"], ["2"])


def test_the_user_stays_the_same(relayd):
    """A system user without a shell, there whether relayd runs or not."""
    name, _, uid, _, _, _, shell = relayd.box.run("getent", "passwd", "relayd").stdout.strip().split(":")
    assert name == "relayd" and 0 < int(uid) < 1000 and shell.endswith("/nologin")
    relayd.start()
    assert relayd.box.run("stat", "-c", "%u", f"/proc/{relayd.pid}").stdout.strip() == uid


def test_score_of_the_loaded_unit(relayd):
    relayd.be_as_installed()
    done = relayd.box.run("systemd-analyze", "security", "--no-pager", "--threshold=14", UNIT, check=False)
    assert done.returncode == 0, done.stdout


# The daemon works in it

@pytest.mark.parametrize("copy", ["auto", "buffer", "splice"])
def test_every_way_of_copying_works(relayd, copy):
    relayd.start(relayd.conf(copy=copy))
    with relayd.connect() as peer:
        for size in (1, 100, 3000000):
            assert peer.get(f"/bytes/{size}").body == pattern(size)
    assert not relayd.messages(message_id("TROUBLE")) + relayd.messages(message_id("EXHAUSTED"))


def serves_port_80(relayd):
    assert relayd.get(address="127.0.0.1:80").status == 200
    assert relayd.get(address="[::1]:80").status == 200


def test_port_80_comes_from_relayd_socket(relayd):
    relayd.write_conf(relayd.conf(address="systemd"))
    relayd.write_unit("relayd-80.socket", "[Socket]\nListenStream=80\nFileDescriptorName=web\nService=relayd.service\n")
    relayd.systemctl("start", "relayd-80.socket")
    serves_port_80(relayd)


def test_port_80_can_be_its_own(relayd):
    relayd.start(relayd.conf(address=":80"))
    serves_port_80(relayd)
    relayd.systemctl("restart", UNIT)
    serves_port_80(relayd)


#: Each takes the right away.
WITHOUT = [["PrivateUsers=yes"], ["AmbientCapabilities="], ["CapabilityBoundingSet=", "AmbientCapabilities="]]


@pytest.mark.parametrize("lines", WITHOUT, ids=lambda lines: lines[0])
def test_a_start_without_the_right_fails_and_is_not_tried_again(relayd, lines):
    relayd.drop_in(*lines)
    relayd.write_conf(relayd.conf(address=":80"))
    relayd.systemctl("start", UNIT, check=False)
    assert relayd.show("ActiveState") == "failed"
    assert relayd.show("ExecMainStatus") == "77"
    assert relayd.show("NRestarts") == "0"
    assert UNIT in relayd.systemctl("--failed").stdout
    (text,) = relayd.last_words(message_id("START_FAILED"))
    assert ":80" in text and "below 1024" in text


def test_a_path_that_it_may_not_write_is_not_tried_again(relayd):
    relayd.write_conf(relayd.conf(address="unix:/var/lib/web.sock"))
    relayd.systemctl("start", UNIT, check=False)
    assert (relayd.show("ActiveState"), relayd.show("ExecMainStatus")) == ("failed", "77")
    (text,) = relayd.last_words(message_id("START_FAILED"))
    assert "/run/relayd" in text


def checked(relayd, *addresses):
    """What relayd --check has to say."""
    relayd.write_conf(relayd.conf(address=addresses))
    done = relayd.box.run(relayd.program, "--check")
    return done.stdout + done.stderr


def test_check_knows_what_the_service_may_do(relayd):
    good = (":80", "127.0.0.1:8080", "unix:/run/relayd/web.sock")
    assert "warning" not in checked(relayd, *good)
    said = checked(relayd, *good, "unix:/tmp/web.sock", "unix:/home/somebody/web.sock", "unix:/var/lib/web.sock")
    assert [word for word in ("PrivateTmp", "ProtectHome", "ProtectSystem") if word in said] == [
        "PrivateTmp", "ProtectHome", "ProtectSystem"]
    assert said.count("warning") == 3


@pytest.mark.parametrize("lines", WITHOUT, ids=lambda lines: lines[0])
def test_check_warns_of_a_port_that_the_service_may_not_have(relayd, lines):
    relayd.drop_in(*lines)
    said = checked(relayd, ":80", "127.0.0.1:8080")
    assert "warning: address :80: relayd.service may not listen on port 80" in said
    assert said.count("warning") == 1 and "is valid" in said


def test_check_of_another_file_asks_nobody(relayd):
    """It is not the service that will run with it."""
    relayd.drop_in("PrivateUsers=yes")
    checked(relayd, ":80")
    relayd.box.run("cp", "/etc/relayd.conf", "/etc/other.conf")
    done = relayd.box.run(relayd.program, "--check", "-f", "/etc/other.conf")
    assert "warning" not in done.stdout + done.stderr


def test_a_name_is_looked_up_in_files(relayd):
    port = relayd.origin.port
    relayd.start(relayd.conf().replace(f"127.0.0.1:{port}", f"localhost:{port}"))
    assert relayd.get().status == 200


def name_server(box, address):
    """A DNS server in the box that knows one address for every name, IPv4, and nothing else. Returns its socket."""
    with box.network():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 53))

    def serve():
        while True:
            try:
                query, client = sock.recvfrom(512)
            except OSError:
                return
            end = query.index(b"\0", 12) + 5  # of the question: a name, its type and class
            known = query[end - 3] == 1  # type A
            head = query[:2] + b"\x81\x80\0\1" + bytes([0, known]) + b"\0\0\0\0"
            record = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(address)
            sock.sendto(head + query[12:end] + record * known, client)
    threading.Thread(target=serve, daemon=True).start()
    box.run("sh", "-c", "rm -f /etc/resolv.conf; echo nameserver 127.0.0.1 >/etc/resolv.conf")
    return sock


def test_a_name_is_looked_up_in_dns(relayd):
    port = relayd.origin.port
    with name_server(relayd.box, "127.0.0.1"):
        relayd.start(relayd.conf().replace(f"127.0.0.1:{port}", f"origin.example:{port}"))
        assert relayd.get().status == 200


def test_a_refusal_in_http_works(relayd):
    relayd.start(relayd.conf(mode="http").replace(relayd.origin.address, "127.0.0.1:9"))
    assert relayd.get().status == 502


def test_pages_in_etc_are_read_at_the_start_and_at_a_reload(relayd):
    relayd.box.run("mkdir", "-p", "/etc/relayd/errors")
    relayd.box.write("/etc/relayd/errors/5xx.html", "broken")
    relayd.start(relayd.conf(mode="http", error_pages="/etc/relayd/errors").replace(relayd.origin.address, "127.0.0.1:9"))
    assert relayd.get().body == b"broken"
    relayd.box.write("/etc/relayd/errors/5xx.html", "still broken")
    relayd.systemctl("reload", UNIT)
    assert relayd.get().body == b"still broken"
    relayd.box.run("chmod", "0", "/etc/relayd/errors/5xx.html")
    assert relayd.systemctl("reload", UNIT, check=False).returncode != 0
    assert "5xx.html: permission denied; let user" in relayd.status()
    assert relayd.get().body == b"still broken"


def test_files_variables_and_credentials_from_elsewhere(relayd):
    """What relayd.conf(5) says of them, in a drop-in."""
    relayd.box.run("mkdir", "-p", "/etc/relayd.d")
    relayd.box.write("/etc/relayd.path", "/s3cret\n")
    relayd.box.write("/etc/relayd.d/b.conf", f"""upstream b {{
    server s {{ address = "${{T_SERVER}}" }}
    health_check {{ type = http path = credential:path interval = 100ms }}
}}""")
    relayd.drop_in(f"Environment=T_SERVER={relayd.origin.address}", "LoadCredential=path:/etc/relayd.path")
    relayd.start('include "/etc/relayd.d/*.conf"\n' + relayd.conf(mode="http"))
    assert relayd.get().status == 200
    relayd.systemctl("reload", UNIT)
    done = relayd.box.run("env", f"T_SERVER={relayd.origin.address}", f"CREDENTIALS_DIRECTORY=/run/credentials/{UNIT}",
                          "relayd", "-T", "--changed")
    assert 'path = "credential:path"' in done.stdout and "s3cret" not in done.stdout


def test_its_unix_socket_is_in_run_relayd(relayd):
    relayd.start(relayd.conf(address=[ADDRESS, "unix:/run/relayd/web.sock"]))
    assert relayd.get(address="unix:/run/relayd/web.sock").status == 200


def test_a_server_may_give_its_unix_socket_to_relayd_alone(relayd):
    """What a user that stays is for: the server names relayd's group before relayd runs."""
    relayd.box.run("mkdir", "-p", "/run/app")
    relayd.box.run("rm", "-f", "/run/app/app.sock")
    relayd.add_origin(http, path=relayd.box.host_path("/run/app/app.sock"))
    relayd.box.run("chown", "root:relayd", "/run/app/app.sock")
    relayd.box.run("chmod", "0660", "/run/app/app.sock")
    relayd.start(relayd.conf().replace(relayd.origin.address, "unix:/run/app/app.sock"))
    assert relayd.get().status == 200
    others = relayd.box.run("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "curl", "-sS",
                            "--unix-socket", "/run/app/app.sock", "http://localhost/", check=False)
    assert others.returncode == 7  # could not connect


def test_threads_are_light(relayd):
    """SCHED_BATCH, which the threads may not choose in the sandbox, comes from the unit."""
    relayd.start()
    policies = relayd.box.run("ps", "-L", "-o", "cls=", "-p", relayd.pid).stdout.split()
    assert len(policies) > 8 and set(policies) == {"B"}
