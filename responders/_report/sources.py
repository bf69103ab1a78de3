"""Gather what a report is made of: the ledger, the snapshot, the evidence store."""

from __future__ import annotations

import json
import logging
from datetime import UTC
from typing import TYPE_CHECKING, Any

from responders._cases import partition_of
from responders._entries import plan_of
from responders._interface import Lane
from responders._investigation.gathering import findings_of
from responders._report.value import Custody, Hashes, Note, Report, Revision, Step
from responders._unsent import snapshot_of
from shared.errors import NotFound
from shared.models.action import State
from shared.models.asked import Remark
from shared.models.incident import Incident
from shared.zones import zone

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, tzinfo

    from responders._ports import Ports
    from shared.models.action import Action
    from shared.models.plan import Plan
    from shared.models.progress import IncidentState
    from shared.models.reported import KeptRevision

_CHAIN = 4_000_000
"""Bytes of a custody chain that are read at the most: one of a run has a few kilobytes."""

log = logging.getLogger(__name__)


def gather(ports: Ports, state: IncidentState, kept: Sequence[KeptRevision], stop: datetime) -> Report:
    """Everything about an incident as it stands; what cannot be read until `stop` is named. Raises Transient and
    Rejected.
    """
    settings = ports.settings
    plan = plan_of(ports.documents, state)
    actions = actions_of(ports, state, plan)
    name = settings.REPORT_ZONE
    snapshot = snapshot_of(ports.documents, state.id, state.assessed)

    def left() -> float:
        return max(0.0, (stop - ports.clock.now()).total_seconds())

    return Report(
        incident=_incident(snapshot, state),
        state=state,
        made=ports.clock.now(),
        assessment=plan.assessment if plan else None,
        actions=tuple(actions),
        findings=findings_of(ports.evidence, actions, snapshot, left),
        notes=_notes(ports, state.id),
        custody=tuple(_custody(ports, folder) for folder in _runs(actions)),
        revisions=tuple(Revision(each.number, each.kind, each.at, each.name) for each in kept),
        contains=frozenset(each.name for each in ports.responders.values() if each.contains),
        gathers=frozenset(
            each.name for each in ports.responders.values() if each.gathers and each.lane is Lane.COLLECT
        ),
        deployment=settings.DEPLOYMENT,
        account=settings.EVIDENCE_STORAGE__blobServiceUri.rstrip("/"),
        language=settings.LANGUAGE,
        zone=zone_of(name),
        zone_name=name,
    )


def zone_of(name: str) -> tzinfo:
    """The operator's time zone."""
    return UTC if name == "UTC" else zone(name)


def actions_of(ports: Ports, state: IncidentState, plan: Plan | None) -> list[Action]:
    """What was done, also about the incidents that were merged into this one; while observing, what would have been."""
    actions = ports.ledger.history(state.id)
    known = {action.key for action in actions}
    for action in plan.actions if plan and state.mode == "observe" else ():
        if action.key not in known:
            seen = State.OBSERVED if action.state is State.PLANNED else action.state
            actions.append(action.model_copy(update={"state": seen}))
    return actions


def _incident(snapshot: bytes | None, state: IncidentState) -> Incident:
    return Incident.model_validate(json.loads(snapshot)) if snapshot else Incident(id=state.id, title=state.title)


def _notes(ports: Ports, incident: str) -> tuple[Note, ...]:
    rows = [entry.value for entry in ports.ledger.every(Remark, partition_of(incident), "note:")]
    return tuple(Note(each.at, each.by, each.text) for each in sorted(rows, key=lambda each: each.at))


def _runs(actions: Sequence[Action]) -> list[str]:
    """The folders of the runs that brought something."""
    names = (artefact.name for action in actions for artefact in action.artefacts)
    return sorted({name.partition("/data/")[0] for name in names if "/data/" in name})


def _custody(ports: Ports, folder: str) -> Custody:
    """What the archive says of a run, as far as it is there; a run that is not closed yet has none of it."""
    manifest, checkpoint = (_json(ports, f"{folder}/{name}") for name in ("manifest.json", "checkpoint.json"))
    signer, items = _object(checkpoint.get("signer")), manifest.get("items")
    return Custody(
        folder,
        {
            f"{folder}/{item.get('path')}": _hashes(item)
            for item in map(_object, items if isinstance(items, list) else ())
        },
        tuple(_steps(ports, f"{folder}/custody.jsonl")) if checkpoint else (),
        str(checkpoint.get("sealed") or ""),
        str(checkpoint.get("head") or ""),
        " ".join(str(signer.get(name) or "") for name in ("kind", "key")).strip(),
    )


def _hashes(item: dict[str, Any]) -> Hashes:
    told = _object(item.get("hashes"))
    named = {name: str(told.get(name) or "") for name in ("device", "received", "stored")}
    return Hashes(**named, proof=str(item.get("proof") or ""))


def _json(ports: Ports, name: str) -> dict[str, Any]:
    """A file of the archive's own, or nothing: that somebody changed it is for `verify` to say."""
    data = _read(ports, name)
    return _parsed(data) if data else {}


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        return _object(json.loads(data))
    except (ValueError, RecursionError):
        return {}


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _read(ports: Ports, name: str) -> bytes:
    read = bytearray()
    try:
        for chunk in ports.evidence.read(name):
            read += chunk
            if len(read) > _CHAIN:
                log.warning("%s is longer than a report reads", name)
                return b""
    except NotFound:
        return b""
    return bytes(read)


def _steps(ports: Ports, name: str) -> Iterator[Step]:
    for line in _read(ports, name).splitlines():
        event = _parsed(line)
        who = _object(event.get("who"))
        by = " ".join(str(who.get(each) or "") for each in ("function", "identity")).strip()
        subject, detail = str(event.get("subject") or ""), str(event.get("detail") or "")
        yield Step(str(event.get("at") or ""), str(event.get("what") or "?"), subject, by, detail)
