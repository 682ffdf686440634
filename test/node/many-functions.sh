#!/bin/bash
# many-functions.sh BUSES: a board for drapci-sim, BUSES ports with 32 accelerators below each, all bound to their
# kernel driver.
set -euo pipefail
buses=${1:?buses}
cat << YAML
name: many-functions
description: $((buses * 32)) accelerators
parameters: {}
drivers:
  - {name: pcieport, ids: ["1b36:000c"]}
  - {name: accel, ids: ["1234:11e8"]}
functions:
YAML
for ((i = 0; i < buses; i++)); do
  port=$(printf '0000:%02x:%02x.0' 0 "$((i % 31 + 1))")
  [ "$i" -lt 31 ] || port=$(printf '0000:00:%02x.1' $((i % 31 + 1)))
  bus=$(printf '%02x' $((16 + i)))
  echo "  - {address: $port, id: \"1b36:000c\", class: 0x060400, iommu-group: $((i + 1)), buses: {secondary: $((16#$bus))}, driver: pcieport}"
  for ((device = 0; device < 32; device++)); do
    printf '  - {address: "0000:%s:%02x.0", id: "1234:11e8", class: 0x120000, iommu-group: %d, parent: "%s", driver: accel, aer: false}\n' \
      "$bus" "$device" $((100 + i * 32 + device)) "$port"
  done
done
