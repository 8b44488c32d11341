"""What the tests in this folder share: the command, deadlines, and a look at processes.

Nothing here sleeps for a fixed time and then trusts that something has happened: until() waits for
the event itself, and a deadline only turns a hang into a failure.
"""

import atexit
import contextlib
import faulthandler
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

TIDEMILL = os.environ.get("TIDEMILL", "build/tidemill")
BUILD = os.environ.get("TIDEMILL_BUILD", "build")
CC = os.environ.get("CC", "cc")
SANITIZED = "-fsanitize" in os.environ.get("TIDEMILL_CFLAGS", "")
LONG = os.environ.get("TIDEMILL_LONG", "") not in ("", "0")
HERE = os.path.dirname(os.path.abspath(__file__))
DEADLINE = 120  # seconds; against hangs only

scratch = tempfile.mkdtemp(prefix="tidemill-fault.")
os.environ["LC_ALL"] = "C"
# A shell's background job ignores what comes from the keyboard, and so would the commands here.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    signal.signal(_number, signal.SIG_DFL)


@atexit.register
def _clean():
    shutil.rmtree(scratch, ignore_errors=True)


def path(name):
    return os.path.join(scratch, name)


def write(name, data):
    """A file in the scratch folder; gives its path."""
    full = path(name)
    with open(full, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    return full


def read(name):
    """Its bytes, None when there is no such file."""
    try:
        with open(path(name), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def settings(**options):
    """--set arguments; 'errors_policy' stands for errors.policy, None leaves one out."""
    out = []
    for key, value in options.items():
        if value is not None:
            out += ["--set", "%s=%s" % (key.replace("__", "."), value)]
    return out


def each(code, *args, **options):
    return [TIDEMILL, "each", code, "-q", *args, *settings(**options)]


def script(text, *args, **options):
    """A run of a whole script, given inline."""
    lines = "".join("    " + line + "\n" for line in text.splitlines())
    job = write("job-%08x.yaml" % (hash(text) & 0xFFFFFFFF), "transform:\n  inline: |\n" + lines)
    return [TIDEMILL, "run", job, "-q", *args, *settings(**options)]


def run(command, **options):
    """To the end, with everything caught. A command that hangs fails the test."""
    options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
    if options["stdin"] is None:
        del options["stdin"]
    return subprocess.run(command, capture_output=True, timeout=DEADLINE, check=False, **options)


class Measured:
    """A command's run to its end: status, output, messages, seconds, page faults, and the largest resident
    size of any of its processes (or of this one, if that is larger), in bytes."""

    def __init__(self, command, **options):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            begin = time.monotonic()
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, **options)
            timer = threading.Timer(DEADLINE, process.kill)
            timer.start()
            _, status, usage = os.wait4(process.pid, 0)
            timer.cancel()
            self.seconds = time.monotonic() - begin
            self.status = process.returncode = os.waitstatus_to_exitcode(status)
            self.largest = usage.ru_maxrss << 10
            self.faults = usage.ru_minflt
            out.seek(0)
            err.seek(0)
            self.output, self.messages = out.read(), err.read()


@contextlib.contextmanager
def started(command, **options):
    """A process that is gone at the end of the block, whatever happened."""
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.wait()


def until(condition, what):
    """Wait for condition() to be true; gives its value."""
    end = time.monotonic() + DEADLINE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited in vain: " + what)
        time.sleep(0.001)


def children(pid):
    """The living processes that have `pid` as their parent."""
    numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [n for n in numbers if status_of(n).get("PPid") == str(pid) and alive(n)]


def offspring(pid):
    """As children(), at once: also those that have ended and were not waited for."""
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            return [int(n) for n in file.read().split()]
    except FileNotFoundError:
        return children(pid)


def is_worker(pid):
    """Not a fork server, whose first descriptor of its own is a socket, or none."""
    try:
        return os.readlink("/proc/%d/fd/3" % pid).startswith("pipe:")
    except OSError:
        return False


def status_of(pid):
    """/proc/PID/status as a dictionary; empty when there is no such process."""
    try:
        with open("/proc/%d/status" % pid) as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    except OSError:
        return {}


def alive(pid):
    state = status_of(pid).get("State", "Z")
    return state[0] not in "ZX"


def descriptors(pid):
    """Number and target of each open descriptor."""
    folder = "/proc/%d/fd" % pid
    out = {}
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            out[int(name)] = os.readlink(os.path.join(folder, name))
    return out


def freeze(pid):
    """Stop a process, so that its children can be listed; gives them."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: status_of(pid).get("State", "Z")[0] in "TZX", "a stopped process")
    return children(pid)


def pipe_size(fd):
    return fcntl.fcntl(fd, 1032)  # F_GETPIPE_SZ, which Python knows since 3.10 only


def pss(pid):
    """Bytes of memory that are this process's share."""
    with contextlib.suppress(OSError), open("/proc/%d/smaps_rollup" % pid) as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0


def poison():
    """Lua that loads the C module of poison.c, which does harm."""
    folder = os.path.realpath(os.path.join(BUILD, "tests"))
    return 'package.cpath = "%s/?.so" local poison = require "poison"\n' % folder


class Meeting:
    """A place in a script to which one worker comes, once, and stays until it dies.

    Lua says here(); the first worker that does tells its pid and waits. The others pass, and those
    that do the work again.
    """

    def __init__(self, name):
        self.folder = path(name)
        os.mkdir(self.folder)
        for fifo in ("come", "go"):
            os.mkfifo(os.path.join(self.folder, fifo))
        self.come = os.open(os.path.join(self.folder, "come"), os.O_RDONLY | os.O_NONBLOCK)

    def lua(self):
        return """
local function here()
  if not os.rename("%(0)s/open", "%(0)s/taken") then return end
  local self = io.open("/proc/self/stat")
  local pid = self:read("n")
  self:close()
  local come = io.open("%(0)s/come", "w")
  come:write(pid, "\\n")
  come:close()
  io.open("%(0)s/go"):close()
  return true
end
""" % {"0": self.folder}

    def open(self):
        """From now on somebody may come."""
        with open(os.path.join(self.folder, "open"), "wb"):
            pass

    def wait(self, process):
        """The pid of who came, while `process` goes on."""
        text = b""

        def arrived():
            nonlocal text
            with contextlib.suppress(BlockingIOError):
                text += os.read(self.come, 100)
            return text.endswith(b"\n") or process.poll() is not None

        until(arrived, "a worker at the meeting")
        assert text, "the command ended before a worker came"
        return int(text)

    def release(self):
        """Let who came go on."""

        def opened():
            with contextlib.suppress(OSError):  # it has yet to open its end
                os.close(os.open(os.path.join(self.folder, "go"), os.O_WRONLY | os.O_NONBLOCK))
                return True

        until(opened, "who came to the meeting")

    def close(self):
        os.close(self.come)
        shutil.rmtree(self.folder)


NOBODY = 65534


def as_nobody():
    """A command line that runs a program without root's powers; skips where that cannot be had."""
    if os.getuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        raise unittest.SkipTest("no setpriv")
    os.chmod(scratch, 0o755)
    prefix = ["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY, "--clear-groups", "--inh-caps=-all"]
    if run([*prefix, TIDEMILL, "version"]).returncode:
        raise unittest.SkipTest("others cannot run the command")
    return prefix


def shim():
    """The library that makes system calls fail, built; LD_PRELOAD it."""
    library = path("shim.so")
    if not os.path.exists(library):
        subprocess.run([CC, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", library,
                        os.path.join(HERE, "shim.c"), "-ldl"], check=True)
    return library


def shimmed(**options):
    """The environment under the shim; see shim.c for the options."""
    environment = dict(os.environ, LD_PRELOAD=shim())
    # The loader's own memory goes through the shim, and looks like leaks then.
    environment["ASAN_OPTIONS"] = environment.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0:detect_leaks=0"
    environment.update({"SHIM_" + name.upper(): str(value) for name, value in options.items()})
    return environment


def kill(pid, number=signal.SIGKILL):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def main():
    faulthandler.dump_traceback_later((40 if LONG else 8) * DEADLINE, exit=True)
    unittest.main(module="__main__", argv=[sys.argv[0], *sys.argv[1:]], verbosity=1)
