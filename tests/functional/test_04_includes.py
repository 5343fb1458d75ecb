"""Configurations of several files, with values that are elsewhere."""

import os
import re

import pytest

from client import connect
from origin import http
from peer import response
from relay import config, once, section
from settings import DEADLINE, free_port


@pytest.fixture
def files(tmp_path):
    """files(name=text, ...) writes these files, and runs relayd -t with the one that is called main."""
    def run(**texts):
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
        return once("-t", "-f", tmp_path / "main")
    return run


def test_an_included_file_is_part_of_the_configuration(files, tmp_path):
    done = files(main='include "*.conf"\n' + config("127.0.0.1:1", "127.0.0.1:2"))
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "b.conf").write_text(section("listener", "second", address="127.0.0.1:3", upstream="app"))
    (tmp_path / "a.conf").write_text("workers = 3\n")
    done = files()
    assert (done.returncode, done.stderr) == (0, "")
    assert "listener second: 127.0.0.1:3" in done.stdout
    assert done.stdout.endswith(f"{tmp_path}/main: the configuration is valid.\n")
    dump = once("-T", "-f", tmp_path / "main").stdout
    assert "workers = 3\n" in dump and "include" not in dump


def test_a_relative_path_is_of_the_folder_of_its_file(tmp_path, monkeypatch):
    (tmp_path / "sites").mkdir()
    (tmp_path / "main").write_text('include "sites/one"\n')
    (tmp_path / "sites" / "one").write_text('include "two"\n')
    (tmp_path / "sites" / "two").write_text(config("127.0.0.1:1", "127.0.0.1:2"))
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "main", "main"):
        assert once("-t", "-f", path).returncode == 0


def test_errors_and_warnings_name_the_included_file(files, tmp_path):
    done = files(main='include "*.conf"\n' + config("127.0.0.1:1", "127.0.0.1:2"), **{"a.conf": "\nwrokers = 3\n"})
    assert done.returncode == 78
    assert done.stderr == f'{tmp_path}/a.conf:2: unknown option "wrokers"; did you mean workers?\n'
    done = files(**{"a.conf": "\n" + section("upstream", "spare", server="127.0.0.1:3")})
    assert done.returncode == 0
    assert done.stderr == f"{tmp_path}/a.conf:2: warning: upstream spare is used by no listener.\n"
    done = files(**{"a.conf": "\n\n" + section("listener", "again", address="127.0.0.1:1", upstream="app")})
    assert f"{tmp_path}/a.conf:4: listener again: address 127.0.0.1:1 is listened on twice; the first is on line 3 of " \
           f"{tmp_path}/main\n" == done.stderr


def test_what_cannot_be_included(files, tmp_path):
    text = config("127.0.0.1:1", "127.0.0.1:2")
    os.mkfifo(tmp_path / "pipe")
    for name, words in {"gone": "there is no such file", "pipe": "this is a FIFO", "main": "in a circle"}.items():
        done = files(main=text + f'include "{name}"\n')
        assert done.returncode == 78
        [line] = done.stderr.splitlines()
        assert line.startswith(f"{tmp_path}/main:{text.count(chr(10)) + 1}: include: {tmp_path}/{name}") and words in line


def test_a_reload_reads_them_anew(relay, origin):
    other = f"127.0.0.1:{free_port()}"
    one = relay(origin(http))
    one.file.write_text(one.file.read_text() + 'include "*.more"\n')
    assert one.hup() == ""
    included = one.directory / "site.more"
    included.write_text(section("listener", "other", address=other, upstream="app"))
    assert one.hup() == ""
    assert connect(other).get().status == 200
    included.write_text("\n\nlistener other { }\n")
    assert one.hup().startswith(f"{included}:3: listener other: address must be given")
    assert connect(other).get().status == 200
    included.unlink()
    assert one.hup() == ""
    with pytest.raises(OSError):
        connect(other)


def test_variables_of_the_environment(files, tmp_path):
    files(main=config("${T_HOST}:1", "127.0.0.1:2"))
    done = once("-T", "-f", tmp_path / "main", T_HOST="127.1.2.3")
    assert 'address = {"127.1.2.3:1"}' in done.stdout
    done = once("-t", "-f", tmp_path / "main")
    assert done.returncode == 78
    assert re.fullmatch(rf"{tmp_path}/main:2: \${{T_HOST}}: .*Environment=.*\n", done.stderr)


def answers_a_check(peer):
    asked, _ = peer.read_head()
    peer.send(response())
    return asked


def test_a_credential_is_used_and_never_shown(relay, origin, tmp_path):
    server = origin(answers_a_check)
    (tmp_path / "token").write_text("/s3cret\n")
    where, address = {"CREDENTIALS_DIRECTORY": str(tmp_path)}, f"127.0.0.1:{free_port()}"
    check = 'health_check { type = http path = "credential:token" interval = 50ms }\n'
    text = config(address, server.address).removesuffix("}\n") + check + "}\n"
    one = relay(text=text, address=address, env=where)
    assert server.results.get(timeout=DEADLINE) == "GET /s3cret HTTP/1.1"
    assert 'path = "credential:token"\n' in once("-T", "-f", one.file, **where).stdout
    (tmp_path / "token").write_text("/an0ther\n")
    assert one.hup() == ""
    while server.results.get(timeout=DEADLINE) != "GET /an0ther HTTP/1.1":
        pass
    (tmp_path / "token").write_text("an0ther\n")
    assert "path = credential:token: must be a path" in one.hup()
    (tmp_path / "token").unlink()
    assert "path = credential:token: there is no such credential" in one.hup()
    assert "CREDENTIALS_DIRECTORY is not set" in once("-t", "-f", one.file).stderr
    assert not re.search("s3cret|an0ther", one.log)
