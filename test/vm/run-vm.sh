#!/bin/bash
# run-vm.sh - runs one command inside a throw-away emulated machine with the PCI devices of
# topology.args, and hands back its output and exit status.
#
#   run-vm.sh -k KERNEL -i INITRAMFS -o DIR [options] -- COMMAND [ARG...]
#
#   -k FILE   uncompressed kernel, see fetch-kernel.sh
#   -i FILE   initramfs, see make-initramfs.sh
#   -o DIR    keeps job, stdout, stderr and console there
#   -U        starts systemd-udevd first
#   -b DIR    host directory to show, read-only, at its own path: needed for anything below /tmp or
#             /run, which the guest has for itself (repeatable)
#   -c DIR    cards made of software: starts DIR/cards.py, adds DIR/topology.args (see fpga/)
#   -q FILE   the QEMU that has what they need (see fetch-qemu.sh), instead of the installed one
#   -t SECS   time limit (default 420)
#
# The guest sees the host's files read-only below a tmpfs overlay, so a program built here runs there
# as it is. Nothing needs root on the host. Without KVM (DRAPCI_VM_ACCEL=tcg forces that) the CPU is
# emulated.
#
# Exit status: that of COMMAND; 77 = cannot run here (CTest's SKIP_RETURN_CODE); 124 = time limit;
# 125 = the guest did not report a status.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
skip() { echo "run-vm: skipped: $*" >&2; exit 77; }

kernel='' initramfs='' out='' udevd=0 limit=420 keep=() cards='' qemu=qemu-system-x86_64
while getopts k:i:o:Ub:c:q:t:h option; do
  case $option in
    k) kernel=$OPTARG ;;
    i) initramfs=$OPTARG ;;
    o) out=$OPTARG ;;
    U) udevd=1 ;;
    b) keep+=("$OPTARG") ;;
    c) cards=$OPTARG ;;
    q) qemu=$OPTARG ;;
    t) limit=$OPTARG ;;
    *) usage ;;
  esac
done
shift $((OPTIND - 1))
if [ $# -eq 0 ] || [ -z "$out" ]; then usage; fi

command -v "$qemu" > /dev/null || skip "no $qemu"
if [ ! -r "$kernel" ] || [ ! -r "$initramfs" ]; then skip "no kernel or initramfs"; fi

mkdir -p "$out"
rm -f "$out"/{rc,stdout,stderr,console,qmp.sock}
cp "$here"/guest/{start-job,qmp.sh,surprise-remove.sh} "$out/"
{
  printf 'cd %q\n' "$PWD"
  printf '%q ' "$@"
  echo
} > "$out/job"

# /dev/kvm alone proves nothing: a container may offer one that cannot run a stock kernel.
accelerator=(-accel "tcg,thread=multi" -cpu max) machine=q35
if [ "${DRAPCI_VM_ACCEL:-auto}" != tcg ] && [ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo; then
  accelerator=(-accel kvm -accel tcg -cpu max) machine=q35,kernel-irqchip=split
fi

# share ID PATH ADDRESS [OPTION]: a host directory as 9p file system with the tag ID.
devices=()
share() {
  devices+=(
    -fsdev "local,id=$1,path=$2,security_model=none${4:-}"
    -device "virtio-9p-pci,bus=pcie.0,addr=$3,multifunction=on,fsdev=$1,mount_tag=$1")
}
# Sockets have short paths of their own: those are limited to 107 bytes.
sockets=$(mktemp -d "${TMPDIR:-/tmp}/vm.XXXXXX")
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$sockets"' EXIT
while read -ra words; do
  case ${words[0]:-#} in '#'*) continue ;; esac
  devices+=("${words[@]//SOCKETS/$sockets}")
done < <(cat "$here/topology.args" ${cards:+"$cards/topology.args"})
readonly_options=,readonly=on,multidevs=remap
share vmrun "$out" 1.0
share hostroot / 2.0 "$readonly_options"
for i in ${keep[@]+"${!keep[@]}"}; do share "keep$i" "${keep[i]}" "8.$i" "$readonly_options"; done

# no_timer_check, nowatchdog, rcu...: on a busy host the emulated clock stutters; without these the
# kernel may panic over its timer or report lock-ups that are not there.
keep_list=$(IFS=, && echo "${keep[*]-}")
append="console=ttyS0 quiet panic=-1 mitigations=off nokaslr no_timer_check nowatchdog \
rcupdate.rcu_cpu_stall_suppress=1 intel_iommu=on vm.udevd=$udevd vm.keep=$keep_list"

if [ -n "$cards" ]; then
  "$qemu" -device vfio-user-pci,help 2> /dev/null | grep -q 'socket=' || skip "$qemu has no vfio-user-pci"
  python3 "$cards/cards.py" "$sockets" 2> "$out/cards.log" &
  server=$!
  for ((i = 0; i < 100; ++i)); do
    if [ -S "$sockets/control" ]; then break; fi
    sleep 0.1
  done
fi

# The QMP monitor talks to a socket of QEMU's own, whose other end is the guest's port "vm.qmp".
arguments=(
  -machine "$machine" "${accelerator[@]}" -smp 2 -m 1024
  -no-user-config -nodefaults -display none -no-reboot
  -serial "file:$out/console"
  -chardev "socket,id=qmp,path=$sockets/qmp,server=on,wait=off"
  -mon "chardev=qmp,mode=control"
  -chardev "socket,id=qmp-guest,path=$sockets/qmp"
  -device "virtio-serial-pci,bus=pcie.0,addr=3.0"
  -device "virtserialport,chardev=qmp-guest,name=vm.qmp"
  "${devices[@]}"
  -kernel "$kernel" -initrd "$initramfs" -append "$append"
)
# boot: runs the guest to its end; the emulator's status.
boot() {
  rm -f "$out"/{rc,stdout,stderr,console} "$sockets"/qmp
  timeout -k 10 "$limit" "$qemu" "${arguments[@]}" > "$out/qemu.log" 2>&1
}
status=0
boot || status=$?
# Emulating several processors on threads, QEMU 10.0 now and then fails an assertion of its own
# (system/physmem.c, iotlb_to_section) while the guest moves memory regions. That says nothing about the
# guest, which starts afresh each time anyway. A guest that fails by itself is never tried again.
for attempt in 1 2; do
  [ ! -e "$out/rc" ] && [ "$status" = 134 ] && grep -q 'Assertion .* failed' "$out/qemu.log" || break
  echo "run-vm: the emulator aborted, trying again ($attempt): $(tail -n 1 "$out/qemu.log")" >&2
  status=0
  boot || status=$?
done

[ ! -e "$out/stdout" ] || cat "$out/stdout"
[ ! -e "$out/stderr" ] || cat "$out/stderr" >&2
[ ! -e "$out/rc" ] || exit "$(cat "$out/rc")"
echo "run-vm: no result from the guest (qemu status $status)" >&2
cat "$out/qemu.log" >&2
tail -n 60 "$out/console" >&2 || :
[ "$status" != 124 ] || exit 124
exit 125
