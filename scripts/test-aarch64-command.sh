#!/usr/bin/env bash
# The packages for aarch64, installed into an empty root: a program is built with the library and runs, and so does the
# command, under emulation.
#
# usage: scripts/test-aarch64-command.sh TREE COMMAND FOLDER      FOLDER gets the packages
set -euo pipefail
export RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
scripts/package.sh "$1" "$2" "$3" >/dev/null

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
scripts/dpkg-root.sh "$root" --install "$3"/*_arm64.deb
lib=$root/usr/lib/aarch64-linux-gnu
export PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_PATH=$lib/pkgconfig
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' README.md >"$work/first.c"
# shellcheck disable=SC2046 # the flags are words
aarch64-linux-gnu-gcc "$work/first.c" -o "$work/first" $(pkg-config --cflags --libs vixDiskLib)
said=$(qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH="$lib" "$work/first" "$work/missing.vmdk") && exit 1
grep -q 'The file was not found' <<<"$said"
echo "ok a program on the library of the packages for aarch64"
scripts/test-command.sh "$root/usr"
