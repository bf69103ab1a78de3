"""What is hunted for: an incident's span of time and its traits, and the queries that they are put to. Pure.

Traits are what an attacker cannot help leaving on the next device too: hashes, domains, addresses, accounts, and the
telling words of command lines. All of it is somebody else's text, and only ever becomes a literal (`_kql`).
"""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from responders._concern import devices
from responders._kql import MONTH, NotAQuery, Query, Value, read_query, rendered
from shared.models.incident import Incident
from shared.models.lenient import instant, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

STANDARD, ONCE, EVERYTHING = "standard", "elsewhere", "everything"
"""Names of several shipped queries together: what happened on a device; the same behaviour elsewhere, which is asked
once for an incident, however many devices it concerns; and both.
"""

WINDOW = ("processes", "network", "files", "logons", "registry", "image-loads", "device-events", "alert-evidence")
ABOUT_FILES = ("file-certificates", "prevalence")
ELSEWHERE = ("same-hashes", "same-domains", "same-addresses", "same-accounts", "same-command-lines")
TOGETHER = {
    STANDARD: (*WINDOW, *ABOUT_FILES),
    ONCE: ELSEWHERE,
    EVERYTHING: (*WINDOW, *ABOUT_FILES, *ELSEWHERE),
}
SHIPPED = frozenset(TOGETHER[EVERYTHING])

TRAITS = frozenset({"hashes", "domains", "addresses", "accounts", "terms"})
MOST_TRAITS = 100
MOST_LINES = 5
MOST_TERMS = 8
_FEWEST_TERMS = 2
_SHA1 = re.compile(r"[0-9a-fA-F]{40}")
_TERM = re.compile(r"[A-Za-z0-9]{4,64}")
_CHANGING = re.compile(r"\d+|[0-9a-fA-F]{8,}")
_EVERYWHERE = frozenset(
    {"windows", "system32", "users", "program", "files", "http", "https", "appdata", "local", "temp"}
)
_DOMAIN = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+")
_THE_SYSTEMS = frozenset({"S-1-5-18", "S-1-5-19", "S-1-5-20"})
_DISTRUSTED = {"malicious", "suspicious"}


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom it is about, and when: `since` to `until` is the window, `hoped` its end before it was cut at now. `device`
    is empty where it is about the incident as a whole, `devices` are all that it concerns.
    """

    device: str
    since: datetime
    until: datetime
    hoped: datetime
    devices: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    lines: tuple[tuple[str, ...], ...] = ()

    @property
    def unseen(self) -> tuple[str, ...]:
        """What of the window had not happened yet, in words."""
        if self.hoped - self.until < timedelta(minutes=1):
            return ()
        until, hoped = (f"{moment:%Y-%m-%d %H:%M} UTC" for moment in (self.until, self.hoped))
        return (f"what came after {until}: the window goes to {hoped}",)

    def values(self, terms: tuple[str, ...] = ()) -> dict[str, Value]:
        """What queries may be asked with."""
        return {
            "device": self.device,
            "devices": self.devices,
            "since": self.since,
            "until": self.until,
            "hashes": self.hashes,
            "domains": self.domains,
            "addresses": self.addresses,
            "accounts": self.accounts,
            "terms": terms,
        }


@dataclass(frozen=True, slots=True)
class Ask:
    """One query with its values, asked over a span of time; `place` is where its answer goes."""

    query: Query
    place: str
    values: Mapping[str, Value]
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked, and what is not asked and why, by the name of the query. `unknown` is what stands against all of
    it: a query that is not there, or that cannot be used.
    """

    asks: tuple[Ask, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    unknown: str = ""


def subject_of(snapshot: bytes | None, device: str, begun: datetime, now: datetime, window: timedelta) -> Subject:
    """Whom an action is about. Without an incident the window lies round the moment when the action was made."""
    raw = json.loads(snapshot) if snapshot else {}
    alerts = _objects(raw.get("alerts"))
    moments = [
        moment
        for alert in alerts
        for moment in (instant(alert.get("firstActivityDateTime")), instant(alert.get("lastActivityDateTime")))
        if moment and moment.year > 1970 and moment <= now + MONTH  # noqa: PLR2004 - the years 1 and 1601 say "unknown"
    ]
    first, last = min(moments, default=begun), max(moments, default=begun)
    since, hoped = max(first - window, now - MONTH), last + window
    until = max(min(hoped, now), since + timedelta(minutes=1))
    evidence = [each for alert in alerts for each in _objects(alert.get("evidence"))]
    return _with_traits(Subject(device, since, until, hoped), Incident.model_validate(raw), evidence)


def _objects(value: object) -> list[dict[str, object]]:
    """The objects of a list, whatever it is."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _with_traits(subject: Subject, incident: Incident, evidence: list[dict[str, object]]) -> Subject:
    """With what the alerts' evidence names. `evidence` is the same as it came: the model leaves places out."""
    hashes: dict[str, None] = {}
    accounts: dict[str, None] = {}
    lines: dict[tuple[str, ...], None] = {}
    concerned = (each.id for each in devices(incident.alerts)[0])
    for item in (each for alert in incident.alerts for each in alert.evidence):
        for file in (item.file, item.image):
            if _SHA1.fullmatch(file.sha1) and not _microsofts(file.signer, file.publisher):
                hashes.setdefault(file.sha1.lower())
        if item.account.sid and item.account.sid not in _THE_SYSTEMS:
            accounts.setdefault(item.account.sid)
        if item.command_line and item.verdict in _DISTRUSTED:
            lines.setdefault(terms_of(item.command_line))
    domains, addresses = _places(evidence)
    return replace(
        subject,
        devices=tuple(dict.fromkeys(filter(None, (subject.device, *concerned)))),
        hashes=tuple(hashes)[:MOST_TRAITS],
        accounts=tuple(accounts)[:MOST_TRAITS],
        domains=domains[:MOST_TRAITS],
        addresses=addresses[:MOST_TRAITS],
        lines=tuple(terms for terms in lines if len(terms) >= _FEWEST_TERMS)[:MOST_LINES],
    )


def _microsofts(*names: str) -> bool:
    """Windows' own programs are on every device: their hashes tell nothing."""
    return any(name.lower().startswith("microsoft") for name in names)


def _places(evidence: list[dict[str, object]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Domains and public addresses of URL and IP evidence, and of URLs in command lines that are distrusted."""
    domains: dict[str, None] = {}
    addresses: dict[str, None] = {}
    for item in evidence:
        written = [text(item.get("url")), text(item.get("domainName"))]
        if str(item.get("verdict", "")).lower() in _DISTRUSTED:
            written += re.findall(r"https?://[^\s'\"()<>|]+", text(item.get("processCommandLine")))
        hosts = [text(item.get("ipAddress")), *map(_host, written)]
        for host in filter(None, hosts):
            if _public(host):
                addresses.setdefault(host)
            elif _DOMAIN.fullmatch(host) and not _is_address(host):
                domains.setdefault(host)
    return tuple(domains), tuple(addresses)


def _host(url: str) -> str:
    try:
        return (urlsplit(url if "//" in url else f"//{url}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _public(host: str) -> bool:
    """Whether it is an address that is somebody's on the Internet. Those reserved for documentation count, so that
    examples show something.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    inside = address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified
    return not inside and not any(address in net for net in _INSIDE if net.version == address.version)


_INSIDE = tuple(
    ipaddress.ip_network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def terms_of(line: str) -> tuple[str, ...]:
    """The telling words of a command line: what stays when it is used again, without numbers and random names, without
    what stands in every path. The longest first, as few as find it again.
    """
    words = dict.fromkeys(word.lower() for word in _TERM.findall(line))
    telling = [word for word in words if word not in _EVERYWHERE and not _CHANGING.fullmatch(word)]
    return tuple(sorted(telling, key=lambda word: (-len(word), word))[:MOST_TERMS])


def plan(subject: Subject, wanted: str, back: timedelta | None, text_of: Callable[[str], str | None]) -> Plan:
    """What is asked for a query's name, or for several that go by one. `back` is how far back from the window's end
    instead of the window. Traits of which there are none are left out, and that is said.
    """
    if back is not None:
        subject = replace(subject, since=max(subject.until - back, subject.until - MONTH))
    asks: list[Ask] = []
    left_out: list[tuple[str, str]] = []
    for name in TOGETHER.get(wanted, (wanted,)):
        written = text_of(name)
        if written is None:
            return Plan((), unknown=f"there is no hunting query '{name}'")
        try:
            query = read_query(name, written)
            found = list(_asks(query, subject))
        except NotAQuery as error:
            return Plan((), unknown=str(error))
        asks += found
        if not found:
            left_out.append((name, "the incident names nothing to look for with it"))
    return Plan(tuple(asks), tuple(left_out))


def _asks(query: Query, subject: Subject) -> Iterator[Ask]:
    wanted = dict(query.parameters)
    lines = subject.lines if "terms" in wanted else ((),)
    for number, terms in enumerate(lines, 1):
        values = subject.values(terms)
        rendered(query, values)
        if any(name in TRAITS and not values[name] for name, _ in query.parameters):
            continue
        since = subject.until - MONTH if query.span == "month" else subject.since
        place = f"{query.name}-{number}" if len(lines) > 1 else query.name
        yield Ask(query, place, values, since, subject.until)
