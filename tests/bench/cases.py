"""What is measured: a row for each case. A new case is a new row.

  name      of the case
  form      of its input: jsonl or csv
  records   None: as many as are asked for; else a number, or the part of them that is used
  tidemill  arguments; -w, -q and the input follow
  peers     shell commands by name. {input} is the file, {python} and {peers} where those are
  agree     how outputs are compared with tidemill's, as ../diff/agree.py says; a pair (command, way)
            in peers has a way of its own, and None is not compared
"""
from typing import NamedTuple


class Case(NamedTuple):
    name: str
    form: str
    records: float | None
    tidemill: list
    peers: dict
    agree: str


FLOOR = ("cat {input} | cat", None)
LUA = "lua5.4 {peers}/jsonl.lua"
POOL = "{python} {peers}/pool.py"
COUNT = "local n = 0 for _, v in pairs(r) do if v ~= '' then n = n + 1 end end r.n = n"
COUNT_MLR = "n = 0; for (k, v in $*) { if (v != \"\") { n += 1 } } $n = n"
# Some 20 microseconds a record.
HEAVY = "local s = 0 for i = 1, 2500 do s = s + i % 7 end r.s = s"
COLUMNS = '["id","name","x","y","city","flag","score","note"]'

CASES = [
    Case("double-jsonl", "jsonl", None, ["each", "r.x = r.x * 2"], {
        "jq": "jq -c '.x *= 2' {input}",
        "mlr": "mlr --ijsonl --ojsonl put '$x = $x * 2' {input}",
        "lua5.4": (LUA + " 'r.x = r.x * 2' {input}", "json-keys"),
        "python": POOL + " jsonl {input}",
        "cat": FLOOR,
    }, "json"),
    Case("double-csv", "csv", None, ["each", "r.x = r.x * 2"], {
        "mlr": ("mlr --icsv --ocsv put '$x = $x * 2' {input}", "bytes"),
        "mawk": "mawk -F, -v OFS=, -v CONVFMT=%.12g 'NR > 1 {{ $3 = $3 * 2 }} 1' {input}",
        "python": POOL + " csv {input}",
        "cat": FLOOR,
    }, "csv"),
    Case("read-all-jsonl", "jsonl", None, ["each", COUNT], {
        "jq": "jq -c '.n = ([.[] | select(. != \"\")] | length)' {input}",
        "mlr": "mlr --ijsonl --ojsonl put '" + COUNT_MLR.replace("{", "{{").replace("}", "}}") + "' {input}",
        "lua5.4": (LUA + ' "' + COUNT + '" {input}', "json-keys"),
    }, "json"),
    Case("read-all-csv", "csv", None, ["each", COUNT], {
        "mlr": "mlr --icsv --ocsv put '" + COUNT_MLR.replace("{", "{{").replace("}", "}}") + "' {input}",
    }, "csv"),
    Case("filter-jsonl", "jsonl", None, ["each", "r.score < 100"], {
        "jq": "jq -c 'select(.score < 100)' {input}",
        "mlr": "mlr --ijsonl --ojsonl filter '$score < 100' {input}",
    }, "json"),
    Case("filter-csv", "csv", None, ["each", "r.score < 100"], {
        "mlr": ("mlr --icsv --ocsv filter '$score < 100' {input}", "bytes"),
        "mawk": "mawk -F, 'NR == 1 || $7 < 100' {input}",
    }, "csv"),
    Case("csv-to-jsonl", "csv", None, ["each", "-t", "jsonl", "return r"], {
        "mlr": "mlr --icsv --ojsonl cat {input}",
    }, "json"),
    Case("jsonl-to-csv", "jsonl", None, ["each", "-t", "csv", "return r"], {
        "jq": "jq -nr '" + COLUMNS + ", (inputs | [.[]]) | @csv' {input}",
        "mlr": ("mlr --ijsonl --ocsv cat {input}", "bytes"),
    }, "csv"),
    Case("same-jsonl", "jsonl", None, ["each", "return r"], {
        "jq": "jq -c . {input}",
        "mlr": "mlr --ijsonl --ojsonl cat {input}",
        "cat": ("cat {input} | cat", "bytes"),
    }, "json"),
    Case("same-csv", "csv", None, ["each", "return r"], {
        "mlr": ("mlr --icsv --ocsv cat {input}", "bytes"),
        "cat": ("cat {input} | cat", "bytes"),
    }, "csv"),
    Case("start-up", "jsonl", 10, ["each", "r.x = r.x * 2"], {
        "jq": "jq -c '.x *= 2' {input}",
        "mlr": "mlr --ijsonl --ojsonl put '$x = $x * 2' {input}",
        "lua5.4": (LUA + " 'r.x = r.x * 2' {input}", "json-keys"),
    }, "json"),
    Case("heavy", "jsonl", 0.05, ["each", HEAVY], {
        "lua5.4": (LUA + ' "' + HEAVY + '" {input}', "json-keys"),
    }, "json"),
]
