"""What the world says of an incident's files: which are asked about, how often, and where the answers are shown.

Findings are synthetic (`tests/unit/reports.py`, the simulated tenant).
"""

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from local.tenant import samples
from responders._alarms import troubles
from responders._cases import REPORTS
from responders._flow import Flow
from responders._governed import GovernedReputation
from responders._investigation.opinions import MOST, with_opinions, worth_asking
from responders._reputation import FRESH, SHORTLY, opinions
from shared.clients.interface import FileVerdict
from shared.errors import Denied, Rejected, Throttled, Transient
from shared.models.findings import Collector, FileFact, Findings, Persistence, Process, ProcessKey
from shared.models.incident import Incident
from shared.models.opinion import Opinion
from shared.models.reported import Reported
from tests.unit.incidents import HOST1, NOW, alert, file, incident
from tests.unit.order_stand import Stand

ONE, TWO = "a" * 40, "b" * 40


@dataclass
class World:
    """`Reputation` that says what it is told to, and counts."""

    says: dict[str, object] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def file(self, digest: str) -> FileVerdict | None:
        self.asked[digest] += 1
        said = self.says.get(digest)
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, FileVerdict) else None


def stand_with(world: World) -> Stand:
    stand = Stand()
    stand.ports = replace(stand.ports, reputation=world)
    stand.flow = Flow(stand.ports)
    return stand


# asking


def test_without_a_key_nobody_is_asked() -> None:
    found = opinions(Stand().ports, [ONE])
    assert (found.known, found.wait) == ({}, None)


def test_what_was_said_is_kept_and_not_asked_again_for_two_days() -> None:
    world = World({ONE: FileVerdict(5, 70)})
    stand = stand_with(world)
    for _ in range(3):
        found = opinions(stand.ports, [ONE, TWO])
        assert (found.known[ONE].malicious, found.known[ONE].engines) == (5, 70)
        assert (found.known[TWO].malicious, found.known[TWO].engines) == (None, None)
    assert world.asked == {ONE: 1, TWO: 1}
    stand.clock.advance(FRESH.total_seconds())
    world.says[TWO] = FileVerdict(9, 70)
    assert opinions(stand.ports, [ONE, TWO]).known[TWO].malicious == 9
    assert world.asked == {ONE: 2, TWO: 2}


@pytest.mark.parametrize(
    ("asked_for", "wait"),
    [(None, timedelta(seconds=60)), (15.0, timedelta(seconds=15)), (SHORTLY.total_seconds() + 1, None)],
)
def test_a_quota_that_is_used_up_is_waited_for_where_that_is_short(
    asked_for: float | None, wait: timedelta | None
) -> None:
    world = World({TWO: Throttled("429", asked_for, status=429)})
    found = opinions(stand_with(world).ports, [ONE, TWO, "c" * 40])
    assert (set(found.known), found.wait) == ({ONE}, wait)
    assert world.asked == {ONE: 1, TWO: 1}


def test_the_quota_is_ours_before_it_is_theirs() -> None:
    world = World()
    stand = stand_with(world)
    stand.ports = replace(stand.ports, reputation=GovernedReputation(world, stand.ports.governor))
    found = opinions(stand.ports, [f"{each:040x}" for each in range(9)])
    assert world.asked.total() == len(found.known) == 4
    assert found.wait
    stand.clock.advance(found.wait.total_seconds())
    assert len(opinions(stand.ports, [f"{each:040x}" for each in range(9)]).known) == 8


def test_an_old_answer_is_better_than_none() -> None:
    world = World({ONE: FileVerdict(5, 70)})
    stand = stand_with(world)
    opinions(stand.ports, [ONE])
    stand.clock.advance(FRESH.total_seconds())
    world.says[ONE] = Transient("503", status=503)
    assert opinions(stand.ports, [ONE]).known[ONE].malicious == 5


def test_a_key_that_is_refused_is_told_once_and_again_when_it_is_taken() -> None:
    world = World({ONE: Denied("401", status=401)})
    stand = stand_with(world)
    for _ in range(3):
        assert opinions(stand.ports, [ONE, TWO]).wait is None
    assert troubles(stand.ports) == {"virustotal"}
    assert stand.told().count("check VIRUSTOTAL_API_KEY") == 1
    assert world.asked[TWO] == 0
    world.says[ONE] = FileVerdict(0, 70)
    opinions(stand.ports, [ONE])
    assert troubles(stand.ports) == set()


def test_one_hash_that_is_refused_does_not_keep_others_from_being_asked_about() -> None:
    world = World({ONE: Rejected("400", status=400)})
    assert set(opinions(stand_with(world).ports, [ONE, TWO]).known) == {TWO}


# choosing


def process(sha1: str, **members: object) -> Process:
    return Process(ProcessKey(HOST1, int(sha1[:6], 16), NOW), sha1=sha1, **members)  # type: ignore[arg-type]


NOBODY = Incident.model_validate(incident())


def test_what_alerts_name_comes_first_then_what_is_unsigned_or_rare_then_what_starts_by_itself() -> None:
    told = Incident.model_validate(incident(alert(file(fileDetails={"fileName": "x.exe", "sha1": "D" * 40}))))
    found = Findings(
        processes=(
            process("1" * 40),
            process("2" * 40),
            process("3" * 40),
            process("4" * 40, alerts=("a1",)),
            process("5" * 40, collector=Collector.DEFENDER),
        ),
        files=(
            FileFact(sha1="1" * 40, signed=False),
            FileFact(sha1="2" * 40, prevalence=2),
            FileFact(sha1="3" * 40, prevalence=400, signed=True, trusted=True),
            FileFact(sha1="5" * 40, signed=False),
        ),
        persistence=(Persistence(HOST1, "run key", "x", sha256="6" * 64),),
    )
    assert worth_asking(found, told) == ("d" * 40, "4" * 40, "1" * 40, "2" * 40, "6" * 64)


@pytest.mark.parametrize("signer", ["Microsoft Windows", "microsoft corporation"])
def test_microsofts_own_programs_are_no_question(signer: str) -> None:
    found = Findings(processes=(process(ONE, alerts=("a1",), signer=signer),))
    assert worth_asking(found, NOBODY) == ()


def test_an_incident_asks_about_so_many_files_and_no_more() -> None:
    found = Findings(processes=tuple(process(f"{each:040x}", alerts=("a1",)) for each in range(100)))
    assert len(worth_asking(found, NOBODY)) == MOST


# telling


def test_answers_join_what_is_known_of_a_file() -> None:
    said = {
        ONE: Opinion(digest=ONE, at=NOW, malicious=5, engines=70),
        TWO: Opinion(digest=TWO, at=NOW),
        "e" * 64: Opinion(digest="e" * 64, at=NOW, malicious=0, engines=60),
    }
    found = with_opinions(Findings(files=(FileFact(sha1=ONE.upper(), prevalence=3),)), said)
    assert [(each.sha1.lower(), each.sha256, each.malicious, each.prevalence) for each in found.files] == [
        (ONE, "", 5, 3),
        (TWO, "", None, None),
        ("", "e" * 64, 0, None),
    ]
    assert [(each.kind, each.rows, each.read) for each in found.sources] == [("enrichment", 3, 2)]


def test_the_report_shows_it_and_is_made_again_until_all_is_said() -> None:
    """The simulated tenant's story has a program that alerts name; a second question finds the quota used up."""
    world = World()
    stand = stand_with(world)
    world.says = {digest: FileVerdict(41, 70) for digest in _digests()}
    first = next(iter(world.says))
    world.says[first] = Throttled("429", 30.0, status=429)
    stand.tenant.incidents.put(samples.harmful_incident("7", created=stand.clock.now()))
    stand.flow.watch()
    stand.wait(60)
    entry = stand.ports.ledger.one(Reported, REPORTS, "7")
    assert entry
    assert entry.value.digest == ""
    world.says[first] = FileVerdict(41, 70)
    stand.wait(600)
    entry = stand.ports.ledger.one(Reported, REPORTS, "7")
    assert entry
    assert entry.value.digest
    pages: dict[str, tuple[bytes, str]] = stand.ports.pages.stored  # type: ignore[attr-defined]
    assert b"VirusTotal" in pages["incidents/7/report.html"][0]


def _digests() -> list[str]:
    raw = samples.harmful_incident("7", created=datetime(2026, 1, 5, tzinfo=UTC))
    return list(worth_asking(Findings(), Incident.model_validate(json.loads(json.dumps(raw)))))
