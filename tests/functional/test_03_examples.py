"""conf/examples: each is right as it stands, and short enough to be read."""

import collections
import re
import socket
import ssl
import sys

import pytest

from certificates import write_secret
from client import close_all, connect, refused_in_http, run
from fleet import Named
from origin import http, sends
from peer import request
from relay import PASS_ON, complaints, once
from servers import Dnsmasq, Postgres
from settings import REPO, free_port
from test_55_reload import named as says_name
from test_67_tls_identity import Client, told
from tls import Site, over_tls

EXAMPLES = sorted((REPO / "conf" / "examples").glob("*.conf"))
OURS = [*EXAMPLES, REPO / "conf" / "relayd.conf", REPO / "packaging" / "relayd.conf"]


def named(path):
    return str(path.relative_to(REPO))


def test_there_is_one_for_each_use():
    assert [path.stem for path in EXAMPLES] == [
        "balanced-site", "behind-cloud-balancer", "database", "dns-srv", "http2", "https-site", "mutual-tls", "single-origin",
        "sites-by-name", "socket-activation", "tls-servers", "unix-socket"]


class Certified(Site):
    """A certificate of the names in the examples, and where the files of each example are here."""

    def __init__(self, folder):
        live = folder / "live"
        live.mkdir()
        super().__init__(live, *(f"{name}.example.com" for name in ("www", "shop", "blog", "x.apps")), "app.internal")
        write_secret(self.file, self.certificate.pem + self.authority.pem + self.certificate.key_pem)
        self.ca = self.ca.rename(folder / "ca.pem")   # in a folder of certificates each has a key
        self.here = {"/etc/letsencrypt/live": live, "/etc/relayd/tls": live, "/etc/relayd/tls/db.pem": self.file,
                     "/etc/relayd/clients-ca.pem": self.ca, "/etc/relayd/private-ca.pem": self.ca}

    def files_of(self, name):
        text = (REPO / "conf" / "examples" / f"{name}.conf").read_text(encoding="utf-8")
        return {old: new for old, new in self.here.items() if f'"{old}"' in text}


@pytest.fixture
def site(tmp_path):
    return Certified(tmp_path)


@pytest.fixture
def with_files(site, tmp_path):
    """with_files(path): a copy of an example that has the certificates of the site; without any, itself."""
    def copied(path):
        words = site.files_of(path.stem) if path in EXAMPLES else {}
        if not words:
            return path
        copy = tmp_path / path.name
        copy.write_text(example(path.stem, words))
        return copy
    return copied


@pytest.mark.parametrize("path", OURS, ids=named)
def test_it_has_no_error(path, with_files):
    done = once("-t", "-f", with_files(path))
    assert (done.returncode, complaints(done)) == (0, [])


@pytest.mark.parametrize("path", OURS, ids=named)
def test_its_dump_is_dumped_as_the_same(path, tmp_path, with_files):
    first = once("-T", "-f", with_files(path))
    assert first.returncode == 0, first.stderr
    copy = tmp_path / "relayd.conf"
    copy.write_text(first.stdout)
    second = once("-T", "-f", copy)
    assert (second.returncode, second.stdout) == (0, first.stdout), second.stderr


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_it_says_what_it_is_for_and_is_short(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert re.match(r"# \S.*", lines[0])
    assert len(lines) <= 60
    assert all(len(line) <= 120 for line in lines)


# Each of them for real: with addresses of this machine in the place of those that it has

def example(name, words):
    """Its text, with other words in the place of these: what stands in quotes is replaced as a whole."""
    text = (REPO / "conf" / "examples" / f"{name}.conf").read_text(encoding="utf-8")
    for old, new in words.items():
        assert f'"{old}"' in text, old
        text = text.replace(f'"{old}"', f'"{new}"')
    return text


def here():
    return f"127.0.0.1:{free_port()}"


def test_what_the_packages_install_works_as_it_is(relay, origin, netns):
    """As its own comment says: 502 until something listens on port 8000."""
    one = relay(arguments=["-f", REPO / "packaging" / "relayd.conf"], address="127.0.0.1:8080", wrap=netns.wrap)
    with netns.inside():
        with connect(one) as client:
            refused_in_http(client.send(request()), 502)
        origin(http, port=8000)
        with connect(one) as client:
            assert client.get("/page").body == b"/page\n"
    assert not [line for line in one.all_lines() if line.level in ("error", "warning") and "does not fit" not in line.text]


def test_a_single_origin_works(relay, origin):
    address = here()
    text = example("single-origin", words={":80": address, "127.0.0.1:3000": origin(http).address})
    with connect(relay(text=text, address=address)) as client:
        assert client.get("/page").body == b"/page\n"


def test_a_balanced_site_works(relay, server):
    address = here()
    servers = {word: server(Named, name=word) for word in
               ("10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080", "203.0.113.10:8080")}
    text = example("balanced-site", words={":80": address, **{word: one.address for word, one in servers.items()}})
    one = relay(text=text.replace("interval = 2s", ""), address=address)
    clients, found = [], collections.Counter()
    for _ in range(8):   # all open at a time, each chosen after the one before: by the fewest connections for the weight
        clients.append(connect(one))
        found[clients[-1].get("/").body.decode()] += 1
    assert found == {"10.0.0.1:8080": 4, "10.0.0.2:8080": 2, "10.0.0.3:8080": 2}   # and not the backup
    close_all(clients)
    assert "is down" not in one.log


def test_behind_a_balancer_works(relay, origin):
    def script(peer):
        if peer.recv(16)[:12] != b"\r\n\r\n\0\r\nQUIT\n":
            return
        peer.recv()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    address = here()
    text = example("behind-cloud-balancer", words={
        ":8080": address, "10.0.1.0/28": "127.0.0.1", "10.0.10.1:8080": origin(script).address,
        "10.0.10.2:8080": origin(script).address})
    one = relay(text=text, address=address)
    with connect(one) as client:
        client.send(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + request())
        assert client.read_response().body == b"ok"
    with connect(one) as client:
        refused_in_http(client.send(b"PROXY TCP4 198.51.100.9 192.0.2.2 1 2\r\n" + request()), 403)
    assert {record.client for record in one.wait_records(2)} == {"192.0.2.1:1", "198.51.100.9:1"}


def test_a_database_works(relay, server):
    primary, replica = here(), here()
    database = server(Postgres)
    text = example("database", words={
        "127.0.0.1:5432": primary, "127.0.0.1:5433": replica, "primary.db.example:5432": database.address,
        "r1.db.example:5432": database.address, "r2.db.example:5432": here()})
    one = relay(text=text, address=[primary, replica])
    for address in (primary, replica):
        host, port = address.split(":")
        assert run("psql", "-h", host, "-p", port, "-U", "postgres", "-Atc", "select 6 * 7").stdout == b"42\n"
    one.wait_log("Server replicas/r2 .* is down: connect: Connection refused")


def test_unix_sockets_work(relay, origin, short_path):
    address, path = here(), f"unix:{short_path}/web.sock"
    for name in "ab":
        origin(says_name(name.encode()), path=short_path / f"{name}.sock")
    text = example("unix-socket", words={":8080": address, "unix:/run/relayd/web.sock": path,
                                         "unix:/run/app/a.sock": f"unix:{short_path}/a.sock",
                                         "unix:/run/app/b.sock": f"unix:{short_path}/b.sock"})
    relay(text=text, address=address)
    assert {connect(where).get().body for where in (address, path, address, path)} == {b"a", b"b"}


def test_socket_activation_works(relay, origin):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        text = example("socket-activation", words={"10.0.0.1:8443": origin(sends(b"a")).address,
                                                   "10.0.0.2:8443": origin(sends(b"b")).address})
        relay(text=text, address=address, pass_fds=(listening.fileno(),),
              wrap=[sys.executable, "-ISc", PASS_ON, str(listening.fileno())],
              env={"LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"})
        assert {connect(address).read_end()[0] for _ in range(2)} == {b"a", b"b"}


def test_dns_services_work(relay, server, origin):
    dns, named = server(Dnsmasq), server(Named, name="first")
    address = here()
    dns.hosts("a.test", "127.0.0.1")
    dns.services("_http._tcp.app.example", ("a.test", named.port, 10, 5), ("a.test", origin(sends(b"")).port, 20, 1))
    one = relay(text=example("dns-srv", words={":8080": address}), address=address,
                wrap=dns.wrap)
    with connect(one) as client:
        assert client.get("/").body == b"first"


def test_an_https_site_works(relay, origin, site):
    plain, secure = here(), here()
    relay(text=example("https-site", words={":80": plain, ":443": secure, "127.0.0.1:3000": origin(http).address,
                                            **site.files_of("https-site")}), address=[plain, secure])
    with connect(plain) as client:
        answer = client.send(request("/page")).read_response()
        assert (answer.status, answer.headers["location"]) == (308, "https://relay.test/page")
    with site.connect(secure, name="www.example.com") as client:
        assert client.get("/page").body == b"/page\n"


def test_mutual_tls_works(relay, origin, site, tmp_path):
    address, one, server = here(), Client(tmp_path, site.authority), origin(told)
    relay(text=example("mutual-tls", words={":6379": address, "10.0.0.1:6380": server.address, **site.files_of("mutual-tls")}),
          address=address)
    with site.connect(address, name="www.example.com", context=one.context(site)) as client:
        assert client.send(b"x").read(1) == b"x"
    all_of_them, (_, verify, parts), _ = server.result()
    assert (verify, parts[0x22], dict(all_of_them)[0xe0]) == (0, b"alice", one.fingerprint)


def test_sites_by_name_work(relay, origin, site):
    address = here()
    servers = {word: origin(over_tls(site.server_context(), sends(word.encode()))).address for word in
               ("10.0.0.1:443", "10.0.0.3:443", "10.0.0.4:443")}
    one = relay(text=example("sites-by-name", words={":443": address, "10.0.0.2:443": here(), **servers}), address=address)
    for name, word in {"shop": "10.0.0.1:443", "blog": "10.0.0.3:443", "x.apps": "10.0.0.4:443"}.items():
        with site.connect(address, name=f"{name}.example.com") as client:
            assert client.read(len(word)) == word.encode()
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME|unrecognized name"):
        site.connect(address, name="www.example.com")
    one.wait_records(4)


def test_tls_to_servers_works(relay, origin, site):
    address = here()
    servers = {word: origin(over_tls(site.server_context(), http)).address for word in ("10.0.0.1:8443", "10.0.0.2:8443")}
    one = relay(text=example("tls-servers", words={"127.0.0.1:8080": address, **servers, **site.files_of("tls-servers")}),
                address=address)
    with connect(one) as client:
        assert client.get("/page").body == b"/page\n"
    assert "is down" not in one.log


def test_http2_has_servers_of_its_own(relay, origin, site):
    address = here()
    relay(text=example("http2", words={":443": address, "127.0.0.1:8082": origin(sends(b"2")).address,
                                       "127.0.0.1:8081": origin(sends(b"1")).address, **site.files_of("http2")}), address=address)
    for offered, chosen, server in (["h2", "http/1.1"], "h2", b"2"), (["http/1.1"], "http/1.1", b"1"), ([], None, b"1"):
        with site.connect(address, name="www.example.com", alpn=offered) as client:
            assert (client.sock.selected_alpn_protocol(), client.read(1)) == (chosen, server)
