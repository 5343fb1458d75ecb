"""Lists exist once: what the tables of the program say, the manuals and the sample say too."""
import re
import sys

import pytest
import tree

sys.path.insert(0, str(tree.ROOT / "man"))
import tables  # noqa: E402

OPTIONS = tree.rows("src/config/options.def", "OPTION")
ENDS = tree.rows("src/relay/ends.def", "END")
MESSAGES = tree.rows("src/base/messages.def", "MESSAGE")


def test_ends_are_well_formed():
    codes = [code for _, code, *_ in ENDS]
    assert all(re.fullmatch("[A-Z]{2}", code) for code in codes)
    assert sorted(set(codes)) == sorted(codes)
    assert {failed for _, _, failed, *_ in ENDS} <= {"true", "false"}


def test_message_ids_are_well_formed():
    ids = [identity for _, _, identity, *_ in MESSAGES]
    assert all(re.fullmatch("[0-9a-f]{32}", identity) for identity in ids)
    assert sorted(set(ids)) == sorted(ids)


def test_manual_has_the_ends_counters_and_messages_of_the_tables():
    page = tree.read("man/relayd.8")
    assert page == tables.filled_in(page), "run man/tables.py"


# Options: the sample

SECTIONS = {"global": "", "listener": "listener", "upstream": "upstream", "server": "server"}


def sample_options():
    """(section, name) -> value of every option in conf/relayd.conf, commented out or not."""
    found, sections = {}, ["global"]
    for line in tree.read("conf/relayd.conf").splitlines():
        line = re.sub(r"^\s*#?\s*", "", line)
        opened = re.match(r"(\w+)(\s+\w+)?\s*\{\s*", line)
        inner = line
        if opened and opened[1] in SECTIONS:
            sections.append(opened[1])
            inner = line[opened.end():]
        for option, value in re.findall(r'(\w+)\s*=\s*(\{[^}]*\}|"[^"]*"|[^\s#}]+)', inner.split("  #")[0]):
            found[sections[-1], option] = value.strip('"')
            inner = inner.replace(value, "", 1)
        if "}" in inner.split("#")[0] and len(sections) > 1:
            sections.pop()
    return found


def option_id(row):
    return f"{row[0]}.{row[1]}"


@pytest.mark.parametrize("option", OPTIONS, ids=option_id)
def test_option_is_in_the_sample_at_its_default(option):
    section, option_name, _, default = option[:4]
    found = sample_options()
    assert (section, option_name) in found
    if default != "NULL":
        assert found[section, option_name] == default


def test_sample_has_no_option_of_its_own():
    assert sorted(sample_options()) == sorted((row[0], row[1]) for row in OPTIONS)


# The command line

def test_help_and_manual_have_the_same_flags():
    program = tree.ROOT / "build" / "relayd"
    if not program.exists():
        pytest.skip("build/relayd is not there: tests/run makes it")
    done = tree.run(str(program), "--help")
    assert done.returncode == 0, done.stdout
    flags = re.compile(r"(?<![\w-])--?[A-Za-z][a-z-]*\b")
    source = re.sub(r"^\.\\\".*\n", "", tree.read("man/relayd.8"), flags=re.M)
    in_manual = set()
    for line in re.findall(r"^\.It Fl .*$", source, re.M):
        for long, short in re.findall(r"Fl Fl (\w+)|Fl (?!Fl\b)(\w+)", line):
            in_manual.add(f"--{long}" if long else f"-{short}")
    assert set(flags.findall(done.stdout)) == in_manual
