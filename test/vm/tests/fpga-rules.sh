#!/bin/bash
# The kernel's rules of FPGA cards (../../conformance/fpga.sh), on its own dfl-pci and the cards of fpga/cards.py.
modprobe -q dfl-pci || { echo "the guest's kernel has no DFL: see build-modules.sh"; exit 77; }
control=$(dirname "$(grep -lx vm.cards /sys/class/virtio-ports/*/name)")
exec 8<> "/dev/$(basename "$control")"
# shellcheck disable=SC2034,SC2317  # called by the rules; the answer is always ok
order() {  # tells the card of two slots
  local line
  echo "1 $*" >&8
  read -r -t 20 -u 8 line
}
export -f order
CARD=1 exec bash "$(dirname "$0")/../../conformance/fpga.sh"
