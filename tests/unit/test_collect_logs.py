"""Logs as a bundle: which steps it asks for, and where it does not act. What really runs on a device is in
`tests/integration/test_live_collections.py`.
"""

import gzip

import pytest

from responders._capture import Leg, Progress, commands
from responders._interface import Clear, Onward, Ours
from responders._live import LINUX
from responders.collect_logs import CollectLogs
from responders.collect_volatile import CollectVolatile
from shared.models.action import State
from shared.models.command import GetFile, RunScript
from shared.models.device import MachineAction
from tests.unit.incidents import action
from tests.unit.live_answers import desk, leg

OWN = "[bulkhead test/abc/"


@pytest.mark.parametrize(("responder", "step"), [(CollectLogs(), "logs"), (CollectVolatile(), "triage")])
def test_it_packs_fetches_and_cleans_up(responder: CollectLogs | CollectVolatile, step: str) -> None:
    packs = Progress(leg=responder.leg)
    assert commands(packs, "0123456789abcdef") == (RunScript(LINUX, f"{step} id=0123456789abcdef expire=172800"),)
    found = packs.to(Leg.FETCH, path="/root/x.tar.gz", folder="/root")
    assert commands(found, "1") == (GetFile("/root/x.tar.gz"),)
    assert commands(found.to(Leg.CLEAN), "1") == (RunScript(LINUX, "clean dir=/root"),)


def test_a_session_of_ours_is_adopted_and_nobody_elses() -> None:
    row = action(responder="collect_logs", state=State.SENDING)
    mine = MachineAction(id="1", kind="liveresponse", comment=f"{OWN}1]")
    others = MachineAction(id="2", kind="liveresponse", status="inprogress", comment="by hand")
    assert CollectLogs().standing(row, [others, mine], OWN, "[bulkhead test/") == Ours(mine)
    assert CollectLogs().standing(row, [others], OWN, "[bulkhead test/") == Clear()


@pytest.mark.parametrize(
    ("received", "name"),
    [
        (gzip.compress(gzip.compress(b"tar", mtime=0), mtime=0), "logs.tar.gz.gz"),
        (gzip.compress(b"tar", mtime=0), "logs.tar.gz"),
        (b"tar", "logs.tar.gz"),
        (gzip.compress(b"", mtime=0), "logs.tar.gz"),
    ],
    ids=["packed", "left-alone", "no-gzip", "empty"],
)
def test_a_bundle_is_named_by_its_bytes_whether_transport_packed_it_or_not(received: bytes, name: str) -> None:
    known = Progress(leg=Leg.FETCH, path="/root/x.tar.gz", folder="/root").model_dump_json()
    at = desk(received)
    found = CollectLogs().gather(leg("collect_logs", known), at)
    assert isinstance(found, Onward)
    assert at.kept[f"data/logs/{name}"] == received
