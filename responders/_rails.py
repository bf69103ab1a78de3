"""The guard rails of a policy inside those of the settings. Pure. They can only be tighter."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.config import Caps, Protected
    from shared.models.policy.document import Policy


def inner(outer_caps: Caps, outer_protected: Protected, policy: Policy) -> tuple[Caps, Protected]:
    """The caps and the protected devices that count: of each cap the lower one, and everything that either protects."""
    caps, protected = policy.rails.caps, policy.rails.protected
    lower = {
        name: min(getattr(outer_caps, name), limit)
        for name in type(caps).model_fields
        if (limit := getattr(caps, name)) is not None
    }
    more = {
        name: _joined(getattr(outer_protected, name), listed)
        for name in type(protected).model_fields
        if (listed := getattr(protected, name)) is not None
    }
    return outer_caps.model_copy(update=lower), outer_protected.model_copy(update=more)


def _joined(outer: Iterable[str], added: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*outer, *added)))
