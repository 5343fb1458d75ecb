"""Connections of each kind that a relayd holds, with servers of the test: each knows what it must get, across restarts and reloads."""

import socket
import ssl

from call_scenes import UPGRADES, Wrong
from client import connect
from outlives import CLOSED
from origin import echo, pattern
from relay import section
from settings import DEADLINE, free_port
from tls import Site, TlsPeer, over_tls
from web import answer, get, head_of, post, read_answer, web

SIZE = 40000


class Reset(Exception):
    """It was lost, and its client knows."""


def answers(asked, peer):
    if asked["Upgrade"]:
        peer.send(head_of("101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"))
        while data := peer.recv():
            peer.send(data)
        return b"", "close"
    return answer(f"{asked.method} {asked.target}\n".encode() + asked.body)


class Plain:
    """Echoes."""

    def __init__(self, place, listener):
        self.place, self.listener = place, listener
        self.peer = None
        self.owed = b""

    def __str__(self):
        return f"{self.listener} {type(self).__name__} {self.name}"

    def open(self):
        self.owed, self.waits, self.was_reset = b"", False, False
        self.peer = connect(self.place.addresses[self.listener])
        self.name = self.peer.name
        self.peer.sock.settimeout(DEADLINE / 2)
        if self.listener in self.place.secure:
            self.peer = TlsPeer(self.peer, self.place.site.context(), server_hostname="site.test")
            self.peer.sock.settimeout(DEADLINE / 2)
        self.begin()
        self.check()

    def close(self):
        if self.peer:
            self.peer.close()

    def begin(self):
        pass

    def tease(self):
        """While nobody may be there."""
        self._send(pattern(SIZE))

    def _tell(self, data):
        """A socket reports its reset once."""
        try:
            self.peer.send(data)
        except (ConnectionError, ssl.SSLError):
            self.was_reset = True

    def _send(self, data):
        self._tell(data)
        self.owed += data

    def check(self):
        """Reset, or it has all that it must have."""
        try:
            self.check_all()
        except TimeoutError as error:
            raise Wrong(f"{self}: nothing comes") from error
        except ssl.SSLEOFError as error:
            if self.peer.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != CLOSED:   # Python does not say how
                raise Wrong(f"{self}: was cut, and not reset") from error
            raise Reset(f"{self}: {error!r}") from error
        except (OSError, ssl.SSLError) as error:
            raise Reset(f"{self}: {error!r}") from error
        except AssertionError as error:
            if self.was_reset or self.peer.was_reset:
                raise Reset(f"{self}: {error!r}") from error
            raise Wrong(f"{self}: {error!r}") from error

    def check_all(self):
        self._send(b"ping")
        while self.owed:
            data = self.peer.recv(len(self.owed))
            if not data and (self.was_reset or self.peer.was_reset):
                raise ConnectionResetError("as send was told")
            if not data:
                raise Wrong(f"{self}: ended in order")
            if not self.owed.startswith(data):
                raise Wrong(f"{self}: other bytes")
            self.owed = self.owed[len(data):]


class Idle(Plain):
    def tease(self):
        pass


class WebSocket(Plain):
    def begin(self):
        self.peer.send(get("/ws", *UPGRADES))
        assert read_answer(self.peer).status == 101


class Asks(Plain):
    """Between two requests; then one more has come."""

    def tease(self):
        self._tell(get("/one"))
        self.waits = True

    def check_all(self):
        for _ in range(1 + self.waits):
            if not self.waits:
                self._tell(get("/one"))
            self.waits = False
            got = read_answer(self.peer)
            if got.status >= 500:
                raise ConnectionResetError(got.status)
            if (got.status, got.body) != (200, b"GET /one\n"):
                raise Wrong(f"{self}: {got} {got.body}")


class Sends(Plain):
    """In the body of a request."""

    sent = 0

    def begin(self):
        self.peer.send(post("/up", pattern(SIZE))[:-SIZE // 2])
        self.sent = SIZE // 2

    def tease(self):
        self._tell(pattern(SIZE)[SIZE // 2:SIZE - 100])
        self.sent = SIZE - 100

    def check_all(self):
        self._tell(pattern(SIZE)[self.sent:])
        got = read_answer(self.peer)
        if got.status >= 500:
            raise ConnectionResetError(got.status)
        if (got.status, got.body) != (200, b"POST /up\n" + pattern(SIZE)):
            raise Wrong(f"{self}: {got} {len(got.body)}")
        self.begin()


class Held:
    """One relayd, its servers, and one connection of each kind."""

    LISTENERS = {"plain": (Plain, Idle), "both": (Plain, Idle), "http": (Asks, WebSocket), "https": (Sends, WebSocket)}
    secure = ("both", "https")

    def __init__(self, origin, folder, top):
        self.site = Site(folder)
        sealed = origin(over_tls(self.site.server_context(), echo))
        self.servers = {"plain": origin(echo).address, "both": sealed.address, "http": web(origin, answers).address}
        self.addresses = {name: f"127.0.0.1:{free_port()}" for name in self.LISTENERS}
        self.top = top
        self.conns = [kind(self, listener) for listener, kinds in self.LISTENERS.items() for kind in kinds]
        self.one = None

    def text(self, more=""):
        text = f"{self.top}\n"
        for name, address in self.addresses.items():
            mode = "http" if name.startswith("http") else "tcp"
            listener = section("listener", name, address=address, upstream="http" if mode == "http" else name, mode=mode)
            text += listener.removesuffix("}\n") + (self.site.section() if name in self.secure else "") + "}\n"
        for name, server in self.servers.items():
            tls = f'    tls {{ ca = "{self.site.ca}" name = "site.test" }}\n' if name == "both" else ""
            text += f'upstream {name} {{\n    max_fails = 0\n{tls}    server a {{ address = "{server}" }}\n}}\n'
        return text + more

    def open_all(self):
        for conn in self.conns:
            conn.open()

    def tease(self):
        for conn in self.conns:
            conn.tease()

    def check(self):
        """Those that were reset, and why; they are opened anew by `mend`."""
        lost = []
        for conn in self.conns:
            try:
                conn.check()
            except Reset as error:
                lost.append((conn, str(error)))
        return lost

    def mend(self, lost):
        for conn, _ in lost:
            conn.close()
            conn.open()

    def visit(self):
        """A new connection at each listener is served."""
        for name, (kind, *_) in self.LISTENERS.items():
            conn = kind(self, name)
            conn.open()
            conn.close()

    def close(self):
        for conn in self.conns:
            conn.close()

