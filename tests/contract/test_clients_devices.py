"""What `Devices` promises, over the fake and over Defender's API as the simulated tenant speaks it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from shared.clients.interface import ACTIONS_PAGE, ONBOARDED_PAGE, ActionQuery
from shared.errors import Busy, NotFound, Rejected
from tests.contract.test_clients_stand import HOST, KINDS, OTHER, Opened, Stand, stands

MARKER = "[bulkhead prod/i1-isolate/1] 隔離 “host1”"


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    with stands(request.param) as opening:
        yield opening


@pytest.fixture
def stand(opened: Opened) -> Stand:
    return opened()


# devices


def test_a_machine_says_who_it_is(stand: Stand) -> None:
    """Enum members in lower case; hints from every member that speaks of roles or tags, documented or not."""
    stand.tenant.fleet.put({"id": HOST, "machineTags": ["Crown jewel"], "machineRole": "DomainController"})
    machine = stand.devices.machine(HOST)
    assert (machine.id, machine.name, machine.os_platform) == (HOST, "host1.contoso.com", "WindowsServer2022")
    assert (machine.health, machine.onboarding, machine.tags) == ("active", "onboarded", ("Crown jewel",))
    assert set(machine.hints) >= {"Crown jewel", "DomainController"}


def test_an_unknown_machine_is_not_found(stand: Stand) -> None:
    with pytest.raises(NotFound) as error:
        stand.devices.machine("0" * 40)
    assert (error.value.status, error.value.code) == (404, "ResourceNotFound")


def test_onboarded_devices_are_counted_page_by_page(stand: Stand) -> None:
    """Those only, a page at most, from `skip` on; a short page is the last."""
    stand.tenant.fleet.put({"id": OTHER, "onboardingStatus": "CanBeOnboarded"})
    assert [stand.devices.onboarded(skip) for skip in (0, 3, 4, 100)] == [4, 1, 0, 0]
    for number in range(ONBOARDED_PAGE):
        stand.tenant.fleet.put({"id": f"{number:040}", "computerDnsName": f"more{number}"})
    assert [stand.devices.onboarded(skip) for skip in (0, ONBOARDED_PAGE)] == [ONBOARDED_PAGE, 4]


def test_no_onboarded_device_is_none(stand: Stand) -> None:
    """Although the service answers 404 where no machine matches."""
    for machine in stand.tenant.fleet.everything():
        stand.tenant.fleet.put({"id": machine.shown["id"], "onboardingStatus": "InsufficientInfo"})
    assert stand.devices.onboarded() == 0


# acting


def test_isolate_takes_the_device_off_the_network(stand: Stand) -> None:
    """In full; the answer is the pending action with our comment, by which we know it again."""
    made = stand.devices.isolate(HOST, MARKER)
    assert (made.kind, made.status, made.machine_id, made.comment) == ("isolate", "pending", HOST, MARKER)
    assert made.created == stand.clock.now()
    assert (made.requestor, made.error, made.final) == ("Bulkhead", 0, False)
    [shown] = stand.tenant.state()["actions"]
    assert (shown["scope"], shown["requestSource"]) == ("Full", "PublicApi")
    stand.clock.advance(60)
    assert stand.tenant.isolated(HOST)


def test_release_gives_the_network_back(stand: Stand) -> None:
    stand.devices.isolate(HOST, MARKER)
    stand.clock.advance(60)
    made = stand.devices.release(HOST, MARKER)
    assert (made.kind, made.status, made.comment) == ("unisolate", "pending", MARKER)
    stand.clock.advance(60)
    assert not stand.tenant.isolated(HOST)


def test_collect_package_is_accepted_beside_an_isolate(stand: Stand) -> None:
    stand.devices.isolate(HOST, MARKER)
    made = stand.devices.collect_package(HOST, MARKER)
    assert (made.kind, made.status, made.comment) == ("collectinvestigationpackage", "pending", MARKER)


@pytest.mark.parametrize("verb", ["isolate", "release", "collect_package"])
def test_an_unknown_device_is_not_acted_on(stand: Stand, verb: str) -> None:
    with pytest.raises(NotFound):
        getattr(stand.devices, verb)("0" * 40, MARKER)
    assert stand.tenant.state()["actions"] == []


@pytest.mark.parametrize("verb", ["isolate", "release", "collect_package"])
def test_a_device_that_is_not_onboarded_is_refused(stand: Stand, verb: str) -> None:
    stand.tenant.fleet.put({"id": HOST, "onboardingStatus": "CanBeOnboarded"})
    with pytest.raises(Rejected) as error:
        getattr(stand.devices, verb)(HOST, MARKER)
    assert type(error.value) is Rejected
    assert (error.value.status, error.value.code) == (400, "BadRequest")


@pytest.mark.parametrize("verb", ["isolate", "release", "collect_package"])
def test_a_duplicate_is_busy(stand: Stand, verb: str) -> None:
    """What the documents call "already in progress"; the cause may be a person's action, visible or not."""
    getattr(stand.devices, verb)(HOST, MARKER)
    with pytest.raises(Busy) as error:
        getattr(stand.devices, verb)(HOST, "another")
    assert error.value.code == "ActiveRequestAlreadyExists"
    assert len(stand.tenant.state()["actions"]) == 1


@pytest.mark.parametrize("verb", ["isolate", "release"])
def test_a_duplicate_may_be_answered_with_the_pending_action(opened: Opened, verb: str) -> None:
    """201 with the other's id and the other's comment: a 201 alone does not say that it is ours."""
    stand = opened(duplicate_isolate="silent")
    first = getattr(stand.devices, verb)(HOST, MARKER)
    assert getattr(stand.devices, verb)(HOST, "another") == first
    assert len(stand.tenant.state()["actions"]) == 1


def test_a_duplicate_may_be_a_second_action(opened: Opened) -> None:
    """The dangerous race; the adapter can tell it only by the new id."""
    stand = opened(duplicate_isolate="race")
    assert stand.devices.isolate(HOST, MARKER).id != stand.devices.isolate(HOST, "another").id
    assert [one["kind"] for one in stand.tenant.journal.violations()] == ["double_isolate"]


def test_a_comment_is_wanted(stand: Stand) -> None:
    with pytest.raises(Rejected) as error:
        stand.devices.isolate(HOST, "")
    assert error.value.code == "MissingRequiredParameter"


# looking


def test_an_action_is_not_found_at_first(stand: Stand) -> None:
    """Neither by its id nor in the list, for a while after the 201: that is no failure."""
    made = stand.devices.isolate(HOST, MARKER)
    with pytest.raises(NotFound) as error:
        stand.devices.action(made.id)
    assert error.value.code == "ResourceNotFound"
    assert list(stand.devices.actions(ActionQuery((HOST,)))) == []
    stand.clock.advance(5)
    assert stand.devices.action(made.id).comment == MARKER
    assert [one.id for one in stand.devices.actions(ActionQuery((HOST,)))] == [made.id]


def test_an_action_goes_its_way(stand: Stand) -> None:
    made = stand.devices.isolate(HOST, MARKER)
    seen = []
    for seconds in (5, 5, 10):
        stand.clock.advance(seconds)
        action = stand.devices.action(made.id)
        seen.append((action.status, action.final))
    assert seen == [("pending", False), ("inprogress", False), ("succeeded", True)]
    assert stand.devices.action(made.id).updated == stand.clock.now()


def test_a_failed_action_says_why(stand: Stand) -> None:
    stand.tenant.fleet.put({"id": HOST, "outcomes": {"Isolate": {"status": "Failed", "error": -2147024891}}})
    made = stand.devices.isolate(HOST, MARKER)
    stand.clock.advance(60)
    action = stand.devices.action(made.id)
    assert (action.status, action.final, action.error) == ("failed", True, -2147024891)


def test_a_cancelled_action_says_by_whom(stand: Stand) -> None:
    made = stand.devices.isolate(HOST, MARKER)
    stand.tenant.person_cancels(made.id, "analyst@contoso.com")
    stand.clock.advance(5)
    action = stand.devices.action(made.id)
    assert (action.status, action.cancelled_by, action.cancel_comment) == (
        "cancelled",
        "analyst@contoso.com",
        "Cancelled by hand",
    )


def test_actions_of_people_are_listed_too(stand: Stand) -> None:
    stand.tenant.person_orders("isolate", HOST, "analyst@contoso.com")
    stand.clock.advance(5)
    [action] = stand.devices.actions(ActionQuery((HOST,)))
    assert (action.kind, action.requestor) == ("isolate", "analyst@contoso.com")


def test_actions_are_those_of_the_machines_asked_for(stand: Stand) -> None:
    """Of one, of several, or of all; newest first."""
    third = "0" * 40
    stand.tenant.fleet.put({"id": third, "computerDnsName": "third.contoso.com"})
    for device in (HOST, OTHER, third):
        stand.devices.isolate(device, device)
        stand.clock.advance(10)

    def of(*machines: str) -> list[str]:
        return [one.machine_id for one in stand.devices.actions(ActionQuery(machines))]

    assert of() == [third, OTHER, HOST]
    assert of(HOST) == [HOST]
    assert of(HOST, third) == [third, HOST]
    assert of("f" * 40) == []


def test_actions_are_those_since_a_moment(stand: Stand) -> None:
    """Inclusive, and together with machines: `or` must not reach beyond its brackets."""
    stand.devices.isolate(HOST, "old")
    stand.clock.advance(10)
    moment = stand.clock.now()
    stand.devices.isolate(OTHER, "new")
    stand.clock.advance(5)

    def since(after: timedelta, *machines: str) -> list[str]:
        return [one.comment for one in stand.devices.actions(ActionQuery(machines, moment + after))]

    assert since(timedelta(), HOST, OTHER) == ["new"]
    assert since(timedelta(), HOST) == []
    assert since(timedelta()) == ["new"]
    assert since(timedelta(microseconds=1)) == []
    assert since(timedelta(seconds=-11)) == ["new", "old"]


def test_actions_come_in_pages(stand: Stand) -> None:
    """A page at most, from `skip` on; a short page is the last."""
    stand.clock.advance(1)
    for _ in range(ACTIONS_PAGE + 2):
        stand.tenant.person_orders("isolate", HOST)
        [action] = [one for one in stand.tenant.desk.of(HOST) if not stand.tenant.desk.progress(one).final]
        stand.tenant.person_cancels(action.id)
    stand.clock.advance(5)
    pages = [stand.devices.actions(ActionQuery((HOST,)), skip) for skip in (0, ACTIONS_PAGE, 2 * ACTIONS_PAGE)]
    assert [len(page) for page in pages] == [ACTIONS_PAGE, 2, 0]
    assert len({one.id for page in pages for one in page}) == ACTIONS_PAGE + 2


# packages


def test_a_package_link_is_not_found_until_it_is_there(stand: Stand) -> None:
    made = stand.devices.collect_package(HOST, MARKER)
    for seconds in (0, 10, 9):
        stand.clock.advance(seconds)
        with pytest.raises(NotFound):
            stand.devices.package_link(made.id)
    stand.clock.advance(1)
    assert stand.devices.package_link(made.id)


def test_a_package_link_is_bare(stand: Stand) -> None:
    """Without the quotation marks that the service wraps it in."""
    link = stand.devices.package_link(stand.collected())
    assert link.startswith(f"{stand.tenant.links.base_url}/download/")
    assert '"' not in link


def test_a_failed_collection_has_no_link(stand: Stand) -> None:
    stand.tenant.fleet.put({"id": HOST, "outcomes": {"CollectInvestigationPackage": {"status": "Failed"}}})
    with pytest.raises(NotFound):
        stand.devices.package_link(stand.collected())
