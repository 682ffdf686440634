#!/bin/bash
# fetch-kernel.sh DIR - unpacks a distribution kernel for the test guest, without installing it:
#   DIR/tree      the unpacked packages (usr/lib/modules/VERSION/...)
#   DIR/vmlinux   the uncompressed kernel: boots without the decompressor, which is slow when emulated
#   DIR/version
# Takes the newest generic amd64 kernel that apt offers. Needs apt, dpkg, python3, zstd or xz; no root.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=${1:?directory}
mkdir -p "$dir/deb" "$dir/tree"

newest() { apt-cache search --names-only "$1" | cut -d' ' -f1 | sort -V | tail -n 1; }
# Debian with Linux 6.12 (12 by its security archive, 13); any other Debian kernel; Ubuntu.
for pattern in '^linux-image-6\.12\.[0-9]+\+deb[0-9]+-amd64$' \
  '^linux-image-[0-9.]+[-+][0-9a-z]+-amd64$' '^linux-image-unsigned-[0-9.]+-[0-9]+-generic$'; do
  image=$(newest "$pattern")
  [ -z "$image" ] || break
done
[ -n "$image" ] || { echo "fetch-kernel: apt offers no kernel image; is apt-get update due?" >&2; exit 1; }
version=${image#linux-image-}
version=${version#unsigned-}

# The parts that some releases split off; whatever exists.
packages=("$image")
for part in linux-binary linux-modules linux-modules-extra; do
  [ -z "$(apt-cache --quiet=1 show "$part-$version" 2> /dev/null)" ] || packages+=("$part-$version")
done
(cd "$dir/deb" && apt-get -q download "${packages[@]}")
for file in "$dir"/deb/*"$version"*.deb; do dpkg -x "$file" "$dir/tree"; done

# Older packages ship lib/, newer ones usr/lib/: make it usr/lib everywhere.
if [ -d "$dir/tree/lib/modules" ] && [ ! -L "$dir/tree/lib" ]; then
  mkdir -p "$dir/tree/usr/lib"
  rm -rf "$dir/tree/usr/lib/modules"
  mv "$dir/tree/lib/modules" "$dir/tree/usr/lib/"
fi
compressed=$dir/tree/boot/vmlinuz-$version
[ -e "$compressed" ] || compressed=$dir/tree/usr/lib/modules/$version/vmlinuz
python3 "$here/extract-vmlinux.py" "$compressed" "$dir/vmlinux"
echo "$version" > "$dir/version"
rm -rf "$dir/deb" "$dir/tree/usr/share" "$dir/tree/boot"
echo "fetch-kernel: $version in $dir" >&2
