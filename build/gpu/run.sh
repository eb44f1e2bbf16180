#!/usr/bin/env bash
# ./run.sh tests               the tests of cuBLAS, MKL and CUDA
# ./run.sh verify              every precision against float64
# ./run.sh parity              both
# ./run.sh bench [ARGS]        the benchmark on the GPU
# ./run.sh torch [ARGS]        the layer in PyTorch, beside what bench left in logs/
# ./run.sh bench-gpu [ARGS]    both
# ./run.sh sanitize            small runs under compute-sanitizer, where there is one
# ./run.sh all [ARGS]          parity, bench-gpu, sanitize (the default)
# ARGS: --shape 4096x14336 --tokens 1,8,64,512,4096 --precision bf16,f16,fp8,tf32 --seconds 1
# Everything it writes is in this folder; what it says is in logs/ too. Exit 0: all that was asked for is done and right.
# NATIVEFFN_CUDA names the folder of cuBLASLt and NVRTC, NATIVEFFN_NCCL NCCL's, PYTHON a Python with PyTorch, TEST_CATEGORIES other tests,
# NATIVEFFN_REQUIRE_BACKENDS the backends that must be there.
set -uo pipefail

here=$(cd -P "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
program=$here/app/NativeFfn.Tests
python=${PYTHON:-python3}
categories=${TEST_CATEGORIES:-CuBlas,Mkl,Cuda}
required=${NATIVEFFN_REQUIRE_BACKENDS:-mkl,managed,cublas}
precisions_benched=bf16,f16,fp8,tf32
work=$here/work
logs=$here/logs

# Seconds that a command may take; one that hangs must not take the machine's hour with it.
limit_probe=60
limit_tests=480
limit_verify=60
limit_bench=420
limit_torch=480
limit_sanitizer=90

export NATIVEFFN_CACHE=$here/cache NATIVEFFN_MKL=$here/mkl

# What libraries keep by themselves stays in this folder as well.
export CUDA_CACHE_PATH=$here/cache/cuda-driver TRITON_CACHE_DIR=$here/cache/triton TORCHINDUCTOR_CACHE_DIR=$here/cache/inductor

# Both sides of a comparison run as CUDA does by default, on the GPU that nvidia-smi lists first.
unset NVIDIA_TF32_OVERRIDE CUDA_LAUNCH_BLOCKING
export CUDA_MODULE_LOADING=LAZY CUDA_DEVICE_ORDER=PCI_BUS_ID

# Nothing is opened that a debugger or a profiler would use, and no bundle is unpacked elsewhere.
export DOTNET_EnableDiagnostics=0

say() { printf '%s\n' "$*"; }

heading() { printf '\n=== %s\n' "$1"; }

# limited SECONDS COMMAND...: says so where the time was too short; the exit code is then 124 or 137.
limited() {
    local seconds=$1 code=0
    shift
    timeout -k 10 "$seconds" "$@" || code=$?
    ((code != 124 && code != 137)) || say "stopped after $seconds seconds: $*" >&2
    return "$code"
}

# The first of the GPUs that are seen, as nvidia-smi names it; nothing without one.
ask_gpu() { limited "$limit_probe" nvidia-smi --query-gpu="$1" --format=csv,noheader 2>/dev/null | head -n 1; }

# without WORD LIST: the list without the word, commas between the words.
without() { tr ',' '\n' <<<"$2" | grep -vxF "$1" | paste -sd, -; }

unpack_mkl() {
    [[ ! -f $here/mkl/libmkl_rt.so ]] || return 0
    mkdir -p "$here/mkl.partial"
    if command -v xz >/dev/null; then
        xz -dc "$here/mkl.tar.xz" | tar -C "$here/mkl.partial" -xf -
    else
        # Python reads xz by itself.
        "$python" -c 'import sys, tarfile; tarfile.open(sys.argv[1], "r:xz").extractall(sys.argv[2])' "$here/mkl.tar.xz" "$here/mkl.partial"
    fi && mv -T "$here/mkl.partial" "$here/mkl"
}

# try_backend NAME ARGS...: opens a backend and runs it once, in a process of its own; 1 and what it said where that fails.
try_backend() {
    local name=$1
    shift
    limited "$limit_probe" "$program" nativeffn bench --backend "$name" "$@" --shape 64x176 --tokens 1 --seconds 0.01 >"$work/try-$name.txt" 2>&1 && return
    tail -n 5 "$work/try-$name.txt"
    return 1
}

# MKL ends the process where it misses its file for the processor at hand.
try_mkl() {
    unpack_mkl || { say "MKL could not be unpacked: neither xz nor $python did it."; return 1; }
    try_backend mkl --kernel sgemm && return
    say "MKL for $(<"$here/mkl-isa") does not run on this processor. Pack again with build/gpu-bundle.sh --mkl-isa avx2, or avx512."
    return 1
}

# The step has failed; what does not need MKL goes on without it.
forgo_mkl() {
    categories=$(without Mkl "$categories")
    required=$(without mkl "$required")
    export NATIVEFFN_MKL=$here/none
}

# CUDA's libraries of whatever Python has PyTorch, in one folder; what NVRTC loads itself has to lie beside it.
link_python_libraries() {
    local folder file
    rm -rf "$here/cache/cuda/python"
    mkdir -p "$here/cache/cuda/python/lib"
    "$python" - 2>/dev/null <<'PYTHON' | while read -r folder; do
import glob, sys
for path in sys.path:
    for folder in sorted(glob.glob(path + "/nvidia/*/lib")):
        print(folder)
print(sys.prefix + "/lib")
PYTHON
        for file in "$folder"/libcublasLt.so* "$folder"/libnvrtc.so* "$folder"/libnvrtc-builtins.so* "$folder"/libnccl.so*; do
            [[ ! -f $file || -e $here/cache/cuda/python/lib/${file##*/} ]] || ln -s "$file" "$here/cache/cuda/python/lib/"
        done
    done
}

# PyTorch's own libraries where it brings both, so that both sides of the comparison run one cuBLASLt.
use_python_libraries() {
    local folder=$here/cache/cuda/python/lib
    link_python_libraries
    if [[ -z ${NATIVEFFN_NCCL:-} && -e $folder/libnccl.so.2 ]]; then
        export NATIVEFFN_NCCL=$folder/libnccl.so.2
        say "NCCL: that of $python, $(readlink -f "$NATIVEFFN_NCCL")"
    fi

    [[ -z ${NATIVEFFN_CUDA:-} && -n $(ask_gpu name) ]] || return 0
    compgen -G "$folder/libcublasLt.so*" >/dev/null && compgen -G "$folder/libnvrtc.so*" >/dev/null || return 0
    if NATIVEFFN_CUDA=$folder try_backend cublas; then
        export NATIVEFFN_CUDA=$folder
        say "cuBLASLt and NVRTC: those of $python"
        readlink -f "$folder"/lib*
    else
        say "cuBLASLt and NVRTC of $python do not run here; others are looked for"
    fi
}

about() {
    heading "What this ran on"
    date -u +'%Y-%m-%d %H:%M UTC'
    say "revision $(<"$here/revision"), MKL for $(<"$here/mkl-isa")"
    uname -srm
    grep -m 1 'model name' /proc/cpuinfo
    limited "$limit_probe" nvidia-smi 2>/dev/null || say "there is no nvidia-smi"
    ask_gpu name,uuid,compute_cap,driver_version,clocks.max.sm,clocks.max.mem,power.limit
    limited "$limit_probe" "$program" nativeffn info
    limited "$limit_probe" "$python" -c 'import torch; print("PyTorch", torch.__version__, "CUDA", torch.version.cuda)' 2>/dev/null ||
        say "PyTorch: not there"
}

# The precisions of this GPU; without one, those that MKL has too.
precisions() {
    local capability
    capability=$(ask_gpu compute_cap)
    printf 'f32 bf16 f16'
    [[ $capability =~ ^[0-9]+\.[0-9]+$ ]] || return 0
    printf ' tf32'
    ((${capability//./} < 89)) || printf ' fp8'
}

# verify_layer NAME ARGS-OF-INIT...: every backend against float64 on a layer, in every precision, for few tokens and for many.
verify_layer() {
    local model=$work/$1 failed=0 precision tokens backends
    shift
    rm -rf "$model"
    limited "$limit_verify" "$program" nativeffn init --output "$model" "$@" || return 1
    for precision in $(precisions); do
        backends=$required
        [[ $precision != tf32 && $precision != fp8 ]] || backends=cublas
        for tokens in 1 40; do
            limited "$limit_verify" "$program" nativeffn verify --model "$model" --precision "$precision" --tokens "$tokens" \
                ${backends:+--require "$backends"} || failed=1
        done
    done
    return "$failed"
}

# A process for each category: an error that ends the GPU's context in one does not fail the others. Tests that need an SDK or the clone
# are left out, and one test at least has to pass.
run_tests() {
    local failed=0 category
    for category in ${categories//,/ }; do
        heading "Tests: $category"
        rm -f "$logs"/{current,summary}
        say "device memory in use: $(ask_gpu memory.used || true) before"
        NATIVEFFN_REQUIRE_BACKENDS=$required NATIVEFFN_TEST_SUMMARY=$logs limited "$limit_tests" "$program" \
            --filter "TestCategory=$category&TestCategory!=Sdk&TestCategory!=Clone" --zero-tests-policy strict \
            --results-directory "$logs" --report-trx --report-trx-filename "tests-$category.trx" \
            --show-test-results failed --progress off --no-ansi | tee "$work/tests-$category.txt" || failed=1
        say "device memory in use: $(ask_gpu memory.used || true) after"
        if [[ -s $logs/summary ]]; then
            say "$(<"$logs/summary")"
        else
            failed=1
            [[ ! -s $logs/current ]] || say "the last test that was started: $(<"$logs/current")"
        fi

        # The runner says so and passes.
        ! grep -q '^TearDown failed for test fixture' "$work/tests-$category.txt" || failed=1
    done
    return "$failed"
}

verify() {
    local failed=0
    heading "Every precision against float64"
    verify_layer swiglu --shape 250x682 || failed=1
    verify_layer mixture --shape 96x130 --experts 8 --top-k 2 || failed=1
    return "$failed"
}

parity() {
    local failed=0
    run_tests || failed=1
    verify || failed=1
    return "$failed"
}

find_sanitizer() {
    local candidate
    for candidate in "$(command -v compute-sanitizer)" "${CUDA_HOME:-}/bin/compute-sanitizer" /usr/local/cuda/bin/compute-sanitizer \
        "${CUDA_HOME:-/usr/local/cuda}/compute-sanitizer/compute-sanitizer"; do
        if [[ -x $candidate && -f $candidate ]]; then
            printf '%s' "$candidate"
            return
        fi
    done
    return 1
}

# What differs from 0, 1 and 2, which are the program's.
sanitizer_found=86

sanitize() {
    local sanitizer failed=0 model=$work/sanitized precision tokens check
    heading "compute-sanitizer, memcheck"
    if ! sanitizer=$(find_sanitizer); then
        say "skipped: there is no compute-sanitizer here; the CUDA toolkit has it"
        return 2
    fi

    limited "$limit_probe" "$sanitizer" --version
    check=("$sanitizer" --tool memcheck --target-processes all --error-exitcode "$sanitizer_found" "$program" nativeffn)
    for tokens in 1 5 33; do
        rm -rf "$model"
        limited "$limit_verify" "$program" nativeffn init --shape 250x682 --sample-input "$tokens" --output "$model" >/dev/null || return 1
        for precision in $(precisions); do
            say "$precision, $tokens tokens"
            limited "$limit_sanitizer" "${check[@]}" forward --backend cublas --precision "$precision" --mode block --model "$model" \
                --input "$model/input.safetensors" --output "$work/output.safetensors" || failed=1
        done
    done

    # Forwards that repeat are launches of one graph.
    say "forwards that repeat"
    limited "$limit_sanitizer" "${check[@]}" bench --backend cublas --precision bf16 --shape 250x682 --tokens 1,33 --seconds 0.01 || failed=1
    return "$failed"
}

# with_clocks COMMAND...: notes the GPU's clocks meanwhile, in logs/clocks.csv.
with_clocks() {
    local watcher='' code=0
    if command -v nvidia-smi >/dev/null; then
        nvidia-smi --query-gpu=timestamp,index,clocks.sm,clocks.mem,power.draw,temperature.gpu,utilization.gpu --format=csv -lms 500 \
            >"$logs/clocks.csv" 2>&1 &
        watcher=$!
        # shellcheck disable=SC2064 # this watcher, not a later one
        trap "kill $watcher 2>/dev/null" EXIT
    fi

    "$@" || code=$?
    if [[ -n $watcher ]]; then
        kill "$watcher" 2>/dev/null
        wait "$watcher" 2>/dev/null
        trap - EXIT
    fi

    return "$code"
}

names_precision() { [[ " $* " == *" --precision"[\ =:]* ]]; }

bench() {
    local chosen=()
    names_precision "$@" || chosen=(--precision "$precisions_benched")
    heading "NativeFfn"
    rm -f "$logs/nativeffn.json"
    limited "$limit_bench" "$program" gpu --autotune --json "$logs/nativeffn.json" "${chosen[@]}" "$@"
}

# What can be shown is shown, whatever failed before.
torch() {
    local reports=() report failed=0
    heading "PyTorch"
    rm -f "$logs/torch.json"
    if ! limited "$limit_torch" "$python" "$here/torch_ffn.py" --json "$logs/torch.json" "$@"; then
        say "PyTorch was not measured, or not all of it."
        failed=1
    fi

    heading "Beside each other"
    for report in "$logs"/{nativeffn,torch}.json; do
        [[ ! -s $report ]] || reports+=("$report")
    done
    if ((${#reports[@]} == 0)); then
        say "nothing was measured"
        return 1
    fi

    limited "$limit_probe" "$program" gpu table "${reports[@]}" || failed=1
    return "$failed"
}

bench_gpu() {
    local failed=0
    bench "$@" || failed=$?
    torch "$@" || ((failed != 0)) || failed=1
    return "$failed"
}

# step NAME COMMAND...: runs a step and remembers how it ended. 2 is what could not be done here; any failure counts for more.
step() {
    local name=$1 code=0
    shift
    "$@" || code=$?
    case $code in
        0) results+=("$name: done") ;;
        2)
            results+=("$name: not possible here")
            ((worst != 0)) || worst=2
            ;;
        *)
            results+=("$name: FAILED")
            worst=1
            ;;
    esac
    return "$code"
}

run() {
    local what=$1 worst=0 results=()
    shift
    mkdir -p "$work" "$NATIVEFFN_CACHE"
    use_python_libraries
    if [[ $what =~ ^(all|parity|tests|verify)$ ]]; then
        step MKL try_mkl || forgo_mkl
    fi

    about
    case $what in
        tests) step tests run_tests ;;
        verify) step verify verify ;;
        parity) step parity parity ;;
        torch) step torch with_clocks torch "$@" ;;
        bench) step bench with_clocks bench "$@" ;;
        bench-gpu) step bench-gpu with_clocks bench_gpu "$@" ;;
        sanitize) step sanitize sanitize ;;
        all)
            step parity parity
            step bench-gpu with_clocks bench_gpu "$@"
            if find_sanitizer >/dev/null; then
                step sanitize sanitize
            else
                results+=("sanitize: left out, as there is no compute-sanitizer")
            fi
            ;;
    esac
    heading "Summary"
    printf '%s\n' "${results[@]}"
    return "$worst"
}

case ${1:-all} in
    tests | verify | parity | bench | torch | bench-gpu | sanitize | all) ;;
    *)
        sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
        exit 2
        ;;
esac

what=${1:-all}
[[ $# == 0 ]] || shift
device=$(ask_gpu name | tr '[:upper:]' '[:lower:]' | tr -cs 'a-z0-9' '-' | sed 's/-$//')
mkdir -p "$logs"
log=$logs/gpu-${device:-none}.log
[[ $what == all ]] || log=$logs/gpu-${device:-none}-$what.log
run "$what" "$@" 2>&1 | tee "$log"
code=${PIPESTATUS[0]}
say "written to $log"
exit "$code"
