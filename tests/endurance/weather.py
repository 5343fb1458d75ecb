"""What happens to relayd meanwhile, at random moments."""

import collections
import re
import signal
import ssl
import time

from certificates import write_secret
from control import asked
from keeper import WAYS
from settings import DEADLINE, until
from sides import Moody
from place import ADDRESSES
from tls import TlsPeer
from client import connect

#: How often each comes, in parts of the whole; and in steady phases, in which relayd lives on.
STORMY = {"reload": 8, "bad_reload": 1, "swap_certificate": 4, "change_names": 5, "change_moods": 8, "restart": 5, "kill": 5,
          "kill_twice": 1, "kill_keeper": 1}
STEADY = {"reload": 8, "bad_reload": 1, "swap_certificate": 4, "change_names": 5, "change_moods": 8}


class Weather:
    def __init__(self, world, place):
        self.world, self.place = world, place
        self.dice = world.dice("weather")
        self.done = collections.Counter()
        self.marks = []   # (when, what), for pictures

    def go_on(self, seconds, kinds, pause):
        end = self.world.age + seconds
        while self.world.age < end:
            self.world.over.wait(min(self.dice.uniform(0, 2 * pause), max(0, end - self.world.age)))
            if self.world.over.is_set() or self.world.age >= end:
                return
            self.happen(self.dice.choices(list(kinds), list(kinds.values()))[0])

    def happen(self, what):
        self.see_that_it_lives()
        self.marks.append((self.world.age, what))
        with self.world.checked(what.replace("_", " ")):
            getattr(self, what)()
            self.done[what] += 1
        self.see_that_it_lives()

    def see_that_it_lives(self):
        one, keeper = self.place.one, self.place.keeper
        if one.process.poll() is not None:
            self.world.fault("relayd", f"it has ended by itself: {one.process.returncode}")
            with self.world.gap("kill"):
                one.again()
        if keeper.process.poll() is not None:
            self.world.fault("keeper", f"it has ended by itself: {keeper.process.returncode}: {keeper.lines[-5:]}")
            keeper.again()
        one.read_notified()
        del one.notified[:-200], keeper.lines[:-200]

    # Reloads

    def put_in_force(self, text):
        """The text that was made last. What is told of earlier reloads is not taken for this one's."""
        def in_force():
            why.append(self.place.one.hup())
            return not why[-1] and metrics(self.place.at)["relayd_queue_size"] == self.place.queue_size
        why = []
        self.place.one.write_conf(text=text)
        try:
            until(in_force, "", pause=0.05)
        except AssertionError:
            raise AssertionError(f"a new file does not come into force: {why[-3:]}") from None

    def reload(self):
        """Now and then several at once, of which the last one counts."""
        for _ in range(self.dice.choice((0, 0, 0, 1, 3))):
            self.place.one.write_conf(text=self.place.text(self.dice))
            self.place.one.signal(signal.SIGHUP)
            time.sleep(self.dice.uniform(0, 0.05))
        self.put_in_force(self.place.text(self.dice))

    def calm(self):
        """The configuration of quiet phases."""
        self.put_in_force(self.place.text())

    def bad_reload(self):
        self.place.one.write_conf(text=self.place.text(self.dice) + "no_such_option = 1\n")
        until(self.place.one.hup, "a file with an error is refused", pause=0.05)
        self.calm()

    def swap_certificate(self):
        """Who comes after the reload gets the new one."""
        site = self.place.site
        site.certificate = site.authority.issue(*site.names, kind=self.dice.choice(("ecdsa", "rsa2048", "ecdsa384")))
        new = site.file.with_name("new.pem")
        new.unlink(missing_ok=True)
        write_secret(new, site.certificate.pem + site.certificate.key_pem)
        new.replace(site.file)
        self.put_in_force(self.place.text(self.dice))
        with TlsPeer(connect(self.place.addresses["https"]), site.context(), server_hostname="site.test") as peer:
            got = ssl.DER_cert_to_PEM_cert(peer.sock.getpeercert(True))
        assert got == site.certificate.pem, "the former certificate was shown after a reload"

    # The world around

    def change_names(self):
        if self.place.dns:
            answer = self.dice.choice((ADDRESSES[:1], ADDRESSES[1:2], ADDRESSES[:2], ADDRESSES, ADDRESSES[::2], (), 2))
            self.place.dns.set("app.test", A=answer if answer == 2 else list(answer))
            with self.place.dns.lock:
                del self.place.dns.queries[:]

    def change_moods(self):
        self.dice.choice(self.place.moody).be(self.dice.choice(Moody.MOODS))

    # Its lives

    def restart(self):
        with self.world.gap("restart"):
            self.place.one.kill(signal.SIGTERM)
            self._between()
            self.place.one.again()

    def kill(self):
        with self.world.gap("kill"):
            self.place.one.kill(self.dice.choice((signal.SIGKILL, signal.SIGKILL, *WAYS[1:3])))
            self._between()
            self.place.one.again()

    def _between(self):
        time.sleep(self.dice.choice((0, 0, 0, 0.1, 1)) * self.dice.random())

    def kill_twice(self):
        """The next one dies as it starts."""
        with self.world.gap("kill"):
            self.place.one.kill(signal.SIGKILL)
            for _ in range(self.dice.choice((1, 1, 2))):
                self.place.one.spawn_again()
                time.sleep(self.dice.uniform(0, 0.1))
                self.place.one.kill(signal.SIGKILL, at_start=True)
            self.place.one.again()

    def kill_keeper(self):
        """Nothing is lost by that; once the next one has all, relayd may be killed, too."""
        self.place.keeper.kill()
        time.sleep(self.dice.uniform(0, 1))
        self.place.keeper.again()
        try:
            until(self._all_is_held, "the next keeper has all connections", 2 * DEADLINE, pause=0.1)
        except AssertionError:
            self.world.count("keepers that did not get all in time")
            self.world.excused_until = time.monotonic()

    def _all_is_held(self):
        found = metrics(self.place.at)
        return found["relayd_keeper_up"] == 1 and found["relayd_unheld_connections"] == 0


def metrics(at):
    """Those without labels: {name: number}."""
    status, _, page = asked(at, "/metrics")
    assert status == 200, status
    return {name: float(value) for name, value in re.findall(r"^(\w+) (\S+)$", page, re.M)}
