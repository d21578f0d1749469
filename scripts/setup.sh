#!/usr/bin/env bash
# Installs what a target of the Makefile misses: packages of Debian and toolchains of Rust. What is there already
# is left alone, and nothing is fetched then.
#
# usage: scripts/setup.sh demo|dist|test|bench|fuzz
set -euo pipefail
target=${1:?usage: scripts/setup.sh demo|dist|test|bench|fuzz}

# The oldest toolchain that the library promises to build with; rust-version in Cargo.toml says the same.
oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

command -v cargo >/dev/null || {
    echo "setup: cargo is missing; Rust comes with rustup: https://rustup.rs" >&2
    exit 1
}

missing=()
# want COMMAND PACKAGE: the package is needed when the command is not there.
want() {
    command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing+=("$2")
}
# want_package PACKAGE: for packages without a command of their own.
want_package() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] || missing+=("$1")
}

want cc gcc
want_package libc6-dev
want mkfs.ext4 e2fsprogs
case $target in
dist)
    want readelf binutils
    want dpkg-deb dpkg
    want python3 python3
    want_package python3-venv
    ;;
test)
    want g++ g++
    want go golang-go
    want python3 python3
    want_package python3-venv
    want qemu-img qemu-utils
    want 7zz 7zip
    want valgrind valgrind
    want nbdkit nbdkit
    want nbdinfo libnbd-bin
    want nbdcopy libnbd-bin
    want expect expect
    want file file
    want strace strace
    want zsh zsh
    want fish fish
    want make make
    want xz xz-utils
    want pkg-config pkg-config
    want readelf binutils
    want qemu-aarch64 qemu-user
    want aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
    want aarch64-linux-gnu-g++ g++-aarch64-linux-gnu
    want_package golang-github-vmware-govmomi-dev
    want_package python3-libnbd
    want_package python3-libvmdk
    want_package python3-venv
    want_package libc6-dev-arm64-cross
    ;;
bench)
    want qemu-img qemu-utils
    want nbdcopy libnbd-bin
    want nbdkit nbdkit
    want 7zz 7zip
    want python3 python3
    want_package python3-venv
    want_package libvmdk-dev
    want_package libbfio-dev
    ;;
fuzz)
    want g++ g++
    ;;
esac

if [ ${#missing[@]} -gt 0 ]; then
    echo "installing: ${missing[*]}"
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || {
            echo "setup: these packages are missing; run as root: apt-get install ${missing[*]}" >&2
            exit 1
        }
        as_root=(sudo)
    fi
    "${as_root[@]}" apt-get update -q
    # Behind sudo, which drops what stands before it.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

# want_toolchain NAME COMPONENT...: a toolchain of Rust with these components.
want_toolchain() {
    local name=$1
    shift
    rustup run "$name" rustc --version >/dev/null 2>&1 || rustup toolchain install "$name" --profile minimal
    local have component
    have=$(rustup component list --installed --toolchain "$name")
    for component in "$@"; do
        grep -q "^$component" <<<"$have" || rustup component add "$component" --toolchain "$name"
    done
}

case $target in
test)
    command -v rustup >/dev/null || {
        echo "setup: rustup is missing; it brings the toolchains that the tests need: https://rustup.rs" >&2
        exit 1
    }
    active=$(rustup show active-toolchain | cut -d' ' -f1)
    want_toolchain "$active" rustfmt clippy
    rustup target list --installed --toolchain "$active" | grep -qx aarch64-unknown-linux-gnu ||
        rustup target add aarch64-unknown-linux-gnu --toolchain "$active"
    want_toolchain "$oldest"
    want_toolchain nightly miri rust-src
    scripts/peers.sh
    ;;
fuzz)
    want_toolchain nightly
    ;;
esac
