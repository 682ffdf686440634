#!/bin/bash
# Claims on real cards: VFs come and go with them, drivers change and are put back.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
nic=pci-0000-01-00-0
nvme=$bus/devices/0000:02:00.0
edu=0000:03:00.0
start_daemon

holds "a VF can be claimed before it exists" state_is $nic-vf0 free
holds "so can the whole card" state_is $nic free
holds "planning touches nothing" done_by plan --name alpha --device $nic-vf0
holds "no VFs yet" same "$(cat "$pf/sriov_numvfs")" 0

# The very first claim: udev loads the VF's driver only now.
holds "a VF is prepared though the driver's module comes late" \
  done_by prepare --name early --device $nic-vf3
holds "it has its kernel driver" driver_is "$(vf_address 3)" igbvf
holds "it is released" done_by unprepare early
holds "its VFs are gone" same "$(cat "$pf/sriov_numvfs")" 0
udevadm settle

# One VF by its kernel driver.
holds "a VF is prepared" done_by prepare --name alpha --device $nic-vf0
holds "all VFs were made" same "$(cat "$pf/sriov_numvfs")" 7
holds "the VF has its kernel driver" driver_is "$(vf_address 0)" igbvf
holds "a VF that nobody claimed has none" missing "$pf/virtfn1/driver"
holds "the claim is listed" same "$(claim_state alpha)" prepared
holds "it has a CDI specification" grep -q "$nic-vf0-$(claim_uid alpha)" "$(cdi_file alpha)"
holds "the device is held" state_is $nic-vf0 held
holds "the same claim again is no change" done_by prepare --name alpha --device $nic-vf0
holds "a VF that is held is refused to others, naming the holder" \
  refused "$(claim_uid alpha)|alpha" prepare --name thief --device $nic-vf0
holds "the whole card is refused while a VF is held, naming the holder" \
  refused "$(claim_uid alpha)|alpha" prepare --name whole --device $nic
holds "journal, hardware and CDI agree" clean

# VFs through vfio.
holds "without vfio-pci the refusal says what to load" \
  refused "modprobe vfio-pci" prepare --name beta --device $nic-vf1 --config "$work/vfio.yaml"
holds "and leaves nothing behind" clean
modprobe vfio-pci
holds "vfio by the operator's configuration" \
  done_by prepare --name beta --device $nic-vf1 --config "$work/vfio.yaml"
vf1=$(vf_address 1)
group=$(link_name "$bus/devices/$vf1/iommu_group")
holds "vfio-pci is bound" driver_is "$vf1" vfio-pci
holds "the group's node is there when prepare returns" test -c "/dev/vfio/$group"
holds "the container is given the group's node" \
  grep -Eq "\"/dev/vfio/$group\"" "$(cdi_file beta)"
holds "and the container node" grep -q '"/dev/vfio/vfio"' "$(cdi_file beta)"
uid=11111111-2222-3333-4444-555555555555
holds "vfio by a DeviceClass" \
  done_by prepare -f "$(claim_file gamma $uid $nic-vf2 FromClass)"
holds "is bound too" driver_is "$(vf_address 2)" vfio-pci
holds "its CDI file is named by the claim" exists "$cdi_dir/dra.pci-claim-$uid.json"
holds "a claim may not ask for vfio itself" \
  refused "." prepare -f "$(claim_file delta 11111111-2222-3333-4444-666666666666 $nic-vf3 FromClaim)"
holds "what was refused holds nothing" state_is $nic-vf3 free
holds "all agree with three claims" clean

# The daemon comes and goes; the claims stay.
stop_daemon
start_daemon
holds "after a restart the claims are listed" same "$(claim_state beta)" prepared
stop_daemon KILL
start_daemon
holds "after a crash too" same "$(claim_state gamma)" prepared
holds "and all agree" clean

# Back, in an order of its own.
holds "release by UID" done_by unprepare $uid
holds "its VF is unbound" missing "$pf/virtfn2/driver"
holds "its override is cleared" same "$(cat "$pf/virtfn2/driver_override")" "(null)"
holds "its CDI file is gone" missing "$cdi_dir/dra.pci-claim-$uid.json"
holds "the other VFs stay" same "$(cat "$pf/sriov_numvfs")" 7
holds "release by name" done_by unprepare alpha
holds "the other claim keeps its driver" driver_is "$vf1" vfio-pci
holds "all agree with one claim" clean
holds "release the last" done_by unprepare beta
holds "the VFs are gone with it" same "$(cat "$pf/sriov_numvfs")" 0
holds "autoprobe is as before" same "$(cat "$pf/sriov_drivers_autoprobe")" 1
holds "no CDI file is left" same "$(find "$cdi_dir" -type f | wc -l)" 0
holds "releasing what is unknown is success" done_by unprepare nobody
holds "all agree with none" clean

# The whole card.
set_value "$pf/sriov_drivers_autoprobe" 0
holds "the whole card is prepared through vfio" \
  done_by prepare --name whole --device $nic --config "$work/vfio.yaml"
holds "vfio-pci has the card" driver_is "$pf_address" vfio-pci
holds "a VF is refused while the whole card is held, naming the holder" \
  refused "$(claim_uid whole)|whole" prepare --name alpha --device $nic-vf0
holds "release it" done_by unprepare whole
holds "its own driver is back" driver_is "$pf_address" igb
holds "a VF can be had again" done_by prepare --name alpha --device $nic-vf6
holds "its kernel driver is bound though the node does not probe VFs" \
  driver_is "$(vf_address 6)" igbvf
holds "release the VF" done_by unprepare alpha
holds "autoprobe is as the node had it" same "$(cat "$pf/sriov_drivers_autoprobe")" 0
set_value "$pf/sriov_drivers_autoprobe" 1

# A card without driver and without VFs.
holds "any function can be had through vfio" \
  done_by prepare --name any --device pci-0000-03-00-0 --config "$work/vfio.yaml"
holds "vfio-pci has it" driver_is $edu vfio-pci
holds "release any" done_by unprepare any
holds "it has no driver again" missing "$bus/devices/$edu/driver"
holds "nor an override" same "$(cat "$bus/devices/$edu/driver_override")" "(null)"

# VFs that somebody else made.
set_value "$nvme/sriov_drivers_autoprobe" 0
set_value "$nvme/sriov_numvfs" 2
holds "foreign VFs are shown as foreign" wait_for 20 state_is pci-0000-02-00-0-vf0 foreign
holds "and not given away" refused . prepare --name nvme --device pci-0000-02-00-0-vf0
stop_daemon
start_daemon
holds "foreign VFs survive a restart of the daemon" same "$(cat "$nvme/sriov_numvfs")" 2
set_value "$nvme/sriov_drivers_autoprobe" 1
set_value "$nvme/sriov_numvfs" 0
holds "gone, the card is free again" wait_for 20 state_is pci-0000-02-00-0-vf0 free
holds "all agree at the end" clean
stop_daemon
verdict
