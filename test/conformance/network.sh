#!/bin/bash
# VF settings by rtnetlink as net/core/rtnetlink.c and the igb driver have them, and interfaces that
# change their network namespace (net/core/dev.c).
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# first_name DIRECTORY: the first name in it; nothing when it is not there.
first_name() { find "$1" -mindepth 1 -maxdepth 1 -printf '%f\n' 2> /dev/null | sort | head -n 1; }
net=$(first_name "$pf/net/")
[ -n "$net" ] || die "$pf_address has no network interface"
if ! ip link show dev "$net" > /dev/null 2>&1; then
  echo "skipped: ip does not know $net"
  exit 0
fi
# ip asks the kernel itself, which knows nothing of a simulated card's VFs (test/sim/README.md).
if [ -n "${DRAPCI_NETLINK_RELAY-}" ]; then
  echo "skipped: the VFs of a simulated card are known to its relay only"
  exit 0
fi

# link ARGUMENT...: `ip link set dev PF ...`; prints OK, or the name of the errno.
link() {
  local text
  if text=$(ip link set dev "$net" "$@" 2>&1); then echo OK; else errno_name "$text"; fi
}
# takes SENTENCE ERRNO ARGUMENT...: what the kernel says to it; ERRNO may be OK.
takes() {
  local sentence=$1 expected=$2
  shift 2
  holds "$sentence" same "$(link "$@")" "$expected"
}
# vf NUMBER: what the kernel tells of a VF, one line.
vf() { ip link show dev "$net" | sed -n "s/^ *vf $1 *//p"; }
count_vfs() { ip link show dev "$net" | grep -c '^ *vf [0-9]'; }
has_carrier() { same "$(cat "$pf/net/$net/carrier" 2> /dev/null)" 1; }
vf_net() { first_name "$pf/virtfn$1/net/"; }
has_net() { [ -n "$(vf_net "$1")" ]; }
# udev may be renaming it just now.
move_away() { home=$(vf_net 0) && ip link set dev "$home" netns "$space" name net1; }
has_no_net() { [ -z "$(vf_net "$1")" ]; }

make_vfs 2 0
[ "$(link up)" = OK ] || die "cannot set $net up"
holds "a PF that is up has a carrier before long" wait_for 15 has_carrier
holds "rtnetlink tells of every VF" same "$(count_vfs)" 2
new='^link/ether 00:00:00:00:00:00( brd ff:ff:ff:ff:ff:ff)?, spoof checking on, link-state auto, trust off'
holds "a new VF has the driver's defaults" like "$(vf 1)" "$new"

takes "an address is set" OK vf 0 mac 02:11:22:33:44:55
takes "a multicast address is none" EINVAL vf 0 mac 03:11:22:33:44:55
takes "a VLAN and its priority are set" OK vf 0 vlan 100 qos 3
takes "802.1ad is refused by igb" EPROTONOSUPPORT vf 0 vlan 100 proto 802.1ad
takes "a rate is set" OK vf 0 max_tx_rate 50
takes "the speed of the link is a rate" OK vf 1 max_tx_rate 1000
takes "a rate above the speed of the link is refused" EINVAL vf 1 max_tx_rate 1001
takes "a smallest rate is refused by igb" EINVAL vf 1 min_tx_rate 10
takes "and 0 lifts the limit" OK vf 1 max_tx_rate 0
takes "the spoof check is switched" OK vf 0 spoofchk off
takes "trust is given" OK vf 0 trust on
takes "a link state is refused by igb" EOPNOTSUPP vf 0 state enable
takes "a VF that is not there is refused" EINVAL vf 9 trust on
set='^link/ether 02:11:22:33:44:55.*, vlan 100, qos 3,.* max_tx_rate 50Mbps, spoof checking off, .*trust on'
holds "all of it reads back" like "$(vf 0)" "$set"
holds "the other VF is as it was" like "$(vf 1)" "$new"

# One request is done one setting after another, and stops at the first refusal.
takes "a request whose second setting is refused fails" EINVAL vf 1 vlan 7 max_tx_rate 20000
holds "and its first one stays" like "$(vf 1)" ' vlan 7,'

vf0=$(vf_address 0)
vf_driver=igbvf
if [ -d "$bus/drivers/$vf_driver" ] || modprobe $vf_driver 2> /dev/null; then
  set_value "$bus/devices/$vf0/driver_override" $vf_driver
  set_value "$bus/drivers_probe" "$vf0"
  holds "the driver of a VF makes its interface" wait_for 10 has_net 0
  # udev may rename it between two looks.
  vf_mac_is() { same "$(cat "$pf"/virtfn0/net/*/address)" "$1"; }
  holds "with the address that the PF has given it" wait_for 10 vf_mac_is 02:11:22:33:44:55
  holds "binding leaves the settings alone" like "$(vf 0)" "$set"

  space=conformance$$
  if ip netns add $space 2> /dev/null; then
    wait_for 10 move_away || die "cannot move $home"
    holds "an interface that moved away is not in /sys any more" wait_for 5 has_no_net 0
    holds "it has the name given with the move" ip -n $space link show dev net1 > /dev/null
    holds "nor does ip see it here" same "$(ip link show dev "$home" > /dev/null 2>&1; echo $?)" 1
    ip netns del $space
    holds "it comes back when its namespace ends" wait_for 10 has_net 0
    holds "under the name that it had there" same "$(vf_net 0)" net1
    # udev keeps the name that it would have given as an alternative one.
    wait_for 10 exists "$pf/virtfn0/net/net1"
    ip link property add dev net1 altname "$home" 2> /dev/null
    holds "a name that it has as an alternative one is taken" \
      same "$(errno_name "$(ip link set dev net1 name "$home" 2>&1)")" EEXIST
    ip link property del dev net1 altname "$home" || die "cannot remove an alternative name"
    ip link set dev net1 name "$home" || die "cannot rename net1"
    holds "and can be had when it is not any more" same "$(vf_net 0)" "$home"
    holds "the settings have stayed" like "$(vf 0)" "$set"
  else
    echo "skipped: no network namespaces of one's own here"
  fi
  set_value "$bus/devices/$vf0/driver/unbind" "$vf0"
  holds "its interface goes with the driver" missing "$pf/virtfn0/net"
  holds "unbinding leaves the settings alone" like "$(vf 0)" "$set"
  set_value "$bus/devices/$vf0/driver_override" $'\n'
else
  echo "skipped: no $vf_driver here"
fi

takes "an address of zeros takes the address back" OK vf 0 mac 00:00:00:00:00:00
holds "and reads back" like "$(vf 0)" '^link/ether 00:00:00:00:00:00'
takes "VLAN 0 switches it off" OK vf 0 vlan 0
holds "and is not shown" same "$(vf 0 | grep -c vlan)" 0

takes "the PF goes down" OK down
takes "a rate is refused while the PF is down" EINVAL vf 0 max_tx_rate 50
takes "a VLAN is taken even then" OK vf 0 vlan 5
[ "$(link up)" = OK ] || die "cannot set $net up"
make_vfs 2 0
holds "VFs that were made anew have nothing of what was set" like "$(vf 0)" "$new"
set_value "$pf/sriov_numvfs" 0
holds "without VFs none is told of" same "$(count_vfs)" 0
takes "nor can one be set" EINVAL vf 0 trust on
finish
