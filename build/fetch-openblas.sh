#!/usr/bin/env bash
# Puts OpenBLAS, which the comparison measures beside NativeFfn, into the cache, from the machine's own Debian mirror and without root.
# The release's own version is taken, and apt checks its signature. Nothing is downloaded if one is there already.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"
# shellcheck source=debian.sh
source "$root/build/debian.sh"

# The build with threads of its own, and what it needs of the Fortran runtime.
packages=(libopenblas0-pthread libgfortran5 libquadmath0)
what=OpenBLAS
remedy="To use an OpenBLAS of your own, set NATIVEFFN_OPENBLAS to its libopenblas.so.0; without one, the comparison leaves it out."

if [[ -n ${NATIVEFFN_OPENBLAS:-} ]]; then
    say "OpenBLAS: NATIVEFFN_OPENBLAS names '$NATIVEFFN_OPENBLAS'; nothing to fetch"
    exit 0
fi

shopt -s nullglob
there=("$cache"/openblas/*/lib)
if ((${#there[@]} > 0)); then
    say "OpenBLAS: in $(dirname "${there[-1]}")"
    exit 0
fi

[[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] || fail "this fetches OpenBLAS for x86-64 Linux; this is $(uname -sm). $remedy"
require_debian_tools
open_workplace "$cache/openblas"
find_sources main "${packages[0]}"

say "OpenBLAS: fetching from Debian main (11 MB) ..."
apt_get update
(cd "$work/debs" && apt_get download "${packages[@]}")
for deb in "$work"/debs/*.deb; do
    dpkg-deb -x "$deb" "$work/unpacked"
done

version=$(dpkg-deb -f "$work/debs/${packages[0]}"_*.deb Version)
target=$cache/openblas/$version
libraries=$work/unpacked/usr/lib/x86_64-linux-gnu
cp -L "$libraries"/openblas-pthread/libopenblas.so.0 "$libraries"/libgfortran.so.5 "$libraries"/libquadmath.so.0 "$work/result/lib/"
cp -L "$work/unpacked/usr/share/doc/${packages[0]}/copyright" "$work/result/LICENSE"
publish "$target"
say "OpenBLAS: in $target"
