"""relayd under test: its configuration, its life, what it logs and what it uses."""

import collections
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from settings import DEADLINE, RELAYD, SANITIZER, SCALE, free_port, readable_of, short_directory, until, wait_end


def options_of(section):
    """Those that no other section has, from the table: of the others config() takes that of the top level."""
    table = (Path(__file__).parents[2] / "src/config/options.def").read_text()
    rows = re.findall(r"^OPTION\((\w+), (\w+)", table, re.M)
    names = [name for in_section, name in rows if in_section != "route"]   # which has the listener's
    return [name for in_section, name in rows if in_section == section and names.count(name) == 1]


LISTENER, UPSTREAM = options_of("listener"), options_of("upstream")

REPORTS = ("ERROR: AddressSanitizer", "LeakSanitizer", "runtime error:", "WARNING: ThreadSanitizer",
           "FATAL: ThreadSanitizer")

SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=0:exitcode=66:second_deadlock_stack=1",
}

LINE = re.compile(r"(?P<time>\S+) (?P<level>error|warning|notice|info|debug) (?P<text>.*?)"
                  r"(?:  (?P<fields>[A-Z_]+=\S*(?: [A-Z_]+=\S*)*))?")


PASS_ON = """
import os, sys
high = [os.dup2(int(number), 100 + index) for index, number in enumerate(sys.argv[1].split(","))]
for index, number in enumerate(high):
    os.dup2(number, 3 + index)
    os.close(number)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Line:
    """One line of the log: level, text (a sentence), fields; level is None where a line is no log line."""

    def __init__(self, raw):
        self.raw = raw
        match = LINE.fullmatch(raw)
        self.level = match["level"] if match else None
        self.text = match["text"] if match else raw
        self.fields = dict(pair.split("=", 1) for pair in match["fields"].split(" ")) if match and match["fields"] else {}

    @property
    def about(self):
        """What it names: upstream, server, the server's address and state; None where it does not."""
        return tuple(self.fields.get(f"RELAYD_{name}") for name in ("UPSTREAM", "SERVER", "SERVER_ADDRESS", "STATE"))

    def __repr__(self):
        return self.raw


class Record:
    """The record of one connection; numbers are numbers."""

    def __init__(self, line):
        self.line = line
        for name, value in line.fields.items():
            name = name.removeprefix("RELAYD_").lower()
            number = name in ("conn", "client_port", "attempts", "bytes_up", "bytes_down", "queue_usec", "dial_usec",
                              "duration_usec", "status", "retries", "head_usec", "first_byte_usec")
            setattr(self, name, int(value) if number else value)

    def __repr__(self):
        return self.line.raw


def quoted(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "{" + ", ".join(f'"{word}"' for word in value) + "}"
    if isinstance(value, int):
        return str(value)
    return f'"{value}"'


def config(address, server, **options):
    """The text of a relayd.conf with one listener and one server; each option finds its own section."""
    taken = {name: options.pop(name) for name in LISTENER + UPSTREAM if name in options}
    text = "".join(f"{name} = {quoted(value)}\n" for name, value in options.items())
    taken.setdefault("upstream", "app")
    text += f"listener web {{\n    address = {quoted(address)}\n"
    text += "".join(f"    {name} = {quoted(taken[name])}\n" for name in LISTENER if name in taken) + "}\n"
    text += "upstream app {\n"
    text += "".join(f"    {name} = {quoted(taken[name])}\n" for name in UPSTREAM if name in taken)
    return text + f"    server a {{ address = {quoted(server)} }}\n}}\n"


def section(kind, name, **options):
    """One section, for files with several of a kind; an upstream takes its server's address as server=."""
    server = options.pop("server", None)
    text = f"{kind} {name} {{\n" + "".join(f"    {option} = {quoted(value)}\n" for option, value in options.items())
    if server is not None:
        text += f"    server a {{ address = {quoted(getattr(server, 'address', server))} }}\n"
    return text + "}\n"


def environment(**more):
    """Without COLUMNS and LINES, too: readline, which pytest loads, sets them for the workers of xdist."""
    env = {name: value for name, value in os.environ.items()
           if not name.startswith("LISTEN_") and name not in ("JOURNAL_STREAM", "NOTIFY_SOCKET", "COLUMNS", "LINES")}
    for name, value in SANITIZER_OPTIONS.items():
        env.setdefault(name, value)
    env.update(more)
    return env


def command(*arguments):
    """The command line of relayd; the sanitizers of these compilers want the address space unshuffled."""
    prefix = ["setarch", "-R"] if SANITIZER else []
    return prefix + [RELAYD] + [str(argument) for argument in arguments]


def once(*arguments, wrap=(), **env):
    """Runs relayd to its end, for what needs no running daemon; returns exit code, stdout, stderr."""
    done = subprocess.run(list(wrap) + command(*arguments), capture_output=True, text=True, timeout=DEADLINE,
                          env=environment(**env), stdin=subprocess.DEVNULL)
    no_report(done.stderr)
    return done


def complaints(done):
    """The lines of a check's stderr, but for names of servers, which the test's machine may not know."""
    return [line for line in done.stderr.splitlines()
            if " has no address: " not in line and "nobody could say within" not in line]


def no_report(text):
    for report in REPORTS:
        at = text.find(report)
        assert at < 0, f"a sanitizer reports:\n{text[max(at - 500, 0):at + 8000]}"


class Relay:
    """A running relayd. `address` is where clients connect to, as relayd.conf spells it."""

    def __init__(self, server=None, *, address=None, text=None, arguments=None, wrap=(), env=None, prepare=None,
                 pass_fds=(), ready=True, **options):
        self.directory = short_directory()
        self.server = server
        self.port = None
        if address is None:
            self.port = free_port()
            address = f"127.0.0.1:{self.port}"
        self.addresses = [address] if isinstance(address, str) else list(address)
        self.address = self.addresses[0]
        self.file = self.directory / "relayd.conf"
        if arguments is None:
            if text is None:
                text = config(address, getattr(server, "address", server), **options)
            self.file.write_text(text)
            arguments = ["-f", self.file]
        self.arguments = arguments
        self.lines = []
        self.changed = threading.Condition()
        self.notified = []
        self.expected_exit = 0
        self.checked = False
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(self.directory / "notify"))
        self.wrap, self.env, self.prepare, self.pass_fds = wrap, env, prepare, pass_fds
        self._spawn()
        if ready:
            self.wait_notified("READY=1")

    def _spawn(self):
        self.process = subprocess.Popen(
            list(self.wrap) + command(*self.arguments), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, pass_fds=self.pass_fds, preexec_fn=self.prepare,
            env=environment(NOTIFY_SOCKET=str(self.directory / "notify"), **(self.env or {})))
        self.pid = self.process.pid
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    # The log

    def _read(self):
        for raw in self.process.stderr:
            with self.changed:
                self.lines.append(Line(raw.decode("utf-8", "replace").rstrip("\n")))
                self.changed.notify_all()

    @property
    def log(self):
        with self.changed:
            return "\n".join(line.raw for line in self.lines)

    def _wait(self, find, what, timeout=None):
        deadline = time.monotonic() + (timeout or DEADLINE)
        with self.changed:
            while True:
                found = find()
                if found:
                    return found
                if not self.changed.wait(deadline - time.monotonic()):
                    log = "\n".join(line.raw for line in self.lines[-40:])
                    raise AssertionError(f"waited in vain for {what}; the log ends:\n{log}")

    def wait_log(self, pattern, count=1, timeout=None):
        """The first `count` lines that match, once there are so many."""
        def find():
            lines = [line for line in self.lines if re.search(pattern, line.raw)]
            return lines if len(lines) >= count else None
        return self._wait(find, f"{count} of /{pattern}/", timeout)

    def all_lines(self):
        """All lines so far."""
        with self.changed:
            return list(self.lines)

    def records(self):
        with self.changed:
            return self._records()

    def _records(self):
        """Of connections; those of requests have a RELAYD_REQUEST."""
        return [Record(line) for line in self.lines if "RELAYD_CONN" in line.fields and "RELAYD_REQUEST" not in line.fields]

    def requests(self):
        """The records of requests."""
        with self.changed:
            return self._requests()

    def _requests(self):
        return [Record(line) for line in self.lines if "RELAYD_REQUEST" in line.fields]

    def wait_requests(self, count, timeout=None):
        def find():
            found = self._requests()
            return found if len(found) >= count else None
        found = self._wait(find, f"{count} records of requests", timeout)
        assert len(found) == count, found
        return found

    def summed_up(self):
        """How many messages are not written by themselves, but counted in another one."""
        return sum(int(line.fields.get("RELAYD_COUNT", 0)) for line in self.all_lines() if "more requests" not in line.text)

    def wait_records(self, count, timeout=None):
        def find():
            found = self._records()
            return found if len(found) >= count else None
        return self._wait(find, f"{count} records", timeout)

    def record(self, client, timeout=None):
        """The record of this client's connection; it is written once, after the end."""
        def find():
            return [record for record in self._records() if record.line.fields.get("RELAYD_CLIENT") == client.name]
        found = self._wait(find, f"the record of {client.name}", timeout)
        assert len(found) == 1, found
        return found[0]

    def only_record(self):
        """The record of the only connection there was."""
        found = self.wait_records(1)
        assert len(found) == 1, found
        return found[0]

    # systemd's protocol

    def count_notified(self, word):
        return sum(line.startswith(word) for line in self.notified)

    def wait_notified(self, word, timeout=None, or_exit=False, count=1):
        """Waits for so many lines of sd_notify that begin so; fails when the daemon has exited, unless it may."""
        deadline = time.monotonic() + (timeout or DEADLINE)
        pidfd = os.pidfd_open(self.pid)
        try:
            while self.count_notified(word) < count:
                left = max(0, deadline - time.monotonic())
                readable = readable_of([self.notify, pidfd], left)
                if self.notify in readable:
                    self.notified += self.notify.recv(4096).decode().splitlines()
                elif pidfd in readable:
                    self.process.wait()
                    self.reader.join(DEADLINE)
                    if or_exit:
                        return
                    raise AssertionError(f"relayd exited {self.process.returncode} before {word}:\n{self.log}")
                else:
                    raise AssertionError(f"no {word} in time:\n{self.log}")
        finally:
            os.close(pidfd)

    def read_notified(self):
        """What has been told so far, without waiting. Somebody must read it: the socket holds a few messages only."""
        while readable_of([self.notify], 0):
            self.notified += self.notify.recv(4096).decode().splitlines()

    @property
    def status(self):
        """The status line, as of the last wait_notified."""
        return [line for line in self.notified if line.startswith("STATUS=")][-1].removeprefix("STATUS=")

    # Reloading

    def write_conf(self, server=None, *, text=None, address=None, **options):
        """Writes the file anew, with the listener's address as at the start unless told; nobody reads it yet."""
        if text is None:
            text = config(address or self.addresses, getattr(server, "address", server), **options)
        new = self.directory / "relayd.conf.new"
        new.write_bytes(text if isinstance(text, bytes) else text.encode())
        new.replace(self.file)

    def hup(self, timeout=None):
        """Makes it read the file again, and waits until it has: returns why it was refused, "" if it was not."""
        before = self.count_notified("READY=1")
        self.signal(signal.SIGHUP)
        self.wait_notified("READY=1", timeout, count=before + 1)
        return self.status.partition("The last reload was refused: ")[2]

    def reload(self, server=None, **options):
        """Puts a new file in force."""
        self.write_conf(server, **options)
        why = self.hup()
        assert why == "", why

    # Its life

    def signal(self, number):
        os.kill(self.pid, number)

    def term(self):
        self.signal(signal.SIGTERM)

    def wait_exit(self, timeout=None):
        """Waits for its end by itself; returns the exit code. Its log is complete then."""
        try:
            code = wait_end(self.process, timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"relayd does not end; its log:\n{self.log[-4000:]}") from None
        self.reader.join(DEADLINE)
        return code

    def finish(self):
        """The end of every test: TERM if it still runs, again if it waits for someone; it exits 0, without a report."""
        if self.checked:
            return
        self.checked = True
        try:
            if self.process.poll() is None:
                self.term()
                self.wait_notified("STOPPING=1", or_exit=True)
                try:
                    self.wait_exit(0.3 * SCALE)
                except AssertionError:
                    self.term()
            code = self.wait_exit()
            no_report(self.log)
            assert code == self.expected_exit, f"relayd exited {code}:\n{self.log[-4000:]}"
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.notify.close()
            shutil.rmtree(self.directory, ignore_errors=True)

    # What it uses

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def thread_ids(self, name):
        """The threads whose names begin so."""
        return [tid for tid, comm in self._tasks() if comm.startswith(name)]

    def thread_names(self):
        return [comm for _, comm in self._tasks()]

    def _tasks(self):
        tasks = []
        for task in os.listdir(f"/proc/{self.pid}/task"):
            try:
                with open(f"/proc/{self.pid}/task/{task}/comm", encoding="utf-8") as comm:
                    tasks.append((int(task), comm.read().strip()))
            except OSError:
                pass  # ended meanwhile
        return tasks

    def descriptors(self):
        return sorted(int(number) for number in os.listdir(f"/proc/{self.pid}/fd"))

    def open_files(self):
        """How many descriptors of each kind: {"socket": 5, "pipe": 4, ...}."""
        kinds = collections.Counter()
        for number in self.descriptors():
            try:
                kinds[os.readlink(f"/proc/{self.pid}/fd/{number}").split(":")[0]] += 1
            except OSError:
                pass  # closed meanwhile
        return kinds

    def sockets(self):
        """The kernel's numbers of its open sockets: one that is closed and opened again gets another."""
        found = set()
        for number in self.descriptors():
            try:
                found.add(os.readlink(f"/proc/{self.pid}/fd/{number}"))
            except OSError:
                pass  # closed meanwhile
        return {link for link in found if link.startswith("socket:")}

    def wait_sockets(self, count):
        """Waits until no more sockets are open. (Pipes may be kept with the threads that use them.)"""
        until(lambda: self.open_files()["socket"] <= count, f"{count} sockets")

    def cpu(self):
        """Seconds of processor time so far."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def activated(relay, server, *socks, names="web", address="systemd", **options):
    """A relay that was given these sockets by the service manager, under these names."""
    numbers = [sock.fileno() for sock in socks]
    return relay(server, address=address, wrap=[sys.executable, "-ISc", PASS_ON, ",".join(map(str, numbers))],
                 pass_fds=numbers, env={"LISTEN_FDS": str(len(numbers)), "LISTEN_FDNAMES": names}, **options)
