#!/bin/bash
# The condition of cards on a simulated board: each default rule that the board can provoke is provoked by
# `drapci-sim inject`, seen with its evidence, and goes again. Usage: health.sh BOARD
# DRAPCID, DRAPCI and DRAPCI_SIM name the programs.
# shellcheck disable=SC2016,SC2154,SC2317  # variables of the library and jq; functions are called by `holds`
readonly board=$1
case $board in  # the card that the library looks for
  mi300x) export CONFORMANCE_PF='0x1002 0x74a1' ;;
  dgx-h100) export CONFORMANCE_PF='0x10de 0x2330' ;;
  dsa) export CONFORMANCE_PF='0x8086 0x0b25' ;;
  qat) export CONFORMANCE_PF='0x8086 0x4940' ;;
  nvme) export CONFORMANCE_PF='0x1b36 0x0010' ;;
esac
# shellcheck source-path=SCRIPTDIR source=../vm/tests/lib.sh
. "$(dirname "$0")/../vm/tests/lib.sh"
inject() {
  if [ "$1" = replug ]; then
    "$DRAPCI_SIM" inject unplug "$2" && "$DRAPCI_SIM" inject plug "$2"
  else
    "$DRAPCI_SIM" inject "$@"
  fi
}

# The rules as they are, but soon: periods of a second, no patience, and a few seconds of quiet.
CONFIG=$work/config.yaml
{
  echo 'health:'
  echo '  periods:'
  for source in power aer driver presence link hwmon net devlink nvml ras drm-ras; do echo "    $source: 1s"; done
  echo '  rules:'
  for rule in config-space power-failed aer-fatal aer-nonfatal aer-nonfatal-few aer-correctable aer-root-port \
    aer-recovery link-width overheated hot nvml-overheated nvml-hot sensor-alarm device-failed device-unready \
    device-warning device-resets core-dump devlink-reporter devlink-errors net-errors drm-wedged drm-resets drm-reset \
    ras-uncorrected ras-corrected drm-ras-uncorrected drm-ras-corrected ecc-uncorrected ecc-corrected \
    driver-ras-uncorrected driver-ras-corrected ras-deferred ras-fatal bad-pages bad-pages-pending pcie-replays \
    gpu-lost xid row-remap-failed row-remap-pending throttled; do
    echo "  - {name: $rule, for: 0, quiet: 3s}"
  done
} > "$CONFIG"

health_of() { drapci health "$1" -o json | jq -r '.cards[0].health.state'; }
reason_of() { drapci health "$1" -o json | jq -r '.cards[0].health.reason'; }
# What it was judged by stays in the file.
holds_against() { drapci health "$1" -o json | tee "$work/verdict" | jq -e --arg rule "$2" '.cards[0].health.findings | any(.rule == $rule)' > /dev/null; }
lets_go() { ! holds_against "$1" "$2"; }
is_healthy() { [ "$(health_of "$1")" = Healthy ]; }
is_unknown() { [ "$(health_of "$1")" = Unknown ]; }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }

provoked=0
printf '%-24s %-12s %-10s %8s %8s\n' RULE SEVERITY HEALTH 'FOUND ms' 'GONE ms' > "$work/table"

# rule NAME CARD INJECT-ARGUMENT... [-- INJECT-ARGUMENT...]: the first provokes it, the second ends what does not by itself.
rule() {
  local name=$1 card=$2 start found gone severity state
  local -a cause=() end=()
  shift 2
  while [ $# -gt 0 ] && [ "$1" != -- ]; do cause+=("$1"); shift; done
  [ $# -gt 0 ] && shift
  end=("$@")
  start=$(milliseconds)
  inject "${cause[@]}" || { holds "$name can be provoked" false; return; }
  if ! wait_for 20 holds_against "$card" "$name"; then
    drapci health --explain "$card"
    holds "$name is found after: inject ${cause[*]}" false
    return
  fi
  found=$(milliseconds)
  severity=$(jq -r --arg rule "$name" '.cards[0].health.findings[] | select(.rule == $rule).severity' "$work/verdict")
  state=$(jq -r '.cards[0].health.state' "$work/verdict")
  if [ "$severity" = note ]; then
    holds "$name: a note leaves the card as it is" [ "$state" != Unknown ]
  else
    holds "$name: the card is Unhealthy" [ "$state" = Unhealthy ]
  fi
  holds "$name: it is told which sample crossed it" \
    [ "$(drapci health --explain "$card" -o json | jq --arg rule "$name" '[.history[] | select(.kind == "crossed" and .rule == $rule)] | length')" -gt 0 ]
  if [ ${#end[@]} -gt 0 ]; then inject "${end[@]}" || holds "$name can be ended" false; fi
  gone=$(milliseconds)
  wait_for 60 lets_go "$card" "$name" || drapci health --explain "$card"
  holds "$name goes again" lets_go "$card" "$name"
  printf '%-24s %-12s %-10s %8d %8d\n' "$name" "$severity" "$state" $((found - start)) $(($(milliseconds) - gone)) >> "$work/table"
  provoked=$((provoked + 1))
}

start_daemon
case $board in
  sriov-nic)
    readonly nic=pci-0000-02-00-0 address=0000:02:00.0
    nic_dir=$(realpath /sys/bus/pci/devices/0000:02:00.0)
    other=$(drapci devices -o json | jq -r --arg nic $nic '[.accelerators[].name | select(. != $nic)][0] // ""')
    holds "the card is healthy" wait_for 20 is_healthy $nic
    holds "drapci devices says so" [ "$(drapci devices -o json | jq -r --arg nic $nic '.accelerators[] | select(.name == $nic).health.state')" = Healthy ]
    drapci health --watch > "$work/watch" &
    watcher=$!
    rule aer-fatal $nic aer $address fatal DLP
    holds "the watcher has seen it come and go" grep -q 'recovered .*aer-fatal' "$work/watch"
    holds "with its evidence" grep -q 'Unhealthy (PcieFatalError): .*aer_fatal grew by 1 to 1 within 60 s (DLP 1)' "$work/watch"
    rule aer-nonfatal-few $nic aer $address nonfatal UnsupReq
    rule aer-nonfatal $nic aer $address nonfatal CmpltTO --count 20
    rule aer-correctable $nic aer $address correctable RxErr --count 200
    rule aer-recovery $nic recovery $address FAILED_RECOVERY -- recovery $address SUCCESSFUL_RECOVERY
    rule aer-root-port $nic aer $address fatal DLP
    rule link-width $nic link $address 2.5 0 -- link $address 2.5 1
    rule power-failed $nic set "$nic_dir/power/runtime_status" error --create -- set "$nic_dir/power/runtime_status" active

    # One whose sensor does not come back.
    holds "it is healthy again" wait_for 60 is_healthy $nic
    inject hold-reads "$nic_dir/aer_dev_fatal"
    holds "a source that blocks makes the card unknown" wait_for 30 is_unknown $nic
    holds "the reason names the source" [ "$(reason_of $nic)" = TelemetryStale ]
    drapci health
    [ -z "$other" ] || holds "the other card stays known" [ "$(health_of "$other")" != Unknown ]
    holds "the daemon answers meanwhile" done_by prepare --name held --device $nic-vf0
    holds "and releases" done_by unprepare held
    inject release "$nic_dir/aer_dev_fatal"
    holds "it comes back" wait_for 60 is_healthy $nic

    # An unhealthy card is given when it is asked for, with a warning.
    inject recovery $address FAILED_RECOVERY
    holds "it is unhealthy" wait_for 20 holds_against $nic aer-recovery
    drapci prepare --name warned --device $nic-vf0 > /dev/null 2> "$work/warning"
    holds "a prepare by hand goes through" [ "$(claim_state warned)" = prepared ]
    holds "and warns" grep -q "warning: $nic-vf0 is Unhealthy (PcieRecoveryFailed)" "$work/warning"
    holds "it is released" done_by unprepare warned
    inject recovery $address SUCCESSFUL_RECOVERY
    holds "it is healthy again" wait_for 90 is_healthy $nic

    holds "explained" drapci health --explain $nic
    rule config-space $nic config-gone $address -- replug $address
    holds "a stop does not wait for who watches" stop_daemon
    wait "$watcher" 2> /dev/null
    start_daemon
    ;;
  mi300x)
    readonly gpu=pci-0000-0a-00-0 address=0000:0a:00.0
    holds "the GPU is healthy" wait_for 20 is_healthy $gpu
    rule hot $gpu sensor $address temp2_input 97000 -- sensor $address temp2_input 41000
    rule overheated $gpu sensor $address temp3_input 106000 -- sensor $address temp3_input 36000
    rule ras-uncorrected $gpu ras $address umc ue
    rule ras-corrected $gpu ras $address umc ce --count 200
    rule core-dump $gpu core-dump $address on -- core-dump $address off
    rule drm-wedged $gpu wedge $address rebind,bus-reset -- event $address bind
    rule drm-reset $gpu wedge $address none
    inject wedge $address none
    inject wedge $address none
    rule drm-resets $gpu wedge $address none
    ;;
  dgx-h100)
    readonly gpu=pci-0000-1b-00-0 address=0000:1b:00.0
    holds "the GPU is healthy" wait_for 20 is_healthy $gpu
    rule xid $gpu xid $address 48
    rule ecc-uncorrected $gpu gpu $address ecc_uncorrected 7
    rule ecc-corrected $gpu gpu $address ecc_corrected 500
    rule row-remap-pending $gpu gpu $address remap_pending 1 -- gpu $address remap_pending 0
    rule row-remap-failed $gpu gpu $address remap_failed 1 -- gpu $address remap_failed 0
    rule nvml-hot $gpu gpu $address temperature 84 -- gpu $address temperature 40
    rule nvml-overheated $gpu gpu $address temperature 200 -- gpu $address temperature 40
    rule throttled $gpu gpu $address throttle_reasons 64 -- gpu $address throttle_reasons 0
    rule gpu-lost $gpu gpu $address lost 1 -- gpu $address lost 0
    ;;
  dsa)
    readonly dsa=pci-0000-6a-01-0 address=0000:6a:01.0
    holds "the device is healthy" wait_for 20 is_healthy $dsa
    device=$(realpath /sys/bus/pci/devices/$address/dsa*)
    rule device-warning $dsa set "$device/errors" 00000000,00000000,00000000,00000000,00000000,00000000,00000000,00000001 \
      -- set "$device/errors" 00000000,00000000,00000000,00000000,00000000,00000000,00000000,00000000
    rule device-failed $dsa set "$device/state" halted -- set "$device/state" enabled
    ;;
  qat)
    readonly qat=pci-0000-6b-00-0 address=0000:6b:00.0
    holds "the device is healthy" wait_for 20 is_healthy $qat
    rule driver-ras-corrected $qat ras $address qat correctable --count 200
    rule driver-ras-uncorrected $qat ras $address qat nonfatal
    rule ras-fatal $qat ras $address qat fatal
    state=$(realpath /sys/bus/pci/devices/$address/qat/state)
    rule device-unready $qat set "$state" down -- set "$state" up
    ;;
  nvme)
    readonly disk=pci-0000-01-00-0 address=0000:01:00.0
    holds "the disk is healthy" wait_for 20 is_healthy $disk
    rule sensor-alarm $disk sensor $address temp1_alarm 1 -- sensor $address temp1_alarm 0
    ;;
  *) die "there are no cases for the board $board" ;;
esac
echo "rules provoked on $board: $provoked"
cat "$work/table"
daemon_pid=$daemon
ticks() { awk '{ print $14 + $15 }' "/proc/$daemon_pid/stat"; }
echo "processor time of the daemon: $(ticks) hundredths of a second"
stop_daemon
verdict
