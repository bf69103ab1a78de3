"""The clients behind the budget: reads spend a call before they are made, and every 429 closes the API for all.

Acting calls are leased by whoever sends them, several at a time, so here they only report a refusal, and ask right
before they go out whether their sender's time for them is over.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, TypeVar

from shared.errors import Throttled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from typing import Self

    from responders._governor import Governor
    from shared.clients.interface import (
        ActionPage,
        ActionQuery,
        CountPage,
        Devices,
        FileVerdict,
        Hunting,
        HuntingRows,
        IncidentPage,
        Incidents,
        Reputation,
    )
    from shared.models.command import Command
    from shared.models.device import LibraryFile, Machine, MachineAction

T = TypeVar("T")
FOR_WATCHING = 20
"""Calls of each window of the incidents' budget that tags and comments leave to the watch."""


class _Governed:
    def __init__(self, governor: Governor) -> None:
        self._governor = governor

    def _read(self, api: str, call: Callable[[], T], leaving: int = 0) -> T:
        self._governor.spend(api, leaving)
        return self._heed(api, call)

    def _heed(self, api: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except Throttled as error:
            self._governor.refused(api, error.retry_after)
            raise


class GovernedIncidents(_Governed):
    """`Incidents` within the budgets `incidents` and `alerts`."""

    def __init__(self, inner: Incidents, governor: Governor) -> None:
        """`inner` makes the calls."""
        super().__init__(governor)
        self._inner = inner

    def changed(self, since: datetime, until: datetime | None = None, *, following: str = "") -> IncidentPage:
        """See `Incidents.changed`."""
        return self._read("incidents", lambda: self._inner.changed(since, until, following=following))

    def get(self, incident: str, *, alerts: bool = False) -> Mapping[str, object]:
        """See `Incidents.get`."""
        return self._read("incidents", lambda: self._inner.get(incident, alerts=alerts), FOR_WATCHING)

    def more_alerts(self, following: str) -> tuple[Sequence[Mapping[str, object]], str]:
        """See `Incidents.more_alerts`."""
        return self._read("alerts", lambda: self._inner.more_alerts(following))

    def set_tags(self, incident: str, tags: Sequence[str]) -> None:
        """See `Incidents.set_tags`."""
        self._read("incidents", lambda: self._inner.set_tags(incident, tags), FOR_WATCHING)

    def comment(self, incident: str, text: str) -> None:
        """See `Incidents.comment`."""
        self._read("incidents", lambda: self._inner.comment(incident, text), FOR_WATCHING)


class GovernedHunting(_Governed):
    """`Hunting` within the budget `hunting`."""

    def __init__(self, inner: Hunting, governor: Governor) -> None:
        """`inner` makes the calls."""
        super().__init__(governor)
        self._inner = inner

    def run(self, query: str, since: datetime, until: datetime) -> HuntingRows:
        """See `Hunting.run`."""
        return self._read("hunting", lambda: self._inner.run(query, since, until))


class GovernedReputation(_Governed):
    """`Reputation` within the budget `virustotal`."""

    def __init__(self, inner: Reputation, governor: Governor) -> None:
        """`inner` makes the calls."""
        super().__init__(governor)
        self._inner = inner

    def file(self, digest: str) -> FileVerdict | None:
        """See `Reputation.file`."""
        return self._read("virustotal", lambda: self._inner.file(digest))


class GovernedDevices(_Governed):
    """`Devices` within the budgets of its reads."""

    def __init__(self, inner: Devices, governor: Governor) -> None:
        """`inner` makes the calls."""
        super().__init__(governor)
        self._inner = inner
        self.in_time: Callable[[], None] = lambda: None

    def timed(self, in_time: Callable[[], None]) -> Self:
        """The same, for one POST: `in_time` raises Transient where it is too late for it, which what is read before it
        may have come to.
        """
        timed = copy(self)
        timed.in_time = in_time
        return timed

    def _act(self, api: str, call: Callable[[], T]) -> T:
        self.in_time()
        return self._heed(api, call)

    def machine(self, device: str) -> Machine:
        """See `Devices.machine`."""
        return self._read("machines", lambda: self._inner.machine(device))

    def named(self, name: str) -> Sequence[Machine]:
        """See `Devices.named`."""
        return self._read("machines", lambda: self._inner.named(name))

    def onboarded(self, following: str = "") -> CountPage:
        """See `Devices.onboarded`."""
        return self._read("machines", lambda: self._inner.onboarded(following))

    def actions(self, query: ActionQuery, following: str = "") -> ActionPage:
        """See `Devices.actions`."""
        return self._read("machine_actions", lambda: self._inner.actions(query, following))

    def action(self, action: str) -> MachineAction:
        """See `Devices.action`."""
        return self._read("machine_actions", lambda: self._inner.action(action))

    def package_link(self, action: str) -> str:
        """See `Devices.package_link`."""
        return self._read("package_uri", lambda: self._inner.package_link(action))

    def isolate(self, device: str, comment: str, *, selective: bool = False) -> MachineAction:
        """See `Devices.isolate`."""
        return self._act("isolate", lambda: self._inner.isolate(device, comment, selective=selective))

    def release(self, device: str, comment: str) -> MachineAction:
        """See `Devices.release`."""
        return self._act("isolate", lambda: self._inner.release(device, comment))

    def restrict(self, device: str, comment: str) -> MachineAction:
        """See `Devices.restrict`."""
        return self._act("actions", lambda: self._inner.restrict(device, comment))

    def unrestrict(self, device: str, comment: str) -> MachineAction:
        """See `Devices.unrestrict`."""
        return self._act("actions", lambda: self._inner.unrestrict(device, comment))

    def scan(self, device: str, comment: str, *, full: bool = False) -> MachineAction:
        """See `Devices.scan`."""
        return self._act("actions", lambda: self._inner.scan(device, comment, full=full))

    def stop_quarantine(self, device: str, comment: str, sha1: str) -> MachineAction:
        """See `Devices.stop_quarantine`."""
        return self._act("actions", lambda: self._inner.stop_quarantine(device, comment, sha1))

    def collect_package(self, device: str, comment: str) -> MachineAction:
        """See `Devices.collect_package`."""
        return self._act("collect", lambda: self._inner.collect_package(device, comment))

    def live_response(self, device: str, commands: Sequence[Command], comment: str) -> MachineAction:
        """See `Devices.live_response`."""
        return self._act("live_response", lambda: self._inner.live_response(device, commands, comment))

    def result_link(self, action: str, index: int) -> str:
        """See `Devices.result_link`."""
        return self._read("live_response_result", lambda: self._inner.result_link(action, index))

    def library(self) -> Sequence[LibraryFile]:
        """See `Devices.library`."""
        return self._read("library", self._inner.library)

    def upload(self, name: str, content: bytes, description: str) -> None:
        """See `Devices.upload`."""
        self._read("library", lambda: self._inner.upload(name, content, description))

    def cancel(self, action: str, comment: str) -> MachineAction:
        """See `Devices.cancel`."""
        return self._read("actions", lambda: self._inner.cancel(action, comment))
