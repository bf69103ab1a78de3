"""Which devices an incident concerns. Pure.

A device is concerned by its Defender id, never by a name, and being merely mentioned, scanned or aimed at is not
enough: that would isolate the domain controller that was the target.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shared.models.action import target_of
from shared.models.plan import Affected
from shared.models.policy.words import EVIDENCE_ROLE, VERDICT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shared.models.incident import Alert, Evidence

ACTING_ROLES = frozenset({"compromised", "attacker", "source"})

_ROLES = {"", *(role.lower() for role in EVIDENCE_ROLE)}
_VERDICTS = {"", "none", *(verdict.lower() for verdict in VERDICT)}
_UNCLEAR = "what it has to do with it is told in words that this version does not know"

_DEVICE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NAMELESS = "a device without a name"
_BEARS_DEVICE = frozenset({"process", "file"})


def devices(alerts: Sequence[Alert]) -> tuple[tuple[Affected, ...], tuple[str, ...]]:
    """The devices concerned, by id, and in words those without a usable one, or of which nobody can tell."""
    seen: dict[str, list[Evidence]] = {}
    times: dict[str, datetime] = {}
    unusable: dict[str, None] = {}
    spelt: dict[str, str] = {}
    for alert, evidence in ((each, item) for each in alerts for item in each.evidence):
        kind, id_ = evidence.kind, evidence.device_id
        if kind != "device" and not (kind in _BEARS_DEVICE and (evidence.bad or _in_new_words(evidence))):
            continue
        if _DEVICE_ID.fullmatch(id_):
            device = spelt.setdefault(target_of(id_), id_)
            seen.setdefault(device, []).append(evidence)
            if alert.created and _concerned(evidence):
                times[device] = max(alert.created, times.get(device, alert.created))
        elif kind == "device" and _concerned(evidence):
            unusable[f"{_name(evidence) or _NAMELESS}: no usable Defender id"] = None
        elif kind == "device" and _in_new_words(evidence):
            unusable[f"{_name(evidence) or _NAMELESS}: {_UNCLEAR}"] = None
    found = []
    for device, items in seen.items():
        why = _why(items)
        own = [item for item in items if item.kind == "device"]
        name = next((_name(item) for item in own if _name(item)), device[:8])
        if not why:
            if any(map(_in_new_words, items)):
                unusable[f"{name}: {_UNCLEAR}"] = None
            continue
        said = {item.onboarding for item in own if item.onboarding}
        onboarding = "onboarded" if "onboarded" in said else next(iter(sorted(said)), "")
        hints = tuple(dict.fromkeys(hint for item in own for hint in (*item.tags, *item.detailed_roles)))
        found.append(
            Affected(id=device, name=name, onboarding=onboarding, why=why, hints=hints, newest_alert=times.get(device))
        )
    return tuple(found), tuple(unusable)


def borne(alerts: Sequence[Alert]) -> Mapping[str, Sequence[Evidence]]:
    """All evidence that names a device or lies on it, by device: read once, however many devices there are."""
    found: dict[str, list[Evidence]] = {}
    for item in (item for alert in alerts for item in alert.evidence if item.device_id):
        found.setdefault(target_of(item.device_id), []).append(item)
    return found


def _why(items: list[Evidence]) -> tuple[str, ...]:
    reasons: dict[str, None] = {}
    for item in items:
        if item.kind == "device":
            for role in item.roles:
                if role in ACTING_ROLES:
                    reasons[f"role {role}"] = None
            if item.bad:
                reasons[f"the device itself is {item.verdict}"] = None
        elif item.bad:
            reasons[f"a {item.verdict} {item.kind} on it"] = None
    return tuple(reasons)


def _concerned(evidence: Evidence) -> bool:
    return evidence.bad or (evidence.kind == "device" and bool(ACTING_ROLES & set(evidence.roles)))


def _in_new_words(evidence: Evidence) -> bool:
    """Whether its verdict, or each role of a device, is a word that did not exist when this was written: it may say the
    worst. Words that we know and do not act on, `unknown` among them, say something.
    """
    new_roles = evidence.kind == "device" and evidence.roles and _ROLES.isdisjoint(evidence.roles)
    return bool(new_roles) or evidence.verdict not in _VERDICTS


def _name(evidence: Evidence) -> str:
    return (evidence.dns_name or evidence.host_name)[:120]
