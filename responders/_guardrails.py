"""The guard rails: what no responder may do, whatever it was asked. Pure.

They run when an action is planned and again right before it is sent. What they cannot tell, they do not allow: it waits
for a person, and says so. A person's approval passes the rails that ask for a person, the caps among them; protection
and the kill switch it does not pass. What gives back what containment took passes them all, where a person orders it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._consent import approving
from responders._interface import news_after
from responders._protection import protection, untold
from responders._taking import still
from shared.models.device import NOT_ONBOARDED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.config import Caps, Protected
    from shared.models.action import Action, Spent
    from shared.models.asked import Released
    from shared.models.device import Machine

DOMAIN_CONTROLLER = "domain controller"
HYPER_V_HOST = "Hyper-V host"

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

# In tags and roles people join words as they like (ADDomainController, is_domain_controller, HyperVHost). In names the
# short forms stand alone, or at the end with a number after a site's letters (NYCDC01): hvac1 and dcim are neither.
_CONTROLLER = re.compile(r"domain[ _-]?controller|(?<![a-z0-9])(?:p|b|ro)?dcs?[-_]?\d*(?![a-z0-9])", re.IGNORECASE)
_HYPERVISOR = re.compile(r"hyper[ _-]?v(?=isor|host|server|[^a-z]|$)", re.IGNORECASE)
_CONTROLLER_NAME = re.compile(r"(?:^|[-_])(?:p|b|ro)?dc[-_]?\d*(?:$|[-_])|dc\d{1,3}$", re.IGNORECASE)
_HYPERVISOR_NAME = re.compile(_HYPERVISOR.pattern + r"|(?:^|[-_])hv[-_]?\d*(?:$|[-_])|hv\d{1,3}$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Go:
    """Nothing stands against it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A person has to decide. `todo` says what that person can do; with `held` it is the end of a hold. With `capped` a
    cap says so, of whichever device comes next.
    """

    detail: str
    todo: str
    held: bool = False
    capped: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """It must not be done."""

    detail: str
    todo: str


Ruling = Go | Wait | Stop


@dataclass(frozen=True, slots=True)
class Counts:
    """What counts against the caps, as known in one moment, without the action that is ruled on.

    `incident` are devices isolated or being isolated for the incident, `sent` the isolations of the last day, `held`
    the devices that we hold or are isolating, `fleet` the onboarded devices (None: not known).
    """

    incident: int
    sent: tuple[Spent, ...]
    held: int
    fleet: int | None


@dataclass(frozen=True, slots=True)
class Ordered:
    """What people ordered that bears on an action: whose hold stands, in words, and the release of its device. With
    `gives_back` the action itself undoes a containment.
    """

    held: str = ""
    released: Released | None = None
    gives_back: bool = False


def rule(  # noqa: PLR0911 - one rail after the other, in the order in which people should hear of them
    action: Action,
    *,
    respond: bool,
    protected: Protected,
    now: datetime,
    max_age: timedelta,
    contains: bool = True,
    later: bool = False,
    people: Ordered = Ordered(),
) -> Ruling:
    """The rails that concern one device and its incident. What does not contain meets only the kill switch; what gives
    back what was contained, by a person's order, not even that. `later` says that the device's details are still to be
    read, and that these rails will run again when they are.
    """
    switched_off = _kill_switch(action, people.held, respond=respond)
    if people.gives_back and action.approved:
        return Go()
    if switched_off or not contains:
        return switched_off or _person(action) or Go()
    machine = action.facts
    never = _never(action, protected, people.released)
    if never:
        return never
    unclear = None if later else _unclear(action, protected)
    if action.approved:
        return unclear or Go()
    approve = approving(action)
    if machine and machine.onboarding in NOT_ONBOARDED:
        return Stop(f"not onboarded to Defender ({machine.onboarding[:40]})", "contain it by other means")
    if machine is None and not later:
        return Wait(
            "its details could not be read from Defender",
            f"look at the device in the Defender portal; if it should be contained: {approve}",
        )
    if unclear:
        return unclear
    if machine and machine.onboarding not in {"", "onboarded"}:
        return Wait(
            f"whether it is onboarded is told in a word that this version does not know ({machine.onboarding[:40]})",
            f"look at the device in the Defender portal; if it should be contained: {approve}",
        )
    role = sensitive_role(action, machine) if machine else ""
    if role:
        late = f", which nobody knew when {action.approved_by} approved it" if action.approved_by else ""
        return Wait(f"it looks like a {role}{late}", f"make sure that it can be cut off, then: {approve}")
    return _person(action) or _aged(action, now, max_age) or Go()


def _aged(action: Action, now: datetime, max_age: timedelta) -> Wait | None:
    """Whether what happened is too long ago to act alone. What was sent in time, and has been waiting for its device
    since, is not old.
    """
    age = now - action.newest_alert if action.newest_alert else None
    if action.timeouts or (age is not None and age <= max_age):
        return None
    old = f"{int(age / HOUR)} h old" if age else "of unknown age"
    return Wait(
        f"the newest alert is {old}",
        f"see whether it still matters; if the device should be contained: {approving(action)}",
    )


def _person(action: Action) -> Wait | None:
    """Whether the policy leaves it to a person who has not spoken yet: by a doubt, or since its rule says so."""
    if action.approved:
        return None
    if action.doubt:
        return Wait(action.doubt, f"judge the incident; if it should be done: {approving(action)}")
    if action.approval is not None:
        return Wait(f"the rule {action.rule} asks for approval", f"if it should be done: {approving(action)}")
    return None


def _kill_switch(action: Action, held: str, *, respond: bool) -> Wait | None:
    """The mode, and the hold: whatever stops everything, and says which of both it was."""
    if not respond:
        return Wait(
            "RESPONSE_MODE was set to observe before it was sent",
            f"if it is still called for, set RESPONSE_MODE to respond, then: {approving(action)}",
        )
    if held:
        return Wait(f"everything is held {held}", "nothing: it goes on by itself after: bulkhead resume", held=True)
    return None


def _never(action: Action, protected: Protected, released: Released | None) -> Stop | None:
    """What no approval passes: the protection of the device, and its release, unless the approval is the newer wish."""
    named = protection(action, protected)
    if named:
        return Stop(f"the device is protected ({named})", "decide yourself, and contain it in the Defender portal")
    if released and not news_after(action, released.since):
        return Stop(
            f"released by order of {released.by}{still(action)}",
            f"nothing, unless it should be contained after all; then: bulkhead isolate {action.device}",
        )
    return None


def _unclear(action: Action, protected: Protected) -> Wait | None:
    """Where nobody can tell whether it is protected, not even a person's word is enough."""
    lacking = untold(action, protected)
    if not lacking:
        return None
    return Wait(
        f"{lacking}, so nobody can tell whether it is protected",
        "look at the device, and contain it in the Defender portal if need be",
    )


def rule_caps(counts: Counts, caps: Caps, now: datetime) -> Ruling:
    """The rails that concern how much is done in all. What a person can do lacks the command yet (`told`)."""
    hour = sum(spent.at > now - HOUR for spent in counts.sent)
    day = sum(spent.at > now - DAY for spent in counts.sent)
    todo = "look whether so many devices are really attacked; if so"
    for name, used, limit in (
        ("per incident", counts.incident, caps.per_incident),
        ("per hour", hour, caps.per_hour),
        ("per day", day, caps.per_day),
    ):
        if used >= limit:
            return Wait(f"the cap of {limit} isolations {name} is reached", todo, capped=True)
    if counts.fleet is None:
        unknown = "the number of onboarded devices is not known, so its share cannot be kept"
        return Wait(unknown, todo, capped=True)
    share = max(1, int(counts.fleet * caps.fleet_share)) if caps.fleet_share > 0 else 0
    if counts.held >= share:
        held = f"the cap of {share} devices held at once ({caps.fleet_share:.0%} of {counts.fleet}) is reached"
        return Wait(held, todo, capped=True)
    return Go()


def told(ruling: Wait, action: Action) -> dict[str, str]:
    """What a person hears who has to decide. An approval passes the caps and all else at once: so beside a cap stands
    what else is to be weighed, and the command approves this action alone.
    """
    if not ruling.capped:
        return {"detail": ruling.detail, "todo": ruling.todo}
    return {"detail": beside(ruling, weighed(action)), "todo": f"{ruling.todo}: {approving(action)}"}


def beside(cap: Wait, more: str) -> str:
    """A cap's words, and what else a person has to weigh."""
    return "; ".join(filter(None, (cap.detail, more)))


def weighed(action: Action) -> str:
    """What the policy has a person weigh, whatever the caps say; empty where that is nothing."""
    asked = _person(action)
    return asked.detail if asked else ""


def sensitive_role(action: Action, machine: Machine) -> str:
    """What the device seems to be, by tags, roles and name, that many others depend on; empty where nothing says so."""
    # a device without a name is called by the start of its id, and that says nothing
    names = [name for name in (machine.name, action.device_name) if not action.device.startswith(name)]
    return next(iter(sensitive_roles((*machine.tags, *machine.hints, *action.hints), names)), "")


def blind(action: Action, machine: Machine) -> bool:
    """Whether whoever approved an action could not know what its device's details say now: that many depend on it."""
    known = action.facts and sensitive_role(action, action.facts)
    return not known and bool(sensitive_role(action, machine))


def sensitive_roles(hints: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Every such role of a device with these tags and roles, and with these names."""
    labels = [name.partition(".")[0] for name in names]
    found = (
        (DOMAIN_CONTROLLER, any(map(_CONTROLLER.search, hints)) or any(map(_CONTROLLER_NAME.search, labels))),
        (HYPER_V_HOST, any(map(_HYPERVISOR.search, hints)) or any(map(_HYPERVISOR_NAME.search, labels))),
    )
    return tuple(role for role, said in found if said)
