#!/usr/bin/env python3
"""What the script does not assign leaves with the bytes it came with, in every format: whether it returns the
record at once, or after it has read all of it through pairs, at every depth, or as a plain table, or a copy.

On random files with odd spacing, odd spellings and mixed line ends, and on all files of tests/cases and of the
fuzzers' corpora that can be read. What is to come out is put together here, from the bytes: records with their
line ends; what lies between them (BOM, blank lines, white space of arrays) is left out.
TIDEMILL_LONG=1: larger random files, and every file as every format;
TIDEMILL_PART=N: an Nth of them. SEED=N: other random files.
"""
import itertools
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import test_python_csv as python_csv  # noqa: E402
import test_python_json as python_json  # noqa: E402

TIDEMILL = os.environ["TIDEMILL"]
LONG = bool(os.environ.get("TIDEMILL_LONG"))
SEED = int(os.environ.get("SEED", "1"))
SOURCE = pathlib.Path(__file__).resolve().parent.parent
PART = int(os.environ.get("TIDEMILL_PART", "1"))
RECORDS = 200000 if LONG else 3000 // PART
FORMATS = {"csv": ".csv", "tsv": ".tsv", "jsonl": ".jsonl", "json": ".json", "text": ".txt"}
READ = ("local nested = {array = true, object = true} "
        "local function walk(t) for k, v in pairs(t) do if nested[getmetatable(v)] then walk(v) else local _ = tostring(v) end end end "
        "walk(r) return r")
SCRIPTS = ["return r", READ, "local _ = #r, tidemill.table(r) for k in pairs(r) do _ = tidemill.text(r, k) end return true",
           "return tidemill.copy(r)"]


# ---- what is to come out ----

def csv_out(data):
    """Records by the quotes: one opens at a field's start only (docs/fidelity.md)."""
    out, at = [], 0
    while at < len(data):
        begin, start, quoted = at, True, False
        if data[at:at + 1] == b"\n" or data[at:at + 2] == b"\r\n":
            at += 1 if data[at:at + 1] == b"\n" else 2
            continue
        while at < len(data) and (quoted or data[at] != 10):
            byte = data[at]
            if quoted:
                quoted = byte != 34
            elif byte == 34 and (start or data[at - 1] == 34 and closed):
                quoted = True
            closed = byte == 34 and not quoted
            start = byte == 44 and not quoted
            at += 1
        at += 1
        out.append(data[begin:at])
    return b"".join(out)


def line_by_line(data, keep):
    """Lines that are records; their line ends are theirs."""
    out = [keep(line) for line in data.split(b"\n")]
    return b"".join(line + b"\n" for line in out[:-1] if line is not None) + (out[-1] or b"")


def jsonl_line(line):
    bare = line.strip(b" \t\r")
    return None if not bare else bare + (b"\r" if line.endswith(b"\r") else b"")


def json_out(data):
    """The elements of the array with their own bytes."""
    text, decode = data.decode(), json.JSONDecoder(strict=False).raw_decode
    at, out, space = text.index("[") + 1, [], " \t\r\n"
    while True:
        while text[at] in space + ",":
            at += 1
        if text[at] == "]":
            return ("[\n" + ",\n".join(out) + "\n]\n").encode() if out else b"[]\n"  # fidelity: document-empty-array
        end = decode(text, at)[1]
        out.append(text[at:end])
        at = end


def tsv_out(data):
    """In a file of one column a blank line is a record, but before the header."""
    while data.startswith((b"\n", b"\r\n")):
        data = data[data.index(b"\n") + 1:]
    columns = data.split(b"\n")[0].count(b"\t") + 1
    return line_by_line(data, lambda line: None if line in (b"", b"\r") and columns > 1 else line)


OUT = {"csv": csv_out, "tsv": tsv_out, "json": json_out, "jsonl": lambda data: line_by_line(data, jsonl_line),
       "text": lambda data: data}


def wanted(name, data):
    data = data.removeprefix(b"\xef\xbb\xbf")
    out = OUT[name](data)
    # The last record gets a line end, or what a CR needs so that it is none of it.
    if name == "json" or not out or out.endswith(b"\n"):
        return out
    if name == "jsonl":
        out = out.rstrip(b"\r")
    ends = b"\r\n" if name in ("csv", "tsv") and data.split(b"\n")[0].endswith(b"\r") else b"\n"
    return None if out.endswith(b"\r") else out + ends


# ---- running ----

def run(path, name, code, *options):
    command = [TIDEMILL, "each", "-q", "-w", "1", "-i", name, "-t", name, *options, code, str(path)]
    return subprocess.run(command, capture_output=True, check=False)


def check(path, name, data, *options):
    """Is the file one that can be read? Then it comes out as it is to."""
    first = run(path, name, SCRIPTS[0], *options)
    for code in SCRIPTS[1:] if first.returncode == 0 or LONG else []:
        seen = run(path, name, code, *options)
        if (seen.stdout, seen.returncode) != (first.stdout, first.returncode):
            sys.exit(f"{path} as {name}: {code}: {seen.stdout[:2000]!r} and not {first.stdout[:2000]!r} {seen.stderr[-300:]!r}")
    if first.returncode:
        return False
    expected = wanted(name, data)
    if expected is not None and first.stdout != expected:
        at = next((i for i, (a, b) in enumerate(zip(first.stdout, expected)) if a != b), min(len(first.stdout), len(expected)))
        sys.exit(f"{path} as {name}: at byte {at}: {first.stdout[at - 50:at + 200]!r} and not {expected[at - 50:at + 200]!r}")
    return True


# ---- files ----

def random_lines(random_, make, ends=("\n", "\n", "\r\n"), between=("",)):
    return "".join(random_.choice(between) + make() + random_.choice(ends) for _ in range(RECORDS)).encode()


def json_record(random_):
    values = [python_json.value_of(random_, 2, [0]) for _ in range(random_.randrange(5))]
    return python_json.object_of(random_, values, random_.choice(["", " ", "\t "]))


def csv_record(random_):
    def cell():
        text = python_csv.cell_of(random_)
        quote = any(c in text for c in ',"\r\n') or random_.random() < 0.2
        return '"' + text.replace('"', '""') + '"' if quote else text
    return f"1,{cell()},{cell()},{cell()}"


def tsv_record(random_):
    return "\t".join("x" + python_csv.cell_of(random_).replace("\t", "\\t").replace("\n", "\\n").replace("\r", "") for _ in range(4))


def test_random(folder, random_):
    files = {
        "csv": b'\xef\xbb\xbf"a",b,c,d\r\n' + random_lines(random_, lambda: csv_record(random_), between=("", "", "\n", "\r\n")),
        "tsv": b"a\tb\tc\td\n" + random_lines(random_, lambda: tsv_record(random_)),
        "jsonl": random_lines(random_, lambda: json_record(random_), ("\n", "\r\n", " \n", "\t\r\n"), ("", " ", "\n", "\t\r\n")),
        "json": b" [" + random_lines(random_, lambda: json_record(random_), (",", ",\n", " ,\r\n"))[:-1].rstrip(b",\r\n ") + b"\n]\n",
        "text": random_lines(random_, lambda: python_csv.cell_of(random_).replace("\n", "\r")),
    }
    for name, data in files.items():
        path = folder / ("in" + FORMATS[name])
        path.write_bytes(data)
        if not check(path, name, data):
            sys.exit(f"the random file of {name} cannot be read: {run(path, name, 'return r').stderr!r}")
    return f"{RECORDS} random records of {len(files)} formats"


def corpus():
    """(path, format) of the files at hand."""
    for path in sorted([*SOURCE.glob("cases/*/*/*"), *SOURCE.glob("fuzz/corpus/*/*")]):
        if not path.is_file() or path.stat().st_size > 1 << 20:
            continue
        by_name = [name for name, extension in FORMATS.items() if path.suffix == extension]
        fuzzed = ["csv", "jsonl", "json"] if path.parent.name in ("csv", "json") and "corpus" in str(path) else []
        for name in FORMATS if LONG else by_name or fuzzed:
            yield path, name


def test_corpus(_, __):
    seen = [check(path, name, path.read_bytes(), *options) for path, name in itertools.islice(corpus(), 0, None, PART)
            for options in ([], ["--set", "input.lazy_quotes=true", "--set", "input.ragged=error"])[:2 if name == "csv" else 1]]
    return f"{sum(seen)} of {len(seen)} files of the corpora, which can be read"


def main():
    with tempfile.TemporaryDirectory(prefix="tidemill-identity.") as name:
        told = [test(pathlib.Path(name), random.Random(SEED)) for test in (test_random, test_corpus)]
    print("untouched: " + "; ".join(told))


if __name__ == "__main__":
    main()
