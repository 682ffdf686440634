#!/bin/bash
# SR-IOV as drivers/pci/iov.c has it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
pf_driver=$(driver_of "$pf_address")
total=$(cat "$pf/sriov_totalvfs")

holds "sriov_totalvfs is a decimal number" like "$total" '^[1-9][0-9]*$'
holds "no VFs at the start" same "$(cat "$pf/sriov_numvfs")" 0
holds "VFs are probed by default" same "$(cat "$pf/sriov_drivers_autoprobe")" 1
holds "sriov_vf_device is hex without 0x and without padding" \
  like "$(cat "$pf/sriov_vf_device")" '^[1-9a-f][0-9a-f]*$'

answers "text is no number of VFs" EINVAL "$pf/sriov_numvfs" x
answers "a negative number is refused" EINVAL "$pf/sriov_numvfs" -1
answers "the number has 16 bits" EINVAL "$pf/sriov_numvfs" 65536
answers "a bare newline is no number" EINVAL "$pf/sriov_numvfs" $'\n'
answers "trailing text is refused" EINVAL "$pf/sriov_numvfs" "2 "
answers "more than sriov_totalvfs is out of range" ERANGE "$pf/sriov_numvfs" $((total + 1))
answers "the number that is there already is accepted" OK "$pf/sriov_numvfs" 0
answers "autoprobe is a boolean" EINVAL "$pf/sriov_drivers_autoprobe" 2
answers "autoprobe takes n" OK "$pf/sriov_drivers_autoprobe" n
holds "autoprobe reads back as 0" same "$(cat "$pf/sriov_drivers_autoprobe")" 0
answers "a read-only attribute cannot be opened for writing, even by root" EACCES \
  "$pf/sriov_totalvfs" 1

# With VFs.
answers "a number may be hexadecimal, with a newline" OK "$pf/sriov_numvfs" $'0x2\n'
wait_for 10 exists "$pf/virtfn1/physfn" || die "virtfn1 does not appear"
holds "sriov_numvfs reads back" same "$(cat "$pf/sriov_numvfs")" 2
holds "there is no third VF" missing "$pf/virtfn2"
vf0=$(vf_address 0)
holds "virtfn0 is a relative link" same "$(readlink "$pf/virtfn0")" "../$vf0"
holds "physfn leads back" same "$(readlink "$bus/devices/$vf0/physfn")" "../$pf_address"
holds "the VF is a sibling of the PF" \
  same "$(dirname "$(realpath "$bus/devices/$vf0")")" "$(dirname "$(realpath "$pf")")"

# RID(VFn) = RID(PF) + offset + stride * n
rid() {
  local IFS=:. part
  read -ra part <<< "$1"
  echo $((0x${part[1]} << 8 | 0x${part[2]} << 3 | part[3]))
}
offset=$(cat "$pf/sriov_offset") stride=$(cat "$pf/sriov_stride")
for n in 0 1; do
  holds "VF $n is where offset and stride say" \
    same "$(rid "$(vf_address $n)")" $(($(rid "$pf_address") + offset + stride * n))
done
holds "the VF's device id is sriov_vf_device" same "$(cat "$bus/devices/$vf0/device")" \
  "$(printf '0x%04x' "0x$(cat "$pf/sriov_vf_device")")"
holds "the VF's vendor is the PF's" same "$(cat "$bus/devices/$vf0/vendor")" "$(cat "$pf/vendor")"
holds "the VF's class is the PF's" same "$(cat "$bus/devices/$vf0/class")" "$(cat "$pf/class")"
holds "a VF has no VFs" missing "$bus/devices/$vf0/sriov_numvfs"
holds "a PF has no physfn" missing "$pf/physfn"
holds "a VF has an IOMMU group" exists "$bus/devices/$vf0/iommu_group"

answers "a number cannot be changed but through 0" EBUSY "$pf/sriov_numvfs" 3
answers "nor lowered" EBUSY "$pf/sriov_numvfs" 1
answers "too many is out of range before it is busy" ERANGE "$pf/sriov_numvfs" $((total + 1))
answers "the same number changes nothing" OK "$pf/sriov_numvfs" 2
holds "the VFs are the same" same "$(vf_address 0)" "$vf0"

answers "0 takes the VFs away" OK "$pf/sriov_numvfs" 0
holds "virtfn0 is gone when the write returns" missing "$pf/virtfn0"
holds "the VF is gone when the write returns" missing "$bus/devices/$vf0"

# Without a driver.
set_value "$bus/drivers/$pf_driver/unbind" "$pf_address"
holds "without a driver the limit is at least what the driver allowed" \
  test "$(cat "$pf/sriov_totalvfs")" -ge "$total"
answers "no VFs without a driver of the PF" ENOENT "$pf/sriov_numvfs" 2
answers "the number that is there is accepted even then" OK "$pf/sriov_numvfs" 0
answers "too many is out of range even then" ERANGE "$pf/sriov_numvfs" \
  $(($(cat "$pf/sriov_totalvfs") + 1))
set_value "$bus/drivers/$pf_driver/bind" "$pf_address"
holds "the driver's limit is back with it" same "$(cat "$pf/sriov_totalvfs")" "$total"
answers "with the driver back VFs can be made" OK "$pf/sriov_numvfs" 1

# All of them.
make_vfs "$total" 0
holds "all VFs can be made" exists "$pf/virtfn$((total - 1))"
finish
