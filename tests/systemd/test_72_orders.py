"""What operators ordered outlives relayd, on a real systemd: drains, weights and blocks, through a restart and a kill."""

import json

import pytest

from origin import sends
from service import UNIT

CONTROL = "/run/relayd/control.sock"


def ask(relayd, page, method="GET"):
    return json.loads(relayd.box.run("curl", "-sS", "-X", method, "--unix-socket", CONTROL, f"http://relayd{page}").stdout)


def states(relayd):
    return {one["server"]: (one["state"], one["weight"]) for one in ask(relayd, "/servers")}


def reached(relayd):
    with relayd.connect() as peer:
        return peer.read(1)


@pytest.mark.parametrize("end", ["restart", "kill"])
def test_orders_survive(relayd, end):
    a, b, c = (relayd.add_origin(sends(name)) for name in (b"a", b"b", b"c"))
    text = relayd.conf(a)
    assert text.count("server a {") == 1
    relayd.start(text.replace("server a {", f'server b {{ address = "{b.address}" }}\n    server c {{ address = "{c.address}" }}\n'
                              "    server a {"))
    assert ask(relayd, "/drain?server=app/a", "POST")["live"] == 0
    ask(relayd, "/weight?server=app/c&weight=0", "POST")
    ask(relayd, "/block?prefix=192.0.2.0/24&for=1h", "POST")
    wanted = {"a": ("draining", 0), "b": ("up", 1), "c": ("draining", 0)}
    assert states(relayd) == wanted
    before, pid = ask(relayd, "/servers"), relayd.pid
    if end == "restart":
        relayd.systemctl("restart", UNIT)
    else:
        relayd.kill("KILL")
        relayd.wait_restarted(pid)
    assert relayd.pid not in (0, pid)
    assert states(relayd) == wanted
    by = {one["server"]: one["ordered"] for one in before}
    after = {one["server"]: one["ordered"] for one in ask(relayd, "/servers")}
    for name in "ac":
        assert after[name]["by_uid"] == 0 and abs(after[name]["since"] - by[name]["since"]) <= 1
    assert [one["prefix"] for one in ask(relayd, "/blocks")] == ["192.0.2.0/24"]
    assert [reached(relayd) for _ in range(4)] == [b"b"] * 4
    ask(relayd, "/reset", "POST")
    assert set(states(relayd).values()) == {("up", 1)}


def test_a_stop_ends_them(relayd):
    relayd.start(relayd.conf(relayd.add_origin(sends(b"a"))))
    ask(relayd, "/drain?server=app/a", "POST")
    relayd.systemctl("stop", UNIT)
    relayd.systemctl("start", UNIT)
    assert states(relayd) == {"a": ("up", 1)}
