"""A client of mode http stays with its server from request to request, as long as that takes any."""

import pytest

from client import connect
from fleet import conf, site
from origin import http
from peer import EOF
from test_53_steer import order


def named(name):
    """An HTTP server that answers with its name."""
    def script(peer):
        while peer.read_request() is not None:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + name.encode())
    return script


def whom(client):
    return client.get().body.decode()


@pytest.mark.parametrize("word", ["drain", "down"])
def test_a_server_that_is_taken_out_gets_no_more_requests(relay, origin, at, word):
    one = site(relay, {name: origin(named(name)) for name in "ab"}, top=f'control = "{at}"\n', listener={"mode": "http"})
    with connect(one) as client:
        first = whom(client)
        assert {whom(client) for _ in range(5)} == {first}
        other = {"a": "b", "b": "a"}[first]
        order(at, word, f"app/{first}")
        assert {whom(client) for _ in range(5)} == {other}
        order(at, "ready", f"app/{first}")
        assert {whom(client) for _ in range(5)} == {other}
        client.shut()
        assert client.read_end() == (b"", EOF)


def test_a_server_that_a_reload_takes_out(relay, origin):
    servers = {name: origin(named(name)).address for name in "ab"}
    one = site(relay, servers, listener={"mode": "http"})
    with connect(one) as client:
        first = whom(client)
        other = {"a": "b", "b": "a"}[first]
        one.reload(text=conf(one.address, {other: servers[other]}, listener={"mode": "http"}))
        assert {whom(client) for _ in range(5)} == {other}


@pytest.mark.parametrize("order_of_names", ["ab", "ba"])
def test_a_server_that_says_nothing_is_not_asked_again_before_another(relay, origin, order_of_names):
    """By source_hash the same client always goes to the same one of both."""
    mute = origin(lambda peer: peer.read_request())
    good = origin(named("g"))
    one = site(relay, dict(zip(order_of_names, (mute, good))), balance="source_hash", listener={"mode": "http"})
    for _ in range(3):
        with connect(one) as client:
            assert client.get().status == 200
