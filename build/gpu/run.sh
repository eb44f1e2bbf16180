#!/usr/bin/env bash
# ./run.sh parity              the tests of cuBLAS and MKL, and every precision against float64
# ./run.sh sanitize            small forwards under compute-sanitizer, where there is one
# ./run.sh bench [ARGS]        the benchmark on the GPU
# ./run.sh bench-gpu [ARGS]    the same, then the layer in PyTorch, and both beside each other
# ./run.sh all [ARGS]          parity, sanitize, bench-gpu (the default)
# ARGS: --shape 4096x14336 --tokens 1,8,64,512,4096 --precision bf16,f16,tf32,fp8,f32 --seconds 1
# Everything it writes is in this folder; what it says is in logs/ too. Exit 0: all that was asked for is done and right.
# NATIVEFFN_CUDA names the folder of cuBLASLt and NVRTC, PYTHON a Python with PyTorch, TEST_CATEGORIES other tests,
# NATIVEFFN_REQUIRE_BACKENDS the backends that must be there.
set -uo pipefail

here=$(cd -P "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
program=$here/app/NativeFfn.Tests
python=${PYTHON:-python3}
categories=${TEST_CATEGORIES:-CuBlas,Mkl,Cuda}
work=$here/work

export NATIVEFFN_CACHE=$here/cache NATIVEFFN_MKL=$here/mkl
export NATIVEFFN_REQUIRE_BACKENDS=${NATIVEFFN_REQUIRE_BACKENDS:-mkl,managed,cublas}

# Nothing is opened that a debugger or a profiler would use, and no bundle is unpacked elsewhere.
export DOTNET_EnableDiagnostics=0

say() { printf '%s\n' "$*"; }

heading() { printf '\n=== %s\n' "$1"; }

# The first of the GPUs that are seen, as nvidia-smi names it; nothing without one.
ask_gpu() { nvidia-smi --query-gpu="$1" --format=csv,noheader 2>/dev/null | head -n 1; }

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

# MKL ends the process where it misses its file for the processor at hand, so it is tried in a process of its own.
try_mkl() {
    unpack_mkl || { say "MKL could not be unpacked: neither xz nor $python did it."; return 1; }
    "$program" nativeffn bench --backend mkl --kernel mkl --shape 64x176 --tokens 1 --seconds 0.01 >"$work/mkl.txt" 2>&1 && return
    say "MKL for $(<"$here/mkl-isa") does not run on this processor. Pack again with build/gpu-bundle.sh --mkl-isa avx2, or avx512."
    tail -n 5 "$work/mkl.txt"
    return 1
}

# CUDA's libraries of whatever Python has PyTorch: the program looks into the cache after the usual places.
link_python_libraries() {
    local folder file
    mkdir -p "$here/cache/cuda/python/lib"
    "$python" - 2>/dev/null <<'PYTHON' | while read -r folder; do
import glob, sys
for path in sys.path:
    for folder in glob.glob(path + "/nvidia/*/lib"):
        print(folder)
PYTHON
        for file in "$folder"/libcublasLt.so.* "$folder"/libnvrtc.so.*; do
            [[ ! -f $file ]] || ln -sf "$file" "$here/cache/cuda/python/lib/"
        done
    done
}

about() {
    heading "What this ran on"
    date -u +'%Y-%m-%d %H:%M UTC'
    say "revision $(<"$here/revision"), MKL for $(<"$here/mkl-isa")"
    uname -srm
    grep -m 1 'model name' /proc/cpuinfo
    nvidia-smi 2>&1 || say "there is no nvidia-smi"
    ask_gpu name,uuid,compute_cap,driver_version,clocks.max.sm,clocks.max.mem,power.limit
    "$program" nativeffn info
    "$python" -c 'import torch; print("PyTorch", torch.__version__, "CUDA", torch.version.cuda)' 2>/dev/null || say "PyTorch: not there"
}

memory() { say "device memory in use, as nvidia-smi has it: $(ask_gpu memory.used || true)"; }

# The precisions of this GPU; without one, those that MKL has too.
precisions() {
    local capability
    capability=$(ask_gpu compute_cap)
    printf 'f32 bf16 f16'
    [[ -z $capability ]] || printf ' tf32'
    ((${capability//./} + 0 < 89)) || printf ' fp8'
}

# verify NAME ARGS-OF-INIT...: every backend against float64 on a layer, in every precision, for few tokens and for many.
verify() {
    local model=$work/$1 failed=0 precision tokens
    shift
    rm -rf "$model"
    "$program" nativeffn init --output "$model" "$@" || return 1
    for precision in $(precisions); do
        for tokens in 1 40; do
            "$program" nativeffn verify --model "$model" --precision "$precision" --tokens "$tokens" || failed=1
        done
    done
    return "$failed"
}

parity() {
    local failed=0
    heading "Tests: $categories"
    memory
    "$program" test "$categories" "$here/logs/tests.xml" || failed=1
    memory
    heading "Every precision against float64"
    verify swiglu --shape 250x682 || failed=1
    verify mixture --shape 96x130 --experts 8 --top-k 2 || failed=1
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
    local sanitizer failed=0 model=$work/sanitized precision tokens
    heading "compute-sanitizer, memcheck"
    if ! sanitizer=$(find_sanitizer); then
        say "skipped: there is no compute-sanitizer here; the CUDA toolkit has it"
        return 2
    fi

    "$sanitizer" --version
    for tokens in 1 5 33; do
        rm -rf "$model"
        "$program" nativeffn init --shape 250x682 --sample-input "$tokens" --output "$model" >/dev/null || return 1
        for precision in $(precisions); do
            say "$precision, $tokens tokens"
            "$sanitizer" --tool memcheck --target-processes all --error-exitcode "$sanitizer_found" \
                "$program" nativeffn forward --backend cublas --precision "$precision" --mode block --model "$model" \
                --input "$model/input.safetensors" --output "$work/output.safetensors" || failed=1
        done
    done
    return "$failed"
}

bench() {
    heading "NativeFfn"
    "$program" gpu --autotune --json "$here/logs/nativeffn.json" "$@"
}

bench_gpu() {
    local reports=("$here/logs/nativeffn.json") failed=0
    rm -f "$here"/logs/{nativeffn,torch}.json
    bench "$@" || return
    heading "PyTorch"
    if "$python" "$here/torch_ffn.py" --json "$here/logs/torch.json" "$@"; then
        reports+=("$here/logs/torch.json")
    else
        say "PyTorch was not measured."
        failed=1
    fi

    heading "Beside each other"
    "$program" gpu table "${reports[@]}" || failed=1
    return "$failed"
}

# step NAME COMMAND...: runs a step and remembers how it ended. 2 is what could not be done here.
step() {
    local name=$1 code=0
    shift
    "$@" || code=$?
    case $code in
        0) results+=("$name: done") ;;
        2) results+=("$name: not possible here") ;;
        *) results+=("$name: FAILED") ;;
    esac
    ((code == 0 || worst == 1)) || worst=$code
}

run() {
    local what=$1 worst=0 results=()
    shift
    mkdir -p "$work" "$NATIVEFFN_CACHE"
    link_python_libraries
    [[ $what != all && $what != parity ]] || step MKL try_mkl
    about
    case $what in
        parity) step parity parity ;;
        sanitize) step sanitize sanitize ;;
        bench) step bench bench "$@" ;;
        bench-gpu) step bench-gpu bench_gpu "$@" ;;
        all)
            step parity parity
            if find_sanitizer >/dev/null; then
                step sanitize sanitize
            else
                results+=("sanitize: left out, as there is no compute-sanitizer")
            fi

            step bench-gpu bench_gpu "$@"
            ;;
    esac
    heading "Summary"
    printf '%s\n' "${results[@]}"
    return "$worst"
}

case ${1:-all} in
    parity | sanitize | bench | bench-gpu | all) ;;
    *)
        sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
        exit 2
        ;;
esac

what=${1:-all}
[[ $# == 0 ]] || shift
device=$(ask_gpu name | tr '[:upper:]' '[:lower:]' | tr -cs 'a-z0-9' '-' | sed 's/-$//')
mkdir -p "$here/logs"
log=$here/logs/gpu-${device:-none}.log
[[ $what == all ]] || log=$here/logs/gpu-${device:-none}-$what.log
run "$what" "$@" 2>&1 | tee "$log"
code=${PIPESTATUS[0]}
say "written to $log"
exit "$code"
