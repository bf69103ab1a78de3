"""Observe touches nothing and says what it would do; switching to respond finds no backlog."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from local.tenant import samples
from local.tenant.evidence import device_evidence
from shared.models.action import State
from tests.integration.stage_harness import Play, played

pytestmark = pytest.mark.timeout(240)  # the stage is a part of the first test

HARMFUL, LOW, HARMLESS, PROTECTED = "7001", "7002", "7003", "7004"
DEVICE = {each: samples.fleet_id(int(each) - 6990) for each in (HARMFUL, LOW, HARMLESS, PROTECTED)}
SETTLING = 6.0


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """Four incidents while observing; then responding; then one more alert on the first."""
    with played(tmp_path_factory.mktemp("observe"), host=False) as stage:
        with stage.host(RESPONSE_MODE="observe"):
            stage.await_watching()
            stage.raise_incidents(
                samples.harmful_incident(HARMFUL, device_id=DEVICE[HARMFUL]),
                samples.low_severity_incident(LOW, device_id=DEVICE[LOW]),
                samples.harmless_incident(HARMLESS, device_id=DEVICE[HARMLESS]),
                samples.protected_incident(PROTECTED, device_id=DEVICE[PROTECTED]),
            )
            stage.await_over(*DEVICE)
            stage.notes["observed"] = stage.control("GET", "log")["value"]
            stage.notes["rows"] = [each.value for each in stage.ledger.open_actions()]
        with stage.host():
            time.sleep(SETTLING)
            stage.notes["switched"] = stage.control("GET", "state")["actions"]
            stage.notes["messages"] = len(stage.control("GET", "messages")["value"])
            evidence = [device_evidence(DEVICE[HARMFUL], datetime.now(UTC), roles=["compromised"])]
            alert = {"title": "And again", "severity": "high", "evidence": evidence}
            stage.change_incident(HARMFUL, {"alerts": [alert]})
            stage.await_over(HARMFUL)
            yield stage


def test_nothing_in_the_tenant_is_written_while_observing(play: Play) -> None:
    writes = [
        each
        for each in play.notes["observed"]
        if each["method"] != "GET" and not each["path"].startswith(("/slack/", "/_tenant/"))
    ]
    assert writes == []
    assert any(each["path"] == "/v1.0/security/incidents" for each in play.notes["observed"])


def test_observing_leaves_no_action_to_be_done(play: Play) -> None:
    assert play.notes["rows"] == []


def test_chat_says_what_would_have_been_done(play: Play) -> None:
    first = play.told(HARMFUL)[0]
    assert first.kind == "observed"
    assert first.text.count("would be done, were ") == 4
    assert "is done" not in first.text
    assert play.kinds_told(LOW) == ["observed"]
    assert "waits for a person: it looks like a domain controller" in play.told(PROTECTED)[0].text


def test_observing_says_each_thing_once(play: Play) -> None:
    assert [each.kind for each in play.told(HARMFUL)].count("observed") == 1


def test_the_harmless_stays_untold(play: Play) -> None:
    assert play.told(HARMLESS) == []


def test_switching_to_respond_fires_no_backlog(play: Play) -> None:
    assert play.notes["switched"] == []
    assert play.notes["messages"] == 3
    for incident in (LOW, PROTECTED):
        assert play.ledger.actions(incident) == []


def test_a_new_alert_after_the_switch_is_acted_on(play: Play) -> None:
    assert len(play.actions(DEVICE[HARMFUL], "Isolate")) == 1
    assert play.isolated(DEVICE[HARMFUL])
    assert play.action(HARMFUL, "isolate").state is State.SUCCEEDED
    assert len(play.archived(HARMFUL)) == 3
    assert play.kinds_told(HARMFUL) == ["observed", "started", "contained", "ended"]
