#!/bin/bash
# Network interfaces of claims in containers, and the rates of shares, on a simulated node: claims through the command
# line, containers by runc with the claims' CDI edits. DRAPCID, DRAPCI, DRAPCI_SIM and HOOK name the programs.
# What drapci needs to know of an interface in another namespace (IFLA_PARENT_DEV_NAME) the simulator's do not tell there:
# that such a one is found, and brought home from a container that is still there, is tested in the VM tier
# (test/vm/tests/interface.sh).
# shellcheck disable=SC2154,SC2317  # variables of the library; functions are called by `holds`
# shellcheck source-path=SCRIPTDIR source=../vm/tests/lib.sh
. "$(dirname "$0")/../vm/tests/lib.sh"
nic=pci-$(tr ':.' '--' <<< "$pf_address")
bundle_py=$(dirname "$0")/oci_bundle.py
PATH=$PATH:/usr/sbin:/sbin
command -v runc ip > /dev/null || die "no runc or ip: ./run deps test"

readonly rootfs=$work/rootfs
mkdir -p "$rootfs"/{bin,dev,proc,sys,tmp,etc,run}
cp "$(command -v busybox)" "$rootfs/bin/busybox"

# container ID CLAIM BUSYBOX-ARGUMENT...: runs it with what the claim gives, until it ends.
container() {
  local id=$1 bundle=$work/bundle-$1 spec
  spec=$(cdi_file "$2")
  shift 2
  mkdir -p "$bundle"
  rm -f "$bundle/config.json"
  (cd "$bundle" && runc spec)
  python3 "$bundle_py" "$bundle/config.json" "$rootfs" "$spec" -- /bin/busybox "$@"
  runc --root "$work/runc" run --bundle "$bundle" "$id" < /dev/null
}
# start_container ID CLAIM: one that stays; its interface, $1 of the function $3, has left the host then.
start_container() {
  container "$1" "$2" sleep 1000 > "$work/$1.log" 2>&1 &
  runtime=$!
  wait_for 20 interface_is "$3" "" || die "no container: $(cat "$work/$1.log")"
}
state_of_container() { runc --root "$work/runc" state "$1" 2> /dev/null; }
# kill_container ID: as if its node ran out of memory.
kill_container() {
  # The hook runs before the runtime has written the state that it is asked for here.
  wait_for 10 state_of_container "$1" || die "no container $1"
  kill -KILL "$(state_of_container "$1" | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')"
  wait "$runtime" 2> /dev/null
}
daemon_with() {  # LINE...: the configuration
  printf '%s\n' "hook: $HOOK" "$@" > "$work/config.yaml"
  CONFIG=$work/config.yaml start_daemon
}
interface_of() { ls "$bus/devices/$1/net" 2> /dev/null; }
has_interface() { like "$(interface_of "$1")" .; }
interface_is() { same "$(interface_of "$1")" "$2"; }
settings() { "$DRAPCI_SIM" inject vf-settings "$pf_address"; }
rate_of() { settings | sed -n "s/^ *vf $1 .*max_tx_rate \([0-9]*Mbps\).*/\1/p"; }
hook_says() {  # PATTERN INPUT ARGUMENT...
  local output status=0
  output=$("$HOOK" "${@:3}" <<< "$2" 2>&1 > /dev/null) || status=$?
  same "$((status != 0))" 1 && like "$output" "$1"
}

cat > "$work/net.yaml" << 'YAML'
apiVersion: config.dra.pci/v1alpha1
kind: NetworkConfig
interface: net1
addresses: [10.0.0.2/24, "fd00::2/64"]
mtu: 1400
YAML

# --- a VF -----------------------------------------------------------------------------------------

daemon_with
holds "a VF with a NetworkConfig is prepared" \
  done_by prepare --name vf --device "$nic-vf0" --config "$work/net.yaml"
vf=$(vf_address 0)
host_name=$(interface_of "$vf")
holds "its interface is in the host until a container has it" like "$host_name" .
holds "the runtime is told to call the hook" grep -q createRuntime "$(cdi_file vf)"
container shows vf ip addr show net1 > "$work/inside" 2>&1
cat "$work/inside"
holds "the container has the interface under the name asked for, up" like "$(cat "$work/inside")" ' net1[:@].*[<,]UP'
holds "with its MTU" grep -q 'mtu 1400' "$work/inside"
holds "and its address" grep -q 'inet 10.0.0.2/24' "$work/inside"
holds "of both kinds" grep -q 'inet6 fd00::2/64' "$work/inside"
holds "when the container has ended it is in the host again" wait_for 10 has_interface "$vf"

start_container stays vf "$vf"
holds "a second container gets it though it came home under the name net1" interface_is "$vf" ""
holds "while a container has it, the host has none of its names" \
  same "$(ip -br link show | grep -cE "^(net1|$host_name)[@ ]")" 0
container thief vf true > "$work/thief.log" 2>&1
holds "a container in another network namespace is not started meanwhile, and is told why" \
  grep -q "drapci-hook: .*$vf.*another container has it" "$work/thief.log"
kill_container stays
holds "the VF is released" done_by unprepare vf
holds "and gone" same "$(cat "$pf/sriov_numvfs")" 0
holds "with its interface" same "$(ip -br link show | grep -cE "^(net1|$host_name)[@ ]")" 0

holds "a VF is prepared again" done_by prepare --name vf --device "$nic-vf0" --config "$work/net.yaml"
start_container held vf "$(vf_address 0)"
holds "it is released while a container has its interface" done_by unprepare vf
holds "and gone from there, too" same "$(cat "$pf/sriov_numvfs")" 0
kill_container held
holds "nothing of it comes back" same "$(ip -br link show | grep -cE "^(net1|$host_name)[@ ]")" 0
holds "all agree" clean

# --- the whole function ---------------------------------------------------------------------------

pf_name=$(interface_of "$pf_address")
pf_mtu=$(cat "$pf/net/$pf_name/mtu")
holds "the whole card is prepared with its kernel driver" \
  done_by prepare --name whole --device "$nic" --config "$work/net.yaml"
container whole1 whole ip addr show net1 > "$work/inside" 2>&1
holds "a container has its interface" like "$(cat "$work/inside")" ' net1[:@].*[<,]UP'
start_container whole2 whole "$pf_address"
kill_container whole2
holds "it is released after its container was killed" done_by unprepare whole
holds "its interface is at home under its old name" interface_is "$pf_address" "$pf_name"
holds "and has its old MTU" same "$(cat "$pf/net/$pf_name/mtu")" "$pf_mtu"
ip link set "$pf_name" up
holds "all agree" clean
stop_daemon

# --- shares ---------------------------------------------------------------------------------------

daemon_with 'accelerators:' '- match: {class: 0x02}' '  shares: true' '  bandwidth: 1G'
holds "a share of 200 Mbit/s is prepared" \
  done_by prepare --name a --device "$nic" --share bandwidth=200M --share vfs=1
holds "its VF has that rate" same "$(rate_of 0)" 200Mbps
holds "a second share" done_by prepare --name b --device "$nic" --share bandwidth=800M
holds "has its own" same "$(rate_of 1)" 800Mbps
holds "no more than the link has is given" \
  refused 'bandwidth' prepare --name c --device "$nic" --share bandwidth=100M
settings
stop_daemon KILL
daemon_with 'accelerators:' '- match: {class: 0x02}' '  shares: true' '  bandwidth: 1G'
holds "after a crash the rate is there" same "$(rate_of 0)" 200Mbps
holds "and agrees with the journal" clean
holds "a share is released" done_by unprepare a
holds "its VF's rate is put back" same "$(rate_of 0)" ''
holds "the other's stays" same "$(rate_of 1)" 800Mbps
holds "a share above the link's rate is refused, and both are named" \
  refused "2000000000 'bandwidth' is not possible: from 1000000 to 1000000000" \
  prepare --name c --device "$nic" --share bandwidth=2G
holds "release the other" done_by unprepare b
holds "the VFs are gone" same "$(cat "$pf/sriov_numvfs")" 0
stop_daemon

# The operator takes the card for a faster one than it is: the kernel knows better.
daemon_with 'accelerators:' '- match: {class: 0x02}' '  shares: true' '  bandwidth: 10G'
holds "a rate that the kernel refuses is refused with the kernel's reason" \
  refused 'tx rate 2000 Mbit/s of VF 0.*EINVAL.*link' prepare --name c --device "$nic" --share bandwidth=2G
holds "and nothing is left of it" same "$(cat "$pf/sriov_numvfs")" 0
cat > "$work/advisory.yaml" << 'YAML'
apiVersion: config.dra.pci/v1alpha1
kind: NetworkConfig
bandwidth: advisory
YAML
holds "an advisory one does not fail the claim" \
  done_by prepare --name c --device "$nic" --share bandwidth=2G --config "$work/advisory.yaml"
holds "the log says that it is not enforced" grep -q 'not enforced: .*2000 Mbit/s' "$work/log"
holds "all agree" clean
holds "it is released" done_by unprepare c
stop_daemon

# --- the hook by hand -----------------------------------------------------------------------------

holds "the hook wants a function" hook_says 'PCI address' '{}' --function nonsense --name net1
holds "and a name" hook_says 'is no name' '{}' --function "$pf_address" --name 'a/b'
holds "and a good address" hook_says 'must be an address' '{}' --function "$pf_address" --name net1 --address 10.0.0.2
holds "and a container's state" hook_says '^drapci-hook: .*createRuntime' '{}' --function "$pf_address" --name net1
holds "of a process that is there" \
  hook_says '^drapci-hook: .*/proc/2147483647/ns/net.*ENOENT' '{"pid": 2147483647}' --function "$pf_address" --name net1
"$HOOK" --function "$pf_address" --name net1 <<< "{\"pid\": $$}"
holds "a container in the host's network has the interface already" interface_is "$pf_address" "$pf_name"
verdict
