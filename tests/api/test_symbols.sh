#!/bin/sh
# The shared library exports exactly what symbols.txt lists, and it lists what tidemill.h declares; the
# static one defines nothing global outside our prefixes.
set -eu
export LC_ALL=C
list=$TIDEMILL_BUILD/exported.txt

# What compilers and sanitizers add has a leading underscore.
nm -D --defined-only "$TIDEMILL_BUILD/libtidemill.so" | awk '$3 !~ /^_/ {print $3}' | sort >"$list"
diff -u tests/api/symbols.txt "$list"

grep -o 'TIDEMILL_API [^(]*(' src/tidemill.h | grep -o 'tidemill_[a-z_]*(' | tr -d '(' | sort >"$list"
diff -u tests/api/symbols.txt "$list"

foreign=$(nm -g --defined-only "$TIDEMILL_BUILD/libtidemill.a" 2>/dev/null |
    awk 'NF == 3 && $3 !~ /^_/ && $3 !~ /^(tidemill|tm)_/ {print $3}')
[ -z "$foreign" ] || { echo "libtidemill.a defines:" "$foreign" >&2; exit 1; }
