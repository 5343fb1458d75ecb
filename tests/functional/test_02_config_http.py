"""relayd.conf: options of mode http, as relayd -t checks and relayd -T prints them."""

import re

import pytest

from relay import complaints, once
from tls import Site

TEXT = """listener web {
    address = ":80"
    mode = http
    OPTIONS
}
upstream app { server a { address = "10.0.0.1:80" } }
upstream api { server a { address = "10.0.0.2:80" } }
"""


@pytest.fixture
def ask(tmp_path):
    """ask(flag, options) gives what relayd says of a listener with these options: its exit code, output and complaints."""
    path = tmp_path / "relayd.conf"

    def run(flag, options):
        path.write_text(TEXT.replace("OPTIONS", options))
        done = once(flag, "-f", path)
        return done.returncode, done.stdout, [line.replace(f"{path}:", "") for line in complaints(done)]
    return run


def printed(text, section=""):
    """name -> value of what stands in the listener itself, or in the section with this title."""
    inner = re.search(rf'^    route "{re.escape(section)}" {{\n(.*?)^    }}', text, re.M | re.S)[1] if section else text
    return dict(re.findall(rf"^ {{{8 if section else 4}}}(\w+) = (.*)$", inner, re.M))


ALL = """upstream = app
    redirect_code = 301 max_body = 10M response_timeout = 5s hsts = 8760h
    set_request = "Host: app.internal" add_request = "X-Tag: 1" remove_request = "Cookie"
    set_response = "Server: relayd" add_response = {"A: 1", "A: 2"} remove_response = "X-Powered-By"
    head_timeout = 5s keepalive_timeout = 30s websocket = off forwarded = on via = on request_id = off
    trusted_proxies = {"10.0.0.0/8", "::1"}
    route "WWW.example.com." { max_body = 0 remove_request = {} }
    route "*.example.com/app" { upstream = api strip_prefix = true add_response = "B: 3" }
    route "example.com" { redirect = "https://www.example.com" error_pages = "" }"""


def test_all_that_is_in_force_is_printed(ask):
    code, text, said = ask("-T", ALL)
    assert (code, said) == (0, [])
    listener = printed(text)
    assert listener == {**listener, "redirect": '""', "redirect_code": "301", "max_body": "10485760", "response_timeout": "5s",
                        "hsts": "8760h", "set_request": '{"Host: app.internal"}', "add_response": '{"A: 1", "A: 2"}',
                        "head_timeout": "5s", "keepalive_timeout": "30s", "websocket": "false", "forwarded": "true",
                        "via": "true", "request_id": "false", "trusted_proxies": '{"10.0.0.0/8", "::1"}'}
    first, second, third = (printed(text, title) for title in ("www.example.com", "*.example.com/app/", "example.com"))
    assert first == {**first, "upstream": "app", "max_body": "0", "remove_request": "{}", "set_request": '{"Host: app.internal"}',
                     "strip_prefix": "false", "response_timeout": "5s", "remove_response": '{"X-Powered-By"}'}
    assert second == {**second, "upstream": "api", "strip_prefix": "true", "max_body": "10485760", "add_response": '{"B: 3"}',
                      "set_response": '{"Server: relayd"}', "add_request": '{"X-Tag: 1"}'}
    assert third == {**third, "redirect": '"https://www.example.com"', "redirect_code": "301"} and "upstream" not in third


def test_pages_of_a_route_are_looked_at(ask, tmp_path):
    (tmp_path / "599.html").write_text("not one of them")
    for folder, what in ((tmp_path, "599.html: pages are for 400, 403, "), (tmp_path / "none", "there is no such folder")):
        code, _, said = ask("-t", f'upstream = app\n    route "a.test" {{\n        error_pages = "{folder}" }}')
        assert code == 78 and len(said) == 1, said
        assert re.search(f'listener web: route "?a.test"?: error_pages = {folder}: .*{what}', said[0]), said


def test_what_is_printed_is_read_as_the_same(ask, tmp_path):
    _, text, _ = ask("-T", ALL)
    again = tmp_path / "again.conf"
    again.write_text(text)
    done = once("-T", "-f", again)
    assert (done.returncode, done.stdout) == (0, text)


def test_a_summary_says_where_requests_go(ask):
    code, text, _ = ask("-t", 'redirect = https\n    route "/.well-known/" { upstream = app }\n    route "b.example" { }')
    assert code == 0
    assert "listener web: :80; mode http; redirect https\n    route /.well-known/: upstream app\n" \
           "    route b.example: redirect https\n" in text


@pytest.mark.parametrize("options, error", [
    ('upstream = app route "sni:a" { upstream = app }',
     "4: listener web: a route by what TLS asks for has no meaning with mode = http; it must be mode = tcp"),
    ('upstream = app route "a.b:80" { }',
     '4: listener web: route "a.b:80": a pattern has no port: a host is the same at each of the listener\'s addresses'),
    ('upstream = app route "a/x" { }\n route "A./x/" { }',
     '5: listener web: route "a/x/" is given twice; the first is on line 4'),
    ('route "a" { }', "4: listener web: route a: upstream or redirect must be given, as in upstream = app"),
    ("upstream = app redirect = https",
     "4: listener web: redirect has no meaning with upstream: clients go either elsewhere or to servers"),
    ('upstream = app set_request = "X-Foo"', '4: listener web: set_request = X-Foo: must be a name and a value with ":" between them, '
                                             'as in "X-Robots-Tag: noindex"'),
    ('upstream = app remove_response = "Content-Length"',
     "4: listener web: remove_response = Content-Length: relayd writes this field itself, for each of its connections"),
    ("upstream = app max_body = -1", "4: listener web: max_body = -1: must be a number from 0 to 1000000000000"),
    ("upstream = app redirect_code = 303", "4: listener web: redirect_code = 303: must be 301, 302, 307 or 308"),
    ('upstream = app route a { strip_prefix = true }',
     "4: listener web: route a: strip_prefix has no meaning without a path in the pattern"),
    ("upstream = app\nproxy_set_header Host $host;", '5: listener web: "proxy_set_header" is a word of nginx; here it is set_request; '
                                                     "X-Forwarded-For and the like are there without it"),
])
def test_what_is_refused(ask, options, error):
    code, _, said = ask("-t", options)
    assert (code, said[:1]) == (78, [error])


def test_http2_is_for_mode_tcp(tmp_path):
    """relayd would be taken at its word by whoever is offered it."""
    site, conf = Site(tmp_path), tmp_path / "relayd.conf"

    def said(mode, offered, asked):
        conf.write_text(f"""listener web {{
    address = ":443"
    mode = {mode}
    upstream = app
    tls {{
        certificate = "{site.file}"
        alpn = {{"{offered}", "http/1.1"}}
    }}
}}
upstream app {{
    server a {{ address = "127.0.0.1:8443" }}
    tls {{ ca = "{site.ca}" name = "site.test" alpn = "{asked}" }}
}}
""")
        done = once("-t", "-f", conf)
        return done.returncode, done.stderr.splitlines()

    assert said("tcp", "h2", "h2")[0] == said("http", "http/1.1", "http/1.1")[0] == 0
    code, lines = said("http", "h2", "h2")
    assert code == 78 and lines[:2] == [
        f"{conf}:7: listener web: tls: alpn: h2 is HTTP/2, and mode = http speaks HTTP/1.1 alone; leave h2 out, or set mode = tcp, "
        "which relays HTTP/2 to servers that speak it",
        f"{conf}:12: upstream app: tls: alpn: h2 is HTTP/2, and listener web, which leads here, has mode = http and speaks HTTP/1.1 "
        "alone; leave h2 out, or set mode = tcp there"]


def test_in_mode_tcp_they_mean_nothing(ask):
    code, _, said = ask("-t", "upstream = app\n}\nlistener raw {\n address = :81 upstream = app\n hsts = 1h")
    assert (code, said[:1]) == (78, ["8: listener raw: hsts has no meaning without mode = http"])
