#!/usr/bin/env bash
# Drives Debian's build of nbdkit's vddk plugin, unmodified, with disks on a
# server: the simulated vCenter or ESXi host of this repository, over TCP and
# TLS.
#
#     remote.sh CACHE_DIR DIST ESXI_SIM [PATTERN...]
#
# As plugin.sh; ESXI_SIM is the program. What the simulator serves are VMDKs that
# qemu-img made, and what was written is read by qemu-img again. The password
# may stand in no log.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$here/common.sh"
# shellcheck source-path=SCRIPTDIR source=harness.sh
. "$here/harness.sh"

# What XML, files and shells could get wrong.
PASSWORD="s3cret & <\"word'>, ünd"

# ---------------------------------------------------------------- the server

# start_lab [OPTION...]: serves lab/vm/disk.vmdk as a virtual machine's disk;
# sets what lab.py tells of it.
start_lab() {
    local deadline=$((SECONDS + PATIENCE))
    : >lab.json
    printf '%s' "$PASSWORD" >password
    "$simulator" --vm-disk lab/vm/disk.vmdk --user root --password "$PASSWORD" \
        --control "$PWD/control" "$@" >lab.json 2>lab.log &
    lab=$!
    until grep -q '}$' lab.json; do
        kill -0 "$lab" 2>/dev/null || complain "the simulator did not start: $(cat lab.log)"
        [ "$SECONDS" -lt "$deadline" ] || complain "the simulator took too long to start"
        sleep 0.02
    done
    eval "$(ask variables lab.json)"
    parameters=(server=127.0.0.1 port="$soap_port" user=root password=+"$PWD/password"
        thumbprint="$sha1" vm=moref="$vm")
}

# ask COMMAND...: see lab.py.
ask() {
    with_patience python3 "$here/lab.py" "$@"
}

# end_lab: it must end well too.
end_lab() {
    local status=0
    kill -TERM "$lab"
    wait "$lab" || status=$?
    [ "$status" -eq 0 ] || complain "the simulator ended with $status"
}

# make_lab_disk RAW: the disk that the lab serves.
make_lab_disk() {
    mkdir -p lab/vm
    make_disk monolithicSparse "$1" lab/vm/disk.vmdk
}

# with_content_a [OPTION...]: a lab with a disk of content a.
with_content_a() {
    make_content_a a.raw
    make_lab_disk a.raw
    start_lab "$@"
}

# read_remote PARAMETER..., write_remote PARAMETER...: serves the disk; later
# parameters take the place of earlier ones.
read_remote() {
    serve -r -- "${parameters[@]}" file="$disk_path" "$@"
}

write_remote() {
    serve -- "${parameters[@]}" file="$disk_path" "$@"
}

# but NAME=VALUE...: other values for what start_lab has set; "NAME=" takes it away.
but() {
    local change kept parameter
    for change in "$@"; do
        kept=()
        for parameter in "${parameters[@]}"; do
            [ "${parameter%%=*}" = "${change%%=*}" ] || kept+=("$parameter")
        done
        parameters=("${kept[@]}")
        [ -z "${change#*=}" ] || parameters+=("$change")
    done
}

# silent_about_secrets: no log has the password, or a part of it.
silent_about_secrets() {
    if grep -F -e 's3cret' -e 'ünd' server.log lab.log; then
        complain "the password is in a log"
    fi
}

stop_both() {
    stop
    silent_about_secrets
    end_lab
}

# ---------------------------------------------------------------- what works

# reads MODE [LAB_OPTION...]: what is there, and what is said about it.
reads() {
    with_content_a "${@:2}"
    serve -r -D vddk.diskinfo=1 -- "${parameters[@]}" file="$disk_path" transports="$1"
    serves a.raw
    copy_out qemu out.raw
    cmp out.raw a.raw
    map_is zero a.raw lab/vm/disk.vmdk
    stop_both
    logged "transport mode: $1\$"
    logged "disk info: capacity: $((DISK_SIZE / 512)) sectors"
    logged 'disk info: sector size: logical 512 physical 512$'
    # Containerized Data Importer takes the host from it.
    logged "^nbdkit: vddk\[[0-9]\]: debug: DISKLIB-LINK  : Opened '.*@127\.0\.0\.1:$authd_port' \(0x[0-9a-f]+"
}

# writes MODE [LAB_OPTION...]: over other data; many requests at a time too.
writes() {
    with_content_a "${@:2}"
    make_content_b b.raw
    write_remote transports="$1"
    copy_in nbdcopy b.raw
    serves b.raw
    disk random-io "$uri" 4 b.raw
    serves b.raw
    copy_in qemu a.raw
    serves a.raw
    stop_both
    vmdk_holds a.raw lab/vm/disk.vmdk
}

# compressed COMPRESSION MODE
compressed() {
    with_content_a
    make_content_b b.raw
    read_remote transports="$2" compression="$1"
    serves a.raw
    stop
    write_remote transports="$2" compression="$1"
    copy_in nbdcopy b.raw
    serves b.raw
    stop_both
    vmdk_holds b.raw lab/vm/disk.vmdk
}

# snapshot MODE [LAB_OPTION...]: the snapshot stays what it was while the leaf is
# written, by another server.
snapshot() {
    local id
    with_content_a "${@:2}"
    make_content_b b.raw
    id=$(ask snapshot lab.json "$PASSWORD")
    read_remote transports="$1" snapshot="$id"
    serves a.raw
    mkdir leaf
    (
        cd leaf
        serve -- "${parameters[@]}" file="${disk_path%.vmdk}-000001.vmdk" transports="$1"
        copy_in nbdcopy ../b.raw
        serves ../b.raw
        stop
    )
    serves a.raw
    stop
    # As some programs write it.
    read_remote transports="$1" snapshot="moref=$id"
    serves a.raw
    map_is zero a.raw lab/vm/disk.vmdk
    stop_both
    vmdk_holds b.raw lab/vm/disk-000001.vmdk
    vmdk_holds a.raw lab/vm/disk.vmdk
}

# The leaf of a machine that runs cannot be read, the snapshot's disk can.
snapshot_of_a_running_machine() {
    local id
    with_content_a --powered-on
    read_remote
    refused nbdinfo "$uri"
    end_server
    logged "error: VixDiskLib_Open: .*vm/disk\.vmdk"
    id=$(ask snapshot lab.json "$PASSWORD")
    read_remote snapshot="$id"
    serves a.raw
    stop_both
}

# changed PARAMETER...: with other parameters the disk is read as ever.
changed() {
    with_content_a
    but "$@"
    read_remote
    serves a.raw
    stop_both
}

# The disk service at the port that the plugin is told.
nfc_port() {
    with_content_a
    but "nfchostport=$authd_port"
    read_remote
    serves a.raw
    stop_both
}

by_uuid() {
    with_content_a
    but vm="uuid=$uuid"
    read_remote
    serves a.raw
    stop_both
}

# thumbprint NAME: in forms that people paste.
thumbprint() {
    local sha256_lower
    with_content_a
    sha256_lower=$(tr -d : <<<"$sha256" | tr A-F a-f)
    but thumbprint="${!1}"
    read_remote
    serves a.raw
    stop_both
}

config_of_buffers() {
    cat >vddk.conf <<'END'
VixDiskLib.nfcAio.Session.BufSizeIn64KB=16
VixDiskLib.nfcAio.Session.BufCount="4"
END
    with_content_a
    make_content_b b.raw
    write_remote config=vddk.conf
    serves a.raw
    copy_in nbdcopy b.raw
    serves b.raw
    stop_both
    vmdk_holds b.raw lab/vm/disk.vmdk
}

empty_password() {
    make_content_a a.raw
    make_lab_disk a.raw
    PASSWORD=''
    start_lab
    read_remote
    serves a.raw
    stop_both
}

# A session that exists is used, again and again: nobody logs it out.
cookie() {
    local cookie
    with_content_a
    cookie=$(ask session lab.json "$PASSWORD")
    printf 'not the password' >password
    but cookie="$cookie"
    read_remote
    serves a.raw
    serves a.raw
    stop_both
    # nbdkit itself logs its parameters.
    if grep -v ': config key=cookie' server.log | grep -F -e "$cookie"; then
        complain "the cookie is in a log"
    fi
}

# The filters that virt-v2v and Containerized Data Importer put before it.
filters() {
    with_content_a
    serve -r --filter=cow --filter=multi-conn --filter=blocksize --filter=retry \
        -D vddk.datapath=0 -D vddk.stats=1 -- "${parameters[@]}" file="$disk_path" \
        maxdata=2M multi-conn-mode=disable transports=file:nbdssl:nbd
    copy_out qemu out.raw
    cmp out.raw a.raw
    stop
    serve -r --filter=retry --filter=cacheextents -- "${parameters[@]}" file="$disk_path"
    serves a.raw
    map_is zero a.raw
    stop_both
}

several_connections() {
    with_content_a
    serve -r --filter=multi-conn -- "${parameters[@]}" file="$disk_path" multi-conn-mode=unsafe
    with_patience nbdcopy --connections=4 --threads=4 --request-size=65536 "$uri" out.raw
    cmp out.raw a.raw
    stop_both
    [ "$(grep -c 'VDDK call: VixDiskLib_Open ' server.log)" -ge 4 ] ||
        complain "there were fewer than 4 connections"
}

# Connections and sessions that end are begun anew, and the client sees nothing.
heals() {
    with_content_a
    make_content_b b.raw
    write_remote transports="$1"
    ask tell lab.json '{"command": "inject", "fault": {"fault": "cut", "bytes": 3000000, "times": 2}}'
    serves a.raw
    ask tell lab.json '{"command": "expire_sessions"}'
    ask tell lab.json '{"command": "cut"}'
    copy_in nbdcopy b.raw
    ask tell lab.json '{"command": "cut"}'
    serves b.raw
    stop_both
    vmdk_holds b.raw lab/vm/disk.vmdk
}

# large MODE: 2 GiB in and out, beyond what 32 bits can count.
large() {
    disk make b.raw $((2 * GIB)) 9 "0:$((4 * MIB))" "$((700 * MIB - 512)):$((16 * MIB))" \
        "$((1500 * MIB)):$((100 * MIB))" "$((2 * GIB - 8 * MIB)):$((8 * MIB))"
    mkdir -p lab/vm
    qemu-img create -q -f vmdk lab/vm/disk.vmdk $((2 * GIB))
    start_lab
    write_remote transports="$1"
    # Zeros need not be written to a new disk; they would be 2 GiB of them.
    with_patience nbdcopy --flush --destination-is-zero b.raw "$uri"
    serves b.raw
    stop_both
    vmdk_holds b.raw lab/vm/disk.vmdk
}

# ------------------------------------------------------------ what goes wrong

# fails TEXT [PARAMETER...]: the plugin is refused, and says so; and again.
fails() {
    local text=$1
    shift
    read_remote "$@"
    refused nbdinfo "$uri"
    refused nbdinfo "$uri"
    end_server
    silent_about_secrets
    end_lab
    logged "error: VixDiskLib_Open: .*$text"
}

wrong_password() {
    with_content_a
    # Its letters may be in no log either.
    printf 's3cret?' >password
    fails "user 'root'.*InvalidLogin"
}

wrong_thumbprint() {
    local wrong
    with_content_a
    wrong=$(printf '00:%.0s' {1..19})00
    but thumbprint="$wrong"
    fails 'thumbprint'
    # People learn the right one from this line.
    logged "VixDiskLibVim: Failed to verify SSL certificate: actual thumbprint=$sha1 expected=$wrong"
}

no_thumbprint() {
    with_content_a
    but thumbprint=
    fails 'certificate'
}

unknown_machine() {
    with_content_a
    but vm=moref=vm-99999
    fails "vm-99999"
}

unknown_disk() {
    with_content_a
    disk_path='[datastore1] vm/none.vmdk'
    fails 'none\.vmdk'
}

unknown_server() {
    with_content_a
    but server=no-such-server.invalid
    fails "no-such-server\.invalid"
}

closed_port() {
    local closed
    with_content_a
    closed=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    but "$1=$closed"
    fails "127\.0\.0\.1:$closed: Connection refused"
}

no_transport_left() {
    with_content_a
    read_remote transports=file
    refused nbdinfo "$uri"
    end_server
    end_lab
    logged 'error: VixDiskLib_ConnectEx: .*file'
}

no_privilege() {
    with_content_a
    ask tell lab.json '{"command": "inject", "fault": {"fault": "no_permission", "times": 0}}'
    fails 'NoPermission'
}

maintenance() {
    with_content_a
    ask tell lab.json '{"command": "inject", "fault": {"fault": "maintenance", "times": 0}}'
    fails 'ticket'
}

# ---------------------------------------------------------------- the checks

[ $# -ge 3 ] || fail "usage: remote.sh CACHE_DIR DIST ESXI_SIM [PATTERN...]"
[ -x "$3" ] || fail "$3 is no program: is the simulator built? (cargo build -p esxi-sim)"
simulator=$(realpath "$3")
prepare "remote.sh CACHE_DIR DIST ESXI_SIM [PATTERN...]" "$1" "$2" "${@:4}"

for mode in nbd nbdssl; do
    run "read_$mode" reads "$mode"
    run "read_esxi_$mode" reads "$mode" --esxi
    run "write_$mode" writes "$mode"
    run "write_esxi_strict_$mode" writes "$mode" --esxi --strict
    run "snapshot_$mode" snapshot "$mode"
    for compression in none zlib fastlz skipz; do
        run "compression_${compression}_$mode" compressed "$compression" "$mode"
    done
    run "heals_$mode" heals "$mode"
    run "large_$mode" large "$mode"
done
for profile in 6.7 7.0 7.0.3; do
    run "profile_$profile" reads nbdssl --profile "$profile"
done
run snapshot_of_a_running_machine snapshot_of_a_running_machine
run transports_unnamed changed
run transports_of_importers changed transports=file:nbdssl:nbd
run transports_with_others changed transports=san:hotadd:nbdssl:nbd
run nfchostport nfc_port
run vm_by_id_alone changed vm=vm-13001
run vm_by_uuid by_uuid
run vm_by_path changed vm=path=ha-datacenter/vm/disk
run thumbprint_sha256 thumbprint sha256
run thumbprint_without_colons thumbprint sha256_lower
run config_of_buffers config_of_buffers
run empty_password empty_password
run cookie cookie
run filters filters
run several_connections several_connections
run wrong_password wrong_password
run wrong_thumbprint wrong_thumbprint
run no_thumbprint no_thumbprint
run unknown_machine unknown_machine
run unknown_disk unknown_disk
run unknown_server unknown_server
run closed_port closed_port port
run closed_nfchostport closed_port nfchostport
run no_transport_left no_transport_left
run no_privilege no_privilege
run maintenance maintenance
conclude
