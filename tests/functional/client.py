"""Clients: connections to a relay, one or many, and curl."""

import re
import socket
import subprocess

from peer import EOF, Peer, request
from settings import DEADLINE


def connect(where, receive_buffer=None, source_port=0):
    """A Peer connected to a relay, or to an address as relayd.conf spells it; from a port of its own, if one is said."""
    address = getattr(where, "address", where)
    if address.startswith("unix:"):
        family, target = socket.AF_UNIX, address[5:]
    else:
        host, port = re.fullmatch(r"\[?(.*?)\]?:(\d+)", address).groups()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        target = (host or "127.0.0.1", int(port))
        if "%" in host:
            target = socket.getaddrinfo(*target)[0][4]
    sock = socket.socket(family)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    if source_port:
        sock.bind(("", source_port))
    sock.settimeout(DEADLINE)
    try:
        sock.connect(target)
    except ConnectionResetError:
        # Accepted and reset before connect() has even returned; reading tells of it.
        return Peer(sock, was_reset=True)
    except OSError:
        sock.close()
        raise
    return Peer(sock)


def waiting_in_the_backlog(port):
    """Connections to this port that nobody has accepted: of these alone the kernel knows no inode."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] in ("01", "08") and row[9] == "0" for row in rows)


def refuses(where):
    """Nobody listens there."""
    try:
        connect(where).close()
        return False
    except OSError:
        return True


def connect_many(where, count):
    return [connect(where) for _ in range(count)]


def asking(where, path="/"):
    """One that has sent a request: in mode http nothing is dialled before."""
    return connect(where).send(request(path))


def asking_many(where, count):
    return [asking(where) for _ in range(count)]


def close_all(peers):
    for peer in peers:
        peer.close()


def refused_in_http(client, status=503):
    """The whole refusal: an answer in HTTP, then the end."""
    answer = client.read_response()
    assert answer.status == status, answer
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"]
    assert int(answer.headers["content-length"]) == len(answer.body) > 0
    assert client.read_end() == (b"", EOF)
    client.close()


def run(*command, expect=0, **options):
    """Runs a program with a deadline; it must exit as expected; returns its outputs."""
    options.setdefault("timeout", 2 * DEADLINE)
    done = subprocess.run([str(word) for word in command], capture_output=True, **options)
    assert done.returncode == expect, (
        f"{command} exited {done.returncode}\n{done.stdout[-2000:]!r}\n{done.stderr[-2000:]!r}")
    return done


def curl(url, *options, **how):
    """What curl wrote to stdout, as bytes. how: as of run()."""
    return run("curl", "-sS", "-m", 2 * DEADLINE, *options, url, **how).stdout
