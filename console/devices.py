"""Which device somebody means: its id, or what a person calls it, where only one is called so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from console.desk import lasting
from responders._consent import called
from shared.models.action import incident_of, target_of
from shared.models.lenient import device_id

if TYPE_CHECKING:
    from console.desk import Desk
    from shared.models.action import Action

_ID = re.compile(r"[0-9a-fA-F]{40}")
"""A device's id as Defender makes them (a SHA-1). One of another form is taken where something is open on it, or where
we hold it.
"""


class Ambiguous(ValueError):
    """Several devices are called so, or none that is known here."""


def meant(desk: Desk, written: str) -> str:
    """The id of the device that is called so: an id stays what it is, but for capitals; a name or the start of an id
    must be that of one device on which something is open, or which we hold. Raises Ambiguous, so that nobody guesses.
    """
    if _ID.fullmatch(written):
        return device_id(written)
    known = known_by_name(desk)
    if any(target_of(action.device) == target_of(written) for action in known):
        return written
    found = {action.target: action for action in known if called(action, written)}
    if len(found) == 1:
        return next(iter(found.values())).device
    if not found:
        raise Ambiguous(f"no device that is open or held here is called {written}; give its id in Defender")
    listed = ", ".join(sorted(action.device for action in found.values()))
    raise Ambiguous(f"several devices are called {written}: {listed}; give the id")


def known_by_name(desk: Desk) -> list[Action]:
    """The actions that name the devices on which something is open or which we hold."""
    known = [entry.value for entry in desk.ledger.open_actions() if entry.value.device]
    for entry in (each for what in lasting() for each in desk.ledger.slots(what).values()):
        owner = desk.ledger.action(incident_of(entry.value.owner), entry.value.owner)
        known += [owner] if owner else []
    return known
