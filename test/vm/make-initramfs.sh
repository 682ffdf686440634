#!/bin/bash
# make-initramfs.sh TREE OUT - the small initramfs that boots the test guest: guest/init, a static
# busybox, and the modules of the kernel unpacked in TREE that the tests need, with what they depend on.
# Needs busybox-static, cpio, kmod, xz or zstd; no root. Left uncompressed: at 10 MB compressing it
# gains no boot time.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=${1:?kernel tree} out=${2:?output file}
modules=$(echo "$tree"/usr/lib/modules/*)
version=${modules##*/}
wanted=(virtio_pci virtio_console virtio_net 9p 9pnet_virtio overlay igb igbvf nvme vfio-pci
  vfio_iommu_type1 pci-stub pci-pf-stub aer_inject dummy veth
  dfl-pci dfl-afu dfl-fme dfl-fme-mgr dfl-fme-br dfl-fme-region netdevsim)  # by build-modules.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,run,tmp,etc,mnt,newroot} "$root/lib/modules/$version"

busybox=$(command -v busybox)
if LC_ALL=C ldd "$busybox" > /dev/null 2>&1; then
  echo "make-initramfs: $busybox is not static; install busybox-static" >&2
  exit 1
fi
cp "$busybox" "$root/bin/busybox"
for applet in $("$busybox" --list); do
  [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
ln -s bin "$root/sbin"
install -m 755 "$here/guest/init" "$root/init"

# Module name (with '-' folded to '_') -> file. Dependencies come from the modules' own "depends"
# field: depmod over a whole compressed tree takes 10 to 20 s.
declare -A file_of done_of
while IFS= read -r file; do
  name=${file##*/}
  name=${name%%.ko*}
  file_of[${name//-/_}]=$file
done < <(find "$modules" -name '*.ko*' -type f)

# A module that this kernel does not have (built in, or left out) is skipped.
add_module() {
  local name=${1//-/_} file relative dependency
  [ -z "${done_of[$name]:-}" ] || return 0
  done_of[$name]=1
  file=${file_of[$name]:-}
  [ -n "$file" ] || return 0
  for dependency in $(modinfo -F depends "$file" | tr ',' ' ') \
    $(modinfo -F softdep "$file" | sed -n 's/^pre: *//p'); do
    add_module "$dependency"
  done
  relative=${file#"$modules"/}
  mkdir -p "$root/lib/modules/$version/${relative%/*}"
  case $file in  # busybox wants plain ELF
    *.xz) xz -dc "$file" > "$root/lib/modules/$version/${relative%.xz}" ;;
    *.zst) zstd -qdc "$file" > "$root/lib/modules/$version/${relative%.zst}" ;;
    *) cp "$file" "$root/lib/modules/$version/$relative" ;;
  esac
}
for module in "${wanted[@]}"; do add_module "$module"; done
for file in modules.builtin modules.builtin.modinfo modules.order; do
  [ ! -e "$modules/$file" ] || cp "$modules/$file" "$root/lib/modules/$version/"
done
depmod -b "$root" "$version"

(cd "$root" && find . -mindepth 1 -printf '%P\0' | LC_ALL=C sort -z \
  | cpio --null -o -H newc --quiet -R 0:0) > "$out.tmp"
mv "$out.tmp" "$out"
