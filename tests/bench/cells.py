"""The matrix: what each cell does to a relay, what it reads off, and what is aimed at."""
import dataclasses
import fnmatch
import functools
import json
import pathlib
import subprocess
import time
import typing

import memory
import process

HERE = pathlib.Path(__file__).resolve().parent
MIB, GIB, GB = 1 << 20, 1 << 30, 1e9


@dataclasses.dataclass(frozen=True)
class Figure:
    """One number of a cell. ratio: the aim, to the best peer (of that kind); limit: the aim, as a number."""
    key: str
    label: str
    digits: int = 0
    less: bool = False    # less is better
    ratio: float = None
    limit: float = None
    peer: str = None      # a kind of relay: the ratio is to it alone


@dataclasses.dataclass(frozen=True)
class Cell:
    """measure(context, relay) returns a dictionary: the figures' keys, and errors."""
    name: str
    title: str
    measure: typing.Callable
    figures: tuple
    bulk: bool = False      # relays are set up for bulk
    upload: bool = False    # the origin is the sink
    tls: bool = False       # clients speak TLS with the relay
    http: bool = False      # relays look into requests
    whole: bool = False     # HAProxy has room for a whole answer, which else takes two turns
    options: tuple = ()     # lines for relayd's listener; a relayd that does not know them is left out
    quick: bool = False     # part of --quick
    once: bool = False      # slow: once in --quick
    extra: bool = False     # only when it is asked for by name
    without: tuple = ()     # kinds of relays that cannot do it, or would do what another one does


@dataclasses.dataclass(frozen=True)
class Context:
    """What measuring needs."""
    helpers: pathlib.Path
    log: pathlib.Path
    seconds: float
    idle: int
    many: int
    certificate: pathlib.Path   # with its key


def wrk(context, relay, path, connections, close=False):
    child = process.start(
        ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(context.seconds))}s", "--timeout", "5s",
         *(["-H", "Connection: close"] if close else []), "-s", HERE / "wrk.lua",
         f"{'https' if relay.tls else 'http'}://127.0.0.1:{relay.port}/{path}"],
        context.log, stdout=subprocess.PIPE)
    return child, max(1, context.seconds) + 20


def wrk_result(child, seconds):
    for line in process.result(child, seconds).decode().splitlines():
        if line.startswith("RESULT "):
            return json.loads(line[7:])
    raise process.Failed("wrk printed no result")


def load(context, mode, relay, what, connections, seconds, **options):
    return process.start([context.helpers / "bench-load", mode, relay.port, what, connections, seconds],
                         context.log, stdout=subprocess.PIPE, **options)


def load_result(child, seconds):
    return json.loads(process.result(child, seconds).decode())


def relay_cpu(relay):
    """A function that says what CPU seconds the relay used since now."""
    if relay.child is None:
        return lambda: None
    pids = relay.pids()
    before = process.cpu_seconds(pids)
    return lambda: process.cpu_seconds(pids) - before


def per(amount, cpu):
    return None if cpu is None or not amount else cpu / amount


def requests(context, relay, path, connections, close=False, before=0):
    """before: so many connections that are kept alive come first, and go."""
    if before:
        wrk_result(*wrk(context, relay, path, before))
    cpu = relay_cpu(relay)
    got = wrk_result(*wrk(context, relay, path, connections, close))
    used = per(got["requests"], cpu())
    return {"rate": got["requests"] / got["seconds"], "bytes": got["bytes"] / got["seconds"] / MIB,
            "p50": got["p50"], "p99": got["p99"], "errors": got["errors"],
            "cpu": None if used is None else used * 1e6}


def bulk(context, relay, what, connections, put=False, unit=GB):
    cpu = relay_cpu(relay)
    child = load(context, ("tls-put" if relay.tls else "put") if put else "get", relay, what, connections, context.seconds)
    got = load_result(child, context.seconds + 30)
    return {"bytes": got["bytes"] / got["seconds"] / MIB, "cpu": per(got["bytes"] / unit, cpu()),
            "errors": got["errors"]}


def handshakes(context, relay, connections, resumed=False):
    """A TLS connection for each request; wrk takes up its session by itself, so it is not for this."""
    cpu = relay_cpu(relay)
    child = load(context, "resumed" if resumed else "full", relay, "/128", connections, context.seconds)
    got = load_result(child, context.seconds + 30)
    used, wrong = per(got["requests"], cpu()), got["requests"] - got["resumed"] if resumed else got["resumed"]
    return {"rate": got["requests"] / got["seconds"], "p99": got["p99"], "cpu": None if used is None else used * 1e6,
            "errors": got["errors"] + max(0, wrong - 2 * connections)}   # the first ones have no session yet


def sealed_bulk(context, relay, what, connections):
    """By wrk, which speaks TLS."""
    cpu = relay_cpu(relay)
    got = wrk_result(*wrk(context, relay, what, connections))
    return {"bytes": got["bytes"] / got["seconds"] / MIB, "cpu": per(got["bytes"] / GIB, cpu()),
            "errors": got["errors"]}


def mixed(context, relay):
    seconds = max(1, round(context.seconds))
    big = load(context, "get", relay, "/fair/1g", 8, seconds + 0.3)
    time.sleep(0.2)   # bulk is under way before and until the end
    small = wrk_result(*wrk(context, relay, "128", 8))
    got = load_result(big, seconds + 30)
    return {"rate": small["requests"] / small["seconds"], "p50": small["p50"], "p99": small["p99"],
            "bytes": got["bytes"] / got["seconds"] / MIB, "errors": small["errors"] + got["errors"]}


def idle(context, relay):
    before = memory.settled()
    child = load(context, "tls-open" if relay.tls else "open", relay, "/128", context.idle, 0, stdin=subprocess.PIPE)
    try:
        got = json.loads(child.stdout.readline() or "{}")   # the helper bounds its own time
        if not got:
            raise process.Failed("bench-load printed no result")
        after = memory.settled()
    finally:
        process.stop(child)
    kib = {part: (after[part] - before[part]) / context.idle for part in after}
    return {"memory": kib["used"], "parts": kib, "open": got["open_seconds"], "errors": got["errors"]}


def many(context, relay, connections=None):
    child = load(context, "many", relay, "/128", min(connections or context.many, context.many), context.seconds)
    got = load_result(child, context.seconds + 150)
    return {"failed": got["errors"], "rate": got["requests"] / got["seconds"], "p50": got["p50"],
            "p99": got["p99"], "open": got["open_seconds"], "errors": got["errors"]}


def tls_matrix():
    """What wrk loads: it takes up its session when it connects again, which is seldom but in the cells of handshakes."""
    without = ("haproxy-splice", "socket-proxyd", "direct")   # they speak none
    for connections, aim, cpu in (1, 1.1, None), (16, 1.1, 0.85), (64, 1.0, 1.0), (512, 0.8, None):
        yield Cell(f"tls-keep-{connections}", f"TLS, keep-alive, 128 bytes, {connections} connection{'s' * (connections > 1)}",
                   functools.partial(requests, path="128", connections=connections),
                   (Figure("rate", "requests/s", ratio=aim), Figure("p99", "p99, us", less=True),
                    Figure("cpu", "CPU us per request", 1, less=True, ratio=cpu)), tls=True, without=without)
    for resumed, aim in (False, 0.95), (True, 1.0):
        for connections in 16, 64:
            yield Cell(f"tls-{'resumed' if resumed else 'close'}-{connections}",
                       f"TLS, a connection and a {'resumed' if resumed else 'full'} handshake per request, {connections} at a time",
                       functools.partial(handshakes, connections=connections, resumed=resumed),
                       (Figure("rate", "handshakes/s", ratio=aim), Figure("p99", "p99, us", less=True),
                        Figure("cpu", "CPU us per request", 1, less=True)),
                       tls=True, without=without)
    for what, connections, aim, cpu in ("16k", 16, 1.2, 0.7), ("1m", 16, 1.05, 0.85), ("1g", 1, 1.1, 0.88):
        yield Cell(f"tls-{what}-{connections}", f"TLS, download, {what.upper()}iB x {connections}",
                   functools.partial(sealed_bulk, what=what, connections=connections),
                   (Figure("bytes", "MiB/s", ratio=aim), Figure("cpu", "CPU s per GiB", 2, less=True, ratio=cpu)),
                   tls=True, without=without)
    yield Cell("tls-idle", "TLS, connections that are idle after one request", idle,
               (Figure("memory", "KiB each, beyond direct", 1, less=True), Figure("open", "s to open them", 2, less=True)),
               tls=True, once=True, without=("haproxy-splice", "socket-proxyd"))
    yield Cell("tls-up-1g-4", "TLS, upload, 1 GiB x 4",
               functools.partial(bulk, what=GIB, connections=4, put=True, unit=GIB),
               (Figure("bytes", "MiB/s", ratio=1.1), Figure("cpu", "CPU s per GiB", 2, less=True, ratio=0.88)),
               upload=True, tls=True, without=without)


def http_keep(without):
    """Many small requests, plain and over TLS."""
    for tls, connections, aim in ((False, 1, 1.1), (False, 16, 1.05), (False, 64, 1.0), (False, 512, 0.8),
                                  (True, 16, 1.1), (True, 64, 1.0)):
        latency = 1.0 if connections == 64 and not tls else None
        yield Cell(f"http{'s' * tls}-keep-{connections}",
                   f"HTTP{' over TLS' * tls}, keep-alive, 128 bytes, {connections} connection{'s' * (connections > 1)}",
                   functools.partial(requests, path="128", connections=connections),
                   (Figure("rate", "requests/s", ratio=aim), Figure("p50", "p50, us", less=True),
                    Figure("p99", "p99, us", less=True, ratio=latency), Figure("cpu", "CPU us per request", 1, less=True)),
                   http=True, tls=tls, without=(*without, "direct") if tls else without)


def http_close(without):
    """A client's connection for each request, with one to the server of its own or one that others have used."""
    for shared, connections in (False, 1), (False, 16), (False, 64), (True, 16), (True, 64):
        aim, peer = (None, None) if connections == 1 else (0.9, "nginx" if shared else "haproxy")
        yield Cell(f"http-{'reuse-' * shared}close-{connections}",
                   f"HTTP, one connection per request, {connections} at a time{', reuse = proven' * shared}",
                   functools.partial(requests, path="128", connections=connections, close=True,
                                     before=2 * connections * shared),   # who ask once prove no connection to a server
                   (Figure("rate", "connections/s", ratio=aim, peer=peer), Figure("p99", "p99, us", less=True),
                    Figure("cpu", "CPU us per request", 1, less=True)),
                   http=True, options=("reuse = proven",) if shared else (), without=without)


def http_matrix():
    """Relays that look into requests."""
    small = ("haproxy-splice", "socket-proxyd", "hitch")
    large = ("socket-proxyd", "hitch")
    yield from http_keep(small)
    for tls in False, True:
        yield Cell(f"http{'s' * tls}-idle", f"HTTP{' over TLS' * tls}, connections that are idle after one request", idle,
                   (Figure("memory", "KiB each, beyond direct", 1, less=True), Figure("open", "s to open them", 2, less=True)),
                   http=True, tls=tls, once=True, without=small)
    yield from http_close(small)
    yield Cell("http-16k-16", "HTTP, keep-alive, 16 KiB, 16 connections",
               functools.partial(requests, path="16k", connections=16),
               (Figure("bytes", "MiB/s", ratio=1.2), Figure("cpu", "CPU us per request", 1, less=True)),
               http=True, whole=True, without=small)
    for put, what, words, connections in ((False, "1m", "download, 1 MiB", 16), (False, "1g", "download, 1 GiB", 1),
                                          (True, "1g", "upload, 1 GiB", 4)):
        yield Cell(f"http-{'up-' * put}{what}-{connections}", f"HTTP, {words} x {connections}",
                   functools.partial(bulk, what=GIB if put else f"/{what}", connections=connections, put=put),
                   (Figure("bytes", "MiB/s", ratio=1.0), Figure("cpu", "CPU s per GB", 3, less=True)),
                   bulk=True, upload=put, http=True, without=large)


def matrix():
    small = ("haproxy-splice", "hitch")               # splicing is for bulk, hitch for TLS
    few = ("haproxy-splice", "socket-proxyd", "hitch")  # socket-proxyd needs six descriptors for each connection
    latencies = (Figure("p50", "p50, us", less=True), Figure("p99", "p99, us", less=True))
    cpu_request = Figure("cpu", "CPU us per request", 1, less=True)
    for connections, aim, quick in (1, 1.0, True), (16, 1.0, True), (64, 0.9, True), (512, 0.8, True):
        yield Cell(f"keep-{connections}", f"keep-alive, 128 bytes, {connections} connection{'s' * (connections > 1)}",
                   functools.partial(requests, path="128", connections=connections),
                   (Figure("rate", "requests/s", ratio=aim), *latencies, cpu_request), quick=quick,
                   without=small)
    for connections in 1, 16, 64:
        yield Cell(f"close-{connections}", f"one connection per request, {connections} at a time",
                   functools.partial(requests, path="128", connections=connections, close=True),
                   (Figure("rate", "connections/s", ratio=0.9), latencies[1], cpu_request),
                   quick=connections == 16, without=small)
    yield Cell("16k", "keep-alive, 16 KiB, 16 connections",
               functools.partial(requests, path="16k", connections=16),
               (Figure("bytes", "MiB/s", ratio=1.25), cpu_request), quick=True, without=small)
    for put in False, True:
        for size, what, connections, aim in ((MIB, "1m", 1, None), (MIB, "1m", 16, 1.9),
                                             (GIB, "1g", 1, 1.8), (GIB, "1g", 4, None)):
            aim = None if put else aim
            yield Cell(f"{'up' if put else 'down'}-{what}-{connections}",
                       f"{'upload' if put else 'download'}, {'1 MiB' if size == MIB else '1 GiB'}"
                       f" x {connections}",
                       functools.partial(bulk, what=size if put else f"/{what}", connections=connections,
                                         put=put),
                       (Figure("bytes", "MiB/s", ratio=aim),
                        Figure("cpu", "CPU s per GB", 3, less=True, ratio=1.0 if aim else None)),
                       bulk=True, upload=put, quick=aim is not None, without=("hitch",))
    yield Cell("mixed", "8 small keep-alive connections beside 8 bulk ones", mixed,
               (Figure("rate", "requests/s", ratio=1.5), latencies[0],
                Figure("p99", "p99, us", less=True, ratio=1.0), Figure("bytes", "MiB/s", ratio=1.0)),
               bulk=True, quick=True, without=("hitch",))
    yield Cell("idle", "connections that are idle after one request", idle,
               (Figure("memory", "KiB each, beyond direct", 1, less=True, limit=72),
                Figure("open", "s to open them", 2, less=True)),
               quick=True, once=True, without=few)
    yield Cell("many", "as many connections as descriptors allow, active by turns", many,
               (Figure("failed", "errors", less=True, limit=0), Figure("rate", "requests/s"), *latencies,
                Figure("open", "s to open them", 2, less=True)),
               quick=True, once=True, without=few)
    for connections in 100, 300, 1000, 3000, 9000:
        yield Cell(f"scale-{connections}", f"{connections:,} connections, 64 requests under way by turns",
                   functools.partial(many, connections=connections),
                   (Figure("rate", "requests/s"), *latencies), extra=True, without=few)
    yield from tls_matrix()
    yield from http_matrix()


MATRIX = tuple(matrix())


def by_default(quick):
    return [cell for cell in MATRIX if not cell.extra and (cell.quick or not quick)]


def chosen(patterns):
    """The cells that match names, beginnings of names (keep) or globs (*-1)."""
    found = [cell for cell in MATRIX if any(
        fnmatch.fnmatch(cell.name, pattern) or cell.name.startswith(pattern + "-") for pattern in patterns)]
    for pattern in patterns:
        if not any(fnmatch.fnmatch(cell.name, pattern) or cell.name.startswith(pattern + "-") for cell in found):
            raise process.Failed(f"--cells: there is no {pattern!r}; there are "
                                 + ", ".join(cell.name for cell in MATRIX))
    return found
