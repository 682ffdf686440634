#!/bin/bash
# A card that is pulled while a claim holds it, and plugged in again.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR/../guest source=../guest/qmp.sh
. /run/vm/qmp.sh
port=0000:00:10.4
card=pci-0000-05-00-0
hot=$bus/devices/0000:05:00.0

plug() {
  qmp netdev_add '{"type":"hubport","id":"net-hot","hubid":0}' > /dev/null || die "netdev_add"
  qmp device_add '{"driver":"igb","id":"hot","bus":"hp0","netdev":"net-hot"}' > /dev/null \
    || die "device_add"
  wait_for 30 driver_is 0000:05:00.0 igb || die "the new card does not come up"
}
pull() {
  /run/vm/surprise-remove.sh "$port"
  wait_for 30 missing "$hot" || die "the card does not go away"
  # The port driver switches the slot off last; a card plugged in before that would be lost.
  wait_for 30 slot_is_off || die "the slot is not switched off"
  qmp netdev_del '{"id":"net-hot"}' > /dev/null || die "netdev_del"
  udevadm settle
}
# shellcheck disable=SC2317  # called by wait_for
slot_is_off() { [ $((0x$(setpci -s "$port" CAP_EXP+18.w) & 0x700)) = $((0x700)) ]; }
# shellcheck disable=SC2317  # called by wait_for
no_device() { ! drapci devices | grep -q "^$1 "; }

modprobe vfio-pci
start_daemon
holds "an empty port has no device" no_device $card
plug
holds "a card that is plugged in is offered" wait_for 30 state_is $card-vf0 free
holds "a claim gets a VF" done_by prepare --name held --device $card-vf1
holds "on the new card" driver_is "$(link_name "$hot/virtfn1")" igbvf
holds "and another through vfio" \
  done_by prepare --name vm --device $card-vf2 --config "$work/vfio.yaml"

pull
holds "the device is listed as gone" wait_for 30 state_is $card-vf1 gone
holds "the claim is still listed" same "$(claim_state held)" prepared
holds "nothing of a gone card is given" refused . prepare --name more --device $card-vf3
holds "other cards are not concerned" done_by prepare --name other --device pci-0000-01-00-0-vf0
holds "the claim can be released" done_by unprepare held
holds "the second one keeps the device listed" state_is $card-vf2 gone
holds "and can be released" done_by unprepare vm
holds "then the card is forgotten" wait_for 30 no_device $card
holds "no CDI file of theirs is left" same "$(find "$cdi_dir" -type f | wc -l)" 1
holds "all agree" clean

plug
holds "plugged in again it is offered" wait_for 30 state_is $card-vf1 free
holds "and can be claimed" done_by prepare --name again --device $card-vf1
holds "with its driver" driver_is "$(link_name "$hot/virtfn1")" igbvf

# Pulled while the daemon is away.
stop_daemon KILL
pull
start_daemon
holds "a card pulled behind the daemon's back is gone" wait_for 30 state_is $card-vf1 gone
holds "its claim can be released" done_by unprepare again
holds "the other card's too" done_by unprepare other
holds "nothing is left" same "$(find "$cdi_dir" -type f | wc -l)" 0
holds "all agree at the end" clean
stop_daemon
verdict
