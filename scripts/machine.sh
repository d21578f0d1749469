#!/usr/bin/env bash
# Prints what machine a library is for (x86_64, aarch64) and the newest glibc that one of its symbols needs (2.34).
#
# usage: scripts/machine.sh LIBRARY
set -euo pipefail
library=$1

machine=$(readelf -h "$library" | sed -n 's/ *Machine: *//p')
case $machine in
*X86-64*) machine=x86_64 ;;
AArch64) machine=aarch64 ;;
*)
    echo "machine: no packages are made for '$machine'" >&2
    exit 1
    ;;
esac
glibc=$(readelf -V "$library" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
echo "$machine ${glibc#GLIBC_}"
