"""Incidents from Microsoft Graph v1.0 (`/security/incidents`).

Microsoft documents no push channel and no ordering; pages hold at most 50, and members after `unknownFutureValue` come
only with the `Prefer` header.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin

from shared.clients.answers import date_of
from shared.clients.asking import Rungs, Ways, may_be_too_much
from shared.clients.interface import IncidentPage
from shared.errors import Cause, Rejected, Transient
from shared.models import lenient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.clients.web import Answer, Api

PAGE = 50
_ALERTS = {"$expand": "alerts"}
PORTIONS: tuple[tuple[int, Mapping[str, str]], ...] = ((PAGE, _ALERTS), (10, _ALERTS), (1, _ALERTS), (PAGE, {}))
"""How many incidents a page may hold, and what comes with them: from the usual down to where a single one is all that
there is to hear, and then without their alerts. A tenant with many alerts was seen to answer 500 to any list with them.
"""

BAD_REQUEST = 400
_PREFER = {"Prefer": "include-unknown-enum-members"}
_PATH = "/v1.0/security/incidents"
_PARTS = 6

log = logging.getLogger(__name__)


def instant(moment: datetime) -> str:
    """An instant as OData writes it, in UTC with microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True)
class _Span:
    """What is asked for, and the way: 0 with both bounds in the filter, 1 with the lower one, 2 with none. `rung` is
    the portion to a page, and `heard` how many incidents came on the pages before.
    """

    way: int
    since: datetime
    until: datetime | None
    rung: int = 0
    heard: int = 0

    def conditions(self) -> Mapping[str, str]:
        """The part of it that Graph is asked to filter, as a parameter; none where that is none."""
        if self.way > 1:
            return {}
        upper = f" and lastUpdateDateTime lt {instant(self.until)}" if self.until and not self.way else ""
        return {"$filter": f"lastUpdateDateTime ge {instant(self.since)}{upper}"}

    def portion(self) -> Mapping[str, str]:
        """How much is asked for at once, as parameters."""
        size, alerts = PORTIONS[self.rung]
        return {**alerts, "$top": str(size)}

    def holds(self, raw: Mapping[str, object]) -> bool:
        """Whether an incident belongs to it. What Graph filtered does; so may one that does not say when it changed."""
        updated = lenient.instant(raw.get("lastUpdateDateTime"))
        if not self.way or updated is None:
            return True
        return self.since <= updated and (self.until is None or updated < self.until)

    def leading(self, link: str, found: int) -> str:
        """What leads to the page after one with `found` incidents. A full page from which no link leads on is not taken
        for the last one: some lists of Graph's were seen to end like this, with more behind.
        """
        if not link and found < PORTIONS[self.rung][0]:
            return ""
        until = instant(self.until) if self.until else ""
        return f"{self.way} {self.rung} {self.heard + found} {instant(self.since)} {until} {link}"


def _read(following: str) -> tuple[_Span, str]:
    """What `leading` wrote. An address alone is one of a list that Graph filters."""
    parts = following.split(" ", _PARTS - 1)
    begun = lenient.instant(parts[3]) if len(parts) == _PARTS else None
    if begun is None:
        return _Span(0, datetime.min.replace(tzinfo=UTC), None), following
    way, rung, heard = map(int, parts[:3])
    return _Span(way, begun, lenient.instant(parts[4]), rung, heard), parts[5]


class GraphIncidents:
    """`Incidents` over HTTP."""

    def __init__(self, api: Api) -> None:
        """`api` carries a token for Graph."""
        self._api = api
        self._ways = Ways()
        self._rungs = Rungs(len(PORTIONS) - 1)

    def changed(self, since: datetime, until: datetime | None = None, *, following: str = "") -> IncidentPage:
        """See `Incidents.changed`. Beside the page's own address, `next` carries what was asked for."""
        span, link = _read(following) if following else self._begun(since, until)
        try:
            page = self._heard(*(self._on(span, link) if following else self._first(span, span.portion())))
        except Transient as error:
            if may_be_too_much(error):
                log.warning("a page of %d incidents may be too much (%s)", PORTIONS[span.rung][0], error)
                self._rungs.failed(span.rung, surely=error.cause is Cause.LONG)
            raise
        if not page.next:
            self._rungs.done(span.rung)
        return page

    def _begun(self, since: datetime, until: datetime | None) -> tuple[_Span, str]:
        """A list to be asked for. In doubt a single incident without its alerts is asked for first, to see what Graph's
        trouble is about.
        """
        span = _Span(self._ways.first(), since, until, self._rungs.first())
        if self._rungs.doubted():
            try:
                self._first(span, {"$top": "1"})
            except Transient:
                self._rungs.answered(light=False)
                raise
            self._rungs.answered(light=True)
        return span, ""

    def _heard(self, span: _Span, answer: Answer) -> IncidentPage:
        found = answer.body.get("value")
        if not isinstance(found, list):
            raise Transient("Graph answered a list of incidents without its value", cause=Cause.CONTENT)
        try:
            date = date_of(answer.headers)
        except (ValueError, TypeError):
            raise Transient("Graph answered without a usable Date", cause=Cause.CONTENT) from None
        rows = [item for item in found if isinstance(item, dict) and span.holds(item)]
        following = span.leading(self._next(answer.body.get("@odata.nextLink")), len(found))
        page = IncidentPage(rows, date, following, filtered=not span.way)
        if answer.partial or "$expand" not in span.portion():
            return replace(page, incidents=(), bare=rows, partial=answer.partial)
        return page

    def _on(self, span: _Span, link: str) -> tuple[_Span, Answer]:
        """The page that `leading` leads to."""
        if link:
            return span, self._api.read(self._checked(link), headers=_PREFER)
        params = {**span.conditions(), **span.portion(), "$skip": str(span.heard)}
        return span, self._api.read(_PATH, params, _PREFER)

    def _first(self, span: _Span, params: Mapping[str, str]) -> tuple[_Span, Answer]:
        """The first page of a list, asked for in the narrowest way that Graph takes."""
        wanted = span.conditions()
        try:
            return span, self._api.read(_PATH, {**wanted, **params}, _PREFER)
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
        answer = self._api.read(f"{_PATH}/{quote(incident, safe='')}", _ALERTS if alerts else None, _PREFER)
        if answer.partial:
            raise Transient("Graph answered a part of an incident only", cause=Cause.CONTENT)
        return answer.body

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
