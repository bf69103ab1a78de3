"""The commands that give an order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from console.desk import contains
from console.devices import meant
from console.entrance import asked, confirmed
from console.naming import ACTION, DEVICE, INCIDENT, ORDER
from console.ordering import follow, made, read, send
from console.session import Session, orders
from console.voice import ours
from console.words import device_of, outcome_json, standing
from shared.errors import Transient
from shared.models.action import target_of

if TYPE_CHECKING:
    from console.desk import Desk
    from console.ordering import Outcome
    from shared.models.action import Action

_STYLES = {"done": "green", "refused": "red", "failed": "red", "unanswered": "yellow"}
_WHY = click.option("--why", help="Why; it is kept with the order.")
_INCIDENT = click.option("--incident", type=INCIDENT, help="The incident that it is for; without one it stands alone.")


def give(session: Session, kind: str, **members: object) -> None:
    """Send an order, wait for its answer, say it, and end with the status that it stands for."""
    desk, voice = session.desk, session.voice
    order = made(desk, kind, session.name, **members)
    try:
        send(desk, order)
    except Transient as error:
        raise Transient(f"{error}; whether it was sent shows: bulkhead order {order.id}") from error
    voice.aside(f"order {order.id} is sent")
    end(session, follow(desk, order.id, kind, session.timeout, voice.aside))


def end(session: Session, outcome: Outcome) -> None:
    """Say what became of an order."""
    parts = [ours(f"{outcome.ended}: {outcome.words}", _STYLES[outcome.ended])]
    if outcome.ended == "unanswered":
        parts.append(ours(f"It goes on by itself. To see its answer later: bulkhead order {outcome.order}"))
    session.voice.tell(outcome_json(outcome), *parts)
    click.get_current_context().exit(outcome.ended.status)


# What waits


def _decide(session: Session, kind: str, incident: str | None, device: str | None, rest: dict[str, str | None]) -> None:
    if bool(incident) == bool(rest["action"]):
        raise click.UsageError(f"say which INCIDENT, or which --action{', not both' if incident else ''}")
    give(session, kind, incident=incident, device=device, **rest)


@click.command()
@click.argument("incident", type=INCIDENT, required=False)
@click.argument("device", type=DEVICE, required=False)
@click.option("--responder", help="Only what this responder would do.")
@click.option("--action", type=ACTION, help="This action alone, by its id.")
@_WHY
@orders
@click.pass_obj
def approve(session: Session, /, incident: str | None, device: str | None, **rest: str | None) -> None:
    """Let what waits for a person go on: all of an INCIDENT, or of one DEVICE there."""
    _decide(session, "approve", incident, device, rest)


@click.command()
@click.argument("incident", type=INCIDENT, required=False)
@click.argument("device", type=DEVICE, required=False)
@click.option("--responder", help="Only what this responder would do.")
@click.option("--action", type=ACTION, help="This action alone, by its id.")
@_WHY
@orders
@click.pass_obj
def refuse(session: Session, /, incident: str | None, device: str | None, **rest: str | None) -> None:
    """Have what waits for a person never done: all of an INCIDENT, or of one DEVICE there."""
    _decide(session, "refuse", incident, device, rest)


# Devices


@click.command()
@click.argument("device", type=DEVICE)
@click.option(
    "--responder",
    type=click.Choice(["release", "unrestrict"]),
    help="What to give back: its network (release), or what it may run (unrestrict).",
)
@_INCIDENT
@_WHY
@orders
@click.pass_obj
def release(session: Session, device: str, responder: str | None, incident: str | None, why: str | None) -> None:
    """Give a DEVICE its network back, whoever took it."""
    found = meant(session.desk, device)
    pending = under_way(session.desk, found)
    for action in pending:
        how = f"{action.responder} for incident {action.incident} {standing(action).plain}"
        session.voice.aside(f"pending on {device_of(action).plain}: {how}")
    if pending:
        session.voice.aside("what is pending is taken back or cancelled first")
    why = why or asked(f"Why is {_named(device, found)} to be released", session=session, option="--why")
    give(session, "release", device=found, responder=responder, incident=incident, why=why)


def _named(written: str, found: str) -> str:
    """A device as somebody wrote it, with the id that was found for it."""
    return found if written == found else f"{written} ({found})"


def under_way(desk: Desk, device: str) -> list[Action]:
    """What is not over yet and would contain a device."""
    return [
        entry.value
        for entry in desk.ledger.open_actions()
        if entry.value.target == target_of(device) and not entry.value.state.final and contains(entry.value)
    ]


@click.command()
@click.argument("device", type=DEVICE)
@_INCIDENT
@_WHY
@click.option("--yes", is_flag=True, help="Do not ask whether you mean it.")
@orders
@click.pass_obj
def isolate(session: Session, device: str, incident: str | None, why: str | None, *, yes: bool) -> None:
    """Take a DEVICE off the network. It passes the caps, never what protects the device."""
    found = meant(session.desk, device)
    if not yes:
        confirmed(f"Take {_named(device, found)} off the network", session=session)
    give(session, "isolate", device=found, incident=incident, why=why)


@click.command()
@click.argument("device", type=DEVICE)
@click.option("--responder", help="What to collect, by the name of the responder (collect_package).")
@_INCIDENT
@_WHY
@orders
@click.pass_obj
def collect(session: Session, /, device: str, **rest: str | None) -> None:
    """Collect from a DEVICE."""
    give(session, "collect", device=meant(session.desk, device), **rest)


@click.command(name="run-script", context_settings={"ignore_unknown_options": True})
@click.argument("device", type=DEVICE)
@click.argument("script")
@click.argument("args", nargs=-1)
@_INCIDENT
@_WHY
@orders
@click.pass_obj
def run_script(
    session: Session, device: str, script: str, args: tuple[str, ...], incident: str | None, why: str | None
) -> None:
    """Run a pinned SCRIPT of the live response library on a DEVICE, with ARGS."""
    found = meant(session.desk, device)
    give(session, "run_script", device=found, script=script, args=" ".join(args), incident=incident, why=why)


@click.command(name="get-files")
@click.argument("device", type=DEVICE)
@click.argument("paths", nargs=-1, required=True)
@_INCIDENT
@_WHY
@orders
@click.pass_obj
def get_files(session: Session, device: str, paths: tuple[str, ...], incident: str | None, why: str | None) -> None:
    """Get files from a DEVICE as evidence, by their full PATHS."""
    found = meant(session.desk, device)
    why = why or asked(f"What are files of {found} wanted for", session=session, option="--why")
    give(session, "get_files", device=found, paths=list(paths), incident=incident, why=why)


# Actions


@click.command()
@click.argument("action", type=ACTION)
@_WHY
@orders
@click.pass_obj
def retry(session: Session, action: str, why: str | None) -> None:
    """Try an ACTION anew that failed, was refused, was taken back or could not be had."""
    give(session, "retry", action=action, why=why)


@click.command()
@click.argument("action", type=ACTION)
@_WHY
@orders
@click.pass_obj
def cancel(session: Session, action: str, why: str | None) -> None:
    """Stop an ACTION of ours, as far as it has come."""
    give(session, "cancel", action=action, why=why)


# Everything


@click.command()
@_WHY
@orders
@click.pass_obj
def hold(session: Session, why: str | None) -> None:
    """Send nothing that touches a device, but what gives back, until somebody resumes."""
    give(session, "hold", why=why or asked("Why is everything to be held", session=session, option="--why"))


@click.command()
@_WHY
@orders
@click.pass_obj
def resume(session: Session, why: str | None) -> None:
    """End a hold. What waited for that goes on through every rail."""
    give(session, "resume", why=why)


# Incidents


@click.command()
@click.argument("incident", type=INCIDENT)
@_WHY
@orders
@click.pass_obj
def reassess(session: Session, incident: str, why: str | None) -> None:
    """Read an INCIDENT again and judge it anew."""
    give(session, "reassess", incident=incident, why=why)


@click.command()
@click.argument("incident", type=INCIDENT)
@click.argument("text", required=False)
@orders
@click.pass_obj
def note(session: Session, incident: str, text: str | None) -> None:
    """Keep a remark with an INCIDENT."""
    said = text or asked("What is to be noted", session=session, option='a text: bulkhead note INCIDENT "TEXT"')
    give(session, "note", incident=incident, text=said)


@click.command()
@click.argument("order", type=ORDER)
@orders
@click.pass_obj
def order(session: Session, order: str) -> None:
    """Wait for the answer of an ORDER that was given earlier."""
    record = read(session.desk, order)
    kind = record.order.kind if record else ""
    end(session, follow(session.desk, order, kind, session.timeout, session.voice.aside))


ASKING = (
    *(approve, refuse, release, isolate, collect, run_script, get_files),
    *(retry, cancel, hold, resume, reassess, note, order),
)
