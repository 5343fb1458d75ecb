"""Requests that outlive relayd beside what becomes of their server and of their client: it has gone meanwhile, or was answered before
all of it had come."""

import contextlib
import json
import threading

import pytest

from client import connect
from control import phases, relayctl
from origin import http, pattern
from outlives import needs_kill_points
from outlives_http import die_at, post, wait_death
from peer import EOF, Uploader, request, response
from settings import DEADLINE, free_port, secs, until
from tls import Site
from web import text_of

pytestmark = pytest.mark.timeout(8 * DEADLINE)


class Script:
    """Answers each request with its path, but for those that are to be met by a reset."""

    def __init__(self):
        self.paths, self.met = [], threading.Event()
        self.resets = set()

    def __call__(self, peer):
        while (asked := peer.read_request()) is not None:
            self.paths.append(asked[1])
            if asked[1] in self.resets:
                self.resets.discard(asked[1])
                self.met.set()
                peer.reset()
                return
            peer.send(response(asked[1].encode()))


@needs_kill_points()
def test_a_request_whose_server_has_gone_is_sent_once_more_and_not_twice(revived, origin):
    """It was sent, and is in the client's socket still, and its leg is reset: the next process takes it off, all the same."""
    script = Script()
    server = origin(script)
    one = revived(server, mode="http", on_term="leave")
    with connect(one) as client:
        assert client.get("/1").body == b"/1"
        script.resets.add("/2")
        one.kill()
        die_at(one, "sent-up:1")
        client.send(request("/2"))
        wait_death(one)
        assert script.met.wait(DEADLINE)
        until(lambda: server.active == 0, "the server has reset it")
        one.again()
        assert client.read_response().body == b"/2"
        assert client.get("/3").body == b"/3"
        assert script.paths == ["/1", "/2", "/2", "/3"]


def taken_up(at):
    """So many bytes its server has got, once it takes no more."""
    def count():
        return [row["up"] for row in json.loads(relayctl("-s", at, "--json", "connections"))]

    def rests():
        before = count()
        return not threading.Event().wait(secs(0.1)) and count() == before and before[0]
    return until(rests, "nothing moves")


def test_the_rest_of_a_body_is_not_in_the_next_one(revived, origin, at):
    """A server answers, takes no more and resets, while the last bytes of a body are in the pipe: they are of nobody else."""
    got, answers, resets = [], threading.Semaphore(0), threading.Semaphore(0)

    def script(peer):
        first, fields = peer.read_head()
        if "/next" in first:
            got.append(peer.read(int(fields["content-length"])))
            peer.send(response(b"next"))
        elif answers.acquire(timeout=DEADLINE):
            peer.send(response(b"full", Connection="close"))
            assert resets.acquire(timeout=DEADLINE)
            peer.reset()
    one = revived(origin(script, receive_buffer=4096), mode="http", control=at)

    def ask(client, size):
        """Whether all of it was read before it was answered."""
        client.send(post(b"/full", size))
        client.send(b"f" * size)
        taken_up(at)
        answers.release()
        answer = client.read_response()
        resets.release()
        return answer.headers.get("connection") != "close"
    with connect(one) as client:
        client.send(post(b"/full", 1 << 30)).send_until_blocked()
        most = taken_up(at)
    answers.release()
    resets.release()
    for size in range(most + (1 << 17), most - (1 << 17), -8192):
        until(lambda: not phases(at), "the one before has gone")
        with connect(one) as client:
            if not ask(client, size):
                continue
            client.send(post(b"/next", 200_000)).send(b"n" * 200_000)
            assert client.read_response().body == b"next"
            assert got[-1] == b"n" * 200_000, got[-1][:100]
    assert len(got) > 1


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "alone"])
def test_who_still_sends_a_body_reads_why_it_was_refused(kept, revived, keeper, origin, tmp_path):
    """The server takes no more in the middle of records, and the client's are read to their end all the same."""
    def script(peer):
        peer.read_head()
        peer.read(200_000)
        peer.send(response(b"too large", status="413 Content Too Large", Connection="close"))
        peer.read_end()
    site = Site(tmp_path)
    port = free_port()
    one = revived(address=f"127.0.0.1:{port}", text=f"""
keeper = "{keeper.path if kept else "off"}"
listener web {{
    address = "127.0.0.1:{port}"
    upstream = app
    mode = http
{site.section()}}}
upstream app {{ server a {{ address = "{origin(script, receive_buffer=4096).address}" }} }}
""")
    with site.connect(one) as client:
        client.send(post(b"/", 1 << 30))
        for _ in range(100):
            client.send(bytes(65536))
        first, fields = client.read_head()
        assert " 413 " in first
        assert client.read(int(fields["content-length"])) == b"too large"
        assert client.read_end() == (b"", EOF)


@needs_kill_points()
@pytest.mark.parametrize("secret", [True, False], ids=["https", "http"])
def test_who_was_refused_sends_on_through_kills(secret, revived, keeper, origin, tmp_path):
    """What still comes is read and dropped in each life, at whatever the one before was killed."""
    def script(peer):
        peer.read_head()
        peer.send(response(b"too large", status="413 Content Too Large", Connection="close"))
        peer.read_end()
    site = Site(tmp_path)
    port = free_port()
    one = revived(address=f"127.0.0.1:{port}", text=f"""
keeper = "{keeper.path}"
listener web {{
    address = "127.0.0.1:{port}"
    upstream = app
    mode = http
    linger_timeout = 1h
{site.section() if secret else ""}}}
upstream app {{ server a {{ address = "{origin(script, receive_buffer=4096).address}" }} }}
""")
    with site.connect(one) if secret else connect(one) as client:
        client.send(post(b"/", 1 << 40))
        first, fields = client.read_head()
        assert " 413 " in first
        assert client.read(int(fields["content-length"])) == b"too large"
        uploader = Uploader(client)
        one.kill()
        one.env["RELAYD_SHORT_SENDS"] = "1000"
        for count in range(1, 5):
            die_at(one, f"discarded-part-up:{count}")
            wait_death(one)
        one.again()
        assert set(one.adopted()) == {(1, 0)}
        before = uploader.sent
        until(lambda: uploader.sent > before + 1_000_000 or uploader.error, "bytes are taken")
        uploader.stop()
        assert uploader.error is None


@needs_kill_points()
def test_who_has_ended_gets_all_that_is_on_its_way(revived, origin):
    """The process dies as it forgets a connection that has ended: that is not taken for one that makes no sense."""
    one = revived(origin(http), mode="http")
    one.kill()
    die_at(one, "erased:1")
    one.wait_notified("READY=1", count=2)
    with connect(one, receive_buffer=4096) as client:
        client.send(request("/bytes/30000")).shut()
        wait_death(one)
        one.again()
        data, how = client.read_end()
        assert (data[-30000:], how) == (pattern(30000), EOF)


@needs_kill_points()
def test_the_rest_of_a_refused_body_is_no_request(revived, origin):
    """It was answered before it had come, and relayd dies before the client has its end."""
    seen = []

    def script(peer):
        seen.append(peer.read_head()[0])
        if "/refused" in seen[-1]:
            peer.send(response(b"too large", status="413 Content Too Large", Connection="close"))
        else:
            peer.send(response(b"another", Connection="close"))
    one = revived(origin(script), mode="http")
    smuggled = request("/smuggled")
    for _ in range(8):
        one.kill()
        die_at(one, "finished:1")
        one.wait_notified("READY=1", count=2 * len(seen) + 2)
        with connect(one) as client:
            client.send(post(b"/refused", len(smuggled)))
            wait_death(one)
            client.send(smuggled)
            one.again()
            assert client.read_response().status == 413
            assert client.read_end() == (b"", EOF)
        assert "/smuggled" not in one.log and not any("/smuggled" in first for first in seen)


@needs_kill_points()
def test_a_request_whose_server_goes_as_the_rest_is_sent(revived, origin):
    """Likewise, where that shows by a reset in the middle of what the next process sends."""
    paths, met, go = [], threading.Event(), threading.Event()

    def script(peer):
        if len(paths) == 1 and not met.is_set():
            assert peer.recv()
            met.set()
            assert go.wait(DEADLINE)
            peer.sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while peer.recv():
                    pass
            return
        while (asked := peer.read_request()) is not None:
            paths.append(asked[1])
            peer.send(response(asked[1].encode()))
            if len(paths) == 1:
                return
    server = origin(script)
    one = revived(server, mode="http", env={"RELAYD_SHORT_SENDS": "30"})
    with connect(one) as client:
        assert client.get("/1").body == b"/1"
        one.kill()
        die_at(one, "sent-part-up:1")
        client.send(request("/2"))
        assert met.wait(DEADLINE)
        wait_death(one)
        go.set()
        until(lambda: server.active == 0, "the server has closed it")
        one.again()
        assert client.read_response().body == b"/2"
        assert client.get("/3").body == b"/3"
        assert paths == ["/1", "/2", "/3"]


@needs_kill_points()
@pytest.mark.parametrize("ahead", [True, False], ids=["pipelined", "alone"])
def test_who_was_sent_on_by_another_leg_goes_on(ahead, revived, origin):
    """Its server reset the first one while the request was being sent: nothing of that is left to be done by the next process."""
    got, met, go = [], threading.Event(), threading.Event()

    def script(peer):
        while True:
            if len(got) == 1 and not met.is_set():
                assert peer.recv()
                met.set()
                peer.reset()
                return
            if (asked := peer.read_request()) is None:
                return
            got.append(asked[1])
            if len(got) == 2:
                assert go.wait(DEADLINE)
            peer.send(response(asked[1].encode()))
    one = revived(origin(script), mode="http", env={"RELAYD_SHORT_SENDS": "1"})
    with connect(one) as client:
        assert client.get("/1").body == b"/1"
        client.send(request("/2", x="a" * 16000) + (request("/3") if ahead else b""))
        until(lambda: len(got) == 2, "it was sent again")
        one.kill()
        del one.env["RELAYD_SHORT_SENDS"]
        one.again()
        go.set()
        assert client.read_response().body == b"/2"
        if not ahead:
            client.send(request("/3"))
        assert client.read_response().body == b"/3"
        assert got == ["/1", "/2", "/3"]


@needs_kill_points()
def test_a_request_that_was_about_to_be_sent_again_is_sent(revived, origin):
    """The other leg is there, and nothing was sent over it: nobody waits for an answer that will not come."""
    script = Script()
    one = revived(origin(script), mode="http")
    with connect(one) as client:
        assert client.get("/1").body == b"/1"
        script.resets.add("/2")
        one.kill()
        die_at(one, "again:1")
        client.send(request("/2"))
        wait_death(one)
        assert script.met.is_set()
        one.again()
        assert client.read_response().body == b"/2"
        assert client.get("/3").body == b"/3"
        assert script.paths == ["/1", "/2", "/2", "/3"]


@pytest.mark.parametrize("routes", [{"/other/": {"upstream": "app"}}, {"/app/": {"redirect": "https://example.com/"}}], ids=["none", "redirect"])
def test_a_request_whose_route_leads_nowhere_now(routes, revived, keeper, origin):
    """Its server ends without an answer, and there is no other: the next relayd has another configuration."""
    asked, go = threading.Event(), threading.Event()

    def script(peer):
        assert peer.read_request() is not None
        asked.set()
        assert go.wait(DEADLINE)
    server, address = origin(script), f"127.0.0.1:{free_port()}"

    def text(routes):
        return text_of(address, {"app": server}, routes, upstream=None, top=f'keeper = "{keeper.path}"')
    one = revived(address=address, text=text({"/app/": {"upstream": "app"}}))
    with connect(one) as client:
        client.send(request("/app/1"))
        assert asked.wait(DEADLINE)
        one.kill()
        one.write_conf(text=text(routes))
        one.again()
        go.set()
        assert client.read_response().status == 502
