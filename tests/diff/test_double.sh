#!/bin/sh
# `r.x = r.x * 2` gives what jq and Miller give, record by record: JSON lines with the same values, and
# CSV with the same bytes. TIDEMILL_LONG=1: on a million records.
set -eu
here=$(dirname "$0")
for program in jq mlr python3; do
    command -v $program >/dev/null || {
        echo "skipped: no $program"
        exit 77
    }
done
scratch=$(mktemp -d "${TMPDIR:-/tmp}/tidemill-diff.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
records=20000
[ -z "${TIDEMILL_LONG:-}" ] || records=1000000

for form in jsonl csv; do
    "$TIDEMILL_BUILD/tests/make_data" $form $records >"$scratch/in.$form"
    for workers in 1 2; do
        "$TIDEMILL" each -q -w $workers 'r.x = r.x * 2' "$scratch/in.$form" >"$scratch/out$workers.$form"
    done
    cmp "$scratch/out1.$form" "$scratch/out2.$form"
done
jq -c '.x *= 2' "$scratch/in.jsonl" >"$scratch/jq.jsonl"
mlr --ijsonl --ojsonl put '$x = $x * 2' "$scratch/in.jsonl" >"$scratch/mlr.jsonl"
mlr --icsv --ocsv put '$x = $x * 2' "$scratch/in.csv" >"$scratch/mlr.csv"

python3 -B "$here/agree.py" json "$scratch/out1.jsonl" "$scratch/jq.jsonl"
python3 -B "$here/agree.py" json "$scratch/out1.jsonl" "$scratch/mlr.jsonl"
cmp "$scratch/out1.csv" "$scratch/mlr.csv"
[ "$(wc -l <"$scratch/out1.jsonl")" = $records ]
[ "$(wc -l <"$scratch/out1.csv")" = $((records + 1)) ]
