"""A network of the test's own: a namespace in which relayd runs, and in which the test makes sockets, too."""

import contextlib
import ctypes
import os
import subprocess
import threading

import pytest

from settings import free_port

CLONE_NEWNET = 0x40000000


def _enter(file):
    if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


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
