#!/bin/bash
# Shares of a GPU's memory that the kernel holds containers to (control group controller dmem), on a simulated node: real
# containers by runc, whose group has the controller's files in a directory of its own, since few kernels have the
# controller and none has it for a simulated card. They are plain files: what the kernel makes of a limit is not seen
# here, nor what it refuses (unit test hook_test). DRAPCID, DRAPCI, DRAPCI_SIM and HOOK name the programs.
# shellcheck disable=SC2154,SC2317  # variables of the library; functions are called by `holds`
export CONFORMANCE_PF='0x1002 0x74a1'  # the card that the library looks for
# shellcheck source-path=SCRIPTDIR source=../vm/tests/lib.sh
. "$(dirname "$0")/../vm/tests/lib.sh"
bundle_py=$(dirname "$(realpath "$0")")/oci_bundle.py
PATH=$PATH:/usr/sbin:/sbin
command -v runc jq > /dev/null || die "no runc or jq: ./run deps test"
readonly gpu=pci-0000-0a-00-0 region=drm/0000:0a:00.0/vram
readonly rootfs=$work/rootfs
export DRAPCI_CGROUP_ROOT=$work/groups
mkdir -p "$rootfs"/{bin,dev,proc,sys,tmp,etc,run} "$DRAPCI_CGROUP_ROOT"
cp "$(command -v busybox)" "$rootfs/bin/busybox"

# The daemon is shown the controller where control groups are mounted one by one (version 1 and 2 together): its file is
# put beside them. Where there is version 2 alone nothing can be put there, and the daemon offers advisory shares.
readonly cgroups=/sys/fs/cgroup
enforced=false
if [ "$(stat -f -c %T $cgroups)" = tmpfs ]; then
  stage=$work/cgroups
  mkdir -p "$stage"
  mount -t tmpfs none "$stage"
  for each in "$cgroups"/*; do
    if [ -L "$each" ]; then
      cp -P "$each" "$stage/"
    elif [ -d "$each" ]; then
      mkdir "$stage/${each##*/}"
      mount --rbind "$each" "$stage/${each##*/}"
    fi
  done
  echo "$region 206141652992" > "$stage/dmem.capacity"
  mount --move "$stage" $cgroups
  enforced=true
fi

# What the kernel would make with the group: called by runc before the claim's own hook.
cat > "$work/make-group" << 'HOOK'
#!/bin/sh
pid=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')
group=$DRAPCI_CGROUP_ROOT$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
mkdir -p "$group"
echo "$REGIONS max" > "$group/dmem.max"
HOOK
chmod +x "$work/make-group"

# container ID CLAIM COMMAND...: with what the claim gives; a call of the hook by hand where the daemon made none.
container() {
  local id=$1 bundle=$work/bundle-$1 spec
  spec=$(cdi_file "$2")
  shift 2
  mkdir -p "$bundle"
  rm -f "$bundle/config.json"
  (cd "$bundle" && runc spec)
  python3 "$bundle_py" "$bundle/config.json" "$rootfs" "$spec" -- /bin/busybox "$@"
  jq --arg make "$work/make-group" --arg hook "$HOOK" --arg limit "--limit=$region=$bytes" \
    --argjson enforced $enforced '
      .hooks.createRuntime |= [{path: $make}] +
        if $enforced then . else [{path: $hook, args: ["drapci-hook", $limit]}] end' \
    "$bundle/config.json" > "$bundle/new" && mv "$bundle/new" "$bundle/config.json"
  runc --root "$work/runc" run --bundle "$bundle" "$id" < /dev/null
}
limits() { find "$DRAPCI_CGROUP_ROOT" -name dmem.max -exec cat {} +; }
forget() { rm -rf "${DRAPCI_CGROUP_ROOT:?}"/*; }
starts() { container "$@" > "$work/container.log" 2>&1 || { cat "$work/container.log"; return 1; }; }
# does_not_start PATTERN ID CLAIM COMMAND...
does_not_start() {
  local pattern=$1
  shift
  ! container "$@" > "$work/container.log" 2>&1 || return 1
  like "$(grep -o 'drapci-hook: .*' "$work/container.log")" "$pattern"
}

printf '%s\n' "hook: $HOOK" 'accelerators:' '- match: {vendor: 0x1002}' '  shares: true' > "$work/config.yaml"
CONFIG=$work/config.yaml start_daemon
[ $enforced = false ] ||
  holds "a share of the card is said to be enforced, and by what" \
    like "$(drapci slices -o json | tr -d ' \n')" '"enforced":\{"bool":true\},"enforcedBy":\{"string":"dmem"\}'
bytes=10737418240
holds "a share of 10 GiB is prepared" done_by prepare --name a --device $gpu --share memory=10Gi
holds "another of 20 GiB" done_by prepare --name b --device $gpu --share memory=20Gi
[ $enforced = false ] ||
  holds "the runtime is told to call the hook for it" grep -q -- "--limit=$region=$bytes" "$(cdi_file a)"
export REGIONS=$region  # one line, which a plain file can have written over
holds "a container starts with it" starts one a true
holds "its group has the limit of its share" like "$(limits)" "$region $bytes"
forget
REGIONS=drm/0000:1a:00.0/vram
holds "where the kernel does not know the card's memory the container does not start, and says why" \
  does_not_start "does not know $region" two a true
forget
cat > "$work/make-group" << 'HOOK'
#!/bin/sh
pid=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')
mkdir -p "$DRAPCI_CGROUP_ROOT$(sed -n 's/^0:://p' "/proc/$pid/cgroup")"
echo cpu memory > "$DRAPCI_CGROUP_ROOT/cgroup.controllers"
HOOK
holds "nor where the kernel has no such controller" does_not_start 'no controller of device memory' three a true
holds "it is released" done_by unprepare a
holds "so is the other" done_by unprepare b
holds "all agree" clean
stop_daemon
hook_refuses() {  # PATTERN ARGUMENT...
  local output status=0
  output=$("$HOOK" "${@:2}" <<< "{\"pid\": $$}" 2>&1) || status=$?
  [ "$status" != 0 ] && like "$output" "$1"
}
holds "the hook wants a region and bytes" hook_refuses 'region and bytes' --limit "$region"
holds "or an interface" hook_refuses 'limit'
verdict
