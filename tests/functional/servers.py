"""Real servers, each in the foreground, in a directory of its own, on a port of its own."""

import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from settings import DEADLINE, MIB, free_port, short_directory, until, wait_end


NGINX_STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"


class Server:
    def __init__(self):
        self.directory = short_directory()
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.output = open(self.directory / "output", "wb")
        self.process = None

    def spawn(self, *command):
        self.process = subprocess.Popen([str(word) for word in command], cwd=self.directory, stdin=subprocess.DEVNULL,
                                        stdout=self.output, stderr=subprocess.STDOUT)

    def prepare(self, *command, **options):
        """Runs a program to its end, which is to succeed."""
        done = subprocess.run([str(word) for word in command], cwd=self.directory, stdout=self.output, stderr=self.output,
                              timeout=6 * DEADLINE, check=False, **options)
        assert done.returncode == 0, (self.directory / "output").read_text(errors="replace")

    def is_ready(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, (self.directory / "output").read_text()
            return self.is_ready()
        until(ready, f"{type(self).__name__} on {self.address}", 2 * DEADLINE, 0.02)

    def stop(self):
        if self.process:
            self.process.terminate()
            try:
                wait_end(self.process)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.output.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def nginx_temps(directory):
    """Of its section http: folders that it may write to."""
    return "".join(f"    {kind}_temp_path {directory}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))


class Nginx(Server):
    """Serves root, and refuses bodies over a megabyte with 413."""

    def __init__(self):
        super().__init__()
        self.root = root = Path(tempfile.mkdtemp(prefix="rly", dir="/dev/shm"))
        (root / "index.html").write_text("It works.\n")
        (root / "page.bin").write_bytes(os.urandom(300000))
        temps = nginx_temps(self.directory)
        (self.directory / "nginx.conf").write_text(
            f"daemon off; user root; worker_processes 1; pid {self.directory}/pid;\n"
            f"error_log {self.directory}/error.log;\n"
            "events { worker_connections 1024; }\n"
            "http {\n    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n"
            f"{temps}    client_max_body_size 1m;\n"
            f"    server {{ listen 127.0.0.1:{self.port} backlog=1024; root {root};\n"
            '        location = /hello { return 200 "hello\\n"; }\n    }\n}\n')
        self.spawn("nginx", "-e", self.directory / "error.log", "-p", self.directory, "-c", self.directory / "nginx.conf")


    def write_big(self, size):
        """/big: its bytes differ from place to place, a random block of an odd length again and again."""
        block = os.urandom(MIB + 4093)
        with open(self.root / "big", "wb") as file:
            while size:
                size -= file.write(block[:size])

    def stop(self):
        super().stop()
        shutil.rmtree(self.root, ignore_errors=True)


class Patient(Server):
    """An nginx that keeps many connections, for long."""

    def __init__(self, most):
        super().__init__()
        (self.directory / "nginx.conf").write_text(
            f"daemon off; master_process off; user root; pid {self.directory}/pid; error_log {self.directory}/error.log;\n"
            f"worker_rlimit_nofile {most + 500}; events {{ worker_connections {2 * most + 100}; }}\n"
            f"http {{ access_log off; keepalive_timeout 1h; {nginx_temps(self.directory)}"
            f"    server {{ listen {self.address} backlog=4096; location / {{ return 200 hello; }} }} }}\n")
        self.spawn("nginx", "-e", self.directory / "error.log", "-p", self.directory, "-c", self.directory / "nginx.conf")


class Nghttpd(Server):
    """HTTP/2 without TLS."""

    def __init__(self):
        super().__init__()
        root = self.directory / "root"
        root.mkdir()
        (root / "index.html").write_text("It works.\n")
        (root / "page.bin").write_bytes(os.urandom(2 * MIB))
        self.root = root
        self.spawn("nghttpd", "--no-tls", "-d", root, self.port)


class Redis(Server):
    def __init__(self):
        super().__init__()
        self.spawn("redis-server", "--port", self.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                   "--dir", self.directory)


class Iperf3(Server):
    def __init__(self):
        super().__init__()
        self.spawn("iperf3", "-s", "-B", "127.0.0.1", "-p", self.port)


class Postgres(Server):
    """As the user postgres if root starts it, since it refuses to run as root."""

    def __init__(self):
        super().__init__()
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        as_postgres = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.directory, user.pw_uid, user.pw_gid)
            as_postgres = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"]
        data = self.directory / "data"
        self.prepare(*as_postgres, f"{programs}/initdb", "-D", data, "-A", "trust", "-N", "-U", "postgres",
                     "--no-locale", "-E", "UTF8")
        self.spawn(*as_postgres, f"{programs}/postgres", "-D", data, "-p", self.port, "-k", self.directory,
                   "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "shared_buffers=32MB")

    def is_ready(self):
        return subprocess.run(["pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False).returncode == 0

    def stop(self):
        if self.process:
            self.process.send_signal(2)  # fast shutdown: does not wait for clients
        super().stop()


class MariaDb(Server):
    """It knows the users root, who may do all, and known, who may do nothing; neither has a password. wrap: the words of a
    Hosts fixture: hosts that come from addresses with a name are those that it may block."""

    USERS = """insert into global_priv values ('%', 'root', '{"access":18446744073709551615}'), ('%', 'known', '{"access":0}');"""

    def __init__(self, wrap):
        super().__init__()
        data = self.directory / "data"
        data.mkdir()
        words = ["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-innodb",
                 "--default-storage-engine=Aria"]
        # Debian 12 and 13 have other names for it.
        [tables] = [path for path in Path("/usr/share").glob("m*/m*_system_tables.sql") if path.parent.name in path.name]
        self.prepare(*words, "--bootstrap",
                     input=f"create database mysql;\nuse mysql;\n{tables.read_text(encoding='utf-8')}\n{self.USERS}\n".encode())
        self.spawn(*wrap, *words, "--bind-address=127.0.0.1", f"--port={self.port}", f"--socket={self.directory}/socket",
                   f"--pid-file={self.directory}/pid", "--max-connect-errors=100")

    def denied(self):
        """How many logins were refused."""
        return (self.directory / "output").read_bytes().count(b"Access denied for user")


class HAProxy(Server):
    """HAProxy with these sections; PORT in the text is where it listens."""

    def __init__(self, text):
        super().__init__()
        (self.directory / "haproxy.cfg").write_text(
            "global\n    maxconn 100\ndefaults\n    mode tcp\n    timeout connect 10s\n    timeout client 1m\n"
            "    timeout server 1m\n" + text.replace("PORT", self.address))
        self.spawn("haproxy", "-db", "-f", self.directory / "haproxy.cfg")


class NginxStream(Server):
    """nginx as a balancer that sends version 1 of the PROXY protocol."""

    def __init__(self, target):
        super().__init__()
        (self.directory / "nginx.conf").write_text(
            f"load_module {NGINX_STREAM};\ndaemon off; master_process off; user root; pid {self.directory}/pid;\n"
            f"error_log {self.directory}/error.log;\nevents {{ worker_connections 100; }}\n"
            f"stream {{ server {{ listen {self.address}; proxy_pass {target}; proxy_protocol on; }} }}\n")
        self.spawn("nginx", "-e", self.directory / "error.log", "-p", self.directory, "-c", self.directory / "nginx.conf")


class NginxProxyProtocol(Server):
    """nginx behind a balancer: answers with the client's address as the PROXY header tells it."""

    def __init__(self):
        super().__init__()
        temps = nginx_temps(self.directory)
        (self.directory / "nginx.conf").write_text(
            f"daemon off; master_process off; user root; pid {self.directory}/pid; error_log {self.directory}/error.log;\n"
            f"events {{ worker_connections 100; }}\nhttp {{\n    access_log off;\n{temps}"
            f"    server {{ listen {self.address} proxy_protocol;\n"
            "        location / { return 200 $proxy_protocol_addr; }\n    }\n}\n")
        self.spawn("nginx", "-e", self.directory / "error.log", "-p", self.directory, "-c", self.directory / "nginx.conf")


class Dnsmasq(Server):
    """A DNS server on a loopback address of its own; wrap makes a command see it in /etc/resolv.conf."""

    def __init__(self):
        super().__init__()
        self.nameserver = f"127.53.{self.port // 250}.{self.port % 250 + 1}"
        self.addresses, self.records, self.silent = {}, [], []
        (self.directory / "resolv.conf").write_text(f"nameserver {self.nameserver}\noptions timeout:1 attempts:1\n")
        (self.directory / "nsswitch.conf").write_text("hosts: files dns\n")
        (self.directory / "hosts").write_text("127.0.0.1 localhost\n")
        (self.directory / "names").write_text("")
        self.directory.chmod(0o755)
        self.begin()

    def begin(self):
        self.spawn("dnsmasq", "-k", "-C", "/dev/null", "-p", 53, "-a", self.nameserver, "-z", "-R", "-h", "--local-ttl=1",
                   "-u", "root", "--local=/test/", "-x", self.directory / "pid", f"--addn-hosts={self.directory}/names",
                   # For these names it asks somebody who never answers: a socket that nobody reads.
                   *[f"--server=/{name}/{self.deaf()}" for name in self.silent],
                   *[f"--srv-host={','.join(str(word) for word in record)}" for record in self.records])

    def deaf(self):
        if not hasattr(self, "hole"):
            self.hole = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.hole.bind(("127.0.0.1", 0))
        return f"127.0.0.1#{self.hole.getsockname()[1]}"

    def is_ready(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.2)
            try:   # a query for "localhost."
                sock.sendto(b"\x12\x34\1\0\0\1\0\0\0\0\0\0\x09localhost\0\0\1\0\1", (self.nameserver, 53))
                return len(sock.recv(512)) > 0
            except OSError:
                return False

    def _again(self):
        self.process.terminate()
        self.process.wait(DEADLINE)
        self.begin()
        self.wait_ready()

    def hosts(self, name, *addresses):
        self.addresses[name] = addresses
        (self.directory / "names").write_text("".join(f"{address} {name}\n" for name, found in self.addresses.items()
                                                      for address in found))
        self._again()

    def services(self, name, *targets):
        self.records += [(name, *target) for target in targets]
        self._again()

    def swallow(self, name):
        self.silent.append(name)
        self._again()

    @property
    def wrap(self):
        here = self.directory
        return ["unshare", "-m", "--propagation", "private", "sh", "-c",
                'for file in resolv.conf nsswitch.conf hosts; do mount --bind "$0/$file" /etc/$file; done; exec "$@"', here]

    def stop(self):
        super().stop()
        if hasattr(self, "hole"):
            self.hole.close()
