"""Whatever becomes of connections and requests: what is told of them adds up, in the log, the metrics, and relayctl."""

import collections
import contextlib
import http.client
import json
import random
import re
import signal
import socket
import threading

import pytest

from client import connect
from control import asked, dialled, relayctl
from exposition import parse
from keeper import seeded
from origin import Origin
from settings import DEADLINE, LONG, REPO, SANITIZER, free_port, ms, until
from tls import Site
from web import CLOSE, RESET, Web, answer, answer_chunked, ask, get, head_of, post, post_chunked, read_answer, text_of

VISITS = 600 if LONG else 60 if SANITIZER else 150
CLIENTS = 6


class Told:
    """What a client knows of its connection: its name, how relayd may say that it ended, bytes each way, its requests."""

    def __init__(self, door, name, ends=None, up=None, down=None, server=None):
        self.door, self.name, self.ends, self.up, self.down, self.server = door, name, ends, up, down, server
        self.requests = {}   # path: status, None if it got none
        self.own = 0         # bytes of answers that relayd gave by itself


def tcp_server(peer):
    """Does what the first line says."""
    line = peer.read_to(b"\n").decode().split()
    if line[0] == "echo":
        while data := peer.recv():
            peer.send(data)
        return
    peer.send(b"s" * int(line[1]))
    if line[0] == "reset":
        assert peer.recv() == b"now"
        peer.reset()
    elif line[0] == "end":
        peer.shut()
        peer.read_end()
    elif line[0] == "silent":
        peer.read_end()


def web_server(seen):
    lock = threading.Lock()

    def once_only(path):
        with lock:
            seen[path] += 1
            return seen[path] == 1

    def acts(asked_, peer):
        _, verb, size, _ = asked_.target.split("/")
        body = b"y" * int(size)
        if verb == "again" and once_only(asked_.target):
            return b"", CLOSE
        if verb == "late":
            peer.read_end()
            return b"", CLOSE
        if verb == "ws":
            peer.send(head_of("101 Switching Protocols", "Connection: upgrade", "Upgrade: websocket") + body)
            while data := peer.recv():
                peer.send(data)
            return b"", CLOSE
        return {"ok": answer(body), "again": answer(body), "chunks": answer_chunked(body, sizes=(7,)),
                "no": answer(body, "404 No"), "oops": answer(body, "500 Oops"), "moved": answer(b"", "302 There", "Location: /"),
                "interim": head_of("103 Early Hints", "Link: x") + answer(body),
                "last": (answer(body, "200 OK", "Connection: close"), CLOSE),
                "open": (head_of("200 OK", "Connection: close") + body, CLOSE),
                "none": (b"", CLOSE), "reset": (b"", RESET), "bad": (b"HTTP/1.1 2x0 OK\r\n\r\n", CLOSE),
                "cut": (head_of("200 OK", f"Content-Length: {int(size) + 5}") + body, CLOSE)}[verb]
    return acts


#: What a server does with a request: (status, whether the client's connection goes on, ends of it if it does not).
WELL = {"ok": 200, "chunks": 200, "no": 404, "oops": 500, "moved": 302, "interim": 200, "last": 200, "again": 200, "open": 200}
BADLY = {"none": (502, {"SW"}), "reset": (502, {"SW", "SR"}), "bad": (502, {"SB"}), "late": (504, {"TW"}), "cut": (200, {"SU"})}
#: Doors of mode tcp, and how a connection ends that never had a server.
TCP, REFUSED = ("tcp", "tcptls", "tcpunix", "proxied", "gone", "denied"), ("CH", "TH", "LA", "CG", "TG", "SD")
#: What relayd answers by itself, and no server.
OWN = (308, 400, 413, 502, 504)


class Place:
    """A relay with many doors, and who stands behind them."""

    def __init__(self, folder, at, more):
        self.folder, self.at, self.more = folder, at, more
        self.site = Site(folder, "site.test", "127.0.0.1")
        self.seen = collections.Counter()
        self.origins = []
        self.tcp = self.start(tcp_server)
        self.tcp_unix = self.start(tcp_server, path=folder / "tcp")
        self.webs = [Web(self.start, web_server(self.seen)) for _ in range(2)]
        self.webs.append(Web(self.start, web_server(self.seen), path=folder / "web"))
        self.ports = {door: free_port() for door in
                      ("tcp", "tcptls", "tcpunix", "proxied", "http", "https", "shared", "each", "gone", "webgone", "denied", "passing")}
        self.dead = socket.socket()
        self.dead.bind(("127.0.0.1", 0))   # and does not listen
        self.round, self.kills = 0, True
        self.told, self.lock, self.numbers = [], threading.Lock(), iter(range(1 << 30))

    def start(self, script, **how):
        self.origins.append(Origin(script, **how))
        return self.origins[-1]

    def door(self, name):
        return f"127.0.0.1:{self.ports[name]}"

    def text(self):
        """Each round some of what nobody uses at the moment comes or goes."""
        def listener(name, upstream, more=""):
            return f'listener {name} {{\n    address = "{self.door(name)}"\n    upstream = {upstream}\n{more}}}\n'

        def upstream(name, *servers, more=""):
            return f"upstream {name} {{\n{more}" + "".join(
                f'    server s{i} {{ address = "{server}" }}\n' for i, server in enumerate(servers)) + "}\n"
        http = f"    mode = http\n    response_timeout = {ms(1500)}\n    max_body = 50000\n"
        webs = [web.address for web in self.webs]
        routes = "".join(f'    route "{host}.test" {{ upstream = {name} }}\n' for host, name in
                         (("unix", "webunix"), ("dead", "dead"), ("passing", "app"))[:3 if self.round % 2 == 0 else 2])
        routes += '    route "old.test" { redirect = "https://new.test" }\n'
        text = (f'control = "{self.at}"\naccess_log = "{self.folder}/access.log"\naccess_format = json\n{self.more}'
                + listener("tcp", "tcp") + listener("tcptls", "tcp", self.site.section())
                + listener("tcpunix", "tcpunix") + listener("proxied", "tcp", '    accept_proxy = v1\n    proxy_from = {"127.0.0.1"}\n')
                + listener("http", "app", http + routes) + listener("https", "app", http + self.site.section())
                + listener("shared", "app", http + "    reuse = proven\n")
                + listener("each", "each", http)
                + listener("gone", "dead") + listener("webgone", "dead", http)
                + listener("denied", "tcp", '    deny = {"127.0.0.1"}\n')
                + upstream("tcp", self.tcp.address) + upstream("tcpunix", self.tcp_unix.address)
                + upstream("app", *webs[:2]) + upstream("each", *webs[:2], more="    balance_each = request\n") + upstream("webunix", webs[2]) + upstream("dead", f"127.0.0.1:{self.dead.getsockname()[1]}"))
        if self.round % 3 == 1:
            text += listener("passing", "comes", http) + upstream("comes", *webs[:1], more="    balance = least_connections\n")
        return text

    def stop(self):
        self.dead.close()
        for origin in self.origins:
            origin.stop()

    # What clients do

    def note(self, told):
        with self.lock:
            self.told.append(told)
        return told

    def number(self):
        with self.lock:
            return next(self.numbers)

    def allowed(self, *ways):
        return [way for way in ways if way != "kill" or self.kills]

    def visit(self, dice):
        dice.choice((self.visit_tcp, self.visit_tcp, self.visit_http, self.visit_http, self.visit_http, self.visit_refused))(dice)

    def visit_tcp(self, dice):
        door = dice.choice(("tcp", "tcptls", "tcpunix", "proxied"))
        client = self.site.connect(self.door(door)) if door == "tcptls" else connect(self.door(door))
        told = self.note(Told(door, client.name, server="s0"))
        how, size = dice.choice(self.allowed("echo", "end", "reset", "client", "kill")), dice.choice((0, 1, 1000, 100_000))
        line = {"client": "silent", "kill": "silent"}.get(how, how)
        first = f"{line} {size}\n".encode()
        port = client.name.rpartition(":")[2]
        header = f"PROXY TCP4 192.0.2.1 192.0.2.2 {port} 6\r\n".encode() if door == "proxied" else b""
        with client:
            client.send(header + first)
            told.up = len(first)
            if how == "echo":
                client.send(b"e" * size)
                assert client.read(size) == b"e" * size
                told.up += size
                client.tell_end() if door == "tcptls" else client.shut()
                assert client.read_end()[0] == b""
                told.ends, told.down = {"CE", "SE"}, size
                return
            assert client.read(size) == b"s" * size
            told.down = size
            if how == "end":
                client.read_end()
                told.ends = {"SE"}
            elif how == "reset":
                told.up += 3
                client.send(b"now")
                with contextlib.suppress(OSError):
                    client.read_end()
                told.ends = {"SE", "SR"} if door == "tcpunix" else {"SR"}   # no unix socket has it
            elif how == "client":
                told.ends = {"CR", "CT"} if door == "tcptls" else {"CR"}
                client.reset()
            else:
                self.kill(client, door)
                with contextlib.suppress(OSError):
                    client.read_end()
                told.ends = {"OR"}

    def kill(self, client, door):
        name = "192.0.2.1:" + client.name.rpartition(":")[2] if door == "proxied" else client.name

        def number():
            rows = json.loads(relayctl("-s", self.at, "--json", "connections"))
            return [row["id"] for row in rows if row["client"] == name and row["phase"] in ("relay", "idle")]
        found = until(number, "the connection is listed")
        assert len(found) == 1
        relayctl("-s", self.at, "kill", f"id={found[0]}")

    def visit_refused(self, dice):
        door = dice.choice(("gone", "denied", "proxied", "webgone", "https", "http"))
        client = connect(self.door(door))
        told = self.note(Told(door, client.name))
        with client, contextlib.suppress(OSError, AssertionError):
            if door == "webgone":
                path = f"/ok/0/{self.number()}"
                told.requests[path], told.ends = 502, {"SD", "CE", "TE"}
                client.send(get(path, "Connection: close"))
                assert read_answer(client).status == 502
            elif door == "proxied":
                told.ends = {"CH"}
                client.send(b"GET / HTTP/1.1\r\n\r\n")
            elif door == "https":
                told.ends = {"CG"}
                client.send(b"GET / HTTP/1.1\r\n\r\n")
            elif door == "http":
                told.ends = {"CB"}
                client.send(b"GET /bad HTTP/1.1\r\nHost : x\r\n\r\n")
            else:
                told.ends = {"SD" if door == "gone" else "LA"}
            client.read_end()

    def visit_http(self, dice):
        door = dice.choice(("http", "https", "shared", "each"))
        client = self.site.connect(self.door(door)) if door == "https" else connect(self.door(door))
        told = self.note(Told(door, client.name))
        raw = client.raw = self.tap(client)
        with client:
            for _ in range(dice.randrange(5)):
                if not self.ask_one(client, door, told, dice):
                    with contextlib.suppress(OSError):
                        client.read_end()
                    break
            else:
                how = dice.choice(self.allowed("close", "reset", "half", "upgrade", "kill", "leave", "late", "large"))
                getattr(self, "http_" + how)(client, door, told, dice)
        if door != "https" and told.down is None:
            told.down = len(raw) - told.own

    @staticmethod
    def tap(client):
        raw, inner = bytearray(), client.recv

        def recv(size=65536):
            fresh = not client.pending
            data = inner(size)
            if fresh:
                raw.extend(data)
            return data
        client.recv = recv
        return raw

    def ask_one(self, client, door, told, dice):
        """Whether the connection goes on."""
        badly = dice.random() < 0.15
        verb, size = dice.choice(list(BADLY if badly else WELL)), dice.choice((1, 10, 40_000))
        status, ends = BADLY[verb] if badly else (WELL[verb], None)
        if status == 504 and dice.random() < 0.7:
            verb, status, ends = "ok", 200, None
        path = f"/{verb}/{size}/{self.number()}"
        host = dice.choice(("relay.test", "unix.test", "dead.test", "old.test")) if door == "http" else "relay.test"
        if host == "dead.test":
            status, ends = 502, None
        elif host == "old.test":
            status, ends = 308, None
        if verb == "again" or dice.random() < 0.6:
            client.send(get(path, host=host))
        else:
            client.send(dice.choice((post, post_chunked))(path, b"b" * dice.choice((0, 5, 30_000)), host=host))
        told.requests[path] = status
        if ends == {"SU"}:
            client.read_end()
            told.ends = ends | {"SR"}
            return False
        got = self.read_answer(client, told, status)
        if got["Connection"] == "close" or got.until_end:
            told.ends = ends or {"SD", "SE", "CE"}
            return False
        return True

    @staticmethod
    def read_answer(client, told, status):
        before = len(client.raw)
        while (got := read_answer(client)).status == 103:
            pass
        assert got.status == status, (told.requests, got)
        if status in OWN:
            told.own += len(client.raw) - before
        return got

    def http_close(self, client, door, told, dice):
        told.ends = {"CE"} if told.requests else {"CE", "CU", "SE"}
        client.tell_end() if door == "https" else None

    def http_reset(self, client, door, told, dice):
        told.ends = {"CR", "CE"}
        client.reset()

    def http_half(self, client, door, told, dice):
        path = f"/ok/5/{self.number()}"
        told.requests[path], told.ends = 200, {"CE", "CX", "CR"} if door == "https" else {"CE"}
        client.send(get(path))
        client.tell_end() if door == "https" else client.shut()
        if door != "https":
            assert read_answer(client).status == 200
            client.read_end()
        else:
            told.requests[path] = "any"

    def http_upgrade(self, client, door, told, dice):
        path = f"/ws/5/{self.number()}"
        told.requests[path], told.ends = 101, {"CE", "SE"}
        client.send(get(path, "Connection: upgrade", "Upgrade: websocket"))
        assert read_answer(client).status == 101
        assert client.read(5) == b"yyyyy"
        client.send(b"w" * 1000)
        assert client.read(1000) == b"w" * 1000
        client.tell_end() if door == "https" else client.shut()
        client.read_end()

    def http_kill(self, client, door, told, dice):
        self.kill(client, door)
        with contextlib.suppress(OSError):
            client.read_end()
        told.ends = {"OR"}

    def http_leave(self, client, door, told, dice):
        """Within a request that waits for its answer."""
        path = f"/late/0/{self.number()}"
        told.requests[path], told.ends = None, {"CR", "CE", "CU", "CX"} | ({"CT"} if door == "https" else set())
        client.send(get(path))
        until(lambda: any(path in web.targets for web in self.webs), "it is asked")
        client.reset()

    def http_late(self, client, door, told, dice):
        """Within its body."""
        path = f"/ok/0/{self.number()}"
        told.requests[path], told.ends = "any", {"CU", "CR", "CT"}
        client.send(get(path, "Content-Length: 100", method="POST") + b"x" * 10)
        client.reset() if dice.random() < 0.5 else client.close()

    def http_large(self, client, door, told, dice):
        path = f"/ok/0/{self.number()}"
        told.requests[path], told.ends = 413, {"LU"}
        client.send(get(path, "Content-Length: 60000", method="POST"))
        self.read_answer(client, told, 413)
        client.read_end()


def page(at):
    return parse(asked(at, "/metrics")[2])


def by_labels(metrics, name, *labels):
    """{values of these labels: sum}, without zeros."""
    sums = collections.Counter()
    for (suffix, found), value in metrics["relayd_" + name].samples.items():
        if suffix in ("", "_count"):
            sums[tuple(dict(found)[label] for label in labels)] += value
    return {key: value for key, value in sums.items() if value}


def one_of(metrics, name):
    return metrics["relayd_" + name].samples["", ()]


ON = ["relayd_" + name + "_total" for name in re.findall(r"^COUNTER\((\w+)", (REPO / "src/base/counters.def").read_text(), re.M)]


class Watcher(threading.Thread):
    """Looks again and again: a counter never falls, and nothing that is live is nonsense."""

    def __init__(self, at):
        super().__init__(daemon=True)
        self.at, self.over, self.error, self.last = at, threading.Event(), None, {}
        self.pause = threading.Lock()
        self.start()

    def run(self):
        try:
            while not self.over.wait(0.05):
                with self.pause:
                    self.look()
        except Exception as error:   # for the test
            self.error = error

    def forget(self):
        """Another process: of it the counters of the first list alone go on."""
        self.last = {key: value for key, value in self.last.items() if key[0] in ON}

    def look(self):
        now = {(metric.name, key): value for metric in page(self.at).values() if metric.type != "gauge"
               for key, value in metric.samples.items()}
        for key, value in now.items():
            assert value >= self.last.get(key, 0), (key, self.last[key], value)
        self.last = now
        for row in json.loads(relayctl("-s", self.at, "--json", "connections")):
            assert row["idle_us"] <= row["age_us"], row
            assert all(value >= 0 for value in row.values() if isinstance(value, (int, float))), row


class Tail(threading.Thread):
    """GET /tail: the same connections, as they end."""

    def __init__(self, at):
        super().__init__(daemon=True)
        self.client, self.found = dialled(at), []
        self.client.sendall(b"GET /tail HTTP/1.1\r\nHost: relayd\r\n\r\n")
        self.lines = http.client.HTTPResponse(self.client)   # a chunk can end within a line
        self.lines.begin()   # once it listens its head has come
        self.client.settimeout(None)
        self.start()

    def run(self):
        with contextlib.suppress(http.client.IncompleteRead):   # it is broken off
            for line in self.lines:
                if line.startswith(b"{"):
                    record = json.loads(line)
                    self.found.append((record.get("conn"), record.get("end"), record.get("bytes_up"), record.get("bytes_down")))

    def check(self, one):
        wanted = collections.Counter((r.conn, r.end, r.bytes_up, r.bytes_down) for r in one.records())
        until(lambda: len(self.found) >= wanted.total(), "all of them")
        self.client.shutdown(socket.SHUT_RDWR)
        self.join()
        self.client.close()
        assert collections.Counter(self.found) == wanted


def run_clients(place, seed, visits, failures):
    dice = random.Random(seed)
    for n in range(visits):
        try:
            place.visit(dice)
        except Exception as error:
            failures.append((seed, n, repr(error)))
            raise


def check_records(place, one):
    records = collections.defaultdict(list)
    for record in one.records():
        fields = record.line.fields
        records[record.listener, fields.get("RELAYD_PEER") or fields["RELAYD_CLIENT"]].append(record)
    told = collections.defaultdict(list)
    for client in place.told:
        told[client.door, client.name].append(client)   # a port may serve at two doors
    assert {name: len(found) for name, found in told.items()} == {name: len(found) for name, found in records.items()}
    wrong = []
    for name, clients in told.items():
        for client, record in zip(clients, records[name]):
            if client.ends and record.end not in client.ends:
                wrong.append((client.door, client.ends, client.requests, record))
            if client.up is not None and record.bytes_up != client.up or client.down is not None and record.bytes_down != client.down:
                wrong.append(("bytes", client.up, client.down, record))
            if client.server and getattr(record, "server", None) != client.server and record.end in ("CE", "SE"):
                wrong.append(("server", record))
    assert not wrong, "\n".join(map(str, wrong[:12]))


def check_requests(place, one):
    wanted = {path: status for client in place.told for path, status in client.requests.items()}
    found = collections.Counter(record.path for record in one.requests())
    known = {path: count for path, count in found.items() if path != "/bad"}
    assert all(count == 1 for count in known.values()), found
    missing = {path for path, status in wanted.items() if status != "any"} - set(known)
    assert not missing, [(client.door, client.name, client.requests) for client in place.told if missing & set(client.requests)]
    wrong = [record for record in one.requests() if record.path != "/bad"
             and wanted[record.path] not in ("any", getattr(record, "status", None))]
    wrong += [record for record in one.requests() if hasattr(record, "first_byte_usec") and hasattr(record, "duration_usec")
              and getattr(record, "head_usec", 0) + record.first_byte_usec > record.duration_usec]
    assert not wrong, "\n".join(map(str, wrong[:12]))


def check_sums(place, one, metrics, lives):
    records, requests = one.records(), one.requests()
    assert one_of(metrics, "accepted_total") == len(records) == len(place.told)
    for way in ("up", "down"):
        assert one_of(metrics, f"bytes_{way}_total") == sum(getattr(record, f"bytes_{way}") for record in records)
    for gauge in ("connections", "openings", "queued_connections", "held_connections", "unheld_connections"):
        assert one_of(metrics, gauge) == 0, gauge
    for gauge, labels in (("listener_connections", ("listener",)), ("server_connections", ("upstream", "server")),
                          ("upstream_queued_connections", ("upstream",))):
        assert not by_labels(metrics, gauge, *labels), gauge
    reached = {r.conn for r in requests if hasattr(r, "server_address") and r.upstream != "dead"}
    reached |= {r.conn for r in records if r.listener in TCP and r.end not in REFUSED}
    assert one_of(metrics, "relayed_total") == len(reached)
    assert one_of(metrics, "killed_total") == sum(record.end == "OR" for record in records)
    assert one_of(metrics, "proxy_header_bad_total") == sum(record.end in ("CH", "TH", "LH") for record in records)
    assert one_of(metrics, "tls_failed_total") == sum(record.end in ("CG", "TG", "LG") for record in records)
    assert one_of(metrics, "refused_denied_total") == sum(record.end == "LA" for record in records)
    if lives > 1:   # the rest begins anew with each
        return
    assert by_labels(metrics, "ended_total", "code") == {(code,): n for code, n in collections.Counter(r.end for r in records).items()}
    connects = sum(by_labels(metrics, "server_connects_total", "upstream").values())
    failures = sum(by_labels(metrics, "server_connect_failures_total", "upstream").values())
    assert one_of(metrics, "dial_attempts_total") == connects + failures
    assert one_of(metrics, "dial_failures_total") == failures

    def classes(*names):
        return dict(collections.Counter(tuple(f"{r.status // 100}xx" if name == "code" else getattr(r, name) for name in names)
                                        for r in requests if hasattr(r, "status") and all(hasattr(r, n) for n in names if n != "code")))
    assert by_labels(metrics, "listener_requests_total", "listener", "code") == classes("listener", "code")
    served = collections.Counter((r.upstream, r.server, f"{r.status // 100}xx") for r in requests
                                 if hasattr(r, "status") and hasattr(r, "server") and "from relayd" not in r.line.text)
    assert by_labels(metrics, "server_requests_total", "upstream", "server", "code") == dict(served)
    routes = {key: n for key, n in classes("listener", "route", "code").items() if key[1] != "passing.test"}
    assert {key: n for key, n in by_labels(metrics, "route_requests_total", "listener", "route", "code").items()
            if key[1] != "passing.test"} == routes
    assert by_labels(metrics, "listener_request_seconds", "listener") == {
        (name,): n for name, n in collections.Counter(r.listener for r in requests).items()}
    assert by_labels(metrics, "listener_first_byte_seconds", "listener") == {
        (name,): n for name, n in collections.Counter(r.listener for r in requests if hasattr(r, "first_byte_usec")).items()}
    assert one_of(metrics, "requests_again_total") == sum(getattr(r, "retries", 0) for r in requests)


def check_access_log(place, one):
    lines = [json.loads(line) for line in (place.folder / "access.log").read_text().splitlines()]
    key = "request" if "request" in lines[0] else "RELAYD_REQUEST"
    assert collections.Counter(line[key] for line in lines) == collections.Counter(r.request for r in one.requests())


def adds_up(place, one, disturb, lasts=True):
    """Clients come by dice while `disturb` does what it does, until they are gone; then everything is compared."""
    with seeded() as dice:
        watcher, failures = Watcher(place.at), []
        tail = Tail(place.at) if lasts else None
        clients = [threading.Thread(target=run_clients, args=(place, dice.randrange(1 << 32), VISITS // CLIENTS, failures))
                   for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        lives = disturb(watcher, lambda: any(client.is_alive() for client in clients))
        for client in clients:
            client.join()
        assert not failures, failures
        one.wait_records(len(place.told))
        until(lambda: one_of(page(place.at), "connections") == 0, "all are gone")
        watcher.over.set()
        watcher.join()
        if watcher.error:
            raise watcher.error
        check_records(place, one)
        check_requests(place, one)
        check_sums(place, one, page(place.at), lives)
        check_access_log(place, one)
        if tail is not None:
            tail.check(one)


@pytest.fixture
def place(tmp_path, at):
    places = []

    def make(more=""):
        places.append(Place(tmp_path, at, more))
        return places[-1]
    yield make
    for one in places:
        one.stop()


@pytest.mark.timeout(12 * DEADLINE)
def test_sums_over_reloads(relay, place, at):
    here = place()
    one = relay(address=here.door("tcp"), text=here.text())

    def disturb(watcher, goes_on):
        while goes_on():
            here.round += 1
            one.reload(text=here.text())
            with contextlib.suppress(OSError, AssertionError), connect(here.door("passing")) as client:
                told = here.note(Told("passing", client.name))
                path = f"/ok/1/{here.number()}"
                told.requests[path] = "any"
                client.send(get(path)).read_end()
        return 1
    adds_up(here, one, disturb)


@pytest.mark.timeout(12 * DEADLINE)
def test_sums_over_restarts(revived, keeper, place, at):
    """Connections and what was counted of them go on in the next process; nothing is told twice, or never."""
    here = place(f'keeper = "{keeper.path}"\non_term = leave\n')
    here.kills = False
    one = revived(address=here.door("tcp"), text=here.text())

    def disturb(watcher, goes_on):
        lives = 1
        while goes_on():
            seen = len(here.told)
            until(lambda: len(here.told) > seen + CLIENTS or not goes_on(), "more clients")
            with watcher.pause:
                one.crash(signal.SIGTERM)
                watcher.forget()
            lives += 1
        return lives
    adds_up(here, one, disturb, lasts=False)


def test_own_answers_are_not_counted_after_a_restart(revived, keeper, origin, at):
    """Bytes of relayd's own answers are no server's, in the next process either."""
    app = Web(origin)
    address = f"127.0.0.1:{free_port()}"
    one = revived(address=address, text=text_of(address, {"app": app}, {"b.test": {"upstream": "app"}}, upstream=None,
                                                top=f'keeper = "{keeper.path}"\non_term = leave\ncontrol = "{at}"\n'))
    with connect(one) as client:
        assert ask(client, get("/", host="a.test")).status == 404
        one.crash(signal.SIGTERM)
        one.wait_adopted(1)
    record = one.record(client)
    assert (record.bytes_up, record.bytes_down) == (0, 0)
    one.wait_requests(1)
