"""Foreign text made harmless for people to read: nothing in it can be clicked, run, or hide behind what it looks like.

Titles, names and command lines come from telemetry, and so from attackers. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

_DOTTED = re.compile(r"(?<=[\w-])\.(?=[\w-]{2,})|(?<=\d)\.(?=\d)")
_HIDING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MARKS = r"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_TOWER = re.compile(f"({_MARKS}{{3}})({_MARKS}+)")
_WHITE = "\t\r\n"
_VALUE = 900
_REMEMBERED = 20_000
_LONGEST_LINK = 2000
_IN_URL = ":/?#[]@!$&'()*+,;=%"


def inert(text: str, limit: int = _VALUE, *, dots: bool = True) -> str:
    """Foreign text for a chat; `dots` False leaves the dots of our own names."""
    shown = visible(text[:limit]).replace("://", "[:]//")
    shown = defanged(shown) if dots else shown
    return shown.replace("@", "(at)") + ("…" if len(text) > limit else "")


def address(url: str) -> str:
    """A link's address with nothing in it that could end it early or hide; empty where it is none, or is too long."""
    quoted = quote(url, safe=_IN_URL, errors="replace")
    return quoted if url.startswith("https://") and len(quoted) <= _LONGEST_LINK else ""


def defanged(text: str) -> str:
    """Names and addresses that nothing takes for a link."""
    return _DOTTED.sub("[.]", text)


def visible(text: str) -> str:
    """Control, format and private characters by their numbers, blanks for tabs and ends of line."""
    if text.isprintable():  # nothing of any kind in `_HIDING`, then
        return text if text.isascii() else _TOWER.sub(_numbered, text)
    return _TOWER.sub(_numbered, text).translate(_VISIBLE)


def _numbered(tower: re.Match[str]) -> str:
    """Marks stacked on one letter, which would cover the lines around it, as numbers."""
    return tower[1] + "".join(f"<U+{ord(mark):04X}>" for mark in tower[2])


class _Visible(dict[int, str]):
    """How a character is shown, by its number; the first so many that were met are remembered."""

    def __missing__(self, number: int) -> str:
        character = chr(number)
        shown = f"<U+{number:04X}>" if unicodedata.category(character) in _HIDING else character
        if len(self) < _REMEMBERED:
            self[number] = shown
        return shown


_VISIBLE = _Visible({ord(character): " " for character in _WHITE})
