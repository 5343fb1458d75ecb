"""One connection in full: GET /connection at the control socket, and relayctl connection."""

import json
import re
import threading

from client import connect
from control import asked, relayctl
from origin import echo
from relay import section
from settings import DEADLINE, free_port, until


def only_id(at):
    return json.loads(relayctl("-s", at, "--json", "connections"))[0]["id"]


def shown(at, number):
    return json.loads(relayctl("-s", at, "--json", "connection", number))


def test_sockets_tcp_options_and_moments(relay, origin, at):
    server = origin(echo)
    one = relay(server, control=at, idle_timeout="10m", copy="buffer")
    with connect(one.address) as client:
        assert client.send(b"hello").read(5) == b"hello"
        number = only_id(at)
        until(lambda: shown(at, number)["down"] == 5, "it has carried all")
        it = shown(at, number)
        host, port = client.sock.getsockname()
        sockets = it["sockets"]
        assert sockets["client"]["remote"] == it["client"] == f"{host}:{port}"
        assert sockets["client"]["local"] == one.address
        assert sockets["server"]["remote"] == server.address
        for side in sockets.values():
            assert side["tcp"]["state"] == "established" and side["tcp"]["rtt_us"] > 0 and side["tcp"]["cwnd"] > 0
            assert side["tcp"]["retransmits"] == side["tcp"]["notsent_bytes"] == 0
        assert it["options"]["copy"] == "buffer" and it["options"]["mode"] == "tcp"
        assert it["options"]["idle_timeout_us"] == 600_000_000
        assert it["held"] is None and it["phase"] == "relay" and it["attempts"] == 1
        assert it["ending"]["decided"] is False and it["ending"]["end"] is None
        moments = it["moments"]
        assert 0 <= moments["connected_us"] <= moments["first_down_us"] and moments["first_up_us"] is not None

        text = relayctl("-s", at, "connection", number)
        assert re.search(rf"^client's socket +{host}:{port} -> ", text, re.M)
        assert re.search(r"^  state +established +established$", text, re.M)
        assert re.search(r"^timeouts +idle 10m", text, re.M) and re.search(r"^end +not decided$", text, re.M)
        assert max(map(len, text.splitlines())) <= 80


def test_one_that_ends(relay, origin, at):
    seen = threading.Event()

    def lasting(peer):
        peer.read_end()
        seen.wait(DEADLINE)

    one = relay(origin(lasting), control=at, linger_timeout="1h")
    with connect(one.address) as client:
        number = only_id(at)
        client.shut()
        until(lambda: shown(at, number)["ending"]["lingering"], "it lingers")
        assert shown(at, number)["phase"] == "linger"
        seen.set()


def test_a_unix_socket_has_no_tcp(relay, origin, at, short_path):
    path = str(short_path / "in.sock")
    one = relay(origin(echo), control=at, address=f"unix:{path}")
    with connect(one.address) as client:
        assert client.send(b"x").read(1) == b"x"
        sockets = shown(at, only_id(at))["sockets"]
        assert sockets["client"]["local"] == f"unix:{path}" and sockets["client"]["tcp"] is None
        assert sockets["server"]["tcp"]["state"] == "established"


def test_one_that_is_not_there(relay, origin, at):
    server = origin(echo)
    relay(text=f'control = "{at}"\n' + section("status", "", address=f"unix:{at}2")
          + section("listener", "web", address=f"127.0.0.1:{free_port()}", upstream="app") + section("upstream", "app", server=server))
    for wrong in ("17", "9223372036854775807"):
        status, _, body = asked(at, f"/connection?id={wrong}")
        assert status == 404 and f"no connection {wrong} that is established" in json.loads(body)["error"]
    for wrong in ("", "?id=", "?id=-1", "?id=x", "?id=99999999999999999999"):
        assert asked(at, "/connection" + wrong)[0] == 400
    assert asked(at, "/connection?number=1")[0] == 400
    assert asked(at + "2", "/connection?id=1", host="localhost")[0] == 404      # not for everybody
    assert "no connection 17" in relayctl("-s", at, "connection", 17, status=1)
    assert "takes one number" in relayctl("-s", at, "connection", status=64)
    assert "takes one number" in relayctl("-s", at, "connection", "x", status=64)
