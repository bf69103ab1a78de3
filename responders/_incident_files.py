"""The incident as it was judged, kept beside whatever was collected for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from responders._interface import Desk
    from shared.models.action import Artefact


def incident_files(desk: Desk) -> Iterator[Artefact]:
    """The bytes of the incident that was judged, and its alerts; nothing where a person asked apart from any."""
    data = desk.snapshot()
    if data is None:
        return
    alerts = json.dumps(json.loads(data).get("alerts") or [], sort_keys=True, separators=(",", ":")).encode()
    for name, content in (("incident", data), ("alerts", alerts)):
        yield desk.keep_bytes(f"data/incident/{name}.json", content, kind="incident", media_type="application/json")
