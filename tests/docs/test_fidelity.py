#!/usr/bin/env python3
"""Walks every row of docs/fidelity.md through the command: with one worker and with three, with chunks of a
byte and with large ones (TIDEMILL_LONG=1: with both), all must write the bytes and the message that the row
promises. TIDEMILL_PART=N: an Nth of these ways for each row, and one at least.

Every table of the page is of one of three kinds, named by a comment before it:

  <!-- rows: csv jsonl -->            id, input, options, what comes out, why; formats in and out
  <!-- matrix: jsonl {"v":VALUE} -->  id, value, and what it becomes in each format that heads a column;
                                      behind ␟ comes a script that has VALUE in it
  <!-- peers -->                      id, program, input, what it gives, what tidemill gives

Inside code spans ␊ ␍ ␉ ␀ ␠ are bytes, ⟨FF⟩ is a byte by its number, ⟨ab ×9⟩ is a text repeated, \\| is |.
What else a row may say is told at the top of the page.

usage: test_fidelity.py [-p] [ID...]     -p writes what is seen where a row says ?, and into the rows named
"""

import collections
import concurrent.futures
import csv
import gzip
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = SOURCE / "docs/fidelity.md"
TIDEMILL = os.environ.get("TIDEMILL", "tidemill")
HOWS = (("1", "256KiB"), ("3", "1B"), ("1", "1B"))[:3 if os.environ.get("TIDEMILL_LONG") else 2]
PART = int(os.environ.get("TIDEMILL_PART", "1"))
ROWS_MIN = 120
PICTURES = {"␊": "\n", "␍": "\r", "␉": "\t", "␀": "\0", "␠": " "}
STATUSES = {"error": 1, "refused": 2, "warning": 0}

# Where the row stands; what it runs; the cell that says what is seen.
Row = collections.namedtuple("Row", "line column id source target inputs options code shape cell")
Peer = collections.namedtuple("Peer", "line column id program data cell")


# ---- bytes in code spans ----

def to_bytes(span):
    """The bytes that a code span stands for."""
    out = b""
    for part in re.split(r"(⟨[^⟩]*⟩)", span.replace("\\|", "|")):
        inside = part[1:-1]
        if not part.startswith("⟨"):
            out += "".join(PICTURES.get(c, c) for c in part).encode()
        elif " ×" in inside:
            text, times = inside.rsplit(" ×", 1)
            out += to_bytes(text) * int(times)
        else:
            out += bytes.fromhex(inside)
    return out


def picture(match):
    c = match[0]
    return c if c.isprintable() else f"⟨{c.encode(errors='surrogateescape').hex().upper()}⟩"


def spelt(data):
    """The code span for bytes."""
    text = data.decode(errors="surrogateescape")
    text = re.sub(r"^ | $", "␠", text)
    for sign, byte in PICTURES.items():
        text = text.replace(byte, sign) if byte != " " else text
    text = re.sub(r"[^ -~␊␍␉␀␠]", picture, text)
    text = re.sub(r"([^⟨⟩])\1{59,}", lambda m: f"⟨{m[1]} ×{len(m[0])}⟩", text)
    return "`" + text.replace("|", "\\|") + "`"


def spans(cell):
    return re.findall(r"`([^`]+)`", cell)


def all_bytes(cell):
    return b"".join(map(to_bytes, spans(cell)))


# ---- reading the page ----

def compressed(how, data):
    if how == "gzip":
        return gzip.compress(data, mtime=0)
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def inputs_of(cell):
    """The files of a row, `text` and `text`; or one of "gzip of `text` and `text`, cut off", members of a file."""
    how = re.match(r"(gzip|zstd) of ", cell)
    members = [to_bytes(span) for span in spans(cell)] or [b""]
    if not how:
        return members
    data = b"".join(compressed(how[1], member) for member in members)
    return [data[:-9] if cell.endswith("cut off") else data]


def options_of(cell, source, target):
    """Formats, settings and Lua code of "`-t jsonl` `input.ragged=fill` `r.b = r.a`"."""
    settings, code = [], "true"
    for span in spans(cell):
        text = to_bytes(span).decode()
        if text.startswith("-i "):
            source = text[3:]
        elif text.startswith("-t "):
            target = text[3:]
        elif re.match(r"(input|output|limits|errors|transform)\.[a-z_]+=", text):
            settings += ["--set", text]
        else:
            code = text
    return source, target, settings, code


def plain_rows(line, given, _, cells):
    formats = given.split()
    source, target, settings, code = options_of(cells[2], formats[0], formats[-1])
    yield Row(line, 4, cells[0], source, target, inputs_of(cells[1]), settings, code, None, cells[3])


# Outputs of one record with the fields k and v by format, and what they are when v is absent.
SHAPES = {"csv": ("k,v␊1,VALUE␊", "k␊1␊"), "tsv": ("k␉v␊1␉VALUE␊", "k␊1␊"), "jsonl": ('{"k":1,"v":VALUE}␊', '{"k":1}␊'),
          "json": ('[␊{"k":1,"v":VALUE}␊]␊', '[␊{"k":1}␊]␊'), "text": ("VALUE␊", None)}


def matrix_rows(line, given, heads, cells):
    """A row a column."""
    source, template, code = re.match(r"(\w+) ([^␟]*)␟?(.*)", given).groups()
    value = "".join(spans(cells[1]))
    text = to_bytes(template.replace("VALUE", value))
    script = to_bytes(code.replace("VALUE", value)).decode() or "true"
    for column, (head, cell) in enumerate(zip(heads[2:], cells[2:]), 3):
        target = spans(head)[0]
        yield Row(line, column, f"{cells[0]}.{target}", source, target, [text], [], script, SHAPES[target], cell)


def peer_rows(line, _, __, cells):
    data = all_bytes(cells[2])
    _, source, target = PROGRAMS[cells[1]]
    yield Peer(line, 4, f"{cells[0]}.{cells[1].replace(' ', '-')}", cells[1], data, cells[3])
    yield Row(line, 5, cells[0], source, target, [data], [], "true", None, cells[4])


KINDS = {"rows": plain_rows, "matrix": matrix_rows, "peers": peer_rows}


def read_page():
    """All rows, and the lines that look like rows and are none."""
    rows, wrong, make, given, heads = [], [], None, "", None
    for number, line in enumerate(PAGE.read_text(encoding="utf-8").split("\n"), 1):
        mark = re.match(r"<!-- (\w+):? ?(.*?) ?-->$", line)
        if mark:
            make, given, heads = KINDS[mark[1]], mark[2], None
        elif line.startswith("|"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if not make or heads and len(cells) != len(heads):
                wrong.append(f"docs/fidelity.md:{number}: a row that no test can read")
            elif heads and not set(line) <= set("|- "):
                rows += make(number, given, heads, cells)
            heads = heads or cells
        elif line and heads:
            make = None
    return rows, wrong


# ---- running ----

def run(row, scratch, workers, chunk):
    """(output, messages, status); messages without the command's name and that of the only input."""
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        paths = ["in"] if len(row.inputs) == 1 else list("abc")[:len(row.inputs)]
        paths = [f"{path}.{row.source}" for path in paths]
        for path, data in zip(paths, row.inputs):
            (pathlib.Path(name) / path).write_bytes(data)
        command = [TIDEMILL, "each", "-q", "-w", workers, "--set", "chunk=" + chunk, "-i", row.source, "-t", row.target,
                   *row.options, row.code, *paths]
        seen = subprocess.run(command, cwd=name, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    said = re.sub(r"^tidemill: (in\.\w+:( )?)?", "", seen.stderr.decode(errors="backslashreplace"), flags=re.M)
    return seen.stdout, said.rstrip("\n"), seen.returncode


def python_json(data):
    return json.dumps(json.loads(data), ensure_ascii=False).encode() + b"\n"


def python_csv(data):
    rows = csv.reader(io.StringIO(data.decode(), newline=""))
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def program(version, *command):
    """Runs a command, if it is the version that the page speaks of."""
    def call(data):
        if not shutil.which(command[0]):
            return None
        said = subprocess.run([command[0], "--version"], capture_output=True, text=True, check=False).stdout
        if version not in said:
            return None
        return subprocess.run(command, input=data, capture_output=True, check=False).stdout
    return call


PROGRAMS = {
    "Python json": (python_json, "jsonl", "jsonl"),
    "Python csv": (python_csv, "csv", "jsonl"),
    "jq 1.6": (program("1.6", "jq", "-c", "."), "jsonl", "jsonl"),
    "Miller 6.6": (program("6.6", "mlr", "--icsv", "--ojsonl", "cat"), "csv", "jsonl"),
    "Miller 6.6 from JSON": (program("6.6", "mlr", "--ijsonl", "--ojsonl", "cat"), "jsonl", "jsonl"),
    "Miller 6.6 from JSON to CSV": (program("6.6", "mlr", "--ijsonl", "--ocsv", "cat"), "jsonl", "csv"),
}


def wanted_of(row):
    """What the row says: (output, message, status)."""
    out, word, message = re.split(r"(error|refused|warning|$):? ?", row.cell, maxsplit=1)
    data = all_bytes(out)
    if row.shape and not word:
        data = to_bytes(row.shape["absent" in out].replace("VALUE", "".join(spans(out))))
    return data, all_bytes(message).decode(errors="backslashreplace"), STATUSES.get(word, 0)


def check_row(row, scratch):
    """What is wrong with it."""
    first = row.line % min(PART, len(HOWS))
    for workers, chunk in HOWS[first::PART]:
        seen = run(row, scratch, workers, chunk)
        if seen != wanted_of(row):
            return [f"docs/fidelity.md:{row.line}: {row.id}: -w {workers} chunk={chunk}\n"
                    f"  says {wanted_of(row)!r}\n  seen {seen!r}"]
    return []


def check_peer(peer, _):
    seen = PROGRAMS[peer.program][0](peer.data)
    if seen is None or seen == all_bytes(peer.cell):
        return []
    return [f"docs/fidelity.md:{peer.line}: {peer.id}: {peer.program} gives {seen!r}"]


def check(row, scratch):
    return check_peer(row, scratch) if isinstance(row, Peer) else check_row(row, scratch)


# ---- writing ----

def told(row):
    """The cell that says what is seen."""
    if isinstance(row, Peer):
        out, said, status = PROGRAMS[row.program][0](row.data), "", 0
    else:
        out, said, status = run(row, None, *HOWS[0])
    shape = getattr(row, "shape", None)
    if shape:
        before, after = map(to_bytes, shape[0].split("VALUE"))
        if shape[1] and out == to_bytes(shape[1]):
            return "*absent*"
        if not said and out.startswith(before) and out.endswith(after):
            out = out[len(before):len(out) - len(after)]
    words = [spelt(out)] if out else [] if said else ["*empty*" if shape else "*nothing*"]
    if said:
        word = next(w for w, s in STATUSES.items() if s == status)
        words.append(f"{word}: {spelt(said.encode())}")
    return ", then ".join(words)


def write_page(rows, names):
    lines = PAGE.read_text(encoding="utf-8").split("\n")
    for row in rows:
        if row.cell == "?" or row.id in names:
            cells = re.split(r"(?<!\\)\|", lines[row.line - 1])
            cells[row.column] = f" {told(row)} "
            lines[row.line - 1] = "|".join(cells)
    PAGE.write_text("\n".join(lines), encoding="utf-8")


# ---- all of it ----

def references():
    """Rows that tests name as the reason of a difference."""
    for path in sorted(SOURCE.glob("tests/diff/*")):
        if path.is_file():
            for name in re.findall(r"fidelity: ([\w.-]+)", path.read_text(encoding="utf-8", errors="replace")):
                yield path.name, name


def main(arguments):
    names = [a for a in arguments if not a.startswith("-")]
    if "-p" in arguments:
        write_page(read_page()[0], names)
    rows, wrong = read_page()
    ids = [row.id for row in rows]
    wrong += [f"docs/fidelity.md: two rows are called {name}" for name, n in collections.Counter(ids).items() if n > 1]
    wrong += [f"tests/diff/{file} names the row {name}, which is not there" for file, name in references()
              if name not in ids]
    if len(ids) < ROWS_MIN:
        wrong.append(f"docs/fidelity.md has {len(ids)} rows only")
    with tempfile.TemporaryDirectory(prefix="tidemill-fidelity.") as scratch, \
            concurrent.futures.ThreadPoolExecutor(2) as pool:
        chosen = [row for row in rows if not names or row.id in names]
        for found in pool.map(lambda row: check(row, scratch), chosen):
            wrong += found
    print("\n".join(wrong) or f"docs/fidelity.md: {len(chosen)} rows say what is seen")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
