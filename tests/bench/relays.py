"""The relays that are compared, each set up as its manual advises."""
import dataclasses
import os
import pathlib
import re
import signal

import process

ROOT = pathlib.Path(__file__).resolve().parents[2]
# haproxy-splice, for bulk: HAProxy that always splices. By itself (splice-auto) it seldom does.
PEERS = ("haproxy", "haproxy-splice", "nginx", "socket-proxyd", "hitch")
NGINX_STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"
SOCKET_PROXYD = "/lib/systemd/systemd-socket-proxyd"


@dataclasses.dataclass
class Relay:
    """One column of the table."""
    name: str
    kind: str            # relayd, direct, or one of PEERS
    program: str = ""
    options: tuple = ()  # of relayd: lines for its configuration
    port: int = 0        # where it listens
    tls: object = None   # the file with certificate and key, if it speaks TLS now
    keeper: bool = False # of relayd: it has a relayd-keeper, which counts as part of it
    child: object = None
    helper: object = None

    def start(self, folder, origin, bulk, most, tls=None):
        """Starts it: port -> origin, for at most so many connections. Direct: it is the origin."""
        self.tls = tls
        self.port = origin if self.kind == "direct" else self.port
        if self.kind == "direct":
            return
        log = folder / f"{self.name}.log"
        write = getattr(self, "_" + self.kind.replace("-", "_"))
        arguments, last_signal = write(folder, origin, bulk, most)
        if self.keeper:
            self.helper = process.start([self.program + "-keeper", "--socket", folder / f"{self.name}.sock"], log)
            process.wait_for_file(folder / f"{self.name}.sock", self.helper)
        self.child = process.start(arguments, log, last_signal, env=unit_environment() if self.kind == "relayd" else None)

    def wait(self):
        if self.child:
            process.wait_for_answer(self.port, self.child, self.name, self.tls)

    def stop(self):
        if self.child:
            process.stop(self.child)
        if self.helper:
            process.stop(self.helper)
        self.child = self.helper = None

    def pids(self):
        return [pid for child in (self.child, self.helper) if child for pid in process.family(child.pid)]

    def alive(self):
        return self.child is None or self.child.poll() is None

    def _relayd(self, folder, origin, bulk, most):
        del bulk   # one configuration for all: it finds out by itself
        lines = {"global": ["log_connections = none", f"max_connections = {most}"],
                 "listener": [f"address = 127.0.0.1:{self.port}", "upstream = origin"],
                 "upstream": [], "server": [f"address = 127.0.0.1:{origin}"]}
        if self.keeper:
            lines["global"].append(f"keeper = {folder}/{self.name}.sock")
        for line in self.options:   # instead of the same option above
            section, name = section_of(line), line.split("=")[0].strip()
            lines[section] = [old for old in lines[section] if old.split(" =")[0] != name] + [line]
        if self.tls:
            lines["listener"].append(f'tls {{ certificate = "{self.tls}" }}')
        path = folder / f"{self.name}.conf"
        path.write_text("\n".join([
            *lines["global"], "listener bench {", *lines["listener"], "}",
            "upstream origin {", *lines["upstream"], "server a {", *lines["server"], "}", "}", ""]))
        return [self.program, "-f", path], signal.SIGKILL

    def _haproxy(self, folder, origin, bulk, most):
        splice = "option splice-auto" if bulk else ""   # in both directions
        if bulk and self.kind == "haproxy-splice":
            splice = "option splice-request\n    option splice-response"
        if bulk:
            most = min(most, 1000)   # two pipes for each connection count against its descriptors
        path = folder / f"{self.name}.cfg"
        path.write_text(f"""
global
    nbthread 2
    maxconn {most}
defaults
    mode tcp
    maxconn {most}
    {splice}
    timeout connect 10s
    timeout client 1h
    timeout server 1h
frontend bench
    bind 127.0.0.1:{self.port} backlog 4096 {f"ssl crt {self.tls}" if self.tls else ""}
    default_backend origin
backend origin
    server a 127.0.0.1:{origin}
""")
        return [self.program or "haproxy", "-db", "-q", "-f", path], signal.SIGKILL

    _haproxy_splice = _haproxy

    def _nginx(self, folder, origin, bulk, most):
        buffer = "proxy_buffer_size 256k;" if bulk else ""
        path = folder / f"{self.name}.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        path.write_text(f"""
load_module {NGINX_STREAM};
{user}
daemon off;
pid {folder}/{self.name}.pid;
error_log {folder}/{self.name}.error.log crit;
worker_processes 2;
worker_rlimit_nofile {2 * most + 500};
events {{ worker_connections 20000; }}
stream {{
    proxy_timeout 1h;
    {buffer}
    server {{
        listen 127.0.0.1:{self.port} {'ssl' if self.tls else ''} reuseport backlog=4096;
        {f'ssl_certificate {self.tls}; ssl_certificate_key {self.tls}; ssl_protocols TLSv1.3;' if self.tls else ''}
        proxy_pass 127.0.0.1:{origin};
    }}
}}
""")
        return ["nginx", "-e", f"{folder}/{self.name}.error.log", "-c", path], signal.SIGTERM

    def _hitch(self, folder, origin, bulk, most):
        del bulk, most
        path = folder / f"{self.name}.conf"
        user = 'user = "nobody"\n' if os.geteuid() == 0 else ""
        path.write_text(f'''frontend = "[127.0.0.1]:{self.port}"
backend = "[127.0.0.1]:{origin}"
pem-file = "{self.tls}"
workers = 2
backlog = 4096
ciphers = ""
{user}''')
        return ["hitch", f"--config={path}"], signal.SIGTERM

    def _socket_proxyd(self, folder, origin, bulk, most):
        del folder, bulk
        return ["systemd-socket-activate", "-l", f"127.0.0.1:{self.port}", SOCKET_PROXYD,
                f"--connections-max={most}", f"127.0.0.1:{origin}"], signal.SIGKILL


def unit_environment():
    """What relayd.service sets: relayd is measured as systemd starts it."""
    unit = (ROOT / "systemd/relayd.service.in").read_text(encoding="utf-8")
    return {**os.environ, **dict(re.findall(r"^Environment=(\w+)=(\S+)$", unit, re.M))}


def section_of(line):
    """Where in relayd.conf an option stands: src/config/options.def knows."""
    name = line.split("=")[0].strip()
    table = (ROOT / "src/config/options.def").read_text(encoding="utf-8")
    found = re.search(rf"^OPTION\((\w+), {re.escape(name)},", table, re.M)
    if not found:
        raise process.Failed(f"--relayd-conf: relayd.conf has no option {name!r}")
    return found[1]
