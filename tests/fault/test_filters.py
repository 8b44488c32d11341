#!/usr/bin/env -S python3 -B
"""Filters, the processes that compress and decompress: what they are as processes, and what becomes
of a run when one is killed, stopped, starved, or left alone.
"""

import contextlib
import errno
import gzip
import os
import random
import signal
import struct
import subprocess
import threading
import unittest

import harness

# A sanitizer would make a report and an exit out of SIGSEGV.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":handle_segv=0"
ECHO = "return function(r) return r end"
ISOLATIONS = ("fork", "exec")
PACK = {"gzip": ["gzip", "-c"], "zstd": ["zstd", "-qc"]}
UNPACK = {"gzip": ["gzip", "-dc"], "zstd": ["zstd", "-qdc"]}
DECOMPRESSES = {"gzip": "gunzip", "zstd": "unzstd"}
SUFFIX = {"gzip": ".gz", "zstd": ".zst"}
OLD = b"what was there before\n"


def lines(n, width=20):
    """Records that do not compress too well."""
    rng = random.Random(n)
    return b"".join(b'{"n":%d,"t":"%0*x"}\n' % (i, width, rng.getrandbits(4 * width)) for i in range(n))


def pack(kind, data):
    return subprocess.run(PACK[kind], input=data, stdout=subprocess.PIPE, check=True).stdout


def unpack(kind, data):
    return subprocess.run(UNPACK[kind], input=data, stdout=subprocess.PIPE, check=True).stdout


def name_of(pid):
    with contextlib.suppress(OSError), open("/proc/%d/comm" % pid) as file:
        return file.read().strip()
    return ""


def filter_of(process, name):
    """The pid of the filter of this name, once it is there."""

    def look():
        return [pid for pid in harness.offspring(process.pid) if name_of(pid) == "tidemill-" + name]

    return harness.until(lambda: look() or process.poll() is not None and [0], "a filter")[0]


def write_and_ignore(pipe, data):
    with contextlib.suppress(BrokenPipeError):
        pipe.write(data)
        pipe.flush()


class Feeder(threading.Thread):
    """Writes for as long as somebody reads."""

    def __init__(self, pipe, data):
        super().__init__(daemon=True)
        self.pipe, self.data = pipe, data
        self.start()

    def run(self):
        write_and_ignore(self.pipe, self.data)


class Base(unittest.TestCase):
    def compressing(self, kind, isolation, **options):
        """A run that compresses, fed without end, its filter found."""
        command = harness.script(ECHO, "-i", "jsonl", isolation=isolation, output__compression=kind, **options)
        return harness.started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def decompressing(self, kind, isolation, **options):
        command = harness.script(ECHO, "-i", "jsonl", isolation=isolation, input__compression=kind, **options)
        return harness.started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Process(Base):
    def look_at(self, pid, parent):
        seen = harness.descriptors(pid)
        self.assertEqual(sorted(seen), [0, 1, 2, 3, 4, 5], seen)
        self.assertEqual(seen[0], "/dev/null")
        for fd in (1, 2, 3, 4, 5):
            self.assertTrue(seen[fd].startswith("pipe:"), seen)
        self.assertEqual(len({seen[fd] for fd in (2, 3, 4, 5)}), 4, seen)
        self.assertEqual(seen[1], seen[2])
        status = harness.status_of(pid)
        for name in ("SigBlk", "SigIgn", "SigPnd", "ShdPnd"):
            self.assertEqual(int(status[name], 16), 0, name)
        if not harness.SANITIZED:
            self.assertEqual(int(status["SigCgt"], 16), 0)
        self.assertNotEqual(os.getpgid(pid), os.getpgid(parent))

    def test_descriptors_and_signals(self):
        def bad_manners():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGPIPE])

        for isolation in ISOLATIONS:
            for kind in PACK:
                command = harness.script(ECHO, "-i", "jsonl", isolation=isolation, output__compression=kind)
                with harness.started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     preexec_fn=bad_manners) as process:
                    write_and_ignore(process.stdin, pack(kind, lines(3)))
                    self.look_at(filter_of(process, DECOMPRESSES[kind]), process.pid)
                    self.look_at(filter_of(process, kind), process.pid)
                    process.stdin.close()
                    self.assertEqual(unpack(kind, process.stdout.read()), lines(3))
                    self.assertEqual(process.wait(harness.DEADLINE), 0)

    def test_orphans(self):
        """Whatever it is at: waiting for bytes, or for somebody to take them."""
        for isolation in ISOLATIONS:
            for kind in PACK:
                for data in (b"", lines(100000)):
                    command = harness.script(ECHO, "-i", "jsonl", isolation=isolation, output__compression=kind)
                    with harness.started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
                        feeder = Feeder(process.stdin, pack(kind, data) if data else pack(kind, lines(3)))
                        pids = [filter_of(process, DECOMPRESSES[kind]), filter_of(process, kind)]
                        self.assertTrue(all(pids))
                        process.kill()
                        process.wait()
                        for pid in pids:
                            harness.until(lambda: not harness.alive(pid), "the end of an orphan")
                        feeder.join(harness.DEADLINE)

    def test_input_as_it_comes(self):
        """What has come in is given out, though more may follow."""
        for kind in PACK:
            with self.decompressing(kind, "fork") as process:
                for i in range(3):
                    # A member or frame of its own, since what a file's blocks hold back is not ours.
                    write_and_ignore(process.stdin, pack(kind, b'{"n":%d}\n' % i))
                    self.assertEqual(process.stdout.readline(), b'{"n":%d}\n' % i)
                process.stdin.close()
                self.assertEqual(process.wait(harness.DEADLINE), 0)


class Library(Base):
    """What compresses is loaded by the filter, and by nobody else (dlopen(3))."""

    NAMES = {"gzip": "libz.so.1", "zstd": "libzstd.so.1"}

    def test_talkative(self):
        """What is said on standard error while it is loaded does not get among the frames."""
        for kind in PACK:
            packed = harness.write("in.jsonl" + SUFFIX[kind], pack(kind, lines(3)))
            done = harness.run(harness.script(ECHO, packed, isolation="fork"), env=dict(os.environ, LD_DEBUG="libs"))
            self.assertEqual((done.returncode, done.stdout), (0, lines(3)))

    def run_without(self, *arguments, **options):
        broken = dict(os.environ, LD_LIBRARY_PATH=harness.scratch)
        for name in self.NAMES.values():
            harness.write(name, b"")
        done = harness.run(harness.script(ECHO, *arguments, **options), env=broken)
        return done.returncode, done.stdout, done.stderr

    def test_not_there(self):
        for isolation in ISOLATIONS:
            for kind in PACK:
                packed = harness.write("in.jsonl" + SUFFIX[kind], pack(kind, lines(3)))
                out = harness.write("out.jsonl" + SUFFIX[kind], OLD)
                plain = harness.write("in.jsonl", lines(3))
                cannot = b": cannot load what %s data needs: " % kind.encode()
                status, rows, messages = self.run_without("-i", "jsonl", packed, isolation=isolation)
                self.assertEqual((status, rows), (1, b""))
                self.assertIn(packed.encode() + b":1" + cannot, messages)
                status, rows, messages = self.run_without(plain, "-o", out, isolation=isolation)
                self.assertEqual((status, rows), (1, b""))
                self.assertIn(b"'%s'%s" % (out.encode(), cannot), messages)
                self.assertIn(self.NAMES[kind].encode(), messages)
                self.assertEqual(harness.read("out.jsonl" + SUFFIX[kind]), OLD)

    def test_not_asked_for(self):
        plain = harness.write("in.jsonl", lines(3))
        status, rows, messages = self.run_without(plain)
        self.assertEqual((status, rows), (0, lines(3)), messages)


class Killed(Base):
    def test_decompressing(self):
        """What came before stands, and the message says who died."""
        for isolation in ISOLATIONS:
            for kind in PACK:
                for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGABRT, signal.SIGSEGV):
                    with self.decompressing(kind, isolation, workers=2) as process:
                        write_and_ignore(process.stdin, pack(kind, lines(5)))
                        first = process.stdout.readline()
                        os.kill(filter_of(process, DECOMPRESSES[kind]), number)
                        output, messages = process.communicate(timeout=harness.DEADLINE)
                        self.assertEqual(process.returncode, 1)
                        self.assertTrue(lines(5).startswith(first + output))
                        self.assertIn(b"the filter that decompresses it was killed by signal %d (" % number, messages)

    def test_compressing_a_file(self):
        for isolation in ISOLATIONS:
            for kind in PACK:
                out = harness.write("out.jsonl" + SUFFIX[kind], OLD)
                with self.compressing(kind, isolation, output__path=out) as process:
                    feeder = Feeder(process.stdin, lines(200000))
                    os.kill(filter_of(process, kind), signal.SIGKILL)
                    self.assertEqual(process.wait(harness.DEADLINE), 1)
                    feeder.join(harness.DEADLINE)
                    self.assertIn(b"cannot write '%s': the filter that compresses it was killed by signal 9" % out.encode(),
                                  process.stderr.read())
                self.assertEqual(harness.read("out.jsonl" + SUFFIX[kind]), OLD)
                self.assertEqual([n for n in os.listdir(harness.scratch) if n.startswith(".tidemill")], [])

    def test_compressing_a_stream(self):
        for kind in PACK:
            with self.compressing(kind, "fork") as process:
                pid = filter_of(process, kind)
                feeder = Feeder(process.stdin, lines(20000))
                os.kill(pid, signal.SIGKILL)
                _, messages = process.communicate(timeout=harness.DEADLINE) if not feeder.is_alive() else (
                    process.stdout.read(), process.stderr.read())
                feeder.join(harness.DEADLINE)
                self.assertEqual(process.wait(harness.DEADLINE), 1)
                self.assertIn(b"the filter that compresses it was killed by signal 9", messages)


    def test_it_talks_nonsense(self):
        """Frames that no filter sends, and half of one, behind which its last word is lost."""
        text = harness.Meeting("nonsense")
        self.addCleanup(text.close)
        for isolation in ISOLATIONS:
            for kind in PACK:
                for name, whose in ((DECOMPRESSES[kind], "decompresses"), (kind, "compresses")):
                    for nonsense in (b"no frame " * 1000, struct.pack("<IB3x", 500, 1) + b"\xff" * 100):
                        text.open()
                        command = harness.script(text.lua() + "return function(r, ctx) if ctx.index == 2 then here() end return r end",
                                                 "-i", "jsonl", isolation=isolation, input__compression=kind, output__compression=kind)
                        with harness.started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                            write_and_ignore(process.stdin, pack(kind, lines(5)))
                            text.wait(process)
                            with open("/proc/%d/fd/2" % filter_of(process, name), "wb", 0) as report:
                                report.write(nonsense)
                            text.release()
                            _, messages = process.communicate(timeout=harness.DEADLINE)
                            self.assertEqual(process.returncode, 1, messages)
                            self.assertIn(("the filter that %s it " % whose).encode(), messages)
                            self.assertEqual(messages.count(b"\n"), 1, messages)


class Stopped(Base):
    def test_it_goes_on(self):
        for kind in PACK:
            data = lines(20000)
            file = harness.write("stop.jsonl" + SUFFIX[kind], pack(kind, data))
            with harness.started(harness.script(ECHO, file, output__compression=kind), stdout=subprocess.PIPE) as process:
                for name in (kind, DECOMPRESSES[kind]):
                    pid = filter_of(process, name)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGSTOP)
                        os.kill(pid, signal.SIGCONT)
                self.assertEqual(unpack(kind, process.stdout.read()), data)
                self.assertEqual(process.wait(harness.DEADLINE), 0)

    def interrupted(self, process, pid, fed):
        """Stop the filter; the run waits for it. Then interrupt the run; it does not."""
        os.kill(pid, signal.SIGSTOP)
        write_and_ignore(process.stdin, fed)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(harness.DEADLINE), 130, process.stderr.read())
        harness.until(lambda: not harness.alive(pid), "the end of a stopped filter")

    def test_interrupt(self):
        for kind in PACK:
            for isolation in ISOLATIONS:
                with self.decompressing(kind, isolation) as process:
                    write_and_ignore(process.stdin, pack(kind, lines(5)))
                    process.stdout.readline()
                    self.interrupted(process, filter_of(process, DECOMPRESSES[kind]), pack(kind, lines(7)))
                with self.compressing(kind, isolation) as process:
                    self.interrupted(process, filter_of(process, kind), lines(7))
                out = harness.write("out.jsonl", OLD)
                with self.compressing(kind, isolation, output__path=out) as process:
                    self.interrupted(process, filter_of(process, kind), lines(7))
                self.assertEqual(harness.read("out.jsonl"), OLD)

    def test_interrupt_when_all_is_full(self):
        with self.compressing("gzip", "fork") as process:
            pid = filter_of(process, "gzip")
            os.kill(pid, signal.SIGSTOP)
            feeder = Feeder(process.stdin, lines(400000))
            # Nothing moves any more: what the run could read, it has.
            counts = []

            def settled():
                with open("/proc/%d/io" % process.pid) as file:
                    counts.append(file.readline())
                return len(counts) > 200 and len(set(counts[-200:])) == 1

            harness.until(settled, "a run that waits for its filter")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(harness.DEADLINE), 143, process.stderr.read())
            feeder.join(harness.DEADLINE)


class Streams(Base):
    def test_interrupt_leaves_a_whole_stream(self):
        """What was written up to the interrupt can be read."""
        for kind in PACK:
            with self.compressing(kind, "fork") as process:
                write_and_ignore(process.stdin, lines(9))
                filter_of(process, kind)
                process.send_signal(signal.SIGINT)
                seen = unpack(kind, process.stdout.read())
                self.assertEqual(process.wait(harness.DEADLINE), 130)
                self.assertTrue(lines(9).startswith(seen))

    def test_failure_leaves_a_whole_stream(self):
        text = "return function(r, ctx) if ctx.index == 501 then error('no') end return r end"
        file = harness.write("fail.jsonl", lines(1000))
        for kind in PACK:
            done = harness.run(harness.script(text, file, workers=3, chunk="1KiB", output__compression=kind))
            self.assertEqual(done.returncode, 1)
            self.assertEqual(unpack(kind, done.stdout), lines(1000)[: len(unpack(kind, done.stdout))])
            self.assertEqual(unpack(kind, done.stdout).count(b"\n"), 500)

    def test_reader_goes_away(self):
        """The command dies of SIGPIPE as ever, and its filter with it."""
        file = harness.write("many.jsonl", lines(100000))
        for kind in PACK:
            with harness.started(harness.script(ECHO, file, output__compression=kind), stdout=subprocess.PIPE) as process:
                pid = filter_of(process, kind)
                process.stdout.read(1)
                process.stdout.close()
                self.assertEqual(process.wait(harness.DEADLINE), -signal.SIGPIPE)
                harness.until(lambda: not harness.alive(pid), "the end of the filter")

    def test_one_page_pipes(self):
        data = lines(30000)
        for kind in PACK:
            file = harness.write("small.jsonl" + SUFFIX[kind], pack(kind, data))
            outputs = set()
            for environment in (harness.shimmed(pipe=4096), None):
                for options in ({"workers": 1}, {"workers": 3, "chunk": "300B"}, {"isolation": "exec"}):
                    done = harness.run(harness.script(ECHO, file, output__compression=kind, **options), env=environment)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    outputs.add(done.stdout)
            self.assertEqual(len(outputs), 1)
            self.assertEqual(unpack(kind, outputs.pop()), data)

    @unittest.skipIf(harness.SANITIZED, "its memory is not ours")
    def test_memory_is_bounded(self):
        """A megabyte that becomes a gigabyte, and one record of it that is too large."""
        member = gzip.compress(b'{"n":1}\n' * (1 << 20), 9)
        file = harness.write("large.jsonl.gz", member * (128 if harness.LONG else 16))
        command = harness.script("return function() return nil end", file, workers=2)
        small = harness.Measured(harness.script("return function() return nil end", harness.write("one.jsonl", b'{"n":1}\n')))
        large = harness.Measured(command)
        self.assertEqual(large.status, 0, large.messages)
        self.assertLess(large.largest, small.largest + (64 << 20))
        file = harness.write("bomb.jsonl.gz", gzip.compress(b'{"n":"', 9) + gzip.compress(b"x" * (1 << 24), 9) * 32)
        bomb = harness.Measured(harness.script(ECHO, file, limits__record_size="1MiB"))
        self.assertEqual(bomb.status, 1)
        self.assertIn(b"the record is larger than 1048576 bytes", bomb.messages)
        self.assertLess(bomb.largest, small.largest + (64 << 20))


class NthFault(unittest.TestCase):
    """As test_nth_fault.py, with filters on both sides."""

    CALLS = [
        ("malloc", errno.ENOMEM, "parent"), ("malloc", errno.ENOMEM, "worker"), ("read", errno.EIO, "parent"),
        ("read", errno.EIO, "worker"), ("read", errno.EINTR, "parent"), ("read", errno.EINTR, "worker"),
        ("write", errno.EIO, "parent"), ("write", errno.ENOSPC, "parent"), ("write", errno.EIO, "worker"),
        ("write", errno.EINTR, "worker"), ("fork", errno.EAGAIN, "parent"), ("pipe2", errno.EMFILE, "parent"),
        ("fcntl", errno.EMFILE, "parent"), ("fcntl", errno.EMFILE, "worker"), ("dup2", errno.EBADF, "worker"),
        ("fsync", errno.EIO, "parent"), ("rename", errno.EACCES, "parent"),
    ]
    EVERY = 1000000 if harness.LONG else 3 if harness.SANITIZED else 12

    def attempt(self, kind, isolation, call, number, who, nth):
        harness.write("nth.jsonl" + SUFFIX[kind], OLD)
        mark = harness.path("mark")
        command = harness.script(ECHO, self.input[kind], isolation=isolation, workers=1,
                                 output__path=harness.path("nth.jsonl" + SUFFIX[kind]))
        done = harness.run(command, env=harness.shimmed(call=call, errno=number, who=who, nth=nth, mark=mark))
        what = "%s, %s: %s in the %s, number %d: %r" % (kind, isolation, call, who, nth, done.stderr)
        self.assertIn(done.returncode, (0, 1, 2), what)
        seen = harness.read("nth.jsonl" + SUFFIX[kind])
        if done.returncode != 0:
            self.assertNotEqual(done.stderr, b"", what)
        if done.returncode == 0 or seen != OLD:  # the last step of all may fail behind the rename
            self.assertNotEqual(seen, OLD, what)
            self.assertEqual(unpack(kind, seen), self.data, what)
        if not os.path.exists(mark):
            return False
        os.unlink(mark)
        return True

    def test_once(self):
        self.data = lines(300)
        self.input = {kind: harness.write("nth-in.jsonl" + SUFFIX[kind], pack(kind, self.data)) for kind in PACK}
        for i, fault in enumerate(self.CALLS):
            if harness.SANITIZED and fault[0] == "malloc":
                continue
            for kind, isolation in (("gzip", "fork"), ("zstd", "exec")) if harness.LONG or i % 2 else (("zstd", "fork"),):
                nth = 1
                while nth <= self.EVERY and self.attempt(kind, isolation, *fault, nth):
                    nth += 1


if __name__ == "__main__":
    harness.main()
