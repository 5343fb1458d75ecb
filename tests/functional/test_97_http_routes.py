"""Mode http: routes by host and path, over one connection; redirects; what a reload changes."""

import pytest
from client import connect
from origin import pattern
from peer import EOF
from settings import free_port
from test_96_http_gone import app_sockets
from web import CLOSE, answer, ask, get, post, post_chunked, proxy, read_answer, told, text_of, web


def named(origin, name):
    return web(origin, lambda asked, peer: answer(f"{name} {asked.target} ".encode() + asked.body))


@pytest.fixture
def apps(origin):
    """Servers that say who they are."""
    return {name: named(origin, name) for name in ("main", "api", "files", "wild")}


ROUTES = {
    "api.test": {"upstream": "api"},
    "main.test/api/": {"upstream": "api", "strip_prefix": True},
    "main.test/api/files/": {"upstream": "files"},
    "*.wild.test": {"upstream": "wild"},
    "*.wild.test/api/": {"upstream": "api"},
    "exact.wild.test": {"upstream": "files"},
    "/static/": {"upstream": "files", "strip_prefix": True},
}


@pytest.mark.parametrize("host, target, name, seen", [
    ("api.test", "/x", "api", "/x"), ("API.Test", "/x", "api", "/x"), ("api.test:8080", "/x", "api", "/x"),
    ("api.test.", "/x", "api", "/x"), ("other.test", "/x", "main", "/x"), ("xapi.test", "/x", "main", "/x"),
    ("main.test", "/api/", "api", "/"), ("main.test", "/api/a?b=/c", "api", "/a?b=/c"), ("main.test", "/apix", "main", "/apix"),
    ("main.test", "/api/files/a", "files", "/api/files/a"), ("main.test", "/API/a", "main", "/API/a"),
    ("a.wild.test", "/x", "wild", "/x"), ("a.b.wild.test", "/x", "wild", "/x"), ("a.wild.test", "/api/x", "api", "/api/x"),
    ("exact.wild.test", "/api/x", "files", "/api/x"), ("wild.test", "/x", "main", "/x"),
    ("other.test", "/static/a", "files", "/a"), ("127.0.0.1", "/static/a%20b?c", "files", "/a%20b?c"),
    ("[::1]:80", "/x", "main", "/x"), ("other.test", "http://other.test/static/a", "files", "/a"),
])
def test_where_a_request_goes(relay, apps, host, target, name, seen):
    one = proxy(relay, apps, routes=ROUTES)
    with connect(one) as client:
        for _ in range(2):
            assert ask(client, get(target, host=host)).body == f"{name} {seen} ".encode()
        assert ask(client, post(target, b"12", host=host)).body == f"{name} {seen} 12".encode()
    assert apps[name].asked[0]["Host"] == host


def test_one_connection_asks_many_upstreams(relay, apps):
    """In a pipeline, with bodies; each server gets only what is its own."""
    one = proxy(relay, apps, routes=ROUTES)
    order = ["api.test", "api.test", "a.wild.test", "main.test", "exact.wild.test", "api.test", "main.test"] * 10
    names = {"api.test": "api", "a.wild.test": "wild", "main.test": "main", "exact.wild.test": "files"}
    with connect(one) as client:
        client.send(b"".join(post_chunked(f"/{i}", pattern(i * 100), host=host) for i, host in enumerate(order)))
        for i, host in enumerate(order):
            assert read_answer(client).body == f"{names[host]} /{i} ".encode() + pattern(i * 100)
    for host, name in names.items():
        assert {asked["Host"] for asked in apps[name].asked} == {host}
    assert one.record(client).end == "CE"


def test_the_former_server_is_told_that_it_is_over(relay, apps):
    one = proxy(relay, apps, routes=ROUTES)
    with connect(one) as client:
        assert ask(client, get(host="api.test")).status == 200
        assert ask(client, get(host="main.test")).status == 200
        assert apps["api"].wait_end() in ("eof", "reset")
        assert app_sockets(one, apps["api"]) == 0


@pytest.mark.parametrize("target", ["/a/../b", "/a/./b", "/..", "/a//b", "/a%2fb", "/a%2Fb", "/a%2e%2e/b", "/%2E", "/a%5cb", "/a\\b",
                                    "/a%00", "/static/..%2f", "/a%", "/a%4", "/..;x/a"])
def test_paths_that_servers_may_read_in_another_way(relay, apps, target):
    """Where routes have paths: alone and behind a good one."""
    one = proxy(relay, apps, routes=ROUTES)
    with connect(one) as client:
        client.send(get("/good") + get(target) + get("/smuggled"))
        assert read_answer(client).body == b"main /good "
        got = read_answer(client)
        assert (got.status, got["Connection"]) == (400, "close")
        assert client.read_end() == (b"", EOF)
    assert apps["main"].targets == ["/good"]


def test_without_routes_by_path_they_are_the_servers_business(relay, apps):
    one = proxy(relay, apps, routes={"api.test": {"upstream": "api"}})
    with connect(one) as client:
        for target in ("/a/../b", "/a//b", "/a%2fb", "/..%00"):
            assert ask(client, get(target)).body == f"main {target} ".encode()


def without_upstream(relay, apps):
    address = f"127.0.0.1:{free_port()}"
    text = text_of(address, apps, routes={"api.test": {"upstream": "api"}}, upstream=None)
    return relay(address=address, text=text)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_404(relay, apps, version):
    one = without_upstream(relay, apps)
    with connect(one) as client:
        for _ in range(3):
            got = ask(client, get("/a", "Connection: keep-alive", version=version))
            assert got.status == 404 and got.body and (got["Connection"] or "").lower() != "close"
            assert version == "1.1" or got["Connection"].lower() == "keep-alive"
        assert ask(client, get(host="api.test")).body == b"api / "
        got = ask(client, post("/a", b"12345"))
        assert (got.status, got["Connection"]) == (404, "close")   # its body is not read
        assert client.read_end() == (b"", EOF)


def test_404_to_head(relay, apps):
    one = without_upstream(relay, apps)
    with connect(one) as client:
        assert ask(client, get("/a", method="HEAD"), "HEAD").status == 404
        assert ask(client, get(host="api.test")).body == b"api / "


# Redirects


@pytest.mark.parametrize("value, host, target, location", [
    ("https", "a.test:8080", "/x/y?z=1", "https://a.test/x/y?z=1"), ("https", "[::1]:80", "/", "https://[::1]/"),
    ("https://b.test", "a.test", "/x?y", "https://b.test/x?y"), ("https://b.test/new/", "a.test", "/x?y", "https://b.test/new/x?y"),
    ("https://b.test/page", "a.test", "/x?y", "https://b.test/page"), ("/docs/", "a.test", "/x", "/docs/x"),
    ("https", "a.test", "http://a.test/x", "https://a.test/x"),
])
@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_redirects(relay, apps, value, host, target, location, code):
    one = proxy(relay, apps, routes={"api.test": {"upstream": "api"}}, redirect=value, redirect_code=str(code))
    with connect(one) as client:
        for _ in range(2):   # the connection goes on
            got = ask(client, get(target, host=host))
            assert (got.status, got["Location"], got["Connection"]) == (code, location, None)
        assert ask(client, get(target, host=host, method="HEAD"), "HEAD")["Location"] == location
        assert ask(client, get(host="api.test")).body == b"api / "
    assert apps["main"].connections == 0


def test_a_redirect_of_an_upload(relay, apps):
    """Its body is not read: the connection ends, in order."""
    one = proxy(relay, apps, redirect="https://b.test")
    for data in (post("/a", b"1" * 100_000), post_chunked("/a", b"1" * 100_000)):
        with connect(one) as client:
            got = ask(client, data)
            assert (got.status, got["Connection"]) == (308, "close")
            assert client.read_end() == (b"", EOF)


def test_a_target_cannot_break_out_of_a_location(relay, apps):
    one = proxy(relay, apps, redirect="https://b.test")
    with connect(one) as client:
        assert ask(client, get("/%0d%0aX:%20y"))["Location"] == "https://b.test/%0d%0aX:%20y"
        assert ask(client, get("//evil.test/"))["Location"] == "https://b.test//evil.test/"


def test_without_a_host_there_is_no_same_host(relay, apps):
    one = proxy(relay, apps, redirect="https")
    with connect(one) as client:
        assert ask(client, b"GET / HTTP/1.0\r\n\r\n").status == 400


# Reloads


def test_redirects_alone_need_no_upstream(relay, apps):
    """Nor do reloads to a site with servers, and back."""
    address = f"127.0.0.1:{free_port()}"
    alone = f'listener web {{ address = "{address}" mode = http redirect = https }}\n'
    one = relay(address=address, text=alone)
    one.wait_log("Listener web takes connections on .* and redirects them to https[.]")
    with connect(one) as client:
        assert ask(client, get(host="a.test"))["Location"] == "https://a.test/"
        one.reload(text=text_of(address, apps))
        assert ask(client, get()).body == b"main / "
        one.reload(text=alone)
        assert ask(client, get(host="a.test"))["Location"] == "https://a.test/"
    one.term()
    assert one.wait_exit() == 0


def test_a_reload_between_two_requests(relay, apps):
    """Its routes, its headers, its limits hold for the next one."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    one = relay(address=address, text=text_of(address, apps))
    with connect(one) as client:
        assert ask(client, get(host="api.test")).body == b"main / "
        one.reload(text=text_of(address, apps, routes={"api.test": {"upstream": "api", "set_request": ["X-New: 1"]}}))
        assert ask(client, get(host="api.test")).body == b"api / "
        assert apps["api"].asked[0]["X-New"] == "1"
        one.reload(text=text_of(address, apps, redirect="https://b.test", routes={"api.test": {"upstream": "api", "max_body": 1}}))
        assert ask(client, get())["Location"] == "https://b.test/"
        assert ask(client, post(host="api.test", body=b"12")).status == 413


def test_a_reload_within_a_request(relay, origin):
    """It ends as it began."""
    def slow(asked, peer):
        one.reload(text=text_of(address, {"app": app}, redirect="https://b.test", set_response=["X: new"]))
        return answer(b"old")
    app = web(origin, slow)
    address = f"127.0.0.1:{free_port()}"
    one = relay(address=address, text=text_of(address, {"app": app}, set_response=["X: old"]))
    with connect(one) as client:
        got = ask(client, get())
        assert (got.body, got["X"]) == (b"old", "old")
        assert ask(client, get()).status == 308


def test_a_server_that_a_reload_puts_in_place_of_another(relay, apps):
    address = f"127.0.0.1:{free_port()}"
    one = relay(address=address, text=text_of(address, {"app": apps["main"]}))
    with connect(one) as client:
        assert ask(client, get()).body == b"main / "
        one.reload(text=text_of(address, {"app": apps["api"]}))
        assert ask(client, get()).body == b"api / "


def test_an_upstream_that_a_reload_takes_away(relay, apps):
    address = f"127.0.0.1:{free_port()}"
    one = relay(address=address, text=text_of(address, {"first": apps["main"]}))
    with connect(one) as client:
        assert ask(client, get()).body == b"main / "
        one.reload(text=text_of(address, {"second": apps["api"]}))
        assert ask(client, get()).body == b"api / "
    apps["main"].wait_end()


def test_many_reloads_under_requests(relay, origin):
    app = web(origin, lambda asked, peer: (told(asked), CLOSE if asked.number % 3 == 2 else None))
    address = f"127.0.0.1:{free_port()}"
    one = relay(address=address, text=text_of(address, {"app": app}))
    with connect(one) as client:
        for i in range(30):
            client.send(get(f"/a{i}") + get(f"/b{i}", host="x.test"))
            one.reload(text=text_of(address, {"app": app}, routes={f"{name}.test": {"upstream": "app"} for name in "xyz"[:i % 4]}))
            assert read_answer(client).body == f"GET /a{i}\n".encode()
            assert read_answer(client).body == f"GET /b{i}\n".encode()
