# shellcheck shell=bash
# Helpers for tests of the installed service. The first argument of a test is drapci-sim.
# shellcheck source=../../conformance/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../conformance/lib.sh"

readonly sim=$1
readonly unit=drapci.service
readonly cdi_dir=/run/cdi
nic=pci-$(tr ':.' '--' <<< "$pf_address")
export nic

inject() { "$sim" inject "$@" || die "drapci-sim inject $* failed"; }

# holds_soon SENTENCE COMMAND...: true now, or within 10 s.
holds_soon() { holds "$1" wait_for 10 "${@:2}"; }

property() { systemctl show --property "$1" --value "$unit"; }
property_is() { same "$(property "$1")" "$2"; }

# drop_in LINE...: for the section [Service] of the unit.
drop_in() {
  mkdir -p /run/systemd/system/$unit.d
  printf '%s\n' '[Service]' "$@" > /run/systemd/system/$unit.d/test.conf
  systemctl daemon-reload
}

# succeeds COMMAND...: and says what it printed if it does not.
succeeds() {
  local output
  output=$("$@" 2>&1) || { echo "  $* ended with $?: $output"; return 1; }
}

# fails_with STATUS PATTERN COMMAND...: its output matches.
fails_with() {
  local output status=0
  output=$("${@:3}" 2>&1) || status=$?
  same "$status" "$1" && like "$output" "$2"
}

prints() { like "$("${@:2}" 2>&1)" "$1"; }       # PATTERN COMMAND...
prints_nothing() { same "$("$@" 2>&1)" ''; }     # COMMAND...

vfs_are() { same "$(cat "$pf/sriov_numvfs")" "$1"; }
driver_is() { same "$(driver_of "$1")" "$2"; }
device_state() { drapci devices | awk -v name="$1" '$1 == name { print $5 }'; }
device_is() { same "$(device_state "$1")" "$2"; }
claim_state() { drapci claims | awk -v name="$1" '$2 == name { print $4 }'; }
claim_is() { same "$(claim_state "$1")" "$2"; }  # NAME STATE; STATE '' is not listed
cdi_files_are() { same "$(find $cdi_dir -type f | wc -l)" "$1"; }

cat > /tmp/vfio.yaml << 'YAML'
apiVersion: config.dra.pci/v1alpha1
kind: AccessConfig
driver: vfio
YAML
