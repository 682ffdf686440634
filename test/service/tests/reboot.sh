#!/bin/bash
# Pods that survive a reboot of the node get their devices back.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

if [ "${*: -1}" = before ]; then
  holds "a VF is prepared" succeeds drapci prepare --name alpha --device "$nic-vf0"
  holds "and one through vfio" \
    succeeds drapci prepare --name beta --device "$nic-vf1" --config /tmp/vfio.yaml
  holds "and one that is given back" succeeds drapci prepare --name gamma --device "$nic-vf2"
  holds "as it is" succeeds drapci unprepare gamma
  # The power fails in the middle of another: nothing is undone before the machine is up again.
  drop_in Restart=no
  inject kill-after 1
  holds "another is not ready when the machine goes down" \
    fails_with 3 . drapci prepare --name delta --device "$nic-vf3" --config /tmp/vfio.yaml
  holds "though begun" like "$(cat "$pf/virtfn3/driver_override")" vfio-pci
  verdict
fi

holds "the service is up again" property_is ActiveState active
holds "the first claim is held" claim_is alpha prepared
holds "and the second" claim_is beta prepared
holds "not the one that was given back" claim_is gamma ''
holds "nor the one that was never given" claim_is delta ''
holds "the VFs have been made again" vfs_are 8
holds "the first has its driver" driver_is "$(vf_address 0)" igbvf
holds "the second vfio-pci" driver_is "$(vf_address 1)" vfio-pci
holds "their CDI files are there" cdi_files_are 2
holds "journal, hardware and CDI agree" succeeds drapci verify
holds "the first can be released" succeeds drapci unprepare alpha
holds "and the second" succeeds drapci unprepare beta
holds "nothing is left" vfs_are 0
holds "no CDI file either" cdi_files_are 0

# A driver that is loaded only after the service has started.
holds "a VF is prepared once more" succeeds drapci prepare --name alpha --device "$nic-vf0"
systemctl stop $unit
set_value "$pf/sriov_numvfs" 0
set_value $bus/drivers/igb/unbind "$pf_address"
rm -rf $cdi_dir
cat /proc/sys/kernel/random/uuid > /proc/sys/kernel/random/boot_id  # a file of boot-systemd.sh's
holds "the service starts though the card has no driver yet" succeeds systemctl start $unit
holds "and keeps the claim" claim_is alpha prepared
holds "but says what is wrong with it" prints "alpha .*no driver is bound" drapci claims
set_value $bus/drivers/igb/bind "$pf_address"
holds "when the driver is there, the kubelet's next attempt succeeds" \
  succeeds drapci prepare --name alpha --device "$nic-vf0"
holds "the VFs are there" vfs_are 8
holds "the CDI file, too" cdi_files_are 1
holds "journal, hardware and CDI agree now" succeeds drapci verify
verdict
