#!/usr/bin/env bash
# Runs the README's command for nbdkit, with Debian's build of the vddk plugin.
#
#     readme.sh CACHE_DIR DIST README
#
# The command names the plugin as nbdkit finds it where it is installed; here
# the file from CACHE_DIR stands in for that name.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$here/common.sh"

[ $# -eq 3 ] || fail "usage: readme.sh CACHE_DIR DIST README"
need nbdkit nbdkit
need nbdcopy libnbd-bin
need qemu-img qemu-utils
dist=$(realpath "$2") readme=$(realpath "$3")
plugin=$(find "$(realpath "$1")/plugin" -name nbdkit-vddk-plugin.so)
[ -f "$plugin" ] || fail "there is no nbdkit-vddk-plugin.so below $1; run first: $here/fetch.sh $1"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir -p target/dist
ln -s "$dist" target/dist/vmware-vix-disklib-distrib
head -c 3000000 /dev/urandom >wanted.raw
truncate -s 8M wanted.raw
qemu-img convert -q -O vmdk wanted.raw disk.vmdk

awk '/^```sh$/ { inside = 1; next } /^```$/ { inside = 0 } inside && /^nbdkit vddk /' "$readme" >command.sh
[ "$(wc -l <command.sh)" -eq 1 ] || fail "$readme has $(wc -l <command.sh) commands that begin with 'nbdkit vddk'"
sed -i "s|^nbdkit vddk |nbdkit $plugin |" command.sh
timeout 60 bash -eu command.sh
cmp disk.raw wanted.raw
echo "ok the command of the README for nbdkit"
