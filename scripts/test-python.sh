#!/usr/bin/env bash
# The Python package: style and types, its tests on the library of a tree, also with a simulated server, and the same
# tests on the wheel in a new environment.
#
# usage: scripts/test-python.sh DIST ESXI_SIM
set -euo pipefail
dist=$(realpath "$1")
simulator=$(realpath "$2")
python=$(realpath --no-symlinks "$(scripts/python-env.sh)")
package=$PWD/bindings/python
export PYTHONDONTWRITEBYTECODE=1

scripts/check-numbers.sh
(
    cd "$package"
    "$python" -m ruff check -q --no-cache .
    "$python" -m ruff format -q --no-cache --check .
    "$python" -m mypy --cache-dir "$OLDPWD/target/cache/mypy"
)
echo "ok style and types"

run_tests() { # PYTHON
    (
        cd "$package"
        "$1" -m pytest -p no:cacheprovider
        "$OLDPWD/scripts/with-simulator.sh" "$simulator" "$1" -m pytest -p no:cacheprovider --override-ini addopts= \
            -q --strict-markers -W error tests/server
    )
}
echo "on $dist:"
PYTHONPATH=$package/src VIXDISKLIB_PATH=$dist run_tests "$python"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
first=$(scripts/wheel.sh "$dist" "$work/first")
second=$(scripts/wheel.sh "$dist" "$work/second")
cmp "$first" "$second"
echo "ok two builds give the same bytes: $(basename "$first")"

python3 -m venv --without-pip "$work/environment"
new=$work/environment/bin/python
# Nothing but the wheel and what runs the tests.
"$python" -m pip --python "$new" install -q --disable-pip-version-check --no-deps --no-index "$first"
grep -E '^(iniconfig|packaging|pluggy|Pygments|pytest|tqdm)==' "$package/requirements.txt" >"$work/requirements.txt"
"$python" -m pip --python "$new" install -q --disable-pip-version-check --no-deps -r "$work/requirements.txt"
echo "on the wheel:"
unset PYTHONPATH VIXDISKLIB_PATH
run_tests "$new"
