"""The smallest conditions: a word, a text, a number, and what is known. Pure.

Unknown is what was not sent, and Microsoft's `unknownFutureValue`, which stands for a word that is kept from us.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from responders._truth import NO, UNKNOWN, YES, Check
from shared.models.incident import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

S = TypeVar("S")

HIDDEN = frozenset({"", "unknownfuturevalue"})
"""Words that say nothing."""

_SHOWN = 100
_LISTED = 4


def word(what: str, get: Callable[[S], str], asked: Sequence[str], *, unknown: Iterable[str] = ()) -> Check[S]:
    """A word of Microsoft's, lower-cased, is one of those asked for. `unknown` are further words that say nothing."""
    wanted = frozenset(each.lower() for each in asked)
    nothing = (HIDDEN | frozenset(unknown)) - wanted

    def test(subject: S) -> int:
        value = get(subject)
        if value in wanted:
            return YES
        return UNKNOWN if value in nothing else NO

    return Check(test, lambda subject: _said(what, get(subject), test(subject), asked), f"{what} {_either(asked)}")


def severity(what: str, get: Callable[[S], int], least: str) -> Check[S]:
    """A rank of severity (0: not known) is at least that of a word."""
    wanted = SEVERITIES[least]

    def test(subject: S) -> int:
        rank = get(subject)
        return UNKNOWN if not rank else YES if rank >= wanted else NO

    def say(subject: S) -> str:
        rank = get(subject)
        named = next((name for name, number in SEVERITIES.items() if number == rank), "")
        return _said(what, named, test(subject), (f"at least {least}",))

    return Check(test, say, f"{what} at least {least}")


def number(what: str, get: Callable[[S], int | None], *, least: int | None = None, most: int | None = None) -> Check[S]:
    """A number (None: not known) is within bounds, which are meant too."""
    bounds = [f"at least {least}"] * (least is not None) + [f"at most {most}"] * (most is not None)

    def test(subject: S) -> int:
        value = get(subject)
        if value is None:
            return UNKNOWN
        return YES if (least is None or value >= least) and (most is None or value <= most) else NO

    def say(subject: S) -> str:
        value = get(subject)
        return _said(what, "" if value is None else str(value), test(subject), bounds)

    return Check(test, say, f"{what} {' and '.join(bounds)}")


def text(
    what: str,
    get: Callable[[S], Iterable[str]],
    patterns: Sequence[str],
    missing: Callable[[S], bool],
    *,
    quiet: bool = False,
) -> Check[S]:
    """One of the texts fits one of the patterns. Where none does, and `missing`, it is not known. With `quiet` neither
    is said: explanations go to chat, and accounts and what may hold them do not.
    """
    fits = matcher(patterns)
    shown_patterns = [f"'{each}'" for each in patterns]

    def test(subject: S) -> int:
        if any(map(fits, get(subject))):
            return YES
        return UNKNOWN if missing(subject) else NO

    def say(subject: S) -> str:
        truth = test(subject)
        if truth != UNKNOWN and quiet:
            return f"the {what} is {'one' if truth == YES else 'none'} that the rule names"
        values = [value for value in get(subject) if value and (truth != YES or fits(value))]
        shown = ", ".join(f"'{value[:_SHOWN]}'" for value in values[:_LISTED])
        return _said(what, "" if truth == UNKNOWN else shown or "empty", truth, shown_patterns)

    return Check(test, say, f"{what} that the rule names" if quiet else f"{what} {_either(shown_patterns)}")


def flag(get: Callable[[S], str], asked: str, *, wanted: bool, denied: str) -> Check[S]:
    """Something is known to be so (`get` says in words how) or, with `wanted` false, is not known to be so."""

    def test(subject: S) -> int:
        return YES if bool(get(subject)) == wanted else NO

    return Check(test, lambda subject: get(subject) or denied, asked if wanted else f"not {asked}")


def matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a whole text fits one of the patterns: `*` anything, `?` one character, capitals do not matter."""
    exact = frozenset(each.casefold() for each in patterns if not {"*", "?"} & set(each))
    loose = [_expression(each) for each in patterns if {"*", "?"} & set(each)]
    fits = re.compile("|".join(loose), re.IGNORECASE | re.DOTALL).fullmatch if loose else None

    def match(value: str) -> bool:
        return value.casefold() in exact or (fits is not None and fits(value) is not None)

    return match


def _expression(pattern: str) -> str:
    """A regular expression for a pattern. What stands between two stars is taken at its first place and never tried
    again (an atomic group), so that no title can make it slow.
    """
    first, *rest = [
        "".join("." if character == "?" else re.escape(character) for character in part)
        for part in re.sub(r"\*+", "*", pattern).split("*")
    ]
    if not rest:
        return first
    return first + "".join(f"(?>.*?{part})" for part in rest[:-1]) + f".*{rest[-1]}"


def _either(asked: Sequence[str]) -> str:
    shown = [*asked[:_LISTED], *([f"{len(asked) - _LISTED} more"] if len(asked) > _LISTED else [])]
    return " or ".join(shown)


def _said(what: str, value: str, truth: int, asked: Sequence[str]) -> str:
    if truth == UNKNOWN:
        return f"the {what} is not known"
    return f"the {what} is {value}" if truth == YES else f"the {what} is {value or 'empty'}, not {_either(asked)}"
