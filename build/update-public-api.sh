#!/usr/bin/env bash
# Writes every public member that is not tracked yet to PublicAPI.Unshipped.txt of its project, for review with the change that adds it.
# Members that went away must be removed there by hand: RS0017 names them.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

for project in Bindings/NativeFfn.Bindings Backends/NativeFfn.Backends Layers/NativeFfn Hosting/NativeFfn.Hosting \
  AspNetCore/NativeFfn.AspNetCore; do
  list="$(dirname "$project")/PublicAPI.Unshipped.txt"
  # A project is compiled again even where nothing changed, because an unchanged one prints no diagnostics.
  missing="$(dotnet build "$project.csproj" --no-incremental -p:TreatWarningsAsErrors=false -p:BuildProjectReferences=true -v q -nologo 2>&1 \
    | sed -n "s/.* RS0016: Symbol '\(.*\)' is not part of the declared public API.*/\1/p" | sort -u || true)"
  known="$(tail -n +2 "$list" | { grep -v '^$' || true; })"
  { head -n 1 "$list"; printf '%s\n%s\n' "$known" "$missing" | { grep -v '^$' || true; } | LC_ALL=C sort -u; } > "$list.new"
  mv "$list.new" "$list"
done
