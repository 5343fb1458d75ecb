"""What a reader that no longer reads keeps of the kernel's memory, for as long as it is borne with."""

import re
import statistics
import subprocess
import threading

from client import connect
from origin import flood
from settings import MIB, until

READ = MIB   # before it stops: by then the kernel has seen what the connection can carry
READERS = 3   # what one of them has not acknowledged, because it had to drop it, stands there too


def queued(port, peer):
    """How many bytes of memory stand in the send queue of the socket on that port whose peer this is: skmem of ss(8)."""
    out = subprocess.run(["ss", "-HtnmO", f"( sport = :{port} and dport = :{peer.name.rpartition(':')[2]} )"],
                         check=True, capture_output=True, text=True).stdout
    return int(re.search(r"skmem:\(.*?,w(\d+),", out)[1])


def settled(look):
    """What it finds once that is something, and does not change any more."""
    last = None

    def same():
        nonlocal last
        before, last = last, look()
        return min(last) > 0 and last == before
    until(same, "the queues are full", pause=0.2)
    return last


def test_a_client_that_stalls_pins_little(relay, origin, copy):
    """Beside one that stalls without a relay, for which the kernel holds up to tcp_wmem (4 MiB)."""
    server = origin(flood)
    one = relay(server, copy=copy, idle_timeout=0)
    readers = [connect(one) for _ in range(READERS)]
    with connect(server.address) as direct:
        for peer in (*readers, direct):
            peer.read(READ)
        *pinned, beside = settled(lambda: [*(queued(one.port, peer) for peer in readers), queued(server.port, direct)])
        assert beside > MIB
        assert statistics.median(pinned) < beside / 4, (pinned, beside)
        for peer in readers:   # and whoever reads again is served
            peer.read(MIB // 4)
            peer.close()


def test_a_server_that_stalls_pins_less(relay, meeting, copy):
    """The same of an upload: relayd's socket beside that of a client without a relay."""
    one = relay(meeting, copy=copy, idle_timeout=0)
    servers, floods = [], []
    for where in (one, meeting.address):
        client = connect(where)
        meeting.opened.append(client)
        servers.append(meeting.accept())
        floods.append(threading.Thread(target=flood, args=(client,)))
        floods[-1].start()
        servers[-1].read(READ)
    pinned, beside = settled(lambda: [queued(server.sock.getpeername()[1], server) for server in servers])
    for server in servers:
        server.reset()
    for thread in floods:
        thread.join()
    assert beside > 2 * MIB
    assert pinned < beside / 2, (pinned, beside)
