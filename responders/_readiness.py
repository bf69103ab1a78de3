"""The app examines its own deployment, and leaves what it finds in the ledger.

Only the app has the app's identity. So what depends on its tokens and rights is looked at here; `bulkhead doctor` shows
it, beside what an operator's machine can see.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from responders import _diagnosis as diagnosis
from responders._alarms import troubles
from responders._entries import renewed
from responders._lacks import refused_of_late
from responders._refusal import Asked, Service
from responders._refusals import refusal_of, remembers, told
from responders._unsent import UNSENT
from shared import VERSION
from shared.clients.interface import ActionQuery
from shared.errors import Rejected, Transient
from shared.models.incident import Incident
from shared.models.readiness import Finding, Readiness, Verdict
from shared.storage.interface import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from responders._ports import Ports
    from shared.clients.interface import ActionPage

ROW = "readiness"
FRESH = timedelta(hours=1)
IMPATIENT = timedelta(minutes=10)
"""How old an examination may be, and one that found something wrong."""

DAYS = 7
_PAGES = 5
_ASKED = "DeviceInfo | take 1"
_NOBODY = "bulkhead-readiness.invalid"
_SECRET = ("SLACK_WEBHOOK_URL", "TEAMS_WEBHOOK_URL", "AzureWebJobsStorage", "EVIDENCE_STORAGE")
PROBE = b"Bulkhead wrote this to see that it may write evidence here, and that what it writes is protected.\n"

log = logging.getLogger(__name__)


def due(found: Readiness | None, examined: str, now: datetime) -> bool:
    """Whether it is time to examine: never done, done by another version or with other settings, or too long ago."""
    if found is None or found.examined != examined:
        return True
    return now - found.at >= (FRESH if found.ready else IMPATIENT)


def examined_as(ports: Ports) -> str:
    """A name for this version with these settings: 16 hex digits. Of secrets it knows only whether they are there."""
    settings = ports.settings.model_dump(mode="json")
    settings |= {name: bool(settings[name]) for name in _SECRET}
    known = [VERSION, sorted(ports.responders), sorted(settings.items())]
    return hashlib.sha256(repr(known).encode()).hexdigest()[:16]


def examine(ports: Ports) -> Readiness:
    """Examine, and keep what is found. Raises Transient where storage cannot be reached."""
    findings = [finding for part in _PARTS for finding in part(ports)]
    entry = ports.ledger.single(Readiness, ROW)
    made = Readiness(
        at=ports.clock.now(),
        version=VERSION,
        mode=ports.settings.RESPONSE_MODE,
        deployment=ports.settings.DEPLOYMENT,
        examined=examined_as(ports),
        findings=tuple(findings),
    )
    try:
        ports.ledger.put_single(ROW, renewed(entry, made), entry.etag if entry else "")
    except Conflict:
        log.info("another instance examined the deployment")
    bad = [each.check for each in findings if each.verdict is Verdict.BAD]
    log.info("the deployment was examined: %s", f"wrong: {', '.join(bad)}" if bad else "nothing is wrong")
    return made


def examine_in_quiet(ports: Ports) -> None:
    """Examine from the tick, soon after a deployment and while something is wrong, unless something is under way."""
    entry = ports.ledger.single(Readiness, ROW)
    if not due(entry.value if entry else None, examined_as(ports), ports.clock.now()):
        return
    if all(each.value.state.settled for each in ports.ledger.open_actions()):
        examine(ports)


def _refused(check: str, service: Service, asked: Asked, error: Transient | Rejected, role: str = "") -> Finding:
    """What cannot be had; what passes, or is not licensed, is to be known and is no defect."""
    api = diagnosis.GRAPH if service is Service.GRAPH else diagnosis.DEFENDER
    row = refusal_of(error, service, asked, permissions=(role,) if role else tuple(diagnosis.READING[api]))
    verdict = Verdict.LOOK if isinstance(error, Transient) or remembers(row) else Verdict.BAD
    return Finding(check=check, verdict=verdict, text=told(row, error), todo=row.todo)


def _tokens(ports: Ports) -> Iterable[Finding]:
    wanted = diagnosis.needed(ports.responders.values())
    audiences = {
        diagnosis.GRAPH: ports.settings.graph_audience,
        diagnosis.DEFENDER: ports.settings.defender_audience,
    }
    for api, grants in ports.grants.items():
        try:
            found = grants.granted()
        except (Transient, Rejected) as error:
            todo = "see that the app's identity is assigned, and that AZURE_CLIENT_ID is its client id"
            yield Finding(check=f"token {api}", verdict=Verdict.BAD, text=str(error), todo=todo)
            continue
        yield from diagnosis.of_token(
            api, found.audience, audiences[api], found.roles, wanted[api], respond=ports.settings.respond
        )


def _graph(ports: Ports) -> Iterable[Finding]:
    now = ports.clock.now()
    try:
        page = ports.incidents.changed(now - timedelta(minutes=1))
    except (Transient, Rejected) as error:
        yield _refused("Graph: incidents", Service.GRAPH, Asked.LIST, error)
        return
    yield Finding(check="Graph: incidents", verdict=Verdict.GOOD, text="incidents can be read")
    yield diagnosis.of_clocks(ports.clock.now(), page.date)
    yield from _alerts(ports, now)
    if ports.settings.respond:
        yield _read(
            "Graph: hunting",
            Service.GRAPH,
            "ThreatHunting.Read.All",
            lambda: ports.hunting.run(_ASKED, now - timedelta(minutes=1), now),
        )


def _alerts(ports: Ports, now: datetime) -> Iterable[Finding]:
    """Whether incidents of the last day come with their alerts, or one of them where it is asked for by itself. Nothing
    where there are none, or none to be had: that is looked at elsewhere.
    """
    try:
        page = ports.incidents.changed(now - timedelta(days=1))
        found = [each for each in map(Incident.model_validate, page.incidents) if not each.merged]
        come = any(each.alerts for each in found)
        if found and not come:
            come = bool(Incident.model_validate(ports.incidents.get(found[0].id, alerts=True)).alerts)
    except (Transient, Rejected) as error:
        log.info("whether incidents come with their alerts cannot be seen now: %s", error)
        found, come = [], False
    if found or UNSENT in troubles(ports):
        yield diagnosis.of_alerts(come=come)


def _defender(ports: Ports) -> Iterable[Finding]:
    """Devices and machine actions, as the guard rails and the following need them; in respond, what live response
    needs too. To observe, the rights for that are not needed.
    """
    reads: Sequence[tuple[str, Callable[[], object]]] = (
        ("Defender: devices", lambda: ports.devices.named(_NOBODY)),
        ("Defender: machine actions", lambda: _listed(ports)),
    )
    for check, read in reads:
        try:
            found = read()
        except (Transient, Rejected) as error:
            yield _refused(check, Service.DEFENDER, Asked.LIST, error)
            continue
        yield Finding(check=check, verdict=Verdict.GOOD, text="can be read")
        if isinstance(found, Finding):
            yield found
    if ports.settings.respond:
        yield _read("Defender: live response library", Service.DEFENDER, "Library.Manage", ports.devices.library)


def _read(check: str, service: Service, role: str, read: Callable[[], object]) -> Finding:
    """Whether something can be read with the app's own rights."""
    try:
        read()
    except (Transient, Rejected) as error:
        return _refused(check, service, Asked.LIST, error, role)
    return Finding(check=check, verdict=Verdict.GOOD, text="can be read")


def _listed(ports: Ports) -> Finding:
    query = ActionQuery(since=ports.clock.now() - timedelta(days=DAYS))
    page: ActionPage = ports.devices.actions(query)
    actions = list(page.actions)
    for _ in range(_PAGES):
        if not page.next:
            break
        page = ports.devices.actions(query, page.next)
        actions += page.actions
    return diagnosis.of_others(actions, ports.settings.DEPLOYMENT, DAYS)


def _evidence(ports: Ports) -> Iterable[Finding]:
    """Writes one small object a month, to see before the first incident that it can, and what protects it."""
    now = ports.clock.now()
    name = f"readiness/{ports.settings.DEPLOYMENT}/{now:%Y-%m}.txt"
    try:
        ports.evidence.write_once(name, [PROBE], metadata={})
        found = ports.protections.of(name) if ports.protections else None
    except (Transient, Rejected) as error:
        yield _refused("evidence storage", Service.STORAGE, Asked.LIST, error)
        return
    yield Finding(check="evidence storage", verdict=Verdict.GOOD, text="evidence can be written and read")
    if ports.protections:
        yield diagnosis.of_protection(found, now, emulated=bool(ports.settings.EVIDENCE_STORAGE))


def _told(ports: Ports) -> Iterable[Finding]:
    yield diagnosis.of_channels(list(ports.chats))


def _policy(ports: Ports) -> Iterable[Finding]:
    policy = ports.policies.in_force()
    if policy.problem:
        todo = "bulkhead policy check FILE names every problem; the last good policy judges meanwhile"
        yield Finding(check="policy", verdict=Verdict.BAD, text=policy.problem, todo=todo)
    else:
        yield Finding(check="policy", verdict=Verdict.GOOD, text=f"{policy.policy.policy.name} is in force")


def _tenant(ports: Ports) -> Iterable[Finding]:
    yield from diagnosis.of_lacks({name: (each.detail, each.todo) for name, each in refused_of_late(ports).items()})
    live = any(each.api == "live_response" for each in ports.responders.values())
    yield from diagnosis.by_hand(live=live)


_PARTS: tuple[Callable[[Ports], Iterable[Finding]], ...] = (
    _tokens,
    _graph,
    _defender,
    _evidence,
    _told,
    _policy,
    _tenant,
)
