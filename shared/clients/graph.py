"""Incidents from Microsoft Graph v1.0 (`/security/incidents`).

Microsoft documents no push channel and no ordering; pages hold at most 50, and members after `unknownFutureValue` come
only with the `Prefer` header.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from shared.clients.interface import IncidentPage
from shared.clients.web import date_of
from shared.errors import Transient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.clients.web import Api

PAGE = 50
_PREFER = {"Prefer": "include-unknown-enum-members"}
_PATH = "/v1.0/security/incidents"


def instant(moment: datetime) -> str:
    """An instant as OData writes it, in UTC with microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class GraphIncidents:
    """`Incidents` over HTTP."""

    def __init__(self, api: Api) -> None:
        """`api` carries a token for Graph."""
        self._api = api

    def changed(self, since: datetime, until: datetime | None = None, *, following: str = "") -> IncidentPage:
        """See `Incidents.changed`."""
        if following:
            answer = self._api.read(self._checked(following), headers=_PREFER)
        else:
            upper = f" and lastUpdateDateTime lt {instant(until)}" if until else ""
            params = {
                "$filter": f"lastUpdateDateTime ge {instant(since)}{upper}",
                "$expand": "alerts",
                "$top": str(PAGE),
            }
            answer = self._api.read(_PATH, params, _PREFER)
        found = answer.body.get("value")
        if not isinstance(found, list):
            raise Transient("Graph answered a list of incidents without its value")
        try:
            date = date_of(answer.headers)
        except (ValueError, TypeError):
            raise Transient("Graph answered without a usable Date") from None
        rows = [item for item in found if isinstance(item, dict)]
        return IncidentPage(rows, date, self._checked(answer.body.get("@odata.nextLink")))

    def _checked(self, link: object) -> str:
        """The next page's address: only ever on the host that we asked, since the bearer goes with it."""
        if not link:
            return ""
        if not isinstance(link, str) or not link.startswith(self._api.base + "/"):
            raise Transient("Graph named a next page on another host; not followed")
        return link

    def get(self, incident: str) -> Mapping[str, object]:
        """See `Incidents.get`."""
        return self._api.read(f"{_PATH}/{quote(incident, safe='')}", headers=_PREFER).body

    def set_tags(self, incident: str, tags: Sequence[str]) -> None:
        """See `Incidents.set_tags`."""
        self._api.write("PATCH", f"{_PATH}/{quote(incident, safe='')}", {"customTags": list(tags)})

    def comment(self, incident: str, text: str) -> None:
        """See `Incidents.comment`."""
        body = {"@odata.type": "microsoft.graph.security.alertComment", "comment": text}
        self._api.write("POST", f"{_PATH}/{quote(incident, safe='')}/comments", body)
