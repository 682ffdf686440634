#!/bin/bash
# Drivers and devices as drivers/base/bus.c and drivers/pci/pci-driver.c have it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
pf_driver=$(driver_of "$pf_address")

# What the kernel chooses for a VF.
make_vfs 1 1
vf=$(vf_address 0)
wait_for 10 exists "$pf/virtfn0/driver" || die "no driver takes the VF"
vf_driver=$(driver_of "$vf")
holds "driver links to the driver" \
  same "$(realpath "$bus/devices/$vf/driver")" "$bus/drivers/$vf_driver"
holds "the driver lists the device" exists "$bus/drivers/$vf_driver/$vf"
holds "uevent names the driver" \
  same "$(sed -n 's/^DRIVER=//p' "$bus/devices/$vf/uevent")" "$vf_driver"
answers "a bound device is busy" EBUSY "$bus/drivers/$vf_driver/bind" "$vf"
answers "a driver cannot unbind what is not its own" ENODEV "$bus/drivers/$pf_driver/unbind" "$vf"
answers "a driver cannot unbind what does not exist" ENODEV \
  "$bus/drivers/$vf_driver/unbind" 0000:7f:1f.7
answers "unbind" OK "$bus/drivers/$vf_driver/unbind" "$vf"
holds "the driver link is gone when the write returns" missing "$bus/devices/$vf/driver"
holds "the driver no longer lists it" missing "$bus/drivers/$vf_driver/$vf"
holds "uevent names no driver" same "$(grep -c '^DRIVER=' "$bus/devices/$vf/uevent")" 0
answers "unbinding twice finds no device" ENODEV "$bus/drivers/$vf_driver/unbind" "$vf"
answers "a driver that does not know the device refuses it" ENODEV \
  "$bus/drivers/$pf_driver/bind" "$vf"
answers "binding what does not exist finds no device" ENODEV \
  "$bus/drivers/$vf_driver/bind" 0000:7f:1f.7
answers "bind" OK "$bus/drivers/$vf_driver/bind" "$vf"
holds "the driver link is there when the write returns" same "$(driver_of "$vf")" "$vf_driver"
set_value "$bus/drivers/$vf_driver/unbind" "$vf"
answers "drivers_probe lets the kernel choose" OK "$bus/drivers_probe" "$vf"
holds "the same driver is chosen" same "$(driver_of "$vf")" "$vf_driver"
answers "probing a bound device is accepted" OK "$bus/drivers_probe" "$vf"
answers "probing what does not exist finds no device" ENODEV "$bus/drivers_probe" 0000:7f:1f.7

# driver_override
override=$bus/devices/$vf/driver_override
holds "an unset override reads (null)" same "$(cat "$override")" "(null)"
answers "an override can be set while a driver is bound" OK "$override" nosuchdriver
holds "it reads back" same "$(cat "$override")" nosuchdriver
holds "the bound driver stays" same "$(driver_of "$vf")" "$vf_driver"
set_value "$bus/drivers/$vf_driver/unbind" "$vf"
holds "unbinding keeps the override" same "$(cat "$override")" nosuchdriver
answers "probing with an override to no driver is accepted" OK "$bus/drivers_probe" "$vf"
holds "and binds nothing" missing "$bus/devices/$vf/driver"
answers "the override keeps other drivers away" ENODEV "$bus/drivers/$vf_driver/bind" "$vf"
env printf '%s\nmore' "$vf_driver" > "$override"  # the builtin would write twice
holds "an override ends at the first newline" same "$(cat "$override")" "$vf_driver"
answers "a newline clears the override" OK "$override" $'\n'
holds "a cleared override reads (null)" same "$(cat "$override")" "(null)"
answers "an override must be shorter than a page" EINVAL "$override" \
  "$(printf 'a%.0s' {1..4095})"

# VFs that are not to be probed.
make_vfs 1 0
vf=$(vf_address 0)
holds "without autoprobe a VF has no driver" missing "$bus/devices/$vf/driver"
answers "drivers_probe is accepted" OK "$bus/drivers_probe" "$vf"
holds "but binds nothing" missing "$bus/devices/$vf/driver"
answers "an explicit bind finds no device" ENODEV "$bus/drivers/$vf_driver/bind" "$vf"
set_value "$bus/devices/$vf/driver_override" "$vf_driver"
answers "with an override drivers_probe is accepted" OK "$bus/drivers_probe" "$vf"
holds "and binds" same "$(driver_of "$vf")" "$vf_driver"
set_value "$bus/drivers/$vf_driver/unbind" "$vf"
answers "with an override an explicit bind works as well" OK "$bus/drivers/$vf_driver/bind" "$vf"
set_value "$bus/devices/$vf/driver_override" $'\n'
holds "clearing the override keeps the driver" same "$(driver_of "$vf")" "$vf_driver"
set_value "$bus/drivers/$vf_driver/unbind" "$vf"
set_value "$pf/sriov_drivers_autoprobe" 1
answers "with autoprobe back a VF made before can be probed" OK "$bus/drivers_probe" "$vf"
holds "and is bound" same "$(driver_of "$vf")" "$vf_driver"
finish
