"""The rails hold whatever a responder was asked: they stop, or wait for a person, and what they cannot tell waits."""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responders._guardrails import Counts, Go, Ordered, Ruling, Stop, Wait, rule, rule_caps, sensitive_role
from responders._guardrails import told as words
from responders._news import Stock
from shared.config import Caps, Protected
from shared.models.action import Action, Spent
from shared.models.asked import Released
from shared.models.device import Machine
from tests.unit.incidents import ANY_TEXT, HOST1, NOW, action, machine

MAX_AGE = timedelta(hours=2)
ROOMY = Caps(per_incident=5, per_hour=10, per_day=50, fleet_share=0.05)
NONE_YET = Counts(incident=0, sent=(), held=0, fleet=1000)


def ruled(what: Action, **changes: Any) -> Ruling:  # noqa: ANN401 - the settings of the rails
    settings: dict[str, Any] = {"respond": True, "protected": Protected(), "now": NOW, "max_age": MAX_AGE} | changes
    return rule(what, **settings)


def spent(count: int, at: datetime = NOW) -> tuple[Spent, ...]:
    return tuple(Spent(id=f"{at:%H%M%S}-{number}", at=at) for number in range(count))


def test_an_ordinary_device_of_a_fresh_incident_may_be_isolated() -> None:
    """Else every other test here could pass for nothing."""
    assert ruled(action()) == Go()
    assert rule_caps(NONE_YET, ROOMY, NOW) == Go()


# Protected devices


@pytest.mark.parametrize(
    "protected",
    [
        Protected(ids=(HOST1,)),
        Protected(ids=(f" {HOST1.upper()} ",)),
        Protected(names=("host1.contoso.com",)),
        Protected(names=("HOST1.Contoso.COM",)),
        Protected(names=(" host1.contoso.com. ",)),
        Protected(names=("host1",)),
        Protected(names=("Host1",)),
        Protected(tags=("Crown Jewels",)),
        Protected(tags=(" crown jewels ",)),
        Protected(groups=("the-a-team",)),
        Protected(groups=("other", "THE-A-TEAM ")),
    ],
    ids=str,
)
def test_a_protected_device_is_refused(protected: Protected) -> None:
    """By id, by full name or its first label, by tag or by group; case and blanks at the ends do not matter."""
    facts = machine(machineTags=["Crown Jewels"])
    ruling = ruled(action(facts=facts), protected=protected)
    assert isinstance(ruling, Stop)
    assert ruling.detail
    assert ruling.todo


def test_a_device_is_protected_by_its_id_in_entra_too() -> None:
    """People look it up there as often, and nothing would say that it is of no use here."""
    facts = machine(aadDeviceId="80fe8ff8-2624-418e-9591-41f0491218f9")
    listed = Protected(ids=("80FE8FF8-2624-418e-9591-41f0491218f9",))
    assert isinstance(ruled(action(facts=facts), protected=listed), Stop)


@pytest.mark.parametrize(
    "protected",
    [
        Protected(),
        Protected(ids=(HOST1[:39],), names=("host", "host11", "contoso.com", "host1.fabrikam.com"), tags=("a",)),
        Protected(ids=("",), names=("", " ", "."), tags=("", " "), groups=("", " ")),
        Protected(tags=("The-A-Team",), groups=("Crown Jewels",)),
    ],
    ids=str,
)
def test_what_only_resembles_a_protected_device_is_not_one(protected: Protected) -> None:
    assert ruled(action(facts=machine(machineTags=["Crown Jewels"])), protected=protected) == Go()


@pytest.mark.parametrize("known", ["host1", "HOST1", "host1."])
def test_a_device_known_by_its_first_label_only_is_protected_by_any_full_name_that_begins_so(known: str) -> None:
    """Nobody can tell its domain, and a workgroup's computer has none."""
    named = action(device_name=known, facts=machine(computerDnsName=known))
    assert isinstance(ruled(named, protected=Protected(names=("host1.contoso.com",))), Stop)


def test_either_name_of_a_device_protects_it() -> None:
    """The incident's and Defender's own may differ; a renamed device keeps its protection for a while."""
    listed = Protected(names=("cfo",))
    assert isinstance(ruled(action(device_name="cfo.contoso.com"), protected=listed), Stop)
    assert isinstance(ruled(action(facts=machine(computerDnsName="cfo.contoso.com")), protected=listed), Stop)


def test_protection_by_id_or_name_holds_where_the_device_cannot_be_read() -> None:
    for protected in (Protected(ids=(HOST1,)), Protected(names=("host1",))):
        assert isinstance(ruled(action(facts=None), protected=protected), Stop)


def test_where_the_device_cannot_be_read_the_tags_of_its_evidence_protect_it() -> None:
    unread = action(facts=None, hints=("Crown Jewels",), approved=True)
    assert isinstance(ruled(unread, protected=Protected(tags=("crown jewels",))), Stop)


def test_a_device_whose_name_nobody_told_may_be_the_protected_one() -> None:
    listed = Protected(names=("dc01.contoso.com",))
    nameless = action(facts=None, device_name=HOST1[:8], approved=True)
    assert isinstance(ruled(nameless, protected=listed), Wait)
    assert ruled(nameless, protected=Protected(ids=(HOST1[::-1].upper(), " "))) == Go()
    assert ruled(nameless.model_copy(update={"device_name": "host1"}), protected=listed) == Go()


# Observe, and what does not contain


@pytest.mark.parametrize("approved", [False, True])
@pytest.mark.parametrize("contains", [False, True])
def test_while_observing_nothing_is_sent(contains: bool, approved: bool) -> None:
    assert isinstance(ruled(action(approved=approved), respond=False, contains=contains), Wait)


def test_what_takes_nothing_from_its_user_meets_only_the_kill_switch() -> None:
    worst = action(facts=None, newest_alert=None)
    assert ruled(worst, contains=False, protected=Protected(ids=(HOST1,))) == Go()


# What a person has to weigh


def test_a_device_that_cannot_be_read_waits() -> None:
    ruling = ruled(action(facts=None))
    assert isinstance(ruling, Wait)
    assert "could not be read" in ruling.detail


def test_a_doubt_waits_and_is_told() -> None:
    ruling = ruled(action(doubt="somebody resolved the incident"))
    assert isinstance(ruling, Wait)
    assert ruling.detail == "somebody resolved the incident"


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(0), Go),
        (MAX_AGE, Go),
        (MAX_AGE + timedelta(milliseconds=1), Wait),
        (timedelta(days=365 * 2000), Wait),
        (-timedelta(milliseconds=1), Go),
        (-timedelta(hours=12), Go),
        (-timedelta(days=3650), Go),
    ],
)
def test_an_incident_waits_where_its_newest_alert_is_too_old_and_the_future_is_no_age(
    age: timedelta, expected: type[Ruling]
) -> None:
    """Clocks differ: what was created later than now was created just now."""
    assert isinstance(ruled(action(newest_alert=NOW - age)), expected)


def test_an_incident_of_unknown_age_waits() -> None:
    ruling = ruled(action(newest_alert=None))
    assert isinstance(ruling, Wait)
    assert "unknown age" in ruling.detail


# Devices that many others depend on

CONTROLLERS = [
    "dc",
    "DC01",
    "dc-2",
    "dc_03",
    "pdc",
    "bdc1",
    "rodc-07",
    "nyc-dc01",
    "corp_dc",
    "dc1-nyc",
    "NYCDC01",
    "addc2",
]
HYPERVISORS = ["hv01", "HV", "hv-3", "nyc-hv2", "hyperv", "hyper-v-03", "site-hyperv1", "BERHV07", "hypervisor2"]
ORDINARY = [
    *(
        "abcd01",
        "dcim",
        "dcim-01",
        "hvac1",
        "hvac",
        "hvac-control",
        "wdcx",
        "dcx01",
        "adcb",
        "vdcs-web",
        "dchost",
        "shvr2",
    ),
    *("host1", "LAPTOP-7ADC", "mail-idc4u", "edcom", "hvb", "cd01", "vh01", "dc0001x", "hypervelocity", "dcs-archive"),
]


def named(name: str) -> Action:
    return action(device_name=f"{name}.contoso.com", facts=machine(computerDnsName=f"{name}.contoso.com"))


@pytest.mark.parametrize("name", CONTROLLERS)
def test_what_is_named_like_a_domain_controller_waits(name: str) -> None:
    ruling = ruled(named(name))
    assert isinstance(ruling, Wait)
    assert "domain controller" in ruling.detail


@pytest.mark.parametrize("name", HYPERVISORS)
def test_what_is_named_like_a_hyper_v_host_waits(name: str) -> None:
    ruling = ruled(named(name))
    assert isinstance(ruling, Wait)
    assert "Hyper-V" in ruling.detail


@pytest.mark.parametrize("name", ORDINARY)
def test_what_only_looks_similar_is_not_taken_for_one(name: str) -> None:
    assert ruled(named(name)) == Go()


def test_the_domain_of_a_name_says_nothing() -> None:
    plain = action(device_name="host1.dc01.com", facts=machine(computerDnsName="host1.hyper-v.dc.com"))
    assert ruled(plain) == Go()


def test_a_device_without_a_name_is_not_judged_by_its_id() -> None:
    """It is called by the start of its id, which may end like a domain controller's name."""
    nameless = action(device="73e7edc1" + HOST1[8:], device_name="73e7edc1", facts=machine(computerDnsName=""))
    assert ruled(nameless) == Go()


ROLE_WORDS = [
    *("Domain Controller", "domain controllers", "DomainController", "domain-controller", "is_domain_controller"),
    *("ActiveDirectoryDomainController", "DC", "dcs", "PDC", "DC01", "role:dc", "Tier0_DC", "RODC"),
]
HOST_WORDS = ["Hyper-V", "hyperv", "Hyper-V host", "HyperVHost", "hyper_v", "Hypervisor", "MicrosoftHyperVServer"]


@pytest.mark.parametrize("word", ROLE_WORDS + HOST_WORDS)
@pytest.mark.parametrize("where", ["machineTags", "machineRole", "deviceRoles", "evidence"])
def test_a_tag_or_role_that_says_so_waits(word: str, where: str) -> None:
    """Documented or not: a tag of the device, any member that speaks of roles, or a tag of its evidence."""
    told = action(hints=(word,)) if where == "evidence" else action(facts=machine(**{where: [word]}))
    ruling = ruled(told)
    assert isinstance(ruling, Wait)
    assert ("Hyper-V" if word in HOST_WORDS else "domain controller") in ruling.detail


@pytest.mark.parametrize(
    "word", ["DCIM", "hvac", "AdClick", "Main device", "abcd", "DCSync", "Hyperventilation", "IDC"]
)
def test_a_tag_that_only_looks_similar_is_not_taken_for_one(word: str) -> None:
    assert ruled(action(hints=(word,), facts=machine(machineTags=[word]))) == Go()


@given(ANY_TEXT, ANY_TEXT, st.lists(ANY_TEXT, max_size=3))
def test_any_name_and_any_tag_can_be_looked_at(name: str, other: str, tags: list[str]) -> None:
    assert sensitive_role(action(device_name=name), machine(computerDnsName=other, machineTags=tags)) is not None


# A person's approval

WEIGHED: list[dict[str, Any]] = [
    {"facts": None},
    {"facts": machine(computerDnsName="dc01.contoso.com")},
    {"doubt": "somebody resolved the incident"},
    {"newest_alert": NOW - timedelta(days=1)},
    {"newest_alert": None},
]


@pytest.mark.parametrize("members", WEIGHED, ids=str)
def test_an_approval_passes_every_rail_that_asks_for_a_person(members: dict[str, Any]) -> None:
    assert isinstance(ruled(action(**members)), Wait)
    assert ruled(action(approved=True, **members)) == Go()


@pytest.mark.parametrize("members", [{}, *WEIGHED], ids=str)
def test_an_approval_passes_neither_protection_nor_the_kill_switch(members: dict[str, Any]) -> None:
    approved = action(approved=True, **members)
    assert isinstance(ruled(approved, protected=Protected(ids=(HOST1,))), Stop)
    assert isinstance(ruled(approved, respond=False), Wait)


# What people ordered

HOLD = Ordered(held="by Ann since noon: maintenance")
FREED = Released(device=HOST1, since=NOW, by="Ann", action="action:7:x:release:001")


@pytest.mark.parametrize("approved", [False, True])
@pytest.mark.parametrize("contains", [False, True])
def test_while_held_nothing_is_sent_and_the_words_say_whose_hold_it_is(contains: bool, approved: bool) -> None:
    ruling = ruled(action(approved=approved), people=HOLD, contains=contains)
    assert isinstance(ruling, Wait)
    assert ruling.held
    assert ruling.detail == "everything is held by Ann since noon: maintenance"
    assert "bulkhead resume" in ruling.todo


def test_the_words_say_which_of_both_switches_it_was() -> None:
    ruling = ruled(action(), people=HOLD, respond=False)
    assert isinstance(ruling, Wait)
    assert not ruling.held
    assert "RESPONSE_MODE" in ruling.detail


@pytest.mark.parametrize("respond", [False, True])
def test_what_gives_back_passes_every_rail_where_a_person_orders_it_and_only_then(respond: bool) -> None:
    people = replace(HOLD, gives_back=True, released=FREED)
    freed = action(responder="release", facts=None, newest_alert=None)
    settings = {"respond": respond, "people": people, "contains": False, "protected": Protected(ids=(HOST1,))}
    assert ruled(freed.model_copy(update={"approved": True}), **settings) == Go()
    assert isinstance(ruled(freed, **settings), Wait)


def test_a_device_that_a_person_freed_stays_free_without_news() -> None:
    ruling = ruled(action(), people=Ordered(released=FREED))
    assert isinstance(ruling, Stop)
    assert ruling.detail == "released by order of Ann, and no alert was created since"
    assert f"bulkhead isolate {HOST1}" in ruling.todo
    later = NOW + timedelta(minutes=1)
    assert ruled(action(device_alert=later), people=Ordered(released=FREED)) == Go()
    wanted = action(approved=True, approved_at=later, facts=None)
    assert ruled(wanted, people=Ordered(released=FREED)) == Go()
    assert isinstance(ruled(wanted.model_copy(update={"approved_at": NOW}), people=Ordered(released=FREED)), Stop)


@pytest.mark.parametrize(
    "protected",
    [
        Protected(tags=("Crown",)),
        Protected(groups=("A-Team",)),
        Protected(ids=("80fe8ff8-2624-418e-9591-41f0491218f9",)),
    ],
    ids=str,
)
def test_where_the_details_protect_an_approved_device_that_cannot_be_read_waits(protected: Protected) -> None:
    """Nobody can tell whether it has one; but it may be read yet."""
    ruling = ruled(action(approved=True, facts=None), protected=protected)
    assert isinstance(ruling, Wait)
    assert "whether it is protected" in ruling.detail
    assert ruled(action(approved=True, facts=None), protected=protected, later=True) == Go()
    assert ruled(action(approved=True), protected=protected) == Go()


def test_what_waits_names_the_command_that_lets_it_go_on() -> None:
    for members in WEIGHED:
        ruling = ruled(action(**members))
        assert isinstance(ruling, Wait)
        assert ruling.todo.endswith("bulkhead approve 2972395 host1 --responder isolate")
    capped = rule_caps(replace(NONE_YET, incident=5), ROOMY, NOW)
    assert isinstance(capped, Wait)
    assert words(capped, action())["todo"].endswith("if so: bulkhead approve 2972395 host1 --responder isolate")


def test_of_several_goals_on_a_device_the_command_names_the_one_that_waits() -> None:
    file = action(responder="stop_quarantine", goal="5f1e0c2a", doubt="look at it")
    ruling = ruled(file)
    assert isinstance(ruling, Wait)
    assert ruling.todo.endswith(f"bulkhead approve --action {file.id}")


# Whatever is known of the device


PROTECTIONS = st.builds(
    Protected,
    ids=st.lists(st.sampled_from([HOST1, HOST1.upper(), "other"]), max_size=1).map(tuple),
    names=st.lists(st.sampled_from(["host1", "HOST1.contoso.com", "elsewhere", "cfo"]), max_size=2).map(tuple),
    tags=st.lists(st.sampled_from(["Crown", "x"]), max_size=2).map(tuple),
    groups=st.lists(st.sampled_from(["A-Team", "y"]), max_size=2).map(tuple),
)
FACTS = st.none() | st.builds(
    lambda name, tags, group, role: machine(computerDnsName=name, machineTags=tags, rbacGroupName=group, role=role),
    st.sampled_from(["host1.contoso.com", "cfo", "dc01", "", "other.contoso.com"]),
    st.lists(st.sampled_from(["crown", "dc", "blue"]), max_size=2),
    st.sampled_from(["a-team", "b-team", ""]),
    st.sampled_from(["", "DomainController"]),
)
ACTIONS = st.builds(
    lambda facts, name, approved, doubt, alert: action(
        facts=facts, device_name=name, approved=approved, doubt=doubt, newest_alert=alert
    ),
    FACTS,
    st.sampled_from(["host1.contoso.com", "cfo.contoso.com", "dc01"]),
    st.booleans(),
    st.sampled_from(["", "", "a doubt"]),
    st.sampled_from([None, NOW, NOW - timedelta(hours=3), NOW + timedelta(hours=3)]),
)


@given(ACTIONS, PROTECTIONS, st.booleans())
def test_what_may_be_sent_is_neither_protected_nor_unweighed(what: Action, protected: Protected, respond: bool) -> None:
    """The rails once more in one line each: a Go has all of them behind it."""
    ruling = ruled(what, protected=protected, respond=respond)
    if not isinstance(ruling, Go):
        assert ruling.detail
        assert ruling.todo
        return
    facts: Machine | None = what.facts
    called = {part for name in (what.device_name, facts.name if facts else "") for part in (name, name.split(".")[0])}
    assert respond
    assert HOST1 not in {each.lower() for each in protected.ids}
    assert not {each.lower() for each in called} & {each.lower() for each in protected.names}
    assert not (facts and set(facts.tags) & {each.lower() for each in protected.tags})
    assert not (facts and facts.group in {each.lower() for each in protected.groups})
    assert facts or not (protected.tags or protected.groups)
    if not what.approved:
        assert facts
        assert not {"dc01"} & called
        assert not set(facts.hints) & {"dc", "DomainController"}
        assert not what.doubt
        assert what.newest_alert
        assert NOW - what.newest_alert <= MAX_AGE


# Caps


@pytest.mark.parametrize(
    ("counts", "word"),
    [
        (replace(NONE_YET, incident=5), "per incident"),
        (replace(NONE_YET, sent=spent(10)), "per hour"),
        (replace(NONE_YET, sent=spent(50, NOW - timedelta(hours=5))), "per day"),
        (replace(NONE_YET, held=50), "held at once"),
        (replace(NONE_YET, fleet=None), "not known"),
    ],
)
def test_a_cap_that_is_reached_waits_and_says_which(counts: Counts, word: str) -> None:
    ruling = rule_caps(counts, ROOMY, NOW)
    assert isinstance(ruling, Wait)
    assert word in ruling.detail


@pytest.mark.parametrize(
    "counts",
    [
        replace(NONE_YET, incident=4),
        replace(NONE_YET, sent=spent(9)),
        replace(NONE_YET, sent=spent(49, NOW - timedelta(hours=5))),
        replace(NONE_YET, sent=spent(10, NOW - timedelta(hours=1))),
        replace(NONE_YET, sent=spent(50, NOW - timedelta(days=1))),
        replace(NONE_YET, held=49),
    ],
)
def test_one_below_a_cap_or_just_outside_its_window_goes(counts: Counts) -> None:
    assert rule_caps(counts, ROOMY, NOW) == Go()


@pytest.mark.parametrize("fleet", [1, 5, 19, 20, 39])
def test_the_share_of_a_small_fleet_allows_one_and_not_two(fleet: int) -> None:
    assert rule_caps(replace(NONE_YET, fleet=fleet), ROOMY, NOW) == Go()
    assert isinstance(rule_caps(replace(NONE_YET, fleet=fleet, held=1), ROOMY, NOW), Wait)


@pytest.mark.parametrize(
    "caps", [Caps(per_incident=0), Caps(per_hour=0), Caps(per_day=0), Caps(fleet_share=0)], ids=str
)
def test_a_cap_of_nothing_lets_nothing_pass(caps: Caps) -> None:
    assert isinstance(rule_caps(NONE_YET, caps, NOW), Wait)


def test_an_isolation_dated_in_the_future_counts() -> None:
    ahead = spent(10, NOW + timedelta(minutes=5))
    assert isinstance(rule_caps(replace(NONE_YET, sent=ahead), ROOMY, NOW), Wait)


@pytest.mark.parametrize(("device", "limit", "goes"), [(HOST1, 2, True), (HOST1, 1, False), ("b2", 2, False)])
def test_a_further_file_of_a_device_has_its_place_where_the_caps_still_have_room_for_the_device(
    device: str, limit: int, *, goes: bool
) -> None:
    """Two devices count; a file more of one of them is no third, but is one of two."""
    file = action(responder="stop_quarantine", goal="one")
    stock = Stock(NONE_YET)
    for each in (file, file.model_copy(update={"device": "a1"})):
        stock = stock.with_one_more(each, NOW)
    further = file.model_copy(update={"goal": "other", "device": device})
    for caps in (Caps(per_incident=limit), Caps(per_hour=limit), Caps(per_day=limit)):
        assert isinstance(stock.capped(further, caps.model_copy(update={"fleet_share": 1}), NOW), Go) is goes


CAPS = st.builds(
    Caps,
    per_incident=st.integers(0, 4),
    per_hour=st.integers(0, 6),
    per_day=st.integers(0, 12),
    fleet_share=st.sampled_from([0.0, 0.01, 0.05, 0.5, 1.0]),
)


@given(CAPS, st.integers(1, 60), st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5000), st.booleans())))
def test_no_order_of_events_passes_a_cap(caps: Caps, fleet: int, events: list[tuple[str, int, bool]]) -> None:
    """Incidents ask in any order and at any time, and some devices are given back: what was let through never exceeds
    the cap of its incident, of any hour, of any day, or the share of the fleet.
    """
    now, ids = NOW, itertools.count()
    sent: list[Spent] = []
    by_incident = dict.fromkeys("abc", 0)
    held = 0
    for who, seconds, released in events:
        now += timedelta(seconds=seconds)
        held = max(0, held - released)
        counts = Counts(
            by_incident[who], tuple(each for each in sent if each.at > now - timedelta(days=1)), held, fleet
        )
        if isinstance(rule_caps(counts, caps, now), Go):
            sent.append(Spent(id=str(next(ids)), at=now))
            by_incident[who] += 1
            held += 1
        assert held <= max(1, fleet * caps.fleet_share)
    assert all(count <= caps.per_incident for count in by_incident.values())
    for window, limit in ((timedelta(hours=1), caps.per_hour), (timedelta(days=1), caps.per_day)):
        for first in sent:
            assert sum(first.at <= each.at < first.at + window for each in sent) <= limit
