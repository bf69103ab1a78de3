"""How many devices are onboarded, whatever a tenant makes of the filter: the share that may be held depends on it."""

from __future__ import annotations

import pytest

from local.tenant.clock import system_clock
from local.tenant.model import Tenant
from local.tenant.samples import fleet
from local.tenant.server import TenantServer
from local.tenant.settings import TenantSettings
from shared.clients.defender import DefenderDevices
from shared.clients.web import Api, session
from shared.config import COMMERCIAL_AUDIENCE
from shared.errors import Denied

DEVICES = 7


def counted(*faults: dict[str, object]) -> tuple[int, int]:
    """What the adapter counts in a tenant of seven devices, two of them not onboarded; and the calls that it took."""
    tenant = Tenant(TenantSettings(), system_clock)
    for place, machine in enumerate(fleet(DEVICES)):
        tenant.fleet.put(machine | ({"onboardingStatus": "CanBeOnboarded"} if place < 2 else {}))
    tenant.faults.add(list(faults))
    token = str(tenant.identity.issue(COMMERCIAL_AUDIENCE)["access_token"])
    with TenantServer(tenant, port=0) as server:
        devices = DefenderDevices(Api(server.url, lambda: token, session()), 5.0)
        return devices.onboarded().count, len(tenant.journal.entries())


def test_the_filter_is_used_where_it_works() -> None:
    assert counted() == (DEVICES - 2, 1)


def test_where_the_filter_is_refused_every_machine_is_looked_at() -> None:
    refused = {
        "method": "GET",
        "path": "/api/machines",
        "times": 1,
        "kind": "status",
        "status": 400,
        "code": "ODataError",
    }
    assert counted(refused) == (DEVICES - 2, 2)


def test_where_the_filter_finds_nothing_every_machine_is_looked_at() -> None:
    """404 is what the API answers where no machine matches, as where a tenant spells the value otherwise."""
    missing = {
        "method": "GET",
        "path": "/api/machines",
        "times": 1,
        "kind": "status",
        "status": 404,
        "code": "NotFound",
    }
    assert counted(missing) == (DEVICES - 2, 2)


def test_a_missing_role_is_no_reason_to_ask_again() -> None:
    denied = {
        "method": "GET",
        "path": "/api/machines",
        "times": 9,
        "kind": "status",
        "status": 403,
        "code": "Forbidden",
    }
    with pytest.raises(Denied):
        counted(denied)
