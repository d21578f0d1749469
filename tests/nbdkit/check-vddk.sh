#!/usr/bin/env bash
# Runs upstream's acceptance tests for VDDK, nbdkit's check-vddk, against a
# library tree.
#
#     check-vddk.sh CACHE_DIR DIST
#
# CACHE_DIR is one that fetch.sh and build-suite.sh have filled, DIST a folder
# with lib64/libvixDiskLib.so. All four tests must pass. The suite skips a test
# silently when it misses a program, so what counts is the number of PASS
# lines, not only the exit code of make.

set -euo pipefail

readonly EXPECTED=4

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$here/common.sh"

[ $# -eq 2 ] || fail "usage: check-vddk.sh CACHE_DIR DIST"
use_system_commands
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
need make make
need file file
need_nbd_clients
open_dist "$2"
open_cache "$1"
read_fetched
suite=$cache/suite
[ "$(cat "$suite/vixen-built" 2>/dev/null)" = "$tarball in $suite" ] ||
    fail "the suite of nbdkit $version is not built; run first: $here/build-suite.sh $cache"

log=$cache/check-vddk.log
rm -f "$suite"/tests/test-vddk-real*.{log,trs}
status=0
make -C "$suite/tests" check-vddk vddkdir="$dist" >"$log" 2>&1 9>&- || status=$?

grep -E '^(PASS|FAIL|SKIP|ERROR|XPASS|XFAIL): ' "$log" || true
passed=$(grep -c '^PASS: ' "$log" || true)
others=$(grep -cE '^(FAIL|SKIP|ERROR|XPASS|XFAIL): ' "$log" || true)

if [ "$status" -ne 0 ] || [ "$passed" -ne "$EXPECTED" ] || [ "$others" -ne 0 ]; then
    {
        for test in "$suite"/tests/test-vddk-real*.log; do
            [ -f "$test" ] || continue
            echo "---- $(basename "$test")"
            cat "$test"
        done
        echo "---- the end of what make said (all of it: $log)"
        tail -n 40 "$log"
        echo "$script: make ended with $status; $passed of $EXPECTED tests passed, $others did not"
    } >&2
    missed=$((EXPECTED - passed))
    echo "check-vddk: $passed passed, $((missed > others ? missed : others)) failed"
    exit 1
fi
echo "check-vddk: $passed passed, 0 failed"
