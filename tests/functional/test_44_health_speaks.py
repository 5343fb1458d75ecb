"""Health checks that speak the server's protocol: what scripted servers say, and real ones."""

import socket
import struct
import threading

import pytest

import servers
from client import connect, run
from fleet import site
from origin import sends
from peer import EOF
from settings import ms, until

QUICK = {"interval": ms(20), "timeout": "5s", "rise": 1, "fall": 1}
PATIENT = {**QUICK, "interval": ms(300)}  # for servers that have something to say after the verdict
SHORT = {**QUICK, "timeout": ms(100)}
SALT = b"saltsalt\0" + b"\xff\xf7\x21\2\0\xff\x81\x15" + bytes(10) + b"salt5678salt\0mysql_native_password\0"


def packet(number, body):
    return struct.pack("<I", len(body))[:3] + bytes([number]) + body


def error(code, text, number=2):
    return packet(number, b"\xff" + struct.pack("<H", code) + text)


GREETING = packet(0, b"\x0a10.11.6-MariaDB\0" + bytes(4) + SALT)
OK = packet(2, b"\0\0\0\2\0\0\0")
DENIED = error(1045, b"#28000Access denied for user 'relayd'")
SWITCH = packet(2, b"\xfecaching_sha2_password\0saltsaltsaltsaltsalt\0")


def told(peer, mark):
    """What comes up to the mark; or less, if relayd stops meanwhile."""
    try:
        return peer.read_to(mark)
    except AssertionError:
        return None


def read_packet(peer):
    length = int.from_bytes(peer.read(4)[:3], "little")
    return peer.read(length)


class MySql:
    """Answers each login with this; logins: the users. Whoever leaves before that is counted, as MySQL counts."""

    def __init__(self, *answers, greeting=GREETING):
        self.answers, self.greeting = answers, greeting
        self.users, self.interrupted = [], 0

    def __call__(self, peer):
        for byte in self.greeting:
            peer.send(bytes([byte]))
        try:
            login = read_packet(peer)
            for number, answer in enumerate(self.answers):
                if number:
                    read_packet(peer)
                peer.send(answer)
        except (AssertionError, OSError):
            self.interrupted += 1
            return None
        self.users.append(login[32:].split(b"\0")[0])
        if self.answers[-1] is not OK:
            peer.shut()
        return peer.ending()


@pytest.mark.parametrize("answers", [[DENIED], [OK], [SWITCH, error(1045, b"#28000no", 4)]],
                         ids=["denied", "let in", "another plugin"])
def test_a_mysql_server_hears_a_whole_login(relay, origin, answers):
    """It is up, and nobody leaves it in the middle."""
    mysql = MySql(*answers)
    asked = origin(mysql)
    one = site(relay, {"a": asked}, check={**QUICK, "type": "mysql", "user": "watch"})
    assert [asked.result() for _ in range(5)] == [EOF] * 5
    assert set(mysql.users) == {b"watch"}
    assert mysql.interrupted == 0
    assert "is down" not in one.log


@pytest.mark.parametrize("kind, script, reason", [
    ("mysql", sends(error(1129, b"Host '127.0.0.1' is blocked", 0)), "the answer is error 1129 .it has blocked this host"),
    ("mysql", sends(b"220 mail ESMTP\r\n"), "the answer is not that of MySQL"),
    ("mysql", sends(GREETING + OK), "the answer is not that of MySQL"),
    ("mysql", lambda peer: peer.send(GREETING) and peer.read_end(), "no answer in [0-9]+ms"),
    ("postgres", sends(b"E\0\0\0\x1cSFATAL\0C57P03\0Mstarts.\0\0"), "the answer is error 57P03 .it takes no connections now"),
    ("postgres", sends(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "the answer is not that of PostgreSQL"),
    ("redis", sends(b"-LOADING Redis is loading the dataset in memory\r\n"), "the answer is error LOADING"),
    ("redis", sends(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "the answer is not that of Redis"),
    ("redis", lambda peer: peer.read_end(), "no answer in [0-9]+ms"),
    ("smtp", sends(b"554-go away\r\n554 now\r\n"), "the greeting is 554"),
    ("smtp", sends(b"SSH-2.0-x\r\n"), "the answer is not SMTP"),
    ("smtp", lambda peer: peer.send(b"2" * 20000), "the greeting is longer than 16384 bytes"),
])
def test_what_is_no_good_answer(relay, origin, kind, script, reason):
    one = site(relay, {"a": origin(script)}, check={**SHORT, "type": kind})
    one.wait_log(f"app/a .* is down: {reason}")


def test_an_smtp_server_hears_quit(relay, origin):
    said = []

    def script(peer):
        peer.send(b"220-mail.example\r\n")
        peer.send(b"220 hello\r\n")
        said.append(told(peer, b"\n"))
        peer.send(b"221 bye\r\n")
        peer.shut()
        return peer.ending()
    asked = origin(script)
    one = site(relay, {"a": asked}, check={**PATIENT, "type": "smtp"})
    assert [asked.result() for _ in range(3)] == [EOF] * 3
    assert set(said) == {b"QUIT\r\n"}
    assert "is down" not in one.log


def test_who_answers_late_has_time_to_part(relay, origin):
    """The next check is due before the verdict, and the server still has a word to say after it."""
    def script(peer):
        peer.is_silent(0.35)
        peer.send(b"220 hello\r\n")
        peer.read_end()
        threading.Event().wait(0.05)  # it is a slow one
        peer.send(b"221 bye\r\n")
        peer.shut()  # fails after a reset
        return peer.ending()
    asked = origin(script)
    site(relay, {"a": asked}, check={**PATIENT, "type": "smtp"})
    assert [asked.result() for _ in range(2)] == [EOF] * 2


def test_what_is_sent_and_expected_can_be_said(relay, origin):
    """Bytes in, a pattern out; after a PROXY header, if servers get one."""
    heard = []

    def script(peer):
        heard.append(told(peer, b"\0\n"))
        for piece in (b"hel", b"lo 4", b"2\r\n", b"more"):
            peer.send(piece)
        return peer.ending()
    asked = origin(script)
    check = {**PATIENT, "type": "talk", "send": "ASK\\\\r\\\\x00\\\\n", "expect": "~^hello [0-9]+\\\\W"}
    one = site(relay, {"a": asked}, check=check, send_proxy="v1")
    assert [asked.result() for _ in range(3)] == [EOF] * 3
    assert set(heard) == {b"PROXY UNKNOWN\r\nASK\r\0\n"}
    assert "is down" not in one.log


@pytest.mark.parametrize("script, reason", [
    (lambda peer: peer.send(b"-ERR\x1b\r\n"), r'no expected answer before the connection was closed, but "-ERR\\x1b\\x0d\\x0a"'),
    (lambda peer: peer.send(b"+PON") and peer.read_end(), 'no expected answer in [0-9]+ms, but "\\+PON"'),
    (lambda peer: peer.send(b"x" * 5000) and peer.read_end(), 'no expected answer in 4096 bytes, but "x+..."'),
    (lambda peer: peer.read_end(), "no answer in [0-9]+ms"),
])
def test_what_is_not_expected(relay, origin, script, reason):
    one = site(relay, {"a": origin(script)}, check={**SHORT, "type": "talk", "expect": "+PONG"})
    one.wait_log(f"app/a .* is down: {reason}")


def answers_from(port, source):
    """What a client of that address hears first."""
    with socket.create_connection(("127.0.0.1", port), 5, source_address=(source, 0)) as sock:
        return sock.recv(4096)


def test_checks_do_not_lock_relayd_out(relay, server, hosts):
    """A MariaDB that blocks whoever came 100 times without a login: 200 checks of type mysql, and it still takes this machine.
    As many of type tcp, and it does not; which is told."""
    hosts.set("127.0.0.1 localhost", "127.0.0.2 relay.test")
    database = server(servers.MariaDb, wrap=hosts.wrap)
    often = {"interval": ms(10), "timeout": "20s", "rise": 1, "fall": 1}
    one = site(relay, {"a": database}, check={**often, "type": "mysql"}, source_address="127.0.0.2")
    until(lambda: database.denied() >= 200, "200 checks", 60)
    assert answers_from(database.port, "127.0.0.2")[4] == 10
    with connect(one) as client:
        assert client.recv()[4] == 10
    assert "is down" not in one.log
    one.finish()

    one = site(relay, {"a": database}, check={**often, "type": "mysql", "user": "known"}, source_address="127.0.0.2")
    text = one.file.read_text()
    one.write_conf(text=text.replace('type = "mysql"', "type = tcp").replace('user = "known"', ""))
    assert one.hup() == ""
    until(lambda: b"is blocked" in answers_from(database.port, "127.0.0.2"), "the host is blocked", 60)
    one.write_conf(text=text)
    assert one.hup() == ""
    one.wait_log("app/a .* is down: the answer is error 1129")


def redis_pings(database):
    with socket.create_connection(("127.0.0.1", database.port), 5) as sock:
        sock.sendall(b"INFO commandstats\r\n")
        text = sock.recv(65536).decode()
    return int(text.split("cmdstat_ping:calls=")[1].split(",")[0]) if "cmdstat_ping" in text else 0


def test_a_real_redis_is_up(relay, server):
    redis = server(servers.Redis)
    one = site(relay, {"a": redis}, check={**QUICK, "type": "redis"})
    until(lambda: redis_pings(redis) >= 5, "checks have come")
    assert "is down" not in one.log


def logs_connections(database):
    run("psql", "-h", "127.0.0.1", "-p", database.port, "-U", "postgres", "-c", "alter system set log_connections = on",
        "-c", "select pg_reload_conf()")


def test_a_real_postgres_is_up(relay, server):
    """Whether it knows the user or not; and it sees no connection that was lost."""
    postgres = server(servers.Postgres)
    one = site(relay, {"a": postgres}, check={**QUICK, "type": "postgres"})
    until(lambda: (postgres.directory / "output").read_bytes().count(b'role "relayd" does not exist') >= 3, "checks have come")
    text = one.file.read_text()
    logs_connections(postgres)
    one.write_conf(text=text.replace('type = "postgres"', "type = postgres user = postgres"))
    assert one.hup() == ""
    let_in = b"connection authorized: user=postgres database=postgres application_name=relayd"
    until(lambda: (postgres.directory / "output").read_bytes().count(let_in) >= 3, "checks have come")
    assert "is down" not in one.log
    said = (postgres.directory / "output").read_text()
    assert "EOF" not in said and "reset" not in said
    one.write_conf(text=text.replace('type = "postgres"', "type = redis"))
    assert one.hup() == ""
    one.wait_log("app/a .* is down: the connection was closed before an answer")
