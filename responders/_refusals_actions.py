"""How a machine action is refused, hidden, lost from sight, or ends badly. Pure: rows only.

What was only seen, or is nowhere said, is marked.
"""

from __future__ import annotations

from responders._refusal import Fate, Refusal, Service

_DEFENDER = (Service.DEFENDER,)
_SUMMARY = "the summary of the incident"
_PORTAL = "do it in the Defender portal"
_TRY_AGAIN = "after {back_off}, then twice as long, through every guard rail and another listing"
_TRIES = "{tries} tries"
_PLANNED = "the action is *planned* again, in the end *failed*"

ROWS: tuple[Refusal, ...] = (
    Refusal(
        "not-visible-yet",
        _DEFENDER,
        when="404 for a machine action, just after its 201 (seen, not documented)",
        means="Defender does not show its new action yet",
        fate=Fate.AGAIN,
        again="with the next tick",
        until="{vanishing}, or twice `ACTION_VISIBILITY` where that is longer",
        records="the action stays *accepted*",
        shown="nowhere: it is usual",
        todo="nothing",
    ),
    Refusal(
        "action-gone",
        _DEFENDER,
        when="404 for a machine action after that time",
        means="Defender no longer knows the action",
        fate=Fate.AGAIN,
        again=_TRY_AGAIN,
        until=_TRIES,
        records=_PLANNED,
        shown=_SUMMARY,
        todo="look at the device in the Defender portal, and do it there",
    ),
    Refusal(
        "package-not-ready",
        _DEFENDER,
        when="404 `ResourceNotFound` for a package's link",
        means="the package is not there yet",
        fate=Fate.AGAIN,
        again="after {fetch_wait}, twice as long each time, {fetch_longest} at the most",
        until="{fetches} downloads",
        records="the action stays *fetching*, in the end *failed*",
        shown=f"{_SUMMARY}, in the end",
        todo="fetch the package in the Defender portal, from the device's action centre, before it is gone",
    ),
    Refusal(
        "busy",
        _DEFENDER,
        when=(
            "400 `ActiveRequestAlreadyExists`, 409, or 400 `BadRequest`, `InvalidInput`, `InvalidRequest`, `Conflict`"
            " or without a code that says 'already in progress'; the listing shows what runs"
        ),
        means="something else is running on the device",
        fate=Fate.OTHERWISE,
        again=(
            "what runs is followed where it does what was wanted; else after {again}, twice as long each time,"
            " {busy_longest} at the most"
        ),
        until="{busy_attempts} attempts",
        records="the action is *accepted* as somebody else's, or *planned* again; in the end *failed*",
        shown=_SUMMARY,
        todo=f"look in the Defender portal what is running on the device, and when it is over, {_PORTAL}",
    ),
    Refusal(
        "busy-unseen",
        _DEFENDER,
        when="the same, and the listing shows nothing",
        means="something that Defender does not show runs on the device, perhaps somebody's live response session",
        fate=Fate.LATER,
        again="after {again}, twice as long each time, {busy_longest} at the most",
        until="{busy_attempts} attempts",
        records=_PLANNED,
        shown=_SUMMARY,
        todo=f"look in the Defender portal whether somebody has a live response session; when it is over, {_PORTAL}",
    ),
    Refusal(
        "outcome-unknown",
        _DEFENDER,
        when="a call that acts: time-out, reset, 408, 425, 5xx, a success that is cut short, no JSON or without an id",
        means="nobody knows whether Defender took it",
        fate=Fate.FIND_OUT,
        again=(
            "our marker is looked for in every listing; sent again only when there is none after `ACTION_VISIBILITY`,"
            " then after twice as long each time"
        ),
        until="{doubts} doubts",
        records="the action is *unknown*, then *accepted* or *planned*; in the end *failed*",
        shown=f"a message from the second doubt on; {_SUMMARY}",
        todo="look at the device in the Defender portal, and do it there",
    ),
    Refusal(
        "action-failed",
        _DEFENDER,
        when="a machine action ends as `Failed`; `errorHResult` and `troubleshootInfo` (not documented) say why",
        means="failed on the device",
        fate=Fate.AGAIN,
        again=_TRY_AGAIN,
        until=_TRIES,
        records=f"{_PLANNED}, with the error as 0x… and what Defender says of it",
        shown=_SUMMARY,
        todo=(
            "look whether the device is on (for a package also on mains power and no metered connection) and its"
            f" Defender sensor healthy, then {_PORTAL}"
        ),
    ),
    Refusal(
        "action-timed-out",
        _DEFENDER,
        when="a machine action ends as `TimeOut`: a device that is away is waited for up to three days",
        means="the device did not answer for so long that Defender gave up",
        fate=Fate.AGAIN,
        again="once more after half a minute, through every rail (`AWAY_REISSUES` times in all)",
        until="after that, aloud",
        records=_PLANNED,
        shown=_SUMMARY,
        todo=f"find out where the device is and whether its sensor works; when it is back, judge anew, then {_PORTAL}",
    ),
    Refusal(
        "action-stuck",
        _DEFENDER,
        when="no state that is known as final, four days after the machine action was accepted",
        means="Defender has brought it to no end",
        fate=Fate.GIVE_UP,
        records="the action is *failed*, with the state that Defender says",
        shown=_SUMMARY,
        todo=f"look at the device in the Defender portal, whether it came about after all; if not, {_PORTAL}",
    ),
    Refusal(
        "action-cancelled",
        _DEFENDER,
        when="a machine action ends as `Cancelled`",
        means="cancelled",
        fate=Fate.GIVE_UP,
        again=(
            "never where a person decided; what we cancelled ourselves is asked for anew (it waited for a device that"
            " was away, or behind what came to nothing), or counts as done by somebody else (it waited behind the same)"
        ),
        records=(
            "the action is *failed*, with who cancelled it and the comment; where we cancelled it ourselves, for a"
            " person or since nobody wants it any more, it is *withdrawn*, with why, and no alarm rings"
        ),
        shown=_SUMMARY,
        todo="nothing, unless it should be done after all; then do it in the Defender portal",
    ),
)
