#!/bin/bash
# A card that is pulled while a claim holds it, and plugged in again.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=slot.sh
. "$(dirname "$0")/slot.sh"

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
