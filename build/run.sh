#!/usr/bin/env bash
# build/run.sh ARGS   builds what changed and runs 'nativeffn ARGS'
# build/run.sh serve [--model PATH] [--urls http://127.0.0.1:8080] ...   the same; without a model it serves samples
# build/run.sh        does all the set-up and shows the main job: a checkpoint's layer, verified and timed on every backend
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

cli=$artifacts/bin/NativeFfn.Cli/release/NativeFfn.Cli.dll
sources=(Native Bindings Backends Layers Hosting AspNetCore Server Cli)
stamp=$artifacts/NativeFfn.Cli.stamp

# Folders count too: their time changes when a file in them is removed.
is_built() {
    [[ -f $cli && -f $stamp ]] &&
        [[ -z $(find "${sources[@]/#/$root/}" "$root"/Directory.* "$root"/global.json "$root"/.editorconfig -newer "$stamp" -print -quit) ]]
}

build() {
    ! is_built || return 0
    mkdir -p "$artifacts"
    (
        # Two runs in one clone must not build at a time.
        if command -v flock >/dev/null; then
            flock 9
        fi

        ! is_built || exit 0
        require_sdk
        say "building ..."
        touch "$stamp.new"
        quietly "$artifacts/logs/build.log" dotnet build "$root/Cli/NativeFfn.Cli.csproj" -c Release
        mv "$stamp.new" "$stamp"
    ) 9>"$artifacts/build.lock"
}

# The server, on samples of its own making where no checkpoint is named.
serve() {
    build
    command -v dotnet >/dev/null || require_sdk
    exec dotnet "$cli" serve "$@"
}

nativeffn() { dotnet "$cli" "$@"; }

heading() { printf '\n=== %s\n' "$1"; }

# Shows a command as a user would type it in the root of the clone, and runs it.
show() {
    printf '$ build/run.sh %s\n' "$*"
    nativeffn "$@"
}

tour() {
    local folder=artifacts/tour
    cd "$root"
    heading "Intel MKL"
    "$root/build/fetch-mkl.sh" || say "warning: going on without MKL; the managed backend computes."
    heading "Build"
    build
    say "built"
    heading "What this machine offers"
    show info
    heading "A checkpoint with random weights, and rows to try it on"
    rm -rf "$folder"
    show init --kind swiglu --shape 512x1376 --layers 2 --dtype bf16 --sample-input 16 --output "$folder"
    heading "Every backend against float64"
    show verify --model "$folder" --layer 1
    heading "A layer on the rows of a file"
    show forward --model "$folder" --layer 1 --mode block --input "$folder/input.safetensors" --output "$folder/output.safetensors"
    heading "How fast"
    show bench --shape 1024x2816 --tokens 1,16,128
}

if [[ $# == 0 ]]; then
    tour
    exit
fi

if [[ $1 == serve ]]; then
    serve "${@:2}"
fi

build
command -v dotnet >/dev/null || require_sdk
exec dotnet "$cli" "$@"
