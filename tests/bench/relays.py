"""The relays that are compared, each set up as its manual advises."""
import dataclasses
import functools
import os
import pathlib
import re
import signal
import subprocess
import tempfile

import process

ROOT = pathlib.Path(__file__).resolve().parents[2]
# haproxy-splice, for bulk: HAProxy that always splices. By itself (splice-auto) it seldom does.
PEERS = ("haproxy", "haproxy-splice", "nginx", "socket-proxyd", "hitch")
NGINX_STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"
NGINX_POOL = 1024   # idle connections to the server that each worker keeps: more than any cell has
# Its best of a few tries: room for a whole answer in the small cells, and in bulk no files, which wait for a disk.
NGINX_HTTP_SMALL = "proxy_buffer_size 32k; proxy_buffers 8 32k;"
NGINX_HTTP_BULK = ("proxy_request_buffering off; client_body_buffer_size 512k; "
                   "proxy_buffering off; proxy_buffer_size 512k; proxy_buffers 8 512k;")
SOCKET_PROXYD = "/lib/systemd/systemd-socket-proxyd"
# It costs nothing, the peers have the same, and being no default it makes every version look into requests.
READS_HTTP = "keepalive_timeout = 1h"


@dataclasses.dataclass
class Relay:
    """One column of the table."""
    name: str
    kind: str            # relayd, direct, or one of PEERS
    program: str = ""    # of relayd, or another build of a peer
    options: tuple = ()  # of relayd: lines for its configuration
    port: int = 0        # where it listens
    tls: object = None   # the file with certificate and key, if it speaks TLS now
    keeper: bool = False # of relayd: it has a relayd-keeper, which counts as part of it
    child: object = None
    helper: object = None

    def start(self, folder, origin, cell, most, certificate):
        """Starts it, as the cell wants it: port -> origin, for at most so many connections. Direct: it is the origin."""
        self.tls = certificate if cell.tls and self.kind != "direct" else None
        self.port = origin if self.kind == "direct" else self.port
        if self.kind == "direct":
            return
        log = folder / f"{self.name}.log"
        write = getattr(self, "_" + self.kind.replace("-", "_"))
        arguments, last_signal = write(folder, origin, cell, most)
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

    def fits(self, cell):
        """Whether it can do what the cell wants of it."""
        return self.kind not in cell.without and (
            self.kind != "relayd" or all(knows(self.program, line) for line in cell.options))

    def _relayd(self, folder, origin, cell, most):
        lines = {"global": ["log_connections = none", f"max_connections = {most}"],
                 "listener": [f"address = 127.0.0.1:{self.port}", "upstream = origin"],
                 "upstream": [], "server": [f"address = 127.0.0.1:{origin}"]}
        if cell.http:
            lines["global"].append("log_requests = none")
            lines["listener"] += ["mode = http", READS_HTTP, *cell.options]
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

    def _haproxy(self, folder, origin, cell, most):
        splice = "option splice-auto" if cell.bulk else ""   # in both directions
        if cell.bulk and self.kind == "haproxy-splice":
            splice = "option splice-request\n    option splice-response"
        if cell.bulk:
            most = min(most, 1000)   # two pipes for each connection count against its descriptors
        path = folder / f"{self.name}.cfg"
        path.write_text(f"""
global
    nbthread 2
    {"tune.bufsize 32768" if cell.whole else ""}
    maxconn {most}
defaults
    mode {"http" if cell.http else "tcp"}
    maxconn {most}
    {splice}
    {"option http-keep-alive" if cell.http else ""}
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

    def _nginx(self, folder, origin, cell, most):
        tls = f"ssl_certificate {self.tls}; ssl_certificate_key {self.tls}; ssl_protocols TLSv1.3;" if self.tls else ""
        listen = f"listen 127.0.0.1:{self.port} {'ssl' if self.tls else ''} reuseport backlog=4096; {tls}"
        path = folder / f"{self.name}.conf"
        path.write_text(f"""
{'' if cell.http or has_stream(self.program) else f'load_module {NGINX_STREAM};'}
{'user root;' if os.geteuid() == 0 else ''}
daemon off;
pid {folder}/{self.name}.pid;
error_log {folder}/{self.name}.error.log crit;
worker_processes 2;
worker_rlimit_nofile {2 * most + 500};
events {{ worker_connections 20000; }}
{(nginx_http if cell.http else nginx_stream)(folder, listen, origin, cell.bulk)}
""")
        return [self.program or "nginx", "-e", f"{folder}/{self.name}.error.log", "-c", path], signal.SIGTERM

    def _hitch(self, folder, origin, cell, most):
        del cell, most
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

    def _socket_proxyd(self, folder, origin, cell, most):
        del folder, cell
        return ["systemd-socket-activate", "-l", f"127.0.0.1:{self.port}", SOCKET_PROXYD,
                f"--connections-max={most}", f"127.0.0.1:{origin}"], signal.SIGKILL


def nginx_stream(folder, listen, origin, bulk):
    """The part of nginx.conf that relays bytes."""
    del folder
    return f"""
stream {{
    proxy_timeout 1h;
    {"proxy_buffer_size 256k;" if bulk else ""}
    server {{
        {listen}
        proxy_pass 127.0.0.1:{origin};
    }}
}}
"""


def nginx_http(folder, listen, origin, bulk):
    """The part that relays requests."""
    return f"""
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {NGINX_HTTP_BULK if bulk else NGINX_HTTP_SMALL}
    upstream origin {{
        server 127.0.0.1:{origin};
        keepalive {NGINX_POOL};
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }}
    server {{
        {listen}
        location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_read_timeout 1h;
            proxy_send_timeout 1h;
        }}
    }}
}}
"""


def kind_of(program):
    """Which of PEERS another build is."""
    try:
        done = subprocess.run([program, "-v"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except OSError as error:
        raise process.Failed(f"--peers: {program}: {error.strerror}") from error
    for kind, said in (("haproxy", b"HAProxy version"), ("nginx", b"nginx version")):
        if said in done.stdout:
            return kind
    raise process.Failed(f"--peers: {program} -v says that it is neither HAProxy nor nginx")


@functools.cache
def has_stream(program):
    """Whether this nginx can relay bytes without a module from a file, as those that people build themselves."""
    done = subprocess.run([program or "nginx", "-V"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    return b"--with-stream" in done.stderr.split()


@functools.cache
def knows(program, line):
    """Whether that relayd takes this line in a listener of mode http."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(f"listener a {{\naddress = 127.0.0.1:1\nupstream = a\nmode = http\n{line}\n}}\n"
                   "upstream a {\nserver a {\naddress = 127.0.0.1:2\n}\n}\n")
        file.flush()
        return subprocess.run([program, "-t", "-f", file.name], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False).returncode == 0


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
