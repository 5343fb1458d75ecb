"""relayctl check: of a server, now; and whether the file is what runs."""

import json
import subprocess
import threading

import pytest

from client import connect
from control import RELAYCTL, asked, relayctl
from fleet import site
from origin import echo, http, sends
from relay import environment
from settings import DEADLINE, free_port, ms

NO_BODY = "Content-Length: 0\r\n"


def check(at, server, status=0):
    """What it says as JSON."""
    return json.loads(relayctl("-s", at, "--json", "check", server, status=status))


def test_a_connect_where_there_is_no_check(relay, origin, at):
    server = origin(echo)
    site(relay, {"a": server, "b": f"127.0.0.1:{free_port()}"}, top=f'control = "{at}"\n')
    assert relayctl("-s", at, "check", "app/a").startswith(f"app/a ({server.address}): good, in ")
    found = check(at, "app/a")
    assert (found["good"], found["health_check"], found["addresses"][0]["outcome"]) == (True, False, "good")
    assert found["addresses"][0]["took_us"] > 0
    said = relayctl("-s", at, "check", "app/b", status=1)
    assert "failed, in " in said and "Connection refused" in said
    assert "the upstream has no health_check" in said


def test_the_configured_check(relay, origin, at):
    site(relay, {"a": origin(http), "b": origin(sends(b"nonsense\r\n\r\n"))}, top=f'control = "{at}"\n',
         check={"type": "http", "interval": "1h", "timeout": "20s"})
    assert check(at, "app/a")["health_check"]
    found = check(at, "app/b", status=1)
    assert not found["good"] and found["addresses"][0]["outcome"] == "bad" and found["addresses"][0]["why"]


def test_it_changes_nothing(relay, origin, at):
    port = free_port()
    one = site(relay, {"a": f"127.0.0.1:{port}"}, top=f'control = "{at}"\n', max_fails=1, fail_timeout="1h")
    for _ in range(3):
        check(at, "app/a", status=1)
    state = json.loads(relayctl("-s", at, "--json", "servers"))[0]
    assert (state["state"], state["failed"], state["failed_min"]) == ("up", 0, 0)
    server = origin(echo, port=port)
    with connect(one) as client:
        assert client.send(b"x").read(1) == b"x"
    assert server.accepted == 1
    one.wait_log("A check of app/a: by ")


def test_a_silent_server_takes_the_timeout(relay, full_origin, origin, at):
    site(relay, {"x": full_origin, "a": origin(echo)}, top=f'control = "{at}"\n', connect_timeout=ms(300))
    found = check(at, "app/x", status=1)["addresses"][0]
    assert found["outcome"] == "bad" and "no answer in" in found["why"] and found["took_us"] >= 300000
    assert check(at, "app/a")["good"]


def test_so_many_at_a_time(relay, full_origin, at):
    """And meanwhile others are answered."""
    site(relay, {"x": full_origin}, top=f'control = "{at}"\n', connect_timeout=ms(3000))
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(asked(at, "/check?server=app/x", "POST", NO_BODY)[0])) for _ in range(6)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert asked(at, "/status")[0] == 200
        threads[0].join(0.05)
    assert sorted(answers) == [200] * 4 + [503] * 2


def test_a_stop_waits_for_none(relay, full_origin, at):
    one = site(relay, {"x": full_origin}, top=f'control = "{at}"\n', connect_timeout="10m")
    with subprocess.Popen([RELAYCTL, "-s", at, "check", "app/x"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          env=environment()) as asking:
        one.wait_log("A check of app/x: by ")
        one.finish()
        assert asking.wait(DEADLINE) != 0


@pytest.mark.parametrize("server", ["app/none", "app", "/", "app/", "none/a"])
def test_nonsense_is_refused(relay, origin, at, server):
    site(relay, {"a": origin(echo)}, top=f'control = "{at}"\n')
    relayctl("-s", at, "check", server, status=1)


def test_whether_the_file_is_what_runs(relay, origin, at):
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\n')
    assert relayctl("-s", at, "check") == f"{one.file} is good, and what runs.\n"
    good = one.file.read_text()
    one.write_conf(text=good + "# a comment\n")
    assert relayctl("-s", at, "check") == f"{one.file} is good, and what runs.\n"
    one.write_conf(text=good.replace("server a {", "server a { weight = 7"))
    assert relayctl("-s", at, "check") == f"{one.file} is good, and differs from what runs: relayctl reload.\n"
    relayctl("-s", at, "reload")
    assert relayctl("-s", at, "check") == f"{one.file} is good, and what runs.\n"


def test_a_keeper_that_awaits_a_restart(relay, origin, at, short_path):
    """The file is what was loaded, and yet not all of it is in force."""
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\nkeeper = off\n')
    good = one.file.read_text()
    one.write_conf(text=good.replace("keeper = off", f'keeper = "{short_path}/k"'))
    waits = f"keeper = {short_path}/k is in force once relayd is restarted.\n"
    assert relayctl("-s", at, "check").endswith(f"differs from what runs: relayctl reload.\n{waits}")
    relayctl("-s", at, "reload")
    one.wait_log(f"keeper = {short_path}/k will be in force once relayd is restarted")
    assert relayctl("-s", at, "check") == f"{one.file} is good, and what runs.\n{waits}"
    one.write_conf(text=good)
    relayctl("-s", at, "reload")
    assert relayctl("-s", at, "check") == f"{one.file} is good, and what runs.\n"
    assert one.log.count("once relayd is restarted") == 1

