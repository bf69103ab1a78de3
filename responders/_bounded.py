"""Small objects of the archive, read no further than ours come to: whoever may write there may write any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._verify import SMALL, VALUES

if TYPE_CHECKING:
    from shared.storage.interface import Evidence


def bounded(evidence: Evidence, name: str, most: int = SMALL) -> bytes | None:
    """An object's bytes; None where it has more than `most`, or more values than a check of the run would parse. Raises
    NotFound.
    """
    data, values = bytearray(), 0
    for piece in evidence.read(name):
        data += piece
        values += sum(map(piece.count, b",[{"))
        if len(data) > most or values > VALUES:
            return None
    return bytes(data)
