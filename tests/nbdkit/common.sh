# What the scripts of this folder share; they set here to it and source this.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # set here and used there, and the other way

script=$(basename "$0")

# fail LINE...: says what is wrong and ends the script.
fail() {
    printf "$script: %s\n" "$@" >&2
    exit 1
}

# need COMMAND PACKAGE: COMMAND must be there. It must be the system's own, so
# that what is tested is what the packages hold.
need() {
    [ -n "$(type -P "$1")" ] ||
        fail "the command $1 is missing; install it with: apt-get install $2"
}

# use_system_commands: the distribution's commands come first, above all its
# python3, the only one that has the bindings of libnbd.
use_system_commands() {
    export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
}

# need_nbd_clients: the programs that talk to a server.
need_nbd_clients() {
    need nbdcopy libnbd-bin
    need nbdinfo libnbd-bin
    need nbdsh libnbd-bin
    need qemu-img qemu-utils
    need python3 python3
    python3 -c 'import nbd' 2>/dev/null ||
        fail "python3 has no module nbd; install it with: apt-get install python3-libnbd"
}

# open_cache CACHE_DIR: sets cache to its absolute path, and keeps other runs
# of these scripts away from it until this one ends.
open_cache() {
    need flock util-linux
    mkdir -p "$1"
    cache=$(cd "$1" && pwd)
    exec 9>"$cache/lock"
    flock 9
}

# read_fetched: sets version, deb and tarball to what fetch.sh got.
read_fetched() {
    version='' deb='' tarball=''
    [ -f "$cache/fetched" ] ||
        fail "$cache holds no nbdkit yet; run first: $here/fetch.sh $cache"
    # shellcheck disable=SC1091 # written by fetch.sh
    . "$cache/fetched"
}

# open_dist DIST: sets dist to the absolute path of the library's tree.
open_dist() {
    local name
    [ -d "$1" ] || fail "$1 is no folder: is the library built?"
    dist=$(cd "$1" && pwd)
    for name in libvixDiskLib.so libvixDiskLib.so.8; do
        [ -f "$dist/lib64/$name" ] ||
            fail "$dist/lib64/$name is missing: is the library built?"
    done
}
