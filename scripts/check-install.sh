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
