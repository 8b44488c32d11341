#!/usr/bin/env -S python3 -B
"""Random murder: every 10 ms some worker is killed, whatever it is at. The output is the same, the
counts add up, and (TIDEMILL_LONG=1: two million records, 200 kills at least) it takes less than twice
the time. The short form kills every 5 ms: its runs are short.

Nothing gets done where workers are killed faster than they start. A sanitizer's take more than 5 ms
for that, and all do on a virtual machine whose page faults are slow: the short form then waits for as
long as a run of one record takes. The long form does not, as its bound is the promise.

A record takes 2 us of Lua: turns of a loop, as many as this build does in that time.
"""

import json
import os
import random
import subprocess
import time
import unittest

import harness

N = 2000000 if harness.LONG else 100000
KILLS = 200 if harness.LONG else 1
TRIES = 5
EVERY = 0.01 if harness.LONG else 0.005
TURN = """
return function(r)
  local begin, t = os.clock(), 0
  for i = 1, 10000000 do t = t + i end
  r.turn = (os.clock() - begin) / 10000000
  return r
end
"""
TEXT = """
return function(r, ctx)
  local t = 0
  for i = 1, TURNS do t = t + i end
  r.double = r.n * 2
  if ctx.index % 1000 == 7 then return nil end
  if ctx.index % 1000 == 8 then error("no") end
  return r
end
"""


class Murder(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.file = harness.write("in.jsonl", "".join('{"n":%d}\n' % i for i in range(1, N + 1)))
        cls.wanted = b"".join(b'{"n":%d,"double":%d}\n' % (i, 2 * i) for i in range(1, N + 1) if i % 1000 not in (7, 8))
        cls.rejects = [i for i in range(1, N + 1) if i % 1000 == 8]
        one = harness.script(TURN, harness.write("one.jsonl", '{"n":1}\n'))
        turn = min(json.loads(harness.run(one).stdout)["turn"] for _ in range(TRIES))
        cls.text = TEXT.replace("TURNS", str(max(1, round(2e-6 / turn))))

    def command(self, file, **options):
        return harness.script(self.text, file, "-o", harness.path("out.jsonl"), "--stats",
                              harness.path("stats.json"), errors__policy="quarantine", errors__max="unlimited",
                              errors__quarantine=harness.path("rejects.jsonl"), **options)

    def distance(self, **options):
        """Seconds from kill to kill."""
        one = self.command(harness.write("one.jsonl", '{"n":1}\n'), **options)
        return EVERY if harness.LONG else max(EVERY, min(harness.Measured(one).seconds for _ in range(TRIES)))

    def run_once(self, every, **options):
        """Seconds, and how many were killed: one at this distance, or none (0)."""
        command = self.command(self.file, **options)
        killed, rng = 0, random.Random(17)
        due = begin = time.monotonic()
        with harness.started(command, stderr=subprocess.PIPE) as process:
            while process.poll() is None and time.monotonic() - begin < harness.DEADLINE:
                # The clock is what this test is about; nothing waits for it to have an effect.
                due += every or EVERY
                time.sleep(max(0, due - time.monotonic()))
                workers = list(filter(harness.is_worker, harness.offspring(process.pid))) if every else []
                if workers:
                    harness.kill(rng.choice(workers))
                    killed += 1
            self.assertEqual(process.wait(1), 0, process.stderr.read())
        seconds = time.monotonic() - begin
        counts = json.loads(harness.read("stats.json"))
        self.assertEqual([counts[k] for k in ("read", "kept", "dropped", "failed")],
                         [N, N - 2 * len(self.rejects), len(self.rejects), len(self.rejects)])
        self.assertTrue(harness.read("out.jsonl") == self.wanted, "the output differs")
        seen = [json.loads(line)["record"] for line in harness.read("rejects.jsonl").splitlines()]
        self.assertEqual(seen, self.rejects)
        return seconds, killed, counts["deaths"]

    def murder(self, **options):
        """Others on the machine only add to a time: the best of some tries is the run's own."""
        every = self.distance(**options)
        undisturbed, seconds = [self.run_once(0, **options)[0]], []
        for _ in range(TRIES):
            last, killed, deaths = self.run_once(every, **options)
            seconds.append(last)
            self.assertGreaterEqual(killed, KILLS)
            self.assertGreater(deaths, 0)
            if not harness.LONG:
                return
            undisturbed.append(self.run_once(0, **options)[0])
            print("%d records, %r: %d kills, %d deaths, %.2f s instead of %.2f s" % (
                N, options, killed, deaths, min(seconds), min(undisturbed)), flush=True)
            if min(seconds) < 2 * min(undisturbed):
                return
        self.fail("it takes too long")

    def test_forked(self):
        self.murder(workers=min(2, os.cpu_count() or 1))

    def test_many(self):
        self.murder(workers=8)

    def test_executed(self):
        self.murder(workers=2, isolation="exec")


if __name__ == "__main__":
    harness.main()
