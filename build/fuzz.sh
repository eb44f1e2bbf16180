#!/usr/bin/env bash
# Fuzzes the checkpoint reader with AFL++ for a number of seconds (60 unless told otherwise): build/fuzz.sh [SECONDS]
# Exit 0: no crash was found; 1: crashes were found, their inputs kept in artifacts/fuzz/; 2: something needed is missing.
#
# AFL++ is taken from PATH or, without root, from Debian's own package, unpacked into a cache folder. Where neither can be had, the
# built-in mutator runs for the same time, without guidance by coverage.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
seconds=${1:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "fuzz.sh: error: '$seconds' is no number of seconds; usage: build/fuzz.sh [SECONDS]" >&2; exit 2; }

cache=${XDG_CACHE_HOME:-${HOME:-$root/artifacts/home}/.cache}/nativeffn/afl
[[ $cache == /* ]] || cache=$root/artifacts/home/.cache/nativeffn/afl
work=$root/artifacts/fuzz
sharpfuzz_version=2.3.0
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

# Debian's package and the libraries that it may lack on a small system. The lists and packages live in the cache folder, so that
# neither root nor the system's own lists are needed; apt checks the signatures with the system's keys.
fetch_afl() {
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || { echo "there is no apt-get and dpkg here"; return 1; }
    local apt=$cache/apt
    mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$cache/unpacking" || { echo "$cache cannot be written"; return 1; }
    local options=(-q -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt" -o "Debug::NoLocking=1" -o "APT::Sandbox::User=$(id -un)")
    apt-get "${options[@]}" update >"$cache/apt.log" 2>&1 || { echo "apt-get update failed, see $cache/apt.log"; return 1; }
    (cd "$apt/archives" && apt-get "${options[@]}" download afl++ >>"$cache/apt.log" 2>&1) ||
        { echo "apt-get has no package afl++, see $cache/apt.log"; return 1; }
    dpkg -x "$apt"/archives/afl++_*.deb "$cache/unpacking" || { echo "its package cannot be unpacked"; return 1; }
    local missing
    missing=$(ldd "$cache/unpacking/usr/bin/afl-fuzz" | awk '/not found/ { print $1 }')
    if [[ $missing == *libpython3* ]]; then
        local python
        python=$(sed -E 's/^(libpython3\.[0-9]+).*$/\1/' <<<"$(grep -m1 libpython3 <<<"$missing")")
        (cd "$apt/archives" && apt-get "${options[@]}" download "$python" libexpat1 >>"$cache/apt.log" 2>&1) || true
        for package in "$apt"/archives/libpython3*.deb "$apt"/archives/libexpat1_*.deb; do
            [[ ! -f $package ]] || dpkg -x "$package" "$cache/unpacking"
        done
    fi
    rm -rf "$cache/root" "$apt"
    mv "$cache/unpacking" "$cache/root"
}

find_afl() {
    if command -v afl-fuzz; then return; fi
    if [[ ! -x $cache/root/usr/bin/afl-fuzz ]]; then
        mkdir -p "$cache"
        echo "fuzz.sh: fetching AFL++ into $cache" >&2
        local reason
        reason=$(fetch_afl) || { rm -rf "$cache/unpacking"; echo "fuzz.sh: AFL++ cannot be fetched: $reason" >&2; return 1; }
    fi
    echo "$cache/root/usr/bin/afl-fuzz"
}

find_sharpfuzz() {
    local tools=$cache/sharpfuzz-$sharpfuzz_version
    if [[ ! -x $tools/sharpfuzz ]]; then
        dotnet tool install SharpFuzz.CommandLine --version "$sharpfuzz_version" --tool-path "$tools" >&2 || return 1
    fi
    echo "$tools/sharpfuzz"
}

rm -rf "$work"
mkdir -p "$work"
dotnet publish "$root/Tools/Fuzzing/NativeFfn.Fuzzing.csproj" -c Release -o "$work/target" --nologo -v quiet >&2
target=$work/target/NativeFfn.Fuzzing.dll
dotnet "$target" seeds "$work/seeds"

if ! afl=$(find_afl) || ! sharpfuzz=$(find_sharpfuzz); then
    echo "fuzz.sh: running the built-in mutator for $seconds s instead; put afl-fuzz on PATH for a run guided by coverage" >&2
    dotnet "$target" mutate "$seconds" "$work/crashes"
    exit
fi

"$sharpfuzz" "$work/target/NativeFfn.dll"

# The program that afl-fuzz starts is the .NET host, which is not instrumented itself; the library is.
export AFL_SKIP_BIN_CHECK=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1 AFL_NO_UI=1
export AFL_PATH=$(dirname "$afl")/../lib/afl
[[ $afl != "$cache"/* ]] || export LD_LIBRARY_PATH=$cache/root/usr/lib/$(uname -m)-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
echo "fuzz.sh: $afl for $seconds s, log in $work/afl.log" >&2
"$afl" -i "$work/seeds" -o "$work/findings" -t 10000 -m none -V "$seconds" -- dotnet "$target" >"$work/afl.log" 2>&1 ||
    { echo "fuzz.sh: error: afl-fuzz failed:" >&2; tail -n 20 "$work/afl.log" >&2; exit 2; }

statistics=$work/findings/default/fuzzer_stats
value() { awk -F: -v key="$1" '$1 ~ "^" key " *$" { gsub(/ /, "", $2); print $2 }' "$statistics"; }
crashes=$(find "$work/findings/default/crashes" -type f ! -name README.txt 2>/dev/null | wc -l)
echo "executions $(value execs_done)"
echo "inputs with new coverage $(value corpus_found)"
echo "hangs $(value saved_hangs)"
echo "crashes $crashes"
if ((crashes > 0)); then
    echo "fuzz.sh: error: inputs in $work/findings/default/crashes; replay them with: dotnet $target replay FILE" >&2
    exit 1
fi
