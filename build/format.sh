#!/usr/bin/env bash
# build/format.sh [--check]   puts the sources into the form that .editorconfig asks for; --check changes nothing and fails where they are not
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

check=()
if [[ ${1:-} == --check ]]; then
    check=(--verify-no-changes)
    shift
fi
[[ $# == 0 ]] || fail "'$*' is not understood. Usage: build/format.sh [--check]"

require_sdk
for what in whitespace style; do
    dotnet format "$what" "$root/NativeFfn.sln" "${check[@]}" || fail "the sources are not in form; build/format.sh puts them right."
done
