"""What `Devices` promises, over the fake and over Defender's API as the simulated tenant speaks it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from shared.clients.interface import ACTIONS_PAGE, ONBOARDED_PAGE, ActionQuery, CountPage
from shared.errors import Busy, Cause, Denied, NotFound, Rejected, Transient
from tests.contract.test_clients_stand import HOST, KINDS, OTHER, Opened, Stand, stands

MARKER = "[bulkhead prod/i1-isolate/1] 隔離 “host1”"
SHA1 = "5f1e8acedc065031aad553b710838eb366cfee9a"
VERBS = ["isolate", "release", "restrict", "unrestrict", "scan", "stop_quarantine", "collect_package"]
MORE = {"stop_quarantine": (SHA1,)}
"""What a call needs beside the device and a comment."""


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


def test_an_id_in_capitals_is_the_same_device(stand: Stand) -> None:
    """Defender's own are in small letters, and its filters compare letter by letter: a list of another spelling would
    be empty, and what runs there be sent once more.
    """
    assert stand.devices.isolate(HOST.upper(), MARKER).machine_id == HOST
    stand.clock.advance(10)
    assert [one.comment for one in stand.devices.actions(ActionQuery((HOST.upper(),))).actions] == [MARKER]
    assert stand.devices.machine(HOST.upper()).id == HOST


def test_an_unknown_machine_is_not_found(stand: Stand) -> None:
    with pytest.raises(NotFound) as error:
        stand.devices.machine("0" * 40)
    assert (error.value.status, error.value.code) == (404, "ResourceNotFound")


def test_a_404_without_a_code_says_nothing_of_devices(stand: Stand) -> None:
    """Some proxy's: it does not know what Defender knows."""
    asks = (
        lambda: stand.devices.machine(HOST),
        lambda: stand.devices.actions(ActionQuery((HOST,))),
        lambda: stand.devices.named("host1.contoso.com"),
        stand.devices.onboarded,
        stand.devices.library,
    )
    for ask in asks:
        stand.trouble("status", status=404, code="")
        with pytest.raises(Transient) as error:
            ask()
        assert error.value.cause is Cause.CONTENT


def test_onboarded_devices_are_counted_page_by_page(stand: Stand) -> None:
    """Those only, a page at most; a short page is the last."""
    stand.tenant.fleet.put({"id": OTHER, "onboardingStatus": "CanBeOnboarded"})
    assert stand.devices.onboarded() == CountPage(4)
    for number in range(ONBOARDED_PAGE):
        stand.tenant.fleet.put({"id": f"{number:040}", "computerDnsName": f"more{number}"})
    first = stand.devices.onboarded()
    assert (first.count, bool(first.next)) == (ONBOARDED_PAGE, True)
    assert stand.devices.onboarded(first.next) == CountPage(4)


def test_a_device_is_found_by_its_name_whatever_its_ids(stand: Stand) -> None:
    """Several ids may share a name: a device that was onboarded again has another one."""
    for number in (1, 2):
        members = {
            "id": f"{number:040}",
            "computerDnsName": "again.contoso.com",
            "lastSeen": f"2026-01-0{number}T00:00:00Z",
        }
        stand.tenant.fleet.put(members)
    found = stand.devices.named("again.contoso.com")
    assert {machine.id: machine.seen and machine.seen.day for machine in found} == {f"{1:040}": 1, f"{2:040}": 2}
    assert not stand.devices.named("nobody.contoso.com")
    assert not stand.devices.named("' or id ne '")


def test_no_onboarded_device_is_none(stand: Stand) -> None:
    """Although the service answers 404 where no machine matches."""
    for machine in stand.tenant.fleet.everything():
        stand.tenant.fleet.put({"id": machine.shown["id"], "onboardingStatus": "InsufficientInfo"})
    assert stand.devices.onboarded() == CountPage(0)


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


def test_isolation_may_leave_what_the_tenant_excludes(stand: Stand) -> None:
    made = stand.devices.isolate(HOST, MARKER, selective=True)
    assert (made.kind, made.scope) == ("isolate", "selective")


@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        ("restrict", "restrictcodeexecution"),
        ("unrestrict", "unrestrictcodeexecution"),
        ("scan", "runantivirusscan"),
        ("stop_quarantine", "stopandquarantinefile"),
    ],
)
def test_other_actions_are_accepted_with_our_comment(stand: Stand, verb: str, kind: str) -> None:
    made = getattr(stand.devices, verb)(HOST, MARKER, *MORE.get(verb, ()))
    assert (made.kind, made.status, made.machine_id, made.comment) == (kind, "pending", HOST, MARKER)
    stand.clock.advance(5)
    [listed] = stand.devices.actions(ActionQuery((HOST,))).actions
    assert (listed.id, listed.kind, listed.comment) == (made.id, kind, MARKER)


def test_a_scan_is_quick_or_full(stand: Stand) -> None:
    assert stand.devices.scan(HOST, MARKER).scope == "quick"
    assert stand.devices.scan(OTHER, MARKER, full=True).scope == "full"


def test_a_quarantine_says_which_file_it_is_about(stand: Stand) -> None:
    """By that, one for the same file is told from one for another."""
    assert stand.devices.stop_quarantine(HOST, MARKER, SHA1).file == SHA1
    with pytest.raises(Rejected) as error:
        stand.devices.stop_quarantine(OTHER, MARKER, "no hash")
    assert error.value.code == "InvalidHashValue"


def test_collect_package_is_accepted_beside_an_isolate(stand: Stand) -> None:
    stand.devices.isolate(HOST, MARKER)
    made = stand.devices.collect_package(HOST, MARKER)
    assert (made.kind, made.status, made.comment) == ("collectinvestigationpackage", "pending", MARKER)


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_device_is_not_acted_on(stand: Stand, verb: str) -> None:
    with pytest.raises(NotFound):
        getattr(stand.devices, verb)("0" * 40, MARKER, *MORE.get(verb, ()))
    assert stand.tenant.state()["actions"] == []


@pytest.mark.parametrize("verb", VERBS)
def test_a_device_that_is_not_onboarded_is_refused(stand: Stand, verb: str) -> None:
    stand.tenant.fleet.put({"id": HOST, "onboardingStatus": "CanBeOnboarded"})
    with pytest.raises(Rejected) as error:
        getattr(stand.devices, verb)(HOST, MARKER, *MORE.get(verb, ()))
    assert type(error.value) is Rejected
    assert (error.value.status, error.value.code) == (400, "BadRequest")


@pytest.mark.parametrize("verb", VERBS)
def test_a_duplicate_is_busy(stand: Stand, verb: str) -> None:
    """What the documents call "already in progress"; the cause may be a person's action, visible or not."""
    getattr(stand.devices, verb)(HOST, MARKER, *MORE.get(verb, ()))
    with pytest.raises(Busy) as error:
        getattr(stand.devices, verb)(HOST, "another", *MORE.get(verb, ()))
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
    assert list(stand.devices.actions(ActionQuery((HOST,))).actions) == []
    stand.clock.advance(5)
    assert stand.devices.action(made.id).comment == MARKER
    assert [one.id for one in stand.devices.actions(ActionQuery((HOST,))).actions] == [made.id]


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


def test_an_action_is_cancelled_with_our_words(stand: Stand) -> None:
    """The answer says so already, and the comment that it was asked for with stays as it was."""
    made = stand.devices.isolate(HOST, MARKER)
    stand.clock.advance(5)
    answer = stand.devices.cancel(made.id, "called off")
    assert (answer.id, answer.status) == (made.id, "cancelled")
    stand.clock.advance(60)
    action = stand.devices.action(made.id)
    assert (action.status, action.comment, action.cancel_comment) == ("cancelled", MARKER, "called off")
    assert action.cancelled_by == action.requestor
    assert not stand.tenant.isolated(HOST)


@pytest.mark.parametrize("action", ["0" * 36, "../machines"])
def test_an_unknown_action_cannot_be_cancelled(stand: Stand, action: str) -> None:
    with pytest.raises(NotFound):
        stand.devices.cancel(action, "x")


def test_an_action_that_does_not_show_yet_cannot_be_cancelled(stand: Stand) -> None:
    """Right after its 201 Defender may know nothing of it."""
    made = stand.devices.isolate(HOST, MARKER)
    with pytest.raises(NotFound):
        stand.devices.cancel(made.id, "x")
    stand.clock.advance(5)
    assert stand.devices.cancel(made.id, "x").final


def test_an_action_that_is_over_is_not_cancelled(stand: Stand) -> None:
    """Neither one that was done nor one that was cancelled: so a repeated cancellation does no harm."""
    made = stand.devices.isolate(HOST, MARKER)
    stand.clock.advance(60)
    for _ in range(2):
        with pytest.raises(Rejected) as error:
            stand.devices.cancel(made.id, "too late")
        assert type(error.value) is Rejected
    assert stand.devices.action(made.id).status == "succeeded"


def test_an_action_is_cancelled_with_the_role_of_its_kind(opened: Opened) -> None:
    """There is no role for cancelling as such."""
    stand = opened(roles=["Machine.Read.All", "Machine.Isolate"])
    made = stand.devices.isolate(HOST, MARKER)
    package = stand.tenant.person_orders("collectInvestigationPackage", OTHER)["id"]
    stand.clock.advance(5)
    assert stand.devices.cancel(made.id, "x").final
    with pytest.raises(Denied, match=r"Machine\.CollectForensics"):
        stand.devices.cancel(package, "x")


def test_actions_of_people_are_listed_too(stand: Stand) -> None:
    stand.tenant.person_orders("isolate", HOST, "analyst@contoso.com")
    stand.clock.advance(5)
    [action] = stand.devices.actions(ActionQuery((HOST,))).actions
    assert (action.kind, action.requestor) == ("isolate", "analyst@contoso.com")


def test_actions_are_those_of_the_machines_asked_for(stand: Stand) -> None:
    """Of one, of several, or of all; newest first."""
    third = "0" * 40
    stand.tenant.fleet.put({"id": third, "computerDnsName": "third.contoso.com"})
    for device in (HOST, OTHER, third):
        stand.devices.isolate(device, device)
        stand.clock.advance(10)

    def of(*machines: str) -> list[str]:
        return [one.machine_id for one in stand.devices.actions(ActionQuery(machines)).actions]

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
        return [one.comment for one in stand.devices.actions(ActionQuery(machines, moment + after)).actions]

    assert since(timedelta(), HOST, OTHER) == ["new"]
    assert since(timedelta(), HOST) == []
    assert since(timedelta()) == ["new"]
    assert since(timedelta(microseconds=1)) == []
    assert since(timedelta(seconds=-11)) == ["new", "old"]


def test_actions_come_in_pages(stand: Stand) -> None:
    """A page at most; a short page is the last."""
    stand.clock.advance(1)
    for _ in range(ACTIONS_PAGE + 2):
        stand.tenant.person_orders("isolate", HOST)
        [action] = [one for one in stand.tenant.desk.of(HOST) if not stand.tenant.desk.progress(one).final]
        stand.tenant.person_cancels(action.id)
    stand.clock.advance(5)
    first = stand.devices.actions(ActionQuery((HOST,)))
    last = stand.devices.actions(ActionQuery((HOST,)), first.next)
    assert (len(first.actions), len(last.actions), last.next) == (ACTIONS_PAGE, 2, "")
    assert len({one.id for page in (first, last) for one in page.actions}) == ACTIONS_PAGE + 2


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


def test_a_package_link_with_escapes_is_bare_too(opened: Opened) -> None:
    """What stands in quotation marks of its own is JSON, and may be escaped as such."""
    stand = opened(link_escaped=True)
    link = stand.devices.package_link(stand.collected())
    assert link.startswith(f"{stand.tenant.links.base_url}/download/")
    assert list(stand.downloads.open(link).chunks)


def test_a_failed_collection_has_no_link(stand: Stand) -> None:
    stand.tenant.fleet.put({"id": HOST, "outcomes": {"CollectInvestigationPackage": {"status": "Failed"}}})
    with pytest.raises(NotFound):
        stand.devices.package_link(stand.collected())
