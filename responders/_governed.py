"""The clients behind the budget: reads spend a call before they are made, and every 429 closes the API for all.

Acting calls are leased by whoever sends them, several at a time, so here they only report a refusal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from shared.errors import Throttled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from responders._governor import Governor
    from shared.clients.interface import ActionQuery, Devices, IncidentPage, Incidents
    from shared.models.device import Machine, MachineAction

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
    """`Incidents` within the budget `incidents`."""

    def __init__(self, inner: Incidents, governor: Governor) -> None:
        """`inner` makes the calls."""
        super().__init__(governor)
        self._inner = inner

    def changed(self, since: datetime, until: datetime | None = None, *, following: str = "") -> IncidentPage:
        """See `Incidents.changed`."""
        return self._read("incidents", lambda: self._inner.changed(since, until, following=following))

    def get(self, incident: str) -> Mapping[str, object]:
        """See `Incidents.get`."""
        return self._read("incidents", lambda: self._inner.get(incident), FOR_WATCHING)

    def set_tags(self, incident: str, tags: Sequence[str]) -> None:
        """See `Incidents.set_tags`."""
        self._read("incidents", lambda: self._inner.set_tags(incident, tags), FOR_WATCHING)

    def comment(self, incident: str, text: str) -> None:
        """See `Incidents.comment`."""
        self._read("incidents", lambda: self._inner.comment(incident, text), FOR_WATCHING)


class GovernedDevices(_Governed):
    """`Devices` within the budgets of its reads."""

    def __init__(self, inner: Devices, governor: Governor) -> None:
        """`inner` makes the calls."""
        super().__init__(governor)
        self._inner = inner

    def machine(self, device: str) -> Machine:
        """See `Devices.machine`."""
        return self._read("machines", lambda: self._inner.machine(device))

    def onboarded(self, skip: int = 0) -> int:
        """See `Devices.onboarded`."""
        return self._read("machines", lambda: self._inner.onboarded(skip))

    def actions(self, query: ActionQuery, skip: int = 0) -> Sequence[MachineAction]:
        """See `Devices.actions`."""
        return self._read("machine_actions", lambda: self._inner.actions(query, skip))

    def action(self, action: str) -> MachineAction:
        """See `Devices.action`."""
        return self._read("machine_actions", lambda: self._inner.action(action))

    def package_link(self, action: str) -> str:
        """See `Devices.package_link`."""
        return self._read("package_uri", lambda: self._inner.package_link(action))

    def isolate(self, device: str, comment: str) -> MachineAction:
        """See `Devices.isolate`."""
        return self._heed("isolate", lambda: self._inner.isolate(device, comment))

    def release(self, device: str, comment: str) -> MachineAction:
        """See `Devices.release`."""
        return self._heed("isolate", lambda: self._inner.release(device, comment))

    def collect_package(self, device: str, comment: str) -> MachineAction:
        """See `Devices.collect_package`."""
        return self._heed("collect", lambda: self._inner.collect_package(device, comment))
