"""Orders of clients to a running relayd: connections that are killed or end once silent, and prefixes that are blocked."""

import contextlib
import json
import os
import pty
import signal
import subprocess

import pytest

from client import close_all, connect, connect_many, refused_in_http
from control import RELAYCTL, asked, relayctl
from fleet import conf, site
from keeper import ask, farewell
from origin import echo, flood, http, sends
from peer import EOF, RESET, request
from relay import environment
from settings import DEADLINE, free_port, ms, until
from test_46_access import EMBEDDED, admitted, connect_from, inside  # noqa: F401 (a fixture)
from test_90_road import Trace, strace_works


def told(at, *words, status=0):
    return relayctl("-s", at, *words, status=status)


def listed(at, *words):
    return json.loads(told(at, "--json", "connections", *words))


def relayed(one):
    """A connection of which both directions are known to work."""
    client = connect(one)
    assert client.send(b"x").read(1) == b"x"
    return client


# kill


@pytest.mark.parametrize("filters", [["client=127.0.0.0/8"], ["listener=web"], ["server=app/a"], ["server=a"], ["all=yes"],
                                     ["client=127.0.0.1", "listener=web", "server=app/a"], ["age=0"], ["rate=0"]])
def test_kill_by_each_filter(relay, origin, at, filters):
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\n')
    clients = [relayed(one) for _ in range(3)]
    if filters in (["age=0"], ["rate=0"]):   # which say nothing
        assert "which connections?" in told(at, "kill", *filters, status=1)
        filters = ["all=yes"]
    assert told(at, "kill", *filters) == "3 connections are killed.\n"
    for client in clients:
        assert client.read_end() == (b"", RESET)
    assert {record.end for record in one.wait_records(3)} == {"OR"}
    assert "relayd_killed_total 3" in told(at, "metrics")
    line = one.wait_log("3 connections are killed")[0]
    assert line.level == "notice" and line.fields["RELAYD_BY_UID"] == str(os.geteuid())
    close_all(clients)


@pytest.mark.parametrize("filters", [["client=192.0.2.0/24"], ["listener=other"], ["server=app/b"], ["id=999999"], ["age=1h"],
                                     ["rate=1G"], ["client=127.0.0.1", "server=app/b"]])
def test_what_a_filter_does_not_name_lives_on(relay, origin, at, filters):
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\n')
    client = relayed(one)
    assert listed(at, *filters) == []
    assert told(at, "kill", *filters) == "0 connections are killed.\n"
    assert client.send(b"y").read(1) == b"y"
    client.close()


def test_kill_one_while_bytes_flow(relay, origin, at):
    one = site(relay, {"a": origin(flood), "b": origin(flood)}, top=f'control = "{at}"\n')
    clients = connect_many(one, 4)
    for client in clients:
        assert client.read(1 << 20)
    victim = listed(at)[2]
    assert [connection["id"] for connection in listed(at, f"id={victim['id']}")] == [victim["id"]]
    assert len(listed(at, "rate=1k")) == 4
    assert told(at, "kill", f"id={victim['id']}") == "1 connection is killed.\n"
    record = one.wait_records(1)[0]
    assert (record.end, record.conn) == ("OR", victim["id"])
    ended = [client for client in clients if client.name == record.client]
    assert len(ended) == 1 and ended[0].read_end()[1] == RESET
    assert told(at, "kill", "rate=1k") == "3 connections are killed.\n"
    for client in clients:
        if client not in ended:
            assert client.read_end()[1] == RESET
    close_all(clients)


def test_kill_on_a_keeper_and_its_next_relayd(revived, meeting, at):
    """The keeper has copies of both sockets: they are dissolved all the same."""
    one = revived(meeting, control=at)
    pairs = meeting.pairs(one, 2)
    assert told(at, "kill", "all=yes") == "2 connections are killed.\n"
    for client, server in pairs:
        assert client.read_end() == (b"", RESET) and server.read_end() == (b"", RESET)
    client, server = meeting.pair(one)
    one.crash()
    assert told(at, "kill", "listener=web") == "1 connection is killed.\n"
    assert client.read_end() == (b"", RESET) and server.read_end() == (b"", RESET)
    assert [record.end for record in one.wait_records(3)] == ["OR"] * 3


def on_terminal(words, answer):
    """What relayctl says on a terminal that answers so."""
    master, slave = pty.openpty()
    done = subprocess.Popen([RELAYCTL, *words], stdin=slave, stdout=subprocess.PIPE, stderr=slave, env=environment())
    os.close(slave)
    seen = b""
    while answer and b"[y/N]" not in seen:
        seen += os.read(master, 100)
    if answer:
        os.write(master, answer)
    out = done.communicate(timeout=DEADLINE)[0]
    os.close(master)
    return done.returncode, out.decode(), seen.decode()


def test_kill_asks_on_a_terminal(relay, origin, at):
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\n')
    clients = [relayed(one) for _ in range(2)]
    code, out, seen = on_terminal(["-s", at, "kill", "server=app/a"], b"n\n")
    assert (code, out) == (1, "") and "Kill 2 connections? [y/N]" in seen
    assert len(listed(at)) == 2
    assert on_terminal(["-s", at, "kill", "all=yes"], b"y\n")[:2] == (0, "2 connections are killed.\n")
    close_all(clients)
    client = relayed(one)
    assert on_terminal(["-s", at, "--yes", "kill", "all=yes"], b"")[:2] == (0, "1 connection is killed.\n")
    client.close()


@pytest.mark.parametrize("words", [["kill"], ["kill", "web"], ["kill", "sort=age"], ["kill", "age=x"], ["kill", "id=-1"],
                                   ["kill", "rate=fast"], ["kill", "client=10.0.0.1/8"], ["kill", "all=no"], ["drain-client"],
                                   ["connections", "sort=name"], ["connections", "all=yes"], ["block"], ["block", "x"],
                                   ["block", "0.0.0.0/0"], ["block", "::/0"], ["block", "10.0.0.1", "--for", "x"],
                                   ["block", "10.0.0.1", "--for", "0"], ["unblock", "10.0.0.1"], ["unblock"], ["lame-duck", "on"],
                                   ["unblock", "10.0.0.1", "--for", "1h"]])
def test_what_makes_no_sense_is_refused(relay, origin, at, words):
    site(relay, {"a": origin(echo)}, top=f'control = "{at}"\n')
    done = subprocess.run([RELAYCTL, "-s", at, *words], capture_output=True, text=True, check=False, env=environment(),
                          stdin=subprocess.DEVNULL)
    assert done.returncode in (1, 64) and done.stderr.startswith("relayctl: "), done
    assert json.loads(asked(at, "/blocks")[2]) == []


def test_connections_are_sorted(relay, origin, at):
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\n')
    clients = [relayed(one) for _ in range(3)]
    clients[1].send(b"y" * 1000000).read(1000000)
    ids = [connection["id"] for connection in listed(at)]
    assert [connection["id"] for connection in listed(at, "sort=age")] == sorted(ids)
    assert listed(at, "sort=up")[0]["id"] == listed(at, "sort=rate", "listener=web")[0]["id"] == sorted(ids)[1]
    idle = [connection["idle_us"] for connection in listed(at, "sort=idle")]
    assert idle == sorted(idle, reverse=True)
    assert len(told(at, "connections", "sort=down").splitlines()) == 4
    close_all(clients)


# drain-client


def test_http_clients_end_between_exchanges(relay, origin, at):
    one = site(relay, {"a": origin(http)}, top=f'control = "{at}"\ndrain_idle = {ms(200)}\n',
               listener={"mode": "http", "idle_timeout": "1h"})
    browser, busy = connect_many(one, 2)
    assert browser.get().status == 200
    busy.get()
    busy.send(b"POST /late HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n")   # which waits for an answer
    assert told(at, "drain-client", "listener=web") == "2 connections are to end once silent; those that never are: relayctl kill.\n"
    assert browser.read_end() == (b"", EOF)
    assert one.record(browser).end == "OE"
    busy.send(b"ok")
    assert busy.read_response().status == 200
    assert busy.read_end() == (b"", EOF)
    assert one.record(busy).end == "OE"
    with connect(one) as client:   # others are served
        assert client.get().status == 200
    close_all([browser, busy])


@pytest.mark.parametrize("idle_end, how, end", [("reset", RESET, "OR"), ("close", EOF, "OE")])
def test_in_mode_tcp_as_idle_end_says(relay, origin, at, idle_end, how, end):
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\ndrain_idle = {ms(200)}\n',
               listener={"idle_end": idle_end, "idle_timeout": "1h"})
    with relayed(one) as client:
        assert told(at, "drain-client", "client=127.0.0.1") == "1 connection is to end once silent; those that never are: relayctl kill.\n"
        assert client.read_end() == (b"", how)
    assert one.record(client).end == end


def test_what_was_told_is_told_for_good(revived, meeting, at):
    one = revived(meeting, control=at, drain_idle="1h")
    pair = meeting.pair(one)

    def silence():
        return [ends["ending"]["once_silent_us"] for ends in
                (json.loads(relayctl("-s", at, "--json", "connection", str(found["id"])))
                 for found in json.loads(relayctl("-s", at, "--json", "connections")))]
    assert silence() == [None]
    assert told(at, "drain-client", "client=127.0.0.1").startswith("1 connection is to end once silent")
    for how in (signal.SIGKILL, signal.SIGTERM):
        one.crash(how)
        ask(*pair)
        assert silence() == [3600 * 10**6]
    farewell(*pair)


# block


def blocked(one, source):
    with connect_from(one, source) as client:
        return client.read_end()[1] == RESET


def test_block_and_unblock(relay, origin, at):
    one = site(relay, {"a": origin(sends(b"in"))}, top=f'control = "{at}"\n')
    assert told(at, "block", "127.0.2.0/24").startswith("127.0.2.0/24 is blocked.\n")
    assert blocked(one, "127.0.2.7") and admitted(one, "127.0.3.7")
    assert {record.end for record in one.wait_records(2)} == {"OA", "SE"}
    told(at, "block", "127.0.3.7", "--for", "1h")
    told(at, "block", "2001:db8::/32")
    assert blocked(one, "127.0.3.7") and admitted(one, "127.0.3.8")
    blocks = {block["prefix"]: block for block in json.loads(told(at, "--json", "blocks"))}
    assert set(blocks) == {"127.0.2.0/24", "127.0.3.7", "2001:db8::/32"}
    assert blocks["127.0.2.0/24"]["until"] is None
    assert 3500 < blocks["127.0.3.7"]["until"] - blocks["127.0.3.7"]["since"] <= 3601
    assert "127.0.3.7 " in told(at, "blocks") and "in 1 h" in told(at, "blocks")
    assert told(at, "unblock", "127.0.2.0/24") == "127.0.2.0/24 is not blocked any more.\n"
    assert admitted(one, "127.0.2.7") and blocked(one, "127.0.3.7")
    assert "relayd_refused_blocked_total 3" in told(at, "metrics")
    one.wait_log(r"127.0.2.0/24 is blocked: by .*pid \d+")


def test_http_clients_are_told(relay, origin, at):
    one = site(relay, {"a": origin(http)}, top=f'control = "{at}"\n', listener={"mode": "http"})
    told(at, "block", "127.0.0.1")
    with connect(one) as client:
        refused_in_http(client.send(request()), 403)
    assert one.record(client).end == "OA"


def test_a_block_is_over_in_time(relay, origin, at):
    one = site(relay, {"a": origin(sends(b"in"))}, top=f'control = "{at}"\n')
    told(at, "block", "127.0.0.0/8", "--for", ms(700))
    assert blocked(one, "127.0.0.9")
    until(lambda: admitted(one, "127.0.0.9"), "it is over")
    assert json.loads(asked(at, "/blocks")[2]) == []
    told(at, "block", "127.0.0.0/8", "--for", "1h")
    told(at, "block", "127.0.0.0/8", "--for", ms(300))   # the later one counts
    until(lambda: admitted(one, "127.0.0.9"), "it is over")


def test_everybody_is_blocked_only_if_that_is_meant(relay, origin, at):
    one = site(relay, {"a": origin(sends(b"in"))}, top=f'control = "{at}"\n')
    assert "that is everybody" in told(at, "block", "0.0.0.0/0", status=1)
    assert "0.0.0.0/0 is blocked" in told(at, "block", "::/0", "--yes") + told(at, "block", "0.0.0.0/0", "--yes")
    assert blocked(one, "127.0.0.1")
    told(at, "unblock", "0.0.0.0/0")
    assert admitted(one, "127.0.0.1")   # which is not IPv6


def test_it_tells_who_is_still_there(relay, origin, at):
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\n')
    with relayed(one) as client:
        assert "; 1 connection of it is there: relayctl kill client=127.0.0.0/8" in told(at, "block", "127.0.0.0/8")
        assert client.send(b"y").read(1) == b"y"
        told(at, "kill", "client=127.0.0.0/8")
        assert client.read_end() == (b"", RESET)


@pytest.mark.parametrize("who, refused", [("192.0.2.0/24", True), ("127.0.0.0/8", True), ("198.51.100.0/24", False)])
def test_behind_a_proxy_header(relay, origin, at, who, refused):
    """The client that it names, and who sends it."""
    one = site(relay, {"a": origin(sends(b"in"))}, top=f'control = "{at}"\n',
               listener={"accept_proxy": "v1", "proxy_from": ("127.0.0.0/8",)})
    told(at, "block", who)
    with connect(one) as client:
        with contextlib.suppress(ConnectionError):    # who is blocked itself may be reset before
            client.send(b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n")
        assert client.read_end()[1] == (RESET if refused else EOF)
    assert one.wait_records(1)[0].end == ("OA" if refused else "SE")


@pytest.mark.parametrize("through", ["socket", "proxy"])
def test_an_ipv4_host_that_comes_as_ipv6(relay, netns, inside, at, through):  # noqa: F811
    server = inside(sends(b"in"))
    netns.add_ipv6(*EMBEDDED)
    more = {"accept_proxy": "v1", "proxy_from": ("::1",)} if through == "proxy" else {}
    where = f"[::1]:{free_port()}"
    one = relay(text=conf(where, {"a": server.address}, listener=more, top=f'control = "{at}"\n'), address=where, wrap=netns.wrap)
    for prefix, refused in (("192.0.2.64/28", False), ("192.0.2.32/28", True)):
        told(at, "block", prefix)
        for source in EMBEDDED:
            with netns.inside(), connect_from(one, "::1" if through == "proxy" else source) as client:
                if through == "proxy":
                    client.send(f"PROXY TCP6 {source} ::1 4711 80\r\n".encode())
                assert client.read_end()[1] == (RESET if refused else EOF), source


def test_blocks_outlive_the_process(revived, meeting, at):
    one = revived(meeting, control=at)
    assert "keeper" not in told(at, "block", "127.0.0.9")
    told(at, "block", "127.0.0.8", "--for", "1h")
    told(at, "block", "127.0.0.7", "--for", "1ms")
    before = {block["prefix"]: block["until"] for block in json.loads(asked(at, "/blocks")[2])}
    for how in (signal.SIGKILL, signal.SIGTERM):
        one.crash(how)
        after = {block["prefix"]: block["until"] for block in json.loads(asked(at, "/blocks")[2])}
        assert set(after) == {"127.0.0.8", "127.0.0.9"} and after["127.0.0.9"] is None
        assert abs(after["127.0.0.8"] - before["127.0.0.8"]) <= 1
        assert blocked(one, "127.0.0.9") and blocked(one, "127.0.0.8")
        ask(*meeting.pair(one))
    one.wait_log(r"2 prefixes are still blocked, as before the previous relayd ended: 127\.0\.0\.9, 127\.0\.0\.8\.", 2)
    told(at, "unblock", "127.0.0.9")
    one.crash()
    assert set(block["prefix"] for block in json.loads(asked(at, "/blocks")[2])) == {"127.0.0.8"}


def test_there_is_room_for_1024(relay, origin, at):
    one = site(relay, {"a": origin(sends(b"in"))}, top=f'control = "{at}"\n')
    for number in range(1024):
        status = asked(at, f"/block?prefix=10.0.{number // 256}.{number % 256}", method="POST", fields="Content-Length: 0\r\n")[0]
        assert status == 200
    assert "1024 prefixes are blocked already" in told(at, "block", "127.0.0.9", status=1)
    assert len(json.loads(asked(at, "/blocks")[2])) == 1024
    told(at, "block", "10.0.3.255", "--for", "1h")   # one that is there may be changed
    assert admitted(one, "127.0.0.9")
    told(at, "unblock", "10.0.0.0")
    told(at, "block", "127.0.0.9")
    assert blocked(one, "127.0.0.9")


@strace_works
def test_orders_cost_no_system_call(relay, origin, at, tmp_path):
    one = site(relay, {"a": origin(echo), "b": origin(echo)}, top=f'control = "{at}"\nlog_connections = none\n')
    idle = {str(tid) for name in ("relayd-log", "control") for tid in one.thread_ids(name)} | {str(one.pid)}

    def calls_of(count):
        for _ in range(5):
            relayed(one).close()
        trace = Trace(one, tmp_path, "all")
        for _ in range(count):
            relayed(one).close()
        until(lambda: json.loads(asked(at, "/status")[2])["live"] == 0, "all have ended")
        return sum(line.split()[0] not in idle and "resumed" not in line for line in trace.calls())

    without = calls_of(40)
    told(at, "drain", "app/a")
    for number in range(8, 25):
        told(at, "block", f"10.0.0.0/{number}")
    assert calls_of(40) <= without * 1.1 + 10


# lame-duck


def test_lame_duck(revived, meeting, at):
    one = revived(meeting, control=at)
    assert told(at, "ready") == "ready\n"
    told(at, "lame-duck")
    assert "an operator said lame-duck" in told(at, "ready", status=1)
    ask(*meeting.pair(one))
    one.crash()
    assert asked(at, "/ready")[0] == 503
    one.wait_log("GET /ready still says no")
    told(at, "lame-duck", "off")
    assert told(at, "ready") == "ready\n"
