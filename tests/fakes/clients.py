"""The systems that we do not own, in this process: the ports of `shared.clients.interface` over a simulated tenant.

No sockets, no threads, no waiting: the tenant's clock is the only one, and a time-out costs no time unless a hook moves
that clock. `before` is called with the name of each port call ahead of it, `after` once the tenant has answered and
before the caller learns what: what either raises is a crash there, and both may call the same fake (an interleaving).
The tenant's log counts what arrived. With `strict`, its tokens, roles, rates and faults apply as they do over HTTP.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from local.tenant import faults
from local.tenant.door import FrontDoor
from local.tenant.identity import ALL_ROLES, CLOUDS, Caller
from local.tenant.model import Tenant
from local.tenant.routes import Call, find
from local.tenant.wire import SURPLUS, ApiError, Reply, Request
from shared.clients.interface import ACTIONS_PAGE, ONBOARDED_PAGE, ActionQuery, Download, IncidentPage
from shared.clients.web import REDIRECTS, date_of, refusal
from shared.errors import Forbidden, Incomplete, LinkExpired, NotFound, OutcomeUnknown, Rejected, Throttled, Transient
from shared.models.device import Machine, MachineAction

Hook = Callable[[str], None]

CHUNK = 65_536
_TRIES = 3
_READ_SECONDS, _ACT_SECONDS = 60.0, 40.0
_EXPIRED = frozenset({401, 403, 404, 410})


@dataclass(frozen=True, slots=True)
class Mishap:
    """Trouble with one call. `kind` is that of a tenant's fault (`local/tenant/faults.py`), or one of our own:
    `refused` (no connection was made), `silent` and `race` (a second isolate or release is answered 201, as there).
    """

    kind: str
    status: int = 503
    code: str = ""
    retry_after: str = ""

    def fault(self) -> faults.Fault:
        """The same as a fault of the tenant."""
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        return faults.Fault(self.kind, status=self.status, code=self.code, headers=headers)


LOST = Mishap("reset_after_effect")
UNSENT = Mishap("reset")
REFUSED = Mishap("refused")
THROTTLED = Mishap("status", 429, "TooManyRequests")
THROTTLED_FOR = Mishap("status", 429, "TooManyRequests", "7.5")
BROKEN = Mishap("status", 503, "ServiceUnavailable")
BROKEN_AFTER = Mishap("status_after_effect", 500, "InternalServerError")
HIDDEN = Mishap("status", 404, "ResourceNotFound")
EXPIRED = Mishap("status", 403, "LinkExpired")
CUT = Mishap("truncate")
LONG = Mishap("lengthen")
SILENT = Mishap("silent")
RACE = Mishap("race")

_READ = (UNSENT, REFUSED, THROTTLED, THROTTLED_FOR, BROKEN, CUT)
_CHANGE = (*_READ, LOST, BROKEN_AFTER)
POSSIBLE = {
    **dict.fromkeys(("incidents.changed", "incidents.get"), _READ),
    **dict.fromkeys(("incidents.set_tags", "incidents.comment", "devices.collect_package", "chat.post"), _CHANGE),
    **dict.fromkeys(("devices.machine", "devices.onboarded", "devices.actions"), _READ),
    **dict.fromkeys(("devices.action", "devices.package_link"), (*_READ, HIDDEN)),
    "devices.isolate": (*_CHANGE, SILENT, RACE),
    "devices.release": (*_CHANGE, SILENT),
    "downloads.open": (*_READ, LONG, EXPIRED),
}
"""What can befall each call. The keys are the hooked calls; `downloads.chunk` is too: `before`, ahead of each chunk."""


def _nothing(_call: str) -> None:
    """No hook, and no mishap."""


@dataclass(frozen=True, slots=True)
class Mishaps:
    """What goes wrong: `next` is asked once for each call, by its name, and may say nothing."""

    next: Callable[[str], Mishap | None] = _nothing

    @classmethod
    def of(cls, **planned: Sequence[Mishap]) -> Mishaps:
        """The mishaps of each call in turn, then none: `of(devices_isolate=[LOST])`."""
        left = {name.replace("_", ".", 1): list(some) for name, some in planned.items()}
        return cls(lambda call: left[call].pop(0) if left.get(call) else None)


Stakes = Literal["read", "write", "act", "download"]


@dataclass(kw_only=True)
class _Fake:
    """What all four do: send a request to the tenant with its mishaps, and give its answer the right fate."""

    tenant: Tenant = field(kw_only=False)
    mishaps: Mishaps = Mishaps()
    before: Hook = _nothing
    after: Hook = _nothing
    strict: bool = False

    def _json(self, name: str, stakes: Stakes, request: Request) -> tuple[dict[str, Any], Mapping[str, str]]:
        reply = self._send(name, stakes, request)
        body = _object(reply.body)
        if body is not None and reply.status < REDIRECTS:
            return body, reply.headers
        error = refusal(reply.status if reply.status >= REDIRECTS else 500, reply.headers, body)
        if stakes == "act" and isinstance(error, Transient) and not isinstance(error, Throttled):
            raise OutcomeUnknown(f"{name}: {error}")
        raise error

    def _send(self, name: str, stakes: Stakes, request: Request) -> Reply:
        self.before(name)
        mishap = self.mishaps.next(name)
        if mishap and mishap.kind == "refused":
            raise Transient(f"{name}: no connection")
        desk, settings = self.tenant.desk, self.tenant.desk._settings
        if mishap and mishap.kind in {"silent", "race"}:
            mode = cast('Literal["silent", "race"]', mishap.kind)
            desk._settings = replace(settings, duplicate_isolate=mode)
        reply = self._delivered(request, mishap.fault() if mishap else None, stakes)
        desk._settings = settings
        self.after(name)
        if _unheard(reply, stakes):
            raise (OutcomeUnknown if stakes == "act" else Transient)(f"{name}: no whole answer")
        return reply

    def _delivered(self, request: Request, fault: faults.Fault | None, stakes: Stakes) -> Reply:
        """The answer as it was sent; as the adapters do, a read is repeated when a fault broke the connection."""
        if fault and fault.kind in faults.BEFORE:
            reply = FrontDoor(self.tenant)._dated(faults.instead(fault))
            self.tenant.journal.write(request, reply, None, fault.kind)
            return reply
        reply = self._answer(request)
        for _ in range(_TRIES - 1):
            if stakes in {"read", "download"} and reply.mishap and reply.mishap.kind in {"reset", "hang"}:
                reply = self._answer(request)
        return faults.spoilt(fault, reply) if fault and fault.kind in faults.AFTER else reply

    def _answer(self, request: Request) -> Reply:
        door = FrontDoor(self.tenant)
        route, params = find(request.method, request.path) or (None, {})
        audience = CLOUDS[self.tenant.settings.cloud].get(route.surface) if route else None
        if self.strict or route is None:
            bearer = f"Bearer {self.tenant.identity.issue(audience)['access_token']}" if audience else ""
            headers = {"authorization": bearer} if bearer else {}
            return door.handle(replace(request, headers={**request.headers, **headers}))
        caller = Caller(self.tenant.settings.app_name, frozenset(ALL_ROLES))
        try:
            reply = route.run(self.tenant, Call(request, params, caller))
        except ApiError as error:
            reply = door._refused(error, route.surface)
        self.tenant.journal.write(request, reply, caller.name if audience else None, None)
        return door._dated(reply)


def _unheard(reply: Reply, stakes: Stakes) -> bool:
    kind, seconds = (reply.mishap.kind, reply.mishap.seconds) if reply.mishap else ("", 0.0)
    too_late = kind == "late" and seconds >= (_ACT_SECONDS if stakes == "act" else _READ_SECONDS)
    return too_late or kind in {"reset", "hang"} or (kind == "cut" and stakes != "download")


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _post(path: str, body: Mapping[str, object], method: str = "POST") -> Request:
    return Request(method, path, body=json.dumps(body).encode())


class FakeIncidents(_Fake):
    """`Incidents` of the tenant."""

    _PATH = "/v1.0/security/incidents"
    _ALL = {"prefer": "include-unknown-enum-members"}  # noqa: RUF012 - never changed

    def changed(self, since: datetime, until: datetime | None = None, *, following: str = "") -> IncidentPage:
        query = dict(parse_qsl(urlsplit(following).query))
        if not following:
            upper = f" and lastUpdateDateTime lt {until.isoformat()}" if until else ""
            query = {"$filter": f"lastUpdateDateTime ge {since.isoformat()}{upper}", "$expand": "alerts", "$top": "50"}
        body, headers = self._json("incidents.changed", "read", Request("GET", self._PATH, query, self._ALL))
        return IncidentPage(body["value"], date_of(headers), body.get("@odata.nextLink", ""))

    def get(self, incident: str) -> Mapping[str, object]:
        return self._json("incidents.get", "read", Request("GET", f"{self._PATH}/{incident}", {}, self._ALL))[0]

    def set_tags(self, incident: str, tags: Sequence[str]) -> None:
        sent = _post(f"{self._PATH}/{incident}", {"customTags": list(tags)}, "PATCH")
        self._json("incidents.set_tags", "write", sent)

    def comment(self, incident: str, text: str) -> None:
        self._json("incidents.comment", "write", _post(f"{self._PATH}/{incident}/comments", {"comment": text}))


class FakeDevices(_Fake):
    """`Devices` of the tenant."""

    def machine(self, device: str) -> Machine:
        return Machine.model_validate(self._get("devices.machine", f"machines/{device}"))

    def onboarded(self, skip: int = 0) -> int:
        page = {"$filter": "onboardingStatus eq 'Onboarded'", "$top": str(ONBOARDED_PAGE), "$skip": str(skip)}
        return len(self._list("devices.onboarded", "machines", page))

    def actions(self, query: ActionQuery, skip: int = 0) -> Sequence[MachineAction]:
        named = " or ".join(f"machineId eq '{machine}'" for machine in query.machines)
        wanted = [f"({named})"] if named else []
        wanted += [f"creationDateTimeUtc ge {query.since.isoformat()}"] if query.since else []
        page = {"$top": str(ACTIONS_PAGE), "$skip": str(skip)} | ({"$filter": " and ".join(wanted)} if wanted else {})
        return [MachineAction.model_validate(one) for one in self._list("devices.actions", "machineactions", page)]

    def action(self, action: str) -> MachineAction:
        return MachineAction.model_validate(self._get("devices.action", f"machineactions/{action}"))

    def isolate(self, device: str, comment: str) -> MachineAction:
        return self._act("devices.isolate", f"{device}/isolate", {"Comment": comment, "IsolationType": "Full"})

    def release(self, device: str, comment: str) -> MachineAction:
        return self._act("devices.release", f"{device}/unisolate", {"Comment": comment})

    def collect_package(self, device: str, comment: str) -> MachineAction:
        return self._act("devices.collect_package", f"{device}/collectInvestigationPackage", {"Comment": comment})

    def package_link(self, action: str) -> str:
        return str(self._get("devices.package_link", f"machineactions/{action}/getPackageUri")["value"]).strip('"')

    def _get(self, name: str, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        return self._json(name, "read", Request("GET", f"/api/{path}", query or {}))[0]

    def _list(self, name: str, path: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        try:
            return list(self._get(name, path, query)["value"])
        except NotFound:
            return []

    def _act(self, name: str, path: str, body: Mapping[str, object]) -> MachineAction:
        return MachineAction.model_validate(self._json(name, "act", _post(f"/api/machines/{path}", body))[0])


class FakeDownloads(_Fake):
    """`Downloads` of the tenant's own links; every other host is forbidden."""

    def open(self, link: str, hops: int = 4) -> Download:
        """See `Downloads.open`. A body that is cut raises Incomplete after its first half."""
        host = self.tenant.links.base_url
        if not hops or not link.startswith(f"{host}/"):
            raise Forbidden("downloads from there are not allowed, or it redirects too often")
        reply = self._send("downloads.open", "download", Request("GET", unquote(urlsplit(link).path)))
        if 300 <= reply.status < 400:
            location = reply.headers["Location"]
            return self.open(host + location if re.match("/(?!/)", location) else location, hops - 1)
        if reply.status in _EXPIRED:
            raise LinkExpired(f"the download link no longer works ({reply.status})")
        if reply.status >= REDIRECTS:
            raise refusal(reply.status, reply.headers, _object(reply.body))
        body = reply.file.path.read_bytes() if reply.file else reply.body
        kind = reply.mishap.kind if reply.mishap else ""
        body += SURPLUS if kind == "long" else b""
        return Download(self._chunks(body, len(body) // 2 if kind == "cut" else len(body)), len(body))

    def _chunks(self, body: bytes, end: int) -> Iterator[bytes]:
        for start in range(0, end, CHUNK):
            self.before("downloads.chunk")
            yield body[start : min(start + CHUNK, end)]
        if end < len(body):
            raise Incomplete(f"the download ended after {end} bytes")


@dataclass(kw_only=True)
class FakeChat(_Fake):
    """`Chat` of the tenant: `path` is `/slack/...` or `/teams/...`. Messages are kept in `tenant.chat.messages`."""

    path: str = "/slack/one"

    def post(self, payload: Mapping[str, object]) -> None:
        reply = self._send("chat.post", "write", _post(self.path, payload))
        if reply.status < REDIRECTS:
            return
        error = refusal(reply.status, reply.headers, None)
        if isinstance(error, Rejected):
            said = reply.body.decode().strip()[:80]
            raise Rejected(f"webhook: {reply.status} {said}", status=reply.status, code=said)
        raise error
