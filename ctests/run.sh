#!/usr/bin/env bash
# Builds every C test against the installed tree, as a client would, and runs it in an empty folder of its own.
#
# usage: ctests/run.sh DIST [plain|sanitize|valgrind] [TEST...]
#   CC, CXX        compilers
#   RUNNER         what runs a program of another architecture, e.g. "qemu-aarch64 -L /usr/aarch64-linux-gnu"
#   CTESTS_SLOW    divides the counts that only give more of the same
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dist=$(cd "${1:?usage: ctests/run.sh DIST [plain|sanitize|valgrind] [TEST...]}" && pwd)
mode=${2:-plain}
shift $(($# < 2 ? $# : 2))

cc=${CC:-cc}
cxx=${CXX:-c++}
flags=(-g -O1 -Wall -Wextra -Werror -D_GNU_SOURCE -I "$dist/include")
runner=()
limit=300
case $mode in
plain)
    [ -z "${RUNNER:-}" ] || { read -ra runner <<<"$RUNNER"; export CTESTS_SLOW=${CTESTS_SLOW:-10}; }
    ;;
sanitize)
    flags+=(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
    export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1
    ;;
valgrind)
    # Tables that live as long as the process are reachable through inner pointers only, hence the kinds.
    runner=(valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect
        --show-leak-kinds=definite,indirect --trace-children=no --child-silent-after-fork=yes)
    export CTESTS_SLOW=${CTESTS_SLOW:-20}
    ;;
*)
    echo "ctests: unknown mode '$mode'; plain, sanitize or valgrind" >&2
    exit 2
    ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
link=(-L "$dist/lib64" -Wl,-rpath,"$dist/lib64" -lvixDiskLib -lpthread -ldl)

# build SOURCE PROGRAM
build() {
    case $1 in
    *.cpp) "$cxx" -std=c++11 -pedantic "${flags[@]}" -I "$here" "$1" -o "$2" "${link[@]}" ;;
    *) "$cc" -std=c99 -pedantic "${flags[@]}" -I "$here" "$1" -o "$2" "${link[@]}" ;;
    esac
}

# check_header HEADER: it compiles on its own, as the first thing a file includes and twice, with every warning.
check_header() {
    printf '#include "%s"\n#include "%s"\n' "$1" "$1" >"$work/header.c"
    cp "$work/header.c" "$work/header.cpp"
    "$cc" -std=c99 -Wall -Wextra -Werror -pedantic -I "$dist/include" -c "$work/header.c" -o "$work/header.o" &&
        "$cxx" -std=c++11 -Wall -Wextra -Werror -pedantic -I "$dist/include" -c "$work/header.cpp" -o "$work/header.o"
}

# An emulator has threads of its own in every process: those of a program that does nothing but count.
if [ -n "${RUNNER:-}" ]; then
    cat >"$work/count.c" <<'C'
#include "check.h"
int main(void)
{
    return thread_count() - 1;
}
C
    build "$work/count.c" "$work/count"
    emulator=0
    "${runner[@]}" "$work/count" || emulator=$?
    export CTESTS_EMULATOR_THREADS=$emulator
fi

passed=0
failed=0
# report NAME STATUS OUTPUT-FILE
report() {
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok $1"
    else
        failed=$((failed + 1))
        echo "FAILED $1 (status $2)"
        tail -n 60 "$3" | sed 's/^/    /'
    fi
}

# run SOURCE
run() {
    local name status=0
    name=$(basename "${1%.*}")
    mkdir -p "$work/$name.d"
    build "$1" "$work/$name" >"$work/$name.log" 2>&1 || status=$?
    if [ "$status" -eq 0 ]; then
        (cd "$work/$name.d" && VIXEN_LIBRARY="$dist/lib64/libvixDiskLib.so" \
            timeout "$limit" "${runner[@]}" "$work/$name") >"$work/$name.log" 2>&1 || status=$?
        # Nothing of the library's goes to stdout; the tests print on stderr. Both are in the log.
    fi
    report "$name" "$status" "$work/$name.log"
}

if [ $# -eq 0 ]; then
    for header in vixDiskLib.h vixMntapi.h; do
        status=0
        check_header "$header" >"$work/header.log" 2>&1 || status=$?
        report "$header on its own, C99 and C++11" "$status" "$work/header.log"
    done
    # The folder backup is a program with arguments; scripts/demo.sh runs it.
    for source in "$here"/*.c "$here"/*.cpp; do
        run "$source"
    done
else
    for name in "$@"; do
        run "$(ls "$here/$name".c*)"
    done
fi
echo "$passed passed, $failed failed ($mode)"
[ "$failed" -eq 0 ]
