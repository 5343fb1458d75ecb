"""Refusals in mode http: a client is answered once it has begun to ask."""

import select
import time

from client import connect, refused_in_http
from fleet import site
from origin import echo
from peer import RESET
from settings import SANITIZER, free_port, ms

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def says_nothing(client, seconds):
    return not select.select([client.sock], [], [], seconds)[0]


def test_no_answer_before_the_request(relay):
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


def test_whoever_never_asks_is_answered_after_a_while(relay):
    one = relay(f"127.0.0.1:{free_port()}", mode="http")
    began = time.monotonic()
    with connect(one) as client:
        refused_in_http(client, 502)
    assert 0.8 < time.monotonic() - began
    assert time.monotonic() - began < 2.5 or SANITIZER


def test_a_short_linger_timeout_bounds_it_too(relay):
    one = relay(f"127.0.0.1:{free_port()}", mode="http", linger_timeout="200ms")
    with connect(one) as client:
        refused_in_http(client, 502)


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
    one = site(relay, {"a": origin(echo)}, listener={"mode": "http", "max_connections_per_client": 1})
    with connect(one) as first:
        assert first.send(b"x").read(1) == b"x"
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
