"""What an answer of Defender makes of an action: accepted is not done, and nothing is sent again blindly."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responders._interface import Responder
from responders._refusal import Service
from responders._refusals import TABLE
from responders._settling import (
    ANEW,
    ATTEMPTS,
    AWAY_AFTER,
    BEHIND,
    LOOK_OLD,
    LOOK_YOUNG,
    STUCK,
    TOKEN_ATTEMPTS,
    TOKEN_WAIT,
    TRIES,
    YOUNG,
    accepted,
    anew,
    doubted,
    ended,
    left_behind,
    looked,
    progressed,
    rejected,
)
from responders.collect_package import CollectPackage
from responders.isolate import Isolate
from shared.errors import Busy, Denied, NotFound, Rejected
from shared.models.action import Action, State
from shared.models.device import MachineAction
from tests.unit.incidents import NEW_WORD, NOW, action, graph_time, machine_action

VISIBILITY = timedelta(seconds=120)
LATER = NOW + timedelta(minutes=5)
GONE = TABLE[Service.DEFENDER, "action-gone"]


def under_way(**members: object) -> Action:
    own = {"state": State.ACCEPTED, "machine_action": "Isolate-Pending", "accepted_at": NOW, "attempt": 1}
    return action(**(own | members))


def after(seen: MachineAction, of: Action | None = None, responder: Responder | None = None) -> Action:
    return progressed(of or under_way(), seen, responder or Isolate(), LATER)


# Accepted


def test_what_was_counted_as_over_and_is_over_after_all_is_not_counted_again() -> None:
    """A 404, and then a listing, had contradicted each other; the action is planned anew, through every rail."""
    of = under_way(machine_action="one", ended=("one",), tries=1)
    again = after(machine_action("Isolate", "Failed", id="one"), of)
    assert (again.state, again.machine_action, again.tries) == (State.PLANNED, "", 1)
    assert after(machine_action("Isolate", "Succeeded", id="one"), of).state is State.SUCCEEDED
    theirs = after(machine_action("Isolate", "Cancelled", id="one", cancellationComment="payroll runs on it"), of)
    assert (theirs.state, theirs.cancelled) == (State.FAILED, True)


def test_what_we_cancelled_to_ask_for_it_anew_is_asked_for_whoever_sees_it() -> None:
    """Though its row no longer says that it waited behind somebody else's."""
    seen = machine_action("Isolate", "Cancelled", id="one", cancellationComment=f"{ANEW}. [bulkhead test/x/cancel]")
    again = progressed(under_way(machine_action="one"), seen, Isolate(), LATER, marker="[bulkhead test/x/cancel]")
    assert (again.state, again.machine_action, again.ended) == (State.PLANNED, "", ("one",))


def test_an_accepted_action_is_not_done_and_is_looked_at_soon() -> None:
    taken = accepted(action(state=State.SENDING, doubtful=True, todo="x"), machine_action(id="17"), NOW, foreign=False)
    assert (taken.state, taken.machine_action, taken.foreign) == (State.ACCEPTED, "17", False)
    assert (taken.accepted_at, taken.due, taken.finished_at) == (NOW, NOW + LOOK_YOUNG, None)
    assert (taken.doubtful, taken.todo) == (False, "")


def test_somebody_elses_action_is_followed_by_name() -> None:
    taken = accepted(action(), machine_action(), NOW, foreign=True)
    assert taken.foreign
    assert "analyst@contoso.com" in taken.detail


def test_a_further_try_is_as_young_as_its_own_acceptance() -> None:
    """Else one that follows a try of three days would be taken for vanished within Defender's 404 window."""
    again = ended(under_way(), GONE, NOW + timedelta(days=3))
    taken = accepted(again, machine_action(id="second"), NOW + timedelta(days=3), foreign=False)
    assert taken.accepted_at == NOW + timedelta(days=3)
    assert looked(taken, NOW + timedelta(days=3)).due == NOW + timedelta(days=3) + LOOK_YOUNG


# Going on


@pytest.mark.parametrize("status", ["Pending", "InProgress", NEW_WORD, "", None])
def test_an_action_goes_on_until_its_state_is_final(status: object) -> None:
    """A state that we do not know is not taken for an end."""
    seen = MachineAction.model_validate({"id": "17", "status": status})
    assert after(seen).state is State.ACCEPTED
    assert after(seen).model_copy(update={"due": None, "detail": ""}) == under_way().model_copy(update={"due": None})


def test_a_state_that_nobody_knows_is_said() -> None:
    assert f"'{NEW_WORD.lower()}'" in after(machine_action(status=NEW_WORD)).detail
    assert not after(machine_action(status="InProgress")).detail


@pytest.mark.parametrize("status", ["Pending", "InProgress", NEW_WORD, ""])
def test_what_defender_brings_to_no_end_is_given_up_aloud(status: str) -> None:
    """Defender itself tries for three days; whoever waits for a word that never comes would wait in silence."""
    seen = machine_action(status=status)
    before = progressed(under_way(), seen, Isolate(), NOW + STUCK - timedelta(seconds=1))
    assert before.state is State.ACCEPTED
    over = progressed(before, seen, Isolate(), NOW + STUCK)
    assert (over.state, over.ended) == (State.FAILED, (under_way().machine_action,))
    assert f"it says '{status.lower()}'" in over.detail
    assert "whether it came about after all" in over.todo
    assert f"bulkhead retry {over.id}" in over.todo


def test_a_young_action_is_looked_at_often_and_an_old_one_rarely() -> None:
    waits = []
    for minutes in (0, 29, 30, 60, 60 * 24, 60 * 72):
        now = NOW + timedelta(minutes=minutes)
        due = looked(under_way(), now).due
        assert due
        waits.append(due - now)
    assert waits == [LOOK_YOUNG, LOOK_YOUNG, YOUNG / 10, timedelta(minutes=6), LOOK_OLD, LOOK_OLD]


# Away


def test_a_device_that_does_not_answer_counts_as_away_and_comes_back() -> None:
    pending, running = machine_action(status="Pending"), machine_action(status="InProgress")
    young = progressed(under_way(), pending, Isolate(), NOW + AWAY_AFTER - timedelta(seconds=1))
    assert not young.away
    away = progressed(under_way(), pending, Isolate(), NOW + AWAY_AFTER)
    assert away.away
    assert "does not answer" in away.detail
    back = progressed(away, running, Isolate(), NOW + AWAY_AFTER * 2)
    assert (back.away, back.detail) == (False, "")
    assert progressed(away, machine_action(status="Succeeded"), Isolate(), LATER).state is State.SUCCEEDED


@pytest.mark.parametrize("reissues", [0, 1, 3])
def test_an_action_for_a_device_that_stays_away_is_sent_anew_as_often_as_set_and_then_given_up_aloud(
    reissues: int,
) -> None:
    gone, seen = under_way(), machine_action(status="TimeOut")
    for _ in range(reissues):
        gone = progressed(gone, seen, Isolate(), LATER, reissues)
        assert (gone.state, gone.machine_action, gone.away) == (State.PLANNED, "", False)
        gone = accepted(gone, machine_action(id="next"), LATER, foreign=False)
    gone = progressed(gone, seen, Isolate(), LATER, reissues)
    assert gone.state is State.FAILED
    assert "did not answer" in gone.detail
    assert gone.todo


def test_somebody_elses_action_that_never_reached_the_device_counts_too() -> None:
    """Else several incidents that follow one another's actions would try for weeks."""
    gone = progressed(under_way(foreign=True), machine_action(status="TimeOut"), Isolate(), LATER, 0)
    assert gone.state is State.FAILED


# Done


def test_done_is_a_final_state_of_defender() -> None:
    done = after(machine_action("Isolate", "Succeeded"))
    assert (done.state, done.finished_at, done.due) == (State.SUCCEEDED, LATER, None)


def test_what_somebody_else_did_is_not_called_ours() -> None:
    assert after(machine_action("Isolate", "Succeeded"), under_way(foreign=True)).state is State.ELSEWHERE


@pytest.mark.parametrize("foreign", [False, True])
def test_what_left_something_behind_is_fetched_before_it_is_done(foreign: bool) -> None:
    seen = machine_action("CollectInvestigationPackage", "Succeeded")
    fetching = after(seen, under_way(responder="collect_package", foreign=foreign), CollectPackage())
    assert (fetching.state, fetching.due, fetching.finished_at) == (State.FETCHING, LATER, None)


# Ended badly


def test_what_a_person_cancelled_is_never_tried_again() -> None:
    seen = machine_action("Isolate", "Cancelled", cancellationRequestor="boss@contoso.com")
    over = after(seen)
    assert (over.state, over.cancelled) == (State.FAILED, True)
    assert over.detail == "cancelled by boss@contoso.com in Defender"
    assert over.todo


def test_the_comment_of_whoever_cancelled_is_told() -> None:
    seen = machine_action("Isolate", "Cancelled", cancellationRequestor=None, cancellationComment="needed for payroll")
    assert after(seen).detail == "cancelled by somebody in Defender: needed for payroll"


@pytest.mark.parametrize(
    ("comment", "state", "detail"),
    [
        ("Since nobody wants it. [ours]", State.WITHDRAWN, "cancelled by Bulkhead itself: since nobody wants it"),
        ("[ours]", State.WITHDRAWN, "cancelled by Bulkhead itself"),
        ("Since nobody wants it.", State.FAILED, "cancelled by boss@contoso.com in Defender: Since nobody wants it."),
    ],
)
def test_what_we_had_cancelled_ourselves_did_not_fail(comment: str, state: State, detail: str) -> None:
    seen = machine_action("Isolate", "Cancelled", cancellationRequestor="boss@contoso.com", cancellationComment=comment)
    over = progressed(under_way(), seen, Isolate(), LATER, marker="[ours]")
    assert (over.state, over.cancelled, over.detail) == (state, True, detail)
    assert "bulkhead retry" in over.todo


@pytest.mark.parametrize(("status", "word"), [("Failed", "failed on the device"), ("TimeOut", "did not answer")])
def test_what_failed_is_planned_again_and_its_machine_action_never_adopted_again(status: str, word: str) -> None:
    again = after(machine_action("Isolate", status))
    assert (again.state, again.tries + again.timeouts, again.machine_action) == (State.PLANNED, 1, "")
    assert again.ended == ("Isolate-Pending",)
    assert again.due
    assert again.due > LATER
    assert word in again.detail


@pytest.mark.parametrize(
    ("result", "shown"), [(-2147024891, "0x80070005"), (2147942405, "0x80070005"), (5, "0x00000005")]
)
def test_the_error_of_the_device_is_told_as_people_look_it_up(result: int, shown: str) -> None:
    """An HRESULT: as a signed number, every failure is negative."""
    assert shown in after(machine_action("Isolate", "Failed", errorHResult=result)).detail


def test_what_defender_says_of_a_failure_is_told() -> None:
    seen = machine_action("Isolate", "Failed", errorHResult=-2147024891, troubleshootInfo="Battery is low")
    assert after(seen).detail == "failed on the device (error 0x80070005); Defender says: Battery is low"


@pytest.mark.parametrize("result", ["-2147024891", "2147942405", "0x80070005"])
def test_an_error_may_be_written_as_text(result: str) -> None:
    assert "0x80070005" in after(machine_action("Isolate", "Failed", errorHResult=result)).detail


@pytest.mark.parametrize("result", [0, None, "x", "0", "", "1e9", "0x", "9" * 30])
def test_no_error_is_no_error(result: object) -> None:
    assert "error" not in after(machine_action("Isolate", "Failed", errorHResult=result)).detail


def test_after_three_tries_a_person_is_told_what_to_do() -> None:
    one = under_way()
    for number in range(1, TRIES):
        one = after(machine_action("Isolate", "Failed"), one).model_copy(update={"machine_action": f"m{number}"})
        assert one.state is State.PLANNED
    over = after(machine_action("Isolate", "Failed"), one)
    assert (over.state, over.tries) == (State.FAILED, 3)
    assert over.ended == ("Isolate-Pending", "m1", "m2")
    assert over.todo


def test_somebody_elses_failure_is_no_try_of_ours() -> None:
    again = after(machine_action("Isolate", "Failed"), under_way(foreign=True, tries=2))
    assert (again.state, again.tries, again.foreign) == (State.PLANNED, 2, False)


def test_each_try_waits_longer() -> None:
    dues = [ended(under_way(tries=tries), GONE, NOW).due for tries in range(TRIES - 1)]
    assert dues == sorted(dues, key=str)
    assert len(set(dues)) == len(dues)


# Unknown


def test_a_doubtful_action_is_not_sent_again_before_defender_must_have_shown_it() -> None:
    unsure = doubted(action(state=State.SENDING, attempt=1), "timed out", NOW, VISIBILITY)
    assert (unsure.state, unsure.doubtful, unsure.due) == (State.UNKNOWN, True, NOW + VISIBILITY)
    assert "timed out" in unsure.detail


def test_each_doubt_waits_longer_and_the_last_one_asks_a_person() -> None:
    one, waits = action(state=State.SENDING), []
    while True:
        one = doubted(one, "reset", NOW, VISIBILITY)
        if one.state is not State.UNKNOWN:
            break
        assert one.due
        waits.append(one.due - NOW)
    assert waits == sorted(waits)
    assert min(waits) == VISIBILITY
    assert len(waits) == ATTEMPTS - 1
    assert (one.state, one.due) == (State.FAILED, None)
    assert one.todo


def test_a_long_detail_does_not_grow_the_row() -> None:
    assert len(doubted(action(), "x" * 100_000, NOW, VISIBILITY).detail) <= 400
    assert len(rejected(action(), Rejected("x" * 100_000, status=400), Isolate(), NOW).detail) <= 400
    long = {"cancellationRequestor": "x" * 9999, "cancellationComment": "x" * 9999, "troubleshootInfo": "x" * 9999}
    for status in ("Failed", "TimeOut", "Cancelled"):
        assert len(after(machine_action("Isolate", status, **long)).detail) <= 400


# Refused for good


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (Denied("no", status=403, code="Forbidden"), "app role"),
        (Denied("no", status=403), "app role"),
        (Denied("no", status=403, code="DisabledFeature"), "advanced features"),
        (Denied("no", status=403, code="DisallowedOperation"), "remediation level"),
        (Rejected("no", status=400, code="OsPlatformNotSupported"), "on the device itself"),
        (Rejected("no", status=400, code="ClientVersionNotSupported"), "update the Defender sensor"),
        (NotFound("no", status=404, code="ResourceNotFound"), "newer id"),
        (NotFound("no", status=404), "newer id"),
        (Busy("no", status=400, code="ActiveRequestAlreadyExists"), f"bulkhead retry {action().id}"),
        (Rejected("no", status=400, code=NEW_WORD), f"bulkhead retry {action().id}"),
    ],
)
def test_a_refusal_is_final_and_says_what_to_do(error: Rejected, advice: str) -> None:
    over = rejected(action(state=State.SENDING), error, Isolate(), NOW)
    cannot = {"DisabledFeature", "DisallowedOperation", "OsPlatformNotSupported", "ClientVersionNotSupported"}
    assert over.state is (State.UNAVAILABLE if error.code in cannot else State.FAILED)
    assert over.finished_at == NOW
    assert "no" in over.detail
    assert advice in over.todo


def test_a_missing_role_names_the_roles_that_the_responder_needs() -> None:
    over = rejected(action(), Denied("no", status=403, code="Forbidden", target="43f4cb08"), CollectPackage(), NOW)
    assert "Machine.CollectForensics and Machine.Read.All" in over.todo
    assert "for hours" in over.todo
    assert "(correlation id 43f4cb08)" in over.detail


def test_a_refused_token_is_tried_again_later_and_not_for_ever() -> None:
    """A 401 had no effect, so the action may be sent again, through listing and rails, with another token."""
    refused = Denied("no", status=401, code="Unauthorized")
    waits = []
    for attempt in range(TOKEN_ATTEMPTS):
        again = rejected(action(state=State.SENDING, attempt=attempt), refused, Isolate(), NOW)
        assert again.state is State.PLANNED
        assert again.due
        waits.append(again.due - NOW)
    assert waits[0] == TOKEN_WAIT
    assert waits == sorted(waits)
    over = rejected(action(state=State.SENDING, attempt=TOKEN_ATTEMPTS), refused, Isolate(), NOW)
    assert over.state is State.FAILED
    assert "audience" in over.todo


def test_who_is_to_act_on_a_refusal_hears_of_a_call_that_may_have_worked() -> None:
    over = rejected(action(doubtful=True), Denied("no", status=403, code="Forbidden"), Isolate(), NOW)
    assert over.todo.startswith("look first whether an earlier call worked")


# Whatever Defender answers

SEEN = st.builds(
    lambda status, result, by: machine_action("Isolate", status, errorHResult=result, cancellationRequestor=by),
    st.sampled_from(["Pending", "InProgress", "Succeeded", "Failed", "TimeOut", "Cancelled", NEW_WORD, ""]),
    st.integers(-(2**31), 2**31 - 1),
    st.sampled_from(["", "boss@contoso.com"]),
)


@given(SEEN, st.booleans(), st.integers(0, TRIES - 1), st.sampled_from([Isolate(), CollectPackage()]))
def test_only_success_is_done_and_whatever_goes_on_has_a_time(
    seen: MachineAction, foreign: bool, tries: int, responder: Responder
) -> None:
    found = after(seen, under_way(foreign=foreign, tries=tries), responder)
    done = {State.SUCCEEDED, State.ELSEWHERE, State.FETCHING}
    assert (found.state in done) == (seen.status == "succeeded")
    assert (found.due is None) == found.state.final
    assert (found.finished_at is not None) == found.state.final
    if found.state is State.FAILED:
        assert found.detail
        assert found.todo
    if found.state is State.PLANNED:
        assert not found.foreign
        assert "Isolate-Pending" in found.ended


# Behind somebody else's


@pytest.mark.parametrize("how", ["Failed", "TimeOut", "Cancelled"])
def test_one_that_came_to_wait_behind_a_failure_of_somebody_else_is_asked_for_anew(how: str) -> None:
    """Whether Defender ever lets it go on is nowhere documented, and the device is on the network meanwhile."""
    minute = timedelta(minutes=1)

    def made(status: str, begun: timedelta, over: timedelta) -> MachineAction:
        times = {"creationDateTimeUtc": graph_time(NOW + begun), "lastUpdateDateTimeUtc": graph_time(NOW + over)}
        return machine_action("Isolate", status, **times)

    ours, kinds = made("Pending", minute, minute), ("isolate", "unisolate")
    assert left_behind(under_way(), ours, [ours, made(how, -minute, 2 * minute)], kinds)
    for other in (made(how, -minute, -minute), made(how, 2 * minute, 3 * minute), made("Pending", -minute, minute)):
        assert not left_behind(under_way(), ours, [ours, other], kinds)
    assert not left_behind(under_way(foreign=True), ours, [ours, made(how, -minute, 2 * minute)], kinds)
    taken_back = made("Cancelled", minute, 3 * minute)
    assert not left_behind(under_way(), taken_back, [taken_back], kinds)
    assert left_behind(under_way(detail=BEHIND), taken_back, [taken_back], kinds, ours=True)
    assert not left_behind(under_way(detail=BEHIND), taken_back, [taken_back], kinds)
    asked = anew(under_way(), LATER)
    assert (asked.state, asked.machine_action, asked.ended) == (State.PLANNED, "", ("Isolate-Pending",))
