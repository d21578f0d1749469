#!/usr/bin/env bash
# Installs the library, its headers and a pkg-config file.
#
# usage: scripts/install.sh DESTDIR PREFIX LIBRARY VERSION [LIBDIR]      (DESTDIR may be empty; LIBDIR is lib)
set -euo pipefail
destination=$1 prefix=$2 library=$3 version=$4 libdir=${5:-lib}
root=$destination$prefix

install -d "$root/$libdir/pkgconfig" "$root/include"
install -m 755 "$library" "$root/$libdir/libvixDiskLib.so.$version"
for generation in 6 7 8 9; do
    ln -sf "libvixDiskLib.so.$version" "$root/$libdir/libvixDiskLib.so.$generation"
done
ln -sf libvixDiskLib.so.8 "$root/$libdir/libvixDiskLib.so"
install -m 644 include/vixDiskLib.h include/vixMntapi.h include/vm_basic_types.h "$root/include/"
cat >"$root/$libdir/pkgconfig/vixDiskLib.pc" <<PC
prefix=$prefix
libdir=\${prefix}/$libdir
includedir=\${prefix}/include

Name: vixDiskLib
Description: Virtual disks of VMware products (Vixen, an independent implementation)
Version: $version
Libs: -L\${libdir} -lvixDiskLib
Cflags: -I\${includedir}
PC
echo "installed below $root; run ldconfig when $prefix/$libdir is a system library folder"
