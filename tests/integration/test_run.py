"""`make run`: that it ends well, says where the evidence lies, and takes what people bring; and what it refuses."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from local.run.incidents import replayed
from local.tenant import package, samples
from local.tenant.clock import system_clock
from tests.integration.stage_harness import moment

REPOSITORY = Path(__file__).parents[2]
FACTS = REPOSITORY.parent / "shared" / "facts" / "defender-api.md"
SAMPLE_ID = "2972395"
SAMPLE_DEVICE = "73e7e2de709dff64ef64b1d0c30e67fab63279db"

pytestmark = pytest.mark.timeout(240)


@dataclass(frozen=True)
class Ended:
    """A run that is over: its status, what it printed, and the folder that it left."""

    status: int
    output: str
    errors: str

    @property
    def folder(self) -> Path:
        found = re.search(r"logs in (\S+)/", self.output)
        assert found, self.output
        return REPOSITORY / found[1]


def run(**environment: str) -> Ended:
    """`python -m local.run`, as `make run` calls it."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"INCIDENTS", "PACKAGE"}}
    ended = subprocess.run(
        [sys.executable, "-m", "local.run"],
        cwd=REPOSITORY,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def published_sample() -> object:
    """Microsoft's sample from our facts; where those are not at hand, a synthetic equal of what matters in it."""
    if FACTS.is_file():
        section = FACTS.read_text(encoding="utf-8").partition("### 2.7 ")[2]
        found = re.search(r"```json\n(.*?)\n```", section, re.DOTALL)
        assert found, "section 2.7 has no JSON"
        return json.loads(found[1])
    synthetic = samples.harmful_incident(SAMPLE_ID, device_id=SAMPLE_DEVICE)
    alert = synthetic["alerts"][0]
    named = {"deviceDnsName": "host1.contoso.com", "hostName": "host1"}
    evidence = [each | named if "deviceDnsName" in each else each for each in alert["evidence"]]
    return {"value": [{**synthetic, "alerts": [{**alert, "evidence": evidence}]}]}


@pytest.fixture(scope="module")
def plain() -> Iterator[Ended]:
    ended = run()
    yield ended
    shutil.rmtree(ended.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def brought(plain: Ended, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ended, str]]:
    """A second run, after the first, with somebody's own incidents and package; and the package's SHA-256."""
    assert plain.status == 0
    folder = tmp_path_factory.mktemp("brought")
    folder.joinpath("sample.json").write_text(json.dumps(published_sample()), encoding="utf-8")
    archive = tmp_path_factory.mktemp("package") / "real.zip"
    archive.write_bytes(package.build("real-device", "real-action", system_clock()))
    ended = run(INCIDENTS=str(folder), PACKAGE=str(archive))
    yield ended, hashlib.sha256(archive.read_bytes()).hexdigest()
    shutil.rmtree(ended.folder, ignore_errors=True)


def test_it_ends_well(plain: Ended) -> None:
    assert plain.status == 0, plain.output + plain.errors
    assert "Everything ended as it should." in plain.output
    assert "the tenant complains" not in plain.output


def test_it_shows_what_happens_and_what_is_refused(plain: Ended) -> None:
    for line in (
        "4 incidents raised in the tenant: 1001, 1002, 1003, 1004",
        "Response started: incident 1001",
        "Contained: incident 1001",
        "Response ended: incident 1001",
        "was refused (the device is protected (by tag Payroll))",
        "1002: nothing; very likely harmless",
        "capture_memory linux1 (cdca7535) is done (a full image by avml: 20 MiB in 2 parts)",
    ):
        assert line in plain.output
    assert "incident 1002, severity" not in plain.output


def test_it_says_how_long_containment_took(plain: Ended) -> None:
    found = re.search(r"1001: host1 \(\w{8}\) contained after (\d+\.\d) s", plain.output)
    assert found
    assert 0 < float(found[1]) < 60


def test_the_evidence_lies_where_it_says_with_the_hashes_it_says(plain: Ended) -> None:
    told = re.findall(
        r"^  (\S+)\n +[\d,]+ bytes, SHA-256 ([0-9a-f]{64}) \(read back, same hash\)", plain.output, re.MULTILINE
    )
    assert sum(name.endswith("investigation-package.zip") for name, _ in told) == 3
    assert sum(name.endswith("memory.lime.gz") for name, _ in told) == 1
    folder = plain.folder / "evidence"
    for name, digest in told:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    command = re.search(r"To look at it: (.+)", plain.output)
    assert command
    shown = subprocess.run(command[1], shell=True, cwd=REPOSITORY, capture_output=True, text=True, check=False)  # noqa: S602 - what it tells people to type
    assert shown.returncode == 0
    assert shown.stdout.count(": OK") == len(told)


def test_a_second_run_works_on_somebodys_own_incidents(brought: tuple[Ended, str]) -> None:
    ended, _ = brought
    assert ended.status == 0, ended.output + ended.errors
    assert f"1 incidents raised in the tenant: {SAMPLE_ID}" in ended.output
    assert f"{SAMPLE_ID}: isolate host1 ({SAMPLE_DEVICE[:8]}) is done" in ended.output


def test_the_newest_alert_of_a_replayed_incident_is_from_now(brought: tuple[Ended, str]) -> None:
    ended, _ = brought
    snapshots = [json.loads(each.read_bytes()) for each in (ended.folder / "evidence").rglob("incident.json")]
    assert snapshots
    for incident in snapshots:
        newest = max(moment(alert["createdDateTime"]) for alert in incident["alerts"])
        assert timedelta(0) <= system_clock() - newest < timedelta(minutes=5)


def test_somebodys_own_package_is_archived_byte_for_byte(brought: tuple[Ended, str]) -> None:
    ended, digest = brought
    [archived] = (ended.folder / "evidence").rglob("investigation-package.zip")
    assert hashlib.sha256(archived.read_bytes()).hexdigest() == digest
    assert digest in ended.output


REFUSED = {
    "no such folder": (None, "there is no such folder"),
    "an empty folder": ({}, "no *.json with incidents"),
    "not JSON": ({"one.json": "{"}, "one.json: not JSON"),
    "not text": ({"one.json": "\ud800"}, "one.json: not JSON"),
    "JSON of something else": ({"one.json": "[1, 2]"}, "one.json: neither an incident, nor a list of incidents"),
    "a value that is no list": ({"one.json": '{"value": 7}'}, "one.json: neither an incident"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_incidents_that_cannot_be_replayed_are_refused_at_once(name: str, tmp_path: Path) -> None:
    files, said = REFUSED[name]
    folder = tmp_path / "incidents"
    if files is not None:
        folder.mkdir()
        for file, content in files.items():
            folder.joinpath(file).write_text(content, encoding="utf-8", errors="surrogatepass")
    ended = run(INCIDENTS=str(folder))
    assert ended.status == 2
    assert said in ended.errors
    assert "Traceback" not in ended.errors


def test_an_export_with_nulls_and_odd_members_can_be_replayed(tmp_path: Path) -> None:
    """Only the reading of it: what the flow makes of such incidents is shown elsewhere."""
    device = {"@odata.type": 5, "mdeDeviceId": "0" * 40, "deviceDnsName": 7, "tags": 3}
    odd = [{"alerts": None}, {"alerts": [None, {"evidence": None}, {"evidence": [None, device]}]}, {"alerts": "none"}]
    tmp_path.joinpath("odd.json").write_text(json.dumps(odd), encoding="utf-8")
    scene = replayed(tmp_path)
    assert len(scene.incidents) == 3
    assert scene.machines[0] == {"id": "0" * 40, "computerDnsName": "device-00000000", "machineTags": []}


def test_a_package_that_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    ended = run(PACKAGE=str(tmp_path / "none.zip"))
    assert ended.status == 2
    assert "none.zip: there is no such file" in ended.errors


def test_wrong_settings_are_refused_with_every_problem_named(tmp_path: Path) -> None:
    wrong = {
        "RESPONSE_MODE": "yes",
        "ISOLATION_CAPS": "{",
        "PROTECTED": '{"tag": []}',
        "WATCH_SCHEDULE": "*/5 * * * *",
        "FOLLOW_SCHEDULE": "*/5 * * * * *",
        "HOUSEKEEPING_SCHEDULE": "0 7 * * * *",
        "ACTION_VISIBILITY": "PT1S",
        "GRAPH_API_URL": "http://graph.example",
        "RATE_LIMITS": '{"isolation": "1/min"}',
        "WATCH_FROM": "2026-08-20T10:00:00",
    }
    settings = tmp_path / "local.settings.json"
    settings.write_text(json.dumps({"IsEncrypted": False, "Values": wrong}), encoding="utf-8")
    command = [sys.executable, "-m", "local.host", "--settings", str(settings), "--check", "shared.config:check"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    said = ended.stderr
    accepted = {"FOLLOW_SCHEDULE", "HOUSEKEEPING_SCHEDULE"}
    for name in {*wrong, "AzureWebJobsStorage", "EVIDENCE_STORAGE"} - accepted:
        assert f"\n- {name}" in said, name
    assert not any(f"\n- {name}" in said for name in accepted)
    assert "host ready" not in ended.stdout
