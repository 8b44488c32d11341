#!/usr/bin/env python3
"""Runs what a page of the documents shows, and compares.

In a page,

  ```console   holds commands, `$ ` before the first line of each and `> ` before the lines that go
               on with it, and below a command all that it prints, standard error included. A
               command that fails is followed by `$ echo $?`.
  ```lua       (or yaml, csv, json) whose first line is a comment with nothing but a file's name
               is a file in the folder that the commands run in.

The commands of a page run in one shell, in a fresh folder with a copy of examples/.

usage: test_pages.py [-p] [PAGE...]     -p writes what is seen into the page; you read the diff
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

PAGES = ["README.md", "docs/guide.md"]
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FENCE = re.compile(r"^( *)```(\w*) *$")
FILE_NAME = re.compile(r"^(?:--|#) ([\w./-]+\.\w+)$")


def blocks(page):
    """(language, number of the first line, lines) of every fenced block."""
    language = None
    with open(page, encoding="utf-8") as lines:
        for number, line in enumerate(lines.read().split("\n"), 1):
            fence = FENCE.match(line)
            if fence and language is None:
                language, first, found = fence.group(2), number + 1, []
            elif fence:
                yield language, first, found
                language = None
            elif language is not None:
                found.append(line)
    if language is not None:
        sys.exit(f"{page}:{first}: the block does not end")


def steps(page):
    """What happens, in order: ("file", line, name, text) and ("run", line, command, output). The
    output begins on the line after the command, whose first line is `line`."""
    for language, first, lines in blocks(page):
        name = FILE_NAME.match(lines[0]) if lines else None
        if language == "console":
            yield from commands(page, first, lines)
        elif name:
            yield "file", first, name.group(1), "\n".join(lines) + "\n"


def commands(page, first, lines):
    command = None
    for number, line in enumerate(lines, first):
        if line.startswith("$ "):
            if command is not None:
                yield "run", at, command, output
            at, command, output, goes_on = number, line[2:], "", True
        elif command is None:
            sys.exit(f"{page}:{number}: a console block begins with a command")
        elif line.startswith("> ") and goes_on:
            command += "\n" + line[2:]
        else:
            output, goes_on = output + line + "\n", False
    if command is not None:
        yield "run", at, command, output


class Shell:
    """One bash for all commands of a page, so that `cd` and `$?` mean what they do for people."""

    def __init__(self, folder, tidemill):
        environment = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": folder,
                       "PATH": os.path.dirname(tidemill) + os.pathsep + os.environ["PATH"]}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TIDEMILL_WORKER"):
            if name in os.environ:
                environment[name] = os.environ[name]
        self.process = subprocess.Popen(["bash", "--norc"], cwd=folder, env=environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, encoding="utf-8")
        self.status = 0

    def run(self, command):
        """What the command prints; its exit status is in `status`."""
        mark = "-- end of the command --"
        self.process.stdin.write(f"(exit {self.status})\n{{ {command}\n}} </dev/null\n"
                                 f"printf '\\n{mark} %s\\n' $?\n")
        self.process.stdin.flush()
        output = ""
        for line in self.process.stdout:
            if line.startswith(mark):
                self.status = int(line.split()[-1])
                return output[:-1]
            output += line
        sys.exit("the shell ended at: " + command)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def run(page, folder, tidemill, seen):
    """The number of commands that ran, and that went wrong. `seen` gets (line, command, what the
    page says, what it prints) of each."""
    shell, wrong, unsaid = Shell(folder, tidemill), 0, None
    for kind, line, what, text in steps(page):
        if kind == "file":
            place = shell.run("pwd").strip()
            with open(os.path.join(place, what), "w", encoding="utf-8") as file:
                file.write(text)
            continue
        if what.startswith("./setup.sh"):
            continue  # installs packages
        if unsaid and not what.startswith("echo $?"):
            print(f"{page}:{unsaid}: it fails, but the page does not say so")
            wrong += 1
        output = shell.run(what)
        unsaid = line if shell.status else None
        seen.append((line, what, text, output))
        if output != text:
            wrong += 1
            print(f"{page}:{line}: $ {what}\n---- the page says\n{text}---- it prints\n{output}----")
    shell.close()
    if unsaid:
        print(f"{page}:{unsaid}: it fails, but the page does not say so")
        wrong += 1
    return wrong


def rewrite(page, seen):
    with open(page, encoding="utf-8") as file:
        lines = file.read().split("\n")
    for line, command, said, printed in reversed(seen):
        start = line + command.count("\n")
        lines[start:start + said.count("\n")] = printed.split("\n")[:-1]
    with open(page, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


def main(pages):
    tidemill = os.environ["TIDEMILL"]
    write, bad = "-p" in pages, 0
    pages = [page for page in pages if page != "-p"] or PAGES
    pages = [os.path.join(SOURCE, page) for page in pages]
    for page in pages:
        with tempfile.TemporaryDirectory(prefix="tidemill-docs.") as folder:
            shutil.copytree(os.path.join(SOURCE, "examples"), os.path.join(folder, "examples"))
            seen = []
            wrong = run(page, folder, tidemill, seen)
        if write:
            rewrite(page, seen)
        print(f"{os.path.relpath(page, SOURCE)}: {len(seen)} commands, {wrong} wrong")
        bad += wrong + (not seen)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
