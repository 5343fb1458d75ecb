"""keepalived on both machines of a pair, as an operator has it: who has the address is told by GET /ready."""

from network import ADDRESS, CONTROL, Daemon
from settings import until

#: keepalived asks relayd each second, and what counts is three bad answers in a row. That is longer than a restart takes
#: (0.2 s): relayd may be killed and come again, and nothing moves. A machine that is not ready loses points, not the right to
#: be master: if neither is ready, one of them still serves.
CONF = """
global_defs {{
    router_id {word}
    script_user root
    enable_script_security
    vrrp_version 3
}}
vrrp_script ready {{
    script "/usr/bin/curl -sf -m 1 -o /run/answer --unix-socket {control} http://relayd/ready"
    interval 1
    fall 3
    rise 1
    weight -100
}}
vrrp_instance service {{
    state {state}
    interface eth0
    virtual_router_id 77
    priority {priority}
    advert_int {advert}
    virtual_ipaddress {{
        {address}/16
    }}
    track_script {{
        ready
    }}
}}
"""


class Keepalived(Daemon):
    def __init__(self, machine, state, priority, advert):
        folder = machine.run_folder
        (folder / "keepalived.conf").write_text(CONF.format(
            word=machine.word, state=state, priority=priority, advert=advert, address=ADDRESS, control=CONTROL))
        super().__init__(machine, "keepalived", "-n", "-l", "-D", "--vrrp", "-f", "/run/keepalived.conf",
                         "-p", "/run/keepalived.pid", "-r", "/run/vrrp.pid")

    def masterships(self):
        """How often it has become the one that has the address."""
        return len(self.said("Entering MASTER STATE"))


def share_address(pair, advert=0.5):
    """A has it, until something happens. Returns both keepaliveds."""
    one = pair.a.start(Keepalived, "MASTER", 200, advert)
    until(lambda: pair.a.has(ADDRESS), "A has the address")
    other = pair.b.start(Keepalived, "BACKUP", 150, advert)
    other.wait_said("Entering BACKUP STATE")
    return one, other
