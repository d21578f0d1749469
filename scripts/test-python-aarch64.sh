#!/usr/bin/env bash
# The wheel for aarch64: its tests, run by Debian's Python for that machine under emulation.
#
# usage: scripts/test-python-aarch64.sh TREE      TREE is that of the library for aarch64
#
# Python and what it needs come from the Debian archive of this machine, unpacked into target/cache/python-arm64.
# Nothing of the machine's own apt state is changed.
set -euo pipefail
tree=$1
host=$(realpath --no-symlinks "$(scripts/python-env.sh)")
cache=$PWD/target/cache/python-arm64
package=$PWD/bindings/python
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fetch() {
    local uri targets='$(REPO_URI)'
    uri=$(apt-get indextargets --format "$targets" 'Created-By: Packages' 'Origin: Debian' 'Component: main')
    [ -n "$uri" ] || uri=$(apt-get indextargets --no-release-info --format "$targets" 'Created-By: Packages' 'Component: main')
    [ -n "$uri" ] || {
        echo "test-python-aarch64: the apt sources of this machine name no Debian archive" >&2
        exit 1
    }
    mkdir -p "$work"/apt/{sources,lists/partial,cache/archives/partial}
    cat >"$work/apt/sources/arm64.sources" <<SOURCES
Types: deb
URIs: $(head -n 1 <<<"$uri")
Suites: $(. /etc/os-release && echo "$VERSION_CODENAME")
Components: main
Architectures: arm64
Targets: Packages
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
    : >"$work/apt/status"
    cat >"$work/apt/apt.conf" <<CONF
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$work/apt/sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "$work/apt/lists";
Dir::State::status "$work/apt/status";
Dir::Cache "$work/apt/cache";
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Debug::NoLocking "true";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
CONF
    apt-get -qq -c "$work/apt/apt.conf" -o APT::Update::Error-Mode=any update
    apt-get -qq -y -c "$work/apt/apt.conf" install --download-only python3 >/dev/null
    local deb
    for deb in "$work"/apt/cache/archives/*.deb; do
        dpkg-deb --extract "$deb" "$work/root"
    done
    rm -rf "$cache"
    mv "$work/root" "$cache"
}
[ -x "$cache/usr/bin/python3" ] || fetch

# Also the tests start Python, by the name in sys.executable.
cat >"$work/python" <<SCRIPT
#!/bin/sh
exec qemu-aarch64 -L '$cache' '$cache/usr/bin/python3' "\$@"
SCRIPT
chmod +x "$work/python"
mkdir "$work/plugin" "$work/site"
echo "import sys; sys.executable = '$work/python'" >"$work/plugin/emulated.py"

wheel=$(scripts/wheel.sh "$tree" "$work")
python3 -m zipfile -e "$wheel" "$work/site"
grep -E '^(iniconfig|packaging|pluggy|Pygments|pytest|tqdm)==' "$package/requirements.txt" >"$work/requirements.txt"
"$host" -m pip install -q --disable-pip-version-check --no-deps --target "$work/site" -r "$work/requirements.txt"

export PYTHONPATH=$work/site:$work/plugin PYTHONDONTWRITEBYTECODE=1
unset VIXDISKLIB_PATH
machine=$("$work/python" -c 'import platform, vixdisklib; print(platform.machine(), vixdisklib.__file__)')
[ "$machine" = "aarch64 $work/site/vixdisklib/__init__.py" ] || {
    echo "not ok this is not the wheel on aarch64: $machine" >&2
    exit 1
}
cd "$package"
"$work/python" -m pytest -p no:cacheprovider -p emulated
echo "ok the wheel for aarch64: $(basename "$wheel")"
