"""relayd is killed at random moments, again and again, and no connection that was established is any the worse for it."""

import threading

import pytest

import servers
from client import close_all, connect, connect_many, run
from keeper import KILLS, Meeting, seeded, storm
from origin import echo, pattern
from peer import EOF, RESET
from settings import DEADLINE, SCALE, secs, some, until
from streams import NONE, SLOW, Streams, totals
from ws import BINARY, CLOSE, frame, read_frame, upgrade, websocket

pytestmark = pytest.mark.timeout(6 * DEADLINE + 2 * SCALE * KILLS)


def survived(one, connections):
    """Each start has taken them all."""
    told = one.adopted()
    assert set(told) == {(connections, 0)}, told   # (some of the lines were lost with their processes)


def true_totals(one, streams, complete=True):
    """One record for each connection, over all lives of relayd, with all the bytes that there were. Where connections end
    while relayd is killed, the last lines of its log may be lost with it: then not complete."""
    wanted = totals(streams)
    if complete:
        one.wait_records(len(wanted))
    records = one.records()
    told = {record.client: (record.bytes_up, record.bytes_down) for record in records}
    assert len(records) == len(told) and len({record.conn for record in records}) == len(records)
    assert told == {client: wanted[client] for client in told}
    assert len(told) == len(wanted) or not complete


# Streams


def test_streams_both_ways(revived, meeting):
    one = revived(meeting)
    streams = Streams(meeting.pairs(one, some(64)))
    with seeded() as dice:
        storm(one, dice)
        streams.wait_flowing()
        streams.finish()
    survived(one, some(64))
    true_totals(one, streams)


def test_a_slow_client_and_a_slow_server(revived, meeting):
    """Everything on the way is full, pipes too, whenever relayd is killed."""
    one = revived(meeting)
    streams = Streams(meeting.pairs(one, some(24), receive_buffer=1 << 16), pace=(SLOW, SLOW))
    with seeded() as dice:
        storm(one, dice)
        streams.wait_flowing()
        streams.finish()
    survived(one, some(24))
    true_totals(one, streams)


def test_nobody_reads_until_the_end(revived, meeting):
    one = revived(meeting)
    streams = Streams(meeting.pairs(one, some(24), receive_buffer=1 << 16), pace=(NONE, NONE))
    with seeded() as dice:
        storm(one, dice)
        streams.finish()
    survived(one, some(24))
    true_totals(one, streams)


@pytest.mark.parametrize("ended", ["client", "server"])
def test_half_closed(revived, meeting, ended):
    """One side has ended its data, and what the other side sends goes on, for as long as it likes."""
    one = revived(meeting, half_close=True)
    streams = Streams(meeting.pairs(one, some(24)), ends_with_the_other=False)
    streams.wait_flowing()
    for end in streams.clients if ended == "client" else streams.servers:
        streams.later(end, 0, end.shut)
    streams.wait_flowing()
    with seeded() as dice:
        storm(one, dice)
        streams.wait_flowing()
        streams.finish()
    survived(one, some(24))
    true_totals(one, streams)


@pytest.mark.parametrize("way", ["shut", "close"])
@pytest.mark.parametrize("who", ["clients", "servers"])
def test_ends_under_way(revived, meeting, who, way):
    """Streams that end one after the other while relayd is killed: the end comes after the last byte, never before."""
    one = revived(meeting, linger_timeout="1h")
    kills = max(1, KILLS // 2)
    streams = Streams(meeting.pairs(one, 4 * min(kills, 60)), up=who == "clients", down=who == "servers")
    waiting = list(getattr(streams, who))
    rate = -(-len(waiting) // kills)

    def each(_):
        for end in [waiting.pop() for _ in range(min(rate, len(waiting)))]:
            streams.later(end, dice.uniform(0, 0.15), getattr(end, way))
    with seeded() as dice:
        storm(one, dice, kills, going=lambda: waiting, each=each)
        streams.finish()
    assert {lost for _, lost in one.adopted()} == {0}
    true_totals(one, streams, complete=False)


@pytest.mark.parametrize("pace", [None, SLOW])
def test_resets_under_way(revived, meeting, pace):
    """One side resets in the middle of a transfer while relayd is killed: the other is reset, and never shown an end."""
    one = revived(meeting)
    kills = max(1, KILLS // 2)
    options = {"pace": (pace, pace)} if pace else {}
    streams = Streams(meeting.pairs(one, 4 * min(kills, 30)), **options)
    waiting = list(streams.clients)
    rate = -(-len(waiting) // kills)

    def each(_):
        for end in [waiting.pop() for _ in range(min(rate, len(waiting)))]:
            end = dice.choice([end, end.other])
            streams.later(end, dice.uniform(0, 0.15), end.abort)
    with seeded() as dice:
        storm(one, dice, kills, going=lambda: waiting, each=each)
        streams.hurry()
        streams.wait_ended()
        streams.finish()
    records = one.records()
    assert {record.end for record in records} <= {"CR", "SR"}
    assert len({record.client for record in records}) == len(records)


def test_unix_sockets(revived, short_path):
    """They survive as well, and come to their end in order."""
    meeting = Meeting(path=short_path / "server")
    one = revived(meeting, address=f"unix:{short_path}/web")
    streams = Streams(meeting.pairs(one, some(16)))
    with seeded() as dice:
        storm(one, dice, max(1, KILLS // 4))
        streams.wait_flowing()
        streams.finish()
    assert {told for told in one.adopted()} == {(some(16), 0)}
    meeting.stop()


# Questions and answers


def test_idle_connections(revived, meeting):
    """They stand still when relayd is killed, and work as soon as it is there again."""
    one = revived(meeting)
    pairs = meeting.pairs(one, some(50))

    def each(number):
        for client, server in pairs:
            client.send(b"%d?" % number)
            server.send(b"%d!" % number)
        for client, server in pairs:
            assert server.read_to(b"?") == b"%d?" % number
            assert client.read_to(b"!") == b"%d!" % number
    with seeded() as dice:
        storm(one, dice, each=each)
        each(KILLS)
    for client, server in pairs:
        client.shut()
        assert server.shut().read_end() == (b"", EOF)
        assert client.read_end() == (b"", EOF)
    survived(one, len(pairs))


def test_websocket_echoes(revived, origin):
    """In mode tcp. (One of mode http is reset by a kill, and waited for at a restart: test_79_keeper_http.py.)"""
    server = origin(websocket)
    one = revived(server)
    clients = connect_many(one, some(100))
    for client in clients:
        upgrade(client)
    over = threading.Event()
    failures = []
    echoes = []

    def chat(client, number):
        size = 0
        try:
            while not over.is_set():
                size = (size * 31 + number * 1009 + 1) % 40000
                client.send(frame(BINARY, pattern(size), True))
                assert read_frame(client) == (BINARY, pattern(size))
                echoes.append(number)
                over.wait(0.05)
            client.send(frame(CLOSE, b"\x03\xe8", True))
            assert read_frame(client) == (CLOSE, b"\x03\xe8")
            assert client.read_end() == (b"", EOF)
        except Exception as error:
            failures.append((number, error))
    threads = [threading.Thread(target=chat, args=(client, number), daemon=True) for number, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    with seeded() as dice:
        storm(one, dice)
        over.set()
        for thread in threads:
            thread.join()
        assert not failures
    assert set(echoes) == set(range(len(clients)))
    survived(one, len(clients))
    assert len(one.wait_records(len(clients))) == len(clients)


def test_postgres_pgbench(revived, server):
    postgres = server(servers.Postgres)
    one = revived(postgres)
    where = ["-h", "127.0.0.1", "-U", "postgres"]
    run("pgbench", "-i", "-q", "-s", 1, *where, "-p", postgres.port, "postgres")
    done = []
    seconds = max(3, round(KILLS * secs(0.2)))

    def bench():
        done.append(run("pgbench", "-c", 20, "-j", 2, "-T", seconds, *where, "-p", one.port, "postgres", text=True,
                        timeout=seconds + 4 * DEADLINE).stdout)
    thread = threading.Thread(target=bench, daemon=True)
    thread.start()

    def sessions():
        """As the server counts them: who was accepted but not yet relayed would be lost."""
        return int(run("psql", "-AtX", *where, "-p", postgres.port, "postgres", "-c",
                       "select count(*) from pg_stat_activity where application_name = 'pgbench'", text=True).stdout)
    until(lambda: not thread.is_alive() or sessions() >= 20, "20 sessions begin", pause=0.1)
    with seeded() as dice:
        storm(one, dice, max(1, KILLS // 2), going=thread.is_alive)
        thread.join()
        assert done, "pgbench failed; its output is above"
    assert "number of failed transactions: 0 " in done[0], done[0]
    assert {lost for _, lost in one.adopted()} == {0}


def test_connections_that_open_and_close(revived, origin):
    """Each is served, every byte of it, or reset before a byte was answered; then none of its bytes reached a server."""
    asked = set()

    def script(peer):
        try:
            line = peer.read_to(b"\n")
        except AssertionError:
            return   # it was dialled for a client that was then reset
        asked.add(line)
        peer.send(line + pattern(int(line) % 60000))
    one = revived(origin(script), workers=4)
    over = threading.Event()
    failures, served, reset = [], [], []

    def visit(first):
        number = first
        while not over.is_set():
            number += 100
            line = b"%d\n" % number
            try:
                with connect(one) as client:
                    try:
                        client.send(line)
                    except (ConnectionResetError, BrokenPipeError):
                        reset.append(line)
                        continue
                    got, how = client.read_end()
                if (got, how) == (b"", RESET):
                    reset.append(line)
                elif (got, how) == (line + pattern(number % 60000), EOF):
                    served.append(line)
                else:
                    failures.append((line, len(got), how))
            except OSError as error:
                failures.append((line, error))
    threads = [threading.Thread(target=visit, args=(first,), daemon=True) for first in range(8)]
    for thread in threads:
        thread.start()
    with seeded() as dice:
        storm(one, dice)
        over.set()
        for thread in threads:
            thread.join()
        assert not failures, failures[:10]
        assert not asked & set(reset), "a server has seen what a client that was reset has sent"
        assert len(served) > KILLS, (len(served), len(reset))
        assert not any(lost for _, lost in one.adopted())
    print(f"{len(served)} served, {len(reset)} reset")


def test_a_crowd_comes_while_relayd_is_away(revived, origin):
    """The listening sockets are held too: nobody is refused, and those who wait are served by the next relayd."""
    one = revived(origin(echo))
    for how in range(3):
        one.kill()
        clients = connect_many(one, some(50))
        for client in clients:
            client.send(b"%d" % how)
        one.again()
        for client in clients:
            assert client.read(1) == b"%d" % how
        close_all(clients)
    assert one.adopted()
