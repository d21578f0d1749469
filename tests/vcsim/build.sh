#!/usr/bin/env bash
# Builds govmomi's simulator of a vCenter, from Debian's package of its sources, as target/cache/vcsim. Half a minute the
# first time, a second when nothing has changed.
set -euo pipefail
cd "$(dirname "$0")/../.."
sources=/usr/share/gocode
[ -d "$sources/src/github.com/vmware/govmomi/simulator" ] && command -v go >/dev/null || {
    echo "vcsim: govmomi is missing; run as root: apt-get install golang-go golang-github-vmware-govmomi-dev" >&2
    exit 1
}
mkdir -p target/cache
GOPATH=$sources GO111MODULE=off GOTOOLCHAIN=local GOCACHE=$PWD/target/cache/go \
    go build -o target/cache/vcsim tests/vcsim/main.go
