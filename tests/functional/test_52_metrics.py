"""GET /metrics: Prometheus' text format and OpenMetrics, and what they count."""

import re
import shutil
import subprocess

import pytest

from client import connect
from control import asked
from exposition import parse, values
from origin import echo, http
from relay import section
from settings import DEADLINE, REPO, free_port, until

OPEN = "application/openmetrics-text; version=1.0.0"


def page(at, accept=None):
    """(content type, body)"""
    _, head, body = asked(at, "/metrics", fields=f"Accept: {accept}\r\n" if accept else "")
    return re.search(r"^content-type: (.*?)\r?$", head, re.M | re.I)[1], body


def found(at):
    return values(parse(page(at)[1]))


@pytest.fixture
def busy(relay, origin, at):
    """One with names that must be escaped by nobody, a client that was served, one that is there, one that failed."""
    address, bad, dead = (f"127.0.0.1:{free_port()}" for _ in range(3))
    server = origin(echo)
    one = relay(text=f'control = "{at}"\nworkers = 3\n'
                + section("listener", "web", address=address, upstream="app")
                + section("listener", "bad", address=bad, upstream="dead")
                + section("upstream", "app", server=server) + section("upstream", "dead", server=dead)
                + 'upstream gone { server a { address = "localhost.invalid:80" } }\n'
                + section("listener", "third", address=f"127.0.0.1:{free_port()}", upstream="gone"))
    with connect(address) as first:
        assert first.send(b"x").read(1) == b"x"
    with connect(bad) as failing:
        assert failing.read_end() == (b"", "reset")
    with connect(address) as client:
        assert client.send(b"y").read(1) == b"y"
        until(lambda: found(at)['relayd_ended_total{code="CE"}'] + found(at)['relayd_ended_total{code="SE"}'] == 1, "it ended")
        one.servers = {server.address, dead, "localhost.invalid:80"}
        yield one


def test_text(busy, at):
    kind, body = page(at)
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    metrics = parse(body)
    assert {name for metric in metrics.values() for _, labels in metric.samples for name, _ in labels} == {
        "version", "fingerprint", "code", "le", "listener", "upstream", "server", "address"}
    servers = {dict(labels)["address"] for metric in metrics.values() for _, labels in metric.samples if "address" in dict(labels)}
    assert servers == busy.servers   # no client's


def test_openmetrics(busy, at):
    kind, body = page(at, f"{OPEN},text/plain;version=0.0.4;q=0.5")
    assert kind == f"{OPEN}; charset=utf-8"
    text, openly = parse(page(at)[1]), parse(body, openly=True)
    assert {name.removesuffix("_total") for name in text} == set(openly)
    assert set(openly) == {"relayd_" + row for row in re.findall(
        r"^(?:METRIC|COUNTER)\((\w+)", (REPO / "src/control/gauges.def").read_text() +
        (REPO / "src/base/counters.def").read_text(), re.M)}
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    families = list(parser.text_string_to_metric_families(body))
    assert {family.name for family in families} == set(openly)


def test_openmetrics_is_for_who_asks(busy, at):
    for accept in ("*/*", "text/plain", OPEN + ";q=0.2,text/plain", "application/openmetrics-text;version=0.0.1"):
        assert page(at, accept)[0].startswith("text/plain"), accept
    assert "# EOF" not in page(at)[1]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="there is no promtool")
def test_promtool_has_nothing_to_complain_of(busy, at):
    text, openly = page(at)[1], page(at, OPEN)[1]
    # It reads the text format alone: there a counter's HELP and TYPE have the name of its sample.
    counters = re.findall(r"^# TYPE (\S+) counter$", openly, re.M)
    for counter in counters:
        openly = re.sub(rf"^(# (?:HELP|TYPE) {counter}) ", r"\1_total ", openly, flags=re.M)
    for body in text, openly:
        done = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, text=True, check=False,
                              timeout=DEADLINE)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_it_counts(busy, at):
    count = found(at)
    assert count["relayd_accepted_total"] == 3 and count["relayd_connections"] == 1
    assert count['relayd_ended_total{code="SD"}'] == 1
    assert count["relayd_first_byte_seconds_count"] == count["relayd_duration_seconds_count"] == 1
    assert count["relayd_queue_seconds_count"] == count["relayd_dial_seconds_count"] == 2
    assert count['relayd_upstream_dial_seconds_count{upstream="app"}'] == 2
    assert count['relayd_upstream_dial_seconds_count{upstream="dead"}'] == 0
    (connects,) = [value for name, value in count.items() if name.startswith("relayd_server_connects_total") and '"app"' in name]
    (failures,) = [value for name, value in count.items()
                   if name.startswith("relayd_server_connect_failures_total") and '"dead"' in name]
    assert connects == 2 and failures >= 1
    assert count["relayd_bytes_up_total"] == count["relayd_bytes_down_total"] == 2   # of the one that lives, too
    assert count["relayd_unheld_connections"] == 1 and count["relayd_held_connections"] == 0
    assert 0 < count["relayd_open_descriptors"] < count["relayd_max_descriptors"]
    assert count["relayd_queue_size"] == 1024 and count["relayd_max_openings"] == 256
    assert count['relayd_upstream_queued_connections{upstream="app"}'] == 0


def test_bytes_never_fall(relay, origin, at):
    one = relay(origin(echo), control=at)
    last = 0
    for _ in range(30):
        with connect(one.address) as client:
            assert client.send(b"x" * 1000).read(1000) == b"x" * 1000
        now = found(at)["relayd_bytes_up_total"]
        assert now >= last
        last = now
    until(lambda: found(at)["relayd_bytes_up_total"] == 30000, "all are counted")


def test_reloads(relay, origin, at):
    one = relay(origin(http), control=at)
    before = found(at)
    assert before["relayd_reload_success"] == 1 and before["relayd_reload_success_time_seconds"] >= before["relayd_start_time_seconds"]
    one.write_conf(text="nonsense")
    assert one.hup() != ""
    assert found(at)["relayd_reload_success"] == 0
    one.reload(one.server, control=at, workers=9)
    after = found(at)
    assert after["relayd_reload_success"] == 1
    assert {name for name in before if "config_info" in name} != {name for name in after if "config_info" in name}
