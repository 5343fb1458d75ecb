"""A DNS server that the test scripts: what it answers to each name and type, if anything, may change at any moment."""

import contextlib
import shutil
import socket
import struct
import threading
import time

from settings import free_port, short_directory, until

TYPES = {"A": 1, "CNAME": 5, "AAAA": 28, "SRV": 33}
NUMBERS = {number: name for name, number in TYPES.items()}
SERVFAIL, NXDOMAIN, REFUSED = 2, 3, 5
SWALLOW = "swallow"   # no answer at all


def packed(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.strip(".").split(".")) + b"\0"


def data(kind, value):
    if kind == "A":
        return socket.inet_pton(socket.AF_INET, value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == "CNAME":
        return packed(value)
    target, port, priority, weight = value
    return struct.pack("!HHH", priority, weight, port) + packed(target)


class ScriptedDns:
    """Names that it does not know are not there. wrap makes a command see it in /etc/resolv.conf."""

    def __init__(self):
        self.directory = short_directory()
        port = free_port()
        self.address = f"127.54.{port // 250}.{port % 250 + 1}"
        self.lock = threading.Lock()
        self.zone, self.queries, self.losses = {}, [], {}
        for name, text in (("resolv.conf", f"nameserver {self.address}\n"), ("nsswitch.conf", "hosts: files dns\n"),
                           ("hosts", "127.0.0.1 localhost\n")):
            (self.directory / name).write_text(text)
        self.directory.chmod(0o755)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((self.address, 53))
        self.tcp = socket.create_server((self.address, 53))
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    # The script

    def set(self, name, ttl=1, **answers):
        """set("app.test", A=["127.0.0.1"], AAAA=SERVFAIL): of each type records, an rcode, SWALLOW or [] for none. A record of
        SRV is (target, port, priority, weight). Types that are not named stay as they are."""
        with self.lock:
            for kind, answer in answers.items():
                self.zone[name, kind] = (answer, ttl)

    def forget(self, name):
        with self.lock:
            self.zone = {key: answer for key, answer in self.zone.items() if key[0] != name}

    def lose(self, name, kind, count):
        """The next queries for it are lost, so many."""
        with self.lock:
            self.losses[name, kind] = count

    def count(self, name, kind=None):
        """How many queries there were for it."""
        with self.lock:
            return sum(query[:2] == (name, kind or query[1]) for query in self.queries)

    def wait_asked(self, name, kind, more=3):
        """Until it has been asked for a few times more: so long that what was answered has had its effect."""
        least = self.count(name, kind) + more
        until(lambda: self.count(name, kind) >= least, f"{more} more queries for {name} {kind}", timeout=60)

    @property
    def wrap(self):
        return ["unshare", "-m", "--propagation", "private", "sh", "-c",
                'for file in resolv.conf nsswitch.conf hosts; do mount --bind "$0/$file" /etc/$file; done; exec "$@"',
                self.directory]

    def stop(self):
        for sock in (self.udp, self.tcp):   # a close alone ends no call of another thread, which keeps the address
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    # The wire (RFC 1035, 4)

    def _find(self, name, kind):
        """(answer, ttl), with a CNAME where there is one. A name that has records of another type is there."""
        for sought in (kind, "CNAME"):
            if (name, sought) in self.zone:
                return self.zone[name, sought], sought
        known = any(key[0] == name for key in self.zone)
        return ([] if known else NXDOMAIN, 0), kind

    def _answer(self, query, udp):
        end = query.index(b"\0", 12)
        number = struct.unpack("!H", query[end + 1:end + 3])[0]
        kind, at, labels = NUMBERS.get(number, number), 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += query[at] + 1
        name = ".".join(labels).lower()
        with self.lock:
            self.queries.append((name, kind, "udp" if udp else "tcp", time.monotonic()))
            (answer, ttl), found = self._find(name, kind)
            if self.losses.get((name, kind), 0) > 0:
                self.losses[name, kind] -= 1
                answer = SWALLOW
        if answer == SWALLOW:
            return None
        rcode, records = (answer, []) if isinstance(answer, int) else (0, answer)
        body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", TYPES[found], 1, ttl, len(data(found, record)))
                        + data(found, record) for record in records)
        cut = udp and len(body) > 450
        return (query[:2] + struct.pack("!HHHHH", 0x8180 | rcode | (0x0200 if cut else 0), 1, 0 if cut else len(records), 0, 0)
                + query[12:end + 5] + (b"" if cut else body))

    def _serve_udp(self):
        while True:
            try:
                query, client = self.udp.recvfrom(4096)
                if not query:
                    return   # stopped
                reply = self._answer(query, True)
                if reply:
                    self.udp.sendto(reply, client)
            except OSError:
                return

    def _serve_tcp(self):
        while True:
            try:
                client, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_client, args=(client,), daemon=True).start()

    def _serve_client(self, client):
        with client, client.makefile("rb") as stream:
            while len(size := stream.read(2)) == 2:
                reply = self._answer(stream.read(struct.unpack("!H", size)[0]), False)
                if reply:
                    client.sendall(struct.pack("!H", len(reply)) + reply)
