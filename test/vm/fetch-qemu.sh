#!/bin/bash
# fetch-qemu.sh DIR - a QEMU that can attach cards made of software (vfio-user-pci, QEMU 10.1), as DIR/qemu/run: the one
# that is installed when that is new enough, or else Debian 13's of its backports, unpacked and not installed.
# 40 MB and half a minute, once. Needs apt with Debian's archive; no root. Exit status 77 when it cannot be had.
set -euo pipefail
mkdir -p "${1:?directory}"
dir=$(cd "$1" && pwd)/qemu
can_attach() { "$1" -device vfio-user-pci,help 2> /dev/null | grep -q 'socket='; }
if [ -x "$dir/run" ] && can_attach "$dir/run"; then exit 0; fi
skip() { echo "fetch-qemu: no QEMU with vfio-user-pci: $*" >&2; exit 77; }
rm -rf "$dir"
mkdir -p "$dir"/root "$dir"/apt/{lists,archives}/partial

if can_attach qemu-system-x86_64; then
  ln -s "$(command -v qemu-system-x86_64)" "$dir/run"
  exit 0
fi

# Debian's archive, as this machine knows it.
codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
# shellcheck disable=SC2016  # apt expands that
archive=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $codename" 'Origin: Debian' \
  'Component: main' | head -n 1)
[ -n "$archive" ] || skip "the machine has no source of Debian's packages"
suite=trixie
for part in "$suite" "$suite-backports"; do
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive $part main"
done > "$dir/apt/sources.list"
: > "$dir/apt/status"
options=(-qq -o Dir::State="$dir/apt" -o Dir::State::status="$dir/apt/status" -o Dir::Cache="$dir/apt"
  -o Dir::Cache::archives="$dir/apt/archives" -o Dir::Etc::sourcelist="$dir/apt/sources.list"
  -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
  -o Debug::NoLocking=1 -o APT::Sandbox::User=)
apt-get "${options[@]}" update || skip "Debian's archive cannot be reached"
apt-get "${options[@]}" -y --no-install-recommends --download-only -t "$suite-backports" install qemu-system-x86 \
  || skip "$suite-backports has none that can be fetched"

for file in "$dir"/apt/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$file" | tar -C "$dir/root" -xf - --wildcards \
    --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' --exclude='./etc/*'
done
rm -rf "$dir/apt"
cat > "$dir/run" << 'RUN'
#!/bin/sh
# Everything is that release's: loader, libraries, loadable modules, firmware.
root=$(dirname "$(readlink -f "$0")")/root
library=$root/usr/lib/x86_64-linux-gnu
export QEMU_MODULE_DIR="$library/qemu"
exec "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$library" "$root/usr/bin/qemu-system-x86_64" \
  -L "$root/usr/share/qemu" -L "$root/usr/share/seabios" "$@"
RUN
chmod +x "$dir/run"
can_attach "$dir/run" || skip "$suite-backports has $("$dir/run" --version 2>&1 | head -n 1)"
echo "fetch-qemu: $("$dir/run" --version | head -n 1)" >&2
