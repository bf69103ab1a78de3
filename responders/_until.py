"""The archive, read until a moment: whoever may write there may put so much beside a run that no call ends with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from shared.errors import Cause, Incomplete

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from shared.storage.interface import Clock, Evidence, Piece, Staging, Stored, Version

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Until:
    """`Evidence`, of which nothing is read at `stop` or later: each answer and each piece of one raises Incomplete
    (`Cause.TIME`) then. What is written is written.
    """

    evidence: Evidence
    clock: Clock
    stop: datetime

    def write_once(
        self, name: str, chunks: Iterable[bytes], *, metadata: Mapping[str, str], tags: Mapping[str, str] | None = None
    ) -> Stored:
        """See `Evidence.write_once`."""
        return self.evidence.write_once(name, chunks, metadata=metadata, tags=tags)

    def join_once(
        self,
        name: str,
        pieces: Sequence[Piece],
        staging: Staging,
        *,
        check: Callable[[Iterable[bytes]], Iterator[bytes]],
        metadata: Mapping[str, str],
        tags: Mapping[str, str] | None = None,
    ) -> Stored:
        """See `Evidence.join_once`."""
        return self.evidence.join_once(name, pieces, staging, check=check, metadata=metadata, tags=tags)

    def head(self, name: str) -> Stored | None:
        """See `Evidence.head`."""
        self._look()
        return self.evidence.head(name)

    def read(self, name: str, *, start: int = 0) -> Iterator[bytes]:
        """See `Evidence.read`."""
        self._look()
        return self._each(self.evidence.read(name, start=start))

    def names(self, prefix: str) -> Iterator[str]:
        """See `Evidence.names`."""
        return self._each(self.evidence.names(prefix))

    def held(self, prefix: str) -> Iterator[str]:
        """See `Evidence.held`."""
        return self._each(self.evidence.held(prefix))

    def versions(self, prefix: str) -> Iterator[Version]:
        """See `Evidence.versions`."""
        return self._each(self.evidence.versions(prefix))

    def _look(self) -> None:
        if self.clock.now() >= self.stop:
            raise Incomplete("no time is left", cause=Cause.TIME)

    def _each(self, found: Iterable[T]) -> Iterator[T]:
        for each in found:
            self._look()
            yield each
