#!/bin/sh
# Sets tidemill up on Debian 12 or newer, or on Ubuntu 24.04 or newer: installs what is missing, builds, runs.
set -eu
cd "$(dirname "$0")"

usage() {
    cat <<'END'
usage: ./setup.sh WHAT

  demo            build tidemill and run examples/double/job.yaml
  build           build it, optimised, into build/
  test [PRESET]   build it (release when no PRESET is given) and run all tests
  bench [ARG...]  build it and time it beside its peers (tests/bench/run ARG...)
  deps [GROUP]    install what is needed: build, test, bench, lint or fuzz
END
}

# ---- what is needed ----

# zlib and libzstd read and write .gz and .zst files; a build without them does all else.
build_packages="gcc libc6-dev cmake ninja-build pkg-config liblua5.4-dev libyaml-dev zlib1g-dev libzstd-dev"
# jq and Miller do the same work in another way: tests/diff compares. tests/api builds a host in C++, and
# has scripts require a C module. zstd(1) writes what is read, and reads what is written.
# tzdata, unicode-data, iso-codes and hwdata are files that others wrote, for tests/cases/real.
test_packages="$build_packages libcmocka-dev python3 jq miller g++ lua-cjson zstd tzdata unicode-data iso-codes hwdata"
bench_packages="$build_packages python3 jq miller mawk gawk lua5.4 luajit lua-cjson"
lint_packages="valgrind clang-format clang-tidy"
# libFuzzer comes with clang's own runtime: tests/fuzz/run.
fuzz_packages="$test_packages clang libclang-rt-dev"

packages_of() {
    case $1 in
    build) echo "$build_packages" ;;
    test) echo "$test_packages" ;;
    bench) echo "$bench_packages" ;;
    lint) echo "$lint_packages" ;;
    fuzz) echo "$fuzz_packages" ;;
    *)
        echo "setup.sh: unknown group '$1'" >&2
        exit 2
        ;;
    esac
}

is_debian() {
    (
        ID="" ID_LIKE=""
        # shellcheck disable=SC1091
        [ ! -r /etc/os-release ] || . /etc/os-release
        case " $ID $ID_LIKE " in *" debian "* | *" ubuntu "*) command -v apt-get >/dev/null ;; *) false ;; esac
    )
}

missing_of() {
    for package in $1; do
        status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) || status=
        [ "$status" = "install ok installed" ] || printf ' %s' "$package"
    done
}

# quietly LOG COMMAND...: shows the end of what the command said only when it fails.
quietly() {
    log=$1
    shift
    "$@" >"$log" 2>&1 && return
    tail -n 60 "$log" >&2
    echo "setup.sh: failed: $*" >&2
    return 1
}

install_packages() {
    wanted=$(packages_of "$1")
    if ! is_debian; then
        echo "setup.sh: this installs packages on Debian and Ubuntu only. tidemill needs: a C11 compiler," >&2
        echo "CMake 3.25, Ninja, pkg-config, Lua 5.4, libyaml, zlib and libzstd (for compressed files) and, for its" >&2
        echo "tests, cmocka (on Debian: $wanted)." >&2
        echo "With these: cmake --preset release && cmake --build build && ctest --test-dir build" >&2
        exit 1
    fi
    missing=$(missing_of "$wanted")
    [ -n "$missing" ] || return 0
    sudo=
    if [ "$(id -u)" != 0 ]; then
        sudo=sudo
        command -v sudo >/dev/null || {
            echo "setup.sh: run as root, or install first: apt-get install$missing" >&2
            exit 1
        }
    fi
    echo "installing:$missing"
    scratch=$(mktemp)
    trap 'rm -f "$scratch"' EXIT
    quietly "$scratch" $sudo apt-get -q -o DPkg::Lock::Timeout=300 update
    # shellcheck disable=SC2086
    quietly "$scratch" $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install --no-install-recommends $missing
}

# ---- build and run ----

cpus() {
    nproc 2>/dev/null || echo 2
}

folder_of() {
    case $1 in release) echo build ;; *) echo "build-$1" ;; esac
}

# build PRESET TESTING [TARGET...]
build() {
    folder=$(folder_of "$1")
    echo "building $folder"
    mkdir -p "$folder"
    quietly "$folder/configure.log" cmake --preset "$1" -DBUILD_TESTING="$2"
    shift 2
    quietly "$folder/build.log" cmake --build "$folder" -j "$(cpus)" ${1:+--target} "$@"
}

# DuckDB comes as a package of npm; without it, it is left out of the comparison.
install_duckdb() {
    command -v npm >/dev/null || bench_packages="nodejs npm" install_packages bench
    [ -d build/duckdb/node_modules/@duckdb ] ||
        npm install --no-audit --no-fund --silent --prefix build/duckdb @duckdb/node-api ||
        echo "setup.sh: DuckDB cannot be installed: it is left out"
}

# One number from the first line of ctest's report.
report_number() {
    sed -n "s/.*[[:space:]]$2=\"\([0-9]*\)\".*/\1/p" "$1" | head -n 1
}

run_tests() {
    folder=$(folder_of "$1")
    report=$folder/tests.xml
    result=0
    rm -f "$report"
    ctest --test-dir "$folder" -j "$(cpus)" --no-tests=error --output-on-failure --output-junit tests.xml \
        >"$folder/tests.log" 2>&1 || result=1
    [ $result = 0 ] || grep -v -E '^ *[0-9]+/[0-9]+ Test .* Passed|^ *Start +[0-9]+:' "$folder/tests.log" || :
    grep 'Skipped' "$folder/tests.log" || :
    [ -r "$report" ] || {
        echo "0 passed, 1 failed"
        return 1
    }
    # The testsuite element spreads its counts over several lines.
    tr '\n\t' '  ' <"$report" | sed 's/<testcase.*//' >"$report.head"
    failed=$(report_number "$report.head" failures)
    passed=$(($(report_number "$report.head" tests) - failed - $(report_number "$report.head" skipped) -
        $(report_number "$report.head" disabled)))
    rm -f "$report.head"
    echo "$passed passed, $failed failed"
    return $result
}

case ${1:-} in
demo)
    install_packages build
    build release OFF
    echo "running: build/tidemill run examples/double/job.yaml"
    build/tidemill run examples/double/job.yaml
    ;;
build)
    install_packages build
    build release OFF
    ;;
test)
    install_packages test
    build "${2:-release}" ON
    run_tests "${2:-release}"
    ;;
bench)
    install_packages bench
    build release ON tidemill_command tidemill_worker make_data bench_echo
    install_duckdb
    shift
    tests/bench/run "$@"
    ;;
deps)
    install_packages "${2:-test}"
    ;;
-h | --help | help)
    usage
    ;;
*)
    usage >&2
    exit 2
    ;;
esac
