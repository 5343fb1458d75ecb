"""The source tree, as the lint tests see it."""
import functools
import json
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


@functools.cache
def _all_files():
    """What git has or would take; without git, everything but build directories."""
    if shutil.which("git") and (ROOT / ".git").exists():
        listing = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                                 cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        if listing.returncode == 0:
            names = set(filter(None, listing.stdout.decode().split("\0")))
            return sorted(path for path in map(ROOT.joinpath, names) if path.is_file())
    skipped = {path.parent for path in ROOT.glob("*/meson-info")}
    return sorted(path for path in ROOT.rglob("*")
                  if path.is_file() and not skipped & set(path.parents)
                  and not {".git", "__pycache__"} & set(path.parts))


def files(*patterns):
    """The files of the tree, those that match globs such as src/**/*.c."""
    if not patterns:
        return _all_files()
    wanted = {path for pattern in patterns for path in ROOT.glob(pattern)}
    return [path for path in _all_files() if path in wanted]


def name(path):
    return str(path.relative_to(ROOT))


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def code(path):
    """The text of a C file with comments and strings blanked out, line by line the same."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match[0])
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"', blank, read(path), flags=re.S)


def run(*command, **options):
    return subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, **options)


def rows(table, macro):
    """The rows of a .def table as tuples of strings: the arguments as C has them, literals joined."""
    text = re.sub(r"/\*.*?\*/", " ", read(table), flags=re.S)
    result, position = [], 0
    for start in re.finditer(rf"^{macro}\(", text, re.M):
        arguments, position = _arguments(text, start.end())
        result.append(arguments)
    return result


def _arguments(text, position):
    token = re.compile(r'"((?:[^"\\]|\\.)*)"|([(),])|([^"(),]+)', re.S)
    arguments, current, depth = [], "", 0
    while True:
        match = token.match(text, position)
        position = match.end()
        literal, mark, other = match.groups()
        if literal is not None:
            current += json.loads(f'"{literal}"')
        elif mark == ")" and depth == 0:
            return tuple(arguments + [current.strip()]), position
        elif mark == "," and depth == 0:
            arguments.append(current.strip())
            current = ""
        elif mark:
            depth += {"(": 1, ")": -1, ",": 0}[mark]
            current += mark
        else:
            current += other if other.strip() else ""
