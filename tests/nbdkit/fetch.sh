#!/usr/bin/env bash
# Gets the reference client: nbdkit's vddk plugin, the program that most users
# of VDDK have, exactly as Debian trixie ships it, and the nbdkit source of the
# same version, which holds upstream's own acceptance tests (check-vddk).
#
#     fetch.sh CACHE_DIR
#
# Afterwards CACHE_DIR holds
#     *.deb, *.orig.tar.gz    the two files as downloaded
#     plugin/                 the .deb, unpacked
#     fetched                 the version and the file names, for the other scripts
#
# A second call finds all that, checks it and needs no network. Nothing of the
# machine's own apt state is changed: apt works on lists, a cache and sources
# inside CACHE_DIR. It checks the archive's signatures as ever; what it hands
# out is compared with checksums.txt on top.
#
# The archive's address is that of the machine's own Debian source; set
# DEBIAN_URI to name another.

set -euo pipefail

readonly SUITE=trixie
readonly PACKAGE=nbdkit-plugin-vddk
readonly SOURCE=nbdkit
readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$here/common.sh"
readonly checksums=$here/checksums.txt

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

# vet FILE: a file that checksums.txt knows must be that very file; one that it
# does not know belongs to a newer version, which is said aloud.
vet() {
    local name want have
    name=$(basename "$1")
    want=$(recorded "$name")
    have=$(sha256sum "$1" | cut -d ' ' -f 1)
    if [ -z "$want" ]; then
        echo "$script: NOTICE: not in checksums.txt: $have  $name" >&2
    elif [ "$want" != "$have" ]; then
        fail "$name is not the file that was recorded" \
             "  recorded: $want" \
             "  found:    $have" \
             "If it has been in the cache, remove it and run this again: $1"
    fi
}

# cached: is all of it there, in a version that is not older than the recorded?
cached() {
    [ -f "$cache/fetched" ] || return 1
    read_fetched
    [ -f "$cache/$deb" ] && [ -f "$cache/$tarball" ] && [ -d "$cache/plugin" ] || return 1
    ! dpkg --compare-versions "$version" lt "$(recorded_version)"
}

# debian_uri: where the machine gets its own Debian from.
debian_uri() {
    local codename uri
    if [ -n "${DEBIAN_URI:-}" ]; then
        echo "$DEBIAN_URI"
        return
    fi
    codename=$(. /etc/os-release && [ "$ID" = debian ] && echo "${VERSION_CODENAME:-}") ||
        fail "this is no Debian; set DEBIAN_URI to the address of a Debian archive"
    # With lists on the machine apt knows which source is Debian's; without
    # them, the first source of the machine's own release must do.
    # shellcheck disable=SC2016 # apt's variables
    uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
            'Origin: Debian' 'Label: Debian' "Release: $codename" 'Component: main')
    # shellcheck disable=SC2016
    [ -n "$uri" ] ||
        uri=$(apt-get indextargets --no-release-info --format '$(REPO_URI)' \
                'Created-By: Packages' "Release: $codename" 'Component: main')
    [ -n "$uri" ] ||
        fail "the apt sources of this machine name no Debian archive; set DEBIAN_URI to one"
    head -n 1 <<<"$uri"
}

# set_up_apt: makes the isolated state that apt_get works on.
set_up_apt() {
    local uri
    [ -f "$KEYRING" ] ||
        fail "the archive's keys are missing; install them with: apt-get install debian-archive-keyring"
    uri=$(debian_uri)
    mkdir -p "$apt/sources" "$apt/lists/partial" "$apt/cache/archives/partial"
    # The plugin is in contrib; of main only the list of sources is needed.
    # That keeps the update short.
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
    # Read after the machine's own settings. Its hooks would act on its own
    # state; its pins and its default release are not for us.
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
    apt-get -q -c "$apt/apt.conf" "$@" >&2
}

fetch() {
    local new=$work/new version source_version deb tarball
    set_up_apt
    apt_get update -o APT::Update::Error-Mode=any ||
        fail "apt cannot read the lists of Debian $SUITE, see above (is there a network?)"

    mkdir "$new"
    (cd "$new" && apt_get download "$PACKAGE") ||
        fail "apt cannot download $PACKAGE, see above"
    deb=$(cd "$new" && ls -- *.deb)
    version=$(dpkg-deb --field "$new/$deb" Version)
    # shellcheck disable=SC2016 # dpkg's variable
    source_version=$(dpkg-deb --showformat '${source:Version}' --show "$new/$deb")
    (cd "$new" && apt_get source --download-only --tar-only "$SOURCE=$source_version") ||
        fail "apt cannot download the source of $SOURCE $source_version, see above"
    tarball=$(cd "$new" && ls -- *.orig.tar.*z)

    if [ "$version" != "$(recorded_version)" ]; then
        {
            echo "$script: ***************************************************************"
            echo "$script: Debian $SUITE has moved on to $PACKAGE $version;"
            echo "$script: checksums.txt knows $(recorded_version). Going on with $version:"
            (cd "$new" && sha256sum -- "$deb" "$tarball")
            echo "$script: ***************************************************************"
        } >&2
    fi
    vet "$new/$deb"
    vet "$new/$tarball"
    dpkg-deb --extract "$new/$deb" "$work/plugin"

    # The file "fetched" goes first and comes last: without it nothing counts.
    rm -rf "$cache/fetched" "$cache/plugin"
    mv "$work/plugin" "$new/$deb" "$new/$tarball" "$cache"
    printf 'version=%s\ndeb=%s\ntarball=%s\n' "$version" "$deb" "$tarball" >"$work/fetched"
    mv "$work/fetched" "$cache/fetched"
    echo "$script: got $PACKAGE $version and the source of $SOURCE $source_version"
}

[ $# -eq 1 ] || fail "usage: fetch.sh CACHE_DIR"
need apt-get apt
need dpkg-deb dpkg
open_cache "$1"

if cached; then
    vet "$cache/$deb"
    vet "$cache/$tarball"
    echo "$script: $PACKAGE $version is in the cache"
    exit 0
fi

apt=$cache/apt
rm -rf "$apt" "$cache"/fetch.*
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work" "$apt"' EXIT
fetch
