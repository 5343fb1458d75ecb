"""Lists exist once: what the tables of the program say, the manuals and the sample say too."""
import re
import sys

import pytest
import tree

sys.path.insert(0, str(tree.ROOT / "man"))
import tables  # noqa: E402

OPTIONS = tree.rows("src/config/options.def", "OPTION")
ENDS = tree.rows("src/record/ends.def", "END")
MESSAGES = tree.rows("src/base/messages.def", "MESSAGE")


def test_ends_are_well_formed():
    codes = [code for _, code, *_ in ENDS]
    assert all(re.fullmatch("[A-Z]{2}", code) for code in codes)
    assert sorted(set(codes)) == sorted(codes)
    assert {failed for _, _, failed, *_ in ENDS} <= {"true", "false"}


def enumerators(prefix):
    return set(re.findall(rf"\b{prefix}(\w+)\b", tree.code("src/record/ends.h")))


def test_ends_say_what_follows_from_them():
    counters = {name for name, *_ in tree.rows("src/base/counters.def", "COUNTER")}
    for name, _, _, phase, answer, status, counter, brief, sentence, advice in ENDS:
        assert phase in enumerators("END_PHASE_"), name
        assert answer in enumerators("END_ANSWER_"), name
        assert (answer == "NEVER") == (status == "0"), name
        assert counter == "STAT_NONE" or counter.removeprefix("STAT_") in counters, name
        assert 0 < len(brief) <= 20, name
        assert sentence and not sentence.endswith(".") and advice[-1] in ".?", name


def test_each_status_of_the_ends_has_an_answer():
    answers = re.findall(r"^ +\{(\d{3}), ", tree.read("src/conn/answer.c"), re.M)
    # beside those of the rows: what a request itself is answered, by the parser or by an exchange
    requests = {status for path in tree.files("src/conn/exchange*.c", "src/wire/http1*.c")
                for status in re.findall(r"\b(?:4[0-3]|50)\d\b", tree.code(path))}
    assert sorted(answers) == sorted({status for _, _, _, _, _, status, *_ in ENDS} - {"0"} | requests)


def test_each_answer_can_have_a_page():
    text = tree.read("src/config/error_pages.c")
    names = re.findall(r'"(\w+)"', re.search(r"names\[\] = \{(.*?)\}", text, re.S)[1])
    statuses = set(re.findall(r"^ +\{(\d{3}), ", tree.read("src/conn/answer.c"), re.M))
    assert sorted(names) == sorted(statuses | {status[0] + "xx" for status in statuses})
    told = re.search(r'pages are for (.*?)for the rest', text, re.S)[1]
    assert re.findall(r"\dxx|\d{3}", told) == names


@pytest.mark.parametrize("macro, at", [("END_BY", 0), ("END_WHEN", 1)])
def test_key_has_the_letters_of_the_ends(macro, at):
    key = [letter for letter, _ in tree.rows("src/record/ends.def", macro)]
    assert sorted(key) == sorted({code[at] for _, code, *_ in ENDS})


def test_consequences_of_an_end_stand_in_its_row_alone():
    """Who asks which end it is decides something; who lists many has a table of his own."""
    for path in tree.files("src/**/*.c"):
        named = re.findall(r"^ +(?:\{|case )END_[A-Z_]+[,:]", tree.code(path), re.M)
        assert not named, f"{tree.name(path)}: a column of src/record/ends.def"


def test_message_ids_are_well_formed():
    ids = [identity for _, _, identity, *_ in MESSAGES]
    assert all(re.fullmatch("[0-9a-f]{32}", identity) for identity in ids)
    assert sorted(set(ids)) == sorted(ids)


def test_manual_shows_the_id_of_each_message():
    page = tree.read("man/relayd.8")
    assert [row for row in MESSAGES if f"\n.Dl MESSAGE_ID={row[2]}\n" not in page] == []


def test_manual_has_the_ends_counters_and_messages_of_the_tables():
    page = tree.read("man/relayd.8")
    assert page == tables.filled_in(page), "run man/tables.py"


# Kill points

def test_kill_points_are_well_formed():
    rows = tree.rows("src/base/kill_points.def", "KILL")
    assert len({word for _, word, *_ in rows}) == len(rows) == len({name for name, *_ in rows})
    for name, word, ways, text in rows:
        assert word == name.lower().replace("_", "-") and ways in ("BOTH", "ONE") and text, name


def test_kill_points_are_in_the_code():
    """By the macro of their kind, each in one place or more."""
    used = {(name, ways) for path in tree.files("src/**/*.c", "src/**/*.h") if path.stem != "kill_point"
            for macro, ways in (("KILL_POINT", "ONE"), ("KILL_POINT_DIR", "BOTH"))
            for name in re.findall(rf"\b{macro}\((\w+)\b", tree.code(path))}
    rows = {(name, ways) for name, _, ways, _ in tree.rows("src/base/kill_points.def", "KILL")}
    assert used <= rows, "a point of BOTH directions is passed by KILL_POINT_DIR, one of ONE by KILL_POINT"
    assert not rows - used, "pass it, or remove the row"


# Options: the sample

TOKEN = re.compile(r'#[^\n]*|(?P<word>"[^"]*"|[^\s{}=,"#]+)|(?P<mark>[{}=])')


def sample_options():
    """(section, name) -> value of every option that is set in conf/relayd.conf; a list's value is its text."""
    text = re.sub(r'^( *)# (?:status|tls|route "[^"]*") \{\n(?:\1#     .*\n)*\1# \}\n',   # off by default
                  lambda off: re.sub(r"^( *)# ", r"\1", off[0], flags=re.M), tree.read("conf/relayd.conf"), flags=re.M)
    words = [match[0] for match in TOKEN.finditer(text) if not match[0].startswith("#")]
    found, sections, i = {}, ["global"], 0
    while i < len(words):
        if words[i] == "}":
            sections.pop()
        elif words[i + 1] == "=":
            end = words.index("}", i) if words[i + 2] == "{" else i + 2
            found[sections[-1], words[i]] = "".join(words[i + 2:end + 1]).strip('"')
            i = end
        else:
            sections.append(f"{sections[-1]}_tls" if words[i] == "tls" else words[i])
            i = words.index("{", i)
        i += 1
    return found


def option_id(row):
    return f"{row[0]}.{row[1]}"


@pytest.mark.parametrize("option", OPTIONS, ids=option_id)
def test_option_is_in_the_sample_at_its_default(option):
    section, option_name, _, default = option[:4]
    found = sample_options()
    assert (section, option_name) in found, f"show it in conf/relayd.conf, in {section}: {option_name} = {default}"
    if default != "NULL":
        assert found[section, option_name] == default, "the sample shows the default"


def test_sample_has_no_option_of_its_own():
    assert sorted(sample_options()) == sorted((row[0], row[1]) for row in OPTIONS)


# Options: the manual. An entry is ".It Cm NAME No = Ar TYPE" in the .Ss of its section, up to the next.

def section_of(heading):
    """listener_tls of "tls in a listener", else the first word."""
    inside = re.match(r"tls in an? (\w+)", heading)
    return f"{inside[1]}_tls" if inside else heading.split()[0]


def manual_options():
    """(section, name) -> (type, mdoc of the entry)."""
    found = {}
    options = re.search(r"^\.Sh OPTIONS\n(.*?)^\.Sh ", tree.read("man/relayd.conf.5"), re.M | re.S)[1]
    for section in re.split(r"^\.Ss ", options, flags=re.M)[1:]:
        entries = re.split(r"^\.It Cm (\w+) No = Ar (\w+)\n", section, flags=re.M)
        for option_name, kind, text in zip(entries[1::3], entries[2::3], entries[3::3]):
            found[section_of(section), option_name] = kind, text
    return found


KINDS = {"NUMBER": "number", "DURATION": "duration", "BOOL": "boolean", "CHOICE": "choice",
         "ADDRESSES": "list", "ADDRESS": "address", "UPSTREAM": "title", "PREFIXES": "prefixes",
         "SOURCES": "list", "TEXT": "text", "TEXTS": "list"}


def constant(expression):
    """A bound in options.def: numbers, and constants of base/clock.h."""
    text = expression.replace("USEC_PER_MSEC", "1000").replace("USEC_PER_SEC", "1000000")
    assert re.fullmatch(r"[\d *]+", text), expression
    product = 1
    for factor in text.split("*"):
        product *= int(factor)
    return product


def bound(kind, expression):
    value = constant(expression)
    if kind == "NUMBER" or value == 0:
        return str(value)
    for unit, size in (("h", 3600000000), ("m", 60000000), ("s", 1000000), ("ms", 1000)):
        if value % size == 0:
            return f"{value // size}{unit}"
    raise AssertionError(expression)


@pytest.mark.parametrize("option", OPTIONS, ids=option_id)
def test_option_is_in_the_manual_with_default_and_range(option):
    section, option_name, kind, default, least, most, choices, _ = option
    skeleton = f".It Cm {option_name} No = Ar {KINDS[kind]}\nWhat it does.\n"
    skeleton += "It must be given.\n" if default == "NULL" else f"Default:\n.Cm {default} .\n"
    if kind in ("NUMBER", "DURATION"):
        skeleton += f"Range: {bound(kind, least)} to {bound(kind, most)}.\n"
    assert (section, option_name) in manual_options(), \
        f"write an entry in man/relayd.conf.5, OPTIONS, {section}:\n{skeleton}"
    written, text = manual_options()[section, option_name]
    assert written == KINDS[kind], f"its entry in man/relayd.conf.5 is to look like this:\n{skeleton}"
    if default != "NULL":
        shown = default or r"\(dq\(dq"
        assert f"\nDefault:\n.Cm {shown} .\n" in text
    else:
        assert "\nIt must be given" in text and "Default:" not in text
    if kind in ("NUMBER", "DURATION"):
        assert f"\nRange: {bound(kind, least)} to {bound(kind, most)}.\n" in text
    if kind == "CHOICE":
        for choice in choices.split("|"):
            assert re.search(rf"^\.(It )?Cm {choice}\b", text, re.M), choice


SOURCES = "".join(tree.read(path) for path in tree.files("src/**/*.c", "src/**/*.h"))
TESTS = "".join(tree.read(path) for path in tree.files("tests/functional/*.py", "tests/systemd/*.py"))


@pytest.mark.parametrize("option", OPTIONS, ids=option_id)
def test_option_is_used_and_tested(option):
    name = option[1]
    assert re.search(rf"(\.|->){name}\b", SOURCES), "nothing reads its member of the struct in config/config.h: use it, or remove the row"
    assert re.search(rf"\b{name}\b", TESTS), "no test of tests/functional or tests/systemd names it: write one"


def test_manual_has_no_option_of_its_own():
    assert sorted(manual_options()) == sorted((row[0], row[1]) for row in OPTIONS)


# Options: what they are called elsewhere. An entry is ".It Cm NAME" in the .Ss of its section, up to the next.

def other_names():
    """(section, name) -> mdoc of the entry, in OTHER NAMES."""
    found = {}
    names = re.search(r"^\.Sh OTHER NAMES\n(.*?)^\.Sh ", tree.read("man/relayd.conf.5"), re.M | re.S)[1]
    for section in re.split(r"^\.Ss Options of ", names, flags=re.M)[1:]:
        entries = re.split(r"^\.It Cm (\w+)\n", section, flags=re.M)
        for option_name, text in zip(entries[1::2], entries[2::2]):
            found[section_of(section), option_name] = text
    return found


def test_manual_has_the_other_names_of_each_option_in_the_order_of_the_table():
    assert list(other_names()) == [(row[0], row[1]) for row in OPTIONS]
    for option_name, text in other_names().items():
        assert re.match(r"HAProxy:\n.*;\nnginx:\n.*\.\n", text, re.S), option_name


# The command line

@pytest.mark.parametrize("program", ["relayd", "relayd-keeper", "relayctl"])
def test_help_and_manual_have_the_same_flags(program):
    path = tree.ROOT / "build" / program
    if not path.exists():
        pytest.skip(f"build/{program} is not there: tests/run makes it")
    done = tree.run(str(path), "--help")
    assert done.returncode == 0, done.stdout
    flags = re.compile(r"(?<![\w-])--?[A-Za-z][a-z-]*\b")
    source = re.sub(r"^\.\\\".*\n", "", tree.read(f"man/{program}.8"), flags=re.M)
    in_manual = set()
    for line in re.findall(r"^\.It Fl .*$", source, re.M):
        for long, short in re.findall(r"Fl Fl (\w+)|Fl (?!Fl\b)(\w+)", line):
            in_manual.add(f"--{long}" if long else f"-{short}")
    assert set(flags.findall(done.stdout)) == in_manual


def test_manual_has_the_commands_of_relayctl():
    commands = re.findall(r'^    \{"([a-z-]+)", ', tree.read("src/relayctl/commands.c"), re.M)
    page = tree.read("man/relayctl.8")
    listed = re.search(r"^The commands are:$.*?^\.El$", page, re.M | re.S)[0]
    assert commands and commands == re.findall(r"^\.It Cm ([a-z-]+)", listed, re.M)


def test_manual_has_the_pages_of_the_control_socket():
    pages = set(re.findall(r'^    \{"(/[a-z.-]+)",', tree.read("src/control/http.c"), re.M))
    listed = re.search(r"^\.Sh PAGES$.*?^\.El$", tree.read("man/relayctl.8"), re.M | re.S)[0]
    assert pages and pages == set(re.findall(r"(?<= )/[a-z.-]+", "\n".join(re.findall(r"^\.It Pa.*$", listed, re.M))))
