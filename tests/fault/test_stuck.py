#!/usr/bin/env -S python3 -B
"""Workers that go no further: in setup and teardown, stopped by somebody, asleep over half a frame,
or dead while a process that they have started keeps their pipe open. None of them holds up the run.
"""

import concurrent.futures
import json
import os
import signal
import struct
import subprocess
import unittest

import harness

# A sanitizer would make a report and an exit out of SIGSEGV.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":handle_segv=0"
N = 50
WANTED = b"".join(b'{"n":-%d}\n' % i for i in range(1, N + 1))
FOREVER = "while true do pcall(error) end"
SETUP = "return {setup = function() %s end, record = function(r) return r end}"
TEARDOWN = "return {record = function(r) r.n = -r.n return r end, teardown = function() %s end}"
RECORD = "%s return function(r, ctx) if ctx.index == 20 then %s end r.n = -r.n return r end"


def setUpModule():
    harness.write("in.jsonl", "".join('{"n":%d}\n' % i for i in range(1, N + 1)))


def command(text, *args, **options):
    return harness.script(text, harness.path("in.jsonl"), *args, **options)


class SetupTime(unittest.TestCase):
    """limits.setup_time: one message, and the end."""

    def check(self, done, messages, status=1):
        self.assertEqual((done.returncode, done.stdout, done.stderr.decode()), (status, b"", messages))

    def test_over(self):
        for act in (FOREVER, "poison.sleep(1000)", "coroutine.wrap(function() while true do end end)()"):
            for options in ({"workers": 1}, {"workers": 3, "chunk": "30B", "isolation": "exec"}):
                for text, what in ((SETUP, "setup"), (TEARDOWN, "teardown")):
                    harness.write("out.jsonl", "old\n")
                    done = harness.run(command(harness.poison() + text % act, "-o", harness.path("out.jsonl"),
                                               limits__setup_time="300ms", **options))
                    self.check(done, "tidemill: %s took longer than 0.3 s (limits.setup_time)\n" % what)
                    self.assertEqual(harness.read("out.jsonl"), b"old\n")

    def test_while_the_script_is_loaded(self):
        self.check(harness.run(command(FOREVER, limits__setup_time="300ms")),
                   "tidemill: setup took longer than 0.3 s (limits.setup_time)\n")

    def test_each_has_its_own(self):
        """A setup may take longer than a record, and a record longer than a setup."""
        text = harness.poison() + SETUP.replace("%s", "poison.sleep(0.4)")
        self.assertEqual(harness.run(command(text, limits__record_time="100ms")).returncode, 0)
        text = RECORD % (harness.poison(), "poison.sleep(0.4)")
        done = harness.run(command(text, limits__setup_time="100ms"))
        self.assertEqual((done.returncode, done.stdout), (0, WANTED))

    def test_interrupts(self):
        """One signal is enough: no record is in hand."""
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            for isolation in ("fork", "exec"):
                for text, what in ((SETUP, "setup"), (TEARDOWN, "teardown")):
                    fifo = harness.path("here")
                    os.mkfifo(fifo)
                    act = "io.open('%s', 'w'):close() %s" % (fifo, FOREVER)
                    harness.write("out.jsonl", "old\n")
                    with harness.started(command(text % act, "-o", harness.path("out.jsonl"), workers=1, isolation=isolation),
                                         stderr=subprocess.PIPE) as process:
                        with open(fifo, "rb") as come:
                            come.read()
                        process.send_signal(number)
                        self.assertEqual(process.wait(harness.DEADLINE), status, what)
                        self.assertEqual(process.stderr.read(), b"tidemill: %s\n" % (
                            b"interrupted" if number == signal.SIGINT else b"terminated"))
                    self.assertEqual(harness.read("out.jsonl"), b"old\n")
                    os.unlink(fifo)


def half_frame(pid):
    """More is promised than ever comes."""
    with open("/proc/%d/fd/4" % pid, "wb", 0) as pipe:
        pipe.write(struct.pack("<IB3x", 1 << 26, 11) + b"\xff" * 100)


class Asleep(unittest.TestCase):
    """Without any limit of time; all at once, as each takes ten seconds of sleep."""

    PLACES = {"setup": (SETUP.replace("return r ", "r.n = -r.n return r "), "here()"),
              "teardown": (TEARDOWN, "here()"), "record": (RECORD.replace("%s return", "return", 1), "here()")}

    def play(self, name, place, disturb, isolation, release):
        meeting = harness.Meeting(name)
        text, act = self.PLACES[place]
        stats = os.path.join(meeting.folder, "stats.json")
        meeting.open()
        with harness.started(command(meeting.lua() + text % act, "--stats", stats, workers=2, chunk="30B", isolation=isolation),
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            worker = meeting.wait(process)
            disturb(worker)
            if release:
                meeting.release()
            output, messages = process.communicate(timeout=harness.DEADLINE)
        with open(stats, "rb") as file:
            counts = json.load(file)
        meeting.close()
        return name, process.returncode, output, messages, counts["deaths"], harness.alive(worker)

    def test_all(self):
        def stop(pid):
            harness.kill(pid, signal.SIGSTOP)

        plays = [("stop-%s-%s" % (place, isolation), place, stop, isolation, False)
                 for place in self.PLACES for isolation in ("fork", "exec")]
        plays.append(("half", "record", half_frame, "fork", False))
        with concurrent.futures.ThreadPoolExecutor(len(plays)) as pool:
            for name, status, output, messages, deaths, alive in pool.map(lambda play: self.play(*play), plays):
                self.assertEqual((status, output, deaths, alive), (0, WANTED, 1, False), (name, messages))
                if "teardown" in name:
                    self.assertRegex(messages, b"^tidemill: warning: worker [12] was killed by signal 9 .* in its teardown\n$")
                else:
                    self.assertEqual(messages, b"", name)


class LastWord(unittest.TestCase):
    """A worker that has said how its teardown went, and does not leave: as one that is stopped just then."""

    def test_it_stays(self):
        act = "local f = io.open('/proc/self/fd/4', 'w') f:write(string.pack('<I4Bxxx I4I4', 8, 12, 0, 0)) f:close() " + FOREVER
        for options in ({"workers": 1}, {"workers": 2, "chunk": "30B", "isolation": "exec"}):
            done = harness.run(command(TEARDOWN % act, **options))
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, WANTED, b""))


class Survivors(unittest.TestCase):
    """What a worker has started holds its pipe open, and says nothing."""

    def test_pipe_held_open(self):
        for act, died in (("poison.linger() os.exit(3)", "exited with status 3"),
                          ("poison.linger() poison.crash()", "was killed by signal 11 (Segmentation fault)")):
            for options in ({"workers": 1}, {"workers": 3, "chunk": "30B"}, {"workers": 2, "isolation": "exec"}):
                stats = harness.path("stats.json")
                done = harness.run(command(RECORD % (harness.poison(), act), "--stats", stats,
                                           errors__policy="skip", **options))
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stdout, WANTED.replace(b'{"n":-20}\n', b""))
                self.assertIn(("record 20: the worker process " + died).encode(), done.stderr)


if __name__ == "__main__":
    harness.main()
