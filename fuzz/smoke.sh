#!/usr/bin/env bash
# Runs fuzz targets for a while, each from its seeds; a crash ends it and leaves the input in fuzz/artifacts.
#
# usage: fuzz/smoke.sh SECONDS [TARGET...]
#   FUZZ_SEED    where the random numbers start (1): the same build does the same runs again, as many as there is time
#                for, so that a change is judged by itself. Empty for others each time.
#   FUZZ_CORPUS  folder that keeps, for each target, what has been found; without it each run starts from the seeds
#
# The flags are those that cargo-fuzz uses; this way it need not be installed.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:?usage: fuzz/smoke.sh SECONDS [TARGET...]}
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(descriptor sparse check stream codec cowd sesparse vhd vhdx image api nbd_server \
    authd nfc_classic nfc_aio nfc_codecs soap)
host=$(rustc +nightly -vV | sed -n 's/^host: //p')

export RUSTFLAGS="-Zsanitizer=address -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1"
# The C code of dependencies, which reads hostile bytes too, is watched in the same way.
export "CFLAGS_${host//-/_}=-fsanitize=address -fno-omit-frame-pointer"
# A target has 256 MiB for everything: an input that makes the library take much is a finding. What was freed is kept
# for a while, to see who still uses it, and counts too; it is 256 MiB by default.
export ASAN_OPTIONS=quarantine_size_mb=16:${ASAN_OPTIONS:-}
cargo +nightly build --quiet --release --target "$host" --bins

seed=()
[ -z "${FUZZ_SEED-1}" ] || seed=("-seed=${FUZZ_SEED-1}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

passed=0
for target in "${targets[@]}"; do
    corpus=${FUZZ_CORPUS:-$work}/$target
    mkdir -p "$corpus" "artifacts/$target"
    log=$work/log
    if ! "target/$host/release/$target" "${seed[@]}" -max_total_time="$seconds" -max_len=200000 -timeout=10 \
        -rss_limit_mb=256 -artifact_prefix="artifacts/$target/" "$corpus" "seeds/$target" >"$log" 2>&1; then
        grep -A 4 panicked "$log" >&2 || true
        tail -n 40 "$log" >&2
        echo "not ok fuzz $target" >&2
        exit 1
    fi
    echo "ok fuzz $target: $(grep -o 'Done .*' "$log" | tail -n 1)"
    passed=$((passed + 1))
done
echo "fuzz: $passed passed, 0 failed"
