"""What happens, as it happens: the ledger and the chat, read again and again and told line by line."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from responders._inert import inert
from responders._notices import FINAL, device_label, digest_of
from shared.models.action import EXPLAINED, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local.run.stage import Stage
    from responders._ledger import Ledger
    from responders._ports import Ports
    from shared.models.action import Action
    from shared.models.progress import IncidentState

_COLOURS = {"good": "32", "bad": "31", "wait": "33", "quiet": "2", "head": "1"}


def coloured(text: str, colour: str) -> str:
    """The text in a colour, where somebody looks at a terminal."""
    return f"\033[{_COLOURS[colour]}m{text}\033[0m" if sys.stdout.isatty() else text


class Progress:
    """Tells every change once, with the seconds since the incidents were raised."""

    def __init__(self, stage: Stage, ports: Ports, raised: float) -> None:
        """`raised` is the monotonic time at which the incidents were raised."""
        self._stage = stage
        self._ports = ports
        self._raised = raised
        self._told: dict[str, str] = {}
        self._messages = 0

    def look(self, incidents: Iterable[str]) -> bool:
        """Tell what is new; whether everything is over."""
        over = True
        for incident in incidents:
            entry = self._ports.ledger.incident(incident)
            if entry is None:
                over = False
                continue
            state = entry.value
            actions = self._ports.ledger.actions(incident)
            self._incident(state)
            for action in actions:
                self._action(action)
            over = over and finished(self._ports.ledger, state, actions)
        self._chat()
        return over

    def _incident(self, state: IncidentState) -> None:
        if not state.assessed:
            self._tell(f"incident {state.id}", "seen", "quiet")
            return
        colour = "bad" if state.contain else "good"
        self._tell(f"incident {state.id}", f"{state.verdict} ({'; '.join(state.reasons[:2])})", colour)

    def _action(self, action: Action) -> None:
        colour = {State.SUCCEEDED: "good", State.FAILED: "bad", State.WAITING: "wait", State.REFUSED: "wait"}
        what = f"incident {action.incident}: {action.responder} {device_label(action)}"
        detail = f" ({action.detail})" if action.detail else ""
        self._tell(what, f"{EXPLAINED[action.state]}{detail}", colour.get(action.state, "quiet"))

    def _chat(self) -> None:
        messages: list[dict[str, Any]] = self._stage.control("GET", "messages")["value"]
        for message in messages[self._messages :]:
            self._line("Slack", coloured(str(message["message"]["text"]), "head"))
        self._messages = len(messages)

    def _tell(self, what: str, how: str, colour: str) -> None:
        if self._told.get(what) != how:
            self._told[what] = how
            self._line(what, coloured(inert(how, 240), colour))

    def _line(self, what: str, how: str) -> None:
        seconds = time.monotonic() - self._raised
        print(f"{seconds:6.1f} s  {what:<42} {how}", flush=True)


def finished(ledger: Ledger, state: IncidentState, actions: list[Action]) -> bool:
    """Whether nothing more will happen about an incident by itself: judged, done, and told."""
    if state.assessed != state.seen or not all(action.state.settled for action in actions):
        return False
    notices = [entry.value for entry in ledger.notices(state.id)]
    if any(notice.pending for notice in notices):
        return False
    stands = digest_of(actions)
    told = any(notice.kind == FINAL and notice.digest == stands for notice in notices)
    return told or not ledger.reminder(state.id)
