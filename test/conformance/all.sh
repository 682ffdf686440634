#!/bin/bash
# Every rule. Exit status 1 when one is broken.
cd "$(dirname "$0")" || exit
status=0
for script in sriov binding network vfio uevents; do
  echo "== $script"
  bash "$script.sh" || status=1
done
exit $status
