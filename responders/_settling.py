"""What an answer of Defender makes of an action. Pure: an action, an answer and the time give the next action."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared.errors import Denied, NotFound, Rejected
from shared.models.action import State

if TYPE_CHECKING:
    from datetime import datetime

    from responders._interface import Responder
    from shared.models.action import Action
    from shared.models.device import MachineAction

TRIES = 3
ATTEMPTS = 12
YOUNG = timedelta(minutes=30)
LOOK_YOUNG = timedelta(seconds=5)
LOOK_OLD = timedelta(hours=1)
BACK_OFF = timedelta(seconds=30)

_ADVICE = {
    "Unauthorized": "check the identity of the function app and its token audience",
    "Forbidden": "grant the app role that the message names (docs: permissions)",
    "DisabledFeature": "turn the feature on in the Defender portal, under advanced features",
    "DisallowedOperation": "give the device's group a remediation level in the Defender portal",
    "OsPlatformNotSupported": "do it on the device itself; Defender does not offer it for this system",
    "ClientVersionNotSupported": "update the Defender sensor of the device",
    "ResourceNotFound": "look for the device under a newer id; it may have been onboarded again",
}


def accepted(action: Action, made: MachineAction, now: datetime, *, foreign: bool) -> Action:
    """The action once Defender has taken it, or somebody else's that does the same."""
    return action.to(
        State.ACCEPTED,
        now,
        due=now + LOOK_YOUNG,
        machine_action=made.id,
        foreign=foreign,
        accepted_at=now,
        detail=f"through {made.requestor or 'somebody else'}" if foreign else "",
        todo="",
        doubtful=False,
    )


def progressed(action: Action, seen: MachineAction, responder: Responder, now: datetime) -> Action:
    """An accepted action after a look at its machine action; the same value where only the due time moves."""
    if seen.status == "succeeded":
        return _succeeded(action, responder, now)
    if seen.status == "cancelled":
        who = seen.cancelled_by or "somebody"
        return action.to(
            State.FAILED,
            now,
            cancelled=True,
            detail=f"cancelled by {who} in Defender",
            todo="nothing, unless it should be done after all; then do it in the Defender portal",
        )
    if seen.status in {"failed", "timeout"}:
        return _ended_badly(action, seen, now)
    return looked(action, now)


def looked(action: Action, now: datetime) -> Action:
    """An accepted action that goes on: looked at often while young, ever more rarely when old."""
    age = now - (action.accepted_at or now)
    wait = LOOK_YOUNG if age < YOUNG else min(LOOK_OLD, age / 10)
    return action.model_copy(update={"due": now + wait})


def _succeeded(action: Action, responder: Responder, now: datetime) -> Action:
    if responder.fetches:
        return action.to(State.FETCHING, now, due=now)
    if action.foreign:
        return action.to(State.ELSEWHERE, now)
    return action.to(State.SUCCEEDED, now)


def _ended_badly(action: Action, seen: MachineAction, now: datetime) -> Action:
    what = "failed on the device" if seen.status == "failed" else "was not done in time"
    result = f" (error {seen.error & 0xFFFFFFFF:#010x})" if seen.error else ""  # an HRESULT: failures are negative
    return ended(action, f"{what}{result}", now)


def ended(action: Action, detail: str, now: datetime) -> Action:
    """An action whose machine action came to nothing: tried again some times, each try through every rail."""
    tries = action.tries + (0 if action.foreign else 1)
    lost = {"ended": (*action.ended, action.machine_action), "machine_action": "", "tries": tries, "detail": detail}
    if tries >= TRIES:
        todo = "look whether the device is on and its Defender sensor healthy, then do it in the Defender portal"
        return action.to(State.FAILED, now, **lost, todo=todo)
    return action.to(State.PLANNED, now, **lost, foreign=False, due=now + BACK_OFF * 2 ** min(tries, 4))


def doubted(action: Action, detail: str, now: datetime, visibility: timedelta) -> Action:
    """An action of which nobody knows whether its POST worked: not to be sent again before Defender must have shown it,
    and each time later.
    """
    doubts = action.doubts + 1
    said = f"{detail}; in doubt {doubts} times"[:300]
    if doubts >= ATTEMPTS:
        todo = "look at the device in the Defender portal, and do it there"
        return action.to(State.FAILED, now, doubts=doubts, detail=f"{said}, never confirmed", todo=todo)
    wait = visibility * 2 ** min(doubts - 1, 6)
    return action.to(State.UNKNOWN, now, due=now + wait, doubtful=True, doubts=doubts, detail=said)


def rejected(action: Action, error: Rejected, now: datetime) -> Action:
    """An action that Defender refused for good."""
    code = error.code or ("Forbidden" if isinstance(error, Denied) else "")
    todo = _ADVICE.get(code, "read what Defender says, and do it in the Defender portal")
    if isinstance(error, NotFound):
        todo = _ADVICE["ResourceNotFound"]
    return action.to(State.FAILED, now, detail=f"Defender refused: {error}"[:400], todo=todo)
