"""The source tree, as the lint tests see it."""
import json
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOT_OURS = {".git", ".pytest_cache", "__pycache__", ".cache"}


def files(*patterns):
    """Every file of the tree that matches a glob such as src/**/*.c, build directories excluded."""
    found = set()
    for pattern in patterns or ("**/*",):
        for path in ROOT.glob(pattern):
            inside = path.relative_to(ROOT).parts
            if path.is_file() and not NOT_OURS & set(inside) and not inside[0].startswith("build"):
                found.add(path)
    return sorted(found)


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
