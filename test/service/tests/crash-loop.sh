#!/bin/bash
# However often it crashes, systemd does not give it up: a node without its driver loses its pods.
# shellcheck disable=SC2317  # functions are called by `holds`
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

ready_after() { property_is NRestarts "$1" && property_is ActiveState active; }

holds "a VF is prepared" succeeds drapci prepare --name alpha --device "$nic-vf0"
# Without the pause between two starts: more of them in a short time than systemd allows by default.
drop_in RestartSec=0
for crash in 1 2 3 4 5 6 7; do
  systemctl kill --kill-whom main --signal KILL $unit
  holds_soon "after crash $crash it is ready again" ready_after "$crash"
done
holds "the claim is still held" claim_is alpha prepared
holds "journal, hardware and CDI agree" succeeds drapci verify

printf 'logLevel: loud\n' > /etc/drapci/config.yaml
systemctl restart --no-block $unit
# By default systemd gives up after five.
holds "with a mistake in its configuration it is tried again, too" wait_for 30 \
  prints "restart counter is at ([6-9]|[1-9][0-9])" journalctl -u $unit
rm /etc/drapci/config.yaml
holds_soon "and is up when that is corrected" property_is ActiveState active
holds "with its claim" claim_is alpha prepared
verdict
