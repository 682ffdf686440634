#!/bin/bash
# Taking the service off a machine leaves nothing running, and state only in its own directories.
# The second argument is the tree that was installed.
# shellcheck disable=SC2317  # functions are called by `holds`
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
readonly installed=$2

running() { pgrep -x drapcid; }
open_sockets() { ss --no-header --listening --unix | grep -E 'drapci/|dra\.pci'; }

holds "it runs" succeeds running
holds "it listens" succeeds open_sockets
holds "disable and stop" succeeds systemctl disable --now $unit
(cd "$installed" && find . -type f -printf '/%P\n') | xargs rm
systemctl daemon-reload
holds "systemd does not know it any more" property_is LoadState not-found
holds "nothing starts it at the next boot" prints_nothing find /etc/systemd/system -name '*drapci*'
holds "no process is left" fails_with 1 '^$' running
holds "no control group" missing /sys/fs/cgroup/system.slice/$unit
holds "no socket is served" fails_with 1 '^$' open_sockets
holds "the kubelet is not told of it again" prints_nothing find /var/lib/kubelet/plugins_registry -type s
holds "no unit has failed" prints_nothing systemctl list-units --failed --no-legend
verdict
