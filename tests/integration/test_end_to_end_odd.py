"""Incidents that nobody would make up, or only an attacker: hostile, odd, empty and enormous ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from local.tenant import samples
from local.tenant.evidence import device_evidence
from tests.integration.stage_harness import Json, Play, played

pytestmark = pytest.mark.timeout(240)  # the stage is a part of the first test

NOW = datetime.now(UTC)
HOSTILE, ODD, EMPTY, ENORMOUS = "3101", "3102", "3103", "3104"
DEVICE = {HOSTILE: samples.fleet_id(10), ENORMOUS: samples.fleet_id(11)}
SPOOF = "<!channel> *Urgent* <https://evil.example/x|click> @here & \u202egnp.exe `rm -rf /`"
KINDS = ["started", "contained", "ended"]


def enormous() -> Json:
    """300 alerts, and by far more than a queue message may hold."""
    one = samples.harmful_incident(ENORMOUS, device_id=DEVICE[ENORMOUS])
    alert = one["alerts"][0]
    alerts = [{**alert, "id": f"da-enormous-{number}", "description": "x" * 500} for number in range(300)]
    return {**one, "alerts": alerts}


def odd() -> Json:
    """Nulls, unknown members and kinds, numbers for texts, and a compromised device without an id."""
    nameless = {**device_evidence(None, NOW, roles=["compromised"]), "hostName": "printer9", "deviceDnsName": None}
    evidence = [
        nameless,
        {"@odata.type": 7, "verdict": ["malicious"]},
        {"@odata.type": "#microsoft.graph.security.new"},
    ]
    alert = {"title": None, "severity": "ultra", "status": 3, "description": {"a": 1}, "evidence": evidence}
    return {"id": ODD, "displayName": 12345, "severity": "ultra", "status": "paused", "alerts": [alert], "novel": {}}


def hostile() -> Json:
    incident = samples.harmful_incident(HOSTILE, device_id=DEVICE[HOSTILE])
    alert = incident["alerts"][0]
    for evidence in alert["evidence"]:
        for name in ("deviceDnsName", "hostName"):
            if name in evidence:
                evidence[name] = "<!here>`host`.evil.example/../x"
    return {**incident, "displayName": SPOOF, "alerts": [{**alert, "title": SPOOF, "description": SPOOF}]}


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    with played(tmp_path_factory.mktemp("odd")) as stage:
        empty: Json = {"id": EMPTY, "severity": None, "status": None, "displayName": None, "alerts": []}
        stage.raise_incidents(hostile(), odd(), empty, enormous())
        stage.await_over(HOSTILE, ODD, EMPTY, ENORMOUS)
        yield stage


def test_hostile_text_reaches_chat_inert(play: Play) -> None:
    told = play.told(HOSTILE)
    assert [each.kind for each in told] == KINDS
    for each in told:
        text = json.loads(f"[{each.text}]")[0]
        shown = json.dumps(text, ensure_ascii=False)
        for live in ("<!", "https://evil", "evil.example", "\u202e", "@here", "<https://evil"):
            assert live not in shown, live
        assert "&lt;!channel&gt;" in shown


def test_hostile_text_is_no_name_no_log_line_and_no_markup_in_the_comment(play: Play) -> None:
    names = play.archived(HOSTILE)
    assert len(names) == 3
    assert all(name.isascii() and ".." not in name and "evil.example" not in name for name in names)
    log = play.log()
    assert "evil" not in log
    assert "\u202e" not in log
    [comment] = play.incident(HOSTILE)["comments"]
    assert "https://evil" not in comment["comment"]


@pytest.mark.parametrize("incident", [ODD, EMPTY])
def test_odd_incidents_are_assessed_and_told(play: Play, incident: str) -> None:
    entry = play.ledger.incident(incident)
    assert entry is not None
    assert entry.value.verdict == "may do harm"
    assert "ended" in play.kinds_told(incident)
    assert {each.responder for each in play.ledger.actions(incident)} == {"hunt"}


def test_a_device_without_an_id_is_named_as_not_actionable(play: Play) -> None:
    assert "*Not actionable*: printer9: no usable Defender id" in play.told(ODD)[-1].text


def test_an_enormous_incident_is_handled_like_any_other(play: Play) -> None:
    assert play.isolated(DEVICE[ENORMOUS])
    files = {name.rpartition("/")[2]: data for name, data in play.archived(ENORMOUS).items()}
    assert len(files["incident.json"]) > 64 * 1024
    assert len(json.loads(files["alerts.json"])) == 300
    assert play.kinds_told(ENORMOUS) == KINDS
