#!/bin/bash
# Shares of a real card's link: the kernel's own `ip` shows the rate of each, and the kernel's driver has the last word.
# shellcheck disable=SC2317  # functions are called by `holds`
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
nic=pci-0000-01-00-0
modprobe igbvf
config() {  # LINE...
  printf '%s\n' 'accelerators:' '- match: {address: "0000:01:00.0"}' '  shares: true' "$@" > "$work/config.yaml"
  CONFIG=$work/config.yaml
}
udevadm settle
pf_name=$(ls "$pf/net")
offers_bandwidth() { drapci device "$nic" | grep -q bandwidth; }
vf_line() { ip link show dev "$pf_name" | grep " vf $1 "; }
rate_is() { same "$(vf_line "$1" | sed -n 's/.*max_tx_rate \([0-9]*Mbps\).*/\1/p')" "$2"; }

config
start_daemon
holds "the speed of the link is there to share" wait_for 30 offers_bandwidth
holds "a share of 200 Mbit/s is prepared" \
  done_by prepare --name a --device $nic --share bandwidth=200M --share vfs=1
ip link show dev "$pf_name"
holds "ip shows that rate" rate_is 0 200Mbps
holds "a share above the link's 1000 Mbit/s is refused, naming both" \
  refused "1500000000 'bandwidth' is not possible: .* to 1000000000" \
  prepare --name b --device $nic --share bandwidth=1500M
holds "so is one above what is left" \
  refused 'bandwidth' prepare --name b --device $nic --share bandwidth=900M
holds "one of what is left is prepared" done_by prepare --name b --device $nic --share bandwidth=800M
holds "its VF has that rate" rate_is 1 800Mbps
stop_daemon KILL
start_daemon
holds "a crash of the daemon leaves the rate" rate_is 0 200Mbps
holds "and all agree" clean
holds "a share is released" done_by unprepare a
holds "its VF's rate is put back" rate_is 0 ''
holds "the other's stays" rate_is 1 800Mbps
stop_daemon

# The operator takes the card for a faster one than it is.
config '  bandwidth: 10G'
start_daemon
holds "a rate that igb refuses is refused with the kernel's reason" \
  refused 'tx rate 2000 Mbit/s of VF 0.*EINVAL.*runs at 1000 Mbit/s' \
  prepare --name a --device $nic --share bandwidth=2G
cat > "$work/advisory.yaml" << 'YAML'
apiVersion: config.dra.pci/v1alpha1
kind: NetworkConfig
bandwidth: advisory
YAML
holds "an advisory one does not fail the claim" \
  done_by prepare --name a --device $nic --share bandwidth=2G --config "$work/advisory.yaml"
holds "its VF has no rate" rate_is 0 ''
holds "all agree" clean
holds "release it" done_by unprepare a
holds "release the other" done_by unprepare b
holds "the VFs are gone" same "$(cat "$pf/sriov_numvfs")" 0
holds "no CDI file is left" same "$(find "$cdi_dir" -type f | wc -l)" 0
holds "all agree at the end" clean
stop_daemon
verdict
