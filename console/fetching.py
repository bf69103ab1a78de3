"""Incidents of the past from the tenant, page by page into a file of lines. It reads, and nothing else."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from pydantic import ValidationError

from shared.config import Settings
from shared.errors import SettingsError, Throttled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from shared.clients.interface import Incidents

MOST_DAYS = 30
FILE = "incidents.jsonl"
_UNSAID = 30.0

READ = ("DEFENDER_CLOUD", "GRAPH_API_URL", "ISOLATION_CAPS", "PROTECTED", "MAX_AGE_TO_CONTAIN", "APPROVAL_EXPIRES")
"""The settings that count for old incidents: where they are, and what the rails are made of."""


def told_rails(values: Mapping[str, str]) -> Settings:
    """The settings of a deployment as far as they are told; the defaults otherwise. It is as if it responded. Raises
    SettingsError.
    """
    given = {name: values[name] for name in READ if values.get(name)}
    try:
        return Settings.model_validate({**given, "RESPONSE_MODE": "respond", "DEPLOYMENT": "backtest"})
    except ValidationError as error:
        said = [f"{item['loc'][0]}: {item['msg'].removeprefix('Value error, ')}" for item in error.errors()]
        raise SettingsError(said) from None


def graph(settings: Settings) -> Incidents:
    """The tenant's incidents as whoever is signed in may read them: an app by `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and
    a secret or certificate, or a person by a developer tool.
    """
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - slow, and needed here only

    from shared.clients.graph import GraphIncidents  # noqa: PLC0415 - likewise
    from shared.clients.tokens import Tokens  # noqa: PLC0415 - likewise
    from shared.clients.web import Api, session  # noqa: PLC0415 - likewise

    credential = DefaultAzureCredential()
    tokens = Tokens(settings.graph_audience, credential, lambda: credential)
    return GraphIncidents(Api(settings.graph_url, tokens.current, session(), tokens.renew))


def fetched(
    incidents: Incidents,
    folder: Path,
    since: datetime,
    tell: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> Path:
    """A folder with the incidents that changed since then, as Graph returns them now. Where Graph has enough of us, it
    is waited for. Raises Transient and Rejected.
    """
    path, following, count = folder / FILE, "", 0
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        while True:
            try:
                page = incidents.changed(since, following=following)
            except Throttled as error:
                wait = error.retry_after or _UNSAID
                tell(f"{count} incidents; Graph asks to wait {wait:.0f} s")
                pause(wait)
                continue
            for each in page.incidents:
                file.write(json.dumps(each, separators=(",", ":")) + "\n")
            count += len(page.incidents)
            following = page.next
            if not following:
                break
    tell(f"{count} incidents read")
    return folder
