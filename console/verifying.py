"""Whether what was archived is as it was sealed, wherever it lies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console.downloaded import downloaded
from console.entrance import UncheckedError, explained
from console.evidence import noted
from console.findings import REPORTS, VERSIONS, Findings
from console.naming import FINGERPRINT, INCIDENT
from console.session import Session, person
from console.voice import ours
from console.words import many
from responders import _access
from responders._access import Access, Stored
from responders._inert import inert
from responders._rewritten import altered, broken_access, reports, rewritten_under, within
from responders._verify import Folder, called, follow
from shared.errors import BulkheadError, Rejected, SettingsError
from shared.models.archive.names import access_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from console.archive import Archive
    from responders._verify import Checked, Finding


@click.command()
@click.argument("place", required=False)
@click.option("--incident", type=INCIDENT, help="Only what was collected for this one.")
@click.option(
    *("--key", "keys"),
    type=FINGERPRINT,
    multiple=True,
    help="The fingerprint of the key that should have sealed it; several times where several have.",
)
@person
@click.pass_obj
def verify(session: Session, place: str | None, incident: str | None, keys: tuple[str, ...]) -> None:
    """Read everything again, and say at once which object, line and bytes differ from what was sealed; in an archive
    also what was written over or deleted, which the account's versions show, and which reports are not as they were
    committed. Chains of accesses are followed; in a folder nothing tells what came last in one.

    PLACE is a folder that was downloaded, or the URL of a container (perhaps with a SAS, and the name of a run);
    without it, the archive that the settings name. Exit status: 0 all is as it was sealed; 1 something differs, is not
    sealed, is sealed by another key or is not there; 2 nothing differs as far as it could be checked, or until it was
    interrupted, or it was called wrongly.
    """
    found = Findings(session.voice, keys)
    try:
        if place and "://" not in place:
            _folder(session, Path(place), incident, found)
        else:
            _archive(session, session.archive(place or ""), incident or "", found)
    except KeyboardInterrupt:
        found.stopped()
    except SettingsError:
        raise
    except (BulkheadError, OSError) as error:
        raise UncheckedError(error) from error
    found.end()


def _folder(session: Session, place: Path, incident: str | None, found: Findings) -> None:
    if not place.is_dir():
        raise click.UsageError(f"{place} is no folder and no URL")
    if incident:
        raise click.UsageError("--incident is for an archive; of a folder, name the part that is to be read")
    session.voice.aside("a folder has no versions to look at, and in it no chain of accesses tells what came last")
    root = place.resolve()
    there = downloaded(root)
    shown = {path: str(place / path.relative_to(root)) for path in (*there.sealed, *there.unsealed)}
    found.expected = [shown[run] for run in there.sealed]
    found.without_seal(shown[run] for run in there.unsealed)
    for run, chain in there.chains.items():
        for each in _followed(chain) if run not in there.sealed else []:
            found.beside(replace(each, object=f"{shown.get(run, run)}: {each.object}"))
    for run in there.sealed:

        def since(result: Checked, run: Path = run) -> None:
            if chain := there.chains.get(run):
                result.findings += _followed(chain)
                found.accesses.add(shown[run])

        found.read(shown[run], Folder(run), called(run), since)


def _followed(chain: Path) -> list[Finding]:
    """What differs in a chain of accesses that was downloaded, by its names beside the run."""
    return [replace(each, object=f"access/{chain.name}/{each.object}") for each in follow(Folder(chain)).findings]


def _archive(session: Session, archive: Archive, incident: str, found: Findings) -> None:
    runs = archive.runs(incident)
    sealed = found.expected = [run for run, closed in runs.items() if closed]
    found.without_seal(run for run, closed in runs.items() if not closed)
    found.at = VERSIONS
    rewritten = _rewritten(session, archive, incident, sealed, found)
    for run in sealed:

        def since(result: Checked, run: str = run) -> None:
            result.findings += broken_access(archive.evidence, run)
            found.accesses.add(run)
            detail = f"{result.objects} objects, {many(len(result.findings), 'difference')}"
            noted(session, archive, run, Access(_access.VERIFIED, detail))

        found.read(run, Stored(archive.evidence, run), run, since, rewritten.get(run, ()))
    found.at = REPORTS
    _reports(session, archive, incident, found)


def _rewritten(
    session: Session, archive: Archive, incident: str, sealed: Sequence[str], found: Findings
) -> Mapping[str, Sequence[Finding]]:
    """What was written over or deleted, as far as this person may look, by the run in `sealed` that it is of. What is
    of none, whether or not a run stands there now, is told.
    """
    owned: dict[str, list[Finding]] = {}
    beside = {f"{access_folder(run)}/": run for run in sealed}
    owners = {f"{run}/": run for run in sealed} | beside
    places = [archive.inside, *(place for place in beside if not place.startswith(archive.inside))]
    try:
        for each in (each for place in places for each in rewritten_under(archive.evidence, place)):
            owner = _owner(each.object, owners)
            if owner:
                owned.setdefault(owner, []).append(within(each, owner))
            elif not incident or f"/inc-{incident}/" in each.object:
                found.beside(each)
        found.versions = True
    except Rejected as error:
        session.voice.aside(f"whether anything was written over was not looked at: {inert(str(error))}")
    except BulkheadError as error:
        found.not_checked(VERSIONS, explained(error))
    return owned


def _owner(name: str, owners: Mapping[str, str]) -> str:
    """Whose an object is: what stands in `owners` under a folder that it lies in; empty where nothing does."""
    ends = (at + 1 for at, each in enumerate(name) if each == "/")
    return next((owners[name[:end]] for end in ends if name[:end] in owners), "")


def _reports(session: Session, archive: Archive, incident: str, found: Findings) -> None:
    """Read what was kept as reports: nobody signed it, but each was committed with its hash."""
    before = len(found.elsewhere)
    try:
        for name in reports(archive.evidence.names(archive.inside), incident):
            if said := altered(archive.evidence, name):
                found.beside(said)
            found.reports += 1
    except (BulkheadError, OSError) as error:
        found.not_checked(REPORTS, explained(error))
        return
    if found.reports:
        bad = len(found.elsewhere) - before
        end = many(bad, "difference") if bad else "as they were committed"
        session.voice.say(ours(f"{many(found.reports, 'file')} of reports: {end}", "red" if bad else "green"))
