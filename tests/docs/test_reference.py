#!/usr/bin/env python3
"""Holds the tables of docs/reference.md to the option table, as `tidemill help job` tells it, and the
options and commands of docs/tidemill.1 to what `tidemill help` and `tidemill help COMMAND` say.

usage: test_reference.py [-p]     -p writes the tables
"""

import os
import re
import subprocess
import sys

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(SOURCE, "docs/reference.md")
BEGIN, END = "<!-- the option table: begin -->\n", "<!-- the option table: end -->\n"
ROW = re.compile(r"^  (\S+)  (\w+)(?:: (.*?))?(?:  \(default (.*)\))?$")


def options(text):
    """(name, type, choices, default, help) of every option, from the help text."""
    found = []
    for line in text.splitlines()[2:]:
        row = ROW.match(line)
        if line.startswith("      "):
            found[-1][-1] += (" " if found[-1][-1] else "") + line.strip()
        elif row:
            found.append([part or "" for part in row.groups()] + [""])
        elif line:
            sys.exit(f"a line of 'tidemill help job' that is no option: {line}")
    return found


def code(text):
    return f"`{text}`" if text else ""


def values(kind, choices):
    words = [code(word) for word in choices.split(" | ") if word]
    if kind == "choice":
        return ", ".join(words)
    return ", ".join([kind] + words)


def tables(found):
    sections = {}
    for name, kind, choices, default, text in found:
        section = name.split(".")[0] if "." in name else "at the top"
        sections.setdefault(section, []).append(
            f"| `{name}` | {values(kind, choices)} | {code(default)} | {text} |\n")
    return "".join(f"\n### {section}\n\n| Option | Values | Default | |\n| --- | --- | --- | --- |\n" +
                   "".join(rows) for section, rows in sections.items()) + "\n"


def ask(*arguments):
    return subprocess.run([os.environ["TIDEMILL"], "help", *arguments], check=True,
                          capture_output=True, text=True).stdout


def manual_wrong():
    """What the manual page lacks, and what it has too much."""
    with open(os.path.join(SOURCE, "docs/tidemill.1"), encoding="utf-8") as file:
        page = file.read()
    commands = set(re.findall(r"^  tidemill (\w+)", ask(), flags=re.M))
    options = set()
    for command in commands:
        options |= set(re.findall(r"^  (?:-\w, |    )--([\w-]+)", ask(command), flags=re.M))
    return [f"docs/tidemill.1: {what} differ from what the command says: {sorted(said ^ true)}"
            for what, said, true in
            (("commands", set(re.findall(r"^\.It Cm (\w+)$", page, flags=re.M)), commands),
             ("options", set(re.findall(r"^\.It .*Fl Fl ([\w-]+)", page, flags=re.M)), options))
            if said != true]


def main(arguments):
    made = tables(options(ask("job")))
    with open(PAGE, encoding="utf-8") as file:
        before, rest = file.read().split(BEGIN)
    said, after = rest.split(END)
    wrong = manual_wrong()
    if "-p" in arguments:
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(before + BEGIN + made + END + after)
    elif said != made:
        wrong.append("docs/reference.md does not say what `tidemill help job` says: run "
                     "tests/docs/test_reference.py -p")
    print("\n".join(wrong) or "docs/reference.md and docs/tidemill.1 say what the command says")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
