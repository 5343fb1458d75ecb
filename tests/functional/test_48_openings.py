"""Clients that have to be heard before there is a server to dial: whoever is silent harms nobody else."""

import contextlib
import socket
import time

import pytest

from client import close_all, connect
from origin import echo, http
from peer import RESET, request
from relay import section
from settings import SANITIZER, free_port, ms, until

HEADER = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"
FROM = ("127.0.0.0/8",)


def text(server, *names, plain=(), options="", **listener):
    """Listeners that want a PROXY header, and plain ones, before one server; and their addresses."""
    addresses = {name: f"127.0.0.1:{free_port()}" for name in (*names, *plain)}
    sections = "".join(section("listener", name, address=addresses[name], upstream="app", accept_proxy="any",
                               proxy_from=FROM, **listener) for name in names)
    sections += "".join(section("listener", name, address=addresses[name], upstream="app") for name in plain)
    return options + sections + section("upstream", "app", server=server), addresses


def ask(address, header=b""):
    """How long it takes to get one byte back."""
    began = time.monotonic()
    with connect(address) as client:
        assert client.send(header + b"x").read(1) == b"x"
    return time.monotonic() - began


@contextlib.contextmanager
def silent(address, count):
    """So many connections that send nothing; those that the relay resets are none the worse for the test."""
    made = []
    try:
        for _ in range(count):
            made.append(socket.create_connection(address.split(":")))
        yield made
    finally:
        for one in made:
            one.close()


def median(times):
    return sorted(times)[len(times) // 2]


def test_a_thousand_silent_senders(relay, origin):
    """A good client of the same listener is relayed within 1.1 s; those of others notice nothing."""
    conf, at = text(origin(echo), "web", "other", plain=("plain",), options="log_connections = none\n")
    relay(text=conf, address=at["web"])
    alone = median([ask(at["plain"]) for _ in range(20)]), median([ask(at["other"], HEADER) for _ in range(20)])
    with silent(at["web"], 1000):
        with connect(at["web"]) as good:
            began = time.monotonic()
            good.send(HEADER + b"x")
            beside = median([ask(at["plain"]) for _ in range(10)]), median([ask(at["other"], HEADER) for _ in range(10)])
            assert time.monotonic() - began < 0.9 or SANITIZER   # all of it while the flood held the openers
            assert good.read(1) == b"x"
            took = time.monotonic() - began
    assert took < 1.1 + 10 * alone[1] or SANITIZER
    for lone, crowded in zip(alone, beside):
        assert crowded < 5 * lone + 0.1 or SANITIZER, (alone, beside)


def test_who_was_put_out_is_told_in_the_log(relay, origin):
    conf, at = text(origin(http), "web", options="max_openings = 4\n", mode="http")
    one = relay(text=conf, address=at["web"])
    with silent(at["web"], 40), connect(at["web"]) as client:
        assert client.send(HEADER + request("/x")).read_response().body == b"/x\n"
    line = one.wait_log(r"RELAYD_END=LO")[0]
    assert "was reset: it had not sent its PROXY header or ClientHello within a second, and others waited" in line.text
    assert line.level == "notice"


def test_a_flood_of_silent_ones_is_summed_up(relay, origin):
    """As what was refused: it was never relayed."""
    conf, at = text(origin(echo), "web", options="max_openings = 4\n")
    one = relay(text=conf, address=at["web"])
    began = time.monotonic()
    with silent(at["web"], 800):
        ask(at["web"], HEADER)

        def told():
            lines = [line.fields for line in one.all_lines() if line.fields.get("RELAYD_END") in ("LO", "CH")]
            alone = sum("RELAYD_CONN" in fields for fields in lines)
            return alone, alone + sum(int(fields.get("RELAYD_COUNT", 0)) for fields in lines)
        until(lambda: told()[1] >= 700, "those who had to go are told of")
        assert told()[0] <= 100 * (time.monotonic() - began + 2)


def test_nobody_is_put_out_while_there_is_room(relay, origin):
    conf, at = text(origin(echo), "web", options="max_openings = 4\n")
    one = relay(text=conf, address=at["web"])
    late = [connect(at["web"]) for _ in range(4)]
    time.sleep(1.3)
    for client in late:
        assert client.send(HEADER + b"x").read(1) == b"x"
    close_all(late)
    assert all(record.end == "CE" for record in one.wait_records(4))


def test_a_header_that_comes_in_drops_does_not_hold_an_opener(relay, origin):
    conf, at = text(origin(echo), "web", options="max_openings = 1\n")
    one = relay(text=conf, address=at["web"])
    with connect(at["web"]) as slow:
        slow.send(HEADER[:5])
        assert ask(at["web"], HEADER) < 1.5 or SANITIZER
        assert slow.read_end() == (b"", RESET)
    assert one.record(slow).end == "LO"


def test_one_deadline_for_all(relay, origin):
    conf, at = text(origin(echo), "web", opening_timeout=ms(300), proxy_timeout="1h")
    one = relay(text=conf, address=at["web"])
    with connect(at["web"]) as client:
        assert client.send(HEADER[:-1]).read_end() == (b"", RESET)
    assert one.record(client).end == "TH"


@pytest.mark.parametrize("whose", ["relay", "listener"])
def test_silent_clients_make_room_at_a_full_gate(relay, origin, whose):
    """max_connections counts openings; while somebody waits for a place, they have a second."""
    conf, at = text(origin(echo), "web", plain=("plain",), options="max_connections = 8\n" if whose == "relay" else "",
                    **({"max_connections": 8} if whose == "listener" else {}))
    relay(text=conf, address=at["web"])
    with silent(at["web"], 8):
        assert ask(at["plain"]) < 1.5 or SANITIZER
        assert ask(at["web"], HEADER) < 1.5 or SANITIZER


def test_silent_clients_make_room_where_others_are_refused(relay, origin):
    conf, at = text(origin(echo), "web", plain=("plain",), options="max_connections = 4\nwhen_full = reject\n")
    relay(text=conf, address=at["web"])

    def served():
        try:
            with connect(at["plain"]) as client:
                client.send(b"x")
                return client.sock.recv(1) == b"x"
        except OSError:
            return False
    with silent(at["web"], 4):
        began = time.monotonic()
        until(served, "a place for the other listener's client")
        assert time.monotonic() - began < 2 or SANITIZER


def test_a_drain_does_not_wait_for_silent_ones(relay, origin):
    conf, at = text(origin(echo), "web", options="max_openings = 2\n", opening_timeout="1h",
                    proxy_timeout="1h")
    one = relay(text=conf, address=at["web"])
    with silent(at["web"], 8):
        until(lambda: len(one.thread_ids("opener")) == 2, "two openers")
        one.term()
        assert one.wait_exit() == 0   # long before opening_timeout: the ones at openers, and then the others
    assert "Stopped." in one.log


@pytest.mark.skipif(SANITIZER != "", reason="what is slow is put out")
def test_a_drain_hears_those_who_speak(relay, origin):
    conf, at = text(origin(echo), "web")
    one = relay(text=conf, address=at["web"])
    with connect(at["web"]) as client:
        client.send(HEADER[:9])
        until(lambda: len(one.thread_ids("opener")) >= 1, "an opener")
        one.term()
        one.wait_log("Stopping")
        assert client.send(HEADER[9:] + b"x").read(1) == b"x"
    one.finish()


@pytest.mark.skipif(SANITIZER != "", reason="what is slow is put out")
def test_a_restart_waits_for_those_who_speak_alone(revived, keeper, origin):
    """What has been heard is dialled, and left to the next relayd; whoever is silent is put out."""
    conf, at = text(origin(echo), "web", opening_timeout="1h", proxy_timeout="1h",
                    options=f'keeper = "{keeper.path}"\non_term = leave\n')
    one = revived(text=conf, address=at["web"])
    with silent(at["web"], 3), connect(at["web"]) as client:
        client.send(HEADER[:9])
        until(lambda: len(one.thread_ids("opener")) >= 4, "an opener for each")
        one.term()
        client.send(HEADER[9:] + b"x")
        assert one.wait_exit() == 0
        one.again()
        assert client.read(1) == b"x"
        assert client.send(b"y").read(1) == b"y"
    assert (1, 0) in one.wait_adopted(1)


def test_a_reload_takes_openings_along(relay, origin):
    """Fewer openers, and a listener that is gone: those who are being heard are heard to their end."""
    server = origin(echo)
    conf, at = text(server, "web", "gone")
    one = relay(text=conf, address=at["web"])
    early = [connect(at[name]).send(HEADER[:7]) for name in ("web", "web", "gone", "gone")]
    until(lambda: len(one.thread_ids("opener")) >= 4, "an opener for each")
    one.reload(text="max_openings = 1\n" + section("upstream", "app", server=server)
               + section("listener", "web", address=at["web"], upstream="app", accept_proxy="any", proxy_from=FROM))
    for client in early:
        assert client.send(HEADER[7:] + b"x").read(1) == b"x"
    until(lambda: len(one.thread_ids("opener")) == 1, "the others to end")
    assert ask(at["web"], HEADER) < 1
    close_all(early)


def test_openers_are_there_for_those_that_need_them(relay, origin):
    """A listener without accept_proxy has none, nor has one of mode http for its routes."""
    one = relay(origin(echo))
    ask(one.address)
    assert one.thread_ids("opener") == []
    address, server = f"127.0.0.1:{free_port()}", origin(http)
    one = relay(text=f'listener web {{ address = "{address}" mode = http route a.example {{ upstream = app }} }}\n'
                + section("upstream", "app", server=server))
    with connect(address) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        assert client.read(12) == b"HTTP/1.1 200"
    assert one.thread_ids("opener") == []
