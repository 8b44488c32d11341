#!/usr/bin/env python3
"""CSV as Python's csv module writes and reads it, and TSV by its rules, on many small random tables.

  written    tables that csv.writer wrote, in several dialects: the same cells, untouched, and read back by
             csv.reader after every cell was assigned again
  wild       bytes at random: lazily the cells that Python reads, strictly only the rows that RFC 4180 allows,
             and an end where a quote stays open
  tsv        tables with escapes, which Python's module has not

The tables of one dialect are the files of one job. TIDEMILL_LONG=1: 100,000 tables and more. SEED=N: others.
"""
import csv
import io
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

TIDEMILL = os.environ["TIDEMILL"]
LONG = bool(os.environ.get("TIDEMILL_LONG"))
SEED = int(os.environ.get("SEED", "1"))
TABLES = 40000 if LONG else 600  # of each of the three kinds
OPEN = 3000 if LONG else 40      # tables with an open quote, a job each
BATCH = 5000
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
WORDS = ["", "0", "12", "-7", "1.50", "007", "+1", "1E5", "-0", "-0.0", "NaN", "9223372036854775807", "9223372036854775808",
         "0.10000000000000000000000000001", ".5", "5.", "null", "true", "[1]", " 5", "5 ", "#x"]
ALPHABET = ["a", "b", "1", " ", ",", ";", "\t", '"', "'", "\n", "\r\n", "\r", "é", "🌊", "\\", "\\t", "\0", "#", ".", "-"]
ASSIGN = "for k in pairs(r) do r[k] = tidemill.text(r, k) end"


class Dialect:
    """One for both sides."""

    def __init__(self, delimiter=",", quote='"', header=False):
        self.delimiter, self.quote, self.header = delimiter, quote, header

    def settings(self, **more):
        pairs = {"delimiter": "tab" if self.delimiter == "\t" else self.delimiter, "quote": self.quote,
                 "header": str(self.header).lower(), **more}
        return [word for k, v in pairs.items() for word in ("--set", f"input.{k}={v}")]

    def python(self):
        return {"delimiter": self.delimiter, "quotechar": self.quote}


DIALECTS = [Dialect(), Dialect(";", "'"), Dialect("\t"), Dialect("|", '"', True), Dialect(",", '"', True), Dialect(" ", "'")]


def expect(condition, *what):
    if not condition:
        sys.exit("not as in Python: " + " ".join(map(repr, what)))


def as_number(text):
    return ("number", text)


def typed(cell):
    """What a cell becomes in JSON: a number as it is spelt, or a text (fidelity: cell-numbers)."""
    if not NUMBER.fullmatch(cell) or cell == "-0" or "." not in cell and not -2**63 <= int(cell) < 2**63:
        return cell
    return as_number(cell)


def cell_of(random_):
    if random_.random() < 0.3:
        return random_.choice(WORDS)
    return "".join(random_.choices(ALPHABET, k=random_.choice([1, 2, 3, 8, 30])))


def run(folder, tables, code, *options, extension="csv"):
    """One job over tables, each a file."""
    names = [f"{i:06}.{extension}" for i in range(len(tables))]
    for name, table in zip(names, tables):
        (folder / name).write_bytes(table)
    job = {"input": {"path": names}, "transform": {"each": code}, "workers": 2}
    (folder / "job.yaml").write_text(json.dumps(job), encoding="utf-8")
    seen = subprocess.run([TIDEMILL, "run", "-q", *options, "job.yaml"], cwd=folder, capture_output=True, check=False)
    for name in names:
        (folder / name).unlink()
    return seen


def records_of(seen):
    """Records of a JSON Lines output as lists of names and values."""
    return [json.loads(line, object_pairs_hook=list, parse_int=as_number, parse_float=as_number)
            for line in seen.stdout.split(b"\n")[:-1]]


def expect_records(seen, wanted, *what):
    records = records_of(seen)
    for record, row in zip(records, wanted):
        expect(record == [list(pair) for pair in row] or record == row, *what, record, row)
    expect(len(records) == len(wanted), *what, len(records), "records and not", len(wanted), seen.stderr[-300:])


def in_batches(total, make, check):
    done = 0
    while done < total:
        n = min(BATCH, total - done)
        check([make() for _ in range(n)])
        done += n
    return done


# ---- tables by csv.writer ----

def table_of(random_, dialect):
    """(bytes, rows): the rows have the same number of cells."""
    columns = random_.randrange(1, 6)
    end = random_.choice(["\n", "\r\n"])
    rows = [[cell_of(random_) for _ in range(columns)] for _ in range(random_.randrange(1, 8))]
    if dialect.header:
        rows.insert(0, [f"n{i}" + cell_of(random_).replace("\r", "") for i in range(columns)])
    out = io.StringIO(newline="")
    for row in rows:
        # Before Python 3.13 a CR that no LF follows gets no quotes, and would end the row with the LF behind it.
        quoting = csv.QUOTE_ALL if any("\r" in cell for cell in row) or random_.random() < 0.3 else csv.QUOTE_MINIMAL
        csv.writer(out, lineterminator=end, quoting=quoting, **dialect.python()).writerow(row)
    return out.getvalue().encode(), rows


def check_written(folder, dialect, tables):
    data, wanted = [table for table, _ in tables], []
    for _, rows in tables:
        names = rows[0] if dialect.header else [str(i + 1) for i in range(len(rows[0]))]
        wanted += [list(zip(names, map(typed, row))) for row in rows[dialect.header:]]
    for code in "return r", "return tidemill.copy(r)":
        expect_records(run(folder, data, code, "-t", "jsonl", *dialect.settings()), wanted, dialect.settings())
    # In CSV a job has one width.
    for width in range(1, 6):
        some = [(table, rows) for table, rows in tables if len(rows[0]) == width and not dialect.header]
        if some:
            seen = run(folder, [table for table, _ in some], ASSIGN, *dialect.settings())
            back = csv.reader(io.StringIO(seen.stdout.decode(), newline=""), strict=True, **dialect.python())
            expect(list(back) == [row for _, rows in some for row in rows], dialect.settings(), "is not read back")


def test_written(folder, random_):
    done = sum(in_batches(TABLES // len(DIALECTS) + 1, lambda: table_of(random_, dialect),
                          lambda tables: check_written(folder, dialect, tables)) for dialect in DIALECTS)
    return f"{done} tables that Python wrote"


# ---- wild tables ----

def wild_of(random_, dialect):
    """No CR without an LF, at which Python ends a line (fidelity: peer-csv-cr)."""
    alphabet = [dialect.delimiter, dialect.quote, dialect.quote, "\n", "\n", "\r\n", "a", "1", " ", "é", "\0", '"', ","]
    return "".join(random_.choices(alphabet, k=random_.choice([3, 10, 30, 100])))


def rows_of(text, dialect):
    """(raw text, cells) of every row, as Python reads it lazily; what is behind an open quote is not told."""
    lines = io.StringIO(text + "\nTHE_END", newline="").readlines()
    reader = csv.reader(lines, **dialect.python())
    rows, at = [], 0
    for cells in reader:
        rows.append(("".join(lines[at:reader.line_num]), cells))
        at = reader.line_num
    is_open = rows[-1][1] != ["THE_END"]
    # Blank lines are no records (fidelity: csv-blank-lines).
    return [row for row in rows[:-1] if row[1]], is_open


def is_strict(raw, dialect):
    """Is a row what RFC 4180 allows?"""
    d, q = re.escape(dialect.delimiter), re.escape(dialect.quote)
    cell = f"([^{d}{q}\n]*|{q}([^{q}]|{q}{q})*{q})"
    return re.fullmatch(f"{cell}({d}{cell})*\r?\n?", raw) is not None


def wanted_of(rows, dialect, lazy):
    """The records: rows as wide as the first one (fidelity: csv-ragged-short)."""
    return [[(str(i + 1), typed(cell)) for i, cell in enumerate(cells)] for raw, cells in rows
            if len(cells) == len(rows[0][1]) and (lazy or is_strict(raw, dialect))]


def check_wild(folder, dialect, texts):
    read = [rows_of(text, dialect) for text in texts]
    for lazy in True, False:
        settings = ["-t", "jsonl", "--set", "errors.policy=skip", *dialect.settings(lazy_quotes=str(lazy).lower())]
        closed = [i for i, (_, is_open) in enumerate(read) if not is_open]
        if closed:
            seen = run(folder, [texts[i].encode() for i in closed], "return r", *settings)
            expect(seen.returncode == 0, settings, seen.stderr[-500:])
            expect_records(seen, [row for i in closed for row in wanted_of(read[i][0], dialect, lazy)], settings)
        # An open quote ends the input (fidelity: csv-unterminated).
        for i in [i for i, (_, is_open) in enumerate(read) if is_open][:OPEN * len(texts) // TABLES // 2 + 1]:
            seen = run(folder, [texts[i].encode()], "return r", *settings)
            expect(seen.returncode == 1 and b"unterminated quote" in seen.stderr, texts[i], seen.stderr)
            expect_records(seen, wanted_of(read[i][0], dialect, lazy) if read[i][0] else [], texts[i], settings)


def test_wild(folder, random_):
    dialects = [dialect for dialect in DIALECTS if not dialect.header]
    done = sum(in_batches(TABLES // len(dialects) + 1, lambda: wild_of(random_, dialect),
                          lambda texts: check_wild(folder, dialect, texts)) for dialect in dialects)
    return f"{done} wild ones, each strictly and lazily"


# ---- TSV ----

ESCAPES = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"}


def tsv_of(random_):
    """(bytes, rows), with a header; what needs no escape may have none."""
    columns, end = random_.randrange(1, 6), random_.choice(["\n", "\r\n"])
    rows = [[cell_of(random_) for _ in range(columns)] for _ in range(random_.randrange(8))]
    rows.insert(0, [f"n{i}" + cell_of(random_) for i in range(columns)])
    cells = [["".join(ESCAPES.get(c, c) for c in cell) for cell in row] for row in rows]
    return "".join("\t".join(row) + end for row in cells).encode(), rows


def check_tsv(folder, tables):
    data = [table for table, _ in tables]
    wanted = [list(zip(rows[0], map(typed, row))) for _, rows in tables for row in rows[1:]]
    seen = run(folder, data, "return r", "-t", "jsonl", extension="tsv")
    expect(seen.returncode == 0, seen.stderr[-500:])
    expect_records(seen, wanted, "tsv")
    # The same bytes, also when every cell is assigned again.
    for table in random.Random(SEED).sample(data, max(1, len(data) // 100)):
        for code in "return r", ASSIGN:
            seen = run(folder, [table], code, extension="tsv")
            expect(seen.stdout == table, table, seen.stdout, seen.stderr)


def test_tsv(folder, random_):
    done = in_batches(TABLES, lambda: tsv_of(random_), lambda tables: check_tsv(folder, tables))
    return f"{done} of TSV"


def main():
    with tempfile.TemporaryDirectory(prefix="tidemill-csv.") as name:
        folder = pathlib.Path(name)
        told = [test(folder, random.Random(SEED)) for test in (test_written, test_wild, test_tsv)]
    print("as in Python: " + "; ".join(told))


if __name__ == "__main__":
    main()
