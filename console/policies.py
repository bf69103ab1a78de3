"""Policies in files: whether they can be used, what may stand in one, and what one makes of an incident. Nothing of it
needs storage.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from console.session import Session, looks
from console.voice import Json, foreign, ours, table
from console.words import many
from responders._case import told_machines
from responders._notices import SEVERITY_NAMES
from responders._policy import compile_policy
from responders._policy_check import check as check_policy
from shared.errors import BulkheadError, SettingsError
from shared.models.incident import Incident
from shared.models.policy.problems import PolicyError
from shared.models.policy.reading import read
from shared.models.policy.schema import schema as policy_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from rich.text import Text

    from responders._policy import CompiledPolicy, Explained
    from shared.models.plan import Assessment
    from shared.models.policy.document import Policy

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def policy() -> None:
    """Policies in files."""


@policy.command()
@click.argument("file", type=_FILE)
@looks
@click.pass_obj
def check(session: Session, file: Path) -> None:
    """Whether a policy in a FILE can be used: every problem at once, by line."""
    text = text_of(file)
    problems = check_policy(text)
    told = [{"line": each.line, "path": each.path, "message": each.message} for each in problems]
    lines = [ours(f"{file.name}: {each}", "red") for each in problems] or [_usable(file.name, read(text))]
    session.voice.tell({"usable": not problems, "problems": told}, *lines)
    click.get_current_context().exit(1 if problems else 0)


def _usable(name: str, good: Policy) -> Text:
    examples = [each.examples for each in good.rules]
    tried = sum(len(each.match) + len(each.no_match) + len(each.unknown) for each in examples)
    held = f"{many(len(good.rules), 'rule')}, {many(tried, 'example')} tried"
    return ours(f"{name} can be used: {held}", "green")


@policy.command()
@looks
def schema() -> None:
    """The JSON Schema of policies, for an editor."""
    click.echo(json.dumps(policy_schema(), indent=2, ensure_ascii=True))


@policy.command()
@click.argument("file", type=_FILE)
@click.argument("incident", type=_FILE)
@click.option(
    "--at", type=click.DateTime(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"]), help="The time to judge at, in UTC; else now."
)
@looks
@click.pass_obj
def explain(session: Session, file: Path, incident: Path, at: datetime | None) -> None:
    """What the policy in a FILE makes of an INCIDENT, a file as Graph returns it with its alerts.

    Devices are what the alerts say of them, without value and roles: nobody is asked.
    """
    rules = compiled(file)
    found = incident_of(text_of(incident), incident.name)
    now = at.replace(tzinfo=UTC) if at else datetime.now(UTC)
    machines = told_machines(found)
    assessment, rows = rules.assess(found, machines, now), rules.explain(found, machines, now)
    told = {"at": now.isoformat(), "assessment": assessment_json(assessment), "rules": rules_json(rows)}
    session.voice.tell(told, *verdict(assessment), rules_table(rows))


def compiled(file: Path) -> CompiledPolicy:
    """The policy in a file. Raises SettingsError."""
    try:
        return compile_policy(read(text_of(file)))
    except PolicyError as error:
        raise SettingsError([f"{file.name}, {problem}" for problem in error.problems]) from None


def text_of(file: Path) -> str:
    """A file's text. Raises SettingsError."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError([f"{file}: cannot be read ({error.strerror})"]) from None
    except UnicodeDecodeError:
        raise SettingsError([f"{file}: is not UTF-8"]) from None


def incident_of(text: str, name: str) -> Incident:
    """An incident as Graph returns it: itself, or the only one of a list. Raises SettingsError."""
    try:
        raw: Any = json.loads(text)
    except ValueError:
        raise SettingsError([f"{name}: is not JSON"]) from None
    several = raw.get("value") if isinstance(raw, dict) else raw
    if isinstance(several, list):
        if len(several) != 1:
            raise SettingsError([f"{name}: holds {len(several)} incidents; one is needed"])
        raw = several[0]
    if not isinstance(raw, dict):
        raise SettingsError([f"{name}: is no incident"])
    try:
        return Incident.model_validate(raw)
    except ValidationError as error:
        raise BulkheadError(f"{name} cannot be read as an incident: {error.errors()[0]['msg']}") from None


def assessment_json(assessment: Assessment) -> Json:
    """What was made of an incident, for scripts."""
    return {
        "verdict": str(assessment.verdict),
        "severity": SEVERITY_NAMES[assessment.severity],
        "reasons": list(assessment.reasons),
        "doubt": assessment.doubt,
        "decided_by": assessment.decided_by,
        "rules": list(assessment.rules),
        "devices": [
            {
                "id": device.id,
                "name": device.name,
                "why": list(device.why),
                "wants": [
                    {
                        "responder": want.responder,
                        "rule": want.rule,
                        "doubt": want.doubt,
                        "approval": bool(want.approval),
                    }
                    for want in device.wants
                ],
            }
            for device in assessment.devices
        ],
        "not_actionable": list(assessment.not_actionable),
    }


def rules_json(rows: Sequence[Explained]) -> list[Json]:
    """What became of every rule, for scripts; `applies` is null where nobody can tell."""
    return [
        {"rule": row.rule, "applies": row.applies, "decided": row.decided, "why": row.why, "asks": list(row.asks)}
        for row in rows
    ]


def verdict(assessment: Assessment) -> list[RenderableType]:
    """What was made of an incident, in words."""
    parts: list[RenderableType] = [ours(f"Verdict: {assessment.verdict}", "bold")]
    parts += [foreign(f"Why: {reason}", 900) for reason in assessment.reasons]
    parts += [foreign(f"To weigh: {assessment.doubt}", 900, "yellow")] if assessment.doubt else []
    for device in assessment.devices:
        parts.append(foreign(f"{device.name}: {', '.join(device.why)}", 900))
        for want in device.wants:
            how = f"; a person decides: {want.doubt}" if want.doubt else "; a person approves" if want.approval else ""
            parts.append(foreign(f"  wants {want.responder} by the rule {want.rule}{how}", 900))
    parts += [foreign(f"Not actionable: {text}", 900) for text in assessment.not_actionable]
    return parts


def rules_table(rows: Sequence[Explained]) -> RenderableType:
    """What became of every rule, in words."""
    words = {True: ours("applies", "green"), False: ours("does not", "dim"), None: ours("may apply", "yellow")}
    cells = [
        (
            row.rule,
            words[row.applies],
            "gives the verdict" if row.decided else "",
            ", ".join(row.asks),
            foreign(row.why, 900),
        )
        for row in rows
    ]
    return table("Rules", ("rule", "applies", "", "asks for", "found"), cells)
