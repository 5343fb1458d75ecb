"""Prometheus' text format 0.0.4 and OpenMetrics 1.0, as their specifications have them: strictly."""

import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


class Metric:
    """name, type, help, unit, samples: {(suffix, ((label, value), ...)): number}"""

    def __init__(self, name):
        self.name, self.type, self.help, self.unit, self.samples = name, None, None, None, {}


def labels_of(text):
    found, at = [], 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, f"no label: {text[at:]}"
        found.append((match[1], re.sub(r"\\(.)", lambda escape: {"n": "\n"}.get(escape[1], escape[1]), match[2])))
        at = match.end()
    assert len({name for name, _ in found}) == len(found), f"a label twice: {text}"
    return tuple(found)


def note_comment(line, metric, openly):
    _, word, name, text = (line + " ").split(" ", 3)
    text = text[:-1]
    assert name == metric.name and getattr(metric, word.lower()) is None, line
    assert not metric.samples, f"after samples: {line}"
    if word == "HELP":
        assert text and re.fullmatch(r'(?:[^\\"]|\\[\\n"])*' if openly else r"(?:[^\\]|\\[\\n])*", text), line
        metric.help = text
    elif word == "TYPE":
        assert metric.help and text in SUFFIXES, line
        metric.type = text
    else:
        assert word == "UNIT" and openly and name.endswith("_" + text), line
        metric.unit = text


def note_sample(line, metric, openly):
    match = SAMPLE.fullmatch(line)
    assert match, f"no sample: {line}"
    suffix = match[1].removeprefix(metric.name)
    suffixes = SUFFIXES[metric.type] if openly or metric.type != "counter" else ("",)
    assert match[1].startswith(metric.name) and suffix in suffixes, f"not {metric.name}'s: {line}"
    key = suffix, labels_of(match[2] or "")
    assert key not in metric.samples, f"twice: {line}"
    value = float(match[3])
    assert metric.type == "gauge" or value >= 0 and math.isfinite(value), line
    metric.samples[key] = value


def check_histogram(metric):
    series = {}
    for (suffix, labels), value in metric.samples.items():
        rest = tuple(pair for pair in labels if pair[0] != "le")
        series.setdefault(rest, []).append((suffix, dict(labels).get("le"), value))
    for found in series.values():
        buckets = [(float(bound), value) for suffix, bound, value in found if suffix == "_bucket"]
        assert buckets == sorted(buckets) and buckets[-1][0] == math.inf, metric.name
        assert [value for _, value in buckets] == sorted(value for _, value in buckets), metric.name
        (count,) = [value for suffix, _, value in found if suffix == "_count"]
        assert count == buckets[-1][1] and len([1 for suffix, *_ in found if suffix == "_sum"]) == 1, metric.name


def parse(text, openly=False):
    """{name: Metric}; a counter of the text format keeps its _total."""
    metrics, metric = {}, None
    assert text.endswith("\n")
    lines = text[:-1].split("\n")
    if openly:
        assert lines.pop() == "# EOF"
    for line in lines:
        if line.startswith("# "):
            name = line.split(" ")[2]
            if metric is None or metric.name != name:
                assert re.fullmatch(NAME, name) and name not in metrics, f"twice, or not together: {line}"
                metric = metrics[name] = Metric(name)
            note_comment(line, metric, openly)
        else:
            note_sample(line, metric, openly)
    for metric in metrics.values():
        assert metric.type and metric.help
        assert (metric.type == "counter") == metric.name.endswith("_total") or openly
        assert not openly or not metric.name.endswith("_total") and (metric.unit or not metric.name.endswith("_seconds"))
        if metric.type == "histogram":
            check_histogram(metric)
    return metrics


def values(metrics):
    """{sample with its labels: value}, as the page has them."""
    return {metric.name + suffix + ("{" + ",".join(f'{name}="{value}"' for name, value in labels) + "}" if labels else ""): value
            for metric in metrics.values() for (suffix, labels), value in metric.samples.items()}
