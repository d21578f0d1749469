#!/usr/bin/env bash
# The programs of docs/embedding.md: they compile without a warning, as C99 and C++11, and do what the page says.
#
# usage: scripts/check-recipes.sh DIST
set -euo pipefail
dist=$(realpath "$1")
page=$PWD/docs/embedding.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# fails COMMAND...: it does not succeed; what it says on standard error is in `said`.
fails() {
    if "$@" >/dev/null 2>said; then
        echo "not ok this should fail: $*" >&2
        exit 1
    fi
}

# blocks LANGUAGE: all of them, one after the other.
blocks() {
    awk -v fence="\`\`\`$1" '$0 == fence { inside = 1; next } /^```$/ { inside = 0 } inside' "$page"
}
blocks c >recipes.c
blocks cpp >example.cpp
flags=(-Wall -Wextra -Werror -O1 -D_FILE_OFFSET_BITS=64 -D_POSIX_C_SOURCE=200809L -I "$dist/include")
link=(-L "$dist/lib64" -Wl,-rpath,"$dist/lib64" -lvixDiskLib)
cc -std=c99 -pedantic "${flags[@]}" -Wno-unused-function -fsanitize=address,undefined recipes.c -o recipes "${link[@]}"
cp recipes.c recipes.cpp
c++ -std=c++11 -pedantic "${flags[@]}" -Wno-unused-function -fsyntax-only recipes.cpp
c++ -std=c++11 -pedantic "${flags[@]}" example.cpp -o example "${link[@]}"
echo "ok docs/embedding.md compiles"

# 20 MiB and three sectors, with data at both ends and in between.
truncate -s $((20 * 1048576 + 3 * 512)) disk.raw
for place in 0 5242880 20970496; do
    head -c 100000 /dev/urandom | dd of=disk.raw bs=4096 seek=$((place / 4096)) conv=notrunc status=none
done
truncate -s $((20 * 1048576 + 3 * 512)) disk.raw
qemu-img convert -f raw -O vmdk disk.raw disk.vmdk
./recipes backup disk.vmdk base
cmp base disk.raw
[ "$(du -k base | cut -f1)" -lt 1024 ]
echo "ok a full backup reads what is allocated"

qemu-io -f vmdk -c 'write -P 7 1M 300k' -c 'write -z 5M 1M' -c 'write -P 9 20971520 512' disk.vmdk >/dev/null
./recipes backup disk.vmdk base changes
[ "$(stat -c %s changes)" -lt $((6 * 1048576)) ]
./recipes restore restored.vmdk base changes
qemu-img compare -f vmdk -F vmdk restored.vmdk disk.vmdk >/dev/null
./recipes restore first.vmdk base
qemu-img compare -f vmdk -F raw first.vmdk disk.raw >/dev/null
fails qemu-img compare -f vmdk -F vmdk first.vmdk disk.vmdk
echo "ok an incremental backup and both restores"

./recipes convert disk.vmdk packed.vmdk
qemu-img info packed.vmdk | grep -q 'create type: streamOptimized'
qemu-img compare -f vmdk -F vmdk packed.vmdk disk.vmdk >/dev/null
fails ./recipes convert disk.vmdk packed.vmdk
grep -q 'packed.vmdk: .*VixDiskLib_Clone' said
echo "ok a conversion, and one that is refused"

[ "$(./example disk.vmdk)" = "$((20 * 2048 + 3))" ]
fails ./example missing.vmdk
grep -q 'missing.vmdk' said
echo "ok C++"
