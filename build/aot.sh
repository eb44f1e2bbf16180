#!/usr/bin/env bash
# build/aot.sh [PROCESSOR]   compiles the command and a smoke test ahead of time into artifacts/aot/, and runs them, the server too
# PROCESSOR is what both are compiled for: x86-64-v3 (AVX2, the default on x86-64), x86-64-v4 (AVX-512) or native (this machine).
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

processor=${1:-}
[[ $# -le 1 && $processor =~ ^(|native|x86-64-v[2-4])$ ]] ||
    fail "'$*' is no processor to compile for. Use x86-64-v3, x86-64-v4 or native, or nothing."

# What the ahead-of-time compiler links with: sets $compiler.
require_linker() {
    compiler=$(command -v clang || command -v gcc) ||
        fail "compiling ahead of time needs clang or gcc to link with. Install the packages clang and zlib1g-dev (Debian, Ubuntu) or clang and zlib-devel (Fedora)."
    echo 'int main(void) { return 0; }' | "$compiler" -x c - -lz -o /dev/null 2>/dev/null ||
        fail "'$compiler' cannot link with zlib, which compiling ahead of time needs. Install the package zlib1g-dev (Debian, Ubuntu) or zlib-devel (Fedora)."
}

# publish PROJECT FOLDER: warnings of the trimmer and the compiler are errors here as everywhere.
publish() {
    local arguments=(-p:PublishAot=true)
    [[ -z $processor ]] || arguments+=("-p:IlcInstructionSet=$processor")
    say "compiling $1 ahead of time ..."
    quietly "$artifacts/logs/aot.log" dotnet publish "$root/$1" -c Release -o "$2" "${arguments[@]}"
}

require_sdk
require_linker
publish Samples/04-aot "$artifacts/aot/smoke"
publish Cli "$artifacts/aot/command"
command=$artifacts/aot/command/nativeffn

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What goes wrong between threads goes wrong only sometimes.
for _ in {1..10}; do
    "$artifacts/aot/smoke/AheadOfTime" >"$work/smoke.txt" || {
        cat "$work/smoke.txt"
        fail "the smoke test failed when compiled ahead of time."
    }
done
cat "$work/smoke.txt"
"$command" info

# assembled COMMAND ...: the instructions that kernels are assembled for, as the command says when it is run so.
assembled() { "$@" "$command" info | sed -n '/^kernels/,/^instructions/s/.*: \(vp\?dp[a-z0-9]*\).*/\1/p' | sort -u | tr '\n' ' '; }

# The same where the system refuses memory that was writable to become code: kernels are assembled all the same. And where it refuses
# all new code: C# multiplies.
if [[ $(uname -s) == Linux ]]; then
    "$compiler" -o "$work/refuse" "$root/build/refuse.c"
    for refused in mdwe executable; do
        code=0
        "$work/refuse" "$refused" "$(type -P true)" || code=$?
        if [[ $code == 77 ]]; then
            say "warning: this system does not know how to refuse memory for code ($refused); not tried."
            continue
        fi
        [[ $code == 0 ]] || fail "nothing runs where memory for code is refused ($refused)."
        say "with memory for code refused ($refused) ..."
        "$work/refuse" "$refused" "$artifacts/aot/smoke/AheadOfTime" >"$work/smoke.txt" || {
            cat "$work/smoke.txt"
            fail "the smoke test failed where memory for code is refused ($refused)."
        }
        wanted=
        [[ $refused != mdwe ]] || wanted=$(assembled env)
        found=$(assembled "$work/refuse" "$refused")
        [[ $found == "$wanted" ]] || fail "where memory for code is refused ($refused) kernels are assembled for '$found', not for '$wanted'."
        say "assembled there: ${found:-nothing, C# multiplies}"
    done
fi
"$command" init --kind swiglu --shape 250x682 --layers 2 --sample-input 65 --output "$work/model"
"$command" forward --model "$work/model" --layer 1 --mode block --input "$work/model/input.safetensors" --output "$work/output.safetensors"
"$command" verify --model "$work/model" --layer 1
"$command" bench --shape 1024x2816 --tokens 1,16,128 --seconds 0.3
"$command" serve --model "$work/model" --urls http://127.0.0.1:0 --grpc-urls http://127.0.0.1:0 \
    --Logging:LogLevel:Microsoft=Information >"$work/serve.txt" 2>&1 &
server=$!
for _ in {1..150}; do
    ! grep -q 'Application started' "$work/serve.txt" || break
    sleep 0.2
done
kill "$server"
wait "$server" || { cat "$work/serve.txt"; fail "the server failed when compiled ahead of time."; }
grep -q 'is drained' "$work/serve.txt" || { cat "$work/serve.txt"; fail "the server did not drain."; }
say "$command: $(du -h "$command" | cut -f1), needs no .NET"
