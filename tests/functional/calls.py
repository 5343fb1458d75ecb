"""The calls of libc's functions in relayd: each place where one stands, from the program's code; which of them there were, and
which is to fail next, by a library that is preloaded (tests/faults/each_call.c)."""

import collections
import errno
import mmap
import re
import struct
import subprocess
from pathlib import Path

from settings import RELAYD, REPO

LIBRARY = Path(RELAYD).parent / "tests/faults/each_call.so"
#: Rooms and files of src/ that a connection comes by.
ROAD = ("road/", "conn/", "listen/", "base/", "tls/", "http/", "handover/", "upstream/", "wire/", "record/", "keeper/message.c")
#: Not of a connection: the log's own way out.
NOT_ROAD = ("base/log", "record/access_")

#: What each call may fail with (its manual page), 0: it carries one byte alone. The first are those that are met most.
FULL, MEMORY = ("EMFILE", "ENFILE"), ("ENOMEM",)
RECEIVES = (0, "ECONNRESET", "EINTR", "ENOMEM", "ETIMEDOUT")
SENDS = (0, "ECONNRESET", "EPIPE", "ENOBUFS", "EINTR", "ENOMEM", "ETIMEDOUT")
ERRORS = {
    "accept4": ("ECONNABORTED", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EPROTO", "EPERM", "EINTR", "EHOSTUNREACH"),
    "socket": (*FULL, "ENOBUFS", "ENOMEM", "EACCES"),
    "connect": ("ECONNREFUSED", "ETIMEDOUT", "EADDRNOTAVAIL", "ENETUNREACH", "EHOSTUNREACH", "EAGAIN", "EACCES", "EPERM", "EINTR",
                "EINPROGRESS"),
    "bind": ("EADDRINUSE", "EADDRNOTAVAIL", "EACCES", "ENOMEM"),
    "getsockname": ("ENOBUFS",), "getpeername": ("ENOBUFS", "ENOTCONN"),
    "setsockopt": ("ENOMEM", "ENOBUFS", "EINVAL"), "getsockopt": ("ENOBUFS", "EINVAL"),
    "recv": RECEIVES, "__recv_chk": RECEIVES, "recvmsg": RECEIVES, "readv": RECEIVES,
    "send": SENDS, "sendto": SENDS, "sendmsg": SENDS,
    "splice": (0, "ECONNRESET", "EPIPE", "ENOMEM", "EINTR", "ETIMEDOUT"),
    "read": (0, "EINTR"), "write": (0, "EINTR"),
    "pipe2": FULL, "dup": ("EMFILE",), "dup3": ("EBUSY", "EINTR", "EMFILE"),
    "shutdown": ("ENOTCONN",), "close": ("EINTR", "EIO"), "ioctl": ("EINVAL",),
    "poll": ("EINTR", "ENOMEM"), "memfd_create": (*FULL, "ENOMEM"), "ftruncate64": ("EINTR", "ENOSPC"), "fstat64": MEMORY,
    "getrandom": ("EINTR",), "madvise": ("EAGAIN", "ENOMEM", "EINVAL"), "mprotect": MEMORY, "mmap64": MEMORY, "munmap": MEMORY,
    "pthread_create": ("EAGAIN",), "pthread_attr_init": MEMORY,
    "malloc": MEMORY, "calloc": MEMORY, "realloc": MEMORY, "reallocarray": MEMORY, "aligned_alloc": MEMORY, "strdup": MEMORY,
}
#: What fails at a start and in a reload, too, and on the road is not met.
MORE_ERRORS = {
    "listen": ("EADDRINUSE",), "open64": FULL, "fopen64": (*FULL, "ENOMEM"), "eventfd": FULL, "epoll_create1": FULL, "strndup": MEMORY,
    "pread64": ("ENOMEM",), "stat64": ("ENOMEM", "EACCES"), "lstat64": ("ENOMEM", "EACCES"),
}
#: syscall() by who calls it.
BY_NUMBER = {"drop_some": RECEIVES, "source_await": RECEIVES, "dissolve_connection": ("EBUSY",),
             "use_socket": ("EBUSY", "EINTR", "EMFILE"), "event_wait_as": ("EINTR", "EAGAIN"), "event_wait_until": ("EINTR", "EAGAIN"),
             "drop_rseq": ("EINVAL", "EPERM")}


#: What these do cannot fail for an open socket (socket(7), SO_RCVTIMEO).
UNFAILING = ("sockopt_set_receive_timeout", "sockopt_set_send_timeout")


class Site:
    """Where a call stands. `name`: the file, the function, what it calls, which outlives other changes of the code."""

    def __init__(self, address, call, function, place, within):
        self.address, self.call, self.function, self.place = address, call, function, place
        self.within = within   # the function that this one is inlined in, or the same
        self.file = place.partition(":")[0]
        self.name = f"{self.file} {function} {call}"

    def errors(self):
        if self.function in UNFAILING:
            return ()
        return BY_NUMBER.get(self.function, ()) if self.call == "syscall" else {**ERRORS, **MORE_ERRORS}[self.call]

    def __repr__(self):
        return f"{self.call} at {self.place} in {self.function}"


def _calls(names):
    """(where it returns to, what it calls) of each call of one of these."""
    code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", RELAYD], capture_output=True, text=True, check=True).stdout
    instruction = re.compile(r"^ *([0-9a-f]+):\s+(\S+)\s*(?:.*<(\w+)@)?", re.M)
    call = None
    for where, what, name in instruction.findall(code):
        if call:
            yield int(where, 16), call
        call = name if what in ("call", "bl") and (name in names or name == "syscall") else None


def sites(rooms=ROAD, names=ERRORS):
    """{address: Site} of the calls on the road, or in these rooms."""
    calls = dict(_calls(names))
    asked = "".join(f"{address - 1:#x}\n" for address in calls)
    said = subprocess.run(["addr2line", "-a", "-f", "-i", "-e", RELAYD], input=asked, capture_output=True, text=True, check=True).stdout
    found = {}
    for part in re.split(r"^0x", said, flags=re.M)[1:]:
        number, *frames = part.splitlines()
        address = int(number, 16) + 1
        # Of functions that are inlined the innermost comes first; some are libc's.
        for function, path in zip(frames[0::2], frames[1::2]):
            place = path.rpartition("/src/")[2].partition(" ")[0]
            if "/src/" in path:
                if place.startswith(rooms) and not place.startswith(NOT_ROAD):
                    found[address] = Site(address, calls[address], function, place, frames[-2])
                break
    return found


class Faults:
    """The file that the library shares with the test (tests/faults/each_call.h)."""

    MAGIC, SEEN = 0x31534c4c4143, 4096
    HEAD = struct.Struct("=QQiiIIQ")

    def __init__(self, path):
        self.path = path
        size = self.HEAD.size + 16 * self.SEEN
        path.write_bytes(struct.pack("=Q", self.MAGIC).ljust(size, b"\0"))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), size)

    @property
    def env(self):
        return {"LD_PRELOAD": str(LIBRARY), "RELAYD_FAULTS": str(self.path)}

    def begin_at(self, site):
        """Calls count, and fail, from the next one at this site on."""
        self.map[32:40] = struct.pack("=Q", site.address)

    def arm(self, site, error, before=0):
        """The call at this site, once so many of them have been, fails."""
        self.disarm()
        self.map[16:28] = struct.pack("=iiI", before, getattr(errno, error) if error else 0, 0)
        self.map[8:16] = struct.pack("=Q", site.address)

    def disarm(self):
        self.map[8:16] = bytes(8)

    @property
    def fired(self):
        return struct.unpack_from("=I", self.map, 24)[0] > 0

    def seen(self):
        """{address: how many calls}."""
        rows = struct.iter_unpack("=QQ", self.map[self.HEAD.size:])
        return collections.Counter({site: calls for site, calls in rows if site})


def _not_met():
    """{reason: names of sites}."""
    reasons, names = {}, None
    for line in (REPO / "tests/faults/not_met").read_text().splitlines():
        if line.startswith("# "):
            names = reasons[line[2:]] = []
        elif line:
            names.append(line)
    return reasons


#: Places that no scene comes to (call_scenes.py), and why. The list only shrinks.
NOT_MET = _not_met()
