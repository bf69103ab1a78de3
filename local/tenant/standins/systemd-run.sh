#!/bin/bash
# The simulated device's systemd-run: the command after the options goes on in a session of its own, as a unit would.
root="${HOME%/root}"
if grep -q '"systemd": false' "$root/device.json"; then
  echo "System has not been booted with systemd as init system" >&2
  exit 1
fi
while [ "$#" -gt 0 ]; do
  case "$1" in
    --) shift; break ;;
    -*) shift ;;
    *) break ;;
  esac
done
setsid -f "$@" </dev/null >/dev/null 2>&1
