"""Whether two programs wrote the same records, where they may spell them differently.

Each way takes two files and returns None, or where and how they first differ:

  bytes      byte for byte
  json       JSON lines with the same values in the same order; 502.0 is 502, true is not 1
  json-keys  the same, whatever the order of the keys
  csv        rows with the same cells; cells that are numbers by their value
  tsv        the same, cells between tabs

usage: agree.py WAY FILE FILE
"""
import csv
import itertools
import json
import sys

NOTHING = object()  # where the shorter file has ended


def same(a, b, ordered=True):
    if isinstance(a, dict) and isinstance(b, dict):
        if ordered and list(a) != list(b):
            return False
        return a.keys() == b.keys() and all(same(a[k], b[k], ordered) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(lambda x, y: same(x, y, ordered), a, b))
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return a == b


def same_cell(a, b):
    if a == b:
        return True
    try:
        return float(a) == float(b)
    except ValueError:
        return False


def differ(records_a, records_b, equal):
    for n, (a, b) in enumerate(itertools.zip_longest(records_a, records_b, fillvalue=NOTHING), 1):
        if a is NOTHING or b is NOTHING:
            return f"record {n} is missing in the {'first' if a is NOTHING else 'second'}"
        if a != b and not equal(a, b):
            return f"record {n}: {a!r} and {b!r}"
    return None


def by_bytes(a, b):
    with open(a, "rb") as file_a, open(b, "rb") as file_b:
        return differ(file_a, file_b, lambda x, y: False)


def by_json(a, b, ordered=True):
    with open(a, "rb") as file_a, open(b, "rb") as file_b:
        return differ(file_a, file_b, lambda x, y: same(json.loads(x), json.loads(y), ordered))


def by_csv(a, b):
    with open(a, encoding="utf-8", newline="") as file_a, open(b, encoding="utf-8", newline="") as file_b:
        return differ(csv.reader(file_a, strict=True), csv.reader(file_b, strict=True),
                      lambda x, y: len(x) == len(y) and all(map(same_cell, x, y)))


def by_tsv(a, b):
    with open(a, encoding="utf-8", newline="\n") as file_a, open(b, encoding="utf-8", newline="\n") as file_b:
        return differ((line.rstrip("\n").split("\t") for line in file_a),
                      (line.rstrip("\n").split("\t") for line in file_b),
                      lambda x, y: len(x) == len(y) and all(map(same_cell, x, y)))


WAYS = {
    "bytes": by_bytes,
    "json": by_json,
    "json-keys": lambda a, b: by_json(a, b, ordered=False),
    "csv": by_csv,
    "tsv": by_tsv,
}


def disagreement(way, a, b):
    return WAYS[way](a, b)


if __name__ == "__main__":
    sys.exit(disagreement(*sys.argv[1:]))
