"""A network of the test's own, whose other end is played packet by packet: what a kernel would do at once can wait."""

import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import threading

from settings import DEADLINE

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000

OURS, THEIRS = "198.18.0.1", "198.18.0.2"


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Wire:
    """Its own network namespace with the address OURS, in which `wrap` starts a program; THEIRS is the test's."""

    def __init__(self):
        maker = threading.Thread(target=self._make)   # the namespace is this thread's
        maker.start()
        maker.join()
        self.wrap = ["nsenter", f"--net=/proc/{os.getpid()}/fd/{self.namespace}"]

    def _make(self):
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        self.namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.tun, TUNSETIFF, struct.pack("16sH22x", b"wire", IFF_TUN | IFF_NO_PI))
        for command in ("link set lo up", f"addr add {OURS}/24 dev wire", "link set wire up"):
            subprocess.run(["ip", *command.split()], check=True)

    def close(self):
        os.close(self.tun)
        os.close(self.namespace)

    def client(self, port, own_port):
        return Client(self, port, own_port)


class Client:
    """The client's half of one TCP connection. It never acknowledges by itself."""

    def __init__(self, wire, port, own_port):
        self.wire, self.port, self.own_port = wire, port, own_port
        self.next, self.acked = 1000, 0

    def put(self, flags, data=b""):
        head = struct.pack("!HHIIBBHHH", self.own_port, self.port, self.next, self.acked, 5 << 4, flags, 65535, 0, 0)
        ends = socket.inet_aton(THEIRS) + socket.inet_aton(OURS)
        total = checksum(ends + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(head) + len(data)) + head + data)
        segment = head[:16] + struct.pack("!H", total) + head[18:] + data
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, socket.IPPROTO_TCP, 0) + ends
        os.write(self.wire.tun, ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + segment)
        self.next += len(data) + (1 if flags & (SYN | FIN) else 0)

    def get(self, timeout=DEADLINE):
        """The next segment for this client: (flags, data), or None."""
        while select.select([self.wire.tun], [], [], timeout)[0]:
            packet = os.read(self.wire.tun, 65536)
            if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
                continue
            segment = packet[(packet[0] & 15) * 4:]
            port, own_port, number, _, offset, flags = struct.unpack("!HHIIBB", segment[:14])
            if (port, own_port) != (self.port, self.own_port):
                continue
            data = segment[(offset >> 4) * 4:]
            self.acked = (number + len(data) + (1 if flags & (SYN | FIN) else 0)) & 0xFFFFFFFF
            return flags, data
        return None

    def begin(self):
        """Half a handshake: the kernel has answered."""
        self.put(SYN)
        flags, _ = self.get()
        assert flags == SYN | ACK, flags

    def finish(self):
        self.put(ACK)

    def ask(self, data):
        """Sends it, and returns the first that comes back."""
        self.put(ACK | PSH, data)
        data = b""
        while not data:
            flags, data = self.get()
            assert not flags & (RST | FIN), "the connection has ended"
        self.put(ACK)
        return data
