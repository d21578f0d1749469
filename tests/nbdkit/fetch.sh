#!/usr/bin/env bash
# Gets the reference client: nbdkit's vddk plugin, the program most users of
# VDDK have, exactly as Debian trixie ships it, and the nbdkit source of the
# same version, which holds upstream's own acceptance tests (check-vddk).
#
#     fetch.sh CACHE_DIR
#
# Afterwards CACHE_DIR holds
#     *.deb, *.orig.tar.gz    the two files as downloaded
#     plugin/                 the .deb, unpacked
#     fetched                 the versions and file names, for the other scripts
#
# A second call finds all that, checks it and needs no network. Nothing of the
# machine's own apt state is changed: apt works on lists, a cache and sources
# kept inside CACHE_DIR. It checks the archive's signatures as ever, and what
# it hands out is compared with checksums.txt on top.
#
# The archive's address is that of the machine's own Debian source; set
# DEBIAN_URI to name another.

set -euo pipefail

readonly SUITE=trixie
readonly PACKAGE=nbdkit-plugin-vddk
readonly SOURCE=nbdkit
readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

here=$(cd "$(dirname "$0")" && pwd)
readonly checksums=$here/checksums.txt

fail() {
    printf 'fetch.sh: %s\n' "$@" >&2
    exit 1
}

# need COMMAND PACKAGE: COMMAND must be there.
need() {
    command -v "$1" >/dev/null ||
        fail "the command $1 is missing; install it with: apt-get install $2"
}

# recorded NAME: the checksum that checksums.txt has for the file NAME.
recorded() {
    awk -v name="$1" '$2 == name { print $1 }' "$checksums"
}

# recorded_version: the version of the plugin's package in checksums.txt.
recorded_version() {
    awk -v prefix="${PACKAGE}_" '
        index($2, prefix) == 1 {
            version = substr($2, length(prefix) + 1)
            sub(/_[^_]*$/, "", version)
            print version
        }' "$checksums"
}

checksum_of() {
    sha256sum "$1" | cut -d ' ' -f 1
}

# vet FILE: a file that checksums.txt knows must be that very file; one it
# does not know belongs to a newer version, which is said aloud.
vet() {
    local name want have
    name=$(basename "$1")
    want=$(recorded "$name")
    have=$(checksum_of "$1")
    if [ -z "$want" ]; then
        echo "fetch.sh: NOTICE: not in checksums.txt: $have  $name" >&2
    elif [ "$want" != "$have" ]; then
        fail "$name is not the file that was recorded:" \
             "  recorded $want" \
             "  found    $have" \
             "Remove $1 to get it afresh; if that does not help, find out why the archive changed it."
    fi
}

# cached: is all of it there, in a version that is not older than the recorded?
cached() {
    local version='' deb='' tarball=''
    [ -f "$cache/fetched" ] || return 1
    # shellcheck disable=SC1091 # written below
    . "$cache/fetched"
    [ -f "$cache/$deb" ] && [ -f "$cache/$tarball" ] && [ -d "$cache/plugin" ] || return 1
    if dpkg --compare-versions "$version" lt "$(recorded_version)"; then
        return 1
    fi
    vet "$cache/$deb"
    vet "$cache/$tarball"
    echo "fetch.sh: $PACKAGE $version is in the cache"
}

# debian_uri: where the machine gets its own Debian from.
debian_uri() {
    local codename uri
    if [ -n "${DEBIAN_URI:-}" ]; then
        echo "$DEBIAN_URI"
        return
    fi
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # With lists on the machine apt knows which source is Debian's; without
    # lists, the first source of the machine's own release must do.
    uri=$(apt-get indextargets --format '$(REPO_URI)' \
            'Created-By: Packages' 'Origin: Debian' 'Label: Debian' \
            "Release: $codename" 'Component: main' | head -n 1)
    if [ -z "$uri" ]; then
        uri=$(apt-get indextargets --no-release-info --format '$(REPO_URI)' \
                'Created-By: Packages' "Release: $codename" 'Component: main' | head -n 1)
    fi
    [ -n "$uri" ] ||
        fail "the apt sources of this machine name no Debian archive; set DEBIAN_URI to one"
    echo "$uri"
}

# set_up_apt: writes the isolated state that apt_get and apt_cache work on.
set_up_apt() {
    local uri
    [ -f "$KEYRING" ] ||
        fail "the archive's keys ($KEYRING) are missing; install them with: apt-get install debian-archive-keyring"
    uri=$(debian_uri)
    mkdir -p "$apt/sources" "$apt/lists/partial" "$apt/cache/archives/partial"
    # Of the source package only the index of sources is needed, of the plugin
    # only contrib's index of packages: that keeps the update short.
    cat >"$apt/sources/$SUITE.sources" <<END
Types: deb
URIs: $uri
Suites: $SUITE
Components: contrib
Targets: Packages
Signed-By: $KEYRING

Types: deb-src
URIs: $uri
Suites: $SUITE
Components: main contrib
Targets: Sources
Signed-By: $KEYRING
END
    # Read after the machine's own settings. Its hooks would act on the
    # machine's own state, its pins and default release are not for us.
    cat >"$apt/apt.conf" <<END
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$apt/sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt/cache";
APT::Sandbox::User "root";
APT::Default-Release "";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
END
}

apt_get() {
    apt-get -q -c "$apt/apt.conf" "$@"
}

fetch() {
    local version source_version deb tarball
    set_up_apt
    apt_get update -o APT::Update::Error-Mode=any >&2 ||
        fail "apt could not read the index of Debian $SUITE (see above)"

    mkdir "$work/new"
    (cd "$work/new" && apt_get download "$PACKAGE" >&2) ||
        fail "apt could not download $PACKAGE (see above)"
    deb=$(cd "$work/new" && ls -- *.deb)
    version=$(dpkg-deb --field "$work/new/$deb" Version)
    source_version=$(dpkg-deb --showformat '${source:Version}' --show "$work/new/$deb")
    (cd "$work/new" && apt_get source --download-only --tar-only "$SOURCE=$source_version" >&2) ||
        fail "apt could not download the source of $SOURCE $source_version (see above)"
    tarball=$(cd "$work/new" && ls -- *.orig.tar.*z)

    if [ "$version" != "$(recorded_version)" ]; then
        {
            echo "fetch.sh: ************************************************************"
            echo "fetch.sh: Debian $SUITE now has $PACKAGE $version; recorded is $(recorded_version)."
            echo "fetch.sh: Going on with $version. For checksums.txt:"
            (cd "$work/new" && sha256sum -- "$deb" "$tarball")
            echo "fetch.sh: ************************************************************"
        } >&2
    fi
    vet "$work/new/$deb"
    vet "$work/new/$tarball"
    dpkg-deb --extract "$work/new/$deb" "$work/plugin"

    rm -rf "$cache/plugin" "$cache/fetched"
    mv "$work/plugin" "$cache/plugin"
    mv "$work/new/$deb" "$cache/$deb"
    mv "$work/new/$tarball" "$cache/$tarball"
    printf 'version=%s\ndeb=%s\ntarball=%s\n' "$version" "$deb" "$tarball" >"$work/fetched"
    mv "$work/fetched" "$cache/fetched"
    echo "fetch.sh: got $PACKAGE $version and the source of $SOURCE $source_version"
}

[ $# -eq 1 ] || fail "usage: fetch.sh CACHE_DIR"
need apt-get apt
need dpkg-deb dpkg
need flock util-linux
mkdir -p "$1"
cache=$(cd "$1" && pwd)
exec 9>"$cache/lock"
flock 9

cached && exit 0

apt=$cache/apt
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work" "$apt"' EXIT
rm -rf "$apt"
fetch
