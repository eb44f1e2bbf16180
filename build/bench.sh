#!/usr/bin/env bash
# build/bench.sh [ARGS]   measures NativeFfn beside ONNX Runtime, ggml, oneDNN, plain sgemm of MKL and OpenBLAS, and the machine's roofline;
# --help lists ARGS
# Without ARGS: SwiGLU 2048x5632 at 1 to 512 tokens, in f32 beside other libraries and in bf16, int8 and int4, in some minutes on two
# processors. Fetches and builds what is missing. Copies of the weights take turns, so that they come from memory; --resident keeps one, in
# the cache if it fits. Each subject has a thread on each of the same processors; --unpinned leaves that to the system.
#   build/bench.sh --shape 2048x5632 --shape 1024x4096 --subjects low-bits --tokens all --json results.json --plot results.png
#   build/bench.sh --subjects 4-bit                           our int4 beside those of ONNX Runtime and ggml; so are 32-, 16- and 8-bit, and all
#   build/bench.sh --tokens 1,8,64 --seconds 3 --subjects mkl,mkl-f16,onnx
#   build/bench.sh --shape 2048x768 --experts 64 --top-k 8    a mixture, which NativeFfn alone runs
#   build/bench.sh --small                                    latency of small layers, and of a server's client beside direct calls
#   build/bench.sh --small --busy 1 --seconds 120             the same beside a busy thread; --client leaves the other libraries out
#   build/bench.sh queue                                      the way through the queue of a server
#   build/bench.sh errors                                     what each precision loses, with outliers and without
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

if [ "${1-}" = --small ]; then
    shift
    set -- small "$@"
fi

"$root/build/fetch-mkl.sh" || say "warning: going on without MKL."
"$root/build/fetch-cblas.sh" openblas || say "warning: going on without OpenBLAS."
"$root/build/fetch-onednn.sh" || say "warning: going on without oneDNN."
require_sdk
say "building ..."
quietly "$artifacts/logs/bench-build.log" dotnet build "$root/Tools/Bench/NativeFfn.Bench.csproj" -c Release

# Its threads spin after each call, for 2^26 cycles if left alone, while others wait for their turn. 2^22 last from one product to the next.
export OPENBLAS_THREAD_TIMEOUT=${OPENBLAS_THREAD_TIMEOUT:-22}
exec dotnet "$artifacts/bin/NativeFfn.Bench/release/NativeFfn.Bench.dll" "$@"
