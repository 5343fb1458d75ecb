"""Tries what an intruder in the daemon would try: run in place of it, under the settings of its unit.

    python3 probe.py [PID]

Prints one line of JSON: for each attempt "ok" or the name of the error; and with which rights and mounts it ran. With a
PID it prints those of that process instead, and tries nothing.
"""
import errno
import json
import mmap
import os
import re
import shutil
import signal
import socket
import subprocess
import sys

SHELL = os.path.realpath("/bin/sh")


def write_to(path):
    def attempt():
        with open(path, "w", encoding="utf-8"):
            pass
        os.unlink(path)
    return attempt


def read_from(path):
    def attempt():
        with open(path, encoding="utf-8") as file:
            file.read()
    return attempt


def open_socket(*arguments):
    return lambda: socket.socket(*arguments).close()


def execute(*command):
    return lambda: subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def loader():
    """The program that loads the shell's libraries, and the shell, if asked to: it stands in the shell's own file."""
    with open(SHELL, "rb") as file:
        return re.search(rb"/lib[^\0]*/ld[^\0]*", file.read(4096))[0].decode()


def execute_own(folder):
    """A program that the intruder brought."""
    def attempt():
        path = f"{folder}/brought"
        shutil.copy("/bin/true", path)
        try:
            execute(path)()
        finally:
            os.unlink(path)
    return attempt


def map_code():
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def change_owner():
    """To what it is already: the owner of a file may do that, unless the call is forbidden."""
    path = "/run/relayd/owned"
    with open(path, "w", encoding="utf-8"):
        pass
    try:
        os.chown(path, -1, os.getgid())
    finally:
        os.unlink(path)


def use_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 80))
        sock.listen()


ATTEMPTS = {
    "write /etc": write_to("/etc/probe"),
    "write /usr": write_to("/usr/probe"),
    "write /usr/lib": write_to("/usr/lib/probe"),
    "write /var": write_to("/var/lib/probe"),
    "write /run": write_to("/run/probe"),
    "read /home": read_from("/home/somebody/secret"),
    "read /root": read_from("/root/secret"),
    "read /tmp of others": read_from("/tmp/of-others"),
    "see other processes": read_from("/proc/1/status"),
    "signal other processes": lambda: os.kill(1, 0),
    "raw socket": open_socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "packet socket": open_socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
    "exec a shell": execute(SHELL, "-c", "true"),
    "exec a shell by the loader": execute(loader(), SHELL, "-c", "true"),
    "exec a program of its own in /tmp": execute_own("/tmp"),
    "exec a program of its own in /run/relayd": execute_own("/run/relayd"),
    "exec a program of its own in /var/log/relayd": execute_own("/var/log/relayd"),
    "exec a program of its own in /dev/shm": execute_own("/dev/shm"),
    "map memory to write and execute": map_code,
    "change an owner": change_owner,
    "become a realtime thread": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "use port 80": use_port,
}


def outcome(attempt):
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno]
    except subprocess.CalledProcessError as error:
        return f"exit {error.returncode}"
    return "ok"


def context(pid):
    """What the kernel knows of a process's rights; mounts by place and options."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file)
    names = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp",
             "Seccomp_filters")
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:
        mounts = sorted({" ".join(line.split()[4:6]) for line in file})
    return {"status": {name: status[name].split() for name in names if name in status}, "mounts": mounts}


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    if len(sys.argv) > 1:  # only look at another process
        print(json.dumps(context(int(sys.argv[1]))))
    else:
        result = context("self")
        result["attempts"] = {name: outcome(attempt) for name, attempt in ATTEMPTS.items()}
        print(json.dumps(result))
