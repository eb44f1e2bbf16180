#!/usr/bin/env bash
# Puts oneDNN, which the comparison measures beside NativeFfn, into the cache, from the machine's own Debian mirror and without root.
# The version is that of Debian 12 on any Debian: later ones have another interface. Nothing is downloaded if it is there already.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"
# shellcheck source=debian.sh
source "$root/build/debian.sh"

packages=$root/Tools/Bench/OneDnn/packages.txt
version=$(pinned "$packages")
target=$cache/onednn/$version
what=oneDNN
remedy="To use a oneDNN 2.6 of your own, set NATIVEFFN_ONEDNN to its libdnnl.so.2; without one, the comparison leaves it out."

if [[ -n ${NATIVEFFN_ONEDNN:-} ]]; then
    say "oneDNN: NATIVEFFN_ONEDNN names '$NATIVEFFN_ONEDNN'; nothing to fetch"
    exit 0
fi

if [[ -d $target ]]; then
    say "oneDNN $version: in $target"
    exit 0
fi

[[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] || fail "this fetches oneDNN for x86-64 Linux; this is $(uname -sm). $remedy"
require_debian_tools
open_workplace "$cache/onednn"
find_sources main "oneDNN $version" bookworm

say "oneDNN $version: fetching from Debian main (7 MB) ..."
fetch_packages "$packages"

libraries=$work/unpacked/usr/lib/x86_64-linux-gnu
cp -L "$libraries"/libdnnl.so.2 "$libraries"/libOpenCL.so.1 "$work/result/lib/"
cp "$work/unpacked/usr/share/doc/libdnnl2/copyright" "$work/result/LICENSE"
publish "$target"
say "oneDNN $version: in $target"
