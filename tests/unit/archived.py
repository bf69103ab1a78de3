"""A run of the archive in memory: gathered by the machinery itself, sealed, and open to whoever wants to spoil it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from responders._desk import Desk
from responders._run import run_folder
from responders._verify import Checked, check
from shared.models.action import Action, State
from tests.fakes.signing import FakeMac, FakeSigner
from tests.fakes.storage import FakeClock, FakeDocuments, FakeEvidence
from tests.unit.incidents import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.clients.interface import Download

LATER = timedelta(minutes=8)


@dataclass
class Memory:
    """A reader of objects by name."""

    objects: dict[str, bytes]

    def names(self) -> list[str]:
        return sorted(self.objects)

    def read(self, name: str) -> Iterator[bytes]:
        if name not in self.objects:
            raise KeyError(name)
        data = self.objects[name]
        return iter([data[at : at + 1000] for at in range(0, len(data), 1000)])


@dataclass
class Served:
    """`Downloads` that the test serves: `opening` is given what was asked for."""

    opening: Any

    def open(self, link: str, seconds: float | None = None, *, start: int = 0, tag: str = "") -> Download:
        del seconds
        return cast("Download", self.opening(link, start, tag))


@dataclass
class Archived:
    """One action's run, and the ports that it is gathered with."""

    downloads: Any = None
    evidence: FakeEvidence = field(default_factory=lambda: FakeEvidence(mac=FakeMac().of))
    staging: FakeEvidence = field(default_factory=FakeEvidence)
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    host_time: Any = None
    piece: int = 100
    straight: int = 0

    def __post_init__(self) -> None:
        self.action = action()
        self.documents = FakeDocuments()
        settings = type("S", (), {"AZURE_CLIENT_ID": "", "DEPLOYMENT": "unit", "TIME_BUDGET": LATER})()
        self.ports: Any = type("Ports", (), {})()
        vars(self.ports).update(
            clock=self.clock,
            documents=self.documents,
            evidence=self.evidence,
            staging=self.staging,
            signer=FakeSigner(),
            mac=FakeMac(),
            downloads=self.downloads,
            devices=None,
            incidents=None,
            settings=settings,
            host_time=self.host_time,
            protections=None,
        )

    def desk(self, left: timedelta = LATER) -> Desk:
        """A desk for one call."""
        return Desk(self.ports, self.action, self.clock.now() + left, piece=self.piece, straight=self.straight)

    @property
    def folder(self) -> str:
        return run_folder(self.action)

    @property
    def objects(self) -> dict[str, bytes]:
        """The run's objects by their names in it."""
        start = f"{self.folder}/"
        return {
            name.removeprefix(start): data for name, (_, data) in self.evidence.stored.items() if name.startswith(start)
        }

    def checked_after_close(self) -> Checked:
        """What `verify` says once it is sealed."""
        self.desk().run.close("succeeded")
        return self.checked()

    def checked(self, **changed: bytes | None) -> Checked:
        """What `verify` says of the run, with objects changed (None: gone)."""
        objects: dict[str, bytes | None] = {**self.objects, **changed}
        return check(Memory({name: data for name, data in objects.items() if data is not None}))


def action(**changed: object) -> Action:
    made = Action(
        incident="71",
        version="",
        device="d" * 40,
        device_name="WS-01.contoso.com",
        responder="collect_package",
        round=1,
        state=State.FETCHING,
        created=NOW,
        since=NOW,
        machine_action="m-1",
        rule="default",
    )
    return made.model_copy(update=changed)


def sealed(mebibytes: int = 0) -> Archived:
    """A run with three items, one of them of so many mebibytes (else small), that is closed."""
    run = Archived()
    desk = run.desk()
    image = [bytes([n]) * (1 << 20) for n in range(mebibytes)] or [b"memory"]
    desk.keep_bytes("data/incident/incident.json", b'{"id": "71"}', kind="incident", media_type="application/json")
    desk.keep("data/memory/image.raw", image, kind="memory", media_type="x/y")
    desk.keep_bytes("data/empty.txt", b"", kind="note", media_type="text/plain")
    desk.run.close("succeeded")
    return run
