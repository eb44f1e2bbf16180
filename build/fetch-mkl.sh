#!/usr/bin/env bash
# Puts the layers of Intel MKL that NativeFfn uses into the cache, from the machine's own Debian mirror and without root.
# What and why: Native/mkl/README.md. Nothing is downloaded if it is there already.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

packages=$root/Native/mkl/packages.txt
version=$(awk '!/^#/ && NF { print $2; exit }' "$packages")
target=$cache/mkl/$version
remedy="To use an MKL of your own, set NATIVEFFN_MKL (or --mkl-path) to its libmkl_rt.so or the folder of it; without MKL, the managed backend computes."

if [[ -n ${NATIVEFFN_MKL:-} ]]; then
    say "MKL: NATIVEFFN_MKL names '$NATIVEFFN_MKL'; nothing to fetch"
    exit 0
fi

if [[ -d $target ]]; then
    say "MKL $version: in $target"
    exit 0
fi

[[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] || fail "MKL is for x86-64, and this fetches it for Linux; this is $(uname -sm). $remedy"
for tool in apt-get apt-config dpkg-deb sha256sum; do
    command -v "$tool" >/dev/null || fail "MKL is fetched with Debian's tools, and '$tool' is missing. $remedy"
done

codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
mkdir -p "$cache/mkl"
work=$(mktemp -d "$cache/mkl/.partial-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{sources,lists/partial,cache/archives/partial,debs,unpacked,result/lib}

# The machine's own entries for its Debian release (a suite with a 'main' component), with non-free as their only component.
eval "$(apt-config shell source_list Dir::Etc::sourcelist/f source_parts Dir::Etc::sourceparts/d)"
shopt -s nullglob
count=0
for file in "$source_parts"/*.sources; do
    count=$((count + 1))
    awk -v codename="$codename" '
        BEGIN { RS = ""; FS = "\n" }
        {
            suite = ""; has_main = 0; field = ""; out = ""
            for (i = 1; i <= NF; i++) {
                if ($i ~ /^#/) continue
                if ($i !~ /^[ \t]/) { field = tolower($i); sub(/:.*/, "", field) }
                words = $i; sub(/^[^ \t:]+:/, "", words)
                n = split(words, word, /[ \t]+/)
                for (k = 1; k <= n; k++) {
                    if (field == "suites" && (word[k] == codename || word[k] ~ /^(old)*stable$/)) suite = word[k]
                    if (field == "components" && word[k] == "main") has_main = 1
                }
                if (field !~ /^(types|suites|components)$/) out = out $i "\n"
            }
            if (suite != "" && has_main) printf "Types: deb\nSuites: %s\nComponents: non-free\n%s\n", suite, out
        }' "$file" >"$work/sources/$count.sources"
done
for file in "$source_list" "$source_parts"/*.list; do
    [[ -f $file ]] || continue
    count=$((count + 1))
    awk -v codename="$codename" '
        /^[ \t]*deb[ \t]/ {
            sub(/#.*/, "")
            line = $0; options = ""
            if (match(line, /\[[^]]*\]/)) { options = substr(line, RSTART, RLENGTH) " "; line = substr(line, 1, RSTART - 1) substr(line, RSTART + RLENGTH) }
            n = split(line, word, /[ \t]+/)
            first = word[1] == "" ? 2 : 1
            uri = word[first + 1]; suite = word[first + 2]
            for (k = first + 3; k <= n; k++) if (word[k] == "main" && (suite == codename || suite ~ /^(old)*stable$/)) { print "deb " options uri " " suite " non-free"; break }
        }' "$file" >"$work/sources/$count.list"
done
find "$work/sources" -size 0 -delete
[[ -n $(ls "$work/sources") ]] ||
    fail "apt on this machine has no source for Debian '${codename:-?}', whose non-free component carries MKL $version. $remedy"

# Nothing of the system's apt is touched: own lists, own cache, none of its hooks.
cat >"$work/apt.conf" <<CONF
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$work/sources";
Dir::State::Lists "$work/lists";
Dir::Cache "$work/cache";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
CONF
if [[ $(id -u) == 0 ]]; then
    # Else apt drops to a user that may not write here, and warns.
    echo 'APT::Sandbox::User "root";' >>"$work/apt.conf"
fi

apt_get() {
    apt-get -q -c "$work/apt.conf" "$@" >"$work/apt.log" 2>&1 && return
    sed -n '/^[EW]:/p' "$work/apt.log" >&2
    fail "'apt-get $1' failed. Check the network, or https_proxy and apt's own Acquire::http::Proxy for a proxy. $remedy"
}

say "MKL $version: fetching from Debian non-free (53 MB) ..."
apt_get update
mapfile -t wanted < <(awk '!/^#/ && NF { print $1 "=" $2 }' "$packages")
(cd "$work/debs" && apt_get download "${wanted[@]}")

while read -r package package_version sum; do
    [[ -z $package || $package == \#* ]] && continue
    deb=$work/debs/${package}_${package_version}_amd64.deb
    [[ $(sha256sum <"$deb") == "$sum "* ]] ||
        fail "$(basename "$deb") is not the file that Native/mkl/packages.txt names: its SHA256 is $(sha256sum <"$deb" | cut -d' ' -f1), not $sum."
    dpkg-deb -x "$deb" "$work/unpacked"
    rm "$deb"
done <"$packages"

mv "$work/unpacked/usr/lib/x86_64-linux-gnu/"libmkl_*.so "$work/result/lib/"
cp "$work/unpacked/usr/share/doc/libmkl-rt/copyright" "$work/result/LICENSE"
chmod -R u=rwX,go=rX "$work/result"

# Another run may have been faster; one of the two equal results is enough.
mv -T "$work/result" "$target" 2>/dev/null || [[ -d $target ]] || fail "'$target' could not be written."
say "MKL $version: in $target"
