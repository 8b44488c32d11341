#!/usr/bin/env -S python3 -B
"""SIGINT and SIGTERM: the first lets the records in hand finish, a second one kills at once. And
SIGSTOP of everybody, which is no timeout.
"""

import concurrent.futures
import json
import os
import select
import signal
import subprocess
import time
import unittest

import harness

NUMBERS = ((signal.SIGINT, 130), (signal.SIGTERM, 143))


def lines(n):
    return b"".join(b'{"n":%d}\n' % i for i in range(1, n + 1))


def text_of(meeting, at, after=""):
    return meeting.lua() + "return function(r, ctx) if ctx.index == %d then here() %s end r.n = -r.n return r end" % (at, after)


class Interrupts(unittest.TestCase):
    def setUp(self):
        self.meeting = harness.Meeting("meeting")
        self.addCleanup(self.meeting.close)

    def started(self, text, *args, **options):
        self.meeting.open()
        command = harness.script(text, "-i", "jsonl", "--stats", harness.path("stats.json"), *args, **options)
        command.remove("-q")
        return harness.started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def check_end(self, process, status):
        """The output is whole records from the first on, which the counts know of. Gives their number."""
        output, messages = process.communicate(timeout=harness.DEADLINE)
        self.assertEqual(process.returncode, status, messages)
        n = output.count(b"\n")
        self.assertEqual(output, b"".join(b'{"n":-%d}\n' % i for i in range(1, n + 1)))
        said = messages.decode().splitlines()
        self.assertEqual(said[-2], "tidemill: interrupted" if status == 130 else "tidemill: terminated")
        self.assertRegex(said[-1], "^tidemill: %d read, %d kept, 0 dropped, 0 failed; %d written" % (n, n, n))
        with open(harness.path("stats.json")) as file:
            counts = json.load(file)
        self.assertEqual((counts["read"], counts["kept"], counts["written"]), (n, n, n))
        return n

    def test_first(self):
        """While one record takes its time and more input could come."""
        for number, status in NUMBERS:
            for options in ({"workers": 1}, {"workers": 3}, {"workers": 2, "isolation": "exec"}):
                with self.started(text_of(self.meeting, 5), **options) as process:
                    process.stdin.write(lines(20))
                    process.stdin.flush()
                    self.meeting.wait(process)
                    process.send_signal(number)
                    # Only a record that is in hand can end it.
                    self.assertIsNone(process.poll())
                    self.meeting.release()
                    self.assertGreaterEqual(self.check_end(process, status), 5)

    def test_idle(self):
        """Nothing is in hand."""
        for number, status in NUMBERS:
            with self.started("return function(r) r.n = -r.n return r end") as process:
                process.stdin.write(lines(3))
                process.stdin.flush()
                seen = b""
                while seen.count(b"\n") < 3:
                    seen += os.read(process.stdout.fileno(), 100)
                process.send_signal(number)
                output, messages = process.communicate(timeout=harness.DEADLINE)
                self.assertEqual((process.returncode, output), (status, b""), messages)
                self.assertIn(b"3 read, 3 kept", messages)

    def test_last(self):
        """All is read, and the last record ends before its results are wanted: its worker sees to no teardown."""
        text = self.meeting.lua() + (
            "return {record = function(r) r.x = ('x'):rep(r.n == 1 and %d or 1) if r.n == 2 then here() end return r end,"
            " teardown = function() print('teardown') end}" % (1 << 20))
        wanted = b'{"n":1,"x":"%s"}\n{"n":2,"x":"x"}\n' % (b"x" * (1 << 20))
        for number, status in NUMBERS:
            with self.started(text, workers=1, chunk="1B") as process:
                process.stdin.write(lines(2))
                process.stdin.close()
                process.stdin = None
                last = self.meeting.wait(process)
                process.send_signal(number)
                self.assertIn(b"the same signal once more", process.stderr.readline())
                self.meeting.release()
                harness.until(lambda: not harness.alive(last), "the end of the last one")
                output, messages = process.communicate(timeout=harness.DEADLINE)
                self.assertEqual((process.returncode, output), (status, wanted), messages)
                self.assertNotIn(b"teardown", messages)
                self.assertEqual(json.loads(harness.read("stats.json"))["deaths"], 0)

    def test_files(self):
        """An interrupted run leaves an older file as it was."""
        harness.write("old.jsonl", "old\n")
        with self.started(text_of(self.meeting, 5), "-o", harness.path("old.jsonl")) as process:
            process.stdin.write(lines(20))
            process.stdin.flush()
            self.meeting.wait(process)
            process.send_signal(signal.SIGINT)
            self.meeting.release()
            process.communicate(timeout=harness.DEADLINE)
            self.assertEqual(process.returncode, 130)
        self.assertEqual(harness.read("old.jsonl"), b"old\n")
        self.assertEqual([name for name in os.listdir(harness.scratch) if "tmp" in name], [])

    def test_second(self):
        """A record that never ends: the second signal does not wait for it."""
        for number, status in NUMBERS:
            for isolation in ("fork", "exec"):
                with self.started(text_of(self.meeting, 5, "while true do pcall(error) end"), workers=2, chunk="1B",
                                  isolation=isolation) as process:
                    process.stdin.write(lines(20))
                    process.stdin.flush()
                    worker = self.meeting.wait(process)
                    workers = harness.children(process.pid)
                    self.assertIn(worker, workers)
                    # Records before it that are not done, as their worker has yet to start, would end the run.
                    for _ in range(4):
                        process.stdout.readline()
                    self.meeting.release()
                    process.send_signal(number)
                    # One that comes too soon after the first is taken for the same.
                    self.assertEqual(select.select([process.stdout], [], [], 0)[2], [])
                    # What the command says once it has waited for long enough.
                    self.assertIn(b"the same signal once more ends at once", process.stderr.readline())
                    process.send_signal(number)
                    process.stdout.read()
                    self.assertEqual(process.wait(harness.DEADLINE), -number)
                    for pid in workers:
                        harness.until(lambda: not harness.alive(pid), "the end of an orphan")


class Stopped(unittest.TestCase):
    """Parent and workers are stopped for longer than anything may take, and go on."""

    SECONDS = 60 if harness.LONG else 2.5
    PLACES = {
        "setup": "%s return {setup = function() here() end, record = function(r) r.n = -r.n return r end}",
        "record": "%s return function(r, ctx) if ctx.index == 5 then here() end r.n = -r.n return r end",
        "teardown": "%s return {record = function(r) r.n = -r.n return r end, teardown = function() here() end}",
        "close": "%s left = setmetatable({}, {__gc = here}) return function(r) r.n = -r.n return r end",
    }

    def play(self, place, isolation):
        meeting = harness.Meeting("stopped-%s-%s" % (place, isolation))
        self.addCleanup(meeting.close)
        meeting.open()
        command = harness.script(self.PLACES[place] % meeting.lua(), "-i", "jsonl", workers=2, chunk="30B", isolation=isolation,
                                 limits__record_time="2s", limits__setup_time="2s")
        with harness.started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdin.write(lines(50))
            process.stdin.close()
            process.stdin = None
            meeting.wait(process)
            workers = harness.freeze(process.pid)
            for pid in workers:
                harness.kill(pid, signal.SIGSTOP)
            time.sleep(self.SECONDS)  # the time itself is what matters here
            for pid in workers + [process.pid]:
                harness.kill(pid, signal.SIGCONT)
            meeting.release()
            output, messages = process.communicate(timeout=harness.DEADLINE)
        return place, process.returncode, messages, output

    def test_everybody(self):
        plays = [(place, isolation) for place in self.PLACES for isolation in ("fork", "exec")]
        with concurrent.futures.ThreadPoolExecutor(len(plays)) as pool:
            for place, status, messages, output in pool.map(lambda play: self.play(*play), plays):
                self.assertEqual((status, messages), (0, b""), place)
                self.assertEqual(output, b"".join(b'{"n":-%d}\n' % i for i in range(1, 51)), place)
        if harness.LONG:
            print("%d plays, stopped for %g s each: no timeout" % (len(plays), self.SECONDS))


if __name__ == "__main__":
    harness.main()
