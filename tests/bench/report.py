"""From samples to medians, ratios and verdicts; the table."""
import statistics


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def _beyond_direct(cell, samples):
    """Memory is what a relay takes on top of the two programs that it connects, round by round."""
    if not cell.name.endswith("idle") or "direct" not in samples:
        return
    for name, rounds in samples.items():
        for mine, direct in zip(rounds, samples["direct"]):
            if name != "direct" and "memory" in mine and "memory" in direct:
                mine["memory"] -= direct["memory"]


def _best(figure, peers, medians, errors):
    """The best peer, of the kind that the aim names, if it does; one whose cell has errors only if all have.
    peers: name -> kind."""
    able = [name for name, kind in peers.items() if figure.peer in (None, kind) and medians.get(name) is not None]
    able = [name for name in able if not errors[name]] or able
    return (min if figure.less else max)(able, key=medians.get, default=None)


def _divide(a, b):
    return a / b if a is not None and b else None


def _verdict(figure, value, ratio, errors):
    if figure.ratio is None and figure.limit is None:
        return None
    if errors or value is None:
        return "missed"
    if figure.limit is not None:
        met = value <= figure.limit
    elif ratio is None:   # there is no peer
        return None
    else:
        met = ratio <= figure.ratio if figure.less else ratio >= figure.ratio
    return "met" if met else "missed"


def _compare(figure, name, best, values, medians, errors):
    if figure.limit is not None:   # it is judged by itself
        best = None
    ratio = _divide(medians[name], medians.get(best))
    by_round = values[name] if figure.limit is not None else \
        [_divide(a, b) for a, b in zip(values[name], values.get(best, ()))]
    by_round = [value for value in by_round if value is not None]
    return {"best_peer": best, "ratio": ratio,
            "low": min(by_round, default=None), "high": max(by_round, default=None),
            "to_direct": None if figure.limit is not None else _divide(medians[name], medians.get("direct")),
            "verdict": _verdict(figure, medians[name], ratio, errors[name])}


def summarize_cell(cell, relays, samples):
    """samples: name -> a dictionary for each round."""
    _beyond_direct(cell, samples)
    names = list(samples)
    errors = {name: sum(one.get("errors", 0) for one in samples[name]) for name in names}
    peers = {r.name: r.kind for r in relays if r.kind not in ("relayd", "direct") and r.name in samples}
    ours = [r.name for r in relays if r.kind == "relayd" and r.name in samples]
    figures = []
    for figure in cell.figures:
        values = {name: [one.get(figure.key) for one in samples[name]] for name in names}
        medians = {name: median(values[name]) for name in names}
        best = _best(figure, peers, medians, errors)
        figures.append({
            "key": figure.key, "label": figure.label, "digits": figure.digits, "less_is_better": figure.less,
            "target_ratio": figure.ratio, "target_limit": figure.limit, "median": medians, "rounds": values,
            "relayd": {name: _compare(figure, name, best, values, medians, errors) for name in ours},
            "to_first": {name: _divide(medians[name], medians[ours[0]]) for name in ours[1:]}})
    problems = {name: sorted({one["problem"] for one in samples[name] if "problem" in one}) for name in names}
    parts = {name: [one["parts"] for one in samples[name] if "parts" in one] for name in names}
    return {"name": cell.name, "title": cell.title, "errors": errors,
            "problems": {name: texts for name, texts in problems.items() if texts},
            "memory_parts": {name: {key: median([one[key] for one in rounds]) for key in rounds[0]}
                             for name, rounds in parts.items() if rounds},
            "figures": figures}


def number(value, digits):
    return "-" if value is None else f"{value:,.{digits}f}"


def _ratio(value):
    return "-" if value is None else f"{value:.2f}"


def _target(figure):
    if figure["target_limit"] is not None:
        return f"target: at most {figure['target_limit']:g}"
    if figure["target_ratio"] is None:
        return ""
    return f"target: {'at most' if figure['less_is_better'] else 'at least'} {figure['target_ratio']:g}"


def _comparison(figure, found, label):
    digits = figure["digits"] if figure["target_limit"] is not None else 2
    spread = f"({number(found['low'], digits)}..{number(found['high'], digits)})"
    words = []
    if found["ratio"] is not None:
        words.append(f"{_ratio(found['ratio'])} {spread} of {found['best_peer']}")
    elif found["low"] is not None:
        words.append(spread)
    if found["to_direct"] is not None:
        words.append(f"{_ratio(found['to_direct'])} of direct")
    if found["verdict"]:
        words.append(f"{_target(figure)}: {found['verdict']}")
    return label + ", ".join(words)


def cell_text(cell, names):
    """A cell's part of the table: a line for each figure, below it a line for each relayd."""
    width = max(12, *(len(name) + 2 for name in names))
    lines = [f"{cell['name']}: {cell['title']}", " " * 26 + "".join(f"{name:>{width}}" for name in names)]
    for figure in cell["figures"]:
        row = "".join(f"{number(figure['median'].get(name), figure['digits']):>{width}}" for name in names)
        lines.append(f"  {figure['label']:24}{row}")
        for name, found in figure["relayd"].items():
            label = f"{name} " if len(figure["relayd"]) > 1 else ""
            extra = figure["to_first"].get(name)
            to_first = "" if extra is None else f", {_ratio(extra)} of {next(iter(figure['relayd']))}"
            if found["ratio"] is not None or found["verdict"] or to_first:
                lines.append(" " * 28 + _comparison(figure, found, label) + to_first)
    for name, count in cell["errors"].items():
        if count:
            lines.append(f"  ERRORS: {name}: {count}")
    for name, texts in cell["problems"].items():
        lines += [f"  FAILED: {name}: {text}" for text in texts]
    return "\n".join(lines)


def verdicts(summary):
    """(cell, figure, relayd, comparison) of everything that has a target."""
    for cell in summary["cells"]:
        for figure in cell["figures"]:
            for name, found in figure["relayd"].items():
                if found["verdict"]:
                    yield cell, figure, name, found


def head_text(summary):
    machine, run = summary["machine"], summary["run"]
    lines = [f"{summary['date']}: {machine['cores']} x {machine['processor']}, {machine['memory']}, "
             f"Linux {machine['kernel']}",
             ", ".join(f"{name}: {version}" for name, version in summary["versions"].items()),
             f"{run['rounds']} round{'s' * (run['rounds'] > 1)}, {run['seconds']:g} s each; "
             f"load average before: {run['load_before']:.1f}"]
    if run["load_before"] > 0.5:
        lines.append("The machine was busy with other work when this began.")
    return "\n".join(lines)


def text(summary):
    names = [relay["name"] for relay in summary["relays"]]
    parts = [head_text(summary), *(cell_text(cell, names) for cell in summary["cells"])]
    judged = list(verdicts(summary))
    missed = [f"{cell['name']} {figure['label']}" + (f" ({name})" if len(figure["relayd"]) > 1 else "")
              for cell, figure, name, found in judged if found["verdict"] == "missed"]
    parts.append(f"targets: {len(judged) - len(missed)} met, {len(missed)} missed"
                 + (": " + "; ".join(missed) if missed else ""))
    return "\n\n".join(parts) + "\n"
