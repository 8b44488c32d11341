#!/usr/bin/env -S python3 -B
"""Promise 6: a worker's death, of any kind and at any moment, changes nothing: no hang, no loss, no
duplicate, no other order. A record that kills every worker is condemned alone.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import tempfile
import unittest

import harness
from test_flow import Feeder

RECORDS = 600
# A sanitizer would make a report and an exit out of SIGSEGV.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":handle_segv=0"

# How to die; `pid` is told by the parent of a shell.
WAYS = {
    "exit": "os.exit(3)",
    "exit well": "os.exit(0)",
    "kill": "os.execute('kill -KILL $PPID')",
    "segv": "os.execute('kill -SEGV $PPID')",
    "term": "os.execute('kill -TERM $PPID')",
    "garbage": "local f = io.open('/proc/self/fd/4', 'w') f:write(('no frame '):rep(1000)) f:close()",
    "wrong answer": "local f = io.open('/proc/self/fd/4', 'w') f:write('\\8\\0\\0\\0\\12\\0\\0\\0', ('\\0'):rep(8)) f:close() while true do end",
    "broken result": "local f = io.open('/proc/self/fd/4', 'w') f:write('\\16\\0\\0\\0\\11\\0\\0\\0', ('\\255'):rep(500)) f:close()",
}

# Dies once for each of these records: a file remembers it, as the next worker cannot.
ONCE = """
local deadly = {%s}
return function(r, ctx)
  for _, index in ipairs(deadly) do
    if ctx.index == index then
      local name = "%s/" .. index
      local seen = io.open(name)
      if seen then seen:close() else io.open(name, "w"):close() %s end
    end
  end
  local dice = math.random(10)
  if dice == 1 then return nil end
  if dice == 2 then print(ctx.index) end
  if dice == 3 then error("failed " .. ctx.index) end
  if dice == 4 then tidemill.emit(r) end
  return r
end
"""
ALWAYS = """
return function(r, ctx)
  if ctx.index %% 200 == 7 then %s end
  print(ctx.index)
  return r, r
end
"""
BATCH = """
return { batch = function(records, ctx)
  if ctx.index == 1 or ctx.index == 211 then %s end
  return records
end }
"""


def result_of(text, source, target="jsonl", **options):
    policy = options.pop("policy", "quarantine")
    command = harness.script(text, harness.path("in." + source), "-t", target, "--stats", harness.path("stats.json"),
                             errors__policy=policy,
                             errors__quarantine=harness.path("rejects.jsonl") if policy == "quarantine" else None,
                             **options)
    done = harness.run(command)
    counts = json.loads(harness.read("stats.json"))
    deaths = counts.pop("deaths")
    for name in ("seconds", "workers"):
        del counts[name]
    if done.returncode:
        del counts["bytes_in"]
    return {"output": done.stdout, "messages": done.stderr, "exit": done.returncode, "counts": counts,
            "quarantine": harness.read("rejects.jsonl")}, deaths


def setUpModule():
    rows = [(i, "ü" * (i % 50)) for i in range(RECORDS)]
    harness.write("in.jsonl", "".join('{"n":%d,"t":"%s"}\n' % row for row in rows))
    harness.write("in.csv", "n,t\n" + "".join('%d,"%s\r\n"\n' % row for row in rows))


class Deaths(unittest.TestCase):
    maxDiff = 2000

    def die(self, way, deadly, source, target, **options):
        folder = harness.path("died")
        os.mkdir(folder)
        places = ",".join(map(str, deadly))
        wanted, none = result_of(ONCE % ("", folder, ""), source, target)
        seen, deaths = result_of(ONCE % (places, folder, WAYS[way]), source, target, **options)
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)
        text = harness.read("rejects.jsonl").decode()
        self.assertEqual(none, 0)
        self.assertGreater(deaths, 0)
        self.assertLessEqual(deaths, len(deadly))
        for part in ("exit", "counts", "output"):
            self.assertEqual(wanted[part], seen[part], "%s: %s differs" % (way, part))
        # The scripts differ in one line's text, and so in their files' names.
        for part in ("messages", "quarantine"):
            self.assertEqual(nameless(wanted[part]), nameless(seen[part]), "%s: %s differs" % (way, part))
        self.assertIn("failed", text)

    def test_once(self):
        """Each way to die, at the first record, the last, and some between."""
        rng = random.Random(7)
        for way in WAYS:
            for source, target in (("jsonl", "jsonl"), ("csv", "csv"), ("jsonl", "table")):
                deadly = [1, RECORDS] + rng.sample(range(2, RECORDS), 3)
                options = rng.choice([{"workers": 1}, {"workers": 3, "chunk": "300B"}, {"workers": 2, "isolation": "exec"}])
                self.die(way, deadly, source, target, **options)

    def test_always(self):
        """The deadly records fail, and nothing else, however the work is divided."""
        for way in WAYS:
            results = [result_of(ALWAYS % WAYS[way], "jsonl", **options)
                       for options in ({"workers": 1}, {"workers": 5, "chunk": "1B"}, {"workers": 2, "chunk": "1KiB", "isolation": "exec"})]
            for seen, deaths in results:
                self.assertEqual(seen["counts"]["failed"], 3, seen["messages"])
                self.assertEqual(seen["counts"]["written"], 2 * (RECORDS - 3))
                self.assertGreaterEqual(deaths, 3 * 3)
                for part in seen:
                    self.assertEqual(seen[part], results[0][0][part], "%s: %s differs" % (way, part))
            entries = [json.loads(line) for line in results[0][0]["quarantine"].splitlines()]
            self.assertEqual([entry["record"] for entry in entries], [7, 207, 407])

    def test_always_under_fail(self):
        """What came before the deadly record is written, and one message says why."""
        for options in ({"workers": 1}, {"workers": 4, "chunk": "1B"}):
            seen, _ = result_of(ALWAYS % "os.exit(3)", "jsonl", policy="fail", **options)
            self.assertEqual(seen["exit"], 1)
            self.assertEqual(seen["output"].count(b"\n"), 12)
            *printed, message = seen["messages"].splitlines()
            self.assertEqual(printed, [b"%d" % i for i in range(1, 7)])
            self.assertTrue(message.endswith(b"in.jsonl:7: record 7: the worker process exited with status 3"), message)

    def test_batches(self):
        """A deadly batch fails whole."""
        for options in ({"workers": 1}, {"workers": 3, "chunk": "1B"}):
            seen, _ = result_of(BATCH % "os.exit(3)", "jsonl", transform__batch=7, **options)
            self.assertEqual(seen["counts"]["failed"], 14, seen["messages"])
            entries = [json.loads(line)["record"] for line in seen["quarantine"].splitlines()]
            self.assertEqual(entries, [*range(1, 8), *range(211, 218)])

    def test_setup(self):
        """A setup that dies ends the job, with one message."""
        for way in ("exit", "exit well", "kill", "segv", "garbage", "wrong answer"):
            text = "return {setup = function() %s end, record = function(r) return r end}" % WAYS[way]
            for isolation in ("fork", "exec"):
                seen, _ = result_of(text, "jsonl", isolation=isolation, workers=3)
                self.assertEqual(seen["exit"], 1, way)
                self.assertEqual(seen["output"], b"")
                self.assertEqual(seen["messages"].count(b"\n"), 1, seen["messages"])

    def test_setup_that_dies_later(self):
        """The first workers live, one that is started in their place does not."""
        marker = harness.path("marker")
        text = ("return {setup = function() if io.open('%s') then os.exit(3) end end,"
                " record = function(r, ctx) if ctx.index == 300 then io.open('%s', 'w'):close() os.exit(4) end return r end}")
        seen, _ = result_of(text % (marker, marker), "jsonl")
        self.assertEqual(seen["exit"], 1)
        self.assertEqual(seen["messages"].count(b"\n"), 1, seen["messages"])
        os.unlink(marker)


class Early(unittest.TestCase):
    """Who dies before the turn of its results is replaced at once: the others need not be done."""

    TEXT = """
local folder, at, after = "%s", {%s}, 20
local function exists(name)
  local f = io.open(folder .. "/" .. name)
  return f and f:close()
end
local function make(name) io.open(folder .. "/" .. name, "w"):close() end
local seen = 0
return function(r, ctx)
  seen = seen + 1
  if ctx.index == 1 then repeat until exists("go") end
  if ctx.worker == 2 then
    local dead = 0
    while exists("dead" .. dead + 1) do dead = dead + 1 end
    if seen == at[dead + 1] then make("dead" .. dead + 1) %s end
    if seen == after and dead == #at then make("go") end
  end
  if ctx.index %% 100 == 9 then print(ctx.index) end
  if ctx.index %% 100 == 8 then error("no") end
  return r
end
"""
    N = 20000
    # A RESULT of the second chunk, through its third record, with an item that there is not.
    FORGED = ("local f = io.open('/proc/self/fd/4', 'w')"
              " f:write(string.pack('<I4I4I8I4I8B', 21, 11, %d, 3, 0, 255)) f:close() os.exit(3)" % 1)

    def result(self, at, way, workers, **options):
        folder = tempfile.mkdtemp(dir=harness.scratch)
        if workers == 1:
            open(os.path.join(folder, "go"), "w", encoding="ascii").close()
        seen, died = result_of(self.TEXT % (folder, ",".join(map(str, at)), way), "early.jsonl", workers=workers,
                               errors__max="unlimited", **options)
        return {part: nameless(seen[part]) if part in ("messages", "quarantine") else seen[part] for part in seen}, died

    def test_it_is_replaced(self):
        # Two chunks of some 400 records are in each hand: the first, or the second, is cut by a death.
        harness.write("in.early.jsonl", "".join('{"n":%d,"t":"%s"}\n' % (i, "x" * 22) for i in range(self.N)))
        for target in ("jsonl", "csv"):
            wanted, _ = self.result((), "", 1, target=target)
            for at in ((50, 50, 50), (600,), (600, 2), (600, 50, 50)):
                for way in ("exit", "kill"):
                    for isolation in ("fork", "exec"):
                        seen, died = self.result(at, WAYS[way], 2, target=target, chunk="16KiB",
                                                 isolation=isolation)
                        self.assertEqual(died, len(at))
                        for part in wanted:
                            self.assertEqual(wanted[part], seen[part], "%r, %s: %s differs" % (at, way, part))
            # What it has said turns out to be nonsense when its turn comes: all is done again. At its first record
            # it has not said anything else, however slow it is.
            seen, died = self.result((1,), self.FORGED, 2, target=target, chunk="16KiB")
            self.assertEqual(died, 2)
            for part in wanted:
                self.assertEqual(wanted[part], seen[part], "forged: %s differs" % part)


class Lent(unittest.TestCase):
    """Large results are lent to the pipe, and go from there to a file unread: they outlive who has lent them, and
    what it was just sending is not written in part."""

    def test_large_results(self):
        records = 60000
        data = b"".join(b'{"n":%d,"pad":"%s"}\n' % (i, b"y" * 200) for i in range(1, records + 1))
        file = harness.write("lent.jsonl", data)
        for seed in range(8):
            index = random.Random(seed).randrange(records // 2, records)
            text = """
return function(r, ctx)
  if ctx.index == %d then
    local seen = io.open("%s")
    if seen then seen:close() else io.open("%s", "w"):close() %s end
  end
  return r
end
""" % (index, harness.path("lent.%d" % seed), harness.path("lent.%d" % seed), WAYS["exit" if seed % 2 else "kill"])
            command = harness.script(text, file, "-o", harness.path("lent.out"), "--stats", harness.path("stats.json"),
                                     workers=3)
            done = harness.run(command)
            self.assertEqual((done.returncode, done.stderr), (0, b""), index)
            self.assertEqual(json.loads(harness.read("stats.json"))["deaths"], 1)
            self.assertTrue(harness.read("lent.out") == data, index)


class Innocent(unittest.TestCase):
    """Killed again and again by somebody from outside, with one record in hand, before it was done."""

    KILLS, AT = 30, 50  # many more than condemn a record

    def test_it_is_kept(self):
        for isolation in ("fork", "exec"):
            setup, record = harness.Meeting("setup-" + isolation), harness.Meeting("record-" + isolation)
            text = setup.lua() + "local first = here\n" + record.lua() + (
                "return {setup = function() first() end,"
                " record = function(r, ctx) if ctx.index == %d then here() end return r end}" % self.AT)
            stats = harness.path("stats.json")
            with harness.started(harness.script(text, harness.path("in.jsonl"), "--stats", stats, workers=1, isolation=isolation),
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                # Killed in its setup, which the next one survives: that was somebody else's doing.
                setup.open()
                record.open()
                harness.kill(setup.wait(process))
                for _ in range(self.KILLS):
                    pid = record.wait(process)
                    record.open()
                    harness.kill(pid)
                record.wait(process)
                record.release()
                output, messages = process.communicate(timeout=harness.DEADLINE)
            self.assertEqual((process.returncode, messages), (0, b""))
            self.assertEqual(output, harness.read("in.jsonl"))
            self.assertEqual(json.loads(harness.read("stats.json"))["deaths"], self.KILLS + 1)
            setup.close()
            record.close()


class Idle(unittest.TestCase):
    WORKERS = 24  # more than may die in a row without progress

    def test_all_at_once(self):
        """They had nothing in hand, and so there was no progress to make."""
        gate, stats = harness.path("gate"), harness.path("stats.json")
        os.mkfifo(gate)
        n = 3 * self.WORKERS  # each takes two at a time
        text = "return function(r, ctx) if ctx.index <= %d then io.open('%s'):close() end return r end" % (n, gate)
        command = harness.script(text, "-i", "jsonl", "--stats", stats, workers=self.WORKERS, chunk="1B")
        with harness.started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdin.write(b'{"n":1}\n' * n)
            process.stdin.flush()
            harness.until(lambda: len(harness.offspring(process.pid)) == self.WORKERS, "all workers")
            held = os.open(gate, os.O_WRONLY)
            for _ in range(n):
                process.stdout.readline()
            os.close(held)
            for pid in harness.freeze(process.pid):
                harness.kill(pid)
            harness.kill(process.pid, signal.SIGCONT)
            harness.until(lambda: not harness.offspring(process.pid) or process.poll() is not None, "their burial")
            output, messages = process.communicate(b'{"n":1}\n' * 9, timeout=harness.DEADLINE)
        self.assertEqual((process.returncode, messages, output), (0, b"", b'{"n":1}\n' * 9))
        self.assertEqual(json.loads(harness.read("stats.json"))["deaths"], self.WORKERS)
        os.unlink(gate)


def nameless(text):
    """Without the name of the script's file."""
    parts = text.split(b"job-")
    return parts[0] + b"".join(part[part.index(b".yaml"):] for part in parts[1:])


class Murder(unittest.TestCase):
    KILLS = 2000 if harness.LONG else 200
    # So much output between two kills that some of it was committed since the last one: more than
    # what waits in the command and in the pipe.
    BETWEEN = 512 << 10
    TEXT = "return function(r, ctx) r.n = ctx.index for i = 1, 20 do tidemill.emit(r) end return nil end"

    def murder(self, isolation):
        """Kill workers, any of them, as the output grows; it does so until that was done often enough."""
        kills = self.KILLS // (10 if harness.SANITIZED else 1)
        rng = random.Random(11)
        line = b'{"n":0,"t":"%s"}\n' % (b"x" * 480)
        command = harness.script(self.TEXT, "-i", "jsonl", "--stats", harness.path("stats.json"), workers=3,
                                 chunk="16KiB", isolation=isolation)
        seen = hashlib.sha256()
        with harness.started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
            feeder = Feeder(process.stdin, line * 1000)
            feeder.start()
            killed, workers, since = set(), 0, 0
            while part := process.stdout.read(1 << 16):
                seen.update(part)
                since += len(part)
                due = since >= self.BETWEEN and len(killed) < kills
                # Nobody twice: until the command notices, who was killed is there still.
                alive = [pid for pid in harness.offspring(process.pid) if pid not in killed] if due else []
                if alive:
                    victim = rng.choice(alive)
                    workers += harness.is_worker(victim)
                    harness.kill(victim)
                    killed.add(victim)
                    since = 0
                feeder.last = len(killed) == kills
            self.assertEqual(process.wait(harness.DEADLINE), 0)
            feeder.join()
        wanted, total = hashlib.sha256(), feeder.taken // len(line)
        for i in range(1, total + 1):
            wanted.update((b'{"n":%d' % i + line[6:]) * 20)
        counts = json.loads(harness.read("stats.json"))
        self.assertEqual((counts["read"], counts["failed"]), (total, 0))
        # The others were a fork server's; and who is killed as it starts is not one of the deaths.
        self.assertGreater(workers, kills // 4)
        self.assertGreater(counts["deaths"], workers * 3 // 4)
        self.assertEqual(seen.digest(), wanted.digest())
        if harness.LONG:
            print("%d records, %s: %d kills as the output grew, %d of workers, %d deaths" %
                  (total, isolation, kills, workers, counts["deaths"]))

    def test_forked(self):
        self.murder("fork")

    def test_executed(self):
        self.murder("exec")


if __name__ == "__main__":
    harness.main()
