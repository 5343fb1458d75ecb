"""The documents, as programs read them: their displays, and which of these are files."""

import html
import re
import subprocess
from dataclasses import dataclass

from settings import REPO

MANUALS = ("relayd.8", "relayctl.8", "relayd-keeper.8", "relayd.conf.5", "relayd-operations.7")
#: What makes commands of a display.
PROGRAMS = ("apt-get", "cat", "curl", "docker", "editor", "for ", "groupadd", "hitch", "install", "journalctl", "meson", "mkdir", "ninja",
            "packaging/", "podman", "relayctl", "relayd", "sed", "ss", "sudo", "sysctl", "systemctl", "tar", "tests/", "timeout", "wait", "sleep")


@dataclass
class Display:
    """What a document shows apart from its sentences. `ready`: as a file whose first line says which."""
    document: str
    section: str
    text: str

    def __str__(self):
        return f"{self.document}, {self.section}: {self.first}"

    @property
    def first(self):
        return self.text.partition("\n")[0]

    @property
    def file(self):
        """(path, section or None) if it is a file, or lines of one."""
        found = re.fullmatch(r"# (/[^\s,]+|[\w.-]+\.yaml)(?:, (?:in )?(.*?):)?(?: .*)?", self.first)
        if found:
            return found[1], found[2]
        found = re.fullmatch(r"# systemctl edit ([\w.-]+)", self.first)
        if found:
            unit = found[1] if "." in found[1] else f"{found[1]}.service"
            return f"/etc/systemd/system/{unit}.d/override.conf", None
        return None

    @property
    def is_commands(self):
        return not self.file and self.first.lstrip("$ ").startswith(PROGRAMS)

    @property
    def is_configuration(self):
        """Of relayd: sections and options."""
        if self.file:
            return self.file[0] == "/etc/relayd.conf" or self.file[0] == "/srv/relayd.conf"
        return re.match(r"(listener|upstream|server|health_check)\b[^:]*\{|include \"|[a-z_0-9]+ = |#", self.first.strip()) is not None


def displays_of_manual(name):
    page = subprocess.run(["mandoc", "-T", "html", REPO / "man" / name], capture_output=True, text=True, check=True).stdout
    section = ""
    pattern = (r'<h1 class="Sh"[^>]*>(?P<sh>.*?)</h1>|<div\s+class="Bd[^"]*">\s*(?:<pre>(?P<pre>.*?)</pre>'
               r'|<code class="Li">(?P<line>.*?)</code>)')
    for found in re.finditer(pattern, page, re.S):
        if found["sh"]:
            section = " ".join(plain(found["sh"]).split())
        elif found["pre"] is not None:
            yield Display(name, section, plain(found["pre"]).strip("\n"))
        else:
            yield Display(name, section, " ".join(plain(found["line"]).split()))


def plain(text):
    return html.unescape(re.sub(r"<[^>]*>", "", text)).replace("\N{NO-BREAK SPACE}", " ")


def displays_of_page(name):
    """A page in Markdown: blocks that are indented."""
    section, block = "", []
    for line in [*(REPO / name).read_text(encoding="utf-8").splitlines(), "."]:
        if line.startswith("    ") or (block and not line):
            block.append(line[4:])
            continue
        if any(block):
            yield Display(name, section, "\n".join(block).strip("\n"))
        block = []
        if line.startswith("#"):
            section = line.lstrip("# ")


def all_displays():
    for name in MANUALS:
        yield from displays_of_manual(name)
    yield from displays_of_page("README.md")


def parts(display):
    """Of a display that shows several files one after the other, each."""
    part = []
    for line in [*display.text.splitlines(), None]:
        if part and (line is None or Display(display.document, display.section, line).file):
            yield Display(display.document, display.section, "\n".join(part).strip("\n"))
            part = []
        part.append(line)


def add_to(text, section, lines):
    """A configuration with these lines in a section: "listener web", "server b", or "on top"."""
    if section == "on top":
        return lines + "\n" + text
    kind, title = section.split()
    head = re.search(rf"^ *{kind} {title} \{{", text, re.M)
    assert head, f"no section {section}"
    return text[:head.end()] + "\n" + lines + "\n" + text[head.end():]


def body(display):
    """The lines of a display that is part of a file: without the first, which says where."""
    return "\n".join(display.text.splitlines()[1:])
