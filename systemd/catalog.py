"""Prints the journal's message catalog from the rows of src/base/messages.def.

An entry is what `journalctl -x` shows under a message: see the systemd project's CATALOG page.
"""
import re
import sys

ROW = re.compile(
    r'^MESSAGE\((?P<name>\w+), (?P<level>\w+), "(?P<id>[0-9a-f]{32})",'
    r'\s*(?P<subject>(?:"(?:[^"\\]|\\.)*"\s*)+),'
    r'\s*(?P<text>(?:"(?:[^"\\]|\\.)*"\s*)+)\)', re.M)


def unquote(literals):
    """Adjacent C string literals as one Python string."""
    text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals))
    return text.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")


def main():
    with open(sys.argv[1], encoding="utf-8") as table:
        source = table.read()
    rows = list(ROW.finditer(source))
    expected = len(re.findall(r"^MESSAGE\(", source, re.M))
    if len(rows) != expected or not rows:
        sys.exit(f"{sys.argv[1]}: {expected} rows, but only {len(rows)} can be read")
    for row in rows:
        print(f"-- {row['id']}\nSubject: {unquote(row['subject'])}\nDefined-By: relayd\n"
              f"Documentation: man:relayd(8)\n\n{unquote(row['text'])}\n")


if __name__ == "__main__":
    main()
