#!/bin/bash
# The service as it is installed: ready, confined, reachable for its group, and told of hot-plug.
# shellcheck disable=SC2317  # functions are called by `holds`
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

process_status() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$(property MainPID)/status"; }
in_sandbox() { nsenter --target "$(property MainPID)" --mount "$@"; }

holds "the machine is up, with no unit failed" same "$(systemctl is-system-running --wait)" running
holds "the service said that it is ready" property_is ActiveState active
holds "nothing had to be tried twice" property_is NRestarts 0
holds "its status is shown" prints 'Status: "serving: 1 card' systemctl status $unit
holds "the journal says what it has" \
  prints 'is ready: 1 accelerators, 0 claims held' journalctl --output cat -u $unit
holds_soon "udev has seen the card, as at every boot" exists "/run/udev/data/+pci:$pf_address"
holds "it follows udev" prints 'events from udev' drapci version

holds "installation made the group" succeeds getent group drapci
holds "which owns the socket" same "$(stat -c '%a %U %G' /run/drapci/control.sock)" "660 root drapci"
holds "so its members can use it" \
  succeeds setpriv --reuid nobody --regid drapci --clear-groups drapci devices
holds "and others cannot" \
  fails_with 1 'EACCES' setpriv --reuid nobody --regid nogroup --clear-groups drapci devices
holds "the journal is nobody else's" same "$(stat -c '%a %U' /var/lib/drapci)" "700 root"
holds "runtimes may read CDI files" same "$(stat -c '%a %U' $cdi_dir)" "755 root"
holds "the kubelet finds it when it starts" exists /var/lib/kubelet/plugins_registry/dra.pci-reg.sock

holds "not by executing something either" same "$(process_status NoNewPrivs)" 1
holds "system calls are filtered" same "$(process_status Seccomp)" 2
holds "it cannot write where it has no business" fails_with 1 'Read-only' in_sandbox touch /etc/drapci.test
# They tell which disks are in use.
mkdir /home/{old,new}-disk
mount -t tmpfs none /home/old-disk
systemctl restart $unit
mount -t tmpfs none /home/new-disk
holds "it sees mounts that are older than itself" succeeds in_sandbox grep -q /home/old-disk /proc/1/mountinfo
holds "and those that are newer" succeeds in_sandbox grep -q /home/new-disk /proc/1/mountinfo

holds "the card is free" device_is "$nic-vf0" free
inject unplug "$pf_address"
holds_soon "a card that is pulled is no longer offered" device_is "$nic-vf0" ''
inject plug "$pf_address"
holds_soon "and is again when it is back" device_is "$nic-vf0" free

# Process 1 takes no device unit from a simulated /sys, so this is as far as the rule can be followed.
udev_says() { SYSTEMD_DEVICE_VERIFY_SYSFS=0 udevadm info --query=property "/sys/bus/pci/devices/$1"; }
holds "a card that arrives asks for the service" prints 'SYSTEMD_WANTS=drapci.service' udev_says "$pf_address"
holds "by way of systemd" prints 'CURRENT_TAGS=.*:systemd:' udev_says "$pf_address"

pid=$(property MainPID)
printf 'logLevel: debug\n' > /etc/drapci/config.yaml
holds "it reloads" succeeds systemctl reload $unit
holds "without a restart" property_is MainPID "$pid"
printf 'logLevel: debug\nstepTimeout: 20s\nnodeName: other\n' > /etc/drapci/config.yaml
holds "it reloads what takes a restart" succeeds systemctl reload $unit
holds_soon "and names that" prints 'need `systemctl restart drapci`.*: nodeName, stepTimeout' journalctl --output cat -u $unit
holds "still without one" property_is MainPID "$pid"
printf 'logLevel: loud\n' > /etc/drapci/config.yaml
holds "a bad configuration does not end it" succeeds systemctl reload $unit
holds "but is said" prints 'config.yaml:1: ' journalctl -u $unit
holds "and it goes on" property_is MainPID "$pid"
holds "though it would not start so" fails_with 1 . systemctl restart $unit
rm /etc/drapci/config.yaml
systemctl reset-failed $unit

systemctl stop systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udevd.service
rm -f /run/udev/control
holds "it starts without udev" succeeds systemctl restart $unit
holds "and follows the kernel then" prints 'events from kernel' drapci version
inject unplug "$pf_address"
holds_soon "so that it still sees cards go" device_is "$nic-vf0" ''
verdict
