#!/usr/bin/env bash
# build/test-explorer.sh [--pictures]   tests the explorer's page in headless Chromium, against a server without a model and one with a
# stack and a mixture; axe looks at every page. It fetches what it needs but Node 20. Screenshots are in artifacts/explorer/output;
# --pictures puts those of the documents into docs/. The last line is 'N passed, N failed'.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

folder=$artifacts/explorer
modules=$artifacts/browser
node=20

[[ $# == 0 || ($# == 1 && $1 == --pictures) ]] || fail "'$*' is no argument; there is --pictures."
command -v npm >/dev/null || fail "Node $node or newer is missing, with its npm. See https://nodejs.org"
(($(node --version | sed 's/^v\([0-9]*\).*/\1/') >= node)) ||
    fail "Node $node or newer is needed; this is $(node --version). See https://nodejs.org"
chromium=$("$root/build/fetch-chromium.sh")

# The packages that the lock names, with their sums; none of their scripts is run.
mkdir -p "$modules"
rm -f "$modules"/*.mjs
cp "$root"/Tests/Browser/* "$modules"
if ! cmp -s "$modules/package-lock.json" "$modules/installed.json"; then
    quietly "$artifacts/logs/npm.log" npm --prefix "$modules" ci --ignore-scripts --no-audit --no-fund
    cp "$modules/package-lock.json" "$modules/installed.json"
fi

require_sdk
say "building ..."
quietly "$artifacts/logs/explorer-build.log" dotnet build "$root/Cli/NativeFfn.Cli.csproj" -c Release

rm -rf "$folder"
mkdir -p "$folder/output"
command=$artifacts/bin/NativeFfn.Cli/release
nativeffn() { dotnet "$command/NativeFfn.Cli.dll" "$@" >&2; }
nativeffn init --kind gelu-tanh --stack 96x256x192x128x96 --seed 4 --output "$folder/stack"
nativeffn init --kind swiglu --shape 64x96 --experts 64 --top-k 6 --seed 5 --output "$folder/experts"

servers=()
trap 'kill "${servers[@]}" 2>/dev/null || true' EXIT

# serve NAME ARGS...: starts a server on a free port and sets 'address'. gRPC listens first, by its name.
serve() {
    local log=$folder/$1.log
    shift
    dotnet "$command/NativeFfn.Cli.dll" serve --backend managed \
        --urls http://127.0.0.1:0 --grpc-urls http://127.0.0.1:0 "$@" >"$log" 2>&1 &
    servers+=($!)
    for _ in {1..300}; do
        if grep -q 'Application started' "$log"; then
            address=$(sed -n 's/.*Now listening on: //p' "$log" | tail -n 1)/
            return
        fi

        kill -0 "${servers[-1]}" 2>/dev/null || fail "the server ended: $(cat "$log")"
        sleep 0.1
    done
    fail "the server did not start: $(cat "$log")"
}

key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
serve samples
samples=$address
Server__ApiKeys__0=$key serve models --NativeFfn:Models:stack:Path "$folder/stack" --NativeFfn:Models:experts:Path "$folder/experts"

code=0
EXPLORER_SAMPLES=$samples EXPLORER_MODELS=$address EXPLORER_KEY=$key EXPLORER_OUTPUT=$folder/output EXPLORER_CHROMIUM=$chromium \
    node --test --test-concurrency=1 --test-reporter=spec --test-reporter-destination=stdout \
    "$modules"/*.test.mjs | tee "$folder/tests.log" || code=$?
passed=$(sed -n 's/^ℹ pass //p' "$folder/tests.log") failed=$(sed -n 's/^ℹ fail //p' "$folder/tests.log")

# The code that the page shows is compiled and run, and gives the numbers that it shows.
program=$folder/code
code_gives_numbers() {
    mkdir -p "$program"
    cp "$folder/output/Program.cs" "$program" || return
    cat >"$program/code.csproj" <<PROJECT
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <ImplicitUsings>enable</ImplicitUsings>
    <Nullable>enable</Nullable>
  </PropertyGroup>
  <ItemGroup>
    <Reference Include="$command/NativeFfn*.dll" />
    <Reference Include="$command/CommunityToolkit*.dll" />
  </ItemGroup>
</Project>
PROJECT
    for name in Directory.Build.props Directory.Build.targets Directory.Packages.props; do
        echo '<Project />' >"$program/$name"
    done
    (quietly "$artifacts/logs/explorer-code.log" dotnet build "$program/code.csproj" -c Release -o "$program/out") || return
    dotnet "$program/out/code.dll" >"$folder/output/actual" || return
    paste "$folder/output/expected" "$folder/output/actual" |
        awk '{ d = $1 - $2; if (d < 0) d = -d; if (NF != 2 || d > 1e-5) bad++ } END { exit NR == 0 || bad }'
}

if code_gives_numbers; then
    echo "✔ the code that the page shows gives its numbers ($(wc -l <"$folder/output/actual"))"
    passed=$((passed + 1))
else
    echo "✖ the code that the page shows does not give its numbers"
    failed=$((failed + 1))
fi

if [[ ${1:-} == --pictures ]]; then
    cp "$folder/output/picture-light.png" "$root/docs/explorer.png"
    for picture in dark mixture stack phone; do
        cp "$folder/output/picture-$picture.png" "$root/docs/explorer-$picture.png"
    done
fi

echo "$passed passed, $failed failed"
((code == 0 && failed == 0))
