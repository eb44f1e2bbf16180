#!/usr/bin/env bash
# build/test.sh [ARGS for dotnet test]   does its own set-up and runs all tests, or those that --filter names
# The last line is 'N passed, N failed, N skipped'. Without MKL this fails, unless NATIVEFFN_WITHOUT_MKL=1 says that this is meant; so does
# it without CUDA's compiler and NATIVEFFN_WITHOUT_CUDA=1.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

results=$artifacts/test-results

if [[ ${NATIVEFFN_WITHOUT_MKL:-} == 1 ]]; then
    say "MKL: not fetched, as NATIVEFFN_WITHOUT_MKL=1 says"
else
    "$root/build/fetch-mkl.sh" || fail "the tests need MKL; NATIVEFFN_WITHOUT_MKL=1 runs those that do not."

    # Tests of a backend named here fail where it is absent; of others they are skipped, with the reason.
    export NATIVEFFN_REQUIRE_BACKENDS=${NATIVEFFN_REQUIRE_BACKENDS:-mkl,managed}
fi

if [[ ${NATIVEFFN_WITHOUT_CUDA:-} == 1 ]]; then
    say "CUDA: not fetched, as NATIVEFFN_WITHOUT_CUDA=1 says"
else
    # The compiler alone, which needs no GPU. What --all fetches is tested where it is there.
    "$root/build/fetch-cuda.sh" || fail "the tests compile kernels by CUDA's NVRTC; NATIVEFFN_WITHOUT_CUDA=1 runs those that do not."
    export NATIVEFFN_REQUIRE_NVRTC=${NATIVEFFN_REQUIRE_NVRTC:-1}
fi

require_sdk
say "building ..."
quietly "$artifacts/logs/test-build.log" dotnet build "$root/NativeFfn.sln" -c Release

rm -rf "$results"
code=0
dotnet test "$root/Tests/NativeFfn.Tests.csproj" -c Release --no-build --results-directory "$results" \
    --logger "trx;LogFileName=tests.trx" "$@" -- NUnit.TestOutputXml="$results" || code=$?

# NUnit's report knows every test's outcome, reason and categories, those of the suites around it included.
# A record is one element: its name, its attributes and the text up to the next one.
read_report() {
    awk '
        function attribute(name,   text) {
            if (!match($0, "[ \n]" name "=\"[^\"]*\"")) return ""
            text = substr($0, RSTART, RLENGTH)
            sub(/^[^"]*"/, "", text); sub(/"$/, "", text)
            return text
        }
        function plain(text) {
            gsub(/&lt;/, "<", text); gsub(/&gt;/, ">", text); gsub(/&quot;/, "\"", text); gsub(/&amp;/, "\\&", text)
            gsub(/[ \r\n\t]+/, " ", text)
            return text
        }
        # The list of every path that was tried is the same for all tests of an absent library.
        function short(text) { text = plain(text); sub(/ Tried: .*/, "", text); return text }
        function finish() {
            if (outcome == "Failed") failed++
            else if (outcome == "Skipped" || outcome == "Inconclusive") {
                skipped++
                printf "skipped: %s: %s\n", plain(name), reason == "" ? "no reason given" : short(reason) >"/dev/stderr"
            }
            else passed++
            if (outcome == "Passed" && on_mkl[depth]) mkl++
            if (outcome == "Passed" && on_device[depth]) device++
            if (outcome == "Passed" && on_cublas[depth]) cublas++
            depth--
        }
        BEGIN { RS = "<" }
        /^test-(suite|case)[ \n]/ { depth++; on_mkl[depth] = on_mkl[depth - 1]; on_device[depth] = on_device[depth - 1]; on_cublas[depth] = on_cublas[depth - 1]; in_reason = 0 }
        /^test-case[ \n]/ { name = attribute("fullname"); outcome = attribute("result"); reason = ""; if (/\/>[ \r\n]*$/) finish() }
        /^property[ \n]/ && attribute("name") == "Category" && attribute("value") == "Mkl" { on_mkl[depth] = 1 }
        /^property[ \n]/ && attribute("name") == "Category" && attribute("value") == "SoftwareDevice" { on_device[depth] = 1 }
        /^property[ \n]/ && attribute("name") == "Category" && attribute("value") == "CuBlas" { on_cublas[depth] = 1 }
        /^reason>/ { in_reason = 1 }
        in_reason == 2 { reason = reason "<" $0 }
        in_reason == 1 && /^!\[CDATA\[/ { reason = substr($0, length("![CDATA[") + 1); in_reason = 2 }
        in_reason == 2 && sub(/\]\]>.*/, "", reason) { in_reason = 0 }
        /^\/test-suite>/ { depth-- }
        /^\/test-case>/ { finish() }
        END { printf "%d,%d,%d,%d,%d,%d\n", passed, failed, skipped, mkl, device, cublas }' "$1"
}

report=$results/NativeFfn.Tests.xml
count=0,0,0,0,0,0
if [[ -f $report ]]; then
    count=$(read_report "$report")
fi

# What tests counted by Counted.cs.
if [[ -f $report ]]; then
    { grep -oE 'counted: [0-9]+ [^]]+' "$report" || true; } |
        awk '{ count = $2; sub(/^counted: [0-9]+ /, ""); sum[$0] += count } END { for (what in sum) print sum[what] " " what }' | sort -k 2
fi

IFS=, read -r passed failed skipped on_mkl on_device on_cublas <<<"$count"
say "passed on MKL: $on_mkl; on cuBLAS: $on_cublas; on the software device, which is no cuBLAS: $on_device"

if ((passed + failed == 0)); then
    say "test.sh: error: no test ran"
    code=1
elif [[ $# == 0 && $on_mkl == 0 && ${NATIVEFFN_WITHOUT_MKL:-} != 1 ]]; then
    say "test.sh: error: no test ran on MKL"
    code=1
elif ((failed > 0 && code == 0)); then
    code=1
fi

echo "$passed passed, $failed failed, $skipped skipped"
exit "$code"
