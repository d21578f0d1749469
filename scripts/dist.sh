#!/usr/bin/env bash
# Lays out the tree that clients of VDDK are pointed at: headers, the library under its full name, and a link for
# every name that some client opens it by.
#
# usage: scripts/dist.sh DIST LIBRARY VERSION
set -euo pipefail
dist=$1 library=$2 version=$3

rm -rf "$dist"
mkdir -p "$dist/include" "$dist/lib64"
install -m 644 include/vixDiskLib.h include/vixMntapi.h include/vm_basic_types.h "$dist/include/"
install -m 755 "$library" "$dist/lib64/libvixDiskLib.so.$version"
for generation in 6 7 8 9; do
    ln -s "libvixDiskLib.so.$version" "$dist/lib64/libvixDiskLib.so.$generation"
done
ln -s libvixDiskLib.so.8 "$dist/lib64/libvixDiskLib.so"
install -m 644 LICENSE-APACHE LICENSE-MIT "$dist/"
echo "$dist"
