"""What must always hold between what was decided, or ordered, and what is there to be done."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._consent import WITHOUT_INCIDENT
from responders._given_back import GIVEN_BACK_BY
from shared.models.action import target_of
from shared.models.order import Approve, Collect, Fetch, Isolate, Release, Retry, Run, read_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.models.action import Action
    from shared.models.order import AnyOrder
    from tests.simulation.world import World

_SKEW = timedelta(seconds=1)
_INSTEAD = "instead of the"
"""How the reason begins of what stands in for a package that failed. Whatever was ordered is ordered of that."""

_PACKAGE = "collect_package"


def a_plan_becomes_rows(world: World) -> Iterator[str]:
    """The plan of the version at which an incident stands assessed is there, and where nobody ever observes, every
    action of it has a row.
    """
    rows = {action.key for action in world.record.actions()}
    switched = any(world.counters.injected["mode switched", mode] for mode in ("observe", "respond"))
    for state in world.record.incidents():
        if not state.assessed:
            continue
        plan = world.record.plan(state)
        yield "" if plan else f"incident {state.id}: no plan of version {state.assessed}"
        for action in plan.actions if plan and plan.mode == "respond" and not switched else ():
            yield "" if action.key in rows else f"{action.key} was planned, and is not there"


def an_approval_is_by_order(world: World) -> Iterator[str]:
    """What counts as wanted by a person names an order that somebody sent before: to approve it, or to have done what
    it does, on its device or for its incident, or to try it anew.
    """
    sent: dict[str, list[AnyOrder]] = defaultdict(list)
    for order in (*world.people.sent.values(), *map(read_order, world.people.namesakes)):
        sent[order.id].append(order)
    rows = world.record.actions()
    counted = [(each, each.approved_at) for each in rows if each.approved or each.approved_at or each.opened_by]
    counted += [(each.row, each.at) for each in world.record.effects if each.row and each.row.approved]
    for action, at in counted:
        named = [order for name in (action.opened_by, *action.orders) for order in sent[name]]
        fits = [order for order in named if order.by == action.approved_by and _asks_for(world, order, action, rows)]
        in_time = at is not None and any(order.at <= at + _SKEW for order in fits)
        said = f"{action.key} is wanted by {action.approved_by or 'nobody'}"
        yield "" if in_time else f"{said}, by the orders {[f'{each.id} to {each.kind}' for each in named]}"


def _asks_for(world: World, order: AnyOrder, action: Action, rows: list[Action]) -> bool:
    """Whether an order is about an action: lets it go on, or had it opened."""
    meant = {action.responder, _PACKAGE} if action.reason.startswith(_INSTEAD) else {action.responder}
    if not isinstance(order, Approve):
        return order.id == action.opened_by and _opens(order, action, rows, meant)
    if order.action:
        return any(each.id == order.action for each in rows if _same(each, action, meant))
    about = order.device is None or _called(order.device, action)
    return about and order.responder in {None, *meant} and order.incident in set(_heirs(world, action.incident))


def _opens(order: AnyOrder, action: Action, rows: list[Action], meant: set[str]) -> bool:
    """Whether an order asks for what an action does, or to try an earlier round of it anew."""
    if isinstance(order, Retry):
        again = [each for each in rows if each.id == order.action and each.responder in meant]
        if action.responder in GIVEN_BACK_BY.values():  # for whichever incident holds the device by then
            return any(each.target == action.target for each in again)
        return any(_same(each, action, meant, earlier=True) for each in again)
    if not isinstance(order, Release | Isolate | Collect | Run | Fetch) or target_of(order.device) != action.target:
        return False
    if isinstance(order, Release):  # for whichever incident holds the device
        return order.responder == action.responder
    asked = order.responder if isinstance(order, Collect) else order.kind
    return asked in meant and action.incident == (order.incident or WITHOUT_INCIDENT)


def _same(one: Action, action: Action, responders: set[str], *, earlier: bool = False) -> bool:
    """Whether one is an action, or the package that it stands in for; or an earlier round of that."""
    alike = (one.incident, one.target, one.goal) == (action.incident, action.target, action.goal)
    rounds = one.round < action.round if earlier else one.round == action.round
    return alike and rounds and one.responder in responders


def _called(name: str, action: Action) -> bool:
    """Whether a device may be called so: by its id, the start of that, or the first label of its name."""
    if not action.device:
        return name == "incident"
    return action.target.startswith(name.lower()) or action.device_name.lower().partition(".")[0] == name.lower()


def _heirs(world: World, incident: str) -> Iterator[str]:
    """An incident, and whichever it was merged into."""
    met: set[str] = set()
    while incident and incident not in met:
        met.add(incident)
        yield incident
        known = incident in world.life.incidents
        incident = str(world.tenant.incidents.raw(incident)["redirectIncidentId"] or "") if known else ""


OF_PLANS = (
    a_plan_becomes_rows,
    an_approval_is_by_order,
)
