"""A production site: several servers behind one relay, and load on it."""

import json
import re
import signal
import socket
import subprocess

from relay import quoted
from servers import Server
from settings import DEADLINE, free_port, until

WRK = r"""
function done(summary, latency)
    local e = summary.errors
    io.write(string.format('RESULT {"requests": %d, "status": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d, '
        .. '"p50": %d, "p99": %d, "max": %d}\n',
        summary.requests, e.status, e.connect, e.read, e.write, e.timeout,
        latency:percentile(50), latency:percentile(99), latency.max))
end
"""


def section(kind, **options):
    return f"{kind} {{ " + " ".join(f"{name} = {quoted(value)}" for name, value in options.items()) + " }\n"


def conf(address, servers, *, listener=None, check=None, top="", **upstream):
    """The text of a relayd.conf: servers is {name: address or {option: value}}."""
    text = top + "listener web {\n" + f"address = {quoted(address)} upstream = app\n"
    text += "".join(f"{name} = {quoted(value)}\n" for name, value in (listener or {}).items()) + "}\nupstream app {\n"
    text += "".join(f"{name} = {quoted(value)}\n" for name, value in upstream.items())
    for name, server in servers.items():
        text += section(f"server {name}", **(server if isinstance(server, dict) else {"address": server}))
    if check is not None:
        text += section("health_check", **check)
    return text + "}\n"


def site(relay, servers, *, wrap=(), ready=True, **options):
    """Starts relayd in front of these servers."""
    address = f"127.0.0.1:{free_port()}"
    servers = {name: getattr(server, "address", server) for name, server in servers.items()}
    return relay(text=conf(address, servers, **options), address=address, wrap=wrap, ready=ready)


class Named(Server):
    """An nginx that answers every request with its name. It can be killed, started again, stopped and let go on."""

    def __init__(self, name, address=None, netns=None):
        super().__init__()
        self.name = name
        self.bind = address or f"127.0.0.1:{self.port}"
        self.address = self.bind
        self.prefix = ["ip", "netns", "exec", netns] if netns else []
        (self.directory / "nginx.conf").write_text(
            f"daemon off; master_process off; user root; pid {self.directory}/pid; error_log {self.directory}/error.log;\n"
            "events { worker_connections 1024; }\n"
            "http {\n    access_log off; keepalive_requests 1000000;\n"
            + "".join(f"    {kind}_temp_path {self.directory}/{kind};\n"
                      for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            + f"    server {{ listen {self.bind} backlog=1024;\n"
            f'        location = /down {{ return 503; }}\n        location / {{ return 200 "{name}"; }}\n    }}\n}}\n')
        self.begin()

    def begin(self):
        self.spawn(*self.prefix, "nginx", "-e", self.directory / "error.log", "-p", self.directory, "-c",
                   self.directory / "nginx.conf")

    def is_ready(self):
        host, port = self.bind.split(":")
        try:
            socket.create_connection((host, int(port)), 1).close()
            return True
        except OSError:
            return False

    def again(self):
        self.begin()
        self.wait_ready()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)
        until(lambda: _state(self.process.pid) == "T", "it is stopped")

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        if self.process.poll() is None:
            self.thaw()
        super().stop()


def _state(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return stat.read().rsplit(") ", 1)[1][0]


class Load:
    """wrk: so many connections at a time, one for each request unless kept alive."""

    def __init__(self, where, directory, *, connections=64, seconds=10, keep=False, path="/", nice=5):
        script = directory / "load.lua"
        script.write_text(WRK)
        self.seconds = seconds
        self.process = subprocess.Popen(self.command(
            ["nice", "-n", str(nice), "wrk", "-t1",   # the tests beside it go first
             f"-c{connections}", f"-d{seconds}s", "--timeout", "10s",
             *([] if keep else ["-H", "Connection: close"]), "-s", script, f"http://{where}{path}"]),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def command(self, words):
        return words

    @property
    def runs(self):
        return self.process.poll() is None

    def stop_when(self, condition, what):
        """Not when its whole time is over, though no later."""
        until(lambda: condition() or not self.runs, what, timeout=self.seconds + DEADLINE)
        self.process.send_signal(signal.SIGINT)

    def result(self):
        """Counts of requests and of each kind of failure, and latencies in microseconds."""
        output, _ = self.process.communicate(timeout=self.seconds + 2 * DEADLINE)
        found = re.search(r"^RESULT (.*)$", output, re.M)
        assert found, output
        return json.loads(found[1])


def failures(result):
    return {kind: result[kind] for kind in ("status", "connect", "read", "write", "timeout") if result[kind]}
