#!/usr/bin/env bash
# Measures the library beside its peers, in one run, and writes docs/performance.md; `make bench` calls it.
#
# usage: benches/run.sh DIST       DIST is the tree that `make dist` makes
#   BENCH_MIB      size of the test disk (1024)
#   BENCH_ROUNDS   how often each contender runs (7)
#   BENCH_ONLY     remote: disks on a server only
#   BENCH_REMOTE_ROUNDS, BENCH_REMOTE_ONLY
#                  how often their contenders run (7); a part of the titles of the rows that are run
#   BENCH_QUICK    1: a smoke run with 256 MiB and 3 rounds, which writes no document
#   BENCH_DIR      where the temporary folder goes (target/bench); the file system there is the one measured
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
dist=$(cd "${1:?usage: benches/run.sh DIST}" && pwd)
here=$root/benches
target=$root/target

# A peer that is missing would make us look better than we are, so nothing is skipped.
missing=()
need() { # COMMAND PACKAGE
    command -v "$1" >/dev/null || missing+=("$2")
}
need qemu-img qemu-utils
need qemu-nbd qemu-utils
need nbdcopy libnbd-bin
need nbdinfo libnbd-bin
need nbdkit nbdkit
need 7zz 7zip
need python3 python3
for header in libvmdk libbfio; do
    cc -E -include "$header.h" -x c /dev/null >/dev/null 2>&1 || missing+=("$header-dev")
done
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ]; then
    echo "bench: peers are missing; run as root: apt-get install ${missing[*]}" >&2
    exit 1
fi

# The Python peer, in an environment of its own that is made anew when the versions change.
venv=$target/bench-venv
if ! cmp -s "$here/peers/requirements.txt" "$venv/requirements.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check --no-deps -r "$here/peers/requirements.txt" || {
        echo "bench: a peer is missing; run: $venv/bin/pip install -r benches/peers/requirements.txt" >&2
        exit 1
    }
    cp "$here/peers/requirements.txt" "$venv/requirements.txt"
fi

CARGO_TARGET_DIR=$target/bench-peers cargo build --quiet --release --locked \
    --manifest-path "$here/peers/Cargo.toml" || {
    echo "bench: peers are missing; run: cargo fetch --locked --manifest-path benches/peers/Cargo.toml" >&2
    exit 1
}

parent=${BENCH_DIR:-$target/bench}
mkdir -p "$parent"
work=$(mktemp -d "$(cd "$parent" && pwd)/run.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# A copy, so that a build that goes on meanwhile changes nothing.
cp -a "$dist/lib64" "$work/lib64"
flags=(-std=c99 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -pedantic)
cc "${flags[@]}" -I"$dist/include" "$here/bench.c" -o "$work/bench" \
    -L"$work/lib64" -Wl,-rpath,"$work/lib64" -lvixDiskLib -lpthread
cc "${flags[@]}" "$here/peers/libvmdk.c" -o "$work/libvmdk" -lvmdk
cp "$target/bench-peers/release/vixen-bench-peers" "$work/rust-peers"

# The host that remote disks are read from, and the limit of what its connection can carry.
cargo build --quiet --release --manifest-path "$root/Cargo.toml" -p esxi-sim --bins --examples
cc "${flags[@]}" -I"$dist/include" "$here/remote.c" -o "$work/remote" \
    -L"$work/lib64" -Wl,-rpath,"$work/lib64" -lvixDiskLib -lpthread

document=$root/docs/performance.md
[ "${BENCH_QUICK:-0}" != 1 ] || document=
[ "${BENCH_ONLY:-}" = remote ] || python3 "$here/bench.py" "$work" "$venv/bin/python" ${document:+"$document"}
python3 "$here/remote.py" "$work" "$target/release/esxi-sim" "$target/release/examples/probe" ${document:+"$document"}
