"""Mode http with a keeper: what has come of a head is in memory that connections have one after the other."""

from client import connect
from settings import until
from web import answer, ask, get, proxy, read_answer, web


def wait_read(one, peer):
    """Until relayd has taken all that this client, or server, has sent off its socket."""
    ends = [f":{end[1]:04X}" for end in (peer.sock.getpeername(), peer.sock.getsockname())]

    def is_read():
        with open(f"/proc/{one.pid}/net/tcp", encoding="ascii") as file:
            rows = [line.split() for line in file][1:]
        return [row[4].endswith(":00000000") for row in rows if [row[1][-5:], row[2][-5:]] == ends] == [True]
    until(is_read, "all is read")


def in_two(one, client, data, between=lambda: None):
    client.send(data[:len(data) // 2])
    wait_read(one, client)
    between()
    client.send(data[len(data) // 2:])


def test_a_head_in_two_pieces_is_nobody_elses(revived, keeper, origin):
    """Once that is given back, neither later requests of its client go there, nor is it that client's when another one's head
    is there."""
    app = web(origin)
    one = proxy(revived, app, top=f'keeper = "{keeper.path}"')
    with connect(one) as first, connect(one) as second:
        in_two(one, first, get("/first"))
        assert read_answer(first).body == b"GET /first\n"
        for number in range(3):
            in_two(one, second, get(f"/second/{number}"),
                   lambda number=number: ask(first, get(f"/first/{number}", "Authorization: Basic c2VjcmV0")))
            assert read_answer(second).body == f"GET /second/{number}\n".encode()
    assert {asked["Authorization"] for asked in app.asked if "second" in asked.target} == {None}


def test_the_head_of_an_answer_in_two_pieces_is_nobody_elses(revived, keeper, origin):
    def answers(asked, peer):
        data = answer(b"x", f"200 {asked.target}")
        if asked.target == "/whole":
            return data
        peer.send(data[:25])
        wait_read(one, peer)
        if asked.target == "/second":
            assert ask(first, get("/whole")).reason == "/whole"
        return data[25:]
    app = web(origin, answers)
    one = proxy(revived, app, top=f'keeper = "{keeper.path}"')
    with connect(one) as first, connect(one) as second:
        assert ask(first, get("/first")).reason == "/first"
        for _ in range(3):
            assert ask(second, get("/second")).reason == "/second"
