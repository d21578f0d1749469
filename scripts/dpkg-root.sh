#!/usr/bin/env bash
# dpkg on a root of its own, which is made when it is not there, by whoever runs it. What packages depend on is in the
# root that programs run on, not in this one. dpkg is heard only when it fails.
#
# usage: scripts/dpkg-root.sh ROOT ARGUMENT...
set -euo pipefail
root=$1
shift
if [ ! -e "$root/var/lib/dpkg/status" ]; then
    mkdir -p "$root"/var/lib/dpkg/{info,updates,triggers} "$root/var/log"
    : >"$root/var/lib/dpkg/status"
    : >"$root/var/lib/dpkg/available"
fi
said=$(dpkg --root="$root" --log=/dev/null --force-not-root --force-depends --force-architecture \
    --force-script-chrootless "$@" 2>&1) || {
    echo "$said" >&2
    exit 1
}
