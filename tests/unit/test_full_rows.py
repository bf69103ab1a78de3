"""What is known of an action has to fit into its row; where it does not, that ends aloud, and its run is sealed."""

import json
from dataclasses import replace
from datetime import timedelta

from responders._access import Stored
from responders._archive import Archive
from responders._interface import Desk, Gathered, Onward
from responders._run import run_folder
from responders._verify import check
from responders.collect_package import CollectPackage
from shared.models.action import Action, State
from shared.storage.interface import MAX_TEXT_UNITS
from tests.unit.incidents import action
from tests.unit.order_stand import HOST, Stand


class Talks(CollectPackage):
    """Keeps something, and knows ever more."""

    def gather(self, action: Action, desk: Desk) -> Gathered:
        del action
        kept = desk.keep_bytes("data/a.json", b"{}", kind="note", media_type="application/json")
        return Onward(json.dumps({"leg": "cut", "more": "x" * MAX_TEXT_UNITS}), timedelta(0), (kept,))


def test_more_than_a_row_holds_ends_the_action_and_seals_its_run() -> None:
    stand = Stand()
    stand.ports = replace(stand.ports, responders={**stand.ports.responders, "collect_package": Talks()})
    now = stand.clock.now()
    told = {"device": HOST, "state": State.FETCHING, "created": now, "since": now, "due": now, "attempt": 1}
    row = action(responder="collect_package", **told)
    assert stand.ports.ledger.add(row)
    Archive(stand.ports).run(now + timedelta(minutes=8))
    over = stand.ports.ledger.action(row.incident, row.key)
    assert over
    assert (over.state, over.due) == (State.FAILED, None)
    assert over.detail.startswith("what is known of it does not fit into its row any more")
    assert check(Stored(stand.evidence, run_folder(row))).whole
    manifest = json.loads(b"".join(stand.evidence.read(f"{run_folder(row)}/manifest.json")))
    assert [each["reason"] for each in manifest["missing"]] == [over.detail]
