#!/bin/bash
# Stopping while a claim is being prepared: either it is finished, or nothing of it is left.
# shellcheck disable=SC2317  # functions are called by `holds`
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

prepare_in_background() {
  drapci prepare --name alpha --device "$nic-vf0" > /tmp/prepare.out 2>&1 &
  prepare=$!
}
finish_prepare() {
  answer=0
  wait "$prepare" || answer=$?
}
# What the caller was told, what is journaled and what is in the hardware are one story.
told_the_truth() {
  if [ "$(claim_state alpha)" = prepared ]; then
    vfs_are 8 && cdi_files_are 1
  else
    claim_is alpha '' && vfs_are 0 && cdi_files_are 0 && fails_with 1 . same "$answer" 0
  fi
}

inject hold '*/sriov_numvfs'
prepare_in_background
holds_soon "the claim waits for the hardware" claim_is alpha preparing
systemctl stop --no-block $unit
holds_soon "the service is being stopped" property_is SubState stop-sigterm
inject release '*/sriov_numvfs'
finish_prepare
holds_soon "it stops" property_is ActiveState inactive
holds "in order, not killed" property_is Result success
holds "it starts again" succeeds systemctl start $unit
holds "the claim is either prepared or gone" told_the_truth
holds "journal, hardware and CDI agree" succeeds drapci verify
holds "it can be released" succeeds drapci unprepare alpha
holds "and nothing is left" vfs_are 0

# Hardware that does not answer in time.
drop_in TimeoutStopSec=1
inject hold '*/sriov_numvfs'
prepare_in_background
holds_soon "the claim waits for the hardware" claim_is alpha preparing
systemctl stop --no-block $unit
holds_soon "the service is killed at its deadline" property_is Result timeout
inject release '*/sriov_numvfs'
finish_prepare
holds_soon "it is down" property_is ActiveState failed
holds "the caller was not told of a success" fails_with 1 . same "$answer" 0
holds "it starts again" succeeds systemctl start $unit
holds "what was half done is undone" vfs_are 0
holds "the claim is gone" claim_is alpha ''
holds "journal, hardware and CDI agree" succeeds drapci verify
verdict
