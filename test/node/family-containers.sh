#!/bin/bash
# A part of every family in real containers, on simulated nodes: each part is prepared beside another claim's, and started
# with by runc, whose bundle gets the CDI edits here, and by podman, which reads CDI itself, where it can run. What a
# container has must be exactly what the family's user space needs: nodes, environment, interfaces. Its device control
# group is tried with every node of the machine. DRAPCID, DRAPCI, DRAPCI_SIM, DFL_IMAGE and HOOK name the programs.
#
# Usage: family-containers.sh [CASE]; with CASE inside its machine.
# shellcheck disable=SC2154,SC2317  # variables of the library; functions are called by `holds`
set -u
readonly all_cases=(nvidia-mig nvidia-whole amdgpu-partition amdgpu-whole amdgpu-share xe-vf xe-share xe-vfio dfl-slot
  dsa-queue dsa-share iaa-queue qat-vf nic-vf nic-vfio smartnic-vf smartnic-sf nvme-whole function-whole)

# of CASE: its board, the PCI ids that the library looks for, what is prepared as $a, what another claim has beside it,
# and the nodes and variables that the container must have: no others.
of() {
  config=() other=() nodes=() variables=() interfaces=() settings=() hook='' part='' home=''
  case $1 in
    nvidia-mig)
      board=dgx-h100 ids='0x10de 0x2330' device=pci-0000-1b-00-0-1g-10gb-3
      other=(--device pci-0000-1b-00-0-1g-10gb-5)
      mapfile -t nodes < <(capabilities_at 3)
      nodes+=(/dev/nvidia-uvm /dev/nvidia-uvm-tools /dev/nvidia0 /dev/nvidiactl)
      variables=(DEVICE=0000:1b:00.0 UUID=MIG-.* NVIDIA_VISIBLE_DEVICES=void)
      ;;
    nvidia-whole)
      board=dgx-h100 ids='0x10de 0x2330' device=pci-0000-43-00-0
      other=(--device pci-0000-1b-00-0-1g-10gb-5)
      nodes=(/dev/nvidia-uvm /dev/nvidia-uvm-tools /dev/nvidia1 /dev/nvidiactl)
      variables=(DEVICE=0000:43:00.0 UUID=GPU-.* NVIDIA_VISIBLE_DEVICES=void)
      ;;
    amdgpu-partition)
      board=mi300x:switch-ms=0 ids='0x1002 0x74a1' device=pci-0000-0a-00-0-cpx1
      other=(--device pci-0000-0a-00-0-cpx7)
      nodes=(/dev/dri/card1 /dev/dri/renderD129 /dev/kfd)
      variables=(DEVICE=0000:0a:00.0)
      ;;
    amdgpu-whole)
      board=mi300x:switch-ms=0 ids='0x1002 0x74a1' device=pci-0000-0a-00-0
      other=(--device pci-0000-1a-00-0-dpx0)
      nodes=(/dev/dri/card0 /dev/dri/renderD128 /dev/kfd)
      variables=(DEVICE=0000:0a:00.0)
      ;;
    amdgpu-share)  # advisory, unless the kernel has the controller of device memory: memory-limit.sh
      board=mi300x:switch-ms=0 ids='0x1002 0x74a1' device=pci-0000-0a-00-0
      settings=('accelerators:' '- match: {vendor: 0x1002}' '  shares: true')
      config=(--share memory=10Gi)
      other=(--device pci-0000-0a-00-0 --share memory=5Gi)
      nodes=(/dev/dri/card0 /dev/dri/renderD128 /dev/kfd)
      variables=(DEVICE=0000:0a:00.0)
      ;;
    xe-vf)
      board=xe:enable-ms=0,disable-ms=0 ids='0x8086 0xe211' device=pci-0000-3a-00-0-vf0
      other=(--device pci-0000-3a-00-0-vf1)
      nodes=(/dev/dri/card10 /dev/dri/renderD130)
      variables=(DEVICE=0000:3a:00.1)
      ;;
    xe-share)
      board=xe:enable-ms=0,disable-ms=0 ids='0x8086 0xe211' device=pci-0000-3a-00-0
      settings=('accelerators:' '- match: {vendor: 0x8086}' '  shares: true')
      config=(--share memory=10Gi)
      other=(--device pci-0000-3a-00-0 --share memory=5Gi)
      nodes=(/dev/dri/card11 /dev/dri/renderD131)
      variables=(DEVICE=0000:3a:00.2) part=pci-0000-3a-00-0-vf1
      ;;
    xe-vfio)
      board=xe:enable-ms=0,disable-ms=0 ids='0x8086 0xe211' device=pci-0000-3a-00-0-vf0
      config=(--config vfio.yaml)
      other=(--device pci-0000-3a-00-0-vf1 --config vfio.yaml)
      nodes=("/dev/vfio/$(group_of 0000:3a:00.1)" /dev/vfio/vfio)
      variables=(DEVICE=0000:3a:00.1 'VFIO=[0-9]+')
      ;;
    dfl-slot)
      board=dfl-fpga:pr-ms=0 ids='0x8086 0x0b2b' device=pci-0000-86-00-0-slot0
      settings=("images: /run/drapci-test/images")
      config=(--config image.yaml)
      other=(--device pci-0000-86-00-0-slot1)
      nodes=(/dev/dfl-port.1)
      variables=(AFU=331db30c-9885-41ea-9081-f88b8f655caa DEVICE=0000:86:00.0 PORT=/dev/dfl-port.1)
      ;;
    dsa-queue)
      board=dsa ids='0x8086 0x0b25' device=pci-0000-6a-01-0-wq0
      other=(--device pci-0000-6a-01-0-wq1)
      nodes=(/dev/dsa/wq0.0)
      variables=(DEVICE=0000:6a:01.0 WQ=/dev/dsa/wq0.0)
      ;;
    dsa-share)
      board=dsa ids='0x8086 0x0b25' device=pci-0000-6a-01-0-wq5
      config=(--share entries=4)
      other=(--device pci-0000-6a-01-0-wq6 --share entries=4)
      nodes=(/dev/dsa/wq0.5)
      variables=(DEVICE=0000:6a:01.0 WQ=/dev/dsa/wq0.5)
      ;;
    iaa-queue)
      board=dsa ids='0x8086 0x0cfe' device=pci-0000-6a-02-0-wq1
      other=(--device pci-0000-6a-01-0-wq1)
      nodes=(/dev/iax/wq1.1)
      variables=(DEVICE=0000:6a:02.0 WQ=/dev/iax/wq1.1)
      ;;
    qat-vf)
      board=qat:enable-ms=0,disable-ms=0 ids='0x8086 0x4940' device=pci-0000-6b-00-0-vf0
      config=(--config vfio.yaml)
      other=(--device pci-0000-6b-00-0-vf1 --config vfio.yaml)
      nodes=("/dev/vfio/$(group_of 0000:6b:01.0)" /dev/vfio/vfio)
      variables=(DEVICE=0000:6b:01.0 'VFIO=[0-9]+')
      ;;
    nic-vf)
      board=sriov-nic:vfs=4,enable-ms=0,disable-ms=0 ids='0x8086 0x10c9' device=pci-0000-02-00-0-vf0
      settings=("hook: $HOOK") hook=1
      config=(--config net.yaml)
      other=(--device pci-0000-02-00-0-vf1)
      variables=(DEVICE=0000:02:10.0 NETDEV=net1)
      home=/sys/bus/pci/devices/0000:02:10.0
      interfaces=(net1)
      ;;
    nic-vfio)
      board=sriov-nic:vfs=4,enable-ms=0,disable-ms=0 ids='0x8086 0x10c9' device=pci-0000-02-00-0-vf0
      config=(--config vfio.yaml)
      other=(--device pci-0000-02-00-0-vf1 --config vfio.yaml)
      nodes=("/dev/vfio/$(group_of 0000:02:10.0)" /dev/vfio/vfio)
      variables=(DEVICE=0000:02:10.0 'VFIO=[0-9]+')
      ;;
    smartnic-vf | smartnic-sf)
      board=smartnic:enable-ms=0,disable-ms=0 ids='0x15b3 0x101f' device=pci-0000-03-00-0-${1#smartnic-}0
      settings=("hook: $HOOK" 'accelerators:' '- match: {vendor: 0x15b3}' '  eswitchMode: switchdev' '  subFunctions: 2')
      hook=1
      config=(--config net.yaml)
      other=(--device pci-0000-03-00-0-vf1)
      variables=(NETDEV=net1 'RDMA=rocep3s0.*')
      if [ "$1" = smartnic-vf ]; then
        variables+=(DEVICE=0000:03:00.2)
        home=/sys/bus/pci/devices/0000:03:00.2
        nodes=(/dev/infiniband/uverbs10)
      else
        variables+=(DEVICE=mlx5_core.sf.2)
        home=/sys/bus/pci/devices/0000:03:00.0/mlx5_core.sf.2
        nodes=(/dev/infiniband/uverbs100)
      fi
      interfaces=(net1)
      ;;
    nvme-whole)
      board=mixed-small ids='0x144d 0xa824' device=pci-0000-18-00-0
      other=(--device pci-0000-66-00-0)
      nodes=(/dev/nvme0 /dev/nvme0n1)
      variables=(DEVICE=0000:18:00.0)
      ;;
    function-whole)
      board=mixed-small ids='0x10de 0x20b0' device=pci-0000-66-00-0
      other=(--device pci-0000-18-00-0)
      nodes=(/dev/dri/renderD128)
      variables=(DEVICE=0000:66:00.0)
      ;;
    *) echo "no case $1" >&2; exit 2 ;;
  esac
}
# What is there only once the device is prepared: a function's group, the capabilities of the instances at a place.
group_of() { basename "$(readlink "/sys/bus/pci/devices/$1/iommu_group" || echo none)"; }
capabilities_at() {
  local instance
  instance=$(jq ".gpus[0].instances[] | select(.start == $1).id" "${DRAPCI_SIM_NVML:-/dev/null}")
  cat "/proc/driver/nvidia/capabilities/gpu0/mig/gi$instance"/{,ci0/}access 2> /dev/null |
    sed -n 's|^DeviceFileMinor: *|/dev/nvidia-caps/nvidia-cap|p'
}

if [ $# = 0 ]; then
  failures=0
  rows=$(mktemp)
  trap 'rm -f "$rows"' EXIT
  for each in "${all_cases[@]}"; do
    of "$each"
    echo "== $each"
    CONFORMANCE_PF=$ids ROW=$rows "$DRAPCI_SIM" run --board "$board" -- "$0" "$each" || failures=$((failures + 1))
  done
  {
    echo "case by nodes environment interfaces admitted refused"
    cat "$rows"
  } | column -t
  [ "$(wc -l < "$rows")" -ge ${#all_cases[@]} ] || { echo "not every family was in a container"; exit 1; }
  exit $((failures > 0))
fi

# shellcheck source-path=SCRIPTDIR source=../vm/tests/lib.sh
. "$(dirname "$0")/../vm/tests/lib.sh"
readonly name=$1
bundle_py=$(dirname "$(realpath "$0")")/oci_bundle.py
PATH=$PATH:/usr/sbin:/sbin
command -v runc jq busybox > /dev/null || die "no runc, jq or busybox: ./run deps test"
cd "$work" || exit

readonly rootfs=$work/rootfs
mkdir -p "$rootfs"/{bin,dev,proc,sys,tmp,etc,run} "$work/images"
cp "$(command -v busybox)" "$rootfs/bin/busybox"
for each in sh env grep sort find stat mknod rm dd ip sed; do ln -s busybox "$rootfs/bin/$each"; done
cat > "$rootfs/look" << 'LOOK'
env | grep -E '^(DRAPCI|NVIDIA|CUDA|HIP|ROCR|ZE)_' | sed 's/^/variable /'
find /dev -type c -o -type b | grep -vE '^/dev/(null|zero|full|u?random|tty|ptmx|console|pts/.*)$' |
  while read -r node; do stat -c 'node %n %F %t:%T' "$node"; done
sed -n '3,$ s/^ *\([^:]*\):.*/interface \1/p' /proc/net/dev | grep -v ' lo$'
# What the control group does not admit is refused before anybody looks for its driver.
try() { case $("$@" 2>&1 < /dev/null) in *'not permitted'*) echo refused ;; *) echo admitted ;; esac; }
while read -r path type major minor; do
  mknod /dev/tried "$type" "$major" "$minor" || continue
  echo "tried $path $(try dd if=/dev/tried count=0) $(try dd of=/dev/tried count=0 conv=notrunc)"
  rm /dev/tried
done < /tried
LOOK
cat > net.yaml << 'YAML'
apiVersion: config.dra.pci/v1alpha1
kind: NetworkConfig
interface: net1
YAML
cat > image.yaml << 'YAML'
apiVersion: config.dra.pci/v1alpha1
kind: FpgaConfig
image: sort.gbs
YAML
"$DFL_IMAGE" 69528db6eb31577a8c3668f9faa081f6 331db30c988541ea9081f88b8f655caa > images/sort.gbs
"$DFL_IMAGE" 69528db6eb31577a8c3668f9faa081f6 56e203e9864f49a7b94b12284c31e02b > images/base.gbs
chmod -R go-w images

# All nodes of the machine that a card has, here or on real ones: PATH TYPE MAJOR MINOR.
all_nodes() {
  find /dev -type c -printf '%p c\n' -o -type b -printf '%p b\n' | while read -r path type; do
    printf '%s %s %d %d\n' "$path" "$type" "$((0x$(stat -c %t "$path")))" "$((0x$(stat -c %T "$path")))"
  done | awk '$3 >= 512 || $1 == "/dev/vfio/vfio"'
}
by_runc() {
  mkdir -p bundle
  (cd bundle && rm -f config.json && runc spec)
  python3 "$bundle_py" --devices bundle/config.json "$rootfs" "$(cdi_file a)" -- /bin/sh /look
  runc --root "$work/runc" run --bundle bundle "drapci-$name-$$" < /dev/null
}
by_podman() {
  podman --cgroup-manager=cgroupfs --events-backend=file --storage-driver=vfs --root "$work/podman" \
    --runroot "$work/podman-run" --runtime "$(command -v runc)" \
    run --rm --network=none --log-driver=none --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 --cap-add=MKNOD \
    --device "$(jq -r '"\(.kind)=\(.devices[0].name)"' "$(cdi_file a)")" --rootfs "$rootfs" /bin/sh /look < /dev/null
}
seen() { sed -n "s/^$2 //p" "$1" | sort; }
# What `stat` says of the nodes here.
nodes_here() { for each in "${nodes[@]}"; do busybox stat -c '%n %F %t:%T' "$each"; done | sort; }
# NAME=VALUE as drapci calls it for this device, where it is one of drapci's.
variables_here() {
  local each suffix
  suffix=$(tr 'a-z.-' 'A-Z__' <<< "${part:-$device}")
  for each in "${variables[@]}"; do
    case $each in NVIDIA*) echo "$each" ;; *) echo "DRAPCI_${each%%=*}_$suffix=${each#*=}" ;; esac
  done | sort
}
# variables_are FILE: every one as it must be, in their order, and no other.
variables_are() {
  local found pattern
  mapfile -t found < <(seen "$1" variable)
  same ${#found[@]} ${#variables[@]} || { printf '  %s\n' "${found[@]}"; return 1; }
  local -i at=0
  while read -r pattern; do
    like "${found[at]}" "^$pattern\$" || return 1
    at+=1
  done < <(variables_here)
}
admitted_are() {
  same "$(seen "$1" tried | awk '$2 == "admitted" || $3 == "admitted"')" \
    "$(printf '%s admitted admitted\n' "${nodes[@]}" | grep ^/ | sort)"
}
interfaces_are() { same "$(seen "$1" interface)" "$(printf '%s\n' "${interfaces[@]}")"; }
as_before() { same "$(drapci devices)" "$before"; }
has_interface() { like "$(ls $home/net)" .; }

# looks_right ENGINE FILE
looks_right() {
  holds "by $1: exactly the part's nodes, as they are here" same "$(seen "$2" node)" "$(nodes_here)"
  holds "by $1: exactly the variables that its user space looks for" variables_are "$2"
  holds "by $1: the interfaces of the part and no others" interfaces_are "$2"
  holds "by $1: its control group admits those and no other part's" admitted_are "$2"
  echo "$name $1 $(seen "$2" node | wc -l) $(seen "$2" variable | wc -l) $(seen "$2" interface | wc -l)" \
    "$(seen "$2" tried | grep -c ' admitted admitted$') $(seen "$2" tried | grep -c ' refused refused$')" >> "$ROW"
}

of "$name"
printf '%s\n' "${settings[@]}" > config.yaml
CONFIG=config.yaml start_daemon
before=$(drapci devices)
holds "another claim has its part" done_by prepare --name other "${other[@]}"
holds "$device is prepared" done_by prepare --name a --device "$device" "${config[@]}"
of "$name"  # now that its function is there
all_nodes > "$rootfs/tried"
[ -z "$hook" ] || holds "its interface is in the host" wait_for 10 has_interface
by_runc > runc.seen 2> runc.log || cat runc.log
holds "a container was started" same "$(seen runc.seen tried | wc -l)" "$(wc -l < "$rootfs/tried")"
looks_right runc runc.seen
[ -z "$hook" ] || holds "its interface is in the host again" wait_for 10 has_interface
if by_podman > podman.seen 2> podman.log; then
  holds "and another" same "$(seen podman.seen tried | wc -l)" "$(wc -l < "$rootfs/tried")"
  looks_right podman podman.seen
else
  echo "SKIPPED: podman cannot run here: $(tail -n 1 podman.log)"
fi
[ -z "$hook" ] || holds "its interface is in the host again" wait_for 10 has_interface
holds "it is released" done_by unprepare a
holds "so is the other" done_by unprepare other
# The listing follows the kernel's events.
holds "all is as it was" wait_for 20 as_before
holds "journal, hardware and CDI agree" clean
stop_daemon
verdict
