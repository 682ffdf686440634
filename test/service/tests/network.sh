#!/bin/bash
# What the unit allows is enough for network interfaces and the settings of VFs.
# shellcheck disable=SC2317  # functions are called by `holds`
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

interface_is() { same "$(ls "$pf/net")" "$1"; }
mtu_is() { same "$(cat "$pf/net/$pf_name/mtu")" "$1"; }
namespace_differs() { [ "$(readlink /proc/self/ns/net)" != "$(readlink "/proc/$1/ns/net")" ]; }
settings() { inject vf-settings "$pf_address"; }
said_in_journal() { journalctl --quiet --output cat -u "$unit" | grep -q "$1"; }
pf_name=$(ls "$pf/net")
mtu=$(cat "$pf/net/$pf_name/mtu")
mkdir -p /etc/drapci
cat > /tmp/net.yaml << 'YAML'
apiVersion: config.dra.pci/v1alpha1
kind: NetworkConfig
interface: net1
mtu: 1400
YAML

# The kernel's own rtnetlink: this takes the unit's capabilities.
printf 'logLevel: debug\n' > /etc/drapci/config.yaml
systemctl restart $unit || die "no restart"
holds "the hook is where the daemon looks for it" \
  prints 'createRuntime' sh -c "drapci prepare --name whole --device $nic --config /tmp/net.yaml > /dev/null && cat $cdi_dir/*.json"
holds "so it does not say that interfaces stay in the host" \
  fails_with 1 '^$' said_in_journal 'network interfaces stay in the host'
holds "the daemon may set an MTU" mtu_is 1400
unshare --net sleep 1000 &
container=$!
wait_for 10 namespace_differs $container || die "no network namespace"
ip link set "$pf_name" netns $container name net1 || die "cannot move $pf_name"
drapci verify > /dev/null 2>&1
holds "the daemon may look into other network namespaces" \
  fails_with 1 '^$' said_in_journal 'in another network namespace:\|namespaces.sock'
holds "by way of a process that may enter them" \
  fails_with 1 . same "$(systemctl show --property NAccepted --value drapci-namespaces.socket)" 0
kill -KILL $container
wait $container 2> /dev/null
holds "the claim is released" succeeds drapci unprepare whole
holds "the interface is at home under its old name" interface_is "$pf_name"
holds "with its old MTU" mtu_is "$mtu"
ip link set "$pf_name" up

# The settings of simulated VFs only the simulator's relay knows.
printf 'accelerators: [{match: {class: 0x02}, shares: true, bandwidth: 1G}]\n' > /etc/drapci/config.yaml
drop_in "Environment=DRAPCI_NETLINK_RELAY=${DRAPCI_SIM_SOCKET%/*}/route.sock"
systemctl restart $unit || die "no restart"
holds "a share is prepared" succeeds drapci prepare --name share --device "$nic" --share bandwidth=200M
holds "its VF has the rate" prints 'vf 0.*max_tx_rate 200Mbps' settings
holds "journal, hardware and CDI agree" succeeds drapci verify
holds "it is released" succeeds drapci unprepare share
holds "the VFs are gone" vfs_are 0
verdict
