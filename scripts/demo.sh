#!/usr/bin/env bash
# A backup from end to end, without root and without a mount: a disk with a real file system, a full backup, changes,
# an incremental backup, both points in time restored, and each of them proven to be what the disk was then. All of it
# goes through ctests/backup, a plain C program that knows nothing but the public interface.
#
# usage: scripts/demo.sh DIST [WORKDIR]    DIST is the tree that `make dist` makes; WORKDIR is where the temporary
#                                          folder goes (default: TMPDIR or /tmp); KEEP=1 keeps it
set -euo pipefail
dist=${1:?usage: scripts/demo.sh DIST [WORKDIR]}
dist=$(cd "$dist" && pwd)
source=$(cd "$(dirname "$0")/.." && pwd)/ctests/backup
PATH=$PATH:/usr/sbin:/sbin

need() { # COMMAND PACKAGE
    command -v "$1" >/dev/null || [[ $missing == *" $2"* ]] || missing+=" $2"
}
missing=
need cc gcc
need cmp diffutils
need mkfs.ext4 e2fsprogs
need debugfs e2fsprogs
need e2fsck e2fsprogs
[ -n "$missing" ] || cc -E -include stdio.h -x c /dev/null >/dev/null 2>&1 || missing=" libc6-dev"
if [ -n "$missing" ]; then
    echo "demo: a tool is missing; run as root: apt-get install$missing" >&2
    exit 1
fi

parent=$(cd "${2:-${TMPDIR:-/tmp}}" && pwd)
work=$(mktemp -d "$parent/vixen-demo.XXXXXX")
finish() {
    local status=$?
    if [ "${KEEP:-0}" = 1 ]; then
        echo "kept: $work"
    else
        rm -rf "$work"
    fi
    [ $status -eq 0 ] || echo "demo FAILED" >&2
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

step() {
    printf '\n== %s\n' "$1"
}
ok() {
    printf '%-12s %s\n' ok "$1"
}
fail() {
    echo "demo: $1" >&2
    exit 1
}
backup() {
    LD_LIBRARY_PATH=$dist/lib64 "$work/backup" "$@"
}
random() { # FILE MIB
    head -c "$(($2 * 1048576))" /dev/urandom >"$1"
}
megabytes() { # FILE
    awk -v bytes="$(stat -c %s "$1")" 'BEGIN { printf "%.1f MB", bytes / 1e6 }'
}
# Changes a file system that is not mounted. debugfs tells of failed commands on its standard error only; the
# comparison of all files at the end would find them.
change() { # IMAGE, commands on the standard input
    debugfs -w -f - "$1" >"$work/debugfs.log" 2>&1 || { cat "$work/debugfs.log" >&2 && fail "debugfs failed"; }
}

began=$SECONDS
cd "$work"
cc -std=c99 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -pedantic -I"$dist/include" "$source"/*.c \
    -L"$dist/lib64" -lvixDiskLib -lpthread -o backup
echo "ctests/backup is plain C, linked with $(basename "$(readlink -f "$dist/lib64/libvixDiskLib.so")")"

step "A disk with a real file system"
mkdir -p files/texts files/pictures
for number in $(seq 200); do
    seq -f "line %g of text $number" $((number * 10)) >"files/texts/$number.txt"
done
for number in $(seq 8); do
    random "files/pictures/$number.raw" 4
done
random files/database 24
random files/draft 16
truncate -s 256M image
mkfs.ext4 -q -F -b 4096 -L demo -d files image
change image <<<"rm draft"
rm files/draft
echo "ext4, 256 MiB: $(find files -type f | wc -l) files, and one that was deleted"
backup create disk.vmdk 256
backup import disk.vmdk image
# The disk at this time, twice: as raw bytes, and as it is.
backup export disk.vmdk then-1.raw
cmp image then-1.raw
cp --sparse=always disk.vmdk then-1.vmdk
cp -a files files-1

step "First backup: all that is allocated"
backup full disk.vmdk monday

step "Some files change: one new, one removed, one overwritten, a few lines added; free space trimmed"
random files/new 3
rm files/pictures/3.raw
random files/pictures/5.raw 4
echo "one more line" >>files/texts/100.txt
change image <<'COMMANDS'
write files/new new
rm pictures/3.raw
rm pictures/5.raw
write files/pictures/5.raw pictures/5.raw
rm texts/100.txt
write files/texts/100.txt texts/100.txt
COMMANDS
# What fstrim does in a guest: free space becomes zeros. e2fsck does so only where it had nothing to note down, which
# is in its second run. Exit status 1 says that it noted something down.
for _ in 1 2; do
    e2fsck -fy -E discard image >e2fsck.log 2>&1 || [ $? -eq 1 ] || { cat e2fsck.log >&2 && fail "e2fsck failed"; }
done
backup import disk.vmdk image
backup export disk.vmdk then-2.raw
cmp image then-2.raw

step "Second backup: what is not as it was"
backup incremental disk.vmdk monday.manifest tuesday
echo "stored: $(megabytes monday.data) on Monday, $(megabytes tuesday.data) on Tuesday"

step "Both points in time, restored into new disks"
backup restore restored-1.vmdk monday.manifest
backup restore restored-2.vmdk monday.manifest tuesday.manifest

step "Are they what the disk was?"
check() { # DAY RESTORED DISK RAW FILES
    backup compare "$2" "$3"
    backup export "$2" restored.raw
    cmp restored.raw "$4"
    e2fsck -fn restored.raw >e2fsck.log 2>&1 || { cat e2fsck.log >&2 && fail "e2fsck finds errors"; }
    rm -rf got
    mkdir got
    debugfs -R "rdump / got" restored.raw >/dev/null 2>&1
    diff -r --exclude lost+found "$5" got >/dev/null || fail "the files are not what they were on $1"
    ok "$1: same sectors, same raw image, e2fsck finds nothing, $(find "$5" -type f | wc -l) files as they were"
}
check Monday restored-1.vmdk then-1.vmdk then-1.raw files-1
check Tuesday restored-2.vmdk disk.vmdk then-2.raw files
status=0
backup compare restored-1.vmdk restored-2.vmdk || status=$?
[ $status -eq 1 ] || fail "the two days should differ"
ok "and the two days differ, as they should"

printf '\ndemo passed in %d s\n' $((SECONDS - began))
