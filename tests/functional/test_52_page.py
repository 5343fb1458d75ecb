"""The page: how relayd is, in a browser, with and without JavaScript; hostile bytes stay text."""

import base64
import hashlib
import html
import html.parser
import json
import re
import shutil
import subprocess

import pytest

from client import connect
from control import asked
from origin import echo
from relay import section
from settings import DEADLINE, SANITIZER, free_port, until

CHROMIUM = shutil.which("chromium")
HOSTILE = "<script>window.stolen=1</script><img src=x onerror=window.stolen=1>\"'&"


def hostile(peer):
    """A server whose health check gets an answer of its own."""
    peer.send(f"{HOSTILE}\r\n".encode())
    peer.read_end()


@pytest.fixture
def page(relay, origin, short_path):
    """page(option=value) starts a relayd with three upstreams, of which one fails; .place is where it shows that."""
    def start(**options):
        addresses = [f"127.0.0.1:{free_port()}" for _ in range(3)]
        port = free_port()
        text = f'control = "{short_path}/control.sock"\n' + section("status", "", address=f"127.0.0.1:{port}", **options)
        for name, address in zip(("web", "api", "shop"), addresses):
            text += section("listener", name, address=address, upstream=name)
        text += section("upstream", "web", server=origin(echo)) + section("upstream", "api", server=origin(echo))
        text += section("upstream", "shop", server=origin(hostile))
        text = text[:text.rindex("}")] + "    health_check { type = talk expect = hello timeout = 200ms interval = 100ms rise = 1 fall = 1 }\n}\n"
        one = relay(text=text, address=addresses)
        one.place, one.control = ("127.0.0.1", port), f"{short_path}/control.sock"
        one.wait_log("Server shop/a .* is down")
        return one
    return start


class Reader(html.parser.HTMLParser):
    """What a browser without JavaScript makes of it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.quiet = [], "", 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.quiet += tag in ("script", "style")

    def handle_endtag(self, tag):
        self.quiet -= tag in ("script", "style")

    def handle_data(self, data):
        if not self.quiet:
            self.text += data


def test_tables_without_javascript(page):
    one = page()
    for at, host in (one.place, "localhost"), (one.control, "relayd"):
        status, head, body = asked(at, "/", host=host)
        assert status == 200 and "text/html; charset=utf-8" in head
        seen = Reader(body)
        for word in ("relayd", "No server of shop is up", "DOWN", HOSTILE[:8], "1 of 1 up", "0 of 1 up", one.addresses[0]):
            assert word in seen.text, word
        assert [tag for tag, _ in seen.tags].count("script") == 1
        assert not any(name.startswith("on") or name == "style" for _, attributes in seen.tags for name in attributes)


def test_policy_allows_what_is_there_and_nothing_else(page):
    _, head, body = asked(page().place, "/", host="localhost")
    policy = re.search(r"Content-Security-Policy: (.*)", head)[1].strip()
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy and "http" not in policy
    for tag in ("style", "script"):
        digest = hashlib.sha256(re.search(rf"<{tag}>(.*?)</{tag}>", body, re.S)[1].encode()).digest()
        assert f"{tag}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert not re.search(r"(src|href)=\"(?!data:,|status\.json|metrics|ready)", body)


def test_hostile_bytes_stay_text(page):
    one = page()
    until(lambda: HOSTILE[:8] in asked(one.control, "/status.json")[2], "the event names it")
    _, _, body = asked(one.place, "/", host="localhost")
    assert "<img" not in body and "&#60;script&#62;window.stolen" in body
    assert "window.stolen" in Reader(body).text
    events = json.loads(asked(one.place, "/status.json", host="localhost")[2])["events"]
    assert any(HOSTILE[:20] in event["message"] for event in events)


@pytest.mark.parametrize("clients", [False, True])
def test_addresses_of_clients_only_if_asked_for(relay, origin, clients):
    place = ("127.0.0.1", free_port())
    address = f"127.0.0.1:{free_port()}"
    one = relay(text=section("status", "", address=f"127.0.0.1:{place[1]}", clients=clients)
                + section("listener", "web", address=address, upstream="app", accept_proxy="v1", proxy_from=["127.0.0.0/8"])
                + section("upstream", "app", server=origin(echo)), address=address)
    with connect(address) as client:
        client.send(b"nonsense, and no header\r\n")
        client.read_end()
    line = one.wait_log("PROXY header")[0]
    assert "127.0.0.1" in line.text
    for name in "/", "/status.json":
        assert (line.text[:60] in html.unescape(asked(place, name, host="localhost")[2])) is clients, name


def test_status_json_has_it_all(page):
    data = json.loads(asked(page().place, "/status.json", host="localhost")[2])
    assert set(data) == {"status", "servers", "events", "problems"}
    assert [one["name"] for one in data["status"]["upstreams"]] == ["web", "api", "shop"]
    assert data["problems"][0] == "No server of shop is up: its clients are refused."
    assert len(data["events"]) <= 20


needs_chromium = pytest.mark.skipif(CHROMIUM is None or bool(SANITIZER), reason="needs chromium, and a relayd that is quick")


def browse(place, directory, *options):
    """The page as it is after some seconds of its script, and what the browser has to say."""
    done = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={directory}/profile",
                           "--enable-logging=stderr", "--v=0", "--virtual-time-budget=5000", f"--log-net-log={directory}/net.json",
                           *options, "--dump-dom", f"http://localhost:{place[1]}/"],
                          capture_output=True, text=True, check=False, timeout=4 * DEADLINE)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@needs_chromium
def test_live_in_a_browser(page, tmp_path):
    """Its script runs, meets no error, escapes what it shows, and asks nobody but relayd."""
    one = page()
    dom, console = browse(one.place, tmp_path)
    assert console == [], console
    seen = Reader(dom)
    assert ("svg", ) == tuple({tag for tag, attributes in seen.tags if attributes.get("class") == "spark"})
    assert "DOWN" in seen.text and "window.stolen" in seen.text
    assert [tag for tag, _ in seen.tags].count("script") == 1 and "img" not in [tag for tag, _ in seen.tags]
    hosts = set(re.findall(r'"url":"(\w+://[^/"]+)', (tmp_path / "net.json").read_text()))
    asked_by_page = {host for host in hosts if "localhost" in host}
    assert asked_by_page == {f"http://localhost:{one.place[1]}"}
    assert "http" not in re.sub(r"http://www\.w3\.org/2000/svg", "", dom)


@needs_chromium
@pytest.mark.parametrize("width", [1280, 360])
def test_picture(page, tmp_path, width):
    """It fits a phone: nothing is wider than the window."""
    one = page()
    done = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
                           f"--window-size={width},2000", "--virtual-time-budget=3000", f"--screenshot={tmp_path}/page.png",
                           f"http://localhost:{one.place[1]}/"], capture_output=True, check=False, timeout=4 * DEADLINE)
    picture = (tmp_path / "page.png").read_bytes()
    assert picture.startswith(b"\x89PNG"), done.stderr
    assert int.from_bytes(picture[16:20], "big") == width and len(picture) > 20000
