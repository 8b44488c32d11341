"""What is measured: a row for each case. A new case is a new row.

  name      of the case
  form      of its input, as make_data names it; what follows its last point is the file's extension
  records   None: as many as are asked for; a float: so many times as many; else a number
  tidemill  arguments; -w, -q and the input follow
  peers     shell commands by name. {input} is the file, {python}, {peers} and {echo} where those are; programs
            that are not installed are left out
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
# The same chunks through two processes that do nothing, or no more than to have Lua do the least that is asked for.
ECHO = ("{echo} {input}", None)
ECHO_LUA = ("{echo} {input} 2 'r.x = r.x * 2'", None)
LUA = "lua5.4 {peers}/jsonl.lua"
LUAJIT = "luajit {peers}/jsonl.lua"
POOL = "{python} {peers}/pool.py"
COUNT = "local n = 0 for _, v in pairs(r) do if v ~= '' then n = n + 1 end end r.n = n"
COUNT_MLR = "n = 0; for (k, v in $*) { if (v != \"\") { n += 1 } } $n = n"
# Some 20 microseconds a record.
HEAVY = "local s = 0 for i = 1, 2500 do s = s + i % 7 end r.s = s"
COLUMNS = '["id","name","x","y","city","flag","score","note"]'


def duckdb(select, read, form):
    """Rows keep their order; to standard output, as everybody's."""
    sql = f"COPY (SELECT {select} FROM {read}) TO '/dev/stdout' (FORMAT {form})"
    return "node {peers}/duckdb.mjs " + '"' + sql + '"'


def lua(code, way="json-keys"):
    quoted = code.replace("{", "{{").replace("}", "}}")
    return {"lua5.4": (f'{LUA} "{quoted}" {{input}}', way), "luajit": (f'{LUAJIT} "{quoted}" {{input}}', way)}


JSONL = "read_json('{input}', format='newline_delimited')"
CSV = "read_csv('{input}')"
# In a CSV file true is a text: tidemill makes it one of JSON.
CSV_TEXT = "read_csv('{input}', types={{'flag': 'VARCHAR'}})"
DOUBLE = "* REPLACE (x * 2 AS x)"
MLR_DOUBLE = "put '$x = $x * 2' {input}"

CASES = [
    Case("double-jsonl", "jsonl", None, ["each", "r.x = r.x * 2"], {
        "jq": "jq -c '.x *= 2' {input}",
        "mlr": "mlr --ijsonl --ojsonl put '$x = $x * 2' {input}",
        **lua("r.x = r.x * 2"),
        "duckdb": duckdb(DOUBLE, JSONL, "json"),
        "python": POOL + " jsonl {input}",
        "echo": ECHO,
        "echo+lua": ECHO_LUA,
        "cat": FLOOR,
    }, "json"),
    Case("double-csv", "csv", None, ["each", "r.x = r.x * 2"], {
        "mlr": ("mlr --icsv --ocsv put '$x = $x * 2' {input}", "bytes"),
        "mawk": "mawk -F, -v OFS=, -v CONVFMT=%.12g 'NR > 1 {{ $3 = $3 * 2 }} 1' {input}",
        "gawk": "gawk -F, -v OFS=, -v CONVFMT=%.12g 'NR > 1 {{ $3 = $3 * 2 }} 1' {input}",
        "duckdb": duckdb(DOUBLE, CSV, "csv"),
        "python": POOL + " csv {input}",
        "echo": ECHO,
        "echo+lua": ECHO_LUA,
        "cat": FLOOR,
    }, "csv"),
    Case("double-tsv", "tsv", None, ["each", "r.x = r.x * 2"], {
        "mlr": ("mlr --itsv --otsv " + MLR_DOUBLE, "bytes"),
        "mawk": "mawk -F'\\t' -v OFS='\\t' -v CONVFMT=%.12g 'NR > 1 {{ $3 = $3 * 2 }} 1' {input}",
    }, "tsv"),
    Case("read-all-jsonl", "jsonl", None, ["each", COUNT], {
        "jq": "jq -c '.n = ([.[] | select(. != \"\")] | length)' {input}",
        "mlr": "mlr --ijsonl --ojsonl put '" + COUNT_MLR.replace("{", "{{").replace("}", "}}") + "' {input}",
        **lua(COUNT),
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
        "duckdb": duckdb("*", CSV_TEXT, "json"),
    }, "json"),
    Case("jsonl-to-csv", "jsonl", None, ["each", "-t", "csv", "return r"], {
        "jq": "jq -nr '" + COLUMNS + ", (inputs | [.[]]) | @csv' {input}",
        "mlr": ("mlr --ijsonl --ocsv cat {input}", "bytes"),
        "duckdb": duckdb("*", JSONL, "csv"),
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
    Case("nested", "nested.jsonl", None, ["each", "r.total.net = r.total.net * 2"], {
        "jq": "jq -c '.total.net *= 2' {input}",
        **lua("r.total.net = r.total.net * 2"),
    }, "json"),
    Case("escaped-jsonl", "escaped.jsonl", None, ["each", "r.x = r.x * 2"], {
        "jq": "jq -c '.x *= 2' {input}",
        "mlr": ("mlr --ijsonl --ojsonl " + MLR_DOUBLE, "json"),
        **lua("r.x = r.x * 2"),
    }, "json"),
    Case("escaped-csv", "escaped.csv", None, ["each", "r.x = r.x * 2"], {
        "mlr": ("mlr --icsv --ocsv " + MLR_DOUBLE, "csv"),
        "duckdb": duckdb(DOUBLE, CSV, "csv"),
    }, "csv"),
    Case("wide-jsonl", "wide.jsonl", 0.1, ["each", "r.x = r.x * 2"], {
        "jq": "jq -c '.x *= 2' {input}",
        **lua("r.x = r.x * 2"),
        "duckdb": duckdb(DOUBLE, JSONL, "json"),
    }, "json"),
    Case("large-jsonl", "large.jsonl", 0.0001, ["each", "r.x = r.x * 2"], {
        "jq": "jq -c '.x *= 2' {input}",
        **lua("r.x = r.x * 2"),
    }, "json"),
    Case("text", "text", None, ["each", "local ms = r.line:match('took (%d+) ms') return tonumber(ms) < 100 and r"], {
        "mawk": ("mawk 'match($0, /took [0-9]+ ms/) && substr($0, RSTART + 5, RLENGTH - 8) + 0 < 100' {input}", "bytes"),
        "gawk": ("gawk 'match($0, /took [0-9]+ ms/) && substr($0, RSTART + 5, RLENGTH - 8) + 0 < 100' {input}", "bytes"),
    }, "bytes"),
    Case("start-up", "jsonl", 10, ["each", "r.x = r.x * 2"], {
        "jq": "jq -c '.x *= 2' {input}",
        "mlr": "mlr --ijsonl --ojsonl put '$x = $x * 2' {input}",
        **lua("r.x = r.x * 2"),
        "lua5.4 -e ''": ("lua5.4 -e ''", None),
    }, "json"),
    # Ten times as many records, for what they take of memory.
    Case("long-jsonl", "jsonl", 10.0, ["each", "r.x = r.x * 2"], {"cat": FLOOR}, "json"),
    Case("heavy", "jsonl", 0.05, ["each", HEAVY], {
        **lua(HEAVY),
        # The same work as two programs side by side: what two CPUs of this machine have to give.
        "lua5.4 twice": ("for i in 1 2; do lua5.4 {peers}/jsonl.lua \"" + HEAVY + "\" {input} >/dev/null & done; wait",
                         None),
    }, "json"),
]
