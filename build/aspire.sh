#!/usr/bin/env bash
# build/aspire.sh [CHECKPOINT]   builds Samples/05-aspire and starts it on a checkpoint, of its own making where none is named
# It prints the address of Aspire's dashboard, which shows the web sample's log, traces and metrics. --build alone builds it, as CI may.
# The first build fetches Aspire's orchestrator and dashboard, 150 MB.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

require_sdk
say "building ..."
quietly "$artifacts/logs/aspire.log" dotnet build "$root/Samples/05-aspire" -c Release
[[ ${1:-} != --build ]] || exit 0

model=${1:-$artifacts/aspire/model}
if [[ $# == 0 && ! -f $model/config.json ]]; then
    "$root/build/run.sh" init --kind swiglu --shape 512x1376 --layers 2 --output "$model" >&2
fi

# Nobody else is to see the dashboard, and a certificate for it would have to be trusted first.
export ASPIRE_ALLOW_UNSECURED_TRANSPORT=true ASPNETCORE_URLS=${ASPNETCORE_URLS:-http://127.0.0.1:18888}
export ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL=${ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL:-http://127.0.0.1:18889}
export NATIVEFFN_MODEL=$model
exec dotnet "$artifacts/bin/AppHost/release/AppHost.dll"
