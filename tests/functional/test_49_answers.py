"""Refusals in mode http: a client is answered once it has begun to ask. (One that is let in, and asks nothing, is told 408:
test_98_http_waits.py.)"""

import time

import pytest
from client import asking, connect, curl, refused_in_http
from fleet import site
from origin import echo, http
from peer import RESET
from relay import once
from settings import SANITIZER, free_port, ms, readable_of, until
from test_55_reload import accepted_all

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def says_nothing(client, seconds):
    return not readable_of([client.sock], seconds)


def full(relay, origin, **options):
    """A relay that has no room for another client: the only one that it may have."""
    one = relay(origin(http), mode="http", max_connections=1, when_full="reject", **options)
    first = connect(one)
    assert first.get().status == 200
    return one, first


def test_no_answer_before_the_request(relay, origin):
    one, first = full(relay, origin)
    with first, connect(one) as client:
        assert says_nothing(client, 0.3)
        refused_in_http(client.send(REQUEST[:1]), 503)


def test_nor_of_one_that_is_let_in(relay):
    one = relay(f"127.0.0.1:{free_port()}", mode="http")
    with connect(one) as client:
        assert says_nothing(client, 0.3)
        refused_in_http(client.send(REQUEST), 502)


def test_nor_when_the_client_is_denied(relay, origin):
    one = relay(text=f'listener web {{ address = "127.0.0.1:{free_port()}" upstream = app mode = http deny = "127.0.0.1" }}\n'
                     f'upstream app {{ server a {{ address = "{origin(echo).address}" }} }}\n')
    one.address = one.wait_log("Listener web takes connections on")[0].text.split(" on ")[1].split(" ")[0]
    with connect(one) as client:
        assert says_nothing(client, 0.3)
        refused_in_http(client.send(REQUEST[:1]), 403)


def test_whoever_never_asks_is_answered_after_a_while(relay, origin):
    one, first = full(relay, origin)
    began = time.monotonic()
    with first, connect(one) as client:
        refused_in_http(client)
    assert 0.8 < time.monotonic() - began
    assert time.monotonic() - began < 2.5 or SANITIZER


def test_a_short_linger_timeout_bounds_it_too(relay, origin):
    one, first = full(relay, origin, linger_timeout="200ms")
    began = time.monotonic()
    with first, connect(one) as client:
        refused_in_http(client)
    assert time.monotonic() - began < 0.9 or SANITIZER   # it would be a second


def test_in_mode_tcp_it_is_reset_at_once(relay):
    one = relay(f"127.0.0.1:{free_port()}")
    with connect(one) as client:
        assert client.read_end() == (b"", RESET)


# The words: what a client is told fits what became of it.


def told(one, end, status):
    """What a client is told, once that is this status."""
    with connect(one) as client:
        answer = client.send(REQUEST).read_response()
    assert one.record(client).end == end
    assert answer.status == status, answer
    return answer


def test_a_client_with_too_many_connections(relay, origin):
    one = site(relay, {"a": origin(http)}, listener={"mode": "http", "max_connections_per_client": 1})
    with connect(one) as first:
        assert first.get().status == 200
        answer = told(one, "LN", 429)
    assert answer.body == b"Too many connections are open from your address.\n"
    assert "retry-after" not in answer.headers   # nobody knows when it closes one


def test_a_client_that_is_too_fast(relay, origin):
    one = site(relay, {"a": origin(echo)}, listener={"mode": "http", "max_rate_per_client": 1})
    for _ in range(2):
        connect(one).close()
    answer = told(one, "LV", 429)
    assert answer.body == b"Your address opens connections too fast.\n"
    assert answer.headers["retry-after"] == "1"


def test_no_server_is_up(relay):
    one = site(relay, {"a": f"127.0.0.1:{free_port()}"}, listener={"mode": "http"},
               check={"interval": ms(20), "fall": 1})
    one.wait_log("app/a .* is down")
    assert told(one, "HD", 503).body == b"The service is down at the moment.\n"


def test_all_servers_are_drained(relay):
    one = site(relay, {"a": {"address": f"127.0.0.1:{free_port()}", "weight": 0}}, listener={"mode": "http"})
    assert told(one, "OD", 503).body == b"The service is out of use at the moment.\n"


# Pages of the operator's own


@pytest.fixture
def pages(tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "5xx.html").write_text("<p>broken</p>")
    (folder / "429.json").write_text('{"error": "too fast"}')
    return folder


def page(one):
    """What a client of a dead server reads."""
    with connect(one) as client:
        answer = client.send(REQUEST).read_response()
    assert answer.status == 502
    return answer.headers["content-type"], answer.body


HTML, PLAIN = "text/html; charset=utf-8", "text/plain"


def test_pages_stand_in_for_words(relay, pages):
    one = site(relay, {"a": f"127.0.0.1:{free_port()}"}, max_fails=0,
               listener={"mode": "http", "error_pages": str(pages), "max_rate_per_client": 1000})
    assert page(one) == (HTML, b"<p>broken</p>")
    answer = curl(f"http://{one.address}/", "-i")
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n") and answer.endswith(b"\r\n\r\n<p>broken</p>")


def test_a_page_keeps_the_fields_of_its_answer(relay, origin, pages):
    one = site(relay, {"a": origin(echo)}, listener={"mode": "http", "error_pages": str(pages), "max_rate_per_client": 1})
    for _ in range(2):
        connect(one).close()
    answer = told(one, "LV", 429)
    assert answer.headers["content-type"] == "application/json" and answer.headers["retry-after"] == "1"
    assert answer.body == b'{"error": "too fast"}'


def test_pages_change_with_a_reload_alone_and_as_a_whole(relay, pages):
    one = site(relay, {"a": f"127.0.0.1:{free_port()}"}, max_fails=0, listener={"mode": "http", "error_pages": str(pages)})
    (pages / "502.txt").write_text("w" * 65536)
    assert page(one) == (HTML, b"<p>broken</p>")
    assert one.hup() == ""
    assert page(one) == ("text/plain; charset=utf-8", b"w" * 65536)
    (pages / "502.txt").write_text("new")
    (pages / "503.html").write_text("")
    one.hup()
    line = one.wait_log("503.html: is empty")[0]
    assert f"{one.file}:" in line.text and f"listener web: error_pages = {pages}" in line.text
    assert page(one) == ("text/plain; charset=utf-8", b"w" * 65536)
    (pages / "503.html").unlink()
    assert one.hup() == ""
    assert page(one)[1] == b"new"
    one.write_conf(text=one.file.read_text().replace(f'error_pages = "{pages}"', ""))
    assert one.hup() == ""
    assert page(one)[0] == PLAIN


def test_whoever_waits_for_an_answer_gets_that_of_its_time(relay, pages, full_origin):
    """A reload frees the old pages only after the last client that is to read one: that was refused and asks later, or that
    waits for its dial."""
    one = site(relay, {"a": full_origin}, listener={"mode": "http", "error_pages": str(pages), "max_connections": 1},
               top="when_full = reject\n", connect_timeout=ms(1000), connect_attempts=1)
    with asking(one) as first:
        until(lambda: full_origin.dials() == 1, "it is dialled for")
        with connect(one) as client:
            until(lambda: accepted_all(one, one.address), "the other one is refused")
            (pages / "5xx.html").write_text("new")
            assert one.hup() == ""
            answer = client.send(REQUEST).read_response()
            assert (answer.status, answer.body) == (503, b"<p>broken</p>")
        answer = first.read_response()
        assert (answer.status, answer.body) == (504, b"<p>broken</p>")
    one.record(first)
    with asking(one) as client:
        assert client.read_response().body == b"new"


@pytest.mark.parametrize("value, why", [
    ("errors", 'error_pages = errors: must be the path of a folder, as in "/etc/relayd/errors"'),
    ("/nowhere", "error_pages = /nowhere: there is no such folder"),
    ("/dev/null", "error_pages = /dev/null: this is no folder; it must be one, with files such as 503.html"),
])
def test_a_folder_that_cannot_be(tmp_path, value, why):
    path = tmp_path / "relayd.conf"
    path.write_text(f'listener web {{\n address = "127.0.0.1:1234" upstream = app mode = http\n error_pages = "{value}"\n}}\n'
                    "upstream app { server a { address = a:1 } }\n")
    done = once("-t", "-f", path)
    assert done.returncode == 78
    assert done.stderr.splitlines()[0] == f"{path}:3: listener web: {why}"


def test_pages_need_mode_http(tmp_path, pages):
    path = tmp_path / "relayd.conf"
    path.write_text(f'listener web {{ address = "127.0.0.1:1234" upstream = app error_pages = "{pages}" }}\n'
                    "upstream app { server a { address = a:1 } }\n")
    assert f"{path}:1: listener web: error_pages has no meaning without mode = http" in once("-t", "-f", path).stderr
    path.write_text(path.read_text().replace("error_pages", "mode = http error_pages"))
    assert once("-t", "-f", path).returncode == 0
    assert f'error_pages = "{pages}"' in once("-T", "-f", path).stdout
