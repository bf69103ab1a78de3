"""Which devices are never contained, and where nobody can tell whether one of them is meant. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.config import Protected
    from shared.models.action import Action
    from shared.models.device import Machine

_DEFENDER_ID = re.compile(r"[0-9a-f]{40}", re.IGNORECASE)
_UNREAD = "its details could not be read from Defender"


def protection(action: Action, protected: Protected) -> str:
    """Which protection covers the device; empty where none does. Where Defender does not tell its tags, the evidence's
    own have to do, and whatever else the details say of tags and roles.
    """
    machine = action.facts
    if _match((action.device, *((machine.entra_id,) if machine else ())), protected.ids):
        return "by id"
    if any(_is_named(name, protected.names) for name in (action.device_name, machine.name if machine else "")):
        return "by name"
    tag = _match(_tags(action, machine), protected.tags)
    if tag:
        return f"by tag {tag}"
    group = _match((machine.group,), protected.groups) if machine else ""
    return f"by group {group}" if group else ""


def untold(action: Action, protected: Protected) -> str:
    """What Defender does not tell of a device that it may be protected by, in words; empty where it tells enough. Only
    the details name tags, groups and the id in Entra, and a device without a name is called by the start of its id.
    """
    machine = action.facts
    lacks = machine.untold if machine else ("tags", "group")
    nameless = action.device.startswith(action.device_name) and not (machine and machine.name)
    lacking = (
        ("tags", "tags" in lacks and protected.tags),
        ("group", "group" in lacks and protected.groups),
        ("name", nameless and protected.names),
        ("id in Entra", machine is None and not all(map(_is_defenders, protected.ids))),
    )
    words = [name for name, lacked in lacking if lacked]
    if not words:
        return ""
    return f"its details in Defender do not tell its {' and '.join(words)}" if machine else _UNREAD


def _tags(action: Action, machine: Machine | None) -> tuple[str, ...]:
    if machine is None:
        return action.hints
    return (*machine.tags, *machine.hints, *action.hints) if "tags" in machine.untold else machine.tags


def _is_defenders(listed: str) -> bool:
    """Whether an id that is listed, if any is, can only be Defender's own."""
    return not listed.strip() or bool(_DEFENDER_ID.fullmatch(listed.strip()))


def _is_named(name: str, listed: Iterable[str]) -> bool:
    """Whether a device's name is listed, as a full DNS name or as its first label. Of a device that is only known by
    its first label nobody can tell the domain, so that label has to do.
    """
    own = name.strip().rstrip(".").lower()
    wanted = {each.strip().rstrip(".").lower() for each in listed} - {""}
    if own and "." not in own:
        wanted |= {each.partition(".")[0] for each in wanted}
    return own in wanted or own.partition(".")[0] in wanted


def _match(has: Iterable[str], listed: Iterable[str]) -> str:
    wanted = {each.strip().lower(): each for each in listed if each.strip()}
    return next((wanted[each.strip().lower()] for each in has if each.strip().lower() in wanted), "")
