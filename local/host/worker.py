"""The worker process: everything that runs the app, replaced as a whole when a function overruns its time."""

import importlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Final, NoReturn

from local.host.arguments import WorkerArguments, invisibility, parse_worker
from local.host.assembly import Instance, Listeners, assemble
from local.host.bindings import HostedFunction, host_functions
from local.host.discovery import declared_functions, make_importable
from local.host.errors import StartRefusedError
from local.host.invocation import Invocation, Invoker, thread_count
from local.host.logs import configure_logging
from local.host.options import read_host_json
from local.host.parentage import OVERRAN, die_with_parent, say_ready
from local.host.settings import read_settings
from local.host.timer_listener import wait_for_threads

_log: Final = logging.getLogger("local.host")
_REFUSED: Final = 1
_SETTINGS_WRONG: Final = 2
_TICK: Final = 0.2
_ABANDON: Final = 10.0
_THREADS_SETTING: Final = "PYTHON_THREADPOOL_THREAD_COUNT"


class SettingsWrongError(Exception):
    """The app's own check of its settings raised; the message is the app's."""


@dataclass(frozen=True, slots=True)
class _Worker:
    functions: Sequence[HostedFunction]
    listeners: Listeners
    invoker: Invoker
    stopping: threading.Event
    drain: float


def main(arguments: Sequence[str]) -> int:
    """Run the worker until it is told to stop; the result is its exit status."""
    asked = parse_worker(arguments)
    channel = socket.socket(fileno=asked.channel)
    die_with_parent(channel, asked.supervisor)
    stopping = threading.Event()
    _heed_signals(stopping)
    configure_logging()
    try:
        worker = _prepare(asked, stopping)
    except SettingsWrongError as error:
        print(f"settings are wrong:\n{error}", file=sys.stderr, flush=True)
        return _SETTINGS_WRONG
    except StartRefusedError as error:
        for problem in error.problems:
            print(f"cannot start: {problem}", file=sys.stderr, flush=True)
        return _REFUSED
    _announce(worker.functions)
    say_ready(channel)
    return _listen(worker)


def _heed_signals(stopping: threading.Event) -> None:
    """Stop on SIGTERM. SIGINT reaches the whole terminal group, but only the supervisor acts on it."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    def pass_over(_number: int, _frame: FrameType | None) -> None:
        """Do nothing; a handler, unlike SIG_IGN, is not inherited by programs that the app starts."""

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, pass_over)


def _prepare(asked: WorkerArguments, stopping: threading.Event) -> _Worker:
    host = asked.host
    os.environ.update(read_settings(host.settings))
    if not host.root.is_dir():
        raise StartRefusedError([f"{host.root} is not a folder"])
    os.chdir(host.root)
    make_importable(host.root)
    options = read_host_json(host.root / "host.json")
    if host.check is not None:
        _check_settings(host.check)
    functions = _functions(host.app)
    timeout, threads = options.timeout, thread_count(os.environ.get(_THREADS_SETTING), os.cpu_count() or 1)
    invoker = Invoker(threads, timeout, str(host.root))
    hidden_for = invisibility(host.invisibility, os.environ)
    instance = Instance(hidden_for, asked.lease_id, host.lease, asked.restarted)
    active = [function for function in functions if not function.disabled]
    listeners = assemble(
        functions=active,
        options=options,
        settings=os.environ,
        instance=instance,
        invoker=invoker,
        stopping=stopping,
    )
    return _Worker(functions, listeners, invoker, stopping, host.drain)


def _check_settings(target: str) -> None:
    module_name, _, attribute = target.partition(":")
    check = getattr(importlib.import_module(module_name), attribute or "", None)
    if not callable(check):
        raise StartRefusedError([f"--check {target}: write it as module:callable"])
    try:
        check()
    except Exception as error:  # whatever the app raises is its verdict
        raise SettingsWrongError(str(error) or repr(error)) from error


def _functions(module_name: str) -> list[HostedFunction]:
    functions, problems = host_functions(declared_functions(module_name), os.environ)
    if problems:
        raise StartRefusedError(problems)
    return functions


def _announce(functions: Sequence[HostedFunction]) -> None:
    for function in functions:
        print(f"  {function.name}: {function.trigger}{' (disabled)' if function.disabled else ''}")
    active = [function.name for function in functions if not function.disabled]
    print(f"host ready: {len(active)} functions ({', '.join(active)})", flush=True)


def _listen(worker: _Worker) -> NoReturn:
    threading.Thread(target=_renew, args=(worker,), name="renewals", daemon=True).start()
    worker.listeners.start()
    while not worker.stopping.wait(_TICK):
        overdue = worker.invoker.overdue(time.monotonic())
        if overdue is not None:
            _give_up(worker, overdue)
    _drain(worker)


def _renew(worker: _Worker) -> None:
    """Renew until the process ends, so also while it drains."""
    while True:
        worker.listeners.renewals.renew_due(time.monotonic())
        time.sleep(_TICK)


def _give_up(worker: _Worker, overdue: Invocation) -> NoReturn:
    """End the process: a thread cannot be killed, and the real host replaces the whole worker too.

    Every invocation fails with it; the messages become visible again, or go to poison, as after any failure.
    """
    others = len(worker.invoker.running()) - 1
    _log.error(
        "Timeout value of %.0f s exceeded by function 'Functions.%s' (Id: '%s'); the worker is replaced,"
        " which ends %d other invocation(s)",
        worker.invoker.timeout,
        overdue.function.name,
        overdue.id,
        others,
    )
    worker.stopping.set()
    wait_for_threads(worker.listeners.queue_threads(), time.monotonic() + _ABANDON)
    worker.invoker.abandon_all(_ABANDON)
    _exit(OVERRAN)


def _drain(worker: _Worker) -> NoReturn:
    """Take nothing new, let what runs finish if it can, and go. What is cut off comes again after its invisibility."""
    _log.info("stopping: waiting up to %.0f s for %d running", worker.drain, len(worker.invoker.running()))
    deadline = time.monotonic() + worker.drain
    wait_for_threads(worker.listeners.queue_threads(), deadline)
    if not worker.invoker.wait_idle(deadline):
        names = ", ".join(sorted(each.function.name for each in worker.invoker.running()))
        _log.warning("stopped before these had finished: %s", names)
    wait_for_threads(worker.listeners.timer_threads(), deadline)
    worker.listeners.release()
    _exit(0)


def _exit(status: int) -> NoReturn:
    """End without joining the pool's threads, which may be running functions for hours."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
