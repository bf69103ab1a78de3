"""What storage does beside failing before a call: it refuses for a while, and its answers are lost after any effect.

Drawn from a stream of its own: where neither happens, a history plays as if there were none of it.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from shared.errors import Denied, Transient

if TYPE_CHECKING:
    from tests.simulation.world import World

REFUSING = ("rows.", "queues.", "documents.", "evidence.", "staging.", "pages.", "signer.")
_REFUSES_FOR = 60.0
_LOSES = 0.003
SELDOM = {
    **dict.fromkeys(("evidence.names", "documents.read", "staging.read", "staging.write_once", "pages.put"), 0.03),
    **dict.fromkeys(("evidence.held", "signer.sign", "staging.head", "evidence.pull_block"), 0.1),
    "queues.delete": 0.3,
}
"""Calls that few histories make, and how often trouble strikes each of them."""


LOSING = {
    **dict.fromkeys(("rows.get", "rows.query", "documents.read"), 1.0),
    "queues.delete": 60.0,
    **dict.fromkeys(("evidence.commit", "staging.commit", "evidence.write_once", "staging.write_once"), 20.0),
    **dict.fromkeys(("pages.put", "signer.sign", "evidence.head", "staging.head", "evidence.names"), 20.0),
}
"""After which calls an answer may be lost, beside those of every history; how much oftener, since few make them."""


class StorageTrouble:
    """Refusals and lost answers during the first `span` seconds (0: none)."""

    def __init__(self, world: World, span: float) -> None:
        """Draw when a role is being renewed, and for what."""
        self._world = world
        self._random = Random(world.seed ^ 0x57A6)  # noqa: S311 - histories, not secrets
        self._refusing: tuple[str, ...] = ()
        for _ in range(self._random.randint(1, 3) if world.dangers.refused and span else 0):
            world.clockwork.after(self._random.uniform(60, span - _REFUSES_FOR), self._refuse)

    def _refuse(self) -> None:
        """The app's role is taken away and given back: one kind of storage refuses it for a minute, or all do."""
        pages = [("pages.",)] * 4 if self._world.dangers.reports else [("signer.",)]
        self._refusing = self._random.choice([*((each,) for each in REFUSING), REFUSING, *pages])
        self._world.clockwork.note(f"storage refuses {' '.join(self._refusing)}")
        self._world.clockwork.after(_REFUSES_FOR, self._allow)

    def _allow(self) -> None:
        self._refusing = ()

    def before(self, call: str) -> None:
        """Raises Denied while storage refuses such calls."""
        if self._refusing and call.startswith(self._refusing):
            self._happens("storage refuses", call)
            self._world.counters.injected["storage refuses", f"{call.partition('.')[0]}.*"] += 1
            said = f"{call}: the storage answered 403 AuthorizationPermissionMismatch"
            raise _marked(Denied(said, status=403, code="AuthorizationPermissionMismatch"))

    def strikes(self, call: str) -> bool:
        """Whether something befalls a call that few histories make, beside what befalls any: it fails, or kills."""
        seldom = call in SELDOM and self._world.dangers.lost and self._world.troubled
        return seldom and self._random.random() < SELDOM[call]

    def after(self, call: str) -> None:
        """Raises Transient where the answer is lost."""
        if self._lossy(call) and self._random.random() < _LOSES * LOSING[call]:
            self._happens("storage answer lost", call)
            raise Transient(f"{call}: the answer was lost")

    def _lossy(self, call: str) -> bool:
        return self._world.dangers.lost and self._world.troubled and call in LOSING

    def _happens(self, what: str, call: str) -> None:
        world, process = self._world, self._world.clockwork.process()
        world.counters.injected[what, call] += 1
        world.record.disturbed.append((world.clockwork.now(), process.name if process else ""))


def _marked(error: Denied) -> Denied:
    error.of_storage = True
    return error
