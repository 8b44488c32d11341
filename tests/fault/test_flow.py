#!/usr/bin/env -S python3 -B
"""Bytes on their way: pipes of one page, large records, slow and stopped readers, input that comes
line by line, and memory that does not grow with the input.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
import unittest

import harness

ECHO = "return function(r) return r end"
SMALL_PIPES = {"pipe": 4096}
MIB = 1 << 20


def records(n, size):
    return b"".join(b'{"n":%d,"text":"%s"}\n' % (i, b"%07d" % i * (size // 7)) for i in range(n))


class OnePagePipes(unittest.TestCase):
    """F_SETPIPE_SZ is refused and pipes hold 4096 bytes, as they do once a user's share is spent."""

    def run_small(self, command):
        return harness.run(command, env=harness.shimmed(**SMALL_PIPES))

    def same(self, text, data, **options):
        file = harness.write("data.jsonl", data)
        outputs = set()
        for run in (harness.run, self.run_small):
            for workers in (1, 3):
                done = run(harness.script(text, file, workers=workers, **options))
                self.assertEqual(done.returncode, 0, done.stderr)
                outputs.add(hashlib.sha256(done.stdout).digest())
        self.assertEqual(len(outputs), 1)
        return done.stdout

    def test_the_shim_works(self):
        """Else the others would prove nothing."""
        command = harness.script(ECHO, "-i", "jsonl")
        with harness.started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             env=harness.shimmed(**SMALL_PIPES)) as process:
            process.stdin.write(b'{"x":1}\n')
            process.stdin.flush()
            process.stdout.readline()
            (worker,) = harness.children(process.pid)
            for fd in (3, 4):
                with open("/proc/%d/fd/%d" % (worker, fd), "rb" if fd == 3 else "wb", 0) as pipe:
                    self.assertEqual(harness.pipe_size(pipe.fileno()), 4096)

    def test_large_records(self):
        data = records(3, 10 * MIB)
        for chunk in ("1B", "1MiB"):
            self.assertEqual(len(self.same(ECHO, data, chunk=chunk)), len(data))

    def test_results_of_a_hundred_times_the_input(self):
        data = records(100, 2000)
        out = self.same("return function(r) for i = 1, 100 do tidemill.emit(r) end return nil end", data)
        self.assertEqual(len(out), 100 * len(data))

    def test_what_is_printed(self):
        out = self.same("return function(r) print(r.text) error(r.text) end", records(200, 9000), errors__policy="skip")
        self.assertEqual(out, b"")


# Spends all pipe memory that the user may have, then runs a command: its pipes are the smallest.
SPEND = """
import fcntl, os, subprocess, sys
pipes = []
try:
    while len(pipes) < 400:
        pipes.append(os.pipe())
        fcntl.fcntl(pipes[-1][0], 1031, 1 << 20)  # F_SETPIPE_SZ
except OSError:
    pass
pipes += [os.pipe() for _ in range(100)]
if fcntl.fcntl(pipes[-1][0], 1032) > 8192:
    sys.exit(77)
sys.exit(subprocess.call(sys.argv[1:]))
"""


class SpentPipes(OnePagePipes):
    """The same by the kernel itself: /proc/sys/fs/pipe-user-pages-soft is spent."""

    def run_small(self, command):
        done = harness.run([*harness.as_nobody(), sys.executable, "-c", SPEND, *command])
        if done.returncode in (77, 126, 127):
            raise unittest.SkipTest("pipes stay large, whatever was spent, or Python is not for everybody")
        return done

    def test_the_shim_works(self):
        """No shim."""


class Readers(unittest.TestCase):
    def test_slow(self):
        """One byte at a time for a while."""
        data = records(3000, 100)
        file = harness.write("data.jsonl", data)
        for isolation in ("fork", "exec"):
            with harness.started(harness.script(ECHO, file, workers=2, isolation=isolation), stdout=subprocess.PIPE,
                                 bufsize=0) as process:
                seen = b"".join(process.stdout.read(1) for _ in range(5000))
                seen += b"".join(iter(lambda: process.stdout.read(777), b""))
                self.assertEqual(process.wait(harness.DEADLINE), 0)
                self.assertTrue(seen == data)

    def test_one_that_stops(self):
        """Nothing moves but what fits into buffers; then all arrives."""
        block = records(1000, 1000)
        with harness.started(harness.script(ECHO, "-i", "jsonl", workers=3), stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, bufsize=0) as process:
            feeder = Feeder(process.stdin, block)
            feeder.start()
            harness.until(lambda: feeder.taken > 0, "the first read")
            settle(process.pid, feeder)
            stuck = feeder.taken
            self.assertLess(stuck, 16 * MIB)
            if not harness.SANITIZED:
                rss = int(harness.status_of(process.pid)["VmRSS"].split()[0]) << 10
                self.assertLess(rss, 32 * MIB)
            # A worker that dies while all stand still is no reason to go on reading.
            harness.kill(harness.children(process.pid)[0])
            settle(process.pid, feeder)
            self.assertLessEqual(feeder.taken, stuck + 65536)
            feeder.last = True
            seen = hashlib.sha256()
            length = 0
            while part := process.stdout.read(MIB):
                seen.update(part)
                length += len(part)
            self.assertEqual(process.wait(harness.DEADLINE), 0)
            feeder.join()
            self.assertEqual(length, feeder.taken)
            wanted = hashlib.sha256()
            for _ in range(length // len(block)):
                wanted.update(block)
            self.assertEqual(seen.digest(), wanted.digest())


class Feeder(threading.Thread):
    """Writes a block again and again until told that this is the last one."""

    def __init__(self, pipe, block, times=None):
        super().__init__(daemon=True)
        self.pipe, self.block, self.times = pipe, block, times
        self.taken, self.last = 0, False

    def run(self):
        with contextlib.suppress(BrokenPipeError), self.pipe:
            while not self.last and self.times != 0:
                self.times = self.times and self.times - 1
                rest = memoryview(self.block)
                while rest:
                    n = os.write(self.pipe.fileno(), rest[:65536])
                    self.taken += n
                    rest = rest[n:]


def cpu_time(pid):
    with open("/proc/%d/stat" % pid) as file:
        return file.read().rsplit(")", 1)[1].split()[11:13]


def settle(pid, feeder):
    """Until nothing has moved for a while; it only decides when to look."""
    since, last = time.monotonic(), None
    end = since + harness.DEADLINE
    while time.monotonic() - since < 0.5:
        assert time.monotonic() < end, "the run never comes to rest"
        now = (feeder.taken, cpu_time(pid), len(harness.children(pid)))
        if now != last:
            since, last = time.monotonic(), now
        time.sleep(0.02)


class LineByLine(unittest.TestCase):
    """tail -f: what can be answered is answered before more is asked."""

    def converse(self, lines, answers, *formats, **options):
        command = harness.script(ECHO, "-i", formats[0], "-t", formats[1], **options)
        with harness.started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
            for line, answer in zip(lines, answers):
                # In two parts, as writers do.
                os.write(process.stdin.fileno(), line[:3])
                os.write(process.stdin.fileno(), line[3:])
                seen = b""
                while len(seen) < len(answer):
                    part = os.read(process.stdout.fileno(), len(answer) - len(seen))
                    self.assertTrue(part)
                    seen += part
                self.assertEqual(seen, answer)
            process.stdin.close()
            self.assertEqual(process.stdout.read(), b"")
            self.assertEqual(process.wait(harness.DEADLINE), 0)

    def test_jsonl(self):
        lines = [b'{"x":%d}\n' % i for i in range(100)]
        for workers in (1, 3):
            for isolation in ("fork", "exec"):
                self.converse(lines, lines, "jsonl", "jsonl", workers=workers, isolation=isolation)

    def test_csv(self):
        rows = [b"%d,%d\n" % (i, i * i) for i in range(100)]
        lines = [b"a,b\n" + rows[0]] + rows[1:]
        self.converse(lines, lines, "csv", "csv", workers=3)
        self.converse(lines, [b'{"a":%s,"b":%s}\n' % tuple(row.strip().split(b",")) for row in rows], "csv", "jsonl")

    def test_many_lines_at_once(self):
        bursts = [b"".join(b'{"x":%d}\n' % j for j in range(i)) for i in range(1, 100)]
        self.converse(bursts, bursts, "jsonl", "jsonl", workers=3, chunk="20B")


def pipe_bytes(pid, workers):
    """What the kernel holds in the pipes between a command and its workers, at most."""
    total = 0
    for worker in workers:
        for fd, mode in ((3, os.O_RDONLY), (4, os.O_WRONLY)):
            with contextlib.suppress(OSError):
                end = os.open("/proc/%d/fd/%d" % (worker, fd), mode | os.O_NONBLOCK)
                total += harness.pipe_size(end)
                os.close(end)
    return total


def sleeps(pid):
    """Does it wait for something? A worker with nothing to do does, and has sent all that it has made."""
    with open("/proc/%d/stat" % pid) as file:
        return file.read().rpartition(")")[2].split()[0] == "S"


class Turns(unittest.TestCase):
    """A record that takes its time stops nobody: results of those behind it wait, their workers do not."""

    AHEAD = 60

    def text(self, meeting, returned="record"):
        return meeting.lua() + """
local done = io.open("%s", "a")
local function record(r, ctx)
  if ctx.index == 3 then here() end
  done:write("x")
  done:flush()
  return r
end
return %s
""" % (harness.path("done"), returned)

    def test_behind_a_slow_record(self):
        meeting = harness.Meeting("slow")
        self.addCleanup(meeting.close)
        data = b"".join(b'{"n":%d}\n' % i for i in range(1, 201))
        text = self.text(meeting)
        for isolation in ("fork", "exec"):
            harness.write("done", b"")
            meeting.open()
            command = harness.script(text, harness.write("turns.jsonl", data), workers=2, chunk="1B", isolation=isolation)
            with harness.started(command, stdout=subprocess.PIPE) as process:
                meeting.wait(process)
                harness.until(lambda: len(harness.read("done")) >= self.AHEAD, "records behind the slow one")
                meeting.release()
                self.assertEqual(process.stdout.read(), data)
                self.assertEqual(process.wait(harness.DEADLINE), 0)

    def test_large_results_behind_a_slow_record(self):
        """They stay in the pipe for a while, as a file of ours could take them from there; not for longer."""
        meeting = harness.Meeting("large")
        self.addCleanup(meeting.close)
        meeting.open()
        harness.write("done", b"")
        pad = b"y" * 1000
        data = b"".join(b'{"n":%d,"pad":"%s"}\n' % (i, pad) for i in range(1, 12001))
        text = meeting.lua() + """
local done = io.open("%s", "a")
return function(r, ctx)
  if ctx.index == 6000 then here() end
  if ctx.index > 6000 then
    done:write("x")
    done:flush()
  end
  return r
end
""" % harness.path("done")
        large = harness.write("large.jsonl", data)
        command = harness.script(text, large, "-o", harness.path("large.out"), workers=2)
        with harness.started(command) as process:
            meeting.wait(process)
            # Three chunks as large as a pipe: one stays in it, and one in its worker.
            harness.until(lambda: len(harness.read("done")) >= 720, "records behind the slow one")
            meeting.release()
            self.assertEqual(process.wait(harness.DEADLINE), 0)
        self.assertEqual(harness.read("large.out"), data)

    def test_death_with_nothing_left_to_do(self):
        """A worker whose results all wait for their turn is replaced for what comes then."""
        meeting = harness.Meeting("idle")
        self.addCleanup(meeting.close)
        data = [b'{"n":%d}\n' % i for i in range(1, 41)]
        text = self.text(meeting)
        for isolation in ("fork", "exec"):
            harness.write("done", b"")
            meeting.open()
            command = harness.script(text, "-i", "jsonl", workers=2, chunk="1B", isolation=isolation)
            with harness.started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
                process.stdin.write(b"".join(data[:20]))
                process.stdin.flush()
                slow = meeting.wait(process)
                # All but the slow record, and one that may wait behind it.
                harness.until(lambda: len(harness.read("done")) >= 18, "what can be done")
                (idle,) = set(harness.children(process.pid)) - {slow}
                harness.kill(idle)
                harness.until(lambda: set(harness.children(process.pid)) - {slow, idle}, "another worker")
                process.stdin.write(b"".join(data[20:]))
                process.stdin.flush()
                harness.until(lambda: len(harness.read("done")) >= 38, "what came then")
                meeting.release()
                process.stdin.close()
                self.assertEqual(process.stdout.read(), b"".join(data))
                self.assertEqual(process.wait(harness.DEADLINE), 0)

    def test_nothing_to_do_takes_no_time(self):
        """Who has taken the place of such a worker, and waits for more than limits.record_time, is over no limit."""
        text = harness.poison() + """
local self = io.open("/proc/self/stat")
local pid, done = self:read("n"), io.open("%s", "a")
return function(r, ctx)
  if ctx.worker == 1 then poison.sleep(0.15) end
  done:write(ctx.worker, " ", pid, " ", ctx.index, "\\n")
  done:flush()
  return r
end
""" % harness.path("done")
        data = b"".join(b'{"n":%d,"t":"%s"}\n' % (i, b"x" * 200) for i in range(1, 61))
        for isolation in ("fork", "exec"):
            harness.write("done", b"")
            command = harness.script(text, harness.write("turns.jsonl", data), "--stats", harness.path("stats.json"), workers=2,
                                     chunk="4KiB", isolation=isolation, limits__record_time="600ms")
            with harness.started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                # The second one does all that the first, who sleeps, has not in hand.
                harness.until(lambda: b" 60\n" in harness.read("done"), "the last record")
                (last,) = [line.split() for line in harness.read("done").splitlines() if line.endswith(b" 60")]
                self.assertEqual(last[0], b"2")
                harness.kill(int(last[1]))
                self.assertEqual(process.stdout.read(), data)
                self.assertEqual(process.stderr.read(), b"")
                self.assertEqual(process.wait(harness.DEADLINE), 0)
            self.assertEqual(json.loads(harness.read("stats.json"))["deaths"], 1)

    def test_death_just_before_the_end(self):
        """Who takes the place of such a worker and has not yet started when all is done ends like the others."""
        slow, late = harness.Meeting("before"), harness.Meeting("late")
        self.addCleanup(slow.close)
        self.addCleanup(late.close)
        data = b"".join(b'{"n":%d}\n' % i for i in range(1, 21))
        text = late.lua() + "local late = here\n" + self.text(slow, "{setup = late, record = record}")
        for isolation in ("fork", "exec"):
            harness.write("done", b"")
            slow.open()
            command = harness.script(text, harness.write("turns.jsonl", data), workers=2, chunk="1B", isolation=isolation)
            with harness.started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                busy = slow.wait(process)
                harness.until(lambda: len(harness.read("done")) >= 18, "what can be done")
                (idle,) = set(harness.children(process.pid)) - {busy}
                # It notes a record before its results are sent: else the record is done again by the late one.
                harness.until(lambda: sleeps(idle), "the last results")
                late.open()
                harness.kill(idle)
                late.wait(process)
                slow.release()
                harness.until(lambda: busy not in harness.children(process.pid), "the end of the other one")
                late.release()
                self.assertEqual(process.stdout.read(), data)
                self.assertEqual(process.stderr.read(), b"")
                self.assertEqual(process.wait(harness.DEADLINE), 0)


class Memory(unittest.TestCase):
    """Parent and workers together, each page counted once (PSS), over input that goes on."""

    TOTAL = (5 << 30) if harness.LONG else 100 * MIB

    @unittest.skipIf(harness.SANITIZED, "sanitizers take memory of their own")
    def test_does_not_grow_with_the_input(self):
        # Most are small, some large: just under a MiB.
        block = records(5000, 180) * 10 + records(1, MIB - 100) + records(2, 100000)
        times = self.TOTAL // len(block) + 1
        command = harness.script("return function(r) r.n = r.n * 2 return r end", "-i", "jsonl", workers=4)
        seen = []
        begin = time.monotonic()
        with harness.started(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            feeder = Feeder(process.stdin, block, times)
            feeder.start()
            pipes = 0
            while process.poll() is None:
                workers = harness.offspring(process.pid)
                seen.append(sum(map(harness.pss, [process.pid] + workers)))
                pipes = max(pipes, pipe_bytes(process.pid, workers))
                if harness.LONG:
                    time.sleep(0.05)
            self.assertEqual(process.returncode, 0)
            feeder.join()
            self.assertEqual(feeder.taken, times * len(block))
        seconds = time.monotonic() - begin
        half = len(seen) // 2
        if harness.LONG:
            print("%d MiB in %.0f s: at most %.1f MiB, %.1f in its first half, %.1f in its second; beside %.1f MiB of pipes" % (
                feeder.taken / MIB, seconds, max(seen) / MIB, max(seen[:half]) / MIB, max(seen[half:]) / MIB, pipes / MIB))
            self.assertLess(max(seen[half:]), max(seen[:half]) * 1.1)
        self.assertGreater(len(seen), 3)
        self.assertLess(max(seen), 64 * MIB)


if __name__ == "__main__":
    harness.main()
