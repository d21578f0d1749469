#!/usr/bin/env bash
# The Go module: style, its tests under the race detector, those with a simulated server, its programs, and the Go of the
# documents.
#
# usage: scripts/test-go.sh DIST ESXI_SIM
set -euo pipefail
dist=$(realpath "$1")
simulator=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# No module is fetched: there is none but this one.
export GOCACHE=$PWD/target/cache/go GOPROXY=off GOFLAGS=-mod=mod GOTOOLCHAIN=local
export LD_LIBRARY_PATH=$dist/lib64 PKG_CONFIG_PATH=$work
cat >"$work/vixDiskLib.pc" <<PC
Name: vixDiskLib
Description: the library of a tree
Version: 8.0.3
Libs: -L$dist/lib64 -lvixDiskLib
Cflags: -I$dist/include
PC
# For the client that does without pkg-config.
export CGO_CFLAGS="-O1 -g -I$dist/include" CGO_LDFLAGS="-L$dist/lib64"

module=$PWD/bindings/go
cd "$module"
unformatted=$(gofmt -l .)
[ -z "$unformatted" ] || {
    echo "not ok gofmt: $unformatted" >&2
    exit 1
}
go vet -tags server ./...
for header in shim.h clients/linked/linked.h; do
    cc -std=c99 -pedantic -Wall -Wextra -Werror -Wno-unused-function -I "$dist/include" -x c -fsyntax-only "$header"
done
echo "ok style"
# Each test is named, so that they can be counted; what they are doing meanwhile is not told.
named() { grep -vE '^=== (RUN|PAUSE|CONT|NAME)'; }
GODEBUG=cgocheck=2 go test -race -count=1 -v . | named
echo "with a simulated server:"
GODEBUG=cgocheck=2 "$OLDPWD/scripts/with-simulator.sh" "$simulator" go test -race -count=1 -v -tags server -run Server . | named

go build -o "$work/linked" ./clients/linked
mkdir "$work/disks"
(cd "$work/disks" && "$work/linked" >"$work/linked.out")
printf '%s\n' 'modes file' 'mode file' 'capacity 20000' 'first name adapterType' 'block 0 3200' 'done' |
    diff - <(sed 's/^modes .*file.*/modes file/' "$work/linked.out")
echo "ok a client with cgo of its own"

go build -o "$work/rawcopy" ./examples/rawcopy
(cd "$work/disks" && "$work/rawcopy" disk.vmdk raw.img)
[ "$(head -c $((3200 * 512)) "$work/disks/raw.img" | tr -d '\007' | wc -c)" -eq 0 ]
[ "$(stat -c %s "$work/disks/raw.img")" -eq $((20000 * 512)) ]
echo "ok examples/rawcopy"

# Each program of a document, in a module of its own.
number=0
for document in README.md docs/bindings.md; do
    awk -v prefix="$work/program-" -v start="$number" '
        /^```go$/ { inside = 1; file = prefix (++start) ".go"; next }
        /^```$/ { inside = 0 }
        inside { print > file }
        END { print start }' "$OLDPWD/$document" >"$work/count"
    number=$(cat "$work/count")
done
[ "$number" -ge 2 ] || {
    echo "not ok $number programs in Go in the documents" >&2
    exit 1
}
for program in "$work"/program-*.go; do
    mkdir "$work/module"
    mv "$program" "$work/module/main.go"
    printf 'module program\n\ngo 1.19\n\nrequire vixdisklib v0.0.0\n\nreplace vixdisklib => %s\n' "$module" \
        >"$work/module/go.mod"
    [ -z "$(gofmt -l "$work/module")" ]
    (cd "$work/module" && go vet . && go build -o "$work/program" .)
    (cd "$work/disks" && "$work/program")
    rm -r "$work/module"
done
echo "ok $number programs of the documents"
