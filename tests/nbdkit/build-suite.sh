#!/usr/bin/env bash
# Builds upstream's acceptance tests for VDDK (nbdkit's check-vddk) from the
# source that fetch.sh got, so that check-vddk.sh can run them.
#
#     build-suite.sh CACHE_DIR
#
# The result is CACHE_DIR/suite. A second call finds it and does nothing.
#
# The tests want a build tree of nbdkit, but little of it: the server, the
# wrapper that runs it from the tree, the vddk plugin, the linuxdisk plugin
# (which makes the partitioned disk that one test copies) and the helpers of
# the tests folder. Everything else is switched off or not built: that takes
# seconds where all of nbdkit takes minutes.
#
# The upstream tarball is built as it is. Debian's patches touch the build
# system, and make would then ask for the autotools.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$here/common.sh"

# What one of the four tests needs, in the order of dependence.
readonly PARTS="common/replacements common/utils common/protocol common/gpt
                common/regions server plugins/vddk plugins/linuxdisk"

readonly OPTIONS="
    --disable-dependency-tracking --disable-static
    --disable-perl --disable-python --disable-ocaml --disable-rust
    --disable-tcl --disable-lua --disable-golang
    --disable-torrent --disable-libguestfs-tests --disable-valgrind
    --without-manpages --without-bash-completions
    --without-gnutls --without-selinux --without-iconv
    --without-libblkio --without-curl --without-ssh --without-iso
    --without-libvirt --without-libnbd --without-libguestfs --without-ext2
    --without-bzip2 --without-zlib --without-zlib-ng --without-liblzma
    --without-libzstd"

# step NAME COMMAND...: runs the command; its output is shown when it fails.
step() {
    local name=$1
    shift
    if ! "$@" >"$cache/build.log" 2>&1; then
        tail -n 40 "$cache/build.log" >&2
        fail "$name failed; all of its output is in $cache/build.log"
    fi
}

build() {
    local part
    rm -rf "$suite"
    mkdir "$suite"
    step "unpacking $tarball" \
        tar -C "$suite" --strip-components=1 --no-same-owner -xf "$cache/$tarball"
    cd "$suite"
    # shellcheck disable=SC2086 # a list
    step "configuring nbdkit" ./configure CFLAGS=-O1 $OPTIONS
    for part in $PARTS; do
        step "building $part" make -j "$(nproc)" -C "$part" all
    done
    step "building the wrapper nbdkit" make nbdkit
    # With no test to run, this builds just what tests need.
    step "building the helpers of the tests" make -j "$(nproc)" -C tests check TESTS=
    [ -f tests/disk ] ||
        fail "the test disk was not made; see $cache/build.log"
}

[ $# -eq 1 ] || fail "usage: build-suite.sh CACHE_DIR"
use_system_commands
# Not those of a make that runs this script.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
need gcc "gcc libc6-dev"
need make make
need pkg-config pkg-config
need mke2fs e2fsprogs
need file file
need_nbd_clients
open_cache "$1"
read_fetched

suite=$cache/suite
# The tree has its own path written into it, so it must not have been moved.
built="$tarball in $suite"
if [ "$(cat "$suite/vixen-built" 2>/dev/null)" = "$built" ]; then
    echo "$script: the suite of nbdkit $version is built"
    exit 0
fi
build 9>&-
echo "$built" >"$suite/vixen-built"
echo "$script: built the suite of nbdkit $version"
