"""The tables of the README and of pages in docs/, and the policy's schema, made from the code.

`python -m local.docs --write | --check`.

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

from local import cost_page, errors_page, policy_page
from responders._wiring import responders
from shared.config import Settings
from shared.models.archive.manifest import schema_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pydantic.fields import FieldInfo

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
POLICY_PAGE = ROOT / "docs" / "policy.md"
POLICY_SCHEMA = ROOT / "policies" / "policy.schema.json"
MANIFEST_SCHEMA = ROOT / "docs" / "manifest.schema.json"
_TABLE = re.compile(r"(?<=<!-- table: )(\w+)( -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)
_BY_IDENTITY = "The same by the app's identity: "

MEANINGS: Mapping[str, str] = {
    "AzureWebJobsStorage": "Host storage (queues, ledger, snapshots) by connection string.",
    "AzureWebJobsStorage__accountName": f"{_BY_IDENTITY}the account's name. The Functions host itself"
    " takes it for one of the public cloud: in another, give the URLs below.",
    "AzureWebJobsStorage__blobServiceUri": f"{_BY_IDENTITY}the URL of its blob service, where the name is not enough.",
    "AzureWebJobsStorage__queueServiceUri": "Likewise, its queue service.",
    "AzureWebJobsStorage__tableServiceUri": "Likewise, its table service.",
    "EVIDENCE_STORAGE": "Evidence storage by connection string.",
    "EVIDENCE_STORAGE__blobServiceUri": f"{_BY_IDENTITY}the URL of its blob service.",
    "AZURE_CLIENT_ID": "Client id of a user-assigned identity; without it, the app's own identity.",
    "CUSTODY_KEY": "An RSA key in Key Vault that seals every run of the archive (`https://VAULT.vault.azure.net/keys/NAME`);"
    " without it, a local key of the app's own, which is worth less ([evidence](docs/evidence.md)).",
    "DEPLOYMENT": "The name of this deployment in our markers (1 to 40 letters, digits, hyphens); without it, the"
    " function app's name, and `local` on a machine of your own.",
    "DEFENDER_CLOUD": "Picks the hosts and token audiences: `commercial`, `gcc`, `gcchigh` or `dod`.",
    "DEFENDER_API_URL": "Another address of Defender's API (regional, a test tenant): what stands before `/api`.",
    "GRAPH_API_URL": "Another address of Graph: what stands before `/v1.0`.",
    "RESPONSE_MODE": "`observe` judges, plans and tells, and touches nothing; `respond` acts.",
    "SLACK_WEBHOOK_URL": "Incoming webhook of a Slack channel. A secret; without it, Slack is not told.",
    "TEAMS_WEBHOOK_URL": "Workflows webhook of a Teams channel. A secret; without it, Teams is not told.",
    "PAGER_WEBHOOK_URL": "Webhook of whatever wakes a person: it is posted to when something begins to wait for one, as"
    " when a cap is reached, and when the tenant refuses a containment for every device. A secret; without it, nobody"
    " is woken.",
    "WATCH_SCHEDULE": "How often incidents are read: six-field NCRONTAB (with seconds), UTC. The Functions host reads"
    " schedules itself, so they have to be set.",
    "FOLLOW_SCHEDULE": "How often actions under way are looked at: likewise.",
    "HOUSEKEEPING_SCHEDULE": "When the hourly round begins: likewise.",
    "POLICY_FILE": "The policy: a file's path (from the app's folder on), or the URL of a blob in host storage; without"
    " it, the shipped one (`policies/default.yaml`).",
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
    "STALL_ALARM": "People are told once a timer has not run, or incidents have piled up, for so long; longer than"
    " every schedule.",
    "MAX_AGE_TO_CONTAIN": "Containment waits for a person where the incident's newest alert is older.",
    "ACTION_VISIBILITY": "Within this time Defender is sure to show a new machine action (5 s or more). A POST that"
    " acts gets a third of it; one whose answer was lost is looked for after it, and not sent again before.",
    "NUDGE_AFTER": "Work that is overdue by so much is taken up again.",
    "AWAY_REISSUES": "How often an action is sent anew when Defender gave up since the device was away (it tries for"
    " three days). Then it has failed, and people are told.",
    "COLLECT_PATIENCE": "Collection waits so long for the containment of its device, and no longer.",
    "APPROVAL_EXPIRES": "What waits for a person may be approved for so long; then it is refused, and people are told.",
    "CLOSE_AFTER": "Actions that are final leave the open rows after this time (1 h or more).",
    "TIME_BUDGET": "A call of a function ends by itself after this time, and another one goes on.",
    "DOWNLOAD_HOSTS": "JSON: hosts, and suffixes that begin with a dot, from which packages are fetched.",
    "NOTIFY_DETAIL": "`minimal`, or `full`: each device with its whole name and why it is concerned. "
    "Neither tells accounts or command lines.",
    "TOOLS": "JSON: your files of the live response library that may run on devices, by name, each with its `sha256`,"
    ' for example `{"avml": {"sha256": "..."}}`; `platform` and `architecture` where the name does not say them.',
    "LIVE_RESPONSE_POLL": "How often a capture on a device is asked how far it is; each time is a session.",
    "LIVE_RESPONSE_PATIENCE": "Our sessions that still wait for their device after this time are cancelled.",
    "MEMORY_PART_SIZE": "Bytes of the parts in which a memory image is fetched; smaller by itself where they take too"
    " long.",
    "MEMORY_PATIENCE": "A memory image that is not there after this time is given up, and what there is of it removed.",
    "WINDOWS_LIVE_RESPONSE": "`off`, or `experimental`: scripts and memory on Windows, which nobody has seen run on a"
    " real device yet. See [live response](docs/live-response.md).",
    "LANGUAGE": "`en` or `ja`: reports, Slack and Teams. What services answer, and the reasons, details and advice that"
    " the ledger keeps, stay in English (`docs/console.md`).",
    "REPORT_ZONE": "The operator's time zone (an IANA name, such as `Europe/Berlin`), told beside UTC in reports.",
    "REPORT_EVERY": "An incident's report is made anew at most so often; at once where it is *contained* or over.",
    "REVIEW_URL": "The address at which people reach the container `review`, for links to reports in messages; without"
    " it, there are none.",
    "HUNT_WINDOW": "How long before the first and after the last activity of an incident its devices' events are hunted"
    " for (1 minute to 15 days; the service goes back 30 days).",
    "HUNT_QUERIES": "Your own hunting queries, one `NAME.kql` each (`docs/hunting.md`): a folder (from the app's folder"
    " on), or the URL of a folder in host storage. Without it, only the shipped ones.",
    "VIRUSTOTAL_API_KEY": "Key for VirusTotal: reports then tell how many engines call an incident's files malicious."
    " Hashes go there, never files (`docs/privacy.md`). A secret; without it, nobody is asked.",
    "VIRUSTOTAL_URL": "Another address of VirusTotal's API (a proxy, a test): what stands before `/api/v3`.",
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
    "Machine.Isolate": "No device is isolated or released; the action fails and people are told.",
    "Machine.LiveResponse": "Nothing runs on devices and nothing is fetched from them; the action fails and people are"
    " told.",
    "Library.Manage": "Likewise: what would run on a device cannot be looked at before.",
    "Machine.RestrictExecution": "No device is restricted, and no restriction lifted; the action fails and people are"
    " told.",
    "Machine.Scan": "No scan is run; the action fails and people are told.",
    "Machine.StopAndQuarantine": "No file is stopped; the action fails and people are told.",
    "Machine.CollectForensics": "No package is collected; the action fails and people are told.",
    "ThreatHunting.Read.All": "Nothing is hunted; the action fails and people are told.",
}
"""What breaks without a role that only responders need."""

IN_GRAPH = frozenset({*(role for role, (api, _, _) in OURS.items() if api == GRAPH), "ThreatHunting.Read.All"})
"""The roles of Graph; all others are Defender's."""


def api_of(role: str) -> str:
    """Which API a role belongs to."""
    return GRAPH if role in IN_GRAPH else DEFENDER


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
        api, purpose, without = OURS.get(role, (api_of(role), "", WITHOUT.get(role, "")))
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


POLICY_TABLES = policy_page.tables(_table)
PAGES: Mapping[Path, Mapping[str, Callable[[], str]]] = {
    README: TABLES,
    errors_page.PAGE: errors_page.TABLES,
    POLICY_PAGE: POLICY_TABLES,
    cost_page.PAGE: cost_page.tables(_table),
}
"""Every page with tables of the code's, and which."""


def written(text: str, tables: Mapping[str, Callable[[], str]] = TABLES) -> str:
    """The text with every marked table as the code has it.

    Raises:
        ValueError: a marker names a table that does not exist.
    """
    unknown = sorted(marked(text) - set(tables))
    if unknown:
        raise ValueError(f"no such table: {', '.join(unknown)}; there are {', '.join(tables)}")
    return _TABLE.sub(lambda match: f"{match[1]}{match[2]}{tables[match[1]]()}", text)


def marked(text: str) -> set[str]:
    """The tables that a text has a place for."""
    return {match[1] for match in _TABLE.finditer(text)}


def files() -> dict[Path, str]:
    """Every file with something made from the code, as it should be."""
    pages = {path: written(path.read_text(encoding="utf-8"), tables) for path, tables in PAGES.items()}
    return {**pages, POLICY_SCHEMA: policy_page.schema_file(), MANIFEST_SCHEMA: schema_json().decode()}


def main(arguments: Sequence[str]) -> int:
    """Bring the files up to date, or say whether they are as they should be (1: they are not)."""
    parser = argparse.ArgumentParser(prog="python -m local.docs", description="Tables and schema, from the code.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="bring them up to date")
    what.add_argument("--check", action="store_true", help="only say whether they are")
    wanted = parser.parse_args(arguments)
    stale = {path: text for path, text in files().items() if not path.exists() or path.read_text("utf-8") != text}
    for path, text in stale.items():
        if wanted.write:
            path.write_text(text, encoding="utf-8")
        else:
            name = path.relative_to(ROOT)
            print(f"{name}: not as the code has it; run python -m local.docs --write", file=sys.stderr)
    return 1 if stale and not wanted.write else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
