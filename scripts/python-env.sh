#!/usr/bin/env bash
# Makes target/cache/python, the environment with what builds and tests the Python package, when it is missing or its
# versions have changed. Prints the path of its Python.
set -euo pipefail
environment=target/cache/python
wanted=bindings/python/requirements.txt

if ! cmp -s "$wanted" "$environment/requirements.txt"; then
    rm -rf "$environment"
    python3 -m venv "$environment" >&2 || {
        echo "python: an environment cannot be made; run as root: apt-get install python3-venv" >&2
        exit 1
    }
    "$environment/bin/pip" install -q --disable-pip-version-check --no-deps -r "$wanted" >&2
    cp "$wanted" "$environment/requirements.txt"
fi
echo "$environment/bin/python"
