#!/usr/bin/env bash
# build/check-deploy.sh   holds the manifests of deploy/ to the schemas of Kubernetes; needs npm
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

command -v npm >/dev/null || fail "npm is missing (Debian: npm), which brings the schemas of Kubernetes."
tools=$artifacts/check-deploy
mkdir -p "$tools"
cp "$root/build/check-deploy.mjs" "$tools/check.mjs"
if [[ ! -d $tools/node_modules ]]; then
    (cd "$tools" && echo '{ "private": true }' >package.json &&
        quietly "$artifacts/logs/check-deploy.log" npm install --no-audit --no-fund kubernetes-models@5.1.0 yaml@2.8.1)
fi

bash -n "$root/deploy/rank.sh"
node "$tools/check.mjs" "$root"/deploy/*.yaml
