"""What the fakes of the clients do beyond their ports: hooks around every call, and mishaps that somebody chooses."""

import contextlib
from collections.abc import Callable

import pytest

from local.tenant import samples
from local.tenant.model import Tenant
from shared.clients.interface import ActionQuery
from shared.errors import OutcomeUnknown, Rejected, Throttled, Transient
from shared.models.command import GetFile
from tests.contract.test_clients_stand import HOST, OTHER, fake_stand
from tests.fakes.clients import (
    BROKEN_AFTER,
    CUT,
    LOST,
    POSSIBLE,
    RACE,
    REFUSED,
    SILENT,
    THROTTLED,
    THROTTLED_FOR,
    UNSENT,
    FakeChat,
    FakeDevices,
    FakeDownloads,
    FakeIncidents,
    Mishap,
    Mishaps,
    QuietHunting,
)


def test_hooks_stand_around_every_call() -> None:
    """`before` ahead of the effect and `after` behind it, each with the call's name, whatever the answer was."""
    with fake_stand() as stand:
        told: list[tuple[str, int]] = []

        def hook(when: str) -> Callable[[str], None]:
            return lambda call: told.append((f"{when} {call}", len(stand.tenant.state()["actions"])))

        devices = FakeDevices(stand.tenant, before=hook("before"), after=hook("after"))
        devices.isolate(HOST, "1")
        with pytest.raises(Rejected):
            devices.isolate(HOST, "2")
        calls = [("before devices.isolate", 0), ("after devices.isolate", 1)]
        assert told == [*calls, ("before devices.isolate", 1), ("after devices.isolate", 1)]


@pytest.mark.parametrize(
    ("mishap", "error", "effects"),
    [
        (LOST, OutcomeUnknown, 1),
        (BROKEN_AFTER, OutcomeUnknown, 1),
        (CUT, OutcomeUnknown, 1),
        (UNSENT, OutcomeUnknown, 0),
        (Mishap("status", 503), OutcomeUnknown, 0),
        (REFUSED, Transient, 0),
        (THROTTLED, Throttled, 0),
        (THROTTLED_FOR, Throttled, 0),
    ],
)
def test_mishaps_of_an_acting_call(mishap: Mishap, error: type[Exception], effects: int) -> None:
    """Whatever the caller learns, the tenant knows whether the effect took place; the next call goes well."""
    with fake_stand() as stand:
        devices = FakeDevices(stand.tenant, mishaps=Mishaps.of(devices_isolate=[mishap]))
        with pytest.raises(error) as raised:
            devices.isolate(HOST, "1")
        assert type(raised.value) is error
        assert getattr(raised.value, "retry_after", None) == (7.5 if mishap is THROTTLED_FOR else None)
        assert len(stand.tenant.state()["actions"]) == effects
        assert devices.isolate(OTHER, "2").machine_id == OTHER


@pytest.mark.parametrize(("mishap", "made"), [(SILENT, 1), (RACE, 2)])
def test_a_second_isolate_may_be_answered_201(mishap: Mishap, made: int) -> None:
    """For that one call, and the tenant notes the double isolate either way."""
    with fake_stand() as stand:
        devices = FakeDevices(stand.tenant, mishaps=Mishaps.of(devices_isolate=[mishap, mishap]))
        ids = {devices.isolate(HOST, "1").id, devices.isolate(HOST, "2").id}
        assert len(ids) == made
        with pytest.raises(Rejected):
            devices.isolate(HOST, "3")
        assert [one["kind"] for one in stand.tenant.journal.violations()] == ["double_isolate"] * 2


def test_every_possible_mishap_has_a_fate() -> None:
    """No mishap that a scheduler may draw raises what an adapter would not."""
    for call, mishaps in POSSIBLE.items():
        for mishap in mishaps:
            with fake_stand() as stand:
                stand.tenant.incidents.put(samples.harmful_incident("7", created=stand.clock.now()))
                action = stand.collected()
                link = stand.devices.package_link(action)
                options = Mishaps(lambda name, wanted=call, one=mishap: one if name == wanted else None)  # type: ignore[misc]
                with contextlib.suppress(Transient, Rejected, OutcomeUnknown):
                    _call(stand.tenant, call, options, action, link)


def _call(tenant: Tenant, call: str, mishaps: Mishaps, action: str, link: str) -> None:
    incidents, devices = FakeIncidents(tenant, mishaps=mishaps), FakeDevices(tenant, mishaps=mishaps)
    hunting = QuietHunting(tenant, mishaps=mishaps)
    downloads, chat = FakeDownloads(tenant, mishaps=mishaps), FakeChat(tenant, mishaps=mishaps)
    calls: dict[str, Callable[[], object]] = {
        "incidents.changed": lambda: incidents.changed(tenant.now()),
        "incidents.get": lambda: incidents.get("7"),
        "incidents.more_alerts": lambda: incidents.more_alerts("/v1.0/security/incidents/7/alerts"),
        "incidents.set_tags": lambda: incidents.set_tags("7", ["a"]),
        "incidents.comment": lambda: incidents.comment("7", "a"),
        "devices.machine": lambda: devices.machine(HOST),
        "devices.named": lambda: devices.named("host1.contoso.com"),
        "devices.onboarded": devices.onboarded,
        "devices.actions": lambda: devices.actions(ActionQuery()),
        "devices.action": lambda: devices.action(action),
        "devices.isolate": lambda: devices.isolate(HOST, "a"),
        "devices.release": lambda: devices.release(HOST, "a"),
        "devices.collect_package": lambda: devices.collect_package(HOST, "a"),
        "devices.restrict": lambda: devices.restrict(HOST, "a"),
        "devices.unrestrict": lambda: devices.unrestrict(HOST, "a"),
        "devices.scan": lambda: devices.scan(HOST, "a"),
        "devices.stop_quarantine": lambda: devices.stop_quarantine(HOST, "a", "0" * 40),
        "devices.cancel": lambda: devices.cancel(action, "a"),
        "devices.package_link": lambda: devices.package_link(action),
        "devices.result_link": lambda: devices.result_link(action, 0),
        "devices.live_response": lambda: devices.live_response(HOST, [GetFile("/x")], "a"),
        "devices.library": devices.library,
        "devices.upload": lambda: devices.upload("a.sh", b"a", "a"),
        "hunting.run": lambda: hunting.run("DeviceInfo", tenant.now(), tenant.now()),
        "downloads.open": lambda: list(downloads.open(link).chunks),
        "chat.post": lambda: chat.post({"text": "a"}),
    }
    calls[call]()
