#!/bin/bash
# A first look at drapci: a machine with one SR-IOV card (simulated), claims, and a container that has what
# they give. Called by `./run demo` with the build directory. Every step is checked: the exit status is 0 only when
# all came out as said.
set -euo pipefail
build=$(realpath "${1:?usage: test/demo.sh BUILD-DIRECTORY}")
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
examples=$here/../plugin/examples
PATH=$build/plugin/daemon:$build/plugin/cli:$build/test/sim:$PATH:/usr/sbin:/sbin

if [ "${2:-}" != inside ]; then
  exec drapci-sim run --board sriov-nic:vfs=8 -- "$here/demo.sh" "$build" inside
fi

readonly work=/run/drapci-demo  # of the simulated machine alone
readonly cdi=/var/run/cdi
readonly pf=/sys/bus/pci/devices/0000:02:00.0
daemon=
trap '[ -z "$daemon" ] || kill "$daemon" 2> /dev/null || :' EXIT
die() {
  echo "demo: $*" >&2
  [ ! -s $work/drapcid.log ] || tail -n 20 $work/drapcid.log >&2
  exit 1
}
heading() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
show() { printf '$ %s\n' "$*" && "$@"; }
# expect WHAT COMMAND...: the command succeeds
expect() {
  local what=$1
  shift
  "$@" > /dev/null || die "not as expected: $what"
}
# The value of KEY in the plain listing of the only device of a specification.
cdi_name() { python3 -c 'import json,sys; s=json.load(open(sys.argv[1])); print(s["kind"]+"="+s["devices"][0]["name"])' "$1"; }

# --- the daemon -----------------------------------------------------------------------------------

heading "A machine with a network card that can be split into 8 virtual functions"
mkdir -p $work/state
show lspci -nn || :

heading "drapcid, without Kubernetes"
# READY=1 comes as one datagram on a unix socket, which a shell does not have.
coproc NOTIFY { python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("listening", flush=True)
s.settimeout(60)
while b"READY=1" not in s.recv(4096).split(b"\n"): pass
print("ready", flush=True)' $work/notify; }
notify=${NOTIFY[0]}
read -r _ <&"$notify" || die "no notification socket"
echo "hook: $build/plugin/hook/drapci-hook" > $work/config.yaml
NOTIFY_SOCKET=$work/notify drapcid --standalone --config $work/config.yaml --state-dir $work/state 2> $work/drapcid.log &
daemon=$!
read -r _ <&"$notify" || die "drapcid does not become ready"
show drapci devices
show drapci device pci-0000-02-00-0-vf0
[ "$(cat $pf/sriov_numvfs)" = 0 ] || die "there should be no virtual function yet"

# --- plans ----------------------------------------------------------------------------------------

heading "The plan of a claim for one VF with its kernel driver; nothing is touched"
show drapci plan -f "$examples/claim-vf-kernel.yaml"
heading "The plan of a claim for one VF through vfio, as a DeviceClass configures it"
show drapci plan -f "$examples/claim-vf-vfio.yaml"
[ "$(cat $pf/sriov_numvfs)" = 0 ] || die "planning has made virtual functions"

# --- prepare --------------------------------------------------------------------------------------

heading "Both claims are prepared"
show drapci prepare -f "$examples/claim-vf-kernel.yaml"
show drapci prepare -f "$examples/claim-vf-vfio.yaml"
vf() { basename "$(readlink $pf/virtfn"$1")"; }
driver_of() { basename "$(readlink "/sys/bus/pci/devices/$1/driver")"; }
echo "$(cat $pf/sriov_numvfs) VFs exist; $(vf 0) has the driver $(driver_of "$(vf 0)"), $(vf 1) has $(driver_of "$(vf 1)")"
[ "$(driver_of "$(vf 0)")" = igbvf ] || die "VF 0 should have its kernel driver"
[ "$(driver_of "$(vf 1)")" = vfio-pci ] || die "VF 1 should be bound to vfio-pci"
show drapci claims
# Without the right to make interfaces they are in the simulated /sys only, and cannot move.
links=$(ip -brief link show enp2s0 2> /dev/null || :)
if [ -n "$links" ]; then
  heading "A third one for VF 2, whose interface is to be net1 in its container"
  sed 's/device: \(.*\)-vf0$/device: \1-vf2/' "$examples/claim-vf-network.yaml" > $work/claim-vf-network.yaml
  show drapci prepare -f $work/claim-vf-network.yaml
fi
heading "The card, what is free of it, and who holds what (--svg draws a page)"
show drapci map
drapci map --svg > $work/map.svg
grep -q 'vf-kernel' $work/map.svg || die "the SVG page does not name who holds VF 0"
if drapci prepare --name thief --device pci-0000-02-00-0; then die "the whole card was given while its VFs are held"; fi

heading "What a container runtime reads"
kernel_spec=$(ls $cdi/*5e3a1f0c-7c55-4b0e-9a3e-0d5b8c1f4a01*.json)
vfio_spec=$(ls $cdi/*5e3a1f0c-7c55-4b0e-9a3e-0d5b8c1f4a02*.json)
specs=("$kernel_spec" "$vfio_spec")
[ -z "$links" ] || specs+=("$(ls $cdi/*5e3a1f0c-7c55-4b0e-9a3e-0d5b8c1f4a04*.json)")
for spec in "${specs[@]}"; do
  echo "$spec:"
  python3 -m json.tool --indent 2 "$spec"
done

# --- a container ----------------------------------------------------------------------------------

readonly rootfs=$work/rootfs
mkdir -p $rootfs/{bin,dev,proc,sys,tmp,etc,run}
cp "$(command -v busybox)" $rootfs/bin/busybox
readonly inside='echo "environment:"; /bin/busybox env | /bin/busybox grep -E "^(DRAPCI|PCI)" | /bin/busybox sort
echo "device nodes:"; /bin/busybox ls -lR /dev/vfio
echo "interfaces:"; /bin/busybox ip addr show'

# by_podman RUNTIME OPTION...
by_podman() {
  local runtime spec devices=()
  runtime=$(command -v "$1") || return
  shift
  for spec in "${specs[@]}"; do devices+=(--device "$(cdi_name "$spec")"); done
  podman --cgroup-manager=cgroupfs --events-backend=file --storage-driver=vfs --root $work/podman \
    --runroot $work/podman-run --runtime "$runtime" \
    run --rm --network=none --log-driver=none --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 "$@" \
    "${devices[@]}" --rootfs $rootfs /bin/busybox sh -c "$inside"
}

# by_runtime RUNTIME: without an engine, the CDI edits are applied to the runtime's own configuration here.
by_runtime() {
  local runtime bundle=$work/bundle-$1
  runtime=$(command -v "$1") || return
  mkdir -p "$bundle"
  (cd "$bundle" && rm -f config.json && "$runtime" spec)
  python3 "$here/node/oci_bundle.py" "$bundle/config.json" $rootfs "${specs[@]}" -- /bin/busybox sh -c "$inside"
  "$runtime" --root "$work/$1" run --bundle "$bundle" drapci-demo
}

heading "Inside a container"
by=
for way in "by_podman runc" "by_podman crun --cgroups=disabled" "by_runtime runc" "by_runtime crun"; do
  # crun takes no mixture of cgroup versions; the mount is the simulated machine's own.
  case $way in *crun*) [ -e /sys/fs/cgroup/cgroup.controllers ] || mount -t cgroup2 none /sys/fs/cgroup || : ;; esac
  # shellcheck disable=SC2086  # words
  if $way > $work/container.out 2> $work/container.err; then
    by=$way
    break
  fi
  echo "(not ${way//_/ }: $(tail -n 1 $work/container.err))"
done
[ -n "$by" ] || die "no container runtime can run here"
echo "started ${by//_/ }:"
cat $work/container.out
group=$(basename "$(readlink "/sys/bus/pci/devices/$(vf 1)/iommu_group")")
expect "the environment names VF 0" grep -q "$(vf 0)" $work/container.out
expect "the environment names VF 1" grep -q "$(vf 1)" $work/container.out
expect "the VFIO container node is there" grep -q ' vfio$' $work/container.out
expect "the VFIO group node is there" grep -q " $group\$" $work/container.out
if [ -n "$links" ]; then
  expect "the interface has its name and is up" grep -q 'net1[:@].*[<,]UP' $work/container.out
  expect "and its address" grep -q 'inet 10.0.0.2/24' $work/container.out
fi

# --- back -----------------------------------------------------------------------------------------

heading "Released, by name and by UID"
show drapci unprepare vf-kernel
show drapci unprepare 5e3a1f0c-7c55-4b0e-9a3e-0d5b8c1f4a02
[ -z "$links" ] || show drapci unprepare vf-network
echo "$(cat $pf/sriov_numvfs) VFs exist"
[ "$(cat $pf/sriov_numvfs)" = 0 ] || die "the virtual functions should be gone with the last claim"
[ -z "$(ls $cdi)" ] || die "a CDI file was left behind"
show drapci claims
show drapci verify
kill "$daemon"
wait "$daemon" || die "drapcid did not end in order"
daemon=
heading "All as expected. Play with it: drapci-sim run --board sriov-nic:vfs=8 -- bash"
