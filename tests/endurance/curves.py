"""Curves over time, as SVG: a panel for each unit, phases as ground, ends of relayd as marks."""

from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, PANEL, GAP, TOP = 900, 70, 170, 150, 34, 40
COLORS = ("#1b5e9e", "#d08a1d", "#3c8d40", "#8d3c80", "#777777")
GROUNDS = {"quiet": "#e3efe3", "storm": "#f8e9e4", "steady": "#ffffff"}
MARKS = {"kill": "#b00020", "kill_twice": "#b00020", "kill_keeper": "#6a1b9a", "restart": "#e08000"}


def _text(x, y, words, **attributes):
    extra = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return f'<text x="{x:.0f}" y="{y:.0f}"{extra}>{escape(words)}</text>'


def _round_up(value):
    """To a number that is easy to read."""
    step = 1
    while value > 10 * step:
        step *= 10
    return next(step * nice for nice in (1, 2, 3, 4, 5, 6, 8, 10) if step * nice >= value)


def _number(value):
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def _ground(y, span, phases, marks):
    found = [f'<rect x="{LEFT + span(start):.1f}" y="{y}" width="{max(0.5, span(end) - span(start)):.1f}" height="{PANEL}" '
             f'fill="{GROUNDS.get(name, "#ffffff")}"/>' for name, start, end in phases]
    found += [f'<line x1="{LEFT + span(at):.1f}" x2="{LEFT + span(at):.1f}" y1="{y + PANEL - 8}" y2="{y + PANEL}" '
              f'stroke="{MARKS[what]}"/>' for at, what in marks if what in MARKS]
    return found


def _panel(y, title, curves, span, phases, marks):
    """curves: {name: [(seconds, value)]}"""
    top = _round_up(max((value for points in curves.values() for _, value in points), default=1) or 1)
    found = _ground(y, span, phases, marks)
    found.append(f'<rect x="{LEFT}" y="{y}" width="{WIDTH - LEFT - RIGHT}" height="{PANEL}" fill="none" stroke="#bbbbbb"/>')
    found.append(_text(LEFT, y - 6, title, font_weight="bold"))
    found += [_text(LEFT - 6, y + PANEL * (1 - part) + 4, _number(top * part), text_anchor="end") for part in (0, 0.5, 1)]
    for (name, points), color in zip(curves.items(), COLORS):
        places = " ".join(f"{LEFT + span(at):.1f},{y + PANEL * (1 - value / top):.1f}" for at, value in points)
        found.append(f'<polyline points="{places}" fill="none" stroke="{color}" stroke-width="1.3"/>')
    for number, (name, color) in enumerate(zip(curves, COLORS)):
        found.append(_text(WIDTH - RIGHT + 12, y + 14 + 16 * number, name, fill=color))
    return found


def svg(title, panels, phases, marks):
    """panels: {title: {name of a curve: [(seconds, value)]}}"""
    last = max((at for curves in panels.values() for points in curves.values() for at, _ in points), default=1) or 1
    unit, word = (3600, "hours") if last > 7200 else (60, "minutes")

    def span(at):
        return min(at, last) / last * (WIDTH - LEFT - RIGHT)
    found, y = [_text(10, 18, title, font_size="14", font_weight="bold")], TOP + 10
    for name, curves in panels.items():
        found += _panel(y, name, curves, span, phases, marks)
        y += PANEL + GAP
    found += [_text(LEFT + span(last * part), y - GAP + 14, f"{last * part / unit:.1f} {word}", text_anchor="middle")
              for part in (0, 0.25, 0.5, 0.75, 1)]
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" '
            f'font-family="sans-serif" font-size="11">\n<rect width="{WIDTH}" height="{y}" fill="white"/>\n'
            + "\n".join(found) + "\n</svg>\n")
