"""packaging/examples: what it says of relayd.conf is right, and its scripts do what they say."""

import base64
import os
import re
import subprocess

import pytest

from certificates import write_secret
from documents import add_to
from relay import complaints, once
from settings import REPO, until
from test_05_documents import BASE
from tls import Site

EXAMPLES = REPO / "packaging" / "examples"


def shown():
    """(file, section of relayd.conf, lines), of each comment that shows some."""
    for path in sorted(path for path in EXAMPLES.rglob("*") if path.is_file()):
        for section, lines in re.findall(r"^# /etc/relayd\.conf, (?:in )?(.*):\n((?:#     .*\n)+)", path.read_text(), re.M):
            yield path.name, section, re.sub("^#     ", "", lines, flags=re.M)


SHOWN = list(shown())


def checked(text, tmp_path, **env):
    (tmp_path / "relayd.conf").write_text(text)
    done = once("-t", "-f", tmp_path / "relayd.conf", **env)
    # What is true of this machine alone, which has neither its paths nor its names.
    theirs = ("this user", "/run/relayd", "relayd-status")
    return done.returncode, [line for line in complaints(done) if not any(word in line for word in theirs)]


def test_each_set_up_says_what_relayd_needs():
    assert {name for name, _, _ in SHOWN} >= {"keepalived.conf", "bird.conf", "consul-template.hcl", "prometheus.yml",
                                              "limits.conf", "credentials.conf"}


@pytest.mark.parametrize("name, section, lines", SHOWN, ids=[f"{name}-{section}" for name, section, _ in SHOWN])
def test_a_configuration_has_no_error(name, section, lines, tmp_path):
    site = Site(tmp_path)
    write_secret(tmp_path / "site.pem", site.certificate.pem + site.authority.pem + site.certificate.key_pem)
    write_secret(tmp_path / "ticket-keys", "".join(f"{base64.b64encode(os.urandom(80)).decode()}\n" for _ in range(3)))
    write_secret(tmp_path / "cookies", 64 * "1" + "\n")
    assert set(re.findall("credential:([\\w.-]+)", lines)) <= set(re.findall(
        "^LoadCredential=(.*?):", (EXAMPLES / "relayd.service.d/credentials.conf").read_text(), re.M)), name
    base = BASE
    for option in re.findall(r"^(\w+) =", lines, re.M):   # in place of the one that is there
        base = re.sub(rf"^ +{option} = .*\n", "", base, count=1, flags=re.M)
    assert checked(add_to(base, section, lines), tmp_path, CREDENTIALS_DIRECTORY=str(tmp_path)) == (0, [])


def test_what_consul_template_writes(tmp_path):
    """As Go's templates have it, with one server of each family."""
    text = (EXAMPLES / "upstreams.conf.ctmpl").read_text()
    head, loop, tail = re.fullmatch(r"(.*?)\{\{- range .*?\}\}(.*?)\{\{- end \}\}(.*)", text, re.S).groups()
    servers = ""
    for node, address in ("one", "10.0.0.1"), ("two", "2001:db8::2"):
        words = {".Node": node, ".Address": address, ".Port": "8080"}
        one = re.sub(r"\{\{ if .*? \}\}(.*?)\{\{ else \}\}(.*?)\{\{ end \}\}",
                     lambda found, v6=":" in address: found[1 if v6 else 2], loop)
        servers += re.sub(r"\{\{ (\.\w+) \}\}", lambda found, words=words: words[found[1]], one).rstrip()
    listener = "listener web { address = 80 upstream = app mode = http }\n"
    assert "{{" not in servers
    assert checked(listener + head.rstrip() + servers + tail, tmp_path) == (0, [])
    code, lines = checked(listener + head.rstrip() + tail, tmp_path)
    assert code != 0 and lines, "none is left"


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    """fake(name, script): a program of this name, which comes first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def fake(name, script):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return fake


def announce(fakes, tmp_path, engine, verdicts):
    """What the engine was told, with the number of the answer after which it was."""
    (tmp_path / "verdicts").write_text("".join(f"{verdict}\n" for verdict in verdicts))
    count = f"$(($(wc -l <{tmp_path}/asked)))"
    (tmp_path / "asked").touch()
    fakes("relayctl", f"""[ "$*" = ready ] || exit 64
        echo >>{tmp_path}/asked
        verdict=$(sed -n {count}p {tmp_path}/verdicts)
        [ -n "$verdict" ] || {{ touch {tmp_path}/done; exec sleep 60; }}
        exit "$verdict" """)
    for program in "birdc", "vtysh":
        fakes(program, f'echo "{count}: $*" >>{tmp_path}/told; echo "BIRD ready."')
    with subprocess.Popen([EXAMPLES / "relayd-announce", engine], stdout=subprocess.PIPE, text=True, start_new_session=True,
                          env={**os.environ, "RELAYD_ANNOUNCE_PAUSE": "0"}) as script:
        try:
            until((tmp_path / "done").exists, "all verdicts were read")
        finally:
            os.killpg(script.pid, 9)
        said = script.stdout.read().split("\n")[:-1]
    told = tmp_path / "told"
    return said, told.read_text().splitlines() if told.exists() else []


def test_what_bird_is_told(fakes, tmp_path):
    said, told = announce(fakes, tmp_path, "bird", [0, 0, 0, 1, 0, 69, 1, 0, 0, 1, 0, 0, 0])
    assert said == ["relayd: ready", "relayd: not", "relayd: ready"]
    orders = (3, "enable"), (7, "disable"), (13, "enable")
    assert told == [f"{at}: {word} ready{family}" for at, word in orders for family in "46"]


def test_what_frr_is_told(fakes, tmp_path):
    said, told = announce(fakes, tmp_path, "frr", [1, 1, 0, 0, 0])
    assert said == ["relayd: not", "relayd: ready"]
    into = "-c configure terminal -c route-map RELAYD permit 10 -c set metric"
    assert told == [f"2: {into} 1000", f"5: {into} 10"]


def test_it_is_said_again(fakes, tmp_path):
    """Their files may have been read anew."""
    said, told = announce(fakes, tmp_path, "bird", 14 * [0])
    assert (said, told) == (["relayd: ready"], ["3: enable ready4", "3: enable ready6", "13: enable ready4", "13: enable ready6"])


def test_nothing_is_said_before_it_is_known(fakes, tmp_path):
    assert announce(fakes, tmp_path, "bird", [0, 0, 1, 0, 0]) == ([], [])


def test_the_names_are_those_of_the_files():
    script, bird = (EXAMPLES / "relayd-announce").read_text(), (EXAMPLES / "bird.conf").read_text()
    for name in set(re.findall(r'able (\w+)"', script)):
        assert f"protocol static {name} " in bird
    for line in re.findall(r'-c "((?:route-map|set metric 10)\b[^"]*)"', script):
        assert line in (EXAMPLES / "frr.conf").read_text()


@pytest.fixture
def take(fakes, tmp_path):
    """take(text, good, running, reloads) with a file that says old: (exit code, what is there now, how often it was reloaded)."""
    (tmp_path / "live").mkdir()
    file = tmp_path / "live" / "upstreams.conf"
    file.write_text("old")

    def call(text, good=True, running=True, reloads=True):
        fakes("relayd", f'[ "$*" = -t ] && [ "$(cat {file})" = "{text}" ] && exit {0 if good else 78}')
        fakes("systemctl", f"""case "$*" in
            "is-active --quiet relayd") exit {0 if running else 3} ;;
            "reload relayd") echo >>{tmp_path}/reloads; exit {0 if reloads else 1} ;;
            esac
            exit 64""")
        (tmp_path / "new").write_text(text)
        done = subprocess.run([EXAMPLES / "relayd-take", tmp_path / "new", file], capture_output=True, text=True, check=False)
        count = len((tmp_path / "reloads").read_text().splitlines()) if (tmp_path / "reloads").exists() else 0
        assert [path.name for path in file.parent.iterdir()] == (["upstreams.conf"] if file.exists() else [])
        return done.returncode, file.read_text() if file.exists() else None, count
    call.file = file
    return call


def test_a_good_file_is_taken(take):
    assert take("new") == (0, "new", 1)
    assert take("new") == (0, "new", 1), "the same again"
    assert take("newer", running=False) == (0, "newer", 1)


def test_a_bad_file_is_not_taken(take):
    assert take("bad", good=False) == (1, "old", 0)
    assert take("refused", reloads=False) == (1, "old", 1)
    take.file.unlink()
    assert take("bad", good=False) == (1, None, 1)


def test_what_was_interrupted_is_judged_again(take):
    take.file.rename(f"{take.file}.old")
    take.file.write_text("bad")
    assert take("bad", good=False) == (1, "old", 0)
