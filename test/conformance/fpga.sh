#!/bin/bash
# FPGA cards as drivers/fpga/{dfl,dfl-fme-main,dfl-fme-pr,dfl-afu-main,fpga-mgr,fpga-region}.c have them. Needs a card of
# two slots (8086:bcce), and the program dfl-image in DFL_IMAGE for what it can be programmed with.
# shellcheck disable=SC2154,SC2317  # variables of the library; functions are called by `holds`
export CONFORMANCE_PF='0x8086 0xbcce'
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
readonly interface=69528db6eb31577a8c3668f9faa081f6 other_interface=9346116d52125ba64f2b5a6a24da6d4e
readonly first=56e203e9864f49a7b94b12284c31e02b second=331db30c988541ea9081f88b8f655caa
# What the card's engine takes: the image without the header of its file.
bits() { "${DFL_IMAGE:?}" --raw "$1" "$2" > "$work/$3"; }
bits $interface $second good
bits $interface $first back
bits $other_interface $second foreign
echo noise > "$work/noise"

coproc TOOL { exec python3 "$(dirname "$0")/dfl.py"; }
ask() { local line; echo "$*" >&"${TOOL[1]}"; read -r line <&"${TOOL[0]}"; echo "$line"; }
says() { holds "$1" same "$(ask "${@:3}")" "$2"; }

wait_for 30 exists "$pf"/fpga_region/region*/dfl-port.*/afu_id || die "dfl-pci has made no ports"
region=$(echo "$pf"/fpga_region/region*)
fme=$(echo "$region"/dfl-fme.*)
engine=/dev/${fme##*/}
manager=$(echo "$fme"/dfl-fme-mgr.*/fpga_manager/fpga*)
port_dir() { grep -lx "$1" "$region"/dfl-port.*/id | xargs -r dirname; }
node_of() { echo "/dev/$(basename "$(port_dir "$1")")"; }
afu_of() { local text; if text=$(cat "$(port_dir "$1")/afu_id" 2>&1); then echo "$text"; else errno_name "$text"; fi; }
afu_is() { same "$(afu_of "$1")" "$2"; }
manager_says() { same "$(cat "$manager/state")|$(cat "$manager/status")" "$1"; }
# card_takes SECONDS: how long a programming takes; on the simulator that is the board's.
card_takes() { [ -z "${CARD:-}" ] || order slow "$1"; }
rebind() {
  set_value "$bus/drivers/dfl-pci/unbind" "$pf_address"
  set_value "$bus/drivers/dfl-pci/bind" "$pf_address"
  wait_for 30 exists "$manager" || die "the card does not come back"
}

# What there is.
holds "the engine says how many ports there are" same "$(cat "$fme/ports_num")" 2
holds "each port has its number" same "$(cat "$region"/dfl-port.*/id | sort | xargs)" "0 1"
holds "there is a region for each, below the engine" \
  same "$(cat "$fme"/dfl-fme-region.*/fpga_region/region*/compat_id | xargs)" "$interface $interface"
holds "and a bridge" same "$(cat "$fme"/dfl-fme-bridge.*.auto/fpga_bridge/br*/state | xargs)" "enabled enabled"
holds "a slot tells its design" afu_is 0 $first
holds "uevent names the node" same "$(sed -n 's/^DEVNAME=//p' "$fme/uevent")" "${engine#/dev/}"
holds "the ports are platform devices" \
  same "$(realpath "/sys/bus/platform/devices/$(basename "$(port_dir 1)")")" "$(realpath "$(port_dir 1)")"

# Opening.
port=$(node_of 1)
handle=$(ask open "$port")
says "a port can be opened twice" "$((handle + 1))" open "$port"
says "but not alone meanwhile" EBUSY alone "$port"
says "the engine knows version 0" 0 ioctl "$handle" 0xb600
says "what no feature knows is invalid" EINVAL ioctl "$handle" 0xb680
says "a port can be reset" OK reset "$handle"
says "without an argument" EINVAL reset "$handle" 1
says "an open port is not released" EBUSY release "$engine" 1
ask close "$handle" > "$work/null"
ask close "$((handle + 1))" > "$work/null"
handle=$(ask alone "$port")
says "a port that is open alone is not opened" EBUSY open "$port"
ask close "$handle" > "$work/null"

# Release and assignment.
says "a port that there is not cannot be released" EINVAL release "$engine" 2
says "nor assigned" EINVAL assign "$engine" 2
says "one that is there is not assigned" EBUSY assign "$engine" 1
says "a port is released" OK release "$engine" 1
holds "and is gone when that returns" same "$(port_dir 1)" ""
says "it is not released twice" EBUSY release "$engine" 1
says "a port is assigned" OK assign "$engine" 1
# Up to Linux 6.13 the driver core has no driver for a platform device that is added for the second time
# (drivers/base/dd.c: dead); newer kernels make a new one, maybe with another number.
back_when_assigned() {
  if [ -n "$(port_dir 1)" ]; then return; fi
  echo "  (this kernel's port comes back without a driver)"
  set -- "$region"/dfl-port.*
  same "$#" 2 && missing "$2/driver" && rebind
}
holds "and is there when that returns, as far as the kernel knows how" back_when_assigned
wait_for 20 test -c "$(node_of 1)" || die "the node does not come back"

# Programming.
says "a short structure is refused" EINVAL program "$engine" 1 "$work/good" argsz
says "so are flags" EINVAL program "$engine" 1 "$work/good" flags
says "a port that there is not" EINVAL program "$engine" 2 "$work/good"
says "and a bitstream that cannot be read" EFAULT program "$engine" 1 "$work/good" address
says "a slot is programmed" OK program "$engine" 1 "$work/good"
holds "and has the new design" afu_is 1 $second
holds "the other slot has what it had" afu_is 0 $first
holds "the manager says so" manager_says "operating|"
handle=$(ask alone "$(node_of 1)")
says "that somebody has the port open is no matter" OK program "$engine" 1 "$work/back"
ask close "$handle" > "$work/null"
holds "the slot has the old design" afu_is 1 $first
says "what the card does not understand is refused" EIO program "$engine" 1 "$work/noise"
holds "with the reason at the manager" manager_says "write complete error|reconfig CRC error"
holds "then the port is in reset" afu_is 1 EBUSY
holds "which its bridge does not tell" same "$(cat "$fme"/dfl-fme-bridge.*.auto/fpga_bridge/br*/state | xargs)" "enabled enabled"
handle=$(ask open "$(node_of 1)")
says "a reset" OK reset "$handle"
ask close "$handle" > "$work/null"
holds "does not help" afu_is 1 EBUSY
says "nor does a good one" OK program "$engine" 1 "$work/good"
holds "though it is taken" afu_is 1 EBUSY
rebind
holds "binding the driver anew does" afu_is 1 $second
says "an image for another interface is refused" EIO program "$engine" 1 "$work/foreign"
holds "with that reason" manager_says "write complete error|reconfig incompatible image"
rebind
holds "the slot keeps what it had" afu_is 1 $second

# One programming at a time: the engine's node takes nobody else meanwhile.
card_takes 3
says "while a slot is programmed" OK start "$engine" 0 "$work/good"
holds "it is in reset" wait_for 10 afu_is 0 EBUSY
says "a second programming waits for the first" OK program "$engine" 1 "$work/back"
says "which has ended then" 1 finished
says "well" OK wait
holds "the first slot has its design" afu_is 0 $second
holds "and the second" afu_is 1 $first
card_takes 0
verdict
