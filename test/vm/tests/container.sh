#!/bin/bash
# A container that is started with a claim's CDI device has the device, and only that.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
command -v podman crun > /dev/null || die "no podman or crun: ./run deps test"
nic=pci-0000-01-00-0
rootfs=$work/rootfs
mkdir -p "$rootfs"/{bin,dev,proc,sys,tmp,etc,run}
cp "$(command -v busybox)" "$rootfs/bin/busybox"

# in_container CLAIM BUSYBOX-ARGUMENT...
in_container() {
  local name=$1
  shift
  podman --cgroup-manager=cgroupfs --events-backend=file --storage-driver=vfs --root "$work/podman" \
    --runroot "$work/podman-run" --runtime "$(command -v crun)" \
    run --rm --network=none --log-driver=none --cgroups=disabled \
    --device "dra.pci/claim=$(cdi_device "$name")" --rootfs "$rootfs" /bin/busybox "$@"
}
cdi_device() { sed -n 's/.*"name": *"\([^"]*\)".*/\1/p' "$(cdi_file "$1")" | head -n 1; }

modprobe vfio-pci
start_daemon
done_by prepare --name guest --device $nic-vf0 --config "$work/vfio.yaml" || die "prepare"
group=$(link_name "$pf/virtfn0/iommu_group")
in_container guest ls -l /dev/vfio > "$work/inside" || die "podman: $(cat "$work/inside")"
cat "$work/inside"
holds "the VF's group is in the container" grep -q " $group\$" "$work/inside"
holds "so is the container node" grep -q ' vfio$' "$work/inside"
in_container guest env > "$work/inside"
holds "the environment says which function it is" grep -q "$(vf_address 0)" "$work/inside"
done_by unprepare guest || die "unprepare"
holds "all agree at the end" clean
stop_daemon
verdict
