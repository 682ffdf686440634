#!/bin/bash
# The order in which the kernel announces what happens to PCI functions.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
log=$(mktemp)
udevadm monitor --kernel --subsystem-match=pci > "$log" &
monitor=$!
trap 'kill $monitor; rm -f "$log"' EXIT
wait_for 20 grep -q '^KERNEL - ' "$log" || die "udevadm monitor does not start"

# listen NAME=ADDRESS...: `announced` is what was said of these functions since the last call, as
# "add vf0 change pf". A synthetic event marks the end: events of one card come in order.
seen=0
marks=0
announced=
listen() {
  local name edits=()
  marks=$((marks + 1))
  set_value "$pf/uevent" offline
  wait_for 20 marks_reached || die "no synthetic event"
  for name in "$@"; do edits+=(-e "s|/${name#*=} (pci)\$|/${name%%=*}|"); done
  announced=$(tail -n +$((seen + 1)) "$log" | sed "${edits[@]}" \
    | sed -n 's|^KERNEL\[[^]]*\] \([a-z]*\) */.*/\([a-z]*[0-9]*\)$|\1 \2|p' \
    | grep -v '^offline' | tr '\n' ' ')
  announced=${announced% }
  seen=$(wc -l < "$log")
}
# shellcheck disable=SC2317  # called by wait_for
marks_reached() { [ "$(grep -c '^KERNEL\[.* offline ' "$log")" -ge "$marks" ]; }

# announces SENTENCE EVENTS
announces() {
  listen "${functions[@]}"
  holds "$1" same "$announced" "$2"
}

make_vfs 2 0
functions=("pf=$pf_address" "vf0=$(vf_address 0)" "vf1=$(vf_address 1)")
set_value "$pf/sriov_numvfs" 0
announces "without a driver each VF is added, then changed when its links exist; the PF at the end" \
  "add vf0 change vf0 add vf1 change vf1 change pf remove vf0 remove vf1"

make_vfs 2 1
wait_for 10 exists "$pf/virtfn1/driver" || die "no driver takes the VFs"
announces "with a driver each VF is bound before the next is added" \
  "add vf0 change vf0 bind vf0 add vf1 change vf1 bind vf1 change pf"

vf_driver=$(driver_of "$(vf_address 0)")
set_value "$bus/drivers/$vf_driver/unbind" "$(vf_address 0)"
announces "unbind is announced" "unbind vf0"
set_value "$bus/drivers/$vf_driver/bind" "$(vf_address 0)"
announces "bind is announced" "bind vf0"
set_value "$pf/sriov_numvfs" 2
announces "the same number announces nothing" ""
set_value "$pf/sriov_numvfs" 0
announces "going to 0 unbinds and removes each VF" \
  "unbind vf0 remove vf0 unbind vf1 remove vf1"
finish
