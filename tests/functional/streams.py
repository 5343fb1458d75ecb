"""Streams: connections of which each end sends and checks without pause, all on one thread. What is sent differs from place
to place and from stream to stream, so that a byte lost, doubled or swapped shows."""

import os
import random
import select
import socket
import threading
import time

from keeper import GREETING
from peer import EOF, RESET
from settings import DEADLINE, MIB

CHUNK = 1 << 16
#: Of an odd length, so that no buffer or pipe size is a multiple of it; and once more its beginning.
LENGTH = MIB + 4093
BLOCK = random.Random(LENGTH).randbytes(LENGTH)
BLOCK += BLOCK[:CHUNK]

FAST, SLOW, NONE = "fast", "slow", "none"
TICK = 0.01


class Flow:
    """One direction: what its sender has handed to the kernel, what its receiver has got."""

    def __init__(self, number):
        self.start = number * 7919
        self.sent = self.received = 0
        self.shut = False

    def content(self, position, size):
        begin = (self.start + position) % LENGTH
        return BLOCK[begin:begin + min(size, CHUNK)]

    def wrong(self, data):
        """What is wrong with these bytes, as the next that came; None if nothing is."""
        if data == self.content(self.received, len(data)):
            return None
        if self.received + len(data) > self.sent:
            return f"{self.received + len(data) - self.sent} bytes that nobody sent"
        wanted = self.content(self.received, len(data))
        first = next(i for i, (got, want) in enumerate(zip(data, wanted)) if got != want)
        found = BLOCK.find(data[first:first + 16])
        distance = (found - (self.start + self.received + first)) % LENGTH if found >= 0 else None
        return f"byte {self.received + first} of {self.sent}: what comes there is {distance} further on (of {LENGTH})"


class End:
    """A client or a server: sends if it is to, reads at its pace; `how` it was ended by the other is EOF or RESET."""

    def __init__(self, peer, out, into, pace=FAST, sends=True):
        self.peer, self.sock, self.out, self.into = peer, peer.sock, out, into
        self.pace, self.sends = pace, sends
        self.other = None
        self.how = self.failure = self.send_error = self.mask = None
        self.aborted = self.closed = False
        self.at = self.act = None
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)
        self.sock.setblocking(False)

    @property
    def wanted(self):
        if self.closed:
            return 0
        reads = self.how is None and self.pace == FAST
        return (select.EPOLLIN if reads else 0) | (select.EPOLLOUT if self.sends else 0)

    def read(self, size=CHUNK):
        try:
            data = self.sock.recv(size)
        except BlockingIOError:
            return
        except OSError as error:
            self.how = RESET if isinstance(error, ConnectionResetError) else repr(error)
            self.sends = False
            return
        if not data:
            self.how = EOF
            return
        wrong = self.into.wrong(data)
        if wrong:
            self.failure = self.failure or wrong
        self.into.received += len(data)

    def write(self):
        try:
            self.out.sent += self.sock.send(self.out.content(self.out.sent, CHUNK))
        except BlockingIOError:
            pass
        except OSError as error:
            self.send_error = repr(error)
            self.sends = False
            if isinstance(error, ConnectionResetError) and self.how is None:
                self.how = RESET

    # What an end does when its time has come

    def shut(self):
        """The end of its data."""
        self.sends = False
        if self.closed or self.out.shut or self.how == RESET:
            return
        self.out.shut = True
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self.send_error = repr(error)

    def close(self):
        """It goes, and reads no more."""
        if not self.closed and self.how != RESET:
            self.out.shut = True
            self._gone()

    def abort(self):
        if not self.closed and self.how is None:
            self.aborted = True
            self.peer.reset()
            self._gone()

    def _gone(self):
        self.sends, self.closed = False, True
        self.sock.close()

    def check(self):
        """What it saw is what the other end did."""
        if self.closed:
            return
        told = (f"{self.peer.name}: ended with {self.how} after {self.into.received} of {self.into.sent} bytes; the other "
                f"end: {self.other.how}, shut {self.into.shut}, aborted {self.other.aborted}; own {self.send_error}")
        assert self.failure is None, f"{self.failure}; {told}"
        whole = self.how == EOF and self.into.shut and self.into.received == self.into.sent
        if self.other.aborted:
            assert self.how == RESET or whole, told
        else:
            assert whole, told


class Streams(threading.Thread):
    """The pairs of a Meeting, client and server, at work. `up` and `down` say which directions there are."""

    def __init__(self, pairs, *, up=True, down=True, pace=(FAST, FAST), ends_with_the_other=True):
        super().__init__(daemon=True)
        self.ends = []
        for number, (client, server) in enumerate(pairs):
            ways = Flow(2 * number), Flow(2 * number + 1)
            ends = End(client, *ways, pace[0], up), End(server, *reversed(ways), pace[1], down)
            ends[0].other, ends[1].other = reversed(ends)
            self.ends += ends
        self.dice = random.Random(len(self.ends))
        self.ends_with_the_other = ends_with_the_other
        self.stopping = False
        self.start()

    @property
    def clients(self):
        return self.ends[::2]

    @property
    def servers(self):
        return self.ends[1::2]

    def run(self):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)   # there are other tests
        by_number = {end.sock.fileno(): end for end in self.ends}
        poll = select.epoll()
        tick = 0
        while not self.stopping:
            for number, events in poll.poll(TICK):
                self._serve(by_number[number], events)
            if time.monotonic() >= tick:
                tick = time.monotonic() + TICK
                self._tick()
                for end in self.ends:
                    self._register(poll, end)

    def _serve(self, end, events):
        if events & select.EPOLLOUT and end.sends:
            end.write()
        if end.how is None and not end.closed and events & ~select.EPOLLOUT and end.pace != SLOW:
            end.read()
        if end.how == EOF and self.ends_with_the_other:
            end.shut()

    def _tick(self):
        now = time.monotonic()
        for end in self.ends:
            if end.pace == SLOW and end.how is None and not end.closed and self.dice.random() < 0.3:
                end.read(1 << 14)
            if end.at is not None and now >= end.at:
                end.at, act = None, end.act
                act()

    @staticmethod
    def _register(poll, end):
        """Kept in step with what the end wants; one that wants nothing is left out, since HUP would not stop coming."""
        wanted = end.wanted
        if end.closed:   # and so out of the set
            end.mask = None
        elif wanted != end.mask:
            if end.mask is None:
                if wanted:
                    poll.register(end.sock, wanted)
                    end.mask = wanted
            elif wanted:
                poll.modify(end.sock, wanted)
                end.mask = wanted
            else:
                poll.unregister(end.sock)
                end.mask = None

    def later(self, end, seconds, act):
        """In so many seconds, on the thread that has the socket."""
        end.act = act
        end.at = time.monotonic() + seconds

    def moved(self):
        return [(end.out.sent, end.out.received) for end in self.ends]

    def wait_flowing(self):
        """Each direction in which somebody sends and somebody reads has moved since now."""
        before = {end: end.out.received for end in self.ends if end.sends and end.other.pace != NONE}
        self._until(lambda: all(end.out.received > count for end, count in before.items()), "all streams flow")

    def wait_ended(self):
        """Each end has seen the end of the other, or is gone."""
        self._until(lambda: all(end.closed or end.how for end in self.ends), "all streams end")

    def _until(self, condition, what):
        deadline = time.monotonic() + 2 * DEADLINE
        while not condition():
            if time.monotonic() > deadline:
                lost = [end for end in self.ends if not end.closed and end.how is None]
                raise AssertionError(f"waited in vain: {what}; {len(lost)} of {len(self.ends)} ends wait, the first: "
                                     + str([(end.peer.name, end.into.received, end.into.sent) for end in lost[:5]]))
            time.sleep(TICK)

    def hurry(self):
        """Everybody reads as fast as it can from now on."""
        for end in self.ends:
            end.pace = FAST

    def finish(self):
        """Everybody reads what there is, ends its data, and has then seen what the other end did."""
        self.hurry()
        for end in self.ends:
            if not end.closed:
                self.later(end, 0, end.shut)
        self.wait_ended()
        self.stop()
        for end in self.ends:
            end.check()

    def stop(self):
        self.stopping = True
        self.join()


def totals(streams):
    """What the record of each client must say: {client's name: (bytes up, bytes down)}."""
    return {end.peer.name: (GREETING + end.out.sent, GREETING + end.into.sent) for end in streams.clients}
