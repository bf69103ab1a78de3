"""Incidents from Microsoft Graph v1.0 (`/security/incidents`).

Microsoft documents no push channel and no ordering; pages hold at most 50, and members after `unknownFutureValue` come
only with the `Prefer` header.
"""

from __future__ import annotations

import contextlib
import logging
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin

from shared.clients.answers import TooMuch, date_of
from shared.clients.asking import Ways
from shared.clients.interface import IncidentPage
from shared.errors import Cause, Rejected, Transient
from shared.models import lenient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.clients.web import Answer, Api

PAGE = 50
SIZES = (PAGE, 10, 1)
"""How many incidents a page may hold, from the usual number down to where a single one is all that there is to hear."""

BAD_REQUEST = 400
_PREFER = {"Prefer": "include-unknown-enum-members"}
_PATH = "/v1.0/security/incidents"
_ALERTS = {"$expand": "alerts"}
_EXPAND = re.compile(r"(?<=[?&])(?:\$|%24)expand=[^&]*&?", re.IGNORECASE)

log = logging.getLogger(__name__)


def instant(moment: datetime) -> str:
    """An instant as OData writes it, in UTC with microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True)
class _Span:
    """What is asked for, and the way: 0 with both bounds in the filter, 1 with the lower one, 2 with none."""

    way: int
    since: datetime
    until: datetime | None

    def conditions(self) -> str:
        """The part of it that Graph is asked to filter; empty where that is none."""
        if self.way > 1:
            return ""
        upper = f" and lastUpdateDateTime lt {instant(self.until)}" if self.until and not self.way else ""
        return f"lastUpdateDateTime ge {instant(self.since)}{upper}"

    def holds(self, raw: Mapping[str, object]) -> bool:
        """Whether an incident belongs to it. What Graph filtered does; so may one that does not say when it changed."""
        updated = lenient.instant(raw.get("lastUpdateDateTime"))
        if not self.way or updated is None:
            return True
        return self.since <= updated and (self.until is None or updated < self.until)

    def leading(self, link: str) -> str:
        """The address of the next page, with what is still to be looked at on it where Graph does not filter."""
        until = instant(self.until) if self.until else ""
        return f"{self.way} {instant(self.since)} {until} {link}" if link and self.way else link


def _read(following: str) -> tuple[_Span, str]:
    """What `leading` wrote. An address alone is one of a list that Graph filters."""
    way, _, rest = following.partition(" ")
    since, _, rest = rest.partition(" ")
    until, _, link = rest.partition(" ")
    begun = lenient.instant(since)
    if way not in {"1", "2"} or begun is None:
        return _Span(0, datetime.min.replace(tzinfo=UTC), None), following
    return _Span(int(way), begun, lenient.instant(until)), link


def _without_alerts(following: str) -> str:
    """The address of a page of a list that was asked for with alerts, of the same page without them."""
    return _EXPAND.sub("", following)


def _with_alerts(following: str) -> str:
    return f"{following}&$expand=alerts" if following and not _EXPAND.search(following) else following


class GraphIncidents:
    """`Incidents` over HTTP."""

    def __init__(self, api: Api) -> None:
        """`api` carries a token for Graph."""
        self._api = api
        self._ways = Ways()
        self._sizes = Ways()

    def changed(self, since: datetime, until: datetime | None = None, *, following: str = "") -> IncidentPage:
        """See `Incidents.changed`. Beside the page's own address, `next` then carries what is still to be looked at."""
        size = self._sizes.first()
        try:
            return self._heard(*self._page(since, until, following, SIZES[size]))
        except Transient as error:
            if error.cause is not Cause.LONG:
                raise
            log.warning("a page of %d incidents is too long (%s)", SIZES[size], error)
            if size + 1 < len(SIZES):
                self._sizes.refused(size)
            if size + 1 < len(SIZES) or not isinstance(error.__cause__, TooMuch):
                raise
            bare = self._heard(*self._page(since, until, _without_alerts(following), SIZES[size], {}))
            if len(bare.incidents) > 1:  # a list that was begun with longer pages: it is begun anew with shorter ones
                raise
        return replace(bare, incidents=(), too_long=bare.incidents, next=_with_alerts(bare.next))

    def _heard(self, span: _Span, answer: Answer) -> IncidentPage:
        found = answer.body.get("value")
        if not isinstance(found, list):
            raise Transient("Graph answered a list of incidents without its value", cause=Cause.CONTENT)
        try:
            date = date_of(answer.headers)
        except (ValueError, TypeError):
            raise Transient("Graph answered without a usable Date", cause=Cause.CONTENT) from None
        rows = [item for item in found if isinstance(item, dict) and span.holds(item)]
        return IncidentPage(rows, date, span.leading(self._next(answer.body.get("@odata.nextLink"))))

    def _page(
        self,
        since: datetime,
        until: datetime | None,
        following: str,
        size: int,
        more: Mapping[str, str] = MappingProxyType(_ALERTS),
    ) -> tuple[_Span, Answer]:
        if following:
            span, link = _read(following)
            return span, self._api.read(self._checked(link), headers=_PREFER)
        return self._first(_Span(self._ways.first(), since, until), {**more, "$top": str(size)})

    def _first(self, span: _Span, params: Mapping[str, str]) -> tuple[_Span, Answer]:
        """The first page of a list, asked for in the narrowest way that Graph takes."""
        wanted = span.conditions()
        try:
            return span, self._api.read(_PATH, {"$filter": wanted, **params} if wanted else dict(params), _PREFER)
        except Rejected as error:
            if error.status != BAD_REQUEST or not wanted:
                raise
            log.warning("Graph refuses a filter of incidents (%s); more are read, and filtered here", error)
        way = span.way + 1 if span.until else 2
        self._ways.refused(way - 1)
        return self._first(replace(span, way=way), params)

    def _checked(self, link: object) -> str:
        """The next page's address: only ever on the host that we asked, since the bearer goes with it."""
        if not link:
            return ""
        if not isinstance(link, str) or not link.startswith(self._api.base + "/"):
            raise Transient("Graph named a next page on another host; not followed", cause=Cause.CONTENT)
        return link

    def _next(self, link: object) -> str:
        """The next page's address as a whole one: OData allows a relative one too."""
        with contextlib.suppress(ValueError):
            return self._checked(urljoin(f"{self._api.base}{_PATH}", link) if link and isinstance(link, str) else link)
        return self._checked(link)

    def get(self, incident: str, *, alerts: bool = False) -> Mapping[str, object]:
        """See `Incidents.get`."""
        params = {"$expand": "alerts"} if alerts else None
        return self._api.read(f"{_PATH}/{quote(incident, safe='')}", params, _PREFER).body

    def more_alerts(self, following: str) -> tuple[Sequence[Mapping[str, object]], str]:
        """See `Incidents.more_alerts`."""
        body = self._api.read(self._next(following), headers=_PREFER).body
        found = body.get("value")
        if not isinstance(found, list):
            raise Transient("Graph answered a list of alerts without its value", cause=Cause.CONTENT)
        return [item for item in found if isinstance(item, dict)], self._next(body.get("@odata.nextLink"))

    def set_tags(self, incident: str, tags: Sequence[str]) -> None:
        """See `Incidents.set_tags`."""
        self._api.write("PATCH", f"{_PATH}/{quote(incident, safe='')}", {"customTags": list(tags)})

    def comment(self, incident: str, text: str) -> None:
        """See `Incidents.comment`."""
        body = {"@odata.type": "microsoft.graph.security.alertComment", "comment": text}
        self._api.write("POST", f"{_PATH}/{quote(incident, safe='')}/comments", body)
