"""A static function carries its noun: the functions of a backtrace can be told apart."""
import collections
import re

import pytest
import tree


def static_functions():
    """Where each static function is defined: name -> files. One file may have two, under #if."""
    listing = tree.run("ctags", "-f", "-", "--langmap=C:.c.h", "--kinds-C=f", "--fields=f", "--sort=no",
                       *map(tree.name, tree.files("src/**/*.[ch]")))
    assert listing.returncode == 0, listing.stdout
    found = collections.defaultdict(set)
    for line in listing.stdout.splitlines():
        name, file, *rest = line.split("\t")
        if rest[-1] == "file:":
            found[name].add(file)
    return found


def test_no_static_function_name_stands_in_two_files():
    found = static_functions()
    assert found, "ctags lists no static function: is it Universal Ctags?"
    twice = ["rename one of: " + ", ".join(f"{file}:{name}" for file in sorted(files))
             + " so that it says what it acts on"
             for name, files in sorted(found.items()) if len(files) > 1]
    assert not twice, "\n" + "\n".join(twice)


@pytest.mark.parametrize("path", tree.files("src/**/*.md"), ids=tree.name)
def test_a_page_names_what_there_is(path):
    """What stands between backticks as a function, a type or a file is somewhere in the tree."""
    sources = "\n".join(tree.read(source) for source in tree.files("src/**/*.[ch]", "src/**/*.def"))
    text = re.sub(r"^ {4}.*$", "", tree.read(path), flags=re.M)
    wrong = []
    for name in re.findall(r"`([^`\n]+)`", text):
        word = name.split("(")[0].removeprefix("struct ").removeprefix("enum ")
        if word.endswith("_x.c"):   # what a new one would be called
            continue
        if re.fullmatch(r"[\w/.]+\.(c|h|def|md|py)", word):
            known = any((base / word).exists() for base in (tree.ROOT, tree.ROOT / "src", path.parent)) or tree.files(f"src/**/{word}")
        elif re.fullmatch(r"[a-z]+_[a-z_]+", word):
            known = re.search(rf"\b{word}\b", sources)
        else:
            continue
        if not known:
            wrong.append(name)
    wrong += [name for name in re.findall(r"\btest_\w+", text) if not tree.files(f"tests/**/{name}.*")]
    assert not wrong, "these are not in the tree: the page is to be true of the code beside it"


def test_faults_are_of_lines_that_are_there():
    """tests/mutations/faults.txt: each block changes lines (-) that stand at one place."""
    wrong = []
    for block in re.split(r"\n\n+", tree.read("tests/mutations/faults.txt").strip()):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        old = "".join(line[1:] + "\n" for line in lines[1:] if line.startswith("-"))
        if lines and tree.read(lines[0]).count(old) != 1:
            wrong.append(f"{lines[0]}: {old}")
    assert not wrong, "change the fault with the code, or take another"
