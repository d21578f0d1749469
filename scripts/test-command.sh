#!/usr/bin/env bash
# The command as it was installed: it works, its completions load, its manual pages are there.
#
# usage: scripts/test-command.sh PREFIX
#        RUNNER runs the program where it is for another machine
set -euo pipefail
prefix=$(realpath "$1")
read -ra runner <<<"${RUNNER:-}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
vixen() { "${runner[@]}" "$prefix/bin/vixen" "$@"; }

head -c 3000000 /dev/urandom >source.raw
truncate -s 20M source.raw
vixen convert source.raw disk.vmdk
vixen backup disk.vmdk repository >/dev/null
vixen restore repository restored.vmdk >/dev/null
[ "$(vixen hash restored.vmdk)" = "$(sha256sum source.raw | sed 's/source.raw/restored.vmdk/')" ]
# Under emulation a program does not see by which name it was called.
[ -n "${RUNNER:-}" ] || "$prefix/bin/vix-disklib-sample" -info disk.vmdk | grep -q '^capacity  *= 40960 sectors$'

share=$prefix/share
bash -c 'source "$1"; complete -p vixen; COMP_WORDS=(vixen comp); COMP_CWORD=1; _vixen vixen comp vixen
    [[ " ${COMPREPLY[*]} " == *" compare "* && " ${COMPREPLY[*]} " != *" backup "* ]]' - \
    "$share/bash-completion/completions/vixen" >/dev/null
zsh -n "$share/zsh/vendor-completions/_vixen"
head -n 1 "$share/zsh/vendor-completions/_vixen" | grep -qx '#compdef vixen'
fish --no-config -c 'source $argv[1]; complete -C "vixen comp"' "$share/fish/vendor_completions.d/vixen.fish" |
    grep -q '^compare'
for command in "" $(vixen --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) .*/-\1/p' | grep -v '^-help$'); do
    zcat "$share/man/man1/vixen$command.1.gz" | grep -q "^\.TH vixen$command 1" || {
        echo "not ok vixen$command has no manual page" >&2
        exit 1
    }
done
echo "ok the command that was installed works, with completions for three shells and $(ls "$share/man/man1" | wc -l) manual pages"
