"""Mode http: what has come of a head is in memory that outlives relayd, and is read again by nobody once it went on."""

from client import connect
from settings import until
from test_79_keeper_pieces import in_two, wait_read
from web import CLOSE, answer, ask, get, head_of, post, proxy, read_answer, web

BODY = b"\xa5" * 400_000


def test_part_of_a_head_is_not_part_of_a_later_body(revived, keeper, origin):
    """The process that found it dies in a long body, when that memory has been another client's."""
    come = []

    def answers(asked, peer):
        if asked.method == "POST":
            come.append(peer.read(len(BODY) // 2))
            asked.body = come[0] + peer.read(len(BODY) // 2)
        return answer()
    app = web(origin, answers, bodies=False)
    one = proxy(revived, app, top=f'keeper = "{keeper.path}"')
    with connect(one) as first, connect(one) as second:
        assert ask(first, get("/before")).status == ask(second, get("/before")).status == 200
        in_two(one, first, get("/first"), one.crash)
        assert read_answer(first).status == 200
        in_two(one, second, get("/second", "Authorization: Basic c2VjcmV0"))
        assert read_answer(second).status == 200
        first.send(post("/", BODY)[:-len(BODY) // 2])
        until(lambda: come, "half of it has come")
        one.crash()
        first.send(BODY[len(BODY) // 2:])
        assert read_answer(first).status == 200
        assert app.asked[-1].body == BODY
        assert ask(first, get("/third")).status == 200


def test_part_of_the_head_of_an_answer_is_not_part_of_its_body(revived, keeper, origin):
    def answers(asked, peer):
        if asked.target == "/before":
            return answer()
        head = head_of("200 OK", f"Content-Length: {len(BODY)}")
        peer.send(head[:25])
        wait_read(one, peer)
        one.crash()
        peer.send(head[25:] + BODY[:len(BODY) // 2])
        wait_read(one, peer)
        one.crash()
        return BODY[len(BODY) // 2:]
    app = web(origin, answers)
    one = proxy(revived, app, top=f'keeper = "{keeper.path}"')
    with connect(one) as client:
        assert ask(client, get("/before")).status == 200
        client.send(get())
        assert read_answer(client).body == BODY


def test_part_of_the_head_of_an_answer_that_broke_off(revived, keeper, origin):
    """Its client was told so, and reads that in peace."""
    def answers(asked, peer):
        peer.send(head_of()[:15])
        wait_read(one, peer)
        return b"", CLOSE
    app = web(origin, answers)
    one = proxy(revived, app, top=f'keeper = "{keeper.path}"')
    with connect(one) as client:
        client.send(get())
        assert read_answer(client).status == 502
        one.crash()
        assert one.wait_adopted(1) == [(1, 0)]
