"""Three-valued logic (Kleene): what is not known stays not known until something else decides.

A check is compiled once and asked thousands of times, so truths are small integers: `and` is the minimum, `or` the
maximum, `not` the distance from YES. Each check can also say in words what it found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

NO: Final = 0
UNKNOWN: Final = 1
YES: Final = 2

S = TypeVar("S")
T = TypeVar("T")
_PARTS = 4


@dataclass(frozen=True, slots=True)
class Check(Generic[S]):
    """A compiled condition on an S: its truth, what it found in words, and what it asks for in words.

    `looks` says where it looks beyond the incident: "device", "details", "time", "classification".
    """

    test: Callable[[S], int]
    say: Callable[[S], str]
    asked: str
    looks: frozenset[str] = frozenset()


def every(checks: Sequence[Check[S]]) -> Check[S]:
    """All of them hold."""
    if len(checks) == 1:
        return checks[0]
    tests = tuple(check.test for check in checks)

    def test(subject: S) -> int:
        found = YES
        for each in tests:
            truth = each(subject)
            if truth < found:
                if truth == NO:
                    return NO
                found = truth
        return found

    def say(subject: S) -> str:
        return _decisive(checks, subject, test(subject))

    return Check(test, say, _joined((check.asked for check in checks), " and "), _looks(checks))


def some(checks: Sequence[Check[S]]) -> Check[S]:
    """One of them holds."""
    if len(checks) == 1:
        return checks[0]
    tests = tuple(check.test for check in checks)

    def test(subject: S) -> int:
        found = NO
        for each in tests:
            truth = each(subject)
            if truth > found:
                if truth == YES:
                    return YES
                found = truth
        return found

    def say(subject: S) -> str:
        return _decisive(checks, subject, test(subject))

    return Check(test, say, f"({_joined((check.asked for check in checks), ' or ')})", _looks(checks))


def negated(check: Check[S]) -> Check[S]:
    """It does not hold."""
    inner = check.test
    return Check(lambda subject: YES - inner(subject), check.say, f"not {check.asked}", check.looks)


@dataclass(frozen=True, slots=True)
class Parts(Generic[S, T]):
    """Parts of an S: how to get at them, whether all of them are there, and how to speak of them."""

    what: str
    items: Callable[[S], Sequence[T]]
    complete: Callable[[S], bool]
    called: Callable[[T], str]


def exists(parts: Parts[S, T], check: Check[T]) -> Check[S]:
    """One of the parts is so."""
    inner, items, complete, what = check.test, parts.items, parts.complete, parts.what

    def test(subject: S) -> int:
        found = NO
        for item in items(subject):
            truth = inner(item)
            if truth > found:
                if truth == YES:
                    return YES
                found = truth
        return found if found or complete(subject) else UNKNOWN

    def say(subject: S) -> str:
        truth = test(subject)
        if truth == NO:
            return f"no {what} with {check.asked}"
        found = next((item for item in items(subject) if inner(item) == truth), None)
        if found is None:
            return f"whether there is {what} with {check.asked} is not known"
        return f"{what} {parts.called(found)}: {check.say(found)}"

    return Check(test, say, f"{what} with {check.asked}", check.looks - {"classification"})


def for_all(parts: Parts[S, T], check: Check[T]) -> Check[S]:
    """There are parts, and every one is so."""
    inner, items, complete, what = check.test, parts.items, parts.complete, parts.what

    def test(subject: S) -> int:
        found = min(map(inner, items(subject)), default=-1)
        if found == NO or complete(subject):
            return max(found, NO)
        return UNKNOWN

    def say(subject: S) -> str:
        truth = test(subject)
        if truth == YES:
            return f"every {what} with {check.asked}"
        found = next((item for item in items(subject) if inner(item) == truth), None)
        if found is None:
            return f"there is no {what}" if truth == NO else f"whether there is more {what} is not known"
        return f"{what} {parts.called(found)}: {check.say(found)}"

    return Check(test, say, f"every {what} with {check.asked}", check.looks - {"classification"})


def _decisive(checks: Sequence[Check[S]], subject: S, truth: int) -> str:
    """What those say that made the truth what it is."""
    said = dict.fromkeys(check.say(subject) for check in checks if check.test(subject) == truth)
    more = f"; and {len(said) - _PARTS} more" if len(said) > _PARTS else ""
    return "; ".join(list(said)[:_PARTS]) + more


def _joined(parts: Iterable[str], word: str) -> str:
    return word.join(parts)


def _looks(checks: Sequence[Check[S]]) -> frozenset[str]:
    return frozenset().union(*(check.looks for check in checks))
