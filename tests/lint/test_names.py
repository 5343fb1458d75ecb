"""A static function carries its noun: the functions of a backtrace can be told apart."""
import collections

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
