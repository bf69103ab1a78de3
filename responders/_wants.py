"""What rules ask for, as wants: made once where nothing depends on the incident, and settled between rules. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from responders._truth import YES
from shared.models.action import goal_of
from shared.models.frozen import Params
from shared.models.incident import OWN_TAG
from shared.models.plan import ResponderName, Want
from shared.models.policy import rules
from shared.models.policy.fields import iso

if TYPE_CHECKING:
    from responders._case import DeviceCase
    from shared.models.incident import Evidence

MOST_FILES = 20
"""How many files are stopped on one device at once: an incident may name thousands."""

_MICROSOFT = "microsoft"
_DOUBTS = 2
_SHA1_DIGITS = 40

_ORDER = {name: place for place, name in enumerate(get_args(ResponderName))}

Goal = tuple[str, ...]
"""What is wanted, however it is done: the responder, and what tells two of its goals apart."""


Demand = Callable[["DeviceCase"], Iterable[tuple[Goal, Want]]]
"""What one action of a rule asks for on a device: the wants with their goals."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A want that a rule has, and whether the rule applies: YES or UNKNOWN. Where it is UNKNOWN, `doubt` says why, and
    `unread` that it hangs on details that nobody asked for yet.
    """

    want: Want
    truth: int
    doubt: Callable[[], str]
    unread: bool = False


def demand(ask: rules.Ask, rule: str) -> Demand:
    """An action of a rule, about a device."""
    if isinstance(ask, rules.StopQuarantine):
        return lambda device: _files(ask, rule, device)
    goal, params = _static(ask)
    want = Want(
        responder=ask.do,
        rule=rule,
        goal=goal_of(*goal),
        params=Params(params),
        approval=ask.approval,
        collect_first=ask.collect_first if isinstance(ask, rules.Isolate) else None,
        auto_release=ask.auto_release if isinstance(ask, rules.Isolate | rules.Restrict) else False,
    )
    found = (((ask.do, *goal), want),)
    return lambda _: found


def about_incident(ask: rules.Ask) -> bool:
    """Whether an action is about the incident itself, and so asked for once, however many devices it concerns."""
    return isinstance(ask, rules.Tag | rules.Comment) or (isinstance(ask, rules.Hunt) and ask.query == rules.ELSEWHERE)


def of_incident(ask: rules.Ask, rule: str) -> tuple[Goal, Want]:
    """An action of a rule, about the incident itself."""
    goal, params = _static(ask)
    want = Want(responder=ask.do, rule=rule, goal=goal_of(*goal), params=Params(params), approval=ask.approval)
    return (ask.do, *goal), want


def _static(ask: rules.Ask) -> tuple[Goal, dict[str, str]]:  # noqa: PLR0911 - one answer for each kind
    """What tells the action from others of its kind, and its parameters."""
    match ask:
        case rules.Isolate() | rules.Scan():
            return (), {"type": ask.type}
        case rules.CaptureMemory():
            return (), {"purpose": ask.purpose}
        case rules.RunScript():
            return (ask.script, ask.args or ""), {"script": ask.script, **({"args": ask.args} if ask.args else {})}
        case rules.GetFiles():
            return ask.paths, {"paths": "\n".join(ask.paths), "purpose": ask.purpose}
        case rules.Hunt():
            return (ask.query,), {"query": ask.query, **({"back": iso(ask.back)} if ask.back else {})}
        case rules.Tag():
            tag = ask.tag if ask.tag.lower().startswith(OWN_TAG) else f"{OWN_TAG}:{ask.tag}"
            return (tag.lower(),), {"tag": tag}
        case rules.Comment():
            return (ask.text,), {"text": ask.text}
        case _:
            return (), {}


def _files(ask: rules.StopQuarantine, rule: str, device: DeviceCase) -> Iterable[tuple[Goal, Want]]:
    """A want for each file. A process is no reason: its image may be PowerShell."""
    found: dict[str, str] = {}
    for item in device.items:
        sha1 = item.file.sha1.strip().lower()
        asked = item.verdict in ask.verdict and (ask.sha1 is None or sha1 in ask.sha1)
        if item.kind == "file" and asked and len(sha1) == _SHA1_DIGITS and not item.handled and not _trusted(item):
            found.setdefault(sha1, item.file.name[:200])
    for sha1, name in list(found.items())[:MOST_FILES]:
        params = Params({"sha1": sha1, **({"name": name} if name else {})})
        goal = goal_of(sha1)
        yield (ask.do, sha1), Want(responder=ask.do, rule=rule, goal=goal, params=params, approval=ask.approval)


def _trusted(item: Evidence) -> bool:
    """Defender refuses files that Microsoft signed, and who names such a file names a part of Windows."""
    return any(name.lower().startswith(_MICROSOFT) for name in (item.file.signer, item.file.publisher))


def all_settled(claims: Mapping[Goal, Sequence[Claim]]) -> tuple[Want, ...]:
    """One want for each goal, what contains first."""
    return tuple(sorted(map(settled, claims.values()), key=lambda want: _ORDER[want.responder]))


def settled(claims: Sequence[Claim]) -> Want:
    """One want out of what rules claim for one goal, in their order.

    The first rule that applies says how. A rule before it of which that is not known matters only if it would say
    something else: then its want stands, as the more particular one, and a person decides. So one does where nothing
    is known to ask for it at all.
    """
    certain = next((claim for claim in claims if claim.truth == YES), None)
    before = claims[: claims.index(certain)] if certain else claims
    open_ = [claim for claim in before if certain is None or _how(claim.want) != _how(certain.want)]
    if certain and not open_:
        return certain.want
    unsaid = _shortened(list(dict.fromkeys(claim.doubt() for claim in open_)))
    unread = all(claim.unread for claim in open_)
    return open_[0].want.model_copy(update={"doubt": unsaid, "unread": unread})


def _shortened(doubts: Sequence[str]) -> str:
    """The first doubts, and how many more there are."""
    more = len(doubts) - _DOUBTS
    return "; ".join(doubts[:_DOUBTS]) + (f"; and {more} more rule{'s' * (more > 1)}" if more > 0 else "")


def _how(want: Want) -> Want:
    """A want whoever asks for it."""
    return want.model_copy(update={"rule": ""})
