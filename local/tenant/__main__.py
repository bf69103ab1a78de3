"""Start the simulated tenant: python -m local.tenant --port 0."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from local.tenant.clock import system_clock
from local.tenant.linux import Sandboxes
from local.tenant.liveresponse import nobody
from local.tenant.model import Tenant
from local.tenant.server import TenantServer
from local.tenant.settings import TenantSettings

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT or the shutdown call; 2 when the settings are wrong."""
    parser = argparse.ArgumentParser(prog="python -m local.tenant", description="A simulated Defender tenant.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--settings", default="{}", help="a JSON file, or JSON itself")
    parser.add_argument("--seed", type=int, default=0, help="what durations, ids and chance are drawn from")
    parser.add_argument("--port-file", type=Path, help="where to write the port once the tenant listens")
    parser.add_argument("--devices", type=Path, help="a folder in which Linux devices really run live response")
    chosen = parser.parse_args(arguments)
    try:
        settings = TenantSettings.from_text(_text(chosen.settings))
    except (OSError, ValueError) as error:
        print(f"tenant: {error}", file=sys.stderr)
        return 2
    sandboxes = Sandboxes(chosen.devices, settings) if chosen.devices else None
    server = TenantServer(Tenant(settings, system_clock, chosen.seed, sandboxes or nobody), chosen.port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.ask_to_stop())
    with server:
        if chosen.port_file:
            _write_at_once(chosen.port_file, str(server.port))
        print(f"tenant listening on {server.url}", flush=True)
        server.wait()
    if sandboxes:
        sandboxes.close()
    return 0


def _text(settings: str) -> str:
    return settings if settings.lstrip().startswith("{") else Path(settings).read_text(encoding="utf-8")


def _write_at_once(path: Path, text: str) -> None:
    """Write so that a reader never sees half of it."""
    draft = path.with_name(path.name + ".part")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main())
