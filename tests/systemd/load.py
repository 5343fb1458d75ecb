"""What runs through relayd while a test restarts and kills it, with or without TLS: wrk, which counts every failed request, and
downloads, of which each byte counts. Behind relayd is nginx, in the box."""

import hashlib
import http.client
import re
import signal
import socket
import ssl
import statistics
import subprocess
import threading

from box import DEADLINE
from certificates import Authority
from service import ADDRESS, message_id

SITE = "127.0.0.1:8000"
ROOT = "/srv/site"
CERTIFICATE = "/etc/site.pem"
#: Of /big, in MiB.
BIG = 96
#: MiB/s of a download.
RATE = 2
CONNECTIONS = 32

NGINX = f"""daemon off; user root; worker_processes 1; pid /run/site.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; keepalive_requests 100000000;
    server {{ listen {SITE} backlog=1024; root {ROOT}; location = /hello {{ return 200 "hello\\n"; }} }}
}}
"""
UNIT = """[Service]
ExecStart=/usr/sbin/nginx -e stderr -c /run/site.conf
KillSignal=SIGQUIT
TimeoutStopSec=1s
"""


def secured(relayd, conf):
    """This relayd.conf with TLS at its first listener; the certificate is in the box."""
    site = Authority().issue("127.0.0.1")
    relayd.box.write(CERTIFICATE, site.pem + site.key_pem)
    relayd.box.run("sh", "-c", f"chown relayd {CERTIFICATE} && chmod 600 {CERTIFICATE}")
    return re.sub(r"^listener \w+ \{\n", f'\\g<0>    tls {{ certificate = "{CERTIFICATE}" }}\n', conf, count=1, flags=re.M)


class Site:
    """nginx in the box, until the end of the test: /hello is small, /big is not and has the digest `digest`."""

    def __init__(self, relayd):
        self.box, self.address = relayd.box, SITE
        self.box.run("sh", "-c", f"mkdir -p {ROOT} && test -e {ROOT}/big || head -c {BIG}M /dev/urandom >{ROOT}/big")
        self.digest = self.box.run("sha256sum", f"{ROOT}/big").stdout.split()[0]
        self.box.write("/run/site.conf", NGINX)
        relayd.write_unit("site.service", UNIT)
        relayd.systemctl("start", "site.service")
        self.box.wait(lambda: self.box.net("curl", "-s", f"http://{SITE}/hello", check=False).stdout == "hello\n",
                      "nginx answers")


class Client:
    """A program that talks through relayd, until the end of the test at the latest."""

    def __init__(self, relayd, *command):
        self.relayd = relayd
        self.process = relayd.box.spawn_net(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        relayd.stack.callback(self.kill)

    def kill(self):
        self.process.kill()
        self.process.communicate()

    @property
    def is_running(self):
        return self.process.poll() is None

    def connections(self):
        """Each of them, by its port, and what it has received."""
        found = self.relayd.box.run("ss", "-HtniO", "state", "established", f"dst {ADDRESS}").stdout
        return {(line.split()[2], re.search(r"bytes_received:(\d+)|$", line)[1]) for line in found.splitlines()}

    def end(self, timeout=DEADLINE):
        output = self.process.communicate(timeout=timeout)[0]
        assert self.process.returncode == 0, output
        return output


class Load(Client):
    """wrk, with so many connections that are kept alive, or with one for each request."""

    def __init__(self, relayd, close=False, scheme="http"):
        super().__init__(relayd, "wrk", "-t1", f"-c{CONNECTIONS}", "-d1h", "--timeout", f"{DEADLINE}s",
                         *(["-H", "Connection: close"] if close else []), f"{scheme}://{ADDRESS}/hello")
        self.least = CONNECTIONS // 2 if close else CONNECTIONS   # at any one moment
        self.wait_flowing()

    def wait_flowing(self):
        """Every connection of now has received something since, or has ended. (wrk itself does not tell of one that waits
        for ever.)"""
        self.relayd.box.wait(lambda: len(self.connections()) >= self.least, "wrk has connected")
        before = self.connections()
        self.relayd.box.wait(lambda: not before & self.connections(), "all connections go on")

    def finish(self):
        """None has failed; returns how many requests there were."""
        self.wait_flowing()
        self.process.send_signal(signal.SIGINT)
        told = self.end()
        assert "Socket errors" not in told and "Non-2xx" not in told, told
        return int(re.search(r"(\d+) requests in", told)[1])


class Download(threading.Thread):
    """/big, whose digest must be right: RATE MiB a second until its end is asked for, however long a busy machine takes
    for what happens meanwhile."""

    def __init__(self, relayd, site, scheme="http"):
        super().__init__(daemon=True)
        self.site, self.digest, self.error = site, hashlib.sha256(), None
        self.part_has_come, self.hurry = threading.Event(), threading.Event()
        host, port = ADDRESS.split(":")
        with relayd.box.network():
            self.sock = socket.create_connection((host, int(port)), DEADLINE)
        if scheme == "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.sock = context.wrap_socket(self.sock)
        relayd.stack.callback(self.sock.close)
        self.start()
        assert self.part_has_come.wait(DEADLINE), self.error

    def run(self):
        try:
            self.sock.sendall(b"GET /big HTTP/1.1\r\nHost: site\r\n\r\n")
            answer = http.client.HTTPResponse(self.sock)
            answer.begin()
            for part in iter(lambda: answer.read(1 << 20), b""):
                self.digest.update(part)
                self.part_has_come.set()
                self.hurry.wait(1 / RATE)
        except (OSError, http.client.HTTPException) as error:
            self.error = error

    @property
    def is_running(self):
        return self.is_alive()

    def finish(self):
        self.hurry.set()
        self.join(3 * DEADLINE)
        assert not self.is_running and not self.error, self.error
        assert self.digest.hexdigest() == self.site.digest


def milliseconds(text):
    """What relayd says of a time."""
    number, unit = text.split(" ")
    return float(number) * {"ms": 1, "s": 1000}[unit]


def adopted(relayd):
    """What each start of this test has told: (adopted, median and longest standstill in ms, lost)."""
    found = []
    for text in relayd.messages(message_id("ADOPTED")):
        lost = re.search(r" (\d+) could not be adopted and were reset\.$", text)
        told = re.match(r"Adopted (\d+) connections?, which paused for (.*?) \(median\) and (.*?) at most\.", text)
        assert told or text.startswith("Adopted no connections of the previous relayd."), text
        numbers = (int(told[1]), milliseconds(told[2]), milliseconds(told[3])) if told else (0, 0, 0)
        found.append((*numbers, int(lost[1]) if lost else 0))
    return found


def say_standstill(what, told):
    """For those who read the log of a run."""
    told = [one for one in told if one[0]]
    if told:
        print(f"{what}: {len(told)} times, {max(one[0] for one in told)} connections at most; they paused for "
              f"{statistics.median(one[1] for one in told):.0f} ms (median of medians), {max(one[2] for one in told):.0f} ms "
              "at most")
