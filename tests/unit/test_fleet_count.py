"""How many devices the tenant has: without that number the share of the fleet cannot be kept, and a person decides."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from responders._governed import GovernedDevices
from responders._ports import Ports
from responders._tenant import FRESH, fleet_size, known_fleet
from shared.clients.interface import ONBOARDED_PAGE, CountPage
from shared.errors import Throttled
from tests.contract.test_clients_stand import fake_stand
from tests.integration.ticking import Clients, ticking


class Tenant:
    """A list of onboarded devices, all of its pages full."""

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self.calls = 0

    def onboarded(self, following: str = "") -> CountPage:
        self.calls += 1
        number = int(following or 0)
        return CountPage(ONBOARDED_PAGE, str(number + 1) if number + 1 < self.pages else "")


@pytest.fixture
def ports() -> Iterator[Ports]:
    with fake_stand() as stand:
        yield ticking(stand.clock, Clients(stand.incidents, stand.devices, stand.downloads, {})).ports


def of(ports: Ports, tenant: Any) -> Ports:  # noqa: ANN401 - what is asked of it
    return replace(ports, devices=GovernedDevices(tenant, ports.governor))


def test_a_tenant_with_more_pages_than_calls_in_a_minute_is_counted_all_the_same(ports: Ports) -> None:
    """The count goes on where it came to its end, and costs each page once."""
    tenant = Tenant(pages=250)
    large = of(ports, tenant)
    with pytest.raises(Throttled):
        fleet_size(large)
    counted = None
    for _ in range(10):
        ports.clock.advance(90)  # type: ignore[attr-defined]
        counted = counted or known_fleet(large)
    assert counted == 250 * ONBOARDED_PAGE
    assert tenant.calls == 250


def test_while_it_is_counted_anew_the_last_count_stands(ports: Ports) -> None:
    assert fleet_size(of(ports, Tenant(pages=3))) == 3 * ONBOARDED_PAGE
    ports.clock.advance(FRESH.total_seconds())  # type: ignore[attr-defined]
    grown = of(ports, Tenant(pages=150))
    assert fleet_size(grown) == 3 * ONBOARDED_PAGE
    ports.clock.advance(90)  # type: ignore[attr-defined]
    assert fleet_size(grown) == 150 * ONBOARDED_PAGE
    ports.clock.advance(FRESH.total_seconds())  # type: ignore[attr-defined]
    assert fleet_size(of(ports, Tenant(pages=2))) == 2 * ONBOARDED_PAGE
