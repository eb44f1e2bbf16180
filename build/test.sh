#!/usr/bin/env bash
# build/test.sh [ARGS for dotnet test]   does its own set-up and runs all tests, or those that --filter names
# The last line is 'N passed, N failed, N skipped'. Without MKL this fails, unless NATIVEFFN_WITHOUT_MKL=1 says that this is meant.
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

require_sdk
say "building ..."
quietly "$artifacts/logs/test-build.log" dotnet build "$root/NativeFfn.sln" -c Release

rm -rf "$results"
code=0
dotnet test "$root/Tests/NativeFfn.Tests.csproj" -c Release --no-build --results-directory "$results" --logger "trx;LogFileName=tests.trx" "$@" || code=$?

# Reads every test's outcome, category and reason from the report. A record is an element: its name, attributes and the text after it.
count=0,0,0
if [[ -f $results/tests.trx ]]; then
    awk '
        function attribute(name,   text) {
            if (!match($0, "[ \n]" name "=\"[^\"]*\"")) return ""
            text = substr($0, RSTART, RLENGTH)
            sub(/^[^"]*"/, "", text); sub(/"$/, "", text)
            return text
        }
        function plain(text) {
            gsub(/&lt;/, "<", text); gsub(/&gt;/, ">", text); gsub(/&quot;/, "\"", text); gsub(/&#xD;|&#xA;/, " ", text); gsub(/&amp;/, "\\&", text)
            gsub(/[ \r\n\t]+/, " ", text)
            return text
        }
        BEGIN { RS = "<" }
        /^UnitTestResult[ \n]/ { id = attribute("testId"); outcome[id] = attribute("outcome"); name[id] = attribute("testName") }
        /^Message>/ && id != "" && reason[id] == "" { text = $0; sub(/^Message>/, "", text); reason[id] = plain(text) }
        /^UnitTest[ \n]/ { id = attribute("id") }
        /^TestCategoryItem[ \n]/ && attribute("TestCategory") == "Mkl" { on_mkl[id] = 1 }
        END {
            for (id in outcome) {
                if (outcome[id] == "Passed") passed++
                else if (outcome[id] == "NotExecuted" || outcome[id] == "Inconclusive") { skipped++; print "skipped: " plain(name[id]) ": " (reason[id] == "" ? "no reason given" : reason[id]) | "sort >&2" }
                else failed++
                if (on_mkl[id] && outcome[id] == "Passed") mkl++
            }
            close("sort >&2")
            printf "%d,%d,%d,%d\n", passed, failed, skipped, mkl
        }' "$results/tests.trx" >"$results/count"
    count=$(<"$results/count")
fi

IFS=, read -r passed failed skipped on_mkl <<<"$count,0"
on_mkl=${on_mkl%%,*}
say "passed on MKL: $on_mkl"

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
