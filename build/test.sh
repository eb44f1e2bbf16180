#!/usr/bin/env bash
# build/test.sh [ARGS]   does its own set-up and runs all tests, or those that --filter names; ARGS are those of NUnit's runner
# The last line is 'N passed, N failed, N skipped'. Without MKL this fails, unless NATIVEFFN_WITHOUT_MKL=1 says that this is meant; so does
# it without CUDA's compiler and NATIVEFFN_WITHOUT_CUDA=1, and without OpenBLAS and BLIS and NATIVEFFN_WITHOUT_CBLAS=1. Open MPI and MPICH are
# installed where this is root's, unless NATIVEFFN_WITHOUT_MPI=1; without them tests of ranks under a launcher are skipped.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

results=$artifacts/test-results

# A test that hangs, in native code too, ends the run with its name. None takes a minute.
test_limit=5m

required=managed
if [[ ${NATIVEFFN_WITHOUT_MKL:-} == 1 ]]; then
    say "MKL: not fetched, as NATIVEFFN_WITHOUT_MKL=1 says"
else
    "$root/build/fetch-mkl.sh" || fail "the tests need MKL; NATIVEFFN_WITHOUT_MKL=1 runs those that do not."

    # Tests of a backend named here fail where it is absent; of others they are skipped, with the reason.
    required=mkl,managed
fi

if [[ ${NATIVEFFN_WITHOUT_CBLAS:-} == 1 ]]; then
    say "OpenBLAS, BLIS: not fetched, as NATIVEFFN_WITHOUT_CBLAS=1 says"
else
    "$root/build/fetch-cblas.sh" || fail "the tests need OpenBLAS and BLIS; NATIVEFFN_WITHOUT_CBLAS=1 runs those that do not."
    required+=,cblas
fi
export NATIVEFFN_REQUIRE_BACKENDS=${NATIVEFFN_REQUIRE_BACKENDS:-$required}

if [[ ${NATIVEFFN_WITHOUT_CUDA:-} == 1 ]]; then
    say "CUDA: not fetched, as NATIVEFFN_WITHOUT_CUDA=1 says"
else
    # The compiler alone, which needs no GPU. What --all fetches is tested where it is there.
    "$root/build/fetch-cuda.sh" || fail "the tests compile kernels by CUDA's NVRTC; NATIVEFFN_WITHOUT_CUDA=1 runs those that do not."
    export NATIVEFFN_REQUIRE_NVRTC=${NATIVEFFN_REQUIRE_NVRTC:-1}
fi

if [[ ${NATIVEFFN_WITHOUT_MPI:-} == 1 ]]; then
    say "MPI: not installed, as NATIVEFFN_WITHOUT_MPI=1 says"
else
    installed mpirun.openmpi openmpi-bin && installed mpiexec.mpich mpich && export NATIVEFFN_REQUIRE_MPI=1 ||
        say "MPI: tests of ranks under a launcher are skipped. Install the packages openmpi-bin and mpich (Debian, Ubuntu)."
fi

require_sdk
say "building ..."
quietly "$artifacts/logs/test-build.log" dotnet build "$root/NativeFfn.sln" -c Release

rm -rf "$results"
mkdir -p "$results"
code=0
NATIVEFFN_TEST_SUMMARY=$results "$artifacts/bin/NativeFfn.Tests/release/NativeFfn.Tests" --results-directory "$results" \
    --settings "$root/Tests/quiet.runsettings" --report-trx --report-trx-filename tests.trx --show-test-results failed --progress off \
    --hangdump --hangdump-type None --hangdump-timeout "$test_limit" "$@" | tee "$results/tests.log" || code=$?

# count OUTCOME: how many tests, by the report's own sums.
count() { sed -n "s/.*<Counters .*\b$1=\"\([0-9]*\)\".*/\1/p" "$results/tests.trx" 2>/dev/null | grep . || echo 0; }

passed=$(count passed) failed=$(count failed) skipped=$(count notExecuted)
if [[ -f $results/summary ]]; then
    cat "$results/summary" >&2
else
    say "test.sh: error: the tests did not end; the last one that began: $(cat "$results/current" 2>/dev/null || echo none)"
    failed=$((failed + 1))
fi

# The runner says so and passes.
if plain "$results/tests.log" | grep '^TearDown failed for test fixture' >/dev/null; then
    say "test.sh: error: a fixture failed after its tests"
    failed=$((failed + 1))
fi

if ((passed + failed == 0)); then
    say "test.sh: error: no test ran"
    code=1
elif [[ $# == 0 && ${NATIVEFFN_WITHOUT_MKL:-} != 1 ]] && grep -q '^passed on MKL: 0;' "$results/summary"; then
    say "test.sh: error: no test ran on MKL"
    code=1
elif ((failed > 0 && code == 0)); then
    code=1
fi

echo "$passed passed, $failed failed, $skipped skipped"
exit "$code"
