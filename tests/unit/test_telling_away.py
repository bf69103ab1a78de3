"""What people hear of an incident while one of its devices is away: all that became of the others, each thing once."""

from __future__ import annotations

from tests.unit.order_stand import CONTROLLER, HOST, INCIDENT, OTHER, THIRD, Stand


def with_one_away() -> Stand:
    """A stand whose first device is off."""
    stand = Stand()
    stand.tenant.fleet.one(HOST).presence.set(stand.clock.now(), online=False)
    return stand


def heard(stand: Stand, incident: str = INCIDENT) -> list[tuple[str, str]]:
    """The headings and texts of an incident's messages, in order."""
    messages = [message["message"] for message in stand.tenant.chat.messages]
    found = [(str(each["text"]), str(each["blocks"])) for each in messages]
    return [(head, text) for head, text in found if f"incident {incident}," in head]


def kinds(stand: Stand, incident: str = INCIDENT) -> list[str]:
    return [head.partition(":")[0] for head, _ in heard(stand, incident)]


def hours(stand: Stand, number: int) -> None:
    for _ in range(number):
        stand.clock.advance(3600)
        stand.wait(5)


STARTED, CONTAINED, ENDED = "Response started", "Contained", "Response ended"
BUT = "Response ended, but for devices that do not answer"


def test_what_waits_is_told_with_its_command_from_the_start_and_what_lapsed_is_told_too() -> None:
    stand = with_one_away()
    stand.harm(HOST, OTHER, CONTROLLER)
    stand.wait(60)
    assert all(f"bulkhead approve {INCIDENT} dc1" in text for _, text in heard(stand))
    stand.wait(1500)
    assert kinds(stand) == [STARTED, CONTAINED, BUT]
    hours(stand, 31)
    assert kinds(stand) == [STARTED, CONTAINED, BUT, BUT]
    assert "nobody approved it in time" in heard(stand)[-1][1]


def test_what_failed_is_told_with_what_to_do() -> None:
    stand = with_one_away()
    stand.tenant.fleet.one(OTHER).outcomes["Isolate"] = {"status": "Failed"}
    stand.harm(HOST, OTHER, THIRD)
    stand.wait(1800)
    failed = stand.action(device=OTHER)
    assert kinds(stand) == [STARTED, CONTAINED, BUT]
    assert f"bulkhead retry {failed.id}" in heard(stand)[-1][1]
    hours(stand, 31)
    assert len(heard(stand)) == len([STARTED, CONTAINED, BUT])


def test_a_device_that_came_back_is_told_as_a_chapter_of_its_own() -> None:
    stand = with_one_away()
    stand.harm(HOST, OTHER)
    stand.wait(1500)
    stand.tenant.fleet.one(HOST).presence.set(stand.clock.now(), online=True)
    hours(stand, 2)
    assert stand.isolated()
    assert kinds(stand)[:3] == [STARTED, CONTAINED, BUT]
    assert kinds(stand)[-1] == ENDED
    assert heard(stand)[-1][1].count("is done") > heard(stand)[2][1].count("is done")


def test_another_incident_on_the_device_that_is_away_hears_of_its_own_devices() -> None:
    stand = with_one_away()
    stand.harm(HOST)
    stand.wait(30)
    stand.harm(HOST, CONTROLLER, incident="8")
    stand.wait(1800)
    assert stand.action(incident="8").joined
    assert kinds(stand, "8")[-1] == BUT
    hours(stand, 31)
    assert "nobody approved it in time" in heard(stand, "8")[-1][1]
