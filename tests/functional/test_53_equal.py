"""balance = source_hash decides the same on every machine, in every version: these vectors do not change."""

import json

import pytest

from control import relayctl
from fleet import conf
from settings import free_port

SERVERS = {"a": {"address": "192.0.2.1:80"}, "b": {"address": "192.0.2.2:80", "weight": 2},
           "c": {"address": "192.0.2.3:80"}, "d": {"address": "[2001:db8::4]:8080", "weight": 3},
           "e": {"address": "192.0.2.5:80"}}
CLIENTS = [f"198.51.100.{i}" for i in range(1, 17)] + [f"2001:db8:1::{i:x}" for i in range(1, 17)]
CHOSEN = "bebbbddbbbbbddeddbadeddbaadebdbc"
#: Without d: nobody else's client moves.
CHOSEN_WITHOUT_D = "bebbbbbbbbbbbaebbbacebcbaaeebebc"
OF_MANY = "s4 s131 s12 s26 s142 s67 s154 s57 s50 s110 s166 s24 s153 s157 s43 s28"


def chosen_of(relay, at, servers):
    address = f"127.0.0.1:{free_port()}"
    relay(address=address, text=conf(address, servers, top=f'control = "{at}"\n', balance="source_hash"))
    chosen = []
    for client in CLIENTS:
        found, = json.loads(relayctl("-s", at, "--json", "explain", client))
        chosen += [server["server"] for server in found["servers"]]
    return chosen


@pytest.mark.parametrize("order", [1, -1])
def test_vectors(relay, at, order):
    assert chosen_of(relay, at, dict(list(SERVERS.items())[::order])) == list(CHOSEN)


def test_who_moves_when_a_server_goes(relay, at):
    assert chosen_of(relay, at, {name: server for name, server in SERVERS.items() if name != "d"}) == list(CHOSEN_WITHOUT_D)
    assert all(before == after for before, after in zip(CHOSEN, CHOSEN_WITHOUT_D) if before != "d")


def test_of_many(relay, at):
    """More than are looked at one by one."""
    servers = {f"s{i}": {"address": f"192.0.2.{i}:80"} for i in range(200)}
    assert " ".join(chosen_of(relay, at, servers)[:16]) == OF_MANY
