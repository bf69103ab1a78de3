"""Whether what was archived is as it was sealed, wherever it lies."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console.archive import OURS
from console.entrance import FAILED, WRONGLY, UncheckedError, explained
from console.evidence import noted
from console.naming import INCIDENT
from console.session import Session, person
from console.voice import ours
from console.words import many
from responders import _access
from responders._access import Access, Stored
from responders._inert import inert
from responders._rewritten import broken_access, rewritten_under, within
from responders._verify import Folder, check
from shared.errors import BulkheadError, Rejected, SettingsError
from shared.models.archive.names import access_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from console.archive import Archive
    from responders._verify import Checked, Finding

_VERSIONS = "versions"
"""What could not be checked is told by this where it is the listing of them, and by its name where it is a run."""


@click.command()
@click.argument("place", required=False)
@click.option("--incident", type=INCIDENT, help="Only what was collected for this one.")
@person
@click.pass_obj
def verify(session: Session, place: str | None, incident: str | None) -> None:
    """Read everything again, and say which object, line and bytes differ from what was sealed; in an archive also what
    was written over or deleted, which the account's versions show, and whether the chain of accesses is whole.

    PLACE is a folder that was downloaded, or the URL of a container (perhaps with a SAS, and the name of a run);
    without it, the archive that the settings name. Exit status: 0 all is as it was sealed; 1 something differs, is not
    sealed or is not there; 2 nothing differs as far as it could be checked, or it was called wrongly.
    """
    try:
        _end(
            session,
            _folder(session, place, incident) if place and "://" not in place else _archive(session, place, incident),
        )
    except SettingsError:
        raise
    except (BulkheadError, OSError) as error:
        raise UncheckedError(error) from error


@dataclass
class _Found:
    """What was read, what is not sealed, and what could not be checked. `rewritten` has what was written over or
    deleted, by the sealed run that it is of; under an empty name, of none that stands. Of the runs in `accesses` the
    chain of accesses was looked at.
    """

    results: dict[str, Checked] = field(default_factory=dict)
    unsealed: list[str] = field(default_factory=list)
    unchecked: dict[str, str] = field(default_factory=dict)
    versions: bool = False
    accesses: set[str] = field(default_factory=set)
    rewritten: dict[str, list[Finding]] = field(default_factory=dict)

    @property
    def elsewhere(self) -> list[Finding]:
        """What was written over or deleted, and is of no run that was read."""
        return [each for findings in self.rewritten.values() for each in findings]

    @property
    def whole(self) -> bool:
        some = bool(self.results or self.unchecked.keys() - {_VERSIONS})
        return some and not (self.unsealed or self.elsewhere) and all(each.whole for each in self.results.values())


def _folder(session: Session, place: str, incident: str | None) -> _Found:
    if not Path(place).is_dir():
        raise click.UsageError(f"{place} is no folder and no URL")
    if incident:
        raise click.UsageError("--incident is for an archive; of a folder, name the part that is to be read")
    sealed = sorted(each.parent for each in Path(place).rglob("checkpoint.json"))
    session.voice.aside("neither versions nor chains of accesses were looked at: in a folder no run has these")
    return _Found({str(each): check(Folder(each), _called(each)) for each in sealed}, _unsealed(Path(place)))


def _called(folder: Path) -> str:
    """The run that a folder is called after, where its path ends as in an archive; empty where nobody can tell."""
    name = "/".join(folder.resolve().parts[-5:])
    return name if OURS.fullmatch(name) else ""


def _archive(session: Session, place: str | None, incident: str | None) -> _Found:
    archive = session.archive(place or "")
    runs = archive.runs(incident or "")
    found = _Found(unsealed=[run for run, closed in runs.items() if not closed])
    sealed = [run for run, closed in runs.items() if closed]
    _rewritten(session, archive, incident or "", sealed, found)
    for run in sealed:
        try:
            _read(session, archive, run, found)
        except (BulkheadError, OSError) as error:
            found.unchecked[run] = explained(error)
        except ValueError as error:  # the name of a stranger's run, which no URL can carry
            found.unchecked[run] = str(error)
    return found


def _read(session: Session, archive: Archive, run: str, found: _Found) -> None:
    """Read a run, and note that it was. What was found before something went wrong stays."""
    result = found.results[run] = check(Stored(archive.evidence, run), run)
    result.findings += [within(each, run) for each in found.rewritten.pop(run, [])]
    result.findings += broken_access(archive.evidence, run)
    found.accesses.add(run)
    detail = f"{result.objects} objects, {many(len(result.findings), 'difference')}"
    noted(session, archive, run, Access(_access.VERIFIED, detail))


def _rewritten(session: Session, archive: Archive, incident: str, sealed: Iterable[str], found: _Found) -> None:
    """Find what was written over or deleted, whether or not a run stands there now, as far as this person may look."""
    beside = {f"{access_folder(run)}/": run for run in sealed}
    owners = {f"{run}/": run for run in sealed} | beside
    places = [archive.inside, *(place for place in beside if not place.startswith(archive.inside))]
    try:
        for each in (each for place in places for each in rewritten_under(archive.evidence, place)):
            if not incident or f"/inc-{incident}/" in each.object:
                found.rewritten.setdefault(_owner(each.object, owners), []).append(each)
        found.versions = True
    except Rejected as error:
        session.voice.aside(f"whether anything was written over was not looked at: {inert(str(error))}")
    except BulkheadError as error:
        found.unchecked[_VERSIONS] = explained(error)


def _owner(name: str, owners: Mapping[str, str]) -> str:
    """Whose an object is: what stands in `owners` under a folder that it lies in; empty where nothing does."""
    ends = (at + 1 for at, each in enumerate(name) if each == "/")
    return next((owners[name[:end]] for end in ends if name[:end] in owners), "")


def _unsealed(place: Path) -> list[str]:
    """Runs that were downloaded, or that somebody left, without a seal: what shows that there is one lies in it."""
    marks = ("manifest.json", "custody.jsonl", "bagit.txt", "custody/000001.json")
    found = {each.parents[mark.count("/")] for mark in marks for each in place.rglob(mark)}
    return sorted(str(each) for each in found if not (each / "checkpoint.json").is_file())


def _end(session: Session, found: _Found) -> None:
    """Say what was found, and end with the status that it stands for."""
    lines = []
    for run, each in found.results.items():
        end = "as it was sealed" if each.whole else many(len(each.findings), "difference")
        how = f"{each.signed or 'NOT SIGNED'}; {end}"
        named = f" (the seal of {each.run})" if each.run not in ("", run) else ""
        style = "green" if each.whole else "red"
        lines.append(ours(f"{run}{named}: {each.objects} objects, {each.size} bytes; {how}", style))
        lines.extend(ours(f"  {difference}", "red") for difference in each.findings)
    lines.extend(ours(str(each), "red") for each in found.elsewhere)
    lines.extend(ours(f"{run}: not sealed", "yellow") for run in found.unsealed)
    lines.extend(ours(f"{run}: could not be checked: {why}", "red") for run, why in found.unchecked.items())
    told = {
        "whole": found.whole and not found.unchecked,
        "differences": [vars(difference) for difference in found.elsewhere],
        "unsealed": found.unsealed,
        "unchecked": [{"run": run, "why": why} for run, why in found.unchecked.items()],
        "runs": [
            {
                "run": run,
                "sealed_as": each.run,
                "whole": each.whole,
                "objects": each.objects,
                "bytes": each.size,
                "signed": each.signed,
                "versions": found.versions,
                "accesses": run in found.accesses,
                "differences": [vars(difference) for difference in each.findings],
            }
            for run, each in found.results.items()
        ],
    }
    session.voice.tell(told, *(lines or [ours("there is nothing archived here to verify", "red")]))
    unknown = WRONGLY if found.unchecked else 0
    click.get_current_context().exit(unknown if found.whole else FAILED)
