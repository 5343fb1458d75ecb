"""What a soak has found: report.md, pictures, the samples, and a file for those who count tests."""

import json
import xml.etree.ElementTree as ElementTree

import curves

PICTURES = {
    "memory": {"relayd, MiB": ("relayd RSS", "relayd Pss"), "relayd-keeper, MiB": ("keeper RSS", "keeper Pss")},
    "descriptors": {"descriptors of relayd": ("relayd descriptors", "relayd sockets", "relayd pipes"),
                    "descriptors of relayd-keeper": ("keeper descriptors", "keeper sockets", "keeper pipes")},
    "threads": {"threads": ("relayd threads", "keeper threads"), "connections": ("live", "held", "unheld")},
    "rate": {"a second": ("requests", "frames", "opened"), "MB a second": ("bytes",), "processors in use, all told": ("busy",)},
}
RATES = {"requests": 1, "frames": 1, "opened": 1, "bytes": 1e6}


def points(rows, name):
    """Of what only grows: how fast it does."""
    if name not in RATES:
        unit = 1024 if name.endswith(("RSS", "Pss")) else 1
        return [(row["at"], row[name] / unit) for row in rows if name in row]
    return [(row["at"], (row[name] - before[name]) / RATES[name] / max(row["at"] - before["at"], 0.001))
            for before, row in zip(rows, rows[1:]) if row["at"] - before["at"] > 0.5]


def pictures(out, samples, weather):
    rows = sorted(samples.rows, key=lambda row: row["at"])
    for name, panels in PICTURES.items():
        drawn = {title: {curve: points(rows, curve) for curve in names} for title, names in panels.items()}
        (out / f"{name}.svg").write_text(curves.svg(f"Soak: {name} (green: quiet; red: storm; marks: ends of relayd or its keeper)",
                                                    drawn, samples.phases, weather.marks))


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row) + " |"
                              for row in rows]) + "\n"


QUIET = ("relayd RSS", "relayd Pss", "relayd own threads", "relayd pumps", "relayd openers", "relayd sockets", "relayd pipes", "relayd files", "keeper Pss",
         "keeper sockets", "keeper pipes", "keeper files")


def report(out, world, samples, weather, words):
    counts = world.counts
    done = {name.removeprefix("done "): count for name, count in counts.items() if name.startswith("done ")}
    found = [f"# A soak of {world.age / 60:.1f} minutes\n", f"{words}\n",
             f"**{len(world.faults)} faults.** {counts['requests']:,} requests, {counts['frames']:,} frames of WebSocket, "
             f"{counts['bytes'] / 1e6:,.0f} MB, {counts['connections']:,} connections; "
             f"{weather.done['kill'] + weather.done['kill_twice']} kills, {weather.done['restart']} restarts, "
             f"{weather.done['kill_keeper']} kills of the keeper, {weather.done['reload']} reloads.\n",
             "## Faults\n", table(("after, s", "of", "what"), [(f"{at:.1f}", kind, what.replace("|", "/").replace("\n", " ")[:300])
                                                               for at, kind, what in world.faults[:100]]) if world.faults else "None.\n",
             "## Traffic\n", table(("kind", "exchanges", "excused", "failed, as it may"),
                                   [(kind, count, counts[f"excused {kind}"], counts[f"failed {kind}"])
                                    for kind, count in sorted(done.items())]),
             "Excused: connections that were not relayed yet when relayd was killed; of named, while nobody had the name. "
             "Those of flaky servers may fail.\n",
             "## Events\n", table(("event", "times"), sorted((name.replace("_", " "), count) for name, count in weather.done.items())),
             "## Other counts\n", table(("what", "count"), sorted((name, count) for name, count in counts.items()
                                                                 if not name.startswith(("done ", "excused ", "failed ")))),
             "## Quiet phases\n", "Memory in KiB. All must come back to the first row.\n",
             table(("phase", *QUIET), [(row["name"], *(row.get(name, "") for name in QUIET)) for row in samples.quiets]),
             "## Over time\n", *(f"![{name}]({name}.svg)\n" for name in PICTURES)]
    (out / "report.md").write_text("\n".join(found))
    (out / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in samples.rows))
    pictures(out, samples, weather)


def junit(path, world, kinds):
    """A test for each kind of check."""
    suite = ElementTree.Element("testsuite", name="soak")
    for kind in sorted({*kinds, *world.fault_counts}):
        case = ElementTree.SubElement(suite, "testcase", classname="soak", name=kind)
        if world.fault_counts[kind]:
            first = next((what for _, other, what in world.faults if other == kind), "one of too many")
            text = f"--seed {world.seed}: {world.fault_counts[kind]} times, the first: {first}"
            ElementTree.SubElement(case, "failure", message="".join(letter if letter.isprintable() else " " for letter in text))
    ElementTree.ElementTree(suite).write(path)
