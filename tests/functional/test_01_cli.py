"""The command line: what an operator types, the exit codes, and what is said."""

import fcntl
import os
import re
import signal
import socket
import subprocess

import pytest

from client import connect, curl
from origin import echo, http
from keeper import KEEPER
from relay import config, once
from settings import DEADLINE, RELAYD, SANITIZER, free_port, until

GOOD = config("127.0.0.1:1", "127.0.0.1:2")


@pytest.fixture
def good_file(tmp_path):
    path = tmp_path / "relayd.conf"
    path.write_text(GOOD)
    return path


@pytest.mark.parametrize("program", [RELAYD, KEEPER], ids=["relayd", "relayd-keeper"])
@pytest.mark.parametrize("option", ["--version", "--help"])
def test_what_cannot_be_printed_is_an_error(program, option):
    with open("/dev/full", "wb") as full:
        assert subprocess.run([program, option], stdout=full, timeout=DEADLINE).returncode == os.EX_IOERR


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version(option):
    done = once(option)
    assert done.returncode == 0
    assert re.search(r"relayd.*\d+\.\d+", done.stdout)


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_names_every_option(option):
    done = once(option)
    assert done.returncode == 0
    for word in ("-f", "--listen", "--proxy", "-t", "--check", "-T", "--dump", "-V", "--version", "-h", "--help"):
        assert word in done.stdout, word


@pytest.mark.parametrize("arguments", [
    ["--no-such-option"],
    ["-x"],
    ["surplus"],
    ["-f"],
    ["--proxy"],
    ["--listen"],
    ["--listen", "127.0.0.1:1"],
    ["--proxy", "no-port"],
    ["--proxy", "127.0.0.1:99999"],
    ["--proxy", "127.0.0.1:1", "--listen", "127.0.0.1:http:1"],
    ["--proxy", "127.0.0.1:1", "-f", "/dev/null"],
], ids=" ".join)
def test_wrong_arguments_are_a_usage_error(arguments):
    done = once(*arguments)
    assert done.returncode == 64
    assert done.stderr.strip() and not done.stdout


@pytest.mark.parametrize("arguments, meant", [
    (["-t", "relayd.conf"], "; a file is named with -f: -f relayd.conf"),
    (["/etc/relayd.conf"], "; a file is named with -f: -f /etc/relayd.conf"),
    (["localhost:8000"], "; a server is named with --proxy: --proxy localhost:8000"),
    (["reload"], "; commands are relayctl's: relayctl reload"),
    (["-t", "-f", "a.conf", "b.conf"], ""),
    (["--reload", "1", "2"], ""),
])
def test_what_a_stray_word_was_meant_to_be(arguments, meant):
    done = once(*arguments)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == f"relayd: takes no arguments but options{meant}; see relayd --help\n"


@pytest.mark.parametrize("option", ["-v", "--verbose"])
def test_whoever_asks_for_more_words_is_told_of_log_level(option):
    done = once(option)
    assert done.returncode == 64
    assert "-V is the version" in done.stderr and "log_level" in done.stderr


@pytest.mark.parametrize("option", ["-t", "--check"])
def test_check_of_a_good_file(option, good_file):
    assert once(option, "-f", good_file).returncode == 0


def test_check_prints_what_it_understood(tmp_path):
    path = tmp_path / "relayd.conf"
    path.write_text(config(["127.0.0.1:1", "unix:/run/x.sock"], "127.0.0.1:2", mode="http")
                    + 'upstream spare { server s { address = "127.0.0.1:3" } }\n')
    done = once("-t", "-f", path)
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert [line.split(":")[0].split()[0] for line in lines[:-1]] == ["listener", "upstream", "server", "upstream", "server"]
    assert "127.0.0.1:1, unix:/run/x.sock" in lines[0] and "http" in lines[0] and "app" in lines[0]
    assert lines[-1] == f"{path}: the configuration is valid."
    number = path.read_text().splitlines().index('upstream spare { server s { address = "127.0.0.1:3" } }') + 1
    assert done.stderr == f"{path}:{number}: warning: upstream spare is used by no listener.\n"


@pytest.mark.parametrize("address, public", [
    ("127.0.0.1:9000", False), ("[::1]:9000", False), ("10.1.2.3:9000", False), ("172.31.255.1:9000", False), ("[fd00::1]:9000", False),
    ("192.168.0.1:9000", False), ("100.127.0.1:9000", False), ("localhost:9000", False), (":9000", True), ("0.0.0.0:9000", True),
    ("[::]:9000", True), ("192.0.2.1:9000", True), ("172.32.0.1:9000", True), ("[2001:db8::1]:9000", True),
    ("[::ffff:10.0.0.1]:9000", False), ("100.128.0.1:9000", True)])
def test_check_warns_of_a_status_page_for_strangers(tmp_path, address, public):
    path = tmp_path / "relayd.conf"
    path.write_text(f'status {{ address = "{address}" }}\n' + config("127.0.0.1:1", "127.0.0.1:2"))
    done = once("-t", "-f", path)
    assert done.returncode == 0
    assert (f"{path}:1: warning: whoever reaches {address} may look at the status page: " in done.stderr) == public, done.stderr
    assert public or not done.stderr


def test_check_warns_of_clients_shown_and_of_a_folder_that_is_not_there(tmp_path):
    path = tmp_path / "relayd.conf"
    path.write_text('status { address = {":9000", "unix:/none/x.sock"} clients = true }\n' + config("127.0.0.1:1", "127.0.0.1:2"))
    done = once("-t", "-f", path)
    assert "may look at the status page, with addresses of clients: " in done.stderr
    assert "unix:/none/x.sock: this user may not write there, or there is no such directory" in done.stderr


@pytest.mark.parametrize("option", ["-t", "--check"])
def test_check_of_a_bad_file(option, tmp_path):
    bad = tmp_path / "bad.conf"
    bad.write_text(GOOD + "wrokers = 3\n")
    done = once(option, "-f", bad)
    assert done.returncode == 78
    assert f"{bad}:" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["-t"], ["-T"]], ids=str)
def test_a_file_that_is_not_there(arguments, tmp_path):
    done = once(*arguments, "-f", tmp_path / "nowhere.conf")
    assert done.returncode == 78
    assert "nowhere.conf" in done.stderr


@pytest.mark.parametrize("option", ["-T", "--dump"])
def test_dump_is_in_the_files_own_syntax(option, good_file, tmp_path):
    done = once(option, "-f", good_file)
    assert done.returncode == 0, done.stderr
    again = tmp_path / "again.conf"
    again.write_text(done.stdout)
    assert once("-t", "-f", again).returncode == 0
    assert once("-T", "-f", again).stdout == done.stdout


def test_dump_of_what_was_changed(tmp_path):
    path, again = tmp_path / "relayd.conf", tmp_path / "again.conf"
    path.write_text("workers = 8\nlog_level = debug\n" + GOOD)
    done = once("-T", "--changed", "-f", path)
    assert done.returncode == 0, done.stderr
    assert "workers" not in done.stdout and "log_level = debug" in done.stdout
    again.write_text(done.stdout)
    assert once("-T", "-f", again).stdout == once("-T", "-f", path).stdout
    assert once("--changed", "-f", path).returncode == 64


@pytest.mark.parametrize("line", [
    r"workers\s*=\s*8\b", r"queue_size\s*=\s*1024\b", r'queue_timeout\s*=\s*"?10s', r"max_connections\s*=\s*10000\b",
    r'when_full\s*=\s*"?wait', r'drain_timeout\s*=\s*"?30s', r'log_level\s*=\s*"?info', r'log_connections\s*=\s*"?all', r'log_format\s*=\s*"?text',
    r'mode\s*=\s*"?tcp', r"backlog\s*=\s*4096\b", r'idle_timeout\s*=\s*"?10m', r"half_close\s*=\s*false",
    r'linger_timeout\s*=\s*"?5s', r'keepalive\s*=\s*"?(60s|1m)', r'copy\s*=\s*"?auto', r'connect_timeout\s*=\s*"?5s',
    r"connect_attempts\s*=\s*3\b", r'resolve_interval\s*=\s*"?30s', r'upstream\s*=?\s*"?app', r"127\.0\.0\.1:1\b",
    r"127\.0\.0\.1:2\b",
])
def test_dump_shows_the_defaults(line, good_file):
    assert re.search(line, once("-T", "-f", good_file).stdout)


def test_dump_shows_what_was_set(tmp_path):
    path = tmp_path / "relayd.conf"
    path.write_text(config(["[::1]:81", "unix:/run/x.sock"], "unix:/run/y.sock", workers=3, when_full="reject",
                           idle_timeout="250ms", half_close=True, copy="splice", connect_timeout="1m"))
    dump = once("-T", "-f", path).stdout
    for line in (r"workers\s*=\s*3\b", r'when_full\s*=\s*"?reject', r'idle_timeout\s*=\s*"?250ms',
                 r"half_close\s*=\s*true", r'copy\s*=\s*"?splice', r'connect_timeout\s*=\s*"?1m', r"\[::1\]:81",
                 "unix:/run/x.sock", "unix:/run/y.sock"):
        assert re.search(line, dump), line


def test_run_without_a_file(relay, origin):
    listen = f"127.0.0.1:{free_port()}"
    one = relay(arguments=["--listen", listen, "--proxy", origin(http).address], address=listen)
    assert curl(f"http://{one.address}/hi") == b"/hi\n"
    assert one.only_record().end in ("CE", "SE")


def test_without_a_file_the_mode_is_http(relay):
    listen = f"127.0.0.1:{free_port()}"
    one = relay(arguments=["--listen", listen, "--proxy", f"127.0.0.1:{free_port()}"], address=listen)
    assert connect(one).get().status == 502


@pytest.fixture
def turn():
    """For the one fixed port: suites that run side by side take turns."""
    with open(__file__, encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_without_a_file_it_listens_on_8080(turn, relay, origin):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", 8080))
        except OSError:
            pytest.skip("port 8080 is in use on this machine, and the default cannot be tried elsewhere")
    relay(arguments=["--proxy", origin(http).address], address="127.0.0.1:8080")
    assert curl("http://127.0.0.1:8080/x") == b"/x\n"


def test_an_address_in_use(origin):
    taken = origin(echo)
    done = once("--listen", taken.address, "--proxy", "127.0.0.1:1")
    assert done.returncode == 69
    assert taken.address in done.stderr
    assert "in use" in done.stderr


def test_an_address_that_is_not_ours():
    done = once("--listen", "192.0.2.1:7070", "--proxy", "127.0.0.1:1")
    assert done.returncode in (69, 71)
    assert "192.0.2.1:7070" in done.stderr


def test_it_tells_the_service_manager(relay, origin):
    one = relay(origin(echo))
    one.wait_notified("STATUS=")
    one.term()
    one.wait_notified("STOPPING=1")
    assert one.wait_exit() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_asked(relay, origin, number):
    one = relay(origin(echo))
    one.signal(number)
    assert one.wait_exit() == 0


def test_hangup_does_not_stop_it(relay, origin):
    one = relay(origin(http))
    one.signal(signal.SIGHUP)
    one.wait_log(r"(?i) (notice|warning) .*(reload|HUP)")
    assert connect(one).get("/still").body == b"/still\n"


def test_a_broken_pipe_does_not_kill_it(relay, origin):
    """A write to a client that is gone, or to a stderr that nobody reads, raises SIGPIPE."""
    one = relay(origin(http))
    one.signal(signal.SIGPIPE)
    assert connect(one).get("/still").body == b"/still\n"


def test_every_line_of_the_log_has_time_and_level(relay, origin):
    one = relay(origin(http))
    with connect(one) as client:
        client.get()
    one.record(client)
    one.term()
    one.wait_exit()
    assert one.lines
    for line in one.lines:
        assert line.level, line.raw
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z ", line.raw), line.raw


def test_every_thread_has_a_name(relay, origin):
    one = relay(origin(echo), workers=3)
    with connect(one) as client:
        client.send(b"x").read(1)
        # A thread names itself when it first runs, which a loaded machine may put off; the thread sanitizer has one of its own.
        own = 2 if SANITIZER == "thread" else 1
        until(lambda: one.thread_names().count("relayd") <= own, "every thread but the main one has named itself")
        assert len(set(one.thread_names())) >= 4, one.thread_names()


NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]


@pytest.fixture
def as_nobody(short_path):
    """as_nobody(text, word, ...): what relayd has to say of this file, as a user without rights."""
    short_path.chmod(0o755)
    file = short_path / "relayd.conf"

    def run_it(text, *words):
        file.write_text(text)
        file.chmod(0o644)
        return once(*words, "-f", file, wrap=NOBODY)
    return run_it


def listening_on(address):
    return config(address, "127.0.0.1:1", keeper="off")


@pytest.mark.parametrize("address", ["127.0.0.1:81", "unix:/usr/web.sock"])
def test_a_start_that_is_forbidden(as_nobody, address):
    done = as_nobody(listening_on(address))
    assert done.returncode == 77, done.stderr
    assert address in done.stderr
    assert ("CAP_NET_BIND_SERVICE" if "127" in address else "write in that directory") in done.stderr


@pytest.mark.parametrize("address", ["systemd", "unix:/etc/passwd/web.sock"])
def test_a_start_that_will_never_succeed(tmp_path, address):
    (tmp_path / "relayd.conf").write_text(listening_on(address))
    assert once("-f", tmp_path / "relayd.conf").returncode == 78


@pytest.mark.parametrize("one,other", [("0.0.0.0", "127.0.0.1"), ("", "[::1]"), ("[::]", "[::1]"), ("[::ffff:0.0.0.0]", "127.0.0.1")])
def test_addresses_that_cannot_be_had_together(tmp_path, one, other):
    """The check warns of them, and a start is not tried again."""
    port = free_port()
    (tmp_path / "relayd.conf").write_text(listening_on([f"{other}:{port}", f"{one}:{port}"]))
    done = once("-t", "-f", tmp_path / "relayd.conf")
    assert (done.returncode, done.stderr.count("warning")) == (0, 1)
    assert f"relayd.conf:2: warning: address {other}:{port} overlaps with {one}:{port}" in done.stderr
    done = once("-f", tmp_path / "relayd.conf")
    assert done.returncode == 78 and "overlaps" in done.stderr


def told(tmp_path, text):
    """What -t warns of, and how a start with it ends and what it says."""
    path = tmp_path / "relayd.conf"
    path.write_text(text)
    done, started = once("-t", "-f", path), once("-f", path)
    return done.returncode, [line.split(": ", 1)[1] for line in done.stderr.splitlines()], started


@pytest.mark.parametrize("page", ["127.0.0.1", "", "localhost"])
@pytest.mark.parametrize("web", ["", "127.0.0.1"])
def test_a_status_page_where_a_listener_is(tmp_path, page, web):
    """The check warns, as far as it is no error; the start says that it is relayd itself."""
    port = free_port()
    one, other = f"{page}:{port}", f"{web}:{port}"
    text = listening_on(other) + f'status {{ address = "{one}" }}\n'
    code, warnings, started = told(tmp_path, text)
    if page == web:
        assert code == 78 and f"status: address {one} is listened on twice" in warnings[0]
        return
    assert code == 0 and "relayd cannot listen on both." in warnings[0]
    assert one in warnings[0] and other in warnings[0]
    assert started.returncode != 0 and "the status section of relayd itself has an address that overlaps" in started.stderr


def test_one_path_of_two_sockets(tmp_path, short_path):
    """However it is spelled."""
    folder, name, link = str(short_path), "a", f"{short_path}/l"
    first = f"{folder}/{name}"
    os.symlink(folder, link)

    def text(*paths, **options):
        return config([f"unix:{path}" for path in paths], "127.0.0.1:1", **{"keeper": "off", **options})
    for other in (f"{folder}/./{name}", f"{folder}//{name}"):
        code, errors, _ = told(tmp_path, text(first, other))
        assert code == 78 and f"address unix:{other} is listened on twice; the first is on line" in errors[0]
    for other in (f"{folder}/../{os.path.basename(folder)}/{name}", f"{link}/{name}"):
        code, warnings, started = told(tmp_path, text(first, other))
        assert code == 0 and f"address unix:{other}: it overlaps with unix:{first} of listener web" in warnings[0]
        assert started.returncode == 78 and "by another path to the same file" in started.stderr
    for option in ("control", "keeper"):
        code, errors, _ = told(tmp_path, text(first, **{option: f"{folder}/./{name}"}))
        assert code == 78 and f"address unix:{first} is listened on twice; the first is on line" in errors[0]
    code, errors, _ = told(tmp_path, text(f"{first}.x", control=first, keeper=first))
    assert code == 78 and f"control {first} is listened on twice" in errors[0]


def test_a_name_of_an_address_that_is_taken(tmp_path):
    port = free_port()
    code, warnings, started = told(tmp_path, listening_on([f"localhost:{port}", f"127.0.0.1:{port}"]))
    assert code == 0 and f"address 127.0.0.1:{port}: it overlaps with localhost:{port} of listener web" in warnings[0]
    assert started.returncode == 78 and "overlaps" in started.stderr


@pytest.mark.parametrize("address, why", [
    ("192.0.2.77:80", "this machine has no such address now; relayd does not start before it is there: if it comes later, set "
     "ip_freebind = true."),
    ("[2001:db8::7]:80", "this machine has no such address now; "),
    ("unix:/nowhere/web.sock", "this user may not write there, or there is no such directory."),
], ids=["ipv4", "ipv6", "unix"])
def test_an_address_that_cannot_be_had(tmp_path, address, why):
    code, warnings, started = told(tmp_path, listening_on(address))
    assert code == 0 and len(warnings) == 1 and f"address {address}: {why}" in warnings[0]
    assert started.returncode in (69, 78) and address in started.stderr


def test_a_name_that_nobody_knows(tmp_path):
    code, warnings, _ = told(tmp_path, listening_on("no-such-host.invalid:80"))
    assert code == 0 and len(warnings) == 1 and "no-such-host.invalid:80" in warnings[0] and "start" in warnings[0]


def test_a_server_that_is_relayd_by_an_address_of_this_machine(tmp_path):
    """Not loopback, which is an error."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        own = probe.getsockname()[0]
    path = tmp_path / "relayd.conf"
    path.write_text(config(":8080", f"{own}:8080"))
    assert "server a is listener web of this relayd itself, since this machine has its address" in once("-t", "-f", path).stderr
    path.write_text(config(":8080", f"{own}:8081"))
    assert "itself" not in once("-t", "-f", path).stderr


def test_addresses_that_can_be_had_together(relay, origin):
    port = free_port()
    text = [f"[::ffff:127.0.0.1]:{port}", f"127.0.0.2:{port}", f":{port}"]
    one = relay(origin(echo), address=text, keeper="off")
    assert once("-t", "-f", one.file).stderr == ""
    for address in (f"127.0.0.1:{port}", f"127.0.0.2:{port}", f"[::1]:{port}"):
        with connect(address) as peer:
            assert peer.send(b"x").read(1) == b"x"


def test_a_name_of_ipv4_beside_every_address(relay, origin, hosts):
    port = free_port()
    hosts.set("127.0.0.1 own.test")
    one = relay(origin(echo), address=[f":{port}", f"own.test:{port}"], wrap=hosts.wrap)
    for address in (f"127.0.0.1:{port}", f"[::1]:{port}"):
        with connect(address) as peer:
            assert peer.send(b"x").read(1) == b"x"
    one.reload(one.server, workers=3)


@pytest.mark.parametrize("address", ["192.0.2.1:8080", "unix:/run/not-yet-there/web.sock", "unix:/etc", "unix:/etc/passwd"])
def test_a_start_that_may_succeed_later(tmp_path, address):
    (tmp_path / "relayd.conf").write_text(listening_on(address))
    assert once("-f", tmp_path / "relayd.conf").returncode == 69


def test_check_warns_of_a_control_socket_that_cannot_be_made(as_nobody, tmp_path):
    text = listening_on(f"127.0.0.1:{free_port()}")
    for path in ("/etc/relayd.sock", "/nowhere/relayd.sock"):
        done = as_nobody(f"control = {path}\n{text}", "--check")
        assert done.returncode == 0
        assert f"relayd.conf:1: warning: control {path}: this user may not write there" in done.stderr
        assert done.stderr.count("warning") == 1


def test_check_warns_of_a_port_that_this_user_may_not_have(as_nobody, tmp_path):
    done = as_nobody(listening_on(["127.0.0.1:81", f"127.0.0.1:{free_port()}"]), "--check")
    assert done.returncode == 0
    assert "warning: address 127.0.0.1:81: this user may not listen on port 81" in done.stderr
    assert done.stderr.count("warning") == 1
    (tmp_path / "relayd.conf").write_text(listening_on("127.0.0.1:81"))
    assert once("--check", "-f", tmp_path / "relayd.conf").stderr == ""
