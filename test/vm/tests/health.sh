#!/bin/bash
# Errors that the emulator injects into a card: the kernel counts them, the policy turns, quiet brings the card back. And
# a card that is pulled in the middle of a prepare.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=slot.sh
. "$(dirname "$0")/slot.sh"
readonly sick=pci-0000-04-00-0 well=pci-0000-01-00-0
readonly function=$bus/devices/0000:04:00.0
CONFIG=$work/config.yaml
cat > "$CONFIG" << 'YAML'
health:
  periods: {aer: 1s}
  rules:
  - {name: aer-nonfatal, increase: 3, within: 60s, quiet: 20s}
  - {name: aer-nonfatal-few, enabled: false}
  - {name: aer-recovery, enabled: false}  # the emulated card's driver has no error handlers
YAML

inject() {
  qmp human-monitor-command "{\"command-line\":\"pcie_aer_inject_error vio0 $1\"}" > /dev/null \
    || die "injecting $1"
}
counted() { awk -v name="$2" '$1 == name { print $2 }' "$function/aer_dev_$1"; }
# shellcheck disable=SC2317  # called by wait_for
counts_now() { same "$(counted nonfatal TOTAL_ERR_NONFATAL)" "$1"; }
health_of() { drapci health "$1" -o json | jq -r ".cards[0].health.$2"; }
# shellcheck disable=SC2317  # called by wait_for
taint_is() { same "$(taints_of $sick)" "$1"; }
health_is() { same "$(health_of "$1" state)" "$2"; }
taints_of() { drapci slices -o json | jq -r ".items[].spec.devices[]? | select(.name == \"$1\") | .taints[]?.effect" | head -n 1; }

start_daemon
holds "a card without errors is healthy" wait_for 90 health_is $sick Healthy
before=$(counted nonfatal TOTAL_ERR_NONFATAL)
inject UNSUP
holds "the kernel counts an error" wait_for 30 counts_now $((before + 1))
holds "one is not held against the card" health_is $sick Healthy
inject UNSUP
inject UNSUP
holds "three turn the policy" wait_for 30 health_is $sick Unhealthy
holds "with its reason" same "$(health_of $sick reason)" PcieErrors
holds "and the evidence" like "$(health_of $sick message)" 'UnsupReq'
holds "other cards are not concerned" health_is $well Healthy
holds "the slice has the taint" wait_for 30 taint_is NoSchedule
holds "it is explained" like "$(drapci health --explain $sick)" 'aer-nonfatal'
holds "quiet brings it back" wait_for 90 health_is $sick Healthy
holds "and takes the taint away" wait_for 30 taint_is ""

# Pulled at another moment of a prepare each time.
milliseconds() { date +%s%3N; }

# pulled_after SECONDS
pulled_after() {
  local status=0 started ended
  plug
  wait_for 60 state_is $card-vf0 free || die "the card is not offered"
  drapci prepare --name caught --device $card-vf0 > /dev/null 2>&1 &
  sleep "$1"
  pull
  wait $! || status=$?
  [ "$status" -le 1 ] || { echo "  prepare ended with $status"; return 1; }
  done_by unprepare caught || return 1
  started=$(milliseconds)
  wait_for 30 no_device $card-vf0 || return 1
  ended=$(milliseconds)
  echo "  prepare ended with $status; forgotten $((ended - started)) ms after the release"
  clean
}
for moment in 0.02 0.1 0.3; do
  holds "a card pulled $moment s into a prepare leaves nothing behind" pulled_after "$moment"
done
stop_daemon
verdict
