"""The commands in the documents, run in the order of each recipe, in a box where the service runs as the recipe assumes."""

import itertools
import re
import shutil

import pytest

import documents
from box import DEADLINE
from documents import add_to, all_displays, body
from origin import Origin, http
from service import ROOT, UNIT, Service

pytestmark = pytest.mark.timeout(180)
SERVERS = ("10.0.0.1", "10.0.0.2")
ADDRESSES = (*SERVERS, "10.0.0.10", "10.0.0.11")
BASE = next(one.text for one in documents.displays_of_manual("relayd-operations.7") if one.section == "TWO SERVERS")

#: Commands that are not run here: (document, how they begin). The list may only shrink.
NOT_RUN = {
    ("README.md", "apt-get install gcc"): "a network; tests/run installs the same packages",
    ("README.md", "packaging/build deb"): "apt; test_90_packages.py installs them with dpkg",
    ("README.md", "packaging/quickstart"): "tests/functional/test_04_quickstart.py",
    ("relayd.8", "relayd --proxy 10.0.0.1:80"): "it stays in the foreground; test_01_cli.py",
    ("relayd.conf.5", "relayd.conf:3:"): "what relayd prints",
    ("relayd-keeper.8", "relayd-keeper --socket"): "it stays in the foreground; test_75_keeper.py",
    ("relayd-operations.7", "sysctl --system"): "a box may not change the kernel's settings",
    ("relayd-operations.7", "podman"): "there is no podman; test_92_container.py",
}


#: What goes on until Ctrl-C, and ends well by it.
RUNS_ON = ("relayctl tail", "relayctl top")


def excused(one):
    return next((key for key in NOT_RUN if key[0] == one.document and one.text.startswith(key[1])), None)


def recipes():
    """(document, section) -> its displays, of those that have commands."""
    for key, group in itertools.groupby(all_displays(), lambda one: (one.document, one.section)):
        shown = list(group)
        if any(one.is_commands and not excused(one) for one in shown):
            yield pytest.param(shown, id=", ".join(key))


def test_the_list_of_what_is_not_run_is_short():
    assert len(NOT_RUN) <= 8
    assert not set(NOT_RUN) - {excused(one) for one in all_displays()}


class Machine(Service):
    """A box with the servers of the recipes, and what the recipes tell to use beside relayd."""

    def prepare(self):
        self.install()
        for address in ADDRESSES:
            self.box.run("ip", "address", "add", f"{address}/32", "dev", "lo")
        for address in SERVERS:
            with self.box.network():
                self.origins.append(Origin(http, host=address, port=8080))
        self.box.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=site.example",
                     "-keyout", "/tmp/key", "-out", "/tmp/certificate")
        self.box.run("sh", "-c", "mkdir -p /etc/relayd/tls && cat /tmp/certificate /tmp/key >/etc/relayd/tls/site.pem && "
                     "chgrp relayd /etc/relayd/tls/site.pem && chmod 640 /etc/relayd/tls/site.pem")
        # The server of the README, and a transfer that is large enough to be interrupted.
        self.box.run("sh", "-c", "mkdir -p /srv/www && echo hello >/srv/www/index.html && head -c 64M /dev/urandom >/srv/www/big")
        self.box.write("/run/systemd/system/www.service", "[Service]\nExecStart=/usr/bin/python3 -m http.server "
                       "--bind 127.0.0.1 --directory /srv/www 8000\n")
        self.systemctl("daemon-reload")
        self.systemctl("start", "www.service")

    def start_afresh(self, text):
        """As at the beginning of a recipe."""
        self.stop_all()
        self.box.run("sh", "-c", "rm -rf /etc/systemd/system/relayd*.d /etc/sysctl.d/60-relayd.conf /etc/logrotate.d/relayd-json")
        self.systemctl("daemon-reload")
        self.systemctl("start", "relayd-keeper.socket")
        self.start(text)
        for undo in (["servers", "--reset"], ["lame-duck", "off"]):
            self.box.run("relayctl", *undo)
        if "127.0.0.1:8080" not in text:   # a client that stays: a stop has somebody to wait for
            guest = self.connect("127.0.0.1:80")
            self.stack.callback(guest.close)
            assert guest.get("/").status == 200

    def do(self, text):
        """Commands, as root types them: the first that fails ends it."""
        until_interrupted = ["timeout", "--foreground", "-s", "INT", "--preserve-status", "2"] if text.startswith(RUNS_ON) else []
        done = self.box.run(*until_interrupted, "bash", "-eo", "pipefail", "-c", text, check=False, timeout=90)
        assert done.returncode == 0, f"{text}\nexit status {done.returncode}\n{done.stdout}{done.stderr}\n{self.status()}"
        return done.stdout

    def put(self, display):
        path, section = display.file
        text = body(display) + "\n"
        if section:
            text = add_to(BASE, section, text)
        self.box.write(path, text)
        if path.startswith("/etc/systemd/system"):
            self.systemctl("daemon-reload")   # as `systemctl edit` does


@pytest.fixture(scope="module")
def machine(box):
    if not shutil.which("jq"):
        pytest.skip("needs jq")
    one = Machine(box)
    one.prepare()
    yield one
    one.stack.close()
    one.stop_all()
    for origin in one.origins:
        origin.stop()


@pytest.mark.parametrize("shown", recipes())
def test_the_commands_of_a_recipe_do_what_it_says(machine, shown):
    packaged = (ROOT / "packaging/relayd.conf").read_text()
    machine.start_afresh(BASE if shown[0].document != "README.md" and "/big" not in "".join(one.text for one in shown) else packaged)
    for one in shown:
        for part in documents.parts(one):
            if part.file:
                machine.put(part)
        if one.is_commands and not excused(one):
            said = machine.do(one.text)
            if re.search(r"curl .*-s?i", one.text):
                assert "HTTP/1.1 200" in said or "HTTP/1.0 200" in said, said


# What the recipes promise, beyond that their commands succeed

def display(section, beginning):
    return next(one for one in documents.displays_of_manual("relayd-operations.7")
                if one.section == section and one.text.startswith(beginning))


def test_nginx_learns_who_the_client_is(machine):
    shown = display("TELL THE APPLICATION WHO THE CLIENT IS", "# /etc/nginx")
    machine.box.write("/etc/nginx/nginx.conf", body(shown))
    machine.box.run("sh", "-c", "nginx >/dev/null 2>&1")
    try:
        changed = add_to(BASE, "upstream app", "    send_proxy = v2").replace(":8080", ":8088")
        machine.start_afresh(changed.replace('health_check { type = http path = "/" }', ""))
        machine.box.wait(lambda: "you are 127.0.0.1" in machine.curl("http://127.0.0.1/", check=False).stdout, "nginx answers")
    finally:
        machine.box.run("nginx", "-s", "stop")


def test_a_client_of_tls_is_known_by_its_address(machine):
    shown = [one for one in documents.displays_of_manual("relayd-operations.7") if one.section == "TLS"]
    machine.start_afresh(BASE)
    for one in shown:
        if one.file:
            machine.put(one)
        elif one.is_commands:
            machine.do(one.text)
    machine.forget()
    machine.curl("https://10.0.0.10/", "--insecure", "--interface", "10.0.0.11")
    machine.wait_journal("RELAYD_LISTENER=tls", "RELAYD_CLIENT_ADDRESS=10.0.0.11")


def test_who_is_blocked_gets_403(machine):
    machine.start_afresh(add_to(BASE, "listener web", '    deny = "10.0.0.11"'))
    assert "403" in machine.curl("http://127.0.0.1/", "-i", "--interface", "10.0.0.11").stdout
    assert "200" in machine.curl("http://127.0.0.1/", "-i").stdout


def test_a_drained_server_gets_no_clients(machine):
    machine.start_afresh(BASE)
    machine.do("relayctl drain app/b --wait")
    machine.wait_journal("RELAYD_SERVER=b")   # that it is: journald may be behind
    machine.forget()
    for _ in range(4):
        machine.curl("http://127.0.0.1/", "-o", "/dev/null")
    machine.wait_journal("RELAYD_SERVER=a", count=4)
    assert not machine.journal("RELAYD_SERVER=b")


def test_who_is_blocked_by_an_order_is_refused_until_it_is_lifted(machine):
    machine.start_afresh(BASE)
    machine.do("relayctl block --for 1h 10.0.0.11")
    assert "403" in machine.curl("http://127.0.0.1/", "-i", "--interface", "10.0.0.11").stdout
    machine.do("relayctl unblock 10.0.0.11")
    assert "200" in machine.curl("http://127.0.0.1/", "-i", "--interface", "10.0.0.11").stdout


def test_the_log_in_a_file_is_objects_that_are_not_in_the_journal(machine):
    machine.start_afresh(BASE)
    for one in documents.displays_of_manual("relayd-operations.7"):
        if one.section == "LOGS ELSEWHERE" and one.file and one.file[0].endswith(("override.conf", "relayd.conf")):
            machine.put(one)
    machine.do("relayd -t && rm -f /var/log/relayd.json && systemctl restart relayd")
    machine.forget()
    machine.curl("http://127.0.0.1/", "-o", "/dev/null")
    machine.box.wait(lambda: machine.box.run("jq", "-s", 'any(.[]; .end == "CE" or .end == "SE")',
                                             "/var/log/relayd.json").stdout.strip() == "true", "the connection is in the file")
    assert not machine.journal("RELAYD_LISTENER=web")
