#!/usr/bin/env bash
# `make install` into an empty folder gives what a program needs to be built with pkg-config and to run.
set -euo pipefail
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

make --no-print-directory install DESTDIR="$root" PREFIX=/opt/vixen >/dev/null
cat >"$root/program.c" <<'C'
#include <vixDiskLib.h>
#include <vixMntapi.h>
int main(void)
{
    VixError error = VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, NULL);
    if VIX_FAILED (error) {
        return 1;
    }
    VixDiskLib_Exit();
    return 0;
}
C
export PKG_CONFIG_PATH=$root/opt/vixen/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
# shellcheck disable=SC2046 # the flags are words
cc -Wall -Wextra -Werror "$root/program.c" -o "$root/program" $(pkg-config --cflags --libs vixDiskLib)
LD_LIBRARY_PATH=$root/opt/vixen/lib "$root/program"
readelf -d "$root/program" | grep -q 'NEEDED.*libvixDiskLib.so.8'
echo "ok make install, pkg-config, a program that runs"

# The program of the README, and what it is said to print.
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' README.md >"$root/first.c"
# shellcheck disable=SC2046 # the flags are words
cc -Wall -Wextra -Werror "$root/first.c" -o "$root/first" $(pkg-config --cflags --libs vixDiskLib)
export LD_LIBRARY_PATH=$root/opt/vixen/lib
qemu-img create -q -f vmdk "$root/disk.vmdk" 1M
(cd "$root" && ./first >/dev/null)
said=$(cd "$root" && ./first missing.vmdk) && exit 1
said=${said//$root//disks}
grep -qxF "    ${said}" README.md || {
    echo "not ok the README's program says: $said" >&2
    exit 1
}
echo "ok the program of the README"
