#!/usr/bin/env bash
# build/fetch-cblas.sh [openblas|blis]...   puts OpenBLAS and BLIS, or those named, into the cache, from the machine's own Debian mirror and
# without root. The release's own versions are taken, and apt checks their signatures. Nothing is downloaded if it is there already.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"
# shellcheck source=debian.sh
source "$root/build/debian.sh"

remedy="To use a library of your own, set NATIVEFFN_CBLAS (or --cblas-path) to its file or folder; without one, mkl and managed compute."

# The builds with threads of their own: what else there is cannot be called by several threads, or sets threads for each of them.
openblas=(libopenblas0-pthread libgfortran5 libquadmath0)
blis=(libblis4-pthread)

# fetch NAME MEGABYTES PACKAGE...: the packages' libraries, in one folder of the first package's version. In a shell of its own, as it cleans up.
fetch() (
    local what=$1 size=$2 version target found
    shift 2
    shopt -s nullglob
    found=("$cache/$what"/*/lib)
    if ((${#found[@]} > 0)); then
        say "$what: in $(dirname "${found[-1]}")"
        return
    fi

    [[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] || fail "this fetches $what for x86-64 Linux; this is $(uname -sm). $remedy"
    require_debian_tools
    open_workplace "$cache/$what"
    find_sources main "$1"

    say "$what: fetching from Debian main ($size MB) ..."
    apt_get update
    (cd "$work/debs" && apt_get download "$@")
    for deb in "$work"/debs/*.deb; do
        dpkg-deb -x "$deb" "$work/unpacked"
    done

    version=$(dpkg-deb -f "$work/debs/${1}"_*.deb Version)
    target=$cache/$what/$version
    find "$work/unpacked/usr/lib/x86_64-linux-gnu" -name 'lib*.so.[0-9]' ! -name 'libblas.so.*' ! -name 'liblapack.so.*' \
        -exec cp -L {} "$work/result/lib/" \;
    cp -L "$work/unpacked/usr/share/doc/$1/copyright" "$work/result/LICENSE"
    publish "$target"
    say "$what: in $target"
)

[[ $# -gt 0 ]] || set -- openblas blis
for name in "$@"; do
    case $name in
        openblas) fetch openblas 11 "${openblas[@]}" ;;
        blis) fetch blis 3 "${blis[@]}" ;;
        *) fail "'$name' is not understood. Usage: build/fetch-cblas.sh [openblas|blis]..." ;;
    esac
done
