#!/usr/bin/env bash
# Two hundred disks of a simulated vCenter through the C interface, and what is left of them: `remains.c` tells.
#
# usage: esxi-sim/tests/remains.sh DIST ESXI-SIM
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dist=$(cd "${1:?usage: remains.sh DIST ESXI-SIM}" && pwd)
simulator=$(realpath "${2:?usage: remains.sh DIST ESXI-SIM}")
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT

${CC:-cc} -std=c99 -pedantic -g -O2 -Wall -Wextra -Werror -D_GNU_SOURCE -I "$dist/include" -I "$here/../../ctests" \
    "$here/remains.c" -o "$work/remains" -L "$dist/lib64" -Wl,-rpath,"$dist/lib64" -lvixDiskLib -lpthread -ldl

mkdir "$work/vm"
truncate -s 16M "$work/vm/disk-flat.vmdk"
cat >"$work/vm/disk.vmdk" <<'VMDK'
# Disk DescriptorFile
version=1
CID=12345678
parentCID=ffffffff
createType="monolithicFlat"

RW 32768 FLAT "disk-flat.vmdk" 0

ddb.adapterType = "lsilogic"
VMDK

"$simulator" --vm-disk "$work/vm/disk.vmdk" --password wipe-7311-secret --control "$work/control" >"$work/told" &
server=$!
for _ in $(seq 200); do
    [ ! -s "$work/told" ] || break
    sleep 0.05
done
# The simulator tells what a client needs on one line of JSON.
told() {
    sed -n "s/.*\"$1\":\"\{0,1\}\([^\",]*\).*/\1/p" "$work/told"
}
timeout 300 "$work/remains" "$(told soap_port)" "$(told thumbprint_sha256)" vm-13001 "[datastore1] vm/disk.vmdk"
echo "ok nothing is left of 200 disks of a server: no descriptor, no thread, no secret"
