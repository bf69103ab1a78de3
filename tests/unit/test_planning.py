"""What is planned: rounds that open for a reason, within the rails, and always the same for the same facts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responders._guardrails import Counts
from responders._interface import Responder
from responders._news import Facts, Stock
from responders._planning import ASK, Draft, decide, lost_reason
from responders.collect_package import CollectPackage
from responders.hunt import Hunt
from responders.isolate import Isolate
from shared.config import Caps, Protected, Settings
from shared.models.action import Action, Slot, Spent, State, goal_of
from shared.models.device import Machine
from shared.models.frozen import Params
from shared.models.plan import Affected, Assessment, Verdict, Want
from shared.models.progress import IncidentState
from tests.unit.incidents import HOST1, HOST2, NOW, action, affected, assessment, machine, state

RESPONDERS: tuple[Responder, ...] = (Isolate(), CollectPackage(), Hunt())
LATER = NOW + timedelta(hours=1)
READS = 32
NOTHING_SENT = Counts(incident=0, sent=(), held=0, fleet=1000)


def settings(mode: str = "respond", caps: Caps | None = None, protected: Protected | None = None) -> Settings:
    return Settings.model_validate(
        {
            "DEPLOYMENT": "test",
            "RESPONSE_MODE": mode,
            "ISOLATION_CAPS": caps or Caps(fleet_share=1),
            "PROTECTED": protected or Protected(),
        }
    )


@dataclass(frozen=True)
class World:
    """What the incident meets. `known` answers for devices: None cannot be read, a missing one is unknown."""

    known: Mapping[str, Machine | None] = field(default_factory=lambda: {HOST1: machine(), HOST2: machine(id=HOST2)})
    existing: Sequence[Action] = ()
    slots: Mapping[str, Slot] = field(default_factory=dict)
    counts: Counts = NOTHING_SENT
    now: datetime = NOW

    def facts(self, machines: Mapping[str, Machine | None], unknown: Mapping[str, str]) -> Facts:
        stocks = {"isolate": Stock(self.counts, self.slots)}
        return Facts(self.now, machines, unknown, frozenset(), self.existing, stocks)


def planned(
    world: World, judged: Assessment, of: IncidentState | None = None, how: Settings | None = None
) -> tuple[Draft, list[str]]:
    """The final draft, reading what drafts ask for as the flow does, and every device that was read."""
    machines: dict[str, Machine | None] = {}
    unknown: set[str] = set()
    read: list[str] = []
    while True:
        facts = world.facts(machines, dict.fromkeys(unknown, ""))
        draft = decide(of or state(assessed="", assessed_at=None), judged, facts, RESPONDERS, how or settings())
        if not draft.unread or len(read) >= READS:
            return draft, read
        for device in draft.unread:
            read.append(device)
            if device in world.known:
                machines[device] = world.known[device]
            else:
                unknown.add(device)


def actions(world: World, judged: Assessment, of: IncidentState | None = None) -> list[Action]:
    return list(planned(world, judged, of)[0].plan.actions)


def names(of: Sequence[Action]) -> list[tuple[str, str, int]]:
    return [(each.device, each.responder, each.round) for each in of]


def slot(device: str = HOST1, *, incident: str = "other", held: bool = True) -> Slot:
    return Slot(device=device, owner="somebody", holders=(incident,), held=held, since=NOW)


# The first round


def test_a_concerned_device_is_isolated_and_then_collected_from() -> None:
    found = actions(World(), assessment(affected()))
    assert names(found) == [(HOST1, "isolate", 1), (HOST1, "collect_package", 1)]
    assert [each.state for each in found] == [State.PLANNED, State.PLANNED]
    assert all(each.due == NOW and each.created == NOW for each in found)


def test_an_action_carries_what_the_rails_need_when_it_is_sent() -> None:
    judged = assessment(affected(hints=("Tier0",), newest_alert=LATER), doubt="a doubt", severity=3)
    isolate, collect = actions(World(), judged)
    assert (isolate.severity, isolate.newest_alert, isolate.device_alert) == (3, NOW, LATER)
    assert (isolate.hints, isolate.doubt, isolate.facts) == (("Tier0",), "a doubt", machine())
    assert collect.doubt == ""
    assert isolate.reason == "role compromised; rule test: severity high, 1 of 1 alerts open"


def test_low_severity_is_collected_only() -> None:
    assert names(actions(World(), assessment(affected(), severity=2))) == [(HOST1, "collect_package", 1)]


def test_a_harmless_incident_plans_nothing_and_asks_nothing() -> None:
    draft, read = planned(World(), assessment(affected(), verdict=Verdict.HARMLESS))
    assert (draft.plan.actions, read) == ((), [])


def test_a_device_that_defender_does_not_know_is_reported() -> None:
    draft, _ = planned(World(known={}), assessment(affected()))
    assert draft.plan.actions == ()
    assert "does not know" in draft.plan.assessment.not_actionable[0]


@pytest.mark.parametrize("onboarding", ["CanBeOnboarded", "Unsupported", "InsufficientInfo"])
def test_a_device_whose_details_say_that_it_is_not_onboarded_is_reported(onboarding: str) -> None:
    """Where the incident itself does not say; process and file evidence bears an id and nothing more."""
    world = World(known={HOST1: machine(onboardingStatus=onboarding)})
    draft, read = planned(world, assessment(affected(onboarding=""), severity=2))
    assert read == [HOST1]
    assert draft.plan.actions == ()
    assert "not onboarded" in draft.plan.assessment.not_actionable[0]


@pytest.mark.parametrize("said", ["canbeonboarded", "unsupported", "insufficientinfo", "unknownfuturevalue", "new"])
def test_what_was_not_onboarded_when_the_alert_was_made_and_is_now_is_isolated(said: str) -> None:
    draft, read = planned(World(), assessment(affected(onboarding=said)))
    assert (names(draft.plan.actions), read) == ([(HOST1, "isolate", 1), (HOST1, "collect_package", 1)], [HOST1])
    assert {each.state for each in draft.plan.actions} == {State.PLANNED}
    assert draft.plan.assessment.not_actionable == ()


@pytest.mark.parametrize("details", [None, machine(onboardingStatus="Unsupported")])
def test_what_was_not_onboarded_and_is_not_known_to_be_now_is_reported(details: Machine | None) -> None:
    draft, read = planned(World(known={HOST1: details}), assessment(affected(onboarding="canbeonboarded")))
    assert (draft.plan.actions, read) == ((), [HOST1])
    (reported,) = draft.plan.assessment.not_actionable
    assert "not onboarded to Defender" in reported
    assert ("when the alert was made (canbeonboarded)" in reported) == (details is None)


def test_what_was_not_onboarded_is_asked_about_last_and_takes_no_cap_from_what_was() -> None:
    """An incident may name a thousand things in the network that were merely seen."""
    seen, real = many(1000, onboarding="canbeonboarded"), affected(HOST1)
    world = World(known={each.id: machine(id=each.id) for each in (*seen, real)})
    draft, read = planned(world, assessment(*seen, real), how=settings(caps=Caps(per_incident=1, fleet_share=1)))
    assert read[0] == HOST1
    assert len(read) <= READS + ASK
    isolations = [each for each in draft.plan.actions if each.responder == "isolate"]
    assert [each.device for each in isolations if each.state is State.PLANNED] == [HOST1]
    assert len(draft.plan.assessment.not_actionable) == 1000 - (len(read) - 1)


def test_whose_details_are_read_later_is_planned_whatever_it_was_when_the_alert_was_made() -> None:
    facts = replace(World().facts({}, {}), later=frozenset({HOST1}))
    judged = assessment(affected(onboarding="canbeonboarded"))
    draft = decide(state(assessed="", assessed_at=None), judged, facts, RESPONDERS, settings())
    assert [each.state for each in draft.plan.actions] == [State.PLANNED, State.PLANNED]


def test_a_word_for_onboarding_that_nobody_knows_waits_for_a_person() -> None:
    world = World(known={HOST1: machine(onboardingStatus="Paused")})
    for said in ("onboarded", "", "paused"):
        isolate, collect = actions(world, assessment(affected(onboarding=said)))
        assert (isolate.state, collect.state) == (State.WAITING, State.PLANNED)
        assert "(paused)" in isolate.detail
        assert "bulkhead approve" in isolate.todo


# Rails when planning


def test_a_protected_device_is_refused_and_still_collected_from() -> None:
    draft, _ = planned(World(), assessment(affected()), how=settings(protected=Protected(ids=(HOST1,))))
    assert [each.state for each in draft.plan.actions] == [State.REFUSED, State.PLANNED]
    assert draft.plan.actions[0].todo


@pytest.mark.parametrize(
    "world",
    [
        World(known={HOST1: None}),
        World(known={HOST1: machine(computerDnsName="dc01.contoso.com")}),
        World(counts=Counts(incident=5, sent=(), held=0, fleet=1000)),
        World(counts=Counts(incident=0, sent=(), held=0, fleet=None)),
        World(now=NOW + timedelta(hours=3)),
    ],
)
def test_what_a_rail_holds_back_waits_for_a_person_and_says_why(world: World) -> None:
    isolate, collect = actions(world, assessment(affected()))
    assert isolate.state is State.WAITING
    assert isolate.detail
    assert isolate.todo
    assert isolate.due == isolate.approve_by == world.now + settings().APPROVAL_EXPIRES
    assert collect.state is State.PLANNED


def test_a_device_that_we_hold_already_costs_no_cap() -> None:
    world = World(counts=Counts(incident=5, sent=(), held=1000, fleet=1000), slots={HOST1: slot()})
    assert actions(world, assessment(affected()))[0].state is State.PLANNED


def test_a_cap_counts_what_the_same_plan_lets_pass() -> None:
    devices = [affected(f"{number:040x}") for number in range(8)]
    world = World(known={each.id: machine(id=each.id) for each in devices})
    found = [each for each in actions(world, assessment(*devices)) if each.responder == "isolate"]
    assert [each.state for each in found] == [State.PLANNED] * 5 + [State.WAITING] * 3
    assert all("cap of 5 isolations per incident" in each.detail for each in found[5:])


@pytest.mark.parametrize(
    ("caps", "word"),
    [
        (Caps(per_hour=2, fleet_share=1), "per hour"),
        (Caps(per_day=2, fleet_share=1), "per day"),
        (Caps(fleet_share=0.002), "held at once"),
    ],
)
def test_every_cap_counts_what_the_same_plan_lets_pass(caps: Caps, word: str) -> None:
    devices = [affected(f"{number:040x}") for number in range(4)]
    world = World(known={each.id: machine(id=each.id) for each in devices})
    draft, _ = planned(world, assessment(*devices), how=settings(caps=caps))
    found = [each for each in draft.plan.actions if each.responder == "isolate"]
    assert [each.state for each in found] == [State.PLANNED] * 2 + [State.WAITING] * 2
    assert all(word in each.detail for each in found[2:])


# What is asked of Defender


def many(count: int, **members: object) -> list[Affected]:
    return [affected(f"{number:040x}", **members) for number in range(count)]


def test_only_devices_that_may_be_isolated_are_read() -> None:
    """The rest waits for a person whatever Defender says of it, and every question delays those that do not wait."""
    devices = many(2000)
    world = World(known={each.id: machine(id=each.id) for each in devices})
    draft, read = planned(world, assessment(*devices))
    assert read == [each.id for each in devices[:5]]
    assert sum(each.state is State.WAITING for each in draft.plan.actions) == 1995


def test_a_device_that_is_held_back_makes_room_for_the_next_question() -> None:
    devices = many(8)
    known: dict[str, Machine | None] = {each.id: machine(id=each.id) for each in devices}
    known[devices[0].id] = machine(computerDnsName="dc01.contoso.com")
    draft, read = planned(World(known=known), assessment(*devices))
    assert read == [each.id for each in devices[:6]]
    assert sum(each.state is State.PLANNED and each.responder == "isolate" for each in draft.plan.actions) == 5


def test_a_device_that_we_hold_is_read_though_the_cap_is_reached() -> None:
    world = World(counts=Counts(incident=5, sent=(), held=5, fleet=1000), slots={HOST1: slot()})
    assert planned(world, assessment(affected()))[1] == [HOST1]


def test_collection_alone_asks_nothing_where_the_incident_says_that_the_device_is_onboarded() -> None:
    assert planned(World(), assessment(affected(), severity=2))[1] == []


@pytest.mark.parametrize("severity", [2, 4])
def test_questions_are_bounded_however_many_devices_there_are(severity: int) -> None:
    devices = many(3000, onboarding="")
    world = World(known={each.id: machine(id=each.id) for each in devices})
    draft, read = planned(world, assessment(*devices, severity=severity), how=settings(caps=Caps(per_incident=900)))
    assert len(read) <= READS + ASK
    assert sum(each.state is State.PLANNED and each.responder == "isolate" for each in draft.plan.actions) <= len(read)


# The next round

ENDED = [each for each in State if each.final]
OPEN = [each for each in State if not each.final]


@pytest.mark.parametrize("stands", OPEN)
def test_no_round_opens_while_the_last_is_open(stands: State) -> None:
    """One that waits for a person is open; anything new will be judged with it."""
    world = World(existing=[action(state=stands, severity=3)])
    judged = assessment(affected(newest_alert=LATER), severity=4)
    assert names(actions(world, judged)) == [(HOST1, "collect_package", 1)]


@pytest.mark.parametrize("ended", ENDED)
def test_no_round_opens_without_news(ended: State) -> None:
    """What was taken back before it was ever sent is another matter: see below."""
    rows = [action(state=ended, attempt=1), action(state=ended, responder="collect_package", attempt=1)]
    world = World(existing=rows)
    assert actions(world, assessment(affected())) == []
    assert actions(world, assessment(affected(newest_alert=NOW - timedelta(days=1)), severity=3)) == []
    assert actions(world, assessment(affected(), newest_alert=LATER)) == []


def test_what_was_taken_back_before_it_was_sent_is_planned_again_when_it_is_called_for_again() -> None:
    """A false positive that was set by mistake and taken back must not leave the device to the intruder."""
    world = World(existing=[action(state=State.WITHDRAWN), action(state=State.WITHDRAWN, responder="collect_package")])
    assert names(actions(world, assessment(affected()))) == [(HOST1, "isolate", 2), (HOST1, "collect_package", 2)]


@pytest.mark.parametrize("ended", ENDED)
@pytest.mark.parametrize(("severity", "alert"), [(4, NOW), (3, LATER), (4, LATER)])
def test_severity_up_or_a_newer_alert_on_the_device_opens_the_next_round(
    severity: int, alert: datetime, ended: State
) -> None:
    world = World(existing=[action(state=ended, severity=3, round=1), action(state=ended, severity=3, round=2)])
    judged = assessment(affected(newest_alert=alert), severity=severity)
    assert names(actions(world, judged))[0] == (HOST1, "isolate", 3)


def test_a_round_of_another_device_or_responder_is_another_matter() -> None:
    world = World(existing=[action(device=HOST2), action(responder="collect_package", device=HOST2)])
    assert names(actions(world, assessment(affected()))) == [(HOST1, "isolate", 1), (HOST1, "collect_package", 1)]


def test_a_device_that_we_hold_for_the_incident_needs_no_next_isolation() -> None:
    world = World(existing=[action(state=State.SUCCEEDED)], slots={HOST1: slot(incident="2972395")})
    assert names(actions(world, assessment(affected(newest_alert=LATER)))) == [(HOST1, "collect_package", 1)]


# Observing


def test_what_would_be_done_is_what_would_have_been_done_but_for_the_mode() -> None:
    world = World(counts=Counts(incident=4, sent=(), held=4, fleet=1000))
    judged = assessment(affected(), affected(HOST2))
    observe, respond = (planned(world, judged, how=settings(mode))[0].plan for mode in ("observe", "respond"))
    assert observe.mode == "observe"
    assert observe.model_copy(update={"mode": "respond"}) == respond
    assert {each.state for each in respond.actions} == {State.PLANNED, State.WAITING}


WATCHED = {"observed": (HOST1,), "observed_severity": 3, "observed_alert": NOW}


def test_a_device_that_was_observed_waits_for_something_new() -> None:
    """Else switching to respond would fire a backlog."""
    assert actions(World(), assessment(affected(), severity=3), state(**WATCHED)) == []
    spelt_otherwise = WATCHED | {"observed": (HOST1.upper(),)}
    assert actions(World(), assessment(affected(), severity=3), state(**spelt_otherwise)) == []


@pytest.mark.parametrize(("severity", "alert"), [(4, NOW), (3, LATER)])
def test_something_new_opens_the_first_round_of_an_observed_device(severity: int, alert: datetime) -> None:
    found = actions(World(), assessment(affected(newest_alert=alert), severity=severity), state(**WATCHED))
    assert names(found) == [(HOST1, "isolate", 1), (HOST1, "collect_package", 1)]


def test_a_device_that_was_not_observed_does_not_wait() -> None:
    found = actions(World(), assessment(affected(HOST2), severity=3), state(**WATCHED))
    assert names(found)[0] == (HOST2, "isolate", 1)


# Withdrawal

HARMLESS = str(Verdict.HARMLESS)


@pytest.mark.parametrize(
    ("now", "word"),
    [
        ({"verdict": HARMLESS, "reasons": ("a false positive",)}, "harmless: a false positive"),
        ({"verdict": HARMLESS, "reasons": ()}, "harmless"),
        ({"affected": (HOST2,)}, "no longer concerns"),
        ({"contain": False}, "no longer asks for containment"),
    ],
)
def test_an_action_that_lost_its_reason_is_taken_back(now: dict[str, object], word: str) -> None:
    """While a newer version waits for its assessment, the older one knows nothing of what that may have planned."""
    for assessed, taken_back in (("v1", True), ("v0", False), ("", False)):
        reason = lost_reason(action(), state(seen="v1", assessed=assessed, **now), Isolate())
        assert (word in reason) == bool(reason) == taken_back


def test_an_approved_action_stands_whatever_is_judged_since() -> None:
    for now in ({"verdict": HARMLESS}, {"affected": ()}, {"contain": False}):
        assert lost_reason(action(approved=True), state(**now), Isolate()) == ""


def test_an_action_that_is_still_called_for_stands() -> None:
    assert lost_reason(action(), state(), Isolate()) == ""
    assert lost_reason(action(), state(affected=(HOST1.upper(),)), Isolate()) == "", "the same device, spelt otherwise"
    assert lost_reason(action(responder="collect_package"), state(contain=False), CollectPackage()) == ""


# Whatever the facts are

IDS = [f"{number:040x}" for number in range(6)]
DEVICES = st.lists(
    st.builds(affected, st.sampled_from(IDS), onboarding=st.sampled_from(["onboarded", "", "unsupported", "new"])),
    max_size=6,
    unique_by=lambda each: each.id,
)
MACHINES = st.none() | st.builds(
    machine,
    computerDnsName=st.sampled_from(["host1", "vip.contoso.com", "dc01"]),
    machineTags=st.sampled_from([[], ["crown"]]),
    onboardingStatus=st.sampled_from(["Onboarded", "Onboarded", "Unsupported"]),
)
WORLDS = st.builds(
    World,
    known=st.dictionaries(st.sampled_from(IDS), MACHINES),
    existing=st.lists(
        st.builds(
            action,
            device=st.sampled_from(IDS),
            responder=st.sampled_from(["isolate", "collect_package"]),
            state=st.sampled_from(list(State)),
            round=st.integers(1, 3),
            severity=st.integers(0, 4),
        ),
        max_size=4,
        unique_by=lambda each: each.key,
    ),
    slots=st.lists(
        st.builds(slot, st.sampled_from(IDS), incident=st.sampled_from(["2972395", "other"])), max_size=2
    ).map(lambda found: {each.device: each for each in found}),
    counts=st.builds(
        Counts,
        incident=st.integers(0, 4),
        sent=st.lists(
            st.builds(Spent, id=st.uuids().map(str), at=st.sampled_from([NOW, NOW - timedelta(hours=2)])), max_size=5
        ).map(tuple),
        held=st.integers(0, 6),
        fleet=st.none() | st.integers(1, 60),
    ),
)
CAPS = st.builds(
    Caps,
    per_incident=st.integers(0, 4),
    per_hour=st.integers(0, 5),
    per_day=st.integers(0, 8),
    fleet_share=st.sampled_from([0.0, 0.05, 1.0]),
)
PROTECTED = st.builds(
    Protected,
    ids=st.lists(st.sampled_from(IDS), max_size=2).map(tuple),
    names=st.sampled_from([(), ("VIP",)]),
    tags=st.sampled_from([(), ("Crown",)]),
)


@given(WORLDS, DEVICES, st.integers(0, 4), CAPS, PROTECTED)
def test_a_plan_never_lets_more_pass_than_the_rails_allow(
    world: World, devices: list[Affected], severity: int, caps: Caps, protected: Protected
) -> None:
    """Sendable isolations that need a new slot fit under every cap; none is of a device that is protected, unread,
    unknown, or perhaps a domain controller.
    """
    judged = assessment(*devices, severity=severity)
    draft, read = planned(world, judged, how=settings(caps=caps, protected=protected))
    isolations = [each for each in draft.plan.actions if each.responder == "isolate" and each.state is State.PLANNED]
    fresh = [each for each in isolations if each.device not in world.slots]
    counts = world.counts
    hour = sum(each.at > NOW - timedelta(hours=1) for each in counts.sent)
    if fresh:
        assert counts.incident + len(fresh) <= caps.per_incident
        assert hour + len(fresh) <= caps.per_hour
        assert len(counts.sent) + len(fresh) <= caps.per_day
        assert counts.fleet is not None
        assert counts.held + len(fresh) <= max(1, counts.fleet * caps.fleet_share)
    for each in isolations:
        facts = world.known[each.device]
        assert facts
        assert each.device not in protected.ids
        assert not (protected.names and facts.name.startswith("vip"))
        assert not (protected.tags and "crown" in facts.tags)
        assert facts.name != "dc01"
    assert len(read) == len(set(read))
    assert set(read) <= {each.id for each in devices}


@given(WORLDS, DEVICES, st.integers(0, 4))
def test_what_was_planned_is_not_planned_again(world: World, devices: list[Affected], severity: int) -> None:
    """The same facts give the same plan, row for row; and with its rows written, the next version plans nothing."""
    judged = assessment(*devices, severity=severity)
    first, _ = planned(world, judged)
    assert planned(world, judged)[0] == first
    written = replace(world, existing=[*world.existing, *first.plan.actions])
    assert planned(written, judged, state(seen="v2"))[0].plan.actions == ()


@given(WORLDS, DEVICES, st.integers(0, 4), CAPS)
def test_observing_plans_what_responding_would(
    world: World, devices: list[Affected], severity: int, caps: Caps
) -> None:
    judged = assessment(*devices, severity=severity)
    observe, respond = (planned(world, judged, how=settings(mode, caps))[0].plan for mode in ("observe", "respond"))
    assert observe.model_copy(update={"mode": "respond"}) == respond


@given(
    st.lists(
        st.tuples(st.integers(2, 4), st.integers(0, 3))  # an assessment: severity, hour of the device's newest alert
        | st.sampled_from([each for each in State if each is not State.OBSERVED]),  # what becomes of the open rounds
        max_size=20,
    )
)
def test_rounds_open_one_at_a_time_and_only_for_news(life: list[tuple[int, int] | State]) -> None:
    rows: dict[str, Action] = {}
    for event in life:
        if isinstance(event, State):
            rows = {key: each if each.state.final else each.to(event, NOW) for key, each in rows.items()}
            continue
        severity, hour = event
        alert = NOW + timedelta(hours=hour)
        world = World(existing=list(rows.values()), now=NOW)
        for new in actions(world, assessment(affected(newest_alert=alert), severity=severity)):
            before = [each for each in rows.values() if each.responder == new.responder]
            assert new.key not in rows
            assert new.round == len(before) + 1
            assert all(each.state.final for each in before)
            if before:
                last = before[-1]
                never_sent = last.state is State.WITHDRAWN and not last.attempt
                assert never_sent or severity > last.severity or (last.device_alert and alert > last.device_alert)
            rows[new.key] = new


# Several goals of one responder


def several(*scripts: str) -> Assessment:
    wants = tuple(
        Want(responder="collect_package", rule="r", goal=goal_of(each), params=Params({"script": each}))
        for each in scripts
    )
    return assessment().model_copy(update={"devices": (affected(wants=wants),)})


def test_each_goal_of_a_responder_is_a_round_of_its_own() -> None:
    found = actions(World(), several("a.sh", "b.sh"))
    assert [(each.params["script"], each.round) for each in found] == [("a.sh", 1), ("b.sh", 1)]
    assert len({each.key for each in found}) == 2


def test_a_goal_that_is_under_way_holds_up_no_other() -> None:
    first = actions(World(), several("a.sh"))
    found = actions(World(existing=first), several("a.sh", "b.sh"))
    assert [each.params["script"] for each in found] == ["b.sh"]


# What is asked once for an incident


ABROAD = Want(responder="hunt", rule="test", goal="e15e0000", params=Params({"query": "elsewhere"}))


def abroad(world: World, *devices: Affected, of: IncidentState | None = None, **members: object) -> list[Action]:
    """The actions that are about the incident itself."""
    judged = assessment(*devices, wants=(ABROAD,), **members)
    return [each for each in actions(world, judged, of) if not each.device]


def test_what_is_asked_about_the_incident_is_planned_once_for_a_hundred_devices() -> None:
    devices = [affected(f"{each:040x}") for each in range(100)]
    known = {each.id: machine(id=each.id) for each in devices}
    [hunt] = abroad(World(known), *devices)
    assert (hunt.responder, hunt.params["query"], hunt.round, hunt.state) == ("hunt", "elsewhere", 1, State.PLANNED)


def test_it_is_asked_again_once_it_is_over_and_something_is_new() -> None:
    [first] = abroad(World(), affected())
    assert abroad(World(existing=[first]), affected(), newest_alert=LATER) == []
    over = first.to(State.SUCCEEDED, NOW)
    assert abroad(World(existing=[over]), affected()) == []
    [second] = abroad(World(existing=[over]), affected(), newest_alert=LATER)
    assert (second.round, second.device_alert) == (2, LATER)
    [third] = abroad(World(existing=[over]), affected(), severity=over.severity + 1)
    assert third.round == 2


def test_what_was_observed_is_no_backlog_for_it() -> None:
    seen = state(observed=(HOST1,), observed_severity=4, observed_alert=NOW, assessed="", assessed_at=None)
    assert abroad(World(), affected(), of=seen) == []
    assert abroad(World(), affected(), of=seen, newest_alert=LATER)
