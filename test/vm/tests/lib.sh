# shellcheck shell=bash
# Helpers for tests of the daemon inside the machine. DRAPCID and DRAPCI name the programs.
# shellcheck source-path=SCRIPTDIR source=../../conformance/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../conformance/lib.sh"

readonly work=/run/drapci-test
readonly cdi_dir=/var/run/cdi
export DRAPCI_SOCKET=$work/control.sock
mkdir -p "$work/state" "$cdi_dir"
daemon=

# start_daemon: with the state of the last one; returns when it answers.
start_daemon() {
  "$DRAPCID" --standalone --state-dir "$work/state" --cdi-dir "$cdi_dir" \
    --control-socket "$DRAPCI_SOCKET" ${CONFIG:+--config "$CONFIG"} >> "$work/log" 2>&1 &
  daemon=$!
  wait_for 60 daemon_answers || die "drapcid does not answer: $(tail -n 20 "$work/log")"
}
# shellcheck disable=SC2317  # called by wait_for
daemon_answers() {
  kill -0 "$daemon" || die "drapcid has ended: $(tail -n 20 "$work/log")"
  "$DRAPCI" version 2> /dev/null
}

# stop_daemon [SIGNAL]
# shellcheck disable=SC2120
stop_daemon() {
  kill -s "${1:-TERM}" "$daemon"
  wait "$daemon" 2> /dev/null  # without the shell's own word on it
}

drapci() { "$DRAPCI" "$@"; }

# done_by DRAPCI-ARGUMENT...: the command succeeds.
done_by() {
  local output
  output=$("$DRAPCI" "$@" 2>&1) || { echo "  drapci $*: $output"; return 1; }
}

# refused PATTERN DRAPCI-ARGUMENT...: exit code 1, and one line on standard error that matches.
refused() {
  local pattern=$1 output status=0
  shift
  output=$("$DRAPCI" "$@" 2>&1 > /dev/null) || status=$?
  same "$status" 1 || { echo "  $output"; return 1; }
  same "$(wc -l <<< "$output")" 1 || return 1
  like "$output" "$pattern"
}

state_of() { drapci devices | awk -v name="$1" '$1 == name { print $5 }'; }
state_is() { same "$(state_of "$1")" "$2"; }
claim_state() { drapci claims | awk -v name="$1" '$2 == name { print $4 }'; }
claim_uid() { drapci claims | awk -v name="$1" '$2 == name { print $3 }'; }
cdi_file() { echo "$cdi_dir/dra.pci-claim-$(claim_uid "$1").json"; }
clean() { done_by verify; }
driver_is() { same "$(driver_of "$1")" "$2"; }

cat > "$work/vfio.yaml" << 'YAML'
apiVersion: config.dra.pci/v1alpha1
kind: AccessConfig
driver: vfio
YAML

# claim_file NAME UID DEVICE SOURCE: a ResourceClaim that gets DEVICE through vfio; SOURCE says who
# configured that, FromClass or FromClaim.
claim_file() {
  cat > "$work/$1.yaml" << YAML
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: $1, namespace: default, uid: $2}
spec: {devices: {requests: [{name: nic, exactly: {deviceClassName: pci}}]}}
status:
  allocation:
    devices:
      results: [{request: nic, driver: dra.pci, pool: vm-guest, device: $3}]
      config:
      - source: $4
        requests: [nic]
        opaque:
          driver: dra.pci
          parameters: {apiVersion: config.dra.pci/v1alpha1, kind: AccessConfig, driver: vfio}
YAML
  echo "$work/$1.yaml"
}
