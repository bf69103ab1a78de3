"""Devices and machine actions from the Defender for Endpoint API (`/api/...`).

Kept behind one adapter in case Microsoft retires more of this API than hunting. Bodies are case-sensitive there.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shared.clients.answers import expect_nothing, missing
from shared.clients.asking import Ways
from shared.clients.graph import instant
from shared.clients.interface import ACTIONS_PAGE, ONBOARDED_PAGE, ActionPage, ActionQuery, CountPage
from shared.errors import Cause, NotFound, OutcomeUnknown, Rejected, Transient
from shared.models.command import Command, PutFile, RunScript
from shared.models.device import LibraryFile, Machine, MachineAction
from shared.models.lenient import device_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.clients.web import Api

BAD_REQUEST = 400
_FILTERED, _PLAIN = 0, 1
_ACTION_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_DEVICE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_REAL_ID = re.compile(r"[0-9a-fA-F]{40}")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}")
_LIBRARY_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")
_NAMESAKES = 100

log = logging.getLogger(__name__)


class DefenderDevices:
    """`Devices` over HTTP. `deadline` is what an acting POST may take in all, in seconds."""

    def __init__(self, api: Api, deadline: float) -> None:
        """`api` carries a token for Defender."""
        self._api = api
        self._deadline = deadline
        self._ways = Ways()

    def machine(self, device: str) -> Machine:
        """See `Devices.machine`. The API also takes a computer's name; then the answer is about another id."""
        try:
            body = self._api.read(f"/api/machines/{_safe(device)}").body
        except NotFound as error:
            raise missing(error) from error
        machine = Machine.model_validate(body)
        if machine.id.lower() == device.lower() and _tagged(body.get("machineTags")):
            return machine
        if machine.id and machine.id.lower() != device.lower() and not _REAL_ID.fullmatch(device):
            raise NotFound("Defender answered about another device", status=404, code="ResourceNotFound")
        raise Transient("Defender did not say which device it is, or how it is tagged", cause=Cause.CONTENT)

    def named(self, name: str) -> Sequence[Machine]:
        """See `Devices.named`. Without a filter there is no search: a whole tenant is not read for one name."""
        if not _NAME.fullmatch(name):
            return ()
        found = self._page("/api/machines", f"computerDnsName eq '{name}'", _NAMESAKES, _FILTERED, 0)
        machines = [Machine.model_validate(raw) for raw in _objects(found)]
        return [machine for machine in machines if machine.name.lower() == name.lower()]

    def onboarded(self, following: str = "") -> CountPage:
        """See `Devices.onboarded`. Where the filter finds nothing or is refused, all machines are counted instead: the
        API answers 404 where none matches, as where a tenant spells the value otherwise.
        """
        way, skip = _place(following) if following else (_FILTERED, 0)
        found = self._page("/api/machines", "onboardingStatus eq 'Onboarded'", ONBOARDED_PAGE, way, skip)
        if not found and way == _FILTERED and not skip:
            way = _PLAIN
            found = self._page("/api/machines", "", ONBOARDED_PAGE, way, skip)
        count = sum(Machine.model_validate(raw).onboarding == "onboarded" for raw in _objects(found))
        return CountPage(count, _next(way, skip, found, ONBOARDED_PAGE))

    def actions(self, query: ActionQuery, following: str = "") -> ActionPage:
        """See `Devices.actions`."""
        way, skip = _place(following) if following else (self._ways.first(), 0)
        wanted = _filter(query)
        found = self._page("/api/machineactions", wanted, ACTIONS_PAGE, way, skip, refused=len(query.machines) > 1)
        if found is None and way == _FILTERED:
            self._ways.refused(_FILTERED)
            way = _PLAIN
            found = self._page("/api/machineactions", wanted, ACTIONS_PAGE, way, skip)
        made = [MachineAction.model_validate(raw) for raw in _objects(found)]
        matching = [one for one in made if _matches(one, query)]
        if query.machines and any(not (one.final or _ACTION_ID.fullmatch(one.id)) for one in matching):
            raise Transient("Defender listed an unfinished machine action without a usable id", cause=Cause.CONTENT)
        return ActionPage(matching, _next(way, skip, found, ACTIONS_PAGE))

    def _page(
        self, path: str, wanted: str, size: int, way: int, skip: int, *, refused: bool = False
    ) -> list[Any] | None:
        """A page of a list; None where the service refuses the filter, unless that is to be raised (`refused`). In
        the middle of a list nobody can change to another one: it has to be begun anew.
        """
        params = {"$top": str(size), **({"$skip": str(skip)} if skip else {})}
        filtered = bool(wanted) and way == _FILTERED
        try:
            return _list(self._api.read(path, {"$filter": wanted, **params} if filtered else params).body)
        except NotFound as error:
            expect_nothing(error)
            return []
        except Rejected as error:
            if error.status != BAD_REQUEST or not filtered or refused:
                raise
            if skip:
                said = f"the filter of {path} is refused in the middle of the list: {error}"
                raise Transient(said, status=error.status, code=error.code) from error
            log.warning("Defender refuses the filter of %s (%s); everything is read, and filtered here", path, error)
            return None

    def action(self, action: str) -> MachineAction:
        """See `Devices.action`."""
        found = MachineAction.model_validate(self._api.read(f"/api/machineactions/{quote(action, safe='')}").body)
        if found.id.lower() != action.lower():
            raise Transient("Defender answered about another machine action", cause=Cause.CONTENT)
        return found

    def isolate(self, device: str, comment: str, *, selective: bool = False) -> MachineAction:
        """See `Devices.isolate`."""
        kind = "Selective" if selective else "Full"
        return self._act(device, "isolate", {"Comment": comment, "IsolationType": kind})

    def release(self, device: str, comment: str) -> MachineAction:
        """See `Devices.release`."""
        return self._act(device, "unisolate", {"Comment": comment})

    def restrict(self, device: str, comment: str) -> MachineAction:
        """See `Devices.restrict`."""
        return self._act(device, "restrictCodeExecution", {"Comment": comment})

    def unrestrict(self, device: str, comment: str) -> MachineAction:
        """See `Devices.unrestrict`."""
        return self._act(device, "unrestrictCodeExecution", {"Comment": comment})

    def scan(self, device: str, comment: str, *, full: bool = False) -> MachineAction:
        """See `Devices.scan`."""
        return self._act(device, "runAntiVirusScan", {"Comment": comment, "ScanType": "Full" if full else "Quick"})

    def stop_quarantine(self, device: str, comment: str, sha1: str) -> MachineAction:
        """See `Devices.stop_quarantine`."""
        return self._act(device, "StopAndQuarantineFile", {"Comment": comment, "Sha1": sha1})

    def collect_package(self, device: str, comment: str) -> MachineAction:
        """See `Devices.collect_package`."""
        return self._act(device, "collectInvestigationPackage", {"Comment": comment})

    def live_response(self, device: str, commands: Sequence[Command], comment: str) -> MachineAction:
        """See `Devices.live_response`."""
        return self._act(device, "runliveresponse", {"Commands": [_order(one) for one in commands], "Comment": comment})

    def result_link(self, action: str, index: int) -> str:
        """See `Devices.result_link`."""
        return self._link(action, f"GetLiveResponseResultDownloadLink(index={index})")

    def library(self) -> Sequence[LibraryFile]:
        """See `Devices.library`. An empty library may be a 404, as other empty lists are."""
        try:
            found = _list(self._api.read("/api/libraryfiles").body)
        except NotFound as error:
            expect_nothing(error)
            return ()
        return [LibraryFile.model_validate(raw) for raw in _objects(found)]

    def upload(self, name: str, content: bytes, description: str) -> None:
        """See `Devices.upload`."""
        fields = {"Description": description, "HasParameters": "true", "OverrideIfExists": "true"}
        self._api.upload("/api/libraryfiles", _file(name), content, fields)

    def cancel(self, action: str, comment: str) -> MachineAction:
        """See `Devices.cancel`."""
        path = f"/api/machineactions/{quote(action, safe='')}/cancel"
        return MachineAction.model_validate(self._api.act(path, {"Comment": comment}, self._deadline))

    def package_link(self, action: str) -> str:
        """See `Devices.package_link`."""
        return self._link(action, "getPackageUri")

    def _link(self, action: str, call: str) -> str:
        body = self._api.read(f"/api/machineactions/{quote(action, safe='')}/{call}").body
        link = _bare(body.get("value"))
        if not link:
            raise Transient("Defender answered a download link without a value", cause=Cause.CONTENT)
        return link

    def _act(self, device: str, verb: str, body: Mapping[str, object]) -> MachineAction:
        answer = self._api.act(f"/api/machines/{_safe(device)}/{verb}", body, self._deadline)
        made = MachineAction.model_validate(answer)
        if not _ACTION_ID.fullmatch(made.id):
            raise OutcomeUnknown(f"{verb}: accepted without a usable action id", cause=Cause.CONTENT)
        if made.machine_id and made.machine_id.lower() != device.lower():
            raise OutcomeUnknown(f"{verb}: the answer is about another device", cause=Cause.CONTENT)
        return made


def _bare(value: object) -> str:
    """A link without the quotation marks that Defender wraps some in, which make it JSON once more, escapes and all.
    Empty where there is none.
    """
    written = value.strip() if isinstance(value, str) else ""
    with contextlib.suppress(ValueError):
        inner = json.loads(written) if written.startswith('"') else written
        return inner.strip() if isinstance(inner, str) else ""
    return written.strip('"').strip()


def _tagged(tags: object) -> bool:
    """Whether a device's tags are to be read; one that has none may say so with null, or not at all. A tag may protect
    it, so that what is no list of texts is no answer.
    """
    return tags is None or (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags))


def _safe(device: str) -> str:
    """A device id that cannot leave its place in a path or filter, spelt as Defender does."""
    if not _DEVICE_ID.fullmatch(device):
        raise Rejected("not a Defender device id", status=400, code="InvalidInput")
    return device_id(device)


def _file(name: str) -> str:
    """A name that the library takes, and that cannot leave its place in a path."""
    if not _LIBRARY_NAME.fullmatch(name):
        raise Rejected("not a name for a file of the library", status=400, code="InvalidInput")
    return name


def _order(command: Command) -> dict[str, object]:
    """A command as the API spells it (defender-api.md 4.5)."""
    if isinstance(command, PutFile):
        kind, params = "PutFile", {"FileName": _file(command.name)}
    elif isinstance(command, RunScript):
        kind, params = "RunScript", {"ScriptName": _file(command.name)}
        params |= {"Args": command.args} if command.args else {}
    else:
        kind, params = "GetFile", {"Path": command.path}
    return {"type": kind, "params": [{"key": key, "value": value} for key, value in params.items()]}


def _filter(query: ActionQuery) -> str:
    """The query as OData; empty where it asks for everything."""
    conditions = []
    if query.machines:
        named = " or ".join(f"machineId eq '{_safe(machine)}'" for machine in query.machines)
        conditions.append(f"({named})" if query.since and len(query.machines) > 1 else named)
    if query.since:
        conditions.append(f"creationDateTimeUtc ge {instant(query.since)}")
    return " and ".join(conditions)


def _matches(action: MachineAction, query: ActionQuery) -> bool:
    """Whether an action is one that was asked for; where its answer does not say when it was made, it may be."""
    if query.machines and action.machine_id.lower() not in {machine.lower() for machine in query.machines}:
        return False
    return not (query.since and action.created and action.created < query.since)


def _place(following: str) -> tuple[int, int]:
    way, _, skip = following.partition(":")
    return int(way), int(skip)


def _next(way: int, skip: int, found: list[Any] | None, size: int) -> str:
    """Where a list goes on: a short page is its last."""
    return f"{way}:{skip + size}" if found and len(found) >= size else ""


def _objects(found: list[Any] | None) -> list[dict[str, Any]]:
    return [item for item in found or () if isinstance(item, dict)]


def _list(body: Mapping[str, Any]) -> list[Any]:
    found = body.get("value")
    if not isinstance(found, list):
        raise Transient("Defender answered a list without its value", cause=Cause.CONTENT)
    return found
