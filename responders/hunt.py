"""Hunt for what happened on a device round the incident, and for the same behaviour elsewhere in the tenant.

The answers are kept as lines of JSON, each file with the query that made it. It reads what Defender has recorded
already, so it disturbs nobody, and works while the device is isolated or away.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from responders._hunting_plan import EVERYTHING, SHIPPED, Plan, plan, subject_of
from responders._hunting_progress import MOST_TRIES, Answered, Progress, cut_at, head_of, line, place_of, summary
from responders._incident_files import incident_files
from responders._interface import Again, Clear, Finished, Lane, NotObtainable
from responders._kql import rendered
from shared.errors import NO_TABLE, NOT_LICENSED, Denied, NotFound, Rejected, Throttled, TooWide, Transient

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from responders._hunting_plan import Ask
    from responders._interface import Desk, Gathered, Standing
    from shared.clients.interface import Devices, HuntingRows
    from shared.models.action import Action, Artefact
    from shared.models.device import MachineAction

ONE_QUERY = 210.0
"""Seconds that one query may take with all that belongs to it: the service gives up after three minutes."""

PAYMENT_REQUIRED = 402
UNSAID = 60.0
RETRY = timedelta(seconds=20)
_DURATION = TypeAdapter(timedelta)


class Hunt:
    """Hunting queries about one device, or, where there is none, about an incident."""

    name = "hunt"
    lane = Lane.COLLECT
    api = "hunting"
    kinds: tuple[str, ...] = ()
    permissions = ("ThreatHunting.Read.All",)
    contains = False
    gathers = True

    def standing(self, action: Action, listed: Sequence[MachineAction], own: str, ours: str) -> Standing:
        """Nothing of any device stands against reading."""
        del action, listed, own, ours
        return Clear()

    def send(self, devices: Devices, action: Action, comment: str) -> MachineAction:
        """Nothing is sent to a device."""
        del devices, action, comment
        raise AssertionError("a hunt is not sent to a device")

    def gather(self, action: Action, desk: Desk) -> Gathered:
        """See `Responder.gather`: one question after the other, as long as there is time."""
        progress = Progress.model_validate_json(action.progress) if action.progress else Progress(at=desk.now())
        subject = subject_of(desk.snapshot(), action.device, action.created, progress.at, desk.settings.HUNT_WINDOW)
        back = action.params.get("back")
        wanted = plan(
            subject,
            action.params.get("query", EVERYTHING),
            _DURATION.validate_python(back) if back else None,
            desk.query,
        )
        if wanted.unknown:
            return NotObtainable(wanted.unknown, todo="correct the query's name in the policy, or its file")
        hunting = _Hunting(desk, wanted, progress, action.artefacts)
        wait = hunting.run()
        if wait is not None:
            return Again(hunting.progress.model_dump_json(), wait, hunting.kept)
        return hunting.finished([*subject.unseen, *(f"{name}: {why}" for name, why in wanted.left_out)])


class _Hunting:
    """One call's worth of questions."""

    def __init__(self, desk: Desk, wanted: Plan, progress: Progress, kept: tuple[Artefact, ...]) -> None:
        self._desk = desk
        self._asks = wanted.asks
        self.progress = progress
        self.kept = kept

    def run(self) -> timedelta | None:
        """Ask until all is answered (None), or until something says to wait: that is for how long."""
        first = True
        while self.progress.ask < len(self._asks):
            if not first and self._desk.left() < ONE_QUERY:
                return timedelta(0)
            first = False
            ask = self._asks[self.progress.ask]
            self.progress = self.progress.begun(ask)
            try:
                self._one(ask)
            except Throttled as error:
                return timedelta(seconds=UNSAID if error.retry_after is None else error.retry_after)
            except Transient as error:
                if not self._goes_on(ask, error):
                    return RETRY * (1 << self.progress.tries)
        return None

    def _one(self, ask: Ask) -> None:
        """Ask for the next slice, or find it too wide, or refused."""
        span = self.progress.slices[0]
        text = rendered(ask.query, {**ask.values, **({"since": span[0], "until": span[1]} if ask.query.sliced else {})})
        try:
            found = self._desk.hunting.run(text, *span)
        except TooWide as error:
            narrower = self.progress.halved(ask)
            missing = f"the service did not answer it, for its size or time ({str(error)[:120]})"
            self.progress = narrower or self.progress.told(Answered(query=ask.query.name, missing=missing))
            return
        except (Denied, NotFound):  # a role, or the whole service: the machinery's
            raise
        except Rejected as error:
            if self._not_had(ask, error):
                raise Rejected(str(error), status=error.status, code=NOT_LICENSED, target=error.target) from error
            self.progress = self.progress.told(Answered(query=ask.query.name, missing=f"refused: {str(error)[:160]}"))
            return
        bound = cut_at(ask, found)
        narrower = self.progress.halved(ask) if bound else None
        self.progress = narrower or self.progress.told(self._keep(ask, text, span, found, bound))

    def _keep(self, ask: Ask, text: str, span: tuple[datetime, datetime], found: HuntingRows, bound: int) -> Answered:
        missing = f"cut at {bound} rows; which ones is not said" if bound else ""
        head = head_of(ask, text, span, found, self._desk.now(), missing)
        name = place_of(ask, span)
        kept = self._desk.keep(name, _lines(head, found), kind="hunting", media_type="application/x-ndjson")
        self.kept = (*self.kept, kept)
        return Answered(query=ask.query.name, name=name, rows=len(found.rows), missing=missing)

    def _not_had(self, ask: Ask, error: Rejected) -> bool:
        """Whether the tenant cannot hunt at all: it says so, or does not even have the tables of the first queries."""
        first = ask.query.name in SHIPPED and not any(each.name for each in self.progress.answered)
        unlicensed = error.status == PAYMENT_REQUIRED or "licen" in error.code.lower()
        return unlicensed or (first and error.code == NO_TABLE)

    def _goes_on(self, ask: Ask, error: Transient) -> bool:
        """Whether to go on with the next question, since this one failed too often; raises where none ever worked."""
        if not any(each.name for each in self.progress.answered):
            raise error
        self.progress = self.progress.failed()
        if self.progress.tries < MOST_TRIES:
            return False
        missing = f"no answer in {MOST_TRIES} tries: {str(error)[:120]}"
        self.progress = self.progress.told(Answered(query=ask.query.name, missing=missing))
        return True

    def finished(self, notes: Sequence[str]) -> Gathered:
        """All that was found, with an overview of what was asked and what is missing."""
        answered = self.progress.answered
        told = summary(answered, notes)
        if self._asks and not any(each.name for each in answered):
            why = f"no hunting query was answered. {told}"
            return NotObtainable(why, todo="see docs/hunting.md", artefacts=self.kept)
        overview = {"answered": [each.model_dump() for each in answered], "missing": list(notes)}
        data = json.dumps(overview, indent=1, sort_keys=True).encode()
        kept = self._desk.keep("data/hunting/overview.json", [data], kind="hunting", media_type="application/json")
        return Finished((*self.kept, kept, *incident_files(self._desk)), told)


def _lines(head: Mapping[str, object], found: HuntingRows) -> Iterator[bytes]:
    yield line(head)
    for row in found.rows:
        yield line(row)


RESPONDER = Hunt()
