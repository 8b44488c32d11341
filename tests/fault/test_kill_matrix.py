#!/usr/bin/env -S python3 -B
"""The kill matrix: a worker is ended in each of the ways below while it is in each of the states
below. The run ends, and all that it gives is what an undisturbed run with one worker gives.

States are waited for, not slept for: see harness.Meeting. TIDEMILL_LONG=1 plays every combination.
"""

import concurrent.futures
import contextlib
import json
import os
import random
import re
import select
import signal
import struct
import subprocess
import threading
import time
import unittest

import harness

os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":handle_segv=0"

RECORDS, AT = 400, 150
STATES = ("starting", "setup", "idle", "chunk", "frames", "full", "ending")
WAYS = ("kill", "segv", "stop", "exit", "garbage", "half")
WORKERS = (1, 2, 8)
# Input and output, how both are compressed, and the field of text; those that the command does not know are left out.
FORMATS = {("csv", "csv", "none"): "t", ("tsv", "tsv", "none"): "t", ("jsonl", "jsonl", "none"): "t",
           ("json", "json", "none"): "t", ("text", "text", "none"): "line", ("jsonl", "table", "none"): "t",
           ("csv", "csv", "gzip"): "t", ("jsonl", "json", "zstd"): "t"}
ISOLATIONS = ("fork", "exec")
AT_ONCE = 4  # mostly they wait
LATE = re.compile(b"^tidemill: warning: worker [1-8] was killed by signal [0-9]+ .*in its teardown$")

# The places named in STATES; rows() writes more than a pipe and the command take.
SCRIPT = """
%(prelude)s
poison.exit_on_signal()
local came
local function rows(r)
  r.%(field)s = ("x"):rep(4000)
  for i = 1, 1100 do
    if %(packed)s then
      local parts = {}
      for k = 1, 500 do parts[k] = ("%%016x"):format(math.random(0)) end
      r.%(field)s = table.concat(parts)
    end
    tidemill.emit(r)
  end
  return nil
end
local function say(text)
  local pipe = io.open("/proc/self/fd/4", "w")
  pipe:write(text)
  pipe:close()
end
%(starting)s
return {
  setup = function() %(setup)s end,
  record = function(r, ctx)
    local i = ctx.index
    if i == %(at)d then print("half way") %(idle)s end
    if %(frames)s and i == %(at)d - 1 then r.%(field)s = ("y"):rep(300000) return r end
    if came then came = nil %(say)s end
    if i == %(at)d then %(chunk)s end
    if %(full)s and (i == %(at)d or i == %(at)d + 1) then return rows(r) end
    if i %% 10 == 3 then error("no") end
    if i %% 10 == 4 then return nil end
    return r, i %% 3 == 0 and r or nil
  end,
  teardown = function() %(ending)s end,
}
"""


# What who came says at its next record, behind results that filled its pipe.
SAY = {"garbage": "say(('no frame '):rep(100000))",
       "half": "say(string.pack('<I4Bxxx', 1 << 26, 11) .. ('\\255'):rep(1 << 20)) poison.crash()"}


def script_for(state, way, formats, lua):
    here = {name: "" for name in STATES}
    if state in ("starting", "setup", "ending"):
        here[state] = "here()"
    elif state != "idle":
        here["chunk"] = "came = here()"
    here.update(packed=str(formats[2] != "none").lower(), frames=str(state == "frames").lower(), full=str(state == "full").lower(), at=AT, field=FORMATS[formats],
                say=SAY.get(way, "") if state == "full" else "")
    return SCRIPT % {"prelude": harness.poison() + lua, **here}


# Before all records, each, after all.
INPUTS = {"csv": (b"n,t\n", b'%d,"text ""%d"""\n', b""), "tsv": (b"n\tt\n", b"%d\ttext\\t%d\n", b""),
          "jsonl": (b"", b'{"n":%d,"t":"text %d"}\n', b""), "json": (b"[\n", b'{"n":%d,"t":"text %d"},\n', b'{"n":0,"t":""}]\n'),
          "text": (b"", b"%d text %d\n", b"")}


def make_input(source):
    begin, each, end = INPUTS[source]
    lines = [each % (i, i) for i in range(RECORDS)]
    return begin + b"".join(lines[:AT]), b"".join(lines[AT:]) + end


def pack(kind, data):
    return subprocess.run([kind, "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout if kind != "none" else data


def unpack(kind, data):
    return subprocess.run([kind, "-qdc"], input=data, stdout=subprocess.PIPE, check=True).stdout if kind != "none" else data


# Each half is a stream of its own, as what a compressor holds back is nobody's yet.
INPUT = {formats: [pack(formats[2], half) for half in make_input(formats[0])] for formats in FORMATS}


def form(formats):
    return ["-i", formats[0], "-t", formats[1], *harness.settings(input__compression=formats[2], output__compression=formats[2])]


def known():
    """The formats that there are."""
    out = []
    for formats in FORMATS:
        done = harness.run(harness.each("true", *form(formats)), input=b"".join(INPUT[formats]))
        if done.returncode == 0:
            out.append(formats)
        elif harness.LONG:
            print("not known: %s to %s (%s): %s" % (*formats, done.stderr.decode().strip()))
    return out


class Collector(threading.Thread):
    def __init__(self, pipe):
        super().__init__(daemon=True)
        self.pipe, self.data = pipe, b""
        self.start()

    def run(self):
        while part := os.read(self.pipe.fileno(), 1 << 20):
            self.data += part


def target(pid, fd):
    """What this descriptor leads to; None when there is no such process any more."""
    with contextlib.suppress(OSError):
        return os.readlink("/proc/%d/fd/%d" % (pid, fd))


def full_pipe(pid):
    """Sleeps this worker because its result pipe is full?"""
    if harness.status_of(pid).get("State", "Z")[0] != "S":
        return False
    try:
        fd = os.open("/proc/%d/fd/4" % pid, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # it has only just been born
        return False
    try:
        return not select.select([], [fd], [], 0)[1]
    finally:
        os.close(fd)


def say(pid, data):
    """In the name of this worker, to its parent."""
    with open("/proc/%d/fd/4" % pid, "wb", 0) as pipe:
        pipe.write(data)


def do(way, pid):
    if way == "garbage":
        say(pid, b"no frame " * 1000)
    elif way == "half":
        say(pid, struct.pack("<IB3x", 500, 11) + b"\xff" * 100)
        harness.kill(pid)
    else:
        harness.kill(pid, {"kill": signal.SIGKILL, "segv": signal.SIGSEGV, "stop": signal.SIGSTOP,
                           "exit": signal.SIGUSR1}[way])


class Play:
    """One run; `way` None: nothing happens to it."""

    def __init__(self, number, state, way, formats, workers, isolation):
        self.name = "%s, %s, %s to %s (%s), %d workers, %s" % (state, way, *formats, workers, isolation)
        self.number, self.state, self.way = number, state, way
        self.formats, self.workers, self.isolation = formats, workers, isolation
        self.everybody = workers == 8 and way == "kill"
        # Rows that do not compress take their time to make.
        self.time = "8s" if state == "full" and formats[2] != "none" else "1s"

    def command(self, meeting):
        # All scripts have one name, which messages tell.
        folder = os.path.join(meeting.folder, "job")
        os.mkdir(folder)
        with open(os.path.join(folder, "s.lua"), "w") as file:
            file.write(script_for(self.state, self.way, self.formats, meeting.lua()))
        self.stats = os.path.join(folder, "stats.json")
        with open(os.path.join(folder, "job.yaml"), "w") as file:
            file.write("transform: {script: s.lua}\n")
        return [harness.TIDEMILL, "run", os.path.join(folder, "job.yaml"), "-q", *form(self.formats), "--stats", self.stats,
                *harness.settings(workers=self.workers, chunk="600B", isolation=self.isolation, errors__policy="skip",
                                  limits__record_time=self.time if self.way == "stop" else None)]

    def workers_of(self, process):
        """Its children that talk to where it talks to: filters have another standard output."""
        errors = target(process.pid, 2)
        return [pid for pid in harness.offspring(process.pid) if target(pid, 1) == errors]

    def reach(self, process, meeting, errors):
        """Wait for the state; gives a worker that is in it."""
        if self.state == "idle":
            harness.until(lambda: b"half way" in errors.data or process.poll() is not None, "half of the records")
            return random.choice(self.workers_of(process))
        worker = meeting.wait(process)
        if self.state == "full":
            # Who came, or another one: rows of the next record may be in another's hands.
            meeting.release()
            full = harness.until(lambda: [pid for pid in self.workers_of(process) if full_pipe(pid)], "a full pipe")
            worker = full[0]
        return worker

    def disturb(self, process, meeting, errors):
        worker = self.reach(process, meeting, errors)
        if self.state == "full" and self.way in SAY:
            return  # it does so itself
        others = self.workers_of(process) if self.everybody else []
        for pid in [worker] + others:
            do(self.way, pid)

    def feed(self, process, disturbed):
        first, second = INPUT[self.formats]
        process.stdin.write(first)
        process.stdin.flush()
        if self.state == "idle":
            disturbed.wait()
        process.stdin.write(second)
        process.stdin.close()

    def run(self):
        meeting = harness.Meeting("meeting-%d" % self.number)
        with harness.started(self.command(meeting), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE) as process:
            errors, disturbed = Collector(process.stderr), threading.Event()
            output = Collector(process.stdout) if self.state != "full" or not self.way else None
            if self.way:
                meeting.open()
            feeder = threading.Thread(target=self.feed, args=(process, disturbed), daemon=True)
            feeder.start()
            try:
                if self.way:
                    self.disturb(process, meeting, errors)
            finally:
                disturbed.set()
            output = output or Collector(process.stdout)
            for thread in (feeder, output, errors):
                thread.join(harness.DEADLINE)
                assert not thread.is_alive(), self.name + ": it hangs"
            status = process.wait(harness.DEADLINE)
        with open(self.stats, "rb") as file:
            counts = json.load(file)
        self.deaths = counts["deaths"]
        for name in ("seconds", "workers", "deaths"):
            del counts[name]
        text = errors.data.replace(meeting.folder.encode(), b"DIR")
        meeting.close()
        return {"output": unpack(self.formats[2], output.data), "messages": text.splitlines(), "exit": status, "counts": counts}


def plays(formats_known):
    """All of them, or each state and way with each number of workers."""
    rng = random.Random(5)
    number = 0
    for state in STATES:
        for way in WAYS:
            for workers in WORKERS:
                every = [(f, i) for f in formats_known for i in ISOLATIONS]
                for formats, isolation in every if harness.LONG else [rng.choice(every)]:
                    number += 1
                    yield Play(number, state, way, formats, workers, isolation)


class KillMatrix(unittest.TestCase):
    maxDiff = 2000

    def check(self, play, seen, wanted):
        self.assertGreater(play.deaths, 0, play.name)
        if not play.everybody:
            self.assertEqual(play.deaths, 1, play.name)
        if play.way == "exit" and play.state in ("starting", "setup", "ending"):
            # The script's own doing: one message, and an end.
            self.assertEqual(seen["exit"], 1, play.name)
            self.assertIn(b"exited with status 3", seen["messages"][-1])
            return
        told = [line for line in seen["messages"] if LATE.match(line)]
        # Of those that are killed together some may be found dead when they are told to end.
        if not play.everybody:
            self.assertEqual(len(told), play.state == "ending", "%s: %s" % (play.name, seen["messages"]))
        seen["messages"] = [line for line in seen["messages"] if line not in told]
        for part in wanted:
            if part != "output" or len(seen[part]) < 20000:
                self.assertEqual(seen[part], wanted[part], "%s: %s differs" % (play.name, part))
            self.assertTrue(seen[part] == wanted[part], "%s: %s differs" % (play.name, part))

    def test_all(self):
        begin, formats_known = time.monotonic(), known()
        self.assertIn(("jsonl", "jsonl", "none"), formats_known)
        states = [(state, formats) for state in STATES for formats in formats_known]
        serial = [Play(10000 + i, state, None, formats, 1, "fork") for i, (state, formats) in enumerate(states)]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            wanted = dict(zip(states, pool.map(Play.run, serial)))
            for state in wanted:
                self.assertEqual(wanted[state]["exit"], 0, wanted[state]["messages"])
            all_plays = list(plays(formats_known))
            for play, seen in zip(all_plays, pool.map(Play.run, all_plays)):
                self.check(play, seen, wanted[play.state, play.formats])
        if harness.LONG:
            print("%d plays: %d states, %d ways, %d formats, %r workers, %r: %.0f s" % (
                len(all_plays), len(STATES), len(WAYS), len(formats_known), WORKERS, ISOLATIONS, time.monotonic() - begin))


if __name__ == "__main__":
    harness.main()
