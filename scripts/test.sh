#!/usr/bin/env bash
# Everything that CI runs; `make test` calls it after the set-up. What each step printed stays in target/cache/logs.
#
# usage: scripts/test.sh [STEP...]       without steps: all of them
set -euo pipefail
cd "$(dirname "$0")/.."

dist=target/dist/vmware-vix-disklib-distrib
library=$dist/lib64/libvixDiskLib.so.8.0.3
cache=target/cache
# Property tests start from the same random numbers each time, so that a change is judged by itself; unset to look for
# more.
export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED-1}
oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

step_style() {
    cargo fmt --all --check
    cargo clippy --quiet --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps
    echo "ok rustfmt, clippy and rustdoc"
    scripts/check-summary.sh
}

step_generated() {
    cargo run --quiet -p xtask -- all --check
    echo "ok the headers, the table of functions and the codes of the bindings are what the sources give"
}

# What others wrote: licences, sources, known holes, versions, and that each has been reviewed.
step_dependencies() {
    scripts/check-dependencies.sh
}

# Unit tests, qemu-img, the byte-array model, kills, the arrows between the rooms.
step_rust() {
    cargo test --quiet --workspace
}

# The simulated host, by pyVmomi and by a client of the disk service in Python.
step_esxi_sim() {
    esxi-sim/tests/fetch.sh "$cache/pyvmomi"
    cargo build --quiet -p esxi-sim
    "$cache/pyvmomi/bin/python" esxi-sim/tests/run.py target/debug/esxi-sim
}

# Every image of a collection that does not come with the sources (VIXEN_IMAGES, or ../shared/images); not one of the
# steps of `make test`.
step_images() {
    cargo test --release --quiet --test collection
}

# Disks of the simulated host through the C interface leave nothing behind.
step_remains() {
    cargo build --quiet -p esxi-sim
    esxi-sim/tests/remains.sh "$dist" target/debug/esxi-sim
}

step_oldest() {
    CARGO_TARGET_DIR=target/oldest cargo "+$oldest" build --quiet --lib
    echo "ok builds with Rust $oldest"
}

step_dist() {
    make --no-print-directory dist
    scripts/check-surface.sh "$library"
    scripts/check-install.sh
}

step_c() {
    ctests/run.sh "$dist" plain
    scripts/check-recipes.sh "$dist"
}

step_c_sanitize() {
    ctests/run.sh "$dist" sanitize
}

step_c_valgrind() {
    ctests/run.sh "$dist" valgrind
}

# The real client, and the acceptance tests that its own project has for the real library.
step_nbdkit() {
    tests/nbdkit/fetch.sh "$cache/nbdkit"
    tests/nbdkit/plugin.sh "$cache/nbdkit" "$dist"
    cargo build --quiet -p esxi-sim
    tests/nbdkit/remote.sh "$cache/nbdkit" "$dist" target/debug/esxi-sim
    tests/nbdkit/readme.sh "$cache/nbdkit" "$dist" README.md
    tests/nbdkit/build-suite.sh "$cache/nbdkit"
    tests/nbdkit/check-vddk.sh "$cache/nbdkit" "$dist"
}

step_fuzz() {
    fuzz/smoke.sh "${FUZZ_SECONDS:-20}"
}

# Handle table, parsers, run arithmetic, memory given out and lent: everything that needs no system call Miri lacks, and
# no C (a test that Miri would leave out is named here, since a test that is skipped fails the step).
step_miri() {
    MIRIFLAGS="-Zmiri-disable-isolation" CARGO_TARGET_DIR=target/miri \
        cargo +nightly miri test --quiet --lib -- \
        session::table format::vmdk::descriptor format::vmdk::sparse::header format::vmdk::sparse::layout \
        format::vmdk::flat ffi::memory ffi::guard ffi::log ffi::codes::tests::lookup disk::geometry transport::tests io::loan \
        written_sectors_come_back contiguous_grains tables_reach zeros_take_no_space a_new_grain a_grain_of_zeros \
        metadata_is_never the_last_addressable --skip vmdk::stream \
        --skip a_panic_becomes_a_line_of_the_log
}

# Races between threads. The standard library is built the same way, or its locks would not be seen.
step_tsan() {
    local host
    host=$(rustc +nightly -vV | sed -n 's/^host: //p')
    run() {
        RUSTFLAGS="-Zsanitizer=thread" RUSTDOCFLAGS="-Zsanitizer=thread" TSAN_OPTIONS="halt_on_error=1" \
            CARGO_TARGET_DIR=target/tsan cargo +nightly test --quiet -Zbuild-std --target "$host" "$@"
    }
    run --lib --test threads -- session:: format::vmdk::grains format::pages disturb closed
}

# The library for aarch64, and the C tests on it under emulation.
step_aarch64() {
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    make --no-print-directory library TARGET=aarch64-unknown-linux-gnu
    scripts/dist.sh target/dist/aarch64 target/aarch64-unknown-linux-gnu/release/libvixDiskLib.so 8.0.3
    scripts/check-surface.sh target/dist/aarch64/lib64/libvixDiskLib.so.8.0.3
    CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++ RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu" \
        ctests/run.sh target/dist/aarch64 plain
    scripts/wheel.sh target/dist/aarch64 target/dist
}

# After the step aarch64: the command and the packages for that machine, and Python there. For nightly runs.
step_aarch64_command() {
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    make --no-print-directory command TARGET=aarch64-unknown-linux-gnu
    scripts/test-aarch64-command.sh target/dist/aarch64 target/aarch64-unknown-linux-gnu/release/vixen target/dist
}

step_aarch64_python() {
    scripts/test-python-aarch64.sh target/dist/aarch64
}

step_reproducible() {
    scripts/test-reproducible.sh
}

step_python() {
    cargo build --quiet -p esxi-sim
    scripts/test-python.sh "$dist" target/debug/esxi-sim
}

step_go() {
    cargo build --quiet -p esxi-sim
    scripts/test-go.sh "$dist" target/debug/esxi-sim
}

step_packages() {
    scripts/test-packages.sh "$dist" target/release/vixen
}

step_demo() {
    scripts/demo.sh "$dist"
}

# Two lanes side by side, since much of a step waits or has one thread. No two steps of different lanes build in the same
# folder.
lanes=(
    "style generated dependencies rust esxi_sim dist c remains python go packages c_sanitize demo nbdkit c_valgrind aarch64"
    "oldest fuzz miri tsan"
)
[ $# -eq 0 ] || lanes=("$*")

logs=target/cache/logs
mkdir -p "$logs"
rows=$logs/rows
: >"$rows"
trap 'trap - INT TERM; kill 0' INT TERM

# show STEP: what it prints, at once, or when there are several lanes in one piece when it has ended.
show() {
    if [ ${#lanes[@]} -eq 1 ]; then
        echo "==== $1"
        tee "$logs/$1"
    else
        cat >"$logs/$1"
        flock "$rows" sed "1i==== $1" "$logs/$1"
    fi
}

# run STEP: runs it, and adds its row to the table.
run() {
    local step=$1 start=$SECONDS status=0 passed failed skipped
    # A function in a condition would run without `set -e`, so each step is a shell of its own.
    bash -euo pipefail -c "$(declare -p dist library cache oldest); $(declare -f "step_$step"); step_$step" 2>&1 |
        show "$step" || status=$?
    read -r passed failed skipped < <(awk -f scripts/summary.awk "$logs/$step")
    # What ends a step before its tests do is a failure too, and so is a step that has none.
    if [ "$failed" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$passed" -eq 0 ]; }; then
        failed=1
    fi
    printf '%-14s %7d %7d %7d %5d s\n' "$step" "$passed" "$failed" "$skipped" $((SECONDS - start)) >>"$rows"
    echo "==== $step took $((SECONDS - start)) s"
    # A test that is skipped shows nothing: what it needs has to be there.
    [ "$failed" -eq 0 ] && [ "$skipped" -eq 0 ]
}

# run_lane STEP...: one after the other, up to the first that fails.
run_lane() {
    local step
    for step in "$@"; do
        run "$step" || return 1
    done
}

result=0
for lane in "${lanes[@]:1}"; do
    # shellcheck disable=SC2086
    run_lane $lane &
done
# shellcheck disable=SC2086
run_lane ${lanes[0]} || result=1
for lane in $(jobs -p); do
    wait "$lane" || result=1
done

echo
printf '%-14s %7s %7s %7s %7s\n' suite passed failed skipped time
cat "$rows"
for step in ${lanes[*]}; do
    grep -q "^$step " "$rows" || echo "not run: $step"
done
awk -v seconds=$SECONDS '
    { passed += $2; failed += $3; skipped += $4 }
    END {
        printf "%-14s %7d %7d %7d %5d s\n", "all", passed, failed, skipped, seconds
        if (skipped) print "skipped tests count as failed"
        printf "%d passed, %d failed\n", passed, failed + skipped
    }' "$rows"
exit "$result"
