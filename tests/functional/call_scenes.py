"""A relayd with a listener for each way along the road, and visits to it that check every byte of what they get."""

import contextlib
import json
import os
import re
import socket
import ssl
import time

from client import connect
from control import asked
from origin import pattern
from peer import EOF, RESET
from relay import section
from settings import REPO, free_port, until
from test_45_proxy_protocol import V1, v2
from tls import Site, TlsPeer, over_tls
from web import CLOSE, answer, answer_chunked, chunked, get, head_of, post, read_answer, web

SIZE = 150000
FAILED = {code for code, failed in re.findall(r'^END\(\w+, "(\w+)", (true|false)', (REPO / "src/record/ends.def").read_text(), re.M)
          if failed == "true"}
UPGRADES = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA"]


class Lost(Exception):
    """A connection or a request was lost, and its client knows."""


class Wrong(AssertionError):
    """It was given what it must not have, or was left without a word."""


#: What a server has been asked for, and has not answered the first time.
MUTE = set()

# Servers


def teller(wrongs, header=b""):
    """A server of mode tcp: a line says what it does. It notes an upload that was cut and looks complete. header: what comes
    first, or None for any of version 1 of the PROXY protocol."""
    def script(peer):
        try:
            got = peer.read_to(b"\r\n") if header is None else peer.read(len(header))
            word, size, mark = peer.read_to(b"\n").split()
        except AssertionError:   # it ended before it asked for anything
            return
        if header is not None and got != header:
            wrongs.append(f"a PROXY header {got!r}")
        size = int(size)
        if word == b"give":
            peer.send(mark + pattern(size))
            end_of(peer)
        elif word == b"reset":
            peer.send(mark)
            peer.reset()
        elif word == b"half":
            peer.send(mark + pattern(size))
            end_of(peer)
            peer.read_end()
        else:
            peer.send(mark)
            left = size
            while left:
                data = peer.recv(min(left, 65536))
                if not data:
                    if peer.name != "unix":   # which knows no reset
                        wrongs.append(f"an upload of {size} bytes ended in order after {size - left}")
                    return
                left -= len(data)
                peer.send(data)
            peer.read_end()
            end_of(peer)
    return script


def answers(asked, peer):
    if asked["Upgrade"]:
        peer.send(head_of("101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade") + b"hello")
        while data := peer.recv():
            peer.send(data)
        end_of(peer)
        return b"", CLOSE
    if asked.target.startswith("/bytes/"):
        return answer(pattern(int(asked.target[7:])))
    if asked.target.startswith("/chunks/"):
        return answer_chunked(pattern(int(asked.target[8:])), sizes=(1000, 20000))
    if asked.target.startswith("/end/"):
        peer.send(head_of("200 OK", "Connection: close") + pattern(int(asked.target[5:])))
        end_of(peer)
        return b"", CLOSE
    if asked.target.startswith("/mute/") and asked.target not in MUTE:
        MUTE.add(asked.target)
        return b"", CLOSE
    return answer(f"{asked.method} {asked.target}\n".encode() + asked.body)


# What clients get


def end_of(peer):
    getattr(peer, "tell_end", peer.shut)()


def same(got, wanted):
    if got != wanted:
        raise Wrong(f"{len(got)} bytes {got[:80]!r}, not {len(wanted)} bytes {wanted[:80]!r}")


def whole(client, wanted):
    """So many bytes in plain TCP or TLS: what is cut must not look complete."""
    got = b""
    while len(got) < len(wanted):
        data = client.recv()
        # Python does not say how, and unix sockets know no reset.
        if not data and (client.name == "unix" or (not got and hasattr(client, "tell_end"))):
            raise Lost("cut")
        if not data:
            raise Wrong(f"{len(wanted)} bytes ended in order after {len(got)}")
        got += data
    same(got, wanted)


def in_order(client):
    got, how = client.read_end()
    if how != EOF:
        raise Lost(how)
    same(got, b"")


def gives(client, mark):
    client.send(b"give %d %s\n" % (SIZE, mark))
    whole(client, mark + pattern(SIZE))
    in_order(client)


def echoes(client, mark):
    client.send(b"echo %d %s\n" % (SIZE, mark))
    whole(client, mark)
    client.send(pattern(SIZE))
    whole(client, pattern(SIZE))
    end_of(client)
    in_order(client)


def client_resets(client, mark):
    client.send(b"echo %d %s\n" % (SIZE, mark))
    whole(client, mark)
    client.reset()


def server_resets(client, mark):
    client.send(b"reset 0 %s\n" % mark)
    got, how = client.read_end()
    if how == EOF or got not in (mark, b""):
        raise Wrong(f"a reset became {got!r} and {how}")


def lingers(client, mark):
    """The server has ended, the client says nothing: it is seen off."""
    client.send(b"half %d %s\n" % (SIZE, mark))
    whole(client, mark + pattern(SIZE))
    in_order(client)
    client.until_left()


def falls_silent(client, mark):
    client.send(b"echo %d %s\n" % (SIZE, mark))
    whole(client, mark)
    if client.ending() != RESET:
        raise Wrong("an idle connection ended in order")


def is_denied(client, mark):
    del mark
    if client.read_end() != (b"", RESET):
        raise Wrong("not denied")


def speaks_garbage(client, mark):
    """In the place of a record."""
    client.send(b"echo %d %s\n" % (SIZE, mark))
    whole(client, mark)
    with socket.socket(fileno=os.dup(client.sock.fileno())) as under:
        under.send(b"\x17\x03\x03\x00\x40" + b"g" * 64)
    with contextlib.suppress(ssl.SSLError):
        if client.read_end()[1] == EOF:
            raise Wrong("garbage ended in order")


def is_forbidden(client, mark):
    del mark
    got = read_answer(client.send(get("/")))
    if got.status != 403:
        raise Wrong(got.status)
    client.read_end()


def breaks_rules(client, mark):
    """In the body of a request."""
    head = get("/up", "Transfer-Encoding: chunked", "X: " + mark.decode(), method="POST")
    client.send(head + b"400\r\n" + b"a" * 1024 + b"\r\nnot a chunk\r\n")
    got = read_answer(client)
    if got.status != 400:
        raise Lost(got.status)
    client.read_end()


def is_asked_again(client, mark):
    """The server ends the connection without an answer at first."""
    asks(client, get(f"/mute/{mark.decode()}"), f"GET /mute/{mark.decode()}\n".encode())
    end_of(client)
    in_order(client)


def asks(client, request, wanted, method="GET"):
    got = read_answer(client.send(request), method)
    if got.status >= 400:
        raise Lost(got.status)
    same(got.body, wanted)
    return got


def browses(client, mark):
    word = mark.decode()
    asks(client, get(f"/{word}"), f"GET /{word}\n".encode())
    asks(client, post(f"/{word}", mark), f"POST /{word}\n".encode() + mark)
    end_of(client)
    in_order(client)


def proves(client, mark):
    """Leaves a connection to the server that others may have."""
    for word in (mark.decode(), "second"):
        asks(client, get(f"/{word}"), f"GET /{word}\n".encode())
    asks(client, get("/", "Connection: close"), b"GET /\n")
    in_order(client)


def loads(client, mark):
    asks(client, get(f"/bytes/{SIZE}", "X: " + mark.decode()), pattern(SIZE))
    asks(client, post("/up", pattern(SIZE) + mark), b"POST /up\n" + pattern(SIZE) + mark)
    asks(client, get("/up", "Transfer-Encoding: chunked", method="POST") + chunked(pattern(SIZE) + mark, 10, 50000),
         b"POST /up\n" + pattern(SIZE) + mark)
    asks(client, get(f"/chunks/{SIZE}"), pattern(SIZE))
    asks(client, get("/", "Connection: close"), b"GET /\n")
    in_order(client)


def until_the_end(client, mark):
    """The server's body goes until its end; the client's is in chunks."""
    asks(client, get(f"/end/{SIZE}", "X: " + mark.decode()), pattern(SIZE))
    end_of(client)
    client.ending()


def changes_over(client, mark):
    got = read_answer(client.send(get("/ws", *UPGRADES)))
    if got.status != 101:
        raise Lost(got.status)
    whole(client, b"hello")
    client.send(pattern(SIZE) + mark)
    whole(client, pattern(SIZE) + mark)
    end_of(client)
    in_order(client)


def is_refused(client, mark):
    del mark
    got = read_answer(client.send(post("/nobody", pattern(SIZE))))
    if got.status in (503, 504):
        raise Lost(got.status)
    if got.status != 502:
        raise Wrong(got.status)
    client.read_end()


def leaves(client, mark):
    """In the middle of an answer."""
    client.send(get(f"/bytes/{20 * SIZE}", "X: " + mark.decode()))
    client.read(1000)
    client.reset()


def keeps_silent(client, mark):
    """Until keepalive_timeout."""
    asks(client, get("/"), b"GET /\n")
    del mark
    client.ending()


TCP = (gives, echoes, client_resets, server_resets)
HTTP = (browses, proves, loads, until_the_end, changes_over, leaves, breaks_rules, is_asked_again)


class Place:
    """One relayd with its servers. scenes: {name: (visit, prefix, address, secure)}."""

    def __init__(self, relay, origin, folder, short, faults, top=""):
        self.faults, self.control = faults, str(short / "control")
        MUTE.clear()
        servers = short / "servers"
        servers.mkdir(parents=True)
        self.wrongs, self.count = [], 0
        self.site = Site(folder)
        secured = self.site.server_context()
        self.servers = {
            "tell": origin(teller(self.wrongs)).address,
            "told": origin(teller(self.wrongs, b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n")).address,
            "sealed": f"localhost:{origin(over_tls(secured, teller(self.wrongs))).port}",
            "greeted": origin(teller(self.wrongs, None)).address,
            "unix": origin(teller(self.wrongs), path=servers / "t").address,
            "unixweb": web(origin, answers, path=servers / "w").address,
            "web": web(origin, answers).address,
            "websealed": f"localhost:{web(origin, answers, wrap=lambda script: over_tls(secured, script)).port}",
        }
        self.relay = relay
        self.top = top
        self.scenes, self.text = {}, ""
        self._listeners(short)

    def _listener(self, name, upstream, visits, tls=False, prefix=b"", **options):
        address = options.pop("address", None) or f"127.0.0.1:{free_port()}"
        text = section("listener", name, address=address, upstream=upstream, **options)
        self.text += text.removesuffix("}\n") + (self.site.section() if tls else "") + "}\n"
        for visit in visits:
            self.scenes[f"{name} {visit.__name__}"] = (visit, prefix, address, tls)

    def _upstream(self, name, *servers, tls=False, **options):
        self.text += section("upstream", name, **options).removesuffix("}\n")
        if tls:
            self.text += f'    tls {{ ca = "{self.site.ca}" name = "site.test" }}\n'
        self.text += "".join(f'    server s{n} {{ address = "{server}" }}\n' for n, server in enumerate(servers)) + "}\n"

    def _listeners(self, folder):
        self.bound = socket.socket()   # nobody listens there, and nobody else can
        self.bound.bind(("127.0.0.1", 0))
        dead = "127.0.0.1:%d" % self.bound.getsockname()[1]
        for copy in ("splice", "buffer", "auto"):
            self._listener(copy, "tell", TCP, copy=copy)
        self._listener("idle", "tell", (falls_silent,), idle_timeout="300ms")
        self._listener("linger", "tell", (lingers,), linger_timeout="300ms")
        self._listener("denied", "tell", (is_denied,), deny=["0.0.0.0/0"])
        self._listener("proxied", "told", (gives, echoes), prefix=V1, accept_proxy="any", proxy_from=["127.0.0.0/8"])
        self._listener("proxied2", "told", (gives,), prefix=v2(), accept_proxy="any", proxy_from=["127.0.0.0/8"])
        self._listener("search", "half", (gives,))
        self._listener("bound", "bound", (gives,))
        self._listener("greets", "greeted", (gives, echoes))
        self._listener("unix", "unix", (gives, echoes), address=f"unix:{folder}/u")
        self._listener("unixhttp", "unixweb", (browses, loads, changes_over), address=f"unix:{folder}/h", mode="http")
        self._listener("forbidden", "web", (is_forbidden,), mode="http", deny=["0.0.0.0/0"])
        self._listener("tls", "tell", (*TCP, speaks_garbage), tls=True)
        self._listener("totls", "sealed", (gives, echoes, client_resets))
        self._listener("both", "sealed", (gives, echoes, client_resets), tls=True)
        self._listener("http", "web", HTTP, mode="http", reuse="proven")
        self._listener("mine", "web", (browses, loads), mode="http", reuse="private", copy="buffer")
        self._listener("silent", "web", (keeps_silent,), mode="http", keepalive_timeout="300ms")
        self._listener("nobody", "dead", (is_refused,), mode="http")
        self._listener("each", "many", (browses, loads), mode="http")
        self._listener("https", "web", HTTP, tls=True, mode="http", reuse="proven")
        self._listener("httptotls", "websealed", (browses, proves, loads, changes_over), mode="http", reuse="proven")
        self._listener("httpboth", "websealed", (browses, loads, changes_over), tls=True, mode="http")
        none = {"max_fails": 0}   # what a fault costs is not to be seen from the next
        self._upstream("tell", self.servers["tell"], **none)
        self._upstream("told", self.servers["told"], send_proxy="v1", **none)
        self._upstream("greeted", self.servers["greeted"], send_proxy="v1", **none)
        self._upstream("bound", self.servers["tell"], source_address=["127.0.0.1"], **none)
        self._upstream("unix", self.servers["unix"], **none)
        self._upstream("unixweb", self.servers["unixweb"], **none)
        self._upstream("half", dead, self.servers["tell"], **none)
        self._upstream("sealed", self.servers["sealed"], tls=True, **none)
        self._upstream("web", self.servers["web"], **none)
        self._upstream("many", self.servers["web"], self.servers["web"].replace("127.0.0.1", "127.0.0.2"), balance_each="request", **none)
        self._upstream("websealed", self.servers["websealed"], tls=True, **none)
        self._upstream("dead", dead, **none)

    def start(self):
        self.one = self.relay(address="-", text=f'control = "{self.control}"\non_term = drain\n{self.top}\n{self.text}',
                              env=self.faults.env)

    def visit(self, name):
        """None, or why it was lost; the client's name, and that it was lost."""
        visit, prefix, address, secure = self.scenes[name]
        self.count += 1
        mark = b"mark%08d" % self.count
        client, who = None, "?"
        try:
            client = connect(address)
            who = "unix:" if client.name == "unix" else client.name   # as the log has it
            if secure:
                client = TlsPeer(client, self.site.context(), server_hostname="site.test")
            client.until_left = self._until_left
            if prefix:
                client.send(prefix)
            visit(client, mark)
        except TimeoutError as error:
            raise Wrong(f"{name}: nothing comes") from error
        except Wrong as error:
            raise Wrong(f"{name}: {error}") from error
        except (Lost, OSError, ssl.SSLError) as error:
            return who, repr(error)
        except AssertionError as error:
            if not str(error).startswith("ended "):
                raise
            return who, repr(error)
        finally:
            if client:
                client.close()
        return None

    # Whether all is as it was

    def told(self, who, since):
        """A line of the log from this one on that says why this client, or something, was lost."""
        with contextlib.suppress(AssertionError):
            return until(lambda: self._told(who, since), "a word", 5)
        return None

    def _told(self, who, since):
        for line in self.one.all_lines()[since:]:
            fields = line.fields
            if line.level in ("warning", "error"):
                return line
            if who in (fields.get("RELAYD_CLIENT"), fields.get("RELAYD_PEER")) and (
                    fields.get("RELAYD_END") in FAILED or int(fields.get("RELAYD_STATUS", 0)) >= 400):
                return line
        return None

    def use(self):
        """What it has open, by kind, and its threads."""
        return {**self.one.open_files(), "threads": self.one.threads()}

    def connections(self):
        with contextlib.suppress(IndexError):   # the fault may be that of who asks this
            return json.loads(asked(self.control, "/connections")[2])
        return ["unknown"]

    def _until_left(self):
        until(lambda: not self.connections(), "no connection is left")

    def settled(self):
        """What it has once all connections are gone: it does not change any more."""
        self._until_left()

        def same_twice():
            use = self.use()
            time.sleep(0.01)
            return use if use == self.use() else None
        return until(same_twice, "nothing comes or goes")
