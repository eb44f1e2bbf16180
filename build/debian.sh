# Fetches packages of the machine's own Debian release without root; sourced after common.sh by the scripts that do.
# They set 'what' (the library, for messages) and 'remedy' (what to do instead).
# shellcheck shell=bash

require_debian_tools() {
    for tool in apt-get apt-config dpkg-deb sha256sum; do
        command -v "$tool" >/dev/null || fail "$what is fetched with Debian's tools, and '$tool' is missing. $remedy"
    done
}

# open_workplace FOLDER: an empty folder 'work' beside the final place, so that the result can be moved there whole.
open_workplace() {
    mkdir -p "$1"
    work=$(mktemp -d "$1/.partial-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work"/{sources,lists/partial,cache/archives/partial,debs,unpacked,result/lib}
}

# find_sources COMPONENT CARRIES [SUITE]: the machine's own entries for its Debian release (a suite with a 'main' component), with COMPONENT
# as their only component and SUITE, which their mirror has as well, in place of their release.
find_sources() {
    local component=$1 wanted=${3:-} codename source_list source_parts count file
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    eval "$(apt-config shell source_list Dir::Etc::sourcelist/f source_parts Dir::Etc::sourceparts/d)"
    shopt -s nullglob
    count=0
    for file in "$source_parts"/*.sources; do
        count=$((count + 1))
        awk -v codename="$codename" -v component="$component" -v wanted="$wanted" '
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
                if (wanted != "") suite = suite == "" ? "" : wanted
                if (suite != "" && has_main) printf "Types: deb\nSuites: %s\nComponents: %s\n%s\n", suite, component, out
            }' "$file" >"$work/sources/$count.sources"
    done
    for file in "$source_list" "$source_parts"/*.list; do
        [[ -f $file ]] || continue
        count=$((count + 1))
        awk -v codename="$codename" -v component="$component" -v wanted="$wanted" '
            /^[ \t]*deb[ \t]/ {
                sub(/#.*/, "")
                line = $0; options = ""
                if (match(line, /\[[^]]*\]/)) { options = substr(line, RSTART, RLENGTH) " "; line = substr(line, 1, RSTART - 1) substr(line, RSTART + RLENGTH) }
                n = split(line, word, /[ \t]+/)
                first = word[1] == "" ? 2 : 1
                uri = word[first + 1]; suite = word[first + 2]
                for (k = first + 3; k <= n; k++) if (word[k] == "main" && (suite == codename || suite ~ /^(old)*stable$/)) { print "deb " options uri " " (wanted == "" ? suite : wanted) " " component; break }
            }' "$file" >"$work/sources/$count.list"
    done
    find "$work/sources" -size 0 -delete
    [[ -n $(ls "$work/sources") ]] ||
        fail "apt on this machine has no source for Debian '${codename:-?}', whose $component component carries $2. $remedy"

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
}

apt_get() {
    apt-get -q -c "$work/apt.conf" "$@" >"$work/apt.log" 2>&1 && return
    sed -n '/^[EW]:/p' "$work/apt.log" >&2
    fail "'apt-get $1' failed. Check the network, or https_proxy and apt's own Acquire::http::Proxy for a proxy. $remedy"
}

# fetch_packages LIST...: downloads, proves and unpacks the packages that files of the repository name, a line 'NAME VERSION SHA256' each.
fetch_packages() {
    local list package version sum deb
    local -a wanted
    apt_get update
    mapfile -t wanted < <(awk '!/^#/ && NF { print $1 "=" $2 }' "$@")
    (cd "$work/debs" && apt_get download "${wanted[@]}")
    for list in "$@"; do
        while read -r package version sum; do
            [[ -z $package || $package == \#* ]] && continue
            deb=$work/debs/${package}_${version}_amd64.deb
            [[ $(sha256sum <"$deb") == "$sum "* ]] ||
                fail "$(basename "$deb") is not the file that ${list#"$root"/} names: its SHA256 is $(sha256sum <"$deb" | cut -d' ' -f1), not $sum."
            dpkg-deb -x "$deb" "$work/unpacked"
            rm "$deb"
        done <"$list"
    done
}

# publish TARGET: moves the result to its final place. Another run may have been faster; one of the two equal results is enough.
publish() {
    chmod -R u=rwX,go=rX "$work/result"
    mv -T "$work/result" "$1" 2>/dev/null || [[ -d $1 ]] || fail "'$1' could not be written."
}
