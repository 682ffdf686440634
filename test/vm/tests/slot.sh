# shellcheck shell=bash disable=SC2034,SC2154  # variables for who sources it, and of lib.sh
# A card in the first hot-plug port of the machine: plugged in, pulled by surprise.
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
