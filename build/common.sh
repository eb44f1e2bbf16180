# Shared by the scripts of this folder, which source it: where things are, and how they say what went wrong.
# shellcheck shell=bash

root=$(cd -P "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)

artifacts=$root/artifacts

# HOME may be unset, and then the user's entry counts; a user without a folder has none, and dotnet needs another place for what it keeps.
home=${HOME:-}
[[ -n $home ]] || home=~
[[ $home == /* && -d $home && -x $home ]] || home=
if [[ -n $home ]]; then
    export HOME=$home
else
    export DOTNET_CLI_HOME=${DOTNET_CLI_HOME:-$artifacts/home} NUGET_PACKAGES=${NUGET_PACKAGES:-$artifacts/home/packages}
fi

# Downloads that outlive a clone. The library looks for MKL by the same rule: an absolute folder, never one below the current folder.
caches=${XDG_CACHE_HOME:-}
[[ $caches == /* ]] || caches=${home:+$home/.cache}
cache=${NATIVEFFN_CACHE:-${caches:-$artifacts/home/.cache}/nativeffn}
[[ -n $caches ]] || export NATIVEFFN_CACHE=$cache

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

# A build must not leave workers behind that hold a pipe of whoever called the script.
export MSBUILDDISABLENODEREUSE=1

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$(basename "$0"): error: $*"
    exit 1
}

[[ $cache == /* ]] || fail "NATIVEFFN_CACHE is '$cache', which is no absolute path."

# Puts an SDK that can build this on the path, or says how to get one.
require_sdk() {
    if ! command -v dotnet >/dev/null && [[ -n $home && -x $home/.dotnet/dotnet ]]; then
        export PATH=$home/.dotnet:$PATH DOTNET_ROOT=$home/.dotnet
    fi

    command -v dotnet >/dev/null ||
        fail "the .NET 10 SDK is missing. Install the package dotnet-sdk-10.0 or see https://dotnet.microsoft.com/download/dotnet/10.0"

    dotnet --list-sdks | grep -q '^10\.' ||
        fail "this needs the .NET 10 SDK, but '$(command -v dotnet)' has only: $(dotnet --list-sdks | cut -d' ' -f1 | paste -sd' '). Install the package dotnet-sdk-10.0 or see https://dotnet.microsoft.com/download/dotnet/10.0"
}

# quietly LOG COMMAND...: runs a build command and shows what it said only if it fails.
quietly() {
    local log=$1
    shift
    mkdir -p "$(dirname "$log")"
    "$@" >"$log" 2>&1 && return

    # The console logger says every error twice.
    grep -E '(error|warning) [A-Z]+[0-9]+|^error' "$log" | sort -u >&2 || tail -n 40 "$log" >&2
    if grep -qE 'NU1301|NU1101|NU1102|Unable to load the service index' "$log"; then
        say "Packages could not be restored. The first build needs a NuGet source: check the network, HTTPS_PROXY for a proxy, or 'dotnet nuget list source'."
    fi

    fail "'$*' failed; the whole output is in $log"
}

# pinned LIST: the version of the first package that a list names.
pinned() { awk '!/^#/ && NF { print $2; exit }' "$1"; }

# mkl_folder: where build/fetch-mkl.sh puts MKL.
mkl_folder() { printf '%s/mkl/%s' "$cache" "$(pinned "$root/Native/mkl/packages.txt")"; }

# installed PROGRAM PACKAGE...: whether a program is there. Root's apt-get installs it where it is not, and an error of it is one here; without
# root it stays away.
installed() {
    local program=$1 log=$artifacts/logs/apt.log
    shift
    ! command -v "$program" >/dev/null || return 0
    [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || return 1
    say "$program: installing $* from the machine's own mirror ..."
    mkdir -p "$(dirname "$log")"
    { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@"; } >"$log" 2>&1 ||
        fail "apt-get could not install $*: $(grep '^E:' "$log" | head -n 1) The whole output is in $log"
}

# publish_for RUNTIME FOLDER: the command and the tests for another platform, in FOLDER/Cli and FOLDER/Tests. What does not depend on the
# platform is that of everyday builds, and analysers have said then what they have to say.
publish_for() {
    local project
    for project in Cli Tests; do
        say "publishing $project for $1 ..."
        quietly "$artifacts/logs/$1.log" dotnet publish "$root/$project" -c Release -r "$1" --self-contained -p:RunAnalyzers=false \
            -o "$2/$project"
    done
}

# plain LOG: its text without the colours that NUnit's runner writes where CI=true, and with lines that end as here.
plain() { sed 's/\x1b\[[0-9;?]*[A-Za-z]//g; s/\r*$//' "$1"; }

# summed LOG: 'N passed, N failed, N skipped' of what NUnit's runner printed on any platform. Fails where none passed.
summed() {
    local word counts=()
    for word in succeeded failed skipped; do
        counts+=("$(plain "$1" | sed -n "s/^  $word: \([0-9]*\)$/\1/p" | grep . || echo 0)")
    done
    ((counts[0] > 0)) || say "$(basename "$0"): error: no test passed, by $1"
    echo "${counts[0]} passed, ${counts[1]} failed, ${counts[2]} skipped"
    ((counts[0] > 0 && counts[1] == 0))
}
