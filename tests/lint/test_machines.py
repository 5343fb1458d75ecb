"""packaging/examples, as the programs that read its files see them."""
import os
import re
import shutil

import pytest
import tree

EXAMPLES = tree.ROOT / "packaging" / "examples"
IS_ROOT = os.geteuid() == 0
UNITS = ("relayd", "relayd-keeper")


def alone(script, *arguments):
    """As root of a network of its own."""
    unshare = ("unshare", "-n" if IS_ROOT else "-rn")
    if tree.run(*unshare, "true").returncode != 0:
        pytest.skip("a network namespace cannot be had here")
    return tree.run(*unshare, "sh", "-c", script, "sh", *map(str, arguments))


def needs(program):
    path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if not path:
        pytest.skip(f"needs {program}")
    return path


def test_each_is_in_the_table():
    table = (EXAMPLES / "README.md").read_text()
    names = {str(path.relative_to(EXAMPLES)) for path in tree.files("packaging/examples/**/*")} - {"README.md"}
    assert {name for name in names if f"`{name}`" not in table} == set()


def keepalived(tmp_path, text):
    # The user and the program are there on a machine with relayd.
    for here, there in ("relayd relayd", "nobody nogroup"), ("/usr/bin/relayctl", "/usr/bin/true"):
        assert here in text
        text = text.replace(here, there)
    (tmp_path / "keepalived.conf").write_text(text)
    done = alone('ip link add eth0 type veth peer name eth1 && exec "$1" -t -f "$2"', needs("keepalived"),
                 tmp_path / "keepalived.conf")
    # It tells of all that it finds, and has no exit status for some of it. That of Debian 12 sends itself TERM if there is a
    # script. To those who are not root, files of the real root are somebody else's.
    return [line for line in done.stdout.splitlines() if line != "Terminated" and (IS_ROOT or "due to insecure" not in line)]


def test_keepalived(tmp_path):
    text = (EXAMPLES / "keepalived.conf").read_text()
    assert keepalived(tmp_path, text) == []
    assert keepalived(tmp_path, text.replace("fall 2", "fell 2"))


def test_bird():
    done = tree.run(needs("bird"), "-p", "-c", EXAMPLES / "bird.conf")
    assert (done.returncode, done.stdout) == (0, "")


def test_frr(tmp_path):
    vtysh = needs("vtysh")
    (tmp_path / "vtysh.conf").touch()

    def said(text):
        (tmp_path / "frr.conf").write_text(text)
        done = tree.run(vtysh, "-C", "--config_dir", str(tmp_path), "--inputfile", str(tmp_path / "frr.conf"))
        return done.returncode, done.stdout

    text = (EXAMPLES / "frr.conf").read_text()
    assert said(text) == (0, "")
    assert said(text.replace("import-check", "import-cheque")) != (0, "")


@pytest.mark.parametrize("name", ["nftables.conf", "nftables-ecmp.conf"])
def test_nft(name):
    done = alone('exec "$1" -c -f "$2"', needs("nft"), EXAMPLES / name)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_order_to_nft(tmp_path):
    """Which takes a machine out, as the comment has it."""
    nft, text = needs("nft"), (EXAMPLES / "nftables.conf").read_text()
    shown = re.search(r"^ +#     nft '(.*?)'$", text, re.M | re.S)[1]
    (tmp_path / "order").write_text(re.sub(r"\n +#", "\n", shown) + "\n")
    done = alone('"$1" -f "$2" && "$1" -f "$3" && "$1" list map inet relayd parts4', nft, EXAMPLES / "nftables.conf",
                 tmp_path / "order")
    assert done.returncode == 0, done.stdout
    parts = dict(re.findall(r"(0x\w+) : (\S+?),?(?=\s)", done.stdout))
    assert (len(parts), set(parts.values())) == (12, {"10.0.0.11", "10.0.0.13"}), done.stdout


@pytest.mark.parametrize("name", UNITS)
def test_drop_ins(name, tmp_path):
    unit = tree.ROOT / "build" / "systemd" / f"{name}.service"
    if not unit.exists() or not shutil.which("systemd-analyze"):
        pytest.skip(f"needs build/systemd/{name}.service and systemd-analyze")
    for one in UNITS:
        text = unit.with_name(f"{one}.service").read_text()
        text = re.sub(r"^(Exec\w+)=\S+", rf"\1={tree.ROOT}/build/{one}", text, flags=re.M)
        (tmp_path / f"{one}.service").write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.M))
        shutil.copy(tree.ROOT / "systemd" / f"{one}.socket", tmp_path)
    shutil.copytree(EXAMPLES / f"{name}.service.d", tmp_path / f"{name}.service.d")
    verify = ("systemd-analyze", "verify", "--man=no", str(tmp_path / f"{name}.service"))
    assert [line for line in tree.run(*verify).stdout.splitlines() if "relayd" in line] == []
    with (tmp_path / f"{name}.service.d" / "limits.conf").open("a") as file:
        file.write("LimitNOFILES=1\n")
    assert "LimitNOFILES" in tree.run(*verify).stdout   # they are read


@pytest.mark.parametrize("engine", ["bird", "frr"])
def test_unit_of_the_announcer(engine, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze")
    text = (EXAMPLES / "relayd-announce@.service").read_text()
    assert "ExecStart=/usr/local/sbin/relayd-announce " in text
    text = text.replace("/usr/local/sbin", str(EXAMPLES))
    unit = tmp_path / f"relayd-announce@{engine}.service"
    unit.write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.M))
    done = tree.run("systemd-analyze", "verify", "--man=no", str(unit))
    assert [line for line in done.stdout.splitlines() if "announce" in line] == []


def test_the_kernel_knows_the_settings():
    for path in (EXAMPLES / "sysctl.d").iterdir():
        names = re.findall(r"^([\w.-]+) = ", path.read_text(), re.M)
        assert names and [name for name in names if tree.run("sysctl", "-n", name).returncode != 0] == []
