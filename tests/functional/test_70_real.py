"""Real servers and real clients."""

import http.client
import random
import re
import subprocess
import threading

import servers
from client import connect, curl, run
from peer import EOF
from settings import BIG, COPY, DEADLINE, MIB, SANITIZER, free_port, some


def test_nginx_curl(relay, server, copy):
    nginx = server(servers.Nginx)
    one = relay(nginx, copy=copy, mode="http")
    assert curl(f"http://{one.address}/") == b"It works.\n"
    assert curl(f"http://{one.address}/page.bin") == (nginx.root / "page.bin").read_bytes()
    assert curl(f"http://{one.address}/none", "-o", "/dev/null", "-w", "%{http_code}") == b"404"


def test_nginx_curl_keeps_its_connection(relay, server, copy):
    one = relay(server(servers.Nginx), copy=copy)
    url = f"http://{one.address}/hello"
    out = curl(url, *[url] * 19, *["-o", "/dev/null"] * 20, "-w", "%{http_code} %{num_connects}\n")
    assert out.split() == b"200 1".split() + b"200 0".split() * 19
    assert len(one.wait_records(1)) == 1


def test_nginx_wrk(relay, server, copy):
    one = relay(server(servers.Nginx), copy=copy)
    out = run("wrk", "-t", 2, "-c", 64, "-d", "2s", "--timeout", "10s", f"http://{one.address}/hello", text=True).stdout
    assert "Socket errors" not in out, out
    assert "Non-2xx" not in out, out
    assert int(re.search(r"(\d+) requests in", out)[1]) > (20 if SANITIZER else 500), out
    assert len(one.wait_records(64)) >= 64


def test_nginx_wrk_without_keep_alive(relay, server, copy):
    one = relay(server(servers.Nginx), copy=copy)
    out = run("wrk", "-t", 2, "-c", 32, "-d", "1s", "--timeout", "10s", "-H", "Connection: close",
              f"http://{one.address}/hello", text=True).stdout
    assert "Non-2xx" not in out, out
    assert "Socket errors" not in out, out


def test_nginx_browser(relay, server, copy):
    """Six keep-alive connections that fetch pages and pictures in a random order, as a browser would."""
    nginx = server(servers.Nginx)
    page = (nginx.root / "page.bin").read_bytes()
    one = relay(nginx, copy=copy, mode="http")
    wrong = []

    def browse(seed):
        dice = random.Random(seed)
        client = http.client.HTTPConnection("127.0.0.1", one.port, timeout=DEADLINE)
        for _ in range(some(50)):
            path, status, body = dice.choice([("/", 200, b"It works.\n"), ("/page.bin", 200, page),
                                              ("/hello", 200, b"hello\n"), ("/none", 404, None)])
            client.request("GET", path)
            answer = client.getresponse()
            got = answer.read()
            if answer.status != status or (body is not None and got != body):
                wrong.append((path, answer.status, len(got)))
        client.close()
    threads = [threading.Thread(target=browse, args=(seed,), daemon=True) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(one.wait_records(6)) == 6


def test_nginx_pipelined(relay, server, copy):
    one = relay(server(servers.Nginx), copy=copy)
    with connect(one) as client:
        client.send(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * 2
                    + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        bodies = [client.read_response().body for _ in range(3)]
        assert bodies == [b"hello\n", b"hello\n", b"It works.\n"]
        assert client.read_end() == (b"", EOF)


def test_nginx_netcat(relay, server, copy):
    one = relay(server(servers.Nginx), copy=copy)
    out = run("nc", "-N", "127.0.0.1", one.port, input=b"GET /hello HTTP/1.0\r\n\r\n").stdout
    assert out.startswith(b"HTTP/1.1 200 OK\r\n") and out.endswith(b"hello\n")


def test_nginx_refuses_an_upload(relay, server, copy, tmp_path):
    """A body over nginx's limit: 413 comes while the upload runs, and curl reads it."""
    path = tmp_path / "body"
    path.write_bytes(b"u" * 20000000)
    one = relay(server(servers.Nginx), copy=copy, mode="http")
    for _ in range(3):
        out = curl(f"http://{one.address}/up", "-H", "Expect:", "-X", "POST", "-T", path, "-o", "/dev/null",
                   "-w", "%{http_code}")
        assert out == b"413"


def every_copy(server):
    """The text of a relayd.conf with one listener for each way of copying, and their addresses."""
    addresses = {copy: f"127.0.0.1:{free_port()}" for copy in COPY}
    text = "".join(f'listener {copy} {{ address = "{address}" upstream = app copy = {copy} }}\n'
                   for copy, address in addresses.items())
    return text + f'upstream app {{ server a {{ address = "{server.address}" }} }}\n', addresses


def test_nginx_download_of_a_gigabyte_with_equal_checksum(relay, server):
    """All ways of copying in one test, since a gigabyte takes long to write."""
    nginx = server(servers.Nginx)
    nginx.write_big(BIG)
    wanted = run("cksum", nginx.root / "big", text=True, timeout=5 * DEADLINE).stdout.split()[:2]
    assert wanted[1] == str(BIG)
    text, addresses = every_copy(nginx)
    relay(text=text, address=list(addresses.values()))
    for copy, address in addresses.items():
        with subprocess.Popen(["curl", "-sS", f"http://{address}/big"], stdout=subprocess.PIPE) as download:
            got = run("cksum", stdin=download.stdout, text=True, timeout=5 * DEADLINE).stdout.split()
        assert download.returncode == 0
        assert got == wanted, copy


def test_nginx_partial_and_aborted_downloads(relay, server, copy):
    """curl leaves in the middle; the relay goes on."""
    nginx = server(servers.Nginx)
    nginx.write_big(64 * MIB)
    one = relay(nginx, copy=copy)
    got = curl(f"http://{one.address}/big", "-r", "1000-200999")
    with open(nginx.root / "big", "rb") as file:
        file.seek(1000)
        assert got == file.read(200000)
    for _ in range(5):
        with subprocess.Popen(["curl", "-sS", f"http://{one.address}/big"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as download:
            download.stdout.read(3000000)
            download.kill()
    assert curl(f"http://{one.address}/big", "-r", "0-9", "-o", "/dev/null", "-w", "%{http_code}") == b"206"
    one.wait_records(7)


def test_redis_benchmark(relay, server, copy):
    one = relay(server(servers.Redis), copy=copy)
    out = run("redis-benchmark", "-h", "127.0.0.1", "-p", one.port, "-q", "-t", "ping,set,get,lpush,lrange_100",
              "-n", some(2000), "-c", 50, text=True).stdout
    assert "requests per second" in out
    piped = run("redis-benchmark", "-h", "127.0.0.1", "-p", one.port, "-q", "-t", "set,get", "-n", some(5000),
                "-c", 20, "-P", 50, "-d", 1000, text=True).stdout
    assert "requests per second" in piped


def test_redis_subscription(relay, server, copy):
    """The server speaks when it likes."""
    one = relay(server(servers.Redis), copy=copy)
    with connect(one) as listener, connect(one) as speaker:
        listener.send(b"SUBSCRIBE news\r\n").read_to(b":1\r\n")
        for number in range(20):
            speaker.send(b"PUBLISH news %d\r\n" % number).read_to(b"\r\n")
            assert listener.read_to(b"%d\r\n" % number)


def test_postgres_pgbench(relay, server):
    """All ways of copying in one test, since a server's start takes longer than they do."""
    postgres = server(servers.Postgres)
    text, addresses = every_copy(postgres)
    relay(text=text, address=list(addresses.values()))
    for copy, address in addresses.items():
        where = ["-h", "127.0.0.1", "-p", address.split(":")[1], "-U", "postgres"]
        run("pgbench", "-i", "-q", "-s", 1, *where, "postgres")
        out = run("pgbench", "-c", 8, "-j", 2, "-t", some(25), *where, "postgres", text=True).stdout
        assert f"{8 * some(25)}/{8 * some(25)}" in out, copy
        run("pgbench", "-S", "-C", "-c", 4, "-t", some(10), *where, "postgres")
