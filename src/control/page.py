#!/usr/bin/python3
"""Makes control/page_html.h from page.html: its text, in pieces between the marks that the server fills in, and a
Content-Security-Policy that allows the one style and the one script which are in it.

usage: page.py page.html page_html.h
"""
import base64
import hashlib
import re
import sys


def digest(tag, text):
    body = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.S)[1]
    return base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()


def literal(text):
    """As C has it, line by line."""
    return "\n".join(c_string(line) for line in text.splitlines(True)) or '""'


def c_string(line):
    escaped = line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("?", "\\?")
    return f'"{escaped}"'


def main():
    source, target = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        text = file.read()
    assert text.isascii(), "a character of its own is written \\uNNNN or &#xNNNN;"
    policy = (f"default-src 'none'; style-src 'sha256-{digest('style', text)}'; script-src 'sha256-{digest('script', text)}'; "
              "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
    pieces = re.split(r"<!--@(\w+)-->", text)
    with open(target, "w", encoding="utf-8") as file:
        file.write(f"/* From page.html, by page.py. */\n#define PAGE_POLICY \\\n    {c_string(policy)}\n\n")
        file.write("static const struct page_piece {\n    const char *text;\n    void (*fill)(FILE *out, const json_t *data);\n"
                   "} page_pieces[] = {\n")
        for piece, mark in zip(pieces[::2], pieces[1::2] + [None]):
            file.write(f"    {{{literal(piece)}, {'fill_' + mark if mark else 'NULL'}}},\n")
        file.write("};\n")


main()
