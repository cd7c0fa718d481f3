#!/usr/bin/env bash
# Install the Debian packages of fonts that training uses. As root, on Debian 12.
#
#   scripts/fonts.sh [LIST]     glyphs/data/debian-font-packages.txt
#
# A line of the list is a package of Debian 12, or PACKAGE/RELEASE for one that only a later release has. Of a later
# release these packages alone are fetched, from the mirror that the system uses, their signatures checked by apt as
# ever; the system's own sources stay as they are, and nothing else of it is upgraded.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
list=${1:-$here/glyphs/data/debian-font-packages.txt}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt fetches as another user

mapfile -t packages < <(grep -vE '^#|/' "$list")
apt-get install --yes --no-install-recommends "${packages[@]}"

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | sort -u | head -n 1)
[ -n "$mirror" ] || { echo "apt knows no mirror of Debian 12 (bookworm): run 'apt-get update' first." >&2; exit 1; }
mkdir -p "$work/lists/partial" "$work/cache" "$work/packages"
chmod 777 "$work/packages"
for release in $(sed -n 's,^[^#]*/,,p' "$list" | sort -u); do
  echo "deb $mirror $release main" > "$work/$release.list"
  of=(-o "Dir::Etc::SourceList=$work/$release.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$work/lists"
    -o "Dir::Cache=$work/cache" -o Acquire::Languages=none)
  apt-get "${of[@]}" --quiet update
  mapfile -t packages < <(sed -n "s,^\([^#]*\)/$release\$,\1,p" "$list")
  (cd "$work/packages" && apt-get "${of[@]}" --quiet download "${packages[@]}")
done
if compgen -G "$work/packages/*.deb" > /dev/null; then
  apt-get install --yes --no-install-recommends "$work"/packages/*.deb
fi
