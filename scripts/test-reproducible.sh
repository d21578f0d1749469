#!/usr/bin/env bash
# What `make dist` makes has the same bytes when it is built again, from the start and in another folder.
#
# usage: scripts/test-reproducible.sh      target/dist is what `make dist` has just made
set -euo pipefail
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

make --no-print-directory dist >/dev/null
git ls-files -z --cached --others --exclude-standard | xargs -0 cp -a --parents -t "$work"
mkdir "$work/target"
ln -s "$PWD/target/cache" "$work/target/cache"
make --no-print-directory -C "$work" dist >/dev/null
# Of other machines there may be more in the first one.
cd "$work/target/dist"
sha256sum ./*.whl ./*.deb ./*.tar.gz | tee /dev/stderr >"$work/second"
cd "$OLDPWD/target/dist"
sha256sum -c "$work/second"
echo "ok two builds in two folders give the same bytes"
