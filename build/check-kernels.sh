#!/usr/bin/env bash
# build/check-kernels.sh [PRECISION...]   runs the CUDA kernels on the CPU under AddressSanitizer and UndefinedBehaviorSanitizer
# PRECISION: F32, BF16, F16, E4M3; all of them by default. The last line is 'N launches, no error found'.
# The table of activations is the host's; the tests of the kernels write it to artifacts/kernels.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

sources=$root/Native/cuda/emulation
table=$root/artifacts/kernels
flags=(-std=c++17 -O1 -g -Wall -Wextra -Werror -Wno-unknown-pragmas -fno-strict-aliasing -ffp-contract=off
    -fsanitize=address,undefined -fno-sanitize-recover=all)

command -v g++ >/dev/null || fail "the kernels are compiled for the CPU with g++, which is missing. Install the package g++."

[[ -f $table/activation_table.cuh ]] || fail "$table/activation_table.cuh is missing. Run the tests SanitizerTests, which write it."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

(($#)) || set -- F32 BF16 F16 E4M3
launches=0
for precision in "$@"; do
    g++ "${flags[@]}" "-I$table" "-DNATIVEFFN_$precision" "-DEMULATION_PRECISION=\"$precision\"" \
        "$sources/check.cpp" "$sources/emulation.cpp" -o "$folder/check"

    # Leaks are not looked for: whoever traces the process already would make that fail.
    said=$(ASAN_OPTIONS=detect_leaks=0 "$folder/check") || fail "$precision: the sanitizer found an error."
    say "$said"
    launches=$((launches + ${said%% *}))
done

echo "$launches launches, no error found"
