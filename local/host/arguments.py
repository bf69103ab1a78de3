"""The command line, shared by the supervisor, which hands it on, and the worker, which acts on it."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.host.errors import StartRefusedError

INVISIBILITY_VARIABLE: Final = "BULKHEAD_HOST_INVISIBILITY"
_DEFAULT_INVISIBILITY: Final = 600
_LONGEST_INVISIBILITY: Final = 7 * 24 * 3600
_LEASE_BOUNDS: Final = (15, 60)
_TEXT: Final = (
    "Run a function app of the Azure Functions Python v2 model on this machine: its timers and queue triggers."
)


@dataclass(frozen=True, slots=True)
class HostArguments:
    """What a person asked for; times in seconds."""

    settings: Path
    app: str
    root: Path
    check: str | None
    invisibility: int | None
    drain: float
    lease: int


@dataclass(frozen=True, slots=True)
class WorkerArguments:
    """What the supervisor tells its worker besides."""

    host: HostArguments
    channel: int
    supervisor: int
    lease_id: str
    restarted: bool


def parse_host(arguments: Sequence[str]) -> HostArguments:
    """Read the command line of the host; argparse ends the process with its usage when it is wrong."""
    return _host(_parser().parse_args(arguments))


def parse_worker(arguments: Sequence[str]) -> WorkerArguments:
    """Read the command line of a worker, which the supervisor writes."""
    parser = _parser()
    parser.add_argument("--channel", type=int, required=True)
    parser.add_argument("--supervisor", type=int, required=True)
    parser.add_argument("--lease-id", required=True)
    parser.add_argument("--restarted", action="store_true")
    read = parser.parse_args(arguments)
    return WorkerArguments(_host(read), read.channel, read.supervisor, read.lease_id, read.restarted)


def invisibility(asked: int | None, settings: Mapping[str, str]) -> int:
    """Give the seconds for which a taken message is hidden: the option, else the variable, else ten minutes."""
    text = str(asked) if asked is not None else settings.get(INVISIBILITY_VARIABLE, str(_DEFAULT_INVISIBILITY))
    if text.isascii() and text.isdigit() and 1 <= int(text) <= _LONGEST_INVISIBILITY:
        return int(text)
    raise StartRefusedError([f"{INVISIBILITY_VARIABLE} must be whole seconds from 1 to {_LONGEST_INVISIBILITY}"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.host", description=_TEXT)
    parser.add_argument("--settings", type=Path, required=True, help="a local.settings.json; its Values win")
    parser.add_argument("--app", default="function_app", help="the module that holds the app (default: %(default)s)")
    parser.add_argument("--root", type=Path, default=Path(), help="the folder of host.json and the app (default: here)")
    parser.add_argument(
        "--check", metavar="MODULE:CALLABLE", help="called before listening; it raises if settings are wrong"
    )
    hidden = f"how long a taken message is hidden, in seconds (default: ${INVISIBILITY_VARIABLE}, else 600)"
    parser.add_argument("--invisibility", type=int, metavar="SECONDS", help=hidden)
    parser.add_argument(
        "--drain", type=float, default=10.0, metavar="SECONDS", help="wait so long for functions at the end"
    )
    held = "a timer's lock lasts so long after a killed host, 15 to 60 (default: %(default)s)"
    parser.add_argument("--lease", type=_lease, default=_LEASE_BOUNDS[0], metavar="SECONDS", help=held)
    return parser


def _lease(text: str) -> int:
    low, high = _LEASE_BOUNDS
    if text.isascii() and text.isdigit() and low <= int(text) <= high:
        return int(text)
    message = f"whole seconds from {low} to {high}"
    raise argparse.ArgumentTypeError(message)


def _host(read: argparse.Namespace) -> HostArguments:
    return HostArguments(
        settings=read.settings.resolve(),
        app=read.app,
        root=read.root.resolve(),
        check=read.check,
        invisibility=read.invisibility,
        drain=read.drain,
        lease=read.lease,
    )
