#!/usr/bin/env python3
"""Every format to every format on the same data: with one worker and four, chunks of a byte and of 256 KiB,
forked and executed workers the same bytes, and the values that went in. And as Miller and jq convert, where
the contracts agree (docs/fidelity.md has the rest, under "other programs").

TIDEMILL_LONG=1: more records; TIDEMILL_PART=N: an Nth of them. SEED=N: other data.
"""
import csv
import io
import itertools
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import test_python_json as python_json  # noqa: E402

TIDEMILL = os.environ["TIDEMILL"]
LONG = bool(os.environ.get("TIDEMILL_LONG"))
SEED = int(os.environ.get("SEED", "1"))
PART = int(os.environ.get("TIDEMILL_PART", "1"))
RECORDS = 5000 if LONG else 60 // PART
VALUES = 1000000 if LONG else 20000 // PART
HOWS = [("--set", f"workers={w}", "--set", f"chunk={c}", "--set", f"isolation={i}")
        for w, c, i in itertools.product((1, 4), ("1B", "256KiB"), ("fork", "exec"))]

TEXTS = ["a", "é", "東京 🌊", "two words", "a,b", 'say "hi"', '"', "tab\tbed", "line\nbreak", "cr\rlf\r\n", "back\\slash", "\\t", "007",
         "+1", "x" * 200, "'", ";", "true", "null", "[1]", "{}", " padded "]
NUMBERS = ["0", "7", "-12", "1.50", "0.1000", "9223372036854775807", "-9223372036854775808", "123456.789"]


def expect(condition, *what):
    if not condition:
        sys.exit("not the same: " + " ".join(f"{w!r}"[:3000] for w in what))


# ---- the same data in every format: records of fields that are (is a number, text) ----

def records_of(random_, n):
    def value(i):
        return (True, random_.choice(NUMBERS)) if i % 3 == 1 else (False, random_.choice(TEXTS))
    return [{"id": (True, str(i)), "name": (False, f"n{i}"), "x": value(1), "two words": value(2), "é": value(random_.randrange(3))}
            for i in range(n)]


def lines_of(random_, n):
    return [{"line": (False, random_.choice([t for t in TEXTS if "\n" not in t]))} for _ in range(n)]


def write_json_record(record, comma=","):
    fields = (json.dumps(k, ensure_ascii=False) + ":" + (v if number else json.dumps(v, ensure_ascii=False))
              for k, (number, v) in record.items())
    return "{" + comma.join(fields) + "}"


def write_json(records):
    """Most elements stand on several lines, as in files that people read."""
    return "[\n" + ",\n".join(write_json_record(r, ",\n  " if i % 4 else ",") for i, r in enumerate(records)) + "\n]\n"


def write_csv(records):
    out = io.StringIO(newline="")
    # Quoted as a whole where there is a CR, which Python before 3.13 takes for no line end.
    rows = [list(records[0])] + [[v for _, v in record.values()] for record in records]
    for row in rows:
        quoting = csv.QUOTE_ALL if any("\r" in cell for cell in row) else csv.QUOTE_MINIMAL
        csv.writer(out, lineterminator="\n", quoting=quoting).writerow(row)
    return out.getvalue()


ESCAPES = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"}
UNESCAPES = {v: k for k, v in ESCAPES.items()}


def write_tsv(records):
    rows = [list(records[0])] + [[v for _, v in record.values()] for record in records]
    return "".join("\t".join("".join(ESCAPES.get(c, c) for c in cell) for cell in row) + "\n" for row in rows)


WRITERS = {
    "csv": write_csv,
    "tsv": write_tsv,
    "jsonl": lambda records: "".join(write_json_record(r) + "\n" for r in records),
    "json": write_json,
    "text": lambda records: "".join(r["line"][1] + "\n" for r in records),
}


def read_tsv(text):
    def unescape(cell):
        out, i = "", 0
        while i < len(cell):
            step = 2 if cell[i:i + 2] in UNESCAPES else 1
            out += UNESCAPES.get(cell[i:i + 2], cell[i]) if step == 2 else cell[i]
            i += step
        return out
    return [[unescape(cell) for cell in line.split("\t")] for line in text.split("\n")[:-1]]


def rows_to_records(rows):
    return [dict(zip(rows[0], row)) for row in rows[1:]]


def json_value(text):
    return json.loads(text, parse_int=str, parse_float=str)


READERS = {
    "csv": lambda text: rows_to_records(list(csv.reader(io.StringIO(text, newline=""), strict=True))),
    "tsv": lambda text: rows_to_records(read_tsv(text)),
    "jsonl": lambda text: [json_value(line) for line in text.split("\n")[:-1]],
    "json": json_value,
    "text": lambda text: [{"line": line.removesuffix("\r") if line.endswith("\r\r") else line} for line in text.split("\n")[:-1]],
}


# ---- all pairs ----

def convert(path, target, *options, code="return r"):
    command = [TIDEMILL, "each", "-q", "-t", target, *options, code, str(path)]
    run = subprocess.run(command, capture_output=True, check=False)
    expect(run.returncode == 0, command, run.stderr)
    return run.stdout


def test_pairs(folder, random_):
    runs = 0
    for records, sources, targets in (
            (records_of(random_, RECORDS), ("csv", "tsv", "jsonl", "json"), ("csv", "tsv", "jsonl", "json", "table")),
            (lines_of(random_, RECORDS), ("csv", "tsv", "jsonl", "json", "text"), ("csv", "tsv", "jsonl", "json", "text", "table"))):
        plain = [{k: v for k, (_, v) in record.items()} for record in records]
        for source, target in itertools.product(sources, targets):
            path = folder / f"in.{'txt' if source == 'text' else source}"
            path.write_bytes(WRITERS[source](records).encode())
            outputs = {convert(path, target, *how) for how in HOWS}
            runs += len(HOWS)
            expect(len(outputs) == 1, source, target, "depends on workers, chunks or how workers are started")
            if target != "table":
                seen = READERS[target](outputs.pop().decode())
                expect(seen == plain, source, target, *next(((a, b) for a, b in zip(seen, plain) if a != b), (len(seen),)))
    return f"{runs} conversions"


# ---- Miller ----

def miller(path, source, target, *options):
    command = ["mlr", f"--i{source}", f"--o{target}", *options, "cat", str(path)]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode()


def test_miller(folder, random_):
    if not shutil.which("mlr"):
        return "no Miller"
    runs = 0
    # In Miller a CR in quotes is none, and a cell {} an object (fidelity: peer-miller-cr, peer-miller-braces).
    records = [r for r in records_of(random_, RECORDS) if not any("\r" in v or v == "{}" for _, v in r.values())]
    for source, target in itertools.product(("csv", "tsv", "jsonl", "json"), repeat=2):
        path = folder / f"in.{source}"
        path.write_bytes(WRITERS[source](records).encode())
        ours, theirs = convert(path, target).decode(), miller(path, source, target)
        a, b = READERS[target](ours), READERS[target](theirs)
        expect(a == b, source, target, *next(((x, y) for x, y in zip(a, b) if x != y), (len(a), len(b))))
        runs += 1
    return f"{runs} conversions as Miller's, {test_flatten(folder, random_)}"


MILLER_TEXTS = ["", "a", "é Ω 東 🌊", "a/b", "{", "],", "x: y", "two words", "\\", '"quoted"', "tab\t", "line\nend", "\u2028"]
MILLER_NUMBERS = ["0", "7", "-12", "1.50", "0.1000", "-0.5", "1E5", "1e-7", "2.5e+10", "9007199254740993", "9223372036854775807",
                  "-9223372036854775808", "0.1234567890123456789", "1e300", "5e-324"]


def miller_value(random_, depth, count):
    """What Miller keeps: names without quotes and not empty, no NUL, numbers in range (fidelity:
    peer-miller-empty-name, peer-miller-quoted-name, peer-miller-escaped-nul, peer-miller-digits, peer-miller-range)."""
    count[0] += 1
    kind = random_.randrange(10 if depth < 5 else 7)
    if kind < 3:
        return python_json.string_of(random_, random_.choice(MILLER_TEXTS))
    if kind < 6:
        return random_.choice(MILLER_NUMBERS)
    if kind == 6:
        return random_.choice(["true", "false", "null"])
    inside = [miller_value(random_, depth + 1, count) for _ in range(random_.randrange(4))]
    if kind == 7:
        return "[" + ", ".join(inside) + "]"
    return "{" + ",".join(f'"{k}": {v}' for k, v in zip(random_.sample("abcdefé", len(inside)), inside)) + "}"


def test_miller_values(folder, random_):
    if not shutil.which("mlr"):
        return "no Miller"
    path, count, lines = folder / "values.jsonl", [0], []
    while count[0] < VALUES:
        lines.append("{" + ",".join(f'"{k}":{miller_value(random_, 1, count)}' for k in random_.sample("klmno", random_.randrange(1, 5))) + "}")
    path.write_bytes(("\n".join(lines) + "\n").encode())
    theirs = miller(path, "jsonl", "jsonl")
    for code in "return r", python_json.REBUILD:
        ours = convert(path, "jsonl", "-w", "2", code=code).decode()
        for a, b in zip(ours.split("\n"), theirs.split("\n"), strict=True):
            if a != b:
                a, b = (json.loads(text, parse_int=python_json.Number, parse_float=python_json.Number) for text in (a, b))
                expect(python_json.same(a, b), a, b)
    return f"{count[0]} values as Miller reads them"


def nested_of(random_, depth):
    kind = random_.randrange(8 if depth < 4 else 5)
    if kind < 5:
        return random_.choice(["x", 7, 1.5, True, "a b"])  # a null is the word to Miller (fidelity: peer-miller-null)
    inside = [nested_of(random_, depth + 1) for _ in range(random_.randrange(4))]
    return inside if kind == 5 else dict(zip("abcd", inside))


def test_flatten(folder, random_):
    """Nested values to columns, and back: the same columns and cells, one job a record as each has its own."""
    n = RECORDS // 2
    for i in range(n):
        record = {"k": i, "v": nested_of(random_, 0), "w": nested_of(random_, 0)}
        path = folder / "nested.jsonl"
        path.write_text(json.dumps(record) + "\n", encoding="utf-8")
        for target in "csv", "tsv":
            ours = convert(path, target, "--set", "output.nested=flatten").decode()
            theirs = miller(path, "jsonl", target)
            expect(ours == theirs, record, ours, theirs)
        flat = folder / "flat.csv"
        flat.write_text(ours if target == "csv" else convert(path, "csv", "--set", "output.nested=flatten").decode(), encoding="utf-8")
        ours = json_value(convert(flat, "jsonl", "--set", "input.unflatten=true"))
        theirs = json_value(miller(flat, "csv", "jsonl"))
        expect(ours == theirs, record, ours, theirs)
    return f"{n} records flattened and nested again as Miller does"


# ---- jq ----

def as_jq(text):
    """What jq 1.6 makes of a number: a double, the largest one for what is beyond (fidelity: peer-jq-digits)."""
    value = float(text)
    return min(max(value, -1.7976931348623157e308), 1.7976931348623157e308)


def test_jq(folder, random_):
    if not shutil.which("jq"):
        return "no jq"
    path, count, lines = folder / "values.jsonl", [0], []
    while count[0] < VALUES:
        values = [python_json.value_of(random_, 1, count) for _ in range(random_.randrange(1, 6))]
        lines.append(python_json.object_of(random_, values, ""))
    path.write_bytes(("\n".join(lines) + "\n").encode())
    theirs = subprocess.run(["jq", "-c", ".", str(path)], stdout=subprocess.PIPE, check=True).stdout
    ours = convert(path, "jsonl", "-w", "2", code=python_json.REBUILD)
    for a, b in zip(ours.split(b"\n"), theirs.split(b"\n"), strict=True):
        if a != b:
            a, b = (json.loads(text, parse_int=as_jq, parse_float=as_jq) for text in (a, b))
            expect(a == b, a, b)
    return f"{count[0]} values as jq reads them"


def main():
    with tempfile.TemporaryDirectory(prefix="tidemill-conversions.") as name:
        print("; ".join(test(pathlib.Path(name), random.Random(SEED)) for test in (test_pairs, test_miller, test_miller_values, test_jq)))


if __name__ == "__main__":
    main()
