"""A back-test decides as the flow decides: the same claims, rounds and caps, whatever the incidents are and however
they grow; and it takes back what people said later.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.fetching import told_rails
from console.moments import MOST, UNTIL_READ, Moment, as_of, moments, versions
from console.replay import JOINED, Assumed, Event, Outcome, differences, replayed
from console.tracing import GO, NEVER, WAIT, Tracer
from responders._case import told_machines
from responders._guardrails import DAY, Counts
from responders._interface import containment
from responders._news import Facts, Stock
from responders._planning import decide
from responders._policy import CompiledPolicy
from responders._wiring import responders
from shared.config import Caps, Protected, Settings
from shared.models.action import Action, Slot, Spent, State
from shared.models.incident import Incident
from shared.models.progress import IncidentState
from tests.unit.incidents import HOST1, HOST2, HOST3, NOW, alert, device, file, graph_time
from tests.unit.policies import DEFAULT, compiled, rule

Raw = dict[str, Any]
HELD = timedelta(hours=6)
ALL = tuple(responders().values())
MANY = compiled(
    rule(
        "much",
        {"severity_at_least": "medium"},
        verdict="harmful",
        actions=[
            {"do": "isolate", "approval": "PT2H"},
            {"do": "restrict"},
            {"do": "stop_quarantine"},
            {"do": "collect_package"},
        ],
    )
)


def rails(**caps: float) -> Settings:
    made = told_rails({"MAX_AGE_TO_CONTAIN": "PT2H", "APPROVAL_EXPIRES": "PT3H"})
    return made.model_copy(update={"ISOLATION_CAPS": Caps.model_validate({"fleet_share": 1.0, **caps})})


def incident(number: int, *alerts: Raw, **members: object) -> Incident:
    own = {"id": str(number), "severity": "high", "status": "active", "createdDateTime": graph_time(NOW)}
    return Incident.model_validate({**own, "alerts": list(alerts), **members})


def outcome_of(policy: CompiledPolicy, how: Settings, assumed: Assumed, *past: Incident) -> Outcome:
    tracer, outcome = Tracer(policy, how, ALL), Outcome("test")
    for each in past:
        outcome.count(tracer.trace(each, moments(each)))
    return replayed(outcome, how, assumed)


# The same as the flow


class Flow:
    """The flow as the assumptions have it: what is planned is done at once, and nobody approves anything."""

    def __init__(self, policy: CompiledPolicy, how: Settings, assumed: Assumed) -> None:
        self.policy, self.how, self.assumed = policy, how, assumed
        self.actions: dict[str, list[Action]] = {}
        self.slots: dict[str, dict[str, Slot]] = {each.name: {} for each in ALL if each.contains}
        self.sent: dict[str, list[Spent]] = {name: [] for name in self.slots}
        self.lasting = {each.name for each in ALL if each.contains and containment(each)}
        self.told: list[tuple[object, ...]] = []

    def stock(self, name: str, own: str, now: datetime) -> Stock:
        kept = self.slots[name]
        self.slots[name] = {device: slot for device, slot in kept.items() if slot.since > now - self.assumed.held}
        done = [each for each in self.actions.get(own, []) if each.responder == name and each.state is State.SUCCEEDED]
        counted = {each.target for each in done if not each.joined}
        sent = tuple(each for each in self.sent[name] if each.at > now - DAY)
        return Stock(Counts(len(counted), sent, len(self.slots[name]), self.assumed.fleet), self.slots[name])

    def read(self, moment: Moment) -> None:
        now, own = moment.at, moment.incident.id
        existing = [self.lapsed(each, now) for each in self.actions.get(own, [])]
        stocks = {name: self.stock(name, own, now) for name in self.slots}
        machines = told_machines(moment.incident)
        judged = self.policy.assess(moment.incident, machines, now)
        state = IncidentState(id=own, seen="v", shown_at=now, seen_at=now)
        facts = Facts(now, machines, {}, frozenset(), existing, stocks)
        plan = decide(state, judged, facts, ALL, self.how).plan
        self.actions[own] = existing + [self.done(each, now) for each in plan.actions]

    @staticmethod
    def lapsed(action: Action, now: datetime) -> Action:
        over = action.state is State.WAITING and action.approve_by and action.approve_by <= now
        return action.to(State.REFUSED, now) if over else action

    def done(self, action: Action, now: datetime) -> Action:
        name = action.responder
        if name not in self.slots:
            return action if action.state is not State.PLANNED else action.to(State.SUCCEEDED, now)
        slot = self.slots[name].get(action.target)
        became = {State.WAITING: WAIT, State.REFUSED: NEVER}.get(action.state, JOINED if slot else GO)
        self.told.append((now, action.incident, action.target, name, action.goal, became, action.detail))
        if action.state is not State.PLANNED:
            return action
        if slot:
            holders = (*slot.holders, action.incident)
            self.slots[name][action.target] = slot.model_copy(update={"holders": holders})
            return action.to(State.SUCCEEDED, now, joined=slot.owner)
        if name in self.lasting:
            self.slots[name][action.target] = Slot(
                device=action.target, owner=action.key, holders=(action.incident,), held=True, since=now
            )
        if action.charge not in {each.id for each in self.sent[name]}:
            self.sent[name].append(Spent(id=action.charge, at=now))
        return action.to(State.SUCCEEDED, now, attempt=1)


DEVICES = st.sampled_from((HOST1, HOST2, HOST3))
EVIDENCE = st.one_of(
    DEVICES.map(lambda each: device(each, name=f"h-{each[:4]}.contoso.com")),
    DEVICES.map(lambda each: device(each, name="dc01.contoso.com")),
    st.tuples(DEVICES, st.sampled_from(("a" * 40, "b" * 40))).map(
        lambda both: file(both[0], fileDetails={"fileName": "evil.exe", "sha1": both[1]})
    ),
)
ALERTS = st.tuples(
    st.integers(0, 40), st.sampled_from(("low", "medium", "high")), st.lists(EVIDENCE, min_size=1, max_size=3)
)


@st.composite
def pasts(draw: st.DrawFn) -> list[Incident]:
    """A few incidents that grow over two days. No two of them are read at the same instant."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        made = [
            alert(*items, created=NOW + timedelta(hours=hour, seconds=7 * number), severity=severity)
            for hour, severity, items in draw(st.lists(ALERTS, min_size=1, max_size=4))
        ]
        severity = draw(st.sampled_from(("low", "medium", "high")))
        found.append(incident(number, *made, severity=severity))
    return found


CAPS = st.fixed_dictionaries(
    {"per_incident": st.integers(0, 3), "per_hour": st.integers(0, 2), "per_day": st.integers(0, 3)}
)


@given(pasts(), CAPS, st.sampled_from((DEFAULT, MANY)), st.integers(20, 200))
@settings(max_examples=25, deadline=None)
def test_a_back_test_decides_as_the_flow_does(
    past: list[Incident], caps: Raw, policy: CompiledPolicy, fleet: int
) -> None:
    how, assumed = rails(**caps, fleet_share=0.01), Assumed(fleet, HELD)
    flow = Flow(policy, how, assumed)
    for moment in sorted((each for one in past for each in moments(one)), key=lambda each: each.at):
        flow.read(moment)
    found = outcome_of(policy, how, assumed, *past)
    assert [
        (each.claim.at, each.claim.incident, each.claim.target, each.claim.responder, each.claim.goal, each.became)
        for each in found.events
    ] == [each[:6] for each in flow.told]
    assert [each.why for each in found.events if each.became == WAIT] == [
        each[6] for each in flow.told if each[5] == WAIT
    ]


def most_within(events: list[Event], span: timedelta) -> int:
    """The most containments within a span of time."""
    times = sorted(each.claim.at for each in events)
    return max((sum(first <= at < first + span for at in times) for first in times), default=0)


@given(pasts(), CAPS, st.sampled_from((DEFAULT, MANY)), st.sampled_from((HOST1, HOST2, HOST3)))
@settings(max_examples=40, deadline=None)
def test_nothing_protected_is_touched_and_no_cap_is_passed_by_any_kind(
    past: list[Incident], caps: Raw, policy: CompiledPolicy, protected: str
) -> None:
    """Whatever happens in whatever order; each kind of containment by itself."""
    how = rails(**caps).model_copy(update={"PROTECTED": Protected(ids=(protected,))})
    found = outcome_of(policy, how, Assumed(1000, HELD), *past)
    done = [each for each in found.events if each.became in {GO, JOINED}]
    assert not [each for each in done if each.claim.target == protected]
    for name in ("isolate", "restrict"):
        sent = found.of(name, GO)
        assert most_within(sent, timedelta(hours=1)) <= caps["per_hour"]
        assert most_within(sent, timedelta(days=1)) <= caps["per_day"]
        for one in past:
            own = {each.claim.target for each in sent if each.claim.incident == one.id}
            assert len(own) <= caps["per_incident"]


# What was known when


def test_an_incident_is_judged_while_it_grows() -> None:
    later = NOW + timedelta(hours=3)
    grown = incident(1, alert(device(HOST1)), alert(device(HOST2), created=later))
    first, second = moments(grown)
    assert (first.at, len(first.incident.alerts)) == (NOW + UNTIL_READ, 1)
    assert (second.at, len(second.incident.alerts)) == (later + UNTIL_READ, 2)


def test_alerts_that_come_together_are_judged_together() -> None:
    close = [alert(device(HOST1), created=NOW + timedelta(seconds=20 * number)) for number in range(3)]
    (moment,) = moments(incident(1, *close))
    assert len(moment.incident.alerts) == 3


def test_a_thousand_alerts_are_no_thousand_judgements_and_the_last_is_whole() -> None:
    many = [alert(created=NOW + timedelta(hours=number)) for number in range(200)]
    found = list(moments(incident(1, *many)))
    assert len(found) == MOST
    assert len(found[-1].incident.alerts) == 200


def test_what_people_said_later_is_taken_back() -> None:
    resolved = graph_time(NOW + timedelta(hours=2))
    called = {"classification": "falsePositive", "determination": "notMalicious"}
    closed = alert(device(HOST1)) | {"status": "resolved", "resolvedDateTime": resolved} | called
    now_is = incident(1, closed, status="resolved", **called)
    then = as_of(now_is, NOW + UNTIL_READ)
    assert (then.status, then.classification) == ("active", "unknown")
    assert (then.alerts[0].status, then.alerts[0].classification) == ("new", "unknown")
    assert as_of(now_is, NOW + timedelta(hours=3)) is now_is


def test_what_was_resolved_at_once_was_known_to_be() -> None:
    """Antivirus that prevented something says so with the alert."""
    prevented = alert(device(HOST1), status="resolved", resolvedDateTime=graph_time(NOW))
    (moment,) = moments(incident(1, prevented))
    assert moment.incident.alerts[0].status == "resolved"


def test_versions_that_were_kept_are_taken_as_they_were() -> None:
    old = incident(1, alert(), lastUpdateDateTime=graph_time(NOW))
    new = incident(1, alert(), lastUpdateDateTime=graph_time(NOW + timedelta(hours=1)), status="resolved")
    assert [(each.at, each.incident) for each in versions([new, old])] == [
        (NOW, old),
        (NOW + timedelta(hours=1), new),
    ]


def test_one_without_any_time_is_left_out() -> None:
    assert list(moments(incident(1, createdDateTime=None))) == []


# What it says


ROOMY = Assumed(1000, timedelta(hours=24))


def test_a_device_is_isolated_once_though_two_incidents_want_it() -> None:
    second = incident(2, alert(device(HOST1), created=NOW + timedelta(hours=1)))
    found = outcome_of(DEFAULT, rails(), ROOMY, incident(1, alert(device(HOST1))), second)
    assert [(each.claim.incident, each.became) for each in found.events] == [("1", GO), ("2", JOINED)]
    assert found.most_held == {"isolate": 1}


def test_what_a_cap_stops_is_said_to_wait_for_it() -> None:
    past = [incident(number, alert(device(f"{number:040}", name=f"h{number}.contoso.com"))) for number in range(3)]
    found = outcome_of(DEFAULT, rails(per_hour=1), ROOMY, *past)
    assert [(each.became, each.capped) for each in found.events] == [(GO, False), (WAIT, True), (WAIT, True)]
    assert "the cap of 1 isolations per hour" in found.events[1].why


def test_without_a_fleet_no_share_is_capped() -> None:
    past = [incident(number, alert(device(f"{number:040}", name=f"h{number}.contoso.com"))) for number in range(3)]
    how = rails(fleet_share=0.001)
    none, some = Assumed(None, HELD), Assumed(1000, HELD)
    assert {each.became for each in outcome_of(DEFAULT, how, none, *past).events} == {GO}
    assert [each.became for each in outcome_of(DEFAULT, how, some, *past).events] == [GO, WAIT, WAIT]


@pytest.mark.parametrize(("after", "became"), [(timedelta(hours=7), [GO, GO]), (timedelta(hours=5), [GO, JOINED])])
def test_a_device_is_free_after_the_time_that_is_assumed(after: timedelta, became: list[str]) -> None:
    second = incident(2, alert(device(HOST1), created=NOW + after))
    found = outcome_of(DEFAULT, rails(), Assumed(1000, HELD), incident(1, alert(device(HOST1))), second)
    assert [each.became for each in found.events] == became


def test_two_policies_differ_where_they_do() -> None:
    both = alert(device(HOST1)), alert(device(HOST2, name="host2.contoso.com"))
    past = [incident(number, each, displayName="An incident") for number, each in enumerate(both)]
    careful = compiled(
        rule("first", {"device": {"name": "host2*"}}, actions=[{"do": "isolate", "approval": "PT1H"}]),
        rule("rest", {"title": "nothing like it"}, actions=[{"do": "isolate"}]),
    )
    one, other = outcome_of(DEFAULT, rails(), ROOMY, *past), outcome_of(careful, rails(), ROOMY, *past)
    assert {(each.device, each.one, each.other) for each in differences(one, other)} == {
        (HOST1, GO, ""),
        (HOST2, GO, WAIT),
    }
    assert differences(one, one) == []


def test_what_takes_nothing_is_counted() -> None:
    found = outcome_of(DEFAULT, rails(), ROOMY, incident(1, alert(device(HOST1))))
    assert found.besides["collect_package", GO] == 1


def test_rails_only_ever_take_away() -> None:
    """A tighter cap isolates nothing that a wider one does not."""
    past = [incident(number, alert(device(f"{number:040}", name=f"h{number}.contoso.com"))) for number in range(6)]
    counts = [
        sum(each.became == GO for each in outcome_of(DEFAULT, rails(per_hour=most), ROOMY, *past).events)
        for most in range(7)
    ]
    assert counts == sorted(counts)
    assert counts[0] == 0


def test_the_flow_that_it_is_held_against_does_isolate() -> None:
    """Else the property would hold for nothing."""
    flow = Flow(DEFAULT, rails(), ROOMY)
    flow.read(next(moments(incident(1, alert(device(HOST1))))))
    assert [each[5] for each in flow.told] == [GO]
    assert replace(ROOMY, fleet=1) != ROOMY
