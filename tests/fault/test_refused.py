#!/usr/bin/env -S python3 -B
"""The system refuses another worker: those that live do its work, and the output is the same. With
none at all, one message says why.
"""

import errno
import json
import os
import subprocess
import sys
import unittest

import harness

N = 3000
EVERY = 1500 if harness.SANITIZED else 500  # a sanitizer's workers take long to start
# Expensive enough that several workers are wanted.
TEXT = harness.poison() + """
return function(r, ctx)
  poison.burn(50)
  if ctx.index % EVERY == 7 then poison.crash() end
  r.n = -r.n
  return r
end
""".replace("EVERY", str(EVERY))
CRASHED = range(7, N + 1, EVERY)
WANTED = b"".join(b'{"n":-%d}\n' % i for i in range(1, N + 1) if i not in CRASHED)
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":handle_segv=0"
# So many descriptors or processes, then a command.
LIMIT = "import os, resource, sys; n = int(sys.argv[2]); resource.setrlimit(getattr(resource, sys.argv[1]), (n, n)); os.execv(sys.argv[3], sys.argv[3:])"
USER = 61234  # nobody else's, so that its processes are ours


class Refused(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.file = harness.write("in.jsonl", "".join('{"n":%d}\n' % i for i in range(1, N + 1)))
        cls.stats = harness.path("stats.json")

    def command(self, text=TEXT, **options):
        if os.path.exists(self.stats):
            os.unlink(self.stats)
        options = {"workers": 4, "chunk": "500B", **options}
        return harness.script(text, self.file, "--stats", self.stats, errors__policy="skip", **options)

    def check(self, done, most=None):
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout == WANTED, "the output differs")
        with open(self.stats) as file:
            counts = json.load(file)
        self.assertEqual((counts["read"], counts["failed"]), (N, len(CRASHED)))
        if most:
            self.assertLessEqual(counts["workers"], most)

    def test_fork(self):
        """The Nth fork fails: of the parent, of the fork server, and all of the server's."""
        for number in (errno.EAGAIN, errno.ENOMEM):
            for isolation in ("fork", "exec"):
                self.check(self.shimmed("fork", number, 2, 0, isolation=isolation))
                for nth in range(1, len(CRASHED), 1 if harness.LONG else 2):
                    self.check(self.shimmed("fork", number, nth, 0, "worker", isolation=isolation))
                self.check(self.shimmed("fork", number, 1, 1, "worker", isolation=isolation))

    def test_for_good(self):
        """Some workers, and no other: when the last one dies, that is told."""
        done = self.shimmed("fork", errno.EAGAIN, 2, 1)
        self.assertEqual(done.returncode, 1)
        *_, last = done.stderr.decode().splitlines()
        self.assertEqual(last, "tidemill: cannot fork a worker: Resource temporarily unavailable")
        self.assertEqual(done.stdout, WANTED[:len(done.stdout)])
        self.assertIn(done.stdout[-1:], (b"", b"\n"))
        text = TEXT.replace("poison.crash()", "error('no')")
        done = self.shimmed("fork", errno.EAGAIN, 3, 1, text=text)
        self.check(done, 2)

    def shimmed(self, call, number, nth, on, who="parent", **options):
        mark = harness.path("mark")
        done = harness.run(self.command(**options),
                           env=harness.shimmed(call=call, errno=number, who=who, nth=nth, mark=mark, on=on))
        self.assertTrue(os.path.exists(mark), "nothing failed")
        os.unlink(mark)
        return done

    def test_none(self):
        """Not even one."""
        for call, number, text in (("fork", errno.EAGAIN, "cannot fork a worker: Resource temporarily unavailable"),
                                   ("pipe2", errno.EMFILE, "cannot make the pipes of a worker: Too many open files")):
            done = self.shimmed(call, number, 1, 1)
            self.assertEqual((done.returncode, done.stdout, done.stderr.decode()), (1, b"", "tidemill: %s\n" % text))

    def test_pipes(self):
        for nth in range(4, 16, 1 if harness.LONG else 5):
            self.check(self.shimmed("pipe2", errno.EMFILE, nth, 0))

    def test_descriptors(self):
        """RLIMIT_NOFILE, for any number of workers below those that are asked for."""
        for most in range(18, 50, 1 if harness.LONG else 5):
            self.check(harness.run([sys.executable, "-c", LIMIT, "RLIMIT_NOFILE", str(most), *self.command(workers=8)]))

    def test_processes(self):
        """RLIMIT_NPROC, which the command counts in."""
        if os.getuid() != 0:
            raise unittest.SkipTest("only root can be another user")
        prefix = harness.as_nobody()
        prefix = [part.replace(str(harness.NOBODY), str(USER)) for part in prefix]
        os.chmod(harness.scratch, 0o777)
        for workers in (1, 2, 3):
            for isolation in ("fork", "exec"):
                done = subprocess.run([*prefix, sys.executable, "-c", LIMIT, "RLIMIT_NPROC", str(workers + 1),
                                       *self.command(workers=8, isolation=isolation)], capture_output=True,
                                      stdin=subprocess.DEVNULL, timeout=harness.DEADLINE, check=False)
                if done.returncode in (126, 127):
                    raise unittest.SkipTest("Python is not for everybody")
                self.check(done, workers)


if __name__ == "__main__":
    harness.main()
