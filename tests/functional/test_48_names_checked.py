"""relayd -t looks the names of servers up: what does not exist is a warning, and never an error, or a long wait."""

import re

import pytest

from dns import SERVFAIL, SWALLOW
from fleet import conf
from peer import elapsed
from relay import once
from settings import free_port
from test_48_names_fail import dns   # noqa: F401 (a fixture)


@pytest.fixture
def check(dns, tmp_path):   # noqa: F811
    """Checks a configuration with servers at these addresses: the warnings, and the seconds that it took."""
    def checks(*addresses):
        path = tmp_path / "relayd.conf"
        path.write_text(conf(f"127.0.0.1:{free_port()}", {f"s{n}": address for n, address in enumerate(addresses)}))
        done, took = elapsed(lambda: once("-t", "-f", path, wrap=dns.wrap))
        assert done.returncode == 0 and "the configuration is valid" in done.stdout, done.stderr
        return done.stderr.splitlines(), took
    return checks


def test_a_name_that_is_not_there_is_a_warning(dns, check):   # noqa: F811
    dns.set("app.test", A=["127.0.1.1"], AAAA=SWALLOW)   # one family is enough
    dns.set("_web._tcp.test", SRV=[("app.test", 80, 1, 1)])
    warnings, took = check("app.test:80", "srv:_web._tcp.test", "10.0.0.1:80", "localhost:80", "bpp.test:80", "bpp.test:81",
                           "srv:_wob._tcp.test")
    assert len(warnings) == 2, warnings
    assert re.search(r"relayd.conf:\d+: warning: server s4: the name bpp.test has no address: Domain name not found; "
                     "connections to it fail until it has one.$", warnings[0]), warnings
    assert "server s6: the name _wob._tcp.test has no address: " in warnings[1]
    assert took < 1.9   # nobody waits for what is not needed


def test_many_names_that_are_not_there_are_a_few_lines(check):
    warnings, _ = check(*[f"n{number}.test:80" for number in range(200)])
    assert len(warnings) == 11 and "warning: 190 more names of servers have no address." in warnings[-1]


@pytest.mark.parametrize("how", [SWALLOW, SERVFAIL], ids=["away", "fails"])
def test_names_that_nobody_answers_are_one_line_and_a_bounded_wait(dns, check, how):   # noqa: F811
    names = [f"n{number}.test" for number in range(500)]
    for name in names:
        dns.set(name, A=how, AAAA=how)
    warnings, took = check(*[f"{name}:80" for name in names])
    assert len(warnings) == 1, warnings
    assert "nobody could say within 2 s whether n0.test, n1.test, n2.test and 497 more have addresses: " in warnings[0]
    assert took < 6   # one name alone is given up after as much


def test_one_name_that_nobody_answers(dns, check):   # noqa: F811
    dns.set("app.test", A=SWALLOW, AAAA=SWALLOW)
    warnings, _ = check("app.test:80")
    assert len(warnings) == 1
    assert "whether app.test has an address: name servers did not answer; relayd starts all the same" in warnings[0]
