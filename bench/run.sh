#!/bin/bash
# bench/run.sh BUILD-DIRECTORY [DIRECTORY]: measures on simulated cards, with the daemon's files below DIRECTORY
# (default /var/tmp: a disk, not memory).
set -euo pipefail
build=$(realpath "${1:?usage: bench/run.sh BUILD-DIRECTORY [DIRECTORY]}")
directory=${2:-/var/tmp}
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
export DRAPCID=$build/plugin/daemon/drapcid DRAPCI=$build/plugin/cli/drapci
export DRAPCI_SIM=$build/test/sim/drapci-sim APISERVER=$build/test/apiserver/drapci-apiserver
boards=$(mktemp -d)
trap 'rm -rf "$boards"' EXIT
"$here/../test/node/many-nics.sh" 16 64 > "$boards/nics.yaml"
"$here/../test/node/many-functions.sh" 32 > "$boards/functions.yaml"
"$here/../test/node/many-functions.sh" 1 > "$boards/few-functions.yaml"

# The cards' part of the simulated /sys as plain files in memory: no driver answers there, but reading costs what
# it costs on a real machine.
# shellcheck disable=SC2016  # expanded inside
readonly plain_sysfs='mkdir /run/plain-sys
cp -a /sys/devices /sys/bus /sys/kernel /run/plain-sys/ 2> /dev/null
mount --bind /run/plain-sys /sys
exec "$@"'

echo "drapci on $(nproc) cores, Linux $(uname -r), load $(cut -d ' ' -f 1 /proc/loadavg), files on $(stat -f -c %T "$directory")"
printf '\n== start: one network card\n'
"$DRAPCI_SIM" run --board sriov-nic:vfs=8 -- "$build/bench/bench_start" "$directory"
printf '\n== the daemon itself: 1,024 accelerators, claimed with the kernel driver that they have\n'
"$DRAPCI_SIM" run --board "$boards/functions.yaml" -- bash -c "$plain_sysfs" bash "$build/bench/bench_load" "$directory" functions
printf '\n== with hardware changes: 16 network cards of 64 standing VFs, through the simulated sysfs\n'
"$DRAPCI_SIM" run --board "$boards/nics.yaml" -- "$build/bench/bench_load" "$directory" vfs
for kind in get cached publish; do
  printf '\n== a node of a cluster, 32 accelerators: %s\n' "$kind"
  "$DRAPCI_SIM" run --board "$boards/few-functions.yaml" -- bash -c "$plain_sysfs" bash "$build/bench/bench_cluster" "$directory" "$kind"
done
