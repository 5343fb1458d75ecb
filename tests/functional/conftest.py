"""Fixtures: factories of relays and origins that are checked and put away after each test."""

import contextlib
import os
import shutil
import subprocess

import pytest

from keeper import Keeper, Meeting, Revived
from netns import Netns
from origin import FullOrigin, Origin
from relay import Relay
from settings import COPY, DEADLINE, LONG, RELAYD, SANITIZER, short_directory
from wire import Wire


def pytest_configure(config):
    if not os.access(RELAYD, os.X_OK):
        raise pytest.UsageError(f"there is no {RELAYD}: build it first, or name it in $RELAYD")


#: Files that a sanitizer is run without; with `tests/run --long` it has all of them.
#: Neither: shells, documents and pages, which are not C; examples of relayd.conf, with which the fuzzer of files begins; real
#: programs that ask the same of relayd again and again.
NEITHER = ("test_03_examples.py", "test_04_quickstart.py", "test_05_documents.py", "test_06_machines.py", "test_52_completion.py", "test_52_page.py",
           "test_52_rules.py", "test_63_tls_clients.py", "test_65_tls_origins.py",
           "test_69_tls_scanned.py", "test_70_http_apps.py", "test_70_http_browser.py", "test_70_real.py",
           "test_77_outlives_many.py")
#: Not the address sanitizer: moments and orders of events, queues and crowds, which the thread sanitizer has. Their bytes and
#: lives are those of other files.
MOMENTS = ("test_30_queue_limits.py", "test_31_order.py", "test_32_fair_workers.py", "test_33_full_servers.py", "test_43_servers.py",
           "test_47_names.py", "test_50_stop.py", "test_51_drain_idle.py", "test_53_beside_main.py", "test_53_errands.py",
           "test_53_steer.py", "test_58_manager.py", "test_59_given_up.py", "test_70_http_slow.py", "test_76_keeper_kill.py",
           "test_77_keeper_gone.py", "test_90_road.py", "test_98_http_waits.py")
#: Not the thread sanitizer: what one thread reads, says or refuses, which the address sanitizer has.
BYTES = ("test_01_cli.py", "test_02_config.py", "test_04_includes.py", "test_06_tls_certificates.py", "test_41_ports.py",
         "test_41_socket_files.py", "test_44_health_speaks.py", "test_45_proxy_protocol.py", "test_48_names_fail.py", "test_49_answers.py",
         "test_52_measured.py", "test_52_nonsense.py", "test_52_top.py", "test_53_check.py", "test_53_equal.py",
         "test_53_explain.py",
         "test_57_reload_refused.py", "test_60_protocols.py", "test_79_keeper_mangled.py", "test_81_keeper_places.py",
         "test_70_http_scenes.py", "test_77_outlives_tls.py", "test_77_outlives_torn.py", "test_82_keeper_whose.py", "test_84_keeper_crashes.py", "test_86_log_format.py",
         "test_96_http_peers.py")
LEFT_OUT = {"address": NEITHER + MOMENTS, "thread": NEITHER + BYTES}


#: Each case is a point at which relayd dies, which builds for sanitizers alone have: the address sanitizer's does so at each.
EACH_CASE = "test_killed_at_each_point_of_a_request"


def for_sanitizer(items):
    """Of each test the first of its cases: the others are for what comes out."""
    seen = set()
    for item in items:
        case = (item.path, item.name if SANITIZER == "address" and item.originalname == EACH_CASE else item.originalname)
        if item.path.name not in LEFT_OUT[SANITIZER] and case not in seen:
            seen.add(case)
            yield item


def pytest_collection_modifyitems(config, items):
    if SANITIZER and not LONG:
        kept = list(for_sanitizer(items))
        left = set(items) - set(kept)
        config.hook.pytest_deselected(items=[item for item in items if item in left])
        items[:] = kept
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(6 * DEADLINE))


def pytest_report_header():
    return f"relayd: {RELAYD}, sanitizer: {SANITIZER or 'none'}"


class Hosts:
    """The daemon gets a hosts file of its own, in a mount namespace of its own, and asks nobody else."""

    def __init__(self, directory):
        self.path = directory / "hosts"
        self.order = directory / "nsswitch.conf"
        self.order.write_text("hosts: files\n")
        self.set("127.0.0.1 localhost")

    def set(self, *lines):
        """Written in place: the mount shows this very file."""
        with open(self.path, "a+", encoding="ascii") as file:
            file.truncate(0)
            file.write("".join(line + "\n" for line in lines))

    @property
    def wrap(self):
        return ["unshare", "-m", "sh", "-ec",
                'mount --bind "$0" /etc/hosts; mount --bind "$1" /etc/nsswitch.conf; shift; exec "$@"',
                self.path, self.order]


@pytest.fixture
def origin():
    """origin(script, ...) starts a scripted origin."""
    started = []

    def start(script, **options):
        started.append(Origin(script, **options))
        return started[-1]
    yield start
    for one in started:
        one.stop()
    for one in started:
        one.check()


@pytest.fixture
def full_origin():
    one = FullOrigin()
    yield one
    one.stop()


@pytest.fixture
def relay(origin):
    """relay(server, option=value, ...) starts relayd and waits until it is ready. It must exit 0 after the test."""
    with contextlib.ExitStack() as stack:
        def start(server=None, **options):
            one = Relay(server, **{**options, "ready": False})
            stack.callback(one.finish)
            if options.get("ready", True):
                one.wait_notified("READY=1")
            return one
        yield start


@pytest.fixture
def at(short_path):
    """Where a control socket may be."""
    return str(short_path / "control.sock")


@pytest.fixture
def keeper(short_path):
    """A running relayd-keeper."""
    one = Keeper(short_path / "keeper")
    yield one
    one.finish()


@pytest.fixture
def revived(keeper):
    """revived(server, option=value, ...) starts a relayd that can be killed and started again, and leaves its connections
    to the keeper. The last one must exit 0 after the test."""
    with contextlib.ExitStack() as stack:
        def start(server=None, **options):
            if "text" not in options:
                options = {"keeper": keeper.path, "on_term": "leave", **options}
            one = Revived(server, **{**options, "ready": False})
            stack.callback(one.finish)
            if options.get("ready", True):
                one.wait_notified("READY=1")
            return one
        yield start


@pytest.fixture
def meeting():
    """A server that the test itself plays."""
    one = Meeting()
    yield one
    one.stop()


@pytest.fixture(params=COPY)
def copy(request):
    """Every test of the data path runs once for each way of copying."""
    return request.param


@pytest.fixture
def short_path():
    """A directory for unix sockets, whose names must be short."""
    path = short_directory()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def wire():
    """A network of the test's own."""
    if not os.access("/dev/net/tun", os.W_OK):
        pytest.skip("needs /dev/net/tun")
    one = Wire()
    yield one
    one.close()


@pytest.fixture
def server():
    """server(servers.Nginx, ...) starts a real server."""
    with contextlib.ExitStack() as stack:
        def start(kind, **options):
            one = kind(**options)
            stack.callback(one.stop)
            one.wait_ready()
            return one
        yield start


@pytest.fixture
def netns():
    one = Netns()
    yield one
    one.stop()


@pytest.fixture
def hosts(tmp_path):
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("a hosts file of its own needs a mount namespace, which cannot be had here")
    return Hosts(tmp_path)
