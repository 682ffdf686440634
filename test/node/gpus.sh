#!/bin/bash
# MIG partitions on a simulated node: the daemon's own code for NVML calls the stand-in library, which also kills it in the
# middle of each call that changes a GPU. DRAPCID, DRAPCI and DRAPCI_SIM name the programs; drapci-sim sets DRAPCI_SIM_NVML.
# shellcheck disable=SC2016,SC2154,SC2317  # variables of the library, jq and sh; functions are called by `holds`
export CONFORMANCE_PF='0x10de 0x2330'  # the card that the library looks for
# shellcheck source-path=SCRIPTDIR source=../vm/tests/lib.sh
. "$(dirname "$0")/../vm/tests/lib.sh"
readonly gpu=pci-0000-1b-00-0 address=0000:1b:00.0 state=$DRAPCI_SIM_NVML

# change JQ-FILTER: what people and hardware do to the GPUs.
change() { flock "$state.lock" sh -c 'jq "$1" "$2" > "$2.new" && mv "$2.new" "$2"' - "$1" "$state"; }
# The first GPU: its mode, and its instances by profile, place and number of compute instances.
gpu_now() {
  jq -r '.gpus[0] | "mig=\(.mig)", (.instances[] | " \(.profile)@\(.start):\(.compute | length)")' "$state" | tr -d '\n'
}
gpu_is() { same "$(gpu_now)" "$1"; }
caps() { find /proc/driver/nvidia/capabilities/gpu0 -name access 2> /dev/null | wc -l; }
reason_is() { like "$(drapci devices | grep "^$1 ")" "$2"; }
# Until a claim that the daemon died over is there no more.
gone() { same "$(claim_state "$1")" ""; }

start_daemon
holds "the GPU is free" state_is $gpu free
holds "so are its partitions" state_is $gpu-1g-10gb-3 free
holds "a partition is made" done_by prepare --name a --device $gpu-3g-40gb-4
holds "at its place, with a compute instance" gpu_is 'mig=true 9@4:1'
holds "the container gets the GPU's node" grep -q '"/dev/nvidia0"' "$(cdi_file a)"
holds "and the capabilities of both instances" same "$(grep -c nvidia-cap "$(cdi_file a)")" 2
holds "and the name of its MIG device" grep -q "=$(jq -r '.gpus[0].instances[0].compute[0].uuid' "$state")" "$(cdi_file a)"
holds "another one is made beside it" done_by prepare --name b --device $gpu-1g-10gb-0
holds "what overlaps is refused" refused memory-slice-5 prepare --name c --device $gpu-1g-10gb-5
holds "so is the whole GPU" refused 'held by claim' prepare --name c --device $gpu
stop_daemon KILL
start_daemon
holds "after a crash all agree" clean
sleep 600 &
user=$!
change ".gpus[0].processes = [{pid: $user, memory_mib: 512, gpu_instance: .gpus[0].instances[1].id}]"
holds "a partition in use is not taken away" refused "sleep .pid $user" unprepare b
change '.gpus[0].processes = []'
holds "later it is" done_by unprepare b
holds "the other one stays" gpu_is 'mig=true 9@4:1'
holds "it is released" done_by unprepare a
holds "and the mode is what it was" gpu_is 'mig=false'
holds "no capability is left" same "$(caps)" 0

for call in nvmlDeviceSetMigMode nvmlDeviceCreateGpuInstanceWithPlacement nvmlGpuInstanceCreateComputeInstance; do
  for after in false true; do
    change ".faults = [{call: \"$call\", kill: true, after: $after}]"
    drapci prepare --name k --device $gpu-2g-20gb-2 > /dev/null 2>&1
    wait "$daemon" 2> /dev/null
    start_daemon
    holds "killed in $call (done: $after), the claim is undone" gone k
    holds "and so is what it had changed" gpu_is 'mig=false'
    holds "all agree" clean
  done
done
for call in nvmlComputeInstanceDestroy nvmlGpuInstanceDestroy nvmlDeviceSetMigMode; do
  holds "a partition is made" done_by prepare --name k --device $gpu-2g-20gb-2
  change ".faults = [{call: \"$call\", kill: true, after: true}]"
  drapci unprepare k > /dev/null 2>&1
  wait "$daemon" 2> /dev/null
  start_daemon
  holds "killed in $call, the claim is released" gone k
  holds "and nothing is left" gpu_is 'mig=false'
  holds "all agree" clean
done

change ".gpus[0].processes = [{pid: $user, memory_mib: 512}]"
holds "the mode is not switched under a process" refused "sleep .pid $user" prepare --name d --device $gpu-1g-10gb-3
kill $user
change '.gpus[0].processes = []'
change '.faults = [{call: "nvmlDeviceSetMigMode", activation: 16}]'
holds "a reset that nobody has allowed is not made" refused allowReset prepare --name d --device $gpu-1g-10gb-3
holds "and nothing waits for one" same "$(jq '.gpus[0].mig_pending' "$state")" false

stop_daemon
change '.made = 100 | .gpus[0] |= (.mig = true | .mig_pending = true |
  .instances = [{id: 9, profile: 9, start: 0, size: 4, made: 100, next_compute: 0, compute: []}])'
start_daemon
holds "what somebody else has made is told" reason_is $gpu-1g-10gb-3 'somebody else has made a GPU instance 3g.40gb'
holds "and keeps what it overlaps" refused 'somebody else' prepare --name e --device $gpu-1g-10gb-3
holds "what it does not is given" done_by prepare --name e --device $gpu-1g-10gb-5
holds "and taken back" done_by unprepare e
holds "without touching the other" gpu_is 'mig=true 9@0:0'
stop_daemon
change '.gpus[0] |= (.mig = false | .mig_pending = false | .instances = [])'
start_daemon
holds "the whole GPU goes to VFIO" done_by prepare --name f --device $gpu --config "$work/vfio.yaml"
holds "its driver has let go of it" same "$(jq '.gpus[0].bound' "$state")" false
holds "and comes back" done_by unprepare f
holds "to it" driver_is $address nvidia
holds "all agree" clean
stop_daemon
verdict
