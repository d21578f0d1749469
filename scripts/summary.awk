# Counts the tests in what a step of scripts/test.sh printed: "PASSED FAILED SKIPPED" on one line.
#
# Counted are single tests where a suite says how many it ran, else the lines "ok WHAT" and "not ok WHAT" of its checks. A suite that
# prints such lines and then their number is counted once: the number stands for the lines before it.

function add(passed, failed, skipped) {
    total_passed += passed
    total_failed += failed
    total_skipped += skipped
}
# The number before a word, as in "12 passed".
function before(word,    text) {
    if (!match($0, "[0-9]+ " word)) return 0
    text = substr($0, RSTART, RLENGTH)
    sub(/ .*/, "", text)
    return text + 0
}
# The number behind a name, as in "failures=2".
function behind(name,    text) {
    if (!match($0, name "=[0-9]+")) return 0
    text = substr($0, RSTART, RLENGTH)
    sub(/.*=/, "", text)
    return text + 0
}

{ gsub(/\033\[[0-9;]*m/, "") }

# cargo test: test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.01s
/^test result: / { add(before("passed"), before("failed"), before("ignored")); next }
# Python's unittest: Ran 34 tests in 12.1s, then OK or FAILED (failures=1, errors=1, skipped=1)
/^Ran [0-9]+ tests? in / { ran = $2; next }
ran != "" && /^(OK|FAILED)/ {
    bad = behind("failures") + behind("errors")
    add(ran - bad - behind("skipped"), bad, behind("skipped"))
    ran = ""
    next
}
# pytest: 1 failed, 62 passed, 1 skipped in 8.13s
/^(=+ )?[0-9]+ (passed|failed|skipped|error).* in [0-9.]+s/ {
    add(before("passed"), before("failed") + before("errors?"), before("skipped"))
    next
}
# go test -v
/^ *--- PASS: / { add(1, 0, 0); next }
/^ *--- FAIL: / { add(0, 1, 0); next }
/^ *--- SKIP: / { add(0, 0, 1); next }
# Ours: 30 passed, 0 failed (plain)      fuzz: 12 passed, 0 failed
/^([a-z-]+: )?[0-9]+ passed, [0-9]+ failed/ {
    passed = before("passed")
    failed = before("failed")
    checks = checks > passed ? checks - passed : 0
    failures = failures > failed ? failures - failed : 0
    add(passed, failed, before("skipped"))
    next
}
# A check. Go begins a line with ok and a tab for each package.
/^ok +[^ \t]/ { checks++; next }
/^not ok / { failures++ }

END { printf "%d %d %d\n", total_passed + checks, total_failed + failures, total_skipped }
