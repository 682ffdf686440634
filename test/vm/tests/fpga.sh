#!/bin/bash
# FPGA cards made of software (fpga/cards.py), which the kernel's own dfl-pci drives: slots, images, refusals, and what
# comes back. DFL_IMAGE names the program that makes images.
# shellcheck disable=SC2154,SC2317  # variables of the library; functions are called by `holds`
export CONFORMANCE_PF='0x8086 0x0b2b'  # the card that the library looks for
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
modprobe -q dfl-pci || { echo "the guest's kernel has no DFL: see build-modules.sh"; exit 77; }
modprobe vfio-pci

# order CARD WORD...: says it to the hardware, prints the answer.
control=$(dirname "$(grep -lx vm.cards /sys/class/virtio-ports/*/name)")
exec 8<> "/dev/$(basename "$control")"
order() {
  local line
  echo "$*" >&8
  read -r -t 20 -u 8 line && echo "$line"
}

readonly one_address=$pf_address two_address=0000:08:00.0
readonly one=pci-0000-07-00-0 two=pci-0000-08-00-0
readonly interface=9346116d52125ba64f2b5a6a24da6d4e interface2=69528db6eb31577a8c3668f9faa081f6
readonly base=d8424dc4a4a3c413f89e433683f9040b base2=56e203e9864f49a7b94b12284c31e02b
readonly sort=331db30c988541ea9081f88b8f655caa
readonly images=$work/images
umask 022
mkdir -p "$images"
image() { "$DFL_IMAGE" "$1" "$2" > "$images/$3"; }
image $interface $base base.gbs
image $interface $sort sort.gbs
image $interface2 $base2 base2.gbs
image $interface2 $sort sort2.gbs
with() {  # IMAGE: a configuration that asks for it
  printf 'apiVersion: config.dra.pci/v1alpha1\nkind: FpgaConfig\nimage: %s\n' "$1" > "$work/$1.yaml"
  echo "$work/$1.yaml"
}
port_dir() {  # ADDRESS PORT
  local file
  file=$(grep -lxs "$2" "$bus/devices/$1"/fpga_region/region*/dfl-port.*/id) && dirname "$file"
}
afu_of() { cat "$(port_dir "$1" "$2")/afu_id" 2>&1; }
afu_is() { same "$(afu_of "$1" "$2")" "$3"; }
programmed() { same "$(order "$1" count)" "$2"; }  # CARD "GOOD BAD"
rebind() {
  echo "$1" > "$bus/drivers/dfl-pci/unbind"
  echo "$1" > "$bus/drivers/dfl-pci/bind"
}

for each in "$one_address 0" "$two_address 0" "$two_address 1"; do
  # shellcheck disable=SC2086  # two words
  wait_for 60 afu_is $each "$([ "${each% *}" = "$one_address" ] && echo $base || echo $base2)" || die "no slot $each"
done
udevadm settle
printf '%s\n' "images: $images" > "$work/config.yaml"
CONFIG=$work/config.yaml
start_daemon
drapci device $one > "$work/sheet"
holds "the family is found" grep -Eiq 'family.* dfl' "$work/sheet"
holds "each slot is offered" wait_for 20 state_is $one-slot0 free
holds "of the second card as well" state_is $two-slot1 free

node=/dev/$(basename "$(port_dir "$one_address" 0)")
holds "a slot is programmed with the image of its claim" \
  done_by prepare --name a --device $one-slot0 --config "$(with sort.gbs)"
holds "and has it" afu_is "$one_address" 0 $sort
holds "by one programming" programmed 0 "1 0"
holds "the container gets its port" grep -q "\"$node\"" "$(cdi_file a)"
holds "and never the engine" same "$(grep -c dfl-fme "$(cdi_file a)")" 0
stop_daemon KILL
start_daemon
holds "after a crash all agree" clean
holds "and nothing is programmed again" programmed 0 "1 0"
holds "the slot is released" done_by unprepare a
holds "and has what it had" afu_is "$one_address" 0 $base

exec 7<> "$node"
holds "an open port is not programmed, and its user is named" \
  refused "$(basename "$BASH")|$$" prepare --name b --device $one-slot0 --config "$(with sort.gbs)"
exec 7>&-
holds "an image for other cards is refused" \
  refused 'is made for interface' prepare --name b --device $one-slot0 --config "$(with sort2.gbs)"
holds "before the card sees a byte" programmed 0 "2 0"

order 0 fail 2
holds "what the card refuses is told with the manager's reason" \
  refused 'EIO.*card refuses the bitstream.*reconfig CRC error' \
  prepare --name c --device $one-slot0 --config "$(with sort.gbs)"
holds "the previous image is back, and the slot out of reset" afu_is "$one_address" 0 $base
holds "all agree" clean
order 0 stuck
holds "a card that does not end is told as well" refused 'ETIMEDOUT.*did not finish.*write complete error' \
  prepare --name c --device $one-slot0 --config "$(with sort.gbs)"
holds "and has its image back, too" afu_is "$one_address" 0 $base
holds "all agree" clean

holds "two slots of one card" done_by prepare --name d --device $two-slot0 --config "$(with sort2.gbs)"
holds "are programmed alone" afu_is $two_address 1 $base2
holds "the other one is given as it is" done_by prepare --name e --device $two-slot1
holds "the card cannot be given meanwhile" refused "$two" prepare --name f --device $two
holds "one is released" done_by unprepare d
holds "and the other" done_by unprepare e
order 1 fail 2
holds "on a card of two slots a failure says what is left to do" refused "unbind and bind $two_address" \
  prepare --name g --device $two-slot0 --config "$(with sort2.gbs)"
holds "its slot is in reset" like "$(afu_of $two_address 0)" busy
holds "the other one can be given" done_by prepare --name h --device $two-slot1
holds "and released" done_by unprepare h
rebind $two_address
holds "after that the claim can be ended" wait_for 20 done_by unprepare g
holds "and the slot has what it had" afu_is $two_address 0 $base2
holds "all agree" clean

holds "the whole card goes to VFIO" done_by prepare --name v --device $one --config "$work/vfio.yaml"
holds "and has its driver" driver_is "$one_address" vfio-pci
holds "it comes back" done_by unprepare v
holds "with what was in its slot" wait_for 20 afu_is "$one_address" 0 $base

# A port that somebody has given away.
engine=/dev/$(basename "$bus/devices/$two_address"/fpga_region/region*/dfl-fme.*)
tool() {  # one request of the tool of the kernel's rules
  echo "$*" | python3 "$(dirname "$0")/../../conformance/dfl.py"
}
holds "somebody releases a port" same "$(tool release "$engine" 1)" OK
holds "its slot is not given" refused 'port 1 has been released' prepare --name i --device $two-slot1
holds "the other one is" done_by prepare --name i --device $two-slot0
holds "and is released" done_by unprepare i
holds "the port is assigned" same "$(tool assign "$engine" 1)" OK
# Up to 6.13 it comes back without its driver, and drapci says what helps.
if ! port_dir $two_address 1 > /dev/null; then
  holds "a port that comes back without its driver is told" \
    refused "without their driver: unbind and bind $two_address" prepare --name j --device $two-slot1
  rebind $two_address
fi
holds "then its slot is given" wait_for 20 done_by prepare --name j --device $two-slot1
holds "and released" done_by unprepare j
holds "no CDI file is left" same "$(find "$cdi_dir" -type f | wc -l)" 0
holds "all agree at the end" clean
stop_daemon
verdict
