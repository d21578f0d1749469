#!/usr/bin/env bash
# Builds the wheel of the Python package with the library of a tree in it. The same sources give the same bytes.
#
# usage: scripts/wheel.sh TREE FOLDER      FOLDER gets the wheel, whose path is printed
set -euo pipefail
tree=$1 folder=$2
library=$(realpath "$tree/lib64/libvixDiskLib.so")
python=$(realpath --no-symlinks "$(scripts/python-env.sh)")

read -r machine glibc <<<"$(scripts/machine.sh "$library")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r bindings/python/{README.md,hatch_build.py,pyproject.toml,src} LICENSE-APACHE LICENSE-MIT "$work"
find "$work" -name __pycache__ -prune -exec rm -rf {} +
mkdir -p "$folder"
rm -f "$folder"/vixdisklib-*_"$machine".whl
folder=$(realpath "$folder")
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 1577836800)}
export VIXDISKLIB_BUNDLE=$library VIXDISKLIB_PLATFORM=manylinux_${glibc%.*}_${glibc#*.}_$machine
said=$(cd "$work" && "$python" -m hatchling build -t wheel -d "$folder" 2>&1) || {
    echo "$said" >&2
    exit 1
}
ls "$folder"/vixdisklib-*_"$machine".whl
