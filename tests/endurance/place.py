"""All that a soak consists of: a keeper, relayd with its configurations, names, certificates, servers and visitors."""

import contextlib
import os
import re
import shutil

import tls
import visitors
from dns import ScriptedDns
from keeper import Keeper, Revived
from relay import LINE, quoted, section
from settings import DEADLINE, free_port, short_directory, until
from sides import Moody, Seen, Server, Site, chat, talk
from world import cpu_of

ADDRESSES = ("127.0.1.1", "127.0.1.2", "127.0.1.3")
#: kind of visitor: how many
CROWD = {visitors.Talker: 4, visitors.Sealed: 4, visitors.SlowReader: 2, visitors.Named: 2, visitors.Asker: 5,
         visitors.SealedAsker: 4, visitors.BothSealedAsker: 2, visitors.SlowAsker: 2, visitors.FlakyAsker: 4,
         visitors.Chatter: 2, visitors.SealedChatter: 2}
#: listener: its visitors, its upstream, its mode, whether it ends TLS
DOORS = {"tcp": ("tcp", "words", "tcp", False), "tls": ("tls", "words", "tcp", True), "slow": ("slow tcp", "words", "tcp", False),
         "named": ("named", "named", "tcp", False), "http": ("http", "pages", "http", False),
         "https": ("https", "pages", "http", True), "both": ("https to https", "sealed", "http", True),
         "slows": ("slow https", "pages", "http", True), "flaky": ("flaky http", "flaky", "http", False),
         "chat": ("websocket", "chat", "http", False), "chats": ("websocket, TLS", "chat", "http", True)}
#: What reloads change, at random. The first of each is that of quiet phases.
CHOICES = {"workers": (8, 3, 16), "max_openings": (256, 64), "drain_timeout": ("30s", "5s"),
           "log_level": ("info", "notice", "debug"), "log_connections": ("all", "failed", "none"), "log_requests": ("all", "failed")}
OF_LISTENERS = {"copy": ("auto", "buffer", "splice"), "idle_timeout": ("10m", "20m"), "linger_timeout": ("5s", "8s")}
OF_HTTP = {"reuse": ("private", "proven"), "forwarded": (False, True), "via": (False, True), "request_id": (True, False)}
OF_UPSTREAMS = {"balance": ("round_robin", "least_connections", "random_two", "source_hash"), "connect_timeout": ("5s", "10s")}
OF_HTTP_UPSTREAMS = {"balance_each": ("connection", "request")}


class Soaked(Revived):
    """Of its log the last lines are kept, and those that are no records are in a file."""

    KEPT = 2000

    def __init__(self, world, file, **options):
        self.world, self.log_file = world, open(file, "w", encoding="utf-8")   # pylint: disable=consider-using-with
        super().__init__(**options)

    def _read(self):
        process = self.process
        for raw in process.stderr:
            text = raw.decode("utf-8", "replace").rstrip("\n")
            with self.changed:
                self.lines.append(SimpleLine(text))
                if len(self.lines) > 2 * self.KEPT:
                    del self.lines[:self.KEPT]
                self.changed.notify_all()
            if " RELAYD_CONN=" in text:
                self.world.count("records of requests" if " RELAYD_REQUEST=" in text else "records of connections")
            else:
                self.log_file.write(text + "\n")
                self.log_file.flush()
                self._judge(text)

    def _judge(self, text):
        found = LINE.fullmatch(text)
        level = found["level"] if found else None
        self.world.count(f"lines of level {level or 'none'}")
        if level in (None, "error") and not self._is_wanted(text):
            self.world.fault("log", text[:500])
        if text.find("could not be adopted") >= 0 and self.world.age + self.world.born > self.world.excused_until:
            self.world.fault("adopted", text[:500])

    @staticmethod
    def _is_wanted(text):
        """A reload that was to be refused; servers that are to be away."""
        return "no_such_option" in text or "The reload" in text or re.search(" RELAYD_UPSTREAM=(named|flaky)( |$)", text)

    def tail(self, count):
        with self.changed:
            return [line.raw for line in self.lines[-count:]]


class SimpleLine:
    """A line that nobody has looked into yet."""

    level, fields = None, {}

    def __init__(self, raw):
        self.raw = self.text = raw


class Place:
    def __init__(self, world, out):
        self.world = world
        self.directory = short_directory()
        self.stack = contextlib.ExitStack()
        self.stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.site = tls.Site(self.directory)
        self.at = str(self.directory / "control.sock")
        self.seen = Seen()
        self.version = 0   # of the file, which is told by its queue_size
        self._start_servers()
        self._start_names()
        self.addresses = {door: f"127.0.0.1:{free_port()}" for door in DOORS}
        self.keeper = Keeper(self.directory / "keeper")
        self.stack.callback(self.finish_keeper)
        self.one = Soaked(world, out / "relayd.log", text=self.text(), address=list(self.addresses.values()),
                          wrap=self.dns.wrap if self.dns else ())
        self.stack.callback(self.finish_relayd)
        world.tail = self.one.tail
        self.visitors = []
        self._invite()

    def _start_servers(self):
        def server(name, script, **how):
            one = Server(self.world, name, script, **how)
            self.stack.callback(one.stop)
            return one
        self.words = [server(f"words {number}", talk) for number in range(2)]
        self.pages = [server(f"pages {number}", Site(self.seen)) for number in range(3)]
        context = self.site.server_context()
        self.sealed = [server("sealed", tls.over_tls(context, Site(self.seen)))]
        self.chats = [server("chat", chat)]
        port = free_port()
        self.named = [server(f"named {address}", talk, host=address, port=port) for address in ADDRESSES]
        self.moody = [Moody(self.world, f"moody {number}", self.seen) for number in range(3)]
        for one in self.moody:
            self.stack.callback(one.stop)

    def _start_names(self):
        """Only root can have a port 53, and a relayd with an /etc/resolv.conf of its own."""
        self.dns = None
        if os.geteuid() == 0:
            self.dns = ScriptedDns()
            self.stack.callback(self.dns.stop)
            self.dns.set("app.test", A=list(ADDRESSES[:1]), AAAA=[])

    def _invite(self):
        names = {kind: door for door, (kind, *_) in DOORS.items()}
        for kind, number in CROWD.items():
            for _ in range(number):
                visitor = kind(self.world, len(self.visitors), self.addresses[names[kind.kind]], self.site)
                visitor.seen = self.seen
                self.visitors.append(visitor)

    @property
    def servers(self):
        return [*self.words, *self.pages, *self.sealed, *self.chats, *self.named, *self.moody]

    # Its configuration

    def text(self, dice=None):
        """A relayd.conf: that of quiet phases, or one by chance."""
        def some(choices):
            return {name: dice.choice(values) if dice else values[0] for name, values in choices.items()}

        self.version += 1
        text = "".join(f"{name} = {quoted(value)}\n" for name, value in {**some(CHOICES), "queue_size": self.queue_size}.items())
        text += f'max_connections = 500\nkeeper = "{self.keeper.path}"\ncontrol = "{self.at}"\non_term = leave\n'
        for door, (_, upstream, mode, sealed) in DOORS.items():
            options = {**some(OF_LISTENERS), **(some(OF_HTTP) if mode == "http" else {"half_close": True})}
            if mode == "http":
                options.update(keepalive_timeout="1h", head_timeout="2m")
            if door == "flaky":
                options["response_timeout"] = "2s"
            own = section("listener", door, address=self.addresses[door], upstream=upstream, mode=mode, **options)
            text += own.removesuffix("}\n") + (self.site.section() if sealed else "") + "}\n"
        if dice and dice.random() < 0.3:
            text += section("listener", "more", address=f"127.0.0.1:{free_port()}", upstream="words")
        for name, servers in (("words", self.words), ("pages", self.pages), ("sealed", self.sealed), ("chat", self.chats),
                              ("flaky", self.moody), ("named", ())):
            asked = {} if name in ("words", "named") else some(OF_HTTP_UPSTREAMS)
            text += self._upstream(name, servers, {**some(OF_UPSTREAMS), **asked})
        return text

    @property
    def queue_size(self):
        return 1000 + self.version % 900_000

    def _upstream(self, name, servers, options):
        lines = [f"upstream {name} {{"] + [f"    {option} = {quoted(value)}" for option, value in options.items()]
        if name == "sealed":
            lines.append(f'    tls {{ ca = "{self.site.ca}" name = "site.test" }}')
        if name == "named":
            host = "app.test" if self.dns else ADDRESSES[0]
            lines += ["    resolve_interval = 1s", f'    server a {{ address = "{host}:{self.named[0].port}" }}']
        if name == "flaky":
            lines += ["    fail_timeout = 1s", "    health_check { type = http path = \"/health\" interval = 500ms }"]
        lines += [f'    server s{number} {{ address = "{server.address}" }}' for number, server in enumerate(servers)]
        return "\n".join(lines) + "\n}\n"

    # Its phases

    def work_of_others(self):
        """Seconds of processors, of those who live."""
        return cpu_of(self.one.pid) + cpu_of(self.keeper.pid)

    def start(self):
        for visitor in self.visitors:
            visitor.start()

    def hush(self):
        """No traffic: each visitor has ended its connection, and servers have seen it."""
        self.world.open.clear()
        for visitor in self.visitors:
            if not visitor.idle.wait(6 * DEADLINE):
                self.world.fault("quiet", f"{visitor.name} does not come to an end: {visitor.doing}")
        for server in self.moody:
            server.be("good")
        with self.world.checked("quiet"):
            until(lambda: not any(server.active for server in self.servers), "servers see the ends of all connections", 4 * DEADLINE)

    def finish_relayd(self):
        with self.world.checked("end of relayd"):
            self.one.finish()

    def finish_keeper(self):
        with self.world.checked("end of the keeper"):
            self.keeper.finish()

    def close(self):
        self.world.over.set()
        self.world.open.clear()
        for visitor in self.visitors:
            if visitor.ident:
                visitor.join(2 * DEADLINE)
        self.stack.close()
