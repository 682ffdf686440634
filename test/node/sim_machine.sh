#!/bin/bash
# What real programs see on a simulated machine: lspci, udevd, udevadm, a shell, and drapci-sim itself.
# Usage: VF_RATE=PROGRAM sim_machine.sh DRAPCI-SIM
set -u
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
readonly sim=$1
failures=0

# check SENTENCE COMMAND...
check() {
  local sentence=$1
  shift
  if "$@"; then
    echo "ok: $sentence"
  else
    failures=$((failures + 1))
    echo "FAILED: $sentence"
  fi
}
same() { [ "$1" = "$2" ] || { echo "  got '$1', want '$2'"; return 1; }; }
contains() { [[ $1 == *"$2"* ]] || { echo "  no '$2' in '$1'"; return 1; }; }
status_of() { "$@" > /dev/null 2>&1; echo $?; }

inside() {
  readonly pf=/sys/bus/pci/devices/0000:02:00.0
  readonly numvfs=$pf/sriov_numvfs
  refused() { ({ echo "$2" > "$1"; } 2>&1) | sed 's/.*: //'; }

  check "lspci lists the board's card" contains "$(lspci -n)" "02:00.0 0200: 8086:10c9"
  check "lspci shows the SR-IOV capability" \
    contains "$(lspci -vvv -s 02:00.0 2>/dev/null)" "Single Root I/O Virtualization (SR-IOV)"
  check "lspci shows how many VFs there can be" \
    contains "$(lspci -vvv -s 02:00.0 2>/dev/null)" "Total VFs: 8"
  check "lspci names the driver" contains "$(lspci -k -s 02:00.0 2>/dev/null)" "Kernel driver in use: igb"

  check "too many VFs" same "$(refused $numvfs 9)" "Numerical result out of range"
  check "no number" same "$(refused $numvfs x)" "Invalid argument"
  coproc monitor { stdbuf -oL udevadm monitor --kernel --udev --subsystem-match=pci; }
  # The monitor listens once it has printed its heading.
  while read -r -t 20 -u "${monitor[0]}" line && [[ $line != KERNEL\ -* ]]; do :; done
  check "VFs can be made" same "$(refused $numvfs 2)" ""
  check "the number cannot be changed but through 0" \
    same "$(refused $numvfs 3)" "Device or resource busy"
  local line kernel="" udev=""
  while read -r -t 20 -u "${monitor[0]}" line; do
    # "KERNEL[1.2] add /devices/... (pci)", "UDEV  [1.2] add ..."
    [[ $line =~ ^(KERNEL|UDEV).*\]\ ([a-z]+)\ +([^ ]+) ]] || continue
    local event="${BASH_REMATCH[2]} ${BASH_REMATCH[3]##*/} "
    if [ "${BASH_REMATCH[1]}" = KERNEL ]; then kernel+=$event; else udev+=$event; fi
    [[ $udev == *"bind 0000:02:10.2"* && $kernel == *"change 0000:02:00.0"* ]] && break
  done
  check "the kernel monitor sees the events in the kernel's order" same "$kernel" \
    "add 0000:02:10.0 change 0000:02:10.0 bind 0000:02:10.0 add 0000:02:10.2 change 0000:02:10.2 bind 0000:02:10.2 change 0000:02:00.0 "
  check "udevd passes them on" contains "$udev" "add 0000:02:10.0"
  kill "$monitor_PID"
  wait "$monitor_PID" 2>/dev/null

  check "udevadm info knows the VF" contains "$(udevadm info $pf/virtfn0)" "E: PCI_ID=8086:10CA"
  check "udevd processed its rules" contains "$(udevadm info $pf)" "E: ID_PATH=pci-0000:02:00.0"
  check "enumeration sees every function" \
    same "$(udevadm trigger --dry-run --verbose --subsystem-match=pci | wc -l)" 6
  mkdir -p /run/udev/rules.d
  echo 'SUBSYSTEM=="pci", ATTR{device}=="0x10c9", ENV{SIM_TEST}="$attr{sriov_numvfs}"' \
    > /run/udev/rules.d/99-sim.rules
  udevadm control --reload
  udevadm trigger --action=change --settle $pf
  check "a rule of ours reads an attribute" contains "$(udevadm info $pf)" "E: SIM_TEST=2"
  check "a disk's link is made" test -L /dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_sim-nvme-0

  echo vfio-pci > $pf/virtfn0/driver_override
  echo 0000:02:10.0 > /sys/bus/pci/drivers/igbvf/unbind
  echo 0000:02:10.0 > /sys/bus/pci/drivers_probe
  group=$(basename "$(readlink $pf/virtfn0/iommu_group)")
  check "vfio-pci makes the group's node" test -c "/dev/vfio/$group"
  check "the container node is there" test -c /dev/vfio/vfio
  check "root cannot write what is read-only" same "$(refused $pf/vendor 1)" "Permission denied"
  check "nothing can be made in sysfs" same "$(refused /sys/nothing 1)" "Permission denied"
  check "the machine's own control groups are there" test -e /sys/fs/cgroup
  check "the namespace's own interface is listed" contains "$(ls /sys/class/net)" lo

  injection
  return $failures
}

# await COMMAND...: what the kernel does later, such as ending a namespace.
await() {
  local try
  for ((try = 0; try < 500; try++)); do
    "$@" && return
    sleep 0.02
  done
  return 1
}
links() { ip -br link | sed 's/[ @].*//' | tr '\n' ' '; }
net_of() { ls "/sys/bus/pci/devices/$1/net" 2>/dev/null | tr '\n' ' '; }
ifindex_agrees() { same "$(cat "/sys/class/net/$1/ifindex")" "$(ip -o link show "$1" | cut -d: -f1)"; }

network() {
  readonly numvfs=/sys/bus/pci/devices/0000:02:00.0/sriov_numvfs vf=0000:02:10.0
  if ! ip link show enp2s0 > /dev/null 2>&1; then
    echo "skipped: no veth here, interfaces are in sysfs only"
    return 0
  fi
  check "ip shows the card's interface" same "$(links)" "lo enp2s0 "
  check "with its address" contains "$(ip -br link show enp2s0)" "52:54:00:12:34:56"
  check "and a carrier" contains "$(ip -br link show enp2s0)" "LOWER_UP"
  check "sysfs has the kernel's index" ifindex_agrees enp2s0
  echo 2 > $numvfs
  check "VFs have interfaces" same "$(links)" "lo enp2s0 enp2s0v0 enp2s0v1 "

  ip link set enp2s0v0 name fast
  check "a new name is in sysfs at once" same "$(net_of $vf) $(readlink -f /sys/class/net/fast/device)" \
    "fast  $(readlink -f /sys/bus/pci/devices/$vf)"
  ip link set fast mtu 1400 up
  check "so is the rest" same "$(cat /sys/class/net/fast/{mtu,operstate,carrier} | tr '\n' ' ')" "1400 up 1 "

  unshare --net sleep 1000 &
  local container=$!
  await test "$(readlink /proc/self/ns/net)" != "$(readlink /proc/$container/ns/net)"
  ip link set fast netns "$container" name eth0
  check "an interface in a container is in no sysfs" same "$(net_of $vf)" ""
  check "the container has it" contains "$(nsenter --net --target "$container" ip -br link)" eth0
  nsenter --net --target "$container" ip link set eth0 netns $$ name enp2s0v0
  check "it can come back" same "$(net_of $vf)" "enp2s0v0 "
  ip link set enp2s0v0 netns "$container" name eth0
  check "and go again" same "$(net_of $vf)" ""
  kill -9 "$container"
  wait "$container" 2>/dev/null
  check "it comes home when its namespace ends, with the name it had there" \
    await test -e /sys/bus/pci/devices/$vf/net/eth0
  check "the kernel has it again" contains "$(links)" eth0

  unshare --net sleep 1000 &
  container=$!
  await test "$(readlink /proc/self/ns/net)" != "$(readlink /proc/$container/ns/net)"
  ip link set eth0 netns "$container"
  echo $vf > /sys/bus/pci/drivers/igbvf/unbind
  check "unbinding takes it out of a container" same \
    "$(nsenter --net --target "$container" ip -br link | grep -c eth0)" 0
  kill -9 "$container"
  wait "$container" 2>/dev/null
  echo $vf > /sys/bus/pci/drivers/igbvf/bind
  check "binding makes it anew" same "$(net_of $vf)" "enp2s0v0 "

  "$VF_RATE" enp2s0 1 0 200
  check "a VF's rate can be set through the relay" \
    contains "$("$sim" inject vf-settings 0000:02:00.0)" "max_tx_rate 200Mbps, spoof checking on"
  check "a rate above the speed is refused" contains "$("$VF_RATE" enp2s0 1 0 2000 2>&1)" EINVAL
  "$sim" inject fault /net/0000:02:00.0/vf1/rate EBUSY
  check "a fault can be injected" contains "$("$VF_RATE" enp2s0 1 0 100 2>&1)" EBUSY
  "$sim" inject carrier 0000:02:00.0 off
  check "without a carrier there is no rate" contains "$("$VF_RATE" enp2s0 1 0 100 2>&1)" EINVAL
  "$sim" inject carrier 0000:02:00.0 on
  echo 0 > $numvfs
  check "VFs take their interfaces with them" same "$(links)" "lo enp2s0 "
  echo 2 > $numvfs
  check "and their settings" same "$("$sim" inject vf-settings 0000:02:00.0 | grep -c rate)" 0
  "$sim" inject unplug 0000:02:00.0
  check "a pulled card's interfaces are gone" same "$(links)" "lo "
  return $failures
}

injection() {
  "$sim" inject fault $numvfs EIO --count 1
  check "an injected errno reaches the writer" same "$(refused $numvfs 0)" "Input/output error"
  "$sim" inject hold $numvfs
  (echo 0 > $numvfs) &
  local writer=$!
  check "a blocked write does not stall another card" \
    same "$(cat /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs)" 0
  check "nor another attribute of the card" same "$(cat $pf/sriov_totalvfs)" 8
  "$sim" inject release $numvfs
  wait "$writer"
  check "the write went through after its release" same "$(cat $numvfs)" 0
  "$sim" inject fewer-vfs 0000:02:00.0 1
  echo 2 > $numvfs
  check "fewer VFs than asked for" same "$(cat $numvfs)" 1
  "$sim" inject clear
  "$sim" inject unplug 0000:02:00.0
  check "a pulled card is gone with its VFs" same "$(lspci -d 8086: | wc -l)" 0
  "$sim" inject plug 0000:02:00.0
  check "a plugged card is back" same "$(lspci -d 8086: | wc -l)" 1
  "$sim" inject set $pf/current_link_width 4
  check "a sensor value can be set" same "$(cat $pf/current_link_width)" 4
  "$sim" inject writes --reset > /dev/null
  "$sim" inject kill-after 2
  local commands="echo x > $pf/driver_override; echo 1 > $numvfs; echo survived > /run/survived"
  check "the second write was the last" same "$(status_of bash -c "$commands")" 137
  check "it took effect" same "$(cat $numvfs)" 1
  check "nothing came after it" test ! -e /run/survived
  check "the log has both" same "$("$sim" inject writes | grep -c "^ok.*/0000:02:00.0/")" 2
  check "a wrong command is a usage error" same "$(status_of "$sim" inject nonsense)" 2
  check "a wrong errno name is a usage error" same "$(status_of "$sim" inject fault '*' EFOO)" 2
  check "what is not there is refused" same "$(status_of "$sim" inject unplug 0000:09:00.0)" 1
}

if [ "${2-}" = inside ] || [ "${2-}" = network ]; then
  "$2"
  exit
fi

if ! "$sim" run --board nvme -- true; then
  echo "SKIPPED: no simulated machine can be made here (FUSE and namespaces are needed)"
  exit 77
fi
mounts=$(cat /proc/self/mounts)
"$sim" run --board sriov-nic:vfs=8,enable-ms=0,disable-ms=0 --board nvme --udevd -- "$0" "$sim" inside
failures=$?
"$sim" run --board sriov-nic:enable-ms=0,disable-ms=0 -- "$0" "$sim" network
failures=$((failures + $?))
check "the exit status is the command's" same "$(status_of "$sim" run --board nvme -- sh -c 'exit 7')" 7
check "so is a signal" same "$(status_of "$sim" run --board nvme -- sh -c 'kill -9 $$')" 137
check "a command that is not there gives 127" same "$(status_of "$sim" run --board nvme -- no-such-command)" 127
check "an unknown board is a usage error" same "$(status_of "$sim" run --board none -- true)" 2
check "the same board twice is refused" same "$(status_of "$sim" run --board nvme --board nvme -- true)" 1
check "no command is a usage error" same "$(status_of "$sim" run --board nvme)" 2
left=$("$sim" run --board nvme -- sh -c 'setsid sleep 1000 > /dev/null & echo $!')
check "what the command leaves running is ended" test ! -e "/proc/$left"
check "no mount is left" same "$(cat /proc/self/mounts)" "$mounts"

tree=$(mktemp -d)/tree
"$sim" record "$tree" > /dev/null
check "a recorded machine comes back" same \
  "$("$sim" run --board "tree:$tree" -- lspci -n 2>/dev/null)" "$(lspci -n 2>/dev/null)"
rm -rf "$(dirname "$tree")"
exit $((failures > 0))
