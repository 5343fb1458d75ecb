"""A network of the test's own: a namespace in which relayd runs, and in which the test makes sockets, too."""

import contextlib
import ctypes
import os
import socket
import subprocess
import threading

import pytest

from settings import free_port, until

CLONE_NEWNET = 0x40000000


def _enter(file):
    if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _leads_to(address):
    """Whether this thread's network has a route to it."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        return sock.connect_ex((address, 9)) == 0


class Netns:
    """wrap: the words before a command that make it run inside."""

    def __init__(self):
        self.name = f"relayd-{free_port()}"
        if subprocess.run(["ip", "netns", "add", self.name], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            pytest.skip("a network namespace cannot be had here")
        self.wrap = ["ip", "netns", "exec", self.name]
        self.ip("link", "set", "lo", "up")

    def ip(self, *words):
        subprocess.run(["ip", "-n", self.name, *words], check=True)

    def sysctl(self, **values):
        """sysctl(net__ipv4__tcp_tw_reuse=1)"""
        subprocess.run([*self.wrap, "sysctl", "-qw",
                        *(f"{name.replace('__', '.')}={value}" for name, value in values.items())], check=True)

    def has_ipv6(self, yes):
        self.sysctl(net__ipv6__conf__all__disable_ipv6=int(not yes))

    def add_ipv6(self, *addresses):
        """To the loopback. The kernel makes the routes to them a moment after it has said that they are there."""
        for address in addresses:
            self.ip("address", "add", f"{address}/128", "dev", "lo", "nodad")
        with self.inside():
            until(lambda: all(map(_leads_to, addresses)), "there are routes to the addresses")

    @contextlib.contextmanager
    def inside(self):
        """The sockets that this thread makes are made inside, and stay there."""
        with (open(f"/proc/self/task/{threading.get_native_id()}/ns/net", "rb") as outside,
              open(f"/var/run/netns/{self.name}", "rb") as inside):
            _enter(inside)
            try:
                yield
            finally:
                _enter(outside)

    def stop(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False)
