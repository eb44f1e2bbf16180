#!/usr/bin/env bash
# build/load.sh [ARGS]   puts load on the server, in a process of its own and over loopback, and checks every answer; --help lists ARGS
# Without ARGS: 64 clients of 1 to 8 tokens for 30 s on SwiGLU 2048x5632, and what 'bench' gives for the same batch.
#   build/load.sh --compare                    beside the same server without batching
#   build/load.sh --tokens 1 --compare         every request one token
#   build/load.sh --overload 2 --soak 60 --faults
#   build/load.sh --seconds 50 --fairness      one of two models flooded, and deadlines behind a forward of 2.4 s
#   build/load.sh --launcher 'mpirun -n 2 --bind-to none' -- --NativeFfn:Parallel=auto --NativeFfn:Threads=1    a server of two ranks
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

"$root/build/fetch-mkl.sh" || say "warning: going on without MKL."
require_sdk
say "building ..."
for project in Cli/NativeFfn.Cli Tools/Load/NativeFfn.Load; do
    quietly "$artifacts/logs/load-build.log" dotnet build "$root/$project.csproj" -c Release
done

mkdir -p "$artifacts/load"
exec dotnet "$artifacts/bin/NativeFfn.Load/release/NativeFfn.Load.dll" \
    --command "$artifacts/bin/NativeFfn.Cli/release/NativeFfn.Cli.dll" \
    --folder "$artifacts/load" "$@"
