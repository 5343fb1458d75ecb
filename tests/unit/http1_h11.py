"""What wire/http1 lets through, h11 (a parser of Python) sees as the same requests, with the same targets and bodies.

Arguments: the program http1_reads, and how many streams. Where http1 refuses, what came before it counts."""
import os
import shlex
import subprocess
import sys

from http1_streams import NEXT, streams

try:
    import h11
except ImportError:
    print("python3-h11 is not there")
    sys.exit(77)


def ask_ours(program, all_streams):
    """For each: [(method, target, from, to, body)], how it ends."""
    told = b"".join(b"%d\n" % len(stream) + stream for stream in all_streams)
    command = [*shlex.split(os.environ.get("MESON_EXE_WRAPPER", "")), program]     # what runs another architecture's
    lines = iter(subprocess.run(command, input=told, stdout=subprocess.PIPE, check=True).stdout.split(b"\n"))
    for _ in all_streams:
        seen = []
        for line in lines:
            words = line.split(b" ")
            if words[0] in (b"close", b"more", b"bad"):
                yield seen, line
                break
            seen.append((words[0], words[1], int(words[2]), int(words[3]), words[4]))


def sum_of(body):
    total = 0
    for byte in body:
        total = (total * 31 + byte) & 0xffffffff
    return b"%d/%d" % (total, len(body))


def ask_h11(stream):
    """[(method, target, body)], why it does not take the rest, or nothing."""
    peer = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    seen, body = [], b""
    if not stream:   # no data is an end, to h11
        return seen, ""
    peer.receive_data(stream)
    try:
        while True:
            event = peer.next_event()
            if event is h11.NEED_DATA:
                return seen, "it waits for more" if peer.trailing_data[0] or peer.their_state is h11.SEND_BODY else ""
            if event is h11.PAUSED:
                return seen, ""
            if isinstance(event, h11.Request):
                asked, body = event, b""
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                seen.append((bytes(asked.method), bytes(asked.target), sum_of(body)))
                peer.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                peer.send(h11.EndOfMessage())
                if peer.our_state is h11.MUST_CLOSE and asked.http_version == b"1.1":
                    return seen, ""
                if peer.our_state is h11.MUST_CLOSE:   # of 1.0: h11 never keeps these alive
                    rest, _ = peer.trailing_data
                    following, why = ask_h11(bytes(rest))
                    return seen + following, why
                peer.start_next_cycle()
    except h11.RemoteProtocolError as error:
        return seen, str(error)


def main():
    program, n = sys.argv[1], int(sys.argv[2])
    all_streams, passed, apart, wrong = list(streams(n)), 0, 0, []
    for stream, (ours, _) in zip(all_streams, ask_ours(program, all_streams), strict=True):
        # an empty line before a request is not passed on
        through = b"".join(stream[start:stop] for _, _, start, stop, _ in ours)
        theirs, why = ask_h11(through)
        if [(method, target, body) for method, target, _, _, body in ours] != theirs or why:
            wrong.append((through, f"ours: {ours}, h11's: {theirs}, which then says: {why}"))
        passed += len(ours)
        apart += any(target == b"/next" for _, target, *_ in ours) and stream.endswith(NEXT)
    print(f"{n} streams, {passed} requests let through, {apart} streams to their end")
    for through, why in wrong[:20]:
        print(f"{through!r}\n    {why}")
    if wrong or passed < n / 2 or apart < n / 10:   # or nothing was tried
        sys.exit(f"{len(wrong)} streams are read otherwise")


main()
