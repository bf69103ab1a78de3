"""A collection of several sessions that ends between two of them: what was gathered by then is sealed, and says why."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from responders._access import Stored, runs
from responders._archive import WITHOUT_A_WORD, Archive
from responders._calls import FETCHES
from responders._capture import Leg, Progress
from responders._flow import Flow
from responders._governed import GovernedDevices
from responders._housekeeping import Housekeeping
from responders._run import run_folder
from responders._verify import check
from shared.clients.interface import Download
from shared.errors import Transient
from shared.models.action import Action, State
from tests.unit.archived import Served
from tests.unit.live_answers import Answering, leg, printed
from tests.unit.order_stand import HOST, INCIDENT, Stand
from tests.unit.test_sealing_later import Vault

PREFLIGHT = {"bulkhead": 1, "step": "preflight", "os": "linux", "arch": "x86_64", "ram_kib": 10**6}
PREFLIGHT |= {"free_kib": 10**8, "base": "/root", "tools": ""}


def begun(vault: Vault) -> tuple[Stand, Action]:
    """A capture of memory whose first session was archived, and whose second is to be sent."""
    stand = Stand()
    stand.harm(HOST)
    stand.wait(60)
    said = printed(json.dumps(PREFLIGHT))
    served = Served(lambda *_: Download(iter([said]), len(said), 0, "", "d"))
    now = stand.clock.now()
    told = {"incident": INCIDENT, "device": HOST, "version": "", "since": now, "created": now, "due": now}
    row = leg("capture_memory", Progress(leg=Leg.PREFLIGHT).model_dump_json())
    row = row.model_copy(update={**told, "accepted_at": now, "params": {"purpose": "x"}})
    assert stand.ports.ledger.add(row)
    devices = GovernedDevices(Answering(said), stand.ports.governor)
    Archive(replace(stand.ports, devices=devices, downloads=served)).run(now + timedelta(minutes=8))
    stand.ports = replace(stand.ports, signer=vault)
    stand.flow = Flow(stand.ports)
    stands = stand.ports.ledger.action(INCIDENT, row.key)
    assert stands
    assert (stands.state, len(stands.artefacts)) == (State.PLANNED, 1)
    return stand, stands


def ended(stand: Stand, row: Action) -> Action:
    stands = stand.ports.ledger.action(INCIDENT, row.key)
    assert stands
    return stands


def test_what_a_person_cancels_between_two_sessions_is_sealed_with_the_reason() -> None:
    stand, row = begun(Vault())
    stand.later(stand.order("cancel", action=row.id))
    stand.wait(300)
    over = ended(stand, row)
    assert (over.state, over.due, over.detail) == (State.WITHDRAWN, None, "cancelled by order of Ann")
    assert check(Stored(stand.evidence, run_folder(over))).whole
    manifest = json.loads(b"".join(stand.evidence.read(f"{run_folder(over)}/manifest.json")))
    assert [each["reason"] for each in manifest["missing"]] == ["not all was gathered: cancelled by order of Ann"]
    assert [each["path"] for each in manifest["items"]] == ["data/sessions/000-preflight.json"]
    assert all(runs(stand.evidence.names("")).values())


def test_it_is_tried_until_the_key_is_there_and_the_row_stays_open_for_it() -> None:
    vault = Vault()
    stand, row = begun(vault)
    vault.refuses = Transient("Key Vault is away")
    stand.later(stand.order("cancel", action=row.id))
    stand.wait(7200)
    Housekeeping(stand.ports).run(stand.clock.now() + timedelta(minutes=8))
    assert "is not sealed: Key Vault is away" in stand.told()
    assert stand.ports.ledger.open_action(row.key)
    vault.refuses = None
    stand.wait(1200)
    assert check(Stored(stand.evidence, run_folder(row))).whole
    assert ended(stand, row).due is None
    Housekeeping(stand.ports).run(stand.clock.now() + timedelta(minutes=8))
    assert stand.ports.ledger.open_action(row.key) is None


def test_so_is_what_lies_among_more_of_somebody_else_s_than_a_call_can_look_at() -> None:
    """It is tried no more often than a download that takes all the time of a call."""
    stand, row = begun(Vault())
    calls: list[str] = []
    for number in range(200):
        stand.evidence.write_once(f"{run_folder(row)}/data/{number}.txt", [b"x"], metadata={})

    def before(call: str) -> None:
        if call == "evidence.head":
            calls.append(call)
            stand.clock.advance(10)

    stand.evidence.before = before
    stand.later(stand.order("cancel", action=row.id))
    stand.wait(4 * 3600)
    over = ended(stand, row)
    assert (over.state, over.due) == (State.WITHDRAWN, None)
    assert over.detail == "cancelled by order of Ann; what was gathered is not sealed"
    assert len(calls) <= FETCHES * 48 + 6


@pytest.mark.parametrize("fetches", [0, WITHOUT_A_WORD])
def test_what_never_can_be_sealed_is_said(fetches: int) -> None:
    """Somebody else's checkpoint stands there, or every worker ends without a word."""
    stand, row = begun(Vault())
    entry = stand.ports.ledger.open_action(row.key)
    assert entry
    now = stand.clock.now()
    failed = row.to(State.FAILED, now, detail="the device was away", fetches=fetches)
    stand.ports.ledger.move(entry, failed)
    if not fetches:
        stand.evidence.write_once(f"{run_folder(row)}/checkpoint.json", [b"{}"], metadata={})
    stand.wait(300)
    over = ended(stand, row)
    assert (over.state, over.due) == (State.FAILED, None)
    assert over.detail == "the device was away; what was gathered is not sealed"
