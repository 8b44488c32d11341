#!/usr/bin/env -S python3 -B
"""Random murder: every 5 ms some worker is killed, whatever it is at. The output is the same, the
counts add up, and (TIDEMILL_LONG=1: a million records, 200 kills) it takes less than twice the time.

Nothing can be done in less time than a process takes to start. Where that is more than 5 ms (a
sanitizer's; virtual machines whose page faults are slow), it is the time from kill to kill, and long
runs are made as much longer.
"""

import json
import os
import random
import subprocess
import time
import unittest

import harness

KILLS = 200 if harness.LONG else 1
TRIES = 5
EVERY = 0.005
TEXT = """
return function(r, ctx)
  poison.burn(2)
  r.double = r.n * 2
  if ctx.index % 1000 == 7 then return nil end
  if ctx.index % 1000 == 8 then error("no") end
  return r
end
"""


class Play:
    """One way to run workers: its input, and what must come of it."""

    def __init__(self, **options):
        self.options = options
        self.every = max(EVERY, self.start_time())
        self.n = round(1000000 * self.every / EVERY) if harness.LONG else 100000
        self.file = self.input(self.n)
        self.wanted = b"".join(
            b'{"n":%d,"double":%d}\n' % (i, 2 * i) for i in range(1, self.n + 1) if i % 1000 not in (7, 8))
        self.rejects = [i for i in range(1, self.n + 1) if i % 1000 == 8]

    @staticmethod
    def input(n):
        return harness.write("in.jsonl", "".join('{"n":%d}\n' % i for i in range(1, n + 1)))

    def command(self, file):
        return harness.script(harness.poison() + TEXT, file, "-o", harness.path("out.jsonl"), "--stats",
                              harness.path("stats.json"), errors__policy="quarantine", errors__max="unlimited",
                              errors__quarantine=harness.path("rejects.jsonl"), **self.options)

    def start_time(self):
        """Seconds that a whole run of one record takes, at best."""
        command, seconds = self.command(self.input(1)), []
        for _ in range(TRIES):
            begin = time.monotonic()
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
            seconds.append(time.monotonic() - begin)
        return min(seconds)


class Murder(unittest.TestCase):
    def run_once(self, play, kills):
        """Seconds, and how many were killed."""
        killed, rng = 0, random.Random(17)
        due = begin = time.monotonic()
        with harness.started(play.command(play.file), stderr=subprocess.PIPE) as process:
            while process.poll() is None and time.monotonic() - begin < harness.DEADLINE:
                # The clock is what this test is about; nothing waits for it to have an effect.
                due += play.every
                time.sleep(max(0, due - time.monotonic()))
                workers = harness.offspring(process.pid) if kills else []
                if workers:
                    harness.kill(rng.choice(workers))
                    killed += 1
            self.assertEqual(process.wait(1), 0, process.stderr.read())
        seconds = time.monotonic() - begin
        counts = json.loads(harness.read("stats.json"))
        rejects = len(play.rejects)
        self.assertEqual([counts[k] for k in ("read", "kept", "dropped", "failed")],
                         [play.n, play.n - 2 * rejects, rejects, rejects])
        self.assertTrue(harness.read("out.jsonl") == play.wanted, "the output differs")
        seen = [json.loads(line)["record"] for line in harness.read("rejects.jsonl").splitlines()]
        self.assertEqual(seen, play.rejects)
        return seconds, killed, counts["deaths"]

    def murder(self, **options):
        """Others on the machine only add to a time: the best of some tries is the run's own."""
        play = Play(**options)
        undisturbed, seconds = [self.run_once(play, False)[0]], []
        for _ in range(TRIES):
            last, killed, deaths = self.run_once(play, True)
            seconds.append(last)
            self.assertGreaterEqual(killed, KILLS)
            self.assertGreater(deaths, 0)
            if not harness.LONG:
                return
            undisturbed.append(self.run_once(play, False)[0])
            print("%d records, %r: %d kills, one every %.1f ms, %d deaths, %.2f s instead of %.2f s" % (
                play.n, options, killed, 1000 * play.every, deaths, min(seconds), min(undisturbed)), flush=True)
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
