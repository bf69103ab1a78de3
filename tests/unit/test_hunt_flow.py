"""Hunts through the whole flow: asked for by the shipped policy, answered by the simulated tenant's engine, read as
findings.
"""

from dataclasses import replace

import pytest

from responders._access import Stored
from responders._flow import Flow
from responders._investigation.gathering import findings_of
from responders._verify import check
from shared.clients.interface import HuntingRows
from shared.errors import BulkheadError, Denied, Rejected, Throttled, TooWide
from shared.models.action import Action, State
from tests.fakes.clients import FakeHunting
from tests.fakes.signing import FakeSigner
from tests.unit.order_stand import HOST, INCIDENT, OTHER, THIRD, Stand


def hunted(*devices: str, signer: FakeSigner | None = None) -> Stand:
    """A harmful incident on devices, hunted."""
    stand = Stand({"RATE_LIMITS": '{"hunting": "900/min"}'})
    stand.ports = replace(stand.ports, hunting=FakeHunting(stand.tenant), signer=signer or stand.ports.signer)
    stand.flow = Flow(stand.ports)
    stand.harm(*devices)
    stand.wait(180)
    return stand


class Unlicensed:
    """`Hunting` of a tenant whose licence has none, as far as anybody can guess what that says."""

    def __init__(self) -> None:
        self.asked = 0

    def run(self, query: str, since: object, until: object) -> HuntingRows:
        del query, since, until
        self.asked += 1
        raise Rejected("402 PaymentRequired", status=402)


class Wide:
    """`Hunting` that finds every question too wide."""

    def run(self, query: str, since: object, until: object) -> HuntingRows:
        del query, since, until
        raise TooWide("the query took too long", status=504)


def hunts(stand: Stand) -> list[Action]:
    return [each for each in stand.ports.ledger.actions(INCIDENT) if each.responder == "hunt"]


def asked(stand: Stand, query: str) -> int:
    """How often a shipped query was asked."""
    names = [each.name for action in hunts(stand) for each in action.artefacts]
    return sum(name.endswith(f"/data/hunting/{query}.jsonl") for name in names)


def test_hunts_end_in_findings() -> None:
    stand = hunted(HOST)
    actions = hunts(stand)
    assert {each.state for each in actions} == {State.SUCCEEDED}, [(each.detail, each.todo) for each in actions]
    names = {each.name.partition("/data/")[2] for action in actions for each in action.artefacts}
    assert {"hunting/processes.jsonl", "hunting/overview.json", "incident/incident.json"} <= names
    snapshot = stand.ports.documents.read(f"{INCIDENT}/{actions[0].version}/incident.json")
    findings = findings_of(stand.ports.evidence, actions, snapshot, lambda: 60.0)
    assert {"powershell.exe", "updater.exe"} <= {each.name for each in findings.processes}
    assert {each.trait for each in findings.elsewhere} >= {"address", "account"}
    assert {each.device for each in findings.elsewhere} & {HOST} == set()
    assert all(each.device for each in findings.elsewhere)


def test_several_devices_ask_once_for_what_is_elsewhere() -> None:
    stand = hunted(HOST, OTHER, THIRD)
    assert {each.state for each in hunts(stand)} == {State.SUCCEEDED}
    assert asked(stand, "processes") == 3
    assert asked(stand, "same-addresses") == 1
    [whole] = [each for each in hunts(stand) if not each.device]
    assert all("/inc-7/tenant/run-" in each.name for each in whole.artefacts)
    (folder,) = {each.name.partition("/data/")[0] for each in whole.artefacts}
    assert check(Stored(stand.ports.evidence, folder)).findings == []


def test_a_hunt_that_was_sealed_is_not_asked_anew_where_its_worker_died_before_the_row() -> None:
    """Other answers would have other names, and lie in a sealed run without being a part of it."""
    stand = hunted(HOST)
    before = hunts(stand)
    sealed = dict(stand.evidence.stored)
    for action in before:
        entry = stand.ports.ledger.open_action(action.key)
        assert entry
        told = {"state": State.FETCHING, "finished_at": None, "fetches": 1, "due": stand.clock.now()}
        lost = {"artefacts": (), "detail": "", "progress": ""}
        stand.ports.ledger.move(entry, action.model_copy(update=told | lost))
    stand.ports = replace(stand.ports, hunting=Wide())
    stand.flow = Flow(stand.ports)
    stand.wait(600)
    assert [(each.state, each.detail) for each in hunts(stand)] == [(each.state, each.detail) for each in before]
    assert [set(each.artefacts) for each in hunts(stand)] == [set(each.artefacts) for each in before]
    assert stand.evidence.stored == sealed


@pytest.mark.parametrize("why", [Denied("Key Vault answered 403", status=403), Throttled("Key Vault answered 429")])
def test_a_hunt_that_lacks_only_its_signature_is_not_asked_anew(why: BulkheadError) -> None:
    refusals = [why]

    def refuse(_call: str) -> None:
        for each in refusals:
            raise each

    stand = hunted(HOST, signer=FakeSigner(before=refuse))
    assert {each.state for each in hunts(stand)} == {State.FETCHING}
    stand.ports = replace(stand.ports, hunting=Wide())
    stand.flow = Flow(stand.ports)
    refusals.clear()
    stand.wait(1200)
    assert {each.state for each in hunts(stand)} == {State.SUCCEEDED}
    assert all(" rows of " in each.detail for each in hunts(stand))
    folders = {each.name.partition("/data/")[0] for action in hunts(stand) for each in action.artefacts}
    assert [check(Stored(stand.ports.evidence, each)).findings for each in folders] == [[]] * len(hunts(stand))


def test_a_tenant_without_hunting_hears_so_once_and_nothing_else_changes() -> None:
    stand, without = Stand(), Unlicensed()
    stand.ports = replace(stand.ports, hunting=without)
    stand.flow = Flow(stand.ports)
    stand.harm(HOST)
    stand.wait(300)
    assert stand.isolated(HOST)
    assert {each.state for each in hunts(stand)} == {State.UNAVAILABLE}
    assert {each.detail.partition(":")[0] for each in hunts(stand)} == {"not licensed"}
    asked = without.asked
    stand.harm(OTHER, incident="8")
    stand.wait(300)
    assert stand.isolated(OTHER)
    assert without.asked == asked
    entry = stand.ports.ledger.incident("8")
    assert entry
    assert entry.value.not_actionable == ("Hunt: not licensed: the tenant's licence does not include it",)
    alarms = [each for each in stand.tenant.chat.messages if "unavailable hunt" in str(each["message"])]
    assert len(alarms) == 1
    assert stand.told().count('{"text": "Response ended') == 2
