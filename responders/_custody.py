"""A chain of custody in the evidence store: one small blob an event, so that a retry can neither fork nor double it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._bounded import bounded
from shared.errors import NotFound, Rejected
from shared.models.archive.custody import SEALED, START, Event, event_name, following

if TYPE_CHECKING:
    from collections.abc import Mapping

    from responders._ours import Ours
    from shared.models.archive.custody import Said
    from shared.storage.interface import Evidence


class Chain:
    """The events in one folder. What stands there is read when first needed, and again whatever another worker adds.
    Where it is to be all `ours`, nothing else is an event.
    """

    def __init__(self, evidence: Evidence, folder: str, metadata: Mapping[str, str], ours: Ours | None = None) -> None:
        """The chain in `folder`; its blobs carry `metadata`."""
        self._evidence = evidence
        self._folder = folder
        self._metadata = metadata
        self._ours = ours
        self._events: list[Event] = []
        self._read = False

    @property
    def events(self) -> tuple[Event, ...]:
        """Every event until now. Raises Rejected where the chain is broken."""
        if not self._read:
            while (event := self._at(len(self._events) + 1)) is not None:
                self._take(event)
            self._read = True
        return tuple(self._events)

    @property
    def sealed(self) -> Event | None:
        """The event with which the chain ends, once it has."""
        return self.events[-1] if self.events and self.events[-1].what == SEALED else None

    def find(self, what: str, subject: str = "") -> Event | None:
        """The event that tells this, if any does."""
        return next((each for each in self.events if (each.what, each.subject) == (what, subject)), None)

    def must_be_open(self) -> None:
        """Raises Rejected for a chain that is sealed."""
        if self.sealed:
            raise Rejected(f"{self._folder} is sealed: nothing is added to it", status=409, code="Sealed")

    def add(self, said: Said) -> Event:
        """Put an event at the end, unless it was told already. Raises Rejected for a chain that is sealed."""
        while True:
            told = self.find(said.what, said.subject)
            if told:
                return told
            self.must_be_open()
            event = following(self.events, said)
            if self._ours:
                event = self._ours.coded(self._folder, event)
            stored = self._evidence.write_once(self._name(event.seq), [event.line], metadata=self._metadata)
            if stored.created:
                self._events.append(event)
                return event
            standing = self._at(event.seq)
            if standing is not None:
                self._take(standing)

    def _take(self, event: Event) -> None:
        """Another worker's event, or one of an earlier call; anybody else's does not fit."""
        prev = self._events[-1].hash if self._events else START
        if (event.seq, event.prev) != (len(self._events) + 1, prev):
            raise self._broken(len(self._events) + 1)
        self._events.append(event)

    def _at(self, number: int) -> Event | None:
        try:
            line = bounded(self._evidence, self._name(number))
        except NotFound as error:
            if error.code == "ContainerNotFound":
                raise
            return None
        if line is None:
            raise self._broken(number)
        try:
            event = Event.model_validate_json(line)
            same = event.line == line
        except ValueError:  # pydantic's, or a number that has no canonical spelling
            raise self._broken(number) from None
        if not same or (self._ours and not self._ours.told(self._folder, event)):
            raise self._broken(number)
        return event

    def _broken(self, number: int) -> Rejected:
        said = f"{self._name(number)} is no event of ours: somebody else put it there"
        return Rejected(said, status=409, code="Differs")

    def _name(self, number: int) -> str:
        return f"{self._folder}/{event_name(number)}"
