#!/usr/bin/env -S python3 -B
"""The Nth call of a kind fails, once or with all that follow it, in the command or in its workers,
for N = 1, 2, ... until no call is left to fail. Whatever fails: no hang, no crash, no output file that is not whole; the run either has
the right output and exit status 0, or says what went wrong and exits with 1.

The short form tries every N up to a bound, and then some; of what fails from then on ever fewer.
"""

import errno
import json
import os
import random
import time
import unittest

import harness

# Each N up to here is tried, and so many of those behind it.
EVERY, SAMPLES = (1000000, 0) if harness.LONG else (2, 0) if harness.SANITIZED else (5, 3)
TRIES = 3
TEXT = """
return function(r, ctx)
  if ctx.index % 10 == 3 then error("no") end
  if ctx.index == 25 then os.exit(3) end
  r.n = r.n * 2
  return r
end
"""
CALLS = [
    # call, errno, who; the calls of memory are many, those of files few
    ("malloc", errno.ENOMEM, "parent"),
    ("malloc", errno.ENOMEM, "worker"),
    ("read", errno.EIO, "parent"),
    ("read", errno.EIO, "worker"),
    ("read", errno.EINTR, "parent"),
    ("read", errno.EINTR, "worker"),
    ("write", errno.EIO, "parent"),
    ("write", errno.ENOSPC, "parent"),
    ("writev", errno.EPIPE, "parent"),
    ("writev", errno.EINTR, "parent"),
    ("vmsplice", errno.ENOSYS, "parent"),
    ("write", errno.EINTR, "worker"),
    ("write", errno.EIO, "worker"),
    ("fork", errno.EAGAIN, "parent"),
    ("fork", errno.EAGAIN, "worker"),  # a fork server
    ("sendmsg", errno.ENOBUFS, "parent"),
    ("sendmsg", errno.ETOOMANYREFS, "worker"),
    ("recvmsg", errno.ENOMEM, "parent"),
    ("recvmsg", errno.ENOMEM, "worker"),
    ("pipe2", errno.EMFILE, "parent"),
    ("open", errno.EMFILE, "parent"),
    ("open", errno.EMFILE, "worker"),
    ("fcntl", errno.EMFILE, "parent"),
    ("fcntl", errno.EMFILE, "worker"),
    ("dup2", errno.EBADF, "worker"),
    ("close", errno.EIO, "parent"),
    ("fsync", errno.EIO, "parent"),
    ("rename", errno.EACCES, "parent"),
    ("linkat", errno.EDQUOT, "parent"),
    ("epoll_wait", errno.EINTR, "parent"),
    ("epoll_wait", errno.EBADF, "parent"),
]
OLD = b"what was there before\n"


class NthFault(unittest.TestCase):
    maxDiff = 2000
    came = set()  # calls that were made, and so could fail

    @classmethod
    def setUpClass(cls):
        os.mkdir(harness.path("files"))
        os.mkdir(harness.path("exec"))
        cls.input = harness.write("in.csv", "n,t\n" + "".join("%d,%s\n" % (i, "x" * i) for i in range(60)))
        # In one chunk, whose pages are lent to the pipe.
        cls.large = harness.write("large.csv", "n,t\n" + "".join("%d,%s\n" % (i, "x" * (3000 + i)) for i in range(60)))
        cls.commands = {
            "fork": cls.command("fork", cls.input, output__path=harness.path("files/out.csv"), errors__policy="quarantine",
                                errors__quarantine=harness.path("files/rejects.jsonl"), workers=2, chunk="300B"),
            "exec": cls.command("exec", cls.large, output__format="jsonl", errors__policy="skip", workers=1),
        }
        cls.wanted = {}
        for name, command in cls.commands.items():
            cls.reset()
            done = harness.run(command)
            assert done.returncode == 0, done.stderr
            cls.wanted[name] = (done.stdout, harness.read("files/out.csv"), harness.read("files/rejects.jsonl"))

    @classmethod
    def command(cls, isolation, file, **options):
        return harness.script(TEXT, file, isolation=isolation, **options)

    @classmethod
    def reset(cls):
        for name in os.listdir(harness.path("files")):
            os.unlink(harness.path("files/" + name))
        harness.write("files/out.csv", OLD)
        harness.write("files/rejects.jsonl", OLD)

    def partition(self, name, seen, messages, what):
        """A worker that cannot do a record fails it, aloud: each is there, or told of."""
        if name == "fork":
            failed = [json.loads(line)["record"] for line in seen[2].splitlines()]
            rows = ["%d,%s\n" % (2 * i, "x" * i) for i in range(60) if i + 1 not in failed]
            self.assertLessEqual({25} | {i for i in range(1, 61) if i % 10 == 3}, set(failed), what)
            self.assertEqual(seen[1].decode(), "n,t\n" + "".join(rows), what)
        else:
            wanted = iter(self.wanted[name][0].splitlines())
            self.assertTrue(all(line in wanted for line in seen[0].splitlines()), what)
            self.assertIn(b"skipped: ", messages, what)

    def attempt(self, name, call, number, who, nth, on):
        """One run. False when the Nth call never came."""
        self.reset()
        mark = harness.path("mark")
        done = harness.run(self.commands[name],
                           env=harness.shimmed(call=call, errno=number, who=who, nth=nth, mark=mark, on=int(on)))
        what = "%s: %s in the %s, number %d%s, %s" % (name, call, who, nth, " and on" if on else "",
                                                      errno.errorcode[number])
        self.assertIn(done.returncode, (0, 1, 2), "%s: %r" % (what, done.stderr))
        output, old, rejects = self.wanted[name]
        files = sorted(os.listdir(harness.path("files")))
        self.assertEqual(files, ["out.csv", "rejects.jsonl"], what)
        seen = (done.stdout, harness.read("files/out.csv"), harness.read("files/rejects.jsonl"))
        if done.returncode == 0 and who == "worker" and (on or call == "malloc"):
            self.partition(name, seen, done.stderr, what)
        elif done.returncode == 0:
            self.assertEqual(seen, self.wanted[name], "%s: %r" % (what, done.stderr))
        else:
            self.assertNotEqual(done.stderr, b"", what)
            self.assertTrue(output.startswith(done.stdout), what)
            # The last step of all may fail once the new file has taken the old one's place.
            self.assertIn(harness.read("files/out.csv"), (OLD, old), "%s: %r" % (what, done.stderr))
        if not os.path.exists(mark):
            return False
        os.unlink(mark)
        self.came.add((call, who))
        return True

    def last(self, *fault):
        """How many such calls a run makes, found by doubling; roughly."""
        nth = 2 * EVERY
        while self.attempt(*fault, nth, False):
            nth *= 2
        return nth

    def every(self, *fault, on):
        """True when the run has so many calls that some were left out."""
        nth, begin = 1, time.monotonic()
        # How many calls a run makes is a matter of timing.
        while nth <= EVERY and any(self.attempt(*fault, nth, on) for _ in range(TRIES)):
            nth += 1 + nth // 2 if on and not harness.LONG else 1
        if harness.LONG:
            name, call, number, who = fault
            print("%s %-10s %-6s in the %s, %s: %d faults, %.0f s" % (
                name, call, errno.errorcode[number], who, "from then on" if on else "once", nth - 1,
                time.monotonic() - begin), flush=True)
        return nth > EVERY

    @classmethod
    def tearDownClass(cls):
        missed = {(call, who) for call, _, who in CALLS if not (harness.SANITIZED and call == "malloc")} - cls.came
        assert not missed, "never made: %s" % missed

    def test_once(self):
        rng = random.Random(3)
        for name in self.commands:
            for fault in CALLS:
                if harness.SANITIZED and fault[0] == "malloc":
                    continue
                if self.every(name, *fault, on=False) and SAMPLES:
                    for nth in rng.choices(range(EVERY + 1, self.last(name, *fault) + 1), k=SAMPLES):
                        self.attempt(name, *fault, nth, False)

    def test_from_then_on(self):
        rng = random.Random(4)
        for name in self.commands:
            for fault in CALLS:
                # What is interrupted is tried again, and again.
                if fault[1] == errno.EINTR or harness.SANITIZED and fault[0] == "malloc":
                    continue
                if self.every(name, *fault, on=True) and SAMPLES:
                    for nth in rng.choices(range(EVERY + 1, self.last(name, *fault) + 1), k=SAMPLES):
                        self.attempt(name, *fault, nth, True)


if __name__ == "__main__":
    harness.main()
