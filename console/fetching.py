"""Incidents of the past from the tenant, page by page into a file of lines. It reads, and nothing else."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, TextIO, TypeVar

from pydantic import ValidationError

from shared.clients.asking import may_be_too_much
from shared.config import Settings
from shared.errors import SettingsError, Throttled, Transient
from shared.models.lenient import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from shared.clients.interface import IncidentPage, Incidents

MOST_DAYS = 30
FILE = "incidents.jsonl"
_UNSAID = 30.0
_TRIES = 8
"""How often the list is begun: each time Graph may be asked for less at once."""

T = TypeVar("T")

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
    is waited for; where it cannot answer so much at once, it is asked anew for less. Raises Transient and Rejected.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reading = _Reading(incidents, tell, pause)
    for left in reversed(range(_TRIES)):
        with (folder / FILE).open("w", encoding="utf-8") as file:
            try:
                reading.write(file, since)
            except Transient as error:
                if not left or not may_be_too_much(error):
                    raise
                tell(f"the list of incidents breaks off ({error}); it is begun anew")
                continue
        break
    tell(f"{reading.count} incidents read")
    return folder


class _Reading:
    """One reading of the list, and whatever waiting it takes."""

    def __init__(self, incidents: Incidents, tell: Callable[[str], None], pause: Callable[[float], None]) -> None:
        self._incidents, self._tell, self._pause = incidents, tell, pause
        self.count = 0

    def write(self, file: TextIO, since: datetime) -> None:
        """Write every incident in a line of its own. Raises Transient, also where Graph leaves some out."""
        self.count, following = 0, ""
        while True:
            page = self._waiting(lambda at=following: self._incidents.changed(since, following=at))  # type: ignore[misc]
            for each in self._whole(page):
                file.write(json.dumps(each, separators=(",", ":")) + "\n")
                self.count += 1
            if page.partial:
                raise Transient("Graph answered with a part of the incidents only")
            if not (following := page.next):
                return

    def _whole(self, page: IncidentPage) -> Iterator[Mapping[str, object]]:
        yield from page.incidents
        for each in page.bare:
            name = text(each.get("id"))
            yield self._waiting(lambda name=name: self._incidents.get(name, alerts=True))  # type: ignore[misc]

    def _waiting(self, ask: Callable[[], T]) -> T:
        while True:
            try:
                return ask()
            except Throttled as error:
                wait = error.retry_after or _UNSAID
                self._tell(f"{self.count} incidents; Graph asks to wait {wait:.0f} s")
                self._pause(wait)
