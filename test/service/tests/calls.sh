#!/bin/bash
# Kubelets that never stop calling do not notice that the daemon is restarted under them.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
readonly caller=$3

mkdir -p /etc/drapci /run/claims
cat > /etc/drapci/config.yaml << YAML
claimDirectory: /run/claims
# VFs that stand: a call then takes milliseconds, and many are under way at any moment.
accelerators: [{match: {}, vfs: fixed}]
YAML
holds "the service takes its configuration" succeeds systemctl restart $unit

coproc CALLER { "$caller" /var/lib/kubelet /run/claims 4; }
calls=${CALLER[0]} enough=${CALLER[1]} callers=$CALLER_PID
read -r line <&"$calls"
holds "four kubelets call without a pause" same "$line" calling
for round in 1 2 3 4 5; do
  pid=$(property MainPID)
  holds "restart $round succeeds under them" succeeds systemctl restart $unit
  holds "and makes another process" fails_with 1 . same "$(property MainPID)" "$pid"
  holds "the sockets were there all the time" exists /var/lib/kubelet/plugins/dra.pci/dra.sock
done
exec {enough}>&-
report=$(cat <&"$calls")
echo "$report"
holds "no call was lost" like "$report" ', 0 failed,'
answer=0
wait "$callers" || answer=$?
holds "and there were some" same "$answer" 0
holds "journal, hardware and CDI agree" succeeds drapci verify
holds "the VFs stand" vfs_are 8

holds "it can be stopped" succeeds systemctl stop $unit
holds "without a daemon the command line says so" fails_with 3 . drapci claims
holds "and started over the sockets that it left" succeeds systemctl start $unit
holds "the journal is served again" succeeds drapci claims
verdict
