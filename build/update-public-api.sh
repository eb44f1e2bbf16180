#!/usr/bin/env bash
# build/update-public-api.sh          writes every public member that is not tracked yet to PublicAPI.Unshipped.txt of its project, for review
#                                     with the change that adds it. Members that went away are removed there by hand: RS0017 names them.
# build/update-public-api.sh --ship   moves what is there to PublicAPI.Shipped.txt, for a release; '*REMOVED*' lines take theirs away
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

projects=(Bindings/NativeFfn.Bindings Backends/NativeFfn.Backends Layers/NativeFfn Hosting/NativeFfn.Hosting AspNetCore/NativeFfn.AspNetCore)

# members LIST: without its first line, which turns nullable annotations on.
members() { tail -n +2 "$1" | { grep -v '^$' || true; }; }

# replace LIST: with the members that come in, sorted.
replace() {
  { head -n 1 "$1"; { grep -v '^$' || true; } | LC_ALL=C sort -u; } >"$1.new"
  mv "$1.new" "$1"
}

for project in "${projects[@]}"; do
  folder=$(dirname "$project")
  list=$folder/PublicAPI.Unshipped.txt
  if [[ ${1:-} == --ship ]]; then
    shipped=$folder/PublicAPI.Shipped.txt
    gone=$(members "$list" | sed -n 's/^\*REMOVED\*//p')
    { members "$shipped"; members "$list" | { grep -v '^\*REMOVED\*' || true; }; } |
      { [[ -z $gone ]] && cat || grep -vxF "$gone"; } | replace "$shipped"
    replace "$list" </dev/null
    continue
  fi

  # A project is compiled again even where nothing changed, because an unchanged one prints no diagnostics.
  missing="$(dotnet build "$project.csproj" --no-incremental -p:TreatWarningsAsErrors=false -p:BuildProjectReferences=true -v q -nologo 2>&1 \
    | sed -n "s/.* RS0016: Symbol '\(.*\)' is not part of the declared public API.*/\1/p" | sort -u || true)"
  { members "$list"; printf '%s\n' "$missing"; } | replace "$list"
done
