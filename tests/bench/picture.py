"""The table as a picture: for each cell, a bar for each relay, in units of the best peer."""
from xml.sax.saxutils import escape

import report

WIDTH, LEFT, RIGHT = 900, 120, 150
BAR, GAP, HEAD, TOP = 14, 14, 20, 96
SCALE_MAX = 2.5   # of the best peer; longer bars are cut, and marked
COLORS = {"relayd": ("#1b5e9e", "#5c9bd1", "#0b3558", "#8fb8de"), "peer": ("#9a9a9a", "#b9a27c", "#a9b8a0"),
          "direct": ("#dddddd",)}


def _colors(relays):
    used, colors = {"relayd": 0, "peer": 0, "direct": 0}, {}
    for relay in relays:
        kind = relay["kind"] if relay["kind"] in used else "peer"
        colors[relay["name"]] = COLORS[kind][used[kind] % len(COLORS[kind])]
        used[kind] += 1
    return colors


def _text(x, y, words, **attributes):
    extra = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return f'<text x="{x:.0f}" y="{y:.0f}"{extra}>{escape(words)}</text>'


def _bar(name, value, figure, unit, y, color):
    """One relay's bar and its figure. unit: what is 1.0."""
    span = WIDTH - LEFT - RIGHT
    share = value / unit if unit else 0
    length = max(1, min(share, SCALE_MAX) / SCALE_MAX * span)
    cut = " >" if share > SCALE_MAX else ""
    words = report.number(value, figure["digits"]) + cut
    return [_text(LEFT - 6, y + BAR - 3, name, text_anchor="end"),
            f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR - 2}" fill="{color}" fill-opacity="0.85"/>',
            _text(LEFT + length + 5, y + BAR - 3, words, stroke="white", stroke_width=3, paint_order="stroke")]


def _line(share, y, height, color, dash):
    x = LEFT + min(share, SCALE_MAX) / SCALE_MAX * (WIDTH - LEFT - RIGHT)
    return (f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{y + height}" stroke="{color}" stroke-width="1.5"'
            f' stroke-dasharray="{dash}"/>')


def _verdict(figure):
    words = []
    for name, found in figure["relayd"].items():
        if found["verdict"]:
            ratio = "" if found["ratio"] is None else f" {found['ratio']:.2f}"
            words.append((f"{name}" if len(figure["relayd"]) > 1 else "target") + f"{ratio} {found['verdict']}")
    return ", ".join(words)


def _figure(cell, figure, colors, y):
    """The bars of one figure. Returns the elements and the next y."""
    medians = {name: figure["median"].get(name) for name in colors if figure["median"].get(name) is not None}
    best = next((found["best_peer"] for found in figure["relayd"].values()), None)
    unit = medians.get(best) or figure["target_limit"] or max(medians.values(), default=0)
    less = ", less is better" if figure["less_is_better"] else ""
    elements = [_text(LEFT, y + 12, f"{cell['title']}: {figure['label']}{less}", font_weight="bold"),
                _text(WIDTH - 10, y + 12, _verdict(figure), text_anchor="end")]
    y += HEAD
    height = BAR * len(medians)
    elements.append(_line(1, y, height, "#333333", "3,2"))
    target = figure["target_ratio"]
    if figure["target_limit"] is not None and unit:
        target = figure["target_limit"] / unit
    if target is not None:
        elements.append(_line(target, y, height, "#b00020", "none"))
    for i, (name, value) in enumerate(medians.items()):
        errors = cell["errors"].get(name)
        elements += _bar(name, value, figure, unit, y + i * BAR, colors[name])
        if errors:
            elements.append(_text(WIDTH - 10, y + i * BAR + BAR - 3, f"{errors} errors", text_anchor="end",
                                  fill="#b00020"))
    return elements, y + height + GAP


def _is_drawn(figure):
    """The first figure of a cell, and those that have a target; a count of no errors is no bar."""
    return figure["key"] != "failed" and any(value for value in figure["median"].values())


def svg(summary):
    colors = _colors(summary["relays"])
    elements, y = [], TOP
    for cell in summary["cells"]:
        drawn = [figure for figure in cell["figures"] if _is_drawn(figure)]
        for figure in [f for i, f in enumerate(drawn)
                       if i == 0 or f["target_ratio"] is not None or f["target_limit"] is not None]:
            more, y = _figure(cell, figure, colors, y)
            elements += more
    head = report.head_text(summary).splitlines()
    title = [_text(10, 20, "relayd and its peers", font_size="16", font_weight="bold")]
    title += [_text(10, 38 + 14 * i, line[:150], fill="#555555") for i, line in enumerate(head[:3])]
    title.append(_text(10, 82, "Bars are in units of the best peer (dashed line); red line: the target; "
                       "medians of interleaved rounds", fill="#555555"))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" '
            'font-family="sans-serif" font-size="11">\n'
            f'<rect width="{WIDTH}" height="{y}" fill="white"/>\n'
            + "\n".join(title + elements) + "\n</svg>\n")
