#!/usr/bin/env -S python3 -B
"""Bytes on their way: pipes of one page, large records, slow and stopped readers, input that comes
line by line, and memory that does not grow with the input.
"""

import contextlib
import hashlib
import os
import subprocess
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

    def same(self, text, data, **options):
        file = harness.write("data.jsonl", data)
        outputs = set()
        for environment in (None, harness.shimmed(**SMALL_PIPES)):
            for workers in (1, 3):
                done = harness.run(harness.script(text, file, workers=workers, **options), env=environment)
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


class Memory(unittest.TestCase):
    @unittest.skipIf(harness.SANITIZED, "sanitizers take memory of their own")
    def test_does_not_grow_with_the_input(self):
        """Parent and workers together, each page counted once (PSS), over input that goes on."""
        block = records(5000, 180)
        times = (200 if harness.LONG else 60) * MIB // len(block)
        command = harness.script("return function(r) r.n = r.n * 2 return r end", "-i", "jsonl", workers=4)
        with harness.started(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            feeder = Feeder(process.stdin, block, times)
            feeder.start()
            worst = looks = 0
            while process.poll() is None:
                pss = sum(map(harness.pss, [process.pid] + harness.children(process.pid)))
                worst, looks = max(worst, pss), looks + 1
            self.assertEqual(process.returncode, 0)
            feeder.join()
            self.assertEqual(feeder.taken, times * len(block))
        self.assertGreater(looks, 3)
        self.assertLess(worst, 64 * MIB)


if __name__ == "__main__":
    harness.main()
