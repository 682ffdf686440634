# shellcheck shell=bash
# Helpers for the rules of the Linux kernel that the simulator claims to follow. Every script of this
# folder runs on a machine with an SR-IOV NIC, as root: on the real kernel in the VM tier, and on the
# simulator. A rule that both keep is proved; one that only the simulator keeps is a bug of ours.
#
# The card is found by its ids: CONFORMANCE_PF="0xVENDOR 0xDEVICE" (default: the 82576 of the VM).
set -u
export LC_ALL=C
readonly bus=/sys/bus/pci
rules_kept=0
rules_broken=0

die() { echo "FAIL: $*" >&2; exit 1; }

# holds SENTENCE COMMAND...: one rule.
holds() {
  local sentence=$1
  shift
  if "$@"; then
    rules_kept=$((rules_kept + 1))
    echo "ok: $sentence"
  else
    rules_broken=$((rules_broken + 1))
    echo "BROKEN: $sentence"
  fi
}

same() { [ "$1" = "$2" ] || { echo "  got '$1', the kernel's is '$2'"; return 1; }; }
like() { [[ $1 =~ $2 ]] || { echo "  got '$1', the kernel's looks like $2"; return 1; }; }
exists() { [ -e "$1" ] || { echo "  no $1"; return 1; }; }
missing() { ! [ -e "$1" ] || { echo "  there is a $1"; return 1; }; }

# store FILE VALUE: one write(2); prints OK, or the name of the errno.
store() {
  local text
  if text=$( { printf '%s' "$2" > "$1"; } 2>&1); then
    echo OK
    return
  fi
  errno_name "$text"
}

# errno_name TEXT: from the message of bash or ip, in the C locale.
errno_name() {
  case $1 in
    *'Invalid argument') echo EINVAL ;;
    *'Numerical result out of range') echo ERANGE ;;
    *'Device or resource busy') echo EBUSY ;;
    *'No such file or directory') echo ENOENT ;;
    *'No such device') echo ENODEV ;;
    *'Permission denied') echo EACCES ;;
    *'Input/output error') echo EIO ;;
    *'Operation not supported') echo EOPNOTSUPP ;;
    *'Protocol not supported') echo EPROTONOSUPPORT ;;
    *'Operation not permitted') echo EPERM ;;
    *'File exists') echo EEXIST ;;
    *) echo "$1" ;;
  esac
}

# answers SENTENCE ERRNO FILE VALUE: what the kernel says to a write; ERRNO may be OK.
answers() { holds "$1" same "$(store "$3" "$4")" "$2"; }

set_value() { [ "$(store "$1" "$2")" = OK ] || die "cannot write '$2' to $1: $(store "$1" "$2")"; }

link_name() { basename "$(readlink "$1" || echo none)"; }
driver_of() { link_name "$bus/devices/$1/driver"; }

# wait_for SECONDS COMMAND...: until it succeeds; at the deadline its last answer counts, and is shown.
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@" > /dev/null; do
    if [ "$SECONDS" -ge "$end" ]; then
      "$@"
      return
    fi
    sleep 0.05
  done
}

find_pf() {
  local wanted=${CONFORMANCE_PF:-0x8086 0x10c9} device
  for device in "$bus"/devices/*; do
    if [ "$(cat "$device/vendor") $(cat "$device/device")" = "$wanted" ]; then
      basename "$device"
      return
    fi
  done
  die "no PCI function $wanted"
}

# make_vfs COUNT AUTOPROBE: from whatever there is.
make_vfs() {
  set_value "$pf/sriov_numvfs" 0
  set_value "$pf/sriov_drivers_autoprobe" "$2"
  set_value "$pf/sriov_numvfs" "$1"
  wait_for 10 exists "$pf/virtfn$(($1 - 1))/physfn" || die "virtfn$(($1 - 1)) does not appear"
}

vf_address() { link_name "$pf/virtfn$1"; }

verdict() {
  echo "$rules_kept rules kept, $rules_broken broken"
  [ "$rules_broken" = 0 ]
  exit
}

finish() {
  set_value "$pf/sriov_numvfs" 0
  set_value "$pf/sriov_drivers_autoprobe" 1
  verdict
}

pf_address=$(find_pf) || exit 1
readonly pf_address pf=$bus/devices/$pf_address
