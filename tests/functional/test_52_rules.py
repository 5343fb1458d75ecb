"""The dashboard and the alerts that are shipped ask for metrics that there are."""

import json
import re
import shutil
import subprocess

import pytest

from control import relayctl
from exposition import parse
from origin import http
from settings import DEADLINE, REPO
from tls import Site, https

DASHBOARD, RULES = REPO / "packaging/grafana/relayd.json", REPO / "packaging/prometheus/relayd.rules.yml"
#: Of several machines.
MACHINES = REPO / "packaging/examples/machines.rules.yml"


def test_each_metric_that_is_asked_for_exists(relay, origin, short_path, tmp_path):
    at = str(short_path / "control.sock")
    https(relay, Site(tmp_path), origin(http), top=f'control = "{at}"', mode="http")
    there = {metric.name + suffix for metric in parse(relayctl("-s", at, "metrics")).values() for suffix, _ in metric.samples}
    for path, some in (DASHBOARD, 10), (RULES, 10), (MACHINES, 2):
        asked = set(re.findall(r"\brelayd_\w+", path.read_text()))
        assert len(asked) > some and asked - there == set(), path.name


def test_the_dashboard_is_whole():
    board = json.loads(DASHBOARD.read_text())
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not cells & taken and panel["targets"], panel["title"]
        taken |= cells


def test_codes_in_the_alerts_exist():
    codes = re.findall(r'code=~"([A-Z|]+)"', RULES.read_text())[0].split("|")
    assert set(codes) <= set(re.findall(r'^END\(\w+, "(\w\w)"', (REPO / "src/record/ends.def").read_text(), re.M))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="there is no promtool")
@pytest.mark.parametrize("words", [("check", "rules", RULES), ("test", "rules", REPO / "tests/prometheus/rules_test.yml"),
                                   ("check", "rules", MACHINES), ("test", "rules", REPO / "tests/prometheus/machines_test.yml"),
                                   ("check", "config", "--syntax-only", REPO / "packaging/examples/prometheus.yml")],
                         ids=["check", "test", "check-machines", "test-machines", "check-config"])
def test_promtool_reads_the_alerts(words):
    # It computes for three seconds, if it has a processor.
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, check=False, timeout=4 * DEADLINE)
    assert done.returncode == 0, done.stdout + done.stderr
