"""The parent process: keeps one worker running, and passes on the wish to stop.

A function that overruns its time cannot be ended inside a Python process, so the worker is a process of its own and is
replaced as a whole, as on the real host.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from types import FrameType
from typing import Final

from local.host.backoff import next_short_lives, restart_delay
from local.host.parentage import OVERRAN, was_ready

_log: Final = logging.getLogger("local.host.supervisor")
_TICK: Final = 0.1
_GRACE: Final = 5.0
_WORKER: Final = "local.host.worker"


class Supervisor:
    """Runs workers until it is told to stop."""

    def __init__(self, arguments: Sequence[str], drain: float) -> None:
        """Keep the command line for the workers; `drain` is how long, in seconds, one may take to stop."""
        self._arguments = list(arguments)
        self._drain = drain
        self._stops = 0
        self._lease_id = str(uuid.uuid4())

    def run(self) -> int:
        """Give the host's exit status: 0 after a stop, the worker's own when its very first start fails."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note_stop)
        short_lives = 0
        started_once = False
        while True:
            began = time.monotonic()
            status, ready = self._live_once(restarted=started_once)
            if self._stops:
                return 0 if status in {0, -signal.SIGTERM, OVERRAN} else 1
            if not ready and not started_once:
                return max(status, 1)
            started_once = True
            short_lives = next_short_lives(short_lives, time.monotonic() - began, became_ready=ready)
            delay = restart_delay(short_lives)
            _log.warning("the worker ended (status %d); a new one starts in %.0f s", status, delay)
            if self._pause(delay):
                return 0

    def _note_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stops += 1

    def _live_once(self, *, restarted: bool) -> tuple[int, bool]:
        """Run one worker to its end; give its status and whether its start had succeeded."""
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", _WORKER, *self._arguments]
        command += ["--channel", str(theirs.fileno()), "--supervisor", str(os.getpid()), "--lease-id", self._lease_id]
        if restarted:
            command.append("--restarted")
        with ours:
            with theirs:
                worker = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
                    command,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                )
            status = self._wait_for(worker)
            return status, was_ready(ours)

    def _wait_for(self, worker: subprocess.Popen[bytes]) -> int:
        """Wait for the worker's end; a stop is passed on, a second stop or a worker that hangs is a kill."""
        kill_at: float | None = None
        while True:
            try:
                return worker.wait(_TICK)
            except subprocess.TimeoutExpired:
                pass
            if self._stops and kill_at is None:
                worker.terminate()
                kill_at = time.monotonic() + self._drain + _GRACE
            if kill_at is not None and (self._stops > 1 or time.monotonic() > kill_at):
                worker.kill()

    def _pause(self, seconds: float) -> bool:
        """Wait; True when a stop came."""
        until = time.monotonic() + seconds
        while not self._stops and time.monotonic() < until:
            time.sleep(_TICK)
        return bool(self._stops)
