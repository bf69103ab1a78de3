"""The guard rails: what no responder may do, whatever it was asked. Pure.

They run when an action is planned and again right before it is sent. What they cannot tell, they do not allow: it waits
for a person, and says so. A person's approval passes the rails that ask for a person, the caps among them; protection
and the kill switch it does not pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from shared.config import Caps, Protected
    from shared.models.action import Action, Spent
    from shared.models.device import Machine

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
    """A person has to decide. `todo` says what that person can do."""

    detail: str
    todo: str


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


def rule(  # noqa: PLR0911 - one rail after the other, in the order in which people should hear of them
    action: Action,
    *,
    respond: bool,
    protected: Protected,
    now: datetime,
    max_age: timedelta,
    contains: bool = True,
    later: bool = False,
) -> Ruling:
    """The rails that concern one device and its incident. What does not contain meets only the kill switch; `later`
    says that the device's details are still to be read, and that these rails will run again when they are.
    """
    if not respond:
        return Wait(
            "RESPONSE_MODE was set to observe before it was sent",
            "contain the device in the Defender portal, if it is still called for",
        )
    if not contains:
        return Go()
    machine = action.facts
    named = _protection(action, machine, protected)
    if named:
        return Stop(f"the device is protected ({named})", "decide yourself, and contain it in the Defender portal")
    if action.approved:
        return Go()
    if machine and machine.onboarding not in {"", "onboarded"}:
        return Stop(f"not onboarded to Defender ({machine.onboarding[:40]})", "contain it by other means")
    if machine is None and not later:
        return Wait(
            "its details could not be read from Defender",
            "look at the device, and contain it in the Defender portal if need be",
        )
    role = sensitive_role(action, machine) if machine else ""
    if role:
        return Wait(
            f"it looks like a {role}", "make sure that it can be cut off, then contain it in the Defender portal"
        )
    if action.doubt:
        return Wait(action.doubt, "judge the incident, and contain the device in the Defender portal if need be")
    age = now - action.newest_alert if action.newest_alert else None
    if age is None or age > max_age:
        old = f"{int(age / HOUR)} h old" if age else "of unknown age"
        return Wait(
            f"the newest alert is {old}",
            "see whether it still matters, and contain the device in the Defender portal if need be",
        )
    return Go()


def rule_caps(counts: Counts, caps: Caps, now: datetime) -> Ruling:
    """The rails that concern how much is done in all."""
    hour = sum(spent.at > now - HOUR for spent in counts.sent)
    day = sum(spent.at > now - DAY for spent in counts.sent)
    todo = "look whether so many devices are really attacked, and contain them in the Defender portal"
    for name, used, limit in (
        ("per incident", counts.incident, caps.per_incident),
        ("per hour", hour, caps.per_hour),
        ("per day", day, caps.per_day),
    ):
        if used >= limit:
            return Wait(f"the cap of {limit} isolations {name} is reached", todo)
    if counts.fleet is None:
        return Wait("the number of onboarded devices is not known, so its share cannot be kept", todo)
    share = max(1, int(counts.fleet * caps.fleet_share)) if caps.fleet_share > 0 else 0
    if counts.held >= share:
        return Wait(
            f"the cap of {share} devices held at once ({caps.fleet_share:.0%} of {counts.fleet}) is reached", todo
        )
    return Go()


def _protection(action: Action, machine: Machine | None, protected: Protected) -> str:
    """Which protection covers the device; empty where none does. Where Defender cannot be read, the evidence's own tags
    have to do.
    """
    if _match((action.device,), protected.ids):
        return "by id"
    if any(_is_named(name, protected.names) for name in (action.device_name, machine.name if machine else "")):
        return "by name"
    tag = _match(machine.tags if machine else action.hints, protected.tags)
    if tag:
        return f"by tag {tag}"
    group = _match((machine.group,), protected.groups) if machine else ""
    return f"by group {group}" if group else ""


def _is_named(name: str, listed: Iterable[str]) -> bool:
    """Whether a device's name is listed, as a full DNS name or as its first label. Of a device that is only known by
    its first label nobody can tell the domain, so that label has to do.
    """
    own = name.strip().rstrip(".").lower()
    wanted = {each.strip().rstrip(".").lower() for each in listed} - {""}
    if own and "." not in own:
        wanted |= {each.partition(".")[0] for each in wanted}
    return own in wanted or own.partition(".")[0] in wanted


def _match(has: Iterable[str], listed: Iterable[str]) -> str:
    wanted = {each.strip().lower(): each for each in listed if each.strip()}
    return next((wanted[each.strip().lower()] for each in has if each.strip().lower() in wanted), "")


def sensitive_role(action: Action, machine: Machine) -> str:
    """What the device seems to be, by tags, roles and name, that many others depend on; empty where nothing says so."""
    # a device without a name is called by the start of its id, and that says nothing
    names = [name for name in (machine.name, action.device_name) if not action.device.startswith(name)]
    labels = [name.partition(".")[0] for name in names]
    hints = (*machine.tags, *machine.hints, *action.hints)
    if any(map(_CONTROLLER.search, hints)) or any(map(_CONTROLLER_NAME.search, labels)):
        return "domain controller"
    if any(map(_HYPERVISOR.search, hints)) or any(map(_HYPERVISOR_NAME.search, labels)):
        return "Hyper-V host"
    return ""
