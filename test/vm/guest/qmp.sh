# shellcheck shell=bash
# Drives the emulator from inside the guest (source this file).
#
# run-vm.sh connects a QMP monitor to the virtio-serial port "vm.qmp", so one linear test can both pull
# a card and look at what the kernel and the daemon made of it.
#   qmp CMD [ARGUMENTS-AS-JSON]   runs a command, prints its reply; 1 when it was refused
qmp_open() {
  local name port=
  for name in /sys/class/virtio-ports/*/name; do
    [ "$(cat "$name")" != vm.qmp ] || port=/dev/$(basename "$(dirname "$name")")
  done
  [ -n "$port" ] || { echo "qmp: no vm.qmp port" >&2; return 1; }
  exec 9<> "$port"
  echo '{"execute":"qmp_capabilities"}' >&9
  qmp_reply > /dev/null || :  # "already complete" is fine
}

# Prints the next reply; events and the greeting are skipped.
qmp_reply() {
  local line
  while IFS= read -r -t "${QMP_TIMEOUT:-20}" -u 9 line; do
    case $line in
      '{"return"'*) printf '%s\n' "$line"; return 0 ;;
      '{"error"'*) printf '%s\n' "$line"; return 1 ;;
    esac
  done
  echo "qmp: no reply" >&2
  return 2
}

qmp() {
  if [ $# -gt 1 ]; then
    printf '{"execute":"%s","arguments":%s}\n' "$1" "$2" >&9
  else
    printf '{"execute":"%s"}\n' "$1" >&9
  fi
  qmp_reply
}

qmp_open
