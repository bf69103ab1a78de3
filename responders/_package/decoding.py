"""Bytes of a device's console as text, in whatever code page it writes. Pure.

Nothing in a package says how its texts are encoded. So bytes decide: a mark at the start, the pattern of NULs, UTF-8
if it is that without exception, Japanese if it holds kana, else the Western code pages of consoles or of windows.
"""

from __future__ import annotations

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa\u30fc\uff66-\uff9f]")
_BEYOND = re.compile(r"[^\x00-\x7f]")
_SAMPLE = 4_096
_SAMPLED = 1 << 20
"""Bytes from which a code page is told: a file is written in one."""

_MOSTLY = 0.3


def decoded(data: bytes) -> tuple[str, str]:
    """The text and the encoding that was chosen. Every byte sequence is some text: what fits nowhere is replaced, and
    the encoding then ends with `?`.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _as(data, encoding)
    wide = _without_mark(data[:_SAMPLE])
    if wide:
        return _as(data, wide)
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    sample = data[:_SAMPLED]
    if _japanese(sample):
        return _as(data, "cp932")
    return _as(data, "cp850" if _of_console(sample) else "cp1252")


def _as(data: bytes, encoding: str) -> tuple[str, str]:
    try:
        return data.decode(encoding), encoding.removesuffix("-sig")
    except UnicodeDecodeError:
        return data.decode(encoding, errors="replace"), f"{encoding.removesuffix('-sig')}?"


def _without_mark(sample: bytes) -> str:
    """UTF-16 that does not say so: in texts of Windows every other byte is mostly NUL."""
    if len(sample) < 4:  # noqa: PLR2004 - two characters
        return ""
    even, odd = sample[0::2].count(0) / len(sample[0::2]), sample[1::2].count(0) / len(sample[1::2])
    if odd > _MOSTLY and odd > 2 * even:
        return "utf-16-le"
    return "utf-16-be" if even > _MOSTLY and even > 2 * odd else ""


def _japanese(data: bytes) -> bool:
    """Whether it reads as Japanese: Western accents before a letter make kanji of nonsense, but hardly kana."""
    try:
        text = codecs.getincrementaldecoder("cp932")().decode(data)
    except UnicodeDecodeError:
        return False
    return len(_KANA.findall(text)) >= max(2, len(_BEYOND.findall(text)) / 10)


def _of_console(data: bytes) -> bool:
    """Whether accented letters stand where consoles (cp850) have them, and not where windows (cp1252) do."""
    low = sum(0x80 <= byte <= 0xA5 for byte in data)  # noqa: PLR2004 - the letters of cp850
    high = sum(0xC0 <= byte <= 0xFF for byte in data)  # noqa: PLR2004 - the letters of cp1252
    return low > high
