#!/usr/bin/env -S python3 -B
"""What a worker is as a process: its descriptors, signals and limits, and that it never outlives
its parent. And what the command leaves as it was in the descriptors that it shares with others.
"""

import contextlib
import fcntl
import os
import pty
import resource
import signal
import socket
import subprocess
import tty
import unittest

import harness

ISOLATIONS = ("fork", "exec")
# A worker is started by its parent, and by a fork server in place of one that died.
ORIGINS = [(isolation, replaced) for isolation in ISOLATIONS for replaced in (False, True)]
ECHO = "return function(r) return r end"


def bad_manners():
    """What a command may be born with: signals ignored and blocked, core dumps, a closed input."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGTERM, signal.SIGPIPE])
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


@contextlib.contextmanager
def with_idle_worker(command, replaced=False, **options):
    """The command with one worker that has done a record and waits for the next: the first, or one in its place."""
    options.setdefault("stdout", subprocess.PIPE)
    with harness.started(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, **options) as process:
        for turn in range(1 + replaced):
            if turn:
                harness.kill(worker)
            process.stdin.write(b'{"x":1}\n')
            process.stdin.flush()
            assert process.stdout.readline() == b'{"x":1}\n'
            everybody = harness.children(process.pid)
            (worker,) = filter(harness.is_worker, everybody)
            assert len(everybody) == 1 + turn, everybody
        yield process, worker


class WorkerProcess(unittest.TestCase):
    def test_fork_of_a_script(self):
        """A C module that forks finds the record in the child."""
        text = harness.poison() + "return function(r) r.seen = poison.child(function() return #r.text end) return r end"
        file = harness.write("fork.jsonl", b"".join(b'{"text":"%s"}\n' % (b"x" * n) for n in range(100)))
        for isolation in ISOLATIONS:
            done = harness.run(harness.script(text, file, "-i", "jsonl", isolation=isolation))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout, b"".join(b'{"text":"%s","seen":%d}\n' % (b"x" * n, n) for n in range(100)))

    @unittest.skipIf(harness.SANITIZED, "a sanitizer has a malloc of its own")
    def test_heap_stays(self):
        """From one cycle of Lua's collector to the next: it is not given back and touched anew each time."""
        text = """
            local n = 0
            return function(r)
              n = n + 1
              local long, parts = ("ab"):rep(n * 7919 % 40000), {}
              for i = 1, n % 50 do parts[i] = ("q"):rep(i * n % 700) end
              return {length = #long + #table.concat(parts)}
            end
            """
        file = harness.write("many.jsonl", b'{"x":1}\n' * 5000)
        for isolation in ISOLATIONS:
            done = harness.Measured(harness.script(text, file, workers=1, isolation=isolation))
            self.assertEqual(done.status, 0, done.messages)
            self.assertLess(done.faults, 5000)

    def test_program_that_cannot_start(self):
        """Nobody else is killed in its place, though it may be gone before anything of it is known."""
        worker = harness.write("worker", "no program\n")
        os.chmod(worker, 0o755)
        file = harness.write("one.jsonl", b'{"x":1}\n')
        for before in (None, lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)):
            done = harness.run(harness.script(ECHO, file, isolation="exec"), preexec_fn=before,
                               env={**os.environ, "TIDEMILL_WORKER": worker})
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(b"worker 1 ", done.stderr)

    def test_descriptors(self):
        """Only its own six, though the host had hundreds that a program would inherit."""
        extra = [os.open("/dev/zero", os.O_RDONLY) for _ in range(300)]
        for isolation, replaced in ORIGINS:
            command = harness.script(ECHO, "-i", "jsonl", isolation=isolation)
            with with_idle_worker(command, replaced, pass_fds=extra) as (process, worker):
                self.assertGreater(len(harness.descriptors(process.pid)), 300)
                seen = harness.descriptors(worker)
                self.assertEqual(sorted(seen), [0, 1, 2, 3, 4, 5], seen)
                self.assertEqual(seen[0], "/dev/null")
                self.assertEqual(seen[1], os.readlink("/proc/%d/fd/2" % process.pid))
                self.assertEqual(seen[2], seen[1])
                for fd in (3, 4, 5):
                    self.assertTrue(seen[fd].startswith("pipe:"), seen)
                self.assertEqual(len({seen[fd] for fd in (1, 3, 4, 5)}), 4, seen)
        for fd in extra:
            os.close(fd)

    def test_descriptors_of_programs_that_scripts_start(self):
        """A worker's pipes stay its own: a child that held one would keep a dead worker alive."""
        text = "return function(r) local f = io.popen('ls /proc/self/fd') r.x = f:read('a') f:close() return r end"
        for isolation in ISOLATIONS:
            done = harness.run(harness.script(text, "-i", "jsonl", isolation=isolation), input=b'{"x":1}\n')
            # 3 is the folder that ls has open.
            self.assertEqual(done.stdout, b'{"x":"0\\n1\\n2\\n3\\n"}\n', done.stderr)

    def test_signals_and_limits(self):
        for isolation, replaced in ORIGINS:
            command = harness.script(ECHO, "-i", "jsonl", isolation=isolation)
            with with_idle_worker(command, replaced, preexec_fn=bad_manners) as (_, worker):
                status = harness.status_of(worker)
                names = ["SigBlk", "SigIgn", "SigPnd", "ShdPnd"]
                for name in names:
                    self.assertEqual(int(status[name], 16), 0, "%s of a worker (%s)" % (name, isolation))
                if not harness.SANITIZED:  # only the one that asks it to stop
                    self.assertEqual(int(status["SigCgt"], 16), 1 << (signal.SIGRTMAX - 2 - 1))
                with open("/proc/%d/limits" % worker) as file:
                    core = [line.split() for line in file if line.startswith("Max core")][0]
                self.assertEqual(core[4:6], ["0", "0"])

    def test_threads_and_mutexes(self):
        """What fork(3) does for the C library in a child is done for all workers."""
        text = harness.poison() + "return function(r) assert(poison.is_known()) return r end"
        for isolation, replaced in ORIGINS:
            with with_idle_worker(harness.script(text, "-i", "jsonl", isolation=isolation), replaced):
                pass

    def test_normal_end_leaves_no_child(self):
        for isolation, replaced in ORIGINS:
            command = harness.script(ECHO, "-i", "jsonl", isolation=isolation)
            with with_idle_worker(command, replaced) as (process, _):
                everybody = harness.children(process.pid)
                process.stdin.close()
                self.assertEqual(process.wait(harness.DEADLINE), 0, process.stderr.read())
                self.assertFalse(list(filter(harness.alive, everybody)))


class Orphans(unittest.TestCase):
    """SIGKILL of the parent ends its workers, whatever they are at."""

    def vanish(self, command, count, feed=b""):
        read_end, write_end = os.pipe()
        # The output's pipe stays open and unread: a worker must not need the broken pipe.
        with harness.started(command, stdin=subprocess.PIPE, stdout=write_end) as process:
            process.stdin.write(feed)
            process.stdin.flush()
            harness.until(lambda: len(harness.children(process.pid)) >= count, "%d workers" % count)
            workers = harness.freeze(process.pid)
            self.assertGreaterEqual(len(workers), count)
            process.kill()
            process.wait()
            for worker in workers:
                harness.until(lambda: not harness.alive(worker), "the end of an orphan")
        os.close(read_end)
        os.close(write_end)

    def test_idle(self):
        for isolation in ISOLATIONS:
            self.vanish(harness.script(ECHO, "-i", "jsonl", isolation=isolation), 1, b'{"x":1}\n')

    def test_replaced(self):
        """And so does the fork server."""
        for isolation in ISOLATIONS:
            command = harness.script(ECHO, "-i", "jsonl", isolation=isolation)
            with with_idle_worker(command, replaced=True) as (process, _):
                everybody = harness.children(process.pid)
                self.assertEqual(len(everybody), 2)
                process.kill()
                for child in everybody:
                    harness.until(lambda: not harness.alive(child), "the end of an orphan")

    def test_spinning(self):
        for text in ("return function(r) while true do end end",
                     "return {setup = function() while true do end end, record = function(r) return r end}",
                     "return function(r) while true do pcall(error) end end"):
            for isolation in ISOLATIONS:
                command = harness.script(text, "-i", "jsonl", isolation=isolation, workers=3, chunk="1B")
                count = 1 if "setup" in text else 3
                self.vanish(command, count, b'{"x":1}\n' * 8)

    def test_full_pipe(self):
        """Results that nobody takes: the worker is blocked in write."""
        text = "return function(r) for i = 1, 1e9 do tidemill.emit(r) if i % 1000 == 0 then return nil end end end"
        for isolation in ISOLATIONS:
            self.vanish(harness.script(text, "-i", "jsonl", isolation=isolation, workers=2), 1, b'{"x":"%s"}\n' % (b"y" * 900) * 60)

    def test_at_birth(self):
        """The parent dies before the worker has seen much of life."""
        for isolation in ISOLATIONS:
            for _ in range(100 if harness.LONG else 10):
                self.vanish(harness.script(ECHO, "-i", "jsonl", isolation=isolation), 1, b'{"x":1}\n')


class SharedDescriptors(unittest.TestCase):
    """O_NONBLOCK is a property of what all holders of a descriptor share: it stays as it was."""

    def flags_stay(self, mine_in, its_in, mine_out, its_out):
        command = harness.script(ECHO, "-i", "jsonl")
        for nonblock in (0, os.O_NONBLOCK):
            for fd in (its_in, its_out):
                fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) & ~os.O_NONBLOCK | nonblock)
            before = [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (its_in, its_out)]
            with harness.started(command, stdin=its_in, stdout=its_out, stderr=subprocess.DEVNULL) as process:
                for _ in range(3):
                    os.write(mine_in, b'{"x":1}\n')
                    self.assertEqual(os.read(mine_out, 100).replace(b"\r\n", b"\n"), b'{"x":1}\n')
                    self.assertEqual(before, [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (its_in, its_out)])
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(harness.DEADLINE), 143)
            self.assertEqual(before, [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (its_in, its_out)])

    def test_pipes(self):
        its_in, mine_in = os.pipe()
        mine_out, its_out = os.pipe()
        self.flags_stay(mine_in, its_in, mine_out, its_out)

    def test_sockets(self):
        a, b = socket.socketpair()
        c, d = socket.socketpair()
        with a, b, c, d:
            self.flags_stay(a.fileno(), b.fileno(), c.fileno(), d.fileno())

    def test_terminal(self):
        master_in, slave_in = pty.openpty()
        master_out, slave_out = pty.openpty()
        for fd in (slave_in, slave_out):
            tty.setraw(fd)
        self.flags_stay(master_in, slave_in, master_out, slave_out)

    def test_output_that_blocks(self):
        """A pipe of the host's that is full: the run waits for it, in order and without loss."""
        for nonblock in (0, os.O_NONBLOCK):
            mine, its = os.pipe()
            fcntl.fcntl(its, fcntl.F_SETFL, fcntl.fcntl(its, fcntl.F_GETFL) & ~os.O_NONBLOCK | nonblock)
            data = b"".join(b'{"x":%d}\n' % i for i in range(50000))
            file = harness.write("data.jsonl", data)
            with harness.started(harness.script(ECHO, file), stdout=its) as process:
                os.close(its)
                seen = b""
                while part := os.read(mine, 1 << 16):
                    seen += part
                self.assertEqual(process.wait(harness.DEADLINE), 0)
            self.assertTrue(seen == data)
            os.close(mine)


class BrokenPipe(unittest.TestCase):
    def test_command_dies_of_it(self):
        """As awk does, also when it is born with the signal ignored."""
        data = harness.write("many.jsonl", b'{"x":1}\n' * 200000)
        for ignored in (False, True):
            with harness.started(harness.script(ECHO, data), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 restore_signals=not ignored) as process:
                self.assertEqual(process.stdout.readline(), b'{"x":1}\n')
                process.stdout.close()
                self.assertEqual(process.wait(harness.DEADLINE), -signal.SIGPIPE)
                self.assertEqual(process.stderr.read(), b"")


if __name__ == "__main__":
    harness.main()
