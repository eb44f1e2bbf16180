#!/usr/bin/env bash
# Puts the layers of Intel MKL that NativeFfn uses into the cache, from the machine's own Debian mirror and without root.
# What and why: Native/mkl/README.md. Nothing is downloaded if it is there already.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"
# shellcheck source=debian.sh
source "$root/build/debian.sh"

packages=$root/Native/mkl/packages.txt
version=$(pinned "$packages")
target=$(mkl_folder)
what=MKL
remedy="To use an MKL of your own, set NATIVEFFN_MKL (or --mkl-path) to its libmkl_rt.so or the folder of it; without MKL, the managed backend computes."

if [[ -n ${NATIVEFFN_MKL:-} ]]; then
    say "MKL: NATIVEFFN_MKL names '$NATIVEFFN_MKL'; nothing to fetch"
    exit 0
fi

if [[ -d $target ]]; then
    say "MKL $version: in $target"
    exit 0
fi

[[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] || fail "MKL is for x86-64, and this fetches it for Linux; this is $(uname -sm). $remedy"
require_debian_tools
open_workplace "$cache/mkl"
find_sources non-free "MKL $version"

say "MKL $version: fetching from Debian non-free (53 MB) ..."
fetch_packages "$packages"

mv "$work/unpacked/usr/lib/x86_64-linux-gnu/"libmkl_*.so "$work/result/lib/"
cp "$work/unpacked/usr/share/doc/libmkl-rt/copyright" "$work/result/LICENSE"
publish "$target"
say "MKL $version: in $target"
