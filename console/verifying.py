"""Whether what was archived is as it was sealed, wherever it lies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from console.evidence import noted
from console.naming import INCIDENT
from console.session import Session, person
from console.voice import ours
from console.words import many
from responders import _access
from responders._access import Access, Stored
from responders._inert import inert
from responders._rewritten import broken_access, rewritten
from responders._verify import Folder, check
from shared.errors import Rejected

if TYPE_CHECKING:
    from console.archive import Archive
    from responders._verify import Checked, Finding


@click.command()
@click.argument("place", required=False)
@click.option("--incident", type=INCIDENT, help="Only what was collected for this one.")
@person
@click.pass_obj
def verify(session: Session, place: str | None, incident: str | None) -> None:
    """Read everything again, and say which object, line and bytes differ from what was sealed; in an archive also what
    was written over or deleted, which the account's versions show, and whether the chain of accesses is whole.

    PLACE is a folder that was downloaded, or the URL of a container (perhaps with a SAS, and the name of a run);
    without it, the archive that the settings name. Exit status: 0 all is as it was sealed, 1 something differs, is not
    sealed or is not there.
    """
    if place and "://" not in place:
        if not Path(place).is_dir():
            raise click.UsageError(f"{place} is no folder and no URL")
        sealed = sorted(each.parent for each in Path(place).rglob("checkpoint.json"))
        _end(session, {str(each): check(Folder(each)) for each in sealed}, _unsealed(Path(place)))
        return
    archive = session.archive(place or "")
    found = archive.runs(incident or "")
    results: dict[str, Checked] = {}
    for run in (run for run, closed in found.items() if closed):
        results[run] = check(Stored(archive.evidence, run), run)
        results[run].findings += [*broken_access(archive.evidence, run), *_rewritten(session, archive, run)]
        detail = f"{results[run].objects} objects, {many(len(results[run].findings), 'difference')}"
        noted(session, archive, run, Access(_access.VERIFIED, detail))
    _end(session, results, [run for run, closed in found.items() if not closed])


def _unsealed(place: Path) -> list[str]:
    """Runs that were downloaded, or that somebody left, without a seal: what shows that there is one lies in it."""
    marks = ("manifest.json", "custody.jsonl", "bagit.txt", "custody/000001.json")
    found = {each.parents[mark.count("/")] for mark in marks for each in place.rglob(mark)}
    return sorted(str(each) for each in found if not (each / "checkpoint.json").is_file())


def _rewritten(session: Session, archive: Archive, run: str) -> list[Finding]:
    """What was written over or deleted, as far as this person may look at versions."""
    try:
        return list(rewritten(archive.evidence, run))
    except Rejected as error:
        session.voice.aside(f"whether anything was written over was not looked at: {inert(str(error))}")
        return []


def _end(session: Session, results: dict[str, Checked], unsealed: list[str]) -> None:
    """Say what was found, and end with the status that it stands for."""
    lines = []
    for run, found in results.items():
        end = "as it was sealed" if found.whole else many(len(found.findings), "difference")
        how = f"{found.signed or 'NOT SIGNED'}; {end}"
        lines.append(
            ours(f"{run}: {found.objects} objects, {found.size} bytes; {how}", "green" if found.whole else "red")
        )
        lines.extend(ours(f"  {each}", "red") for each in found.findings)
    lines.extend(ours(f"{run}: not sealed", "yellow") for run in unsealed)
    whole = bool(results) and not unsealed and all(found.whole for found in results.values())
    told = {
        "whole": whole,
        "unsealed": unsealed,
        "runs": [
            {
                "run": run,
                "whole": found.whole,
                "objects": found.objects,
                "bytes": found.size,
                "signed": found.signed,
                "differences": [vars(each) for each in found.findings],
            }
            for run, found in results.items()
        ],
    }
    session.voice.tell(told, *(lines or [ours("there is nothing archived here to verify", "red")]))
    click.get_current_context().exit(0 if whole else 1)
