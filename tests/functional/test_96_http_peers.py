"""Mode http: what relayd passes on of hostile streams other servers read as the same requests as it does itself, with the same
targets: nginx, HAProxy, node and h11."""

import collections
from concurrent.futures import ThreadPoolExecutor

import pytest
import readers
from control import relayctl
from exposition import parse, values
from hostile import GOOD, INNER, Strict, all_streams, throw
from settings import DEADLINE, LONG, free_port, some
from web import proxy

ROUNDS = 60 if LONG else 1
STREAMS = some(2000)


@pytest.fixture
def strict():
    one = Strict()
    yield one
    one.stop()


@pytest.fixture(params=["nginx", "haproxy", "node", "h11"])
def reader(request, server):
    if request.param == "node" and not readers.has_node():
        pytest.skip("node is not there")
    if request.param == "h11" and readers.h11 is None:
        pytest.skip("python3-h11 is not there")
    if request.param == "h11":
        return readers.H11Reader()
    if request.param == "haproxy":
        backend = f"127.0.0.1:{free_port()}"
        server(readers.NginxReader, backend=backend)
        return server(readers.HAProxyReader, backend=backend)
    return server({"nginx": readers.NginxReader, "node": readers.NodeReader}[request.param])


def target_of(record):
    """Servers get the path of an absolute target alone."""
    path = getattr(record, "path", "")
    return path if path[:1] in ("/", "*") else "/" + path


def one_round(relay, strict, at, seed):
    """Streams of this seed through a relay; what the server got."""
    before = len(strict.taken)
    one = proxy(relay, strict, top=f'control = "{at}"\nlog_requests = all')
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda stream: throw(one.address, stream), all_streams(STREAMS, seed)))
    strict.wait_idle(DEADLINE)
    counts = values(parse(relayctl("-s", at, "metrics")))
    one.finish()
    assert not strict.wrong, strict.wrong[:5]
    taken = [connection for connection in strict.taken[before:] if connection.raw]
    asked = {asked.name: asked for connection in taken for asked in connection.asked}
    assert len(asked) == sum(len(connection.asked) for connection in taken) > STREAMS // 4
    assert sum(one.whole for one in asked.values()) == counts['relayd_listener_requests_total{listener="web",code="2xx",by="server"}']
    for record in one.requests():   # of a flood some are summed up
        if record.request in asked:
            assert (record.method, target_of(record)) == (asked[record.request].method, asked[record.request].target)
        else:
            assert record.status != 200, record
    # Behind an Upgrade relayd sends nothing before the answer, which here comes at once: node drops what it takes for another protocol.
    return [connection for connection in taken if b"\r\nUpgrade: " not in connection.raw]


def streams_of(taken):
    return [bytes(connection.raw) for connection in taken], [sum(asked.whole for asked in connection.asked) for connection in taken]


def agree(taken, found, refused):
    """The requests of each connection, in their order. A server that is stricter refuses one, and reads no further."""
    names = collections.Counter(name for _, name, *_ in found if name)
    assert not names or names.most_common(1)[0][1] == 1, names.most_common(3)
    place = {name: (number, status, method, target) for number, (status, name, method, target) in enumerate(found)}
    for connection, is_refused in zip(taken, refused, strict=True):
        seen = [asked for asked in connection.asked if asked.name in place]
        assert seen == connection.asked[:len(seen)], (connection.raw, seen)
        numbers = [place[asked.name][0] for asked in seen]
        assert numbers == sorted(numbers), (connection.raw, seen)
        assert is_refused or all(asked in seen for asked in connection.asked if asked.whole), (connection.raw, seen)
        for asked in seen:
            assert (asked.method, asked.target) == place[asked.name][2:], (connection.raw, seen)
    known = {asked.name for connection in taken for asked in connection.asked}
    assert not [entry for entry in found if entry[1] not in known and 0 < entry[0] < 400]


@pytest.mark.timeout(60 * DEADLINE)
def test_other_servers_read_the_same_requests(relay, strict, reader, at):
    done = 0
    for seed in range(ROUNDS):
        taken = one_round(relay, strict, at, 10 * seed + 1)
        found, refused = reader.read(*streams_of(taken))
        agree(taken, found[done:], refused)
        assert sum(refused) < len(refused) / 4, "almost nothing was compared"
        done = len(found) if not isinstance(reader, readers.H11Reader) else 0


@pytest.mark.skipif(readers.h11 is None, reason="python3-h11 is not there")
@pytest.mark.parametrize("change", [
    lambda raw: raw + INNER,
    lambda raw: raw.replace(b"/before", b"/other", 1),
    lambda raw: raw.replace(b"X-Request-ID: ", b"X-Request-ID: a", 1),
    lambda raw: raw[:-40],
    lambda raw: raw.replace(b"Host: n", b"Content-Length: %d\r\nHost: n" % len(raw), 1),
], ids=["one too many", "another target", "another name", "one too few", "one that takes in the others"])
def test_a_difference_would_be_seen(relay, strict, change):
    one = proxy(relay, strict)
    throw(one.address, GOOD + GOOD)
    strict.wait_idle(DEADLINE)
    raw = bytes(strict.taken[0].raw)
    agree(strict.taken, *readers.H11Reader().read([raw], [2]))
    with pytest.raises(AssertionError):
        agree(strict.taken, *readers.H11Reader().read([change(raw)], [2]))
