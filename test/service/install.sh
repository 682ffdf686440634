#!/bin/bash
# install.sh BUILD-DIR TREE - what is built there, installed into a tree made anew.
set -euo pipefail
rm -rf "$2"
DESTDIR=$2 cmake --install "$1" --strip > /dev/null
