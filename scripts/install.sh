#!/usr/bin/env bash
# Installs the library, its headers and a pkg-config file.
#
# usage: scripts/install.sh DESTDIR PREFIX LIBRARY VERSION      (DESTDIR may be empty)
set -euo pipefail
destination=$1 prefix=$2 library=$3 version=$4
root=$destination$prefix

install -d "$root/lib/pkgconfig" "$root/include"
install -m 755 "$library" "$root/lib/libvixDiskLib.so.$version"
for generation in 6 7 8 9; do
    ln -sf "libvixDiskLib.so.$version" "$root/lib/libvixDiskLib.so.$generation"
done
ln -sf libvixDiskLib.so.8 "$root/lib/libvixDiskLib.so"
install -m 644 include/vixDiskLib.h include/vixMntapi.h include/vm_basic_types.h "$root/include/"
cat >"$root/lib/pkgconfig/vixDiskLib.pc" <<PC
prefix=$prefix
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: vixDiskLib
Description: Virtual disks of VMware products (Vixen, an independent implementation)
Version: $version
Libs: -L\${libdir} -lvixDiskLib
Cflags: -I\${includedir}
PC
echo "installed below $root; run ldconfig when $prefix/lib is a system library folder"
