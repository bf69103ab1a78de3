"""How far a hunt has come: what is still to be asked, in which slices of time, and what came of each. Pure.

An answer has no pages. One that reaches the query's own bound, or that the service refuses for its size or time, is
asked for again in two halves; what still does not fit then is kept as far as it goes, and said to be cut.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from responders._hunting_plan import Ask
    from shared.clients.interface import HuntingRows

NARROWEST = timedelta(minutes=1)
MOST_SLICES = 24
"""Slices of one query: with its own bound of rows, what it may bring at the most."""

MOST_TRIES = 3
BOUND = 100_000
"""Rows at which the service itself cuts an answer."""


class Answered(BaseModel):
    """What came of one question: where its rows are, how many, and what is missing of them, in words."""

    model_config = ConfigDict(frozen=True)

    query: str
    name: str = ""
    rows: int = 0
    missing: str = ""


class Progress(BaseModel):
    """What the next call has to know. `at` is when the first call was made: no event after it is asked for. `ask` is
    the number of the question that is next, `slices` what is left of its time (none: it was not begun), `cut` into how
    many slices that has been cut, `tries` how often it failed in passing.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    ask: int = 0
    slices: tuple[tuple[datetime, datetime], ...] = ()
    cut: int = 1
    tries: int = 0
    answered: tuple[Answered, ...] = ()

    def begun(self, ask: Ask) -> Progress:
        """With the time of its next question, where that was not begun."""
        return self if self.slices else self._with(slices=((ask.since, ask.until),), cut=1, tries=0)

    def halved(self, ask: Ask) -> Progress | None:
        """With its next slice in two; None where it cannot be made narrower."""
        (since, until), *rest = self.slices
        if not ask.query.sliced or until - since <= NARROWEST or self.cut >= MOST_SLICES:
            return None
        middle = since + timedelta(seconds=(until - since) // timedelta(seconds=2))
        return self._with(slices=((since, middle), (middle, until), *rest), cut=self.cut + 1, tries=0)

    def told(self, answer: Answered) -> Progress:
        """With the answer to its next slice, and then the next question where no slice is left."""
        left = self.slices[1:]
        then = {"slices": left, "tries": 0} if left else {"slices": (), "ask": self.ask + 1, "cut": 1, "tries": 0}
        return self._with(answered=(*self.answered, answer), **then)

    def failed(self) -> Progress:
        """With one more failure of its next slice."""
        return self._with(tries=self.tries + 1)

    def _with(self, **changes: object) -> Progress:
        return self.model_copy(update=changes)


def cut_at(ask: Ask, found: HuntingRows) -> int:
    """The bound that an answer reached, so that there may be more; 0 where it is whole."""
    bound = min(ask.query.most or BOUND, BOUND)
    return bound if len(found.rows) >= bound else 0


def place_of(ask: Ask, span: tuple[datetime, datetime]) -> str:
    """Where an answer goes, inside of the run's folder. The whole span has a plain name."""
    if span == (ask.since, ask.until):
        return f"data/hunting/{ask.place}.jsonl"
    return f"data/hunting/{ask.place}/{span[0]:%Y%m%dT%H%M%S}Z-{span[1]:%Y%m%dT%H%M%S}Z.jsonl"


def head_of(
    ask: Ask, text: str, span: tuple[datetime, datetime], found: HuntingRows, asked: datetime, missing: str
) -> Mapping[str, object]:
    """The first line of an answer: what was asked, when, of which time, and what its rows look like."""
    return {
        "hunting": ask.query.name,
        "title": ask.query.title,
        "query": text,
        "since": span[0].isoformat(),
        "until": span[1].isoformat(),
        "asked": asked.isoformat(),
        "schema": [{"name": each.name, "type": each.type} for each in found.columns],
        "rows": len(found.rows),
        "truncated": missing,
    }


def line(value: Mapping[str, object]) -> bytes:
    """One line of JSON, in UTF-8 that people can read and search. What holds half a character keeps its number."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    try:
        return written.encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), default=str).encode() + b"\n"


def summary(answered: Sequence[Answered], notes: Sequence[str]) -> str:
    """What came of a hunt, in a sentence."""
    rows = sum(each.rows for each in answered)
    queries = len({each.query for each in answered if each.name})
    wrong = [f"{each.query}: {each.missing}" for each in answered if each.missing]
    told = f"{rows} rows of {queries} {'query' if queries == 1 else 'queries'}"
    said = "; ".join([*wrong, *notes])
    return f"{told}. Missing: {said}" if said else told
