#!/usr/bin/env bash
# scripts/summary.awk counts what each runner prints.
set -euo pipefail

checked=0
# counts PASSED FAILED SKIPPED, of what stands on standard input
counts() {
    local said
    said=$(awk -f scripts/summary.awk)
    [ "$said" = "$*" ] || {
        echo "not ok the summary counts $said in place of $*" >&2
        exit 1
    }
    checked=$((checked + 1))
}

counts 5 1 1 <<'LOG'
running 3 tests
test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.01s
test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
LOG
counts 31 2 1 <<'LOG'
Ran 34 tests in 12.1s

FAILED (failures=1, errors=1, skipped=1)
LOG
counts 1 0 0 <<'LOG'
Ran 1 test in 0.1s

OK
LOG
counts 64 1 2 <<'LOG'
ok style and types
62 passed in 8.13s
==== 1 failed, 1 passed, 2 skipped in 0.10s ====
LOG
counts 2 1 1 <<'LOG'
=== RUN   TestA
--- PASS: TestA (0.00s)
    --- PASS: TestA/part (0.00s)
--- FAIL: TestB (0.00s)
--- SKIP: TestC (0.00s)
ok  	vixdisklib	3.2s
LOG
# Two checks, a suite of three tests, another check.
counts 6 1 0 <<'LOG'
ok one
ok           two
ok handles
ok blocks
FAILED races (status 1)
ok threads
3 passed, 1 failed (plain)
ok three
LOG
counts 2 1 0 <<'LOG'
ok one
not ok two
fuzz: 1 passed, 0 failed
ok three
LOG
counts 1 1 0 <<'LOG'
ok one
not ok two
1 passed, 1 failed
LOG
counts 0 0 0 </dev/null
echo "ok the summary counts what $checked runs printed"
