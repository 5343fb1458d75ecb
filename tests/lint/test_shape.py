"""The shape of the code: floors, sizes, and calls that have no place."""
import functools
import re

import pytest
import tree

FLOORS = ["base", "wire", "tls", "keeper", "config", "http", "record", "names", "health", "upstream", "listen", "handover", "conn", "road", "relay",
          "control", "relayctl", "daemon"]
SOURCES = tree.files("src/**/*.c", "src/**/*.h")
TABLES = tree.files("src/**/*.def")


def floor(path):
    folder = path.relative_to(tree.ROOT / "src").parts[0]
    return len(FLOORS) if folder == path.name else FLOORS.index(folder)   # main.c is on top


@pytest.mark.parametrize("path", SOURCES + TABLES, ids=tree.name)
def test_includes_look_down_and_name_the_floor(path):
    wrong = []
    for included in re.findall(r'^\s*#\s*include\s+"([^"]+)"', tree.read(path), re.M):
        if included == "version.h":
            continue   # made by meson
        if (path.parent / included).exists() and floor(path) == len(FLOORS):
            continue   # beside main.c: cli.h
        folder = included.split("/")[0]
        if "/" not in included or folder not in FLOORS or FLOORS.index(folder) > floor(path):
            wrong.append(included)
    assert not wrong


def includes(path):
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', tree.read(path), re.M)


def noun(stem, stems):
    """queue of queue_turn, where there is a queue: a file that was parted for its length is no module."""
    words = stem.split("_")
    return next((first for first in ("_".join(words[:n]) for n in range(1, len(words))) if first in stems), stem)


def modules(room):
    """What each module of a room includes: a module is a header with its .c, and with parts that have none."""
    paths = [path for path in SOURCES if path.parent == tree.ROOT / "src" / room]
    stems, headers = {path.stem for path in paths}, {path.stem for path in paths if path.suffix == ".h"}
    arrows = {}
    for path in paths:
        module = path.stem if path.stem in headers else noun(path.stem, stems)
        found = {included.split("/")[1].rsplit(".", 1)[0] for included in includes(path) if included.startswith(room + "/")}
        arrows.setdefault(module, set()).update(found & headers - {module})
    return arrows, stems


def reach(arrows, module):
    seen, ahead = set(), [module]
    while ahead:
        for other in arrows.get(ahead.pop(), ()):
            if other not in seen:
                seen.add(other)
                ahead.append(other)
    return seen


@pytest.mark.parametrize("room", FLOORS)
def test_no_circle_between_modules(room):
    arrows, stems = modules(room)
    reached = {module: reach(arrows, module) for module in arrows}
    circles = {tuple(sorted(other for other in reached[module] if module in reached[other]))
               for module in arrows if module in reached[module]}
    circles = [set(circle) for circle in circles if len({noun(stem, stems) for stem in circle}) > 1]
    wrong = [", ".join(f"{module} -> {other}" for module in sorted(circle) for other in sorted(arrows[module]) if other in circle)
             for circle in circles]
    assert not wrong, ("these files include each other: move the type or function that both need to the lower one or to "
                       "a file of its own, or hand the lower one a function pointer")


def test_no_room_is_too_big():
    lines = {room: sum(len(tree.read(path).splitlines()) for path in tree.files(f"src/{room}/*")) for room in FLOORS}
    whole = sum(len(tree.read(path).splitlines()) for path in SOURCES + TABLES)
    wrong = [f"src/{room}: {100 * n / whole:.1f} %" for room, n in lines.items() if n > 0.16 * whole]
    assert not wrong, "a room has at most 16 % of the lines of src: part it by what its files are about (src/README.md, Rooms)"


@pytest.mark.parametrize("path", SOURCES, ids=tree.name)
def test_no_file_is_longer_than_400_lines(path):
    assert len(tree.read(path).splitlines()) <= 400


@pytest.mark.parametrize("path", tree.files("src/**/*.c", "src/**/*.h", "tests/unit/*.[ch]", "tests/fuzz/*.c"), ids=tree.name)
def test_no_line_is_wider_than_100(path):
    wide = [number for number, line in enumerate(tree.read(path).splitlines(), 1) if len(line) > 100]
    assert not wide, "wrap the comment, or put it on a line of its own above the code"


@functools.cache
def long_functions():
    """(file, function, lines) of each that is longer than 70 lines."""
    listing = tree.run("ctags", "-f", "-", "--languages=C", "--kinds-C=f", "--fields=ne",
                       *map(tree.name, tree.files("src/**/*.c"))).stdout
    return [(file, function, int(end) - int(start) + 1)
            for function, file, start, end in re.findall(r"^(\w+)\t(\S+)\t.*\tline:(\d+)\tend:(\d+)", listing, re.M)
            if int(end) - int(start) + 1 > 70]


@pytest.mark.parametrize("path", tree.files("src/**/*.c"), ids=tree.name)
def test_no_function_is_longer_than_70_lines(path):
    assert not [found for found in long_functions() if found[0] == tree.name(path)], "part it: each step a function of its own"


# the road waits by blocking, in one system call at a time
WAITS_OTHERWISE = (r"\b(select|pselect|poll|ppoll|fcntl)\s*\(|\bepoll_|\bio_uring|\bO_NONBLOCK\b|\bSOCK_NONBLOCK\b"
                   r"|\bSPLICE_F_NONBLOCK\b")
FORBIDDEN = {
    **{f"src/{room}": WAITS_OTHERWISE for room in ("listen", "handover", "conn", "road", "relay")},
    # below main, a failure is returned
    "src": r"\b(exit|_exit|quick_exit|err|errx)\s*\(",
}
ALLOWED = {("src", "src/main.c")}


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_no_call_that_has_no_place_there(folder):
    found = []
    for path in SOURCES:
        if not tree.name(path).startswith(folder + "/") or (folder, tree.name(path)) in ALLOWED:
            continue
        for number, line in enumerate(tree.code(path).splitlines(), 1):
            for match in re.finditer(FORBIDDEN[folder], line):
                found.append(f"{tree.name(path)}:{number}: {match[0]}")
    assert not found


def test_no_naked_mutex_or_condition():
    found = [f"{tree.name(path)}: {match[0]}" for path in SOURCES
             if tree.name(path) not in ("src/base/sync.c", "src/base/sync.h")
             for match in re.finditer(r"\bpthread_(mutex|cond|rwlock|spin)_\w+", tree.code(path))]
    assert not found


def test_no_naked_thread():
    found = [tree.name(path) for path in SOURCES
             if tree.name(path) != "src/base/thread.c" and "pthread_create" in tree.code(path)]
    assert not found


def test_daemon_looks_into_no_relay():
    found = [f"{tree.name(path)}:{number}: {line.strip()}" for path in tree.files("src/daemon/*.[ch]")
             for number, line in enumerate(tree.code(path).splitlines(), 1) if re.search(r"\brelay->", line)]
    assert not found, "ask by a function of relay/relay.h, or move what works on its members to src/relay"


def test_no_note_to_oneself_is_left():
    word = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
    found = [f"{tree.name(path)}:{number}" for path in tree.files()
             for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
             if word.search(line)]
    assert not found


@pytest.mark.parametrize("path", tree.files("src/**/*.h"), ids=tree.name)
def test_header_guard_is_the_path(path):
    guard = "_".join(path.relative_to(tree.ROOT / "src").parts).upper().replace(".", "_")
    assert re.search(rf"^#ifndef {guard}\n#define {guard}$", tree.read(path), re.M)
