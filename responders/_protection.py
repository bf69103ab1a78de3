"""Which devices are never contained, and where nobody can tell whether one of them is meant. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.config import Protected
    from shared.models.action import Action

_DEFENDER_ID = re.compile(r"[0-9a-f]{40}", re.IGNORECASE)


def protection(action: Action, protected: Protected) -> str:
    """Which protection covers the device; empty where none does. Where Defender cannot be read, the evidence's own tags
    have to do.
    """
    machine = action.facts
    if _match((action.device, *((machine.entra_id,) if machine else ())), protected.ids):
        return "by id"
    if any(_is_named(name, protected.names) for name in (action.device_name, machine.name if machine else "")):
        return "by name"
    tag = _match(machine.tags if machine else action.hints, protected.tags)
    if tag:
        return f"by tag {tag}"
    group = _match((machine.group,), protected.groups) if machine else ""
    return f"by group {group}" if group else ""


def untold(action: Action, protected: Protected) -> str:
    """What Defender does not tell of a device that it may be protected by, in words; empty where it tells enough. Only
    the details name tags, groups and the id in Entra, and a device without a name is called by the start of its id.
    """
    if action.facts:
        return ""
    nameless = action.device.startswith(action.device_name)
    elsewhere = any(each.strip() and not _DEFENDER_ID.fullmatch(each.strip()) for each in protected.ids)
    if not (protected.tags or protected.groups or elsewhere or (nameless and protected.names)):
        return ""
    return "its details could not be read from Defender"


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
