#!/usr/bin/env bash
# Drives the binary that users have, Debian's build of nbdkit's vddk plugin,
# against a library tree, and lets the clients of NBD and qemu-img judge it.
#
#     plugin.sh CACHE_DIR DIST [PATTERN...]
#
# CACHE_DIR is one that fetch.sh has filled, DIST a folder with
# lib64/libvixDiskLib.so.8. Every check prints "ok NAME" or "not ok NAME"; at
# the end comes "N passed, M failed". Patterns (as of the shell) pick checks by
# name. With KEEP=1 the work folder stays.
#
# One file because its checks share the server, the trace and the pictures of
# what a client sees.
#
# The disks are made by qemu-img, and read by qemu-img after the library wrote
# to them: the library is never its own witness. After each check the server
# must end well when asked to (so closing, VixDiskLib_Exit and unloading work)
# and, unless the check provokes errors, must have logged none. As in upstream's
# own tests it runs with glibc's malloc checks on, which catch memory that is
# freed twice or by the wrong side.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$here/common.sh"
# shellcheck source-path=SCRIPTDIR source=harness.sh
. "$here/harness.sh"

readonly LOCAL_TYPES="monolithicSparse monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat"

# serve_disk PARAMETER...: serves disk.vmdk for reading and writing;
# serve_read_only: for reading.
serve_disk() {
    serve -- file="$PWD/disk.vmdk" "$@"
}

serve_read_only() {
    serve -r -- file="$PWD/disk.vmdk" "$@"
}

# ------------------------------------------------------- loading and logging

dump_plugin() {
    local function dll
    nbdkit "$plugin" libdir="$dist" --dump-plugin >dump 2>dump.log
    cat dump dump.log
    for function in InitEx Exit ListTransportModes GetErrorText FreeErrorText \
        AllocateConnectParams FreeConnectParams ConnectEx Disconnect Create Open Close \
        GetTransportMode GetInfo FreeInfo Read Write ReadAsync WriteAsync Flush Wait \
        QueryAllocatedBlocks FreeBlockList; do
        grep -qx "VixDiskLib_$function=1" dump || complain "VixDiskLib_$function was not found"
    done
    grep -qx 'vddk_library_version=8' dump
    grep -q '^vddk_default_libdir=/' dump
    grep -qx 'vddk_has_nfchostport=1' dump
    grep -qE '^vddk_transport_modes=(.*:)?file(:|$)' dump
    dll=$(sed -n 's/^vddk_dll=//p' dump)
    [ -f "$dll" ]
    [ "$dll" = "$(realpath "$dist/lib64/libvixDiskLib.so.8")" ]
    # Nothing but "key=value" on stdout.
    if grep -nvE '^[A-Za-z_]+=' dump; then
        complain "something else was printed to stdout"
    fi
    if grep -F 'cannot open shared object file' dump.log; then
        complain "a library is missing"
    fi
}

# Containerized Data Importer takes version and disk from these two lines.
log_lines() {
    make_content_a a.raw
    make_disk monolithicSparse a.raw
    serve_read_only
    with_patience nbdinfo "$uri"
    stop
    logged '^nbdkit: debug: VMware VixDiskLib \([0-9]+\.[0-9]+\.[0-9]+\) Release build-[0-9]+'
    logged "^nbdkit: vddk\[1\]: debug: DISKLIB-LINK  : Opened '$PWD/disk\.vmdk' \(0x[0-9a-f]+"
}

# traced_into FILE: what comes next is served under strace. Its option -D keeps
# the server our child.
traced_into() {
    under=(strace -D -f -o "$1" -e "trace=write,writev,pwrite64,pwritev")
}

# nothing_on_stdout FILE: strace saw nothing written there.
nothing_on_stdout() {
    local deadline=$((SECONDS + 10))
    # The end comes a little later than the end of the server.
    until tail -n 1 "$1" | grep -q 'exited with 0'; do
        [ "$SECONDS" -lt "$deadline" ] || complain "strace did not see the end"
        sleep 0.02
    done
    grep -q 'write(2,' "$1" || complain "strace did not see the log being written"
    if grep -E '^[0-9]+ +(write|writev|pwrite64|pwritev)\(1,' "$1"; then
        complain "something was written to stdout"
    fi
}

# For some users stdout is the stream of data. The server has /dev/null there,
# so the check looks at its system calls to see if the library writes to it.
silent_stdout() {
    make_content_a a.raw
    make_content_b b.raw
    make_disk monolithicSparse a.raw
    traced_into calls
    serve_disk
    serves a.raw
    copy_in nbdcopy b.raw
    disk past-the-end "$uri"
    end_server
    nothing_on_stdout calls
    traced_into calls-of-a-failure
    serve -r -- file="$PWD/none.vmdk"
    refused nbdinfo "$uri"
    end_server
    nothing_on_stdout calls-of-a-failure
}

# A captive server ends when its client does.
captive_run() {
    local said
    make_content_a a.raw
    make_disk monolithicSparse a.raw
    # shellcheck disable=SC2016 # for the shell of nbdkit
    said=$(with_patience nbdkit -f -r -U - "$plugin" libdir="$dist" file="$PWD/disk.vmdk" \
        --run 'nbdinfo --size "$uri"')
    [ "$said" = "$DISK_SIZE" ] || complain "the client said: $said"
}

# Some users set the path themselves, so that the plugin need not start anew.
library_path_preset() {
    make_content_a a.raw
    make_disk monolithicSparse a.raw
    LD_LIBRARY_PATH=$dist/lib64 serve_read_only
    serves a.raw
    stop
}

disk_info() {
    make_content_a a.raw
    make_disk monolithicSparse a.raw
    serve -r -D vddk.diskinfo=1 -D vddk.stats=1 -D vddk.extents=1 -- file="$PWD/disk.vmdk"
    with_patience nbdinfo "$uri"
    stop
    logged "disk info: capacity: $((DISK_SIZE / 512)) sectors"
    logged 'disk info: num links: 1$'
    logged 'disk info: sector size: logical 512 physical 512$'
    logged 'disk info: parent filename hint: NULL$'
    logged 'debug:   Open +[0-9]'
}

# ------------------------------------------------------ reading and writing

# read_by TOOL SUBFORMAT
read_by() {
    make_content_a a.raw
    make_disk "$2" a.raw
    serve_read_only
    copy_out "$1" out.raw
    stop
    cmp out.raw a.raw
}

# write_by TOOL SUBFORMAT: over a disk that holds other data already.
write_by() {
    local before
    make_content_a a.raw
    make_content_b b.raw
    make_disk "$2" a.raw
    before=$(ls ./*.vmdk*)
    serve_disk
    copy_in "$1" b.raw
    copy_out "$1" out.raw
    cmp out.raw b.raw
    stop
    vmdk_holds b.raw
    [ "$before" = "$(ls ./*.vmdk*)" ] || complain "files were left behind: $(ls)"
}

# random_io SUBFORMAT
random_io() {
    disk make truth.raw $((40 * MIB + 512)) 3 "$MIB:$((4 * MIB))"
    make_disk "$1" truth.raw
    serve_disk
    disk random-io "$uri" 4 truth.raw
    serves truth.raw
    stop
    vmdk_holds truth.raw
}

flush_survives_a_kill() {
    make_content_a a.raw
    make_content_b b.raw
    make_disk monolithicSparse a.raw
    serve_disk
    disk write-and-kill "$uri" b.raw "$server"
    wait "$server" || true
    vmdk_holds b.raw
}

# Content on both sides of where a disk is split: at 2047 MiB - 64 KiB by
# VMware's products and at 2 GiB by qemu-img.
make_large_content() {
    disk make "$1" $((2 * GIB + 3 * MIB + 512)) 5 "0:$((64 * KIB))" \
        "$((2046 * MIB)):$((3 * MIB))" "$((2 * GIB + 3 * MIB)):512"
}

# has_two_extents: of the disk with the content above.
has_two_extents() {
    local extents=(disk-?00?.vmdk)
    [ "${#extents[@]}" -eq 2 ] || complain "these are not two extents: ${extents[*]}"
}

# split_read SUBFORMAT [VMDK]: a disk of two files; with a VMDK, its map is exact.
split_read() {
    make_large_content a.raw
    make_disk "$1" a.raw
    has_two_extents
    serve_read_only
    serves a.raw
    map_is zero a.raw "${@:2}"
    stop
}

# split_create TYPE
split_create() {
    make_large_content b.raw
    serve_disk create=true create-size="$(stat -c %s b.raw)" create-type="$1"
    # Zeros need not be written to a new disk; they would be 2 GiB of them.
    with_patience nbdcopy --flush --destination-is-zero b.raw "$uri"
    serves b.raw
    stop
    has_two_extents
    vmdk_holds b.raw
}

# small SECTORS SUBFORMAT: disks around the size of a chunk. Of those below it
# nbdkit cannot ask what is allocated.
small() {
    disk make a.raw $(($1 * 512)) 6 "0:512" "$(($1 * 512 - 512)):512"
    disk make b.raw $(($1 * 512)) 7 "$((($1 / 2) * 512)):512"
    make_disk "$2" a.raw
    serve_disk
    copy_out qemu out.raw
    cmp out.raw a.raw
    serves a.raw
    copy_in nbdcopy b.raw
    serves b.raw
    stop
    vmdk_holds b.raw
    serve_read_only
    map_is zero b.raw
    serves b.raw
    stop
}

# ------------------------------------------------------------------- extents

# map_of SUBFORMAT: of a sparse disk the map must be exact, of a flat one only
# true.
map_of() {
    make_content_a a.raw
    make_disk "$1" a.raw
    serve_read_only
    case $1 in
    *Sparse) map_is zero a.raw disk.vmdk ;;
    *) map_is zero a.raw ;;
    esac
    stop
}

map_of_an_empty_disk() {
    truncate -s $((10 * MIB)) a.raw
    make_disk monolithicSparse a.raw
    serve_read_only
    map_is zero a.raw disk.vmdk
    stop
    python3 -c 'import json; assert [e["type"] for e in json.load(open("map.json"))] == [3]'
}

map_follows_writes() {
    truncate -s $((10 * MIB)) a.raw
    make_disk monolithicSparse a.raw
    serve_disk
    with_patience qemu-io -f raw -c "write -P 7 $((MIB)) 64k" -c "write -P 8 $((4 * MIB + 512)) 512" \
        -c flush "$uri"
    with_patience nbdinfo --map --json "$uri" >map.json
    stop
    qemu-img convert -f vmdk -O raw disk.vmdk truth.raw
    disk check-map map.json zero truth.raw disk.vmdk
    # And not only the same as what qemu-img finds.
    python3 -c 'import json; data = [(e["offset"], e["length"]) for e in json.load(open("map.json")) if e["type"] == 0]; \
        assert data == [(1 << 20, 65536), (4 << 20, 65536)], data'
}

# ------------------------------------------------------------------ creating

# create_type TYPE SUBFORMAT ADAPTER PARAMETER...
create_type() {
    local type=$1 subformat=$2 adapter=$3
    shift 3
    make_content_b b.raw
    serve_disk create=true create-size="$DISK_SIZE" create-type="$type" "$@"
    # Connects more than once, and only the first time creates.
    copy_in nbdcopy b.raw
    serves b.raw
    stop
    vmdk_holds b.raw
    qemu-img info --output=json -f vmdk disk.vmdk | grep "\"create-type\": \"$subformat\""
    grep -a "^ddb.adapterType *= *\"$adapter\"" disk.vmdk
    # A disk of its own: it opens again, and takes new content.
    make_content_a a.raw
    serve_disk
    serves b.raw
    copy_in qemu a.raw
    stop
    vmdk_holds a.raw
}

# A stream takes its grains in the order of the disk, once each: one request at a time, and no zeros written first.
create_stream() {
    make_content_b b.raw
    serve_disk create=true create-size="$DISK_SIZE" create-type=stream-optimized
    nbdcopy --synchronous --destination-is-zero b.raw "$uri"
    serves b.raw
    stop
    vmdk_holds b.raw
    qemu-img info --output=json -f vmdk disk.vmdk | grep '"create-type": "streamOptimized"'
    serve_disk
    serves b.raw
    stop
}

# create_refused TYPE: what only ESXi has cannot be made; nothing may be left.
create_refused() {
    serve -- file="$PWD/new.vmdk" create=true create-size=10M create-type="$1"
    refused nbdinfo "$uri"
    end_server
    logged 'error: VixDiskLib_Create: .*/new\.vmdk: .+'
    [ -z "$(ls new* 2>/dev/null)" ] || complain "files were left behind: $(ls)"
}

create_over_a_file() {
    make_content_a a.raw
    make_disk monolithicSparse a.raw
    sha256sum disk.vmdk >before
    serve_disk create=true create-size=10M
    refused nbdinfo "$uri"
    end_server
    logged 'error: VixDiskLib_Create: .*/disk\.vmdk: .+'
    sha256sum --check before
}

create_without_a_folder() {
    serve -- file="$PWD/none/new.vmdk" create=true create-size=10M
    refused nbdinfo "$uri"
    end_server
    logged 'error: VixDiskLib_Create: .*/new\.vmdk: .+'
}

# -------------------------------------------------------------------- errors

# open_fails FILE [TEXT]: nbdkit must say why, go on, and fail the same again.
open_fails() {
    serve -r -- file="$1"
    refused nbdinfo "$uri"
    refused nbdinfo "$uri"
    end_server
    grep -F "error: VixDiskLib_Open: $1: " server.log || complain "the error was not reported"
    logged "error: VixDiskLib_Open: .*: .*${2:-[a-z]+}"
}

error_missing_file() {
    open_fails "$PWD/none.vmdk" '(not found|does not exist|[Nn]o such file)'
}

error_missing_folder() {
    open_fails "$PWD/none/none.vmdk" '(not found|does not exist|[Nn]o such file)'
}

error_folder() {
    mkdir disk.vmdk
    open_fails "$PWD/disk.vmdk"
}

error_garbage() {
    disk make disk.vmdk $((MIB)) 8 "0:$MIB"
    open_fails "$PWD/disk.vmdk"
}

error_empty_file() {
    : >disk.vmdk
    open_fails "$PWD/disk.vmdk"
}

error_header_only() {
    make_content_a a.raw
    make_disk monolithicSparse a.raw
    truncate -s 512 disk.vmdk
    open_fails "$PWD/disk.vmdk"
}

error_descriptor_without_extents() {
    printf '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n' >disk.vmdk
    open_fails "$PWD/disk.vmdk"
}

# error_missing_extent SUBFORMAT
error_missing_extent() {
    make_content_a a.raw
    make_disk "$1" a.raw
    rm disk-*.vmdk
    open_fails "$PWD/disk.vmdk"
}

error_datastore_path() {
    open_fails '[datastore1] vm/disk.vmdk'
}

# Half of a disk must not pass for the whole. (No nbdcopy here: bookworm's
# nbdkit aborts, whatever the plugin, when a client leaves amidst its requests.)
error_truncated_disk() {
    make_content_a a.raw
    make_disk monolithicSparse a.raw
    truncate -s $(($(stat -c %s disk.vmdk) / 2)) disk.vmdk
    serve_read_only
    disk read-or-fail "$uri" a.raw
    end_server
    logged 'error: VixDiskLib_'
}

error_past_the_end() {
    make_content_a a.raw
    make_disk monolithicSparse a.raw
    serve_disk
    disk past-the-end "$uri"
    serves a.raw
    end_server
    vmdk_holds a.raw
}

error_write_read_only() {
    make_content_a a.raw
    make_content_b b.raw
    make_disk monolithicSparse a.raw
    sha256sum disk.vmdk >before
    serve_read_only
    refused nbdcopy --flush b.raw "$uri"
    serves a.raw
    end_server
    sha256sum --check before
}

# ---------------------------------------------------------- several at once

read_only_leaves_no_trace() {
    make_content_a a.raw
    mkdir disks
    make_disk monolithicSparse a.raw disks/disk.vmdk
    find disks -printf '%p %s %T@ %i\n' | sort >before
    serve -r -- file="$PWD/disks/disk.vmdk"
    # While the disk is open.
    with_patience nbdsh -u "$uri" -c 'h.pread(512, 0)' \
        -c 'import subprocess; subprocess.check_call("find disks -printf \"%p %s %T@ %i\\n\" | sort >during", shell=True)'
    stop
    find disks -printf '%p %s %T@ %i\n' | sort >after
    diff before during
    diff before after
}

# nbdcopy opens several connections when the server allows that.
parallel_connections() {
    make_content_a a.raw
    make_disk "$1" a.raw
    serve -r --filter=multi-conn -- file="$PWD/disk.vmdk" multi-conn-mode=unsafe
    with_patience nbdcopy --connections=4 --threads=4 --request-size=65536 "$uri" out.raw
    cmp out.raw a.raw
    stop
    [ "$(grep -c 'VDDK call: VixDiskLib_Open ' server.log)" -ge 4 ] ||
        complain "there were fewer than 4 connections"
}

# Eight clients of two kinds, each with a connection of its own.
parallel_clients() {
    local clients=() number
    make_content_a a.raw
    make_disk twoGbMaxExtentSparse a.raw
    serve_read_only
    for number in 1 2 3 4; do
        with_patience nbdcopy "$uri" "out$number.raw" &
        clients+=($!)
        with_patience qemu-img convert -f raw -O raw "$uri" "qemu$number.raw" &
        clients+=($!)
    done
    for number in "${clients[@]}"; do
        wait "$number"
    done
    for number in 1 2 3 4; do
        cmp "out$number.raw" a.raw
        cmp "qemu$number.raw" a.raw
    done
    stop
}

# The connections of one server share a disk that is open for writing; another
# server does not get it.
one_writer() {
    local first first_uri
    make_content_a a.raw
    make_content_b b.raw
    make_disk monolithicSparse a.raw
    serve_disk
    with_patience python3 "$here/disk.py" hold "$uri" nbdcopy --flush b.raw "$uri"
    serves b.raw
    first=$server first_uri=$uri
    mkdir other
    cd other
    serve -- file="$PWD/../disk.vmdk"
    refused python3 "$here/disk.py" hold "$first_uri" nbdinfo "$uri"
    end_server
    logged 'error: VixDiskLib_Open: .*/disk\.vmdk: .*lock'
    cd ..
    server=$first uri=$first_uri
    serves b.raw
    stop
    vmdk_holds b.raw
}

# ------------------------------------------------------------------- options

config_file() {
    cat >vddk.conf <<'END'
# What tools write here, with and without quotes, known or not.
VixDiskLib.nfcAio.Session.BufSizeIn64KB=16
vixDiskLib.nfcAio.Session.BufCount="4"
vixDiskLib.transport.LogLevel = "2"
vixDiskLib.disklib.EnableCache=1

no.such.key=value
tmpDirectory="/tmp"
END
    make_content_a a.raw
    make_disk monolithicSparse a.raw
    serve_read_only config=vddk.conf
    serves a.raw
    stop
    logged "VixDiskLib_InitEx .*$PWD/vddk.conf"
}

# option PARAMETER...: with it, a disk can be read and written as ever.
option() {
    make_content_a a.raw
    make_content_b b.raw
    make_disk monolithicSparse a.raw
    serve_read_only "$@"
    serves a.raw
    stop
    serve_disk "$@"
    copy_in nbdcopy b.raw
    stop
    vmdk_holds b.raw
}

# The filters that virt-v2v puts before the plugin.
filters_of_virt_v2v() {
    make_content_a a.raw
    make_content_b b.raw
    make_disk monolithicSparse a.raw
    sha256sum disk.vmdk >before
    serve --filter=cow --filter=multi-conn --filter=blocksize --filter=retry \
        -D vddk.datapath=0 -D vddk.stats=1 -- \
        file="$PWD/disk.vmdk" maxdata=2M multi-conn-mode=disable
    serves a.raw
    copy_in qemu b.raw
    serves b.raw
    stop
    sha256sum --check before
}

# The filters that Containerized Data Importer puts before the plugin.
filters_of_cdi() {
    make_content_a a.raw
    make_disk monolithicSparse a.raw
    serve -r --filter=retry --filter=cacheextents -- file="$PWD/disk.vmdk"
    copy_out qemu out.raw
    cmp out.raw a.raw
    map_is zero a.raw disk.vmdk
    stop
}

# -------------------------------------------------------------------- chains

# make_chain: base.vmdk holds content a, disk.vmdk is a delta on it; all.raw is
# what they show together.
make_chain() {
    make_content_a a.raw
    make_disk monolithicSparse a.raw base.vmdk
    qemu-img create -q -f vmdk -b base.vmdk -F vmdk disk.vmdk
    qemu-io -f vmdk -c "write -P 5 0 4k" -c "write -P 6 $((2 * MIB)) 128k" \
        -c "write -P 7 $((15 * MIB + 512)) 512" disk.vmdk
    qemu-img convert -f vmdk -O raw disk.vmdk all.raw
}

chain_read() {
    make_chain
    serve -r -D vddk.diskinfo=1 -- file="$PWD/disk.vmdk"
    serves all.raw
    map_is zero all.raw
    stop
    logged 'disk info: num links: 2$'
    logged 'disk info: parent filename hint: .*base\.vmdk'
}

chain_write() {
    make_chain
    make_content_b b.raw
    sha256sum base.vmdk >before
    serve_disk
    copy_in nbdcopy b.raw
    serves b.raw
    stop
    vmdk_holds b.raw
    sha256sum --check before
}

# Incremental backups ask what one link alone has.
chain_single_link() {
    make_chain
    serve_read_only single-link=true
    map_is parent all.raw disk.vmdk
    stop
}

# ---------------------------------------------------------------- the checks

prepare "plugin.sh CACHE_DIR DIST [PATTERN...]" "$@"

run dump_plugin dump_plugin
run log_lines log_lines
run silent_stdout silent_stdout
run captive_run captive_run
run library_path_preset library_path_preset
run disk_info disk_info
for type in $LOCAL_TYPES; do
    for tool in nbdcopy qemu; do
        run "read_${tool}_$type" read_by "$tool" "$type"
        run "write_${tool}_$type" write_by "$tool" "$type"
    done
    run "random_io_$type" random_io "$type"
    run "map_$type" map_of "$type"
    for sectors in 1 64 127 128 129 1000; do
        run "small_${sectors}_$type" small "$sectors" "$type"
    done
done
run flush_survives_a_kill flush_survives_a_kill
run split_read_sparse split_read twoGbMaxExtentSparse disk.vmdk
run split_read_flat split_read twoGbMaxExtentFlat
run split_create_sparse split_create split-sparse
run split_create_flat split_create split-flat
run map_of_an_empty_disk map_of_an_empty_disk
run map_follows_writes map_follows_writes
run create_monolithic-sparse create_type monolithic-sparse monolithicSparse buslogic
run create_monolithic-flat create_type monolithic-flat monolithicFlat ide create-adapter-type=ide
run create_split-sparse create_type split-sparse twoGbMaxExtentSparse lsilogic \
    create-adapter-type=scsi-lsilogic create-hwversion=esx65
run create_split-flat create_type split-flat twoGbMaxExtentFlat buslogic create-hwversion=workstation4
run create_vmfs-flat create_type vmfs-flat vmfs buslogic
run create_vmfs-thin create_type vmfs-thin vmfs lsilogic create-adapter-type=scsi-lsilogic
run create_stream-optimized create_stream
run create_refused_vmfs-sparse create_refused vmfs-sparse
run create_over_a_file create_over_a_file
run create_without_a_folder create_without_a_folder
run error_missing_file error_missing_file
run error_missing_folder error_missing_folder
run error_folder error_folder
run error_garbage error_garbage
run error_empty_file error_empty_file
run error_header_only error_header_only
run error_descriptor_without_extents error_descriptor_without_extents
run error_missing_flat_extent error_missing_extent monolithicFlat
run error_missing_sparse_extent error_missing_extent twoGbMaxExtentSparse
run error_datastore_path error_datastore_path
run error_truncated_disk error_truncated_disk
run error_past_the_end error_past_the_end
run error_write_read_only error_write_read_only
run read_only_leaves_no_trace read_only_leaves_no_trace
run parallel_connections_sparse parallel_connections monolithicSparse
run parallel_connections_flat parallel_connections monolithicFlat
run parallel_clients parallel_clients
run one_writer one_writer
run config_file config_file
run config_dev_null option config=/dev/null
run option_single_link option single-link=true
run option_unbuffered option unbuffered=true
for compression in none zlib fastlz skipz; do
    run "option_compression_$compression" option "compression=$compression"
done
run options_together option single-link=true unbuffered=true compression=skipz
run filters_of_virt_v2v filters_of_virt_v2v
run filters_of_cdi filters_of_cdi
run chain_read chain_read
run chain_write chain_write
run chain_single_link chain_single_link

conclude
