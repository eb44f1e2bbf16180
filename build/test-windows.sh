#!/usr/bin/env bash
# build/test-windows.sh [ARGS]   runs the command and the golden cases' tests for Windows on x86-64 under Wine; ARGS are those of NUnit's runner
# The last line is 'N passed, N failed, N skipped'. Wine is no Windows: this is evidence and no proof. Without wine64, which root's apt-get
# installs, it says so and passes, unless NATIVEFFN_REQUIRE_WINE=1.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

folder=$artifacts/windows

# The emulated processes' own limit: Wine 8 may stop for good where .NET unwinds a stack.
limit=10m

mkdir -p "$artifacts/logs"
if ! command -v wine >/dev/null && [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    say "Wine: installing from Debian main (100 MB) ..."
    { apt-get -q update && apt-get -q install -y --no-install-recommends wine wine64; } >"$artifacts/logs/wine.log" 2>&1 ||
        say "warning: apt-get could not install wine: $(grep '^E:' "$artifacts/logs/wine.log" | head -n 1)"
fi
if ! command -v wine >/dev/null; then
    [[ ${NATIVEFFN_REQUIRE_WINE:-} != 1 ]] || fail "there is no wine. Install the packages wine and wine64 (Debian, Ubuntu)."
    say "test-windows.sh: not run, as there is no wine. Install the packages wine and wine64 (Debian, Ubuntu)."
    echo "0 passed, 0 failed, 0 skipped"
    exit 0
fi

require_sdk
publish_for win-x64 "$folder"

# Writing code that another mapping of the same pages runs is more than Wine follows.
export DOTNET_EnableWriteXorExecute=0 WINEDEBUG=-all WINEPREFIX=$folder/prefix
trap 'wineserver -k 2>/dev/null || true' EXIT

# windows PROGRAM ARGS...: without a terminal, whose control codes Wine would add.
windows() { timeout "$limit" wine "$@" </dev/null; }

say "the command:"
windows "$folder/Cli/NativeFfn.Cli.exe" info 2>/dev/null | cat
for model in "$root"/Tests/Golden/cases/*/; do
    windows "$folder/Cli/NativeFfn.Cli.exe" verify --model "Z:${model%/}" --require managed 2>/dev/null | grep -E 'against float64|managed'
done

# Tests of what is refused are left out: in Wine 8 some stop where an exception is thrown.
[[ $# -gt 0 ]] || set -- --filter 'TestCategory!=Sdk&TestCategory!=Clone&TestCategory!=SoftwareDevice&TestCategory!=Mkl&TestCategory!=Cblas&FullyQualifiedName~Tests.Golden'
code=0
log=$folder/tests.log
NATIVEFFN_REQUIRE_BACKENDS=managed windows "$folder/Tests/NativeFfn.Tests.exe" --show-test-results failed --progress off "$@" 2>/dev/null |
    tee "$log" || code=$?
summed "$log" || code=1
exit "$code"
