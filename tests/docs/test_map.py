#!/usr/bin/env python3
"""Holds src/README.md to the source: every file, function, struct and constant that it names exists,
and every file of src/ is named in its picture of the folders."""

import glob
import os
import re
import sys

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(SOURCE, "src/README.md")
FILE = re.compile(r"[\w./*-]+\.(?:c|h|py|lua|md|json|txt|1)|[\w/]+/")


def everything():
    """The text of all C files of src/, without comments."""
    text = ""
    for path in glob.glob(os.path.join(SOURCE, "src/**/*.[ch]"), recursive=True):
        with open(path, encoding="utf-8") as file:
            text += re.sub(r"/\*.*?\*/", " ", file.read(), flags=re.S) + "\n"
    return text


def file_exists(name):
    places = [os.path.join(SOURCE, folder, name) for folder in ("src", "", "src/*")]
    return any(glob.glob(place) for place in places)


def exists(term, code):
    """Is what stands in backquotes there? True for what is no name of the source."""
    if FILE.fullmatch(term.split(" ")[0]):
        return file_exists(term.split(" ")[0])
    function = re.fullmatch(r"(\w+)\(\)", term)
    if function:
        return re.search(rf"\b{function.group(1)}\(", code)
    if re.fullmatch(r"struct \w+", term):
        return re.search(rf"\b{term} {{", code)
    if re.fullmatch(r"tm_\w+|[A-Z]+_[A-Z_]+", term):
        return re.search(rf"\b{term}\b", code)
    return True


def main():
    with open(PAGE, encoding="utf-8") as file:
        page = file.read()
    code = everything()
    wrong = [f"src/README.md names `{term}`, which is not there"
             for term in sorted(set(re.findall(r"`([^`]+)`", page))) if not exists(term, code)]

    # The picture: a folder's line, with its files below it.
    picture = page.split("## Folders")[1].split("\nDependencies")[0]
    named, folder = set(), ""
    for line in picture.split("\n"):
        top = re.match(r"    (\w+)/", line)
        if top:
            folder = top.group(1) + "/"
        elif re.match(r"    \w", line):
            folder = ""
        named.update(folder + name for name in re.findall(r"[\w]+\.[ch]\b", line))
    wrong += [f"the picture in src/README.md names {name}, which is not there"
              for name in sorted(named) if not os.path.exists(os.path.join(SOURCE, "src", name))]
    for path in sorted(glob.glob(os.path.join(SOURCE, "src/**/*.[ch]"), recursive=True)):
        name = os.path.relpath(path, os.path.join(SOURCE, "src"))
        # The header of a file that is named needs no mention.
        if name not in named and re.sub(r"h$", "c", name) not in named:
            wrong.append(f"src/{name} is not in the picture in src/README.md")
    print("\n".join(wrong) or "src/README.md is true to the source")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
