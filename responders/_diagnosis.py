"""What the readings of an examination mean: findings, each with what to do. Pure.

The readings themselves are taken in `_readiness.py`, with the app's own permissions.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from responders._findings import ALERTS_ROLE
from shared.models.readiness import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from responders._interface import Responder
    from shared.models.device import MachineAction
    from shared.storage.interface import Protection

GRAPH, DEFENDER = "graph", "defender"
READING = {GRAPH: frozenset({"SecurityIncident.ReadWrite.All"}), DEFENDER: frozenset({"Machine.Read.All"})}
"""The app roles without which even observing does not work."""

USEFUL = {GRAPH: frozenset({ALERTS_ROLE}), DEFENDER: frozenset[str]()}
"""App roles that some tenants ask for, and others do not."""

_OF_GRAPH = ("SecurityIncident.", "SecurityAlert.", "ThreatHunting.")
SKEW = timedelta(seconds=60)
SKEW_TOO_MUCH = timedelta(minutes=5)
_MARKER = re.compile(r"\[bulkhead ([^/\]]{1,40})/")
_GRANT = "grant it (infra/grants.sh); a token that is out already carries no new role for hours"


def needed(responders: Iterable[Responder]) -> dict[str, frozenset[str]]:
    """The app roles that the product needs, by API: those for reading, and those of its responders."""
    roles = {role for each in responders for role in each.permissions}
    graph = {role for role in roles if role.startswith(_OF_GRAPH)}
    return {GRAPH: READING[GRAPH] | graph, DEFENDER: READING[DEFENDER] | (roles - graph)}


def of_token(
    api: str, audience: str, expected: str, roles: Iterable[str], wanted: Iterable[str], *, respond: bool
) -> list[Finding]:
    """Whether a token is for the right API and carries the roles that the product needs there, and no more."""
    check = f"token {api}"
    if audience.rstrip("/") != expected:
        todo = "DEFENDER_CLOUD picks the audience: give the cloud of your tenant"
        return [Finding(check=check, verdict=Verdict.BAD, text=f"is for {audience}, not for {expected}", todo=todo)]
    have, want = set(roles), set(wanted)
    found = []
    for role in sorted(want - have):
        grave = respond or role in READING[api]
        text = f"the role {role} is not in the app's token" + ("" if grave else "; to observe, it is not needed")
        verdict = Verdict.BAD if grave else Verdict.LOOK
        found.append(Finding(check=f"role {role}", verdict=verdict, text=text, todo=_GRANT))
    if surplus := sorted(have - want - USEFUL[api]):
        text = f"carries roles that nothing here needs: {', '.join(surplus)}"
        found.append(Finding(check=check, verdict=Verdict.LOOK, text=text, todo="take them back"))
    if not want - have:
        held = f"is for {expected} and carries {', '.join(sorted(want))}"
        found.append(Finding(check=check, verdict=Verdict.GOOD, text=held))
    return found


def of_clocks(ours: datetime, theirs: datetime) -> Finding:
    """Whether storage's clock, by which everything here is timed, and the tenant's agree."""
    apart = abs(ours - theirs)
    text = f"storage's clock and Graph's are {apart.total_seconds():.0f} s apart"
    if apart <= SKEW:
        return Finding(check="clocks", verdict=Verdict.GOOD, text=text)
    todo = "both are the services' own; see whether a proxy answers in their place"
    return Finding(check="clocks", verdict=Verdict.BAD if apart > SKEW_TOO_MUCH else Verdict.LOOK, text=text, todo=todo)


def of_alerts(*, come: bool) -> Finding:
    """Whether incidents come with their alerts, without which no device of theirs is known."""
    check = "Graph: alerts"
    if come:
        return Finding(check=check, verdict=Verdict.GOOD, text="incidents come with their alerts")
    text = "incidents come without their alerts: none of their devices is known, and nothing is contained"
    todo = f"grant the app role {ALERTS_ROLE} (Microsoft Graph) to the app's identity, then restart the app"
    return Finding(check=check, verdict=Verdict.BAD, text=text, todo=todo)


def of_others(actions: Iterable[MachineAction], deployment: str, days: int) -> Finding:
    """Whether another deployment of Bulkhead works in this tenant: its marker is in Defender's machine actions."""
    named = {name for each in actions for name in _MARKER.findall(each.comment)}
    others = sorted(named - {deployment})
    if not others:
        text = f"no other deployment left its marker in the machine actions of the last {days} days"
        return Finding(check="other deployments", verdict=Verdict.GOOD, text=text)
    text = f"{', '.join(others)} acted in this tenant within the last {days} days"
    todo = "let one of them respond and the others observe; they share the tenant's API budgets"
    return Finding(check="other deployments", verdict=Verdict.LOOK, text=text, todo=todo)


def of_protection(found: Protection | None, now: datetime, *, emulated: bool) -> Finding:
    """Whether what the app archives is protected from the moment it is written."""
    check = "immutability"
    if found is None:
        text = "what was written to evidence storage is not there"
        return Finding(check=check, verdict=Verdict.BAD, text=text, todo="see who deletes there, and stop it")
    if found.until is None or found.until <= now:
        verdict = Verdict.LOOK if emulated else Verdict.BAD
        text = "what is written to evidence storage is not immutable"
        todo = "deploy an account with immutability by version (infra/modules/evidence.bicep); it cannot be added later"
        if emulated:
            todo = "evidence storage is reached by a connection string, as an emulator is: in Azure, use the identity"
        return Finding(check=check, verdict=verdict, text=text, todo=todo)
    until = f"protected until {found.until:%Y-%m-%d}"
    if not found.locked:
        text = f"what is written to evidence storage is {until}, unlocked: the account's owner can end that"
        todo = "once the first deployment is accepted: evidence.immutabilityState 'Locked' (docs/deploy.md, step 6)"
        return Finding(check=check, verdict=Verdict.LOOK, text=text, todo=todo)
    return Finding(check=check, verdict=Verdict.GOOD, text=f"what is written to evidence storage is {until}, locked")


def of_lacks(lacks: Mapping[str, tuple[str, str]]) -> list[Finding]:
    """What the tenant refused for all devices: a licence, or a switch. `lacks` gives why and what to do."""
    if not lacks:
        text = "nothing was refused for the whole tenant within the last day"
        return [Finding(check="licence and switches", verdict=Verdict.GOOD, text=text)]
    return [
        Finding(check=f"licence and switches: {name}", verdict=Verdict.BAD, text=why, todo=todo)
        for name, (why, todo) in sorted(lacks.items())
    ]


def of_channels(channels: Sequence[str]) -> Finding:
    """Whether anybody is told."""
    if channels:
        return Finding(check="chat", verdict=Verdict.GOOD, text=f"people are told on {', '.join(sorted(channels))}")
    todo = "give SLACK_WEBHOOK_URL or TEAMS_WEBHOOK_URL, in Azure with `chat` in the parameter file"
    return Finding(check="chat", verdict=Verdict.LOOK, text="no channel is configured: nobody is told", todo=todo)


def by_hand(*, live: bool) -> list[Finding]:
    """What no API tells, and a person has to look at in the Defender portal."""
    groups = (
        "device groups",
        "which device groups have no remediation level: actions on their devices are refused (no-remediation-level)",
        "Settings, Endpoints, Device groups: give each a remediation level",
    )
    switches = (
        "live response switches",
        "whether live response is on, and on for servers, and unsigned scripts are off",
        "Settings, Endpoints, Advanced features: Live Response, and that for servers, on; unsigned scripts off",
    )
    told = [groups, switches] if live else [groups]
    return [Finding(check=check, verdict=Verdict.BY_HAND, text=text, todo=todo) for check, text, todo in told]
