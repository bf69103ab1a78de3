"""Devices that answer sessions as a test says, for responders that look at what a session left."""

import json
from collections.abc import Sequence

from shared.models.action import Action, State
from shared.models.command import Command
from shared.models.device import CommandState, MachineAction
from tests.unit.desks import Desk, NoDevices
from tests.unit.incidents import action


class Answering(NoDevices):
    """One session: the results of its commands by place. A command without a result failed, and none came after."""

    def __init__(self, *results: bytes | None, status: str = "") -> None:
        super().__init__()
        self.results = results
        self.status = status or ("succeeded" if all(each is not None for each in results) else "failed")
        self.sent: list[Sequence[Command]] = []

    def live_response(self, device: str, commands: Sequence[Command], comment: str) -> MachineAction:
        self.sent.append(commands)
        return MachineAction(id="leg", machine_id=device, comment=comment)

    def action(self, action: str) -> MachineAction:
        states = []
        for index, result in enumerate(self.results):
            status, errors = ("completed", ()) if result is not None else ("failed", ("no such file",))
            states.append(CommandState(index=index, status=status, errors=errors))
        return MachineAction(id=action, kind="liveresponse", status=self.status, commands=tuple(states))

    def result_link(self, action: str, index: int) -> str:
        return f"{action}/{index}"


def desk(*results: bytes | None) -> Desk:
    """A desk behind which a session left these results."""
    found = {f"leg/{index}": result for index, result in enumerate(results) if result is not None}
    return Desk(Answering(*results), snapshot=b'{"id": "7", "alerts": []}', downloads=lambda link: [found[link]])


def printed(output: str, code: int = 0, errors: str = "") -> bytes:
    """A script's result."""
    said = {"script_name": "s", "exit_code": code, "script_output": output, "script_errors": errors}
    return json.dumps(said).encode()


def leg(responder: str, progress: str = "", **params: str) -> Action:
    """An action whose session is over."""
    return action(
        responder=responder, state=State.FETCHING, machine_action="leg", params=params, progress=progress, attempt=1
    )
