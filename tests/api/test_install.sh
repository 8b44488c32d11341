#!/bin/sh
# A host is built against the installed tree with pkg-config alone, shared and static, and runs.
set -eu
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
"$CMAKE" --install "$TIDEMILL_BUILD" --prefix "$prefix" >/dev/null

pc=$(find "$prefix" -name tidemill.pc)
lib=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH="${pc%/*}${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
export LD_LIBRARY_PATH="$lib"

expected=$(seq 0 2 18 | sed 's/.*/{"x":&}/')
expect() {
    seen=$("$@") || { echo "$* failed" >&2; exit 1; }
    # Spaces between tokens are the writer's choice.
    [ "$(echo "$seen" | tr -d ' ')" = "$expected" ] || { echo "$* printed:" "$seen" >&2; exit 1; }
}

# shellcheck disable=SC2086
build() {
    "$CC" $TIDEMILL_CFLAGS -std=c11 -Wall -Wextra -Werror examples/embed/minimal.c "$@"
}

# shellcheck disable=SC2046
build $(pkg-config --cflags --libs tidemill) -o "$prefix/shared"
expect "$prefix/shared"

# shellcheck disable=SC2046
build $(pkg-config --static --cflags --libs tidemill | sed 's/-ltidemill/-l:libtidemill.a/') -o "$prefix/static"
expect "$prefix/static"
if ldd "$prefix/static" | grep libtidemill; then
    echo "the static host wants the shared library" >&2
    exit 1
fi

[ "$(pkg-config --modversion tidemill)" = "$("$prefix/bin/tidemill" version | cut -d ' ' -f 2)" ]
seq 0 9 | sed 's/.*/{"x":&}/' >"$prefix/numbers.jsonl"
expect "$prefix/bin/tidemill" each 'r.x = r.x * 2' -q "$prefix/numbers.jsonl"
TIDEMILL_WORKER=$(find "$prefix" -name tidemill-worker) \
    expect "$prefix/bin/tidemill" each --set isolation=exec 'r.x = r.x * 2' -q "$prefix/numbers.jsonl"
