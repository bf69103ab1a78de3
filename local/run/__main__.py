"""The entry point of `make run`. Exit status 0: everything ended, and as it should."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from local.azurite import AzuriteError
from local.run.incidents import ReplayError, built_in, replayed
from local.run.progress import Progress, coloured
from local.run.reports import saved
from local.run.stage import Stage, StageError, staged
from responders._notices import device_label
from responders._wiring import build
from shared.models.action import EXPLAINED, State
from shared.models.progress import Watermark

if TYPE_CHECKING:
    from responders._ports import Ports
    from shared.models.action import Action

PATIENCE = 900.0
_POLL = 0.5


def main() -> int:
    """Play the scene and tell how it ended."""
    incidents = os.environ.get("INCIDENTS", "")
    package = os.environ.get("PACKAGE", "")
    if package and not Path(package).is_file():
        print(f"PACKAGE={package}: there is no such file", file=sys.stderr)
        return 2
    folder = Path(".run") / datetime.now().astimezone().strftime(f"%Y%m%d-%H%M%S-{os.getpid()}")
    try:
        if incidents:
            replayed(Path(incidents))
        with staged(folder, str(Path(package).resolve()) if package else "") as stage:
            return play(incidents, stage)
    except (ReplayError, StageError, AzuriteError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def play(incidents: str, stage: Stage) -> int:
    """Raise the incidents, look on until all is over, and sum up."""
    os.environ.update({name: stage.settings[name] for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")})
    ports = build(stage.settings)
    print(f"Storage, a simulated tenant ({stage.tenant}) and the functions are running; logs in {stage.folder}/")
    _await_watch(ports)
    scene = replayed(Path(incidents)) if incidents else built_in()
    stage.control("POST", "machines", scene.machines)
    made = stage.control("POST", "incidents", scene.incidents)
    named = [str(each["id"]) for each in made["value"]]
    raised = time.monotonic()
    print(f"{len(named)} incidents raised in the tenant: {', '.join(named)}\n", flush=True)
    progress = Progress(stage, ports, raised)
    while not progress.look(named):
        if time.monotonic() - raised > PATIENCE:
            print(coloured(f"\nNot over after {PATIENCE:.0f} s; see {stage.folder}/host.log", "bad"))
            return 1
        time.sleep(_POLL)
    return sum_up(named, stage, ports)


def _await_watch(ports: Ports) -> None:
    """The first start begins at now: wait until watching has begun, so that what is raised counts as new."""
    end = time.monotonic() + 60
    while ports.ledger.single(Watermark, "watermark") is None:
        if time.monotonic() > end:
            raise StageError("the functions did not begin to watch within a minute; see host.log")
        time.sleep(0.1)


def sum_up(named: list[str], stage: Stage, ports: Ports) -> int:
    """Say what was done, where the evidence lies and whether it is what it should be."""
    print(coloured("\nWhat was done", "head"))
    actions = [action for incident in named for action in ports.ledger.actions(incident)]
    for action in actions:
        print(f"  {action.incident}: {action.responder} {device_label(action)} {EXPLAINED[action.state]}{_why(action)}")
    for incident in named:
        entry = ports.ledger.incident(incident)
        if entry and not any(action.incident == incident for action in actions):
            print(f"  {incident}: nothing; {entry.value.verdict}: {'; '.join(entry.value.reasons[:2])}")
    whole = _evidence(actions, stage, ports)
    _times(actions, ports)
    print(coloured("\nThe report of each incident", "head"))
    for path in saved(named, stage.folder / "reports", ports):
        print(f"  {path}")
    violations = stage.control("GET", "violations")["value"]
    for violation in violations:
        print(coloured(f"  the tenant complains: {violation}", "bad"))
    failed = any(action.state is State.FAILED for action in actions)
    good = whole and not failed and not violations
    print(coloured("\nEverything ended as it should." if good else "\nNot everything ended well; see above.", "head"))
    return 0 if good else 1


def _why(action: Action) -> str:
    return f" ({action.detail})" if action.detail else ""


def _evidence(actions: list[Action], stage: Stage, ports: Ports) -> bool:
    """Copy the evidence out of storage, comparing hashes, and say how to look at it."""
    artefacts = [artefact for action in actions for artefact in action.artefacts]
    if not artefacts:
        return True
    folder = stage.folder / "evidence"
    lines: list[str] = []
    whole = True
    print(coloured("\nEvidence (container 'evidence')", "head"))
    for artefact in artefacts:
        target = folder / artefact.name
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with target.open("wb") as output:
            for chunk in ports.evidence.read(artefact.name):
                digest.update(chunk)
                output.write(chunk)
        same = digest.hexdigest() == artefact.sha256
        whole = whole and same
        lines.append(f"{artefact.sha256}  {artefact.name}\n")
        told = coloured("read back, same hash", "good") if same else coloured("DIFFERS when read back", "bad")
        print(f"  {artefact.name}\n      {artefact.size:,} bytes, SHA-256 {artefact.sha256} ({told})")
    (folder / "SHA256SUMS").write_text("".join(sorted(set(lines))))
    print(f"  To look at it: cd {folder} && sha256sum -c SHA256SUMS")
    return whole


def _times(actions: list[Action], ports: Ports) -> None:
    print(coloured("\nHow long it took, from the moment the tenant showed the incident", "head"))
    for action in actions:
        entry = ports.ledger.incident(action.incident)
        if entry and action.finished_at and action.state is State.SUCCEEDED:
            seconds = (action.finished_at - entry.value.shown_at).total_seconds()
            what = "contained" if ports.responders[action.responder].contains else "evidence archived"
            print(f"  {action.incident}: {device_label(action)} {what} after {seconds:.1f} s")


if __name__ == "__main__":
    sys.exit(main())
