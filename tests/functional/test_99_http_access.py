"""access_log: a line for each request, in a file that is rotated, fills its disk, and is nobody's to forge."""

import contextlib
import datetime
import json
import os
import re
import socket
import subprocess
import threading

import pytest
from client import connect
from control import relayctl
from exposition import parse, values
from relay import once
from settings import DEADLINE, free_port, until
from web import answer, ask, get, post, proxy, read_answer, text_of, unescaped, web

COMBINED = re.compile(r'(\S+) - - \[([^]]+)\] "([^"]*)" (\d{3}|-) (\d+) "([^"]*)" "([^"]*)"')


def lines_of(path):
    return path.read_text(encoding="ascii").splitlines()


def wait_lines(path, count):
    until(lambda: path.exists() and len(lines_of(path)) >= count, f"{count} lines in {path}")
    return lines_of(path)


def logging(path, form="combined", requests="all", more=""):
    return f'access_log = "{path}"\naccess_format = {form}\nlog_requests = {requests}\n{more}'


def reload_with(one, before, after):
    one.reload(text=one.file.read_text().replace(before, after))


@pytest.fixture
def access(tmp_path):
    return tmp_path / "access.log"


# What a line says


def test_combined(relay, origin, access):
    """As nginx writes it; also of what relayd answers by itself."""
    one = proxy(relay, web(origin, lambda asked, peer: answer(b"0123456789")), top=logging(access), max_body=5)
    with connect(one) as client:
        ask(client, get("/a?b=c", "Referer: http://r.test/x y", "User-Agent: curl/8 (x; y)"))
        ask(client, get("/1.0", "Connection: keep-alive", version="1.0"))
        ask(client, get("http://relay.test"))
        refused = ask(client, post("/large", b"123456"))
    with connect(one) as client:
        bad = ask(client, b"GET /bad\x01 HTTP/1.1\r\n\r\n")
    found = [COMBINED.fullmatch(line).groups() for line in wait_lines(access, 5)]
    assert {line[0] for line in found} == {"127.0.0.1"}
    for line in found:
        moment = datetime.datetime.strptime(line[1], "%d/%b/%Y:%H:%M:%S %z")
        assert abs(datetime.datetime.now(datetime.timezone.utc) - moment).total_seconds() < DEADLINE
    assert [line[2:] for line in found] == [
        ("GET /a?b=c HTTP/1.1", "200", "10", "http://r.test/x y", "curl/8 (x; y)"),
        ("GET /1.0 HTTP/1.0", "200", "10", "-", "-"),
        ("GET / HTTP/1.1", "200", "10", "-", "-"),
        ("POST /large HTTP/1.1", "413", str(len(refused.body)), "-", "-"),
        ("-", "400", str(len(bad.body)), "-", "-")]


def test_json_has_what_the_journal_has(relay, origin, access):
    """The fields of the record by their names, and what the client says of itself; that is in the record, too."""
    one = proxy(relay, {"app": web(origin)}, top=logging(access, "json"), upstream=None,
                routes={"relay.test/x/": {"upstream": "app"}})
    with connect(one) as client:
        assert ask(client, get("/x/1", "Referer: http://r.test/", "User-Agent: agent")).status == 200
        assert ask(client, get("/1")).status == 404
        records = one.wait_requests(2)
    for record, line in zip(records, wait_lines(access, 2), strict=True):
        found = json.loads(line)
        moment = datetime.datetime.fromisoformat(found.pop("time").replace("Z", "+00:00"))
        assert abs(datetime.datetime.now(datetime.timezone.utc) - moment).total_seconds() < DEADLINE
        fields = {name.removeprefix("RELAYD_").lower(): unescaped(value) for name, value in record.line.fields.items()}
        assert {name: str(value) for name, value in found.items()} == fields
        assert all(isinstance(found[name], int) for name in ("conn", "status", "bytes_up", "bytes_down", "duration_usec"))
    assert [(record.user_agent, record.referer, record.route) for record in records[:1]] == [
        ("agent", "http://r.test/", "relay.test/x/")]


def test_who_does_not_ask_is_told_less(relay, origin):
    one = proxy(relay, web(origin))
    with connect(one) as client:
        ask(client, get("/", "Referer: http://r.test/", "User-Agent: agent"))
        record = one.wait_requests(1)[0]
    assert not hasattr(record, "user_agent") and not hasattr(record, "referer")


def test_requests_without_an_answer(relay, origin, access):
    app = web(origin, lambda asked, peer: None)
    one = proxy(relay, app, top=logging(access))
    with connect(one) as client:
        client.send(get("/left"))
        app.wait_asked(1)
        client.reset()
    assert COMBINED.fullmatch(wait_lines(access, 1)[0]).groups()[2:5] == ("GET /left HTTP/1.1", "-", "0")


@pytest.mark.parametrize("requests", ["none", "failed", "slow:1h"])
def test_what_the_journal_does_not_get_is_in_the_file(relay, origin, access, requests):
    one = proxy(relay, web(origin), top=logging(access, requests=f'"{requests}"'))
    with connect(one) as client:
        ask(client, get("/1"))
    assert len(wait_lines(access, 1)) == 1
    one.record(client)
    assert not one.requests()


HOSTILE = [b'"', b"\\", b'\\"', b"\xff", b"\xc3\xa4", b"\xe2\x80\xae", b"\x80", b"\t", b'","status":200,"x":"', b'" 200 0 "-" "-', b"\xed\xa0\x80",
           b"\xc2\x9b31m", b"\\x22", b"{}", b"%0a%0d", b"\xf0\x9f\x98\x80"]


@pytest.mark.parametrize("form", ["combined", "json"])
def test_foreign_bytes_forge_nothing(relay, origin, access, form):
    """No line, no field, no colour, wherever they stand."""
    one = proxy(relay, web(origin), top=logging(access, form))
    with connect(one) as client:
        for bytes_ in HOSTILE:
            client.send(get("/").replace(b"\r\n\r\n", b"\r\nUser-Agent: a" + bytes_ + b"z\r\nReferer: a" + bytes_ + b"z\r\n\r\n"))
            assert read_answer(client).status == 200
        for target in ('/"', "/\\", '/\\"', "/'", "/%22", '/","status":1,"', "/{}"):
            assert ask(client, get(target)).status == 200
    until(lambda: access.read_bytes().count(b"\n") == len(HOSTILE) + 7, "all lines")
    raw = access.read_bytes()
    assert raw.count(b"\n") == len(HOSTILE) + 7 and not set(raw) & (set(range(32)) - {10} | {127})
    if form == "combined":
        assert max(raw) < 127
        for line in raw.decode("ascii").splitlines():
            assert COMBINED.fullmatch(line)[4] == "200", line
        return
    for number, line in enumerate(raw.decode("utf-8").splitlines()):
        found = json.loads(line, object_pairs_hook=lambda pairs: pairs)
        names = [name for name, _ in found]
        assert len(set(names)) == len(names) and dict(found)["status"] == 200
        assert all(str(value).isprintable() for _, value in found)
        if number < len(HOSTILE):
            assert dict(found)["user_agent"] == dict(found)["referer"]


def test_long_texts_are_cut(relay, origin, access):
    """A long path leaves no room in the journal for what the client says of itself; the file has both."""
    one = proxy(relay, web(origin), top=logging(access, "json"))
    with connect(one) as client:
        assert ask(client, get("/" + "\\" * 3000, "User-Agent: " + "a" * 3000, "Referer: " + "\"" * 3000)).status == 200
        record = one.wait_requests(1)[0]
    found = json.loads(wait_lines(access, 1)[0])
    assert (found["path"], found["user_agent"], found["referer"]) == ("/" + "\\" * 2047, "a" * 512, "\"" * 1024)
    assert len(record.path) == 2048 and not hasattr(record, "user_agent")


def test_all_listeners_share_it(relay, origin, access):
    app = web(origin)
    port = free_port()
    text = text_of(f"127.0.0.1:{free_port()}", {"app": app}, top=logging(access, "json"))
    other = f'listener other {{ address = "127.0.0.1:{port}" upstream = app mode = http response_timeout = 61s }}\n'
    one = relay(address=re.search(r'address = "?([0-9.:]+)', text)[1], text=text + other)
    with connect(one) as client, connect(f"127.0.0.1:{port}") as another:
        ask(client, get("/1"))
        ask(another, get("/2"))
    assert {json.loads(line)["listener"] for line in wait_lines(access, 2)} == {"web", "other"}


# Rotation, reload, restart


class Load:
    """Clients that ask without end; each request has a path of its own."""

    def __init__(self, one, clients=4):
        self.one, self.over, self.sent = one, threading.Event(), []
        self.threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(clients)]

    def _ask(self, number):
        with connect(self.one) as client:
            i = 0
            while not self.over.is_set():
                paths = [f"/{number}/{i + k}" for k in range(50)]
                client.send(b"".join(get(path) for path in paths))
                for path in paths:
                    assert read_answer(client).status == 200
                    self.sent.append(path)
                i += 50

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def wait_more(self, count=300):
        before = len(self.sent)
        until(lambda: len(self.sent) >= before + count, "more requests")


def paths_in(*files):
    return [COMBINED.fullmatch(line)[3].split()[1] for file in files for line in lines_of(file)]


@pytest.mark.parametrize("good", [True, False])
def test_rotation_under_load_loses_no_line(relay, origin, access, tmp_path, good):
    """Once the reload is done nobody writes to the file that was renamed; also if the configuration was refused."""
    one = proxy(relay, web(origin), top=logging(access, requests="none"))
    rotated = []
    if not good:
        one.file.write_text(one.file.read_text() + "\nbroken")
    with Load(one) as load:
        for number in range(4):
            load.wait_more()
            rotated.append(tmp_path / f"access.log.{number}")
            access.rename(rotated[-1])
            why = one.hup()
            assert (why == "") == good
            until(access.exists, "a new file")
            sizes = [file.stat().st_size for file in rotated]
            load.wait_more()
            if good:
                assert [file.stat().st_size for file in rotated] == sizes
    if not good:
        one.file.write_text(one.file.read_text().replace("\nbroken", ""))
    one.term()
    one.wait_exit()
    assert sorted(paths_in(*rotated, access)) == sorted(load.sent)
    assert all(file.stat().st_size > 0 for file in rotated)


def test_a_reload_moves_it(relay, origin, access, tmp_path):
    """Another path, another format, none: each line is in the file of its time, whole."""
    second = tmp_path / "second.log"
    one = proxy(relay, web(origin), top=logging(access))
    with connect(one) as client:
        ask(client, get("/1"))
        wait_lines(access, 1)
        reload_with(one, str(access), str(second))
        ask(client, get("/2"))
        wait_lines(second, 1)
        reload_with(one, "access_format = combined", "access_format = json")
        ask(client, get("/3"))
        assert json.loads(wait_lines(second, 2)[1])["path"] == "/3"
        client.send(b"".join(get(f"/4/{i}") for i in range(100)))
        for _ in range(100):
            read_answer(client)
        reload_with(one, f'access_log = "{second}"', "")   # those before it are there
        assert len(lines_of(second)) == 102
        ask(client, get("/5"))
        until(lambda: str(second) not in one.open_files(), "the former configuration to be freed")
        reload_with(one, "log_requests = all", f'log_requests = all\naccess_log = "{access}"')
        ask(client, get("/6"))
        assert "/6" in wait_lines(access, 2)[1]
    assert len(lines_of(access)) == 2 and len(lines_of(second)) == 102


def test_a_restart_appends(relay, origin, access):
    app = web(origin)
    for number in range(2):
        one = proxy(relay, app, top=logging(access))
        with connect(one) as client:
            ask(client, get(f"/{number}"))
        one.term()   # what waits is written at the stop
        one.wait_exit()
        assert paths_in(access) == [f"/{i}" for i in range(number + 1)]


def test_a_file_that_is_removed_is_made_anew(relay, origin, access, tmp_path):
    """Who makes room by rm gets it, and no line goes where nobody reads it. A folder that is gone is told, and waited for."""
    folder = tmp_path / "logs"
    folder.mkdir()
    path = folder / "access.log"
    one = proxy(relay, web(origin), top=logging(path))
    with connect(one) as client:
        ask(client, get("/0"))
        wait_lines(path, 1)
        path.unlink()
        ask(client, get("/1"))
        wait_lines(path, 1)
        assert paths_in(path) == ["/1"]
        path.unlink()
        folder.rmdir()
        ask(client, get("/2"))
        one.wait_log(f"The access log {path} cannot be written: No such file or directory; make its folder")
        folder.mkdir()
        wait_lines(path, 1)
        assert paths_in(path) == ["/2"]
        one.wait_log(f"The access log {path} is written again; no request is missing")


# What cannot be written


@pytest.mark.parametrize("place, said", [
    ("none/access.log", "No such file or directory; make its folder"), ("", "Is a directory; name a file in it"),
    ("socket", "name a file, a device, or a pipe"), ("pipe", "No such device or address; name a file, a device, or a pipe that somebody reads")])
def test_one_that_cannot_be_opened(relay, origin, access, tmp_path, place, said):
    """A start fails, a reload is refused, and the file of before goes on; where it is written is said, and what to do."""
    app = web(origin)
    one = proxy(relay, app, top=logging(access))
    other = tmp_path / place
    if place == "pipe":
        os.mkfifo(other)
    if place == "socket":
        socket.socket(socket.AF_UNIX).bind(str(other))
    text = one.file.read_text().replace(str(access), str(other))
    one.write_conf(text=text)
    why = one.hup()
    assert f"relayd.conf:1: access_log {other} cannot be opened: " in why and said in why
    with connect(one) as client:
        ask(client, get("/1"))
    assert len(wait_lines(access, 1)) == 1
    other_file = tmp_path / "start.conf"
    other_file.write_text(text.replace(one.address, f"127.0.0.1:{free_port()}"))
    done = once("-f", other_file)
    assert done.returncode == 69 and said in done.stderr


def test_a_check_warns_of_a_folder_that_is_not_there(tmp_path):
    file = tmp_path / "relayd.conf"
    for place, warned in ((tmp_path / "none" / "access.log", True), (tmp_path / "access.log", False)):
        file.write_text(text_of(f"127.0.0.1:{free_port()}", {"app": "127.0.0.1:1"}, top=logging(place)))
        done = once("-t", "-f", file)
        assert done.returncode == 0 and not (tmp_path / "access.log").exists()
        assert (f"relayd.conf:1: warning: access_log {place}: the folder {tmp_path}/none is not there" in done.stderr) == warned, done.stderr


def test_a_pipe_that_somebody_reads(relay, origin, tmp_path):
    """Who does not read it holds up nobody."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    one = proxy(relay, web(origin), top=logging(pipe, requests="none"))
    with connect(one) as client:
        for _ in range(20):
            client.send(get("/" + "p" * 500) * 50)
            for _ in range(50):
                assert read_answer(client).status == 200
    text = b""
    os.set_blocking(reader, True)
    while text.count(b"\n") < 1000:
        text += os.read(reader, 65536)
    os.close(reader)


def lost(at):
    return values(parse(relayctl("-s", at, "metrics")))["relayd_access_log_lost_total"]


def troubles(at):
    return json.loads(relayctl("-s", at, "--json"))["troubles"]


def test_a_full_disk_costs_no_traffic(relay, origin, at):
    """/dev/full: told once, each request is served, and what is missing is counted at the end."""
    one = proxy(relay, web(origin), top=logging("/dev/full", more=f'control = "{at}"'))
    with connect(one) as client:
        for i in range(100):
            assert ask(client, get(f"/{i}")).status == 200
    one.wait_log(r"The access log /dev/full cannot be written: No space left on device; make room on its disk\.")
    trouble = "The access log /dev/full cannot be written: No space left on device; make room on its disk."
    until(lambda: troubles(at) == [trouble], "the status says so")
    assert f"\ntrouble: {trouble}\n" in relayctl("-s", at)
    one.term()
    one.wait_exit()
    said = [line.text for line in one.all_lines() if "access log" in line.text]
    assert len(said) == 2 and said[1].startswith("100 requests are missing in the access log /dev/full: ")


def test_another_file_that_is_full_is_told(relay, origin, tmp_path, at):
    """By its name, though it fails as the one before."""
    first, second = tmp_path / "first", tmp_path / "second"
    for path in first, second:
        path.symlink_to("/dev/full")
    one = proxy(relay, web(origin), top=logging(first, more=f'control = "{at}"'))
    with connect(one) as client:
        ask(client, get("/1"))
        one.wait_log(f"The access log {first} cannot be written")
        reload_with(one, str(first), str(second))
        ask(client, get("/2"))
        one.wait_log(f"The access log {second} cannot be written")
        until(lambda: [str(second) in trouble for trouble in troubles(at)] == [True], "the status says so")


@contextlib.contextmanager
def small_disk(tmp_path):
    """A folder with room for 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False, capture_output=True).returncode != 0:
        pytest.skip("it takes root to mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def test_a_disk_that_is_full_for_a_while(relay, origin, tmp_path, at):
    """Lines wait until there is room again: none is torn, none is missing, and both moments are told."""
    with small_disk(tmp_path) as folder:
        access = folder / "access.log"
        one = proxy(relay, web(origin), top=logging(access, requests="none", more=f'control = "{at}"'))
        sent = []
        with connect(one) as client:
            for i in range(20):
                paths = [f"/{i}/{k}/{'x' * 50}" for k in range(50)]
                client.send(b"".join(get(path) for path in paths))
                for path in paths:
                    assert read_answer(client).status == 200
                    sent.append(path)
        one.wait_log("cannot be written: No space left on device")
        subprocess.run(["mount", "-o", "remount,size=4m", folder], check=True)
        one.wait_log("is written again; no request is missing")
        until(lambda: not troubles(at), "the status says no more of it")
        assert lost(at) == 0
        assert paths_in(access) == sent
        one.term()
        one.wait_exit()


def test_a_torn_line_is_not_gone_on_with_in_another_file(relay, origin, tmp_path, at):
    with small_disk(tmp_path) as folder:
        access = folder / "access.log"
        one = proxy(relay, web(origin), top=logging(access, requests="none", more=f'control = "{at}"'))
        with connect(one) as client:
            for _ in range(20):
                client.send(get("/" + "x" * 51) * 50)
                for _ in range(50):
                    assert read_answer(client).status == 200
        one.wait_log("cannot be written: No space left on device")
        before = access.read_text()
        second = tmp_path / "second.log"
        reload_with(one, str(access), str(second))
        whole = before.count("\n")
        torn = not before.endswith("\n")
        assert len(wait_lines(second, 1000 - whole - torn)) == 1000 - whole - torn
        assert all(COMBINED.fullmatch(line) for line in lines_of(second))
        assert lost(at) == torn
        one.term()
        one.wait_exit()


def test_a_full_disk_at_the_start(relay, origin, tmp_path, at):
    """relayd starts all the same: it takes the first lines once there is room."""
    with small_disk(tmp_path) as folder:
        with contextlib.suppress(OSError):
            (folder / "fill").write_bytes(b"x" * 65536)
        access = folder / "access.log"
        one = proxy(relay, web(origin), top=logging(access, requests="none", more=f'control = "{at}"'))
        with connect(one) as client:
            assert ask(client, get("/1")).status == 200
        one.wait_log("cannot be written: No space left on device")
        (folder / "fill").unlink()
        wait_lines(access, 1)
        assert paths_in(access) == ["/1"]
        one.term()
        one.wait_exit()


def test_many_lines_are_one_write(relay, origin, access):
    """A crowd that asks at once is written by few writes, and all of it."""
    one = proxy(relay, web(origin), top=logging(access, requests="none"))
    with Load(one) as load:
        load.wait_more(3000)
    tids = one.thread_ids("access-log")
    with open(f"/proc/{one.pid}/task/{tids[0]}/io", encoding="ascii") as file:
        calls = int(re.search(r"syscw: (\d+)", file.read())[1])
    one.term()
    one.wait_exit()
    assert sorted(paths_in(access)) == sorted(load.sent)
    assert calls < len(load.sent) / 10
