"""An action as a run of the archive: where it lies, and what is said of it. Pure."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from shared import VERSION
from shared.models.archive.custody import Who, Why, stamp
from shared.models.archive.manifest import Device, Run
from shared.models.archive.names import run_folder as folder_of
from shared.models.archive.names import run_name

if TYPE_CHECKING:
    from shared.models.action import Action

_APP = "the app's own identity"


def run_folder(action: Action) -> str:
    """Where a run's evidence lies: year/month, incident, device, run. One action is one run."""
    begun = action.created.astimezone(UTC)
    run = run_name(begun, action.responder, action.goal, action.round)
    return folder_of(begun, action.incident, action.device, action.device_name, run)


def run_of(action: Action, deployment: str) -> Run:
    """What the manifest says of the run."""
    ids = (*action.ended, action.machine_action)
    return Run(
        folder=run_folder(action),
        incident=action.incident,
        device=Device(id=action.device, name=action.device_name),
        responder=action.responder,
        goal=action.goal,
        round=action.round,
        action=action.id,
        machine_actions=tuple(each for each in ids if each),
        rule=action.rule,
        order=action.opened_by,
        begun=stamp(action.created.astimezone(UTC)),
        deployment=deployment,
        version=VERSION,
    )


def who(identity: str, function: str, deployment: str) -> Who:
    """Who works: `identity` is the client id of the app's identity (empty: its own)."""
    return Who(identity=identity or _APP, function=function, version=VERSION, deployment=deployment)


def why(action: Action) -> Why:
    """What it is done for."""
    return Why(incident=action.incident, rule=action.rule, order=action.opened_by, machine_action=action.machine_action)


def metadata_of(action: Action, kind: str) -> dict[str, str]:
    """What goes with an object of the run: who looks at it alone should know what it is."""
    told = {
        "incident": action.incident,
        "device": action.device,
        "kind": kind.replace("_", "-"),
        "action": action.id,
        "machineaction": action.machine_action,
        "version": action.version,
    }
    return {name: value for name, value in told.items() if value}


def tags_of(action: Action, kind: str, status: str) -> dict[str, str]:
    """By which index tags objects are found."""
    told = {"incident": action.incident, "device": action.device, "kind": kind.replace("_", "-"), "status": status}
    return {name: value for name, value in told.items() if value}
