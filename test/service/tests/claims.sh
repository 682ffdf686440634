#!/bin/bash
# What the unit allows is enough for claims: sysfs, drivers, CDI files, the journal.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

holds "a VF is prepared" succeeds drapci prepare --name alpha --device "$nic-vf0"
holds "all VFs are there" vfs_are 8
holds "with its driver" driver_is "$(vf_address 0)" igbvf
holds "a VF is prepared through vfio" \
  succeeds drapci prepare --name beta --device "$nic-vf1" --config /tmp/vfio.yaml
holds "vfio-pci has it" driver_is "$(vf_address 1)" vfio-pci
holds "the containers' runtime can read the CDI files" \
  succeeds setpriv --reuid nobody --regid nogroup --clear-groups sh -c "cat $cdi_dir/*.json"
holds "there is one for each claim" cdi_files_are 2
holds "the journal is where the unit keeps state" prints . find /var/lib/drapci -type f -size +0
holds "journal, hardware and CDI agree" succeeds drapci verify
holds "release one" succeeds drapci unprepare alpha
holds "the other stays" claim_is beta prepared
holds "release the other" succeeds drapci unprepare beta
holds "the VFs are gone" vfs_are 0
holds "as are the CDI files" cdi_files_are 0
holds "the whole card is prepared through vfio" \
  succeeds drapci prepare --name whole --device "$nic" --config /tmp/vfio.yaml
holds "vfio-pci has it, too" driver_is "$pf_address" vfio-pci
holds "it is released" succeeds drapci unprepare whole
holds "its own driver is back" driver_is "$pf_address" igb
holds "all agree at the end" succeeds drapci verify
holds "and there was nothing to warn of" \
  prints_nothing journalctl --quiet --output cat --priority warning -u $unit

# Who has asked for a change is told, with fields that can be searched for.
audited() {  # ACTION CLAIM FIELD VALUE
  like "$(journalctl --quiet --output export "DRAPCI_ACTION=$1" "DRAPCI_CLAIM=$2" | grep -a "^$3=")" "^$3=$4"
}
holds "root prepares" succeeds drapci prepare --name audited --device "$nic-vf0"
holds_soon "which is in the journal" audited prepare audited DRAPCI_RESULT done
holds "with the user" audited prepare audited DRAPCI_CALLER_UID 0
holds "and the program" audited prepare audited DRAPCI_CALLER_COMM drapci
holds "a member of the group releases" \
  succeeds setpriv --reuid nobody --regid drapci --clear-groups drapci unprepare audited
holds_soon "which is there with another user" audited unprepare audited DRAPCI_CALLER_UID "$(id -u nobody)"
holds "a refusal" fails_with 1 . drapci prepare --name refused --device no-such-device
holds_soon "is there with its reason" audited prepare refused DRAPCI_RESULT '.*no-such-device'
verdict
