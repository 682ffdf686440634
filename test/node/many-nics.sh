#!/bin/bash
# many-nics.sh CARDS VFS: a board for drapci-sim, CARDS network cards with VFS virtual functions each, every card
# below a port of its own. They appear and vanish without the kernel's delays.
set -euo pipefail
cards=${1:?cards} vfs=${2:?vfs}
cat << YAML
name: many-nics
description: $cards network cards with $vfs virtual functions each
parameters: {}
drivers:
  - {name: pcieport, ids: ["1b36:000c"]}
  - {name: igb, ids: ["8086:10c9"], sriov: true}
  - {name: igbvf, ids: ["8086:10ca"]}
  - {name: vfio-pci, override-only: true, vfio: true}
functions:
YAML
for ((i = 0; i < cards; i++)); do
  port=$(printf '0000:00:%02x.0' $((i + 1)))
  bus=$(printf '%02x' $((16 + 4 * i)))
  cat << YAML
  - {address: $port, id: "1b36:000c", class: 0x060400, iommu-group: $((i + 1)), buses: {secondary: $((16#$bus))}, driver: pcieport}
  - address: 0000:$bus:00.0
    id: 8086:10c9
    class: 0x020000
    iommu-group: $((i + 100))
    parent: $port
    driver: igb
    interfaces:
      - {name: nic$i, mac: "52:54:00:00:00:$(printf %02x "$i")"}
    sriov: {total: $vfs, offset: 128, stride: 1, vf-device: 10ca, vf-driver: igbvf, enable-ms: 0, disable-ms: 0}
YAML
done
