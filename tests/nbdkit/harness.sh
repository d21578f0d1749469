# How plugin.sh and remote.sh run checks: servers, disks, clients, and the
# runner. They source this after common.sh.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # set here and used there, and the other way

# No single client or server may take longer than this, in seconds.
readonly PATIENCE=120

readonly KIB=1024
readonly MIB=$((1024 * KIB))
readonly GIB=$((1024 * MIB))

# ---------------------------------------------------------------- the tools

# with_patience COMMAND...: a hang is a failure.
with_patience() {
    timeout --foreground --kill-after=5 "$PATIENCE" "$@"
}

disk() {
    with_patience python3 "$here/disk.py" "$@"
}

complain() {
    echo "$*" >&2
    return 1
}

# What servers run under; empty most of the time.
under=()

# serve [NBDKIT_OPTION...] -- PLUGIN_PARAMETER...: starts a server in the
# folder of the check; sets server and uri. Its log is server.log.
serve() {
    local options=() deadline=$((SECONDS + PATIENCE))
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    rm -f server.pid server.sock
    LD_PRELOAD=libc_malloc_debug.so.0 \
    GLIBC_TUNABLES=glibc.malloc.check=1:glibc.malloc.perturb=$((1 + RANDOM % 255)) \
        "${under[@]}" nbdkit -f -v -U "$PWD/server.sock" -P "$PWD/server.pid" "${options[@]}" \
        "$plugin" libdir="$dist" "$@" </dev/null >server.out 2>server.log &
    server=$!
    uri="nbd+unix:///?socket=$PWD/server.sock"
    until [ -s server.pid ]; do
        kill -0 "$server" 2>/dev/null || complain "the server did not start"
        [ "$SECONDS" -lt "$deadline" ] || complain "the server took too long to start"
        sleep 0.02
    done
}

# end_server: the server must end well when it is asked to.
end_server() {
    local status=0 deadline=$((SECONDS + 30))
    kill -TERM "$server" || complain "the server was gone"
    while kill -0 "$server" 2>/dev/null; do
        [ "$SECONDS" -lt "$deadline" ] || complain "the server does not end"
        sleep 0.02
    done
    wait "$server" || status=$?
    [ "$status" -eq 0 ] || complain "the server ended with $status"
    if grep -F 'cannot open shared object file' server.log; then
        complain "the server misses a library"
    fi
}

# stop: ends a server that had no reason to complain.
stop() {
    end_server
    if grep -E '^nbdkit: (.*: )?error: ' server.log; then
        complain "the server logged errors"
    fi
}

# logged REGEX: the server's log must have such a line.
logged() {
    grep -E -- "$1" server.log || complain "not in the log: $1"
}

# refused COMMAND...: the command must fail, by itself.
refused() {
    local status=0
    with_patience "$@" || status=$?
    [ "$status" -ne 0 ] || complain "this worked, but must not: $*"
    [ "$status" -lt 124 ] || complain "this did not just fail ($status): $*"
}

# Two contents for a disk: data in many places, ends that fill no grain, a lone
# sector, a piece that touches two grains, and a size that fills no chunk. What
# is data in one is partly a hole in the other.
readonly DISK_SIZE=$((21 * MIB + 3 * 512))

make_content_a() {
    disk make "$1" "$DISK_SIZE" 1 \
        "0:$((100 * KIB))" "$((1 * MIB)):$((1 * MIB))" "$((3 * MIB + 5 * 512)):512" \
        "$((8 * MIB - 512)):1024" "$((10 * MIB)):$((3 * MIB))" "$((DISK_SIZE - 512)):512"
}

make_content_b() {
    disk make "$1" "$DISK_SIZE" 2 \
        "$((64 * KIB)):$((64 * KIB))" "$((2 * MIB - 1536)):$((2 * MIB))" "$((5 * MIB)):4096" \
        "$((12 * MIB)):$((6 * MIB))" "$((20 * MIB + 512)):$((MIB + 2 * 512))"
}

# make_disk SUBFORMAT RAW [NAME]: has qemu-img make a VMDK of that content.
make_disk() {
    qemu-img convert -q -f raw -O vmdk -o "subformat=$1" "$2" "${3:-disk.vmdk}"
}

# copy_out TOOL FILE, copy_in TOOL FILE: copies the disk of the server.
copy_out() {
    rm -f "$2"
    case $1 in
    nbdcopy) with_patience nbdcopy "$uri" "$2" ;;
    qemu) with_patience qemu-img convert -f raw -O raw "$uri" "$2" ;;
    esac
}

copy_in() {
    case $1 in
    nbdcopy) with_patience nbdcopy --flush "$2" "$uri" ;;
    qemu) with_patience qemu-img convert -n -f raw -O raw "$2" "$uri" ;;
    esac
}

# same FILE FILE: their content is the same. Of large files cmp reads every
# hole, which takes seconds.
same() {
    [ "$(stat -c %s "$1")" -eq "$(stat -c %s "$2")" ] || complain "$1 and $2 are not of one size"
    if [ "$(stat -c %s "$1")" -lt "$GIB" ]; then
        cmp "$1" "$2"
    else
        qemu-img compare -q -f raw -F raw "$1" "$2"
    fi
}

# serves RAW: what the server shows must be that.
serves() {
    copy_out nbdcopy served.raw
    same served.raw "$1"
    rm served.raw
}

# vmdk_holds RAW [NAME]: qemu-img must find the VMDK sound and of that content.
vmdk_holds() {
    qemu-img check -q -f vmdk "${2:-disk.vmdk}"
    qemu-img compare -q -f vmdk -F raw "${2:-disk.vmdk}" "$1"
}

# map_is KIND RAW [VMDK]: the server's map of the disk, see disk.py.
map_is() {
    with_patience nbdinfo --map --json "$uri" >map.json
    with_patience nbdinfo --map "$uri"
    disk check-map map.json "$@"
}

# ---------------------------------------------------------------- the runner

# run NAME FUNCTION ARGUMENT...: runs a check in a folder of its own.
run() {
    local name=$1 status=0 wanted=${#patterns[@]} pattern
    shift
    for pattern in "${patterns[@]}"; do
        # shellcheck disable=SC2053 # it is a pattern
        if [[ $name == $pattern ]]; then
            wanted=0
        fi
    done
    [ "$wanted" -eq 0 ] || return 0
    mkdir "$work/$name"
    # A process group of its own, so that whatever it leaves can be ended.
    set -m
    (
        set -euo pipefail +m
        cd "$work/$name"
        set -x
        "$@"
    ) >"$work/$name.log" 2>&1 &
    check=$!
    set +m
    wait "$check" || status=$?
    end_check
    if [ "$status" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok $name"
        rm -rf "${work:?}/$name" "$work/$name.log"
    else
        failed=$((failed + 1))
        echo "not ok $name"
        {
            echo "---- $name ended with $status; the end of its trace:"
            tail -n 25 "$work/$name.log"
            if [ -f "$work/$name/server.log" ]; then
                echo "---- the end of the server's log:"
                grep -v 'worker thread' "$work/$name/server.log" | tail -n 40
            fi
            echo "----"
        } 2>&1 | sed 's/^/    /' >&2
        [ -n "${KEEP:-}" ] || rm -rf "${work:?}/$name"
    fi
}

# end_check: ends what the present check has started.
end_check() {
    if [ -n "$check" ]; then
        kill -KILL -- "-$check" 2>/dev/null || true
        check=
    fi
}

clean_up() {
    end_check
    if [ -n "${KEEP:-}" ]; then
        echo "$script: the work folder is $work" >&2
    else
        rm -rf "$work"
    fi
}

# prepare USAGE CACHE_DIR DIST [PATTERN...]: checks that everything is there, and
# makes the work folder.
prepare() {
    [ $# -ge 3 ] || fail "usage: $1"
    use_system_commands
    need nbdkit nbdkit
    need qemu-io qemu-utils
    need cmp diffutils
    need strace strace
    need_nbd_clients
    nbdkit --filter=multi-conn --filter=cow null --version >/dev/null ||
        fail "nbdkit lacks its filters; install them with: apt-get install nbdkit"
    open_dist "$3"
    open_cache "$2"
    read_fetched
    exec 9>&-
    plugin=$(find "$cache/plugin" -name nbdkit-vddk-plugin.so)
    [ -f "$plugin" ] ||
        fail "there is no nbdkit-vddk-plugin.so below $cache/plugin; run first: $here/fetch.sh $cache"
    patterns=("${@:4}")
    passed=0
    failed=0
    check=
    # Names of sockets hold 107 bytes.
    [ "$(printf %s "${TMPDIR:-/tmp}" | wc -c)" -lt 40 ] ||
        fail "the name of the temporary folder is too long for sockets; set TMPDIR to a shorter one"
    work=$(mktemp -d "${TMPDIR:-/tmp}/vixen-${script%.sh}.XXXXXX")
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# conclude: says how many checks passed, and fails when one did not.
conclude() {
    [ $((passed + failed)) -gt 0 ] || fail "no check has a name like: ${patterns[*]}"
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
