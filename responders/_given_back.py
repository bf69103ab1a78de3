"""What of ours still stands on devices, and the commands that give it back. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.models.action import State

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.models.action import Action

_UNDONE_BY = {"release": "isolate", "unrestrict": "restrict"}
GIVEN_BACK_BY = {what: back for back, what in _UNDONE_BY.items()}
UNDOING = {"isolate": "", "restrict": " --responder unrestrict"}
"""What gives back what; and how a person has it given back. A quarantined file is restored in the Defender portal."""


def standing(contained: Sequence[Action], actions: Sequence[Action]) -> list[Action]:
    """The containments that no later release has ended."""
    freed: dict[tuple[str, str], datetime] = {}
    for action in actions:
        undone = _UNDONE_BY.get(action.responder, "")
        if undone and action.state in {State.SUCCEEDED, State.ELSEWHERE} and action.finished_at:
            what = (action.target, undone)
            freed[what] = max(action.finished_at, freed.get(what, action.finished_at))
    return [
        each
        for each in contained
        if not (
            each.finished_at and (what := (each.target, each.responder)) in freed and each.finished_at <= freed[what]
        )
    ]


def undoing(actions: Sequence[Action]) -> list[str]:
    """The commands that undo what we did."""
    done = [action for action in actions if action.state is State.SUCCEEDED and action.responder in UNDOING]
    return list(dict.fromkeys(f"bulkhead release {action.device}{UNDOING[action.responder]}" for action in done))


def by_hand(release: Action) -> str:
    """The command by which a person gives back what a release of ours did not."""
    return f"bulkhead release {release.device}{UNDOING.get(_UNDONE_BY.get(release.responder, ''), '')}"
