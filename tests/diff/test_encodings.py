#!/usr/bin/env python3
"""Random bytes in each encoding, read as Python's decoders read them, in text, CSV, TSV and JSON Lines.

Seeded. TIDEMILL_LONG=1: a million lines.
"""
import json
import os
import random
import subprocess
import sys
import tempfile

TIDEMILL = os.environ["TIDEMILL"]
LINES = 1000000 if os.environ.get("TIDEMILL_LONG") else 20000
PIECES = [b"a", b"plain text", b" ", "é".encode(), "€".encode(), "🌊".encode(), b"\xc0", b"\xe0", b"\xed", b"\xf0", b"\xf4",
          b"\x80", b"\x90", b"\xa0", b"\xbf", b"\xff", b"\x81", b"\x9d", b"\xef\xbf\xbd"]
CODECS = {"utf-8": "utf-8", "latin1": "latin-1", "windows-1252": "cp1252"}
# Behind a record's first cell, so that no line is blank and no BOM stands at the file's start.
FORMATS = {"text": (b"", b"-%s\n"), "csv": (b"line\n", b"-%s\n"), "tsv": (b"line\n", b"-%s\n"), "jsonl": (b"", b'{"line":"-%s"}\n')}


def line(random_):
    pieces = [random_.choice(PIECES) if random_.random() < 0.8 else bytes([random_.randrange(128, 256)])
              for _ in range(random_.randrange(9))]
    return b"".join(pieces)


def run(path, form, *options):
    done = subprocess.run([TIDEMILL, "each", "-q", "-i", form, "-t", "jsonl", "return r", path, *options],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600, check=False)
    return done.returncode, [json.loads(row)["line"] for row in done.stdout.splitlines()]


def valid(data, codec):
    try:
        data.decode(codec)
        return True
    except UnicodeDecodeError:
        return False


def main():
    random_ = random.Random(20)
    lines = [line(random_) for _ in range(LINES)]
    problems = 0
    with tempfile.TemporaryDirectory() as folder:
        for form, (header, row) in FORMATS.items():
            path = os.path.join(folder, "in")
            with open(path, "wb") as file:
                file.write(header + b"".join(row % each for each in lines))
            for encoding, codec in CODECS.items():
                want = {"replace": ["-" + each.decode(codec, "replace") for each in lines],
                        "error": ["-" + each.decode(codec) for each in lines if valid(each, codec)]}
                for on_invalid, expected in want.items():
                    status, got = run(path, form, "--set", f"input.encoding={encoding}", "--set",
                                      f"input.on_invalid={on_invalid}", "--set", "errors.policy=skip",
                                      "--set", "input.types=text")
                    if status or got != expected:
                        problems += 1
                        first = next((i for i, pair in enumerate(zip(got, expected)) if pair[0] != pair[1]), None)
                        print(f"{form} {encoding} {on_invalid}: status {status}, {len(got)} lines for {len(expected)}, "
                              f"first other: {first}")
    print(f"{LINES} lines, {len(FORMATS) * len(CODECS) * 2} ways, {problems} differ")
    return problems > 0


sys.exit(main())
