"""What lies in the archive: listed, shown, fetched, and lent to somebody."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import ValidationError

from console.downloading import REBUILD, fetched, parted, place_of, refuse_links
from console.entrance import FAILED
from console.naming import HOURS, INCIDENT, REMARK
from console.session import Session, looks, person
from console.voice import Json, ours, table
from console.words import many
from responders import _access
from responders._access import Access, Stored, accesses, record
from responders._bounded import bounded
from responders._inert import inert
from responders._verify import CHECKPOINT, LARGE, MANIFEST, Folder, check, plain
from shared import VERSION
from shared.errors import Denied, NotFound, Rejected
from shared.models.archive.custody import Who
from shared.models.archive.manifest import Item, Manifest
from shared.models.archive.names import portable
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from console.archive import Archive

LENT_FOR = 8.0
"""Hours for which a link works, unless somebody says otherwise."""

_BROKEN = frozenset({"Differs", "Sealed"})
_UNSEALED = "not sealed: nothing proves what is in it"


@click.group()
def evidence() -> None:
    """What was collected: list, show, get, share, hold, release-hold."""


def told(session: Session, archive: Archive, run: str, access: Access) -> Json:
    """Put something that a person did into the run's chain of accesses. Raises Denied."""
    who = Who(identity=session.name, function=f"bulkhead evidence {access.what}", version=VERSION)
    event = record(archive.evidence, run, access, who, archive.clock.now(), lambda: datetime.now(UTC))
    return {"access": event.seq, "head": event.hash}


def noted(session: Session, archive: Archive, run: str, access: Access) -> Json:
    """Likewise, as far as this person may: whoever only reads is still in the storage's own log."""
    try:
        return told(session, archive, run, access)
    except Denied:
        session.voice.aside("not noted beside the run: you may only read; the account's own log has it")
    except Rejected as error:
        if error.code not in _BROKEN:
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
    names = Stored(archive.evidence, folder).names()
    sealed, manifest, problems = CHECKPOINT in names, manifest_of(archive, folder), list[str]()
    if sealed and manifest is None:
        spoilt = "cannot be read: it differs from what was sealed, or a newer version wrote it"
        how = spoilt if MANIFEST in names else "is missing"
        problems.append(f"{MANIFEST} {how}; bulkhead verify looks at everything")
    try:
        since = accesses(archive.evidence, folder)
    except (Rejected, Conflict) as error:
        since = None
        problems.append(f"its chain of accesses cannot be read: {error}")
    items = [(each.path, str(each.size), str(each.proof), "; ".join(each.marks)) for each in _items(manifest)]
    session.voice.tell(
        {
            "run": folder,
            "sealed": sealed,
            "manifest": manifest and manifest.model_dump(mode="json"),
            "objects": names,
            "access": None if since is None else [json.loads(each.line) for each in since],
            "problems": problems,
        },
        ours(folder, "bold"),
        *([] if sealed else [ours(_UNSEALED, "yellow")]),
        *(ours(each, "red") for each in problems),
        table("Items", ("name", "bytes", "proof", "to be known"), items)
        if manifest
        else table("Objects", ("name",), [(name,) for name in names]),
        table(
            "Not had", ("what", "why"), [(each.subject, each.reason) for each in manifest.missing] if manifest else []
        ),
        table(
            "Since",
            ("when", "what", "who", "to", ""),
            [(each.at, each.what, each.who.identity, each.to, each.detail) for each in since or ()],
        ),
    )
    click.get_current_context().exit(FAILED if problems else 0)


def manifest_of(archive: Archive, folder: str) -> Manifest | None:
    """A run's manifest; None where there is none, or none that can be read any more, or one larger than any of ours."""
    try:
        return Manifest.model_validate_json(bounded(archive.evidence, f"{folder}/{MANIFEST}", LARGE) or b"")
    except (NotFound, ValidationError):
        return None


def _items(manifest: Manifest | None) -> tuple[Item, ...]:
    return manifest.items if manifest else ()


@evidence.command()
@click.argument("run")
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Where to (here).")
@person
@click.pass_obj
def get(session: Session, run: str, into: Path) -> None:
    """Download a RUN, to where it lies in the archive, and check it. What was downloaded already, whole or in part, is
    not fetched again, if it is of what lies there; what can be no file beside the others is left out, and a difference.
    Exit status: 0 all is as it was sealed, 1 something differs, or the run is not sealed.
    """
    archive = session.archive()
    folder = archive.run(run)
    if not all(portable(each) for each in folder.split("/")):
        raise click.UsageError(f"{plain(folder)} is no run of ours: no folder is made by that name")
    place = place_of(archive, folder, into)
    target = into / place
    names = Stored(archive.evidence, folder).names()
    items = {each.path: each for each in _items(manifest_of(archive, folder))}
    wanted, left_out = parted(names, items)
    with session.voice.progress() as progress:
        for number, name in enumerate(wanted, 1):
            refuse_links(into, f"{place}/{name}")
            item = items.get(name)
            task = progress.add_task(f"{number}/{len(wanted)} {name}", total=item.size if item else None)
            for count in fetched(archive, f"{folder}/{name}", target / name, item.sha256 if item else ""):
                progress.update(task, advance=count)
            progress.remove_task(task)
    if CHECKPOINT not in names:
        noted(session, archive, folder, Access(_access.READ, "downloaded; not sealed"))
        told_ = [str(each) for each in left_out]
        seen = {"folder": str(target), "sealed": False, "whole": False, "differences": told_}
        said = ours(f"{target}: {many(len(wanted), 'object')}; NOT SEALED: nothing proves what is in it", "red")
        session.voice.tell(seen, *(ours(each, "red") for each in told_), said)
        click.get_current_context().exit(FAILED)
    found = check(Folder(target), folder)
    found.findings += left_out
    outcome = "as it was sealed" if found.whole else many(len(found.findings), "difference")
    noted(session, archive, folder, Access(_access.READ, f"downloaded; {outcome}"))
    lines = [ours(str(each), "red") for each in found.findings]
    said = ours(f"{target}: {found.objects} objects, {found.size} bytes; {outcome}", "green" if found.whole else "red")
    seen = {
        "folder": str(target),
        "sealed": True,
        "whole": found.whole,
        "differences": [str(each) for each in found.findings],
    }
    session.voice.tell(seen, *lines, said)
    click.get_current_context().exit(0 if found.whole else FAILED)


@evidence.command()
@click.argument("run")
@click.argument("names", nargs=-1)
@click.option("--to", "recipient", type=REMARK, required=True, help="Who is to have it: kept with the run.")
@click.option("--hours", type=HOURS, default=LENT_FOR, show_default=True, help="For how long a link works.")
@click.option("--why", type=REMARK, help="Why; it is kept with the run.")
@person
@click.pass_obj
def share(session: Session, run: str, names: tuple[str, ...], recipient: str, hours: float, why: str | None) -> None:
    """Make links by which somebody can read a RUN, or NAMES in it, for a while. It is noted first."""
    archive = session.archive()
    folder = archive.run(run)
    there = Stored(archive.evidence, folder).names()
    if missing := sorted(set(names) - set(there)):
        raise click.UsageError(f"not in {folder}: {', '.join(missing)}")
    until = archive.custodian.until(timedelta(hours=hours))
    links, problems = _links(archive, folder, names or there, until)
    if names and problems:
        raise click.UsageError("; ".join(problems))
    detail = f"{len(links)} links until {until:%Y-%m-%dT%H:%M:%SZ}: {', '.join(names) or 'everything'}"
    if len(detail) > _access.DETAIL:
        raise click.UsageError(f"{len(names)} names are more than one note of it holds: name fewer, in several shares")
    seen = told(session, archive, folder, Access(_access.SHARED, detail, to=recipient, purpose=why or ""))
    session.voice.aside(f"lent to {recipient} until {until:%Y-%m-%d %H:%M} UTC: {len(links)} links")
    for problem in problems:
        session.voice.aside(problem)
    if session.as_json:
        session.voice.tell({"run": folder, "until": until, "links": links, "problems": problems, **seen})
    else:
        for name, link in links.items():
            click.echo(f"{inert(name, dots=False)}\t{link}")
        session.voice.aside(
            "saved as links.txt, they make the folder again, by one of these lines in an empty folder beside it:"
        )
        for shell, line in REBUILD.items():
            click.echo(f"{shell}:  {line}", err=True)
    click.get_current_context().exit(FAILED if problems else 0)


def _links(archive: Archive, folder: str, names: Iterable[str], until: datetime) -> tuple[dict[str, str], list[str]]:
    """A link for each name, and what is to be said of those that no link can have: a stranger's, who chose them so."""
    links, problems = dict[str, str](), list[str]()
    for name in names:
        try:
            links[name] = archive.custodian.link(f"{folder}/{name}", until)
        except ValueError:
            problems.append(f"not lent: {plain(name)[:200]} is no name of ours: somebody put it there")
    return links, problems
