#!/bin/bash
# The simulated device's systemctl: it knows no unit.
exit 4
