"""Other programs that read requests: how many they find in the bytes of a connection, and which.

Each says [(name, method, target)]: the request's X-Request-ID. `wrong`: what it found to be none."""

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

from hostile import throw
from servers import Server, nginx_temps
from settings import DEADLINE, until

try:
    import h11
except ImportError:
    h11 = None


ANSWER = re.compile(rb"^HTTP/1\.1 ([2-5]\d\d)", re.M)


class Reader(Server):
    """A server that writes a line of its log for each request: status, name ("-": none), method, target."""

    def read(self, streams, counts):
        """All that is found in them, as (status, name, method, target), and for each stream whether something was refused.
        counts: how many answers are waited for before our end, which some take for a wish to hear no more."""
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda stream, count: throw(self.address, stream, lambda got: len(ANSWER.findall(got)) >= count),
                                    streams, counts))
        statuses = [[int(status) for status in ANSWER.findall(data)] for data in answers]
        wanted = sum(map(len, statuses))
        until(lambda: self._count() >= wanted, f"{wanted} lines in the log of {type(self).__name__}")
        return [self.entry(line) for line in self._lines()], [any(status >= 400 for status in one) for one in statuses]

    def _lines(self):
        return (self.directory / "seen").read_text(encoding="latin-1").splitlines()

    def _count(self):
        return len(self._lines())

    @staticmethod
    def entry(line):
        status, name, method, target = line.split(" ", 3)
        return int(status), "" if name == "-" else name, method, target


class NginxReader(Reader):
    """backend: a second server that answers, too, and logs nothing."""

    def __init__(self, backend=None):
        super().__init__()
        more = f"server {{ listen {backend} backlog=1024; location / {{ return 200; }} }}" if backend else ""
        (self.directory / "nginx.conf").write_text(
            f"daemon off; user root; worker_processes 1; pid {self.directory}/pid; error_log {self.directory}/error.log;\n"
            "events { worker_connections 1024; }\n"
            "http {\n    keepalive_requests 1000000; large_client_header_buffers 4 64k; client_max_body_size 0;\n"
            "    map $http_x_request_id $name { '' '-'; default $http_x_request_id; }\n"
            "    log_format seen escape=none '$status $name $request_method $request_uri';\n"
            f"{nginx_temps(self.directory)}"
            f"    server {{ listen 127.0.0.1:{self.port} backlog=1024; access_log {self.directory}/seen seen;\n"
            f"        location / {{ return 200; }} }}\n    access_log off;\n    {more}\n}}\n")
        self.spawn("nginx", "-e", self.directory / "error.log", "-p", self.directory, "-c", self.directory / "nginx.conf")


class HAProxyReader(Reader):
    """In front of a backend, whose connections it uses again."""

    def __init__(self, backend):
        super().__init__()
        (self.directory / "haproxy.cfg").write_text(
            "global\n    maxconn 200\ndefaults\n    mode http\n    timeout connect 10s\n    timeout client 20s\n    timeout server 20s\n"
            f"frontend web\n    bind {self.address}\n    log stdout len 65535 format raw local0\n    http-request capture req.hdr(X-Request-ID) len 64\n"
            "    log-format '%ST %[capture.req.hdr(0)] %HM %HU'\n    default_backend app\n"
            f"backend app\n    http-reuse always\n    server a {backend}\n")
        self.spawn("haproxy", "-db", "-f", self.directory / "haproxy.cfg")

    @staticmethod
    def entry(line):
        """Its log has #XX for some bytes; no target of a request has a "#"."""
        return Reader.entry(re.sub("#([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), line))

    def _lines(self):
        return [line for line in (self.directory / "output").read_text(encoding="latin-1").splitlines() if re.match("[0-9-]+ ", line)]


NODE = r"""
const fs = require("fs"), http = require("http"), seen = fs.openSync(process.argv[3], "w");
const say = (...words) => fs.writeSync(seen, words.join(" ") + "\n");
const server = http.createServer((asked, answer) => {
    asked.on("error", () => {});
    asked.on("end", () => {
        say(200, asked.headers["x-request-id"] || "-", asked.method, asked.url);
        answer.end();
    });
    asked.resume();
});
server.httpAllowHalfOpen = true;
server.keepAliveTimeout = 0;
server.on("clientError", (error, socket) => {
    say(400, "-", error.code || "-", "");
    socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
});
server.listen(Number(process.argv[2]), "127.0.0.1");
"""


class NodeReader(Reader):
    def __init__(self):
        super().__init__()
        (self.directory / "server.js").write_text(NODE)
        self.spawn("node", self.directory / "server.js", self.port, self.directory / "seen")


class H11Reader:
    """The parser alone, without a server."""

    def read(self, streams, _counts):
        found = [list(self._read(stream)) if stream else [] for stream in streams]   # no data is an end, to h11
        return sum(found, []), [any(status >= 400 for status, *_ in one) for one in found]

    def _read(self, stream):
        peer, asked = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20), None
        peer.receive_data(stream)
        try:
            while True:
                event = peer.next_event()
                if event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
                    return
                if isinstance(event, h11.Request):
                    asked = event
                elif isinstance(event, h11.EndOfMessage):
                    name = dict(asked.headers).get(b"x-request-id", b"")
                    yield 200, name.decode(), asked.method.decode(), asked.target.decode()
                    peer.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                    peer.send(h11.EndOfMessage())
                    peer.start_next_cycle()
        except h11.RemoteProtocolError as error:
            yield 400, "", str(error), ""

    def stop(self):
        pass


def has_node():
    """A node that runs; not every machine has one."""
    return shutil.which("node") is not None and subprocess.run(["node", "--version"], capture_output=True, timeout=DEADLINE, check=False).returncode == 0
