#!/usr/bin/env -S python3 -B
"""Outputs that cannot be written, and files that are replaced: one message that names path and
cause, the right exit status, and what was there stays until the new file is whole.
"""

import contextlib
import errno
import os
import shutil
import signal
import stat
import subprocess
import unittest

import harness

KEEP = "return function(r) return r end"
LINE = b'{"x":"%s"}\n' % (b"y" * 90)
OLD = b"what was there before\n"


def said(done):
    """The only message."""
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@contextlib.contextmanager
def tmpfs(size):
    """A folder with so little room; skips where one cannot be had."""
    folder = harness.path("tmpfs")
    os.mkdir(folder)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % size, "tmpfs", folder], capture_output=True)
    try:
        if mounted.returncode:
            raise unittest.SkipTest("cannot mount: " + mounted.stderr.decode().strip())
        yield folder
    finally:
        if not mounted.returncode:
            subprocess.run(["umount", folder], check=True)
        os.rmdir(folder)


class Folder(unittest.TestCase):
    def setUp(self):
        self.input = harness.write("in.jsonl", LINE * 20000)
        self.folder = harness.path("folder")
        os.mkdir(self.folder)
        self.addCleanup(shutil.rmtree, self.folder, True)

    def name(self, name):
        return os.path.join(self.folder, name)

    def old(self, name="out.jsonl", mode=0o644):
        with open(self.name(name), "wb") as file:
            file.write(OLD)
        os.chmod(self.name(name), mode)
        return self.name(name)

    def content(self, name):
        with open(self.name(name), "rb") as file:
            return file.read()

    def write_to(self, out, *prefix, **options):
        return harness.run([*prefix, *harness.script(KEEP, self.input, "-o", out)], **options)

    def fails(self, done, path, number, status=1):
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(said(done), "tidemill: cannot write '%s': %s" % (path, os.strerror(number)))


class Full(Folder):
    def test_device(self):
        self.fails(self.write_to("/dev/full"), "/dev/full", errno.ENOSPC)
        with open("/dev/full", "wb") as full:
            done = subprocess.run(harness.script(KEEP, self.input), stdout=full, stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL, timeout=harness.DEADLINE)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(said(done), "tidemill: cannot write standard output: No space left on device")

    def test_disk(self):
        """Nothing that was there is lost, and nothing is left that was not."""
        with tmpfs(1 << 20) as folder:
            out = os.path.join(folder, "out.jsonl")
            self.fails(self.write_to(out), out, errno.ENOSPC)
            self.assertEqual(os.listdir(folder), [])
            with open(out, "wb") as file:
                file.write(OLD)
            self.fails(self.write_to(out), out, errno.ENOSPC)
            self.assertEqual(os.listdir(folder), ["out.jsonl"])
            with open(out, "rb") as file:
                self.assertEqual(file.read(), OLD)

    def test_quarantine(self):
        with tmpfs(1 << 20) as folder:
            rejects = os.path.join(folder, "rejects.jsonl")
            done = harness.run(harness.script("return function(r) error('no') end", self.input, errors__policy="quarantine",
                                              errors__quarantine=rejects, errors__max="unlimited"))
            self.fails(done, rejects, errno.ENOSPC)
            self.assertEqual(os.listdir(folder), [])


class Closed(Folder):
    def test_closed_output(self):
        done = harness.run(["sh", "-c", 'exec "$@" >&-', "sh", *harness.script(KEEP, self.input)])
        self.assertEqual(done.returncode, 1)
        self.assertEqual(said(done), "tidemill: cannot write standard output: Bad file descriptor")

    def test_head(self):
        """Input without an end, a reader with an early one: as awk, it dies of SIGPIPE in silence."""
        for isolation in ("fork", "exec"):
            command = harness.script(KEEP, "-i", "jsonl", isolation=isolation)
            with harness.started(["yes", LINE.decode().strip()], stdout=subprocess.PIPE) as source:
                with harness.started(command, stdin=source.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                    source.stdout.close()
                    head = subprocess.run(["head", "-n", "1"], stdin=process.stdout, capture_output=True, check=True)
                    process.stdout.close()
                    self.assertEqual(process.wait(harness.DEADLINE), -signal.SIGPIPE)
                    self.assertEqual(process.stderr.read(), b"")
                self.assertEqual(source.wait(harness.DEADLINE), -signal.SIGPIPE)
            self.assertEqual(head.stdout, LINE)


class Shared(Folder):
    def test_two_runs(self):
        """Who writes through the same description loses nothing: neither moves the other's position."""
        records = 100000
        data = harness.write("shared.jsonl", LINE * records)
        command = harness.script(KEEP, data, workers=1)
        with open(self.name("out"), "wb") as output:
            runs = [subprocess.Popen(command, stdout=output, stderr=subprocess.PIPE) for _ in range(2)]
            for run in runs:
                self.assertEqual((run.communicate(timeout=harness.DEADLINE)[1], run.returncode), (b"", 0))
        with open(self.name("out"), "rb") as output:
            self.assertEqual(output.read().count(LINE), 2 * records)


class Refused(Folder):
    def test_folder_that_may_not_be_written(self):
        prefix = harness.as_nobody()
        os.chmod(self.folder, 0o555)
        out = self.name("out.jsonl")
        self.fails(self.write_to(out, *prefix), out, errno.EACCES)
        self.assertEqual(os.listdir(self.folder), [])

    def test_file_that_may_not_be_written(self):
        """Though its folder would allow to replace it."""
        prefix = harness.as_nobody()
        os.chmod(self.folder, 0o777)
        out = self.old(mode=0o444)
        self.fails(self.write_to(out, *prefix), out, errno.EACCES)
        self.assertEqual(self.content("out.jsonl"), OLD)

    def test_input_and_output(self):
        for out in (self.input, os.path.join(harness.scratch, "folder", "..", "in.jsonl")):
            done = self.write_to(out)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(said(done), "tidemill: '%s' is an input and the output at once" % out)
        os.symlink(self.input, self.name("link.jsonl"))
        done = self.write_to(self.name("link.jsonl"))
        self.assertIn("is an input and the output at once", said(done))
        self.assertEqual(harness.read("in.jsonl"), LINE * 20000)

    def test_names(self):
        for out, number in ((self.folder, errno.EISDIR), (self.name("none/out.jsonl"), errno.ENOENT),
                            (self.name("x" * 300), errno.ENAMETOOLONG)):
            done = harness.run(harness.script(KEEP, self.input, "-o", out, "-t", "jsonl"))
            self.fails(done, out, number)
        os.symlink("a", self.name("b"))
        os.symlink("b", self.name("a"))
        done = harness.run(harness.script(KEEP, self.input, "-o", self.name("a"), "-t", "jsonl"))
        self.fails(done, self.name("a"), errno.ELOOP)


class Fifo(Folder):
    """Opened without waiting for somebody to read it; written once somebody does."""

    def setUp(self):
        super().setUp()
        self.fifo = self.name("fifo.jsonl")
        os.mkfifo(self.fifo)

    def test_late_reader(self):
        for text, wanted in ((KEEP, LINE * 20000), ("return function() return nil end", b"")):
            with harness.started(harness.script(text, self.input, "-o", self.fifo)) as process:
                harness.until(lambda: harness.offspring(process.pid), "the first worker")
                with open(self.fifo, "rb") as reader:
                    self.assertTrue(reader.read() == wanted)
                self.assertEqual(process.wait(harness.DEADLINE), 0)

    def test_quarantine(self):
        text = "return function(r) error('no') end"
        with harness.started(harness.script(text, self.input, errors__policy="quarantine", errors__quarantine=self.fifo)) as process:
            with open(self.fifo, "rb") as reader:
                self.assertEqual(reader.read().count(b"\n"), 20000)
            self.assertEqual(process.wait(harness.DEADLINE), 0)

    def test_interrupts(self):
        """Nobody reads it: one signal ends the run, before and after all records are done."""
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            for what, lines in (("forever", None), ("done", LINE * 3)):
                with harness.started(harness.script("print('here') " + KEEP, "-i", "jsonl", "-o", self.fifo),
                                     stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                    process.stdin.write(lines or LINE)
                    process.stdin.flush()
                    self.assertEqual(process.stderr.readline(), b"here\n")
                    if lines:
                        process.stdin.close()
                        harness.until(lambda: not harness.children(process.pid), "the workers' end")
                    process.send_signal(number)
                    self.assertEqual(process.wait(harness.DEADLINE), status, what)
                    self.assertEqual(process.stderr.read(),
                                     b"tidemill: interrupted\n" if number == signal.SIGINT else b"tidemill: terminated\n")

    def test_both(self):
        """Input and output: what is written to the one comes out of the other."""
        source = self.name("in.fifo")
        os.mkfifo(source)
        with harness.started(harness.script(KEEP, source, "-o", self.fifo, "-i", "jsonl")) as process:
            with open(self.fifo, "rb") as reader, open(source, "wb", 0) as writer:
                writer.write(LINE)
                self.assertEqual(reader.readline(), LINE)
                writer.close()
                self.assertEqual(reader.read(), b"")
            self.assertEqual(process.wait(harness.DEADLINE), 0)


class Messages(unittest.TestCase):
    def test_a_line_is_one_write(self):
        """Nothing comes between its parts, whoever else writes there; and the rest of a line is not kept back."""
        source, target = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)  # a read gives what one write gave (pipe(2))
        code = 'print(r.x) tidemill.log("a\\nb") io.write("c", "d") if r.x == 1 then error("no") end return r'
        file = harness.write("x.jsonl", b'{"x":1}\n{"x":2}\n')
        done = subprocess.run([*harness.each(code, file), "--set", "errors.policy=skip"], stdout=subprocess.DEVNULL,
                              stderr=target)
        os.close(target)
        with open(source, "rb", 0) as pipe:
            writes = list(iter(lambda: pipe.read(4096), b""))
        self.assertEqual(done.returncode, 0, writes)
        skipped = b"tidemill: warning: skipped: %s:1: record 1: each:1: no\n" % file.encode()
        record = [b"tidemill: warning: a b\n", b"cd", b"\n"]
        self.assertEqual(writes, [b"1\n", *record, skipped, b"2\n", *record])


class Gathered(Folder):
    """Small pieces share their system calls, whatever they are written to."""

    def test_failures(self):
        mark = harness.path("mark")
        text = "return function(r, ctx) if ctx.index % 2 == 0 then error('no') end return r end"
        for output in (self.name("out.jsonl"), "-"):
            done = harness.run(harness.script(text, self.input, "-o", output, workers=1, errors__policy="quarantine",
                                              errors__quarantine=self.name("rejects.jsonl")),
                               env=harness.shimmed(call="write", who="parent", nth=500, mark=mark))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertFalse(os.path.exists(mark), "20000 pieces took 500 writes")
            with open(self.name("rejects.jsonl"), "rb") as file:
                self.assertEqual(file.read().count(b"\n"), 10000)


class Replaced(Folder):
    def test_permissions(self):
        """A new file has what the umask leaves; one that is replaced keeps its mode and owner."""
        out = self.name("new.jsonl")
        before = os.umask(0o027)
        self.addCleanup(os.umask, before)
        self.assertEqual(self.write_to(out).returncode, 0)
        self.assertEqual(stat.S_IMODE(os.stat(out).st_mode), 0o640)
        out = self.old(mode=0o606)
        if os.getuid() == 0:
            os.chown(out, harness.NOBODY, harness.NOBODY)
        owner = os.stat(out)
        self.assertEqual(self.write_to(out).returncode, 0)
        self.assertEqual(stat.S_IMODE(os.stat(out).st_mode), 0o606)
        self.assertEqual((os.stat(out).st_uid, os.stat(out).st_gid), (owner.st_uid, owner.st_gid))
        self.assertEqual(self.content("out.jsonl"), LINE * 20000)

    def test_links(self):
        """What a symbolic link leads to is replaced, the link stays; another name of a file keeps the old one."""
        os.mkdir(self.name("far"))
        os.symlink("far/real.jsonl", self.name("link.jsonl"))
        for _ in range(2):  # at first it leads to nothing
            self.assertEqual(self.write_to(self.name("link.jsonl")).returncode, 0)
            self.assertTrue(os.path.islink(self.name("link.jsonl")))
            self.assertEqual(self.content("far/real.jsonl"), LINE * 20000)
        os.link(self.old(), self.name("other.jsonl"))
        self.assertEqual(self.write_to(self.name("out.jsonl")).returncode, 0)
        self.assertEqual(self.content("other.jsonl"), OLD)

    def test_devices(self):
        """Anything but a file is written in place."""
        self.assertEqual(self.write_to("/dev/null").returncode, 0)
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))
        os.mkfifo(self.name("fifo.jsonl"))
        with harness.started(["cat", self.name("fifo.jsonl")], stdout=subprocess.PIPE) as reader:
            with harness.started(harness.script(KEEP, self.input, "-o", self.name("fifo.jsonl"))) as process:
                self.assertTrue(reader.stdout.read() == LINE * 20000)
                self.assertEqual(process.wait(harness.DEADLINE), 0)
        self.assertTrue(stat.S_ISFIFO(os.stat(self.name("fifo.jsonl")).st_mode))

    def test_not_before_the_end(self):
        """While the run goes on, the old file is there; nothing else is to be seen."""
        out = self.old()
        with harness.started(harness.script(KEEP, "-i", "jsonl", "-o", out, workers=1), stdin=subprocess.PIPE,
                             stderr=subprocess.DEVNULL) as process:
            process.stdin.write(LINE * 20000)
            process.stdin.flush()
            (worker,) = harness.until(lambda: harness.children(process.pid), "a worker")
            harness.kill(worker)
            self.assertEqual(self.content("out.jsonl"), OLD)
            process.stdin.close()
            self.assertEqual(process.wait(harness.DEADLINE), 0)
        self.assertEqual(self.content("out.jsonl"), LINE * 20000)
        self.assertEqual(os.listdir(self.folder), ["out.jsonl"])

    def test_killed(self):
        """SIGKILL of the command: the old file is there, and no other where files need no name."""
        out = self.old()
        with harness.started(harness.script(KEEP, "-i", "jsonl", "-o", out, workers=1), stdin=subprocess.PIPE) as process:
            process.stdin.write(LINE * 20000)
            process.stdin.flush()
            process.kill()
            process.wait()
        self.assertEqual(self.content("out.jsonl"), OLD)
        self.assertEqual(os.listdir(self.folder), ["out.jsonl"])

    def test_errors_at_the_end(self):
        """Of fsync, of naming the file, of rename: told with path and cause, the old file stays."""
        for call, number in (("fsync", errno.EIO), ("linkat", errno.EDQUOT), ("rename", errno.EACCES), ("rename", errno.EROFS)):
            out = self.old()
            done = self.write_to(out, env=harness.shimmed(call=call, errno=number, nth=1, who="parent", mark=harness.path("m")))
            os.unlink(harness.path("m"))
            self.fails(done, out, number)
            self.assertEqual(self.content("out.jsonl"), OLD)
            self.assertEqual(os.listdir(self.folder), ["out.jsonl"])

    def test_failed_job(self):
        for fail in ("return function(r, ctx) if ctx.index == 19999 then error('no') end return r end",
                     "return {record = function(r) return r end, teardown = function() error('no') end}"):
            out = self.old()
            done = harness.run(harness.script(fail, self.input, "-o", out))
            self.assertEqual(done.returncode, 1)
            self.assertTrue(said(done).endswith(": no"), done.stderr)
            self.assertEqual(self.content("out.jsonl"), OLD)
            self.assertEqual(os.listdir(self.folder), ["out.jsonl"])


if __name__ == "__main__":
    harness.main()
