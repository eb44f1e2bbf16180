#!/usr/bin/env bash
# build/test-arm64.sh [ARGS]   runs the command and tests for Linux on Arm64 under emulation: golden cases, checkpoints, files, loading,
# hosting, its endpoints, and the kernels for 128-bit vectors, with OpenBLAS as a library; ARGS are those of NUnit's runner, in place of
# that choice.
# The last line is 'N passed, N failed, N skipped'. Emulation tells nothing of speed. What is fetched needs no root and stays in the cache.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"
# shellcheck source=debian.sh
source "$root/build/debian.sh"

what="the emulation of Arm64"
remedy="On an Arm64 machine build/test.sh runs the same tests."

# qemu translates a process, system calls as they are; the rest is what .NET and the tests load.
emulator=(qemu-user-static)
system=(libc6 libgcc-s1 libstdc++6 libssl3 libopenblas0-pthread libgfortran5)

fetch() (
    shopt -s nullglob
    there=("$cache"/arm64/*/qemu-aarch64-static)
    ((${#there[@]} == 0)) || return 0
    [[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] || fail "this emulates on x86-64 Linux; this is $(uname -sm). $remedy"
    require_debian_tools
    open_workplace "$cache/arm64"
    find_sources main "${emulator[0]}"
    printf 'APT::Architectures { "amd64"; "arm64"; };\n' >>"$work/apt.conf"

    say "Arm64: fetching an emulator and libraries from Debian main (55 MB) ..."
    apt_get update
    (cd "$work/debs" && apt_get download "${emulator[@]}" "${system[@]/%/:arm64}")
    for deb in "$work"/debs/*_arm64.deb; do
        dpkg-deb -x "$deb" "$work/result/root"
    done
    for deb in "$work"/debs/*_amd64.deb; do
        dpkg-deb -x "$deb" "$work/unpacked"
    done

    cp "$work/unpacked/usr/bin/qemu-aarch64-static" "$work/result/"

    # The names that alternatives would make.
    ln -s openblas-pthread/libopenblas.so.0 "$work/result/root/usr/lib/aarch64-linux-gnu/libopenblas.so.0"
    publish "$cache/arm64/$(dpkg-deb -f "$work"/debs/libc6_*.deb Version)"
)

fetch
require_sdk
shopt -s nullglob
emulation=$(dirname "$(printf '%s\n' "$cache"/arm64/*/qemu-aarch64-static | tail -n 1)")

# Writing code that another mapping of the same pages runs is more than qemu follows.
export DOTNET_EnableWriteXorExecute=0 DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 QEMU_LD_PREFIX=$emulation/root
export NATIVEFFN_CACHE=$artifacts/arm64/cache
emulated=("$emulation/qemu-aarch64-static")

folder=$artifacts/arm64

# Twice what the tests take. What stops for good ends with the name of its test.
limit=15m
publish_for linux-arm64 "$folder"

say "the command:"
command=("${emulated[@]}" "$folder/Cli/nativeffn")
"${command[@]}" info
for model in "$root"/Tests/Golden/cases/{llama,mixtral}; do
    "${command[@]}" verify --model "$model" --require managed,cblas
done

tests=(Golden Checkpoints Loading Hosting AspNetCore Abi Kernels)

# Tables of families and what configurations state are the same everywhere.
without=(Checkpoints.Famil Checkpoints.Stated Golden.Famil)
if (($# == 0)); then
    filter="TestCategory!=Sdk&TestCategory!=Clone&TestCategory!=SoftwareDevice$(printf '&FullyQualifiedName!~%s' "${without[@]}")"
    set -- --filter "$filter&($(printf '|FullyQualifiedName~Tests.%s' "${tests[@]}" | cut -c 2-))"
fi

# Without a report in TRX, for which the runner starts itself once more, as no emulated process can.
code=0
log=$folder/tests.log
results=$folder/results
rm -rf "$results"
mkdir -p "$results"
NATIVEFFN_TEST_SUMMARY=$results NATIVEFFN_REQUIRE_BACKENDS=managed timeout -s KILL "$limit" "${emulated[@]}" "$folder/Tests/NativeFfn.Tests" \
    --results-directory "$results" --settings "$root/Tests/quiet.runsettings" --show-test-results failed --progress off "$@" | tee "$log" || code=$?
((code != 137)) ||
    say "test-arm64.sh: error: the tests did not end within $limit; the last one that began: $(cat "$results/current" 2>/dev/null || echo none)"
summed "$log" || code=1
exit "$code"
