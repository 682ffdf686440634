#!/bin/bash
# Slots of FPGA cards on a simulated node: the daemon's ioctls reach the model through drapci-sim. DRAPCID, DRAPCI,
# DRAPCI_SIM and DFL_IMAGE name the programs.
# shellcheck disable=SC2154,SC2317  # variables of the library; functions are called by `holds`
export CONFORMANCE_PF='0x8086 0x0b2b'  # the card that the library looks for
# shellcheck source-path=SCRIPTDIR source=../vm/tests/lib.sh
. "$(dirname "$0")/../vm/tests/lib.sh"
readonly card=pci-0000-3b-00-0 two=pci-0000-86-00-0
readonly interface=9346116d52125ba64f2b5a6a24da6d4e interface2=69528db6eb31577a8c3668f9faa081f6
readonly base=d8424dc4a4a3c413f89e433683f9040b sort=331db30c988541ea9081f88b8f655caa
readonly base2=56e203e9864f49a7b94b12284c31e02b
readonly images=$work/images
umask 022
mkdir -p "$images"
"$DFL_IMAGE" $interface $base > "$images/base.gbs"
"$DFL_IMAGE" $interface $sort > "$images/sort.gbs"
"$DFL_IMAGE" $interface2 $base2 > "$images/base2.gbs"
"$DFL_IMAGE" $interface2 $sort > "$images/sort2.gbs"

# with IMAGE [DIGEST]: a configuration that asks for it.
with() {
  printf 'apiVersion: config.dra.pci/v1alpha1\nkind: FpgaConfig\nimage: %s\n%s\n' "$1" \
    "${2:+digest: sha256:$2}" > "$work/$1.yaml"
  echo "$work/$1.yaml"
}
# afu_of ADDRESS PORT
afu_of() {
  local port
  for port in /sys/bus/pci/devices/"$1"/fpga_region/region*/dfl-port.*; do
    if [ "$(cat "$port/id")" = "$2" ]; then cat "$port/afu_id" 2>&1; fi
  done
}
afu_is() { same "$(afu_of "$1" "$2")" "$3"; }
programmed() { same "$("$DRAPCI_SIM" inject writes | grep -c '^ok.*program')" "$1"; }
lists() { like "$(drapci devices)" "$1"; }
daemon() {
  printf '%s\n' "images: $images" > "$work/config.yaml"
  CONFIG=$work/config.yaml start_daemon
}

daemon
holds "the slots are listed" lists "$card-slot0"
holds "a slot is programmed with the image of its claim" \
  done_by prepare --name a --device "$card-slot0" --config "$(with sort.gbs)"
holds "and has it" afu_is 0000:3b:00.0 0 $sort
holds "the container gets its port" grep -q '/dev/dfl-port.0' "$(cdi_file a)"
holds "and never the engine" same "$(grep -c dfl-fme "$(cdi_file a)")" 0
holds "and is told the AFU" grep -q '331db30c-9885-41ea-9081-f88b8f655caa' "$(cdi_file a)"
stop_daemon KILL
daemon
holds "after a crash all agree" clean
holds "and nothing was programmed again" programmed 1
holds "the slot is released" done_by unprepare a
holds "and has what it had" afu_is 0000:3b:00.0 0 $base

holds "an image for other cards is refused" \
  refused 'is made for interface' prepare --name b --device "$card-slot0" --config "$(with sort2.gbs)"
chmod g+w "$images/sort.gbs"
holds "one that others can change as well" \
  refused 'chmod go-w' prepare --name b --device "$card-slot0" --config "$(with sort.gbs)"
chmod g-w "$images/sort.gbs"
holds "one with another digest, too" refused 'is asked for' \
  prepare --name b --device "$card-slot0" --config "$(with sort.gbs "$(printf '%064d' 0)")"
holds "the right digest is right" done_by prepare --name b --device "$card-slot0" \
  --config "$(with sort.gbs "$(sha256sum "$images/sort.gbs" | cut -d' ' -f1)")"
holds "it is released" done_by unprepare b
holds "all of that has programmed no more than it had to" programmed 4

"$DRAPCI_SIM" inject fault /dev/dfl-fme.0 EIO --count 1
holds "a bitstream that the card refuses is told with the manager's reason" \
  refused 'EIO.*card refuses the bitstream.*reconfig CRC error' \
  prepare --name c --device "$card-slot0" --config "$(with sort.gbs)"
holds "and the previous image is back" afu_is 0000:3b:00.0 0 $base
holds "all agree" clean

holds "two slots of one card" done_by prepare --name d --device "$two-slot0" --config "$(with sort2.gbs)"
holds "are programmed alone" afu_is 0000:86:00.0 1 $base2
holds "the other one is given as it is" done_by prepare --name e --device "$two-slot1"
holds "the card cannot be given meanwhile" refused "$two" prepare --name f --device "$two"
holds "one is released" done_by unprepare d
holds "and the other" done_by unprepare e
"$DRAPCI_SIM" inject fault /dev/dfl-fme.1 ETIMEDOUT --count 1
holds "on a card of two slots a failure says what is left to do" refused 'ETIMEDOUT.*unbind and bind 0000:86:00.0' \
  prepare --name g --device "$two-slot0" --config "$(with sort2.gbs)"
holds "the claim stays listed" like "$(claim_state g)" .
holds "its slot is in reset" like "$(afu_of 0000:86:00.0 0)" 'busy'
holds "the other one can be given" done_by prepare --name h --device "$two-slot1"
holds "and released" done_by unprepare h
echo 0000:86:00.0 > "$bus/drivers/dfl-pci/unbind"
echo 0000:86:00.0 > "$bus/drivers/dfl-pci/bind"
holds "after that the claim can be ended" done_by unprepare g
holds "and the slot has what it had" afu_is 0000:86:00.0 0 $base2
holds "all agree" clean
holds "the whole card goes to VFIO" \
  done_by prepare --name f --device "$two" --config "$work/vfio.yaml"
holds "and comes back" done_by unprepare f
holds "with what was in its slots" afu_is 0000:86:00.0 0 $base2
holds "all agree" clean
stop_daemon
verdict
