"""What the tenant lacks: a licence or a feature that an action needs. Remembered for the tenant, not asked per device.

For how long hangs on what it costs to believe it. What only collects may be had tomorrow. Isolating and releasing come
with every licence, so a refusal of them for the whole tenant is a switch that somebody turned, or an accident: what
asks for them waits, and one of them tries again soon, then ever later.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from responders._afterwards import AFTERWARDS
from responders._alarms import over, trouble
from responders._entries import renewed
from responders._taking import ISOLATION
from shared.models.action import Action, Kept, State
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from responders._interface import Responder
    from responders._ports import Ports
    from responders._refusal import Refusal
    from shared.config import Settings

REMEMBERED = timedelta(hours=24)
CONTAINS = timedelta(hours=1)
"""How long it is remembered of what contains and may need a licence of its own."""

LONGEST = timedelta(minutes=10)
"""How long at the most until what every licence includes is tried again."""

_ROW = "lack:"


class Lack(Kept):
    """An action that the tenant cannot have until then, why, and what a person can do about it. `times` counts the
    refusals since it was had last, the newest of them at `refused`; a row of an older version does not tell that.
    """

    responder: str
    detail: str
    todo: str
    until: datetime
    times: int = 0
    refused: datetime | None = None


def basic(responder: Responder) -> bool:
    """Whether every licence includes it."""
    return ISOLATION.takes in responder.kinds or ISOLATION.gives_back in responder.kinds


def remember(ports: Ports, responder: str, refusal: Refusal) -> None:
    """Note that Defender refused an action for the whole tenant; people are told once, and woken where nothing can be
    contained.
    """
    entry = ports.ledger.single(Lack, _ROW + responder)
    times = 1 + (entry.value.times if entry else 0)
    does = ports.responders[responder]
    soon = basic(does)
    wait = _soon(times, ports.settings) if soon else CONTAINS if does.contains else REMEMBERED
    now = ports.clock.now()
    means, todo = refusal.means, refusal.todo
    made = Lack(responder=responder, detail=means, todo=todo, until=now + wait, times=times, refused=now)
    row = (_ROW + responder, renewed(entry, made), entry.etag if entry else "")
    again = "tried again soon, and what asks for it waits" if soon else f"tried again after {_hours(wait)}"
    told = f"{responder.replace('_', ' ')}: {refusal.means}; {again}. What to do: {refusal.todo}"
    trouble(ports, f"unavailable {responder}", told, row, page=does.contains)


def _soon(times: int, settings: Settings) -> timedelta:
    wait: timedelta = settings.NUDGE_AFTER * 2 ** min(times - 1, 8)
    return min(LONGEST, wait)


def _hours(wait: timedelta) -> str:
    return "an hour" if wait == CONTAINS else "a day"


def lacks(ports: Ports) -> dict[str, Lack]:
    """What the tenant lacks now, by responder."""
    now = ports.clock.now()
    return {name: lack for name, lack in _known(ports).items() if lack.until > now}


def refused_of_late(ports: Ports) -> dict[str, Lack]:
    """What was refused for the whole tenant within a day, and was not had since, by responder."""
    since = ports.clock.now() - REMEMBERED
    return {name: lack for name, lack in _known(ports).items() if lack.times and lack.until > since}


def not_to_be_planned(ports: Ports) -> dict[str, str]:
    """What nothing is planned of while the tenant lacks it, with the words for people: of what comes afterwards anyway
    a word, as the advice was told once. What waits is planned.
    """
    return {
        name: lack.detail if name in AFTERWARDS else f"{lack.detail}. {lack.todo}"
        for name, lack in lacks(ports).items()
        if not basic(ports.responders[name])
    }


def without(action: Action, lacking: Mapping[str, Lack], ports: Ports) -> Action | None:
    """What becomes of an action that the tenant lacks; None where it is to be sent. What a person orders is tried."""
    lack = lacking.get(action.responder)
    if lack is None or action.opened_by:
        return None
    now = ports.clock.now()
    if waits(action, ports):
        return action.to(State.PLANNED, now, due=lack.until, detail=lack.detail, todo=lack.todo)
    return action.to(State.UNAVAILABLE, now, detail=lack.detail, todo=lack.todo)


def waits(action: Action, ports: Ports) -> bool:
    """Whether an action that was refused for the whole tenant is tried again by itself: not for ever, and what a person
    ordered is answered at once.
    """
    young = ports.clock.now() - action.created < ports.settings.MAX_AGE_TO_CONTAIN
    return basic(ports.responders[action.responder]) and young and not action.opened_by


def lacked(ports: Ports) -> frozenset[str]:
    """The responders for which a lack was ever noted."""
    return frozenset(_known(ports))


def had(ports: Ports, responder: str, asked: datetime) -> None:
    """Note that Defender took at `asked` what it once refused; who was told of that is told so. What it took before it
    refused another says nothing.
    """
    entry = ports.ledger.single(Lack, _ROW + responder)
    if entry and entry.value.refused and asked < entry.value.refused:
        return
    if entry and entry.value.times:
        ended = entry.value.model_copy(update={"until": ports.clock.now(), "times": 0})
        try:
            ports.ledger.put_single(_ROW + responder, ended, entry.etag)
        except Conflict:
            return
    over(ports, f"unavailable {responder}")


def _known(ports: Ports) -> dict[str, Lack]:
    """By responder, of those that this version has."""
    found = (entry.value for entry in ports.ledger.singles(Lack, _ROW))
    return {lack.responder: lack for lack in found if lack.responder in ports.responders}
