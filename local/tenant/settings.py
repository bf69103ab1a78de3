"""What of the tenant can be chosen, with the documented behaviour as the default.

A settings file names only what it changes. Every mistake in it is reported at once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, cast

from local.tenant.identity import ALL_ROLES, CLOUDS
from local.tenant.rates import DEFAULT_RATES, parse_rate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.tenant.wire import Json

Span = tuple[float, float]

ACTION_KINDS = (
    "Isolate",
    "Unisolate",
    "CollectInvestigationPackage",
    "RunAntiVirusScan",
    "RestrictCodeExecution",
    "UnrestrictCodeExecution",
    "StopAndQuarantineFile",
    "LiveResponse",
)
FINAL_STATUSES = ("Succeeded", "Failed", "TimeOut", "Cancelled")


@dataclass(frozen=True, slots=True)
class Durations:
    """How long an action waits and works: spans in seconds from which each action draws."""

    pending: Span = (2.0, 10.0)
    running: Span = (5.0, 30.0)


DEFAULT_DURATIONS: dict[str, Durations] = {
    "CollectInvestigationPackage": Durations((5.0, 30.0), (60.0, 240.0)),
    "RunAntiVirusScan": Durations((5.0, 30.0), (60.0, 600.0)),
    "LiveResponse": Durations((60.0, 120.0), (2.0, 30.0)),
}


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """All of the tenant's choices; times are seconds."""

    tenant_id: str = "b3c1b5fc-828c-45fa-a1e1-10d74f6d6e9c"
    cloud: str = "commercial"
    public_url: str = "http://tenant.invalid"
    identity_header: str = "synthetic-identity-header"
    token_seconds: float = 3599.0
    app_name: str = "Bulkhead"
    applications: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[str, ...] = ALL_ROLES
    visibility_seconds: float = 5.0
    duplicate_isolate: Literal["error", "silent", "race"] = "error"
    offline_seconds: float = 259_200.0
    offline_status: str = "TimeOut"
    pace: float = 1.0
    durations: Mapping[str, Durations] = field(default_factory=dict)
    outcomes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    link_seconds: float = 300.0
    link_expired_status: int = 403
    link_range: bool = True
    link_escaped: bool = False
    live_response_link_seconds: float = 1800.0
    package_file: str | None = None
    alerts_page: int = 100
    expanded_alerts: int = 0
    alerts_without_role: Literal["sent", "missing", "null", "empty"] = "sent"
    next_link_expands: bool = True
    incidents_paging: Literal["skiptoken", "skip", "none"] = "skiptoken"
    incidents_most_skipped: int = 0
    incidents_most_alerts: int = 0
    incident_most_alerts: int = 0
    slack_per_second: float = 1.0
    slack_burst: int = 5
    rates: Mapping[str, str] = field(default_factory=dict)
    live_response_sessions: int = 25
    library_file_limit: int = 20_000_000
    put_file_limit: int = 10_000_000
    put_file_limit_windows: int = 300_000_000
    get_file_limit: int = 3_000_000_000
    script_seconds: float = 600.0
    get_file_seconds: float = 1800.0
    uplink_bytes_per_second: float = 12_500_000.0
    gzip_member_bytes: int = 16_777_216
    hunting_synthetic: bool = True
    hunting_rows: int = 100_000
    hunting_bytes: int = 124_000_000
    hunting_quota: int = 0
    hunting_dynamic: Literal["text", "nested"] = "text"
    hunting_capitals: bool = False
    virustotal_key: str = "0" * 64
    virustotal_files: Mapping[str, int] = field(default_factory=dict)

    def duration(self, kind: str) -> Durations:
        """Return the spans of a kind of action."""
        return self.durations.get(kind) or DEFAULT_DURATIONS.get(kind) or Durations()

    @classmethod
    def from_json(cls, value: Json) -> TenantSettings:
        """Build settings from a JSON object; ValueError lists every problem."""
        problems: list[str] = []
        known = {one.name for one in fields(cls)}
        problems += [f"unknown setting '{name}'" for name in value if name not in known]
        chosen: dict[str, Any] = {name: one for name, one in value.items() if name in known}
        if isinstance(chosen.get("roles"), list):
            chosen["roles"] = tuple(chosen["roles"])
        if isinstance(chosen.get("durations"), dict):
            chosen["durations"] = _durations(chosen["durations"], problems)
        problems += _mistakes(chosen)
        if problems:
            raise ValueError("; ".join(problems))
        return cls(**chosen)

    @classmethod
    def from_text(cls, text: str) -> TenantSettings:
        """Build settings from JSON text."""
        value = json.loads(text)
        if not isinstance(value, dict):
            message = "settings must be a JSON object"
            raise ValueError(message)  # noqa: TRY004 - callers report one kind of error
        return cls.from_json(cast("Json", value))


def _durations(value: Json, problems: list[str]) -> dict[str, Durations]:
    found: dict[str, Durations] = {}
    for kind, spans in value.items():
        if kind not in ACTION_KINDS or not isinstance(spans, dict) or set(spans) - {"pending", "running"}:
            problems.append(f"durations: '{kind}' wants an action kind with 'pending' and 'running'")
            continue
        default = DEFAULT_DURATIONS.get(kind, Durations())
        found[kind] = Durations(
            _span(spans.get("pending", default.pending), kind, problems),
            _span(spans.get("running", default.running), kind, problems),
        )
    return found


def _span(value: object, kind: str, problems: list[str]) -> Span:
    low_high = (value, value) if isinstance(value, int | float) else value
    match low_high:
        case [int() | float() as low, int() | float() as high] if 0 <= low <= high:
            return (float(low), float(high))
    problems.append(f"durations: '{kind}' wants seconds or [least, most]")
    return (0.0, 0.0)


_NUMBERS = frozenset(
    {
        "token_seconds",
        "visibility_seconds",
        "offline_seconds",
        "pace",
        "link_seconds",
        "link_expired_status",
        "live_response_link_seconds",
        "alerts_page",
        "expanded_alerts",
        "incidents_most_skipped",
        "incidents_most_alerts",
        "incident_most_alerts",
        "slack_per_second",
        "slack_burst",
        "live_response_sessions",
        "library_file_limit",
        "put_file_limit",
        "put_file_limit_windows",
        "get_file_limit",
        "script_seconds",
        "get_file_seconds",
        "uplink_bytes_per_second",
        "gzip_member_bytes",
        "hunting_rows",
        "hunting_bytes",
        "hunting_quota",
    }
)
_TEXTS = frozenset(
    {
        "tenant_id",
        "public_url",
        "identity_header",
        "app_name",
        "offline_status",
        "virustotal_key",
    }
)
_MAPPINGS = frozenset(
    {
        "applications",
        "durations",
        "outcomes",
        "rates",
        "virustotal_files",
    }
)
_CHOICES = {
    "duplicate_isolate": ("error", "silent", "race"),
    "alerts_without_role": ("sent", "missing", "null", "empty"),
    "incidents_paging": ("skiptoken", "skip", "none"),
    "hunting_dynamic": ("text", "nested"),
}


def _mistakes(chosen: Mapping[str, Any]) -> list[str]:
    problems = []
    for name, value in chosen.items():
        if name in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
            problems.append(f"'{name}' wants a number from 0")
        elif name in _TEXTS and not isinstance(value, str):
            problems.append(f"'{name}' wants text")
        elif name in _MAPPINGS and not isinstance(value, dict):
            problems.append(f"'{name}' wants an object")
    for name, words in _CHOICES.items():
        if chosen.get(name, words[0]) not in words:
            problems.append(f"'{name}' wants {', '.join(words[:-1])} or {words[-1]}")
    if chosen.get("cloud", "commercial") not in CLOUDS:
        problems.append(f"'cloud' wants one of {', '.join(CLOUDS)}")
    if chosen.get("offline_status", "TimeOut") not in FINAL_STATUSES:
        problems.append(f"'offline_status' wants one of {', '.join(FINAL_STATUSES)}")
    problems += [f"unknown role '{role}'" for role in chosen.get("roles", ()) if role not in ALL_ROLES]
    return problems + _rate_mistakes(chosen.get("rates")) + _outcome_mistakes(chosen.get("outcomes"))


def _rate_mistakes(rates: object) -> list[str]:
    problems = []
    for name, text in rates.items() if isinstance(rates, dict) else ():
        if name not in DEFAULT_RATES:
            problems.append(f"rates: unknown API '{name}'")
            continue
        try:
            parse_rate(text)
        except ValueError as error:
            problems.append(f"rates: {name}: {error}")
    return problems


def _outcome_mistakes(outcomes: object) -> list[str]:
    problems = []
    for kind, shares in outcomes.items() if isinstance(outcomes, dict) else ():
        good = isinstance(shares, dict) and not set(shares) - set(FINAL_STATUSES)
        if kind not in ACTION_KINDS or not good or sum(shares.values()) > 1:
            problems.append(f"outcomes: '{kind}' wants an action kind with shares of {', '.join(FINAL_STATUSES)}")
    return problems
