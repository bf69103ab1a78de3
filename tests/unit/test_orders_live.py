"""People have a pinned script run on a device, and files fetched from it: never more than the operator allowed."""

from dataclasses import replace

from responders._flow import Flow
from responders._live import LINUX
from responders._policies import SHIPPED, Policies
from shared.models.action import State, goal_of
from shared.models.asked import Stage
from tests.fakes.clients import LOST, Mishaps
from tests.simulation.live import LIVE_RULE
from tests.unit.order_stand import HOST, Stand

PINNED = {"TOOLS": '{"fix.sh": {"sha256": "' + "a" * 64 + '"}}'}


def test_a_pinned_script_runs_with_its_arguments() -> None:
    stand = Stand(PINNED)
    record = stand.order("run_script", device=HOST, script="fix.sh", args="--all 7")
    assert record.state is Stage.WAITING
    action = stand.action("run_script", incident="orders")
    assert dict(action.params) == {"script": "fix.sh", "args": "--all 7"}
    assert action.goal == goal_of("fix.sh", "--all 7")
    stand.wait(60)
    (made,) = stand.tenant.desk.of(HOST)
    assert [one["command"]["params"] for one in made.commands] == [
        [{"key": "ScriptName", "value": "fix.sh"}, {"key": "Args", "value": "--all 7"}]
    ]
    assert stand.later(record).state.answered


def test_what_is_not_pinned_does_not_run_by_order_and_neither_do_ours() -> None:
    stand = Stand(PINNED)
    for script in ("evil.sh", LINUX):
        record = stand.order("run_script", device=HOST, script=script)
        assert record.state is Stage.REFUSED
        assert f"{script} is not pinned" in record.answer
    stand.wait(60)
    assert stand.made() == []


def test_a_version_that_knows_no_such_responder_says_so() -> None:
    stand = Stand(PINNED)
    older = {name: each for name, each in stand.ports.responders.items() if name != "run_script"}
    stand.ports = replace(stand.ports, responders=older)
    stand.flow = Flow(stand.ports)
    record = stand.order("run_script", device=HOST, script="fix.sh")
    assert record.state is Stage.REFUSED
    assert "this version of the app knows no run_script" in record.answer


def test_the_same_script_with_other_arguments_is_another_goal() -> None:
    stand = Stand(PINNED)
    for args in ("one", "two"):
        assert stand.order("run_script", device=HOST, script="fix.sh", args=args).state is Stage.WAITING
    rounds = [each.round for each in stand.ports.ledger.actions("orders")]
    assert rounds == [1, 1]


def test_files_are_fetched_only_where_a_rule_names_the_devices_group() -> None:
    stand = Stand()
    record = stand.order("get_files", device=HOST, paths=["/etc/hosts"], why="seen")
    assert record.state is Stage.REFUSED
    assert "get_files takes personal data, and no rule of the policy asks for it" in record.answer
    text = SHIPPED.read_text(encoding="utf-8") + LIVE_RULE
    policies = Policies(lambda: text, stand.ports.ledger, stand.ports.documents, stand.clock)
    stand.ports = replace(stand.ports, policies=policies)
    stand.flow = Flow(stand.ports)
    assert stand.order("get_files", device=HOST, paths=["/etc/hosts", "/b"], why="seen").state is Stage.WAITING
    action = stand.action("get_files", incident="orders")
    assert dict(action.params) == {"paths": "/etc/hosts\n/b", "purpose": "seen"}
    assert action.state is State.PLANNED


def test_a_session_that_was_taken_back_is_asked_for_again_though_nobody_heard_that_it_was() -> None:
    """Its device is away; Defender cancels it as we ask, and the answer is lost."""
    stand = Stand({**PINNED, "LIVE_RESPONSE_PATIENCE": "PT10M"}, mishaps=Mishaps.of(devices_cancel=[LOST]))
    presence = stand.tenant.fleet.one(HOST).presence
    presence.set(stand.clock.now(), online=False)
    stand.order("run_script", device=HOST, script="fix.sh", args="x")
    stand.wait(700)
    presence.set(stand.clock.now(), online=True)
    assert stand.action("run_script", incident="orders").state is State.PLANNED
    stand.wait(1200)
    first, again, *_ = stand.made()
    assert (first, again.partition(" ")[0]) == ("LiveResponse Cancelled", "LiveResponse")
