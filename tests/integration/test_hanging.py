"""A service that hangs holds no function until the platform ends its worker, and everything else that it does.

Each call takes as long as a call may, and fails. What is left over is due in the next round.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local.tenant import samples
from responders._flow import Flow
from responders._governed import GovernedDevices, GovernedIncidents
from shared.clients.web import WHOLE_SECONDS
from shared.errors import Cause, Transient
from shared.models.action import State
from tests.contract.test_clients_stand import HOST, Stand, fake_stand
from tests.integration.ticking import Clients, Ticking, ticking
from tests.unit.incidents import action

LIMIT = timedelta(minutes=10)
"""`functionTimeout` in host.json: what runs longer is ended, with the whole worker."""

MANY = 40


class Hanging:
    """Every call of a client takes its whole time, and then there is no answer."""

    def __init__(self, stand: Stand) -> None:
        self.clock = stand.clock
        self.calls = 0

    def __getattr__(self, _name: str) -> Any:  # noqa: ANN401 - any call
        def hang(*_args: object, **_options: object) -> None:
            self.calls += 1
            self.clock.advance(WHOLE_SECONDS)
            raise Transient("no answer", cause=Cause.LATE)

        return hang


class Slow:
    """Every call takes nearly its whole time, and then goes well."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any call
        def wait(*args: object, **options: object) -> object:
            self.stand.clock.advance(WHOLE_SECONDS - 1)
            return getattr(self.stand.devices, name)(*args, **options)

        return wait


@pytest.fixture
def stand() -> Iterator[Stand]:
    with fake_stand() as opened:
        yield opened


def facing(stand: Stand, devices: object, **changed: Any) -> Ticking:  # noqa: ANN401 - settings by name
    """The product where Defender is like that; Graph too, where it hangs."""
    budget = '{"machines": "9000/min", "machine_actions": "9000/min", "isolate": "9000/min", "incidents": "9000/min"}'
    clients = Clients(stand.incidents, stand.devices, stand.downloads, {"slack": stand.slack})
    made = ticking(stand.clock, clients, RATE_LIMITS=budget, **changed)
    ports = replace(made.ports, devices=GovernedDevices(devices, made.ports.governor))  # type: ignore[arg-type]
    if isinstance(devices, Hanging):
        ports = replace(ports, incidents=GovernedIncidents(devices, made.ports.governor))
    return replace(made, ports=ports, flow=Flow(ports))


def rows(product: Ticking, stands: State) -> None:
    now = product.clock.now()
    for number in range(MANY):
        made = action(incident=f"i{number}", device=f"{number:040x}", state=stands, created=now, since=now, due=now)
        members = {"machine_action": f"a{number}", "accepted_at": now - timedelta(hours=1)}
        assert product.ports.ledger.add(made.model_copy(update=members if stands is State.ACCEPTED else {}))


def took(product: Ticking, step: str) -> timedelta:
    before = product.clock.now()
    getattr(product.flow, step)()
    return product.clock.now() - before


KINDS = pytest.mark.parametrize("kind", [Hanging, Slow])


@KINDS
def test_the_tick_ends_in_time_and_looks_at_the_rest_in_the_next(stand: Stand, kind: type) -> None:
    product = facing(stand, kind(stand))
    rows(product, State.ACCEPTED)
    assert timedelta(minutes=1) < took(product, "follow") < LIMIT


@KINDS
def test_what_is_sent_ends_in_time(stand: Stand, kind: type) -> None:
    product = facing(stand, kind(stand))
    rows(product, State.PLANNED)
    assert timedelta(minutes=1) < took(product, "contain") < LIMIT


def test_the_watch_ends_in_time(stand: Stand) -> None:
    assert took(facing(stand, Hanging(stand)), "watch") < LIMIT


@pytest.mark.parametrize("mode", ["observe", "respond"])
@KINDS
def test_an_assessment_of_many_devices_ends_in_time(stand: Stand, kind: type, mode: str) -> None:
    parts = [samples.harmful_incident("7", device_id=f"{number:040x}") for number in range(MANY)]
    whole = parts[0] | {"alerts": [part["alerts"][0] for part in parts], "status": "active"}
    caps = '{"per_incident": 40, "per_hour": 100, "per_day": 100, "fleet_share": 1}'
    before = facing(stand, stand.devices, ISOLATION_CAPS=caps)
    before.flow.watch()
    stand.tenant.incidents.put(whole)
    stand.clock.advance(10)
    before.flow.watch()
    ports = replace(before.ports, devices=GovernedDevices(kind(stand), before.ports.governor))
    settings = ports.settings.model_copy(update={"RESPONSE_MODE": mode})
    ports = replace(ports, settings=settings)
    product = replace(before, ports=ports, flow=Flow(ports))
    for _ in range(4):
        began = product.clock.now()
        product.flow.assess("7")
        assert product.clock.now() - began < LIMIT
    entry = product.ports.ledger.incident("7")
    assert entry
    assert entry.value.assessed == entry.value.seen
    assert not stand.tenant.isolated(HOST)


def test_an_isolation_whose_device_is_never_read_is_left_to_a_person_in_the_end(stand: Stand) -> None:
    """Tried for as long as it may act alone, and not for ever."""
    product = facing(stand, Hanging(stand))
    now = product.clock.now()
    times = dict.fromkeys(("created", "since", "due", "newest_alert"), now)
    made = action(incident="i1", device=HOST, state=State.PLANNED, facts=None, facts_at=None, **times)
    assert product.ports.ledger.add(made)

    def stands() -> State:
        product.flow.contain()
        found = product.ports.ledger.action("i1", made.key)
        assert found
        return found.state

    assert stands() is State.PLANNED
    product.clock.advance(3600)
    assert stands() is State.PLANNED
    product.clock.advance(3600)
    assert stands() is State.WAITING
