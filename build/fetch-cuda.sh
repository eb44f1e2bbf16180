#!/usr/bin/env bash
# build/fetch-cuda.sh [--all]   puts the CUDA libraries that need no GPU into the cache, from the machine's own Debian mirror and without root
# By default the compiler NVRTC; with --all also cuBLASLt, and the driver's library for tests of the bindings on a machine without a driver.
# What and why: Native/cuda/README.md. Nothing is downloaded if it is there already.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"
# shellcheck source=debian.sh
source "$root/build/debian.sh"

lists=("$root/Native/cuda/packages.txt")
release=12.4.1-2
target=$cache/cuda/$release
size="18 MB"
case "$*" in
    "") ;;
    --all)
        lists+=("$root/Native/cuda/packages-all.txt")
        target=$cache/cuda/$release-all
        size="202 MB"
        ;;
    *) fail "'$*' is not understood. Usage: build/fetch-cuda.sh [--all]" ;;
esac
what=CUDA
remedy="To use CUDA libraries of your own, set NATIVEFFN_CUDA to the folder of them; without CUDA, NativeFfn computes on the CPU."

if [[ -n ${NATIVEFFN_CUDA:-} ]]; then
    say "CUDA: NATIVEFFN_CUDA names '$NATIVEFFN_CUDA'; nothing to fetch"
    exit 0
fi

# What --all fetched has the rest in it.
for there in "$target" "$cache/cuda/$release-all"; do
    if [[ -d $there ]]; then
        say "CUDA $release: in $there"
        exit 0
    fi
done

[[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] || fail "this fetches CUDA for x86-64 Linux; this is $(uname -sm). $remedy"
require_debian_tools
open_workplace "$cache/cuda"

# Debian 12 has an older CUDA; these libraries run on it all the same.
find_sources non-free "CUDA $release" trixie

say "CUDA $release: fetching from Debian non-free ($size) ..."
fetch_packages "${lists[@]}"

# Names that a loader asks for are links to the file with the whole version.
libraries=$work/unpacked/usr/lib/x86_64-linux-gnu
for file in "$libraries"/libnvrtc*.so.* "$libraries"/libcublasLt.so.*; do
    cp -P "$file" "$work/result/lib/"
done

# A driver that is not the machine's own must not be found beside the others. Its package leaves the link to the system's alternatives.
for file in "$libraries"/nvidia/current/libcuda.so.*.*; do
    mkdir -p "$work/result/driver"
    cp -P "$file" "$work/result/driver/"
    ln -sf "$(basename "$file")" "$work/result/driver/libcuda.so.1"
done

for package in "$work/unpacked/usr/share/doc"/*; do
    cp "$package/copyright" "$work/result/LICENSE.$(basename "$package")"
done
publish "$target"
say "CUDA $release: in $target"
