"""Each file in the documents is right, and each display is a file, commands (tests/systemd/test_95_documents.py runs these) or
named here."""

import importlib.util
import re
import shutil
import subprocess

import pytest

import documents
from certificates import write_secret
from documents import add_to, all_displays, body
from relay import complaints, once
from settings import REPO
from tls import Site

BASE = next(one.text for one in documents.displays_of_manual("relayd-operations.7") if one.section == "TWO SERVERS")

#: What is neither a file nor commands: (document, how it begins). The list may only shrink.
NEITHER = {
    ("relayd.8", '{"time":'): "a line of the log",
    ("relayd.8", "new connections per second"): "arithmetic",
    ("relayd.8", "connect_timeout * connect_attempts"): "arithmetic",
    ("relayd.8", "P × S × A"): "arithmetic",
    ("relayd.8", "R × (T + 60)"): "arithmetic",
    ("relayd.8", "R × (T + 1)"): "arithmetic",
    ("relayd.8", "MESSAGE_ID="): "what a filter of journalctl looks like",
    ("relayd.conf.5", "option = value"): "the syntax",
    ("relayd.conf.5", "# \" '"): "characters",
    ("relayd.conf.5", "CREATE USER"): "SQL, which test_44_health_speaks.py gives to a server",
    ("relayd.conf.5", "CREATE ROLE"): "SQL, which test_44_health_speaks.py gives to a server",
    ("relayd.conf.5", "relayd.conf:3:"): "errors as they are printed",
}


SHOWN = [part for one in all_displays() for part in documents.parts(one)]


def excused(one):
    return next((key for key in NEITHER if key[0] == one.document and one.text.startswith(key[1])), None)


def kind(one):
    if excused(one):
        return "neither"
    if one.file:
        path, _ = one.file
        suffix = path.rsplit(".", 1)[-1]
        if one.is_configuration:
            return "relayd"
        if path.startswith("/etc/sysctl.d"):
            return "sysctl"
        if suffix in ("service", "timer", "socket") or path.endswith("override.conf"):
            return "unit"
        return {"/etc/nginx/nginx.conf": "nginx", "/etc/haproxy/haproxy.cfg": "haproxy",
                "/etc/systemd/journal-upload.conf": "unit", "/etc/logrotate.d/relayd-json": "logrotate",
                "/usr/local/bin/relayd-alert": "shell"}.get(path, suffix)
    if re.match(r"\[\w+\]$", one.first):
        return "unit"
    if one.is_commands:
        return "commands"
    return "relayd" if one.is_configuration else "unknown"


def of_kind(*wanted):
    return pytest.mark.parametrize("shown", [one for one in SHOWN if kind(one) in wanted], ids=str)


def test_every_display_is_a_file_or_commands_or_named_here():
    known = {"neither", "relayd", "sysctl", "unit", "nginx", "haproxy", "logrotate", "shell", "yaml", "yml", "commands"}
    assert not [str(one) for one in SHOWN if kind(one) not in known]


def test_the_list_of_what_is_neither_is_short():
    assert len(NEITHER) <= 12
    assert not set(NEITHER) - {excused(one) for one in SHOWN}


def completed(shown):
    """A whole configuration: what is shown, and the rest of the file that it is a part of. Options alone go to the first kind of
    section that has them all; a server or a health check goes into the upstream app; a listener or an upstream that is missing
    is that of the first recipe."""
    text = body(shown) if shown.file else shown.text
    if shown.file and shown.file[1]:
        return add_to(BASE, shown.file[1], text)
    sections = set(re.findall(r"^(\w+)(?: [^\s=]+)? \{", text, re.M))
    if sections <= {"server", "health_check"} and sections:
        return "listener web { address = 80 upstream = app }\nupstream app {\n" + text + \
               ("" if "server" in sections else '\nserver a { address = "10.0.0.1:80" }') + "\n}\n"
    if not sections:
        names = set(re.findall(r"^\s*(\w+)\s*=", text, re.M))
        table = (REPO / "src/config/options.def").read_text()
        where = next((place for place in ("global", "listener", "upstream") if all(
            re.search(rf"^OPTION\({place}, {name},", table, re.M) for name in names)), None)
        assert where, f"no section has all of {names}"
        return add_to(BASE, {"global": "on top", "listener": "listener web", "upstream": "upstream app"}[where], text)
    if "upstream" not in sections:
        text += '\nupstream app { server a { address = "10.0.0.1:80" } }\n'
    if "listener" not in sections:
        text += "\nlistener web { address = 80 upstream = app }\n"
    return text


@of_kind("relayd")
def test_a_configuration_has_no_error(shown, tmp_path, monkeypatch):
    file = tmp_path / "relayd.conf"
    folder = tmp_path / "tls"
    folder.mkdir()
    site = Site(tmp_path)
    write_secret(folder / "site.pem", site.certificate.pem + site.authority.pem + site.certificate.key_pem)
    (tmp_path / "errors").mkdir()
    (tmp_path / "errors/503.html").write_text("<h1>later</h1>")
    file.write_text(completed(shown).replace("/etc/relayd/tls", str(folder)).replace("/etc/relayd/errors", str(tmp_path / "errors")))
    (tmp_path / "check").write_text("secret\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    done = once("-t", "-f", file)
    lines = [line for line in complaints(done) if "this user" not in line and "/run/relayd" not in line]
    assert (done.returncode, lines) == (0, [])


def test_messages_name_headings_of_the_manual():
    headings = set(re.findall(r"^\.S[hs] (.*)", (REPO / "man/relayd.conf.5").read_text(), re.M))
    texts = [re.sub(r'"\s*"', "", path.read_text()) for path in (REPO / "src").rglob("*.c")]
    named = {name for text in texts for name in re.findall(r"relayd\.conf\(5\), ([^,)]+)", text)}
    assert len(named) > 1 and named <= headings


def passes(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@of_kind("haproxy")
def test_haproxy_takes_its_file(shown, tmp_path):
    (tmp_path / "haproxy.cfg").write_text(body(shown) + "\n")
    passes("haproxy", "-c", "-q", "-f", tmp_path / "haproxy.cfg")


@of_kind("nginx")
def test_nginx_takes_its_file(shown, tmp_path):
    module = "/usr/lib/nginx/modules/ngx_stream_module.so"
    head = f"pid {tmp_path}/pid; error_log {tmp_path}/log;\n"
    if "stream {" in shown.text and "load_module" not in shown.text:
        head = f"load_module {module};\n{head}"
    (tmp_path / "nginx.conf").write_text(head + body(shown) + "\n")
    passes("nginx", "-t", "-q", "-e", tmp_path / "log", "-c", tmp_path / "nginx.conf")


@of_kind("logrotate")
def test_logs_are_rotated_where_they_are_written(shown, tmp_path):
    log = re.match(r"(/\S+) \{\n(    \w+( \d+)?\n)+\}$", body(shown))[1]
    assert any(f"StandardError=append:{log}" in one.text for one in SHOWN)
    if not shutil.which("logrotate"):
        return
    (tmp_path / "log").write_text("{}\n")
    (tmp_path / "relayd").write_text(body(shown).replace(log, str(tmp_path / "log")) + "\n")
    (tmp_path / "relayd").chmod(0o644)
    passes("logrotate", "--force", "--state", tmp_path / "state", tmp_path / "relayd")
    assert (tmp_path / "log").read_text() == "" and (tmp_path / "log.1.gz").exists()


@of_kind("shell")
def test_a_script_is_right(shown, tmp_path):
    (tmp_path / "script").write_text(body(shown) + "\n")
    passes("shellcheck", tmp_path / "script")


@of_kind("commands")
def test_commands_have_the_syntax_of_a_shell(shown):
    passes("bash", "-n", "-c", shown.text.replace("[HOST:PORT]", ""))


@of_kind("sysctl")
def test_the_kernel_knows_the_settings(shown):
    for name in re.findall(r"^(\S+) =", body(shown), re.M):
        passes("sysctl", name)


@of_kind("yml")
def test_prometheus_takes_its_file(shown, tmp_path):
    if not shutil.which("promtool"):
        pytest.skip("needs promtool")
    (tmp_path / "rules.yml").write_text(body(shown) + "\n")
    if "groups:" in shown.text:
        passes("promtool", "check", "rules", tmp_path / "rules.yml")
    else:
        passes("promtool", "check", "config", "--syntax-only", tmp_path / "rules.yml")


@of_kind("yaml")
def test_a_page_of_kubernetes_is_yaml(shown):
    yaml = pytest.importorskip("yaml", reason="needs python3-yaml")
    assert yaml.safe_load(body(shown))["kind"]


@of_kind("unit")
def test_a_unit_has_settings_that_systemd_knows(shown, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze")
    path = shown.file[0] if shown.file else ""
    text = body(shown) if shown.file else shown.text
    if path.endswith("journal-upload.conf"):
        assert re.fullmatch(r"\[Upload\]\nURL=\S+", text)
        return
    socket = "[Socket]" in text
    unit = tmp_path / ("shown.socket" if socket else "shown.timer" if "[Timer]" in text else "shown.service")
    if unit.suffix == ".service" and "ExecStart" not in text:
        text += "\nExecStart=/bin/true"
    if unit.suffix != ".service":
        (tmp_path / "shown.service").write_text("[Service]\nExecStart=/bin/true\n")
    unit.write_text(text + "\n")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=30, check=False)
    assert not [line for line in done.stderr.splitlines() if "shown." in line], done.stderr


def test_the_picture_is_of_the_table():
    """After a change of the table in tests/bench/README.md: python3 tests/bench/summary.py"""
    bench = REPO / "tests/bench"
    spec = importlib.util.spec_from_file_location("summary", bench / "summary.py")
    summary = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(summary)
    assert len(summary.results((bench / "README.md").read_text(encoding="utf-8"))) == 14
    assert summary.svg((bench / "README.md").read_text(encoding="utf-8")) == (bench / "summary.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", documents.MANUALS)
def test_a_manual_fits_a_terminal_of_80_columns(name):
    page = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=78", REPO / "man" / name], capture_output=True, text=True, check=True)
    lines = [re.sub(r".\x08", "", line) for line in page.stdout.splitlines()]
    assert not [line for line in lines if len(line) > 80]


def test_links_lead_somewhere():
    for page in ("README.md", "CONTRIBUTING.md", "tests/bench/README.md", "src/README.md"):
        for link in re.findall(r"\]\(([^)#:]+)\)", (REPO / page).read_text(encoding="utf-8")):
            assert ((REPO / page).parent / link).exists(), f"{page}: {link}"
