"""packaging/acme-deploy: what certbot, lego and acme.sh renew, put where relayd finds it."""

import os
import stat
import subprocess

import pytest

from certificates import Authority, write_secret
from relay import once
from settings import REPO

TOOL = f"{REPO}/packaging/acme-deploy"


@pytest.fixture
def renewed(tmp_path):
    """Files of a tool in tmp_path/from, and deploy(*words, **env), which gives the exit code and all that was said."""
    authority = Authority()
    one = authority.issue("www.example")
    folder = tmp_path / "from" / "www.example"
    folder.mkdir(parents=True)
    (folder / "fullchain.pem").write_text(one.pem + authority.pem)
    write_secret(folder / "privkey.pem", one.key_pem)

    def deploy(*words, **env):
        done = subprocess.run([TOOL, *map(str, words)], capture_output=True, text=True, check=False, env={
            "PATH": os.environ["PATH"], "RELAYD_TLS_FOLDER": str(tmp_path / "to"), "RELAYD_TLS_GROUP": str(os.getgid()), **env})
        return done.returncode, done.stdout + done.stderr
    return folder, one, deploy


@pytest.mark.parametrize("tool", ["certbot", "lego", "acme.sh", "by hand"])
def test_each_tool(renewed, tmp_path, tool):
    folder, one, deploy = renewed
    chain, key = str(folder / "fullchain.pem"), str(folder / "privkey.pem")
    words = (chain, key) if tool == "by hand" else ()
    env = {"certbot": {"RENEWED_LINEAGE": str(folder), "RENEWED_DOMAINS": "www.example"},
           "lego": {"LEGO_CERT_PATH": chain, "LEGO_CERT_KEY_PATH": key, "LEGO_CERT_DOMAIN": "www.example"},
           "acme.sh": {"CERT_FULLCHAIN_PATH": chain, "CERT_KEY_PATH": key, "Le_Domain": "www.example"}}.get(tool, {})
    path = tmp_path / "to" / "www.example.pem"
    assert deploy(*words, **env) == (0, f"wrote {path}\n")
    assert os.listdir(tmp_path / "to") == ["www.example.pem"]
    assert one.pem in path.read_text() and one.key_pem in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) in (0o600, 0o640)
    conf = tmp_path / "relayd.conf"
    conf.write_text(f'listener web {{ address = "127.0.0.1:1" upstream = app tls {{ certificate = "{tmp_path}/to" }} }}\n'
                    'upstream app { server a { address = "127.0.0.1:2" } }\n')
    assert once("-t", "-f", conf).returncode == 0
    before = path.stat().st_ino
    assert deploy(*words, **env) == (0, f"wrote {path}\n") and path.stat().st_ino != before, "it is renamed, not written over"


def test_the_folders_above_can_be_passed(renewed, tmp_path):
    """The first time there may be no /etc/relayd: others must come through it, but not see what is in the folder itself."""
    _, _, deploy = renewed
    folder = tmp_path / "etc" / "relayd" / "tls"
    env = {"RENEWED_LINEAGE": str(tmp_path / "from" / "www.example"), "RELAYD_TLS_FOLDER": f"{folder}/"}
    assert deploy(**env) == (0, f"wrote {folder}/www.example.pem\n")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder.parent.parent, folder.parent)] == [0o755, 0o755]
    assert stat.S_IMODE(folder.stat().st_mode) in (0o700, 0o750)


def test_names(renewed, tmp_path):
    folder, _, deploy = renewed
    chain, key = folder / "fullchain.pem", folder / "privkey.pem"
    assert deploy(chain, key, "*.example") == (0, f"wrote {tmp_path}/to/_.example.pem\n")
    assert os.listdir(tmp_path / "to") == ["_.example.pem"]
    for name in ("../x", ".x", "a/b"):
        code, said = deploy(chain, key, name)
        assert code == 64 and "no name for a file" in said


def test_what_cannot_be(renewed, tmp_path):
    """Nothing is left behind, and what was there stays."""
    folder, _, deploy = renewed
    assert deploy()[0] == 64 and "neither certbot, lego nor acme.sh" in deploy()[1]
    assert deploy("x")[0] == 64
    assert deploy(folder / "fullchain.pem", folder / "none.pem") == (66, f"acme-deploy: {folder}/none.pem: cannot be read\n")
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "www.example.pem").mkdir()
    (tmp_path / "to" / "www.example.pem" / "x").write_text("")
    if os.getuid() == 0:
        assert deploy(folder / "fullchain.pem", folder / "privkey.pem", RELAYD_TLS_GROUP="nobody-has-this")[0] == 67
        assert os.listdir(tmp_path / "to") == ["www.example.pem"]
