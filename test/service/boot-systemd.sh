#!/bin/bash
# boot-systemd.sh [OPTION]... -- COMMAND [ARGUMENT]...
#
# Boots systemd as process 1 with journald and systemd-udevd, waits for multi-user.target, runs COMMAND
# as a unit and powers off. The exit status is COMMAND's; 77 where this machine cannot do it.
#
# It takes over the machine that it runs on: call it by `drapci-sim run --board BOARD -- boot-systemd.sh ...`,
# whose /sys, /dev and network namespace become those of the booted system. The root file system is an
# overlay of the host's; nothing that is written there outlives it.
#
#   -o DIR      made anew: output of COMMAND, early messages of process 1, the journal
#   -l DIR      a tree laid over the host's root, such as `cmake --install` makes below DESTDIR
#   -e UNIT     enable this unit
#   -p DIR      /var/lib/drapci, kept from boot to boot; the enabled units then see a new boot ID each time
#   -b DIR      show this directory of the host too (needed where it is not on the root file system)
#   -t SECONDS  kill everything after this time; exit status 124 (default 60)
#
# Debian packages: systemd, udev, util-linux.
set -euo pipefail

die() { echo "boot-systemd: $*" >&2; exit 1; }
cannot() { echo "boot-systemd: skipped: $*" >&2; exit 77; }
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
readonly here

out='' layer='' state='' units='' binds='' seconds=60
while getopts o:l:e:p:b:t: option; do
  case $option in
    o) out=$(realpath -m "$OPTARG") ;;
    l) layer=$(realpath "$OPTARG") ;;
    e) units+=" $OPTARG" ;;
    p) state=$(realpath "$OPTARG") ;;
    b) binds+=" $(realpath "$OPTARG")" ;;
    t) seconds=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || die "no COMMAND; see the head of $0"
[ -n "$out" ] || die "no -o DIR"
[ -n "${DRAPCI_SIM_SOCKET:-}" ] || die "not on a simulated machine: start this by drapci-sim run"
[ "$(id -u)" = 0 ] || cannot "it needs root"
[ -x /lib/systemd/systemd ] || cannot "there is no systemd on this machine (apt-get install systemd)"
[ -x /lib/systemd/systemd-udevd ] || cannot "there is no systemd-udevd on this machine (apt-get install udev)"

rm -rf "$out"/{memory,cgroup,test,journal}
mkdir -p "$out"/{memory,cgroup,test,journal}
: > "$out"/early.log
cp /proc/sys/kernel/random/uuid "$out"/boot_id
{
  printf '#!/bin/bash\nexport DRAPCI_SIM_SOCKET=%q\nexec' "$DRAPCI_SIM_SOCKET"
  printf ' %q' "$@"
} > "$out"/test/job
chmod +x "$out"/test/job

# A control group of its own below the root of the unified hierarchy; its name holds the owner, so that
# one that was left behind by SIGKILL is removed by the next run.
remove_group() {
  local end=$((SECONDS + 10))
  while [ -e "$1" ] && ! find "$1" -depth -type d -exec rmdir {} + 2> /dev/null; do
    if [ "$SECONDS" -ge "$end" ]; then
      echo "boot-systemd: processes stay in $1" >&2  # a write that drapci-sim holds: until it ends
      return
    fi
    sleep 0.05
  done
}
mount -t cgroup2 none "$out"/cgroup || cannot "no cgroup2"
for directory in "$out"/cgroup/drapci-test.*; do
  [ ! -d "$directory" ] || kill -0 "${directory##*.}" 2> /dev/null || remove_group "$directory"
done
group=$out/cgroup/drapci-test.$$
mkdir "$group" || cannot "no right to make control groups"

machine=
# shellcheck disable=SC2317  # called by trap
cleanup() {
  trap - EXIT TERM INT HUP
  if [ -n "$machine" ]; then
    kill -s KILL "$machine" 2> /dev/null || :
    wait "$machine" 2> /dev/null || :
  fi
  remove_group "$group"
  umount "$out"/cgroup
}
trap cleanup EXIT
trap 'exit 143' TERM
trap 'exit 130' INT HUP

# Everything in the namespaces dies with unshare, and unshare with this shell.
setpriv --pdeathsig KILL timeout --foreground -s KILL "$seconds" \
  setpriv --pdeathsig KILL unshare -p -f -m -u -i --kill-child=KILL \
  "$here"/become-systemd.sh "$group" "$out" "$layer" "$state" "$units" "$binds" &
machine=$!
status=0
wait "$machine" || status=$?
machine=
[ "$status" != 137 ] || status=124
if [ -e "$out"/test/output ]; then
  cat "$out"/test/output
else
  echo "boot-systemd: COMMAND did not start" >&2
fi
if [ "$status" != 0 ]; then
  {
    echo "boot-systemd: ended with $status after $SECONDS s; early messages and journal:"
    tr -d '\0' < "$out"/early.log | tail -n 20
    journalctl --directory="$out"/journal --quiet --no-pager -o short-monotonic 2> /dev/null | tail -n 150
  } >&2
fi
exit "$status"
