#!/usr/bin/env python3
"""Which columns an output has, and what becomes of records that have others.

Random records, each with some of a few fields in some order, from JSON Lines or from CSV files whose headers
differ, under every combination of output.columns, extra, missing and nested, to csv, tsv and table. What is to
come out is worked out here by the rules of docs/fidelity.md; it must come out with one worker and four, and with chunks
of a byte and large ones, as must every message.
TIDEMILL_LONG=1: 3000 jobs instead of 72; TIDEMILL_PART=N: an Nth of them. SEED=N: others.
"""
import csv
import io
import itertools
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

TIDEMILL = os.environ["TIDEMILL"]
JOBS = 3000 if os.environ.get("TIDEMILL_LONG") else 72 // int(os.environ.get("TIDEMILL_PART", "1"))
SEED = int(os.environ.get("SEED", "1"))
HOWS = [("1", "256KiB", "fork"), ("1", "1B", "fork"), ("4", "1B", "fork"), ("4", "64B", "exec")]
NAMES = ["a", "b", "c", "d e", "f,g"]
CELLS = ["", "x", "1", "x,y", 'say "hi"', "two\nlines", " ", "\t"]
NESTED = [{"p": 1}, {"p": 1, "q": "x"}, [1, 2], [], {}, {"p": {"q": 1}}]


def expect(condition, *what):
    if not condition:
        sys.exit("columns: " + " ".join(map(repr, what)))


# ---- the rules ----

def flatten(name, value):
    parts = value.items() if isinstance(value, dict) else list(enumerate(value, 1)) if isinstance(value, list) else ()
    if not parts:
        return [(name, value)]
    return [pair for key, part in parts for pair in flatten(f"{name}.{key}", part)]


def text_of(value):
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)


def fields_of(record, nested):
    """Pairs of name and text, or None where a value cannot be written."""
    if nested == "error" and any(isinstance(v, (dict, list)) for v in record.values()):
        return None
    pairs = list(record.items())
    if nested == "flatten":
        pairs = [pair for name, value in pairs for pair in flatten(name, value)]
        if len(dict(pairs)) < len(pairs):
            return None
    return {name: text_of(value) for name, value in pairs}


def wanted(records, settings, first_header):
    """(names, rows, records that fail)."""
    names, rows, failed = settings.get("output.columns"), [], 0
    for record in records:
        fields = fields_of(record, settings["output.nested"])
        if not fields:
            failed += 1
            continue
        columns = names or list(fields)
        extra, missing = set(fields) - set(columns), set(columns) - set(fields)
        if extra and settings["output.extra"] == "error" or missing and settings["output.missing"] == "error":
            failed += 1
            continue
        names = columns
        rows.append([fields.get(name, "") for name in columns])
    return names or first_header, rows, failed


# ---- a job ----

def records_of(random_, nested):
    def value():
        return random_.choice(NESTED) if nested and random_.random() < 0.2 else random_.choice(CELLS + [None] * nested)
    names = random_.sample(NAMES, random_.randrange(1, len(NAMES) + 1))
    for _ in range(random_.choice([0, 1, 5, 60])):
        if random_.random() < 0.1:
            names = random_.sample(NAMES, random_.randrange(1 - nested, len(NAMES) + 1))
        some = names if random_.random() < 0.8 else random_.sample(names, len(names))
        yield {name: value() for name in some}


def write_files(folder, random_):
    """(files, records, the first header)."""
    if random_.random() < 0.5:
        records = list(records_of(random_, True))
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (folder / "in.jsonl").write_text(lines, encoding="utf-8")
        return ["in.jsonl"], records, None
    files, all_records, first = [], [], None
    for i in range(random_.randrange(1, 5)):
        names = random_.sample(NAMES, random_.randrange(1, len(NAMES) + 1))
        records = [{name: random_.choice(CELLS) for name in names} for _ in range(random_.choice([0, 1, 5, 40]))]
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows([names] + [list(r.values()) for r in records])
        (folder / f"{i}.csv").write_text(out.getvalue(), encoding="utf-8")
        files.append(f"{i}.csv")
        all_records += records
        first = first or names
    return files, all_records, first


def run(folder, files, target, settings, how):
    workers, chunk, isolation = how
    options = {**settings, "workers": workers, "chunk": chunk, "isolation": isolation, "errors.policy": "skip"}
    if "output.columns" in options:
        options["output.columns"] = json.dumps(options["output.columns"])
    command = [TIDEMILL, "each", "-t", target, *(f"--set={k}={v}" for k, v in options.items()), "true", *files]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False)


def rows_of(target, text):
    if target == "csv":
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    return [[cell.replace("\\t", "\t").replace("\\n", "\n") for cell in line.split("\t")] for line in text.split("\n")[:-1]]


def check(folder, random_, extra, missing, nested, listed, target):
    files, records, header = write_files(folder, random_)
    settings = {"output.extra": extra, "output.missing": missing, "output.nested": nested}
    if listed:
        settings["output.columns"] = random_.sample(NAMES + ["a.p", "b.1"], random_.randrange(1, 6))
    seen = [run(folder, files, target, settings, how) for how in HOWS]
    for other in seen[1:]:
        expect((other.stdout, other.stderr, other.returncode) == (seen[0].stdout, seen[0].stderr, seen[0].returncode),
               settings, files, records, "depends on workers or chunks", seen[0].stdout, other.stdout, other.stderr)
    names, rows, failed = wanted(records, settings, header)
    expect(f", {failed} failed; {len(rows)} written".encode() in seen[0].stderr, settings, records, seen[0].stderr, failed, len(rows))
    if target != "table":
        expect(rows_of(target, seen[0].stdout.decode()) == ([names] if names else []) + rows, settings, records, seen[0].stdout, names, rows)


def main():
    random_ = random.Random(SEED)
    ways = itertools.cycle(itertools.product(("error", "drop"), ("error", "empty"), ("json", "flatten", "error"), (False, True),
                                             ("csv", "tsv", "table")))
    with tempfile.TemporaryDirectory(prefix="tidemill-columns.") as name:
        for way in itertools.islice(ways, JOBS):
            check(pathlib.Path(name), random_, *way)
    print(f"columns: {JOBS} jobs, each in {len(HOWS)} ways")


if __name__ == "__main__":
    main()
