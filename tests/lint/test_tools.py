"""What the tools of the trade say: formatters, checkers, compilers."""
import functools
import json
import re
import shutil

import pytest
import tree

C_FILES = tree.files("src/**/*.c", "src/**/*.h", "tests/unit/**/*.c", "tests/unit/**/*.h",
                     "tests/fuzz/**/*.c")
MANUALS = tree.files("man/*.[1-8]")


def scripts():
    for path in tree.files():
        with open(path, "rb") as file:
            first = file.readline(80)
        if re.match(rb"#!.*\b(ba|da)?sh\b|# shellcheck shell=", first):
            yield path


#: Each release of the formatter breaks some lines in another way: the one of Debian 12 decides.
FORMATTER = "14"


def formatter():
    return re.search(r"version (\d+)", tree.run("clang-format", "--version").stdout)[1]


@functools.cache
def formatted_otherwise():
    """By one process for all files: its start takes longer than its work."""
    said = tree.run("clang-format", "--dry-run", *map(tree.name, C_FILES)).stdout
    return set(re.findall(r"^(\S+?):\d+:\d+: warning: code should be clang-formatted", said, re.M))


@pytest.mark.skipif(formatter() != FORMATTER, reason="another release of clang-format")
@pytest.mark.parametrize("path", C_FILES, ids=tree.name)
def test_clang_format(path):
    assert tree.name(path) not in formatted_otherwise(), f"run clang-format -i {tree.name(path)}"


@pytest.mark.parametrize("path", list(scripts()), ids=tree.name)
def test_shellcheck(path):
    done = tree.run("shellcheck", "-x", tree.name(path))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", MANUALS, ids=tree.name)
def test_mandoc(path):
    done = tree.run("mandoc", "-Tlint", "-Wwarning", str(path))
    assert (done.returncode, done.stdout) == (0, "")


def test_codespell():
    # Tests of "did you mean" need misspellings.
    paths = [tree.name(path) for path in tree.files()
             if not tree.name(path).startswith(("tests/unit/", "tests/functional/"))]
    done = tree.run("codespell", "--ignore-words", "tests/lint/codespell.words", *paths)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", tree.files("**/*.py"), ids=tree.name)
def test_python_compiles(path):
    compile(path.read_text(encoding="utf-8"), str(path), "exec")


def test_clang_checks_the_locks():
    """build-clang is built with warnings as errors; here: the analysis was asked for."""
    database = tree.ROOT / "build-clang" / "compile_commands.json"
    if not database.exists():
        pytest.skip("build-clang is not there: tests/run makes it")
    commands = [entry["command"] for entry in json.loads(database.read_text())
                if "/src/" in entry["file"] or entry["file"].startswith("../src/")]
    assert commands
    for command in commands:
        assert re.search(r"\bclang\b", command)
        assert "-Wthread-safety" in command
    options = json.loads((database.parent / "meson-info" / "intro-buildoptions.json").read_text())
    assert [option["value"] for option in options if option["name"] == "werror"] == [True]


@pytest.mark.parametrize("program", ["relayd", "relayd-keeper"])
def test_unit_file(program, tmp_path):
    folder = tree.ROOT / "build" / "systemd"
    if not (folder / f"{program}.service").exists() or not shutil.which("systemd-analyze"):
        pytest.skip(f"needs build/systemd/{program}.service and systemd-analyze")
    for name in ("relayd", "relayd-keeper"):
        text = (folder / f"{name}.service").read_text() + "\f" + tree.read(f"systemd/{name}.socket")
        fixed = re.sub(r"^(Exec\w+)=\S+", rf"\1={tree.ROOT}/build/{name}", text, flags=re.M)
        fixed = re.sub(r"^Documentation=.*\n", "", fixed, flags=re.M)   # the manuals are not installed
        for kind, part in zip(("service", "socket"), fixed.split("\f")):
            (tmp_path / f"{name}.{kind}").write_text(part)
    units = [str(tmp_path / f"{program}.{kind}") for kind in ("service", "socket")]
    done = tree.run("systemd-analyze", "verify", "--man=no", *units)
    complaints = [line for line in done.stdout.splitlines() if "relayd" in line]
    assert not complaints


def test_catalog(tmp_path):
    catalog = tree.ROOT / "build" / "systemd" / "relayd.catalog"
    if not catalog.exists() or not shutil.which("journalctl"):
        pytest.skip("needs build/systemd/relayd.catalog and journalctl")
    place = tmp_path / "usr" / "lib" / "systemd" / "catalog"
    place.mkdir(parents=True)
    (tmp_path / "var" / "lib" / "systemd" / "catalog").mkdir(parents=True)
    shutil.copy(catalog, place)
    done = tree.run("journalctl", f"--root={tmp_path}", "--update-catalog")
    assert (done.returncode, done.stdout) == (0, "")
    listed = tree.run("journalctl", f"--root={tmp_path}", "--list-catalog").stdout
    assert len(listed.splitlines()) == len(tree.rows("src/base/messages.def", "MESSAGE"))
