#!/usr/bin/env bash
# build/gpu-bundle.sh [--output FILE] [--mkl-isa avx512|avx2]   packs tests and benchmarks for a machine with a GPU and nothing else
# The archive, artifacts/nativeffn-gpu.tar.gz if no other is named, runs on Linux on x86-64 with an NVIDIA driver and CUDA's libraries,
# without .NET, SDK, clone or network: unpack it and call its run.sh. docs/gpu.md says what it does there.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

name=nativeffn-gpu
output=$artifacts/$name.tar.gz
isa=avx512

# What machines that are lent by the hour take as an upload.
limit_mib=60

while [[ $# -gt 0 ]]; do
    case $1 in
        --output) output=${2:-} ;;
        --mkl-isa) isa=${2:-} ;;
        *) fail "'$1' is not understood. Usage: build/gpu-bundle.sh [--output FILE] [--mkl-isa avx512|avx2]" ;;
    esac
    [[ $# -ge 2 ]] || fail "'$1' needs a value."
    shift 2
done
[[ $isa == avx512 || $isa == avx2 ]] || fail "--mkl-isa is '$isa', but must be avx512 or avx2."
[[ -n $output && -d $(dirname "$output") || $output == "$artifacts"/* ]] || fail "--output '$output' cannot be written: name a file in a folder that exists."
for tool in tar gzip xz; do
    command -v "$tool" >/dev/null || fail "'$tool' is missing."
done

# find_mkl: the folder of MKL's libraries, fetched where no other is named.
find_mkl() {
    if [[ -n ${NATIVEFFN_MKL:-} ]]; then
        if [[ -d $NATIVEFFN_MKL ]]; then printf '%s' "$NATIVEFFN_MKL"; else dirname "$NATIVEFFN_MKL"; fi
        return
    fi

    "$root/build/fetch-mkl.sh" >&2
    printf '%s/lib' "$(mkl_folder)"
}

# pack_mkl FOLDER ARCHIVE: the layers that are loaded for one instruction set. As xz, which halves what gzip leaves; it takes a minute, once.
pack_mkl() {
    local folder=$1 archive=$2 libraries=(libmkl_rt libmkl_core libmkl_intel_lp64 libmkl_sequential libmkl_def "libmkl_$isa") licence
    [[ ! -f $archive ]] || return 0
    for library in "${libraries[@]}"; do
        [[ -f $folder/$library.so ]] || fail "'$folder' has no $library.so."
    done

    licence=$folder/../LICENSE
    [[ -f $licence ]] || fail "'$licence' is missing: MKL goes nowhere without its licence."
    say "compressing MKL for $isa ..."
    mkdir -p "$(dirname "$archive")"
    tar -C "$folder" --owner=0 --group=0 -cf - "${libraries[@]/%/.so}" -C .. LICENSE | xz -T0 -6 >"$archive.partial"
    mv "$archive.partial" "$archive"
}

# Trimmed to what is used: of the framework and the packages, that is; of the tests nothing is left out.
publish() {
    say "publishing the tests ..."
    quietly "$artifacts/logs/gpu-bundle.log" dotnet publish "$root/Tests" -c Release -r linux-x64 --self-contained -p:ForGpuBundle=true \
        -p:ArtifactsPath="$artifacts/gpu-bundle/build" \
        -p:PublishTrimmed=true -p:TrimMode=partial -p:SuppressTrimAnalysisWarnings=true -p:DebuggerSupport=false -p:EventSourceSupport=true \
        -p:DebugType=none -p:CopyOutputSymbolsToPublishDirectory=false -p:PublishDocumentationFiles=false -p:PublishReferencesDocumentationFiles=false \
        -o "$1"

    # Debuggers and profilers, which nobody attaches there.
    rm -f "$1"/{createdump,libmscordaccore.so,libmscordbi.so,libcoreclrtraceptprovider.so}
}

# write_revision FILE: which sources these are; loudly where they are none that anybody could get again.
write_revision() {
    local revision changes
    revision=$(git -C "$root" describe --always 2>/dev/null) || revision=unknown
    changes=$(git -C "$root" status --porcelain 2>/dev/null)
    if [[ -n $changes ]]; then
        revision+=-dirty
        say "WARNING: THE CLONE HAS CHANGES THAT ARE NOT COMMITTED, so that this bundle is of no revision:"
        say "$changes"
    fi

    printf '%s\n' "$revision" >"$1"
}

require_sdk
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bundle=$work/$name
mkdir -p "$bundle"
mkl=$(find_mkl)
packed=$artifacts/gpu-bundle/mkl-$isa.tar.xz
pack_mkl "$mkl" "$packed"
publish "$bundle/app"
cp "$packed" "$bundle/mkl.tar.xz"
cp "$root/build/gpu/run.sh" "$root/Tools/Bench/peers/torch_ffn.py" "$root/LICENSE" "$root/docs/gpu.md" "$bundle/"
printf '%s\n' "$isa" >"$bundle/mkl-isa"
write_revision "$bundle/revision"
mkdir -p "$(dirname "$output")"
tar -C "$work" --owner=0 --group=0 --sort=name -cf - "$name" | gzip -9 >"$output.partial"
size=$(stat -c %s "$output.partial")
mv "$output.partial" "$output"
say "$(printf '%s: %d.%d MiB; unpacked %s' "$output" $((size / 1048576)) $((size % 1048576 * 10 / 1048576)) "$(du -sh "$bundle" | cut -f1)")"
((size <= limit_mib * 1048576)) || fail "that is more than $limit_mib MiB."
