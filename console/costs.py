"""What a month costs: measured quantities times named prices. Pure.

What was measured lies in measured.json, made by `python -m local.measuring`. Prices and whatever else was not measured
are assumptions, each with its name, so that another figure can be put in its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DAYS = 30.4
DAY = 86_400
_TENTH_OF_THOUSAND = 10_000
_GB = 1_000_000_000
QUEUES_POLLED = 6
_HOURLY = 24


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars, pay as you go, public cloud, one region of many. `grant_*` are free each month for a subscription."""

    gb_second: float = 0.000026
    million_executions: float = 0.40
    grant_gb_seconds: float = 100_000
    grant_executions: float = 250_000
    queue_10k: float = 0.004
    table_10k: float = 0.00036
    blob_write_10k: float = 0.065
    blob_read_10k: float = 0.005
    evidence_gb_month: float = 0.023
    log_gb: float = 2.30
    log_free_gb: float = 5.0
    alarm: float = 1.50


PRICED = {
    "gb_second": "Functions, Flex Consumption on demand, a GB-second",
    "million_executions": "Functions, a million executions",
    "grant_gb_seconds": "GB-seconds free each month, for the whole subscription",
    "grant_executions": "executions free each month, likewise",
    "queue_10k": "queue storage, 10,000 operations of any class",
    "table_10k": "table storage, 10,000 operations",
    "blob_write_10k": "blob storage, hot, 10,000 writes",
    "blob_read_10k": "blob storage, hot, 10,000 reads and all others, leases among them",
    "evidence_gb_month": "blob storage, hot, zone-redundant, a GB for a month",
    "log_gb": "Log Analytics, a GB taken in, kept for 31 days",
    "log_free_gb": "GB taken in that are free each month",
    "alarm": "one log search alert every five minutes, a month",
}


@dataclass(frozen=True, slots=True)
class Use:
    """What is chosen, and what is assumed where nothing could be measured.

    `polled` is the share of the month in which an instance listens to each queue: 1 is the most there can be; the
    platform takes instances away that have nothing to do. `log_overhead` are the bytes of a log line beside its text.
    """

    incidents_a_day: float = 10
    memory_gb: float = 0.5
    watch_seconds: float = 10
    follow_seconds: float = 10
    polling_seconds: float = 2
    polled: float = 1.0
    evidence_mb: float = 50
    months_kept: float = 12
    log_overhead: float = 700
    alarms: int = 8
    granted: bool = True


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of a run: for one execution of an idle timer, and for one incident."""

    tick: Mapping[str, float]
    tick_log: tuple[float, float]
    leases_a_second: float
    incident: Mapping[str, float]
    incident_executions: float
    incident_seconds: float
    incident_log: tuple[float, float]

    @classmethod
    def of(cls, told: Mapping[str, object]) -> Measured:
        """From measured.json."""
        idle, incident = _object(told["idle"]), _object(told["incident"])
        seconds = _number(told["idle_seconds"])
        return cls(
            tick=_numbers(idle["storage_each"]),
            tick_log=(_number(idle["log_lines"]), _number(idle["log_bytes"])),
            leases_a_second=_numbers(idle["storage"]).get("blob lease", 0.0) / seconds,
            incident=_numbers(incident["storage"]),
            incident_executions=sum(_numbers(incident["executions"]).values()),
            incident_seconds=sum(_numbers(incident["billed_seconds"]).values()),
            incident_log=(_number(incident["log_lines"]), _number(incident["log_bytes"])),
        )


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError("not an object of figures")
    return value


def _number(value: object) -> float:
    if not isinstance(value, int | float):
        raise TypeError("not a figure")
    return float(value)


def _numbers(value: object) -> dict[str, float]:
    return {name: _number(each) for name, each in _object(value).items()}


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the bill: what, how much of it a month, in which unit, and what that costs in dollars."""

    name: str
    quantity: float
    unit: str
    usd: float
    compute: bool = False


@dataclass(frozen=True, slots=True)
class Bill:
    """A month."""

    items: tuple[Item, ...] = field(default=())

    @property
    def compute(self) -> float:
        """What the executions cost."""
        return sum(item.usd for item in self.items if item.compute)

    @property
    def total(self) -> float:
        """Everything."""
        return sum(item.usd for item in self.items)


def bill(use: Use, measured: Measured, prices: Prices) -> Bill:
    """What a month costs."""
    incidents = use.incidents_a_day * DAYS
    ticks = DAYS * (DAY / use.watch_seconds + DAY / use.follow_seconds + _HOURLY)
    return Bill(
        (
            *_compute(use, measured, prices, ticks, incidents),
            *_storage(use, measured, prices, ticks, incidents),
            _log(use, measured, prices, ticks, incidents),
            Item("alarms", use.alarms, "rules", use.alarms * prices.alarm),
        )
    )


def _compute(use: Use, measured: Measured, prices: Prices, ticks: float, incidents: float) -> tuple[Item, Item]:
    """A tick is billed the least there is, a second; an incident what was measured, of each execution at least that."""
    executions = ticks + incidents * measured.incident_executions
    gb_seconds = (ticks + incidents * measured.incident_seconds) * use.memory_gb
    free_executions = prices.grant_executions if use.granted else 0
    free_seconds = prices.grant_gb_seconds if use.granted else 0
    paid = max(0.0, executions - free_executions) / 1_000_000 * prices.million_executions
    paid_seconds = max(0.0, gb_seconds - free_seconds) * prices.gb_second
    return (
        Item("executions", executions, "executions", paid, compute=True),
        Item("execution time", gb_seconds, "GB-s", paid_seconds, compute=True),
    )


def _storage(use: Use, measured: Measured, prices: Prices, ticks: float, incidents: float) -> tuple[Item, ...]:
    def both(kind: str) -> float:
        return ticks * measured.tick.get(kind, 0.0) + incidents * measured.incident.get(kind, 0.0)

    polls = QUEUES_POLLED * use.polled * DAYS * DAY / use.polling_seconds
    leases = measured.leases_a_second * DAYS * DAY
    kept = incidents * use.months_kept * use.evidence_mb * 1_000_000 / _GB

    def priced(name: str, quantity: float, price: float) -> Item:
        return Item(name, quantity, "operations", quantity / _TENTH_OF_THOUSAND * price)

    return (
        priced("queue polling", polls, prices.queue_10k),
        priced("queues", both("queue"), prices.queue_10k),
        priced("ledger", both("table"), prices.table_10k),
        priced("locks of the host", leases, prices.blob_read_10k),
        priced("blob writes", both("blob write"), prices.blob_write_10k),
        priced("blob reads", both("blob read"), prices.blob_read_10k),
        Item("evidence kept", kept, "GB", kept * prices.evidence_gb_month),
    )


def _log(use: Use, measured: Measured, prices: Prices, ticks: float, incidents: float) -> Item:
    """A line more for each execution than the host wrote here: the request, which Application Insights keeps too."""
    executions = ticks + incidents * measured.incident_executions
    lines = ticks * measured.tick_log[0] + incidents * measured.incident_log[0] + executions
    text = ticks * measured.tick_log[1] + incidents * measured.incident_log[1]
    taken = (text + lines * use.log_overhead) / _GB
    return Item("log", taken, "GB", max(0.0, taken - prices.log_free_gb) * prices.log_gb)


def assumptions(use: Use, prices: Prices) -> dict[str, float | bool]:
    """Every figure that was not measured, by name."""
    return {each.name: getattr(part, each.name) for part in (use, prices) for each in fields(part)}
