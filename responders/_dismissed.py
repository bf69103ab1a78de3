"""Containments of ours that are still under way to their device while an analyst calls their incident benign: a device
that is away would be cut off on its return, hours later, for what nobody wants any more.

What is done on the device already stays: to give that back is for a person, or for a rule that says so (`_undoing`).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from responders._releasing import call_off
from responders._settling import BENIGN
from shared.errors import Transient
from shared.models.action import State
from shared.models.plan import Verdict

if TYPE_CHECKING:
    from responders._ports import Ports
    from shared.models.action import Action
    from shared.models.progress import IncidentState

log = logging.getLogger(__name__)


def recall(ports: Ports, incident: str) -> None:
    """Have Defender cancel what an incident that was dismissed, or one that was merged into it, still has under way.
    As long as anything is, the incident is looked at again, so what cannot be cancelled now is tried later.
    """
    state = ports.ledger.heir(incident)
    if state is None or not _dismissed(state) or not ports.settings.respond:
        return
    rows = [entry for each in (state.id, *ports.ledger.absorbed(state.id)) for entry in ports.ledger.open_actions(each)]
    for entry in rows:
        action = entry.value
        comment = f"{BENIGN.capitalize()}. {ports.marker(action.id, 'cancel')}"
        try:
            if action.state is State.ACCEPTED and _unwanted(ports, action, state):
                log.info("action %s is wanted no more: %s", action.id, call_off(ports, entry, comment))
        except Transient as error:
            log.warning("whether action %s is wanted is found out, or it is cancelled, later: %s", action.id, error)


def _dismissed(state: IncidentState | None) -> bool:
    """Whether an incident is dismissed as it stands now; one that nobody knows is not."""
    return bool(state and state.dismissed and state.assessed == state.seen and state.verdict == Verdict.HARMLESS)


def _unwanted(ports: Ports, action: Action, state: IncidentState) -> bool:
    """Whether nobody wants it: neither a person, nor another incident that holds its device and is not dismissed too. A
    release that is planned with the dismissal (`auto_release`) calls it off by itself.
    """
    if not ports.contains(action) or action.foreign or action.joined or (state.cleared and action.auto_release):
        return False
    what = ports.containment(action)
    beside = [entry.value for entry in ports.ledger.actions_on(action.device) if not entry.value.state.final]
    if any(each.approved and ports.contains(each) and ports.containment(each) == what for each in (action, *beside)):
        return False
    slot = ports.ledger.slot(action.target, what) if what else None
    return all(_dismissed(ports.ledger.heir(holder)) for holder in (slot.value.holders if slot else ()))
