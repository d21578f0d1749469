#!/usr/bin/env bash
# The numbered tests are the same in C, Python and Go, and those that docs/bindings.md lists.
set -euo pipefail

# Each as lines of a number and a name in small letters without gaps.
listed=$(sed -n 's/^| \([0-9][0-9]\) | [^|]* | \(.*\) |$/\1 \2/p' docs/bindings.md)
in_c=$(sed -n 's/^ *NUMBERED(\([0-9]*\), \(\w*\)),$/\1 \2/p' ctests/numbered.c | sed 's/^\([0-9]\) /0\1 /')
in_python=$(sed -n 's/^def test_\([0-9][0-9]\)_\(\w*\)(.*/\1 \2/p' bindings/python/tests/test_numbered.py)
in_go=$(sed -n 's/^func Test\([0-9][0-9]\)\(\w*\)(.*/\1 \2/p' bindings/go/numbered_test.go)

plain() {
    while read -r number name; do
        name=${name//[ _]/}
        echo "$number ${name,,}"
    done <<<"$1"
}

failed=0
for language in c python go; do
    tests=in_$language
    if difference=$(diff <(plain "$listed") <(plain "${!tests}")); then
        continue
    fi
    printf 'not ok the numbered tests of %s differ from docs/bindings.md:\n%s\n' "$language" "$difference" >&2
    failed=1
done
[ "$failed" -eq 0 ]
echo "ok $(wc -l <<<"$listed") numbered tests, the same in C, Python and Go"
