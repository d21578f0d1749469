#!/usr/bin/env bash
# What the built library shows to the dynamic linker: its exported symbols are the committed list, it needs the C
# library and nothing else, it has the right SONAME and stays in memory after dlclose, and no path of this machine.
#
# usage: scripts/check-surface.sh LIBRARY
set -euo pipefail
library=$1
failed=0

fail() {
    echo "not ok $1" >&2
    failed=$((failed + 1))
}

if difference=$(diff tests/exports.txt <(nm -D --defined-only "$library" | awk '{print $3}' | LC_ALL=C sort)); then
    echo "ok exported symbols: $(wc -l <tests/exports.txt)"
else
    fail "exported symbols differ from tests/exports.txt:
$difference"
fi

dynamic=$(readelf -d "$library")
grep -q 'SONAME.*\[libvixDiskLib\.so\.8\]' <<<"$dynamic" && echo "ok SONAME libvixDiskLib.so.8" || fail "SONAME"
grep -q 'FLAGS_1.*NODELETE' <<<"$dynamic" && echo "ok NODELETE" || fail "NODELETE: dlclose would crash threads of the host"

while read -r needed; do
    case $needed in
    libc.so.6 | libm.so.6 | libgcc_s.so.1 | ld-linux-*.so.*) echo "ok needs $needed" ;;
    *) fail "needs $needed, which hosts may not have" ;;
    esac
done < <(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<<"$dynamic")

if grep -aqE "${CARGO_HOME:-$HOME/.cargo}|$PWD" "$library"; then
    fail "a path of this machine is in the library"
else
    echo "ok no path of this machine"
fi

[ "$failed" -eq 0 ]
