#!/bin/bash
# The simulated device's journalctl: what its folder keeps of a journal, in plain text.
exec /bin/cat "${HOME%/root}/var/log/journal.txt"
