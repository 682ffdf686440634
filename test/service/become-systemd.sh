#!/bin/bash
# become-systemd.sh GROUP OUT LAYER STATE UNITS BINDS - the first process of boot-systemd.sh's namespaces:
# makes the root file system and becomes systemd. UNITS and BINDS are separated by spaces.
set -euo pipefail

if [ "$1" != -- ]; then
  # Alone in the control group: one with foreign processes passes no controllers on.
  echo 0 > "$1"/cgroup.procs
  exec unshare -C "$0" -- "${@:2}"
fi

out=$2 layer=$3 state=$4
read -ra units <<< "$5"
read -ra binds <<< "$6"
readonly memory=$out/memory root=$out/memory/root
bind() { mount --bind "$1" "$root$2"; }

mount -t tmpfs -o mode=755 none "$memory"
mkdir "$memory"/{changes,work,root}
mount -t overlay -o "lowerdir=/,upperdir=$memory/changes,workdir=$memory/work" none "$root"

# Of the host's own services nothing is started: only what is enabled below.
rm -rf "$root"/etc/{systemd,drapci,cdi} "$root"/var/lib/{drapci,kubelet} \
  "$root"/usr/lib/systemd/system/*.target.wants "$root"/usr/lib/systemd/system-generators/*
mkdir -p "$root"/{proc,sys,dev,run,tmp,mnt} "$root"/etc/systemd/system "$root"/etc/udev/rules.d
cp -r "$(dirname "$0")"/units/. "$root"/etc/systemd/system
: > "$root"/etc/fstab
echo service-test > "$root"/etc/hostname
echo 00000000000000000000000000000002 > "$root"/etc/machine-id
printf '[Journal]\nStorage=volatile\nReadKMsg=no\nRateLimitBurst=0\n' > "$root"/etc/systemd/journald.conf
# Simulated devices must not load the host's drivers, nor have interfaces to rename.
ln -sf /dev/null "$root"/etc/udev/rules.d/80-drivers.rules
ln -sf /dev/null "$root"/etc/udev/rules.d/80-net-setup-link.rules
[ -z "$layer" ] || cp -a "$layer"/. "$root"

# What a package's scripts do.
systemd-sysusers --root="$root"
systemctl --quiet --root="$root" add-wants sysinit.target \
  systemd-journald.service systemd-udevd.service systemd-udev-trigger.service
systemctl --quiet --root="$root" add-wants sockets.target \
  systemd-journald.socket systemd-journald-dev-log.socket \
  systemd-udevd-control.socket systemd-udevd-kernel.socket
for unit in "${units[@]}"; do systemctl --quiet --root="$root" enable "$unit"; done

mount -t proc -o nosuid,nodev,noexec proc "$root"/proc
mount --bind "$root"/proc/sys "$root"/proc/sys
mount -o remount,bind,ro "$root"/proc/sys
bind "$out"/boot_id /proc/sys/kernel/random/boot_id
[ ! -e "$root"/proc/sysrq-trigger ] || bind /dev/null /proc/sysrq-trigger
mount --rbind /sys "$root"/sys
mount -t cgroup2 cgroup2 "$root"/sys/fs/cgroup
mount --rbind /dev "$root"/dev
bind /dev/null /dev/console
bind "$out"/early.log /dev/kmsg
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root"/tmp
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root"/run
mkdir -p "$root"/run/{test,log/journal} "$root${DRAPCI_SIM_SOCKET%/*}"
bind "$out"/test /run/test
bind "$out"/journal /run/log/journal
bind "${DRAPCI_SIM_SOCKET%/*}" "${DRAPCI_SIM_SOCKET%/*}"
if [ -n "$state" ]; then
  mkdir -p "$root"/var/lib/drapci
  bind "$state" /var/lib/drapci
  # Of one boot and not of another: a sandbox with a /proc of its own would show the host's boot ID.
  for unit in "${units[@]}"; do
    mkdir -p "$root"/etc/systemd/system/"$unit".d
    printf '[Service]\nBindReadOnlyPaths=/proc/sys/kernel/random/boot_id\n' \
      > "$root"/etc/systemd/system/"$unit".d/boot-id.conf
  done
fi
for directory in "${binds[@]}"; do
  mkdir -p "$root$directory"
  bind "$directory" "$directory"
done

cd "$root"
pivot_root . mnt
# Modules and the clock are the host's. Shared mounts are what process 1 makes of them, except in containers:
# without that, services do not see what is mounted after they have started.
exec setpriv --bounding-set=-sys_module,-sys_time chroot . /bin/sh -c '
  umount -l /mnt
  mount --make-rshared /
  exec env -i container=drapci-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --unit=test.target --log-target=journal-or-kmsg --show-status=no'
