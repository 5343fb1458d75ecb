"""Pipes that stay with a place for the next connection, and what is left in them."""

import re

from client import connect
from control import asked
from keeper import farewell
from peer import RESET
from settings import free_port
from web import ask, post, web


def over_both(revived, keeper, meeting, app, at):
    """A relay with a listener of mode http, and the address of another one of mode tcp."""
    http, tcp = free_port(), free_port()
    one = revived(address=f"127.0.0.1:{http}", text=f"""
keeper = "{keeper.path}"
control = "{at}"
listener web {{ address = "127.0.0.1:{http}" upstream = app mode = http }}
listener bytes {{ address = "127.0.0.1:{tcp}" upstream = far }}
upstream app {{ server a {{ address = "{app.address}" }} }}
upstream far {{ server a {{ address = "{meeting.address}" }} }}
""")
    return one, f"127.0.0.1:{tcp}"


def unheld(at):
    """How many the keeper was not told of as they came."""
    return int(re.search(r"^relayd_unheld\w*_total (\d+)$", asked(at, "/metrics")[2], re.M)[1])


def test_what_was_left_in_pipes_reaches_nobody_else(revived, keeper, meeting, origin, at):
    """Those of a connection of which the keeper was never told, since it stood still: it has them from the one before. Then it is
    told of the next one, which has none, and relayd is killed."""
    app = web(origin)
    one, tcp = over_both(revived, keeper, meeting, app, at)
    keeper.wait_held(0, listeners=2)
    for pair in meeting.pairs(tcp, 10):
        farewell(*pair)
    keeper.wait_held(0, listeners=2)
    keeper.freeze()
    while not unheld(at):   # until it takes no more
        for _ in range(20):
            farewell(*meeting.pair(tcp))
    client, server = meeting.pair(tcp)
    client.send_until_blocked(b"\xa5" * 65536)
    server.reset()
    assert client.ending() == RESET
    clients = [connect(one) for _ in range(3)]
    for client in clients:
        assert ask(client, post("/", b"short")).status == 200
    keeper.thaw()
    keeper.wait_held(len(clients), listeners=2)
    one.crash()
    for client in clients:
        body = bytes(200_000)
        assert ask(client, post("/", body)).status == 200
        assert app.asked[-1].body == body
    for client in clients:
        client.close()
