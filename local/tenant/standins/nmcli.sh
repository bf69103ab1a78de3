#!/bin/bash
# The simulated device's nmcli: whether the connection is metered.
if grep -q '"metered": true' "${HOME%/root}/device.json"; then
  echo "GENERAL.METERED:yes"
else
  echo "GENERAL.METERED:no"
fi
