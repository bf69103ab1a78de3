"""The README's tables, made from the code: `python -m local.docs --write | --check`.

What a person has to know of a setting or a permission is written here once; what it is called, what it is by default
and who needs it comes from the code, so that neither can go stale unseen.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, TypeAdapter

from responders._wiring import responders
from shared.config import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pydantic.fields import FieldInfo

README = Path(__file__).parents[1] / "README.md"
_TABLE = re.compile(r"(?<=<!-- table: )(\w+)( -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)
_BY_IDENTITY = "The same by the app's identity: "

MEANINGS: Mapping[str, str] = {
    "AzureWebJobsStorage": "Host storage (queues, ledger, snapshots) by connection string.",
    "AzureWebJobsStorage__accountName": f"{_BY_IDENTITY}the account's name.",
    "AzureWebJobsStorage__blobServiceUri": f"{_BY_IDENTITY}the URL of its blob service, where the name is not enough.",
    "AzureWebJobsStorage__queueServiceUri": "Likewise, its queue service.",
    "AzureWebJobsStorage__tableServiceUri": "Likewise, its table service.",
    "EVIDENCE_STORAGE": "Evidence storage by connection string.",
    "EVIDENCE_STORAGE__blobServiceUri": f"{_BY_IDENTITY}the URL of its blob service.",
    "AZURE_CLIENT_ID": "Client id of a user-assigned identity; without it, the app's own identity.",
    "DEPLOYMENT": "The name of this deployment in our markers (1 to 40 letters, digits, hyphens); without it, the"
    " function app's name, and `local` on a machine of your own.",
    "DEFENDER_CLOUD": "Picks the hosts and token audiences: `commercial`, `gcc`, `gcchigh` or `dod`.",
    "DEFENDER_API_URL": "Another address of Defender's API (regional, a test tenant): what stands before `/api`.",
    "GRAPH_API_URL": "Another address of Graph: what stands before `/v1.0`.",
    "RESPONSE_MODE": "`observe` judges, plans and tells, and touches nothing; `respond` acts.",
    "SLACK_WEBHOOK_URL": "Incoming webhook of a Slack channel. A secret; without it, Slack is not told.",
    "TEAMS_WEBHOOK_URL": "Workflows webhook of a Teams channel. A secret; without it, Teams is not told.",
    "WATCH_SCHEDULE": "How often incidents are read: six-field NCRONTAB (with seconds), UTC. The Functions host reads"
    " schedules itself, so they have to be set.",
    "FOLLOW_SCHEDULE": "How often actions under way are looked at: likewise.",
    "HOUSEKEEPING_SCHEDULE": "When the hourly round begins: likewise.",
    "RATE_LIMITS": "JSON: the calls that each API may see, where they differ from the documented limits, for example"
    ' `{"package_uri": "1/min,60/h"}` (units s, min, h).',
    "ISOLATION_CAPS": "JSON: isolations per incident, per hour and per day, and the share of the onboarded devices that"
    " may be held at once (at least one device, unless it is 0).",
    "PROTECTED": "JSON: devices that are never contained, by `ids`, `names` (full or first label), `tags`, `groups`.",
    "WATCH_FROM": "The first start reads incidents from this instant on (ISO 8601, with a zone); without it, from now"
    " on.",
    "WATCH_OVERLAP": "How much of the past every reading reads again, for what became visible late.",
    "WATCH_SLICE": "The widest span of a backlog that is read at once.",
    "WATCH_ALARM": "People are told once incidents could not be read for so long.",
    "MAX_AGE_TO_CONTAIN": "Containment waits for a person where the incident's newest alert is older.",
    "ACTION_VISIBILITY": "Within this time Defender is sure to show a new machine action (5 s or more). A POST that"
    " acts gets a third of it; one whose answer was lost is looked for after it, and not sent again before.",
    "NUDGE_AFTER": "Work that is overdue by so much is taken up again.",
    "COLLECT_PATIENCE": "Collection waits so long for the containment of its device, and no longer.",
    "CLOSE_AFTER": "Actions that are final leave the open rows after this time (1 h or more).",
    "TIME_BUDGET": "A call of a function ends by itself after this time, and another one goes on.",
    "DOWNLOAD_HOSTS": "JSON: hosts, and suffixes that begin with a dot, from which packages are fetched.",
    "NOTIFY_DETAIL": "`minimal`, or `full`: each device with its whole name and why it is concerned. "
    "Neither tells accounts or command lines.",
}
"""What each setting means, with its unit. Durations are ISO 8601."""

GRAPH, DEFENDER = "Microsoft Graph", "WindowsDefenderATP"
OURS: Mapping[str, tuple[str, str, str]] = {
    "SecurityIncident.ReadWrite.All": (
        GRAPH,
        "read incidents with their alerts; tag them and comment on them",
        "Nothing happens: no incident is seen. With SecurityIncident.Read.All alone, tag and comment fail.",
    ),
    "Machine.Read.All": (
        DEFENDER,
        "read devices (the guard rails), count them (the caps), follow machine actions",
        "Containment waits for a person, nothing is collected, and what was sent cannot be followed.",
    ),
}
"""What the machinery needs: the API, what for, and what breaks without it."""

WITHOUT: Mapping[str, str] = {
    "Machine.Isolate": "No device is isolated; the action fails and people are told.",
    "Machine.CollectForensics": "No package is collected; the action fails and people are told.",
}
"""What breaks without a role that only responders need."""


def settings_table() -> str:
    """Every setting with its default and its meaning."""
    rows = [(f"`{name}`", _shown(default_of(name)), MEANINGS[name]) for name in Settings.model_fields]
    return _table(("name", "default", "meaning"), rows)


def default_of(name: str) -> str:
    """A setting's default as somebody would write it in a settings file; empty where there is none."""
    field: FieldInfo = Settings.model_fields[name]
    value: object = field.get_default(call_default_factory=True)
    match value:
        case None | "":
            return ""
        case str():
            return value
        case timedelta():
            return str(TypeAdapter(timedelta).dump_python(value, mode="json"))
        case BaseModel():
            return json.dumps(value.model_dump(mode="json"))
        case _:
            return json.dumps(value)


def responders_table() -> str:
    """Every responder with its lane and the first sentence of its module."""
    rows = []
    for responder in responders().values():
        module = importlib.import_module(type(responder).__module__)
        first = (module.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
        rows.append((f"`{responder.name}`", str(responder.lane), first))
    return _table(("responder", "queue", "what it does"), rows)


def permissions_table() -> str:
    """Every application permission, what needs it and what breaks without it."""
    users: dict[str, list[str]] = {role: [] for role in OURS}
    for responder in responders().values():
        for role in responder.permissions:
            users.setdefault(role, []).append(f"`{responder.name}`")
    rows = []
    for role, names in users.items():
        api, purpose, without = OURS.get(role, (DEFENDER, "", WITHOUT.get(role, "")))
        what = "; ".join(part for part in (purpose, ", ".join(names)) if part)
        rows.append((f"`{role}`", api, what, without))
    return _table(("permission", "API", "what for", "without it"), rows)


TABLES: Mapping[str, Callable[[], str]] = {
    "settings": settings_table,
    "responders": responders_table,
    "permissions": permissions_table,
}


def _shown(default: str) -> str:
    return f"`{default}`" if default else "none"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def written(text: str) -> str:
    """The text with every marked table as the code has it.

    Raises:
        ValueError: a marker names a table that does not exist.
    """
    unknown = sorted({match[1] for match in _TABLE.finditer(text)} - set(TABLES))
    if unknown:
        raise ValueError(f"no such table: {', '.join(unknown)}; there are {', '.join(TABLES)}")
    return _TABLE.sub(lambda match: f"{match[1]}{match[2]}{TABLES[match[1]]()}", text)


def marked(text: str) -> set[str]:
    """The tables that a text has a place for."""
    return {match[1] for match in _TABLE.finditer(text)}


def main(arguments: Sequence[str]) -> int:
    """Write the tables into the README, or say whether they are as they should be (1: they are not)."""
    parser = argparse.ArgumentParser(prog="python -m local.docs", description="The README's tables, from the code.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="bring them up to date")
    what.add_argument("--check", action="store_true", help="only say whether they are")
    wanted = parser.parse_args(arguments)
    before = README.read_text(encoding="utf-8")
    after = written(before)
    if wanted.write:
        README.write_text(after, encoding="utf-8")
    elif before != after:
        print("README.md: a table is not as the code has it; run python -m local.docs --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
