#!/usr/bin/env bash
# build/docs.sh   builds the documentation with the reference of the API into artifacts/docs/site; warnings, of links too, are errors
# A browser shows it from 'dotnet docfx serve artifacts/docs/site'.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

folder=$artifacts/docs
require_sdk
say "building ..."
quietly "$artifacts/logs/docs.log" dotnet build "$root/Cli/NativeFfn.Cli.csproj" -c Release

# What the members' types are of beside the packages that lie with the command.
shopt -s nullglob
frameworks=("$(dirname "$(readlink -f "$(command -v dotnet)")")"/packs/Microsoft.AspNetCore.App.Ref/10.*/ref/net10.0)
((${#frameworks[@]} > 0)) || fail "this SDK has no reference assemblies of ASP.NET Core 10. Install the package aspnetcore-targeting-pack-10.0."
rm -rf "$folder"
mkdir -p "$folder"
ln -s "${frameworks[-1]}" "$folder/framework"

say "documenting ..."
cd "$root"
quietly "$artifacts/logs/docs.log" dotnet tool restore
quietly "$artifacts/logs/docs.log" dotnet docfx docfx.json --warningsAsErrors

# The first page is the README.
cp "$folder/site/README.html" "$folder/site/index.html"
say "$folder/site: $(find "$folder/site/api" -name '*.html' | wc -l) pages of the API, $(find "$folder/site" -name '*.html' | wc -l) in all"
