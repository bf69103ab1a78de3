"""The tenant's incidents and their alerts, as Microsoft Graph shows them."""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from local.tenant import enums, shapes
from local.tenant.clock import seven_digits, stamp
from local.tenant.listing import ListQuery, ListRules, cut, read_expand, read_query, skip_token
from local.tenant.odata import Field, ODataError
from local.tenant.wire import ApiError, Json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from local.tenant.clock import Clock
    from local.tenant.settings import TenantSettings

Options = Mapping[str, str]

_TIME = Field("time")
_INCIDENT_FIELDS = {
    "assignedTo": Field("text"),
    "classification": Field("enum", enums.CLASSIFICATION),
    "createdDateTime": _TIME,
    "determination": Field("enum", enums.DETERMINATION),
    "lastUpdateDateTime": _TIME,
    "severity": Field("enum", enums.SEVERITY),
    "status": Field("enum", enums.INCIDENT_STATUS),
}
_INCIDENTS = ListRules(
    fields=_INCIDENT_FIELDS,
    max_top=50,
    page=50,
    options=frozenset({"$filter", "$top", "$skip", "$count", "$expand", "$orderby", "$skiptoken"}),
    orderable=frozenset({"createdDateTime", "lastUpdateDateTime"}),
    newest="createdDateTime",
)
_ALERT_FIELDS = {
    **_INCIDENT_FIELDS,
    "serviceSource": Field("enum", enums.SERVICE_SOURCE),
    "status": Field("enum", enums.ALERT_STATUS),
}
_WRITABLE: dict[str, tuple[str, ...] | None] = {
    "assignedTo": None,
    "classification": enums.CLASSIFICATION,
    "determination": enums.DETERMINATION,
    "status": enums.WRITABLE_INCIDENT_STATUS,
    "customTags": None,
}
_CONTEXT = "https://graph.microsoft.com/v1.0/$metadata#security"


class Incidents:
    """Incidents by id; a new one may become visible later than it was made."""

    def __init__(self, settings: TenantSettings, now: Clock) -> None:
        """Start without any."""
        self._settings = settings
        self._now = now
        self._items: dict[str, Json] = {}
        self._visible: dict[str, datetime] = {}
        self._next_id = 2_972_395
        self.base_url = settings.public_url
        self.alerts_granted = "SecurityAlert.Read.All" in settings.roles

    # what a caller of Graph sees

    def listing(self, options: Options, *, all_members: bool = False) -> Json:
        """Answer GET /security/incidents."""
        query = _checked(options, _INCIDENTS)
        most = self._settings.incidents_most_skipped
        if most and query.skip > most:
            raise ApiError(400, "BadRequest", f"The limit of '{most}' for Skip query has been exceeded.")
        page = cut(self._shown(), query)
        _bear(page.items if query.expand else [], self._settings.incidents_most_alerts)
        context = f"{_CONTEXT}/incidents{'(alerts())' if query.expand else ''}"
        answer: Json = {"@odata.context": context}
        if query.count:
            answer["@odata.count"] = page.total
        if page.following and self._settings.incidents_paging != "none":
            skip = str(query.skip + query.top) if self._settings.incidents_paging == "skip" else ""
            answer["@odata.nextLink"] = self._next_link("incidents", options, page.following, skip)
        answer["value"] = [self._view(one, alerts=query.expand, all_members=all_members) for one in page.items]
        return answer

    def get(self, incident_id: str, options: Options | None = None, *, all_members: bool = False) -> Json:
        """Answer GET /security/incidents/{id}."""
        try:
            expand = read_expand(options or {})
        except ODataError as error:
            raise ApiError(400, "BadRequest", str(error)) from error
        found = self._visible_one(incident_id)
        _bear([found] if expand else [], self._settings.incident_most_alerts)
        view = self._view(found, alerts=expand, all_members=all_members)
        return {"@odata.context": f"{_CONTEXT}/incidents/$entity", **view}

    def patch(self, incident_id: str, body: object, by: str, *, all_members: bool = False) -> Json:
        """Answer PATCH /security/incidents/{id}: only the documented members."""
        found = self._visible_one(incident_id)
        members = _patch_members(body)
        found.update(members)
        self._touch(found, by)
        return self.get(incident_id, all_members=all_members)

    def comment(self, incident_id: str, body: object, by: str) -> Json:
        """Answer POST /security/incidents/{id}/comments: all comments, the new one last."""
        found = self._visible_one(incident_id)
        if not isinstance(body, dict) or not isinstance(body.get("comment"), str) or not body["comment"]:
            raise ApiError(400, "BadRequest", "The body must hold a 'comment'.")
        if set(body) - {"@odata.type", "comment"}:
            raise ApiError(400, "BadRequest", "The body holds members that are not of alertComment.")
        found["comments"].append(
            {"comment": body["comment"], "createdByDisplayName": by, "createdDateTime": stamp(self._now())}
        )
        self._touch(found, by)
        return {"@odata.context": f"{_CONTEXT}/incidents('{incident_id}')/comments", "value": list(found["comments"])}

    def alerts_of(self, incident_id: str, options: Options, *, all_members: bool = False) -> Json:
        """Answer GET /security/incidents/{id}/alerts: what an expansion had no place for."""
        found = self._visible_one(incident_id)
        rules = ListRules(
            fields=_ALERT_FIELDS,
            max_top=1000,
            page=self._settings.expanded_alerts or self._settings.alerts_page,
            options=frozenset({"$top", "$skip", "$skiptoken"}),
        )
        page = cut(found["alerts"], _checked(options, rules))
        answer: Json = {"@odata.context": f"{_CONTEXT}/incidents('{incident_id}')/alerts"}
        if page.following:
            answer["@odata.nextLink"] = self._next_link(f"incidents/{incident_id}/alerts", options, page.following)
        answer["value"] = [_shape(one, all_members=all_members) for one in page.items]
        return answer

    def alerts(self, options: Options, *, all_members: bool = False) -> Json:
        """Answer GET /security/alerts_v2."""
        rules = ListRules(
            fields=_ALERT_FIELDS,
            max_top=1000,
            page=self._settings.alerts_page,
            options=frozenset({"$filter", "$top", "$skip", "$count", "$skiptoken"}),
            newest="createdDateTime",
        )
        query = _checked(options, rules)
        page = cut((alert for one in self._shown() for alert in one["alerts"]), query)
        answer: Json = {"@odata.context": f"{_CONTEXT}/alerts_v2"}
        if query.count:
            answer["@odata.count"] = page.total
        if page.following:
            answer["@odata.nextLink"] = self._next_link("alerts_v2", options, page.following)
        answer["value"] = [_shape(one, all_members=all_members) for one in page.items]
        return answer

    def alert(self, alert_id: str, *, all_members: bool = False) -> Json:
        """Answer GET /security/alerts_v2/{id}."""
        for one in self._shown():
            for found in one["alerts"]:
                if found["id"] == alert_id:
                    return {
                        "@odata.context": f"{_CONTEXT}/alerts_v2/$entity",
                        **_shape(found, all_members=all_members),
                    }
        raise ApiError(404, "ResourceNotFound", f"Alert {alert_id} was not found.")

    # what happens to incidents in the tenant

    def put(self, given: Json, visible_in: float = 0.0) -> Json:
        """Add or replace an incident; it appears after `visible_in` seconds."""
        if not given.get("id"):
            self._next_id += 1
        incident_id = str(given.get("id") or self._next_id)
        whole = shapes.incident({**given, "id": incident_id}, incident_id, self._settings.tenant_id, self._now())
        self._items[incident_id] = whole
        self._visible[incident_id] = self._now() + timedelta(seconds=visible_in)
        return whole

    def change(self, incident_id: str, members: Json) -> Json:
        """Deep-set members; alerts are added, or changed when their id is known."""
        found = self.raw(incident_id)
        members = dict(members)
        alerts = members.pop("alerts", [])
        shapes.deep_set(found, members)
        known = {one["id"]: one for one in found["alerts"]}
        for given in alerts:
            if given.get("id") in known:
                shapes.deep_set(known[given["id"]], {"lastUpdateDateTime": stamp(self._now()), **given})
            else:
                found["alerts"].append(shapes.alert(given, found, len(found["alerts"]), self._now()))
        self._touch(found, members.get("lastModifiedBy", "Microsoft 365 Defender-AlertCorrelation"))
        if "lastUpdateDateTime" in members:
            found["lastUpdateDateTime"] = seven_digits(members["lastUpdateDateTime"])
        return found

    def merge(self, source_id: str, into: str) -> Json:
        """Merge as Defender does: alerts and tags move, comments stay, the source is redirected."""
        source, target = self.raw(source_id), self.raw(into)
        if source is target:
            raise ApiError(400, "BadRequest", "An incident cannot be merged into itself.")
        if source["redirectIncidentId"] or target["redirectIncidentId"]:  # whatever status somebody gave it since
            raise ApiError(400, "BadRequest", "One of the incidents was merged away before.")
        for alert in source["alerts"]:
            alert.update(incidentId=into, incidentWebUrl=target["incidentWebUrl"])
        target["alerts"] += source["alerts"]
        target["customTags"] += [tag for tag in source["customTags"] if tag not in target["customTags"]]
        source.update(alerts=[], status="redirected", redirectIncidentId=into)
        source["systemTags"] = [*source["systemTags"], "Redirected"]
        for one in (source, target):
            self._touch(one, "Microsoft 365 Defender-AlertCorrelation")
        return target

    def raw(self, incident_id: str) -> Json:
        """Return the incident itself, visible or not."""
        if incident_id not in self._items:
            raise ApiError(404, "ResourceNotFound", f"Incident {incident_id} was not found.")
        return self._items[incident_id]

    def everything(self) -> list[Json]:
        """Return all incidents, those not yet visible too."""
        return list(self._items.values())

    def _touch(self, found: Json, by: str) -> None:
        found["lastUpdateDateTime"] = stamp(self._now())
        found["lastModifiedBy"] = by

    def _shown(self) -> Iterator[Json]:
        now = self._now()
        return (one for key, one in self._items.items() if self._visible[key] <= now)

    def _visible_one(self, incident_id: str) -> Json:
        found = self.raw(incident_id)
        if self._visible[incident_id] > self._now():
            raise ApiError(404, "ResourceNotFound", f"Incident {incident_id} was not found.")
        return found

    def _view(self, found: Json, *, alerts: bool, all_members: bool) -> Json:
        shown = {name: value for name, value in found.items() if name != "alerts"}
        sent = self._settings.alerts_without_role
        if alerts and sent != "sent" and not self.alerts_granted:
            shown |= {} if sent == "missing" else {"alerts": None if sent == "null" else []}
        elif alerts:
            most = self._settings.expanded_alerts or len(found["alerts"])
            if following := skip_token(most) if most < len(found["alerts"]) else "":
                link = self._next_link(f"incidents/{found['id']}/alerts", {}, following)
                shown["alerts@odata.nextLink"] = link
            shown["alerts"] = found["alerts"][:most]
        return _shape(shown, all_members=all_members)

    def _next_link(self, name: str, options: Options, token: str, skip: str = "") -> str:
        left_out = {"$skip", "$skiptoken", *(() if self._settings.next_link_expands else ("$expand",))}
        kept = {key: value for key, value in options.items() if key not in left_out}
        onwards = {"$skip": skip} if skip else {"$skiptoken": token}
        return f"{self.base_url}/v1.0/security/{name}?{urlencode({**kept, **onwards}, safe='$')}"


def _bear(items: Sequence[Json], most: int) -> None:
    """Fail as a service does whose incidents have too many alerts to be expanded, where it has a limit."""
    if most and any(len(one["alerts"]) > most for one in items):
        raise ApiError(500, "InternalServerError", "")


def _shape(shown: Json, *, all_members: bool) -> Json:
    if not all_members:
        return enums.masked(shown)
    # a caller may change what it was given; far quicker than deepcopy, and nothing from outside is read
    copied: Json = marshal.loads(marshal.dumps(shown))  # noqa: S302
    return copied


def _checked(options: Options, rules: ListRules) -> ListQuery:
    try:
        return read_query(options, rules)
    except ODataError as error:
        raise ApiError(400, "BadRequest", str(error)) from error


def _patch_members(body: object) -> Json:
    if not isinstance(body, dict) or not body:
        raise ApiError(400, "BadRequest", "The body must be a JSON object with at least one member.")
    members = {name: value for name, value in body.items() if name != "@odata.type"}
    for name, value in members.items():
        if name not in _WRITABLE:
            raise ApiError(400, "BadRequest", f"The property '{name}' does not exist or is read-only.")
        allowed = _WRITABLE[name]
        if allowed is not None and value not in allowed:
            raise ApiError(400, "BadRequest", f"'{value}' is not a value of '{name}'.")
    tags = members.get("customTags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ApiError(400, "BadRequest", "'customTags' must be a list of strings.")
    if not isinstance(members.get("assignedTo"), str | None):
        raise ApiError(400, "BadRequest", "'assignedTo' must be a string or null.")
    return members
