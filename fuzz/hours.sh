#!/usr/bin/env bash
# Adds what fuzz/smoke.sh says to the table in fuzz/HOURS.md, and passes it on.
#
# usage: fuzz/smoke.sh SECONDS [TARGET...] | fuzz/hours.sh
set -euo pipefail
table=$(dirname "$0")/HOURS.md
new=$(mktemp)
trap 'rm -f "$new"' EXIT
# A target that failed has one finding more; how long it ran is not told.
tee /dev/stderr | awk -v table="$table" '
    /^ok fuzz / { sub(":", "", $3); runs[$3] += $5; seconds[$3] += $8 }
    /^not ok fuzz / { sub(":", "", $4); findings[$4]++ }
    END {
        while ((getline line < table) > 0) {
            if (split(line, cell, / *[|] */) == 6 && cell[3] ~ /^[0-9]+$/) {
                name = cell[2]
                seen[name] = 1
                minutes = cell[3] + int((seconds[name] + 30) / 60)
                line = sprintf("| %s | %d | %d | %d |", name, minutes, cell[4] + runs[name], cell[5] + findings[name])
            }
            print line
        }
        for (name in runs)
            if (!(name in seen))
                printf "| %s | %d | %d | %d |\n", name, (seconds[name] + 30) / 60, runs[name], findings[name]
    }' >"$new"
cat "$new" >"$table"
