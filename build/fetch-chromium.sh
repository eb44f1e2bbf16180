#!/usr/bin/env bash
# build/fetch-chromium.sh   prints the path of a headless Chromium: the machine's own, or Debian's, put into the cache without root
# The release's own version is taken, and apt checks its signature. NATIVEFFN_CHROMIUM names another one.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"
# shellcheck source=debian.sh
source "$root/build/debian.sh"

what=Chromium
remedy="Install the package chromium, or set NATIVEFFN_CHROMIUM to a Chromium or Chrome."

if [[ -n ${NATIVEFFN_CHROMIUM:-} ]]; then
    [[ -x $NATIVEFFN_CHROMIUM ]] || fail "NATIVEFFN_CHROMIUM is '$NATIVEFFN_CHROMIUM', which is no program."
    echo "$NATIVEFFN_CHROMIUM"
    exit
fi

if command -v chromium; then
    exit
fi

shopt -s nullglob
found=("$cache/chromium"/*/chromium)
if ((${#found[@]} > 0)); then
    echo "${found[-1]}"
    exit
fi

[[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] || fail "this fetches Chromium for x86-64 Linux; this is $(uname -sm). $remedy"
require_debian_tools
open_workplace "$cache/chromium"
find_sources main chromium
say "Chromium: fetching from Debian main with the libraries that the machine lacks (100 MB) ..."
apt_get update

# What is installed counts as there, and nothing is installed; a lock would need root.
apt_get -o Debug::NoLocking=1 --yes --no-install-recommends --download-only install chromium fonts-dejavu-core fonts-roboto-unhinted
for deb in "$work"/cache/archives/*.deb; do
    dpkg-deb -x "$deb" "$work/result/root"
done

# Fonts that were fetched lie where no configuration of the machine looks. Roboto has letters, DejaVu the signs of formulas.
cat >"$work/result/fonts.conf" <<'CONF'
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir prefix="relative">root/usr/share/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
  <alias binding="same"><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
  <match target="pattern">
    <edit name="family" mode="append_last" binding="same"><string>Roboto</string><string>DejaVu Sans</string></edit>
  </match>
</fontconfig>
CONF

# Some libraries lie in folders of their own.
folders=$(cd "$work/result" && find root -name 'lib*.so*' -printf '$here/%h\n' | sort -u | paste -sd:)
cat >"$work/result/chromium" <<SCRIPT
#!/usr/bin/env bash
here=\$(dirname "\$(readlink -f "\${BASH_SOURCE[0]}")")
export LD_LIBRARY_PATH=$folders\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH} FONTCONFIG_FILE=\$here/fonts.conf
exec "\$here/root/usr/lib/chromium/chromium" "\$@"
SCRIPT
chmod +x "$work/result/chromium"
rmdir "$work/result/lib"
version=$(dpkg-deb -f "$work"/cache/archives/chromium_*.deb Version)
publish "$cache/chromium/$version"
echo "$cache/chromium/$version/chromium"
