#!/usr/bin/env bash
# Puts the reader of disks that `tests/peers.rs` compares with, and Debian does not have, into an environment of its
# own below target/cache. It is made anew when the versions change; nothing is fetched otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
wanted=benches/peers/requirements.txt
place=target/cache/peers

cmp -s "$wanted" "$place/requirements.txt" && exit 0
rm -rf "$place"
/usr/bin/python3 -m venv "$place"
"$place/bin/pip" install -q --disable-pip-version-check --no-deps -r "$wanted"
cp "$wanted" "$place/requirements.txt"
