"""Settings: read once, checked whole. Every problem is named at once, with what to do."""

from __future__ import annotations

import json
import os
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from shared.errors import SettingsError
from shared.models.rates import DEFAULT_RATES, checked_rates, parse_rate
from shared.models.tool import Tool
from shared.zones import checked

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

CLOUDS = {
    "commercial": ("https://graph.microsoft.com", "https://api.security.microsoft.com"),
    "gcc": ("https://graph.microsoft.com", "https://api-gcc.securitycenter.microsoft.us"),
    "gcchigh": ("https://graph.microsoft.us", "https://api-gov.securitycenter.microsoft.us"),
    "dod": ("https://dod-graph.microsoft.us", "https://api-gov.securitycenter.microsoft.us"),
}
"""Graph and Defender hosts by cloud. Commercial Defender tokens have an audience that is not the host called."""

COMMERCIAL_AUDIENCE = "https://api.securitycenter.microsoft.com"

_HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|(\.[A-Za-z0-9-]+){2,}")
_CRON_FIELDS = 6


def _json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON ({error.msg} at column {error.colno})") from None


def _rate_limits(value: object) -> object:
    return checked_rates(_json(value))


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Caps(_Strict):
    """`ISOLATION_CAPS`: how many devices may be isolated per incident, hour and day, and which share of the onboarded
    devices may be held isolated at once (at least one).
    """

    per_incident: int = Field(5, ge=0)
    per_hour: int = Field(10, ge=0)
    per_day: int = Field(50, ge=0)
    fleet_share: float = Field(0.05, ge=0, le=1)


class Protected(_Strict):
    """`PROTECTED`: devices that are never contained. Ids are Defender's, or Entra's where Defender tells them. Names
    match case-insensitively, as the full DNS name or its first label; tags and groups case-insensitively.
    """

    ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


Seconds = Annotated[timedelta, Field(gt=timedelta(0))]


class Settings(_Strict):
    """Every setting that the product reads, by the name it has in the environment."""

    AzureWebJobsStorage: str = ""
    AzureWebJobsStorage__accountName: str = ""
    AzureWebJobsStorage__blobServiceUri: str = ""
    AzureWebJobsStorage__queueServiceUri: str = ""
    AzureWebJobsStorage__tableServiceUri: str = ""
    EVIDENCE_STORAGE: str = ""
    EVIDENCE_STORAGE__blobServiceUri: str = ""
    AZURE_CLIENT_ID: str = ""
    CUSTODY_KEY: str = ""
    DEPLOYMENT: str = Field("", pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,39}$")
    DEFENDER_CLOUD: Literal["commercial", "gcc", "gcchigh", "dod"] = "commercial"
    DEFENDER_API_URL: str = ""
    GRAPH_API_URL: str = ""
    RESPONSE_MODE: Literal["observe", "respond"] = "observe"
    SLACK_WEBHOOK_URL: str = ""
    TEAMS_WEBHOOK_URL: str = ""
    PAGER_WEBHOOK_URL: str = ""
    WATCH_SCHEDULE: str = "*/10 * * * * *"
    FOLLOW_SCHEDULE: str = "*/10 * * * * *"
    HOUSEKEEPING_SCHEDULE: str = "0 7 * * * *"
    POLICY_FILE: str = ""
    RATE_LIMITS: Annotated[dict[str, int | str], BeforeValidator(_rate_limits)] = Field(default_factory=dict)
    ISOLATION_CAPS: Annotated[Caps, BeforeValidator(_json)] = Caps()
    PROTECTED: Annotated[Protected, BeforeValidator(_json)] = Protected()
    WATCH_FROM: datetime | None = None
    WATCH_OVERLAP: Seconds = timedelta(minutes=2)
    WATCH_SLICE: Seconds = timedelta(hours=1)
    WATCH_ALARM: Seconds = timedelta(minutes=5)
    STALL_ALARM: Seconds = timedelta(minutes=10)
    MAX_AGE_TO_CONTAIN: Seconds = timedelta(hours=2)
    ACTION_VISIBILITY: Annotated[timedelta, Field(ge=timedelta(seconds=5))] = timedelta(seconds=120)
    NUDGE_AFTER: Seconds = timedelta(seconds=60)
    AWAY_REISSUES: int = Field(1, ge=0, le=10)
    COLLECT_PATIENCE: Seconds = timedelta(minutes=10)
    APPROVAL_EXPIRES: Seconds = timedelta(hours=24)
    CLOSE_AFTER: Annotated[timedelta, Field(ge=timedelta(hours=1))] = timedelta(hours=1)
    TIME_BUDGET: Seconds = timedelta(minutes=8)
    DOWNLOAD_HOSTS: Annotated[tuple[str, ...], BeforeValidator(_json)] = (
        ".securitycenter.windows.com",
        ".security.microsoft.com",
        ".security.microsoft.us",
        ".securitycenter.microsoft.us",
        ".blob.core.windows.net",
        ".blob.core.usgovcloudapi.net",
    )
    NOTIFY_DETAIL: Literal["minimal", "full"] = "minimal"
    TOOLS: Annotated[dict[str, Tool], BeforeValidator(_json)] = Field(default_factory=dict)
    LIVE_RESPONSE_POLL: Seconds = timedelta(minutes=2)
    LIVE_RESPONSE_PATIENCE: Seconds = timedelta(hours=2)
    MEMORY_PART_SIZE: int = Field(512 * 1024 * 1024, ge=64 * 1024, le=2 * 1024**3)
    MEMORY_PATIENCE: Seconds = timedelta(hours=6)
    WINDOWS_LIVE_RESPONSE: Literal["off", "experimental"] = "off"
    LANGUAGE: Literal["en", "ja"] = "en"
    REPORT_ZONE: Annotated[str, AfterValidator(checked)] = "UTC"
    REPORT_EVERY: Seconds = timedelta(minutes=1)
    REVIEW_URL: str = ""
    HUNT_WINDOW: Annotated[timedelta, Field(ge=timedelta(minutes=1), le=timedelta(days=15))] = timedelta(hours=24)
    HUNT_QUERIES: str = ""
    VIRUSTOTAL_API_KEY: str = ""
    VIRUSTOTAL_URL: str = ""

    @field_validator("WATCH_SCHEDULE", "FOLLOW_SCHEDULE", "HOUSEKEEPING_SCHEDULE")
    @classmethod
    def _six_fields(cls, value: str) -> str:
        if len(value.split()) != _CRON_FIELDS:
            raise ValueError(f"'{value}' needs six fields: second minute hour day month weekday")
        return value

    @field_validator(
        *("DEFENDER_API_URL", "GRAPH_API_URL", "SLACK_WEBHOOK_URL", "TEAMS_WEBHOOK_URL", "PAGER_WEBHOOK_URL"),
        *("CUSTODY_KEY", "REVIEW_URL", "VIRUSTOTAL_URL"),
    )
    @classmethod
    def _https(cls, value: str) -> str:
        parts = urlsplit(value)
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        if value and not (secure and parts.hostname):
            raise ValueError("must be an https URL (plain http is for loopback only)")
        return value.rstrip("/")

    @field_validator("DOWNLOAD_HOSTS")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wide = [host for host in value if not _HOST.fullmatch(host)]
        if wide:
            raise ValueError(f"{', '.join(map(repr, wide))}: give whole host names, or suffixes of at least two labels")
        return value

    @field_validator("WATCH_FROM")
    @classmethod
    def _zoned(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("needs a zone, for example 2026-08-20T10:00:00Z")
        return value

    @property
    def graph_url(self) -> str:
        """The part before `/v1.0`."""
        return self.GRAPH_API_URL or CLOUDS[self.DEFENDER_CLOUD][0]

    @property
    def graph_audience(self) -> str:
        """The resource for which a Graph token is asked."""
        return CLOUDS[self.DEFENDER_CLOUD][0]

    @property
    def defender_url(self) -> str:
        """The part before `/api`."""
        return self.DEFENDER_API_URL or CLOUDS[self.DEFENDER_CLOUD][1]

    @property
    def defender_audience(self) -> str:
        """The resource for which a Defender token is asked: not the host that is called."""
        return COMMERCIAL_AUDIENCE if self.DEFENDER_CLOUD == "commercial" else CLOUDS[self.DEFENDER_CLOUD][1]

    @property
    def respond(self) -> bool:
        """Whether the tenant may be touched."""
        return self.RESPONSE_MODE == "respond"

    def rate(self, api: str) -> tuple[tuple[int, int], ...]:
        """The limits of an API: calls and window in seconds, as in `parse_rate`."""
        written = self.RATE_LIMITS.get(api, DEFAULT_RATES[api])
        return parse_rate(written if isinstance(written, str) else f"{written}/min")


def load(environment: Mapping[str, str]) -> Settings:
    """The settings in an environment; names that are not ours are left alone.

    Raises:
        SettingsError: with every problem at once.
    """
    named = {name: value for name, value in environment.items() if name in Settings.model_fields and value != ""}
    named.setdefault("DEPLOYMENT", _deployment(environment))
    problems = _missing_storage(named)
    try:
        settings = Settings.model_validate(named)
    except ValidationError as error:
        raise SettingsError([*problems, *(_problem(dict(item)) for item in error.errors())]) from None
    if problems:
        raise SettingsError(problems)
    return settings


def _missing_storage(named: Mapping[str, str]) -> list[str]:
    problems = []
    uris = all(f"AzureWebJobsStorage__{kind}ServiceUri" in named for kind in ("blob", "queue", "table"))
    if not (uris or "AzureWebJobsStorage" in named or "AzureWebJobsStorage__accountName" in named):
        problems.append("AzureWebJobsStorage: missing; give a connection string, or AzureWebJobsStorage__accountName")
    if not ("EVIDENCE_STORAGE" in named or "EVIDENCE_STORAGE__blobServiceUri" in named):
        problems.append("EVIDENCE_STORAGE: missing; give a connection string, or EVIDENCE_STORAGE__blobServiceUri")
    return problems


def _deployment(environment: Mapping[str, str]) -> str:
    site = re.sub(r"[^A-Za-z0-9-]", "-", environment.get("WEBSITE_SITE_NAME", ""))[:40].strip("-")
    return site or "local"


_ADVICE = {
    "time_delta": "needs an ISO 8601 duration, for example PT2H",
    "datetime": "needs an ISO 8601 instant, for example 2026-08-20T10:00:00Z",
    "tuple_type": 'needs a JSON list, for example ["a", "b"]',
    "model": 'needs a JSON object, for example {"per_hour": 10} or {"names": ["dc01"]}',
    "extra_forbidden": f"unknown key; known are {', '.join(Caps.model_fields)} of ISOLATION_CAPS and"
    f" {', '.join(Protected.model_fields)} of PROTECTED",
    "string_pattern": "needs 1 to 40 letters, digits and hyphens, and no hyphen first",
}
"""What to do about an error of pydantic's, by the start of its type, where its own words leave that open."""


def _problem(error: Mapping[str, object]) -> str:
    where = error.get("loc")
    name = ".".join(str(part) for part in where) if isinstance(where, tuple) else ""
    kind = str(error.get("type", ""))
    message = next((said for start, said in _ADVICE.items() if kind.startswith(start)), str(error.get("msg", "")))
    message = message.removeprefix("Value error, ")
    return f"{name}: {message}" if name else message


def check() -> None:
    """Read the settings of this process, for a host that wants to refuse to start. Raises SettingsError.

    The host reads the schedules itself; those that are not set get their defaults in this process' environment.
    """
    settings = load(os.environ)
    for name in ("WATCH_SCHEDULE", "FOLLOW_SCHEDULE", "HOUSEKEEPING_SCHEDULE"):
        os.environ[name] = str(getattr(settings, name))
