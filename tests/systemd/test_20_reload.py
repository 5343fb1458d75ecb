"""systemctl reload: it returns when the new configuration is in force, and fails when that has an error."""

import pytest

from origin import echo, sends
from service import ADDRESS, UNIT, message_id, sections

OTHER = "127.0.0.1:8081"


@pytest.fixture
def texts(relayd):
    """Two configurations whose servers answer differently, and one with an error in its line 2."""
    one, two = relayd.add_origin(sends(b"one")), relayd.add_origin(sends(b"two"))
    return {"one": relayd.conf(one), "two": relayd.conf(two), "bad": "workers = 8\nlistener web { addresses = 80 }\n"}


def answer(relayd, address=ADDRESS):
    with relayd.connect(address) as peer:
        return peer.read_end()[0]


def test_a_good_file_is_in_force_on_return(relayd, texts):
    relayd.start(texts["one"])
    pid = relayd.pid
    for text, wanted in [("two", b"two"), ("one", b"one")] * 5:
        relayd.write_conf(texts[text])
        relayd.systemctl("reload", UNIT)
        assert answer(relayd) == wanted
    assert relayd.pid == pid
    assert relayd.show("ActiveState") == "active"


def test_a_new_listener_takes_clients_on_return(relayd):
    server = relayd.origin.address
    relayd.start(sections({"web": (ADDRESS, "app")}, {"app": server}))
    relayd.write_conf(sections({"web": (ADDRESS, "app"), "more": (OTHER, "app")}, {"app": server}))
    relayd.systemctl("reload", UNIT)
    assert relayd.get(address=OTHER).status == 200
    relayd.write_conf(sections({"web": (ADDRESS, "app")}, {"app": server}))
    relayd.systemctl("reload", UNIT)
    assert relayd.refuses(OTHER)
    assert relayd.get().status == 200


def test_connections_live_through_it(relayd, texts):
    relayd.start(relayd.conf(relayd.add_origin(echo)))
    with relayd.connect() as peer:
        peer.send(b"a").read(1)
        relayd.write_conf(texts["two"])
        relayd.systemctl("reload", UNIT)
        assert answer(relayd) == b"two"
        assert peer.send(b"b").read(1) == b"b"


def test_a_bad_file_fails_the_reload_and_changes_nothing(relayd, texts):
    relayd.start(texts["one"])
    pid = relayd.pid
    relayd.write_conf(texts["bad"])
    done = relayd.systemctl("reload", UNIT, check=False)
    assert done.returncode != 0
    assert relayd.show("ActiveState") == "active"
    assert relayd.pid == pid
    assert answer(relayd) == b"one"


def test_after_a_bad_file_a_good_one(relayd, texts):
    relayd.start(texts["one"])
    relayd.write_conf(texts["bad"])
    assert relayd.systemctl("reload", UNIT, check=False).returncode != 0
    relayd.write_conf(texts["two"])
    relayd.systemctl("reload", UNIT)
    assert answer(relayd) == b"two"


def test_the_journal_says_what_is_wrong_with_the_file(relayd, texts):
    relayd.start(texts["one"])
    relayd.write_conf(texts["bad"])
    relayd.systemctl("reload", UNIT, check=False)
    found = relayd.messages(message_id("CONFIG_ERROR"))
    assert any("/etc/relayd.conf:2:" in text and "addresses" in text for text in found), found


def test_status_says_that_a_reload_was_refused(relayd, texts):
    relayd.start(texts["one"])
    relayd.write_conf(texts["bad"])
    relayd.systemctl("reload", UNIT, check=False)
    relayd.wait_show("StatusText", lambda text: "refused" in text and "/etc/relayd.conf:2:" in text)
    relayd.write_conf(texts["two"])
    relayd.systemctl("reload", UNIT)
    relayd.wait_show("StatusText", lambda text: "refused" not in text)


@pytest.mark.parametrize("user", ["relayd", "root"])
def test_the_command_tells_how_it_went(relayd, texts, user):
    """What ExecReload= runs, as the user of the service; and by hand as root."""
    command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", relayd.program, "--reload"]
    relayd.start(texts["one"])
    relayd.write_conf(texts["two"])
    relayd.box.run(*command, relayd.pid, timeout=10)
    assert answer(relayd) == b"two"
    relayd.write_conf(texts["bad"])
    refused = relayd.box.run(*command, relayd.pid, timeout=10, check=False)
    assert refused.returncode == 78
    assert "refused" in refused.stderr
    assert answer(relayd) == b"two"


def test_the_command_harms_nobody_else(relayd):
    """Another program would die of HUP; a process that is not there cannot answer."""
    relayd.box.run("systemd-run", "--unit=bystander", "sleep", "600")
    bystander = relayd.show("MainPID", unit="bystander.service")
    for pid in (bystander, 999999):
        assert relayd.box.run(relayd.program, "--reload", pid, timeout=10, check=False).returncode == 69
    assert relayd.show("ActiveState", unit="bystander.service") == "active"
    relayd.systemctl("stop", "bystander.service")


def test_hup_reloads_too(relayd, texts):
    relayd.start(texts["one"])
    relayd.write_conf(texts["two"])
    relayd.kill("HUP")
    relayd.box.wait(lambda: answer(relayd) == b"two", "the new configuration is in force")


def test_a_reload_of_a_stopped_service_fails(relayd):
    assert relayd.systemctl("reload", UNIT, check=False).returncode != 0


def test_the_access_log_is_rotated(relayd):
    """In the sandbox, below /var/log/relayd; once the reload has returned, nobody writes to the file that was renamed."""
    box, log = relayd.box, "/var/log/relayd/access.log"
    relayd.start(f'access_log = "{log}"\n' + relayd.conf(mode="http"))
    assert box.run("stat", "-c", "%U:%G %a", "/var/log/relayd", log).stdout.split("\n")[:2] == ["relayd:relayd 750", "relayd:relayd 600"]
    for number in range(3):
        assert relayd.get(f"/{number}").status == 200
        box.run("mv", log, f"{log}.{number}")
        relayd.systemctl("reload", UNIT)
        before = box.run("cat", f"{log}.{number}").stdout
        assert relayd.get("/after").status == 200
        assert box.run("cat", f"{log}.{number}").stdout == before
    relayd.systemctl("stop", UNIT)
    lines = box.run("sh", "-c", f"cat {log} {log}.*").stdout.splitlines()
    assert sorted(line.split('"')[1] for line in lines) == sorted(
        [f"GET /{number} HTTP/1.1" for number in range(3)] + ["GET /after HTTP/1.1"] * 3)
