"""Legal holds: nothing of an incident can go, whatever its retention says. They are set whatever somebody spoilt."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from console.entrance import FAILED, asked
from console.evidence import told
from console.naming import INCIDENT, REMARK
from console.session import Session, person
from console.voice import ours
from console.words import many
from responders import _access
from responders._access import Access, accesses
from shared.errors import BulkheadError, Denied, Rejected
from shared.storage.interface import Conflict, Version

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from console.archive import Archive

_WHY = click.option("--why", type=REMARK, help="Why; it is kept with the run.")


@click.command()
@click.argument("incident", type=INCIDENT)
@_WHY
@person
@click.pass_obj
def hold(session: Session, incident: str, why: str | None) -> None:
    """Put everything of an INCIDENT under legal hold: it cannot go, whatever its retention says."""
    _held(session, incident, why, on=True)


@click.command("release-hold")
@click.argument("incident", type=INCIDENT)
@_WHY
@person
@click.pass_obj
def release_hold(session: Session, incident: str, why: str | None) -> None:
    """Let an INCIDENT's legal hold go."""
    _held(session, incident, why, on=False)


def _held(session: Session, incident: str, why: str | None, *, on: bool) -> None:
    archive = session.archive()
    why = why or REMARK(asked("Why", session=session, option="--why"))
    inside = f"/inc-{incident}/"
    versions, _ = _versions(archive, inside)
    if not versions:
        raise click.UsageError(f"nothing of incident {incident} is archived")
    runs = _access.runs(each.name for each in versions)  # one that was deleted, too
    problems = list(_noted(session, archive, runs, why, on=on))
    # its reports too, and what happened to its runs since: the chains beside them, with the notes of just now
    versions, unlisted = _versions(archive, inside)
    done: list[Version] = []
    problems += [*unlisted, *_set(archive, versions, done, on=on)]
    objects, older = len({each.name for each in done}), sum(not each.current for each in done)
    counted = f"{many(objects, 'object')} of {many(len(runs), 'run')} and the reports, {many(older, 'older version')}"
    said = f"under legal hold {'now' if on else 'no longer'}: {counted}"
    seen = {"incident": incident, "runs": list(runs), "objects": objects, "older": older, "held": on}
    lines = [ours(each, "red") for each in problems]
    session.voice.tell({**seen, "problems": problems}, *lines, ours(said, "yellow" if problems else "green"))
    click.get_current_context().exit(FAILED if problems else 0)


def _noted(session: Session, archive: Archive, runs: Collection[str], why: str, *, on: bool) -> Iterator[str]:
    """Note it beside each run; gives where that cannot be. No broken chain keeps evidence from being held, or whoever
    wants it to lapse had a switch; and nothing is let go that cannot be noted. Raises Rejected and Conflict.
    """
    if not runs:
        unnoted = "there is no run beside which it could be noted"
        if not on:
            raise Rejected(f"{unnoted}: nothing was let go", status=0, code="Unnoted")
        yield unnoted
    if not on:
        for run in runs:
            with suppress(ValueError):  # below
                accesses(archive.evidence, run)
    access = Access(_access.HELD if on else _access.LET_GO, f"legal hold {'set' if on else 'let go'}", purpose=why)
    for run in runs:
        try:
            seen = told(session, archive, run, access)
        except BulkheadError as error:
            if not on:
                raise
            yield f"{run}: could not be noted beside the run: {error}"
        except ValueError as error:  # a stranger's name, which no URL can carry: nothing of it can be held either
            yield f"{run}: could not be noted beside the run: {error}"
        else:
            session.voice.aside(f"{run}: noted as access {seen['access']}")


def _versions(archive: Archive, inside: str) -> tuple[list[Version], list[str]]:
    """Every version that is kept, as far as this person may list them, and what is to be said of that: where something
    was written over or deleted, an older one is the genuine one.
    """
    try:
        found, unlisted = list(archive.evidence.versions(archive.inside)), []
    except Rejected as error:
        names = archive.evidence.names(archive.inside)
        found = [Version(name, "", None, current=True) for name in names]
        unlisted = [f"older versions could not be listed, and are left as they are: {error}"]
    return [each for each in found if inside in each.name], unlisted


def _set(archive: Archive, versions: Iterable[Version], done: list[Version], *, on: bool) -> Iterator[str]:
    """Set or let go the hold of each, which is then among those `done`; gives what could not be. Raises Denied."""
    for each in versions:
        try:
            archive.custodian.hold(each.name, on=on, version=each.id)
        except Denied:
            raise
        except (Rejected, Conflict, ValueError) as error:  # a ValueError: somebody's name, which no URL can carry
            yield f"{each.name} {each.id}: {error}"
        else:
            done.append(each)
