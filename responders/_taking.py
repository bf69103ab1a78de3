"""What takes something from a device until it is given back, and what gives it back: how both stand to what Defender
lists. Pure; isolation and restriction differ in their words only.

Defender's own double-isolate race can end with a device isolated after it was released. So nothing is sent while a
taking or a giving back is pending, or while a taking is effective, whoever asked for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from responders._interface import (
    BY_ORDER,
    Clear,
    Done,
    Later,
    Others,
    Ours,
    Refuse,
    adopted,
    newest,
    news_after,
)
from responders._settling import STUCK
from shared.models.frozen import Params

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responders._interface import Standing
    from shared.models.action import Action, Slot
    from shared.models.device import MachineAction


@dataclass(frozen=True, slots=True)
class Pair:
    """A kind of machine action and the kind that undoes it, lower-cased, with words: what the one is called, what it
    makes of the device, and what the other makes of it.
    """

    takes: str
    gives_back: str
    taking: str
    taken: str
    given_back: str

    @property
    def kinds(self) -> tuple[str, str]:
        """Both."""
        return (self.takes, self.gives_back)


HELD = "held"
"""A parameter of a release: by our ledger the device is held, whatever Defender still lists. How long it keeps machine
actions is nowhere documented.
"""

FORGOTTEN = "Defender does not list it any more"

ISOLATION = Pair("isolate", "unisolate", "isolation", "isolated", "released")
RESTRICTION = Pair("restrictcodeexecution", "unrestrictcodeexecution", "restriction", "restricted", "set free again")

TAKEN = {pair.takes: pair.taken for pair in (ISOLATION, RESTRICTION)}
"""What a containment makes of a device, by its type of machine action."""


def as_held(slot: Slot | None) -> Params:
    """The parameters of a release of the device that has this slot."""
    return Params({HELD: "true"} if slot and slot.held else {})


def taking(pair: Pair, action: Action, listed: Sequence[MachineAction], own: str, ours: str) -> Standing:
    """What the list means for taking."""
    return _unless_hung(pair, action, listed, _taking(pair, action, listed, own, ours))


def _taking(  # noqa: PLR0911 - one standing after the other, the strongest first
    pair: Pair, action: Action, listed: Sequence[MachineAction], own: str, ours: str
) -> Standing:
    """As `taking`. What a person gave back, in the portal or by an order to us, stays so until an
    alert on the device that was created after it, or until a person wants the contrary. What had been ours by then was
    done all the same.
    """
    last = newest(listed, kinds=pair.kinds, status="succeeded")
    mine = adopted(action, listed, own, pair.takes)
    undone = mine and mine.status == "succeeded" and last and last.kind == pair.gives_back
    if mine and not undone:
        return Ours(mine)
    pending = [each for each in _unfinished(pair, listed) if not _hangs(each, action)]
    if any(each.kind == pair.gives_back for each in pending):
        return Later("a release of the device is under way")
    if pending:
        return Others(pending[0])
    if last is None:
        return Clear()
    if last.kind == pair.takes:
        return Done(f"already {pair.taken} through {_who(last)}")
    persons = ours not in last.comment or BY_ORDER in last.comment
    if persons and not (last.created and news_after(action, last.created)):
        by = f"{pair.given_back} by {last.requestor or 'a person'}"
        return Ours(mine, f"{by} since") if mine else Refuse(f"{by}{still(action)}")
    return Clear()


def still(action: Action) -> str:
    """Why what was given back stays so, in words that follow who gave it back."""
    return " after this was asked for" if action.opened_by else ", and no alert was created since"


def giving_back(pair: Pair, action: Action, listed: Sequence[MachineAction], own: str, ours: str) -> Standing:
    """What the list means for giving back."""
    return _unless_hung(pair, action, listed, _giving_back(pair, action, listed, own, ours))


def _giving_back(pair: Pair, action: Action, listed: Sequence[MachineAction], own: str, ours: str) -> Standing:
    """As `giving_back`. What others have under way is waited for; whoever took it, it may be given
    back by a person's word, and people hear whose doing it was. What somebody else took before we did, or on top of
    ours, is not ours alone.
    """
    mine = adopted(action, listed, own, pair.gives_back)
    if mine:
        return Ours(mine)
    pending = [each for each in _unfinished(pair, listed) if not _hangs(each, action)]
    under_way = [each for each in pending if each.kind == pair.takes]
    if under_way:
        by = "of ours" if ours in under_way[0].comment else f"by {_who(under_way[0])}"
        return Later(f"{_a(pair.taking)} {by} is under way on the device; it is {pair.given_back} when that is over")
    if pending:
        return Others(pending[0])
    last = newest(listed, kinds=pair.kinds, status="succeeded")
    if last is None:
        forgotten = f"{FORGOTTEN}: no {pair.taking} of it, but it was ours, and nobody gave it back"
        return Clear(forgotten) if action.params.get(HELD) else Done(f"the device is not {pair.taken}")
    if last.kind == pair.gives_back:
        return Done(f"{pair.given_back} already, by {_who(last)}")
    theirs = _by_others(pair, listed, ours)
    return _theirs(pair, action, theirs, beneath=ours in last.comment) if theirs else Clear()


def _by_others(pair: Pair, listed: Sequence[MachineAction], ours: str) -> MachineAction | None:
    """What somebody else took last, and nobody gave back since: ours may have come before it, or on top of it, where
    Defender did not show it yet.
    """
    others = [each for each in listed if each.kind == pair.gives_back or ours not in each.comment]
    last = newest(others, kinds=pair.kinds, status="succeeded")
    return last if last and last.kind == pair.takes else None


def _unfinished(pair: Pair, listed: Sequence[MachineAction]) -> list[MachineAction]:
    return [each for each in listed if each.kind in pair.kinds and not each.final]


def _hangs(unfinished: MachineAction, action: Action) -> bool:
    """Whether something goes on for so long, as the action is about to be sent, that it will come to no end."""
    return bool(unfinished.created and action.since - unfinished.created >= STUCK)


def _unless_hung(pair: Pair, action: Action, listed: Sequence[MachineAction], found: Standing) -> Standing:
    """What hangs is not waited for. But nothing is sent beside it: Defender's race could leave the device as nobody
    wants it (defender-api.md 4.3).
    """
    hung = next((each for each in _unfinished(pair, listed) if _hangs(each, action)), None)
    if hung is None or hung.created is None or not isinstance(found, Clear):
        return found
    what = pair.taking if hung.kind == pair.takes else "release"
    return Refuse(f"{_a(what)} by {_who(hung)} has hung in Defender since {hung.created:%Y-%m-%d %H:%M} UTC", hung=True)


def _theirs(pair: Pair, action: Action, theirs: MachineAction, *, beneath: bool) -> Standing:
    """What somebody else took is given back where a person wants that, and never of itself. It may lie `beneath` what
    we took.
    """
    if action.approved:
        return Clear(f"it had been {pair.taken} by {_who(theirs)}, {'and then by us too' if beneath else 'not by us'}")
    since = f"was {pair.taken} by {_who(theirs)} before us" if beneath else f"is {pair.taken} by {_who(theirs)} since"
    return Refuse(f"it {since}, and that stands")


def _who(action: MachineAction) -> str:
    return action.requestor or "somebody else"


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
