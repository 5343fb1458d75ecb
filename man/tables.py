#!/usr/bin/python3
"""Writes the lists of end codes, metrics and messages in man/relayd.8 from the tables in src.

usage: man/tables.py            after a change of a table; a lint test says when it was forgotten
Each list stands between the lines  .\\" from TABLE  and  .\\" end of TABLE .
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "lint"))
sys.dont_write_bytecode = True

import tree  # noqa: E402


def sentences(text):
    """As mdoc has it: each sentence on a line of its own, lines of at most 80 bytes."""
    lines = []
    for sentence in re.split(r"(?<=[.?!]) (?=[A-Z])", text.replace("\n", " ")):
        line = ""
        for word in sentence.split():
            if line and len(line) + 1 + len(word) > 80:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}".strip()
        lines.append(line)
    return "".join(line + "\n" for line in lines)


def letters(macro):
    """The key of one of the two letters of a code."""
    for letter, meaning in tree.rows("src/record/ends.def", macro):
        yield f".It Li {letter}\n" + sentences(meaning)


def ends():
    for _, code, *_, sentence, advice in tree.rows("src/record/ends.def", "END"):
        yield f".It Li {code}\n" + sentences(f"{sentence}.") + sentences(advice)


def counters():
    for name, unit, text in tree.rows("src/base/counters.def", "COUNTER"):
        yield f".It Va {name}_total Pq {unit}\n" + sentences(text)


def gauges():
    for name, kind, labels, text in tree.rows("src/control/gauges.def", "METRIC"):
        suffix = "_total" if kind == "counter" else ""
        words = f"{kind}; {labels}" if labels else kind
        yield f".It Va {name}{suffix} Pq {words}\n" + sentences(text)


def messages():
    for _, level, identity, subject, explanation in tree.rows("src/base/messages.def", "MESSAGE"):
        yield (f'.It Sy "{subject}" Pq {level.lower()}\n' + sentences(explanation)
               + f".Dl MESSAGE_ID={identity}\n")


LISTS = {
    "the first letters of src/record/ends.def": lambda: letters("END_BY"),
    "the second letters of src/record/ends.def": lambda: letters("END_WHEN"),
    "src/record/ends.def": ends,
    "src/base/counters.def": counters,
    "src/control/gauges.def": gauges,
    "src/base/messages.def": messages,
}


def filled_in(page):
    """The page with every list made anew."""
    for table, make in LISTS.items():
        begin, end = f'.\\" from {table}\n', f'.\\" end of {table}\n'
        head, rest = page.split(begin)
        page = head + begin + "".join(make()) + end + rest.split(end)[1]
    return page


if __name__ == "__main__":
    path = ROOT / "man" / "relayd.8"
    path.write_text(filled_in(path.read_text(encoding="utf-8")), encoding="utf-8")
