"""The completion of bash: the shell is a real one, at a terminal."""
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import time

import pytest

from service import BUILD

PROMPT = "(ready)"
ROOT = pathlib.Path(__file__).resolve().parents[2]


class Terminal:
    """An interactive bash with the completion loaded."""

    def __init__(self, folder):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"],
                      {"PATH": f"{BUILD}:/usr/bin:/bin", "TERM": "dumb", "PS1": PROMPT, "HISTFILE": "",
                       "INPUTRC": "/dev/null"})
        self.text = ""
        self.type("bind 'set completion-query-items 0'; bind 'set page-completions off'\n")
        self.type(f"source {ROOT}/packaging/completion/relayd; echo loaded $?\n")
        self.until(r"loaded 0\r\n")
        self.wait_prompt()

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait_prompt(self):
        """Before it, the terminal itself would take what is typed."""
        self.until(re.escape(PROMPT))

    def until(self, pattern, seconds=10):
        """What has come up to the first match, which is taken away."""
        deadline = time.monotonic() + seconds
        while not (match := re.search(pattern, self.text, re.S)):
            readable, _, _ = select.select([self.fd], [], [], max(0, deadline - time.monotonic()))
            assert readable, f"{pattern!r} did not come, but {self.text!r}"
            self.text += os.read(self.fd, 65536).decode()
        self.text = self.text[match.end():]
        return match

    def completed(self, line):
        """The line after a Tab: the shell is made to show its words in the place of running it."""
        self.type(f"{line}\t\x05|'\x01printf '<%s>' '\n")
        line = self.until(r"\r\n<([^>]*)\|>")[1]
        self.wait_prompt()
        return line

    def offered(self, line):
        """What Alt-? shows: all that Tab would choose from."""
        self.type(f"{line}\x1b?\x15echo do''ne\n")
        words = self.until(r"(.*)\r\ndone\r\n")[1].split()
        self.wait_prompt()
        return words

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def terminal(tmp_path):
    (tmp_path / "site one.conf").touch()
    (tmp_path / "folder").mkdir()
    shell = Terminal(tmp_path)
    yield shell
    shell.close()


def options_of_the_help(program="relayd"):
    said = subprocess.run([BUILD / program, "--help"], stdout=subprocess.PIPE, text=True, check=True, timeout=10)
    return set(re.findall(r"(?<![\w-])--?[A-Za-z][a-z-]*\b", said.stdout))


def test_completion_offers_each_option(terminal):
    assert options_of_the_help() <= set(terminal.offered("relayd -"))
    assert {word for word in options_of_the_help() if word.startswith("--")} <= set(terminal.offered("relayd --"))


def test_completion_for_the_keeper(terminal):
    assert options_of_the_help("relayd-keeper") <= set(terminal.offered("relayd-keeper -"))
    assert terminal.completed("relayd-keeper --so") == "relayd-keeper --socket "
    assert terminal.completed("relayd-keeper --socket fol") == "relayd-keeper --socket folder/"


def test_completion_for_relayctl(terminal):
    assert options_of_the_help("relayctl") <= set(terminal.offered("relayctl -"))
    assert {"status", "servers", "connections", "metrics", "explain", "ready"} <= set(terminal.offered("relayctl "))
    assert terminal.completed("relayctl --soc") == "relayctl --socket "
    assert terminal.completed("relayctl serv") == "relayctl servers "


@pytest.fixture
def running(tmp_path):
    """A relayd whose names are asked for; its control socket."""
    (tmp_path / "names.conf").write_text(
        f'control = "{tmp_path}/c.sock"  keeper = off\n'
        + "".join(f'listener {name} {{ address = "unix:{tmp_path}/{name}.sock"  upstream = app }}\n' for name in ("web", "mail"))
        + 'upstream app { server alpha { address = "127.0.0.1:1" }  server alto { address = "127.0.0.1:2" }\n'
        '               server beta { address = "127.0.0.1:3" } }\n')
    with subprocess.Popen([BUILD / "relayd", "-f", tmp_path / "names.conf"], stderr=subprocess.PIPE, text=True) as process:
        try:
            while "Ready" not in (line := process.stderr.readline()) and not (tmp_path / "c.sock").exists():
                assert line, "it does not run"
            yield f"{tmp_path}/c.sock"
        finally:
            process.kill()


def test_completion_of_names_that_are_live(terminal, running):
    ctl = f"relayctl -s {running}"
    for command in ("drain", "ready", "down", "weight", "check"):
        assert terminal.completed(f"{ctl} {command} app/b") == f"{ctl} {command} app/beta "
        assert terminal.completed(f"{ctl} {command} app/al") == f"{ctl} {command} app/al"
        assert {"app/alpha", "app/alto", "app/beta"} <= set(terminal.offered(f"{ctl} {command} "))
    for command in ("connections", "tail", "kill", "drain-client"):
        assert terminal.completed(f"{ctl} {command} lis") == f"{ctl} {command} listener="
        assert terminal.completed(f"{ctl} {command} listener=w") == f"{ctl} {command} listener=web "
        assert terminal.completed(f"{ctl} {command} server=app/alt") == f"{ctl} {command} server=app/alto "
        assert {"web", "mail"} <= set(terminal.offered(f"{ctl} {command} listener="))
    assert terminal.completed(f"{ctl} --json explain 192.0.2.1 listener=m") == f"{ctl} --json explain 192.0.2.1 listener=mail "
    assert terminal.completed(f"{ctl} serv") == f"{ctl} servers "


def test_completion_of_names_without_a_relayd(terminal, tmp_path):
    assert terminal.completed(f"relayctl -s {tmp_path}/none.sock drain app/b") == f"relayctl -s {tmp_path}/none.sock drain app/b"


def test_completion_of_files_and_of_nothing_else(terminal):
    assert terminal.completed("relayd -f sit") == "relayd -f site\\ one.conf "
    assert terminal.completed("relayd --file=sit") == "relayd --file=site\\ one.conf "
    assert terminal.completed("relayd -tf fol") == "relayd -tf folder/"
    assert terminal.completed("relayd --listen unix:fol") == "relayd --listen unix:folder/"
    assert terminal.completed("relayd --che") == "relayd --check "
    assert terminal.completed("relayd sit") == "relayd sit"


def test_completion_of_processes(terminal, tmp_path):
    """--reload takes the number of a process that is called relayd."""
    shutil.copy("/bin/sleep", tmp_path / "relayd")
    with subprocess.Popen([tmp_path / "relayd", "60"]) as process:
        try:
            assert str(process.pid) in terminal.offered("relayd --reload ")
            # (Others of that name may run, and one may have a number that begins with this one.)
            assert terminal.completed(f"relayd --reload {process.pid}").startswith(f"relayd --reload {process.pid}")
        finally:
            process.kill()
