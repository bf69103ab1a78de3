#!/bin/bash
# The simulated device's stat: its disk is a disk, whatever this machine keeps it on.
case "$1" in
  -f) echo ext2/ext3 ;;
  *) exec /usr/bin/stat "$@" ;;
esac
