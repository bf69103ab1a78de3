"""Every call the tenant serves: its path, who may make it, which rate it spends, and what it means."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.tenant.enums import PREFER_ALL
from local.tenant.orders import ORDERS, ROLE_OF_TYPE
from local.tenant.wire import ApiError, Json, Reply, Request, json_reply

if TYPE_CHECKING:
    from local.tenant.identity import Caller
    from local.tenant.model import Tenant


@dataclass(frozen=True, slots=True)
class Call:
    """A request that found its route; `caller` is None where no token is wanted."""

    request: Request
    params: dict[str, str]
    caller: Caller | None

    @property
    def who(self) -> str:
        """Return the caller's display name."""
        return self.caller.name if self.caller else ""

    @property
    def all_members(self) -> bool:
        """Tell whether the caller asked for every enum member."""
        return PREFER_ALL in self.request.headers.get("prefer", "")

    def options(self) -> dict[str, str]:
        """Return the query options."""
        return dict(self.request.query)


Run = Callable[["Tenant", Call], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """One kind of call."""

    name: str
    method: str
    path: re.Pattern[str]
    surface: str
    run: Run
    roles: tuple[str, ...] = ()
    rate: str | None = None


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """Return the route of a path and its parameters."""
    for route in ROUTES:
        match = route.path.fullmatch(path)
        if match and (route.method == method or (method == "HEAD" and route.surface == "link")):
            return route, match.groupdict()
    return None


def _token(tenant: Tenant, call: Call) -> Reply:
    query = call.request.query
    if call.request.headers.get("x-identity-header") != tenant.settings.identity_header:
        raise ApiError(401, "Unauthorized", "The X-IDENTITY-HEADER is missing or wrong.")
    if query.get("api-version") != "2019-08-01":
        raise ApiError(400, "BadRequest", "The api-version must be 2019-08-01.")
    if not query.get("resource"):
        raise ApiError(400, "BadRequest", "A resource is wanted.")
    return json_reply(200, tenant.identity.issue(query["resource"], query.get("client_id")))


def _list_incidents(tenant: Tenant, call: Call) -> Reply:
    return json_reply(200, tenant.list_incidents(call.options(), all_members=call.all_members))


def _get_incident(tenant: Tenant, call: Call) -> Reply:
    return json_reply(200, tenant.get_incident(call.params["id"], call.options(), all_members=call.all_members))


def _alerts_of_incident(tenant: Tenant, call: Call) -> Reply:
    found = tenant.incidents.alerts_of(call.params["id"], call.options(), all_members=call.all_members)
    return json_reply(200, found)


def _patch_incident(tenant: Tenant, call: Call) -> Reply:
    body, incident_id = call.request.json(), call.params["id"]
    members = sorted(body) if isinstance(body, dict) else []
    changed = tenant.patch_incident(incident_id, body, call.who, all_members=call.all_members)
    return json_reply(200, changed, {"incidentId": incident_id, "changed": members})


def _comment(tenant: Tenant, call: Call) -> Reply:
    incident_id = call.params["id"]
    comments = tenant.comment(incident_id, call.request.json(), call.who)
    return json_reply(200, comments, {"incidentId": incident_id, "comments": len(comments["value"])})


def _list_alerts(tenant: Tenant, call: Call) -> Reply:
    return json_reply(200, tenant.list_alerts(call.options(), all_members=call.all_members))


def _get_alert(tenant: Tenant, call: Call) -> Reply:
    return json_reply(200, tenant.get_alert(call.params["id"], all_members=call.all_members))


def _hunt(tenant: Tenant, call: Call) -> Reply:
    return json_reply(200, tenant.hunt(call.request.json()))


def _list_machines(tenant: Tenant, call: Call) -> Reply:
    return json_reply(200, tenant.list_machines(call.options()))


def _get_machine(tenant: Tenant, call: Call) -> Reply:
    return json_reply(200, tenant.get_machine(call.params["id"]))


def _order(name: str) -> Run:
    def run(tenant: Tenant, call: Call) -> Reply:
        action = tenant.order(name, call.params["id"], call.request.json(), call.who)
        return json_reply(201, action, _effect(action))

    return run


def _effect(action: Json) -> Json:
    return {"machineActionId": action["id"], "type": action["type"], "machineId": action["machineId"]}


def _list_actions(tenant: Tenant, call: Call) -> Reply:
    return json_reply(200, tenant.list_actions(call.options()))


def _get_action(tenant: Tenant, call: Call) -> Reply:
    return json_reply(200, tenant.get_action(call.params["id"]))


def _cancel(tenant: Tenant, call: Call) -> Reply:
    kind = tenant.get_action(call.params["id"])["type"]
    if call.caller:
        call.caller.require(ROLE_OF_TYPE[kind])
    action = tenant.cancel(call.params["id"], call.request.json(), call.who)
    return json_reply(200, action, {**_effect(action), "cancelled": True})


def _package_uri(tenant: Tenant, call: Call) -> Reply:
    return json_reply(200, tenant.package_uri(call.params["id"]), {"machineActionId": call.params["id"]})


def _result_link(tenant: Tenant, call: Call) -> Reply:
    return json_reply(200, tenant.live_response_link(call.params["id"], int(call.params["index"])))


def _list_files(tenant: Tenant, _: Call) -> Reply:
    return json_reply(200, tenant.library.listing())


def _upload(tenant: Tenant, call: Call) -> Reply:
    made = tenant.upload(call.request.headers.get("content-type", ""), call.request.body, call.who)
    return json_reply(200, made, {"fileName": made["fileName"], "sha256": made["sha256"]})


def _remove_file(tenant: Tenant, call: Call) -> Reply:
    tenant.library.remove(call.params["name"])
    return Reply(204, effect={"fileName": call.params["name"]})


def _download(tenant: Tenant, call: Call) -> Reply:
    return tenant.links.open(call.params["token"], call.request.headers)


def _reputation(tenant: Tenant, call: Call) -> Reply:
    return tenant.virustotal.file(call.params["hash"], call.request)


def _slack(tenant: Tenant, call: Call) -> Reply:
    return tenant.chat.slack(call.request.path, call.request)


def _teams(tenant: Tenant, call: Call) -> Reply:
    return tenant.chat.teams(call.request.path, call.request)


_READ_INCIDENT = ("SecurityIncident.Read.All", "SecurityIncident.ReadWrite.All")
_WRITE_INCIDENT = ("SecurityIncident.ReadWrite.All",)
_READ_ALERT = ("SecurityAlert.Read.All", "SecurityAlert.ReadWrite.All")
_LIBRARY = ("Library.Manage",)
_READ_MACHINE = ("Machine.Read.All", "Machine.ReadWrite.All")


def _graph(name: str, method: str, path: str, run: Run, roles: tuple[str, ...], rate: str) -> Route:
    return Route(name, method, re.compile(f"/v1\\.0/security/{path}"), "graph", run, roles, rate)


def _mde(name: str, method: str, path: str, run: Run, roles: tuple[str, ...], rate: str) -> Route:
    return Route(name, method, re.compile(f"/api(?:/v1\\.0)?/{path}"), "mde", run, roles, rate)


_ID = "(?P<id>[^/]+)"
_RESULT = f"machineactions/{_ID}/GetLiveResponseResultDownloadLink\\(index=(?P<index>\\d+)\\)"
ROUTES: tuple[Route, ...] = (
    Route("token", "GET", re.compile("/msi/token"), "identity", _token),
    _graph("list incidents", "GET", "incidents", _list_incidents, _READ_INCIDENT, "incidents"),
    _graph("get incident", "GET", f"incidents/{_ID}", _get_incident, _READ_INCIDENT, "incidents"),
    _graph("alerts of incident", "GET", f"incidents/{_ID}/alerts", _alerts_of_incident, _READ_INCIDENT, "alerts"),
    _graph("update incident", "PATCH", f"incidents/{_ID}", _patch_incident, _WRITE_INCIDENT, "incidents"),
    _graph("comment", "POST", f"incidents/{_ID}/comments", _comment, _WRITE_INCIDENT, "incidents"),
    _graph("list alerts", "GET", "alerts_v2", _list_alerts, _READ_ALERT, "alerts"),
    _graph("get alert", "GET", f"alerts_v2/{_ID}", _get_alert, _READ_ALERT, "alerts"),
    _graph("hunt", "POST", "runHuntingQuery", _hunt, ("ThreatHunting.Read.All",), "hunting"),
    _mde("list machines", "GET", "machines", _list_machines, _READ_MACHINE, "machines"),
    _mde("get machine", "GET", f"machines/{_ID}", _get_machine, _READ_MACHINE, "machines"),
    *(
        _mde(name, "POST", f"machines/{_ID}/{name}", _order(name), (kind.role,), kind.rate)
        for name, kind in ORDERS.items()
    ),
    _mde("list actions", "GET", "machineactions", _list_actions, _READ_MACHINE, "machine_actions"),
    _mde("get action", "GET", f"machineactions/{_ID}", _get_action, _READ_MACHINE, "machine_actions"),
    _mde("cancel", "POST", f"machineactions/{_ID}/cancel", _cancel, (), "actions"),
    _mde("package uri", "GET", f"machineactions/{_ID}/getPackageUri", _package_uri, _READ_MACHINE, "package_uri"),
    _mde("live response result", "GET", _RESULT, _result_link, _READ_MACHINE, "live_response_result"),
    _mde("list library", "GET", "libraryfiles", _list_files, _LIBRARY, "library"),
    _mde("upload file", "POST", "libraryfiles", _upload, _LIBRARY, "library"),
    _mde("remove file", "DELETE", "libraryfiles/(?P<name>[^/]+)", _remove_file, _LIBRARY, "library"),
    Route("download", "GET", re.compile("/download/(?P<token>[0-9a-f]+)"), "link", _download),
    Route(
        "file report", "GET", re.compile("/api/v3/files/(?P<hash>[^/]+)"), "virustotal", _reputation, (), "virustotal"
    ),
    Route("slack", "POST", re.compile("/slack/.+"), "chat", _slack),
    Route("teams", "POST", re.compile("/teams/.+"), "chat", _teams),
)
