"""Who sleeps is woken for what waits for a person, once for each new thing, and for nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from responders._notices import CONTAINED, FINAL, STARTED, WAITING, compose
from responders._nudges import tell
from responders._rendering import pager
from responders._waking import page_due
from shared.models.action import Action, State
from shared.models.progress import Notice
from tests.unit.consoles import DC, FIRST, SECOND, Office, on_domain_controller, on_workstation
from tests.unit.incidents import NOW, action, state

Raw = dict[str, Any]


class Pager:
    """Whatever wakes somebody: it keeps what it was told. `meanwhile` happens while it is told for the first time."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.told: list[Mapping[str, object]] = []
        self.meanwhile = meanwhile

    def post(self, payload: Mapping[str, object]) -> None:
        self.told.append(payload)
        if len(self.told) == 1:
            self.meanwhile()


def waiting(minutes: int = 0, **members: object) -> Action:
    return action(state=State.WAITING, since=NOW + timedelta(minutes=minutes), **members)


def page(number: int, minutes: int) -> Notice:
    since = NOW + timedelta(minutes=minutes)
    return Notice(chapter=1, kind=f"{WAITING}{number}", channel="pager", state="sent", since=since)


def test_what_waits_is_a_reason_and_what_was_told_of_is_none_again() -> None:
    assert page_due([waiting()], []) == f"{WAITING}1"
    assert page_due([waiting()], [page(1, 1)]) == ""
    assert page_due([waiting(), waiting(2, device=SECOND)], [page(1, 1)]) == f"{WAITING}2"


def test_what_goes_on_by_itself_wakes_nobody() -> None:
    for each in (action(), waiting(held=True), action(state=State.SUCCEEDED), action(state=State.FAILED)):
        assert page_due([each], []) == ""


def test_it_says_what_waits_and_how_to_decide() -> None:
    todo = "bulkhead approve 2972395 host1"
    told = pager(compose(f"{WAITING}1", state(), [waiting(todo=todo), action(device=FIRST)], lambda _each: True))
    assert told["event"] == "waiting"
    assert told["summary"] == "A person has to decide: incident 2972395, severity high"
    assert any(todo in line for line in told["lines"])
    assert sum("Isolate" in line for line in told["lines"]) == 1, "the other one does not wait"


def test_nobody_is_woken_for_what_was_done() -> None:
    wakes = Pager()
    office = Office(more_chats={"pager": wakes})
    on_workstation(office)
    assert office.tenant.isolated(FIRST)
    assert wakes.told == []


def test_somebody_is_woken_once_for_a_device_that_waits() -> None:
    wakes = Pager()
    office = Office(more_chats={"pager": wakes})
    on_domain_controller(office)
    office.work(120)
    assert len(wakes.told) == 1
    assert "bulkhead approve 71" in str(wakes.told)
    assert not office.tenant.isolated(DC)


def test_what_begins_to_wait_while_somebody_is_woken_wakes_them_again() -> None:
    """What they are told was put together before: the second device is not in it."""

    def another() -> None:
        office.clock.advance(1)
        now = office.clock.now()
        waits = action(state=State.WAITING, incident="71", device=SECOND, created=now, since=now, due=None)
        office.ports.ledger.add(waits)
        tell(office.ports, waits)
        office.clock.advance(5)

    wakes = Pager(another)
    office = Office(more_chats={"pager": wakes})
    on_domain_controller(office)
    office.work(120)
    assert [SECOND[:8] in str(each) for each in wakes.told] == [False, True]


def test_the_device_over_the_cap_wakes_somebody() -> None:
    wakes = Pager()
    office = Office(more_chats={"pager": wakes}, settings={"ISOLATION_CAPS": '{"per_hour": 0, "fleet_share": 1}'})
    on_workstation(office)
    assert "the cap of 0 isolations per hour is reached" in str(wakes.told)


def test_while_observing_nobody_is_woken() -> None:
    wakes = Pager()
    office = Office(more_chats={"pager": wakes}, settings={"RESPONSE_MODE": "observe"})
    on_domain_controller(office)
    assert wakes.told == []


def test_other_channels_are_told_as_ever_and_not_of_pages() -> None:
    office = Office(more_chats={"pager": Pager()})
    on_domain_controller(office)
    kinds = {(each.value.channel, each.value.kind) for each in office.ports.ledger.notices("71")}
    assert {kind for channel, kind in kinds if channel == "slack"} <= {STARTED, CONTAINED, FINAL}
    assert {kind for channel, kind in kinds if channel == "pager"} == {f"{WAITING}1"}
