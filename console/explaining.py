"""Why something was done about an incident, or was not: what was decided then, what stopped what, and what became of
every rule, over the same snapshot that was judged.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console.naming import INCIDENT
from console.policies import (
    assessment_json,
    compiled,
    incident_of,
    rules_json,
    rules_table,
    verdict,
)
from console.session import Session, looks
from console.showing import done_or_observed, known, plan_of, state_json, summary, todo
from console.voice import foreign, ours
from console.words import action_json
from responders._unsent import snapshot_of
from responders._versions import snapshot_name
from shared.errors import NotFound, SettingsError
from shared.models.action import target_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from console.desk import Desk
    from shared.models.action import Action
    from shared.models.device import Machine
    from shared.models.plan import Plan
    from shared.models.progress import IncidentState

DEFAULT = Path(__file__).parents[1] / "policies" / "default.yaml"


@click.command()
@click.argument("incident", type=INCIDENT)
@click.option(
    "--policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The policy to ask; without it POLICY_FILE, else the one that comes with Bulkhead.",
)
@looks
@click.pass_obj
def explain(session: Session, incident: str, policy: Path | None) -> None:
    """Rule by rule, why something was done about an INCIDENT, or was not."""
    desk = session.desk
    state = known(desk, incident)
    plan = plan_of(desk, state)
    actions = done_or_observed(desk, state)
    file = policy or policy_file(session.values.get("POLICY_FILE", ""))
    rules = compiled(file)
    snapshot = incident_of(_snapshot(desk, state).decode("utf-8", "replace"), f"the snapshot of {incident}")
    machines = _machines(plan, actions)
    now = state.assessed_at or desk.clock.now()
    would, rows = rules.assess(snapshot, machines, now), rules.explain(snapshot, machines, now)
    parts: list[RenderableType] = [
        *summary(state, actions),
        *_decided(plan, actions),
        *map(ours, todo(actions)),
    ]
    parts += [ours(""), ours(f"What {file.name} makes of the same snapshot, at the time when it was assessed:", "bold")]
    if state.verdict and str(would.verdict) != state.verdict:
        parts.append(ours(f"It differs from what was decided then: {state.verdict}", "yellow"))
    parts += [*verdict(would), rules_table(rows)]
    told = {
        **state_json(state),
        "actions": [action_json(action) for action in actions],
        "planned": [action_json(action) for action in plan.actions] if plan else None,
        "policy": {"file": file.name, "assessment": assessment_json(would), "rules": rules_json(rows)},
    }
    session.voice.tell(told, *parts)


def _snapshot(desk: Desk, state: IncidentState) -> bytes:
    version = state.assessed or state.seen
    data = snapshot_of(desk.documents, state.id, version)
    if data is None:
        raise NotFound(f"the snapshot {snapshot_name(state.id, version)} is not kept any more", status=404)
    return data


def _machines(plan: Plan | None, actions: Sequence[Action]) -> dict[str, Machine | None]:
    """The details of devices as they were read for the plan, or later for an action."""
    known = [*actions, *(plan.actions if plan else ())]
    return {action.device: action.facts for action in known if action.facts_at}


def _decided(plan: Plan | None, actions: Sequence[Action]) -> list[RenderableType]:
    """What was planned for each device, and for which nothing was."""
    if plan is None:
        return [ours("Its plan cannot be read here.", "yellow")]
    done = {action.target for action in (*actions, *plan.actions)}
    parts: list[RenderableType] = []
    for device in plan.assessment.devices:
        parts.append(foreign(f"Concerned: {device.name} ({device.id[:8]}): {', '.join(device.why)}", 900))
        if target_of(device.id) not in done:
            parts.append(ours("  nothing is planned for it"))
    return parts


def policy_file(written: str) -> Path:
    """Where the policy in force lies. Raises SettingsError where that is not on this machine."""
    if not written:
        return DEFAULT
    for path in (Path(written), DEFAULT.parents[1] / written):
        if path.is_file():
            return path
    raise SettingsError([f"POLICY_FILE: {json.dumps(written)} is not on this machine; say which with --policy FILE"])
