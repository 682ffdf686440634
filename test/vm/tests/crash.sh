#!/bin/bash
# kill -9 of the daemon in the middle of preparing and releasing, on the real card.
# CRASH_TEST names the program; it finds DRAPCID, DRAPCI and CRASHPOINT by these variables.
set -eu
modprobe -a igbvf vfio-pci
exec "$CRASH_TEST" --pf 0000:01:00.0 --points 2
