#!/bin/bash
# package.sh BUILD-DIR OUT - the Debian packages of what is built there, in OUT/first; and in OUT/next the same with
# a higher version. Debian package: dpkg-dev.
set -euo pipefail
command -v dpkg-shlibdeps > /dev/null || { echo "skipped: no dpkg-shlibdeps (apt-get install dpkg-dev)"; exit 77; }
rm -rf "$2"
mkdir -p "$2"/{first,next}
# The best compression takes longer than all of the test.
cpack --config "$1"/CPackConfig.cmake -G DEB -B "$2"/build -D CPACK_DEBIAN_COMPRESSION_TYPE=gzip > "$2"/cpack.log 2>&1 ||
  { cat "$2"/cpack.log; exit 1; }
mv "$2"/build/*.deb "$2"/first
for package in "$2"/first/*.deb; do
  dpkg-deb --info "$package" | grep -E '^ (Package|Version|Depends|Recommends|Installed-Size):'
  dpkg-deb --raw-extract "$package" "$2"/tree
  sed -i 's/^Version: .*/&+next/' "$2"/tree/DEBIAN/control
  dpkg-deb --root-owner-group -Zgzip --build "$2"/tree "$2"/next > /dev/null
  rm -rf "$2"/{tree,build}
done
