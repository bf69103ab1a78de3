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
from local.tenant.wire import SURPLUS, ApiError, FileSlice, Reply, Request, json_reply
from shared.clients import hunting
from shared.clients.answers import REDIRECTS, date_of, expect_nothing, missing, object_of, refusal
from shared.clients.interface import (
    ACTIONS_PAGE,
    ONBOARDED_PAGE,
    ActionPage,
    ActionQuery,
    CountPage,
    Download,
    FileVerdict,
    Granted,
    HuntingRows,
    IncidentPage,
)
from shared.clients.tokens import claims_of
from shared.clients.virustotal import verdict_in
from shared.clients.webhooks import expect_told
from shared.errors import (
    Cause,
    Forbidden,
    Incomplete,
    LinkExpired,
    NotFound,
    OutcomeUnknown,
    Rejected,
    Throttled,
    Transient,
)
from shared.models.command import Command, GetFile, PutFile
from shared.models.device import LibraryFile, Machine, MachineAction
from shared.models.lenient import device_id

Hook = Callable[[str], None]

CHUNK = 65_536
_TRIES = 3
_READ_SECONDS, _ACT_SECONDS = 60.0, 40.0
_EXPIRED = frozenset({401, 403, 404, 410})
_CAUSES = {"reset": Cause.LOST, "hang": Cause.LATE, "late": Cause.LATE, "cut": Cause.CUT}


@dataclass(frozen=True, slots=True)
class Mishap:
    """Trouble with one call. `kind` is that of a tenant's fault (`local/tenant/faults.py`), or one of our own:
    `refused` (no connection was made), `silent` and `race` (a second isolate or release is answered 201, as there).
    """

    kind: str
    status: int = 503
    code: str = ""
    retry_after: str = ""
    body: str | None = None

    def fault(self) -> faults.Fault:
        """The same as a fault of the tenant; `body` is the message of its error."""
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        body = None if self.body is None else {"error": {"code": self.code, "message": self.body}}
        return faults.Fault(self.kind, status=self.status, code=self.code, headers=headers, body=body)


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
UNAUTHORISED = Mishap("status", 401, "Unauthorized")
DISABLED = Mishap("status", 403, "DisabledFeature")
GONE = Mishap("status", 404, "no_service")
QUOTA = Mishap("status", 429, "TooManyRequests", body="exceeded processing resources. Run queries again in 00:00:40.")
HEAVY = Mishap("status", 504, "UnknownError", body="")
SILENT = Mishap("silent")
RACE = Mishap("race")

_READ = (UNSENT, REFUSED, THROTTLED, THROTTLED_FOR, BROKEN, CUT)
_CHANGE = (*_READ, LOST, BROKEN_AFTER)
_ACT = (*_CHANGE, UNAUTHORISED)
POSSIBLE = {
    **dict.fromkeys(("incidents.changed", "incidents.get", "incidents.more_alerts"), _READ),
    **dict.fromkeys(("incidents.set_tags", "incidents.comment", "chat.post"), _CHANGE),
    **dict.fromkeys(("devices.machine", "devices.named", "devices.onboarded", "devices.actions"), _READ),
    **dict.fromkeys(("devices.action", "devices.package_link", "devices.result_link"), (*_READ, HIDDEN)),
    "devices.library": _READ,
    "devices.upload": _CHANGE,
    "devices.live_response": (*_ACT, DISABLED),
    "devices.collect_package": (*_ACT, DISABLED),
    "devices.isolate": (*_ACT, SILENT, RACE, DISABLED),
    "devices.release": (*_ACT, SILENT, DISABLED),
    **dict.fromkeys(("devices.restrict", "devices.unrestrict", "devices.scan", "devices.stop_quarantine"), _ACT),
    "devices.cancel": (*_ACT, HIDDEN),
    "downloads.open": (*_READ, LONG, EXPIRED),
    "hunting.run": (*_READ, QUOTA, HEAVY),
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
        try:
            if reply.status >= REDIRECTS:
                raise refusal(reply.status, reply.headers, reply.body)
            return dict(object_of(reply.headers, reply.body, any_type=stakes == "act")), reply.headers
        except Transient as error:
            if stakes != "act" or isinstance(error, Throttled):
                raise
            raise OutcomeUnknown(f"{name}: {error}", cause=error.cause, status=error.status) from error

    def _send(self, name: str, stakes: Stakes, request: Request) -> Reply:
        self.before(name)
        mishap = self.mishaps.next(name)
        if mishap and mishap.kind == "refused":
            raise Transient(f"{name}: no connection", cause=Cause.CONNECTION)
        desk, settings = self.tenant.desk, self.tenant.desk._settings
        if mishap and mishap.kind in {"silent", "race"}:
            mode = cast('Literal["silent", "race"]', mishap.kind)
            desk._settings = replace(settings, duplicate_isolate=mode)
        reply = self._delivered(request, mishap.fault() if mishap else None, stakes)
        desk._settings = settings
        self.after(name)
        if _unheard(reply, stakes):
            cause = _CAUSES[reply.mishap.kind] if reply.mishap else Cause.LOST
            raise (OutcomeUnknown if stakes == "act" else Transient)(f"{name}: no whole answer", cause=cause)
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

    def get(self, incident: str, *, alerts: bool = False) -> Mapping[str, object]:
        query = {"$expand": "alerts"} if alerts else {}
        return self._json("incidents.get", "read", Request("GET", f"{self._PATH}/{incident}", query, self._ALL))[0]

    def more_alerts(self, following: str) -> tuple[Sequence[Mapping[str, object]], str]:
        place = urlsplit(following)
        sent = Request("GET", place.path, dict(parse_qsl(place.query)), self._ALL)
        body = self._json("incidents.more_alerts", "read", sent)[0]
        return body["value"], body.get("@odata.nextLink", "")

    def set_tags(self, incident: str, tags: Sequence[str]) -> None:
        sent = _post(f"{self._PATH}/{incident}", {"customTags": list(tags)}, "PATCH")
        self._json("incidents.set_tags", "write", sent)

    def comment(self, incident: str, text: str) -> None:
        self._json("incidents.comment", "write", _post(f"{self._PATH}/{incident}/comments", {"comment": text}))


def _command(command: Command) -> dict[str, object]:
    if isinstance(command, PutFile):
        kind, params = "PutFile", {"FileName": command.name}
    elif isinstance(command, GetFile):
        kind, params = "GetFile", {"Path": command.path}
    else:
        kind, params = "RunScript", {"ScriptName": command.name, **({"Args": command.args} if command.args else {})}
    return {"type": kind, "params": [{"key": key, "value": value} for key, value in params.items()]}


class FakeDevices(_Fake):
    """`Devices` of the tenant."""

    def machine(self, device: str) -> Machine:
        try:
            return Machine.model_validate(self._get("devices.machine", f"machines/{device_id(device)}"))
        except NotFound as error:
            raise missing(error) from error

    def named(self, name: str) -> Sequence[Machine]:
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}", name):
            return ()
        found = self._list("devices.named", "machines", {"$filter": f"computerDnsName eq '{name}'"})
        return [Machine.model_validate(one) for one in found]

    def onboarded(self, following: str = "") -> CountPage:
        skip = int(following or 0)
        page = {"$filter": "onboardingStatus eq 'Onboarded'", "$top": str(ONBOARDED_PAGE), "$skip": str(skip)}
        count = len(self._list("devices.onboarded", "machines", page))
        return CountPage(count, str(skip + count) if count == ONBOARDED_PAGE else "")

    def actions(self, query: ActionQuery, following: str = "") -> ActionPage:
        skip = int(following or 0)
        named = " or ".join(f"machineId eq '{device_id(machine)}'" for machine in query.machines)
        wanted = [f"({named})"] if named else []
        wanted += [f"creationDateTimeUtc ge {query.since.isoformat()}"] if query.since else []
        page = {"$top": str(ACTIONS_PAGE), "$skip": str(skip)} | ({"$filter": " and ".join(wanted)} if wanted else {})
        made = [MachineAction.model_validate(one) for one in self._list("devices.actions", "machineactions", page)]
        return ActionPage(made, str(skip + len(made)) if len(made) == ACTIONS_PAGE else "")

    def action(self, action: str) -> MachineAction:
        return MachineAction.model_validate(self._get("devices.action", f"machineactions/{action}"))

    def isolate(self, device: str, comment: str, *, selective: bool = False) -> MachineAction:
        kind = "Selective" if selective else "Full"
        return self._act("devices.isolate", f"{device}/isolate", {"Comment": comment, "IsolationType": kind})

    def release(self, device: str, comment: str) -> MachineAction:
        return self._act("devices.release", f"{device}/unisolate", {"Comment": comment})

    def restrict(self, device: str, comment: str) -> MachineAction:
        return self._act("devices.restrict", f"{device}/restrictCodeExecution", {"Comment": comment})

    def unrestrict(self, device: str, comment: str) -> MachineAction:
        return self._act("devices.unrestrict", f"{device}/unrestrictCodeExecution", {"Comment": comment})

    def scan(self, device: str, comment: str, *, full: bool = False) -> MachineAction:
        body = {"Comment": comment, "ScanType": "Full" if full else "Quick"}
        return self._act("devices.scan", f"{device}/runAntiVirusScan", body)

    def stop_quarantine(self, device: str, comment: str, sha1: str) -> MachineAction:
        path = f"{device}/StopAndQuarantineFile"
        return self._act("devices.stop_quarantine", path, {"Comment": comment, "Sha1": sha1})

    def collect_package(self, device: str, comment: str) -> MachineAction:
        return self._act("devices.collect_package", f"{device}/collectInvestigationPackage", {"Comment": comment})

    def live_response(self, device: str, commands: Sequence[Command], comment: str) -> MachineAction:
        body = {"Comment": comment, "Commands": [_command(one) for one in commands]}
        return self._act("devices.live_response", f"{device}/runliveresponse", body)

    def result_link(self, action: str, index: int) -> str:
        call = f"machineactions/{action}/GetLiveResponseResultDownloadLink(index={index})"
        return str(self._get("devices.result_link", call)["value"])

    def library(self) -> Sequence[LibraryFile]:
        return [LibraryFile.model_validate(one) for one in self._list("devices.library", "libraryfiles", {})]

    def upload(self, name: str, content: bytes, description: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,200}", name):
            raise Rejected("not a name for a file of the library", status=400)
        edge = b"--edge"
        fields = {"Description": description, "HasParameters": "true", "OverrideIfExists": "true"}
        parts = [f'name="{key}"\r\n\r\n{value}'.encode() for key, value in fields.items()]
        parts.append(f'name="file"; filename="{name}"\r\n\r\n'.encode() + content)
        body = b"".join(edge + b"\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts)
        headers = {"content-type": "multipart/form-data; boundary=edge"}
        self._json("devices.upload", "write", Request("POST", "/api/libraryfiles", {}, headers, body + edge + b"--"))

    def cancel(self, action: str, comment: str) -> MachineAction:
        sent = _post(f"/api/machineactions/{action}/cancel", {"Comment": comment})
        return MachineAction.model_validate(self._json("devices.cancel", "act", sent)[0])

    def package_link(self, action: str) -> str:
        return str(json.loads(self._get("devices.package_link", f"machineactions/{action}/getPackageUri")["value"]))

    def _get(self, name: str, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        return self._json(name, "read", Request("GET", f"/api/{path}", query or {}))[0]

    def _list(self, name: str, path: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        try:
            return list(self._get(name, path, query)["value"])
        except NotFound as error:
            expect_nothing(error)
            return []

    def _act(self, name: str, path: str, body: Mapping[str, object]) -> MachineAction:
        device, _, verb = path.partition("/")
        sent = _post(f"/api/machines/{device_id(device)}/{verb}", body)
        return MachineAction.model_validate(self._json(name, "act", sent)[0])


class FakeHunting(_Fake):
    """`Hunting` of the tenant."""

    def run(self, query: str, since: datetime, until: datetime) -> HuntingRows:
        sent = _post(hunting.PATH, hunting.asked(query, since, until))
        try:
            return hunting.rows_of(self._json("hunting.run", "read", sent)[0])
        except (Transient, Rejected) as error:
            raise hunting.meant(error) from error


class FakeReputation(_Fake):
    """`Reputation` of the tenant's VirusTotal."""

    def file(self, digest: str) -> FileVerdict | None:
        key = {"x-apikey": self.tenant.settings.virustotal_key}
        sent = Request("GET", f"/api/v3/files/{digest.lower()}", headers=key)
        try:
            return verdict_in(self._json("reputation.file", "read", sent)[0])
        except NotFound:
            return None


class QuietHunting(FakeHunting):
    """A tenant in which nothing ever happened: every query is answered, with no row. It costs no engine."""

    def _answer(self, request: Request) -> Reply:
        reply = json_reply(200, {"schema": [{"name": "Timestamp", "type": "DateTime"}], "results": []})
        self.tenant.journal.write(request, reply, self.tenant.settings.app_name, None)
        return FrontDoor(self.tenant)._dated(reply)


def _get(link: str, start: int, tag: str) -> Request:
    wanted = {"range": f"bytes={start}-", "if-range": tag} if start and tag else {}
    return Request("GET", unquote(urlsplit(link).path), headers=wanted)


def _sliced(of: FileSlice) -> bytes:
    with of.path.open("rb") as file:
        file.seek(of.start)
        return file.read(of.length)


@dataclass(kw_only=True)
class FakeDownloads(_Fake):
    """`Downloads` of the tenant's own links; every other host is forbidden. Where it is not `announced`, no server
    tells how long a body is.
    """

    announced: bool = True

    def open(
        self, link: str, seconds: float | None = None, *, start: int = 0, tag: str = "", hops: int = 4
    ) -> Download:
        """See `Downloads.open`. A body that is cut raises Incomplete after its first half; none is slow."""
        host = self.tenant.links.base_url
        if not hops or not link.startswith(f"{host}/"):
            raise Forbidden("downloads from there are not allowed, or it redirects too often")
        reply = self._send("downloads.open", "download", _get(link, start, tag))
        if 300 <= reply.status < 400:
            location = reply.headers["Location"]
            onward = host + location if re.match("/(?!/)", location) else location
            return self.open(onward, seconds, start=start, tag=tag, hops=hops - 1)
        etag = reply.headers.get("ETag", "")
        if start and tag and reply.status in {206, 416} and etag != tag:
            return self.open(link, seconds, hops=hops)
        if start and tag and reply.status == 416 and reply.headers.get("Content-Range") == f"bytes */{start}":
            return Download(iter(()), 0, start, tag, reply.headers.get("Date", ""))
        if reply.status in _EXPIRED:
            raise LinkExpired(f"the download link no longer works ({reply.status})", status=reply.status)
        if reply.status >= REDIRECTS:
            raise refusal(reply.status, reply.headers, reply.body)
        body = _sliced(reply.file) if reply.file else reply.body
        kind = reply.mishap.kind if reply.mishap else ""
        body += SURPLUS if kind == "long" else b""
        chunks = self._chunks(body, len(body) // 2 if kind == "cut" else len(body))
        begins = start if reply.status == 206 else 0
        length = len(body) if self.announced else None
        strong = etag if etag.startswith('"') else ""
        return Download(chunks, length, begins, strong, reply.headers.get("Date", ""))

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
        expect_told(reply.status, reply.headers, reply.body)


class FakeGrants:
    """`Grants` in one API of a simulated tenant: what a token that it issues now says of itself."""

    def __init__(self, tenant: Tenant, audience: str) -> None:
        """`audience` is the API for which tokens are asked."""
        self._tenant = tenant
        self._audience = audience

    def granted(self) -> Granted:
        """See `Grants.granted`."""
        try:
            return claims_of(str(self._tenant.identity.issue(self._audience)["access_token"]))
        except ApiError as error:
            raise Transient(f"no token for {self._audience}", cause=Cause.TOKEN) from error
