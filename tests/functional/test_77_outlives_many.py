"""Thousands of connections with TLS outlive relayd, and none of them stands still for long."""

import os
import re
import resource
import signal

import pytest

import servers
from keeper import main_scheduled
from outlives import SUITES, Lives
from settings import DEADLINE, LONG, SANITIZER, free_port, some, until
from tls import Site
from web import ask, get

pytestmark = pytest.mark.timeout(12 * DEADLINE)

KINDS = [("client", SUITES[0]), ("both", SUITES[1])]
ROOM = "workers = 8\nmax_connections = 10000\n"
#: How often relayd ends in each way. Of what takes time the least counts, and not the time that others had the processors.
LIVES = 3
#: Seconds from the start until relayd is ready, and for how long connections stand still.
MOMENT = 0.3
#: Seconds of processors that its end may take for a connection, when it leaves them; or, where that takes longer since others
#: have the processors, in times of what the start takes: both grow then.
LEAVING, LEAVING_TO_START = 0.0002, 4
WAYS = (signal.SIGKILL, signal.SIGTERM)


@pytest.fixture
def count():
    """3,000, if there are descriptors for so many: a test has both ends of each."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return min(some(3000 if LONG else 500), (limit - 2000) // 600 * 100)


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def cpu_of(pid):
    """Seconds, of all threads."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        words = stat.read().rsplit(") ", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def cpu_of_ended():
    """Seconds, of children that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def told_pause(one):
    """The longest one that the last start has told, in seconds."""
    line = [line.text for line in one.all_lines() if line.text.startswith("Adopted ")][-1]
    number, unit = re.search(r" and ([\d.]+) (m?s) at most", line).groups()
    return float(number) / (1000 if unit == "ms" else 1)


def outlive(one, count, how):
    """One life ends so, another begins. Seconds: until it was ready, the pause, both less what main waited for a processor;
    the work of the end, and that of the start."""
    starts, before = len(one.adopted()), cpu_of_ended() + cpu_of(one.pid)
    one.kill(how)
    ending = cpu_of_ended() - before
    ready = one.again()
    worked, waited = main_scheduled(one)
    assert one.wait_adopted(starts + 1)[-1] == (count, 0)
    paused = told_pause(one)
    print(f"{how.name}: {count} adopted, ready in {ready:.3f} s ({worked:.3f} worked, {waited:.3f} waited for a processor); they "
          f"paused for {paused:.3f} s; the end took {ending:.3f} s of processors; load {os.getloadavg()[0]:.0f}")
    until(lambda: len(os.listdir(f"/proc/{one.pid}/task")) > 2 * count, "all have their threads")
    return ready - waited, paused - waited, ending, worked


def outlive_in_each_way(one, count, answer):
    """answer: looks whether each still answers."""
    for how in WAYS:
        ready, paused, ending, worked = map(min, zip(*(outlive(one, count, how) for _ in range(LIVES))))
        answer()
        if not SANITIZER:
            assert ready < MOMENT
            assert paused < MOMENT or how == signal.SIGTERM   # when thousands of threads have waited for a processor, too
            assert ending < max(LEAVING * count, LEAVING_TO_START * worked)


def test_thousands_of_streams(site, short_path, count):
    """They are silent for a while, when relayd ends."""
    lives = Lives(site, short_path, KINDS, ROOM)
    try:
        streams = [lives.open(KINDS[number % 2]) for number in range(count)]
        lives.wait_held()

        def answer():
            for stream in streams:
                for end in stream.ends:
                    end.line.send(b"four")
                    assert end.other.line.recv() == b"four", str(stream)
        outlive_in_each_way(lives.one, count, answer)
    finally:
        lives.close()


def test_thousands_of_clients_between_two_requests(revived, keeper, server, site, count):
    nginx = server(servers.Patient, most=count)
    address = f"127.0.0.1:{free_port()}"
    one = revived(address=address, text=f'{ROOM}keeper = "{keeper.path}"\non_term = leave\n'
                  f'listener web {{\n    address = "{address}"\n    upstream = app\n    mode = http\n    keepalive_timeout = 1h\n'
                  f'    head_timeout = 1h\n'
                  f'{site.section()}}}\nupstream app {{ server a {{ address = "{nginx.address}" }} }}\n')
    context = site.context()
    clients = [site.connect(one, context=context) for _ in range(count)]

    def answer():
        for client in clients:
            assert ask(client, get()).status == 200
    answer()
    keeper.wait_held(count)
    outlive_in_each_way(one, count, answer)
    for client in clients:
        client.close()
