#!/bin/bash
# Real network interfaces in containers, by podman, crun and drapci-hook (HOOK), and home again.
# shellcheck disable=SC2317  # functions are called by `holds`
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
command -v podman crun > /dev/null || die "no podman or crun: ./run deps test"
nic=pci-0000-01-00-0
rootfs=$work/rootfs
mkdir -p "$rootfs"/{bin,dev,proc,sys,tmp,etc,run}
cp "$(command -v busybox)" "$rootfs/bin/busybox"

# in_container CLAIM BUSYBOX-ARGUMENT...
in_container() {
  local device
  device=$(sed -n 's/.*"name": *"\([^"]*\)".*/\1/p' "$(cdi_file "$1")" | head -n 1)
  shift
  rm -f "$work/pid"
  podman --cgroup-manager=cgroupfs --events-backend=file --storage-driver=vfs --root "$work/podman" \
    --runroot "$work/podman-run" --runtime "$(command -v crun)" \
    run --rm --network=none --log-driver=none --cgroups=disabled --pidfile "$work/pid" \
    --device "dra.pci/claim=$device" --rootfs "$rootfs" /bin/busybox "$@"
}
# start_container CLAIM ADDRESS: returns when that function's interface has left the host.
start_container() {
  in_container "$1" sleep 1000 > "$work/container.log" 2>&1 &
  container=$!
  wait_for 60 interface_is "$2" "" || die "no container: $(cat "$work/container.log")"
  wait_for 60 test -s "$work/pid" || die "no container process"
}
kill_container() {
  kill -KILL "$(cat "$work/pid")"
  wait "$container" 2> /dev/null
}
interface_is() { same "$(ls "$bus/devices/$1/net" 2> /dev/null)" "$2"; }
mtu_is() { same "$(cat "$bus/devices/$1/net/"*/mtu)" "$2"; }

cat > "$work/net.yaml" << 'YAML'
apiVersion: config.dra.pci/v1alpha1
kind: NetworkConfig
interface: net1
addresses: [10.0.0.2/24]
mtu: 1400
YAML
printf '%s\n' "hook: $HOOK" 'accelerators:' '- match: {address: "0000:01:00.0"}' '  vfs: existing' > "$work/config.yaml"
CONFIG=$work/config.yaml

# VFs of the node's own, whose interfaces are there before the claim and after it.
modprobe igbvf
make_vfs 2 1
vf=$(vf_address 0)
wait_for 30 exists "$bus/devices/$vf/net" || die "VF 0 has no interface"
udevadm settle
name=$(ls "$bus/devices/$vf/net")
start_daemon
holds "a VF is prepared" done_by prepare --name vf --device $nic-vf0 --config "$work/net.yaml"
in_container vf ip addr show net1 > "$work/inside" 2>&1
cat "$work/inside"
holds "the container has its interface under the name asked for, up" like "$(cat "$work/inside")" ' net1:.*[<,]UP'
holds "with the MTU" grep -q 'mtu 1400' "$work/inside"
holds "and the address" grep -q 'inet 10.0.0.2/24' "$work/inside"
start_container vf "$vf"
holds "a second container gets it after the first" interface_is "$vf" ""
holds "journal, hardware and CDI agree meanwhile" clean
holds "the claim is released while the container is there" done_by unprepare vf
holds "the interface is at home under its old name" interface_is "$vf" "$name"
holds "with its old MTU" mtu_is "$vf" 1500
kill_container
holds "a VF is prepared again" done_by prepare --name vf --device $nic-vf0 --config "$work/net.yaml"
start_container vf "$vf"
kill_container
holds "the claim is released after the container was killed" done_by unprepare vf
holds "the interface is at home" interface_is "$vf" "$name"
holds "as it was" mtu_is "$vf" 1500
holds "all agree" clean
set_value "$pf/sriov_numvfs" 0

# The whole function.
pf_name=$(ls "$pf/net")
holds "the whole card is prepared with its kernel driver" \
  wait_for 20 done_by prepare --name whole --device $nic --config "$work/net.yaml"
start_container whole "$pf_address"
holds "it is released while the container is there" done_by unprepare whole
holds "the card's interface is at home under its old name" interface_is "$pf_address" "$pf_name"
holds "with its old MTU" mtu_is "$pf_address" 1500
kill_container
holds "all agree at the end" clean
stop_daemon
verdict
