"""What was done to a history, counted: each trouble by name, and the call or the place that it struck.

A long run fails where something that it should try never happened, so everything that is tried has its name here.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.fakes.clients import POSSIBLE
from tests.simulation.crossings import CROSSED
from tests.simulation.deliveries import BELATED, DIED, FAILED, SHARED
from tests.simulation.fates import KINDS
from tests.simulation.gateways import READS
from tests.simulation.record import ACTS, CREATING
from tests.simulation.storage_trouble import LOSING, REFUSING
from tests.simulation.untimely import HALTED, HASTY, LANDED, MERGED, ROLLING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.clients import Mishap
    from tests.simulation.world import World

Injected = Counter[tuple[str, str]]

_TRANSFER = ("write_once", "stage_block", "commit", "head", "read")

TRANSFER = (
    *(f"{place}.{call}" for place in ("evidence", "staging") for call in _TRANSFER),
    "evidence.pull_block",
    "staging.names",
)
"""The storage's side of a transfer. A write is hooked around the whole, and inside it: each block that is sent, or
that the storage fetches by itself, and the commit.
"""

LONG = timedelta(minutes=5)
"""What a machine action takes that stalls."""

REACHED = ("per incident", "per hour", "per day", "held at once")
"""The caps, as those hear of them who may approve what is beyond."""

STORAGE = (
    *("rows.get", "rows.query", "rows.commit", "queues.send", "queues.receive", "queues.delete"),
    *("documents.create", "documents.read", "evidence.names", "evidence.held"),
    *("pages.put", "signer.sign", *TRANSFER),
)
"""Every call of the storage that the product makes, and that of the key: each fails, and is died before and after."""

BY_LUCK = ("evidence.versions",)
"""What is called while there is trouble in so few histories that nothing can be expected of it: runs are read again
once in four weeks.
"""

CHUNK = "downloads.chunk"
"""Hooked ahead of each chunk of a download only."""

_LATE = ("delay", "up to the deadline", "effect up to the deadline")

PAGED = {"/api/machines": "devices.onboarded", "/api/machineactions": "devices.actions"} | {
    "/v1.0/security/incidents": "incidents.changed"
}
"""Lists with several pages in some histories, by their address."""

RAN_OUT = "the link ran out"
"""By time, where a mishap says the same of one that did not."""

CRASHES = ("crash before", "crash after")

QUEUED = ("comes twice", FAILED, DIED, SHARED, BELATED, "out of order", "poisoned by deaths")
"""What the platform does to messages."""

HAPPENINGS = (
    *("an incident appears", "a new alert", "a severity rises", "a severity falls", "assigned"),
    *("resolved", "false positive", "merged"),
    *("a device is away", "a person isolates", "a person releases", "a person cancels", "a person collects"),
    *(
        "a person tags",
        "a device stays away",
        "a session in the portal",
        "a session is cancelled",
        "a device restarts",
        "a file is replaced",
        "expected activity",
        "harmless for a while",
        "attacked again",
        "tags are replaced",
        "a person restricts",
        "a person unrestricts",
    ),
)
"""What happens in the tenant."""

FATES = ("Failed", "TimeOut", "Cancelled", "shown late", "behind a rival")
"""What becomes of machine actions of ours, beside success."""

ELSEWHERE = (
    *(("a command takes too long", "device"), ("a command fails", "device"), ("a folder cannot be removed", "device")),
    *(("clock skew", "instance"), ("conflict", "rows.commit"), ("storage fails", "rows.commit")),
    *(("storage answer lost", "rows.commit"), ("storage answer lost", "queues.send"), ("slow", "rows.commit")),
    *(("mode switched", "observe"), ("mode switched", "respond"), ("update", "members"), ("update", "form")),
    *(("setting changed", each) for each in ("ISOLATION_CAPS", "PROTECTED", "RATE_LIMITS", "the policy")),
    *(("storage refuses", f"{each}*") for each in REFUSING),
    *CROSSED,
    *((HALTED, "rows.commit"), (MERGED, "tenant"), (HASTY, "order")),
    *((LANDED, call) for call in CREATING),
    (ROLLING, "instance"),
    *(("row", "with a member more"), ("row", "of a newer form"), ("row", "handed on by the older")),
    *(("disabled", "watch"), ("disabled", "follow"), ("rubbish", "queues.receive"), ("gone", "chat.post")),
)

ORDERED = (
    *("approve", "refuse", "release", "isolate", "collect", "retry", "cancel", "hold", "resume", "reassess", "note"),
    *("replay", "drop", "namesake", "run_script", "get_files"),
)


def name_of(mishap: Mishap) -> str:
    """A mishap in words: the status of an answer counts, and whether it says how long to wait."""
    if not mishap.kind.startswith("status"):
        return mishap.kind
    after = " after its effect" if mishap.kind.endswith("after_effect") else ""
    return f"{mishap.status}{after}{' with Retry-After' if mishap.retry_after else ''}"


def expected() -> Iterator[tuple[str, str]]:
    """Everything that a long run has to have tried."""
    for call, mishaps in POSSIBLE.items():
        yield from ((name, call) for name in dict.fromkeys(map(name_of, mishaps)))
        yield from ((how, call) for how in CRASHES)
    yield from dict.fromkeys((name_of(each), call) for call, mishaps in READS.items() for each in mishaps)
    for storage in STORAGE:
        yield from ((how, storage) for how in (*CRASHES, "storage fails"))
    yield from (("storage answer lost", call) for call in LOSING)
    yield from ((how, call) for call in ACTS for how in _LATE)
    yield from ((how, kind) for kind in KINDS for how in ("Failed", "TimeOut", "stalls"))
    yield from (("second page", of) for of in PAGED.values())
    yield "rows", "hunting.run"
    yield "crash before", CHUNK
    yield RAN_OUT, "downloads.open"
    yield from ((what, "message") for what in QUEUED)
    yield from ((what, "tenant") for what in HAPPENINGS)
    yield from ((what, "machine action") for what in FATES)
    yield from ELSEWHERE
    yield from (("cap reached", name) for name in REACHED)
    yield from (("order", kind) for kind in ORDERED)


def unlisted(calls: Counter[str]) -> list[str]:
    """Calls that were made and of which nothing is expected: what befalls them would be missed by nobody."""
    return sorted(set(+calls) - {*POSSIBLE, *STORAGE, *BY_LUCK, CHUNK})


def reckoned(world: World) -> Injected:
    """What can be told at the end of a history only."""
    found: Injected = Counter()
    desk = world.tenant.desk
    for action in desk.everything():
        if action.source == "PublicApi":
            progress = desk.progress(action)
            found[progress.status, "machine action"] += 1
            found[progress.status, action.kind] += 1
            found["stalls", action.kind] += bool(progress.finished and progress.finished - action.created > LONG)
            found["shown late", "machine action"] += action.visible > action.created
            found["behind a rival", "machine action"] += action.behind_releases
    for entry in world.tenant.journal.entries():
        on = {"$skip", "$skiptoken"} & {name for name, value in entry["query"].items() if value != "0"}
        if on and entry["path"] in PAGED:
            found["second page", PAGED[entry["path"]]] += 1
        gone = entry["path"].startswith("/download/") and entry["status"] == world.tenant.settings.link_expired_status
        found[RAN_OUT, "downloads.open"] += gone and not entry["fault"]
    found["rows", "hunting.run"] += getattr(world.hunting, "found", 0)
    told = [each.detail for each in world.record.actions() if "the cap of" in each.detail]
    found.update(("cap reached", name) for name in REACHED if any(name in text for text in told))
    versions = world.versions
    found["row", "with a member more"] += versions.dressed
    found["row", "of a newer form"] += versions.reformed
    found["row", "handed on by the older"] += versions.handed_on
    return found
