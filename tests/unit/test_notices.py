"""What people are told, and when: at most twice before one summary, and nothing as done before it is final."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responders._afterwards import PATIENCE
from responders._notices import (
    CONTAINED,
    EVIDENCE,
    FINAL,
    GRACE,
    STARTED,
    UNSURE,
    Message,
    Telling,
    breather,
    chapter_of,
    compose,
    digest_of,
    due_kind,
)
from responders._rendering import heading
from shared.models.action import Action, Artefact, State
from shared.models.device import Machine
from shared.models.plan import Verdict
from shared.models.progress import IncidentState, Notice
from tests.unit.incidents import HOST1, HOST2, HOST3, NOW, action, state

SETTLED = [each for each in State if each.settled]
UNSETTLED = [each for each in State if not each.settled]
DONE = {State.SUCCEEDED, State.ELSEWHERE}


def contains(each: Action) -> bool:
    return each.responder == "isolate"


def isolation(stands: State, device: str = HOST1, **members: object) -> Action:
    finished = NOW if stands.final else None
    return action(**({"device": device, "state": stands, "finished_at": finished, "attempt": 1} | members))


def collection(stands: State, device: str = HOST1, **members: object) -> Action:
    return isolation(stands, device, **({"responder": "collect_package"} | members))


def hunt(stands: State, device: str = HOST1, **members: object) -> Action:
    return isolation(stands, device, **({"responder": "hunt"} | members))


def told(kind: str, actions: Sequence[Action] = (), chapter: int = 1, since: datetime = NOW) -> Notice:
    return Notice(chapter=chapter, kind=kind, channel="slack", state="sent", since=since, digest=digest_of(actions))


def due(
    actions: Sequence[Action],
    notices: Sequence[Notice] = (),
    now: datetime = NOW,
    of: IncidentState | None = None,
) -> str:
    return due_kind(of or state(), actions, notices, now, contains)[0]


def test_an_end_waits_until_the_one_before_it_is_a_minute_old() -> None:
    ends = [told(FINAL, chapter=1), told(FINAL, chapter=2, since=NOW + timedelta(seconds=20)), told(STARTED, chapter=3)]
    assert breather([], NOW) == []
    assert breather(ends, NOW + timedelta(seconds=30)) == [timedelta(seconds=50)]
    assert breather(ends, NOW + timedelta(seconds=20) + GRACE) == []


# Started


@pytest.mark.parametrize("stands", UNSETTLED)
def test_the_start_is_told_once_while_something_is_under_way(stands: State) -> None:
    assert due([isolation(stands)]) == STARTED
    assert due([isolation(stands)], [told(STARTED)]) == ""


def test_nothing_is_told_before_the_newest_version_was_assessed() -> None:
    assert due([isolation(State.ACCEPTED)], of=state(seen="v2", assessed="v1")) == ""
    assert due([], of=state(seen="v1", assessed="", verdict="")) == ""


def test_a_harmless_incident_is_not_told() -> None:
    assert due([], of=state(verdict=str(Verdict.HARMLESS))) == ""


def test_harm_to_which_nothing_can_be_done_is_told_once() -> None:
    assert due([]) == FINAL
    assert due([], [told(FINAL)]) == ""


# Contained


@pytest.mark.parametrize("stands", sorted(DONE))
def test_one_contained_device_is_told_at_once(stands: State) -> None:
    actions = [isolation(stands), collection(State.ACCEPTED)]
    assert due(actions, [told(STARTED)]) == CONTAINED
    assert due(actions, [told(STARTED), told(CONTAINED)]) == ""


@pytest.mark.parametrize("other", [State.PLANNED, State.SENDING, State.ACCEPTED, State.UNKNOWN])
def test_of_several_devices_the_first_waits_for_the_others_for_a_while(other: State) -> None:
    actions = [isolation(State.SUCCEEDED), isolation(other, HOST2)]
    assert due(actions, [told(STARTED)], NOW + GRACE - timedelta(milliseconds=1)) == ""
    assert due(actions, [told(STARTED)], NOW + GRACE) == CONTAINED


@pytest.mark.parametrize("other", SETTLED)
def test_it_does_not_wait_for_what_will_not_happen_by_itself(other: State) -> None:
    actions = [isolation(State.SUCCEEDED), isolation(other, HOST2), collection(State.ACCEPTED)]
    assert due(actions, [told(STARTED)]) == CONTAINED


@pytest.mark.parametrize("stands", [each for each in State if each not in DONE])
def test_nothing_is_called_contained_before_it_is_final(stands: State) -> None:
    actions = [isolation(stands), collection(State.SUCCEEDED), collection(State.PLANNED, HOST2)]
    assert due(actions, [told(STARTED)], NOW + timedelta(days=3)) == ""


# In doubt


def test_from_the_second_doubt_on_a_person_is_told_once() -> None:
    assert due([isolation(State.UNKNOWN, doubts=1)], [told(STARTED)]) == ""
    assert due([isolation(State.UNKNOWN, doubts=2)], [told(STARTED)]) == UNSURE
    assert due([isolation(State.UNKNOWN, doubts=5)], [told(STARTED), told(UNSURE)]) == ""


# The summary


@pytest.mark.parametrize("second", SETTLED)
@pytest.mark.parametrize("first", SETTLED)
def test_the_summary_comes_once_when_everything_is_settled(first: State, second: State) -> None:
    actions = [isolation(first), collection(second)]
    for before in ([], [told(STARTED)], [told(STARTED), told(CONTAINED)]):
        assert due(actions, before) == FINAL
        assert due(actions, [*before, told(FINAL, actions)]) == ""


@pytest.mark.parametrize("stands", UNSETTLED)
def test_there_is_no_summary_while_anything_goes_on(stands: State) -> None:
    actions = [isolation(State.SUCCEEDED), collection(stands)]
    assert due(actions, [told(STARTED), told(CONTAINED)], NOW + timedelta(days=3)) == ""


# What is away


def away(device: str = HOST2, **members: object) -> Action:
    return isolation(State.ACCEPTED, device, **({"away": True} | members))


def behind(stands: State = State.PLANNED, device: str = HOST2, **members: object) -> Action:
    return collection(stands, device, **members)


@pytest.mark.parametrize("other", SETTLED)
def test_what_all_others_came_to_does_not_wait_for_a_device_that_is_away(other: State) -> None:
    """Nor for what waits behind its isolation."""
    actions = [isolation(other), away(), behind()]
    for before in ([told(STARTED)], [told(STARTED), told(CONTAINED)], [told(STARTED), told(UNSURE)]):
        assert due(actions, before) == FINAL
        assert due(actions, [*before, told(FINAL, actions)]) == ""


def test_what_is_fetched_from_defender_needs_no_device() -> None:
    assert due([isolation(State.SUCCEEDED), away(), behind(State.FETCHING)], [told(STARTED), told(UNSURE)]) == ""


@pytest.mark.parametrize("now_stands", UNSETTLED)
def test_how_long_a_device_stays_away_is_no_news(now_stands: State) -> None:
    """It comes back, its action is sent anew, it goes away again: people hear of the end."""
    summary = [told(STARTED), told(FINAL, [isolation(State.SUCCEEDED), away(), behind()])]
    for answers in (True, False):
        moved = [isolation(State.SUCCEEDED), isolation(now_stands, HOST2, away=not answers), behind()]
        assert due(moved, summary, NOW + timedelta(days=3)) == ""


def test_a_doubt_about_what_was_sent_anew_is_news() -> None:
    summary = [told(STARTED), told(FINAL, [isolation(State.SUCCEEDED), away()])]
    doubt = [isolation(State.SUCCEEDED), isolation(State.UNKNOWN, HOST2, doubts=2, since=NOW + GRACE)]
    assert due(doubt, [*summary, told(STARTED, chapter=2)]) == UNSURE


def test_how_it_ended_on_a_device_that_was_away_is_a_chapter_of_its_own() -> None:
    summary = [told(STARTED), told(FINAL, [isolation(State.SUCCEEDED), away()])]
    ended = [isolation(State.SUCCEEDED), isolation(State.FAILED, HOST2)]
    assert due_kind(state(), ended, summary, NOW, contains) == (FINAL, 2)


def test_what_lapses_meanwhile_is_told_and_not_that_the_device_is_still_away() -> None:
    summary = [told(STARTED), told(FINAL, [isolation(State.WAITING), away()])]
    lapsed = [isolation(State.REFUSED), away()]
    assert due_kind(state(), lapsed, summary, NOW + timedelta(days=1), contains) == (FINAL, 2)
    approved = [isolation(State.ACCEPTED), away()]
    assert due_kind(state(), approved, [*summary, told(STARTED, chapter=2)], NOW, contains) == ("", 2)


@pytest.mark.parametrize("kind", [STARTED, CONTAINED, UNSURE, FINAL])
@pytest.mark.parametrize("stands", [State.WAITING, State.FAILED, State.REFUSED])
def test_every_message_that_tells_of_what_needs_a_person_says_what_to_do(kind: str, stands: State) -> None:
    todo = "look whether it is down; then: bulkhead approve 2972395 host1"
    assert f"What you should do: {todo}" in said(kind, isolation(stands, todo=todo), isolation(State.ACCEPTED, HOST2))


def test_what_is_under_way_again_asks_for_nothing() -> None:
    assert "look at it" not in said(FINAL, isolation(State.SUCCEEDED), away(todo="look at it"))


def test_the_summary_says_that_it_goes_on_where_a_device_is_away() -> None:
    assert "Mind: what needs a device that does not answer still goes on" in said(FINAL, away())
    told = compose(FINAL, state(), [isolation(State.SUCCEEDED), away()], contains)
    assert heading(told).startswith("Response ended, but for devices that do not answer: incident 2972395")
    assert "still goes on" not in said(FINAL, isolation(State.SUCCEEDED))


# What nobody waits for long


@pytest.mark.parametrize("stands", [each for each in UNSETTLED if each is not State.OBSERVED])
def test_the_summary_waits_for_a_hunt_for_a_few_minutes_only(stands: State) -> None:
    actions = [isolation(State.SUCCEEDED), collection(State.SUCCEEDED), hunt(stands)]
    before = [told(STARTED), told(CONTAINED)]
    assert due(actions, before, NOW + PATIENCE - timedelta(milliseconds=1)) == ""
    assert due(actions, before, NOW + PATIENCE) == FINAL
    assert due([*actions, collection(State.ACCEPTED, HOST2)], before, NOW + timedelta(days=3)) == ""


def test_a_hunt_that_is_ordered_later_has_its_few_minutes_too() -> None:
    old = NOW - timedelta(days=1)
    actions = [isolation(State.SUCCEEDED, since=old, created=old), hunt(State.FETCHING)]
    assert due(actions, [told(STARTED), told(CONTAINED)], NOW + PATIENCE - timedelta(milliseconds=1)) == ""


@pytest.mark.parametrize("ended", [State.SUCCEEDED, State.FAILED, State.UNAVAILABLE])
def test_a_hunt_that_ends_after_the_summary_is_no_news(ended: State) -> None:
    others = [isolation(State.SUCCEEDED), collection(State.SUCCEEDED)]
    summary = told(FINAL, [*others, hunt(State.FETCHING)])
    later = NOW + timedelta(hours=1)
    assert due([*others, hunt(ended, finished_at=later)], [told(STARTED), summary], later) == ""
    assert due([*others, hunt(ended), hunt(ended, HOST2)], [told(STARTED), summary], later) == FINAL


def test_a_hunt_that_waits_for_a_person_is_news_once_it_was_approved() -> None:
    summary = told(FINAL, [isolation(State.SUCCEEDED), hunt(State.WAITING)])
    assert due([isolation(State.SUCCEEDED), hunt(State.SUCCEEDED)], [told(STARTED), summary]) == FINAL


def test_the_summary_says_that_hunting_goes_on_and_leaves_its_files_to_the_report() -> None:
    kept = tuple(Artefact(name=f"r/data/hunting/{each}.jsonl", size=1, sha256="ab" * 32) for each in range(12))
    text = said(FINAL, isolation(State.SUCCEEDED), hunt(State.FETCHING, artefacts=kept))
    assert "Hunt, host1 (73e7e2de): is under way" in text
    assert "Report: hunting still goes on" in text
    assert "12 files of answers" in text
    assert ".jsonl" not in text
    assert "goes on" not in said(FINAL, isolation(State.SUCCEEDED), hunt(State.SUCCEEDED))


def test_hunts_come_after_what_was_done_to_devices() -> None:
    hosts = [f"{each:040x}" for each in range(12)]
    text = said(
        FINAL, *(hunt(State.SUCCEEDED, each) for each in hosts), *(isolation(State.SUCCEEDED, each) for each in hosts)
    )
    assert text.count("Isolate, ") == len(hosts)


def test_what_a_person_set_going_again_after_the_summary_is_a_chapter_of_its_own() -> None:
    waiting = [isolation(State.WAITING), collection(State.SUCCEEDED)]
    before = [told(STARTED), told(FINAL, waiting)]
    going = [isolation(State.ACCEPTED), collection(State.SUCCEEDED)]
    assert due_kind(state(), going, before, NOW, contains) == (STARTED, 2)
    done = [isolation(State.SUCCEEDED, finished_at=NOW + GRACE), collection(State.SUCCEEDED)]
    assert due_kind(state(), done, [*before, told(STARTED, chapter=2)], NOW, contains) == (FINAL, 2)
    assert due(done, [*before, told(FINAL, done, 2)]) == ""


def test_a_new_round_after_the_summary_is_a_chapter_of_its_own() -> None:
    first = [isolation(State.SUCCEEDED)]
    both = [*first, isolation(State.PLANNED, HOST2)]
    assert due_kind(state(), both, [told(FINAL, first)], NOW, contains) == (STARTED, 2)


def test_what_was_contained_in_an_earlier_chapter_is_not_told_again() -> None:
    first = [isolation(State.SUCCEEDED)]
    later = [*first, isolation(State.SUCCEEDED, HOST2, finished_at=NOW + GRACE), collection(State.PLANNED, HOST2)]
    before = [told(STARTED), told(FINAL, first, since=NOW), told(STARTED, chapter=2)]
    assert due([*first, isolation(State.PLANNED, HOST2)], before, NOW + timedelta(hours=1)) == ""
    assert due(later, before, NOW + GRACE) == CONTAINED


def test_an_incident_that_became_harmless_tells_what_was_taken_back() -> None:
    actions = [isolation(State.WITHDRAWN, detail="the incident is now held for harmless")]
    assert due(actions, [told(STARTED)], of=state(verdict=str(Verdict.HARMLESS))) == FINAL


def test_what_began_has_an_end_even_where_nothing_but_a_tag_was_done_and_it_turned_out_harmless() -> None:
    harmless, tag = state(verdict=str(Verdict.HARMLESS)), isolation(State.SUCCEEDED, device="", responder="tag")
    assert due([tag], of=harmless) == ""
    assert due([tag], [told(STARTED)], of=harmless) == FINAL
    assert due([tag], [told(STARTED), told(FINAL, [tag])], of=harmless) == ""


def test_a_chapter_ends_with_a_summary_in_however_many_channels() -> None:
    other = told(FINAL).model_copy(update={"channel": "teams", "state": "failed"})
    assert chapter_of([told(STARTED), told(FINAL), other]) == 2
    assert chapter_of([]) == 1


def test_what_began_again_and_ended_as_before_is_told_to_have_ended() -> None:
    """Else the last word would be that it goes on."""
    waits = isolation(State.WAITING)
    before = [told(STARTED), told(FINAL, [waits])]
    assert due([waits], before) == ""
    again = [*before, told(STARTED, [isolation(State.PLANNED)], chapter=2)]
    assert due([waits], again) == FINAL
    assert due([waits], [*again, told(FINAL, [waits], chapter=2)]) == ""


def test_an_end_that_only_one_channel_knows_is_told_to_all() -> None:
    waits, refused = isolation(State.WAITING), isolation(State.REFUSED)
    elsewhere = told(FINAL, [refused]).model_copy(update={"channel": "defender"})
    assert due([refused], [told(FINAL, [refused]), elsewhere]) == ""
    assert due([refused], [told(FINAL, [waits]), elsewhere]) == FINAL
    assert due([refused], [elsewhere, told(FINAL, [waits])]) == FINAL


def test_a_digest_follows_how_the_actions_stand_and_nothing_else() -> None:
    one, other = isolation(State.SUCCEEDED), collection(State.FAILED)
    assert digest_of([one, other]) == digest_of([other, one.model_copy(update={"detail": "x", "since": NOW + GRACE})])
    assert digest_of([one, other]) != digest_of([one, collection(State.SUCCEEDED)])
    assert digest_of([one]) != digest_of([one.model_copy(update={"round": 2})])


# Observing


def test_while_observing_one_summary_says_what_would_have_been_done() -> None:
    watching = state(mode="observe")
    actions = [isolation(State.OBSERVED, attempt=0), isolation(State.WAITING, HOST2, attempt=0)]
    assert due(actions, of=watching) == FINAL
    assert due(actions, [told(FINAL, actions)], of=watching) == ""
    assert due([], [told(FINAL, actions)], of=watching) == ""


# What a message says


def lines_of(message: Message) -> list[str]:
    return [f"{line.label}: {line.text}" for line in message.lines]


def said(kind: str, *actions: Action, of: IncidentState | None = None) -> str:
    return "\n".join(lines_of(compose(kind, of or state(), actions, contains)))


WAY_BACK, HYPER_V, IPTABLES, SCRIPT = "proxy or a full-tunnel VPN", "Hyper-V", "iptables", "force-release script"


@pytest.mark.parametrize(
    ("system", "traps"),
    [
        ("Windows11", {WAY_BACK, HYPER_V, SCRIPT}),
        ("WindowsServer2022", {WAY_BACK, HYPER_V, SCRIPT}),
        ("Ubuntu", {WAY_BACK, IPTABLES}),
        ("RedHatEnterpriseLinux", {WAY_BACK, IPTABLES}),
        ("macOS", {WAY_BACK}),
        ("", {WAY_BACK, HYPER_V, SCRIPT, IPTABLES}),
    ],
)
def test_a_full_isolation_comes_with_what_to_mind_on_that_system(system: str, traps: set[str]) -> None:
    text = said(FINAL, isolation(State.SUCCEEDED, facts=Machine(os_platform=system)))
    assert {each for each in (WAY_BACK, HYPER_V, IPTABLES, SCRIPT) if each in text} == traps


def test_whose_system_nobody_said_may_have_any_trap() -> None:
    text = said(FINAL, isolation(State.SUCCEEDED, facts=None))
    assert all(each in text for each in (WAY_BACK, HYPER_V, IPTABLES, SCRIPT))


def test_the_start_says_what_was_judged_and_why_and_what_is_being_done() -> None:
    text = said(STARTED, isolation(State.ACCEPTED), collection(State.PLANNED))
    assert "Verdict: may do harm" in text
    assert "Why: severity high, 1 of 1 alerts open" in text
    assert "Isolate, host1 (73e7e2de): was accepted by Defender and is under way" in text
    assert "Collect package, host1 (73e7e2de): is next to be sent" in text


def test_the_summary_says_what_was_done_what_failed_what_to_do_and_where_the_evidence_is() -> None:
    kept = (
        Artefact(name="2026/08/inc-1/dev-h/run-1/data/package/investigation-package.zip", size=12345, sha256="ab" * 32),
        Artefact(name="2026/08/inc-1/dev-h/run-1/data/incident/incident.json", size=1, sha256="cd" * 32),
    )
    text = said(
        FINAL,
        isolation(State.SUCCEEDED),
        isolation(State.FAILED, HOST2, detail="error 0x80070005", todo="look whether it is on"),
        collection(State.SUCCEEDED, artefacts=kept),
        of=state(not_actionable=("old-pc: no usable Defender id",)),
    )
    assert "Isolate, host1 (73e7e2de): is done" in text
    assert "Isolate, host1 (1e5bc9d7): failed: error 0x80070005\nWhat you should do: look whether it is on" in text
    assert f"{EVIDENCE}: {kept[0].name} (12,345 bytes, SHA-256 {'ab' * 32})" in text
    assert kept[1].name not in text
    assert "Not actionable: old-pc: no usable Defender id" in text
    assert "To undo: " in text


def test_the_time_to_contain_counts_from_when_the_tenant_showed_the_incident() -> None:
    one = isolation(State.SUCCEEDED, finished_at=NOW + timedelta(seconds=42))
    assert "Time to contain: 42 s since the tenant showed the incident" in said(FINAL, one)
    early = isolation(State.SUCCEEDED, finished_at=NOW - timedelta(seconds=1))
    assert "Time to contain: 0 s" in said(FINAL, early)


def test_how_to_undo_is_a_command_for_every_device() -> None:
    text = said(FINAL, isolation(State.SUCCEEDED), isolation(State.SUCCEEDED, HOST2))
    assert f"To undo: bulkhead release {HOST1}\nTo undo: bulkhead release {HOST2}" in text


@pytest.mark.parametrize("how", [State.SUCCEEDED, State.ELSEWHERE, State.FAILED])
@pytest.mark.parametrize("minutes", [-1, 1])
def test_what_was_released_since_is_not_offered_to_be_undone(how: State, minutes: int) -> None:
    """One that was isolated again after its release is."""
    freed = isolation(how, responder="release", finished_at=NOW + timedelta(minutes=minutes))
    text = said(FINAL, isolation(State.SUCCEEDED), freed)
    assert ("To undo" in text) == (minutes < 0 or how is State.FAILED)
    assert "Time to contain" in text


@pytest.mark.parametrize("stands", [each for each in State if each is not State.SUCCEEDED])
def test_only_our_own_success_is_a_time_to_contain_and_can_be_undone(stands: State) -> None:
    text = said(FINAL, isolation(stands), collection(State.SUCCEEDED))
    assert "Time to contain" not in text
    assert "To undo" not in text


@pytest.mark.parametrize("stands", [each for each in State if each not in DONE and each is not State.FETCHING])
@pytest.mark.parametrize("kind", [STARTED, CONTAINED, UNSURE, FINAL])
def test_an_action_that_is_not_final_is_never_said_to_be_done(kind: str, stands: State) -> None:
    (line,) = [line for line in lines_of(compose(kind, state(), [isolation(stands)], contains)) if "Isolate" in line]
    assert "done" not in line.replace("would be done", "")


def test_however_many_actions_there_are_those_that_need_a_person_are_told() -> None:
    """A message has an end; what somebody has to do is not what is left out."""
    fine = [isolation(State.SUCCEEDED, f"{number:040x}") for number in range(60)]
    text = said(FINAL, *fine, isolation(State.FAILED, HOST2, todo="look whether it is on"))
    assert "What you should do: look whether it is on" in text
    assert "41 more actions" in text


def test_however_many_actions_there_are_what_is_still_under_way_is_told_before_what_is_done() -> None:
    fine = [isolation(State.SUCCEEDED, f"{number:040x}") for number in range(60)]
    assert "was accepted by Defender and is under way" in said(FINAL, *fine, away())


def test_a_message_has_a_title_and_a_link_only_where_there_is_one() -> None:
    assert compose(FINAL, state(title=""), [], contains).title == "(no title)"
    assert compose(FINAL, state(), [], contains).links[0][1].startswith("https://security.microsoft.com/")
    for url in ("", "http://security.microsoft.com", "javascript:alert(1)", "HTTPS//x"):
        assert compose(FINAL, state(url=url), [], contains).links == ()


def test_a_repeat_says_so() -> None:
    assert compose(FINAL, state(), [], contains, repeat=True).repeat
    assert not compose(FINAL, state(), [], contains).repeat


PLANS = st.lists(
    st.builds(
        lambda make, stands, device: make(stands, device, attempt=0),
        st.sampled_from([isolation, collection]),
        st.sampled_from([State.OBSERVED, State.WAITING, State.REFUSED]),
        st.sampled_from([HOST1, HOST2, HOST3]),
    ),
    max_size=6,
)


@given(PLANS, st.sampled_from([STARTED, CONTAINED, FINAL]))
def test_while_observing_nothing_is_said_to_have_been_done(actions: list[Action], kind: str) -> None:
    message = compose(kind, state(mode="observe"), actions, contains)
    text = "\n".join(lines_of(message)).replace("would be done", "")
    assert message.observed
    assert "done" not in text
    assert "Time to contain" not in text
    assert "To undo" not in text
    assert EVIDENCE not in text


def test_what_was_done_before_observing_began_is_not_called_untouched() -> None:
    assert not compose(FINAL, state(mode="observe"), [isolation(State.SUCCEEDED)], contains).observed


# Whatever happens

STEPS = st.lists(
    st.tuples(
        st.integers(0, 3),  # which of four actions moves
        st.sampled_from(list(State)),
        st.sampled_from([0, 5, 61, 3600]),  # seconds until then
    ),
    max_size=15,
)


@given(STEPS)
def test_every_chapter_is_told_in_order_and_ends_when_everything_is_settled(
    steps: list[tuple[int, State, int]],
) -> None:
    """Actions move in any order; people are asked after every step what is due, until nothing is."""
    actions = [isolation(State.PLANNED), collection(State.PLANNED), isolation(State.PLANNED, HOST2)]
    actions.append(collection(State.PLANNED, HOST2))
    now = NOW
    notices: list[Notice] = []
    for which, stands, seconds in steps:
        now += timedelta(seconds=seconds)
        if not actions[which].state.final:
            actions[which] = actions[which].to(stands, now)
        for _ in range(5):
            kind, chapter = due_kind(state(), actions, notices, now, contains)
            if not kind:
                break
            assert (kind, chapter) not in {(each.kind, each.chapter) for each in notices}
            assert chapter == chapter_of(notices)
            if kind == FINAL:
                assert all(each.state.settled for each in actions)
            if kind == CONTAINED:
                assert any(contains(each) and each.state in DONE for each in actions)
            notices.append(told(kind, actions, chapter, now))
        else:
            raise AssertionError("no end of messages")
        finals = [each for each in notices if each.kind == FINAL]
        if all(each.state.settled for each in actions):
            assert finals[-1].digest == digest_of(actions)
    for chapter in {each.chapter for each in notices}:
        kinds = [each.kind for each in notices if each.chapter == chapter]
        assert len(kinds) <= 4
        assert FINAL not in kinds[:-1]


def test_full_detail_adds_names_and_reasons_and_minimal_does_not() -> None:
    """Neither knows accounts or command lines: the product does not keep them with an action."""
    told = action(device_name="ws01.contoso.com", reason="role compromised; severity high")
    for full in (True, False):
        lines = compose("final", state(), [told], lambda _: True, telling=Telling(full=full)).lines
        assert any("ws01.contoso.com: role compromised" in line.text for line in lines) == full
