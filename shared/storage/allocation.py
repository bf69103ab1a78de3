"""What the C library does with the memory of large blocks once they are freed.

It learns from the first block of 8 MiB that is freed to keep such blocks for later, in an arena of each thread, so that
a process grows by them with every thread that a transfer ever ran in. Told a size, it learns nothing, and gives blocks
above it back at once. A variable of the environment would come too late where the platform starts workers in advance.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

GIVEN_BACK = 4 * 1024 * 1024
"""Bytes: half a block of a transfer. Small things stay in arenas, where they cost less."""

_M_MMAP_THRESHOLD = -3  # malloc.h of glibc


def give_back_large() -> bool:
    """Have what is larger than `GIVEN_BACK` go back to the system when it is freed; whether the C library can."""
    with suppress(AttributeError, OSError, TypeError):  # another C library, or none that can be opened
        return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, GIVEN_BACK))
    return False
