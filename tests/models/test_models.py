"""Models of what runs beside each other in relayd, checked by spin in all interleavings (what each stands for: the head
of its file).

A model must be without an error. Each of its mutations (MUTATE_x at the preprocessor: an order swapped, a check left out)
must have one: else the model would not see that fault in the C code, either."""
import pathlib
import re
import resource
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1] / "src"
MODELS = sorted(HERE.glob("*.pml"))
SECONDS = 120    # for each run; the largest one takes some 20
MEGABYTES = 1500
DEPTH = 2_000_000


def head(model):
    return re.match(r"/\*(.*?)\*/", model.read_text(), re.S)[1]


def claims(model):
    return re.findall(r"^ltl (\w+)", model.read_text(), re.M)


def mutations(model):
    return sorted(set(re.findall(r"\bMUTATE_\w+", model.read_text())))


def bound():
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def run(folder, *command):
    result = subprocess.run(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            preexec_fn=bound, timeout=10 * SECONDS, check=False)
    assert result.returncode >= 0, f"{command}: ended by signal {-result.returncode}\n{result.stdout[-3000:]}"
    return result


def search(folder, model, claim, *defines):
    """The report of an exhaustive search: of a claim about all that may happen for ever, or (None) for assertions and deadlocks."""
    made = run(folder, "spin", "-a", *defines, str(model))
    assert made.returncode == 0 and "rror" not in made.stdout, made.stdout
    kind = ["-DSAFETY", "-DNOCLAIM"] if claim is None else ["-DNFAIR=4"]
    built = run(folder, "gcc", "-O0" if defines else "-O2", "-w", "-o", "pan", *kind, "-DCOLLAPSE", f"-DMEMLIM={MEGABYTES}", "pan.c")
    assert built.returncode == 0, built.stdout
    how = [] if claim is None else ["-a", "-f", "-N", claim]
    report = run(folder, "./pan", f"-m{DEPTH}", *how).stdout
    assert "max search depth too small" not in report and "out of memory" not in report, report
    assert re.search(r"errors: \d+", report), report
    return report


def errors(report):
    return int(re.search(r"errors: (\d+)", report)[1])


def trail(folder, model, *defines):
    """What led to the error."""
    return run(folder, "spin", "-t", "-p", "-g", *defines, str(model)).stdout[-6000:]


def unreached(model, report):
    """Lines that nobody came to, but for ends of what goes on for ever, and lines of which the model says whose they are alone."""
    lines = model.read_text().splitlines()
    found = {int(number) for number, what in re.findall(r"^\t\S+\.pml:(\d+), state \d+, (.*)", report, re.M) if what != '"-end-"'}
    return [f"{number}: {lines[number - 1].strip()}" for number in sorted(found) if " alone */" not in lines[number - 1]]


@pytest.mark.parametrize("claim", [pytest.param((model, claim), id=f"{model.stem}-{claim or 'safety'}")
                                   for model in MODELS for claim in [None, *claims(model)]])
def test_model_is_right(tmp_path, claim):
    model, claim = claim
    report = search(tmp_path, model, claim)
    assert errors(report) == 0, trail(tmp_path, model)
    assert "Search not completed" not in report
    assert claim is not None or not unreached(model, report), "the model has what can never be"


@pytest.mark.parametrize("mutation", [pytest.param((model, mutation), id=f"{model.stem}-{mutation}")
                                      for model in MODELS for mutation in mutations(model)])
def test_mutation_is_found(tmp_path, mutation):
    model, mutation = mutation
    for claim in [None, *claims(model)]:
        if errors(search(tmp_path, model, claim, f"-D{mutation}")) > 0:
            return
    pytest.fail("no error was found")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.stem)
def test_model_stands_for_what_is_there(model):
    assert mutations(model)
    text = re.search(r"Stands for: (.*?)Left out:", head(model), re.S)[1]
    named = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b(?!\.)", text))
    there = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", "".join(path.read_text() for path in SOURCE.rglob("*.[ch]"))))
    assert named and not named - there, "functions that are no longer there"
