#!/usr/bin/env bash
# Installs the command: the program, its other name, completions and manual pages.
#
# usage: scripts/install-command.sh DESTDIR PREFIX COMMAND      (DESTDIR may be empty)
#        RUNNER runs the program where it is for another machine
set -euo pipefail
root=$1$2 command=$3
read -ra runner <<<"${RUNNER:-}"

share=$root/share
bash=$share/bash-completion/completions zsh=$share/zsh/vendor-completions fish=$share/fish/vendor_completions.d
install -d "$root/bin" "$bash" "$zsh" "$fish" "$share/man/man1"
install -m 755 "$command" "$root/bin/vixen"
ln -sf vixen "$root/bin/vix-disklib-sample"
"${runner[@]}" "$command" completions bash >"$bash/vixen"
"${runner[@]}" "$command" completions zsh >"$zsh/_vixen"
"${runner[@]}" "$command" completions fish >"$fish/vixen.fish"
"${runner[@]}" "$command" man "$share/man/man1"
chmod 644 "$bash/vixen" "$zsh/_vixen" "$fish/vixen.fish" "$share"/man/man1/vixen*.1
gzip -9nf "$share"/man/man1/vixen*.1
echo ".so man1/vixen.1" | gzip -9n >"$share/man/man1/vix-disklib-sample.1.gz"
echo "installed below $root"
