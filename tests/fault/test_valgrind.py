#!/usr/bin/env -S python3 -B
"""valgrind finds nothing in the command and its workers, forked and executed: neither use of memory
that is not there nor memory that is lost, also where records and jobs fail. Workers have no region: what
they take is malloc's, whose pieces valgrind knows.
"""

import glob
import shutil
import sys

import harness

if harness.SANITIZED or shutil.which("valgrind") is None:
    print("skipped: " + ("sanitizers and valgrind do not mix" if harness.SANITIZED else "no valgrind"))
    sys.exit(77)

FAIL = """
return function(r, ctx)
  if ctx.index % 5 == 1 then error({}) end
  if ctx.index % 5 == 2 then return nil, "no" end
  if ctx.index % 5 == 3 then return 7 end
  if ctx.index % 5 == 4 then tidemill.emit(r) error("late") end
  return r
end
"""
BATCH = """
return {
  setup = function(job) tidemill.params = job.params end,
  batch = function(records, ctx)
    for i, r in ipairs(records) do r.added = tidemill.array{i, tidemill.null} print(r.n) end
    return records
  end,
  teardown = function() print("end") end,
}
"""
QUARANTINE = {"errors__policy": "quarantine", "errors__quarantine": harness.path("rejects.jsonl")}
JOBS = [
    # script, formats, options, exit status
    ("return function(r) r.n = r.n * 2 return r end", "csv", "csv", {}, 0),
    ("return function(r, ctx) if ctx.index % 2 == 0 then r.z = 1 end return r, tidemill.copy(r) end", "jsonl", "csv",
     {"output__extra": "drop", "output__missing": "empty", "chunk": "1B"}, 0),
    (FAIL, "jsonl", "jsonl", QUARANTINE, 0),
    (BATCH, "csv", "jsonl", {"transform__batch": 7, "chunk": "50B"}, 0),
    (BATCH.replace("print(r.n)", "os.exit(3)"), "jsonl", "jsonl", {"transform__batch": 20, **QUARANTINE}, 0),
    # The long form goes on.
    (FAIL, "csv", "table", {"errors__policy": "skip", "errors__max": 10}, 1),
    (FAIL, "csv", "csv", {}, 1),
    ("return {setup = function() error('no') end, record = function(r) return r end}", "csv", "csv", {}, 1),
    ("return nonsense nonsense", "csv", "csv", {}, 1),
]
TOOL = ["valgrind", "-q", "--vgdb=no", "--trace-children=yes", "--leak-check=full", "--show-leak-kinds=definite",
        "--errors-for-leak-kinds=definite", "--error-exitcode=99"]
# No call has that number.
NO_REGION = harness.shimmed(call="malloc", nth=0)


def main():
    harness.DEADLINE = 500
    harness.write("in.csv", "n,t\n" + "".join('%d,"a\n""%s"\n' % (i, "x" * i) for i in range(40)))
    harness.write("in.jsonl", "".join('{"n":%d,"t":[{"k":"%s"}]}\n' % (i, "\\u00fc" * i) for i in range(40)))
    failed = 0
    for i, (text, source, target, options, status) in enumerate(JOBS if harness.LONG else JOBS[:5]):
        for isolation in ("fork", "exec")[:2 if harness.LONG or i == 0 else 1]:
            command = harness.script(text, harness.path("in." + source), "-t", target, workers=2, isolation=isolation,
                                     **options)
            log = harness.path("valgrind-%d-%s" % (i, isolation))
            done = harness.run([*TOOL, "--log-file=%s.%%p" % log, *command], env=NO_REGION)
            # Errors begin with ==PID==; --PID-- is what valgrind says of itself.
            said = [line for name in glob.glob(log + ".*") for line in open(name, "rb") if line.startswith(b"==")]
            if done.returncode != status or said or len(glob.glob(log + ".*")) < 2:
                failed += 1
                sys.stderr.write("job %d (%s): exit status %d\n%s%s\n" % (i, isolation, done.returncode, done.stderr.decode(),
                                                                     b"".join(said[:60]).decode()))
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
