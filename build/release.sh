#!/usr/bin/env bash
# build/release.sh VERSION [--tag]   checks that the clone can be released as VERSION, packs it and tries the packages; with --tag it also tags
# the commit as vVERSION. Nothing is published, and without --tag nothing but artifacts/ is written.
# What is wrong with the clone is told at once, with what to do. Pushing the tag and the packages is left to whoever has the keys.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

version=${1:-}
[[ $version =~ ^([0-9]+\.[0-9]+\.[0-9]+)(-([0-9A-Za-z.-]+))?$ && $# -le 2 && ${2:---tag} == --tag ]] ||
    fail "usage: build/release.sh VERSION [--tag], with a version such as 0.1.0 or 0.2.0-preview.1, and not '$*'."
prefix=${BASH_REMATCH[1]} suffix=${BASH_REMATCH[3]:-}
tag=v$version
cd "$root"

problems=()
wrong() { problems+=("$*"); }

[[ -z $(git status --porcelain) ]] || wrong "the tree is not clean: commit or stash what 'git status' lists."
! git rev-parse -q --verify "refs/tags/$tag" >/dev/null || wrong "the tag $tag is there already: a version is released once."
git remote get-url origin >/dev/null 2>&1 || wrong "there is no remote 'origin', whose address packages and symbols name: git remote add origin URL."

stated=$(sed -n 's/.*<VersionPrefix>\(.*\)<.*/\1/p' Directory.Build.props)
[[ $stated == "$prefix" ]] || wrong "VersionPrefix of Directory.Build.props is $stated, not $prefix."

# section NAME: what the log of changes has under it.
section() { awk -v name="## [$1]" 'index($0, "## [") == 1 { inside = index($0, name) == 1; next } inside && NF' CHANGELOG.md; }
[[ -n $(section "$version") ]] || wrong "CHANGELOG.md has no section '## [$version] - DATE', or nothing in it."
if [[ -z $suffix ]]; then
    [[ -z $(section Unreleased) ]] || wrong "CHANGELOG.md has changes under [Unreleased]: move them to [$version]."
    for list in */PublicAPI.Unshipped.txt; do
        [[ -z $(grep -v '^#' "$list") ]] || wrong "$list is not empty: build/update-public-api.sh --ship moves it to Shipped."
    done
fi

if ((${#problems[@]} > 0)); then
    printf '%s\n' "${problems[@]/#/- }" >&2
    fail "$version cannot be released from here."
fi

"$root/build/pack.sh" --check "-p:VersionSuffix=$suffix"
"$root/build/try-packages.sh"
say "$version: the packages of $(git rev-parse --short HEAD) are in $artifacts/packages"
if [[ ${2:-} == --tag ]]; then
    git tag -a "$tag" -m "$version" -m "$(section "$version")"
    say "tagged $tag. Push it, and the packages by dotnet nuget push."
else
    say "nothing was tagged; build/release.sh $version --tag does that."
fi
