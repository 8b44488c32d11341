#!/usr/bin/env python3
"""Wild but valid data, read as Python's json and csv modules read it, and Miller.

Seeded; what is generated has all that the formats allow: quotes, line breaks and delimiters in cells, CRLF,
numbers in every spelling, escapes, nesting, white space. TIDEMILL_LONG=1: a million records.
"""
import csv
import io
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from agree import same  # noqa: E402

TIDEMILL = os.environ["TIDEMILL"]
RECORDS = 1000000 if os.environ.get("TIDEMILL_LONG") else 20000
COLUMNS = ["id", "name", "x", "two words", "city", "é", "note", "last"]
FIRST_AND_LAST = ("id", "last")  # never empty, so that no row looks like a blank line

TEXTS = ["", "a", "Zürich", "東京", "🌊", "two words", " blank ", "a,b", 'a "quoted" word', '"', '""', "line\nbreak",
         "crlf\r\nbreak", "tab\tbed", "back\\slash", "a,\"b\"\n,c", "x" * 300, "'", ";", "#no comment", "null", "true"]
NUMBERS = ["0", "7", "-12", "007", "+1", "1E5", "1e5", "-0", "-0.0", "0.0", "12.50", "1.", ".5", " 5", "5 ", "NaN", "inf",
           "0x10", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "12345678901234567890",
           "0.1", "123.456", "1_000", "--1", "1.2.3", "1,5", "-", "", "3.141592653589793238462643383279502884"]
JSON_NUMBERS = ["0", "-0", "0.0", "7", "-12", "1E5", "1e-7", "-0.5", "12.50", "9223372036854775807",
                "12345678901234567890", "0.1", "1e+2", "3.141592653589793238462643383279502884"]
# What a cell is (fidelity: cell-numbers); what has so many digits that no int64 holds it stays text.
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")


# ---- making data ----

def csv_cell(random_, text):
    if any(c in text for c in ',"\r\n') or random_.random() < 0.1:
        return '"' + text.replace('"', '""') + '"'
    return text


def csv_data(random_):
    out = [",".join(csv_cell(random_, c) for c in COLUMNS) + "\n"]
    for i in range(RECORDS):
        cells = [random_.choice(NUMBERS if random_.random() < 0.5 else TEXTS) for _ in COLUMNS]
        cells[0], cells[-1] = str(i), random_.choice(["z", "0", "end, of row"])
        out.append(",".join(csv_cell(random_, c) for c in cells) + random_.choice(["\n", "\n", "\r\n"]))
    return "".join(out)


def json_string(random_, text):
    plain = json.dumps(text, ensure_ascii=random_.random() < 0.3)
    return plain.replace("/", "\\/") if random_.random() < 0.2 else plain


def json_value(random_, depth=0):
    kind = random_.randrange(12 if depth < 3 else 9)
    space = random_.choice(["", "", " ", "\t "])
    if kind < 4:
        return json_string(random_, random_.choice(TEXTS))
    if kind < 7:
        return random_.choice(JSON_NUMBERS)
    if kind < 9:
        return random_.choice(["true", "false", "null"])
    inside = [json_value(random_, depth + 1) for _ in range(random_.randrange(4))]
    if kind == 9:
        return "[" + space + ("," + space).join(inside) + space + "]"
    keys = random_.sample(TEXTS, len(inside))
    return "{" + space + ",".join(json_string(random_, k) + space + ":" + v for k, v in zip(keys, inside)) + "}"


def json_data(random_):
    out = []
    for i in range(RECORDS):
        keys = random_.sample(COLUMNS[1:], random_.randrange(len(COLUMNS) - 1))
        fields = [f'"id":{i}'] + [json_string(random_, k) + random_.choice([":", ": "]) + json_value(random_) for k in keys]
        random_.shuffle(fields)
        space = random_.choice(["", "", " "])
        out.append(space + "{" + ("," + space).join(fields) + "}" + space + random_.choice(["\n", "\n", "\r\n"]))
    return "".join(out)


# ---- comparing ----

def tidemill(path, code, *args):
    command = [TIDEMILL, "each", "-q", "-w", "2", *args, code, str(path)]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


def json_lines(data):
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


def csv_rows(data):
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))


def expect(name, wanted, seen, equal=lambda a, b: a == b):
    if len(wanted) != len(seen):
        sys.exit(f"{name}: {len(wanted)} are wanted, {len(seen)} are there")
    for i, (a, b) in enumerate(zip(wanted, seen)):
        if not equal(a, b):
            sys.exit(f"{name}: {i}: {a!r} is wanted, {b!r} is there")


def typed(cell):
    """The cell as it is typed, in Python's values."""
    if not NUMBER.fullmatch(cell) or cell == "-0":
        return cell
    if "." in cell:
        return float(cell)
    return int(cell) if -2**63 <= int(cell) < 2**63 else cell


def test_same_bytes(folder):
    """What nobody touches; the white space around a JSON record is none of it."""
    data = (folder / "in.csv").read_bytes()
    expect("same bytes, csv", data.splitlines(True), tidemill(folder / "in.csv", "return r").splitlines(True))
    data = re.sub(rb"(?m)^ | (?=\r?$)", b"", (folder / "in.jsonl").read_bytes())
    expect("same bytes, jsonl", data.splitlines(True), tidemill(folder / "in.jsonl", "return r").splitlines(True))


def test_csv_to_jsonl(folder):
    path = folder / "in.csv"
    rows = csv_rows(path.read_bytes())
    wanted = [dict(zip(rows[0], map(typed, row))) for row in rows[1:]]
    expect("csv to jsonl", wanted, json_lines(tidemill(path, "return r", "-t", "jsonl")), same)
    # The same values when the script has touched all of them, and the record is made anew.
    code = "local c = {} for k, v in pairs(r) do c[k] = v end return c"
    expect("csv to jsonl, by the script", wanted, json_lines(tidemill(path, code, "-t", "jsonl")), same)


def test_jsonl_touched(folder):
    """Every value read and assigned again: other bytes, the same values."""
    path = folder / "in.jsonl"
    wanted = json_lines(path.read_bytes())
    expect("jsonl touched", wanted, json_lines(tidemill(path, "for k, v in pairs(r) do r[k] = v end return r")), same)


def test_flat_to_csv(folder):
    """Flat records to CSV: the bytes that Miller writes."""
    if not shutil.which("mlr"):
        return
    path = folder / "flat.jsonl"
    path.write_bytes(subprocess.run([os.environ["TIDEMILL_BUILD"] + "/tests/make_data", "jsonl", str(RECORDS)],
                                    stdout=subprocess.PIPE, check=True).stdout)
    wanted = subprocess.run(["mlr", "--ijsonl", "--ocsv", "cat", str(path)], stdout=subprocess.PIPE, check=True).stdout
    expect("jsonl to csv", wanted.splitlines(True), tidemill(path, "return r", "-t", "csv").splitlines(True))


def test_csv_back(folder):
    """Text to JSON and back to CSV is the same text."""
    path, there = folder / "in.csv", folder / "there.jsonl"
    there.write_bytes(tidemill(path, "return r", "-t", "jsonl"))
    back = tidemill(there, "return r", "-t", "csv")
    expect("csv to jsonl to csv", csv_rows(path.read_bytes()), csv_rows(back))


def main():
    random_ = random.Random(1)
    with tempfile.TemporaryDirectory(prefix="tidemill-diff.") as name:
        folder = pathlib.Path(name)
        (folder / "in.csv").write_bytes(csv_data(random_).encode())
        (folder / "in.jsonl").write_bytes(json_data(random_).encode())
        for test in test_same_bytes, test_csv_to_jsonl, test_jsonl_touched, test_flat_to_csv, test_csv_back:
            test(folder)


if __name__ == "__main__":
    main()
