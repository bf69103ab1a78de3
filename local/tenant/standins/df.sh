#!/bin/bash
# The simulated device's df: the room that is left of its disk. Only `df -Pk FOLDER` is meant, whatever the options.
root="${HOME%/root}"
room=$(sed -n 's/.*"free_mib": \([0-9]*\).*/\1/p' "$root/device.json")
used=$(du -sck "$root/var/tmp" "$root/root" | tail -n 1 | cut -f 1)
free=$((room * 1024 - used))
[ "$free" -lt 0 ] && free=0
echo "Filesystem 1024-blocks Used Available Capacity Mounted on"
echo "/dev/synthetic $((free + used)) $used $free 0% ${!#}"
