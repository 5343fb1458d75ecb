"""What the control socket asks of main: reloads and checks of the file, with an answer; and what comes before a drain."""

import json
import os
import signal
import subprocess
import threading

import pytest

from client import close_all, connect
from control import RELAYCTL, asked, dialled, relayctl
from fleet import site
from origin import echo, sends
from peer import EOF
from relay import environment
from settings import DEADLINE, ms, until
from test_43_servers import answers
from web import ask, get, proxy, web


def fails(at, command):
    done = subprocess.run([RELAYCTL, "-s", at, command], capture_output=True, text=True, check=False, env=environment(),
                          timeout=DEADLINE)
    assert done.returncode == 1 and done.stdout == "", done
    return done.stderr


def test_reload_is_in_force_when_it_is_answered(relay, origin, at):
    one = site(relay, {"a": origin(sends(b"a"))}, top=f'control = "{at}"\n')
    text = one.file.read_text()
    for number in range(5):
        other = origin(sends(b"%d" % number))
        one.write_conf(text=text.replace("server a {", f'server b{number} {{ address = "{other.address}" }} server a {{ weight = 0'))
        assert relayctl("-s", at, "reload") == "The configuration was reloaded and is in force.\n"
        assert answers(one, 2) == {str(number): 2}
    one.wait_log("A reload: by ")


def test_a_refused_reload_says_why(relay, origin, at):
    one = site(relay, {"a": origin(sends(b"a"))}, top=f'control = "{at}"\n')
    good = one.file.read_text()
    one.write_conf(text=good.replace("address", "adress") + "nonsense = 1\n")
    said = fails(at, "reload")
    assert "adress" in said and "nonsense" in said
    assert answers(one, 2) == {"a": 2}
    assert said == fails(at, "check")
    one.write_conf(text=good)
    assert relayctl("-s", at, "check") == f"{one.file} is good, and what runs.\n"
    assert json.loads(relayctl("-s", at, "--json", "reload")) == {"good": True, "lines": []}


def test_check_changes_nothing_and_warns(relay, origin, at):
    one = site(relay, {"a": origin(sends(b"a"))}, top=f'control = "{at}"\n')
    one.write_conf(text=one.file.read_text().replace("server a {", "server a { weight = 0"))
    said = relayctl("-s", at, "check")
    assert "upstream app is drained: all its servers have weight 0" in said
    assert answers(one, 2) == {"a": 2}
    assert not [line for line in one.all_lines() if "Reloaded" in line.text]


def test_many_ask_at_once(relay, origin, at):
    one = site(relay, {"a": origin(sends(b"a"))}, top=f'control = "{at}"\n')
    codes = []

    def run(command):
        done = subprocess.run([RELAYCTL, "-s", at, command], capture_output=True, text=True, check=False, env=environment(),
                              timeout=DEADLINE)
        codes.append((done.returncode, done.stderr))
    threads = [threading.Thread(target=run, args=(command,)) for command in ("reload", "check") * 6]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert asked(at, "/status")[0] == 200   # nobody waits for them
        assert one.hup() == ""
    assert codes == [(0, "")] * 12


def test_who_goes_away_meanwhile_costs_nothing(relay, origin, at):
    one = site(relay, {"a": origin(sends(b"a"))}, top=f'control = "{at}"\n')
    gone = []
    for _ in range(10):
        gone.append(dialled(at))
        gone[-1].sendall(b"POST /reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    close_all(gone)
    relayctl("-s", at, "check")
    until(lambda: relayctl("-s", at, "reload").startswith("The configuration"), "it is answered")
    assert answers(one, 2) == {"a": 2}


def test_without_a_file_there_is_nothing_to_read(relay, origin, short_path):
    """And an answer all the same."""
    path = str(short_path / "c.sock")
    one = site(relay, {"a": origin(sends(b"a"))}, top=f'control = "{path}"\n')
    os.unlink(one.file)
    assert "there is no such file" in fails(path, "check")
    assert "there is no such file" in fails(path, "reload")


def test_lame_duck_time(relay, origin, at):
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\nlame_duck_time = 1h\ndrain_timeout = {ms(100)}\n')
    with connect(one) as client:
        assert client.send(b"x").read(1) == b"x"
        one.term()
        until(lambda: asked(at, "/ready")[0] == 503, "it is not ready")
        assert "relayd stops soon (lame_duck_time)" in relayctl("-s", at, "ready", status=1)
        assert "lame duck" in relayctl("-s", at, "status")
        one.wait_notified("STATUS=Not ready, and serving until ")
        assert client.send(b"y").read(1) == b"y"
        with connect(one) as other:
            assert other.send(b"z").read(1) == b"z"   # clients are served
        one.term()
        client.ending()
    assert one.wait_exit() == 0
    one.wait_log("Asked again: stopping at once")


def asks_in_vain(one, at, path):
    """A stop is under way: whoever asks for a reload is told so, and so is the log; what logrotate has renamed is left alone."""
    with connect(one) as client:
        assert ask(client, get("/a")).status == 200
        until(lambda: path.exists() and "/a " in path.read_text(), "it is in the file")
        one.term()
        one.wait_log("Stopping")
        path.rename(path.with_suffix(".1"))
        one.signal(signal.SIGHUP)
        one.wait_log("The reload was refused, and the configuration in force stays: relayd stops. "
                     "The relayd that is started next reads the file.")
        assert ask(client, get("/b")).status == 200
        until(lambda: path.exists() and "/b " in path.read_text(), "it is in the new file")
        assert "relayd stops" in fails(at, "reload") and "relayd stops" in fails(at, "check")
        one.term()
    assert one.wait_exit() == 0


@pytest.mark.parametrize("top", ["lame_duck_time = 1h", "drain_idle = 1h\ndrain_timeout = 1h"], ids=["lame", "drain"])
def test_a_reload_while_it_stops(relay, origin, at, tmp_path, top):
    path = tmp_path / "access.log"
    one = proxy(relay, web(origin), top=f'control = "{at}"\naccess_log = "{path}"\n{top}\n')
    asks_in_vain(one, at, path)


def test_the_manager_is_told_of_a_lame_duck(relay, origin, at):
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\n')
    relayctl("-s", at, "lame-duck")
    one.wait_notified("STATUS=Relaying 0 connections for 1 listener. Not ready (relayctl lame-duck).")
    relayctl("-s", at, "lame-duck", "off")
    until(lambda: one.read_notified() or "Not ready" not in one.status, "it is ready again")


def test_the_drain_follows(relay, origin, at):
    one = site(relay, {"a": origin(echo)}, top=f'control = "{at}"\nlame_duck_time = {ms(500)}\n')
    with connect(one) as client:
        assert client.send(b"x").read(1) == b"x"
        one.term()
        one.wait_log(r"Stopping: no new connections; 1 may finish")
        assert client.send(b"y").read(1) == b"y"
        client.shut()
        assert client.read_end() == (b"", EOF)
    assert one.wait_exit() == 0
