"""Two machines behind a router, which have one address each to themselves and announce it by BGP, as BIRD does it (ECMP)."""

import contextlib
import json
import os
import subprocess
import threading
from pathlib import Path

from network import Daemon, Machine, cable
from settings import until

SERVICE = "10.77.9.1"   # on both machines' lo

ROUTER = """
router id 10.77.0.1;
protocol device { }
protocol kernel {
    ipv4 { import none; export where source = RTS_BGP; };
    merge paths on;
}
template bgp machine {
    local as 65000;
    hold time 3;
    connect delay time 1;
    connect retry time 1;
    error wait time 1, 1;
    ipv4 { import all; export none; };
}
protocol bgp a from machine { neighbor 10.77.1.2 as 65001; }
protocol bgp b from machine { neighbor 10.77.2.2 as 65001; }
"""

#: `service` alone is switched off and on; the session with the router stays.
ANNOUNCER = """
router id {address};
protocol device {{ }}
protocol direct service {{
    interface "lo";
    ipv4;
}}
protocol bgp uplink {{
    local as 65001;
    neighbor {router} as 65000;
    hold time 3;
    connect delay time 1;
    connect retry time 1;
    error wait time 1, 1;
    ipv4 {{ import none; export where proto = "service"; }};
}}
"""

#: On the router: a connection goes on to where its first packet went, whatever becomes of the routes.
PINS = Path(__file__).parents[2] / "packaging" / "examples" / "nftables-ecmp.conf"


class Bird(Daemon):
    def __init__(self, machine, text):
        (machine.run_folder / "bird/bird.conf").write_text(text)
        self.control = str(machine.run_folder / "bird/bird.ctl")
        super().__init__(machine, "bird", "-f", "-c", "/run/bird/bird.conf", "-s", "/run/bird/bird.ctl")
        until(lambda: os.path.exists(self.control) or self.process.poll() is not None, "bird has begun")
        assert self.process.poll() is None, self.lines

    def birdc(self, *words):
        return subprocess.run(["birdc", "-s", self.control, *words], capture_output=True, text=True, check=True).stdout


class Watcher:
    """Asks relayd each 0.1 s whether it is ready, and has its address announced while it is."""

    def __init__(self, machine, bird):
        self.machine, self.bird = machine, bird
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        announced = True
        while not self.over.wait(0.1):
            with contextlib.suppress(OSError):
                ready = self.machine.page("/ready")[0] == 200
                if ready != announced:
                    self.bird.birdc("enable" if ready else "disable", "service")
                    announced = ready

    def close(self):
        self.over.set()
        self.thread.join()


class Routed:
    """A router, which has the servers' address, too; a client; and the two machines, each at a cable of its own."""

    def __init__(self, stack):
        self.router, self.client, self.a, self.b = (stack.enter_context(contextlib.closing(Machine(word)))
                                                    for word in ("router", "client", "a", "b"))
        self.router.ip("address", "add", "10.77.0.1/32", "dev", "lo")
        self.router.sysctl(net__ipv4__ip_forward=1, net__ipv4__fib_multipath_hash_policy=1)
        for number, machine in enumerate((self.a, self.b, self.client), 1):
            cable(machine, "eth0", self.router, machine.word)
            self.router.ip("address", "add", f"10.77.{number}.1/24", "dev", machine.word)
            machine.address = f"10.77.{number}.2"
            machine.ip("address", "add", f"{machine.address}/24", "dev", "eth0")
            machine.ip("route", "add", "default", "via", f"10.77.{number}.1")
        self.stack = stack

    def start(self, text):
        for number, machine in enumerate((self.a, self.b), 1):
            machine.ip("address", "add", f"{SERVICE}/32", "dev", "lo")
            machine.start_relayd(text)
            bird = machine.start(Bird, ANNOUNCER.format(address=machine.address, router=f"10.77.{number}.1"))
            self.stack.enter_context(contextlib.closing(Watcher(machine, bird)))
        self.router.start(Bird, ROUTER)
        self.wait_routes(self.a, self.b)

    def pin(self):
        """Connections stay where they are."""
        text = PINS.read_text()
        for number, machine in enumerate((self.a, self.b), 1):
            assert f'"eth{number}"' in text
            text = text.replace(f'"eth{number}"', f'"{machine.word}"')
        subprocess.run([*self.router.wrap, "nft", "-f", "-"], input=text, text=True, check=True)
        for number, machine in enumerate((self.a, self.b), 1):
            self.router.ip("rule", "add", "fwmark", str(number), "lookup", str(100 + number))
            self.router.ip("route", "add", SERVICE, "via", machine.address, "table", str(100 + number))

    def ways(self):
        """The addresses of the machines to which the router sends new connections."""
        done = subprocess.run(["ip", "-j", "-n", self.router.name, "route", "show", SERVICE], capture_output=True, text=True,
                              check=True)
        return sorted(way["gateway"] for route in json.loads(done.stdout) for way in route.get("nexthops", [route]))

    def wait_routes(self, *machines):
        wanted = sorted(machine.address for machine in machines)
        until(lambda: self.ways() == wanted, f"the routes lead to {wanted}")
