#!/usr/bin/env bash
# What others wrote: docs/dependencies.md names every crate that Cargo resolves, and no other; those in the library with
# their versions. cargo-deny checks licences, sources and doubles by deny.toml.
#
# usage: scripts/check-dependencies.sh [advisories]      advisories: known holes too, which comes over the network
set -euo pipefail
document=docs/dependencies.md
target=x86_64-unknown-linux-gnu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# crates ARGUMENT...: names and versions that cargo tree gives, each once, without those of this tree.
crates() {
    cargo tree --locked --prefix=none --target="$target" --format='{p}' "$@" |
        awk 'NF && $1 !~ /^(vixen|esxi-sim|xtask)/ { sub(/^v/, "", $2); print $1, $2 }' | LC_ALL=C sort -u
}

# same WHAT WANTED GOT: files that must be the same.
same() {
    local difference
    if difference=$(diff "$2" "$3"); then
        echo "ok $1: $(wc -l <"$2")"
    else
        printf 'not ok %s; < is what Cargo resolves, > what %s says:\n%s\n' "$1" "$document" "$difference" >&2
        return 1
    fi
}

crates -p vixen --edges=normal,no-proc-macro >"$work/library"
sed -n '/^## In the library/,/^## Of/ s/^| `\([^`]*\)` | \([^ ]*\) |.*/\1 \2/p' "$document" >"$work/told"
LC_ALL=C sort -o "$work/told" "$work/told"
same "crates of the library, with their versions" "$work/library" "$work/told"

{
    crates --workspace --edges=all
    crates --manifest-path fuzz/Cargo.toml --edges=normal,build
    crates --manifest-path benches/peers/Cargo.toml --edges=normal,build
} | cut -d' ' -f1 | LC_ALL=C sort -u >"$work/all"
# Names in the rows of the tables, but for the heads.
grep '^| ' "$document" | grep -v '^| Crate' |
    awk -F'|' '$2 ~ /`/ { print $2; next } { print $3 }' | grep -o '`[^`]*`' | tr -d '`' | LC_ALL=C sort >"$work/named"
same "crates of everything, each named once" "$work/all" "$work/named"

deny=$(scripts/cargo-deny.sh)
checks=(bans licenses sources "$@")
"$deny" --workspace --locked --color never check "${checks[@]}" >"$work/deny" 2>&1 || {
    head -n 100 "$work/deny" >&2
    echo "not ok cargo-deny: ${checks[*]}" >&2
    exit 1
}
for what in "${checks[@]}"; do
    echo "ok cargo-deny: $what"
done
