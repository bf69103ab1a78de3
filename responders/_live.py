"""The words of live response: what our scripts are asked, what they answer, and what is left of a session. Pure.

The contract with the scripts (docs/live-response.md), version 1: a step and `key=value` words without blanks; the last
line of the output is one line of JSON in ASCII, `{"bulkhead":1,"step":...}`, with `error` where it could not be done.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from responders._interface import SESSION, Clear, Lane, Ours, adopted
from shared.errors import Incomplete
from shared.models.command import RunScript
from shared.models.lenient import text, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from responders._interface import Desk, Standing
    from shared.clients.interface import Devices
    from shared.models.action import Action, Artefact
    from shared.models.command import Command
    from shared.models.device import MachineAction

API = "live_response"
PERMISSIONS = ("Machine.LiveResponse", "Library.Manage", "Machine.Read.All")
LINUX, WINDOWS, MACOS = "bulkhead-linux.sh", "bulkhead-windows.ps1", "bulkhead-macos.sh"
MOST_TEXT = 4 << 20
"""Bytes of a script's result that are read: it is text, and ours is a line."""

LONGEST = 500
"""Characters of one text that a script's last line says; none of ours is longer."""

_VERSION = 1
_DIGEST = re.compile(r"[0-9a-f]{64}")


def script_for(platform: str) -> str:
    """Our script for a device, by what Defender calls its system; Linux has many names there."""
    named = platform.lower()
    if named.startswith("windows"):
        return WINDOWS
    return MACOS if named.startswith("macos") else LINUX


def asked_on(devices: Devices, device: str) -> str:
    """Our script for a device of which nothing is known yet. Budget `machines`."""
    return script_for(devices.machine(device).os_platform)


def step(script: str, name: str, **words: object) -> RunScript:
    """One step of ours. Words are our own: ids, numbers, hashes, and folders that the script named."""
    told = [f"{key}={value}" for key, value in words.items() if value != ""]
    return RunScript(script, " ".join((name, *told)))


class LiveResponse:
    """What the responders that work through sessions have in common: everything but what they ask and make of it."""

    lane = Lane.COLLECT
    api = API
    kinds = (SESSION,)
    permissions: tuple[str, ...] = PERMISSIONS
    contains = False
    gathers = True

    def standing(self, action: Action, listed: Sequence[MachineAction], own: str, ours: str) -> Standing:
        """See `Responder.standing`. A session of ours is adopted; what else runs on the device, the POST will say."""
        del ours
        mine = adopted(action, listed, own, SESSION)
        return Ours(mine) if mine else Clear()


@dataclass(frozen=True, slots=True)
class Printed:
    """What a script left: `code` is its exit code (None: not told), `members` what its last line says, where that is
    ours. Whoever has the device may have written it.
    """

    code: int | None
    output: str
    errors: str
    members: Mapping[str, object]

    def text(self, name: str) -> str:
        """A member that is text; empty where it is not."""
        value = self.members.get(name)
        return text(value[:LONGEST]) if isinstance(value, str) else ""

    @property
    def texts(self) -> Mapping[str, str]:
        """All members that are texts."""
        return {name: self.text(name) for name, value in self.members.items() if isinstance(value, str)}

    def digest(self, name: str) -> str:
        """A member that is a SHA-256 in hex; empty where it is not."""
        value = self.text(name)
        return value if _DIGEST.fullmatch(value) else ""

    def number(self, name: str) -> int | None:
        """A member that is a whole number; None where it is not."""
        return whole(self.members.get(name))

    @property
    def error(self) -> str:
        """Why the step could not be done, in one word; empty where it was."""
        if not self.members:
            return "silent"
        return self.text("error")

    @property
    def why(self) -> str:
        """The same for people."""
        return self.text("detail") or text((self.errors or self.output)[-300:]).strip() or "the script said nothing"


def printed(result: bytes) -> Printed:
    """A RunScript result (defender-api.md 4.5): JSON with the output as text, which may end with NULs. Raises
    Incomplete.
    """
    try:
        found = json.loads(result.rstrip(b"\0").decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise Incomplete("the result of a script is not JSON") from error
    if not isinstance(found, dict):
        raise Incomplete("the result of a script is JSON that is not an object")
    output, errors = str(found.get("script_output") or ""), found.get("script_errors") or found.get("script_error")
    return Printed(whole(found.get("exit_code")), output, str(errors or ""), last_line(output))


def last_line(output: str) -> Mapping[str, object]:
    """What our script's last line says; empty where there is none of this contract."""
    for line in reversed(output.rstrip("\0\r\n ").splitlines()[-20:]):
        try:
            found = json.loads(line.strip("\0\r "))
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and found.get("bulkhead") == _VERSION:
            return found
    return {}


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is over. `done` counts the commands that were carried out; `why` says what stopped it."""

    action: MachineAction
    done: int
    why: str

    @property
    def late(self) -> bool:
        """Whether something took too long."""
        return self.action.status == "timeout"


def session(action: Action, desk: Desk, commands: Sequence[Command]) -> Session:
    """What became of an action's session. Where Defender does not tell of single commands, its end speaks for all."""
    seen = desk.devices.action(action.machine_action)
    if seen.status == "succeeded":
        return Session(seen, len(commands), "")
    done = 0
    for command in seen.commands:
        if command.status != "completed":
            break
        done += 1
    errors = [error for command in seen.commands for error in command.errors]
    why = "; ".join(errors) or seen.troubleshoot or f"the session ended: {seen.status}"
    return Session(seen, done, why[:300])


def result_of(action: Action, desk: Desk, index: int) -> bytes:
    """The result of a command, as it was received. Raises Incomplete, LinkExpired and NotFound."""
    return desk.receive(lambda: desk.devices.result_link(action.machine_action, index), MOST_TEXT)


def kept(desk: Desk, name: str, result: bytes) -> Artefact:
    """A script's result beside the evidence: what was done on the device, in the device's own words."""
    return desk.keep_bytes(f"data/sessions/{name}.json", result, kind="session", media_type="application/json")
