#!/bin/bash
# VF settings, and interfaces that come home from other network namespaces, through hal's own code on
# a real driver: the tests of net_test that need a card.
set -euo pipefail
: "${NET_TEST:?path of net_test}"
udevadm settle --timeout=60
DRAPCI_TEST_PF=0000:01:00.0 "$NET_TEST" --gtest_filter='KernelPf.*:KernelLink.*'
