#!/bin/bash
# The Debian packages from their installation to their purge. The second argument is the folder of package.sh.
# shellcheck disable=SC2317  # functions are called by `holds`
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
readonly packages=$2 caller=$3

# Images for containers forbid packages to start anything.
rm -f /usr/sbin/policy-rc.d
install() { DEBIAN_FRONTEND=noninteractive dpkg --install "$packages/$1"/*.deb; }
version() { dpkg-query -W -f '${Version}' drapci; }
# What is on the machine, but for logs and what the package manager keeps for itself.
files() {
  find /etc /usr /var /run/drapci /opt /srv -xdev 2> /dev/null |
    grep -v -E '^/var/(log|cache|lib/dpkg|lib/systemd/deb-systemd-helper)' | sort
}
file_owner() { dpkg-query --search "$1" | cut -d : -f 1; }
missing_or_left() { comm -3 /tmp/before /tmp/after; }

files > /tmp/before
holds "the packages are installed" succeeds install first
holds "which starts the service" property_is ActiveState active
holds "and has it started at the next boot" same "$(systemctl is-enabled $unit)" enabled
holds "nothing had to be tried twice" property_is NRestarts 0
holds "the group is made" succeeds getent group drapci
holds "the command line speaks with the daemon" succeeds drapci devices
holds "the hook is where the daemon looks for it" \
  prints_nothing sh -c "journalctl --quiet --output cat -u $unit | grep 'interfaces stay in the host'"
holds "the daemon belongs to one package" same "$(file_owner /usr/sbin/drapcid)" drapci
holds "the command line to another" same "$(file_owner /usr/bin/drapci)" drapci-cli
holds "the simulator to a third" same "$(file_owner /usr/bin/drapci-sim)" drapci-sim
holds "which finds its boards" prints sriov-nic env -u DRAPCI_SIM_BOARDS /usr/bin/drapci-sim boards
holds "nothing of a package has been changed" prints_nothing dpkg --verify drapci drapci-cli drapci-sim
# A page lists every option of its program.
options_of() { "$1" --help | grep -oE '^ +--[a-z-]+' | tr -d ' -' | sort -u; }
page_has() { tr -d '-' < "/usr/share/man/man${2##*.}/$2" | grep -oE "Fl $1( |$)" | head -n 1; }
for option in $(options_of drapcid); do
  case $option in help | version) ;; *) holds "the page tells of --$option" prints . page_has "$option" drapcid.8 ;; esac
done
holds "the keys are told" prints 'driverName: dra.pci' cat /usr/share/man/man5/drapci.yaml.5
holds "bash completes" succeeds bash -n /usr/share/bash-completion/completions/drapci
sed '/^##/d; s/^#//' /etc/drapci/config.yaml > /tmp/all-keys.yaml
holds "the configuration's examples are right" succeeds drapcid --check-config --config /tmp/all-keys.yaml

mkdir -p /run/claims
cat >> /etc/drapci/config.yaml << YAML
claimDirectory: /run/claims
accelerators: [{match: {}, vfs: fixed}]
YAML
holds "the service takes its configuration" succeeds systemctl restart $unit
holds "a VF is prepared" succeeds drapci prepare --name alpha --device "$nic-vf7"
coproc CALLER { "$caller" /var/lib/kubelet /run/claims 2; }
calls=${CALLER[0]} enough=${CALLER[1]} callers=$CALLER_PID
read -r line <&"$calls"
holds "two kubelets call without a pause" same "$line" calling
pid=$(property MainPID) first=$(version)
holds "an upgrade succeeds under them" succeeds install next
holds "to the new version" same "$(version)" "$first+next"
holds "which runs" fails_with 1 . same "$(property MainPID)" "$pid"
holds "with the claim" claim_is alpha prepared
holds "and the administrator's configuration" prints /run/claims cat /etc/drapci/config.yaml
pid=$(property MainPID)
holds "a downgrade succeeds, too" succeeds install first
holds "to the version before" same "$(version)" "$first"
holds "which runs" fails_with 1 . same "$(property MainPID)" "$pid"
holds "and reads the journal" claim_is alpha prepared
exec {enough}>&-
report=$(cat <&"$calls")
echo "$report"
holds "no call was lost" like "$report" ', 0 failed,'
answer=0
wait "$callers" || answer=$?
holds "and there were some" same "$answer" 0
holds "journal, hardware and CDI agree" succeeds drapci verify

holds "the packages are removed" succeeds dpkg --remove drapci drapci-cli drapci-sim
holds "the service is gone" fails_with 1 '^$' pgrep -x drapcid
holds "and no socket is served" fails_with 1 '^$' \
  sh -c "ss --no-header --listening --unix | grep -E 'drapci/|dra\.pci'"
holds "the configuration stays" exists /etc/drapci/config.yaml
holds "and the journal" exists /var/lib/drapci
holds "so that an installation finds" succeeds install first
holds "the claim again" claim_is alpha prepared
holds "the packages are purged" succeeds dpkg --purge drapci drapci-cli drapci-sim
files > /tmp/after
echo "left by the purge:"
missing_or_left
# Backups of the files in which the group is.
holds "nothing is left but the group" \
  prints_nothing sh -c "comm -3 /tmp/before /tmp/after | grep -v -E '/etc/(group-|gshadow-|.pwd.lock)'"
holds "no CDI file either" cdi_files_are 0
holds "no unit has failed" prints_nothing systemctl list-units --failed --no-legend
verdict
