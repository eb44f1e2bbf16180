#!/usr/bin/env bash
# build/pack.sh [--check] [ARGS for dotnet pack]   packs the NuGet packages into artifacts/packages/; --check tests them as well
# The version stands in Directory.Build.props; -p:VersionSuffix= packs a release. MKL's package is left out where MKL cannot be fetched.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

# A package more is a line more.
projects=(
    Layers/NativeFfn.csproj
    Hosting/NativeFfn.Hosting.csproj
    AspNetCore/NativeFfn.AspNetCore.csproj
    Cli/NativeFfn.Cli.csproj
)

check=
if [[ ${1:-} == --check ]]; then
    check=1
    shift
fi

packages=$artifacts/packages
require_sdk
rm -rf "$packages"
for project in "${projects[@]}"; do
    say "packing $project ..."

    # Built apart from everyday builds: paths in symbols are the same on every machine.
    quietly "$artifacts/logs/pack.log" dotnet pack "$root/$project" -c Release -o "$packages" \
        -p:ContinuousIntegrationBuild=true "-p:ArtifactsPath=$artifacts/packing" "$@"
done

if "$root/build/fetch-mkl.sh"; then
    say "packing MKL ..."
    quietly "$artifacts/logs/pack.log" dotnet pack "$root/Native/mkl/package" -c Release -o "$packages" \
        "-p:MklFolder=$(mkl_folder)" "-p:ArtifactsPath=$artifacts/packing"
else
    say "warning: going on without the package of MKL."
fi

for package in "$packages"/*; do
    say "$package: $(($(stat -c %s "$package") / 1024)) KiB"
done

if [[ -n $check ]]; then
    NATIVEFFN_PACKAGES=$packages dotnet run --project "$root/Tests/NativeFfn.Tests.csproj" -c Release -- --filter FullyQualifiedName~Packaging
fi
