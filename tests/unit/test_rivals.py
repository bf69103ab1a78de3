"""Somebody else isolates at the very moment when we do, and Defender parks ours behind theirs."""

import pytest

from shared.models.action import State
from tests.fakes.clients import BROKEN, RACE, Mishap, Mishaps
from tests.unit.order_stand import HOST, Stand

RIVAL = "analyst@contoso.com"


class Night:
    """A stand on which a person isolates the device just before our POST; the device is away until it comes back."""

    def __init__(self, *, away: bool = True) -> None:
        self.broken = self.raced = False
        self.stand = Stand(mishaps=Mishaps(self.mishap), before=self.before)
        if away:
            self.presence(online=False)
        self.stand.harm(HOST)
        self.stand.wait(60)

    def mishap(self, call: str) -> Mishap | None:
        if call == "devices.isolate" and not self.raced:
            self.raced = True
            return RACE
        return BROKEN if self.broken and call == "devices.actions" else None

    def before(self, call: str) -> None:
        if call == "devices.isolate" and not self.raced:
            self.stand.tenant.person_orders("isolate", HOST, RIVAL)

    def presence(self, *, online: bool) -> None:
        self.stand.tenant.fleet.one(HOST).presence.set(self.stand.clock.now(), online=online)

    def isolations(self) -> list[str]:
        return [each.removeprefix("Isolate ") for each in self.stand.made() if each.startswith("Isolate ")]

    def theirs_ends(self, how: str) -> None:
        self.stand.tenant.desk.force(self.stand.tenant.desk.of(HOST)[0].id, how, 1)


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("how", ["Failed", "Cancelled"])
def test_ours_is_asked_for_anew_where_theirs_came_to_nothing(how: str, *, hidden: bool) -> None:
    """However long it has waited, and though a listing fails just when ours was taken back."""
    night = Night()
    stand = night.stand
    stand.wait(200 if hidden else 2400)
    night.theirs_ends(how)
    stand.clock.advance(5 if hidden else 900)
    stand.flow.follow()
    assert stand.posts("/cancel") == 1
    if hidden:
        night.broken = True
        stand.clock.advance(25)
        stand.flow.follow()
        night.broken = False
    night.presence(online=True)
    stand.wait(600)
    assert (stand.action().state, stand.isolated()) == (State.SUCCEEDED, True)
    assert night.isolations() == [how, "Cancelled", "Succeeded"]


def test_theirs_counts_where_it_worked_however_late() -> None:
    night = Night()
    stand = night.stand
    stand.clock.advance(2400)
    night.presence(online=True)
    stand.wait(1500)
    assert stand.action().state is State.ELSEWHERE
    assert night.isolations() == ["Succeeded", "Cancelled"]
    stand.tenant.person_orders("unisolate", HOST, RIVAL)
    stand.wait(1800)
    assert not stand.isolated()


def test_what_a_person_cancelled_stays_cancelled() -> None:
    night = Night()
    stand = night.stand
    night.theirs_ends("Failed")
    stand.tenant.person_cancels(stand.tenant.desk.of(HOST)[1].id)
    stand.wait(120)
    assert (stand.action().state, stand.action().cancelled) == (State.FAILED, True)
    assert night.isolations() == ["Failed", "Cancelled"]
