#!/usr/bin/env bash
# Runs a command while a simulated vCenter serves a small disk. What the command needs to know stands in its
# environment: VIXDISKLIB_HOST, _PORT, _NFC_PORT, _USER, _PASSWORD, _PASSWORD_FILE, _THUMBPRINT, _VM, _DISK, and
# VIXDISKLIB_CONTENT, a file with the bytes of the disk as it is at the start.
#
# usage: scripts/with-simulator.sh ESXI_SIM COMMAND [ARGUMENT...]
set -euo pipefail
simulator=$(realpath "$1")
shift
command -v qemu-io >/dev/null || {
    echo "with-simulator: qemu-io is missing; run as root: apt-get install qemu-utils" >&2
    exit 1
}
lab=$(mktemp -d "${TMPDIR:-/tmp}/vixen-lab.XXXXXX")
trap '[ -z "${pid:-}" ] || kill "$pid" 2>/dev/null || true; rm -rf "$lab"' EXIT

# 20000 sectors, of which some hold data: from 1 MiB on, one alone, and the last ones.
mkdir "$lab/vm"
qemu-img create -q -f vmdk "$lab/vm/disk.vmdk" $((20000 * 512))
qemu-io -f vmdk -c 'write -q -P 1 1M 1500k' -c 'write -q -P 2 5000k 512' -c 'write -q -P 3 9990k 10k' "$lab/vm/disk.vmdk"
qemu-img convert -f vmdk -O raw "$lab/vm/disk.vmdk" "$lab/content"

: >"$lab/host.json"
printf 'secret & "word"' >"$lab/password"
"$simulator" --vm-disk "$lab/vm/disk.vmdk" --user root --password "$(cat "$lab/password")" --control "$lab/control" \
    >"$lab/host.json" &
pid=$!
for _ in {1..1000}; do
    ! grep -q '}$' "$lab/host.json" || break
    kill -0 "$pid"
    sleep 0.02
done
eval "$(python3 - "$lab/host.json" <<'PY'
import json, shlex, sys
host = json.load(open(sys.argv[1]))
machine = host["vms"][0]
for name, value in {
    "HOST": host["address"], "PORT": host["soap_port"], "NFC_PORT": host["authd_port"],
    "THUMBPRINT": host["thumbprint_sha1"], "VM": machine["id"], "DISK": machine["disks"][0],
}.items():
    print(f"export VIXDISKLIB_{name}={shlex.quote(str(value))}")
PY
)"
VIXDISKLIB_PASSWORD=$(cat "$lab/password")
export VIXDISKLIB_USER=root VIXDISKLIB_PASSWORD VIXDISKLIB_PASSWORD_FILE=$lab/password VIXDISKLIB_CONTENT=$lab/content
"$@"
