#!/usr/bin/env bash
# Makes of a tree and the command what people install: the tarball, the packages of Debian, and the checksums of
# everything in FOLDER. The same sources give the same bytes.
#
# usage: scripts/package.sh TREE COMMAND FOLDER
#        RUNNER runs the command where it is for another machine
set -euo pipefail
tree=$1 command=$2 folder=$3
library=$(realpath "$tree/lib64/libvixDiskLib.so")
interface=${library##*.so.}
version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' Cargo.toml)
read -r machine glibc <<<"$(scripts/machine.sh "$library")"
read -r command_machine command_glibc <<<"$(scripts/machine.sh "$command")"
[ "$machine" = "$command_machine" ] || {
    echo "package: the library is for $machine, and the command for $command_machine" >&2
    exit 1
}
case $machine in
x86_64) debian=amd64 ;;
aarch64) debian=arm64 ;;
esac
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 1577836800)}
umask 022

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder"

# ---- The tarball

name=vixen-$version-linux-$machine
mkdir "$work/$name"
cp -a "$tree" "$work/$name/vmware-vix-disklib-distrib"
install -m 644 README.md CHANGELOG.md SECURITY.md LICENSE-APACHE LICENSE-MIT "$work/$name/"
mkdir "$work/$name/docs"
install -m 644 docs/*.md "$work/$name/docs/"
scripts/install-command.sh "$work/command" /usr "$command" >/dev/null
cp -a "$work/command/usr/bin" "$work/command/usr/share" "$work/$name/"
scripts/sbom.py "$machine-unknown-linux-gnu" vixen >"$work/$name/sbom.cdx.json"
scripts/sbom.py "$machine-unknown-linux-gnu" vixen-cli >"$work/$name/sbom-command.cdx.json"
(cd "$work/$name" && find . -type f ! -name SHA256SUMS | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
tar -C "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw,a-s \
    --format=gnu -cf - "$name" | gzip -9n >"$folder/$name.tar.gz"

# ---- The packages of Debian

triplet=$machine-linux-gnu
scripts/install.sh "$work/all" /usr "$library" "$interface" "lib/$triplet" >/dev/null
runtime=libvixdisklib8 development=libvixdisklib-dev

# fields PACKAGE SECTION MULTIARCH DEPENDS SUMMARY: its control file; the rest of the description comes from standard
# input.
fields() {
    cat <<CONTROL
Package: $1
Source: vixen
Version: $version
Architecture: $debian
Multi-Arch: $3
Maintainer: The Vixen developers <vixen@example.invalid>
Section: $2
Priority: optional
Depends: $4
Installed-Size: $(du -sk --apparent-size "$work/$1" | cut -f 1)
Description: $5
$(cat)
CONTROL
}

# finish PACKAGE: documents, sums, and the package itself.
finish() {
    local root=$work/$1
    install -d "$root/usr/share/doc/$1"
    {
        echo "Vixen, Apache-2.0 or MIT, as you prefer. Texts of both:"
        printf '\n%s\n\n' ----
        cat LICENSE-MIT
        printf '\n%s\n\n' ----
        cat LICENSE-APACHE
    } >"$root/usr/share/doc/$1/copyright"
    gzip -9nc CHANGELOG.md >"$root/usr/share/doc/$1/changelog.gz"
    (cd "$root" && find usr -type f | LC_ALL=C sort | xargs md5sum >DEBIAN/md5sums)
    find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
    dpkg-deb --root-owner-group -Zxz --build "$root" "$folder/${1}_${version}_$debian.deb" >/dev/null
}

lib=usr/lib/$triplet
mkdir -p "$work/$runtime/DEBIAN" "$work/$runtime/$lib"
mv "$work/all/$lib"/libvixDiskLib.so.* "$work/$runtime/$lib/"
chmod 644 "$work/$runtime/$lib/libvixDiskLib.so.$interface"
# Where nbdkit's plugin looks when it is told nothing.
install -d "$work/$runtime/$lib/vmware-vix-disklib/lib64"
for link in so.6 so.7 so.8 so.9 so; do
    ln -s "../../libvixDiskLib.so.$interface" "$work/$runtime/$lib/vmware-vix-disklib/lib64/libvixDiskLib.$link"
done
fields "$runtime" libs same "libc6 (>= $glibc), libgcc-s1" "virtual disks of VMware products: VixDiskLib, shared library" \
    >"$work/$runtime/DEBIAN/control" <<'TEXT'
 An open stand-in for the library of VMware's Virtual Disk Development Kit,
 written from public facts. Programs made for that library load this one in its
 place. Not affiliated with VMware or Broadcom.
TEXT
echo "libvixDiskLib 8 $runtime" >"$work/$runtime/DEBIAN/shlibs"
echo "activate-noawait ldconfig" >"$work/$runtime/DEBIAN/triggers"
finish "$runtime"

mkdir -p "$work/$development/DEBIAN"
mv "$work/all/usr" "$work/$development/usr"
fields "$development" libdevel same "$runtime (= $version)" "virtual disks of VMware products: VixDiskLib, development files" \
    >"$work/$development/DEBIAN/control" <<'TEXT'
 The headers of the VixDiskLib interface and its pkg-config file, for programs
 that are built against Vixen.
TEXT
finish "$development"

mkdir -p "$work/vixen/DEBIAN"
mv "$work/command/usr" "$work/vixen/usr"
install -D -m 644 "$work/$name/sbom-command.cdx.json" "$work/vixen/usr/share/doc/vixen/sbom.cdx.json"
install -m 644 docs/command.md "$work/vixen/usr/share/doc/vixen/"
fields vixen utils foreign "libc6 (>= $command_glibc), libgcc-s1" "virtual disks of VMware products: command line" \
    >"$work/vixen/DEBIAN/control" <<'TEXT'
 Looks at, makes, converts, checks, backs up and restores virtual disks, of this
 host and of vSphere servers, and serves them to NBD clients. Completions for
 bash, zsh and fish, and manual pages.
TEXT
finish vixen

(cd "$folder" && find . -maxdepth 1 -type f ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
printf '%s\n' "$folder/$name.tar.gz" "$folder"/{libvixdisklib8,libvixdisklib-dev,vixen}"_${version}_$debian.deb"
