"""A parser in a process of its own: one that never comes back from somebody else's bytes can be ended there, and holds
nobody else up until then.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from threading import Event, Thread, Timer
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

_PLACES = ("DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "SYSTEMROOT")
"""All that an interpreter may need of the environment; the rest of it is no business of a parser."""


def lines_of(module: str, arguments: Sequence[str], data: bytes, seconds: float, longest: int) -> Generator[bytes]:
    """What a module of ours writes, line by line, when it is run with `data` on its standard input. Raises TimeoutError
    when `seconds` are over, OSError where it ends as it should not or a line has more than `longest` bytes.
    """
    environment = {name: os.environ[name] for name in _PLACES if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    # without `site`, and whatever lies in the working directory is no module of ours
    command = [sys.executable, "-S", "-P", "-m", module, *arguments]
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nothing, env=environment) as child:  # noqa: S603 - ours
        late = Event()
        timer = Timer(seconds, _end, (child, late))
        feeder = Thread(target=_feed, args=(child.stdin, data), daemon=True)
        timer.daemon = True
        timer.start()
        feeder.start()
        try:
            yield from _lines(child.stdout, longest)
            ended = child.wait()
        finally:
            timer.cancel()
            child.kill()
            feeder.join()
        if late.is_set():
            raise TimeoutError(f"it took longer than {seconds:g} s")
        if ended:
            raise ChildProcessError(f"its parser ended with {ended}")


def _lines(file: IO[bytes] | None, longest: int) -> Iterator[bytes]:
    """Whole lines: of one that breaks off it will be told why."""
    while (line := file.readline(longest + 1) if file else b"").endswith(b"\n"):
        yield line
    if len(line) > longest:
        raise OSError("its parser says too much")


def _feed(file: IO[bytes] | None, data: bytes) -> None:
    with suppress(OSError):  # it was ended, or had enough
        if file:
            with file:
                file.write(data)


def _end(child: subprocess.Popen[bytes], late: Event) -> None:
    late.set()
    child.kill()
