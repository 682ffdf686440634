#!/bin/bash
# twice.sh DIR COMMAND... - with DIR empty at first, runs COMMAND... with the further argument `before`,
# then, if that succeeds, with `after`.
set -euo pipefail
state=$1
shift
rm -rf "$state"
mkdir -p "$state"
# Passes what ends it on, so that the machine can clean up.
trap 'kill "$machine" 2> /dev/null' TERM INT HUP
for phase in before after; do
  "$@" "$phase" &
  machine=$!
  wait "$machine" || exit
done
