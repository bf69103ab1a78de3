"""The control calls under /_tenant/: what happens in the tenant, and what was seen there.

They are for people who try their rules and for tests, not a part of any Microsoft API; loopback is their only guard.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from local.tenant.wire import ApiError, Json, Reply, Request, json_reply

if TYPE_CHECKING:
    from local.tenant.model import Tenant

Run = Callable[["Tenant", Json, str, "Request"], object]


def answer(tenant: Tenant, request: Request) -> Reply:
    """Carry out one control call."""
    path = request.path.removeprefix("/_tenant/")
    for method, pattern, run in _CALLS:
        match = pattern.fullmatch(path)
        if match and method == request.method:
            try:
                body = cast("Json", request.json() if request.body and method != "PUT" else {})
                found = run(tenant, body, match[1] if match.groups() else "", request)
            except ApiError as error:
                return json_reply(error.status, {"error": {"code": error.code, "message": error.message}})
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                message = f"{type(error).__name__}: {error}"
                return json_reply(400, {"error": {"code": "BadRequest", "message": message}})
            return json_reply(200, found)
    return json_reply(404, {"error": {"code": "NotFound", "message": f"{request.method} {request.path}"}})


def _several(body: object, name: str) -> list[Json]:
    """Read a list, an object that holds it under a name, or one thing."""
    if isinstance(body, dict):
        body = body.get(name, [body])
    return cast("list[Json]", body)


def _machines(tenant: Tenant, body: Json, _: str, __: Request) -> object:
    given = _several(body, "machines")
    return {"value": [tenant.fleet.put(one).shown for one in given]}


def _reboot(tenant: Tenant, _: Json, machine_id: str, __: Request) -> object:
    tenant.reboot(machine_id)
    return {"id": machine_id}


def _library_file(tenant: Tenant, _: Json, name: str, request: Request) -> object:
    return tenant.library.put(name, request.body, "analyst@contoso.com")


def _incidents(tenant: Tenant, body: Json, _: str, __: Request) -> object:
    given = _several(body, "incidents")
    visible_in = body.get("visible_in", 0.0) if "incidents" in body else 0.0
    return {"value": [tenant.incidents.put(one, visible_in) for one in given]}


def _change_incident(tenant: Tenant, body: Json, incident_id: str, _: Request) -> object:
    return tenant.incidents.change(incident_id, body)


def _merge(tenant: Tenant, body: Json, incident_id: str, _: Request) -> object:
    return tenant.incidents.merge(incident_id, str(body["into"]))


def _presence(*, online: bool) -> Run:
    def run(tenant: Tenant, _: Json, machine_id: str, __: Request) -> object:
        tenant.fleet.one(machine_id).presence.set(tenant.now(), online=online)
        return {"id": machine_id, "online": online}

    return run


def _person(name: str) -> Run:
    def run(tenant: Tenant, body: Json, _: str, __: Request) -> object:
        by = {"by": str(body["by"])} if "by" in body else {}
        return tenant.person_orders(name, body["machineId"], **by)

    return run


def _person_cancels(tenant: Tenant, body: Json, _: str, __: Request) -> object:
    return tenant.person_cancels(body["actionId"], *([body["by"]] if body.get("by") else []))


def _person_connects(tenant: Tenant, body: Json, _: str, __: Request) -> object:
    tenant.person_connects(body["machineId"], float(body["seconds"]))
    return {"machineId": body["machineId"]}


def _force(tenant: Tenant, body: Json, action_id: str, _: Request) -> object:
    return tenant.desk.force(action_id, body["status"], int(body.get("error", 0)))


def _add_faults(tenant: Tenant, body: Json, _: str, __: Request) -> object:
    tenant.faults.add(body)
    return {"value": tenant.faults.show()}


def _clear_faults(tenant: Tenant, _: Json, __: str, ___: Request) -> object:
    tenant.faults.clear()
    return {"value": []}


def _show_faults(tenant: Tenant, _: Json, __: str, ___: Request) -> object:
    return {"value": tenant.faults.show()}


def _load_rows(tenant: Tenant, body: Json, _: str, __: Request) -> object:
    return tenant.hunting.load(body)


def _clear_rows(tenant: Tenant, _: Json, __: str, ___: Request) -> object:
    tenant.hunting.clear()
    return {}


def _rates(tenant: Tenant, body: Json, _: str, __: Request) -> object:
    tenant.rates.change(body)
    return body


def _log(tenant: Tenant, _: Json, __: str, request: Request) -> object:
    return {"value": tenant.journal.entries(int(request.query.get("after", "0")))}


def _state(tenant: Tenant, _: Json, __: str, ___: Request) -> object:
    return tenant.state()


def _messages(tenant: Tenant, _: Json, __: str, ___: Request) -> object:
    return {"value": tenant.chat.messages}


def _violations(tenant: Tenant, _: Json, __: str, ___: Request) -> object:
    return {"value": tenant.journal.violations()}


def _shutdown(_: Tenant, __: Json, ___: str, ____: Request) -> object:
    """Say goodbye; stopping is the server's part."""
    return {"stopping": True}


_CALLS: tuple[tuple[str, re.Pattern[str], Run], ...] = tuple(
    (method, re.compile(path), run)
    for method, path, run in (
        ("POST", "machines", _machines),
        ("POST", "machines/([^/]+)/offline", _presence(online=False)),
        ("POST", "machines/([^/]+)/online", _presence(online=True)),
        ("POST", "machines/([^/]+)/reboot", _reboot),
        ("PUT", "library/([^/]+)", _library_file),
        ("POST", "incidents", _incidents),
        ("PATCH", "incidents/([^/]+)", _change_incident),
        ("POST", "incidents/([^/]+)/merge", _merge),
        ("POST", "people/isolate", _person("isolate")),
        ("POST", "people/release", _person("unisolate")),
        ("POST", "people/collect", _person("collectInvestigationPackage")),
        ("POST", "people/cancel", _person_cancels),
        ("POST", "people/session", _person_connects),
        ("POST", "actions/([^/]+)", _force),
        ("POST", "faults", _add_faults),
        ("GET", "faults", _show_faults),
        ("DELETE", "faults", _clear_faults),
        ("POST", "hunting", _load_rows),
        ("DELETE", "hunting", _clear_rows),
        ("POST", "rates", _rates),
        ("GET", "log", _log),
        ("GET", "state", _state),
        ("GET", "messages", _messages),
        ("GET", "violations", _violations),
        ("POST", "shutdown", _shutdown),
    )
)
