"""System calls: the units allow what relayd and its keeper use over their whole life. Any other ends the process in every
test here (service.STRICT); these are the situations that no other test brings into a box, and what a group needs beyond."""

import re
import signal

import pytest

from box import ROOT, Failed
from dns import ScriptedDns
from origin import Origin, echo, pattern
from service import ADDRESS, KEEPER, UNIT, message_id

PATH = "/run/relayd/web.sock"
CONTROL = "/run/relayd/control.sock"
PROXIED, REFUSED, LINKED = "127.0.0.1:8081", "127.0.0.1:8082", "[fe80::7%d0]:8083"

CONF = """
listener web {{
    address = {{"{ADDRESS}", "[::1]:8080", "unix:{PATH}", "{LINKED}"}}
    socket_mode = "{mode}" upstream = app copy = {copy}
    max_connections_per_client = 100 max_rate_per_client = 1000 min_rate = 1k
}}
listener proxied {{
    address = "{PROXIED}" upstream = app
    accept_proxy = any proxy_from = {{"127.0.0.0/8"}} allow = {{"192.0.2.0/24"}}
}}
listener refused {{ address = "{REFUSED}" mode = http upstream = dead }}
upstream app {{
    balance = least_connections on_down = reset
    server service {{ address = "srv:_web._tcp.app.test" }}
    server name {{ address = "one.test:{port}" }}
    server many {{ address = "many.test:{port}" backup = true }}
    server linked {{ address = "[fe80::8%d0]:{port}" }}
    health_check {{ interval = 1s rise = 1 fall = 20 }}
}}
upstream dead {{
    source_address = {{"127.0.0.7"}} send_proxy = v2
    server a {{ address = "127.0.0.1:9" }}
    health_check {{ type = http interval = 200ms }}
}}
"""


@pytest.fixture
def server(relayd):
    """It echoes, at every address of the box."""
    with relayd.box.network():
        one = Origin(echo, host="::")
    relayd.origins.append(one)
    return one


@pytest.fixture
def dns(relayd, server):
    """Of many.test the addresses are too many for a datagram."""
    with relayd.box.network():
        one = ScriptedDns()
    one.set("_web._tcp.app.test", SRV=[("one.test", server.port, 1, 1)])
    one.set("one.test", A=["127.0.0.1"], AAAA=["::1"])
    one.set("many.test", A=[f"127.0.1.{number}" for number in range(1, 60)])
    for name in ("resolv.conf", "nsswitch.conf"):
        relayd.box.run("cp", "--remove-destination", "/etc/" + name, "/etc/" + name + ".before")
        relayd.box.run("rm", "/etc/" + name)
        relayd.box.write("/etc/" + name, (one.directory / name).read_text())
    yield one
    for name in ("resolv.conf", "nsswitch.conf"):
        relayd.box.run("mv", f"/etc/{name}.before", f"/etc/{name}")
    one.stop()


@pytest.fixture
def link(relayd):
    for words in ("link add d0 type veth peer name d1", "link set d1 up", "link set d0 up",
                  "address add fe80::7/64 dev d0 nodad", "address add fe80::8/64 dev d0 nodad"):
        relayd.box.run("ip", *words.split())
    yield
    relayd.box.run("ip", "link", "delete", "d0")


def goes_on(peer):
    data = pattern(300000)
    for begin in range(0, len(data), 50000):
        part = data[begin:begin + 50000]
        assert peer.send(part).read(len(part)) == part


#: What Service.held counts for the five listening sockets of TCP, and one connection more.
NOBODY, ONE = 5 // 2, 7 // 2


@pytest.mark.parametrize("copy", ["splice", "buffer"])
def test_a_life(relayd, server, dns, link, copy):
    def conf(mode):
        return CONF.format(**globals(), mode=mode, copy=copy, port=server.port)

    relayd.start(conf("0666"))
    for address in (ADDRESS, "[::1]:8080", f"unix:{PATH}", LINKED):
        with relayd.connect(address) as peer:
            goes_on(peer)
    with relayd.connect(PROXIED) as peer:
        peer.send(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nx")
        assert peer.read(1) == b"x"
    assert relayd.get(address=REFUSED).status in (502, 503)
    relayd.box.wait(lambda: [one for one in dns.queries if one[0] == "many.test" and one[2] == "tcp"], "it was asked by TCP")

    relayd.wait_held(NOBODY)
    with relayd.connect() as peer:
        goes_on(peer)
        relayd.wait_held(ONE)
        for page in ("status", "servers", "connections?client=127.0.0.0/8", "metrics", "nothing"):
            assert relayd.box.run("curl", "-sS", "--unix-socket", CONTROL, f"http://relayd/{page}").stdout
        relayd.write_conf(conf("0660"))
        relayd.systemctl("reload", UNIT)
        goes_on(peer)   # (its server waits for some seconds only)
        assert relayd.box.run("stat", "-c", "%a", PATH).stdout == "660\n"
        relayd.write_conf("workers = none\n")
        with pytest.raises(Failed):
            relayd.systemctl("reload", UNIT)
        goes_on(peer)
        relayd.write_conf(conf("0600"))
        for end in ("restart", signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT):
            pid = relayd.pid
            if end == "restart":
                relayd.systemctl("restart", UNIT)
            else:
                relayd.kill(end.name)
                relayd.wait_restarted(pid)
            goes_on(peer)
            relayd.wait_held(ONE)
        goes_on(peer)
        keeper = relayd.keeper_pid
        relayd.systemctl("kill", "--signal=KILL", KEEPER)
        relayd.wait_show("MainPID", lambda text: int(text) not in (0, keeper), KEEPER)
        goes_on(peer)
        relayd.wait_held(ONE)
        goes_on(peer)
    relayd.systemctl("stop", UNIT)
    assert relayd.show("Result") == "success"
    relayd.systemctl("stop", KEEPER)
    assert relayd.show("Result", KEEPER) == "success"


def test_a_forbidden_call_is_seen(relayd):
    """What the other tests stand on: without a call that relayd needs, the harness says so."""
    relayd.drop_in("SystemCallFilter=~listen", "Restart=no")
    relayd.write_conf(relayd.conf())
    relayd.systemctl("start", UNIT, check=False)
    killed = relayd.forbidden_calls()
    assert killed and UNIT in killed[0]
    relayd.forget()


# socket_group: what the manual says that it needs

GROUP = "www-data"


def remedy():
    """The lines of the manual, by the group of this test."""
    manual = (ROOT / "man" / "relayd.conf.5").read_text(encoding="utf-8")
    lines = re.search(r"^\[Service\]\n(SupplementaryGroups=.*)\n(SystemCallFilter=.*)\n\.Ed", manual, re.M).groups()
    return [re.sub(r"^(SupplementaryGroups)=.*", rf"\1={GROUP}", line) for line in lines]


def grouped(relayd, mode="0660"):
    return relayd.conf(address=[ADDRESS, f"unix:{PATH}"], socket_group=GROUP, socket_mode=mode)


def lets_in(relayd, group):
    """Whether one of nobody's processes with this group may connect."""
    done = relayd.box.run("setpriv", "--reuid=nobody", f"--regid={group}", "--clear-groups",
                          "curl", "-sS", "--unix-socket", PATH, "http://localhost/", check=False)
    return done.returncode == 0


def is_so(relayd, mode):
    assert relayd.box.run("stat", "-c", "%U:%G %a", PATH).stdout == f"relayd:{GROUP} {mode}\n"


def test_the_drop_in_of_the_manual_gives_sockets_to_a_group(relayd):
    relayd.drop_in(*remedy())
    relayd.start(grouped(relayd))
    is_so(relayd, 660)
    assert lets_in(relayd, GROUP) and not lets_in(relayd, "nogroup")
    relayd.write_conf(grouped(relayd, "0620"))
    relayd.systemctl("reload", UNIT)
    is_so(relayd, 620)
    relayd.systemctl("restart", UNIT)
    is_so(relayd, 620)
    assert lets_in(relayd, GROUP) and not lets_in(relayd, "nogroup")
    checked = relayd.box.run(relayd.program, "--check")
    assert "warning" not in checked.stdout + checked.stderr


def test_its_own_user_and_group_take_no_drop_in(relayd):
    own = {"address": [ADDRESS, f"unix:{PATH}"], "socket_group": "relayd"}
    relayd.start(relayd.conf(**own, socket_user="relayd", socket_mode="0660"))
    assert relayd.box.run("stat", "-c", "%U:%G %a", PATH).stdout == "relayd:relayd 660\n"
    relayd.write_conf(relayd.conf(**own, socket_mode="0600"))
    relayd.systemctl("reload", UNIT)
    assert relayd.box.run("stat", "-c", "%U:%G %a", PATH).stdout == "relayd:relayd 600\n"
    checked = relayd.box.run(relayd.program, "--check")
    assert "warning" not in checked.stdout + checked.stderr


@pytest.mark.parametrize("given", [[], remedy()[:1], remedy()[1:]], ids=["nothing", "member", "call"])
def test_without_all_of_it_the_start_says_what_is_needed(relayd, given):
    relayd.drop_in(*given, "SystemCallErrorNumber=EPERM")
    relayd.write_conf(grouped(relayd))
    checked = relayd.box.run(relayd.program, "--check")
    relayd.systemctl("start", UNIT, check=False)
    assert relayd.show("ExecMainStatus") == "77"
    assert relayd.show("NRestarts") == "0"
    (said,) = relayd.last_words(message_id("START_FAILED"))
    for line in remedy():
        assert line in said, said
        assert line in checked.stdout + checked.stderr
