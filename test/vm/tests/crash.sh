#!/bin/bash
# kill -9 of the daemon in the middle of preparing and releasing, on the real card. Network settings of a VF, which
# take many points, are left to the simulator: a share has the one that matters here.
# CRASH_TEST names the program; it finds DRAPCID, DRAPCI and CRASHPOINT by these variables.
set -eu
modprobe -a igbvf vfio-pci
for case in vf-kernel vf-vfio pf-vfio share; do
  "$CRASH_TEST" --pf 0000:01:00.0 --points 2 --case $case
done
