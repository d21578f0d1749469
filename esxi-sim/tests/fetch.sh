#!/usr/bin/env bash
# pyVmomi in a virtual environment of its own, made once for each version of the requirements.
#
# usage: fetch.sh FOLDER
set -euo pipefail
folder=$1
requirements=$(dirname "$0")/requirements.txt

cmp --quiet "$requirements" "$folder/requirements.txt" && exit
python3 -m venv --clear "$folder" || { echo "install: apt-get install python3-venv" >&2; exit 1; }
"$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$requirements"
cp "$requirements" "$folder/requirements.txt"
