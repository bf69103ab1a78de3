"""What an answer of Defender makes of an action. Pure: an action, an answer and the time give the next action."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from responders._interface import newest
from responders._refusal import Asked, Fate, Service
from responders._refusals import TABLE, ending_of, refusal_of, told
from shared.models.action import State, target_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from responders._interface import Responder
    from responders._refusal import Refusal
    from shared.errors import Rejected
    from shared.models.action import Action
    from shared.models.device import MachineAction

TRIES = 3
REISSUES = 1
AWAY_AFTER = timedelta(minutes=10)
"""How long an action may wait for its device before the device counts as away."""

STUCK = timedelta(days=4)
"""How long Defender may take in all: it tries for three days to reach a device."""

BEHIND = "it waited behind somebody else's that came to nothing, and is asked for anew"

ANEW = "To be asked for anew"
"""What our comment says where we cancel what waits behind somebody else's: whoever sees it cancelled has to know."""

BENIGN = "the incident was classified as benign"
"""What our comment says where an analyst's word has something cancelled, which may be taken back."""

ATTEMPTS = 12
YOUNG = timedelta(minutes=30)
LOOK_YOUNG = timedelta(seconds=5)
LOOK_OLD = timedelta(hours=1)
BACK_OFF = timedelta(seconds=30)
TOKEN_ATTEMPTS = 6
TOKEN_WAIT = timedelta(seconds=20)
_QUOTE = 160
_RUNNING = frozenset({"", "pending", "inprogress"})
_EARLIER = "look first whether an earlier call worked after all; then "


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


def progressed(
    action: Action,
    seen: MachineAction,
    responder: Responder,
    now: datetime,
    reissues: int = REISSUES,
    marker: str = "",
) -> Action:
    """An accepted action after a look at its machine action; in the same state where it goes on. A live response
    session that broke off on the device is for its responder to make sense of. `reissues` says how often it is sent
    anew where the device stayed away for so long that Defender gave up. `marker` is what the comment carries where we
    had it cancelled.
    """
    came_to_something = seen.begun and seen.status in {"failed", "timeout"} and responder.gathers
    if seen.status == "succeeded" or came_to_something:
        return _succeeded(action, responder, now)
    if not seen.final:
        return _going_on(action, seen, now)
    if seen.status == "cancelled":
        return _cancelled(action, seen, now, marker)
    if seen.id in action.ended:
        return _over_before(action, now)
    if seen.status == "timeout":
        return _given_up(action, seen, now, reissues)
    row = ending_of(seen)
    return ended(action, row, now, f"{row.means}{_reason(seen)}")


def by_us(seen: MachineAction, marker: str) -> bool:
    """Whether the comment of a cancellation carries our `marker`."""
    return bool(marker) and marker in seen.cancel_comment


def _going_on(action: Action, seen: MachineAction, now: datetime) -> Action:
    if now - (action.accepted_at or now) >= STUCK:
        return _stuck(action, seen, now)
    return looked(action, now, away=seen.status == "pending", unheard="" if seen.status in _RUNNING else seen.status)


def _cancelled(action: Action, seen: MachineAction, now: datetime, marker: str) -> Action:
    row, ours = ending_of(seen), by_us(seen, marker)
    if ours and ANEW in seen.cancel_comment:
        return anew(action, now)
    todo = f"nothing, unless it should be done after all; then: bulkhead retry {action.id}"
    said = f"{row.means} {_our_reason(seen, marker)}" if ours else f"{row.means}{_reason(seen)}"
    if ours and BENIGN in seen.cancel_comment.lower():
        lost = {"machine_action": "", "ended": (*action.ended, action.machine_action), "away": False}
        return action.to(State.WITHDRAWN, now, **lost, detail=said, todo=todo)
    return action.to(State.WITHDRAWN if ours else State.FAILED, now, cancelled=True, detail=said, todo=todo)


def looked(action: Action, now: datetime, *, away: bool = False, unheard: str = "") -> Action:
    """An accepted action that goes on: looked at often while young, ever more rarely when old. `away` says that it has
    not reached its device: after a while the device counts as away. `unheard` is a state that this version does not
    know.
    """
    age = now - (action.accepted_at or now)
    wait = LOOK_YOUNG if age < YOUNG else min(LOOK_OLD, age / 10)
    away = away and age >= AWAY_AFTER
    detail = "" if action.detail == BEHIND else action.detail
    if away != action.away:
        detail = "the device does not answer; Defender keeps trying for three days" if away else ""
    if unheard:
        detail = f"Defender calls its state '{unheard[:_QUOTE]}', which this version does not know"
    return action.model_copy(update={"due": now + wait, "away": away, "detail": detail})


def _stuck(action: Action, seen: MachineAction, now: datetime) -> Action:
    """Nobody waits for ever: Defender itself gives up after three days."""
    row = TABLE[Service.DEFENDER, "action-stuck"]
    said = f"{row.means} (it says '{seen.status[:_QUOTE]}')"
    lost = {"ended": (*action.ended, action.machine_action), "away": False}
    return action.to(State.FAILED, now, **lost, detail=said, todo=_advice(row, action))


def parked(
    action: Action, seen: MachineAction, listed: Iterable[MachineAction], kinds: tuple[str, ...]
) -> MachineAction | None:
    """What somebody else did to the device while ours came to wait behind it: both were taken at about the same moment.
    Ours would land when that is undone, against the will of whoever undoes it (defender-api.md: the dangerous race).
    """
    if action.foreign or seen.status not in {"pending", "cancelled"}:
        return None
    others = [each for each in listed if each.id != seen.id and target_of(each.machine_id) == action.target]
    last = newest(others, kinds=kinds, status="succeeded")
    return last if last and last.kind == kinds[0] else None


def left_behind(
    action: Action, seen: MachineAction, listed: Iterable[MachineAction], kinds: tuple[str, ...], *, ours: bool = False
) -> bool:
    """Whether ours came to wait behind somebody else's that then came to nothing: whether it would ever go on is not
    documented, and the device is on the network meanwhile. Ours is taken back then (`BEHIND`), and asked for anew once
    it is cancelled, by us (`ours`).
    """
    if action.foreign or seen.created is None:
        return False
    if seen.status == "cancelled":
        return ours and action.detail == BEHIND
    others = [each for each in listed if each.id != seen.id and target_of(each.machine_id) == action.target]
    vain = [each for each in others if each.kind == kinds[0] and each.final and each.status != "succeeded"]
    there = [(each.created, each.updated) for each in vain if each.created and each.updated]
    return seen.status == "pending" and any(begun <= seen.created <= over for begun, over in there)


def anew(action: Action, now: datetime, why: str = BEHIND) -> Action:
    """An action that was taken back for a while, as since it waited behind one that came to nothing."""
    lost = {"machine_action": "", "ended": (*action.ended, action.machine_action), "away": False}
    return action.to(State.PLANNED, now, due=now, **lost, detail=why)


def overtaken(action: Action, by: MachineAction, now: datetime) -> Action:
    """An action that was taken back while somebody else's did the same."""
    done = {"machine_action": by.id, "foreign": True, "ended": (*action.ended, action.machine_action), "away": False}
    who = by.requestor or "somebody else"
    return action.to(State.ELSEWHERE, now, **done, detail=f"through {who}; ours waited behind that, and was taken back")


def _succeeded(action: Action, responder: Responder, now: datetime) -> Action:
    if responder.gathers:
        return action.to(State.FETCHING, now, due=now)
    if action.foreign:
        return action.to(State.ELSEWHERE, now)
    return action.to(State.SUCCEEDED, now)


def _over_before(action: Action, now: datetime) -> Action:
    """A machine action that was counted as over, and that a listing showed as going on later: it is over after all."""
    said = "an earlier try that seemed to go on was over"
    return action.to(State.PLANNED, now, machine_action="", away=False, due=now + BACK_OFF, detail=said)


def _given_up(action: Action, seen: MachineAction, now: datetime, reissues: int) -> Action:
    """Defender tried for as long as it tries, and the device did not answer (defender-api.md 5.1: three days)."""
    times = action.timeouts + 1
    row = ending_of(seen)
    lost = {"ended": (*action.ended, action.machine_action), "machine_action": "", "timeouts": times, "away": False}
    said = f"{row.means}{_reason(seen)} ({times} of {reissues + 1} times)"
    if times > reissues:
        return action.to(State.FAILED, now, **lost, detail=said, todo=_advice(row, action))
    return action.to(State.PLANNED, now, **lost, foreign=False, due=now + BACK_OFF, detail=f"{said}; sent anew")


def _reason(seen: MachineAction) -> str:
    """Why a machine action ended so, as far as Defender says: in its words, and in few of them."""
    if seen.status == "cancelled":
        who = seen.cancelled_by[:_QUOTE] or "somebody"
        return f" by {who} in Defender" + (f": {seen.cancel_comment[:_QUOTE]}" if seen.cancel_comment else "")
    result = f" (error {seen.error & 0xFFFFFFFF:#010x})" if seen.error else ""
    return result + (f"; Defender says: {seen.troubleshoot[:_QUOTE]}" if seen.troubleshoot else "")


def _our_reason(seen: MachineAction, marker: str) -> str:
    """Why we had a machine action cancelled, as we told Defender."""
    why = seen.cancel_comment.partition(marker)[0].strip().rstrip(".")[:_QUOTE]
    return f"by Bulkhead itself: {why[:1].lower()}{why[1:]}" if why else "by Bulkhead itself"


def ended(action: Action, row: Refusal, now: datetime, detail: str = "") -> Action:
    """An action whose machine action came to nothing: tried again some times, each try through every rail. `detail` is
    what is kept of it, the row's own clause where it is empty.
    """
    tries = action.tries + (0 if action.foreign else 1)
    said = detail or row.means
    lost = {"ended": (*action.ended, action.machine_action), "machine_action": "", "tries": tries, "detail": said}
    if tries >= TRIES:
        return action.to(State.FAILED, now, **lost, todo=_advice(row, action))
    return action.to(State.PLANNED, now, **lost, foreign=False, due=now + BACK_OFF * 2 ** min(tries, 4))


def doubted(action: Action, detail: str, now: datetime, visibility: timedelta) -> Action:
    """An action of which nobody knows whether its POST worked: not to be sent again before Defender must have shown it,
    and each time later.
    """
    doubts = action.doubts + 1
    said = f"{detail}; in doubt {doubts} times"[:300]
    if doubts >= ATTEMPTS:
        todo = _advice(TABLE[Service.DEFENDER, "outcome-unknown"], action)
        return action.to(State.FAILED, now, doubts=doubts, detail=f"{said}, never confirmed", todo=todo)
    wait = visibility * 2 ** min(doubts - 1, 6)
    return action.to(State.UNKNOWN, now, due=now + wait, doubtful=True, doubts=doubts, detail=said)


def rejected(
    action: Action,
    error: Rejected,
    responder: Responder,
    now: datetime,
    asked: Asked = Asked.DEVICE,
    *,
    seen: bool = False,
) -> Action:
    """An action that Defender refused: for good, but for a token that another one may replace. `seen` tells whether
    what makes the device busy is listed.
    """
    row = refusal_of(error, Service.DEFENDER, asked, seen=seen, permissions=responder.permissions)
    detail = told(row, error)
    attempts = action.attempt - action.before
    if row.fate is Fate.AGAIN and attempts < TOKEN_ATTEMPTS:
        wait = TOKEN_WAIT * 2 ** min(max(attempts, 1) - 1, 4)
        return action.to(State.PLANNED, now, due=now + wait, detail=detail)
    todo = f"{_EARLIER if action.doubtful else ''}{_advice(row, action)}"
    return action.to(State.UNAVAILABLE if row.fate is Fate.UNAVAILABLE else State.FAILED, now, detail=detail, todo=todo)


def _advice(row: Refusal, action: Action) -> str:
    """What a person should do, and how the same is tried again."""
    return f"{row.todo}. To have it tried again: bulkhead retry {action.id}"
