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

_text = json.JSONEncoder(ensure_ascii=False).encode


def canonical(value: Mapping[str, Any]) -> bytes:
    """The one spelling of an object, in UTF-8. Raises ValueError or TypeError for what has none."""
    return _spelt(value).encode("utf-8")


def _spelt(value: object) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return f"{{{','.join(f'{_text(key)}:{_spelt(value[key])}' for key in _in_order(value))}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_spelt, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        if abs(value) > LARGEST:
            raise ValueError(f"{value} is larger than JSON keeps")
        return str(value)
    raise TypeError(f"{type(value).__name__} has no canonical spelling here")


def _in_order(members: dict[str, object]) -> list[str]:
    """Keys are sorted by their UTF-16 units, which is the order of code points as long as none is above U+FFFF."""
    if not all(isinstance(key, str) for key in members):
        raise TypeError("a key is a text")
    return sorted(members) if "".join(members).isascii() else sorted(members, key=_units)


def _units(key: str) -> bytes:
    return key.encode("utf-16-be")
