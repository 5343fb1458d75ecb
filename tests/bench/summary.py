"""Draws the results in README.md, beside this file, as summary.svg: relayd's figures in units of the better of HAProxy and
nginx. Run it after a change of that table."""
import pathlib
import re
from xml.sax.saxutils import escape

HERE = pathlib.Path(__file__).parent
WIDTH, LEFT, ROW, TOP = 760, 400, 22, 52
UNIT = 110   # pixels for 1.0
UNITS = ("requests/s", "connections/s", "MiB/s")   # of these, more is better


def results(page):
    """(load, ratio) of each row of the table whose figure is the better the more it is."""
    table = re.search(r"^## Results\n(.*?)^## ", page, re.M | re.S)[1]
    found, load, unit = [], "", ""
    for line in re.findall(r"^\| (.*) \|$", table, re.M)[1:]:
        cells = [cell.strip() for cell in line.split("|")]
        name, _, given = cells[0].partition(": ")
        if name.startswith("the same"):
            rest = name.removeprefix("the same").lstrip(", ")
            name = f"{re.sub(', [0-9].*| at a time', '', load)}, {rest}" if rest else load
        else:
            load = re.sub(r", (\d+ connections?|\d+ at a time)$", "", name)
        unit = given or (unit if cells[0].startswith("the same,") else "")
        ratio = re.match(r"([\d.]+) \(", cells[-1])
        if ratio and unit in UNITS:
            found.append((f"{name}: {unit}", float(ratio[1])))
    return found


def text(x, y, words, **attributes):
    extra = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.0f}" y="{y:.0f}"{extra}>{escape(words)}</text>'


def svg(page):
    rows = results(page)
    height = TOP + ROW * len(rows) + 12
    drawn = [text(10, 20, "relayd, in units of the better of HAProxy and nginx (the line): more is better", font_weight="bold"),
             text(10, 38, "Medians of one run on one machine of two cores; tests/bench/README.md has the table", fill="#555")]
    for i, (load, ratio) in enumerate(rows):
        y = TOP + ROW * i
        color = "#1b5e9e" if ratio >= 1 else "#b9772c"
        drawn += [text(LEFT - 8, y + 14, load, text_anchor="end"),
                  f'<rect x="{LEFT}" y="{y + 2}" width="{ratio * UNIT:.0f}" height="{ROW - 6}" fill="{color}"/>',
                  text(LEFT + max(ratio, 1) * UNIT + 6, y + 14, f"{ratio:.2f}")]
    drawn.append(f'<line x1="{LEFT + UNIT}" x2="{LEFT + UNIT}" y1="{TOP - 4}" y2="{height - 8}" stroke="black"/>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
            'font-family="sans-serif" font-size="12">\n'
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n' + "\n".join(drawn) + "\n</svg>\n")


if __name__ == "__main__":
    (HERE / "summary.svg").write_text(svg((HERE / "README.md").read_text(encoding="utf-8")), encoding="utf-8")
