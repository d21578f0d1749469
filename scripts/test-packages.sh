#!/usr/bin/env bash
# The packages: two builds give the same bytes; the tarball and the packages of Debian, installed into an empty root,
# are what a program is built with and runs on; the list of parts is that of Cargo.
#
# usage: scripts/test-packages.sh DIST COMMAND
set -euo pipefail
dist=$1 command=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

scripts/package.sh "$dist" "$command" "$work/first" >/dev/null
(umask 077 && scripts/package.sh "$dist" "$command" "$work/second") >/dev/null
diff -r "$work/first" "$work/second"
(cd "$work/first" && sha256sum --quiet -c SHA256SUMS)
echo "ok two builds give the same bytes: $(cd "$work/first" && echo *.tar.gz *.deb)"

cat >"$work/program.c" <<'C'
#include <vixDiskLib.h>
int main(void)
{
    VixError error = VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, NULL);
    VixDiskLib_Exit();
    return error != VIX_OK;
}
C

# ---- The tarball

mkdir "$work/tar"
tar -C "$work/tar" --strip-components=1 -xzf "$work"/first/vixen-*.tar.gz
(cd "$work/tar" && sha256sum --quiet -c SHA256SUMS)
inside=$work/tar/vmware-vix-disklib-distrib
cc -I "$inside/include" "$work/program.c" -o "$work/program" -L "$inside/lib64" -lvixDiskLib
LD_LIBRARY_PATH=$inside/lib64 "$work/program"
"$work/tar/bin/vixen" --version
python3 - "$work/tar" <<'PYTHON'
import json, subprocess, sys

target = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
target = next(line.split()[1] for line in target.splitlines() if line.startswith("host:"))
for package, file in [("vixen", "sbom.cdx.json"), ("vixen-cli", "sbom-command.cdx.json")]:
    bom = json.load(open(f"{sys.argv[1]}/{file}"))
    tree = ["cargo", "tree", "-p", package, "--locked", "--offline", "--edges=normal,no-proc-macro", "--prefix=none",
            f"--target={target}", "--format={p}"]
    lines = subprocess.run(tree, check=True, capture_output=True, text=True).stdout.splitlines()
    wanted = {tuple(line.split()[:2]) for line in lines if line and not line.startswith(f"{package} ")}
    listed = {(part["name"], "v" + part["version"]) for part in bom["components"]}
    assert listed == wanted, listed ^ wanted
    # What is not ours came from somewhere, and can be compared.
    ours = {"vixen"}
    assert all(part["licenses"] and (part["name"] in ours or part["hashes"]) for part in bom["components"])
    assert {"rustls", "aws-lc-rs", "aws-lc-sys", "roxmltree"} <= {name for name, _ in listed}
    print(f"ok {file} has the {len(listed)} crates that Cargo links into {package}")
PYTHON

# ---- The packages of Debian

root=$work/root
scripts/dpkg-root.sh "$root" --install "$work"/first/*.deb
triplet=$(basename "$root"/usr/lib/*-linux-gnu)
export PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_PATH=$root/usr/lib/$triplet/pkgconfig
# The folders of the system are those of the root here.
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
# shellcheck disable=SC2046 # the flags are words
cc "$work/program.c" -o "$work/program" $(pkg-config --cflags --libs vixDiskLib)
LD_LIBRARY_PATH=$root/usr/lib/$triplet "$work/program"
for link in "$root/usr/lib/$triplet"/{,vmware-vix-disklib/lib64/}libvixDiskLib.so{,.6,.7,.8,.9}; do
    [ -e "$link" ] || {
        echo "not ok $link leads nowhere" >&2
        exit 1
    }
done
# The folder where nbdkit's plugin of Debian looks when it is told nothing.
tests/nbdkit/fetch.sh target/cache/nbdkit >/dev/null
tests/nbdkit/plugin.sh target/cache/nbdkit "$root/usr/lib/$triplet/vmware-vix-disklib" dump_plugin
scripts/test-command.sh "$root/usr"
(cd "$root" && cat var/lib/dpkg/info/*.md5sums | md5sum --quiet -c)
scripts/dpkg-root.sh "$root" --purge libvixdisklib-dev libvixdisklib8 vixen
[ -z "$(find "$root" -iname '*vixDiskLib*' -o -name '*vixen*')" ]
echo "ok the packages of Debian are installed, built with, and removed"
