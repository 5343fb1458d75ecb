"""Two machines with the same files do the same: sessions of TLS, the choice of a server, a fingerprint to compare."""

import base64
import json
import os
import subprocess

import pytest
from exposition import parse, values
from origin import echo
from settings import DEADLINE
from tls import Site

CLIENTS = 200
SERVERS = 5


def new_keys(count=3):
    return "".join(base64.b64encode(os.urandom(80)).decode() + "\n" for _ in range(count))


def over_tls(site, keys):
    return (f'listener web {{\n    address = ":443"\n    upstream = app\n{site.section(ticket_keys=str(keys))}}}\n'
            'upstream app { server a { address = "10.77.0.1:8000" } }\n')


def s_client(pair, site, machine, version, *options):
    """What openssl says of its handshake: New or Reused. It gets tickets before the echo."""
    command = [*pair.client.wrap, "openssl", "s_client", "-connect", f"{machine.address}:443", "-servername", "site.test",
               "-CAfile", str(site.ca), "-verify_return_error", version, *map(str, options)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as client:
        client.stdin.write("hello\n")
        client.stdin.flush()
        lines = []
        while line := client.stdout.readline():
            lines.append(line)
            if line == "hello\n":
                break
        client.stdin.close()
        client.wait(DEADLINE)
    found = [line.split(",")[0] for line in lines if line.startswith(("New, TLSv", "Reused, TLSv"))]
    assert len(found) == 1 and lines[-1] == "hello\n", lines
    return found[0]


@pytest.mark.parametrize("version", ["-tls1_3", "-tls1_2"])
def test_a_session_goes_on_at_the_other_machine(pair, tmp_path, version):
    """If both have the same ticket_keys, and only then."""
    pair.origin(echo, 8000)
    site, session = Site(tmp_path), tmp_path / "session"
    same, other = tmp_path / "same.keys", tmp_path / "other.keys"
    same.write_text(new_keys())
    other.write_text(new_keys())
    pair.start(over_tls(site, same))
    assert s_client(pair, site, pair.a, version, "-sess_out", session) == "New"
    assert s_client(pair, site, pair.b, version, "-sess_in", session, "-sess_out", session) == "Reused"
    assert s_client(pair, site, pair.a, version, "-sess_in", session) == "Reused"
    pair.b.reload(over_tls(site, other))
    assert s_client(pair, site, pair.b, version, "-sess_in", session) == "New"
    assert s_client(pair, site, pair.a, version, "-sess_in", session) == "Reused"


def test_a_client_has_the_same_server_through_both(pair):
    """The order in the file does not count, nor does where a machine began."""
    servers = []
    for number in range(SERVERS):
        origin = pair.origin(lambda peer, number=number: peer.send(str(number).encode()), 8000 + number)
        servers.append(f'    server s{number} {{ address = "{origin.address}" weight = {1 + number % 2} }}\n')
    listener = 'listener web { address = ":80" upstream = app }\n'
    for machine, ordered in ((pair.a, servers), (pair.b, servers[::-1])):
        machine.start_relayd(f"{listener}upstream app {{\n    balance = source_hash\n{''.join(ordered)}}}\n")
    addresses = [f"10.77.1.{number}" for number in range(1, CLIENTS + 1)]
    subprocess.run(["ip", "-n", pair.client.name, "-batch", "-"], check=True, text=True,
                   input="".join(f"address add {address}/16 dev eth0\n" for address in addresses))

    def server_of(machine, client):
        with pair.connect(machine.address, source=client) as peer:
            return peer.read_end()[0]

    found = {client: server_of(pair.a, client) for client in addresses}
    assert len(set(found.values())) == SERVERS
    assert {client: server_of(pair.b, client) for client in addresses} == found


def fingerprint(machine):
    """relayctl and the metric say the same one."""
    said = json.loads(machine.relayctl("--json", "status"))["fingerprint"]
    assert values(parse(machine.page("/metrics")[1]))[f'relayd_config_info{{fingerprint="{said}"}}'] == 1
    return said


def test_fingerprints_tell_files_that_differ(pair):
    text = 'listener web {{ address = ":80" upstream = app }}\nupstream app {{ server a {{ address = "10.77.0.1:80" {} }} }}\n'
    pair.a.start_relayd(text.format(""))
    pair.b.start_relayd("# On the second machine.\n" + text.format("weight = 2"))
    assert fingerprint(pair.a) != fingerprint(pair.b)
    pair.b.reload("# On the second machine.\n" + text.format("  # as on the first\n"))
    assert fingerprint(pair.a) == fingerprint(pair.b)
