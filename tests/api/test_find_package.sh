#!/bin/sh
# A host is built with CMake's find_package(tidemill) against the installed tree, shared and static, and runs.
set -eu
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
"$CMAKE" --install "$TIDEMILL_BUILD" --prefix "$top/prefix" >/dev/null

cp examples/embed/minimal.c "$top"
cat >"$top/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(host LANGUAGES C)
find_package(tidemill 0.1 REQUIRED)
add_executable(shared minimal.c)
target_link_libraries(shared PRIVATE tidemill::tidemill)
add_executable(static minimal.c)
target_link_libraries(static PRIVATE tidemill::static)
END
{
    "$CMAKE" -G Ninja -S "$top" -B "$top/build" -DCMAKE_C_COMPILER="$CC" -DCMAKE_C_FLAGS="$TIDEMILL_CFLAGS" \
        -DCMAKE_PREFIX_PATH="$top/prefix"
    "$CMAKE" --build "$top/build"
} >"$top/log" 2>&1 || { cat "$top/log" >&2; exit 1; }

for host in shared static; do
    last=$("$top/build/$host" | tail -n 1 | tr -d ' ')
    [ "$last" = '{"x":18}' ] || { echo "the $host host ends with: $last" >&2; exit 1; }
done
