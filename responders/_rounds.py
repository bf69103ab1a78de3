"""Rounds that a person opens: isolate, collect, try again. They need no news, and pass the rails that ask for a person;
protection and the kill switch they do not pass, and the answer says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from responders._approving import forbidden
from responders._consent import WITHOUT_INCIDENT, Goal, approving, expired, lapsed, new_round, next_key, told
from responders._containment import settle
from responders._job import Answer
from responders._nudges import forewarn, tell
from responders._personal import as_the_policy_says
from responders._sessions import CLEAN_UP
from shared.errors import NotFound, Rejected
from shared.models.action import EXPLAINED, Action, State, goal_of, target_of
from shared.models.frozen import Params
from shared.models.plan import Want

if TYPE_CHECKING:
    from responders._job import Job
    from shared.models.device import Machine
    from shared.models.order import Collect, Fetch, Isolate, Run
    from shared.models.progress import IncidentState

RETRIED = frozenset({State.FAILED, State.REFUSED, State.WITHDRAWN, State.UNAVAILABLE})
"""What may be tried again: what was not done, and not by somebody else either. A person may know that what could not be
had, as a licence or a switch of the tenant, is there now.
"""


def ordered(job: Job, order: Isolate | Collect) -> Answer:
    """Isolate a device, or collect from it."""
    responder = "isolate" if order.kind == "isolate" else order.responder
    known = job.ports.responders.get(responder)
    collecting = [each.name for each in job.ports.responders.values() if each.gathers and each.name != CLEAN_UP]
    if known is None or (order.kind == "collect" and known.name not in collecting):
        return Answer.refused(f"nothing here collects under that name; known are {', '.join(collecting)}")
    goal = Goal(order.device, responder, order.incident)
    if order.kind == "isolate" or known.name == "collect_package":
        return open_round(job, goal)
    machine = read_device(job, order.device)
    if isinstance(machine, str):
        return Answer.refused(machine)
    want = as_the_policy_says(job.ports.policies.in_force().policy.policy, responder, machine)
    if isinstance(want, str):
        return Answer.refused(want)
    return open_round(job, replace(goal, goal=want.goal, params=want.params) if want else goal)


def run_script(job: Job, order: Run) -> Answer:
    """Run a script on a device: one that the operator pinned, and none of ours, which have orders of their own."""
    if order.script not in job.ports.settings.TOOLS:
        pinned = ", ".join(sorted(job.ports.settings.TOOLS)) or "none"
        return Answer.refused(
            f"{order.script} is not pinned in the setting TOOLS, and nothing else runs; are: {pinned}"
        )
    params = Params({"script": order.script, **({"args": order.args} if order.args else {})})
    goal = goal_of(order.script, order.args)
    return open_round(job, Goal(order.device, "run_script", order.incident, goal=goal, params=params))


def get_files(job: Job, order: Fetch) -> Answer:
    """Get files from a device whose group a rule of the policy names for that: they may hold personal data."""
    machine = read_device(job, order.device)
    if isinstance(machine, str):
        return Answer.refused(machine)
    allowed = as_the_policy_says(job.ports.policies.in_force().policy.policy, "get_files", machine)
    if not isinstance(allowed, Want):
        return Answer.refused(str(allowed))
    params = Params({"paths": "\n".join(order.paths), "purpose": order.why})
    return open_round(job, Goal(order.device, "get_files", order.incident, goal=goal_of(*order.paths), params=params))


def again(job: Job, old: Action) -> Answer:
    """Open another round of what came to nothing."""
    if lapsed(old, job.ports.clock.now()):
        old = _lapse(job, old)
    if old.state not in RETRIED and not job.keys:
        return Answer.refused(f"only what was not done can be tried again: {told(old)}")
    incident = None if old.incident == WITHOUT_INCIDENT else old.incident
    goal = Goal(old.device, old.responder, incident, old.device_name, old.goal, old.params)
    return open_round(job, goal, after=old.key)


def open_round(job: Job, goal: Goal, after: str = "") -> Answer:
    """Open the next round of a goal, `after` a certain one if need be, and answer how it stands."""
    if job.actions():
        return job.ending()
    known = goal.responder in job.ports.responders  # in the middle of an update the older version gets orders too
    state = known_incident(job, goal.incident) if known else f"this version of the app knows no {goal.responder}"
    if isinstance(state, str):
        return Answer.refused(state)
    machine = read_device(job, goal.device)
    if isinstance(machine, str):
        return Answer.refused(machine)
    last = last_round(job, goal)
    if last and (not last.state.final or (after and last.key != after)):
        return Answer.refused(_in_the_way(last))
    key = job.keys[0] if job.keys else next_key(goal, last)
    action = new_round(job.order, key, goal, state, machine, job.ports.clock.now())
    why_not = forbidden(job.ports, action)
    if why_not:
        return Answer.refused(why_not)
    return opened(job, action)


def opened(job: Job, action: Action) -> Answer:
    """Open a round that nothing stands against."""
    job.about([action.key])
    why_not = job.open(action)
    return Answer.refused(why_not) if why_not else job.ending()


def known_incident(job: Job, incident: str | None) -> IncidentState | str | None:
    """The incident that an order names, if any; in words, that there is none."""
    if incident is None:
        return None
    entry = job.ports.ledger.incident(incident)
    return entry.value if entry else f"incident {incident} is not known here; first: bulkhead reassess {incident}"


def read_device(job: Job, device: str) -> Machine | str | None:
    """What Defender says of a device, None where it will not say, or where none is meant; in words, that it knows none
    of this id.
    """
    if not device:
        return None
    try:
        return job.ports.devices.machine(device)
    except NotFound:
        return f"Defender knows no device with the id {device}"
    except Rejected:
        return None


def last_round(job: Job, goal: Goal) -> Action | None:
    """The newest round of a goal."""
    rounds = [
        action
        for action in job.ports.ledger.actions(goal.incident or WITHOUT_INCIDENT)
        if (action.target, action.responder, action.goal) == (target_of(goal.device), goal.responder, goal.goal)
    ]
    return max(rounds, key=lambda action: action.round, default=None)


def _in_the_way(last: Action) -> str:
    """Why no round opens beside the newest one."""
    if last.state is State.WAITING:
        return f"it waits for a person already; then: {approving(last)}"
    return f"a round of it {EXPLAINED[last.state]} already: {last.id}"


def _lapse(job: Job, old: Action) -> Action:
    """An action that waited in vain, as final as it is about to be."""
    entry = job.ports.ledger.open_action(old.key)
    if entry and lapsed(entry.value, job.ports.clock.now()):
        over = expired(entry.value, job.ports.clock.now())
        forewarn(job.ports, over.incident)
        if settle(job.ports, entry, over):
            tell(job.ports, over)
            return over
    return old
