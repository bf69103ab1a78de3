"""The records of an event log, read from standard input in a process of its own, and written as lines of JSON: an
object for a record that is asked for by its number, null for another one, false for a broken one; a text: it is no log.

It imports little: it is started for each log, and is waited for.
"""

from __future__ import annotations

import json
import sys
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 1 << 20
"""Characters of a line. A block of a log has 65,536 bytes, and a record that names them again and again takes more."""


def lines(data: bytes, numbers: frozenset[str]) -> Iterator[str]:
    """A line for each record."""
    from evtx import PyEvtxParser  # noqa: PLC0415 - a compiled parser, needed for packages only

    try:
        records = iter(PyEvtxParser(BytesIO(data)).records_json())
    except (OSError, RuntimeError, ValueError) as error:
        yield json.dumps(str(error))
        return
    while True:
        try:
            record = next(records)
        except StopIteration:
            return
        except RuntimeError:
            yield "false"
        else:
            yield _line(record or {}, numbers)


def _line(record: dict[str, Any], numbers: frozenset[str]) -> str:
    try:
        event = json.loads(record["data"])["Event"]
        number = event["System"]["EventID"]
        number = number["#text"] if isinstance(number, dict) else number
        if str(number) not in numbers:
            return "null"
        line = json.dumps({"id": record.get("event_record_id"), "event": event})
        return line if len(line) < LONGEST else "false"
    except (ValueError, KeyError, TypeError, RecursionError):
        return "null"


if __name__ == "__main__":
    for each in lines(sys.stdin.buffer.read(), frozenset(sys.argv[1:])):
        sys.stdout.write(f"{each}\n")
        sys.stdout.flush()  # what was read before a record that never ends is not lost
