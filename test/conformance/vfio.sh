#!/bin/bash
# VFIO as drivers/vfio has it: /dev/vfio/<group> appears with the driver and goes with it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
[ -e "$bus/drivers/vfio-pci" ] || modprobe vfio-pci || die "no vfio-pci"
make_vfs 2 0
vf=$(vf_address 0)
group=$(link_name "$bus/devices/$vf/iommu_group")
node=/dev/vfio/$group

holds "the group lists the VF" exists "/sys/kernel/iommu_groups/$group/devices/$vf"
holds "the other VF is in another group" \
  test "$(link_name "$bus/devices/$(vf_address 1)/iommu_group")" != "$group"
holds "no node before vfio-pci is bound" missing "$node"
answers "vfio-pci takes nothing without an override" ENODEV "$bus/drivers/vfio-pci/bind" "$vf"
set_value "$bus/devices/$vf/driver_override" vfio-pci
answers "with an override it takes the VF" OK "$bus/drivers_probe" "$vf"
holds "vfio-pci is bound" same "$(driver_of "$vf")" vfio-pci
holds "the group's node appears" wait_for 10 test -c "$node"
holds "only root may open it" same "$(stat -c %a "$node")" 600
holds "the container node exists" test -c /dev/vfio/vfio
holds "the VF has a vfio-dev" like "$(basename "$bus/devices/$vf/vfio-dev"/*)" '^vfio[0-9]+$'
holds "the other VF is not touched" missing "$bus/devices/$(vf_address 1)/driver"

answers "unbind" OK "$bus/drivers/vfio-pci/unbind" "$vf"
holds "the node goes with the driver" wait_for 10 missing "$node"
holds "the VF's vfio-dev goes" missing "$bus/devices/$vf/vfio-dev"
set_value "$bus/drivers/vfio-pci/bind" "$vf"
holds "an explicit bind with an override works" same "$(driver_of "$vf")" vfio-pci
answers "VFs on vfio-pci do not keep sriov_numvfs from going to 0" OK "$pf/sriov_numvfs" 0
holds "the node is gone with the VF" wait_for 10 missing "$node"
make_vfs 1 0
holds "a new VF has no override" \
  same "$(cat "$bus/devices/$(vf_address 0)/driver_override")" "(null)"
finish
