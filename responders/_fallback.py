"""What is collected instead of an investigation package that cannot be had: the volatile essentials, and only these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._lacks import lacks
from shared.models.action import State
from shared.storage.interface import Conflict, Insert

if TYPE_CHECKING:
    from responders._entries import Entry
    from responders._ports import Ports
    from shared.models.action import Action

PACKAGE, INSTEAD = "collect_package", "collect_volatile"


def instead(action: Action) -> Action | None:
    """The action that stands in for a package that failed on the device; None where none does. Pure.

    A person's cancellation is meant, and somebody else's collection is theirs. One that was never taken by Defender
    says something of the tenant, not of the device.
    """
    failed = action.state is State.FAILED and action.responder == PACKAGE and not action.cancelled
    if not failed or action.foreign or not action.ended or not action.finished_at:
        return None
    now = action.finished_at
    return action.model_copy(
        update={
            "responder": INSTEAD,
            "state": State.PLANNED,
            "created": now,
            "since": now,
            "due": now,
            "finished_at": None,
            "reason": f"instead of the investigation package, which failed: {action.detail}"[:300],
            "detail": "",
            "todo": "",
            **dict.fromkeys(("attempt", "before", "doubts", "tries", "timeouts", "fetches"), 0),
            "machine_action": "",
            "doubtful": False,
            "ended": (),
            "artefacts": (),
            "accepted_at": None,
            "progress": "",
        }
    )


def fall_back(ports: Ports, entry: Entry[Action], to: Action) -> Action | None:
    """Write down a package that failed, and plan what stands in for it, in one; None, and nothing written, where
    nothing does, or it is planned already.
    """
    planned = instead(to)
    if planned is None or INSTEAD not in ports.responders or INSTEAD in lacks(ports):
        return None
    try:
        ports.ledger.move(entry, to, Insert(planned.key, planned.model_dump_json(), planned.due))
    except Conflict:
        return None
    return planned
