"""Connections of mode http outlive relayd at any moment."""

import concurrent.futures
import signal
import threading

import pytest

from client import connect, connect_many
from control import phases
from keeper import KILLS, seeded, storm
from origin import http
from peer import EOF, RESET
from settings import DEADLINE, SCALE, free_port, ms, secs, some, until
from tls import Site, over_tls, written
from ws import CLOSE, TEXT, frame, read_frame, upgrade, websocket

pytestmark = pytest.mark.timeout(6 * DEADLINE + 2 * SCALE * KILLS)
WAYS = [signal.SIGKILL, signal.SIGTERM]


def ask(client, path):
    answer = client.get(path)
    assert (answer.status, answer.body) == (200, path.encode() + b"\n")


def until_idle(at, n):
    """The client may have its answer before its pumps are done."""
    until(lambda: phases(at).count("idle") == n, f"{n} connections are between two requests")


@pytest.mark.parametrize("how", WAYS)
def test_between_two_requests(revived, origin, how, at):
    one = revived(origin(http), mode="http", on_term="leave", control=at)
    clients = connect_many(one, some(20))
    silent = connect_many(one, 3)   # they have asked nothing yet
    until(lambda: len(phases(at)) == len(clients) + len(silent), "all have their pumps")
    for life in range(3):
        for number, client in enumerate(clients):
            ask(client, f"/{life}/{number}")
        until_idle(at, len(clients))
        one.crash(how)
        assert one.wait_adopted(life + 1)[-1] == (len(clients) + len(silent), 0)
    for client in clients + silent:
        ask(client, "/last")
        client.shut()
        assert client.read_end() == (b"", EOF)
    records = one.wait_records(len(clients) + len(silent))
    assert {record.end for record in records} == {"CE"}


def test_a_request_that_comes_while_relayd_is_away(revived, origin, at):
    one = revived(origin(http), mode="http", control=at)
    with connect(one) as client:
        ask(client, "/before")
        until_idle(at, 1)
        one.kill()
        client.send(b"GET /meanwhile HTTP/1.1\r\nHost: a\r\n\r\n")
        one.again()
        assert client.read_response().body == b"/meanwhile\n"


def slow_answer(go, asked):
    def script(peer):
        while peer.read_request() is not None:
            asked.set()
            assert go.wait(DEADLINE)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    return script


@pytest.mark.parametrize("how", WAYS)
def test_who_waits_for_an_answer_gets_it(revived, origin, how):
    """Nothing is waited for: the next relayd brings it, over the same two connections."""
    go, asked = threading.Event(), threading.Event()
    server = origin(slow_answer(go, asked))
    one = revived(server, mode="http", on_term="leave")
    with connect(one) as client:
        client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        assert asked.wait(DEADLINE)
        one.crash(how)
        go.set()
        assert client.read_response().body == b"ok"
        request = one.wait_log(r"Request GET a/slow .* got 200\. 0 bytes up, 2 bytes down")
        assert server.accepted == 1
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_response().body == b"ok"
    assert request


def test_no_restart_waits_for_anybody(revived, origin):
    """With a request that takes for ever, and others that come and go: none of them notices."""
    over = threading.Event()

    def slow(peer):
        while (asked := peer.read_request()) is not None:
            if asked[1] == "/long":
                over.wait(DEADLINE)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    one = revived(origin(slow), mode="http", on_term="leave", drain_timeout="1h")
    counts = [0] * 12

    def chat(number):
        with connect(one) as client:
            while not over.is_set():
                assert client.get("/short").body == b"ok"
                counts[number] += 1
    with connect(one) as client, concurrent.futures.ThreadPoolExecutor(len(counts)) as pool:
        client.send(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
        chats = [pool.submit(chat, number) for number in range(len(counts))]
        try:
            until(lambda: min(counts) > 20, "all of them chat")
            one.crash(signal.SIGTERM)
            before = list(counts)
            until(lambda: all(now > then for now, then in zip(counts, before)) or any(chat.done() for chat in chats), "they go on")
        finally:
            over.set()
        for each in chats:
            each.result()
        assert client.read_response().body == b"ok"


@pytest.mark.parametrize("how", WAYS)
def test_a_websocket_goes_on(revived, origin, how):
    one = revived(origin(websocket), mode="http", on_term="leave")
    with connect(one) as client:
        upgrade(client)
        for life in range(3):
            one.crash(how)
            client.send(frame(TEXT, b"still here %d" % life, True))
            assert read_frame(client) == (TEXT, b"still here %d" % life)
        client.send(frame(CLOSE, b"\x03\xe8", True))
        assert read_frame(client) == (CLOSE, b"\x03\xe8")
        assert client.read_end() == (b"", EOF)


def test_legs_that_are_shared(revived, origin):
    """reuse = proven: one that went from client to client goes on with the last of them, and is the others' no more."""
    go, held = threading.Event(), threading.Event()

    def script(peer):
        while (asked := peer.read_request()) is not None:
            if asked[1] == "/slow":
                held.set()
                assert go.wait(DEADLINE)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    server = origin(script)
    one = revived(server, mode="http", reuse="proven")

    def once(path="/"):
        client = connect(one)
        client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        return client
    with connect(one) as idle:
        for _ in range(3):   # its leg has proved itself, and goes to the others
            assert idle.get().body == b"ok"
        for _ in range(10):
            assert once().read_end()[0].endswith(b"ok")
        slow = once("/slow")
        assert held.wait(DEADLINE)
        one.crash()
        go.set()
        assert slow.read_end()[0].endswith(b"ok")
        assert idle.get().body == b"ok"


def test_no_answer_is_anothers(revived, origin):
    """Under a storm of kills: each request has its answer, once. Only who was just accepted may be reset."""
    one = revived(origin(http), mode="http")
    over = threading.Event()
    failures, answers = [], []

    def chat(number):
        count, young = 0, True
        client = connect(one)
        while not over.is_set():
            path = f"/{number}/{count}"
            count += 1
            try:
                answer = client.get(path)
                if (answer.status, answer.body) != (200, path.encode() + b"\n"):
                    failures.append((path, answer.status, answer.body))
                answers.append(path)
                young = False
            except (OSError, AssertionError) as error:
                if not young:
                    failures.append((path, error))
                client.close()
                client, young = connect(one), True
        client.close()
    threads = [threading.Thread(target=chat, args=(number,), daemon=True) for number in range(some(20))]
    for thread in threads:
        thread.start()
    with seeded() as dice:
        storm(one, dice)
        over.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert len(answers) == len(set(answers)) and answers


def test_between_two_requests_the_next_one_has_its_time(revived, origin, at):
    """keepalive_timeout goes on to count, not head_timeout: who has had an answer is not told 408."""
    one = revived(origin(http), mode="http", control=at, head_timeout=ms(300), keepalive_timeout="1h")
    with connect(one) as client:
        ask(client, "/before")
        until_idle(at, 1)
        one.crash()
        until_idle(at, 1)
        assert client.is_silent(secs(0.6))
        ask(client, "/after")


def unheld_leg(revived, keeper, server, site, **top):
    """A server whose connections are not to outlive relayd: outlive = false."""
    port = free_port()
    lines = "".join(f"{name} = {written(value)}\n" for name, value in {"keeper": keeper.path, "on_term": "leave", **top}.items())
    return revived(address=f"127.0.0.1:{port}", text=f"""{lines}
listener web {{ address = "127.0.0.1:{port}" upstream = app mode = http }}
upstream app {{
    tls {{ ca = "{site.ca}" outlive = false }}
    server a {{ address = "localhost:{server.port}" }}
}}
""")


def test_a_restart_waits_for_an_answer_that_is_not_to_outlive_it(revived, keeper, origin, tmp_path):
    go, asked = threading.Event(), threading.Event()
    site = Site(tmp_path, "localhost")
    server = origin(over_tls(site.server_context(), slow_answer(go, asked)))
    one = unheld_leg(revived, keeper, server, site, drain_timeout="1h")
    with connect(one) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert asked.wait(DEADLINE)
        one.signal(signal.SIGTERM)
        one.wait_log("Waiting for 1 connection")
        go.set()
        assert client.read_response().body == b"ok"
        assert one.wait_exit() == 0


def test_one_whose_server_is_being_dialled_is_answered_by_this_or_the_next(revived, keeper, origin, tmp_path):
    go, asked = threading.Event(), threading.Event()
    site = Site(tmp_path, "localhost")
    served = over_tls(site.server_context(), slow_answer(go, asked))

    def script(peer):
        assert go.wait(DEADLINE)
        served(peer)
    server = origin(script)
    one = unheld_leg(revived, keeper, server, site, drain_timeout="1h")
    with connect(one) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: server.accepted == 1, "the server is being dialled")
        one.signal(signal.SIGTERM)
        go.set()
        assert one.wait_exit() == 0
        one.again()
        assert client.read_response().body == b"ok"


@pytest.mark.parametrize("how", WAYS)
def test_a_first_request_that_waits_for_its_server(revived, keeper, origin, tmp_path, how):
    """Once it has waited for a moment, the client is held: the next relayd dials anew."""
    go, asked = threading.Event(), threading.Event()
    go.set()
    site = Site(tmp_path, "localhost")
    served, silent = over_tls(site.server_context(), slow_answer(go, asked)), threading.Event()

    def script(peer):
        if server.accepted == 1:   # no handshake
            silent.wait(DEADLINE)
        else:
            served(peer)
    server = origin(script)
    one = unheld_leg(revived, keeper, server, site)
    with connect(one) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: server.accepted == 1, "the server is being dialled")
        keeper.wait_held(1, each=1)   # it has no server yet
        one.crash(how)
        assert client.read_response().body == b"ok"
        client.send(b"GET /again HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_response().body == b"ok"
    silent.set()


def test_but_for_drain_timeout_alone(revived, keeper, origin, tmp_path):
    go, asked = threading.Event(), threading.Event()
    site = Site(tmp_path, "localhost")
    server = origin(over_tls(site.server_context(), slow_answer(go, asked)))
    one = unheld_leg(revived, keeper, server, site, drain_timeout="1s")
    with connect(one) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert asked.wait(DEADLINE)
        one.signal(signal.SIGTERM)
        assert one.wait_exit() == 0
        assert client.ending() == RESET
        go.set()


def test_and_ends_its_client_in_order_between_two_requests(revived, keeper, origin, tmp_path, at):
    site = Site(tmp_path, "localhost")
    server = origin(over_tls(site.server_context(), http))
    one = unheld_leg(revived, keeper, server, site, control=at, drain_timeout="1h", drain_idle="100ms")
    with connect(one) as client:
        ask(client, "/before")
        until_idle(at, 1)
        one.signal(signal.SIGTERM)
        assert client.read_end() == (b"", EOF)
        client.shut()
        assert one.wait_exit() == 0
