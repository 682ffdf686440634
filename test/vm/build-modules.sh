#!/bin/bash
# build-modules.sh DIR - builds drivers of hardware that the tests make up, which the distribution's kernel leaves out,
# for the kernel that fetch-kernel.sh has put into DIR; out of tree, from the distribution's own packages of its headers
# and source. They go to DIR/tree/usr/lib/modules/VERSION/updates, where make-initramfs.sh finds them. A minute, once.
# Needs apt, dpkg, make, the kernel's compiler, libelf; no root. Exit status 77 when the packages cannot be had.
set -euo pipefail
dir=$(cd "${1:?directory}" && pwd)
version=$(cat "$dir/version")
updates=$dir/tree/usr/lib/modules/$version/updates

# Module that stands for the folder, folder of the kernel's source, what its Makefile is told.
drivers=(
  'dfl-pci drivers/fpga CONFIG_FPGA=m CONFIG_FPGA_BRIDGE=m CONFIG_FPGA_REGION=m CONFIG_FPGA_DFL=m CONFIG_FPGA_DFL_PCI=m
    CONFIG_FPGA_DFL_AFU=m CONFIG_FPGA_DFL_FME=m CONFIG_FPGA_DFL_FME_MGR=m CONFIG_FPGA_DFL_FME_BRIDGE=m
    CONFIG_FPGA_DFL_FME_REGION=m'
  'netdevsim drivers/net/netdevsim CONFIG_NETDEVSIM=m'
)
missing=()
for row in "${drivers[@]}"; do
  [ -n "$(find "$dir/tree/usr/lib/modules" -name "${row%% *}.ko*" -print -quit)" ] || missing+=("$row")
done
[ ${#missing[@]} -gt 0 ] || exit 0

skip() { echo "build-modules: $*" >&2; exit 77; }
flavourless=${version%-*}                       # 6.12.117+deb12
series=$(cut -d. -f1,2 <<< "$version")          # 6.12
packages=("linux-headers-$version" "linux-headers-$flavourless-common" "linux-kbuild-$flavourless")
release=$(apt-cache --quiet=1 show "${packages[0]}" 2> /dev/null | awk '$1 == "Version:" && !n++ { print $2 }')
[ -n "$release" ] || skip "apt offers no ${packages[0]}; is apt-get update due, or is $dir old (remove it)?"
for tool in make gcc; do command -v "$tool" > /dev/null || skip "no $tool: ./run deps vm"; done

work=$(mktemp -d "$dir/modules.XXXXXX")
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get -qq download "${packages[@]}" "linux-source-$series=$release") >&2 \
  || skip "the kernel's headers or source cannot be fetched"
for file in "$work"/linux-{headers,kbuild}-*.deb; do dpkg -x "$file" "$work/headers"; done
folders=()
for row in "${missing[@]}"; do
  read -ra words <<< "$(tr '\n' ' ' <<< "$row")"
  folders+=("linux-source-$series/${words[1]}")
done
dpkg-deb --fsys-tarfile "$work/linux-source-$series"_*.deb \
  | tar -xOf - "./usr/src/linux-source-$series.tar.xz" \
  | tar -C "$work" -xJf - "${folders[@]}"

# The headers name each other by the path they would be installed at.
headers=$work/headers/usr/src/linux-headers-$version
sed -i "s,/usr/src/linux-headers,$work/headers/usr/src/linux-headers," "$headers/Makefile"
rm -f "$headers/vmlinux"  # types for BPF, which nobody wants here, and which need pahole
mkdir -p "$work/built"
for row in "${missing[@]}"; do
  read -ra words <<< "$(tr '\n' ' ' <<< "$row")"
  source=$work/linux-source-$series/${words[1]}
  make -s -j"$(nproc)" -C "$headers" M="$source" "${words[@]:2}" modules 2>&1 | sed '/^Skipping BTF/d' >&2
  find "$source" -name '*.ko' -exec strip -g {} + -exec cp -t "$work/built" {} +
done
mkdir -p "$updates"
mv "$work"/built/*.ko "$updates/"
echo "build-modules: $(cd "$updates" && echo *.ko)" >&2
