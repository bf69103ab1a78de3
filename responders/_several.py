"""Several files of a device, a few to a session: each is kept as it was received, and never opened. It is called by its
number, for its own name may be an attacker's, and `invoice.exe` in a reviewer's folder: `files.json` has that.

The first file that cannot be had is the last of its session; it is noted, and the next session goes on behind it.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from responders._interface import Finished, NotObtainable, Onward
from responders._live import session
from shared.models.archive.contents import GZIP
from shared.models.command import GetFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responders._interface import Desk, Gathered
    from shared.models.action import Action, Artefact

MOST = 5
"""Files to a session: a session that breaks off is cheap to repeat."""


def asked_for(action: Action) -> list[str]:
    """The paths that an action names, in the order of their numbers."""
    return [path.strip() for path in action.params.get("paths", "").split("\n") if path.strip()]


def take(action: Action, desk: Desk, progress: dict[str, Any], artefacts: Sequence[Artefact]) -> Gathered:
    """Keep what a session of GetFile commands brought. `progress` has the `paths`, the `next` one's place, what was
    `got` of each before, and what is to be `said` at the end.
    """
    first = progress["next"]
    paths = progress["paths"][first:][:MOST]
    over = session(action, desk, [GetFile(path) for path in paths])
    found, got = list(artefacts), list(progress["got"])
    for index, path in enumerate(paths[: over.done]):
        artefact, told = _kept(action, desk, index, first + index + 1, path)
        found = [each for each in found if each.name != artefact.name] + [artefact]
        got.append(told)
    missed = len(paths) > over.done
    if missed:
        got.append({"path": paths[over.done], "why": over.why})
    after = first + over.done + missed
    if after < len(progress["paths"]):
        text = json.dumps({**progress, "next": after, "got": got})
        return Onward(text, timedelta(0), tuple(found), f"{after} of {len(progress['paths'])} files are done")
    return _over(desk, got, progress, found)


def _kept(action: Action, desk: Desk, index: int, number: int, path: str) -> tuple[Artefact, dict[str, object]]:
    def link() -> str:
        return desk.devices.result_link(action.machine_action, index)

    packed = desk.starts(link, len(GZIP)) == GZIP
    name = f"data/files/{number:03d}{'.gz' if packed else '.received'}"
    part = desk.part(name, 1, link)
    media_type = "application/gzip" if packed else "application/octet-stream"
    artefact = desk.join(name, [part], kind="file", media_type=media_type)
    told = {"path": path, "name": artefact.name, "size": part.content_size, "sha256": part.content_sha256}
    return artefact, told


def _over(desk: Desk, got: list[dict[str, object]], progress: dict[str, Any], found: list[Artefact]) -> Gathered:
    record = {name: value for name, value in progress.items() if name not in {"next", "got", "paths"}}
    text = json.dumps({**record, "files": got}, indent=1, sort_keys=True).encode()
    found.append(desk.keep_bytes("data/files.json", text, kind="files", media_type="application/json"))
    missing = [each for each in got if "why" in each]
    had = len(got) - len(missing)
    said = f"{progress.get('said', '')}; " if progress.get("said") else ""
    why = f"; not had: {missing[0]['path']} ({missing[0]['why']})" if missing else ""
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    detail = f"{said}{had} of {len(got)} files{why}{more}"
    return Finished(tuple(found), detail) if had or said else NotObtainable(detail, "", tuple(found))
