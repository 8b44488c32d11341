#!/usr/bin/env -S python3 -B
"""Promise 1: output, quarantine, counts, messages and exit status depend on the input, the job and
the script; never on the number of workers, the chunk size, the kind of process, timing, or how the
input happens to be cut.

Each variant of formats, script and policy is run once with one worker and large chunks, and then
over a matrix that must give the same bytes. The short form takes a part of the matrix.
"""

import itertools
import json
import os
import random
import threading
import unittest

import harness

WORKERS = (1, 2, 3, 5, 8)
CHUNKS = ("1B", "7B", "100B", "4KiB", "256KiB", "1MiB")
ISOLATIONS = ("fork", "exec")
SAMPLES = 4 if harness.SANITIZED else 20
RECORDS = 20000 if harness.LONG else 1200

# Whole characters of 1 to 4 bytes, quotes, separators and line ends: cuts fall into all of them.
WORDS = ["", "a", "plain", "naïve", "日本語", "🌊🌊", 'say "hi"', "a,b", "tab\there", "x\r\ny", "\n", '""', "x" * 200]

# What happens to a record is up to its own dice. Time passes as the clock wills: no result depends
# on it, but who is done first does.
ACTIONS = """
local function act(r, ctx)
  local dice = math.random(20)
  local late = os.clock() * 1e6 % 97
  if late < 2 then
    local till = os.clock() + late / 1000
    while os.clock() < till do end
  end
  if dice == 1 then return nil end
  if dice == 2 then return false end
  if dice == 3 then return nil, "refused " .. ctx.index end
  if dice == 4 then error("raised at " .. ctx.index) end
  if dice == 5 then print("seen", ctx.index, ctx.line) return true end
  if dice == 6 then tidemill.log("told of " .. ctx.index) io.write("half a line ") return r end
  if dice == 7 then local copy = tidemill.copy(r) copy.n = -1 return r, copy, copy end
  if dice == 8 then for i = 1, 5 do r.n = i tidemill.emit(r) end return nil end
  if dice == 9 then tidemill.emit(r) error({}) end
  if dice == 10 then r.n = math.random(1 << 40) return r end
  if dice == 11 then r.f = math.random() return r end
  if dice == 12 then r.text = (r.text or "") .. "\\n\\"" return r end
  if dice == 13 then print("more", ctx.index) r.extra = ctx.line return r end
  if dice == 14 then r.text = nil return r end
  if dice == 15 then return {r, r} end
  r.n = ctx.index
  return r
end
"""
RECORD = ACTIONS + "return act"
BATCH = ACTIONS + """
return { batch = function(records, ctx)
  local out = {}
  for i, r in ipairs(records) do
    local dice = math.random(12)
    if dice == 1 then out[i] = false
    elseif dice == 2 then out[i] = {r, r}
    elseif dice == 3 and i == 1 then error("batch of " .. #records)
    elseif dice == 4 then tidemill.emit(r) out[i] = r
    else r.n = #records print(ctx.index, i) out[i] = r end
  end
  return out
end }
"""
# The columns are those of the record that is written first, which few records are like.
UNLIKE = """
return function(r, ctx)
  if ctx.index % 5 == 0 then return tidemill.record{{"text", ctx.index}, {"n", r.n}} end
  if ctx.index % 7 == 0 then return tidemill.record{{"other", 1}} end
  return tidemill.record{{"n", r.n}, {"text", r.text}}, tidemill.record{{"text", 1}, {"n", '"q",'}}
end
"""
# Goes on until a record is malformed, or until here.
PRINTING = """
return function(r, ctx)
  print(ctx.index)
  if ctx.index == %d then error("here") end
  r.n = math.random(9)
  return r, r
end
""" % (RECORDS // 2)


def quoted(text, rng):
    if rng.random() < 0.3 or any(c in text for c in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def csv_input(rng, n, columns):
    lines = [",".join(columns)]
    for i in range(n):
        cells = {"n": str(i), "text": quoted(rng.choice(WORDS), rng), "f": "%.3f" % rng.random()}
        row = ",".join(cells[c] for c in columns)
        if rng.random() < 0.02:
            row += ",too,many"
        lines.append(row)
    return "".join(line + rng.choice(("\n", "\n", "\r\n")) for line in lines).encode()


def jsonl_input(rng, n):
    lines = []
    for i in range(n):
        record = {"n": i, "text": rng.choice(WORDS), "f": rng.random()}
        if rng.random() < 0.2:
            record["deep"] = [{"k": rng.choice(WORDS)}, None, True, 12345678901234567890123]
        line = json.dumps(record, ensure_ascii=rng.random() < 0.5)
        if rng.random() < 0.02:
            line = line[:-1]
        lines.append(line)
        if rng.random() < 0.05:
            lines.append("")
    return "".join(line + rng.choice(("\n", "\n", "\r\n")) for line in lines).encode()


def make_inputs():
    rng = random.Random(20240229)
    files = {
        "csv": [csv_input(rng, RECORDS, ("n", "text", "f")), csv_input(rng, RECORDS // 4, ("f", "n", "text"))],
        "jsonl": [jsonl_input(rng, RECORDS), jsonl_input(rng, RECORDS // 4)],
    }
    for name, parts in files.items():
        for i, data in enumerate(parts):
            harness.write("in%d.%s" % (i, name), data)
    return files


LOOSE = {"output__extra": "drop", "output__missing": "empty"}
QUARANTINE = {"errors__policy": "quarantine"}
SKIP = {"errors__policy": "skip"}
VARIANTS = [
    # input, output, script, options
    ("csv", "csv", RECORD, {**QUARANTINE, **LOOSE}),
    ("csv", "csv", RECORD, SKIP),
    ("csv", "csv", UNLIKE, QUARANTINE),
    ("csv", "csv", UNLIKE, {**SKIP, **LOOSE, "output__columns": '["text","n","f"]'}),
    ("csv", "csv", BATCH, {**QUARANTINE, "transform__batch": 7}),
    ("csv", "jsonl", RECORD, QUARANTINE),
    ("csv", "table", RECORD, {**SKIP, **LOOSE}),
    ("jsonl", "jsonl", RECORD, QUARANTINE),
    ("jsonl", "jsonl", BATCH, {**SKIP, "transform__batch": 1}),
    ("jsonl", "jsonl", BATCH, {**QUARANTINE, "transform__batch": 7, "errors__max": RECORDS // 40}),
    ("jsonl", "csv", RECORD, {**QUARANTINE, **LOOSE}),
    ("jsonl", "csv", UNLIKE, {**QUARANTINE, "errors__max": RECORDS // 40}),
    ("jsonl", "table", UNLIKE, SKIP),
    ("jsonl", "jsonl", PRINTING, {"errors__policy": "fail"}),
    ("csv", "csv", PRINTING, {"errors__policy": "fail", "input__ragged": "trim"}),
]


def result_of(command, stats, **options):
    """All that promise 1 speaks of, as a dictionary."""
    done = harness.run(command, **options)
    counts = json.loads(harness.read(stats))
    for name in ("seconds", "workers", "deaths"):
        del counts[name]
    if done.returncode:
        del counts["bytes_in"]  # how far was read ahead
    return {"output": done.stdout, "messages": done.stderr, "exit": done.returncode, "counts": counts,
            "quarantine": harness.read("rejects.jsonl")}


def command_of(variant, inputs, workers, chunk, isolation):
    source, target, text, options = variant
    quarantine = harness.path("rejects.jsonl") if options.get("errors__policy") == "quarantine" else None
    return harness.script(text, *inputs, "-i", source, "-t", target, "--stats", harness.path("stats.json"),
                          errors__quarantine=quarantine, workers=workers, chunk=chunk, isolation=isolation,
                          **options)


class SameBytes(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.inputs = make_inputs()

    def compare(self, wanted, seen, what):
        for part in wanted:
            if wanted[part] != seen[part]:
                self.assertEqual(wanted[part], seen[part], "%s: %s differs" % (what, part))

    def sane(self, variant, result):
        """The run did what the variant is for, so that sameness means something."""
        counts = result["counts"]
        self.assertEqual(counts["read"], counts["kept"] + counts["dropped"] + counts["failed"])
        self.assertGreater(counts["kept"], 10, result["messages"])
        self.assertIn(result["exit"], (0, 1))
        self.assertEqual(result["exit"] == 0, not ("errors__max" in variant[3] or variant[3]["errors__policy"] == "fail"),
                         result["messages"])

    def samples(self, seed):
        matrix = list(itertools.product(WORKERS, CHUNKS, ISOLATIONS))
        return matrix if harness.LONG else random.Random(seed).sample(matrix, SAMPLES)

    def test_matrix(self):
        """Any number of workers, size of chunks and kind of process, over two files."""
        for number, variant in enumerate(VARIANTS):
            inputs = [harness.path("in%d.%s" % (i, variant[0])) for i in (0, 1)]
            wanted = result_of(command_of(variant, inputs, 1, "1MiB", "fork"), "stats.json")
            self.sane(variant, wanted)
            for how in self.samples(number):
                seen = result_of(command_of(variant, inputs, *how), "stats.json")
                self.compare(wanted, seen, "variant %d, workers %d, chunk %s, %s" % (number, *how))

    def test_pieces(self):
        """A pipe that delivers 1, 7 or 4096 bytes at a time."""
        for number, variant in enumerate(VARIANTS):
            if not harness.LONG and number % 3:
                continue
            data = self.inputs[variant[0]][0][:12000]
            data = data[:data.rindex(b"\n", 0, 11000) + 1]
            if data.count(b'"') % 2 and variant[0] == "csv":
                data = data + b'"\n'
            harness.write("whole", data)
            with open(harness.path("whole"), "rb") as whole:
                wanted = result_of(command_of(variant, [], 1, "1MiB", "fork"), "stats.json", stdin=whole)
            for piece in (1, 7, 4096):
                reader, writer = os.pipe()
                feeder = threading.Thread(target=feed, args=(writer, data, piece))
                feeder.start()
                seen = result_of(command_of(variant, [], 3, "256KiB", "fork"), "stats.json", stdin=reader)
                os.close(reader)
                feeder.join()
                self.compare(wanted, seen, "variant %d in pieces of %d" % (number, piece))

    def test_idle_workers_make_no_difference(self):
        """More workers than records, and no records at all."""
        for data in (b"", b"n,text,f\n", b"n,text,f\n1,a,2\n"):
            harness.write("in.csv", data)
            results = [result_of(command_of(VARIANTS[0], [harness.path("in.csv")], workers, "1B", isolation), "stats.json")
                       for workers in (1, 8) for isolation in ISOLATIONS]
            for seen in results[1:]:
                self.compare(results[0], seen, "input %r" % data)


def feed(fd, data, piece):
    try:
        for i in range(0, len(data), piece):
            os.write(fd, data[i:i + piece])
    except BrokenPipeError:
        pass
    os.close(fd)


if __name__ == "__main__":
    harness.main()
