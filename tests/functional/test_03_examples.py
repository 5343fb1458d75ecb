"""conf/examples: each is right as it stands, and short enough to be read."""

import re

import pytest

from relay import once
from settings import REPO

EXAMPLES = sorted((REPO / "conf" / "examples").glob("*.conf"))
OURS = [*EXAMPLES, REPO / "conf" / "relayd.conf", REPO / "packaging" / "relayd.conf"]


def named(path):
    return str(path.relative_to(REPO))


def test_there_is_one_for_each_use():
    assert [path.stem for path in EXAMPLES] == [
        "balanced-site", "behind-cloud-balancer", "database", "dns-srv", "single-origin", "socket-activation",
        "unix-socket"]


@pytest.mark.parametrize("path", OURS, ids=named)
def test_it_has_no_error(path):
    done = once("-t", "-f", path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", OURS, ids=named)
def test_its_dump_is_dumped_as_the_same(path, tmp_path):
    first = once("-T", "-f", path)
    assert first.returncode == 0, first.stderr
    copy = tmp_path / "relayd.conf"
    copy.write_text(first.stdout)
    second = once("-T", "-f", copy)
    assert (second.returncode, second.stdout) == (0, first.stdout), second.stderr


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_it_says_what_it_is_for_and_is_short(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert re.match(r"# \S.*", lines[0])
    assert len(lines) <= 60
    assert all(len(line) <= 120 for line in lines)
