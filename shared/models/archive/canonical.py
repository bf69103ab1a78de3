"""JSON of which there is one spelling only, so that it can be hashed, signed and compared byte by byte (RFC 8785).

Of the values that JSON has, those that the archive writes: no fractions, and no whole number that another language's
double could not hold. See docs/adr/0010.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST = 2**53 - 1
"""The largest whole number that every reader of JSON keeps (RFC 7493)."""


def canonical(value: Mapping[str, Any]) -> bytes:
    """The one spelling of an object, in UTF-8. Raises ValueError or TypeError for what has none."""
    return _spelt(value).encode("utf-8")


def _spelt(value: object) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        if abs(value) > LARGEST:
            raise ValueError(f"{value} is larger than JSON keeps")
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_spelt, value))}]"
    if isinstance(value, dict):
        members = sorted(value.items(), key=_in_order)
        return f"{{{','.join(f'{_spelt(key)}:{_spelt(each)}' for key, each in members)}}}"
    raise TypeError(f"{type(value).__name__} has no canonical spelling here")


def _in_order(member: tuple[object, object]) -> bytes:
    """Keys are sorted by their UTF-16 units, which is not the order of code points."""
    key = member[0]
    if not isinstance(key, str):
        raise TypeError("a key is a text")
    return key.encode("utf-16-be")
