"""What lies in the archive: listed, shown, fetched, lent to somebody, and kept for the law."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from console.entrance import asked
from console.naming import INCIDENT
from console.session import Session, looks, person
from console.voice import Json, ours, table
from console.words import many
from responders import _access
from responders._access import Access, Stored, accesses, record
from responders._inert import inert
from responders._verify import Folder, check
from shared import VERSION
from shared.errors import Denied, NotFound, Rejected
from shared.models.archive.custody import Who
from shared.models.archive.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from console.archive import Archive

LENT_FOR = 8.0
"""Hours for which a link works, unless somebody says otherwise."""

_LONGEST = 24.0 * 7
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_WHY = click.option("--why", help="Why; it is kept with the run.")


@click.group()
def evidence() -> None:
    """What was collected: list, show, get, share, hold, release-hold."""


def told(session: Session, archive: Archive, run: str, access: Access) -> Json:
    """Put something that a person did into the run's chain of accesses. Raises Denied."""
    who = Who(identity=session.name, function=f"bulkhead evidence {access.what}", version=VERSION)
    event = record(archive.evidence, run, access, who, archive.clock.now())
    return {"access": event.seq, "head": event.hash}


def noted(session: Session, archive: Archive, run: str, access: Access) -> Json:
    """Likewise, as far as this person may: whoever only reads is still in the storage's own log."""
    try:
        return told(session, archive, run, access)
    except Denied:
        session.voice.aside("not noted beside the run: you may only read; the account's own log has it")
    except Rejected as error:
        if error.code != "Differs":
            raise
        session.voice.aside("not noted beside the run: its chain of accesses is broken, and nothing is put behind that")
    return {}


@evidence.command("list")
@click.argument("incident", type=INCIDENT, required=False)
@looks
@click.pass_obj
def listed(session: Session, incident: str | None) -> None:
    """The runs of an INCIDENT, or all."""
    archive = session.archive()
    found = archive.runs(incident or "")
    held = set(_access.runs(archive.evidence.held(archive.inside)))
    rows = [
        (run, "sealed" if closed else "not sealed", "legal hold" if run in held else "")
        for run, closed in found.items()
    ]
    listed_ = [{"run": run, "sealed": closed, "held": run in held} for run, closed in found.items()]
    session.voice.tell({"runs": listed_}, table("Runs", ("run", "", ""), rows))


@evidence.command("show")
@click.argument("run")
@looks
@click.pass_obj
def shown(session: Session, run: str) -> None:
    """What is in a RUN, how far it is proven, and what happened to it since."""
    archive = session.archive()
    folder = archive.run(run)
    manifest = manifest_of(archive, folder)
    since = accesses(archive.evidence, folder)
    items = [(each.path, str(each.size), str(each.proof), "; ".join(each.marks)) for each in manifest.items]
    session.voice.tell(
        {"run": folder, "manifest": manifest.model_dump(mode="json"), "access": [json.loads(s.line) for s in since]},
        ours(folder, "bold"),
        table("Items", ("name", "bytes", "proof", "to be known"), items),
        table("Not had", ("what", "why"), [(each.subject, each.reason) for each in manifest.missing]),
        table(
            "Since", ("when", "what", "who", "to", ""), [(s.at, s.what, s.who.identity, s.to, s.detail) for s in since]
        ),
    )


def manifest_of(archive: Archive, folder: str) -> Manifest:
    """A sealed run's manifest. Raises UsageError."""
    try:
        return Manifest.model_validate_json(b"".join(archive.evidence.read(f"{folder}/manifest.json")))
    except NotFound:
        raise click.UsageError(f"{folder} is not sealed") from None


@evidence.command()
@click.argument("run")
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Where to (here).")
@person
@click.pass_obj
def get(session: Session, run: str, into: Path) -> None:
    """Download a RUN and check it. What was downloaded already, whole or in part, is not fetched again."""
    archive = session.archive()
    folder = archive.run(run)
    target = into / folder.rpartition("/")[2]
    sizes = {each.path: each.size for each in manifest_of(archive, folder).items}
    progress = _progress(session)
    with progress:
        for name in safe(Stored(archive.evidence, folder).names()):
            task = progress.add_task(name, total=sizes.get(name))
            for count in fetched(archive, f"{folder}/{name}", target / name):
                progress.update(task, advance=count)
    found = check(Folder(target), folder)
    outcome = "as it was sealed" if found.whole else many(len(found.findings), "difference")
    noted(session, archive, folder, Access(_access.READ, f"downloaded; {outcome}"))
    lines = [ours(str(each), "red") for each in found.findings]
    said = ours(f"{target}: {found.objects} objects, {found.size} bytes; {outcome}", "green" if found.whole else "red")
    seen = {"folder": str(target), "whole": found.whole, "differences": [str(each) for each in found.findings]}
    session.voice.tell(seen, *lines, said)
    click.get_current_context().exit(0 if found.whole else 1)


def safe(names: list[str]) -> list[str]:
    """The names, where each can be a file's inside a folder. Raises Rejected: none of ours leads elsewhere."""
    odd = [name for name in names if not _PLAIN.fullmatch(name)]
    if odd:
        raise Rejected(f"{ascii(odd[0])[:200]} is no name of ours: somebody put it there", status=0, code="Name")
    return names


def fetched(archive: Archive, name: str, path: Path) -> Iterator[int]:
    """Bring an object into a file, from where an earlier try ended; gives the bytes of each step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        yield path.stat().st_size
        return
    begun = path.with_name(f"{path.name}.part")
    have = begun.stat().st_size if begun.is_file() else 0
    standing = archive.evidence.head(name)
    if standing is None or have > standing.size:
        have = 0
    yield have
    with begun.open("ab" if have else "wb") as file:
        if standing is None or have < standing.size:
            for piece in archive.evidence.read(name, start=have):
                file.write(piece)
                yield len(piece)
    begun.rename(path)


def _progress(session: Session) -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = session.voice.console(err=True)
    return Progress(*columns, TimeRemainingColumn(), console=console, disable=session.as_json, transient=True)


@evidence.command()
@click.argument("run")
@click.argument("names", nargs=-1)
@click.option("--to", "recipient", required=True, help="Who is to have it: kept with the run.")
@click.option("--hours", type=click.FloatRange(min=0, max=_LONGEST, min_open=True), default=LENT_FOR, show_default=True)
@_WHY
@person
@click.pass_obj
def share(session: Session, run: str, names: tuple[str, ...], recipient: str, hours: float, why: str | None) -> None:
    """Make links by which somebody can read a RUN, or NAMES in it, for a while. It is noted first."""
    archive = session.archive()
    folder = archive.run(run)
    there = Stored(archive.evidence, folder).names()
    if missing := sorted(set(names) - set(there)):
        raise click.UsageError(f"not in {folder}: {', '.join(missing)}")
    until = archive.clock.now() + timedelta(hours=hours)
    links = {name: archive.custodian.link(f"{folder}/{name}", until) for name in names or there}
    detail = f"{len(links)} links until {until:%Y-%m-%dT%H:%M:%SZ}: {', '.join(names) or 'everything'}"
    seen = told(session, archive, folder, Access(_access.SHARED, detail, to=recipient, purpose=why or ""))
    session.voice.aside(f"lent to {recipient} until {until:%Y-%m-%d %H:%M} UTC: {len(links)} links")
    if session.as_json:
        session.voice.tell({"run": folder, "until": until, "links": links, **seen})
        return
    for name, link in links.items():
        click.echo(f"{inert(name, dots=False)}\t{link}")


def _held(session: Session, incident: str, why: str | None, *, on: bool) -> None:
    archive = session.archive()
    why = why or asked("Why", session=session, option="--why")
    runs = archive.runs(incident)
    if not runs:
        raise click.UsageError(f"nothing of incident {incident} is archived")
    count = 0
    for run in runs:
        what = _access.HELD if on else _access.LET_GO
        seen = told(session, archive, run, Access(what, f"legal hold {'set' if on else 'let go'}", purpose=why))
        session.voice.aside(f"{run}: noted as access {seen['access']}")
    # its reports too, and what happened to its runs since: the chains beside them
    for name in [each for each in archive.evidence.names(archive.inside) if f"/inc-{incident}/" in each]:
        archive.custodian.hold(name, on=on)
        count += 1
    runs_ = many(len(runs), "run")
    said = f"under legal hold {'now' if on else 'no longer'}: {many(count, 'object')} of {runs_} and the reports"
    session.voice.tell({"incident": incident, "runs": list(runs), "objects": count, "held": on}, ours(said, "green"))


@evidence.command()
@click.argument("incident", type=INCIDENT)
@_WHY
@person
@click.pass_obj
def hold(session: Session, incident: str, why: str | None) -> None:
    """Put everything of an INCIDENT under legal hold: it cannot go, whatever its retention says."""
    _held(session, incident, why, on=True)


@evidence.command("release-hold")
@click.argument("incident", type=INCIDENT)
@_WHY
@person
@click.pass_obj
def release_hold(session: Session, incident: str, why: str | None) -> None:
    """Let an INCIDENT's legal hold go."""
    _held(session, incident, why, on=False)
