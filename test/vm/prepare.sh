#!/bin/bash
# prepare.sh DIR - kernel and initramfs of the test guest in DIR, unless they are there already.
# Exit status 77 when they cannot be had here.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=${1:?directory}
command -v qemu-system-x86_64 > /dev/null || { echo "no qemu-system-x86_64: ./run deps vm"; exit 77; }
mkdir -p "$dir"
exec 8> "$dir/lock"
flock 8  # presets share DIR
if [ ! -e "$dir/version" ]; then
  "$here/fetch-kernel.sh" "$dir" || { echo "no kernel can be fetched"; exit 77; }
fi
# Without them only their tests are skipped, and say so.
"$here/build-modules.sh" "$dir" || echo "no modules that the kernel's package leaves out"
for source in "$here/make-initramfs.sh" "$here/guest/init" "$dir"/tree/usr/lib/modules/*/updates; do
  if [ "$source" -nt "$dir/initramfs" ]; then  # also when there is none
    "$here/make-initramfs.sh" "$dir/tree" "$dir/initramfs"
  fi
done
