#!/usr/bin/env python3
"""Nested records to flat columns and back: as Miller does it, and to what they were.

Seeded: files of records that all have one shape, a shape each. TIDEMILL_LONG=1: many more shapes;
TIDEMILL_PART=N: an Nth of them.
"""
import json
import os
import random
import shutil
import subprocess
import sys

TIDEMILL = os.environ["TIDEMILL"]
SHAPES = 2000 if os.environ.get("TIDEMILL_LONG") else 60 // int(os.environ.get("TIDEMILL_PART", "1"))
RECORDS = 5
KEYS = ["a", "b", "id", "two words", "é", "x,y", "0", "2", "10", '"q"', "-", "tab\t", "a_b"]
TEXTS = ["", "x", "two words", "a,b", '"', "line\nbreak", "tab\tbed", "back\\slash", "\\t", "007x", "é", "{", "null"]
EMPTY = {"object": {}, "array": []}


def shape(random_, depth):
    """A kind of value: text, number, an empty container, a list of shapes, a mapping to shapes."""
    kind = random_.randrange(10 if depth < 4 else 5)
    if kind < 3:
        return random_.choice(["text", "number"])
    if kind < 5:
        return random_.choice(["text", "object", "array"])
    if kind < 7:
        return [shape(random_, depth + 1) for _ in range(random_.randrange(1, 4))]
    return mapping(random_, depth + 1)


def mapping(random_, depth):
    return {key: shape(random_, depth) for key in random_.sample(KEYS, random_.randrange(1, 5))}


def fill(random_, kind):
    if isinstance(kind, dict):
        return {key: fill(random_, each) for key, each in kind.items()}
    if isinstance(kind, list):
        return [fill(random_, each) for each in kind]
    if kind == "text":
        return random_.choice(TEXTS)
    if kind == "number":
        return random_.choice([0, 7, -12, 1.5, -0.25, 9007199254740993])
    return EMPTY[kind]


def run(*command, data):
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, timeout=60, check=True).stdout


def tidemill(source, target, *options, data):
    settings = [part for option in options for part in ("--set", option)]
    return run(TIDEMILL, "each", "-q", "-w", "1", "-i", source, "-t", target, "return r", *settings, data=data)


def main():
    random_ = random.Random(4)
    problems = 0
    for number in range(SHAPES):
        kind = {"key": "text", **mapping(random_, 0)}
        records = [{**fill(random_, kind), "key": f"r{i}"} for i in range(RECORDS)]
        data = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
        found = []
        for form in ("csv", "tsv"):
            flat = tidemill("jsonl", form, "output.nested=flatten", data=data)
            back = [json.loads(row) for row in tidemill(form, "jsonl", "input.unflatten=true", data=flat).splitlines()]
            if json.dumps(back) != json.dumps(records):
                found.append(f"{form} does not come back: {back}")
            again = tidemill(form, form, "input.unflatten=true", "output.nested=flatten", data=flat)
            if again != flat:
                found.append(f"{form} does not stay: {again}")
            # Miller 6.6 does not escape names in its JSON.
            if form == "csv" and shutil.which("mlr") and "\\" not in json.dumps(kind, ensure_ascii=False):
                theirs = [json.loads(row) for row in
                          run("mlr", "--icsv", "--ojsonl", "cat", data=flat).splitlines()]
                if json.dumps(back) != json.dumps(theirs):
                    found.append(f"Miller nests otherwise: {theirs}")
        if found:
            problems += 1
            print(f"shape {number}: {records[0]}", *found, sep="\n  ")
    print(f"{SHAPES} shapes, {problems} differ")
    return problems > 0


sys.exit(main())
