#!/usr/bin/env python3
"""The C code in docs/embedding.md stands word for word in the programs of examples/embed, and every function that the page
names is declared."""
import glob
import re
import sys

page = open("docs/embedding.md", encoding="utf-8").read()
header = open("src/tidemill.h", encoding="utf-8").read()
programs = [open(path, encoding="utf-8").read() for path in glob.glob("examples/embed/*.c")]
blocks = re.findall(r"^```c\n(.*?)^```$", page, re.S | re.M)
failed = 0

for block in blocks:
    if not any(block in program for program in programs):
        failed = 1
        print("in no program of examples/embed:\n" + block, file=sys.stderr)
for name in sorted(set(re.findall(r"tidemill_[a-z_]+", page))):
    if not re.search(rf"\b{name}\b", header):
        failed = 1
        print(f"docs/embedding.md speaks of {name}, which tidemill.h does not have", file=sys.stderr)
if len(blocks) < 5:
    sys.exit("docs/embedding.md has hardly any code")
sys.exit(failed)
