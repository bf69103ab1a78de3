"""Worker and supervisor notice each other's death.

The two share a socket pair: the worker writes one byte when it is ready, and either sees the end of file when the other
is gone, however it went. On Linux the kernel kills the worker with its parent besides, even when the worker's threads
are stuck in native code.
"""

import ctypes
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import Final

OVERRAN: Final = 75  # the status of a worker that gave up because a function overran its time
_READY: Final = b"R"
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def die_with_parent(channel: socket.socket, parent: int) -> None:
    """In the worker: end at once when the supervisor `parent` (its pid) is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it went before the line above
        os._exit(1)
    threading.Thread(target=_watch, args=(channel,), name="parentage", daemon=True).start()


def _watch(channel: socket.socket) -> None:
    with suppress(OSError):
        channel.recv(1)  # the supervisor never writes: this returns only when it is gone
    os._exit(1)


def say_ready(channel: socket.socket) -> None:
    """In the worker: tell the supervisor that the start has succeeded."""
    channel.sendall(_READY)


def was_ready(channel: socket.socket) -> bool:
    """In the supervisor, once the worker has ended: say whether its start had succeeded."""
    channel.setblocking(False)  # noqa: FBT003  (the socket's own interface)
    try:
        return channel.recv(1) == _READY
    except OSError:
        return False
