#!/bin/bash
# devlink - modes of a switch, ports, rates, health - through hal's own code on the kernel's driver
# without hardware.
set -euo pipefail
: "${NET_TEST:?path of net_test}"
modprobe netdevsim || { echo "the guest has no netdevsim: build-modules.sh could not build it"; exit 77; }
mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
echo "7 1" > /sys/bus/netdevsim/new_device
udevadm settle --timeout=60
echo 2 > /sys/bus/netdevsim/devices/netdevsim7/sriov_numvfs
DRAPCI_TEST_NETDEVSIM=netdevsim7 "$NET_TEST" --gtest_filter='KernelDevlink.*'
