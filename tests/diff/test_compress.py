#!/usr/bin/env python3
"""Compressed data as gzip(1) and zstd(1) make it, whole and damaged: read as they read it. What is damaged
is told in the same words, behind the same records, however the input is cut, and where it is cut off
itself, at any byte. And what tidemill compresses, they read.

Seeded. TIDEMILL_LONG=1: 3,000 damaged files; TIDEMILL_PART=N: an Nth of them.
"""
import io
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading

TIDEMILL = os.environ["TIDEMILL"]
DAMAGED = 3000 if os.environ.get("TIDEMILL_LONG") else 60 // int(os.environ.get("TIDEMILL_PART", "1"))
GZIP = [["gzip", "-nc1"], ["gzip", "-nc6"], ["gzip", "-c9"]]
ZSTD = [["zstd", "-qc1"], ["zstd", "-qc19"], ["zstd", "-qc", "--no-check"], ["zstd", "-qc", "--long=24", "-3"]]
SKIPPED = b"\x5a\x2a\x4d\x18\x05\x00\x00\x00abcde"


def lines(random_, records):
    words = ["".join(random_.choice("abcdefgh") for _ in range(random_.randrange(1, 9))) for _ in range(500)]
    return "".join('{"n":%d,"t":"%s"}\n' % (i, " ".join(random_.choice(words) for _ in range(random_.randrange(12))))
                   for i in range(records)).encode()


def through(command, data):
    return subprocess.run(command, input=data, capture_output=True, check=False, timeout=120)


def tidemill(data, *options, pieces=None):
    """Status, output and messages; the input cut as `pieces`, a generator of random numbers, says."""
    # As text: what is damaged without being noticed need not be JSON any more.
    command = [TIDEMILL, "each", "-q", "-i", "text", "true", *options]
    if pieces is None:
        done = through(command, data)
        return done.returncode, done.stdout, done.stderr
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def feed():
        with process.stdin as pipe:
            source = io.BytesIO(data)
            while piece := source.read(pieces.choice((1, 2, 5, 100, 5000))):
                try:
                    os.write(pipe.fileno(), piece)
                except BrokenPipeError:
                    return

    feeder = threading.Thread(target=feed)
    feeder.start()
    process.stdin = None  # the feeder's
    output, messages = process.communicate(timeout=120)
    feeder.join()
    return process.returncode, output, messages


def check(condition, *what):
    if not condition:
        print(*(str(part)[:500] for part in what))
        sys.exit(1)


def damaged(random_, data):
    how = random_.randrange(5)
    at = random_.randrange(len(data))
    if how == 0:
        return data[:at]
    if how == 1:
        return data[:at] + bytes([data[at] ^ 1 << random_.randrange(8)]) + data[at + 1:]
    if how == 2:
        return data[:at] + random_.randbytes(3) + data[at:]
    if how == 3:
        return data[:at] + data[at + random_.randrange(1, 9):]
    at %= 40
    return data[:at] + bytes([data[at] ^ random_.randrange(1, 256)]) + data[at + 1:]


def test_whole(random_):
    """Every way to compress, alone, twice and in parts."""
    for records in (0, 1, 100, 30000):
        plain = lines(random_, records)
        half = plain[:plain.find(b"\n", len(plain) // 2) + 1]
        for command in GZIP + ZSTD:
            one, first, last = (through(command, part).stdout for part in (plain, half, plain[len(half):]))
            rows = [(one, plain), (one * 2, plain * 2), (first + last, plain)]
            if command[0] == "zstd":
                rows.append((SKIPPED + first + SKIPPED * 2 + last + SKIPPED, plain))
            for data, wanted in rows:
                seen = tidemill(data, "--set", "workers=2")
                check(seen == (0, wanted, b""), "read otherwise:", command, records, seen[0], seen[2])


def test_damaged(random_):
    """The tool and we agree whether it can be read."""
    plain = lines(random_, 4000)
    packed = [(command, through(command, plain).stdout) for command in GZIP + ZSTD]
    for i in range(DAMAGED):
        command, data = random_.choice(packed)
        data = damaged(random_, data * random_.randrange(1, 3))
        seen = tidemill(data)
        again = tidemill(data, *(("--set", "workers=3", "--set", "chunk=1B") if i % 2 else ()), pieces=random.Random(i))
        what = "damaged file %d of %s:" % (i, " ".join(command))
        check(seen == again, what, "not the same when cut:", seen[0], again[0], len(seen[1]), len(again[1]), seen[2], again[2])
        # What does not begin as a compressed file is read as it is.
        if data[:2] != b"\x1f\x8b" and data[:4] != b"\x28\xb5\x2f\xfd":
            continue
        theirs = through([command[0], "-dqc"] if command[0] == "zstd" else ["gzip", "-dc"], data)
        # Both may give out what a checksum denies later.
        check((seen[0] == 0) == (theirs.returncode == 0), what, seen[0], seen[2], theirs.returncode, theirs.stderr)
        if seen[0] == 0:
            ended = theirs.stdout.endswith(b"\n") or not theirs.stdout
            check(seen[1] == theirs.stdout + b"\n" * (not ended), what, "read otherwise")


def test_cut_off(folder):
    """An error that says so, or the end of a member or frame, and then all is well; behind the first records."""
    plain = "".join('{"x": %d, "y": "abcdefghijklmnopqrstuvwxyz"}\n' % i for i in range(3)).encode()
    for name, command, magic in (("cut.jsonl.gz", ["gzip", "-nc"], 2), ("cut.jsonl.zst", ["zstd", "-qc"], 4)):
        path = folder / name
        part = through(command, plain).stdout
        for n in range(2 * len(part)):
            path.write_bytes((part * 2)[:n])
            done = through([TIDEMILL, "each", "-q", "true", str(path)], b"")
            told = done.stderr.decode()
            first = done.stdout.splitlines(keepends=True)
            check((plain * 2).splitlines(keepends=True)[:len(first)] == first, "other records:", name, n, first)
            if n == len(part):
                check((done.returncode, told, done.stdout) == (0, "", plain), "the end of a part:", name, n, told)
                continue
            why = ": it is named " if n < magic else f"data is cut short: it ends at compressed byte {n}\n"
            check(done.returncode == 1 and why in told, "cut off, and not told:", name, n, done.returncode, told)


def test_output(random_, folder):
    for records in (0, 1, 100, 30000):
        plain = lines(random_, records)
        for name, back in (("gzip", ["gzip", "-dc"]), ("zstd", ["zstd", "-qdc"])):
            seen = [tidemill(plain, "--set", "output.compression=" + name, *options)
                    for options in ((), ("--set", "workers=3", "--set", "chunk=1KiB"), ("--set", "isolation=exec"))]
            check(seen[0] == seen[1] == seen[2], "compressed otherwise:", name, records)
            check(through(back, seen[0][1]).stdout == plain, "not what went in:", name, records)
            out = folder / "out"
            check(tidemill(plain, "--set", "output.compression=" + name, "-o", str(out)) == (0, b"", b""), name)
            check(out.read_bytes() == seen[0][1], "a file holds something else:", name, records)


def main():
    random_ = random.Random(11)
    test_whole(random_)
    test_damaged(random_)
    with tempfile.TemporaryDirectory() as folder:
        test_cut_off(pathlib.Path(folder))
        test_output(random_, pathlib.Path(folder))


if __name__ == "__main__":
    main()
