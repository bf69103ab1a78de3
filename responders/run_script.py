"""Run a script of the live response library on a device, and keep what it printed.

Ours, or one of the operator's that the setting TOOLS pins: nothing else runs. The output is kept as it came; a script
whose last line is of our contract may name files, which are fetched too.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._incident_files import incident_files
from responders._interface import Finished, NotObtainable, Onward
from responders._live import LONGEST, MOST_TEXT, LiveResponse, Printed, kept, printed, result_of, session
from responders._several import MOST, take
from shared.errors import Cause, Incomplete, Unobtainable
from shared.models.command import GetFile, RunScript
from shared.models.lenient import text

if TYPE_CHECKING:
    from responders._interface import Desk, Gathered
    from shared.clients.interface import Devices
    from shared.models.action import Action, Artefact
    from shared.models.command import Command
    from shared.models.device import MachineAction


_MOST = 100
_HEAD = 4096
_CODE = re.compile(rb'"exit_code"\s*:\s*(-?\d{1,10})\b')


class RunScriptOn(LiveResponse):
    """One script on one device."""

    name = "run_script"

    def send(self, devices: Devices, action: Action, comment: str) -> MachineAction:
        """See `Responder.send`."""
        if not action.params.get("script"):
            raise Unobtainable("no script is named", "name a script of the live response library")
        return devices.live_response(action.device, _commands(action), comment)

    def gather(self, action: Action, desk: Desk) -> Gathered:
        """See `Responder.gather`. What came of the script is the same whatever its exit code was; people read it."""
        if action.progress:
            return take(action, desk, json.loads(action.progress), action.artefacts)
        beside = tuple(incident_files(desk))
        over = session(action, desk, _commands(action))
        if over.done < 1:
            return NotObtainable(f"{action.params['script']} came to no end: {over.why}", "", beside)
        try:
            result = result_of(action, desk, 0)
        except Incomplete as error:
            if error.cause is not Cause.LONG:
                raise
            return _unread(action, desk, beside)
        said = printed(result)
        artefacts = (*beside, kept(desk, "script", result), _output(desk, said))
        detail = _ended(action, said.code)
        paths, more = _files(said)
        detail += f"; {more} names of files more, or too long, are not asked for" if more else ""
        if not paths:
            return Finished(artefacts, detail)
        progress = {"paths": paths, "next": 0, "got": [], "said": detail}
        return Onward(json.dumps(progress), timedelta(0), artefacts, f"{detail}; it named {len(paths)} files")


def _unread(action: Action, desk: Desk, beside: tuple[Artefact, ...]) -> Finished:
    """A result that is too large to be read is kept as it came all the same; of it, what stands before the output."""

    def link() -> str:
        return desk.devices.result_link(action.machine_action, 0)

    whole = desk.fetch("data/sessions/script.json", link, kind="session", media_type="application/json", check=iter)
    found = _CODE.search(desk.starts(link, _HEAD).partition(b'"script_output"')[0])
    why = f"it printed more than {MOST_TEXT >> 20} MiB: kept as it came, and files that it names are not asked for"
    return Finished((*beside, whole), f"{_ended(action, int(found[1]) if found else None)}; {why}")


def _ended(action: Action, code: int | None) -> str:
    return f"{action.params['script']}: exit code {'unknown' if code is None else code}"


def _commands(action: Action) -> tuple[Command, ...]:
    if action.progress:
        progress = json.loads(action.progress)
        return tuple(GetFile(path) for path in progress["paths"][progress["next"] :][:MOST])
    return (RunScript(action.params["script"], action.params.get("args", "")),)


def _output(desk: Desk, said: Printed) -> Artefact:
    whole = f"{said.output}\n--- errors\n{said.errors}" if said.errors else said.output
    data = whole.encode("utf-8", "surrogatepass")
    return desk.keep_bytes("data/script/output.txt", data, kind="run_script", media_type="text/plain")


def _files(said: Printed) -> tuple[list[str], int]:
    """The files that the script names in its last line, where that is of our contract, and how many more there are."""
    named = said.members.get("files")
    found = [path for path in named if isinstance(path, str)] if isinstance(named, list) else []
    paths = [text(path) for path in found if 0 < len(path) <= LONGEST][:_MOST]
    return paths, len(found) - len(paths)


RESPONDER = RunScriptOn()
