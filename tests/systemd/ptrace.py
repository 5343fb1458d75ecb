"""Freezes threads: run in a box as root with a pid and patterns of thread names, for as long as stdin is open.

    python3 ptrace.py PID PATTERN...

Prints "frozen N" once all N threads of this process whose names match have stopped. Each is stopped by itself
(PTRACE_SEIZE and PTRACE_INTERRUPT), the other threads run on, as they would beside one that hangs. At the end of
stdin the threads go on; if the process dies before, its threads are reaped, as their tracer must do.
"""
import ctypes
import fnmatch
import os
import sys

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000  # __WALL: threads, too

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, tid):
    if libc.ptrace(request, tid, None, None) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x} of {tid}")


def threads(pid, patterns):
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="utf-8") as file:
            name = file.read().strip()
        if any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            yield int(tid)


def reap():
    """Waits for the ends of the threads that are traced."""
    try:
        while True:
            os.waitpid(-1, WALL)
    except ChildProcessError:
        pass


def main():
    pid, patterns = int(sys.argv[1]), sys.argv[2:]
    frozen = list(threads(pid, patterns))
    for tid in frozen:
        ptrace(PTRACE_SEIZE, tid)
        ptrace(PTRACE_INTERRUPT, tid)
    for tid in frozen:
        _, status = os.waitpid(tid, WALL)
        assert os.WIFSTOPPED(status), status
    print(f"frozen {len(frozen)}", flush=True)
    reader = os.fork()  # reads stdin, while this process reaps
    if reader == 0:
        sys.stdin.read()
        os._exit(0)
    while frozen:
        tid, status = os.waitpid(-1, WALL)
        if tid == reader:
            for each in frozen:
                ptrace(PTRACE_DETACH, each)
            return
        if not os.WIFSTOPPED(status):
            frozen.remove(tid)
    os.kill(reader, 9)
    reap()


if __name__ == "__main__":
    main()
